/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/peerlane_vfio.h>

#include <peerlane/pl_err.h>

#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_p2pmem.h"
#include "vfio_uapi.h"

/* Below that a copy has no use for it, and the search ends. */
#define CHUNK_LEAST (64u << 10)

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

int vfio_p2pmem_take(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len,
		     struct vfio_p2pmem *chunk)
{
	struct peerlane_vfio_p2pmem_info info = { 0 };
	int rc = -ENOMEM;

	chunk->fd = -1;
	if (feature(dev, PEERLANE_VFIO_FEATURE_P2PMEM_INFO, &info, sizeof(info)) ||
	    info.version != PEERLANE_VFIO_P2PMEM_VERSION || info.bar != bar)
		return -ENOENT;
	/* What is free is in pieces if others have some: the largest power of two of it. */
	for (size_t want = info.size; want >= CHUNK_LEAST && rc == -ENOMEM; want /= 2) {
		want -= want % info.granularity;
		rc = pl_inject_hit() ? -ENOMEM : take(dev, want, chunk);
	}
	if (rc)
		return pl_fail(rc == -ENOMEM ? -ENOMEM : -EIO, "%s: no chunk of its p2pmem of %llu bytes can "
			       "be had: %s", dev->bdf, (unsigned long long)info.size, strerror(-rc));
	if (chunk->offset >= offset && chunk->offset + chunk->len <= offset + len)
		return 0;
	vfio_p2pmem_give(chunk);
	return pl_fail(-EIO, "%s: its p2pmem does not lie in its CMB", dev->bdf);
}

int vfio_p2pmem_map(const struct vfio_dev *dev, const struct vfio_p2pmem *chunk, void *va)
{
	void *p = MAP_FAILED;

	if (!pl_inject_hit())
		p = mmap(va, chunk->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, chunk->fd, 0);
	if (p != MAP_FAILED)
		return 0;
	return pl_fail(errno == ENODEV ? -ENODEV : -ENOMEM, "%s: cannot map %zu bytes of its p2pmem: %s",
		       dev->bdf, chunk->len, strerror(errno));
}

void vfio_p2pmem_give(struct vfio_p2pmem *chunk)
{
	if (chunk->fd >= 0)
		close(chunk->fd);
	chunk->fd = -1;
}
