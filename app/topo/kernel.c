/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be asked of the kernel itself. */
#include <errno.h>
#include <sys/ioctl.h>

#include "host.h"
#include "vfio_uapi.h"

static int type1(int fd)
{
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return -ENOTTY;
	return 0;
}

static int dma_buf(int iommufd, int cdev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	struct vfio_device_feature probe = {
		.argsz = sizeof(probe),
		.flags = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
			 VFIO_DEVICE_FEATURE_DMA_BUF,
	};

	if (ioctl(cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	return ioctl(cdev, VFIO_DEVICE_FEATURE, &probe) == 0;
}

const struct topo_kernel topo_kernel = {
	.type1 = type1,
	.dma_buf = dma_buf,
};
