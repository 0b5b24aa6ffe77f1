/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's side of the software IOMMU: the only way an emulated device reaches memory.
 *
 * A device owns one pl_soft_dev: its identity in fault records and its IOTLB. It touches memory
 * only between pl_soft_begin() and pl_soft_end() (a DMA section), from one thread at a time, and
 * only through pointers that pl_soft_xlate() returned in that same section. pl_ioas_unmap() clears
 * the page table, bumps the generation that begin() compares with the IOTLB's, and waits for the
 * sections that began before: after it returned no device holds a pointer into the range. A
 * section must therefore be short (one command's data at most) and never wait for the host.
 */
#ifndef PL_SOFT_DMA_H
#define PL_SOFT_DMA_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_iommu.h>

struct pl_soft_dev;

/* -ENOTSUP if @ioas is not of the soft backend, -ENOMEM. @name is copied. */
int pl_soft_attach(struct pl_ioas *ioas, const char *name, struct pl_soft_dev **dev);
void pl_soft_detach(struct pl_soft_dev *dev);

/*
 * The owner of mapped device memory takes it back for good, as the kernel does with a dma-buf whose
 * exporter was reset: accesses fault from now on, and the range stays taken (a new map is -EEXIST)
 * until its user unmaps it. When it returned, no device holds a pointer into it. Not in a DMA
 * section. -ENOENT if no mapping starts there, -EINVAL if it has another length.
 */
int pl_soft_revoke(struct pl_ioas *ioas, uint64_t iova, size_t len);

void pl_soft_begin(struct pl_soft_dev *dev);
void pl_soft_end(struct pl_soft_dev *dev);

/*
 * Translates @iova for an access of up to @len bytes (PL_IOMMU_READ or PL_IOMMU_WRITE).
 * Returns how many bytes from *@host on are reachable (1..@len, up to the end of the last
 * contiguous page of the same kind), or 0 if the first byte is refused: the fault is recorded.
 */
size_t pl_soft_xlate(struct pl_soft_dev *dev, uint64_t iova, size_t len, uint32_t access,
		     void **host, enum pl_mem_kind *kind);

/* The first address at or above @iova at which anything is mapped, or UINT64_MAX: for a device that
 * tries every address, without the faults of those where nothing is. In a DMA section. */
uint64_t pl_soft_next(struct pl_soft_dev *dev, uint64_t iova);

#endif
