/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the kernel and its IOMMU interfaces. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "check.h"
#include "pci_group.h"

static const char *const nodes[NB_WAYS] = { "/dev/iommu", "/dev/vfio/vfio" };

bool check_node(const struct topo_ctrlr *dev, enum check_way way, char path[PATH_MAX])
{
	const char *name = way == WAY_IOMMUFD ? dev->cdev : dev->group;

	snprintf(path, PATH_MAX, "/dev/vfio/%s%s", way == WAY_IOMMUFD ? "devices/" : "", name);
	return name[0] != '\0';
}

/* Opening a vfio device's node does nothing to the device; a group's can be open only once. */
static int node_access(const struct topo_host *host, enum check_way way, const char *path)
{
	int fd;

	if (way == WAY_TYPE1)
		return host_access(host, path);
	fd = host_open(host, path);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int open_way(const struct topo_host *host, enum check_way way)
{
	int fd = host_open(host, nodes[way]), rc = 0;

	if (fd < 0)
		return fd;
	if (way == WAY_TYPE1)
		rc = host->kernel->type1(fd);
	close(fd);
	return rc;
}

/* A node that udev made before its module was loaded is there and leads nowhere. */
static bool absent(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -ENXIO;
}

/* iommufd where this kernel can do it; where nothing is loaded yet, what could be. */
static enum check_way choose_way(const struct check_run *run)
{
	int has;

	if (run->version && run->version < KERNEL_CDEV)
		return WAY_TYPE1;
	for (unsigned int i = 0; i < run->nb_devs; i++)
		if (run->devs[i]->binding == TOPO_VFIO && !run->devs[i]->cdev[0])
			return WAY_TYPE1;
	if (!absent(run->opened[WAY_IOMMUFD]))
		return WAY_IOMMUFD;
	has = host_has_module(run->host, "iommufd");
	if (has == 0)
		return host_has_module(run->host, "vfio_iommu_type1") == 0 ? WAY_IOMMUFD
									   : WAY_TYPE1;
	return has < 0 && run->opened[WAY_TYPE1] == 0 ? WAY_TYPE1 : WAY_IOMMUFD;
}

void check_facts(struct check_run *run)
{
	unsigned int major, minor;
	char path[PATH_MAX];

	if (!host_line(run->host, "/proc/sys/kernel/osrelease", run->release, sizeof(run->release)))
		run->release[0] = '\0';
	if (sscanf(run->release, "%u.%u", &major, &minor) == 2)
		run->version = KERNEL(major, minor);
	for (enum check_way way = 0; way < NB_WAYS; way++) {
		run->opened[way] = open_way(run->host, way);
		run->usable[way] = run->opened[way] == 0;
		for (unsigned int i = 0; i < run->nb_devs; i++)
			if (run->devs[i]->binding == TOPO_VFIO &&
			    (!check_node(run->devs[i], way, path) ||
			     node_access(run->host, way, path)))
				run->usable[way] = false;
	}
	run->chosen = choose_way(run);
}

void check_kernel(struct check_run *run, const struct topo_ctrlr *dev)
{
	RTE_SET_USED(dev);
	if (!run->version)
		check_add(run, CHECK_WARN, "its version cannot be read from /proc");
	else if (run->version >= KERNEL_DMA_BUF)
		check_add(run, CHECK_OK, "Linux %s", run->release);
	else if (run->version >= KERNEL_CDEV)
		check_add(run, CHECK_WARN,
			  "Linux %s does peer-to-peer by --iommu=type1 only (on iommufd "
			  "from 6.19)",
			  run->release);
	else
		check_add(run, CHECK_WARN,
			  "Linux %s has --iommu=type1 only (vfio character devices from "
			  "6.6, peer-to-peer on iommufd from 6.19)",
			  run->release);
}

void check_mend_iommu(struct check_run *run)
{
	char remedy[256];

	pci_iommu_remedy(remedy, sizeof(remedy));
	check_mend(run, "%s", remedy);
}

static bool has_unit(const struct check_run *run)
{
	char name[64];

	return host_entry(run->host, "/sys/class/iommu", "", 0, name, sizeof(name));
}

void check_iommu(struct check_run *run, const struct topo_ctrlr *dev)
{
	unsigned int groups = host_entries(run->host, "/sys/kernel/iommu_groups", "");
	char name[64];

	RTE_SET_USED(dev);
	/* vfio's no-IOMMU mode makes groups too, but no unit. */
	if (groups && host_entry(run->host, "/sys/class/iommu", "", 0, name, sizeof(name))) {
		check_add(run, CHECK_OK, "%u units (%s%s), %u groups",
			  host_entries(run->host, "/sys/class/iommu", ""), name,
			  host_entries(run->host, "/sys/class/iommu", "") > 1 ? ", ..." : "",
			  groups);
		return;
	}
	check_add(run, CHECK_FAIL, "the kernel drives no IOMMU");
	check_mend_iommu(run);
}

void check_vfio_pci(struct check_run *run, const struct topo_ctrlr *dev)
{
	RTE_SET_USED(dev);
	if (host_exists(run->host, "/sys/bus/pci/drivers/vfio-pci")) {
		check_add(run, CHECK_OK, "the driver is loaded");
	} else if (host_has_module(run->host, "vfio_pci") == 0) {
		check_add(run, CHECK_FAIL, "Linux %s was built without it", run->release);
		check_mend(run, "boot a kernel with CONFIG_VFIO_PCI and CONFIG_VFIO_DEVICE_CDEV");
	} else {
		check_add(run, CHECK_WARN, "the driver is not loaded; driverctl loads it");
		check_mend(run, "sudo modprobe vfio-pci");
	}
}

void check_iommufd(struct check_run *run, const struct topo_ctrlr *dev)
{
	enum check_level level = check_way_level(run, WAY_IOMMUFD);
	int err = run->opened[WAY_IOMMUFD];

	RTE_SET_USED(dev);
	if (!err) {
		check_add(run, CHECK_OK, "%s can be opened", nodes[WAY_IOMMUFD]);
	} else if (!absent(err)) {
		check_add_denied(run, level, nodes[WAY_IOMMUFD], err);
	} else if (host_has_module(run->host, "iommufd") == 0) {
		check_add(run, level, "Linux %s was built without it", run->release);
		check_mend(run, "boot Linux 6.6 or later with CONFIG_IOMMUFD and "
				"CONFIG_VFIO_DEVICE_CDEV");
	} else {
		check_add(run, level, "there is no %s", nodes[WAY_IOMMUFD]);
		check_mend(run, "sudo modprobe iommufd   (CONFIG_IOMMUFD)");
	}
}

void check_type1(struct check_run *run, const struct topo_ctrlr *dev)
{
	enum check_level level = check_way_level(run, WAY_TYPE1);
	int err = run->opened[WAY_TYPE1];

	RTE_SET_USED(dev);
	if (!err) {
		check_add(run, CHECK_OK, "%s can be opened", nodes[WAY_TYPE1]);
		return;
	}
	if (level == CHECK_OK) {
		check_add(run, level, "not usable, nor needed: iommufd does all of it");
		return;
	}
	if (!absent(err) && err != -ENOTTY) {
		check_add_denied(run, level, nodes[WAY_TYPE1], err);
		return;
	}
	check_add(run, level, "%s%s", absent(err) ? "there is no " : "no type1 IOMMU behind ",
		  nodes[WAY_TYPE1]);
	if (err == -ENOTTY && !has_unit(run))
		check_mend_iommu(run);
	else if (host_has_module(run->host, "vfio_iommu_type1") == 0)
		check_mend(run, "boot a kernel with CONFIG_VFIO_GROUP and CONFIG_VFIO_IOMMU_TYPE1");
	else
		check_mend(run, "sudo modprobe vfio_iommu_type1");
}
