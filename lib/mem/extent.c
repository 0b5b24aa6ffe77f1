/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>

#include <rte_common.h>

#include "extent.h"
#include "pl_alloc.h"
#include "pl_inject.h"

static int extent_cmp(const void *a, const void *b)
{
	const struct pl_extent *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

static struct pl_extent *extent_new(uintptr_t va, size_t len)
{
	struct pl_extent *x = eal_calloc(1, sizeof(*x));

	if (x != NULL) {
		x->va = va;
		x->len = len;
	}
	return x;
}

static bool is_free(const struct pl_extent *x)
{
	return x->free_link.le_prev != NULL;
}

static void mark_free(struct pl_extents *e, struct pl_extent *x)
{
	LIST_INSERT_HEAD(&e->free, x, free_link);
}

static void unlist(struct pl_extent *x)
{
	LIST_REMOVE(x, free_link);
	x->free_link.le_prev = NULL;
}

int pl_extents_init(struct pl_extents *e, uintptr_t va, size_t len)
{
	struct pl_extent *x = extent_new(va, len);

	if (x == NULL)
		return -ENOMEM;
	*e = (struct pl_extents){ .free_bytes = len };
	TAILQ_INIT(&e->all);
	LIST_INIT(&e->free);
	TAILQ_INSERT_HEAD(&e->all, x, by_va);
	mark_free(e, x);
	return 0;
}

static void keep(void *node)
{
	(void)node; /* the extents themselves are freed by their list */
}

void pl_extents_fini(struct pl_extents *e)
{
	struct pl_extent *x;

	tdestroy(e->taken, keep);
	e->taken = NULL;
	while ((x = TAILQ_FIRST(&e->all)) != NULL) {
		TAILQ_REMOVE(&e->all, x, by_va);
		free(x);
	}
}

/* The lowest address in @x at which @len bytes fit, or 0. */
static uintptr_t fit(const struct pl_extent *x, size_t len, size_t align)
{
	size_t skip = (size_t)(-x->va & (align - 1));

	return skip < x->len && x->len - skip >= len ? x->va + skip : 0;
}

int pl_extents_take(struct pl_extents *e, size_t len, size_t align, uintptr_t *va)
{
	struct pl_extent *best = NULL, *x, *head = NULL, *tail = NULL;
	uintptr_t at = UINTPTR_MAX;
	size_t before, after;

	LIST_FOREACH (x, &e->free, free_link) {
		uintptr_t here = fit(x, len, align);

		if (here != 0 && here < at) {
			best = x;
			at = here;
		}
	}
	if (best == NULL)
		return -ENOMEM;
	before = at - best->va;
	after = best->len - before - len;
	if (before > 0 && (head = extent_new(best->va, before)) == NULL)
		return -ENOMEM;
	if (after > 0 && (tail = extent_new(at + len, after)) == NULL)
		goto fail_head;
	/* The tree is keyed by an address that nothing in it has yet; the extent may shrink first.
	 */
	best->va = at;
	if (pl_inject_hit() || tsearch(best, &e->taken, extent_cmp) == NULL)
		goto fail_tail;
	best->len = len;
	unlist(best);
	if (head != NULL) {
		TAILQ_INSERT_BEFORE(best, head, by_va);
		mark_free(e, head);
	}
	if (tail != NULL) {
		TAILQ_INSERT_AFTER(&e->all, best, tail, by_va);
		mark_free(e, tail);
	}
	e->free_bytes -= len;
	e->nb_taken++;
	*va = at;
	return 0;

fail_tail:
	best->va = at - before;
	free(tail);
fail_head:
	free(head);
	return -ENOMEM;
}

static struct pl_extent *find(const struct pl_extents *e, uintptr_t va)
{
	const struct pl_extent key = { .va = va };
	struct pl_extent *const *node = tfind(&key, &e->taken, extent_cmp);

	return node != NULL ? *node : NULL;
}

size_t pl_extents_taken(const struct pl_extents *e, uintptr_t va)
{
	const struct pl_extent *x = find(e, va);

	return x != NULL ? x->len : 0;
}

void pl_extents_give(struct pl_extents *e, uintptr_t va)
{
	struct pl_extent *x = find(e, va);
	struct pl_extent *prev, *next;

	if (x == NULL)
		return;
	tdelete(x, &e->taken, extent_cmp);
	e->free_bytes += x->len;
	e->nb_taken--;
	prev = TAILQ_PREV(x, pl_extent_tailq, by_va);
	if (prev != NULL && is_free(prev)) {
		x->va = prev->va;
		x->len += prev->len;
		unlist(prev);
		TAILQ_REMOVE(&e->all, prev, by_va);
		free(prev);
	}
	next = TAILQ_NEXT(x, by_va);
	if (next != NULL && is_free(next)) {
		x->len += next->len;
		unlist(next);
		TAILQ_REMOVE(&e->all, next, by_va);
		free(next);
	}
	mark_free(e, x);
}

size_t pl_extents_largest_free(const struct pl_extents *e)
{
	const struct pl_extent *x;
	size_t largest = 0;

	LIST_FOREACH (x, &e->free, free_link)
		largest = RTE_MAX(largest, x->len);
	return largest;
}
