/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * DMA-able memory: what is registered, what it is, and heaps over peer memory.
 *
 * Devices reach what pl_mem_zalloc() gives, what pl_mem_register() was told of, and nothing else: not
 * the EAL's memory as such. librte_eal and librte_mempool keep headers among the data they hand out
 * (`rte_malloc`, `rte_mempool`), and a device that writes over one makes the host follow its pointers.
 * Who needs such memory DMA-able nevertheless registers the whole pages of it: those of an
 * rte_malloc() of whole pages aligned to 4096 have no header of the EAL's in them, until rte_free();
 * those of a mempool have one for each object.
 *
 * A *p2p heap* hands out pages of a controller's CMB or PMR or of a BAR (pl_p2p.h); such a page has the same address for
 * the CPU, for peers (through the IOMMU) and for the owning controller (through CMBMSC.CBA or PMRMSC).
 */
#ifndef PEERLANE_PL_MEM_H
#define PEERLANE_PL_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_err.h>
#include <peerlane/pl_iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a registered region is. */
struct pl_mem_info {
	void *va;	      /**< its first byte; also its IOVA */
	size_t len;	      /**< bytes */
	enum pl_mem_kind kind;
	int numa_node;	      /**< -1 if unknown */
	bool cpu_cacheable;   /**< false: touch it only through pl_devmem.h */
	bool longterm_pin;    /**< true: other subsystems may pin it for good */
	bool external;	      /**< came from pl_mem_register() */
	bool device_readonly; /**< devices can read it, not write: queue entries, PRP lists */
	char owner[32];	      /**< the device it belongs to, or "" for host memory */
};

/**
 * Allocates zeroed host memory that devices read and write, aligned to 4096 bytes. It is whole pages
 * of the EAL's memory (`-m`, hugepages) without a header among them. Where devices do not reach
 * memory that the EAL has (a memlock limit), the call fails and changes nothing. Any thread; takes a
 * lock; not for the data path.
 *
 * The caller owns the memory until pl_mem_free(), which it calls only after every command that may
 * touch the memory has completed.
 *
 * @param len bytes, not 0; rounded up to 4096.
 * @param numa_node where it is wanted, or -1; if that node has none, it comes from another.
 * @return NULL if there is none, or none that devices reach; pl_errmsg() says which, as -ENOMEM does.
 */
PL_API void *pl_mem_zalloc(size_t len, int numa_node);

/** Returns memory by the address pl_mem_zalloc() gave. NULL is ignored; an address that is not the
 * start of an allocation is logged as the caller's bug and ignored. Any thread; takes a lock. */
PL_API void pl_mem_free(void *p);

/**
 * Makes ordinary memory DMA-able until pl_mem_unregister(). Its pages are faulted in first, so a
 * device never meets an absent page. The memory stays the caller's, who frees it only after
 * pl_mem_unregister(); memory of the EAL may be registered, too. Any thread; may block.
 *
 * @param va, len multiples of 4096 bytes.
 * @return 0; -EINVAL if misaligned, empty, outside the IOMMU's aperture, or not writable;
 *   -EEXIST if it overlaps registered memory; -ENOMEM.
 */
PL_API int pl_mem_register(void *va, size_t len);

/**
 * Ends a registration with exactly its address and length. When it returned 0, no device reaches
 * the memory any more.
 * @return 0; -ENOENT if no registration starts at @p va; -EINVAL if @p len is not its length.
 */
PL_API int pl_mem_unregister(void *va, size_t len);

/**
 * Describes the region that holds @p va. Any thread; not for the data path.
 * @return 0; -ENOENT if @p va is not DMA-able.
 */
PL_API int pl_mem_lookup(const void *va, struct pl_mem_info *info);

/** Calls @p fn for every region in ascending order of address until it returns non-zero, and
 * returns that value. @p fn must not register or unregister. */
PL_API int pl_mem_walk(int (*fn)(const struct pl_mem_info *info, void *arg), void *arg);

/* ---- p2p heaps ---- */

struct pl_p2p_heap;

/** The unit and the alignment of p2p allocations, bytes: one NVMe memory page. */
#define PL_P2P_PAGE 4096u

struct pl_p2p_heap_stats {
	enum pl_mem_kind kind;	/**< PL_MEM_CMB or PL_MEM_PMR */
	size_t size;		/**< bytes the heap manages */
	size_t free;		/**< bytes not handed out */
	size_t largest_free;	/**< largest contiguous run of them */
};

/**
 * Takes a contiguous run of @p len bytes, rounded up to pages, aligned to @p align bytes (0 or a
 * power of two). It is zeroed through device-memory accesses. Any thread; takes a lock.
 *
 * The caller owns the memory until pl_p2p_free(), which it calls only after every command that may
 * touch the memory has completed.
 *
 * @return 0 and the address in @p out; -EINVAL if @p len is 0 or @p align no power of two; -ENOMEM
 *   if no run is long enough; -ENODEV while the device's memory is gone (a reset that failed, or
 *   the kernel took it away: SIGBUS).
 */
PL_API int pl_p2p_alloc(struct pl_p2p_heap *heap, size_t len, size_t align, void **out);

/** Returns memory by the address pl_p2p_alloc() gave. NULL is ignored; an address that is not the
 * start of an allocation is logged as the caller's bug and ignored. */
PL_API void pl_p2p_free(struct pl_p2p_heap *heap, void *va);

/** Copies the heap's figures. Any thread. */
PL_API void pl_p2p_heap_stats(struct pl_p2p_heap *heap, struct pl_p2p_heap_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
