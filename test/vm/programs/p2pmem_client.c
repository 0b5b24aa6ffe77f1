/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-clients.sh runs: the kernel reads FILE with O_DIRECT into p2pmem of a
 * controller that user space drives, and writes it from there into COPY (or back into FILE).
 *
 *     p2pmem_client BDF chunk|sysfs FILE COPY BYTES
 *
 * "chunk" is memory by offset, and the device's own BAR must hold the data at that offset; "sysfs" is
 * p2pmem/allocate. Exit status 3 and the errno's name when the kernel refuses the first read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2pmem.h"
#include "vfio_uapi.h"

#define STEP (64 * 1024)

static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0600);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void read_all(int fd, char *buf, size_t size)
{
	for (size_t done = 0; done < size; done += STEP)
		if (pread(fd, buf + done, STEP, (off_t)done) != STEP)
			die("reading into ordinary memory: %s", strerror(errno));
}

/* The chunk as the controller has it: through vfio, at the offset that the module told. */
static void compare_bar(struct p2pmem_dev *dev, uint32_t bar, uint64_t offset, const char *want,
			size_t size)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = bar };
	char *got = malloc(size);

	if (!got || ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		die("region %u: %s", bar, strerror(errno));
	if (pread(dev->fd, got, size, (off_t)(region.offset + offset)) != (ssize_t)size)
		die("region %u cannot be read: %s", bar, strerror(errno));
	if (memcmp(got, want, size))
		die("the BAR holds other data at offset %#llx", (unsigned long long)offset);
	free(got);
}

int main(int argc, char **argv)
{
	struct peerlane_vfio_p2pmem_info info;
	size_t size = argc == 6 ? strtoul(argv[5], NULL, 0) : 0;
	struct p2pmem_dev dev;
	uint64_t offset = 0;
	int fd, file, copy, by_offset, err;
	char *mem, *want;

	if (!size || size % STEP)
		die("usage: p2pmem_client BDF chunk|sysfs FILE COPY BYTES");
	by_offset = !strcmp(argv[2], "chunk");
	if (by_offset) {
		err = p2pmem_open(&dev, argv[1]);
		if (err || p2pmem_info(dev.fd, &info))
			die("%s: %s", argv[1], strerror(-err));
		/* Not at the pool's beginning, where a wrong offset could look right. */
		if (p2pmem_alloc(dev.fd, 3 * PAGE, NULL) < 0)
			die("%s: no memory", argv[1]);
		fd = p2pmem_alloc(dev.fd, size, &offset);
		if (fd < 0)
			die("%s: %s", argv[1], strerror(-fd));
	} else {
		fd = p2pmem_sysfs_allocate(argv[1]);
	}
	mem = p2pmem_map(fd, size);
	file = open_direct(argv[3], O_RDWR);
	for (size_t done = 0; done < size; done += STEP)
		if (pread(file, mem + done, STEP, (off_t)done) != STEP) {
			printf("%s\n", strerrorname_np(errno));
			return 3;
		}

	want = aligned_alloc(PAGE, size);
	if (!want)
		die("no memory");
	read_all(file, want, size);
	for (size_t i = 0; i < size / 8; i++)
		if (((volatile uint64_t *)mem)[i] != ((uint64_t *)want)[i])
			die("other data in p2pmem at %zu", i * 8);
	if (by_offset)
		compare_bar(&dev, info.bar, offset, want, size);

	copy = open_direct(argv[4], O_RDWR | O_CREAT);
	for (size_t done = 0; done < size; done += STEP)
		if (pwrite(copy, mem + done, STEP, (off_t)done) != STEP)
			die("%s from p2pmem: %s", argv[4], strerror(errno));
	memset(want, 0, size);
	read_all(copy, want, size);
	for (size_t i = 0; i < size / 8; i++)
		if (((volatile uint64_t *)mem)[i] != ((uint64_t *)want)[i])
			die("other data in %s at %zu", argv[4], i * 8);
	printf("%zu KiB in and out\n", size / 1024);
	return 0;
}
