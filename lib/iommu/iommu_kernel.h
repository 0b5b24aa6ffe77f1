/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two backends of the kernel's have in common. */
#ifndef PL_IOMMU_KERNEL_H
#define PL_IOMMU_KERNEL_H

#include <peerlane/pl_iommu.h>

#include "vfio_dev.h"

struct kernel_counters {
	struct pl_ioas_stats stats; /* every member is updated atomically */
};

void kernel_count_map(struct kernel_counters *c, size_t len);
void kernel_count_unmap(struct kernel_counters *c, size_t len);
void kernel_stats(const struct kernel_counters *c, struct pl_ioas_stats *stats);

/* Devices of one address space. kernel_add_device() owns @fd whatever it returns. */
int kernel_add_device(struct vfio_dev **list, const char *bdf, int fd);
struct vfio_dev *kernel_find_device(struct vfio_dev *list, const char *bdf);
void kernel_drop_devices(struct vfio_dev **list);

/* -ENOENT: the kernel reports DMA faults in its log only. */
int kernel_fault_next(struct pl_ioas *ioas, struct pl_iommu_fault *fault);

/* -EACCES for who may not open @path, with a message that says what gives the right. */
int kernel_denied(const char *path);

/* The errno of a map call that failed with @err, with a message: a memlock limit is named with its
 * value and the command that raises it. */
int kernel_map_failed(const char *call, const void *va, size_t len, int err);

#endif
