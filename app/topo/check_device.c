/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of one controller. What depends on its driver is not asked before that is right. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "check.h"
#include "pci_group.h"

/* No advice on drivers or nodes can work before there is an IOMMU. */
static bool lacks_iommu(const struct topo_ctrlr *dev)
{
	return !dev->group[0] || pci_group_is_noiommu(dev->bdf);
}

/* Takes @dev from the kernel, after what uses it there. */
static void mend_binding(struct check_run *run, const struct topo_ctrlr *dev)
{
	if (lacks_iommu(dev))
		check_mend_iommu(run);
	else if (dev->use.more)
		check_mend(run, "%s && peerlane-topo --check %s   (there is more)",
			   dev->use.release, dev->bdf);
	else
		check_mend(run, "%s%ssudo driverctl set-override %s vfio-pci", dev->use.release,
			   dev->use.block[0] ? " && " : "", dev->bdf);
}

void check_devices(struct check_run *run, const struct topo_ctrlr *dev)
{
	const struct topo_ctrlr *pick = NULL;

	RTE_SET_USED(dev);
	if (run->nb_devs) {
		check_add(run, CHECK_OK, "%u of %u NVMe controllers bound to a vfio driver",
			  run->nb_devs, run->list->n);
		return;
	}
	if (!run->list->n) {
		check_add(run, CHECK_WARN, "there is no NVMe controller here");
		return;
	}
	for (unsigned int i = 0; i < run->list->n && !pick; i++)
		if (!run->list->ctrlrs[i].use.block[0])
			pick = &run->list->ctrlrs[i];
	if (pick) {
		check_add(run, CHECK_FAIL, "none of %u NVMe controllers is bound to a vfio driver",
			  run->list->n);
		mend_binding(run, pick);
		return;
	}
	check_add(run, CHECK_FAIL, "each of %u NVMe controllers is in use by the kernel (%s)",
		  run->list->n, run->list->ctrlrs[0].use.text);
	check_mend(run, "peerlane-topo --check BDF   (of one that can be spared)");
}

void check_driver(struct check_run *run, const struct topo_ctrlr *dev)
{
	if (dev->binding == TOPO_VFIO) {
		check_add(run, CHECK_OK, "bound to %s", dev->driver);
		return;
	}
	check_add(run, CHECK_FAIL, "bound to %s%s%s, not to a vfio driver",
		  dev->driver[0] ? dev->driver : "no driver", dev->use.block[0] ? " while " : "",
		  dev->use.text);
	mend_binding(run, dev);
}

void check_group(struct check_run *run, const struct topo_ctrlr *dev)
{
	char path[PATH_MAX], bdf[PCI_BDF_LEN], driver[64];
	const struct topo_ctrlr *other;

	if (lacks_iommu(dev)) {
		check_add(run, CHECK_FAIL,
			  dev->group[0] ? "in vfio's no-IOMMU mode, which Peerlane does not use"
					: "in no IOMMU group");
		check_mend_iommu(run);
		return;
	}
	if (pci_group_foreign(dev->bdf, bdf, driver)) {
		check_add(run, CHECK_FAIL, "group %s also has %s, bound to %s", dev->group, bdf,
			  driver);
		other = topo_list_find(run->list, bdf);
		if (other)
			mend_binding(run, other);
		else
			check_mend(run, "sudo driverctl set-override %s vfio-pci", bdf);
		return;
	}
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices", dev->group);
	check_add(run, CHECK_OK, "group %s, %u devices", dev->group,
		  host_entries(run->host, path, ""));
}

/* That nobody is seen proves nothing, and is not reported: see check_dma_buf(). */
void check_in_use(struct check_run *run, const struct topo_ctrlr *dev)
{
	char user[64];
	int pid;

	if (dev->binding != TOPO_VFIO || !pci_group_user(dev->bdf, user, sizeof(user), &pid))
		return;
	check_add(run, CHECK_FAIL, "%s has it or its group %s open", user, dev->group);
	check_mend(run, "kill %d   (ends %s)", pid, user);
}

void check_cdev_node(struct check_run *run, const struct topo_ctrlr *dev)
{
	enum check_level level = check_way_level(run, WAY_IOMMUFD);
	char path[PATH_MAX];
	int fd;

	if (dev->binding != TOPO_VFIO || lacks_iommu(dev))
		return;
	if (!check_node(dev, WAY_IOMMUFD, path)) {
		check_add(run, level, "no vfio character device, so iommufd cannot be used");
		check_mend(run, "boot Linux 6.6 or later with CONFIG_VFIO_DEVICE_CDEV");
		return;
	}
	fd = host_open(run->host, path);
	if (fd < 0) {
		check_add_denied(run, level, path, fd);
		return;
	}
	close(fd);
	check_add(run, CHECK_OK, "%s can be opened", path);
}

void check_group_node(struct check_run *run, const struct topo_ctrlr *dev)
{
	enum check_level level = check_way_level(run, WAY_TYPE1);
	char path[PATH_MAX];
	int rc;

	if (dev->binding != TOPO_VFIO || lacks_iommu(dev) || !check_node(dev, WAY_TYPE1, path))
		return;
	rc = host_access(run->host, path);
	if (!rc) {
		check_add(run, CHECK_OK, "%s can be opened", path);
	} else if (level == CHECK_OK) {
		check_add(run, CHECK_OK, "%s: %s; not needed, iommufd does it all", path,
			  strerror(-rc));
	} else if (rc == -ENOENT) {
		check_add(run, level, "there is no %s, so type1 cannot be used", path);
		check_mend(run, "boot a kernel with CONFIG_VFIO_GROUP");
	} else {
		check_add_denied(run, level, path, rc);
	}
}

static bool unsafe_is_allowed(const struct check_run *run)
{
	char value[8];

	return host_line(run->host, "/sys/module/iommufd/parameters/allow_unsafe_interrupts", value,
			 sizeof(value)) &&
	       value[0] == 'Y';
}

/* EPERM is said of interrupts that are not remapped, and of a group that another driver or another
 * process owns; EINVAL of a character device that is in use. Nor would type1 take such a device. */
static void add_bind_failure(struct check_run *run, const struct topo_ctrlr *dev, const char *path,
			     int err)
{
	char user[64], bdf[PCI_BDF_LEN], driver[64];
	int pid;

	if (err != -EBUSY && err != -EPERM && err != -EINVAL) {
		check_add(run, check_way_level(run, WAY_IOMMUFD), "cannot be bound to iommufd: %s",
			  strerror(-err));
		check_mend(run, "sudo dmesg | tail   (has the kernel's reason)");
		return;
	}
	if (pci_group_foreign(dev->bdf, bdf, driver) ||
	    pci_group_user(dev->bdf, user, sizeof(user), &pid))
		return; /* has been said */
	if (err == -EPERM && pci_remap_state() == PCI_REMAP_OFF && !unsafe_is_allowed(run)) {
		check_add(run, CHECK_FAIL,
			  "cannot be bound to iommufd: this IOMMU does not isolate MSI");
		check_mend(run, "echo Y | sudo tee "
				"/sys/module/iommufd/parameters/allow_unsafe_interrupts");
		return;
	}
	check_add(run, CHECK_FAIL, "in use by another process, it or its group %s (%s)", dev->group,
		  strerror(-err));
	check_mend(run, "sudo fuser -v %s /dev/vfio/%s   (names it; end it)", path, dev->group);
}

void check_dma_buf(struct check_run *run, const struct topo_ctrlr *dev)
{
	char path[PATH_MAX];
	int iommufd, cdev, rc;

	if (dev->binding != TOPO_VFIO || run->opened[WAY_IOMMUFD] ||
	    !check_node(dev, WAY_IOMMUFD, path))
		return;
	iommufd = host_open(run->host, "/dev/iommu");
	if (iommufd < 0)
		return;
	cdev = host_open(run->host, path);
	rc = cdev < 0 ? cdev : run->host->kernel->dma_buf(iommufd, cdev);
	if (cdev >= 0)
		close(cdev);
	close(iommufd);
	if (cdev < 0)
		return; /* has been said of the node */
	if (rc < 0) {
		add_bind_failure(run, dev, path, rc);
	} else if (rc) {
		check_add(run, CHECK_OK, "its memory can be given to peers on iommufd");
	} else {
		check_add(run, CHECK_WARN,
			  "its memory cannot be given to peers on iommufd, only by "
			  "--iommu=type1");
		check_mend(run, "boot Linux 6.19 or later with CONFIG_VFIO_PCI_DMABUF");
	}
}
