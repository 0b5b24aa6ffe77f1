/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PEERLANE_VFIO_PCI_H
#define PEERLANE_VFIO_PCI_H

#include <linux/list.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>

/* The controller memory buffer as far as it is in the device's p2pdma pool. */
struct plv_cmb {
	void __iomem *regs;	/* the controller's registers; NULL: no pool */
	bool has_cmbmsc;	/* CAP.CMBS: the CMB shows itself while CMBMSC.CRE is set */
	bool published;
	unsigned int bar;
	u64 cmb_offset;		/* of the CMB in its BAR */
	u64 offset;		/* of the pool in that BAR */
	u64 size;
};

struct plv_device {
	struct vfio_pci_core_device core;
	struct plv_cmb cmb;
	/*
	 * Written while the function is reset because the first user comes or the last one leaves:
	 * there the core has no mappings to think of, but chunks may be mapped. Taken before
	 * core.memory_lock, which keeps the user's own resets and memory decoding away.
	 */
	struct rw_semaphore reset_lock;
	/*
	 * And in the resets that come from elsewhere (sysfs, a neighbour on the bus) under neither
	 * of these locks. The mutex is the innermost: to put a page and to begin a reset exclude
	 * each other.
	 */
	struct mutex fault_lock;
	bool resetting;
	/* Chunks that are alive and their bytes, under core.memory_lock. */
	struct list_head chunks;
	u64 allocated;
	bool dying;
};

static inline struct plv_device *to_plv(struct vfio_device *vdev)
{
	return container_of(vdev, struct plv_device, core.vdev);
}

/* cmb.c */
int plv_cmb_add(struct plv_device *dev);
void plv_cmb_reenable(struct plv_device *dev);
bool plv_memory_enabled(struct pci_dev *pdev);

/* chunk.c */
int plv_feature_info(struct plv_device *dev, u32 flags, void __user *arg, size_t argsz);
int plv_feature_alloc(struct plv_device *dev, u32 flags, void __user *arg, size_t argsz);
void plv_chunks_zap(struct plv_device *dev);
void plv_chunks_revoke(struct plv_device *dev);
void plv_chunks_reset(struct plv_device *dev, bool resetting);

#endif
