/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO type1 container: groups instead of character devices, on any kernel. It maps a BAR's
 * mapping for peers as it is, so it is the way to peer-to-peer before Linux 6.19.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "iommu_backend.h"
#include "map_counters.h"
#include "map_errno.h"
#include "pci_group.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_cap.h"
#include "vfio_group.h"
#include "vfio_node.h"
#include "vfio_uapi.h"

#define CONTAINER_DEVICE "/dev/vfio/vfio"
#define MODULE           "vfio_iommu_type1" /* whose allow_unsafe_interrupts it is */
#define INFO_FIRST       1024u
#define ATTEMPTS         4 /* what there is to say may grow between two calls */

static const struct pl_ioas_ops type1_ops;

struct type1_ioas {
	struct pl_ioas base;
	int fd;
	bool has_type;
	struct vfio_group *groups;
	struct map_counters counters;
};

static struct type1_ioas *of(const struct pl_ioas *base)
{
	return (struct type1_ioas *)(uintptr_t)container_of(base, const struct type1_ioas, base);
}

static int open_container(void)
{
	int fd = vfio_node_open(CONTAINER_DEVICE);

	if (fd == -EACCES)
		return fd;
	if (fd < 0)
		return pl_fail(-ENOTSUP,
			       CONTAINER_DEVICE ": %s; load it with: sudo modprobe vfio-pci",
			       strerror(-fd));
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		close(fd);
		return pl_fail(-ENOTSUP,
			       CONTAINER_DEVICE ": no type1 IOMMU; load it with: sudo modprobe "
						"vfio_iommu_type1");
	}
	return fd;
}

static int type1_available(void)
{
	int fd = open_container();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int type1_check(const char *args)
{
	return args[0] ? pl_fail(-EINVAL, "--iommu=type1,%s: type1 takes no arguments", args) : 0;
}

static int type1_create(const char *args, struct pl_ioas **out)
{
	struct type1_ioas *ioas = eal_calloc(1, sizeof(*ioas));
	int rc;

	RTE_SET_USED(args);
	if (!ioas)
		return pl_fail(-ENOMEM, "no memory for an IO address space");
	ioas->fd = open_container();
	if (ioas->fd < 0) {
		rc = ioas->fd;
		free(ioas);
		return rc;
	}
	ioas->base.ops = &type1_ops;
	*out = &ioas->base;
	return 0;
}

static void type1_destroy(struct pl_ioas *base)
{
	struct type1_ioas *ioas = of(base);

	vfio_group_close_all(&ioas->groups);
	close(ioas->fd);
	free(ioas);
}

static int enter(struct type1_ioas *ioas, struct vfio_group *group, const struct vfio_dev *dev)
{
	int rc = vfio_group_viable(group, dev, MODULE);

	if (rc)
		return rc;
	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &ioas->fd))
		return pci_group_refused(dev->bdf, MODULE, errno);
	/* The IOMMU type can be set once there is a group, and only once. */
	if (!ioas->has_type && ioctl(ioas->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return errno == EPERM ? pci_group_refused(dev->bdf, MODULE, errno)
				      : pl_fail(-ENOTSUP, "%s: no type1 IOMMU: %s", dev->bdf,
						strerror(errno));
	ioas->has_type = true;
	group->entered = true;
	return 0;
}

static int type1_attach(struct pl_ioas *base, struct vfio_dev *dev)
{
	struct type1_ioas *ioas = of(base);
	struct vfio_group *group = NULL;
	int rc = vfio_group_open(dev, MODULE, &ioas->groups, &group);

	if (rc == 0 && !group->entered)
		rc = enter(ioas, group, dev);
	return rc ? rc : vfio_group_open_device(group, dev);
}

static const struct vfio_iommu_type1_info_cap_iova_range *
iova_cap(const struct vfio_iommu_type1_info *info)
{
	const struct vfio_answer answer = {
		.info = info,
		.head = sizeof(*info),
		.argsz = info->argsz,
		.first = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0,
	};
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	size_t room;

	cap = vfio_cap_find(&answer, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(*cap), &room);
	if (!cap || cap->nr_iovas > (room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]))
		return NULL;
	return cap;
}

/* The container's description with its capabilities, for the caller to free. NULL with a message.
 */
static struct vfio_iommu_type1_info *container_info(const struct type1_ioas *ioas)
{
	uint32_t size = INFO_FIRST;

	for (int i = 0; i < ATTEMPTS; i++) {
		struct vfio_iommu_type1_info *info = eal_calloc(1, size);

		if (!info) {
			pl_fail(-ENOMEM, "no memory for what VFIO_IOMMU_GET_INFO answers");
			return NULL;
		}
		info->argsz = size;
		if (ioctl(ioas->fd, VFIO_IOMMU_GET_INFO, info)) {
			pl_fail(-EIO, "VFIO_IOMMU_GET_INFO: %s", strerror(errno));
			free(info);
			return NULL;
		}
		if (info->argsz <= size) {
			info->argsz = size;
			return info;
		}
		size = info->argsz; /* that much there is to say */
		free(info);
	}
	pl_fail(-EIO, "VFIO_IOMMU_GET_INFO answers more each time");
	return NULL;
}

static int type1_aperture(const struct pl_ioas *base, struct pl_iova_range **ranges)
{
	struct vfio_iommu_type1_info *info = container_info(of(base));
	const struct vfio_iommu_type1_info_cap_iova_range *cap = info ? iova_cap(info) : NULL;
	struct pl_iova_range *r = NULL;
	int n = -EIO;

	if (!info)
		return n;
	if (cap)
		r = eal_calloc(cap->nr_iovas + 1u, sizeof(*r));
	if (r) {
		n = (int)cap->nr_iovas;
		for (int i = 0; i < n; i++)
			r[i] = (struct pl_iova_range){ cap->iova_ranges[i].start,
						       cap->iova_ranges[i].end };
		*ranges = r;
	} else {
		n = cap ? pl_fail(-ENOMEM, "no memory for an aperture of %u ranges", cap->nr_iovas)
			: pl_fail(-EIO,
				  "VFIO_IOMMU_GET_INFO tells no ranges of addresses (it needs "
				  "Linux 5.4)");
	}
	free(info);
	return n;
}

static int type1_map(struct pl_ioas *base, uint64_t iova, void *va, size_t len, uint32_t prot,
		     enum pl_mem_kind kind)
{
	struct type1_ioas *ioas = of(base);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (prot & PL_IOMMU_READ ? VFIO_DMA_MAP_FLAG_READ : 0u) |
			 (prot & PL_IOMMU_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	RTE_SET_USED(kind);
	if (pl_inject_hit() || ioctl(ioas->fd, VFIO_IOMMU_MAP_DMA, &map))
		return map_errno("VFIO_IOMMU_MAP_DMA", va, len, errno);
	map_counters_map(&ioas->counters, len);
	return 0;
}

/* The kernel ends what it finds and says how much that was: anything but all of it is an error. */
static int type1_unmap(struct pl_ioas *base, uint64_t iova, size_t len)
{
	struct type1_ioas *ioas = of(base);
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(ioas->fd, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return pl_fail(-EINVAL, "VFIO_IOMMU_UNMAP_DMA of %zu bytes at 0x%" PRIx64 ": %s",
			       len, iova, strerror(errno));
	if (unmap.size == 0)
		return pl_fail(-ENOENT, "nothing is mapped at 0x%" PRIx64, iova);
	if (unmap.size != len)
		return pl_fail(-EINVAL,
			       "VFIO_IOMMU_UNMAP_DMA ended %llu bytes at 0x%" PRIx64 ", not %zu",
			       (unsigned long long)unmap.size, iova, len);
	map_counters_unmap(&ioas->counters, len);
	return 0;
}

static uint32_t type1_caps(struct pl_ioas *base)
{
	RTE_SET_USED(base);
	return IOAS_CAP_PEER;
}

static int type1_import(struct pl_ioas *base, struct vfio_dev *dev, unsigned int bar,
			uint64_t offset, size_t len, void *va)
{
	void *view;
	int rc = vfio_dev_map_bar(dev, bar, offset, len, NULL, &view);

	/* What the CPU has at @va may be pages that refuse long-term pins (p2pmem): the kernel is shown
	 * the BAR itself, and remembers what lies behind it. */
	if (rc == 0) {
		rc = type1_map(base, (uintptr_t)va, view, len, PL_IOMMU_READ | PL_IOMMU_WRITE,
			       PL_MEM_CMB);
		munmap(view, len);
	}
	if (rc)
		return pl_fail_at(-EREMOTEIO, dev->bdf, PL_ERROR_AT_ADDRESS, (uintptr_t)va,
				  "%s: its memory cannot be mapped for peers: %s", dev->bdf,
				  pl_errmsg());
	return 0;
}

static void type1_stats(const struct pl_ioas *base, struct pl_ioas_stats *stats)
{
	map_counters_read(&of(base)->counters, stats);
}

static const struct pl_ioas_ops type1_ops = {
	.name = "type1",
	.family = PL_IOAS_PCI,
	.rank = 10,
	.available = type1_available,
	.check = type1_check,
	.create = type1_create,
	.destroy = type1_destroy,
	.attach = type1_attach,
	.aperture = type1_aperture,
	.map = type1_map,
	.unmap = type1_unmap,
	.caps = type1_caps,
	.import = type1_import,
	.stats = type1_stats,
};
PL_IOAS_BACKEND(type1_ops)
