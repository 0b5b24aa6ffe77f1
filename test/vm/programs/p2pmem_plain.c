/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-plain.sh runs: the module is still a vfio-pci. Registers and CMB can be
 * mapped, the BAR shows what is in chunks, its dma-buf can be exported and mapped, and the controller
 * shows its CMB (CMBMSC.CRE) after an opening, a reset, and between two users.
 *
 *     p2pmem_plain BDF dmabuf|no-dmabuf
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommufd_uapi.h"
#include "p2pmem.h"
#include "vfio_uapi.h"

#define SIZE   (16 * PAGE)
#define CMBSZ  0x3c
#define CMBMSC 0x50

static struct p2pmem_dev dev;
static struct peerlane_vfio_p2pmem_info info;

static void *map_region(uint32_t index, uint64_t offset, size_t size)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = index };
	void *mem;

	if (ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		die("region %u: %s", index, strerror(errno));
	if (!(region.flags & VFIO_REGION_INFO_FLAG_MMAP) || offset + size > region.size)
		die("region %u has flags %#x and size %#llx", index, region.flags,
		    (unsigned long long)region.size);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd,
		   (off_t)(region.offset + offset));
	if (mem == MAP_FAILED)
		die("region %u cannot be mapped: %s", index, strerror(errno));
	return mem;
}

static void check_cre(const volatile char *regs, const char *when)
{
	if (!(*(const volatile uint32_t *)(regs + CMBMSC) & 1))
		die("%s: CMBMSC.CRE is not set", when);
	if (!*(const volatile uint32_t *)(regs + CMBSZ))
		die("%s: CMBSZ is 0", when);
}

/* The same bytes by both ways. */
static void check_alias(void)
{
	uint64_t offset;
	int chunk = p2pmem_alloc(dev.fd, SIZE, &offset);
	char *mem, *bar;

	if (chunk < 0)
		die("alloc: %s", strerror(-chunk));
	mem = p2pmem_map(chunk, SIZE);
	bar = map_region(info.bar, offset, SIZE);
	if (devmem_check_zero(bar, SIZE) != -1)
		die("a new chunk is not zero in the BAR");
	devmem_fill(mem, SIZE, 1);
	if (devmem_check(bar, SIZE, 1) != -1)
		die("the BAR does not show what was written into the chunk");
	devmem_fill(bar, SIZE, 2);
	if (devmem_check(mem, SIZE, 2) != -1)
		die("the chunk does not show what was written into the BAR");
	munmap(bar, SIZE);
	munmap(mem, SIZE);
	close(chunk);
}

static void check_dmabuf(uint32_t ioas, int expected)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.length = info.size,
		.iova = 1ull << 32,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = map.iova, .length = map.length
	};
	int fd = p2pmem_dmabuf(dev.fd, info.bar, info.offset, info.size);

	if (!expected) {
		if (fd != -ENOTTY)
			die("dma-buf: %d instead of ENOTTY", fd);
		return;
	}
	if (fd < 0)
		die("dma-buf: %s", strerror(-fd));
	map.fd = fd;
	if (ioctl(dev.iommufd, IOMMU_IOAS_MAP_FILE, &map))
		die("the dma-buf cannot be mapped: %s", strerror(errno));
	if (ioctl(dev.iommufd, IOMMU_IOAS_UNMAP, &unmap) || unmap.length != info.size)
		die("the dma-buf cannot be unmapped: %s", strerror(errno));
	close(fd);
}

/* COMMAND.MEM by vfio's configuration space. */
static void decode(int on)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command;

	if (ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &region) ||
	    pread(dev.fd, &command, 2, (off_t)region.offset + 4) != 2)
		die("the configuration space cannot be read: %s", strerror(errno));
	command = (uint16_t)(on ? command | 2 : command & ~2);
	if (pwrite(dev.fd, &command, 2, (off_t)region.offset + 4) != 2)
		die("the configuration space cannot be written: %s", strerror(errno));
}

/* Many controllers forget CMBMSC in a reset, QEMU's does not: so it is cleared before. */
static void reset(volatile char *regs, const char *when, int on)
{
	*(volatile uint32_t *)(regs + CMBMSC) = 0;
	if (*(volatile uint32_t *)(regs + CMBMSC) & 1)
		die("%s: CMBMSC.CRE cannot be cleared", when);
	if (!on)
		decode(0);
	if (ioctl(dev.fd, VFIO_DEVICE_RESET))
		die("%s: reset: %s", when, strerror(errno));
	if (!on)
		decode(1);
	check_cre(regs, when);
}

static void use(const char *when, int dmabuf)
{
	char *regs;
	uint32_t ioas;
	int err;

	err = p2pmem_open(&dev, dev.bdf);
	if (!err)
		err = p2pmem_ioas_alloc(&dev, &ioas);
	if (!err)
		err = p2pmem_attach(&dev, ioas);
	if (!err)
		err = p2pmem_info(dev.fd, &info);
	if (err)
		die("%s: %s", when, strerror(-err));
	regs = map_region(VFIO_PCI_BAR0_REGION_INDEX, 0, PAGE);
	check_cre(regs, when);
	check_alias();
	check_dmabuf(ioas, dmabuf);
	reset(regs, when, 1);
	reset(regs, "with decoding off", 0);
	check_alias();
	check_dmabuf(ioas, dmabuf);
	munmap(regs, PAGE);
	p2pmem_close(&dev);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: p2pmem_plain BDF dmabuf|no-dmabuf");
	dev.bdf = argv[1];
	use("opened", !strcmp(argv[2], "dmabuf"));
	use("opened again", !strcmp(argv[2], "dmabuf"));
	return 0;
}
