/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunk of a CMB out of the kernel's pool of peer memory, where peerlane_vfio_pci owns the
 * function: the kernel's own drivers may be given its pages (O_DIRECT), which those of a BAR that
 * vfio-pci maps they may not.
 */
#ifndef PL_VFIO_P2PMEM_H
#define PL_VFIO_P2PMEM_H

#include "vfio_dev.h"

struct vfio_p2pmem {
	int fd;		 /* the chunk; -1: none */
	uint64_t offset; /* of its first byte in the BAR */
	size_t len;
};

/* Sizes that are asked for are multiples of it. */
#define VFIO_P2PMEM_LEAST (64u << 10)

/* What to do so that there is a pool: text for the end of a message. */
void vfio_p2pmem_remedy(const char *bdf, char *buf, size_t len);

/* Whether the pool could ever give @size bytes. 0; -ENOTSUP if there is no pool, or none
 * that this library knows; -EINVAL; -ENODEV, -EIO. */
int vfio_p2pmem_check(struct vfio_dev *dev, uint64_t size);

/*
 * Takes @want bytes, or with 0 all of it or the largest half, quarter, ... that is free in one
 * piece, which must lie inside [offset, offset + len) of BAR @bar. 0; -ENOENT if the function's
 * driver has no such pool; -ENOTSUP if it is not one that this library knows; -ENOMEM if that much
 * is not free; -ENODEV; -EIO.
 */
int vfio_p2pmem_take(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len,
		     uint64_t want, struct vfio_p2pmem *chunk);

/* Maps all of it at @va, inside a reservation of the caller's. -ENODEV, -ENOMEM. */
int vfio_p2pmem_map(const struct vfio_dev *dev, const struct vfio_p2pmem *chunk, void *va);

/* Gives it back; mappings of it keep it until they are gone. */
void vfio_p2pmem_give(struct vfio_p2pmem *chunk);

#endif
