/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI Express Device Control register, in the configuration space of one function: a file (a
 * vfio device's, or `config` in sysfs) and where the space begins in it.
 */
#ifndef PL_PCI_DEVCTL_H
#define PL_PCI_DEVCTL_H

#include <stdint.h>
#include <sys/types.h>

struct pci_config {
	const char *bdf; /* for messages */
	int fd;
	off_t at;
};

/* 0 and the register; -ENOENT if the function has no PCI Express capability, or ends its list of
 * capabilities in nonsense; -ENODEV if it is gone (all ones); -EIO if it cannot be read. Each with
 * a message. */
int pci_devctl_read(const struct pci_config *config, uint16_t *devctl);

/*
 * Changes the bits of @mask to those of @value, and reads back what they are then, which need not
 * be that: @left has them. Bits besides are written as they were read. Errors as of
 * pci_devctl_read(), before which nothing was written, and -EIO if it cannot be written.
 */
int pci_devctl_update(const struct pci_config *config, uint16_t mask, uint16_t value,
		      uint16_t *left);

#endif
