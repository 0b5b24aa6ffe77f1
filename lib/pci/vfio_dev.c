/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt handles are stable since DPDK 23.07, unchanged from 21.11 on, which marks them. */
#define ALLOW_EXPERIMENTAL_API
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include <peerlane/pl_err.h>

#include "pci_devctl.h"
#include "pci_sysfs.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_cap.h"
#include "vfio_dev.h"
#include "vfio_uapi.h"

/* The answer with its capability chain is small; a chain that outgrows this is refused. */
#define REGION_INFO_MAX 4096u

/* Region @index with its capabilities, for the caller to free. NULL with a message. */
static struct vfio_region_info *region_info(struct vfio_dev *dev, uint32_t index)
{
	struct vfio_region_info *info = eal_calloc(1, REGION_INFO_MAX);

	if (!info) {
		pl_fail(-ENOMEM, "%s: no memory for region %u", dev->bdf, index);
		return NULL;
	}
	info->argsz = REGION_INFO_MAX;
	info->index = index;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) || info->argsz > REGION_INFO_MAX) {
		pl_fail(-EIO, "%s: VFIO_DEVICE_GET_REGION_INFO of region %u: %s", dev->bdf, index,
			strerror(errno));
		free(info);
		return NULL;
	}
	return info;
}

static int config_space(struct vfio_dev *dev, struct pci_config *config)
{
	struct vfio_region_info *info = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX);

	if (!info)
		return -EIO;
	*config = (struct pci_config){ dev->bdf, dev->fd, (off_t)info->offset };
	free(info);
	return 0;
}

static int command_update(struct vfio_dev *dev, uint16_t set, uint16_t clear)
{
	struct pci_config config;
	uint16_t command;
	off_t at;
	int rc = config_space(dev, &config);

	if (rc)
		return rc;
	at = config.at + PCI_COMMAND;
	if (pread(dev->fd, &command, 2, at) != 2)
		return pl_fail(-EIO, "%s: cannot read its configuration space: %s", dev->bdf,
			       strerror(errno));
	if (command == UINT16_MAX)
		return pl_fail(-ENODEV, "%s is gone: its configuration space reads all ones",
			       dev->bdf);
	command = (uint16_t)((command | set) & ~clear);
	if (pwrite(dev->fd, &command, 2, at) != 2)
		rc = pl_fail(-EIO, "%s: cannot write its command register: %s", dev->bdf,
			     strerror(errno));
	return rc;
}

int vfio_dev_decode(struct vfio_dev *dev)
{
	return command_update(dev, PCI_COMMAND_MEMORY, 0);
}

int vfio_dev_master(struct vfio_dev *dev, bool on)
{
	return command_update(dev, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}

#define ORDER_BITS (PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN)

/* A virtual function's bits are reserved: those of its physical function count (SR-IOV 3.5.4),
 * which are not ours to write, and which only root reads. */
static void order_of_physfn(struct vfio_dev *dev, const char *physfn)
{
	struct pci_config config = { .bdf = physfn };
	char path[PATH_MAX];
	uint16_t devctl;
	int rc = -EIO;

	snprintf(path, sizeof(path), "%s/%s/config", pci_sysfs_root, physfn);
	config.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (config.fd >= 0) {
		rc = pci_devctl_read(&config, &devctl);
		close(config.fd);
	}
	dev->ordered = rc == 0 && !(devctl & PCI_EXP_DEVCTL_RELAX_EN);
	if (dev->ordered || dev->order_told)
		return;
	dev->order_told = true;
	PL_LOG(NOTICE,
	       "%s: Relaxed Ordering %s on in its physical function %s, which decides; to turn it "
	       "off: sudo setpci -s %s CAP_EXP+8.w=0:810",
	       dev->bdf, rc ? "may be" : "is", physfn, physfn);
}

void vfio_dev_order(struct vfio_dev *dev)
{
	struct pci_config config;
	char physfn[PCI_BDF_LEN];
	uint16_t devctl, left;
	int rc;

	if (pci_sysfs_link(dev->bdf, "physfn", physfn, sizeof(physfn)) == 0) {
		order_of_physfn(dev, physfn);
		return;
	}
	dev->ordered = false;
	rc = config_space(dev, &config);
	if (rc == 0)
		rc = pci_devctl_read(&config, &devctl);
	if (rc == 0) {
		/* Later on it is a reset's doing. */
		if (!dev->devctl_known)
			dev->devctl_was = devctl & ORDER_BITS;
		dev->devctl_known = true;
		rc = pci_devctl_update(&config, ORDER_BITS, 0, &left);
	}
	/* Without PCI Express there is neither. */
	dev->ordered = rc == -ENOENT || (rc == 0 && !(left & PCI_EXP_DEVCTL_RELAX_EN));
	if (dev->ordered || dev->order_told)
		return;
	dev->order_told = true;
	if (rc)
		PL_LOG(NOTICE, "Relaxed Ordering may be on: %s", pl_errmsg());
	else
		PL_LOG(NOTICE, "%s: Relaxed Ordering stays on: the device keeps the bit", dev->bdf);
}

static void order_restore(struct vfio_dev *dev)
{
	struct pci_config config;
	uint16_t left;

	if (dev->devctl_was && (config_space(dev, &config) ||
				pci_devctl_update(&config, ORDER_BITS, dev->devctl_was, &left)))
		PL_LOG(DEBUG, "%s", pl_errmsg());
}

/* Called by librte_eal's interrupt thread, which has read the eventfd. */
static void on_request(void *arg)
{
	struct vfio_dev *dev = arg;

	__atomic_store_n(&dev->asked_back, true, __ATOMIC_RELAXED);
}

static int request_eventfd(struct vfio_dev *dev, int fd)
{
	uint64_t req[(sizeof(struct vfio_irq_set) + sizeof(int32_t) + 7) / 8] = { 0 };
	struct vfio_irq_set *set = (void *)req;

	set->argsz = sizeof(*set) + sizeof(int32_t);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_REQ_IRQ_INDEX;
	set->count = 1;
	memcpy(set->data, &fd, sizeof(int32_t));
	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

/* Not to have it is no reason not to drive the function: then whoever unbinds it waits, and the
 * kernel says so in its log. */
static void listen_for_request(struct vfio_dev *dev)
{
	int fd = pl_inject_hit() ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	dev->request = fd < 0 ? NULL : rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (!dev->request) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (rte_intr_fd_set(dev->request, fd) == 0 &&
	    rte_intr_type_set(dev->request, RTE_INTR_HANDLE_VFIO_REQ) == 0 &&
	    rte_intr_callback_register(dev->request, on_request, dev) == 0 &&
	    request_eventfd(dev, fd) == 0)
		return;
	PL_LOG(INFO, "%s: nobody will say when the kernel wants the device back", dev->bdf);
}

/* The kernel's reference on the eventfd goes with the function's file. */
static void unlisten(struct vfio_dev *dev)
{
	int fd;

	if (!dev->request)
		return;
	rte_intr_callback_unregister_sync(dev->request, on_request, dev);
	fd = rte_intr_fd_get(dev->request);
	rte_intr_instance_free(dev->request);
	close(fd);
}

bool vfio_dev_asked_back(const struct vfio_dev *dev)
{
	return __atomic_load_n(&dev->asked_back, __ATOMIC_RELAXED);
}

int vfio_dev_create(const char *bdf, struct vfio_dev **out)
{
	struct vfio_dev *dev = eal_calloc(1, sizeof(*dev));

	if (!dev)
		return pl_fail(-ENOMEM, "%s: no memory for the device", bdf);
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	dev->fd = -1;
	*out = dev;
	return 0;
}

int vfio_dev_start(struct vfio_dev *dev)
{
	int rc = vfio_dev_decode(dev);

	if (rc)
		return rc;
	vfio_dev_order(dev);
	listen_for_request(dev);
	dev->started = true;
	return 0;
}

static void stop(struct vfio_dev *dev)
{
	if (vfio_dev_master(dev, false))
		PL_LOG(DEBUG, "%s", pl_errmsg());
	order_restore(dev);
	unlisten(dev);
}

void vfio_dev_destroy(struct vfio_dev *dev)
{
	if (dev->started)
		stop(dev);
	if (dev->fd >= 0)
		close(dev->fd);
	free(dev);
}

uint64_t vfio_dev_bar_size(struct vfio_dev *dev, unsigned int bar)
{
	struct vfio_region_info *info;
	uint64_t size;

	if (bar > VFIO_PCI_BAR5_REGION_INDEX)
		return 0;
	info = region_info(dev, VFIO_PCI_BAR0_REGION_INDEX + bar);
	size = info ? info->size : 0;
	free(info);
	return size;
}

/* Whether the kernel lets [offset, offset + len) be mapped: with holes, it lists the areas. */
static bool mappable(const struct vfio_region_info *info, uint64_t offset, uint64_t len)
{
	const struct vfio_answer answer = {
		.info = info,
		.head = sizeof(*info),
		.argsz = info->argsz,
		.first = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0,
	};
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t room;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || offset > info->size ||
	    len > info->size - offset)
		return false;
	sparse = vfio_cap_find(&answer, VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(*sparse), &room);
	if (!sparse)
		return true;
	if (sparse->nr_areas > (room - sizeof(*sparse)) / sizeof(sparse->areas[0]))
		return false;
	for (uint32_t i = 0; i < sparse->nr_areas; i++)
		if (offset >= sparse->areas[i].offset &&
		    offset + len <= sparse->areas[i].offset + sparse->areas[i].size)
			return true;
	return false;
}

int vfio_dev_map_bar(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len, void *va,
		     void **out)
{
	struct vfio_region_info *info = region_info(dev, VFIO_PCI_BAR0_REGION_INDEX + bar);
	int flags = MAP_SHARED | (va ? MAP_FIXED : 0);
	void *p = MAP_FAILED;

	if (!info)
		return -EIO;
	if (!mappable(info, offset, len)) {
		free(info);
		return pl_fail(-ENOTSUP,
			       "%s: the kernel does not let %zu bytes at offset 0x%llx of BAR %u "
			       "be mapped",
			       dev->bdf, len, (unsigned long long)offset, bar);
	}
	if (!pl_inject_hit())
		p = mmap(va, len, PROT_READ | PROT_WRITE, flags, dev->fd,
			 (off_t)(info->offset + offset));
	free(info);
	if (p == MAP_FAILED)
		return pl_fail(-ENOMEM, "%s: cannot map %zu bytes of BAR %u: %s", dev->bdf, len,
			       bar, strerror(errno));
	*out = p;
	return 0;
}

int vfio_dev_export_bar(struct vfio_dev *dev, unsigned int bar, uint64_t offset, size_t len,
			int *dmabuf)
{
	/* The request is three structures in a row, each with the next as its flexible member. */
	uint64_t req[(sizeof(struct vfio_device_feature) +
		      sizeof(struct vfio_device_feature_dma_buf) +
		      sizeof(struct vfio_region_dma_range)) /
		     sizeof(uint64_t)] = { 0 };
	struct vfio_device_feature *feature = (void *)req;
	struct vfio_device_feature_dma_buf *buf = (void *)feature->data;
	int fd;

	feature->argsz = sizeof(req);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	buf->region_index = VFIO_PCI_BAR0_REGION_INDEX + bar;
	buf->open_flags = O_RDWR | O_CLOEXEC;
	buf->nr_ranges = 1;
	buf->dma_ranges[0].offset = offset;
	buf->dma_ranges[0].length = len;
	fd = pl_inject_hit() ? -1 : ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature);
	if (fd < 0 && (errno == ENOTTY || errno == EOPNOTSUPP))
		return pl_fail(-ENOTSUP,
			       "%s: this kernel cannot export a BAR as a dma-buf (it needs Linux "
			       "6.19 with CONFIG_VFIO_PCI_DMABUF); peer-to-peer on it takes "
			       "another --iommu= backend",
			       dev->bdf);
	if (fd < 0)
		return pl_fail(errno == ENODEV ? -ENODEV : -EIO,
			       "%s: cannot export BAR %u as a dma-buf: %s", dev->bdf, bar,
			       strerror(errno));
	*dmabuf = fd;
	return 0;
}
