/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_VFIO_CDEV_H
#define PL_VFIO_CDEV_H

#include "vfio_dev.h"

/*
 * Opens @dev by its vfio character device (Linux 6.6 and later). It answers nothing before it is
 * bound to an IO address space. @module is the kernel module that guards this way
 * (pci_group_refused()). -ENOTSUP if there is no such device, -EACCES, -EBUSY, -ENODEV.
 */
int vfio_cdev_open(struct vfio_dev *dev, const char *module);

#endif
