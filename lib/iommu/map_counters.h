/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel does not count for us: the mappings of an address space that it keeps. */
#ifndef PL_IOMMU_MAP_COUNTERS_H
#define PL_IOMMU_MAP_COUNTERS_H

#include <peerlane/pl_iommu.h>

struct map_counters {
	struct pl_ioas_stats stats; /* every member is updated atomically */
};

void map_counters_map(struct map_counters *c, size_t len);
void map_counters_unmap(struct map_counters *c, size_t len);
void map_counters_read(const struct map_counters *c, struct pl_ioas_stats *stats);

#endif
