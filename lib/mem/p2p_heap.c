/* SPDX-License-Identifier: BSD-3-Clause */
/* Page-granular allocation of one memory of a device's: a CMB, a PMR, a BAR. Nothing is ever stored
 * in the device's memory but zeroes and what its users put there. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include <peerlane/pl_devmem.h>

#include "extent.h"
#include "mem_internal.h"
#include "pl_alloc.h"
#include "pl_log.h"

struct pl_p2p_heap {
	pthread_mutex_t lock;
	struct pl_extents extents;
	struct pl_mem_info info;      /* of the whole, as in the table of regions */
	bool gone;                    /* atomic: the device's memory could not be attached again */
	const struct pl_guard *guard; /* NULL: the CPU cannot lose it */
};

const char *pl_mem_kind_name(enum pl_mem_kind kind)
{
	static const char *const names[PL_MEM_KINDS] = { "host", "CMB", "PMR", "BAR" };

	return names[kind];
}

int pl_p2p_heap_create(const char *owner, enum pl_mem_kind kind, void *va, size_t len,
		       struct pl_p2p_heap **out)
{
	struct pl_p2p_heap *heap;
	uintptr_t last;
	int ret;

	if (len == 0 || (((uintptr_t)va | len) & (PL_P2P_PAGE - 1)) != 0 ||
	    __builtin_add_overflow((uintptr_t)va, len - 1, &last))
		return pl_fail(-EINVAL, "%s: %zu bytes of %s at %p are not whole pages of %u bytes",
			       owner, len, pl_mem_kind_name(kind), va, PL_P2P_PAGE);
	heap = eal_calloc(1, sizeof(*heap));
	if (heap == NULL)
		return pl_fail(-ENOMEM, "no memory for the heap over the %s of %s",
			       pl_mem_kind_name(kind), owner);
	heap->info = (struct pl_mem_info){ .va = va, .len = len, .kind = kind, .numa_node = -1 };
	snprintf(heap->info.owner, sizeof(heap->info.owner), "%s", owner);
	ret = pl_extents_init(&heap->extents, (uintptr_t)va, len);
	if (ret != 0) {
		pl_fail(ret, "no memory for the heap over the %s of %s", pl_mem_kind_name(kind),
			owner);
		goto fail_heap;
	}
	ret = pl_region_add(&heap->info);
	if (ret != 0)
		goto fail_extents;
	pthread_mutex_init(&heap->lock, NULL);
	*out = heap;
	return 0;

fail_extents:
	pl_extents_fini(&heap->extents);
fail_heap:
	free(heap);
	return ret;
}

void pl_p2p_heap_set_gone(struct pl_p2p_heap *heap, bool gone)
{
	__atomic_store_n(&heap->gone, gone, __ATOMIC_RELEASE);
}

void pl_p2p_heap_set_guard(struct pl_p2p_heap *heap, const struct pl_guard *guard)
{
	heap->guard = guard;
}

static const char *why_gone(const struct pl_p2p_heap *heap)
{
	if (__atomic_load_n(&heap->gone, __ATOMIC_ACQUIRE))
		return "is gone since a reset";
	if (heap->guard && pl_guard_lost(heap->guard))
		return "was taken away from this process (SIGBUS)";
	return NULL;
}

bool pl_p2p_heap_there(const struct pl_p2p_heap *heap)
{
	return !why_gone(heap);
}

static int check_there(const struct pl_p2p_heap *heap)
{
	const char *why = why_gone(heap);

	return why ? pl_fail(-ENODEV, "%s: its %s %s: %s", heap->info.owner,
			     pl_mem_kind_name(heap->info.kind), why,
			     heap->info.kind == PL_MEM_BAR ? "start anew" : "reset the controller")
		   : 0;
}

void pl_p2p_heap_destroy(struct pl_p2p_heap *heap)
{
	if (heap == NULL)
		return;
	if (heap->extents.nb_taken > 0)
		PL_LOG(WARNING, "%s: %u allocations of its %s (%zu bytes) were never freed",
		       heap->info.owner, heap->extents.nb_taken, pl_mem_kind_name(heap->info.kind),
		       heap->info.len - heap->extents.free_bytes);
	pl_region_remove(heap->info.va);
	pl_extents_fini(&heap->extents);
	pthread_mutex_destroy(&heap->lock);
	free(heap);
}

int pl_p2p_alloc(struct pl_p2p_heap *heap, size_t len, size_t align, void **out)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)PL_P2P_PAGE);
	size_t left, largest;
	uintptr_t va;
	int ret;

	if (len == 0)
		return pl_fail(-EINVAL, "cannot allocate 0 bytes of the %s of %s",
			       pl_mem_kind_name(heap->info.kind), heap->info.owner);
	ret = check_there(heap);
	if (ret != 0)
		return ret;
	if ((align & (align - 1)) != 0)
		return pl_fail(-EINVAL, "alignment %zu is not a power of two", align);
	align = RTE_MAX(align, (size_t)PL_P2P_PAGE);
	pthread_mutex_lock(&heap->lock);
	/* Rounding up wraps for the last 4095 lengths. */
	ret = rounded < len ? -ENOMEM : pl_extents_take(&heap->extents, rounded, align, &va);
	left = heap->extents.free_bytes;
	largest = ret != 0 ? pl_extents_largest_free(&heap->extents) : 0;
	pthread_mutex_unlock(&heap->lock);
	if (ret != 0)
		return pl_fail(
			-ENOMEM,
			"%s: no %zu bytes in a row, aligned to %zu, are free in its %s of %zu "
			"bytes: %zu are free, at most %zu in a row",
			heap->info.owner, len, align, pl_mem_kind_name(heap->info.kind),
			heap->info.len, left, largest);
	/* Outside the lock: the run is this caller's, and a page is 512 posted writes. */
	*out = (void *)va;
	pl_devmem_zero(*out, rounded);
	ret = check_there(heap);
	if (ret != 0) {
		pl_p2p_free(heap, *out);
		*out = NULL;
	}
	return ret;
}

void pl_p2p_free(struct pl_p2p_heap *heap, void *va)
{
	bool known;

	if (va == NULL)
		return;
	pthread_mutex_lock(&heap->lock);
	known = pl_extents_taken(&heap->extents, (uintptr_t)va) != 0;
	if (known)
		pl_extents_give(&heap->extents, (uintptr_t)va);
	pthread_mutex_unlock(&heap->lock);
	if (!known)
		PL_LOG(ERR, "%s: %p is freed but is no allocation of its %s (freed twice?)",
		       heap->info.owner, va, pl_mem_kind_name(heap->info.kind));
}

void pl_p2p_heap_stats(struct pl_p2p_heap *heap, struct pl_p2p_heap_stats *stats)
{
	pthread_mutex_lock(&heap->lock);
	stats->kind = heap->info.kind;
	stats->size = heap->info.len;
	stats->free = heap->extents.free_bytes;
	stats->largest_free = pl_extents_largest_free(&heap->extents);
	pthread_mutex_unlock(&heap->lock);
}
