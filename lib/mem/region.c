/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of DMA-able regions: an array in ascending order of address. Regions are few (the
 * pool's, device memories, registrations), so an insertion that moves the tail is cheap enough. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem_context.h"
#include "mem_private.h"
#include "pl_alloc.h"
#include "pl_log.h"

static uintptr_t first_byte(const struct pl_mem_info *r)
{
	return (uintptr_t)r->va;
}

static uintptr_t last_byte(const struct pl_mem_info *r)
{
	return (uintptr_t)r->va + r->len - 1;
}

/* The index of the first region that ends at or above @va; the count if none does. */
static size_t lower_bound(const struct mem_regions *r, uintptr_t va)
{
	size_t lo = 0, hi = r->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (last_byte(&r->table[mid]) < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(struct mem_regions *r)
{
	size_t want = r->capacity ? r->capacity * 2 : 16;
	struct pl_mem_info *bigger;

	if (r->count < r->capacity)
		return 0;
	bigger = eal_realloc(r->table, want * sizeof(*r->table));
	if (!bigger)
		return pl_fail(-ENOMEM, "no memory for a table of %zu regions", want);
	r->table = bigger;
	r->capacity = want;
	return 0;
}

static int add_locked(struct mem_regions *r, const struct pl_mem_info *info)
{
	size_t at = lower_bound(r, first_byte(info));
	int rc;

	if (at < r->count && first_byte(&r->table[at]) <= last_byte(info))
		return pl_fail(-EEXIST,
			       "%zu bytes at %p overlap the registered region of %zu bytes at %p",
			       info->len, info->va, r->table[at].len, r->table[at].va);
	rc = grow(r);
	if (rc)
		return rc;
	memmove(&r->table[at + 1], &r->table[at], (r->count - at) * sizeof(*r->table));
	r->table[at] = *info;
	r->count++;
	return 0;
}

int pl_region_add(const struct pl_mem_info *info)
{
	struct mem_context *ctx = mem_context();
	int rc;

	if (!ctx)
		return pl_fail(-EINVAL, "memory for devices needs pl_eal_init() first");
	pthread_rwlock_wrlock(&ctx->regions.lock);
	rc = add_locked(&ctx->regions, info);
	pthread_rwlock_unlock(&ctx->regions.lock);
	return rc;
}

void pl_region_remove(const void *va)
{
	struct mem_context *ctx = mem_context();
	struct mem_regions *r;
	size_t at;

	if (!ctx)
		return;
	r = &ctx->regions;
	pthread_rwlock_wrlock(&r->lock);
	at = lower_bound(r, (uintptr_t)va);
	if (at < r->count && r->table[at].va == va) {
		r->count--;
		memmove(&r->table[at], &r->table[at + 1], (r->count - at) * sizeof(*r->table));
	}
	pthread_rwlock_unlock(&r->lock);
}

bool pl_region_at_or_after(uintptr_t va, struct pl_mem_info *info)
{
	struct mem_context *ctx = mem_context();
	struct mem_regions *r;
	bool found;
	size_t at;

	if (!ctx)
		return false;
	r = &ctx->regions;
	pthread_rwlock_rdlock(&r->lock);
	at = lower_bound(r, va);
	found = at < r->count;
	if (found)
		*info = r->table[at];
	pthread_rwlock_unlock(&r->lock);
	return found;
}

void mem_regions_fini(struct mem_regions *r)
{
	pthread_rwlock_wrlock(&r->lock);
	for (size_t i = 0; i < r->count; i++)
		PL_LOG(WARNING, "the region of %zu bytes at %p was still registered at the end",
		       r->table[i].len, r->table[i].va);
	free(r->table);
	r->table = NULL;
	r->count = r->capacity = 0;
	pthread_rwlock_unlock(&r->lock);
}

int pl_mem_lookup(const void *va, struct pl_mem_info *info)
{
	struct pl_mem_info r;

	if (!pl_region_at_or_after((uintptr_t)va, &r) || first_byte(&r) > (uintptr_t)va)
		return pl_fail(
			-ENOENT,
			"%p is not DMA-able: take memory from pl_mem_zalloc() or register it "
			"with pl_mem_register()",
			va);
	*info = r;
	return 0;
}

bool pl_mem_registered(const void *buf, size_t len)
{
	uintptr_t at = (uintptr_t)buf, last;
	struct pl_mem_info info;

	if (len == 0)
		return true;
	if (__builtin_add_overflow(at, len - 1, &last))
		return false;
	/* Neighbouring regions are as good as one. */
	while (pl_region_at_or_after(at, &info) && first_byte(&info) <= at) {
		if (last_byte(&info) >= last)
			return true;
		at = last_byte(&info) + 1;
	}
	return false;
}

int pl_mem_walk(int (*fn)(const struct pl_mem_info *info, void *arg), void *arg)
{
	struct pl_mem_info r;
	uintptr_t from = 0;
	int ret = 0;

	/* No lock across @fn: a pl_mem_zalloc() in it may grow the pool, which enters the table. */
	while (ret == 0 && pl_region_at_or_after(from, &r)) {
		ret = fn(&r, arg);
		from = last_byte(&r) + 1;
	}
	return ret;
}
