/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU groups, and why the kernel refuses one: it answers EPERM, EBUSY or EINVAL and leaves it to
 * the user to find out who is meant. All of it is read from /sys and /proc, which stand below the
 * root that pci_sysfs_root stands below.
 */
#ifndef PL_PCI_GROUP_H
#define PL_PCI_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "pci_sysfs.h"

/* Whether MSIs of a device are kept apart from others' ("interrupt remapping"). */
enum pci_remap {
	PCI_REMAP_UNKNOWN,
	PCI_REMAP_OFF,
	PCI_REMAP_ON,
};

/* A member of @bdf's group that keeps the group from user space: bound to a driver that is neither
 * vfio's nor one that does no DMA of its own. False if there is none. */
bool pci_group_foreign(const char *bdf, char member[PCI_BDF_LEN], char driver[64]);

/* Another process that has @bdf's group, or the vfio device of one of its members, open: "process
 * 1234 (spdk_tgt)", and its number. False if /proc shows none, which it does to others than root for
 * their own processes only. */
bool pci_group_user(const char *bdf, char *buf, size_t len, int *pid);

/* Whether the group is of vfio's own making: its no-IOMMU mode. */
bool pci_group_is_noiommu(const char *bdf);

/* As the interrupt controllers of /proc/interrupts tell. */
enum pci_remap pci_remap_state(void);

/*
 * What the kernel meant when it refused @bdf or its group with @err, on the way that is guarded by
 * the kernel module @module's allow_unsafe_interrupts. A negative errno of pl_err.h's with
 * a message: -EBUSY if a member of the group is bound to a kernel driver or another process has it
 * open, who is named if that can be known; -EACCES if interrupts are not remapped; -ENOTSUP.
 */
int pci_group_refused(const char *bdf, const char *module, int err);

/* How to have an IOMMU on this machine: text for the end of a message. */
void pci_iommu_remedy(char *buf, size_t len);

/* -ENOTSUP with the reason if no IOMMU stands before @bdf; else 0. */
int pci_group_check(const char *bdf);

#endif
