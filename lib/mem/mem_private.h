/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of lib/mem share among themselves. */
#ifndef PL_MEM_PRIVATE_H
#define PL_MEM_PRIVATE_H

#include "mem_internal.h"

/* mem.c: everything below the public interface, over an address space given by the caller. */
int pl_mem_start(struct pl_ioas *ioas);
void pl_mem_stop(void);
/* Faults host memory in, maps it and enters it in the table; all of it or nothing. */
int pl_mem_enter(struct pl_ioas *ioas, const struct pl_mem_info *info);

/* region.c */
/* The region that holds @va, or the first one above it. False: there is none. */
bool pl_region_at_or_after(uintptr_t va, struct pl_mem_info *info);
/* Empties the table; logs what is still in it as not unregistered. */
void pl_region_fini(void);

/* guard.c: the process' handler of SIGBUS. -ENOMEM */
int pl_guard_init(void);
void pl_guard_fini(void);

/* window.c */
int pl_window_init(const struct pl_ioas *ioas);
void pl_window_fini(void);

/* pool.c: takes a first piece of the EAL's memory. -ENOMEM; -EINVAL if the IOMMU does not reach it */
int pl_pool_init(struct pl_ioas *ioas);
void pl_pool_fini(void); /* logs what was still handed out */

/* prefault.c: makes every page of a range present and writable, or says why it cannot be:
 * -EINVAL, -ENOMEM. Contents do not change, and nothing is touched in a way that could fault. */
int pl_prefault(void *va, size_t len);
/* The way that works on every kernel; pl_prefault() uses it where madvise() cannot. */
int pl_prefault_each(void *va, size_t len);

#endif
