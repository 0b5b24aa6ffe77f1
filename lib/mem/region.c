/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of DMA-able regions: an array in ascending order of address. Regions are few (the
 * pool's, device memories, registrations), so an insertion that moves the tail is cheap enough. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct pl_mem_info *table;
static size_t nb_regions;
static size_t capacity;

static uintptr_t first_byte(const struct pl_mem_info *r)
{
	return (uintptr_t)r->va;
}

static uintptr_t last_byte(const struct pl_mem_info *r)
{
	return (uintptr_t)r->va + r->len - 1;
}

/* The index of the first region that ends at or above @va; nb_regions if none does. */
static size_t lower_bound(uintptr_t va)
{
	size_t lo = 0, hi = nb_regions;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (last_byte(&table[mid]) < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(void)
{
	size_t want = capacity != 0 ? capacity * 2 : 16;
	struct pl_mem_info *bigger;

	if (nb_regions < capacity)
		return 0;
	bigger = pl_inject_hit() ? NULL : realloc(table, want * sizeof(*table));
	if (bigger == NULL)
		return pl_fail(-ENOMEM, "no memory for a table of %zu regions", want);
	table = bigger;
	capacity = want;
	return 0;
}

static int add_locked(const struct pl_mem_info *info)
{
	size_t at = lower_bound(first_byte(info));
	int ret;

	if (at < nb_regions && first_byte(&table[at]) <= last_byte(info))
		return pl_fail(-EEXIST,
			       "%zu bytes at %p overlap the registered region of %zu bytes at %p",
			       info->len, info->va, table[at].len, table[at].va);
	ret = grow();
	if (ret != 0)
		return ret;
	memmove(&table[at + 1], &table[at], (nb_regions - at) * sizeof(*table));
	table[at] = *info;
	nb_regions++;
	return 0;
}

int pl_region_add(const struct pl_mem_info *info)
{
	int ret;

	pthread_rwlock_wrlock(&lock);
	ret = add_locked(info);
	pthread_rwlock_unlock(&lock);
	return ret;
}

void pl_region_remove(const void *va)
{
	size_t at;

	pthread_rwlock_wrlock(&lock);
	at = lower_bound((uintptr_t)va);
	if (at < nb_regions && table[at].va == va) {
		nb_regions--;
		memmove(&table[at], &table[at + 1], (nb_regions - at) * sizeof(*table));
	}
	pthread_rwlock_unlock(&lock);
}

bool pl_region_at_or_after(uintptr_t va, struct pl_mem_info *info)
{
	bool found;
	size_t at;

	pthread_rwlock_rdlock(&lock);
	at = lower_bound(va);
	found = at < nb_regions;
	if (found)
		*info = table[at];
	pthread_rwlock_unlock(&lock);
	return found;
}

void pl_region_fini(void)
{
	pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < nb_regions; i++)
		PL_LOG(WARNING, "the region of %zu bytes at %p was still registered at the end",
		       table[i].len, table[i].va);
	free(table);
	table = NULL;
	nb_regions = capacity = 0;
	pthread_rwlock_unlock(&lock);
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
