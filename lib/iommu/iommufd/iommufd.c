/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's native interface: one /dev/iommu, one IO address space that every device of the
 * process is attached to by its vfio character device. No groups, no root. Peer memory enters it as
 * a dma-buf that the owning device exports (Linux 6.19 and later): a BAR's mapping itself is
 * refused (EFAULT), because iommufd pins pages and a BAR has none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_common.h>

#include "iommu_backend.h"
#include "iommufd_uapi.h"
#include "map_counters.h"
#include "map_errno.h"
#include "pci_group.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_cdev.h"
#include "vfio_node.h"
#include "vfio_uapi.h"

#define IOMMU_DEVICE "/dev/iommu"
#define MODULE       "iommufd" /* whose allow_unsafe_interrupts it is */

static const struct pl_ioas_ops iommufd_ops;

struct iommufd_ioas {
	struct pl_ioas base;
	int fd;
	uint32_t id;
	struct map_counters counters;
};

static struct iommufd_ioas *of(const struct pl_ioas *base)
{
	return (struct iommufd_ioas *)(uintptr_t)container_of(base, const struct iommufd_ioas,
							      base);
}

static int open_iommu(void)
{
	int fd = vfio_node_open(IOMMU_DEVICE);

	if (fd >= 0 || fd == -EACCES)
		return fd;
	return pl_fail(-ENOTSUP,
		       IOMMU_DEVICE ": %s; load it with: sudo modprobe iommufd (CONFIG_IOMMUFD; "
				    "Linux 6.6 or later for vfio character devices)",
		       strerror(-fd));
}

static int iommufd_available(void)
{
	int fd = open_iommu();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int iommufd_check(const char *args)
{
	return args[0] ? pl_fail(-EINVAL, "--iommu=iommufd,%s: iommufd takes no arguments", args)
		       : 0;
}

static int iommufd_create(const char *args, struct pl_ioas **out)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommufd_ioas *ioas = eal_calloc(1, sizeof(*ioas));
	int rc;

	RTE_SET_USED(args);
	if (!ioas)
		return pl_fail(-ENOMEM, "no memory for an IO address space");
	ioas->fd = open_iommu();
	if (ioas->fd < 0) {
		rc = ioas->fd;
		goto free_ioas;
	}
	if (ioctl(ioas->fd, IOMMU_IOAS_ALLOC, &alloc)) {
		rc = pl_fail(-ENOMEM, "IOMMU_IOAS_ALLOC: %s", strerror(errno));
		goto close_fd;
	}
	ioas->id = alloc.out_ioas_id;
	ioas->base.ops = &iommufd_ops;
	*out = &ioas->base;
	return 0;
close_fd:
	close(ioas->fd);
free_ioas:
	free(ioas);
	return rc;
}

/* Closing the devices detaches them; closing /dev/iommu ends the address space and its pins. */
static void iommufd_destroy(struct pl_ioas *base)
{
	struct iommufd_ioas *ioas = of(base);

	close(ioas->fd);
	free(ioas);
}

static int iommufd_attach(struct pl_ioas *base, struct vfio_dev *dev)
{
	struct iommufd_ioas *ioas = of(base);
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = ioas->fd };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach),
							.pt_id = ioas->id };
	int rc = vfio_cdev_open(dev, MODULE);

	if (rc)
		return rc;
	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return pci_group_refused(dev->bdf, MODULE, errno);
	if (ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return pl_fail(-ENOTSUP, "%s: cannot be attached to the IO address space: %s",
			       dev->bdf, strerror(errno));
	return 0;
}

/* Enough for most: holes are an MSI window and a few firmware reservations. */
#define RANGES_FIRST 16u
#define ATTEMPTS     4 /* the count may grow between two calls, by devices of other processes */

static int query_ranges(const struct iommufd_ioas *ioas, struct iommu_iova_range *found,
			uint32_t *count)
{
	struct iommu_ioas_iova_ranges query = {
		.size = sizeof(query),
		.ioas_id = ioas->id,
		.num_iovas = *count,
		.allowed_iovas = (uintptr_t)found,
	};
	int rc = ioctl(ioas->fd, IOMMU_IOAS_IOVA_RANGES, &query) ? -errno : 0;

	*count = query.num_iovas; /* also where there was no room for them (EMSGSIZE) */
	return rc;
}

static int iommufd_aperture(const struct pl_ioas *base, struct pl_iova_range **ranges)
{
	uint32_t count = RANGES_FIRST;
	int rc = -EMSGSIZE;

	/* The kernel's structure is the same as ours. */
	_Static_assert(sizeof(struct iommu_iova_range) == sizeof(struct pl_iova_range) &&
			       offsetof(struct iommu_iova_range, last) ==
				       offsetof(struct pl_iova_range, last),
		       "ranges are read in place");
	for (int i = 0; i < ATTEMPTS && rc == -EMSGSIZE; i++) {
		struct iommu_iova_range *found = eal_calloc(count, sizeof(*found));

		if (!found)
			return pl_fail(-ENOMEM, "no memory for an aperture of %u ranges", count);
		rc = query_ranges(of(base), found, &count);
		if (rc == 0) {
			*ranges = (void *)found;
			return (int)count;
		}
		free(found);
	}
	return pl_fail(-EIO, "IOMMU_IOAS_IOVA_RANGES: %s", strerror(-rc));
}

static int iommufd_map(struct pl_ioas *base, uint64_t iova, void *va, size_t len, uint32_t prot,
		       enum pl_mem_kind kind)
{
	struct iommufd_ioas *ioas = of(base);
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA |
			 (prot & PL_IOMMU_READ ? (unsigned int)IOMMU_IOAS_MAP_READABLE : 0) |
			 (prot & PL_IOMMU_WRITE ? (unsigned int)IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = ioas->id,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	RTE_SET_USED(kind);
	if (pl_inject_hit() || ioctl(ioas->fd, IOMMU_IOAS_MAP, &map))
		return map_errno("IOMMU_IOAS_MAP", va, len, errno);
	map_counters_map(&ioas->counters, len);
	return 0;
}

static int iommufd_unmap(struct pl_ioas *base, uint64_t iova, size_t len)
{
	struct iommufd_ioas *ioas = of(base);
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas->id,
		.iova = iova,
		.length = len,
	};

	if (ioctl(ioas->fd, IOMMU_IOAS_UNMAP, &unmap))
		return pl_fail(errno == ENOENT ? -ENOENT : -EINVAL,
			       "IOMMU_IOAS_UNMAP of %zu bytes at 0x%" PRIx64 ": %s", len, iova,
			       strerror(errno));
	if (unmap.length != len)
		return pl_fail(-EINVAL,
			       "IOMMU_IOAS_UNMAP ended %llu bytes at 0x%" PRIx64 ", not %zu",
			       (unsigned long long)unmap.length, iova, len);
	map_counters_unmap(&ioas->counters, len);
	return 0;
}

/* A dma-buf that was revoked stays in the address space as a hole: it goes first (EEXIST). */
static int iommufd_import(struct pl_ioas *base, struct vfio_dev *dev, unsigned int bar,
			  uint64_t offset, size_t len, void *va)
{
	struct iommufd_ioas *ioas = of(base);
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas->id,
		.length = len,
		.iova = (uintptr_t)va,
	};
	int rc = vfio_dev_export_bar(dev, bar, offset, len, &map.fd);

	if (rc)
		return rc;
	rc = ioctl(ioas->fd, IOMMU_IOAS_MAP_FILE, &map);
	if (rc && errno == EEXIST && iommufd_unmap(base, (uintptr_t)va, len) == 0)
		rc = ioctl(ioas->fd, IOMMU_IOAS_MAP_FILE, &map);
	if (rc)
		rc = pl_fail_at(-EREMOTEIO, dev->bdf, PL_ERROR_AT_ADDRESS, (uintptr_t)va,
				"%s: its memory cannot be mapped for peers: IOMMU_IOAS_MAP_FILE of "
				"%zu bytes of BAR %u at %p: %s",
				dev->bdf, len, bar, va, strerror(errno));
	else
		map_counters_map(&ioas->counters, len);
	close(map.fd); /* the mapping holds the buffer */
	return rc;
}

/* Whether this kernel can import peer memory at all: one answer for every device. */
static uint32_t iommufd_caps(struct pl_ioas *base)
{
	struct vfio_device_feature probe = {
		.argsz = sizeof(probe),
		.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
			 VFIO_DEVICE_FEATURE_DMA_BUF,
	};
	const struct vfio_dev *dev = base->devices;

	if (dev && ioctl(dev->fd, VFIO_DEVICE_FEATURE, &probe) == 0)
		return IOAS_CAP_PEER;
	pl_fail(-ENOTSUP,
		"this kernel cannot map a device's memory for peers through iommufd (it needs "
		"Linux 6.19 with CONFIG_VFIO_PCI_DMABUF)");
	return 0;
}

static void iommufd_stats(const struct pl_ioas *base, struct pl_ioas_stats *stats)
{
	map_counters_read(&of(base)->counters, stats);
}

static const struct pl_ioas_ops iommufd_ops = {
	.name = "iommufd",
	.family = PL_IOAS_PCI,
	.rank = 20,
	.available = iommufd_available,
	.check = iommufd_check,
	.create = iommufd_create,
	.destroy = iommufd_destroy,
	.attach = iommufd_attach,
	.aperture = iommufd_aperture,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.caps = iommufd_caps,
	.import = iommufd_import,
	.stats = iommufd_stats,
};
PL_IOAS_BACKEND(iommufd_ops)
