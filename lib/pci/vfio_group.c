/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pci_group.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "vfio_group.h"
#include "vfio_node.h"
#include "vfio_uapi.h"

static int open_node(const struct vfio_dev *dev, const char *module, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	fd = vfio_node_open(path);
	if (fd >= 0 || fd == -EACCES)
		return fd;
	return fd == -EBUSY ? pci_group_refused(dev->bdf, module, EBUSY)
			    : pl_fail(-ENODEV, "%s: %s: %s", dev->bdf, path, strerror(-fd));
}

int vfio_group_open(const struct vfio_dev *dev, const char *module, struct vfio_group **list,
		    struct vfio_group **out)
{
	struct vfio_group *group;
	char name[sizeof(group->name)];
	int fd;

	if (pci_sysfs_link(dev->bdf, "iommu_group", name, sizeof(name)))
		return pl_fail(-ENODEV, "%s is gone",
			       dev->bdf); /* pci_sysfs_check_vfio() saw a group */
	for (group = *list; group; group = group->next)
		if (strcmp(group->name, name) == 0) {
			*out = group;
			return 0;
		}
	group = eal_calloc(1, sizeof(*group));
	if (!group)
		return pl_fail(-ENOMEM, "%s: no memory for its IOMMU group", dev->bdf);
	fd = open_node(dev, module, name);
	if (fd < 0) {
		free(group);
		return fd;
	}
	memcpy(group->name, name, sizeof(name));
	group->fd = fd;
	group->next = *list;
	*list = group;
	*out = group;
	return 0;
}

void vfio_group_close_all(struct vfio_group **list)
{
	while (*list) {
		struct vfio_group *group = *list;

		*list = group->next;
		close(group->fd);
		free(group);
	}
}

int vfio_group_viable(const struct vfio_group *group, const struct vfio_dev *dev,
		      const char *module)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return pci_group_refused(dev->bdf, module, EBUSY);
	return 0;
}

int vfio_group_open_device(const struct vfio_group *group, struct vfio_dev *dev)
{
	int fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, dev->bdf);

	if (fd < 0)
		return pl_fail(-ENODEV, "%s: VFIO_GROUP_GET_DEVICE_FD: %s", dev->bdf,
			       strerror(errno));
	dev->fd = fd;
	return 0;
}
