/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio devices of an address space, and the memory that they lend each other. */
#include <errno.h>
#include <string.h>

#include "iommu_backend.h"
#include "pci_sysfs.h"
#include "pl_log.h"
#include "vfio_dev.h"

int ioas_attach(struct pl_ioas *ioas, const char *bdf)
{
	struct vfio_dev *dev;
	int rc = pci_sysfs_check_vfio(bdf);

	if (rc == 0)
		rc = vfio_dev_create(bdf, &dev);
	if (rc)
		return rc;
	rc = ioas->ops->attach(ioas, dev);
	if (rc == 0)
		rc = vfio_dev_start(dev);
	if (rc == 0)
		rc = ioas_read_aperture(ioas);
	if (rc) {
		vfio_dev_destroy(dev);
		return rc;
	}
	dev->next = ioas->devices;
	ioas->devices = dev;
	return 0;
}

void ioas_drop_devices(struct pl_ioas *ioas)
{
	while (ioas->devices) {
		struct vfio_dev *dev = ioas->devices;

		ioas->devices = dev->next;
		vfio_dev_destroy(dev);
	}
}

struct vfio_dev *ioas_device(const struct pl_ioas *ioas, const char *bdf)
{
	struct vfio_dev *dev = ioas->devices;

	while (dev && strcmp(dev->bdf, bdf) != 0)
		dev = dev->next;
	return dev;
}

int ioas_import(struct pl_ioas *ioas, struct vfio_dev *dev, unsigned int bar, uint64_t offset,
		size_t len, void *va)
{
	if (!ioas->ops->import)
		return pl_fail(-EREMOTEIO,
			       "%s: its memory cannot be mapped for peers: the %s IOMMU has no way",
			       dev->bdf, ioas->ops->name);
	return ioas->ops->import(ioas, dev, bar, offset, len, va);
}
