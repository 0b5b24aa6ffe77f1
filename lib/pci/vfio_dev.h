/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One PCI function that a vfio driver owns: its regions and its configuration space. It is opened by
 * its character device (vfio_cdev.h) or out of its group (vfio_group.h), as the address space wants
 * it that it is put in, and started once it is in there.
 */
#ifndef PL_VFIO_DEV_H
#define PL_VFIO_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_parse.h>

struct rte_intr_handle;

struct vfio_dev {
	char bdf[PL_PCI_ADDR_LEN];
	int fd; /* -1: not opened yet */
	bool started;
	struct rte_intr_handle *request; /* VFIO_PCI_REQ_IRQ_INDEX; NULL: not to be had */
	bool asked_back; /* atomic */
	bool ordered; /* Relaxed Ordering is known to be off, or to be none of the function's */
	bool order_told; /* why it is not, which is said once */
	bool devctl_known;
	uint16_t devctl_was; /* the enables that the first vfio_dev_order() found on */
	struct vfio_dev *next; /* of the same address space */
};

/* The device, not opened yet. -ENOMEM */
int vfio_dev_create(const char *bdf, struct vfio_dev **dev);

/* It is open and in an address space: turns memory decoding on, as mappings and exports made before
 * that would be revoked. Calls vfio_dev_order(). 0, -EIO, -ENODEV. */
int vfio_dev_start(struct vfio_dev *dev);

/* Turns bus mastering off, so that the function cannot reach memory any more, puts back what
 * vfio_dev_order() cleared, and closes. */
void vfio_dev_destroy(struct vfio_dev *dev);

/* Sets COMMAND.MEM: the function's BARs answer. */
int vfio_dev_decode(struct vfio_dev *dev);

/*
 * Clears Enable Relaxed Ordering and Enable No Snoop in Device Control: that a completion was seen
 * says something about the data only if the data may not be overtaken on the way. A reset turns
 * them on again, so this is called after each. @dev->ordered has the result; why it is not to be
 * had is logged once, and no reason not to drive the function.
 */
void vfio_dev_order(struct vfio_dev *dev);

/* Sets or clears COMMAND.MASTER, without which the function reads and writes no memory but its own. */
int vfio_dev_master(struct vfio_dev *dev, bool on);

/* Whether the kernel wants the function back, because it is being unbound or removed: it waits until
 * vfio_dev_destroy(). Once true it stays so. Any thread. */
bool vfio_dev_asked_back(const struct vfio_dev *dev);

/* Bytes of BAR @bar; 0 if there is none. */
uint64_t vfio_dev_bar_size(struct vfio_dev *dev, unsigned int bar);

/*
 * Maps [offset, offset + len) of BAR @bar at @va (which must lie in a reservation of the caller's)
 * or anywhere if @va is NULL. -ENOTSUP if the kernel does not let that part be mapped (it holds the
 * MSI-X table, or the region has no mmap).
 */
int vfio_dev_map_bar(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len, void *va,
		     void **out);

/* A dma-buf of [offset, offset + len) of BAR @bar; the caller closes it. -ENOTSUP before Linux
 * 6.19 (or without CONFIG_VFIO_PCI_DMABUF), -ENODEV while decoding is off. */
int vfio_dev_export_bar(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len,
			int *dmabuf);

#endif
