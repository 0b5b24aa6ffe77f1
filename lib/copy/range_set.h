/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which chunks are done, as runs in ascending order. A job begins chunks in order and has at most
 * `depth` under way, so those that are done have at most `depth` gaps, however many chunks there are.
 */
#ifndef COPY_RANGE_SET_H
#define COPY_RANGE_SET_H

#include <stdint.h>

struct copy_run {
	uint64_t first;
	uint64_t end; /* the first chunk that does not belong to it */
};

struct copy_range_set {
	struct copy_run *runs;
	uint32_t n;
	uint32_t room;
};

/* @gaps: how many there can be at once. -ENOMEM without a message. */
int copy_range_set_init(struct copy_range_set *set, uint32_t gaps);
void copy_range_set_fini(struct copy_range_set *set);
/* @chunk is not in the set yet. */
void copy_range_set_add(struct copy_range_set *set, uint64_t chunk);

#endif
