/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host memory that devices are known to reach. When the EAL grows, nobody can refuse the memory that
 * could not be mapped (a memlock limit), and rte_malloc() hands it out; a device that is told to read
 * into it completes with status 0, and nothing arrives.
 */
#include <rte_malloc.h>

#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

bool pl_mem_registered(const void *buf, size_t len)
{
	uintptr_t at = (uintptr_t)buf, end = at + len;

	/* Neighbouring regions are as good as one. */
	while (at < end) {
		struct pl_mem_info info;

		if (!pl_region_at_or_after(at, &info) || (uintptr_t)info.va > at)
			return false;
		at = (uintptr_t)info.va + info.len;
	}
	return true;
}

void *pl_mem_zalloc(size_t len, int numa_node)
{
	bool fail = pl_inject_hit();
	void *p = NULL;

	/* What arena.c says of memory that it cannot map takes the place of this. */
	pl_fail(-ENOMEM, "the EAL grew before by memory that devices do not reach; its log says why");
	if (!fail && numa_node >= 0)
		p = rte_zmalloc_socket("pl_mem", len, PL_P2P_PAGE, numa_node);
	/* Far memory is slower; none would be the end. */
	if (!p && !fail)
		p = rte_zmalloc("pl_mem", len, PL_P2P_PAGE);
	if (!p) {
		pl_fail(-ENOMEM, "no %zu bytes of DMA-able host memory; give the EAL more with -m", len);
		return NULL;
	}
	if (pl_mem_registered(p, len))
		return p;
	rte_free(p);
	pl_fail(-ENOMEM, "%zu bytes of the EAL's memory are out of devices' reach: %s", len, pl_errmsg());
	return NULL;
}
