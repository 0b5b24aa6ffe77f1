/* SPDX-License-Identifier: BSD-3-Clause */
#include "map_counters.h"

void map_counters_map(struct map_counters *c, size_t len)
{
	__atomic_fetch_add(&c->stats.maps, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->stats.mappings, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->stats.mapped_bytes, len, __ATOMIC_RELAXED);
}

void map_counters_unmap(struct map_counters *c, size_t len)
{
	__atomic_fetch_add(&c->stats.unmaps, 1, __ATOMIC_RELAXED);
	/* The kernel invalidates and waits inside the call. */
	__atomic_fetch_add(&c->stats.invalidations, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->stats.mappings, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->stats.mapped_bytes, len, __ATOMIC_RELAXED);
}

void map_counters_read(const struct map_counters *c, struct pl_ioas_stats *stats)
{
	stats->maps = __atomic_load_n(&c->stats.maps, __ATOMIC_RELAXED);
	stats->unmaps = __atomic_load_n(&c->stats.unmaps, __ATOMIC_RELAXED);
	stats->mappings = __atomic_load_n(&c->stats.mappings, __ATOMIC_RELAXED);
	stats->mapped_bytes = __atomic_load_n(&c->stats.mapped_bytes, __ATOMIC_RELAXED);
	stats->invalidations = __atomic_load_n(&c->stats.invalidations, __ATOMIC_RELAXED);
	stats->faults = 0;
}
