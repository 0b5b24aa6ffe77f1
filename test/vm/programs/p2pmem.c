/* SPDX-License-Identifier: BSD-3-Clause */
#include "p2pmem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "iommufd_uapi.h"
#include "vfio_uapi.h"

void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_cdev(const char *bdf)
{
	char path[300] = "";
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	path[0] = 0;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	if (!path[0])
		return -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int p2pmem_open(struct p2pmem_dev *dev, const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	int err;

	dev->bdf = bdf;
	dev->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommufd < 0)
		return -errno;
	dev->fd = open_cdev(bdf);
	if (dev->fd < 0) {
		close(dev->iommufd);
		return dev->fd;
	}
	bind.iommufd = dev->iommufd;
	if (!ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return 0;
	err = -errno;
	p2pmem_close(dev);
	return err;
}

void p2pmem_close(struct p2pmem_dev *dev)
{
	close(dev->fd);
	close(dev->iommufd);
}

int p2pmem_ioas_alloc(const struct p2pmem_dev *dev, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(dev->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	*ioas = alloc.out_ioas_id;
	return 0;
}

int p2pmem_attach(const struct p2pmem_dev *dev, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = ioas };

	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

int p2pmem_feature(int fd, uint32_t argsz, uint32_t flags, void *payload, size_t size)
{
	union {
		struct vfio_device_feature head;
		char bytes[256];
		uint64_t align;
	} arg = { .head = { .argsz = argsz, .flags = flags } };
	int rc;

	memcpy(arg.bytes + sizeof(arg.head), payload, size);
	rc = ioctl(fd, VFIO_DEVICE_FEATURE, &arg);
	if (rc < 0)
		return -errno;
	memcpy(payload, arg.bytes + sizeof(arg.head), size);
	return rc;
}

int p2pmem_info(int fd, struct peerlane_vfio_p2pmem_info *info)
{
	return p2pmem_feature(fd, sizeof(struct vfio_device_feature) + sizeof(*info),
			      VFIO_DEVICE_FEATURE_GET | PEERLANE_VFIO_FEATURE_P2PMEM_INFO, info,
			      sizeof(*info));
}

int p2pmem_alloc(int fd, uint64_t size, uint64_t *offset)
{
	struct peerlane_vfio_p2pmem_alloc req = { .size = size };
	int chunk = p2pmem_feature(fd, sizeof(struct vfio_device_feature) + sizeof(req),
				   VFIO_DEVICE_FEATURE_GET | PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC,
				   &req, sizeof(req));

	if (chunk >= 0 && offset)
		*offset = req.offset;
	return chunk;
}

void *p2pmem_map(int chunk, size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, chunk, 0);

	if (mem == MAP_FAILED)
		die("mmap of a chunk: %s", strerror(errno));
	return mem;
}

int p2pmem_dmabuf(int fd, uint32_t bar, uint64_t offset, uint64_t length)
{
	struct {
		struct vfio_device_feature_dma_buf head;
		struct vfio_region_dma_range range;
	} get = {
		.head = { .region_index = bar, .open_flags = O_RDWR | O_CLOEXEC, .nr_ranges = 1 },
		.range = { offset, length },
	};

	return p2pmem_feature(fd, sizeof(struct vfio_device_feature) + sizeof(get),
			      VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF, &get,
			      sizeof(get));
}

static void sysfs_path(char *path, size_t size, const char *bdf, const char *name)
{
	snprintf(path, size, "/sys/bus/pci/devices/%s/p2pmem/%s", bdf, name);
}

uint64_t p2pmem_sysfs(const char *bdf, const char *name)
{
	unsigned long long value;
	char path[300];
	FILE *file;

	sysfs_path(path, sizeof(path), bdf, name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &value) != 1)
		die("%s: cannot be read", path);
	fclose(file);
	return value;
}

int p2pmem_sysfs_allocate(const char *bdf)
{
	char path[300];
	int fd;

	sysfs_path(path, sizeof(path), bdf, "allocate");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

void p2pmem_wait_free(const char *bdf)
{
	uint64_t size = p2pmem_sysfs(bdf, "size"), available;
	double deadline = now() + 20;

	while ((available = p2pmem_sysfs(bdf, "available")) != size) {
		if (now() > deadline)
			die("%s: p2pmem/available is still %llu of %llu", bdf,
			    (unsigned long long)available, (unsigned long long)size);
		usleep(1000);
	}
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static uint64_t pattern(uint64_t seed, size_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ull | 1; /* never 0 */
}

void devmem_fill(void *mem, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size / 8; i++)
		((volatile uint64_t *)mem)[i] = pattern(seed, i);
}

long devmem_check(const void *mem, size_t size, uint64_t seed)
{
	for (size_t i = 0; i < size / 8; i++)
		if (((const volatile uint64_t *)mem)[i] != pattern(seed, i))
			return (long)i * 8;
	return -1;
}

long devmem_check_zero(const void *mem, size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		if (((const volatile uint64_t *)mem)[i])
			return (long)i * 8;
	return -1;
}

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus_jump, 1);
}

int raises_sigbus(void *at, int write)
{
	struct sigaction action = { .sa_handler = on_bus }, old;
	volatile int raised = 0;

	sigaction(SIGBUS, &action, &old);
	if (sigsetjmp(bus_jump, 1))
		raised = 1;
	else if (write)
		*(volatile char *)at = 1;
	else
		*(volatile char *)at;
	sigaction(SIGBUS, &old, NULL);
	return raised;
}
