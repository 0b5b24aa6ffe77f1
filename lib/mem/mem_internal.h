/* SPDX-License-Identifier: BSD-3-Clause */
/* What lib/mem offers the layers above it inside the library. */
#ifndef PL_MEM_INTERNAL_H
#define PL_MEM_INTERNAL_H

#include <peerlane/pl_mem.h>

/* The window: a range of virtual addresses inside the IOMMU's aperture, reserved at init, from
 * which every mapping of device memory takes its one address. */
int pl_window_reserve(size_t len, void **va); /* aligned to 2 MiB; -ENOMEM */
/* The same at exactly @va, for device memory that has an address already: outside the window, but
 * inside the aperture. -EREMOTEIO if the IOMMU or this process cannot have it there. */
int pl_window_reserve_at(void *va, size_t len);
/* Takes out what is mapped there and keeps the addresses: nothing else gets them, nobody may touch
 * them. For whoever mapped something into a range of the window. */
bool pl_window_clear(void *va, size_t len);
/* Puts ordinary zeroed memory there, which no device reaches: pointers into device memory that could
 * not be attached again stay harmless for the CPU. */
bool pl_window_absent(void *va, size_t len);
void pl_window_release(void *va, size_t len); /* puts the inaccessible reservation back */

/* What the CPU has mapped of one device, which the kernel may take away at any moment: the first access
 * after that (SIGBUS) replaces all of it by ordinary memory and sets the guard's state. One for each
 * device, zeroed, and there until its ranges are removed. */
struct pl_guard {
	int state; /* sigbus.c's */
};
/* Registers are replaced by all ones: the first @ones bytes. -ENOMEM */
int pl_guard_add(struct pl_guard *guard, void *va, size_t len, size_t ones);
/* When it returned, no handler is at the range or at its guard. */
void pl_guard_remove(const void *va);
bool pl_guard_lost(const struct pl_guard *guard);
/* Its ranges show the device again. */
void pl_guard_renew(struct pl_guard *guard);

/* Enters (removes) a region in the table that pl_mem_lookup() reads, without mapping anything. */
int pl_region_add(const struct pl_mem_info *info); /* -EEXIST, -ENOMEM */
void pl_region_remove(const void *va);

/* pl_mem_zalloc() of memory that devices can read and not write: what they are told to do lies in it.
 * pl_mem_free() frees it. */
void *pl_mem_zalloc_ro(size_t len, int numa_node);

struct pl_pool_stats {
	unsigned int chunks; /* regions of the EAL's memory that pl_mem_zalloc() took */
	size_t mapped;	     /* their bytes, mapped for devices */
	size_t taken;	     /* those of them that are handed out */
};
void pl_pool_stats(struct pl_pool_stats *stats);

/* Whether all of it is DMA-able. */
bool pl_mem_registered(const void *buf, size_t len);

/* "CMB" */
const char *pl_mem_kind_name(enum pl_mem_kind kind);

/* A heap over [va, va + len), page multiples, already mapped for CPU and devices. */
int pl_p2p_heap_create(const char *owner, enum pl_mem_kind kind, void *va, size_t len,
		       struct pl_p2p_heap **heap);
/* Its memory is gone until it is not: allocations fail with -ENODEV meanwhile. */
void pl_p2p_heap_set_gone(struct pl_p2p_heap *heap, bool gone);
bool pl_p2p_heap_there(const struct pl_p2p_heap *heap);
/* Whether the memory was lost is known to @guard; -ENODEV then, too. */
void pl_p2p_heap_set_guard(struct pl_p2p_heap *heap, const struct pl_guard *guard);
void pl_p2p_heap_destroy(struct pl_p2p_heap *heap); /* logs what was still handed out */

#endif
