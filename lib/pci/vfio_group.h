/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio's older way to a device: by its IOMMU group, which is opened once in a process and put in a
 * container before any of its devices can be had. */
#ifndef PL_VFIO_GROUP_H
#define PL_VFIO_GROUP_H

#include "vfio_dev.h"

struct vfio_group {
	char name[16]; /* its number */
	int fd;
	bool entered; /* it is in the container of whoever opened it */
	struct vfio_group *next;
};

/* The group of @dev: the one in @list, or opened and put there. @module is the kernel module that
 * guards this way (pci_group_refused()). -EACCES, -EBUSY, -ENODEV, -ENOMEM. */
int vfio_group_open(const struct vfio_dev *dev, const char *module, struct vfio_group **list,
		    struct vfio_group **group);
void vfio_group_close_all(struct vfio_group **list);

/* 0 if every member of @dev's group is vfio's to give, so that it may enter a container. */
int vfio_group_viable(const struct vfio_group *group, const struct vfio_dev *dev,
		      const char *module);

/* Opens @dev, whose group is in a container with an IOMMU. -ENODEV */
int vfio_group_open_device(const struct vfio_group *group, struct vfio_dev *dev);

#endif
