/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window: virtual addresses inside the IOMMU's aperture that are kept free of everything, so
 * that device memory mapped there has the same address for the CPU and for every device.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "mem_context.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

/* A leaf of the CPU's and the IOMMU's page tables: device memory is mapped with these. */
#define WINDOW_ALIGN (2ull << 20)
#define LEN_MOST     (64ull << 30)
#define LEN_LEAST    (256ull << 20)
/* Where programs and their libraries are not: above non-PIE programs and DPDK's arenas, below PIE
 * ones and mmap's. A 39-bit IOMMU reaches this far and not to where the kernel would choose. */
#define LOW_FIRST (128ull << 30)
#define LOW_LAST  ((2ull << 40) - 1)

static void *reserve_at(void *at, size_t len, int flags)
{
	return mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

static bool all_reach(const struct mem_context *ctx, uintptr_t va, size_t len)
{
	return !ioas_set_beyond(&ctx->spaces, va, len);
}

/* A reservation of @len aligned bytes inside the apertures, or false. */
static bool reserve(struct mem_context *ctx, size_t len)
{
	struct mem_window *w = &ctx->window;

	for (uintptr_t at = LOW_FIRST; at + len - 1 <= LOW_LAST; at += len) {
		if (!all_reach(ctx, at, len))
			continue;
		w->map = reserve_at((void *)at, len, MAP_FIXED_NOREPLACE);
		if (w->map == MAP_FAILED)
			continue;
		/* Kernels that do not know the flag take the address as a hint. */
		if (w->map == (void *)at) {
			w->map_len = len;
			w->va = at;
			return true;
		}
		munmap(w->map, len);
	}
	w->map_len = len + WINDOW_ALIGN;
	w->map = reserve_at(NULL, w->map_len, 0);
	if (w->map == MAP_FAILED)
		return false;
	w->va = RTE_ALIGN_CEIL((uintptr_t)w->map, WINDOW_ALIGN);
	if (all_reach(ctx, w->va, len))
		return true;
	munmap(w->map, w->map_len);
	return false;
}

int mem_window_init(struct mem_context *ctx)
{
	struct mem_window *w = &ctx->window;
	size_t len = LEN_MOST;

	if (pl_inject_hit())
		len = 0;
	while (len >= LEN_LEAST && !reserve(ctx, len))
		len /= 2;
	if (len < LEN_LEAST)
		return pl_fail(-ENOMEM,
			       "no %llu MiB of address space are free where devices can address "
			       "them: raise the limit on it (ulimit -v)",
			       LEN_LEAST >> 20);
	if (pl_extents_init(&w->extents, w->va, len)) {
		munmap(w->map, w->map_len);
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of the DMA window");
	}
	w->len = len;
	PL_LOG(INFO, "DMA window: %zu MiB at 0x%zx", len >> 20, w->va);
	return 0;
}

void mem_window_fini(struct mem_context *ctx)
{
	struct mem_window *w = &ctx->window;

	if (w->extents.nb_taken > 0)
		PL_LOG(WARNING, "%u ranges of the DMA window were still reserved at the end",
		       w->extents.nb_taken);
	pl_extents_fini(&w->extents);
	munmap(w->map, w->map_len);
	w->len = 0;
}

int pl_window_reserve(size_t len, void **va)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)WINDOW_ALIGN);
	struct mem_context *ctx = mem_context();
	struct mem_window *w;
	uintptr_t at = 0;
	int rc = -ENOMEM;

	if (!ctx)
		return pl_fail(-ENOMEM, "there is no DMA window before pl_eal_init()");
	w = &ctx->window;
	pthread_mutex_lock(&w->lock);
	if (len != 0 && rounded >= len)
		rc = pl_extents_take(&w->extents, rounded, WINDOW_ALIGN, &at);
	pthread_mutex_unlock(&w->lock);
	if (rc)
		return pl_fail(-ENOMEM,
			       "no room for %zu bytes in the DMA window of %zu MiB: map less "
			       "device memory",
			       len, w->len >> 20);
	*va = (void *)at;
	return 0;
}

/* A legacy CMB's bus address must be free in this process and translatable: it is the CMB's one
 * address, and nobody can choose another. */
int pl_window_reserve_at(void *va, size_t len)
{
	struct mem_context *ctx = mem_context();
	const struct pl_ioas *beyond;
	void *got;

	if (!ctx)
		return pl_fail(-EREMOTEIO, "there is no DMA window before pl_eal_init()");
	beyond = ioas_set_beyond(&ctx->spaces, (uintptr_t)va, len);
	if (beyond)
		return pl_fail(-EREMOTEIO,
			       "%zu bytes at the bus address %p are outside what the %s IOMMU can "
			       "address",
			       len, va, pl_ioas_backend(beyond));
	got = reserve_at(va, len, MAP_FIXED_NOREPLACE);
	if (got == va)
		return 0;
	if (got != MAP_FAILED)
		munmap(got, len);
	return pl_fail(-EREMOTEIO,
		       "%zu bytes at the bus address %p are in use in this process, or not "
		       "its to map",
		       len, va);
}

bool pl_window_clear(void *va, size_t len)
{
	return reserve_at(va, len, MAP_FIXED) != MAP_FAILED;
}

bool pl_window_absent(void *va, size_t len)
{
	return mmap(va, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static bool inside(const struct mem_window *w, const void *va)
{
	return (uintptr_t)va >= w->va && (uintptr_t)va - w->va < w->len;
}

void pl_window_release(void *va, size_t len)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)WINDOW_ALIGN);
	struct mem_context *ctx = mem_context();
	struct mem_window *w;

	if (!ctx) {
		PL_LOG(ERR, "%zu bytes at %p are given back after the end of the DMA window", len,
		       va);
		return;
	}
	w = &ctx->window;
	if (!inside(w, va)) {
		munmap(va, len); /* pl_window_reserve_at() */
		return;
	}
	pthread_mutex_lock(&w->lock);
	if (rounded == 0 || pl_extents_taken(&w->extents, (uintptr_t)va) != rounded)
		PL_LOG(ERR, "%zu bytes at %p are no reservation in the DMA window", len, va);
	else if (!pl_window_clear(va, rounded))
		/* Whatever is mapped there still is: nobody else may be given this range. */
		PL_LOG(ERR,
		       "cannot unmap %zu bytes at %p of the DMA window (%s): the range is lost",
		       rounded, va, strerror(errno));
	else
		pl_extents_give(&w->extents, (uintptr_t)va);
	pthread_mutex_unlock(&w->lock);
}
