/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "pci_devctl.h"
#include "pl_log.h"

/* As many capabilities as fit behind the header: a list that is longer runs in a circle. */
#define CAPS_MAX ((256u - PCI_STD_HEADER_SIZEOF) / 4)

static int read16(const struct pci_config *config, unsigned int reg, uint16_t *val)
{
	uint16_t raw;
	ssize_t n = pread(config->fd, &raw, 2, config->at + (off_t)reg);

	if (n != 2)
		return pl_fail(-EIO, "%s: cannot read its configuration space at 0x%x: %s",
			       config->bdf, reg, n < 0 ? strerror(errno) : "it ends before");
	*val = le16toh(raw);
	return 0;
}

/* The PCI Express capability (PCI local bus specification 3.0, 6.7). */
static int find_express(const struct pci_config *config, unsigned int *at)
{
	uint16_t word = 0, next;
	int rc = read16(config, PCI_VENDOR_ID, &word);

	if (rc == 0 && word == UINT16_MAX)
		return pl_fail(-ENODEV, "%s is gone: its configuration space reads all ones",
			       config->bdf);
	if (rc == 0)
		rc = read16(config, PCI_STATUS, &word);
	if (rc)
		return rc;
	next = 0;
	if (word & PCI_STATUS_CAP_LIST)
		rc = read16(config, PCI_CAPABILITY_LIST, &next);
	for (unsigned int i = 0; rc == 0 && i < CAPS_MAX; i++) {
		*at = next & 0xfcu;
		if (*at < PCI_STD_HEADER_SIZEOF)
			break;
		rc = read16(config, *at + PCI_CAP_LIST_ID, &word);
		if (rc == 0 && word == UINT16_MAX)
			break;
		if (rc == 0 && (word & 0xff) == PCI_CAP_ID_EXP)
			return 0;
		next = word >> 8;
	}
	return rc ? rc : pl_fail(-ENOENT, "%s has no PCI Express capability", config->bdf);
}

static int read_at(const struct pci_config *config, unsigned int at, uint16_t *devctl)
{
	int rc = read16(config, at + PCI_EXP_DEVCTL, devctl);

	/* No function has all of it on: the top bit of a function's is read as 0 (FLR). */
	if (rc == 0 && *devctl == UINT16_MAX)
		return pl_fail(-ENODEV, "%s is gone: its Device Control register reads all ones",
			       config->bdf);
	return rc;
}

int pci_devctl_read(const struct pci_config *config, uint16_t *devctl)
{
	unsigned int at = 0;
	int rc = find_express(config, &at);

	return rc ? rc : read_at(config, at, devctl);
}

int pci_devctl_update(const struct pci_config *config, uint16_t mask, uint16_t value,
		      uint16_t *left)
{
	uint16_t old = 0, raw;
	unsigned int at = 0;
	int rc = find_express(config, &at);

	if (rc == 0)
		rc = read_at(config, at, &old);
	if (rc)
		return rc;
	/* Written as 1, that bit resets the function. */
	raw = htole16((uint16_t)(((old & ~mask) | (value & mask)) & ~PCI_EXP_DEVCTL_BCR_FLR));
	if (raw != htole16(old) &&
	    pwrite(config->fd, &raw, 2, config->at + (off_t)(at + PCI_EXP_DEVCTL)) != 2)
		return pl_fail(-EIO, "%s: cannot write its Device Control register: %s",
			       config->bdf, strerror(errno));
	rc = read_at(config, at, left);
	*left &= mask;
	return rc;
}
