/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pci_group.h"
#include "pl_log.h"
#include "vfio_cdev.h"
#include "vfio_node.h"

int vfio_cdev_open(struct vfio_dev *dev, const char *module)
{
	char name[32], path[64];
	int fd;

	if (pci_sysfs_vfio_cdev(dev->bdf, name, sizeof(name)))
		return pl_fail(-ENOTSUP,
			       "%s has no vfio character device: the kernel needs "
			       "CONFIG_VFIO_DEVICE_CDEV (Linux 6.6 or later); another --iommu= "
			       "backend may work without",
			       dev->bdf);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	fd = vfio_node_open(path);
	if (fd == -EACCES)
		return fd;
	if (fd == -EBUSY)
		return pci_group_refused(dev->bdf, module, EBUSY);
	if (fd < 0)
		return pl_fail(-ENODEV, "%s: %s: %s", dev->bdf, path, strerror(-fd));
	dev->fd = fd;
	return 0;
}
