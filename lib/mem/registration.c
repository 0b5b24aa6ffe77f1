/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of the caller's, and the life of this layer. */
#include <errno.h>

#include "mem_context.h"
#include "mem_private.h"
#include "pl_log.h"
#include "pl_subsystem.h"

int mem_enter(struct mem_context *ctx, const struct pl_mem_info *info)
{
	uint32_t prot = PL_IOMMU_READ | (info->device_readonly ? 0 : PL_IOMMU_WRITE);
	/* Memory without hugepages is not there before it is touched. */
	int ret = pl_prefault(info->va, info->len);

	if (ret != 0)
		return ret;
	ret = ioas_set_map(&ctx->spaces, info->va, info->len, prot, info->kind);
	if (ret != 0)
		return ret;
	ret = pl_region_add(info);
	if (ret != 0)
		ioas_set_unmap(&ctx->spaces, info->va, info->len);
	return ret;
}

static int register_locked(struct mem_context *ctx, void *va, size_t len)
{
	const struct pl_mem_info info = {
		.va = va,
		.len = len,
		.kind = PL_MEM_HOST,
		.numa_node = -1,
		.cpu_cacheable = true,
		.longterm_pin = true,
		.external = true,
	};
	struct pl_mem_info other;

	if (pl_region_at_or_after((uintptr_t)va, &other) &&
	    (uintptr_t)other.va < (uintptr_t)va + len)
		return pl_fail(-EEXIST,
			       "%zu bytes at %p overlap the registered region of %zu bytes at %p",
			       len, va, other.len, other.va);
	return mem_enter(ctx, &info);
}

int pl_mem_register(void *va, size_t len)
{
	struct mem_context *ctx = mem_context();
	uintptr_t last;
	int ret;

	if (!ctx)
		return pl_fail(-EINVAL, "pl_mem_register() needs pl_eal_init() first");
	if (len == 0 || (((uintptr_t)va | len) & 0xfff) != 0 ||
	    __builtin_add_overflow((uintptr_t)va, len - 1, &last))
		return pl_fail(-EINVAL,
			       "cannot register %zu bytes at %p: address and length must be "
			       "multiples of 4096, and not 0",
			       len, va);
	pthread_mutex_lock(&ctx->registration);
	ret = register_locked(ctx, va, len);
	pthread_mutex_unlock(&ctx->registration);
	return ret;
}

static int unregister_locked(struct mem_context *ctx, void *va, size_t len)
{
	struct pl_mem_info info;
	int ret;

	if (!pl_region_at_or_after((uintptr_t)va, &info) || info.va != va || !info.external)
		return pl_fail(-ENOENT, "no pl_mem_register() call registered memory at %p", va);
	if (info.len != len)
		return pl_fail(-EINVAL,
			       "cannot unregister %zu bytes at %p: %zu were registered, and end as "
			       "a whole",
			       len, va, info.len);
	/* What could not be unmapped stays registered: devices may still reach it. */
	ret = ioas_set_unmap(&ctx->spaces, va, len);
	if (ret == 0)
		pl_region_remove(va);
	return ret;
}

int pl_mem_unregister(void *va, size_t len)
{
	struct mem_context *ctx = mem_context();
	int ret;

	if (!ctx)
		return pl_fail(-ENOENT, "no pl_mem_register() call registered memory at %p", va);
	pthread_mutex_lock(&ctx->registration);
	ret = unregister_locked(ctx, va, len);
	pthread_mutex_unlock(&ctx->registration);
	return ret;
}

static int start_parts(struct mem_context *ctx)
{
	int ret = mem_window_init(ctx);

	if (ret != 0)
		return ret;
	ret = mem_pool_init(ctx);
	if (ret != 0) {
		mem_window_fini(ctx);
		mem_regions_fini(&ctx->regions);
	}
	return ret;
}

int pl_mem_start(const struct ioas_set *spaces)
{
	int ret = pl_guard_init();

	if (ret != 0)
		return ret;
	ret = mem_context_create(spaces);
	if (ret != 0)
		goto stop_guard;
	ret = start_parts(mem_context());
	if (ret == 0)
		return 0;
	mem_context_destroy();
stop_guard:
	pl_guard_fini();
	return ret;
}

/* What the caller forgot to unregister: the address space outlives this layer. */
static void unregister_rest(void)
{
	struct pl_mem_info info;
	uintptr_t from = 0;

	while (pl_region_at_or_after(from, &info)) {
		from = (uintptr_t)info.va + info.len;
		if (!info.external)
			continue;
		PL_LOG(WARNING, "%zu bytes at %p were never unregistered", info.len, info.va);
		if (pl_mem_unregister(info.va, info.len) != 0)
			PL_LOG(ERR, "%s", pl_errmsg());
	}
}

void mem_empty(void)
{
	struct mem_context *ctx = mem_context();

	unregister_rest();
	mem_pool_fini(ctx);
	mem_window_fini(ctx);
	mem_regions_fini(&ctx->regions);
	pl_guard_fini();
}

void pl_mem_stop(void)
{
	mem_empty();
	mem_context_destroy();
}

static int mem_init(const struct pl_eal_conf *conf)
{
	(void)conf;
	return pl_mem_start(ioas_set_of_process());
}

static struct pl_subsystem mem_subsystem = {
	.name = "mem",
	.order = PL_ORDER_MEM,
	.init = mem_init,
	.fini = pl_mem_stop,
};

PL_SUBSYSTEM(mem_subsystem)
