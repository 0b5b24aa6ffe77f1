/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host memory for devices. A device that lies writes wherever the IOMMU lets it, and librte_eal
 * keeps its heap's headers among what it hands out. So devices reach nothing of it but *chunks*:
 * whole pages from the EAL that hold none of its headers, and whose own bookkeeping lies elsewhere.
 * What a device only reads (queue entries, PRP lists) comes from chunks that it cannot write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "mem_context.h"
#include "mem_private.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

#define PAGE 4096u
/* The EAL's header lies in the page before a chunk, and with RTE_MALLOC_DEBUG there is a trailer in
 * the page behind: with them, a chunk is whole hugepages. */
#define AROUND (2ul * PAGE)
#define HUGE   (2ul << 20)
/* The shortest chunk: the queues of a few controllers. Without hugepages the EAL cannot grow. */
#define LEAST      (4ul << 20)
#define LEAST_4KIB (1ul << 20)

struct mem_chunk {
	TAILQ_ENTRY(mem_chunk) link;
	struct pl_extents extents;
	struct pl_mem_info info; /* as in the table of regions */
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

static int chunk_enter(struct mem_context *ctx, struct mem_chunk *c)
{
	const struct pl_mem_info *info = &c->info;
	const struct pl_ioas *beyond;
	int ret;

	beyond = ioas_set_beyond(&ctx->spaces, (uintptr_t)info->va, info->len);
	if (beyond)
		return pl_fail(
			-EINVAL,
			"the EAL's memory at %p (%zu bytes) is outside what the %s IOMMU can "
			"address: start with --base-virtaddr=0x%llx",
			info->va, info->len, pl_ioas_backend(beyond), 1ull << 32);
	if (pl_extents_init(&c->extents, (uintptr_t)info->va, info->len) != 0)
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of memory for devices");
	ret = mem_enter(ctx, info);
	if (ret != 0)
		pl_extents_fini(&c->extents);
	return ret;
}

/* Takes over @va. */
static int chunk_create(struct mem_context *ctx, int sort, void *va, size_t len,
			struct mem_chunk **out)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(va);
	struct mem_chunk *c = eal_calloc(1, sizeof(*c));
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
		.device_readonly = sort == MEM_READ_ONLY,
	};
	ret = chunk_enter(ctx, c);
	if (ret != 0)
		goto fail;
	TAILQ_INSERT_TAIL(&ctx->pool.chunks[sort], c, link);
	ctx->pool.stats.chunks++;
	ctx->pool.stats.mapped += len;
	*out = c;
	return 0;

fail:
	free(c);
	rte_free(va);
	return ret;
}

static void chunk_destroy(struct mem_context *ctx, int sort, struct mem_chunk *c)
{
	TAILQ_REMOVE(&ctx->pool.chunks[sort], c, link);
	ctx->pool.stats.chunks--;
	ctx->pool.stats.mapped -= c->info.len;
	ctx->pool.stats.taken -= c->info.len - c->extents.free_bytes;
	/* What devices still reach must not become anybody else's memory, and is told of as before.
	 */
	if (ioas_set_unmap(&ctx->spaces, c->info.va, c->info.len) == 0) {
		pl_region_remove(c->info.va);
		rte_free(c->info.va);
	} else {
		PL_LOG(ERR, "%zu bytes of the EAL's memory are lost: %s", c->info.len, pl_errmsg());
	}
	pl_extents_fini(&c->extents);
	free(c);
}

static bool is_empty(const struct mem_chunk *c)
{
	return c->extents.nb_taken == 0;
}

/* @c is empty. One such is kept of each sort, so that a queue that comes and goes costs no mapping.
 */
static void chunk_retire(struct mem_context *ctx, int sort, struct mem_chunk *c)
{
	struct mem_chunk *other;

	TAILQ_FOREACH (other, &ctx->pool.chunks[sort], link)
		if (other != c && is_empty(other))
			break;
	if (other || c->info.len > chunk_len(PAGE))
		chunk_destroy(ctx, sort, c);
}

/* Every run is whole pages, so the longest says whether @len fits. */
static bool has_room(const struct mem_chunk *c, size_t len)
{
	return c->extents.free_bytes >= len && pl_extents_largest_free(&c->extents) >= len;
}

static int chunk_take(struct mem_context *ctx, struct mem_chunk *c, size_t len, void **out)
{
	uintptr_t va;

	if (pl_extents_take(&c->extents, len, PAGE, &va) != 0)
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of memory for devices");
	ctx->pool.stats.taken += len;
	*out = (void *)va;
	return 0;
}

static struct mem_chunk *chunk_with_room(struct mem_context *ctx, int sort, size_t len, int node)
{
	struct mem_chunk *c;

	TAILQ_FOREACH (c, &ctx->pool.chunks[sort], link)
		if ((node < 0 || c->info.numa_node == node) && has_room(c, len))
			return c;
	return NULL;
}

static int take_new(struct mem_context *ctx, int sort, void *va, size_t chunk, size_t len,
		    void **out)
{
	struct mem_chunk *c;
	int ret = chunk_create(ctx, sort, va, chunk, &c);

	if (ret != 0)
		return ret;
	ret = chunk_take(ctx, c, len, out);
	if (ret != 0)
		chunk_retire(ctx, sort, c);
	return ret;
}

static int take(struct mem_context *ctx, int sort, size_t len, int node, void **out)
{
	struct mem_chunk *c = chunk_with_room(ctx, sort, len, node);
	size_t chunk;
	void *va;

	if (c)
		return chunk_take(ctx, c, len, out);
	va = pl_inject_hit() ? NULL : eal_alloc(len, node, &chunk);
	if (va)
		return take_new(ctx, sort, va, chunk, len, out);
	/* Far memory is slower; none would be the end. */
	if (node >= 0)
		return take(ctx, sort, len, -1, out);
	return pl_fail(-ENOMEM, "no %zu bytes of DMA-able host memory; give the EAL more with -m",
		       len);
}

static void *zalloc(int sort, size_t len, int node)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)PAGE);
	struct mem_context *ctx = mem_context();
	void *p = NULL;
	int ret;

	if (len == 0 || rounded < len) {
		pl_fail(-EINVAL, "cannot allocate %zu bytes of memory for devices", len);
		return NULL;
	}
	/* Without hugepages the EAL knows of no nodes. */
	if (node >= RTE_MAX_NUMA_NODES || !rte_eal_has_hugepages())
		node = -1;
	if (!ctx) {
		pl_fail(-EINVAL, "memory for devices needs pl_eal_init() first");
		return NULL;
	}
	pthread_mutex_lock(&ctx->pool.lock);
	ret = take(ctx, sort, rounded, node, &p);
	pthread_mutex_unlock(&ctx->pool.lock);
	/* Outside the lock, and each time: whoever had the memory before left something in it. */
	return ret == 0 ? memset(p, 0, rounded) : NULL;
}

void *pl_mem_zalloc(size_t len, int numa_node)
{
	return zalloc(MEM_READ_WRITE, len, numa_node);
}

void *pl_mem_zalloc_ro(size_t len, int numa_node)
{
	return zalloc(MEM_READ_ONLY, len, numa_node);
}

static bool give(struct mem_context *ctx, int sort, void *p)
{
	uintptr_t va = (uintptr_t)p;
	struct mem_chunk *c;
	size_t len;

	TAILQ_FOREACH (c, &ctx->pool.chunks[sort], link)
		if (va - (uintptr_t)c->info.va < c->info.len)
			break;
	len = c ? pl_extents_taken(&c->extents, va) : 0;
	if (len == 0)
		return false;
	pl_extents_give(&c->extents, va);
	ctx->pool.stats.taken -= len;
	if (is_empty(c))
		chunk_retire(ctx, sort, c);
	return true;
}

void pl_mem_free(void *p)
{
	struct mem_context *ctx = mem_context();
	bool known = false;

	if (!p)
		return;
	if (ctx) {
		pthread_mutex_lock(&ctx->pool.lock);
		known = give(ctx, MEM_READ_WRITE, p) || give(ctx, MEM_READ_ONLY, p);
		pthread_mutex_unlock(&ctx->pool.lock);
	}
	if (!known)
		PL_LOG(ERR, "%p is freed but is no allocation of pl_mem_zalloc() (freed twice?)",
		       p);
}

void pl_pool_stats(struct pl_pool_stats *stats)
{
	struct mem_context *ctx = mem_context();

	*stats = (struct pl_pool_stats){ 0 };
	if (!ctx)
		return;
	pthread_mutex_lock(&ctx->pool.lock);
	*stats = ctx->pool.stats;
	pthread_mutex_unlock(&ctx->pool.lock);
}

static void destroy_all(struct mem_context *ctx)
{
	struct mem_chunk *c;

	for (int sort = 0; sort < MEM_SORTS; sort++)
		while ((c = TAILQ_FIRST(&ctx->pool.chunks[sort]))) {
			if (!is_empty(c))
				PL_LOG(WARNING,
				       "%u allocations of memory for devices (%zu bytes) in the "
				       "%zu bytes at "
				       "%p were never freed",
				       c->extents.nb_taken, c->info.len - c->extents.free_bytes,
				       c->info.len, c->info.va);
			chunk_destroy(ctx, sort, c);
		}
}

int mem_pool_init(struct mem_context *ctx)
{
	void *p = NULL;
	int ret;

	pthread_mutex_lock(&ctx->pool.lock);
	/* The first chunk tells whether the IOMMU reaches where the EAL's memory is. */
	ret = take(ctx, MEM_READ_WRITE, PAGE, -1, &p);
	if (ret == 0)
		give(ctx, MEM_READ_WRITE, p);
	else
		destroy_all(ctx);
	pthread_mutex_unlock(&ctx->pool.lock);
	return ret;
}

void mem_pool_fini(struct mem_context *ctx)
{
	pthread_mutex_lock(&ctx->pool.lock);
	destroy_all(ctx);
	pthread_mutex_unlock(&ctx->pool.lock);
}
