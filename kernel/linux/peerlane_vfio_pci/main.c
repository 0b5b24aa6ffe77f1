// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vfio-pci variant driver for NVMe controllers: vfio as it is, and the controller memory buffer
 * is p2pmem at the same time.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pm_runtime.h>
#include <linux/vfio_pci_core.h>
#include <linux/peerlane_vfio.h>

#include "compat.h"
#include "peerlane_vfio_pci.h"

static bool enable_sriov;
#ifdef CONFIG_PCI_IOV
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "Let sriov_numvfs enable virtual functions; off as in vfio-pci, because these depend on a driver of the physical function in user space");
#endif

/* The core resets the function for its first user and after its last one. */
static int plv_open_device(struct vfio_device *vdev)
{
	struct plv_device *dev = to_plv(vdev);
	int ret;

	down_write(&dev->reset_lock);
	plv_chunks_zap(dev);
	ret = vfio_pci_core_enable(&dev->core);
	if (!ret)
		vfio_pci_core_finish_enable(&dev->core);
	plv_cmb_reenable(dev);
	up_write(&dev->reset_lock);
	return ret;
}

static void plv_close_device(struct vfio_device *vdev)
{
	struct plv_device *dev = to_plv(vdev);

	down_write(&dev->reset_lock);
	plv_chunks_zap(dev);
	vfio_pci_core_close_device(vdev);
	plv_cmb_reenable(dev);
	up_write(&dev->reset_lock);
}

/*
 * Where a reset ended with decoding off or in D3, the CMB is hidden until the user wakes it up. A
 * CRE that the owner cleared while it was awake is the owner's affair.
 */
static ssize_t plv_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			 loff_t *ppos)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	struct plv_device *dev = to_plv(vdev);
	bool asleep = index == VFIO_PCI_CONFIG_REGION_INDEX && !plv_memory_enabled(dev->core.pdev);
	ssize_t ret;

	ret = vfio_pci_core_write(vdev, buf, count, ppos);
	if (ret > 0 && asleep) {
		down_write(&dev->core.memory_lock);
		plv_cmb_reenable(dev);
		up_write(&dev->core.memory_lock);
	}
	return ret;
}

static int plv_device_feature(struct vfio_device *vdev, u32 flags, void __user *arg, size_t argsz)
{
	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case PEERLANE_VFIO_FEATURE_P2PMEM_INFO:
		return plv_feature_info(to_plv(vdev), flags, arg, argsz);
	case PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC:
		return plv_feature_alloc(to_plv(vdev), flags, arg, argsz);
	default:
		return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	}
}

static const struct vfio_device_ops plv_ops = {
	.name = KBUILD_MODNAME,
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = plv_open_device,
	.close_device = plv_close_device,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = plv_device_feature,
	.read = vfio_pci_core_read,
	.write = plv_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
	PLV_REGION_INFO_OPS
	PLV_MATCH_TOKEN_OPS
	PLV_PASID_OPS
};

static int plv_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct plv_device *dev;
	int ret;

	dev = vfio_alloc_device(plv_device, core.vdev, &pdev->dev, &plv_ops);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	init_rwsem(&dev->reset_lock);
	mutex_init(&dev->fault_lock);
	INIT_LIST_HEAD(&dev->chunks);
	plv_enable_dmabuf(&dev->core);
	dev_set_drvdata(&pdev->dev, &dev->core);

	ret = plv_cmb_add(dev);
	if (ret)
		goto err_put;
	/* The core lets an unused device sleep in D3, where its memory cannot be reached. */
	if (dev->cmb.regs)
		pm_runtime_get_noresume(&pdev->dev);
	ret = vfio_pci_core_register_device(&dev->core);
	if (ret)
		goto err_pm;
	if (dev->cmb.published)
		pci_p2pmem_publish(pdev, true);
	return 0;

err_pm:
	if (dev->cmb.regs)
		pm_runtime_put_noidle(&pdev->dev);
err_put:
	vfio_put_device(&dev->core.vdev);
	return ret;
}

/* Disable, invalidate, drain; the last is p2pdma's part, when its devres goes after this. */
static void plv_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct plv_device *dev = to_plv(&core->vdev);

	WRITE_ONCE(dev->dying, true);
	if (dev->cmb.published)
		pci_p2pmem_publish(pdev, false);
	vfio_pci_core_unregister_device(core);
	plv_chunks_revoke(dev);
	if (dev->cmb.regs)
		pm_runtime_put_noidle(&pdev->dev);
	vfio_put_device(&core->vdev);
}

static int plv_sriov_configure(struct pci_dev *pdev, int nr_virtfn)
{
	if (!enable_sriov)
		return -ENOENT;
	return vfio_pci_core_sriov_configure(dev_get_drvdata(&pdev->dev), nr_virtfn);
}

/* With the device locked, and core.memory_lock too when it is vfio's user that resets. */
static void plv_reset_prepare(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	plv_chunks_reset(to_plv(&core->vdev), true);
}

static void plv_reset_done(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	plv_cmb_reenable(to_plv(&core->vdev));
	plv_chunks_reset(to_plv(&core->vdev), false);
}

static const struct pci_error_handlers plv_err_handlers = {
	.error_detected = vfio_pci_core_aer_err_detected,
	.reset_prepare = plv_reset_prepare,
	.reset_done = plv_reset_done,
};

/*
 * Only for who asks for it by driver_override. In no module table: libvirt would take an alias for
 * the whole class as a better vfio driver for every NVMe controller than vfio-pci.
 */
static const struct pci_device_id plv_ids[] = {
	{
		PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID),
		.class = PCI_CLASS_STORAGE_EXPRESS,
		.class_mask = 0xffffff,
	},
	{}
};

static struct pci_driver plv_driver = {
	.name = KBUILD_MODNAME,
	.id_table = plv_ids,
	.probe = plv_probe,
	.remove = plv_remove,
	.sriov_configure = plv_sriov_configure,
	.err_handler = &plv_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(plv_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("vfio-pci for NVMe controllers whose memory buffer is p2pmem");
MODULE_VERSION("0.1.0");
