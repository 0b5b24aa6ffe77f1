/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/peerlane_vfio.h>

#include <peerlane/pl_err.h>

#include "pci_sysfs.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_p2pmem.h"
#include "vfio_uapi.h"

#define MODULE "peerlane_vfio_pci"

/* A feature request: the header, and @len bytes of structure behind it. */
static int feature(const struct vfio_dev *dev, uint32_t index, void *data, size_t len)
{
	uint64_t req[(sizeof(struct vfio_device_feature) + 64) / sizeof(uint64_t)] = { 0 };
	struct vfio_device_feature *head = (void *)req;
	int rc;

	head->argsz = (uint32_t)(sizeof(*head) + len);
	head->flags = VFIO_DEVICE_FEATURE_GET | index;
	memcpy(head->data, data, len);
	rc = ioctl(dev->fd, VFIO_DEVICE_FEATURE, head);
	memcpy(data, head->data, len);
	return rc;
}

static int take(struct vfio_dev *dev, size_t len, struct vfio_p2pmem *chunk)
{
	struct peerlane_vfio_p2pmem_alloc alloc = { .size = len };

	chunk->fd = feature(dev, PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC, &alloc, sizeof(alloc));
	chunk->offset = alloc.offset;
	chunk->len = len;
	return chunk->fd < 0 ? -errno : 0;
}

/* 0; -ENOENT: there is none, the CMB is all ours; -ENODEV; -ENOTSUP, -EIO: it cannot be told. */
static int pool(const struct vfio_dev *dev, struct peerlane_vfio_p2pmem_info *info)
{
	memset(info, 0, sizeof(*info));
	if (feature(dev, PEERLANE_VFIO_FEATURE_P2PMEM_INFO, info, sizeof(*info)))
		return errno == ENOTTY ? -ENOENT
		       : errno == ENODEV
			       ? pl_fail(-ENODEV, "%s is being unbound from its driver", dev->bdf)
			       : pl_fail(-EIO, "%s: its driver does not tell about its p2pmem: %s",
					 dev->bdf, strerror(errno));
	if (info->version != PEERLANE_VFIO_P2PMEM_VERSION)
		return pl_fail(
			-ENOTSUP,
			"%s: its driver shares its CMB by version %u of an interface of which "
			"this library knows version %u: install those of one release",
			dev->bdf, info->version, PEERLANE_VFIO_P2PMEM_VERSION);
	return 0;
}

void vfio_p2pmem_remedy(const char *bdf, char *buf, size_t len)
{
	char driver[32] = "";

	(void)pci_sysfs_link(bdf, "driver", driver, sizeof(driver));
	if (strcmp(driver, MODULE) == 0)
		snprintf(buf, len,
			 "its driver made no p2pmem of it; the reason: sudo dmesg | grep '%s: no "
			 "p2pmem'",
			 bdf);
	else
		snprintf(buf, len,
			 "its driver does not share it with the kernel's: sudo driverctl --nosave "
			 "set-override %s " MODULE,
			 bdf);
}

int vfio_p2pmem_check(struct vfio_dev *dev, uint64_t size)
{
	struct peerlane_vfio_p2pmem_info info;
	char remedy[160];
	int rc = pool(dev, &info);

	if (rc == -ENOENT) {
		vfio_p2pmem_remedy(dev->bdf, remedy, sizeof(remedy));
		return pl_fail(-ENOTSUP, "%s: p2pmem=%llu of its CMB: %s", dev->bdf,
			       (unsigned long long)size, remedy);
	}
	if (rc)
		return rc;
	if (size > info.size)
		return pl_fail(-EINVAL, "%s: p2pmem=%llu: its p2pmem has %llu bytes", dev->bdf,
			       (unsigned long long)size, (unsigned long long)info.size);
	return 0;
}

int vfio_p2pmem_take(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len,
		     uint64_t want, struct vfio_p2pmem *chunk)
{
	struct peerlane_vfio_p2pmem_info info;
	uint64_t least = want ? want : VFIO_P2PMEM_LEAST;
	int rc = pool(dev, &info);

	chunk->fd = -1;
	if (rc || info.bar != bar)
		return rc ? rc : -ENOENT;
	rc = -ENOMEM;
	for (want = want ? want : info.size; want >= least && rc == -ENOMEM; want /= 2) {
		want -= want % info.granularity;
		rc = pl_inject_hit() ? -ENOMEM : take(dev, want, chunk);
	}
	if (rc)
		return pl_fail(rc == -ENOMEM || rc == -ENODEV ? rc : -EIO,
			       "%s: no chunk of %llu bytes of its p2pmem of %llu "
			       "can be had: %s",
			       dev->bdf, (unsigned long long)least, (unsigned long long)info.size,
			       strerror(-rc));
	if (chunk->offset >= offset && chunk->offset + chunk->len <= offset + len)
		return 0;
	vfio_p2pmem_give(chunk);
	return pl_fail(-EIO, "%s: its p2pmem does not lie in its CMB", dev->bdf);
}

int vfio_p2pmem_map(const struct vfio_dev *dev, const struct vfio_p2pmem *chunk, void *va)
{
	void *p = MAP_FAILED;

	if (!pl_inject_hit())
		p = mmap(va, chunk->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, chunk->fd,
			 0);
	if (p != MAP_FAILED)
		return 0;
	return pl_fail(errno == ENODEV ? -ENODEV : -ENOMEM,
		       "%s: cannot map %zu bytes of its p2pmem: %s", dev->bdf, chunk->len,
		       strerror(errno));
}

void vfio_p2pmem_give(struct vfio_p2pmem *chunk)
{
	if (chunk->fd >= 0)
		close(chunk->fd);
	chunk->fd = -1;
}
