/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_common.h>

#include "iommu_kernel.h"
#include "pl_log.h"

void kernel_count_map(struct kernel_counters *c, size_t len)
{
	__atomic_fetch_add(&c->stats.maps, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->stats.mappings, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&c->stats.mapped_bytes, len, __ATOMIC_RELAXED);
}

void kernel_count_unmap(struct kernel_counters *c, size_t len)
{
	__atomic_fetch_add(&c->stats.unmaps, 1, __ATOMIC_RELAXED);
	/* The kernel invalidates and waits inside the call. */
	__atomic_fetch_add(&c->stats.invalidations, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->stats.mappings, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->stats.mapped_bytes, len, __ATOMIC_RELAXED);
}

void kernel_stats(const struct kernel_counters *c, struct pl_ioas_stats *stats)
{
	stats->maps = __atomic_load_n(&c->stats.maps, __ATOMIC_RELAXED);
	stats->unmaps = __atomic_load_n(&c->stats.unmaps, __ATOMIC_RELAXED);
	stats->mappings = __atomic_load_n(&c->stats.mappings, __ATOMIC_RELAXED);
	stats->mapped_bytes = __atomic_load_n(&c->stats.mapped_bytes, __ATOMIC_RELAXED);
	stats->invalidations = __atomic_load_n(&c->stats.invalidations, __ATOMIC_RELAXED);
	stats->faults = 0;
}

int kernel_add_device(struct vfio_dev **list, const char *bdf, int fd)
{
	struct vfio_dev *dev;
	int rc = vfio_dev_create(bdf, fd, &dev);

	if (rc)
		return rc;
	dev->next = *list;
	*list = dev;
	return 0;
}

void kernel_drop_devices(struct vfio_dev **list)
{
	while (*list) {
		struct vfio_dev *dev = *list;

		*list = dev->next;
		vfio_dev_destroy(dev);
	}
}

int kernel_fault_next(struct pl_ioas *ioas, struct pl_iommu_fault *fault)
{
	RTE_SET_USED(ioas);
	RTE_SET_USED(fault);
	return -ENOENT;
}

struct vfio_dev *kernel_find_device(struct vfio_dev *list, const char *bdf)
{
	while (list && strcmp(list->bdf, bdf) != 0)
		list = list->next;
	return list;
}

int kernel_denied(const char *path)
{
	return pl_fail(-EACCES, "%s: permission denied; install Peerlane's udev rule (meson install) and "
		       "join its group, or: sudo setfacl -m u:$USER:rw %s", path, path);
}

int kernel_map_failed(const char *call, const void *va, size_t len, int err)
{
	struct rlimit limit;

	switch (err) {
	case EEXIST:
	case EADDRINUSE:
		return pl_fail(-EEXIST, "%s of %zu bytes at %p: part of it is mapped already", call, len,
			       va);
	case ENOMEM:
		if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
			return pl_fail(-ENOMEM, "%s of %zu KiB at %p: cannot pin it within RLIMIT_MEMLOCK, "
				       "which is %llu KiB; raise it beyond what is mapped: ulimit -l "
				       "%llu (and memlock in /etc/security/limits.conf)", call,
				       len >> 10, va, (unsigned long long)limit.rlim_cur >> 10,
				       ((unsigned long long)limit.rlim_cur + len) >> 10);
		return pl_fail(-ENOMEM, "%s of %zu KiB at %p: out of memory", call, len >> 10, va);
	default:
		return pl_fail(-EINVAL, "%s of %zu bytes at %p: %s", call, len, va, strerror(err));
	}
}
