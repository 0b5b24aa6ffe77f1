/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that lib/mem remembers between two calls, but for what the handler of SIGBUS reads (sigbus.c):
 * there is one from pl_mem_start() to pl_mem_stop(). Each part belongs to one file, which locks it.
 * Lock order: registration, pool, regions; window is a leaf.
 */
#ifndef PL_MEM_CONTEXT_H
#define PL_MEM_CONTEXT_H

#include <pthread.h>
#include <sys/queue.h>

#include "extent.h"
#include "ioas_set.h"
#include "mem_internal.h"

struct mem_chunk;
TAILQ_HEAD(mem_chunk_tailq, mem_chunk);

enum mem_sort { /* what devices may do with a chunk's memory */
		MEM_READ_WRITE,
		MEM_READ_ONLY,
		MEM_SORTS,
};

struct mem_pool { /* pool.c */
	pthread_mutex_t lock;
	struct mem_chunk_tailq chunks[MEM_SORTS]; /* the oldest first: the newest become empty */
	struct pl_pool_stats stats;
};

struct mem_window { /* window.c */
	pthread_mutex_t lock;
	void *map; /* what mmap() gave; the window is the aligned part */
	size_t map_len;
	uintptr_t va;
	size_t len; /* 0: there is no window */
	struct pl_extents extents;
};

struct mem_regions { /* region.c */
	pthread_rwlock_t lock;
	struct pl_mem_info *table; /* in ascending order of address */
	size_t count;
	size_t capacity;
};

struct mem_context {
	struct ioas_set spaces; /* host memory is in all of them */
	/* Makes a registration one step for others: mapping and table change together. */
	pthread_mutex_t registration;
	struct mem_pool pool;
	struct mem_window window;
	struct mem_regions regions;
};

/* The one there is; NULL: lib/mem is not started. */
struct mem_context *mem_context(void);

/* Empty, over the spaces of @spaces as they are now. -ENOMEM */
int mem_context_create(const struct ioas_set *spaces);
/* Its parts were emptied before. */
void mem_context_destroy(void);

#endif
