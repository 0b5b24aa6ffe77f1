/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "mem_context.h"
#include "pl_alloc.h"
#include "pl_log.h"

static struct mem_context *context;

struct mem_context *mem_context(void)
{
	return context;
}

static void locks_init(struct mem_context *ctx)
{
	pthread_mutex_init(&ctx->registration, NULL);
	pthread_mutex_init(&ctx->pool.lock, NULL);
	pthread_mutex_init(&ctx->window.lock, NULL);
	pthread_rwlock_init(&ctx->regions.lock, NULL);
}

static void locks_destroy(struct mem_context *ctx)
{
	pthread_rwlock_destroy(&ctx->regions.lock);
	pthread_mutex_destroy(&ctx->window.lock);
	pthread_mutex_destroy(&ctx->pool.lock);
	pthread_mutex_destroy(&ctx->registration);
}

int mem_context_create(const struct ioas_set *spaces)
{
	struct mem_context *ctx = eal_calloc(1, sizeof(*ctx));
	int rc = 0;

	if (!ctx)
		return pl_fail(-ENOMEM, "no memory for the bookkeeping of memory for devices");
	for (unsigned int i = 0; i < spaces->nb && rc == 0; i++)
		rc = ioas_set_add(&ctx->spaces, spaces->members[i]);
	if (rc) {
		ioas_set_fini(&ctx->spaces);
		free(ctx);
		return rc;
	}
	for (int sort = 0; sort < MEM_SORTS; sort++)
		TAILQ_INIT(&ctx->pool.chunks[sort]);
	locks_init(ctx);
	context = ctx;
	return 0;
}

void mem_context_destroy(void)
{
	struct mem_context *ctx = context;

	context = NULL;
	if (!ctx)
		return;
	locks_destroy(ctx);
	ioas_set_fini(&ctx->spaces);
	free(ctx);
}
