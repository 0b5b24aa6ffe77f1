/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of the caller's, and the life of this layer. */
#include <errno.h>
#include <pthread.h>

#include "mem_private.h"
#include "pl_log.h"
#include "pl_subsystem.h"

static struct pl_ioas *ioas;
/* Makes a registration one step for others: mapping and table change together. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int pl_mem_enter(struct pl_ioas *space, const struct pl_mem_info *info)
{
	uint32_t prot = PL_IOMMU_READ | (info->device_readonly ? 0 : PL_IOMMU_WRITE);
	/* Memory without hugepages is not there before it is touched. */
	int ret = pl_prefault(info->va, info->len);

	if (ret != 0)
		return ret;
	ret = pl_ioas_map(space, info->va, info->len, prot, info->kind);
	if (ret != 0)
		return ret;
	ret = pl_region_add(info);
	if (ret != 0)
		pl_ioas_unmap(space, info->va, info->len);
	return ret;
}

static int register_locked(void *va, size_t len)
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
	return pl_mem_enter(ioas, &info);
}

int pl_mem_register(void *va, size_t len)
{
	uintptr_t last;
	int ret;

	if (ioas == NULL)
		return pl_fail(-EINVAL, "pl_mem_register() needs pl_eal_init() first");
	if (len == 0 || (((uintptr_t)va | len) & 0xfff) != 0 ||
	    __builtin_add_overflow((uintptr_t)va, len - 1, &last))
		return pl_fail(-EINVAL,
			       "cannot register %zu bytes at %p: address and length must be "
			       "multiples of 4096, and not 0",
			       len, va);
	pthread_mutex_lock(&lock);
	ret = register_locked(va, len);
	pthread_mutex_unlock(&lock);
	return ret;
}

static int unregister_locked(void *va, size_t len)
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
	ret = pl_ioas_unmap(ioas, va, len);
	if (ret == 0)
		pl_region_remove(va);
	return ret;
}

int pl_mem_unregister(void *va, size_t len)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = unregister_locked(va, len);
	pthread_mutex_unlock(&lock);
	return ret;
}

int pl_mem_start(struct pl_ioas *space)
{
	int ret;

	ret = pl_guard_init();
	if (ret != 0)
		return ret;
	ret = pl_window_init(space);
	if (ret != 0)
		goto stop_guard;
	ret = pl_pool_init(space);
	if (ret != 0)
		goto stop_window;
	ioas = space;
	return 0;
stop_window:
	pl_window_fini();
	pl_region_fini();
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

void pl_mem_stop(void)
{
	unregister_rest();
	ioas = NULL;
	pl_pool_fini();
	pl_window_fini();
	pl_region_fini();
	pl_guard_fini();
}

static int mem_init(const struct pl_eal_conf *conf)
{
	(void)conf;
	return pl_mem_start(pl_ioas_default());
}

static struct pl_subsystem mem_subsystem = {
	.name = "mem",
	.order = PL_ORDER_MEM,
	.init = mem_init,
	.fini = pl_mem_stop,
};

PL_SUBSYSTEM(mem_subsystem)
