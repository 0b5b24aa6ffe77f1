/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel tells about PCI functions in sysfs. A device is named by its full BDF. */
#ifndef PL_PCI_SYSFS_H
#define PL_PCI_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_parse.h>

#define PCI_CLASS_NVME 0x010802u
#define PCI_CLASS_ANY  UINT32_MAX /* to pci_sysfs_list() */
#define PCI_BDF_LEN    PL_PCI_ADDR_LEN
#define PCI_NUM_BARS   6

/* Where the functions are listed; tests point it at a tree of their own. */
extern const char *pci_sysfs_root;

bool pci_sysfs_exists(const char *bdf);

/* The functions of class @class in the order of their addresses, for the caller to free. Returns
 * how many, or -ENOMEM. */
int pci_sysfs_list(unsigned int class, char (**bdfs)[PCI_BDF_LEN]);

/* A hexadecimal or decimal attribute; -ENOENT if it is absent or unreadable. */
int pci_sysfs_number(const char *bdf, const char *attr, long long *value);

/* The last component of a link such as "driver" or "iommu_group"; -ENOENT if there is none. */
int pci_sysfs_link(const char *bdf, const char *link, char *buf, size_t len);

/* Bytes of memory BAR @bar (0 to 5); 0 if there is none. */
uint64_t pci_sysfs_bar_size(const char *bdf, unsigned int bar);

/* The address of memory BAR @bar on the bus; -ENOENT if there is none. On the machines that this
 * runs on it is the CPU's physical address as well. */
int pci_sysfs_bar_addr(const char *bdf, unsigned int bar, uint64_t *addr);

/* Whether a vfio driver owns the function: vfio-pci, or a variant driver of any name. */
bool pci_sysfs_is_vfio(const char *bdf);

/* The name of the function's vfio character device ("vfio3"); -ENOENT before Linux 6.6, without
 * CONFIG_VFIO_DEVICE_CDEV, or while no vfio driver is bound. */
int pci_sysfs_vfio_cdev(const char *bdf, char *buf, size_t len);

/* 0; -ENOENT if there is no such function, -EINVAL if it is not of @class, which people call @what ("an
 * NVMe controller"), with a message. */
int pci_sysfs_check_class(const char *bdf, unsigned int class, const char *what);

/* 0 if a vfio driver owns the function; else -ENOENT (no such function), -ENOTSUP (no IOMMU) or -EBUSY
 * (another driver), with a message that says the command that mends it. */
int pci_sysfs_check_vfio(const char *bdf);

#endif
