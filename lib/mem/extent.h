/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sub-allocation of an address range, first fit by address, with all bookkeeping outside the range:
 * what is managed may be device memory or not accessible at all. Not thread safe.
 */
#ifndef PL_EXTENT_H
#define PL_EXTENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A run of one state. Neighbours by address are never both free. */
struct pl_extent {
	uintptr_t va;
	size_t len;
	TAILQ_ENTRY(pl_extent) by_va;
	LIST_ENTRY(pl_extent) free_link; /* le_prev is NULL while handed out */
};

TAILQ_HEAD(pl_extent_tailq, pl_extent);
LIST_HEAD(pl_extent_list, pl_extent);

struct pl_extents {
	struct pl_extent_tailq all;
	struct pl_extent_list free; /* in no order */
	void *taken;                /* tsearch() tree of those handed out, by va */
	size_t free_bytes;
	unsigned int nb_taken;
};

/* -ENOMEM */
int pl_extents_init(struct pl_extents *e, uintptr_t va, size_t len);
void pl_extents_fini(struct pl_extents *e);

/* The lowest run of @len bytes aligned to @align, a power of two. -ENOMEM without a message: no run
 * is long enough, or no memory for bookkeeping; nothing changed. */
int pl_extents_take(struct pl_extents *e, size_t len, size_t align, uintptr_t *va);

/* The length of what was handed out at @va, or 0 if nothing was. */
size_t pl_extents_taken(const struct pl_extents *e, uintptr_t va);

/* Takes back what was handed out at @va. Cannot fail. */
void pl_extents_give(struct pl_extents *e, uintptr_t va);

size_t pl_extents_largest_free(const struct pl_extents *e);

#endif
