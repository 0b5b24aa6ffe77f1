/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of lib/mem share among themselves. */
#ifndef PL_MEM_PRIVATE_H
#define PL_MEM_PRIVATE_H

#include "mem_internal.h"

struct ioas_set;
struct mem_context;
struct mem_regions;

/* registration.c: everything below the public interface, over address spaces given by the caller. */
int pl_mem_start(const struct ioas_set *spaces);
void pl_mem_stop(void);
/* The first half of pl_mem_stop(), after which mem_context_destroy() has nothing to lose. */
void mem_empty(void);
/* Faults host memory in, maps it and enters it in the table; all of it or nothing. */
int mem_enter(struct mem_context *ctx, const struct pl_mem_info *info);

/* region.c */
/* The region that holds @va, or the first one above it. False: there is none. */
bool pl_region_at_or_after(uintptr_t va, struct pl_mem_info *info);
/* Empties the table; logs what is still in it as not unregistered. */
void mem_regions_fini(struct mem_regions *regions);

/* sigbus.c: the process' handler of SIGBUS. -ENOMEM */
int pl_guard_init(void);
void pl_guard_fini(void);

/* window.c */
int mem_window_init(struct mem_context *ctx);
void mem_window_fini(struct mem_context *ctx);

/* pool.c: takes a first piece of the EAL's memory. -ENOMEM; -EINVAL if the IOMMU does not reach it */
int mem_pool_init(struct mem_context *ctx);
void mem_pool_fini(struct mem_context *ctx); /* logs what was still handed out */

/* prefault.c: makes every page of a range present and writable, or says why it cannot be:
 * -EINVAL, -ENOMEM. Contents do not change, and nothing is touched in a way that could fault. */
int pl_prefault(void *va, size_t len);
/* The way that works on every kernel; pl_prefault() uses it where madvise() cannot. */
int pl_prefault_each(void *va, size_t len);

#endif
