/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "pl_inject.h"
#include "pl_log.h"
#include "soft_pgtable.h"

static struct pl_soft_table *table_alloc(void)
{
	struct pl_soft_table *t;

	if (pl_inject_hit())
		return NULL;
	t = aligned_alloc(_Alignof(struct pl_soft_table), sizeof(*t));
	if (t != NULL)
		memset(t, 0, sizeof(*t));
	return t;
}

static struct pl_soft_table *table_of(uint64_t pte)
{
	return (struct pl_soft_table *)(uintptr_t)(pte & ~PL_SOFT_PTE_BITS);
}

static unsigned int slot_of(uint64_t iova, unsigned int level)
{
	return (unsigned int)(iova >> pl_soft_shift(level)) & (PL_SOFT_LEVEL_SLOTS - 1);
}

/* Release: a walker that sees the entry sees the table, and the memory, as it was before. */
static void pte_set(struct pl_soft_table *t, unsigned int slot, uint64_t pte)
{
	__atomic_store_n(&t->pte[slot], pte, __ATOMIC_RELEASE);
	t->used++;
}

static void pte_clear(struct pl_soft_table *t, unsigned int slot)
{
	__atomic_store_n(&t->pte[slot], 0, __ATOMIC_RELEASE);
	t->used--;
}

int pl_soft_pt_init(struct pl_soft_pt *pt, unsigned int width)
{
	memset(pt, 0, sizeof(*pt));
	pt->top = (width - PL_SOFT_PAGE_SHIFT) / PL_SOFT_LEVEL_BITS - 1;
	pt->root = table_alloc();
	if (pt->root == NULL)
		return pl_fail(-ENOMEM, "no memory for the root page table of the soft IOMMU");
	return 0;
}

static void table_free(struct pl_soft_table *t)
{
	for (unsigned int i = 0; i < PL_SOFT_LEVEL_SLOTS && t->used > 0; i++) {
		if (t->pte[i] & PL_SOFT_PTE_TABLE)
			table_free(table_of(t->pte[i]));
		t->used -= t->pte[i] != 0;
	}
	free(t);
}

void pl_soft_pt_fini(struct pl_soft_pt *pt)
{
	table_free(pt->root);
	pt->root = NULL;
}

void pl_soft_pt_free_dead(struct pl_soft_table *dead)
{
	while (dead != NULL) {
		struct pl_soft_table *next = dead->next_dead;

		free(dead);
		dead = next;
	}
}

/* The table of @level that covers @iova, made with those above it if absent. NULL: no memory. */
static struct pl_soft_table *table_at(struct pl_soft_pt *pt, uint64_t iova, unsigned int level)
{
	struct pl_soft_table *t = pt->root;

	for (unsigned int l = pt->top; l > level; l--) {
		unsigned int slot = slot_of(iova, l);

		if (t->pte[slot] == 0) {
			struct pl_soft_table *child = table_alloc();

			if (child == NULL)
				return NULL;
			pte_set(t, slot, (uintptr_t)child | PL_SOFT_PTE_TABLE);
		}
		t = table_of(t->pte[slot]);
	}
	return t;
}

static unsigned int leaf_level(const struct pl_soft_pt *pt, uint64_t iova, uintptr_t host,
			       size_t len)
{
	unsigned int level = RTE_MIN(pt->top, PL_SOFT_LEAF_LEVELS - 1);

	while (level > 0) {
		uint64_t size = 1ull << pl_soft_shift(level);

		if (((iova | host) & (size - 1)) == 0 && len >= size)
			break;
		level--;
	}
	return level;
}

int pl_soft_pt_map(struct pl_soft_pt *pt, uint64_t iova, uintptr_t host, size_t len, uint32_t prot,
		   enum pl_mem_kind kind, struct pl_soft_table **dead)
{
	uint64_t bits = prot | ((uint64_t)kind << PL_SOFT_PTE_KIND_SHIFT) | PL_SOFT_PTE_LEAF;
	unsigned int level;

	/* All tables first, all leaves after: entering leaves cannot fail, so a device never sees
	 * part of a mapping whose map call then fails. */
	for (size_t off = 0; off < len; off += (size_t)1 << pl_soft_shift(level)) {
		level = leaf_level(pt, iova + off, host + off, len - off);
		if (table_at(pt, iova + off, level) == NULL) {
			pl_soft_pt_unmap(pt, iova, len, dead);
			return pl_fail(-ENOMEM, "no memory for the page tables of %zu bytes", len);
		}
	}
	for (size_t off = 0; off < len; off += (size_t)1 << pl_soft_shift(level)) {
		level = leaf_level(pt, iova + off, host + off, len - off);
		pte_set(table_at(pt, iova + off, level), slot_of(iova + off, level),
			(host + off) | bits);
		pt->leaves[level]++;
	}
	return 0;
}

static void clear_range(struct pl_soft_pt *pt, struct pl_soft_table *t, unsigned int level,
			uint64_t iova, uint64_t last, struct pl_soft_table **dead)
{
	uint64_t end;

	for (;; iova = end + 1) {
		unsigned int slot = slot_of(iova, level);
		uint64_t pte = t->pte[slot];

		end = RTE_MIN(iova | ((1ull << pl_soft_shift(level)) - 1), last);
		if (pte & PL_SOFT_PTE_TABLE) {
			struct pl_soft_table *child = table_of(pte);

			clear_range(pt, child, level - 1, iova, end, dead);
			if (child->used == 0) {
				pte_clear(t, slot);
				child->next_dead = *dead;
				*dead = child;
			}
		} else if (pte & PL_SOFT_PTE_LEAF) {
			pte_clear(t, slot);
			pt->leaves[level]--;
		}
		if (end == last)
			return;
	}
}

void pl_soft_pt_unmap(struct pl_soft_pt *pt, uint64_t iova, size_t len, struct pl_soft_table **dead)
{
	clear_range(pt, pt->root, pt->top, iova, iova + len - 1, dead);
}

uint64_t pl_soft_pt_walk(const struct pl_soft_pt *pt, uint64_t iova, unsigned int *level)
{
	const struct pl_soft_table *t = pt->root;
	unsigned int l = pt->top;
	uint64_t pte;

	for (;;) {
		pte = __atomic_load_n(&t->pte[slot_of(iova, l)], __ATOMIC_ACQUIRE);
		if (!(pte & PL_SOFT_PTE_TABLE))
			break;
		t = table_of(pte);
		l--;
	}
	*level = l;
	return pte;
}
