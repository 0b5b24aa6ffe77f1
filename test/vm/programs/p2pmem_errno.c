/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-errno.sh runs: every way to ask peerlane_vfio_pci for something that it must
 * refuse, with the errno of linux/peerlane_vfio.h. After each, the pool is as it was before.
 *
 *     p2pmem_errno BDF PLAIN      BDF has the module, PLAIN is bound to vfio-pci
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iommufd_uapi.h"
#include "p2pmem.h"
#include "vfio_uapi.h"

#define HEAD   ((uint32_t)sizeof(struct vfio_device_feature))
#define GET    VFIO_DEVICE_FEATURE_GET
#define SET    VFIO_DEVICE_FEATURE_SET
#define PROBE  VFIO_DEVICE_FEATURE_PROBE
#define INFO   PEERLANE_VFIO_FEATURE_P2PMEM_INFO
#define ALLOC  PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC
#define ISIZE  ((uint32_t)sizeof(struct peerlane_vfio_p2pmem_info))
#define ASIZE  ((uint32_t)sizeof(struct peerlane_vfio_p2pmem_alloc))
#define CHUNK  (16 * PAGE)
#define CHUNKS 64

static struct p2pmem_dev dev, plain;
static struct peerlane_vfio_p2pmem_info info;
static int checks, failures;

static const char *name_of(int err)
{
	return err < 0 ? strerrorname_np(-err) : err == 0 ? "0" : "a descriptor";
}

/* got: 0, a positive value or -errno; the pool must have as much left as before. */
static void check(const char *what, int got, int want, uint64_t available)
{
	uint64_t left = p2pmem_sysfs(dev.bdf, "available");

	checks++;
	if (got != want) {
		printf("%s: %s instead of %s\n", what, name_of(got), name_of(want));
		failures++;
	}
	if (left != available) {
		printf("%s: p2pmem/available went from %llu to %llu\n", what,
		       (unsigned long long)available, (unsigned long long)left);
		failures++;
	}
}

static void check_true(const char *what, int ok)
{
	checks++;
	if (!ok) {
		printf("%s: not so\n", what);
		failures++;
	}
}

static uint64_t available(void)
{
	return p2pmem_sysfs(dev.bdf, "available");
}

/* ---- the ioctls */

struct feature_case {
	const char *what;
	uint32_t argsz;
	uint32_t flags;
	struct peerlane_vfio_p2pmem_alloc req;
	int want;
};

static const struct feature_case feature_cases[] = {
	{ "info: probe", HEAD, PROBE | INFO, {}, 0 },
	{ "info: probe of get", HEAD, PROBE | GET | INFO, {}, 0 },
	{ "info: probe of set", HEAD, PROBE | SET | INFO, {}, -EINVAL },
	{ "info: probe of get and set", HEAD, PROBE | GET | SET | INFO, {}, -EINVAL },
	{ "info: set", HEAD + ISIZE, SET | INFO, {}, -EINVAL },
	{ "info: get and set", HEAD + ISIZE, GET | SET | INFO, {}, -EINVAL },
	{ "info: neither get nor set", HEAD + ISIZE, INFO, {}, -EINVAL },
	{ "info: argsz 0", 0, GET | INFO, {}, -EINVAL },
	{ "info: argsz of the head", HEAD, GET | INFO, {}, -EINVAL },
	{ "info: argsz a byte too small", HEAD + ISIZE - 1, GET | INFO, {}, -EINVAL },
	{ "info: a flag of vfio's that is not there",
	  HEAD + ISIZE,
	  GET | 1u << 19 | INFO,
	  {},
	  -EINVAL },
	{ "alloc: probe", HEAD, PROBE | ALLOC, {}, 0 },
	{ "alloc: probe of get", HEAD + ASIZE, PROBE | GET | ALLOC, { .size = PAGE }, 0 },
	{ "alloc: probe of set", HEAD, PROBE | SET | ALLOC, {}, -EINVAL },
	{ "alloc: set", HEAD + ASIZE, SET | ALLOC, { .size = PAGE }, -EINVAL },
	{ "alloc: neither get nor set", HEAD + ASIZE, ALLOC, { .size = PAGE }, -EINVAL },
	{ "alloc: argsz 0", 0, GET | ALLOC, { .size = PAGE }, -EINVAL },
	{ "alloc: argsz of the head", HEAD, GET | ALLOC, { .size = PAGE }, -EINVAL },
	{ "alloc: argsz a byte too small",
	  HEAD + ASIZE - 1,
	  GET | ALLOC,
	  { .size = PAGE },
	  -EINVAL },
	{ "alloc: size 0", HEAD + ASIZE, GET | ALLOC, {}, -EINVAL },
	{ "alloc: size 1", HEAD + ASIZE, GET | ALLOC, { .size = 1 }, -EINVAL },
	{ "alloc: size a byte below a page",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = PAGE - 1 },
	  -EINVAL },
	{ "alloc: size a byte above a page",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = PAGE + 1 },
	  -EINVAL },
	{ "alloc: more than the pool", HEAD + ASIZE, GET | ALLOC, { .size = 1ull << 40 }, -EINVAL },
	{ "alloc: the largest multiple of a page",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = -(uint64_t)PAGE },
	  -EINVAL },
	{ "alloc: size -1", HEAD + ASIZE, GET | ALLOC, { .size = -1ull }, -EINVAL },
	{ "alloc: an offset asked for",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = PAGE, .offset = PAGE },
	  -EINVAL },
	{ "alloc: flags 1", HEAD + ASIZE, GET | ALLOC, { .size = PAGE, .flags = 1 }, -EINVAL },
	{ "alloc: flags 1 << 31",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = PAGE, .flags = 0x80000000u },
	  -EINVAL },
	{ "alloc: reserved 1",
	  HEAD + ASIZE,
	  GET | ALLOC,
	  { .size = PAGE, .reserved = 1 },
	  -EINVAL },
	{ "a feature in between", HEAD + ASIZE, GET | 0xF102, {}, -ENOTTY },
	{ "the last feature", HEAD + ASIZE, GET | 0xFFFF, {}, -ENOTTY },
};

static void test_features(void)
{
	for (size_t i = 0; i < sizeof(feature_cases) / sizeof(feature_cases[0]); i++) {
		const struct feature_case *c = &feature_cases[i];
		union {
			struct peerlane_vfio_p2pmem_alloc req;
			char room[sizeof(struct peerlane_vfio_p2pmem_info)];
		} payload = { .req = c->req };
		uint64_t before = available();

		check(c->what,
		      p2pmem_feature(dev.fd, c->argsz, c->flags, &payload, sizeof(payload)),
		      c->want, before);
	}
}

static void test_info(void)
{
	check("info", p2pmem_info(dev.fd, &info), 0, available());
	check_true("info: version", info.version == PEERLANE_VFIO_P2PMEM_VERSION);
	check_true("info: published", info.flags == PEERLANE_VFIO_P2PMEM_PUBLISHED);
	check_true("info: reserved", !info.reserved);
	check_true("info: granularity", info.granularity == PAGE);
	check_true("info: size is p2pmem/size", info.size == p2pmem_sysfs(dev.bdf, "size"));
	check_true("info: published is p2pmem/published", p2pmem_sysfs(dev.bdf, "published") == 1);
	check_true("info: nothing is allocated", info.allocated == 0);
	check_true("info: the pool lies in the CMB", info.cmb_offset <= info.offset);
}

/* Addresses that cannot be read or written; a chunk whose offset cannot be told is not made. */
static void test_addresses(void)
{
	struct {
		struct vfio_device_feature head;
		struct peerlane_vfio_p2pmem_alloc req;
	} *arg = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before = available();

	if (arg == MAP_FAILED || mprotect((char *)arg + PAGE, PAGE, PROT_NONE))
		die("no memory");
	arg->head.argsz = sizeof(*arg);
	arg->head.flags = GET | ALLOC;
	arg->req.size = CHUNK;
	mprotect(arg, PAGE, PROT_READ);
	check("alloc: read-only argument", ioctl(dev.fd, VFIO_DEVICE_FEATURE, arg) ? -errno : 0,
	      -EFAULT, before);
	check("alloc: no argument", ioctl(dev.fd, VFIO_DEVICE_FEATURE, NULL) ? -errno : 0, -EFAULT,
	      before);
	mprotect(arg, PAGE, PROT_READ | PROT_WRITE);
	/* The head is at the end of the page, and there is nothing behind it. */
	memcpy((char *)arg + PAGE - sizeof(arg->head), arg, sizeof(arg->head));
	check("alloc: payload behind the end of memory",
	      ioctl(dev.fd, VFIO_DEVICE_FEATURE, (char *)arg + PAGE - sizeof(arg->head)) ? -errno
											 : 0,
	      -EFAULT, before);
	munmap(arg, 2 * PAGE);
}

static void test_descriptors(void)
{
	struct rlimit limit, tight;
	uint64_t before = available();
	int chunk = p2pmem_alloc(dev.fd, CHUNK, NULL);

	if (chunk < 0)
		die("a chunk of %lu bytes: %s", CHUNK, strerror(-chunk));
	check_true("alloc: the descriptor is close-on-exec", fcntl(chunk, F_GETFD) == FD_CLOEXEC);
	check("chunk: no ioctl", ioctl(chunk, VFIO_DEVICE_FEATURE, NULL) ? -errno : 0, -ENOTTY,
	      before - CHUNK);
	check("chunk: no read", read(chunk, &limit, 1) < 0 ? -errno : 0, -EINVAL, before - CHUNK);
	close(chunk);
	check("chunk: closed", 0, 0, before);

	getrlimit(RLIMIT_NOFILE, &limit);
	tight = limit;
	tight.rlim_cur = (rlim_t)chunk;
	setrlimit(RLIMIT_NOFILE, &tight);
	chunk = p2pmem_alloc(dev.fd, CHUNK, NULL);
	setrlimit(RLIMIT_NOFILE, &limit);
	check("alloc: no descriptor left", chunk, -EMFILE, before);
}

static void test_exhausted(void)
{
	int chunks[CHUNKS], n = 0, fd;
	uint64_t before = available(), each = info.size / CHUNKS & -(uint64_t)PAGE, offset,
		 seen = 0;
	void *mem;

	for (n = 0; n < CHUNKS; n++) {
		chunks[n] = p2pmem_alloc(dev.fd, each, &offset);
		if (chunks[n] < 0)
			die("chunk %d of %llu bytes: %s", n, (unsigned long long)each,
			    strerror(-chunks[n]));
		check_true("alloc: the offset is in the pool",
			   offset >= info.offset && offset + each <= info.offset + info.size &&
				   offset % PAGE == 0);
		seen += offset - info.offset;
	}
	/* Each place once. */
	check_true("alloc: all offsets are different", seen == each * (CHUNKS - 1) * CHUNKS / 2);
	check("alloc: pool exhausted", p2pmem_alloc(dev.fd, PAGE, NULL), -ENOMEM, 0);
	fd = p2pmem_sysfs_allocate(dev.bdf);
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("sysfs: the same pool is exhausted", mem == MAP_FAILED ? -errno : 0, -ENOMEM, 0);
	/* Every second one: there is room, but not in one piece. */
	for (n = 0; n < CHUNKS; n += 2)
		close(chunks[n]);
	check("alloc: pool in pieces", p2pmem_alloc(dev.fd, 2 * each, NULL), -ENOMEM, before / 2);
	for (n = 1; n < CHUNKS; n += 2)
		close(chunks[n]);
	/* And the other way round. */
	mem = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("sysfs: the whole pool", mem == MAP_FAILED ? -errno : 0, 0, 0);
	check("alloc: exhausted by sysfs", p2pmem_alloc(dev.fd, PAGE, NULL), -ENOMEM, 0);
	munmap(mem, info.size);
	close(fd);
	check("sysfs: given back", 0, 0, before);
}

/* ---- mmap */

struct map_case {
	const char *what;
	size_t length;
	off_t offset;
	int prot;
	int flags;
	int want;
};

static const struct map_case map_cases[] = {
	{ "mmap: all of it", CHUNK, 0, PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
	{ "mmap: MAP_SHARED_VALIDATE", CHUNK, 0, PROT_READ, MAP_SHARED_VALIDATE, 0 },
	{ "mmap: populated", CHUNK, 0, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 0 },
	{ "mmap: the last page", PAGE, CHUNK - PAGE, PROT_READ, MAP_SHARED, 0 },
	{ "mmap: no access", CHUNK, 0, PROT_NONE, MAP_SHARED, 0 },
	{ "mmap: private", CHUNK, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE, -EINVAL },
	{ "mmap: private, read-only", CHUNK, 0, PROT_READ, MAP_PRIVATE, -EINVAL },
	{ "mmap: executable", CHUNK, 0, PROT_READ | PROT_EXEC, MAP_SHARED, -EPERM },
	{ "mmap: length 0", 0, 0, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: a page too long", CHUNK + PAGE, 0, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: behind the end", PAGE, CHUNK, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: across the end", 2 * PAGE, CHUNK - PAGE, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: offset not of a page", PAGE, 512, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: offset of the BAR instead of the chunk", PAGE, 2ll << 40, PROT_READ, MAP_SHARED,
	  -EINVAL },
	{ "mmap: the largest offset", PAGE, 0x7ffffffffffff000, PROT_READ, MAP_SHARED, -EINVAL },
	{ "mmap: MAP_SYNC", CHUNK, 0, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, -EOPNOTSUPP },
};

static void test_mmap(void)
{
	int chunk = p2pmem_alloc(dev.fd, CHUNK, NULL);
	uint64_t before = available();
	char *mem, *more;

	for (size_t i = 0; i < sizeof(map_cases) / sizeof(map_cases[0]); i++) {
		const struct map_case *c = &map_cases[i];
		int rc = 0;

		mem = mmap(NULL, c->length, c->prot, c->flags, chunk, c->offset);
		if (mem == MAP_FAILED)
			rc = -errno;
		/* The largest offset overflows in the kernel's own check, or is refused by ours. */
		if (rc == -EOVERFLOW)
			rc = -EINVAL;
		check(c->what, rc, c->want, before);
		if (!rc)
			munmap(mem, c->length);
	}

	mem = mmap(NULL, CHUNK / 2, PROT_READ | PROT_WRITE, MAP_SHARED, chunk, 0);
	if (mem == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	devmem_fill(mem, CHUNK / 2, 7);
	more = mremap(mem, CHUNK / 2, CHUNK, MREMAP_MAYMOVE);
	check("mremap: growth", more == MAP_FAILED ? -errno : 0, -EFAULT, before);
	more = mremap(mem, CHUNK / 2, CHUNK / 2 + PAGE, 0);
	check("mremap: growth in place", more == MAP_FAILED ? -errno : 0, -EFAULT, before);
	more = mremap(mem, 0, CHUNK, MREMAP_MAYMOVE);
	check_true("mremap: a longer copy", more == MAP_FAILED);
	check("mprotect: executable", mprotect(mem, PAGE, PROT_READ | PROT_EXEC) ? -errno : 0,
	      -EACCES, before);
	more = mmap(NULL, CHUNK / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mem = mremap(mem, CHUNK / 2, CHUNK / 2, MREMAP_MAYMOVE | MREMAP_FIXED, more);
	check("mremap: to another place", mem == MAP_FAILED ? -errno : 0, 0, before);
	check_true("mremap: same data there", devmem_check(mem, CHUNK / 2, 7) == -1);
	check("madvise: DONTNEED", madvise(mem, CHUNK / 2, MADV_DONTNEED) ? -errno : 0, 0, before);
	check_true("madvise: same data", devmem_check(mem, CHUNK / 2, 7) == -1);
	check_true("madvise: no REMOVE", madvise(mem, CHUNK / 2, MADV_REMOVE));
	close(chunk);
	check("close: the mapping keeps the chunk", 0, 0, before);
	check_true("close: same data", devmem_check(mem, CHUNK / 2, 7) == -1);
	munmap(mem, CHUNK / 2);
	check("munmap: given back", 0, 0, before + CHUNK);
}

/* Whatever pins for longer than an I/O must not get these pages. */
static void test_long_term(void)
{
	struct iommu_ioas_map map = { .size = sizeof(map),
				      .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
				      .length = CHUNK };
	int chunk = p2pmem_alloc(dev.fd, CHUNK, NULL), rc;
	uint64_t before = available();
	void *mem = p2pmem_map(chunk, CHUNK);

	if (p2pmem_ioas_alloc(&dev, &map.ioas_id) || p2pmem_attach(&dev, map.ioas_id))
		die("no IO address space: %s", strerror(errno));
	map.user_va = (uint64_t)(uintptr_t)mem;
	rc = ioctl(dev.iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
	printf("IOMMU_IOAS_MAP of a chunk: %s\n", name_of(rc));
	check_true("IOMMU_IOAS_MAP: refused", rc == -EFAULT || rc == -EREMOTEIO || rc == -EINVAL);
	munmap(mem, CHUNK);
	close(chunk);
	check("IOMMU_IOAS_MAP: nothing pinned", 0, 0, before + CHUNK);
}

/* ---- a 32-bit caller: int 0x80 takes the kernel's compat entry from a 64-bit program too */

static int call32(int nr, uint32_t a, uint32_t b, uint32_t c)
{
	int rc;

	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return rc;
}

static void test_compat(void)
{
	enum { IOCTL32 = 54, CLOSE32 = 6 };
	struct {
		struct vfio_device_feature head;
		union {
			struct peerlane_vfio_p2pmem_alloc req;
			struct peerlane_vfio_p2pmem_info info;
		};
	} *arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		      -1, 0);
	uint64_t before = available();
	uint32_t at = (uint32_t)(uintptr_t)arg;
	int chunk;

	if (arg == MAP_FAILED)
		die("no memory below 2 GiB");
	arg->head.argsz = HEAD + ISIZE;
	arg->head.flags = GET | INFO;
	check("32-bit: info", call32(IOCTL32, (uint32_t)dev.fd, VFIO_DEVICE_FEATURE, at), 0,
	      before);
	check_true("32-bit: same info", !memcmp(&arg->info, &info, sizeof(info)));

	arg->head.argsz = HEAD + ASIZE;
	arg->head.flags = GET | ALLOC;
	memset(&arg->req, 0, sizeof(arg->req));
	arg->req.size = CHUNK;
	chunk = call32(IOCTL32, (uint32_t)dev.fd, VFIO_DEVICE_FEATURE, at);
	check("32-bit: alloc", chunk < 0 ? chunk : 0, 0, before - CHUNK);
	check_true("32-bit: the offset is in the pool",
		   arg->req.offset >= info.offset &&
			   arg->req.offset + CHUNK <= info.offset + info.size);
	if (chunk >= 0)
		check("32-bit: close", call32(CLOSE32, (uint32_t)chunk, 0, 0), 0, before);
	arg->req.offset = 0;
	arg->req.reserved = 1;
	check("32-bit: reserved", call32(IOCTL32, (uint32_t)dev.fd, VFIO_DEVICE_FEATURE, at),
	      -EINVAL, before);
	arg->head.argsz = HEAD + ASIZE - 1;
	check("32-bit: argsz", call32(IOCTL32, (uint32_t)dev.fd, VFIO_DEVICE_FEATURE, at), -EINVAL,
	      before);
	munmap(arg, PAGE);
}

/* ---- other devices and states */

static void test_plain(void)
{
	uint64_t before = available();
	uint64_t payload[16] = { 0 };

	check("vfio-pci: info",
	      p2pmem_feature(plain.fd, HEAD + ISIZE, GET | INFO, payload, sizeof(payload)), -ENOTTY,
	      before);
	check("vfio-pci: alloc", p2pmem_alloc(plain.fd, PAGE, NULL), -ENOTTY, before);
}

static uint64_t region_offset(uint32_t index)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = index };

	if (ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		die("no region %u: %s", index, strerror(errno));
	return region.offset;
}

/* Memory decoding off and on again by the owner of the device, a reset, a second opening. */
static void test_states(void)
{
	off_t command = (off_t)region_offset(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
	int chunk = p2pmem_alloc(dev.fd, CHUNK, NULL), fd;
	uint64_t before = available();
	char *mem = p2pmem_map(chunk, CHUNK);
	uint16_t old, off;

	devmem_fill(mem, CHUNK, 11);
	if (pread(dev.fd, &old, 2, command) != 2)
		die("no configuration space");
	off = old & (uint16_t)~2u;
	if (pwrite(dev.fd, &off, 2, command) != 2)
		die("COMMAND cannot be written");
	check("memory decoding off: alloc", p2pmem_alloc(dev.fd, PAGE, NULL), -EIO, before);
	check_true("memory decoding off: read raises SIGBUS", raises_sigbus(mem, 0));
	check_true("memory decoding off: write raises SIGBUS", raises_sigbus(mem + PAGE, 1));
	fd = open("/dev/zero", O_RDONLY);
	check("memory decoding off: a system call", read(fd, mem, PAGE) < 0 ? -errno : 0, -EFAULT,
	      before);
	close(fd);
	if (pwrite(dev.fd, &old, 2, command) != 2)
		die("COMMAND cannot be written");
	check_true("memory decoding on: same data", devmem_check(mem, CHUNK, 11) == -1);
	check("reset", ioctl(dev.fd, VFIO_DEVICE_RESET) ? -errno : 0, 0, before);
	check_true("reset: the mapping works", !raises_sigbus(mem, 0) && !raises_sigbus(mem, 1));
	fd = p2pmem_alloc(dev.fd, CHUNK, NULL);
	check("reset: alloc", fd < 0 ? fd : 0, 0, before - CHUNK);
	close(fd);

	/* The last user goes and the first one comes: the function is reset each time. */
	p2pmem_close(&dev);
	check_true("no user of vfio: the mapping works", !raises_sigbus(mem, 1));
	devmem_fill(mem, CHUNK, 12);
	check_true("no user of vfio: data", devmem_check(mem, CHUNK, 12) == -1);
	check("open again", p2pmem_open(&dev, dev.bdf), 0, before);
	check_true("open again: the mapping works", !raises_sigbus(mem, 1));
	check("open again: info", p2pmem_info(dev.fd, &info), 0, before);
	check_true("open again: the chunk is counted", info.allocated == CHUNK);
	munmap(mem, CHUNK);
	close(chunk);
	check("open again: given back", 0, 0, before + CHUNK);
}

/* Unbound while the device is open: vfio waits for us, and meanwhile nothing new is given out. */
static void test_dying(void)
{
	int chunk = p2pmem_alloc(dev.fd, CHUNK, NULL), status, fd;
	char *mem = p2pmem_map(chunk, CHUNK), path[300];
	uint64_t before = available();
	double deadline;
	pid_t pid;

	devmem_fill(mem, CHUNK, 13);
	pid = fork();
	if (pid == 0) {
		/* The parent's descriptors are its own business. */
		close(dev.fd);
		close(dev.iommufd);
		close(chunk);
		munmap(mem, CHUNK);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", dev.bdf);
		_exit(write_file(path, dev.bdf) ? 1 : 0);
	}
	deadline = now() + 20;
	while (p2pmem_info(dev.fd, &info) != -ENODEV)
		if (now() > deadline)
			die("the device does not say that it is going");
	check("dying: info", p2pmem_info(dev.fd, &info), -ENODEV, before);
	check("dying: alloc", p2pmem_alloc(dev.fd, PAGE, NULL), -ENODEV, before);
	check_true("dying: mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, chunk, 0) == MAP_FAILED &&
					  errno == ENODEV);
	check_true("dying: a mapping from before still works", devmem_check(mem, CHUNK, 13) == -1);
	p2pmem_close(&dev);
	if (waitpid(pid, &status, 0) != pid || status)
		die("unbinding failed");
	check_true("dead: read raises SIGBUS", raises_sigbus(mem, 0));
	check_true("dead: write raises SIGBUS", raises_sigbus(mem, 1));
	check_true("dead: mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, chunk, 0) == MAP_FAILED &&
					 errno == ENODEV);
	fd = open("/dev/zero", O_RDONLY);
	check_true("dead: a system call", read(fd, mem, PAGE) == -1 && errno == EFAULT);
	close(fd);
	munmap(mem, CHUNK);
	close(chunk);
}

int main(int argc, char **argv)
{
	int err;

	if (argc != 3)
		die("usage: p2pmem_errno BDF PLAIN");
	err = p2pmem_open(&dev, argv[1]);
	if (err)
		die("%s: %s", argv[1], strerror(-err));
	err = p2pmem_open(&plain, argv[2]);
	if (err)
		die("%s: %s", argv[2], strerror(-err));
	test_info();
	test_features();
	test_addresses();
	test_descriptors();
	test_exhausted();
	test_mmap();
	test_long_term();
	test_compat();
	test_plain();
	test_states();
	test_dying();
	p2pmem_close(&plain);
	if (failures)
		die("%d of %d checks failed", failures, checks);
	printf("%d checks\n", checks);
	return 0;
}
