/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-failnth.sh runs: of each system call that makes or ends a chunk, the first
 * allocation or copy from and to user space fails, then the second, and so on until there are no
 * more. The call may fail or not; afterwards everything is as before, or can be made so.
 *
 *     p2pmem_failnth BDF     driver_override of BDF is peerlane_vfio_pci; it has no driver
 */
#include <dirent.h>
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

#define SIZE (4 * PAGE)

static struct p2pmem_dev dev;
static struct peerlane_vfio_p2pmem_info info;
static int fail_nth, probe, unbind = -1, zero;
static char device_path[300], cdev_path[300];

/* Writing and reading it are system calls whose copies count as well. */
static void arm(int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	while (pwrite(fail_nth, text, (size_t)len, 0) != len)
		if (errno != EFAULT)
			die("fail-nth: %s", strerror(errno));
}

/* Whether it fired since arm(). */
static int disarm(void)
{
	char text[16] = "";
	ssize_t len = pread(fail_nth, text, sizeof(text) - 1, 0);

	arm(0);
	/* A read that failed was the next to fail, so nothing before it did. */
	return len > 0 && atoi(text) == 0;
}

static int bound(void)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/driver", device_path);
	return access(path, F_OK) == 0;
}

static void open_unbind(void)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/driver/unbind", device_path);
	unbind = open(path, O_WRONLY | O_CLOEXEC);
	if (unbind < 0)
		die("%s: %s", path, strerror(errno));
}

static void do_unbind(void)
{
	if (unbind < 0)
		open_unbind();
	if (write(unbind, dev.bdf, strlen(dev.bdf)) < 0 && bound())
		die("unbind: %s", strerror(errno));
	close(unbind);
	unbind = -1;
}

static void do_bind(void)
{
	if (write(probe, dev.bdf, strlen(dev.bdf)) < 0 || !bound())
		die("bind: %s", strerror(errno));
	if (p2pmem_sysfs(dev.bdf, "available") != p2pmem_sysfs(dev.bdf, "size"))
		die("bind: the pool is not whole");
}

static void find_cdev(void)
{
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/vfio-dev", device_path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(cdev_path, sizeof(cdev_path), "/dev/vfio/devices/%s",
				 entry->d_name);
	if (!dir)
		die("%s: %s", path, strerror(errno));
	closedir(dir);
}

static int chunk_of_dev(void)
{
	int chunk = p2pmem_alloc(dev.fd, SIZE, NULL);

	if (chunk < 0)
		die("alloc: %s", strerror(-chunk));
	return chunk;
}

static void open_dev(void)
{
	int err = p2pmem_open(&dev, dev.bdf);

	if (err)
		die("open: %s", strerror(-err));
}

/* ---- one attempt each: 1 when it fired. The result is in rc. */

static int rc;

static int try_bind(int n)
{
	int fired;

	arm(n);
	rc = write(probe, dev.bdf, strlen(dev.bdf)) < 0 ? -errno : 0;
	fired = disarm();
	if (!bound() && !rc)
		rc = -ENODEV;
	if (bound())
		do_unbind();
	return fired;
}

static int try_unbind(int n)
{
	int fired;

	do_bind();
	open_unbind();
	arm(n);
	rc = write(unbind, dev.bdf, strlen(dev.bdf)) < 0 ? -errno : 0;
	fired = disarm();
	if (bound())
		do_unbind();
	else
		close(unbind), unbind = -1;
	return fired;
}

static int try_open(int n)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	int fired, fd, iommufd;

	arm(n);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	fd = open(cdev_path, O_RDWR | O_CLOEXEC);
	bind.iommufd = iommufd;
	rc = ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? -errno : 0;
	fired = disarm();
	if (fd >= 0)
		close(fd);
	if (iommufd >= 0)
		close(iommufd);
	return fired;
}

static int try_attach(int n)
{
	uint32_t ioas;
	int fired;

	open_dev();
	arm(n);
	rc = p2pmem_ioas_alloc(&dev, &ioas);
	if (!rc)
		rc = p2pmem_attach(&dev, ioas);
	fired = disarm();
	p2pmem_close(&dev);
	return fired;
}

static int try_close(int n)
{
	int chunk, fired;
	char *mem;

	open_dev();
	chunk = chunk_of_dev();
	mem = p2pmem_map(chunk, SIZE);
	devmem_fill(mem, SIZE, 1);
	arm(n);
	munmap(mem, SIZE);
	close(chunk);
	close(dev.fd);
	close(dev.iommufd);
	fired = disarm();
	rc = 0;
	return fired;
}

static int try_info(int n)
{
	int fired;

	arm(n);
	rc = p2pmem_info(dev.fd, &info);
	fired = disarm();
	return fired;
}

static int try_alloc(int n)
{
	int fired;

	arm(n);
	rc = p2pmem_alloc(dev.fd, SIZE, NULL);
	fired = disarm();
	if (rc >= 0)
		close(rc);
	return fired;
}

static int try_map(int n)
{
	int chunk = chunk_of_dev(), fired;
	void *mem;

	arm(n);
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, chunk, 0);
	rc = mem == MAP_FAILED ? -errno : 0;
	fired = disarm();
	if (mem != MAP_FAILED)
		munmap(mem, SIZE);
	close(chunk);
	return fired;
}

/* In a corner of the address space of its own, so that page tables are missing too. */
static int try_fault(int n)
{
	void *far = (void *)(0x100000000000 + (uintptr_t)n * 0x8000000000);
	int chunk = chunk_of_dev(), fired;
	void *mem =
		mmap(far, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, chunk, 0);

	if (mem == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	arm(n);
	rc = read(zero, mem, PAGE) < 0 ? -errno : 0;
	fired = disarm();
	munmap(mem, SIZE);
	close(chunk);
	return fired;
}

static int try_dmabuf(int n)
{
	int fired;

	arm(n);
	rc = p2pmem_dmabuf(dev.fd, info.bar, info.cmb_offset, info.size);
	fired = disarm();
	if (rc >= 0)
		close(rc);
	return fired;
}

static void sweep(const char *what, int (*attempt)(int n))
{
	int n = 1, failed = 0;

	while (attempt(n)) {
		failed += rc < 0;
		if (bound())
			p2pmem_wait_free(dev.bdf);
		if (++n > 5000)
			die("%s: no end", what);
	}
	if (rc < 0)
		die("%s fails without a fault: %s", what, strerror(-rc));
	printf("%s %d/%d, ", what, failed, n - 1);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: p2pmem_failnth BDF");
	dev.bdf = argv[1];
	snprintf(device_path, sizeof(device_path), "/sys/bus/pci/devices/%s", argv[1]);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	probe = open("/sys/bus/pci/drivers_probe", O_WRONLY | O_CLOEXEC);
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (fail_nth < 0 || probe < 0 || zero < 0)
		die("fail-nth: %s", strerror(errno));

	sweep("bind", try_bind);
	sweep("unbind", try_unbind);
	do_bind();
	find_cdev();
	sweep("open", try_open);
	sweep("attach", try_attach);
	sweep("close", try_close);
	open_dev();
	if (p2pmem_info(dev.fd, &info))
		die("info");
	sweep("info", try_info);
	sweep("alloc", try_alloc);
	sweep("mmap", try_map);
	sweep("fault", try_fault);
	sweep("dma-buf", try_dmabuf);
	p2pmem_close(&dev);
	p2pmem_wait_free(dev.bdf);
	do_unbind();
	printf("of the calls failed/faults");
	return 0;
}
