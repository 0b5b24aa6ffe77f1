/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window: virtual addresses inside the IOMMU's aperture that are kept free of everything, so
 * that device memory mapped there has the same address for the CPU and for every device.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "extent.h"
#include "iommu_backend.h"
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

static struct {
	pthread_mutex_t lock;
	void *map; /* what mmap() gave; the window is the aligned part */
	size_t map_len;
	uintptr_t va;
	size_t len; /* 0: there is no window */
	struct pl_extents extents;
} window = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *reserve_at(void *at, size_t len, int flags)
{
	return mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* A reservation of @len aligned bytes inside the aperture, or false. */
static bool reserve(const struct pl_ioas *ioas, size_t len)
{
	for (uintptr_t at = LOW_FIRST; at + len - 1 <= LOW_LAST; at += len) {
		if (!pl_ioas_covers(ioas, at, len))
			continue;
		window.map = reserve_at((void *)at, len, MAP_FIXED_NOREPLACE);
		if (window.map == MAP_FAILED)
			continue;
		/* Kernels that do not know the flag take the address as a hint. */
		if (window.map == (void *)at) {
			window.map_len = len;
			window.va = at;
			return true;
		}
		munmap(window.map, len);
	}
	window.map_len = len + WINDOW_ALIGN;
	window.map = reserve_at(NULL, window.map_len, 0);
	if (window.map == MAP_FAILED)
		return false;
	window.va = RTE_ALIGN_CEIL((uintptr_t)window.map, WINDOW_ALIGN);
	if (pl_ioas_covers(ioas, window.va, len))
		return true;
	munmap(window.map, window.map_len);
	return false;
}

int pl_window_init(const struct pl_ioas *ioas)
{
	size_t len = LEN_MOST;

	if (pl_inject_hit())
		len = 0;
	while (len >= LEN_LEAST && !reserve(ioas, len))
		len /= 2;
	if (len < LEN_LEAST)
		return pl_fail(-ENOMEM,
			       "no %llu MiB of address space are free where the %s IOMMU can "
			       "address them: raise the limit on it (ulimit -v)",
			       LEN_LEAST >> 20, pl_ioas_backend(ioas));
	if (pl_extents_init(&window.extents, window.va, len) != 0) {
		munmap(window.map, window.map_len);
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of the DMA window");
	}
	window.len = len;
	PL_LOG(INFO, "DMA window: %zu MiB at 0x%zx", len >> 20, window.va);
	return 0;
}

void pl_window_fini(void)
{
	if (window.extents.nb_taken > 0)
		PL_LOG(WARNING, "%u ranges of the DMA window were still reserved at the end",
		       window.extents.nb_taken);
	pl_extents_fini(&window.extents);
	munmap(window.map, window.map_len);
	window.len = 0;
}

int pl_window_reserve(size_t len, void **va)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)WINDOW_ALIGN);
	uintptr_t at = 0;
	int ret = -ENOMEM;

	pthread_mutex_lock(&window.lock);
	if (window.len != 0 && len != 0 && rounded >= len)
		ret = pl_extents_take(&window.extents, rounded, WINDOW_ALIGN, &at);
	pthread_mutex_unlock(&window.lock);
	if (ret != 0)
		return pl_fail(-ENOMEM,
			       "no room for %zu bytes in the DMA window of %zu MiB: map less "
			       "device memory",
			       len, window.len >> 20);
	*va = (void *)at;
	return 0;
}

/* A legacy CMB's bus address must be free in this process and translatable: it is the CMB's one
 * address, and nobody can choose another. */
int pl_window_reserve_at(void *va, size_t len)
{
	const struct pl_ioas *ioas = pl_ioas_default();
	void *got;

	if (!pl_ioas_covers(ioas, (uintptr_t)va, len))
		return pl_fail(-EREMOTEIO, "%zu bytes at the bus address %p are outside what the %s IOMMU can "
			       "address", len, va, pl_ioas_backend(ioas));
	got = reserve_at(va, len, MAP_FIXED_NOREPLACE);
	if (got == va)
		return 0;
	if (got != MAP_FAILED)
		munmap(got, len);
	return pl_fail(-EREMOTEIO, "%zu bytes at the bus address %p are in use in this process, or not "
		       "its to map", len, va);
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

static bool inside(const void *va)
{
	return (uintptr_t)va >= window.va && (uintptr_t)va - window.va < window.len;
}

void pl_window_release(void *va, size_t len)
{
	size_t rounded = RTE_ALIGN_CEIL(len, (size_t)WINDOW_ALIGN);

	if (window.len != 0 && !inside(va)) {
		munmap(va, len); /* pl_window_reserve_at() */
		return;
	}
	pthread_mutex_lock(&window.lock);
	if (window.len == 0 || rounded == 0 ||
	    pl_extents_taken(&window.extents, (uintptr_t)va) != rounded)
		PL_LOG(ERR, "%zu bytes at %p are no reservation in the DMA window", len, va);
	else if (!pl_window_clear(va, rounded))
		/* Whatever is mapped there still is: nobody else may be given this range. */
		PL_LOG(ERR,
		       "cannot unmap %zu bytes at %p of the DMA window (%s): the range is lost",
		       rounded, va, strerror(errno));
	else
		pl_extents_give(&window.extents, (uintptr_t)va);
	pthread_mutex_unlock(&window.lock);
}
