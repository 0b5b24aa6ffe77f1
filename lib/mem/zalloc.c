/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host memory that devices are known to reach. When the EAL grows, nobody can refuse the memory that
 * could not be mapped (a memlock limit), and rte_malloc() hands it out; a device that is told to read
 * into it completes with status 0, and nothing arrives.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>

#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

static void *zalloc(size_t len, int numa_node)
{
	void *p = NULL;

	if (numa_node >= 0)
		p = rte_zmalloc_socket("pl_mem", len, PL_P2P_PAGE, numa_node);
	/* Far memory is slower; none would be the end. */
	return p ? p : rte_zmalloc("pl_mem", len, PL_P2P_PAGE);
}

/* @before: what pl_errmsg() said before the EAL was asked. If it grew by memory that cannot be mapped,
 * arena.c said why just now. */
static void out_of_reach(size_t len, const char *before)
{
	bool now = strcmp(before, pl_errmsg()) != 0;

	pl_fail(-ENOMEM, "%zu bytes of the EAL's memory are out of devices' reach: %s", len,
		now ? pl_errmsg() : "it grew before, and its log says why");
}

void *pl_mem_zalloc(size_t len, int numa_node)
{
	void *p = NULL, *unreachable;
	char before[512];

	snprintf(before, sizeof(before), "%s", pl_errmsg());
	if (!pl_inject_hit())
		p = zalloc(len, numa_node);
	if (!p) {
		pl_fail(-ENOMEM, "no %zu bytes of DMA-able host memory; give the EAL more with -m", len);
		return NULL;
	}
	if (pl_mem_registered(p, len))
		return p;
	/* While that is taken, the EAL may have other memory. */
	unreachable = p;
	p = zalloc(len, -1);
	rte_free(unreachable);
	if (p && pl_mem_registered(p, len))
		return p;
	rte_free(p);
	out_of_reach(len, before);
	return NULL;
}
