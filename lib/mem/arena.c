/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that librte_eal hands out is DMA-able: its memory is mapped at init in the largest
 * contiguous runs, and follows its growth and shrinking through memory events.
 */
#include <errno.h>
#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "iommu_backend.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

#define EVENT_NAME "peerlane"

static struct pl_ioas *ioas;
static bool grows;  /* the EAL reports memory events */
static bool walked; /* under the EAL's memory lock: what exists is mapped, events count from here */

static int arena_add(void *va, size_t len, int numa_node)
{
	const struct pl_mem_info info = {
		.va = va,
		.len = len,
		.kind = PL_MEM_HOST,
		.numa_node = numa_node,
		.cpu_cacheable = true,
		.longterm_pin = true,
	};

	if (!pl_ioas_covers(ioas, (uintptr_t)va, len))
		return pl_fail(
			-EINVAL,
			"the EAL's memory at %p (%zu bytes) is outside what the %s IOMMU can "
			"address: start with --base-virtaddr=0x%llx",
			va, len, pl_ioas_backend(ioas), 1ull << 32);
	return pl_mem_enter(ioas, &info);
}

static void arena_remove(const struct pl_mem_info *info)
{
	pl_region_remove(info->va);
	if (pl_ioas_unmap(ioas, info->va, info->len) != 0)
		PL_LOG(ERR, "%s", pl_errmsg());
}

/* The first region of an arena that ends above @va. */
static bool arena_at_or_after(uintptr_t va, struct pl_mem_info *info)
{
	while (pl_region_at_or_after(va, info)) {
		if (info->kind == PL_MEM_HOST && !info->external)
			return true;
		va = (uintptr_t)info->va + info->len;
	}
	return false;
}

static void arena_restore(void *va, size_t len, int numa_node)
{
	if (arena_add(va, len, numa_node) != 0)
		PL_LOG(ERR, "devices lost the %zu bytes at %p: %s", len, va, pl_errmsg());
}

/*
 * The EAL frees whole allocations, which is what was mapped, as pl_eal_init() asks it to
 * (--match-allocations). Under an EAL started otherwise a region may lose a part: a mapping ends as
 * a whole, and what is left gets its own again.
 */
static void arena_shrink(uintptr_t va, size_t len)
{
	uintptr_t end = va + len;
	struct pl_mem_info r;

	while (arena_at_or_after(va, &r) && (uintptr_t)r.va < end) {
		uintptr_t r_va = (uintptr_t)r.va, r_end = r_va + r.len;

		arena_remove(&r);
		if (r_va < va)
			arena_restore(r.va, va - r_va, r.numa_node);
		if (r_end > end)
			arena_restore((void *)end, r_end - end, r.numa_node);
		va = RTE_MIN(r_end, end);
	}
}

/* Runs under the EAL's memory locks: no rte_malloc() here, and no way to refuse the memory. */
static void on_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);

	(void)arg;
	/* External memory is its owner's to register. */
	if (!walked || (msl != NULL && msl->external))
		return;
	if (type == RTE_MEM_EVENT_FREE)
		arena_shrink((uintptr_t)addr, len);
	else if (arena_add((void *)(uintptr_t)addr, len, msl != NULL ? msl->socket_id : -1) != 0)
		PL_LOG(ERR, "new memory of the EAL is out of devices' reach: %s", pl_errmsg());
}

/*
 * Maps [ms->addr, ms->addr + len). Pages that were allocated before init and may be freed one
 * allocation at a time get a mapping each, since their allocations' bounds are not known; all
 * others are mapped as one.
 */
static int add_run(const struct rte_memseg_list *msl, const struct rte_memseg *ms, size_t len,
		   void *arg)
{
	int *result = arg;
	size_t done = 0;

	if (msl->external)
		return 0;
	while (done < len) {
		size_t part = len - done;

		if (grows) {
			const struct rte_memseg *at = ms + done / msl->page_sz;

			for (part = 0;
			     done + part < len && (at->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE); at++)
				part += msl->page_sz;
			part = RTE_MAX(part, (size_t)msl->page_sz);
		}
		*result = arena_add(RTE_PTR_ADD(ms->addr, done), part, msl->socket_id);
		if (*result != 0)
			return -1;
		done += part;
	}
	return 0;
}

static void remove_all(void)
{
	struct pl_mem_info r;

	while (arena_at_or_after(0, &r))
		arena_remove(&r);
}

int pl_arena_init(struct pl_ioas *space)
{
	int ret = 0;

	ioas = space;
	/* Registered first and deaf until the walk is done, all in the same hold of the EAL's lock:
	 * memory is neither missed nor mapped twice. */
	if (pl_inject_hit())
		return pl_fail(-ENOMEM, "no memory for the EAL's memory event callback");
	grows = rte_mem_event_callback_register(EVENT_NAME, on_event, NULL) == 0;
	if (!grows && rte_errno != ENOTSUP)
		return pl_fail(-ENOMEM, "cannot follow the EAL's memory events: %s",
			       rte_strerror(rte_errno));
	rte_mcfg_mem_read_lock();
	rte_memseg_contig_walk_thread_unsafe(add_run, &ret);
	walked = ret == 0;
	rte_mcfg_mem_read_unlock();
	if (ret != 0) {
		if (grows)
			rte_mem_event_callback_unregister(EVENT_NAME, NULL);
		remove_all();
	}
	return ret;
}

void pl_arena_fini(void)
{
	if (grows)
		rte_mem_event_callback_unregister(EVENT_NAME, NULL);
	walked = false;
	remove_all();
}
