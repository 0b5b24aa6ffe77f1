/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page tables of the software IOMMU, in the shape of an x86 second-level table: 9 bits per
 * level, leaves of 4 KiB, 2 MiB and 1 GiB. Where hardware keeps a physical address a leaf keeps the
 * host's pointer; the low bits hold permissions and, as software bits, the kind of memory.
 *
 * One writer at a time (the caller locks); any number of walkers without a lock. A table that
 * became empty is unlinked at once and handed back, to be freed when no walker can be inside.
 */
#ifndef PL_SOFT_PGTABLE_H
#define PL_SOFT_PGTABLE_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_iommu.h>

#define PL_SOFT_PAGE_SHIFT  12u
#define PL_SOFT_LEVEL_BITS  9u
#define PL_SOFT_LEVEL_SLOTS (1u << PL_SOFT_LEVEL_BITS)
/* Levels that may hold leaves: 0 is 4 KiB, 1 is 2 MiB, 2 is 1 GiB. */
#define PL_SOFT_LEAF_LEVELS 3u

/* A page table entry: an address with these bits below it, or 0. The permission bits are those of
 * PL_IOMMU_READ and PL_IOMMU_WRITE; entries that point to a table have none. */
#define PL_SOFT_PTE_PROT       0x03ull
#define PL_SOFT_PTE_KIND_SHIFT 2u
#define PL_SOFT_PTE_KIND       (0x3ull << PL_SOFT_PTE_KIND_SHIFT)
#define PL_SOFT_PTE_LEAF       0x10ull
#define PL_SOFT_PTE_TABLE      0x20ull
#define PL_SOFT_PTE_BITS       0x3full

_Static_assert(PL_MEM_KINDS <= 4, "the kind has two software bits in a page table entry");
_Static_assert((PL_IOMMU_READ | PL_IOMMU_WRITE) == PL_SOFT_PTE_PROT, "permission bits are shared");

/* Aligned so that its address leaves PL_SOFT_PTE_BITS clear. */
struct pl_soft_table {
	uint64_t pte[PL_SOFT_LEVEL_SLOTS];
	struct pl_soft_table *next_dead; /* the writer's list of unlinked tables */
	unsigned int used;               /* entries that are not 0; the writer's */
} __attribute__((aligned(64)));

struct pl_soft_pt {
	struct pl_soft_table *root;
	unsigned int top;                     /* the root's level */
	uint64_t leaves[PL_SOFT_LEAF_LEVELS]; /* by size; the writer's */
};

/* Bits of address that one entry of @level spans. */
static inline unsigned int pl_soft_shift(unsigned int level)
{
	return PL_SOFT_PAGE_SHIFT + PL_SOFT_LEVEL_BITS * level;
}

/* Tables for addresses of @width bits (39 or 48). -ENOMEM. */
int pl_soft_pt_init(struct pl_soft_pt *pt, unsigned int width);
void pl_soft_pt_fini(struct pl_soft_pt *pt);

/*
 * Enters [iova, iova + len), of which nothing may be mapped, with the largest leaves that the
 * alignment of both addresses and the length allow. On -ENOMEM no walker has seen any of it.
 * *@dead collects tables to free after a grace period, in either case.
 */
int pl_soft_pt_map(struct pl_soft_pt *pt, uint64_t iova, uintptr_t host, size_t len, uint32_t prot,
		   enum pl_mem_kind kind, struct pl_soft_table **dead);

/* Removes every leaf of [iova, iova + len), which were entered by whole maps. */
void pl_soft_pt_unmap(struct pl_soft_pt *pt, uint64_t iova, size_t len,
		      struct pl_soft_table **dead);

/* Frees what the two above collected. */
void pl_soft_pt_free_dead(struct pl_soft_table *dead);

/* The leaf that holds @iova and its level, or 0. @iova is below the table's width. */
uint64_t pl_soft_pt_walk(const struct pl_soft_pt *pt, uint64_t iova, unsigned int *level);

#endif
