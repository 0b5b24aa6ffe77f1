/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address spaces of the kernel's on a kernel that is played: which calls are made for which device,
 * in which order of preference, what is read of the aperture, and that every descriptor is closed
 * again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/pl_eal.h>

#include "iommu_backend.h"
#include "iommufd/iommufd_uapi.h"
#include "pci_sysfs.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "pl_subsystem.h"
#include "tree.h"
#include "vfio_cap.h"
#include "vfio_dev.h"
#include "vfio_uapi.h"

#define BASE   (1ull << 33)
#define STEP   0x10000u
#define RANGES 100u

#define BAR_AT  4096
#define BAR_LEN 16384

/* Two functions of one group, and one of another. */
static char bdfs[3][PCI_BDF_LEN] = { "0000:01:00.0", "0000:01:00.1", "0000:02:00.0" };
static char no_args[] = "";

static struct {
	bool no_iommufd, no_container, dma_bufs, wide;
	void (*at_map)(void);
	unsigned int maps;
	int bind_errno, group_errno;
	unsigned int group_opens, cdev_opens, enters, types, binds, aperture_calls;
} kernel;

/* ---- the kernel ---- */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_eventfd(unsigned int count, int flags);

/* A device's descriptor reads as its configuration space, and behind it as a BAR that is all ones.
 */
static int node(void)
{
	int fd = memfd_create("node", MFD_CLOEXEC);
	static uint8_t ones[BAR_LEN];

	memset(ones, 0xff, sizeof(ones));
	if (fd < 0 || ftruncate(fd, BAR_AT) || pwrite(fd, ones, BAR_LEN, BAR_AT) != BAR_LEN)
		return -1;
	return fd;
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	if (strcmp(path, "/dev/iommu") == 0)
		return kernel.no_iommufd ? refuse(ENOENT) : node();
	if (strcmp(path, "/dev/vfio/vfio") == 0)
		return kernel.no_container ? refuse(ENOENT) : node();
	if (strncmp(path, "/dev/vfio/devices/", 18) == 0) {
		kernel.cdev_opens++;
		return node();
	}
	if (strncmp(path, "/dev/vfio/", 10) == 0) {
		kernel.group_opens++;
		return kernel.group_errno ? refuse(kernel.group_errno) : node();
	}
	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return __real_open64(path, flags, mode);
}

/* Nobody asks for a device back. */
int __wrap_eventfd(unsigned int count, int flags)
{
	(void)count;
	(void)flags;
	return refuse(EMFILE);
}

static int iova_ranges(struct iommu_ioas_iova_ranges *query)
{
	struct iommu_iova_range *r = (void *)(uintptr_t)query->allowed_iovas;
	uint32_t room = query->num_iovas;

	kernel.aperture_calls++;
	if (kernel.wide) {
		r[0] = (struct iommu_iova_range){ 0x1000, (1ull << 48) - 1 };
		query->num_iovas = 1;
		return 0;
	}
	for (uint32_t i = 0; i < RANGES && i < room; i++)
		r[i] = (struct iommu_iova_range){ BASE + i * STEP, BASE + i * STEP + 0xfff };
	query->num_iovas = RANGES;
	return room < RANGES ? refuse(EMSGSIZE) : 0;
}

/* The ranges come behind another capability. */
static int container_info(struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_dma_avail *first = (void *)(info + 1);
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)(first + 2);
	uint32_t at = (uint32_t)((char *)cap - (char *)info);
	uint32_t need = at + (uint32_t)(sizeof(*cap) + RANGES * sizeof(cap->iova_ranges[0]));
	bool room = info->argsz >= need;

	kernel.aperture_calls++;
	info->flags = VFIO_IOMMU_INFO_CAPS;
	info->cap_offset = 0;
	if (!room) {
		info->argsz = need;
		return 0;
	}
	info->cap_offset = sizeof(*info);
	first->header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
	first->header.next = at;
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.next = 0;
	cap->nr_iovas = RANGES;
	for (uint32_t i = 0; i < RANGES; i++) {
		cap->iova_ranges[i].start = BASE + i * STEP;
		cap->iova_ranges[i].end = BASE + i * STEP + 0xfff;
	}
	return 0;
}

static int of_device(unsigned long request, void *arg)
{
	struct vfio_region_info *info = arg;

	switch (request) {
	case VFIO_DEVICE_GET_REGION_INFO:
		info->offset = info->index == VFIO_PCI_CONFIG_REGION_INDEX ? 0 : BAR_AT;
		info->size = BAR_LEN;
		info->flags = VFIO_REGION_INFO_FLAG_MMAP;
		return 0;
	case VFIO_DEVICE_FEATURE:
		return kernel.dma_bufs ? 0 : refuse(ENOTTY);
	case VFIO_DEVICE_BIND_IOMMUFD:
		kernel.binds++;
		return kernel.bind_errno ? refuse(kernel.bind_errno) : 0;
	default:
		return 0;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case IOMMU_IOAS_ALLOC:
		((struct iommu_ioas_alloc *)arg)->out_ioas_id = 5;
		return 0;
	case IOMMU_IOAS_IOVA_RANGES:
		return iova_ranges(arg);
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		kernel.enters++;
		return 0;
	case VFIO_SET_IOMMU:
		kernel.types++;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return node();
	case IOMMU_IOAS_MAP:
		kernel.maps++;
		if (kernel.at_map)
			kernel.at_map();
		return 0;
	case IOMMU_IOAS_UNMAP:
		kernel.maps--;
		return 0;
	case VFIO_IOMMU_MAP_DMA:
	case VFIO_IOMMU_UNMAP_DMA:
	case VFIO_DEVICE_SET_IRQS:
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
	case VFIO_DEVICE_FEATURE:
	case VFIO_DEVICE_BIND_IOMMUFD:
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		return of_device(request, arg);
	case VFIO_IOMMU_GET_INFO:
		return container_info(arg);
	default:
		return __real_ioctl(fd, request, arg);
	}
}

/* ---- the tests ---- */

static struct pl_devarg pcis[3];
static const struct pl_eal_conf conf = { .pcis = pcis, .nb_pcis = 3 };

static int fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int start(void **state)
{
	static char root[PATH_MAX];

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.dma_bufs = true;
	snprintf(root, sizeof(root), "%s/sys/bus/pci/devices", tree_new());
	pci_sysfs_root = root;
	for (unsigned int i = 0; i < 3; i++) {
		char cdev[16];

		snprintf(cdev, sizeof(cdev), "vfio%u", i);
		tree_pci(bdfs[i], "010802", "vfio-pci", i < 2 ? "7" : "8");
		tree_cdev(bdfs[i], cdev, 1);
		pcis[i] = (struct pl_devarg){ .name = bdfs[i], .args = no_args };
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

/* What any space of the kernel's is with the three devices in it. */
static void assert_space(struct pl_ioas *ioas, const char *backend)
{
	unsigned int asked = kernel.aperture_calls;
	struct pl_iova_range r[RANGES + 1];
	struct pl_iommu_fault fault;

	assert_string_equal(pl_ioas_backend(ioas), backend);
	for (unsigned int i = 0; i < 3; i++)
		assert_string_equal(ioas_device(ioas, bdfs[i])->bdf, bdfs[i]);
	assert_null(ioas_device(ioas, "0000:03:00.0"));
	assert_int_equal(pl_ioas_aperture(ioas, r, RANGES + 1), RANGES);
	for (unsigned int i = 0; i < RANGES; i++) {
		void *va = (void *)(uintptr_t)r[i].start;

		assert_int_equal(r[i].start, BASE + i * STEP);
		assert_int_equal(r[i].last, BASE + i * STEP + 0xfff);
		assert_int_equal(pl_ioas_map(ioas, va, 4096, PL_IOMMU_READ, PL_MEM_HOST), 0);
		assert_int_equal(pl_ioas_map(ioas, va, 8192, PL_IOMMU_READ, PL_MEM_HOST), -EINVAL);
	}
	assert_int_equal(kernel.aperture_calls, asked);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), -ENOENT);
}

static struct pl_ioas *open_auto(void)
{
	struct pl_ioas *ioas = NULL;

	assert_int_equal(ioas_open_auto(PL_IOAS_PCI, IOAS_CAP_PEER, &conf, &ioas), 0);
	return ioas;
}

static void test_character_devices(void **state)
{
	int before = fds();
	struct pl_ioas *ioas = open_auto();

	(void)state;
	assert_space(ioas, "iommufd");
	assert_int_equal(kernel.binds, 3);
	assert_int_equal(kernel.group_opens, 0);
	assert_int_equal(kernel.aperture_calls, 6); /* once for each device, and with room */
	pl_ioas_destroy(ioas);
	assert_int_equal(fds(), before);
}

/* Without peer-to-peer on the first, the second is taken; the devices were closed in between. */
static void test_groups(void **state)
{
	int before = fds();
	struct pl_ioas *ioas;

	(void)state;
	kernel.dma_bufs = false;
	ioas = open_auto();
	assert_space(ioas, "type1");
	assert_int_equal(kernel.cdev_opens, 3);
	assert_int_equal(kernel.group_opens, 2); /* each once */
	assert_int_equal(kernel.enters, 2);
	assert_int_equal(kernel.types, 1);
	assert_int_equal(fds(), before + 1 + 2 + 3);
	pl_ioas_destroy(ioas);
	assert_int_equal(fds(), before);
}

/* No way has peer-to-peer: the first without it is better than none. */
static void test_without_peers(void **state)
{
	int before = fds();
	struct pl_ioas *ioas;

	(void)state;
	kernel.dma_bufs = false;
	kernel.no_container = true;
	ioas = open_auto();
	assert_space(ioas, "iommufd");
	assert_int_equal(kernel.cdev_opens, 6);
	assert_int_equal(ioas_import(ioas, ioas_device(ioas, bdfs[0]), 0, 0, 4096, NULL), -ENOTSUP);
	pl_ioas_destroy(ioas);
	assert_int_equal(fds(), before);
}

static void refused(int rc, const char *part)
{
	struct pl_ioas *ioas = NULL;
	int before = fds();

	assert_int_equal(ioas_open_auto(PL_IOAS_PCI, IOAS_CAP_PEER, &conf, &ioas), rc);
	if (!strstr(pl_errmsg(), part))
		fail_msg("%s", pl_errmsg());
	assert_null(ioas);
	assert_int_equal(fds(), before);
}

static void test_refused(void **state)
{
	(void)state;
	kernel.bind_errno = EBUSY;
	kernel.group_errno = EBUSY;
	refused(-EBUSY, bdfs[0]);
	assert_null(strstr(pl_errmsg(), "iommufd: ")); /* one story, told once */
	kernel.group_errno = EACCES;
	refused(-EACCES, "/dev/vfio/7: permission denied");
	kernel.no_container = true;
	kernel.no_iommufd = true;
	refused(-ENOTSUP, "/dev/iommu");
	assert_non_null(strstr(pl_errmsg(), "; type1: "));
}

/* Whatever fails, nothing stays open. */
static void test_unwinds(void **state)
{
	static const char *const names[] = { "iommufd", "type1" };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		const struct pl_ioas_ops *ops = ioas_backend_find(names[i]);
		struct pl_ioas *ioas = NULL;
		int before = fds(), rc;
		unsigned int n = 1;
		bool fired;

		assert_non_null(ops);
		for (;; n++) {
			pl_inject_arm(n);
			rc = ioas_open(ops, "", &conf, &ioas);
			fired = pl_inject_fired();
			pl_inject_arm(0);
			if (!fired)
				break;
			if (rc == 0) { /* what a device can be without: its order, its eventfd */
				pl_ioas_destroy(ioas);
				ioas = NULL;
			}
			assert_null(ioas);
			assert_int_equal(fds(), before);
		}
		assert_int_equal(rc, 0);
		assert_true(n > 12);
		pl_ioas_destroy(ioas);
		assert_int_equal(fds(), before);
	}
}

/* ---- a process with devices of both families ---- */

static unsigned int shared_maps;

static void look_at_spaces(void)
{
	struct pl_ioas *pci = pl_ioas_get("pci"), *emulated = pl_ioas_get("emulated");

	if (pci && emulated && pl_ioas_next(pci) == emulated && !pl_ioas_next(emulated) &&
	    pl_ioas_of_family(PL_IOAS_PCI) == pci &&
	    pl_ioas_of_family(PL_IOAS_EMULATED) == emulated && pl_ioas_default() != pci &&
	    pl_ioas_default() != emulated && ioas_device(pci, bdfs[0]))
		shared_maps++;
}

/* The PCI controller is gone, so the start fails when everything below it stands. 0: as expected.
 */
static int both_families(void)
{
	char args[][32] = { "test", "--no-huge", "-m64", "-a0000:01:00.0",
			    "--vdev=nvme_emu0,size=1M" };
	char *argv[6] = { args[0], args[1], args[2], args[3], args[4], NULL };
	int rc;

	kernel.wide = true;
	kernel.at_map = look_at_spaces;
	rc = pl_eal_init(5, argv);
	if (rc == -ENODEV && shared_maps > 0 && kernel.maps == 0 && kernel.binds == 1 &&
	    !pl_ioas_default() && !pl_ioas_next(NULL) && !pl_ioas_of_family(PL_IOAS_PCI))
		return 0;
	fprintf(stderr, "%d (%s), %u maps, %u left, %u bound\n", rc, pl_errmsg(), shared_maps,
		kernel.maps, kernel.binds);
	return 1;
}

static void test_both_families(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(both_families());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- the chain of capabilities behind an answer ---- */

static void test_capabilities(void **state)
{
	static const struct {
		uint32_t argsz, first, next;
		bool found;
	} rows[] = {
		{ 64, 32, 48, true },        { 64, 48, 0, true },
		{ 60, 32, 48, false },                             /* ends before the answer does */
		{ 64, 32, 0, false },                              /* the chain ends */
		{ 64, 0, 48, false },        { 64, 8, 48, false }, /* inside the structure */
		{ 64, 32, 32, false },                             /* a circle */
		{ 64, 32, 16, false },                             /* backwards */
		{ 64, 32, 60, false },                             /* no room for a header */
		{ 64, 32, 1u << 31, false }, { 64, UINT32_MAX, 48, false },
	};
	uint64_t info[8];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vfio_info_cap_header *caps = (void *)&info[4];
		struct vfio_answer answer = { info, 32, rows[i].argsz, rows[i].first };
		const void *cap;
		size_t room = 0;

		memset(info, 0, sizeof(info));
		caps[0] = (struct vfio_info_cap_header){ .id = 1, .next = rows[i].next };
		caps[2] = (struct vfio_info_cap_header){ .id = 2, .next = 32 }; /* a circle */
		((struct vfio_info_cap_header *)info)[1].id = 2; /* no part of any chain */
		cap = vfio_cap_find(&answer, 2, 16, &room);
		if (cap != (rows[i].found ? &info[6] : NULL) || (cap && room != 16))
			fail_msg("row %zu", i);
		assert_null(vfio_cap_find(&answer, 3, 8, &room));
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(test_character_devices),
		TEST(test_groups),
		TEST(test_without_peers),
		TEST(test_refused),
		TEST(test_unwinds),
		TEST(test_both_families),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
