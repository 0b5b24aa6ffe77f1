/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host memory for devices. A device that lies writes wherever the IOMMU lets it, and librte_eal
 * keeps its heap's headers among what it hands out. So devices reach nothing of it but *chunks*:
 * whole pages from the EAL that hold none of its headers, and whose own bookkeeping lies elsewhere.
 * What a device only reads (queue entries, PRP lists) comes from chunks that it cannot write.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "extent.h"
#include "iommu_backend.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

#define PAGE 4096u
/* The EAL's header lies in the page before a chunk, and with RTE_MALLOC_DEBUG there is a trailer in
 * the page behind: with them, a chunk is whole hugepages. */
#define AROUND (2u * PAGE)
#define HUGE   (2ul << 20)
/* The shortest chunk: the queues of a few controllers. Without hugepages the EAL cannot grow. */
#define LEAST      (4ul << 20)
#define LEAST_4KIB (1ul << 20)

struct chunk {
	TAILQ_ENTRY(chunk) link;
	struct pl_extents extents;
	struct pl_mem_info info; /* as in the table of regions */
};

enum { READ_WRITE, READ_ONLY, SORTS }; /* what devices may do */

static struct {
	pthread_mutex_t lock;
	struct pl_ioas *ioas;              /* NULL: not started */
	TAILQ_HEAD(, chunk) chunks[SORTS]; /* the oldest first: the newest become empty */
	struct pl_pool_stats stats;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.chunks = {
		TAILQ_HEAD_INITIALIZER(pool.chunks[READ_WRITE]),
		TAILQ_HEAD_INITIALIZER(pool.chunks[READ_ONLY]),
	},
};

/* How long a chunk is that holds @len bytes, a multiple of pages; 0: too long for any. */
static size_t chunk_len(size_t len)
{
	size_t unit = rte_eal_has_hugepages() ? HUGE : PAGE;
	size_t least = rte_eal_has_hugepages() ? LEAST : LEAST_4KIB;

	if (len > SIZE_MAX / 2)
		return 0;
	return RTE_MAX(RTE_ALIGN_CEIL(len + AROUND, unit), least) - AROUND;
}

/* At least @len bytes of the EAL's on @node (-1: anywhere). Its last memory may be less than a
 * chunk would be. */
static void *eal_alloc(size_t len, int node, size_t *got)
{
	int socket = node < 0 ? SOCKET_ID_ANY : node;
	void *va;

	*got = chunk_len(len);
	if (*got == 0)
		return NULL;
	va = rte_malloc_socket("pl_mem", *got, PAGE, socket);
	if (va || *got == len)
		return va;
	*got = len;
	return rte_malloc_socket("pl_mem", len, PAGE, socket);
}

static int chunk_enter(struct chunk *c)
{
	const struct pl_mem_info *info = &c->info;
	int ret;

	if (!pl_ioas_covers(pool.ioas, (uintptr_t)info->va, info->len))
		return pl_fail(
			-EINVAL,
			"the EAL's memory at %p (%zu bytes) is outside what the %s IOMMU can "
			"address: start with --base-virtaddr=0x%llx",
			info->va, info->len, pl_ioas_backend(pool.ioas), 1ull << 32);
	if (pl_extents_init(&c->extents, (uintptr_t)info->va, info->len) != 0)
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of memory for devices");
	ret = pl_mem_enter(pool.ioas, info);
	if (ret != 0)
		pl_extents_fini(&c->extents);
	return ret;
}

/* Takes over @va. */
static int chunk_create(int sort, void *va, size_t len, struct chunk **out)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(va);
	struct chunk *c = pl_inject_hit() ? NULL : calloc(1, sizeof(*c));
	int ret = -ENOMEM;

	if (!c) {
		pl_fail(ret, "no memory for the bookkeeping of memory for devices");
		goto fail;
	}
	c->info = (struct pl_mem_info){
		.va = va,
		.len = len,
		.kind = PL_MEM_HOST,
		.numa_node = msl ? msl->socket_id : -1,
		.cpu_cacheable = true,
		.longterm_pin = true,
		.device_readonly = sort == READ_ONLY,
	};
	ret = chunk_enter(c);
	if (ret != 0)
		goto fail;
	TAILQ_INSERT_TAIL(&pool.chunks[sort], c, link);
	pool.stats.chunks++;
	pool.stats.mapped += len;
	*out = c;
	return 0;

fail:
	free(c);
	rte_free(va);
	return ret;
}

static void chunk_destroy(int sort, struct chunk *c)
{
	TAILQ_REMOVE(&pool.chunks[sort], c, link);
	pool.stats.chunks--;
	pool.stats.mapped -= c->info.len;
	pool.stats.taken -= c->info.len - c->extents.free_bytes;
	/* What devices still reach must not become anybody else's memory, and is told of as before.
	 */
	if (pl_ioas_unmap(pool.ioas, c->info.va, c->info.len) == 0) {
		pl_region_remove(c->info.va);
		rte_free(c->info.va);
	} else {
		PL_LOG(ERR, "%zu bytes of the EAL's memory are lost: %s", c->info.len, pl_errmsg());
	}
	pl_extents_fini(&c->extents);
	free(c);
}

static bool is_empty(const struct chunk *c)
{
	return c->extents.nb_taken == 0;
}

/* @c is empty. One such is kept of each sort, so that a queue that comes and goes costs no mapping.
 */
static void chunk_retire(int sort, struct chunk *c)
{
	struct chunk *other;

	TAILQ_FOREACH (other, &pool.chunks[sort], link)
		if (other != c && is_empty(other))
			break;
	if (other || c->info.len > chunk_len(PAGE))
		chunk_destroy(sort, c);
}

/* Every run is whole pages, so the longest says whether @len fits. */
static bool has_room(const struct chunk *c, size_t len)
{
	return c->extents.free_bytes >= len && pl_extents_largest_free(&c->extents) >= len;
}

static int chunk_take(struct chunk *c, size_t len, void **out)
{
	uintptr_t va;

	if (pl_extents_take(&c->extents, len, PAGE, &va) != 0)
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of memory for devices");
	pool.stats.taken += len;
	*out = (void *)va;
	return 0;
}

static struct chunk *chunk_with_room(int sort, size_t len, int node)
{
	struct chunk *c;

	TAILQ_FOREACH (c, &pool.chunks[sort], link)
		if ((node < 0 || c->info.numa_node == node) && has_room(c, len))
			return c;
	return NULL;
}

static int take_new(int sort, void *va, size_t chunk, size_t len, void **out)
{
	struct chunk *c;
	int ret = chunk_create(sort, va, chunk, &c);

	if (ret != 0)
		return ret;
	ret = chunk_take(c, len, out);
	if (ret != 0)
		chunk_retire(sort, c);
	return ret;
}

static int take(int sort, size_t len, int node, void **out)
{
	struct chunk *c = chunk_with_room(sort, len, node);
	size_t chunk;
	void *va;

	if (c)
		return chunk_take(c, len, out);
	va = pl_inject_hit() ? NULL : eal_alloc(len, node, &chunk);
	if (va)
		return take_new(sort, va, chunk, len, out);
	/* Far memory is slower; none would be the end. */
	if (node >= 0)
		return take(sort, len, -1, out);
	return pl_fail(-ENOMEM, "no %zu bytes of DMA-able host memory; give the EAL more with -m",
		       len);
}

static void *zalloc(int sort, size_t len, int node)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)PAGE);
	void *p = NULL;
	int ret;

	if (len == 0 || rounded < len) {
		pl_fail(-EINVAL, "cannot allocate %zu bytes of memory for devices", len);
		return NULL;
	}
	/* Without hugepages the EAL knows of no nodes. */
	if (node >= RTE_MAX_NUMA_NODES || !rte_eal_has_hugepages())
		node = -1;
	pthread_mutex_lock(&pool.lock);
	ret = pool.ioas ? take(sort, rounded, node, &p)
			: pl_fail(-EINVAL, "memory for devices needs pl_eal_init() first");
	pthread_mutex_unlock(&pool.lock);
	/* Outside the lock, and each time: whoever had the memory before left something in it. */
	return ret == 0 ? memset(p, 0, rounded) : NULL;
}

void *pl_mem_zalloc(size_t len, int numa_node)
{
	return zalloc(READ_WRITE, len, numa_node);
}

void *pl_mem_zalloc_ro(size_t len, int numa_node)
{
	return zalloc(READ_ONLY, len, numa_node);
}

static bool give(int sort, void *p)
{
	uintptr_t va = (uintptr_t)p;
	struct chunk *c;
	size_t len;

	TAILQ_FOREACH (c, &pool.chunks[sort], link)
		if (va - (uintptr_t)c->info.va < c->info.len)
			break;
	len = c ? pl_extents_taken(&c->extents, va) : 0;
	if (len == 0)
		return false;
	pl_extents_give(&c->extents, va);
	pool.stats.taken -= len;
	if (is_empty(c))
		chunk_retire(sort, c);
	return true;
}

void pl_mem_free(void *p)
{
	bool known;

	if (!p)
		return;
	pthread_mutex_lock(&pool.lock);
	known = give(READ_WRITE, p) || give(READ_ONLY, p);
	pthread_mutex_unlock(&pool.lock);
	if (!known)
		PL_LOG(ERR, "%p is freed but is no allocation of pl_mem_zalloc() (freed twice?)",
		       p);
}

void pl_pool_stats(struct pl_pool_stats *stats)
{
	pthread_mutex_lock(&pool.lock);
	*stats = pool.stats;
	pthread_mutex_unlock(&pool.lock);
}

static void destroy_all(void)
{
	struct chunk *c;

	for (int sort = 0; sort < SORTS; sort++)
		while ((c = TAILQ_FIRST(&pool.chunks[sort]))) {
			if (!is_empty(c))
				PL_LOG(WARNING,
				       "%u allocations of memory for devices (%zu bytes) in the "
				       "%zu bytes at "
				       "%p were never freed",
				       c->extents.nb_taken, c->info.len - c->extents.free_bytes,
				       c->info.len, c->info.va);
			chunk_destroy(sort, c);
		}
	pool.ioas = NULL;
}

int pl_pool_init(struct pl_ioas *ioas)
{
	void *p = NULL;
	int ret;

	pthread_mutex_lock(&pool.lock);
	pool.ioas = ioas;
	/* The first chunk tells whether the IOMMU reaches where the EAL's memory is. */
	ret = take(READ_WRITE, PAGE, -1, &p);
	if (ret == 0)
		give(READ_WRITE, p);
	else
		destroy_all();
	pthread_mutex_unlock(&pool.lock);
	return ret;
}

void pl_pool_fini(void)
{
	pthread_mutex_lock(&pool.lock);
	destroy_all();
	pthread_mutex_unlock(&pool.lock);
}
