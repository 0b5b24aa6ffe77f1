/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting and ending a process: what is refused before anything starts, every step of init failing
 * once, and what is left behind. librte_eal starts once per process, so each start is a child's.
 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>

#include <peerlane/pl_copy.h>

#include "pci_sysfs.h"
#include "pl_inject.h"
#include "pl_subsystem.h"
#include "tree.h"

/* Exit codes of the children; a message on stderr says more. */
enum { OK, FAILED, NOT_FIRED };

#define CHILD_CHECK(condition)                                                              \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, \
				pl_errmsg());                                               \
			return FAILED;                                                      \
		}                                                                           \
	} while (0)

#ifdef __SANITIZE_ADDRESS__
#define ASAN true /* its shadow takes more than any limit */
#else
#define ASAN false
#endif
#define MAX_ARGS 24

struct line {
	const char *const *vdevs;
	unsigned int nb_vdevs;
	const char *extra; /* one more argument, or NULL */
	unsigned int nth;  /* step to fail */
	int err;           /* what init must return */
	const char *part;  /* of its message */
};

static const char *const two_devices[] = {
	"nvme_emu0,size=1M,cmb=256K,pmr=64K,ns=2",
	"nvme_emu1,size=1M,bs=4K",
};

static int init(const struct line *line)
{
	static char program[] = "test", l[] = "-l", vdev[] = "--vdev", no_huge[] = "--no-huge";
	static char m[] = "-m", mib[] = "24"; /* little to fault in: there are many starts */
	char *argv[MAX_ARGS], cores[16];
	unsigned int cpu;
	int argc = 0;

	fixture_cpus(&cpu, 1);
	snprintf(cores, sizeof(cores), "%u", cpu);
	argv[argc++] = program;
	argv[argc++] = l;
	argv[argc++] = cores;
	argv[argc++] = m;
	argv[argc++] = mib;
	if (getenv("PL_TEST_NO_HUGE"))
		argv[argc++] = no_huge;
	for (unsigned int i = 0; i < line->nb_vdevs; i++) {
		argv[argc++] = vdev;
		argv[argc++] = (char *)(uintptr_t)line->vdevs[i];
	}
	if (line->extra)
		argv[argc++] = (char *)(uintptr_t)line->extra;
	argv[argc] = NULL;
	return pl_eal_init(argc, argv);
}

/* Open descriptors and threads, as names in a directory. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Mappings of the emulated devices' memory, and whatever else is named after one. */
static int device_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char text[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(text, sizeof(text), f))
		n += strstr(text, "memfd:nvme_emu") != NULL;
	fclose(f);
	return n;
}

/* Descriptors that belong to a device, whatever librte_eal itself keeps open. */
static int device_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		char path[64], to[256];
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, to, sizeof(to) - 1);
		if (len < 0)
			continue;
		to[len] = '\0';
		n += strstr(to, "nvme_emu") != NULL;
	}
	return n;
}

/* Nothing of ours is left. librte_eal keeps a thread or two and some descriptors of its own, which
 * it does not give back; a device's would be named after it. */
static int nothing_left(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	CHILD_CHECK(device_mappings() == 0);
	CHILD_CHECK(device_fds() == 0);
	CHILD_CHECK(pl_ioas_default() == NULL);
	CHILD_CHECK(pl_ioas_next(NULL) == NULL);
	CHILD_CHECK(pl_nvme_ctrlr_next(NULL) == NULL);
	CHILD_CHECK(pl_eal_conf() == NULL);
	CHILD_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		CHILD_CHECK(fgets(comm, sizeof(comm), f));
		fclose(f);
		CHILD_CHECK(strncmp(comm, "nvme_emu", 8) != 0);
	}
	closedir(dir);
	return OK;
}

static int refused_child(void *arg)
{
	const struct line *line = arg;
	int fds = entries("/proc/self/fd"), tasks = entries("/proc/self/task");
	int rc = init(line);

	if (rc != line->err || !strstr(pl_errmsg(), line->part) || strchr(pl_errmsg(), '\n'))
		fprintf(stderr, "%d: %s\n", rc, pl_errmsg());
	CHILD_CHECK(rc == line->err);
	CHILD_CHECK(strstr(pl_errmsg(), line->part));
	CHILD_CHECK(!strchr(pl_errmsg(), '\n'));
	/* Refused before anything started: not even librte_eal did. */
	CHILD_CHECK(entries("/proc/self/fd") == fds);
	CHILD_CHECK(entries("/proc/self/task") == tasks);
	return nothing_left();
}

static void refused(const char *vdev, const char *extra, int err, const char *part)
{
	struct line line = {
		.vdevs = &vdev,
		.nb_vdevs = vdev != NULL,
		.extra = extra,
		.err = err,
		.part = part,
	};

	assert_int_equal(fixture_in_child(refused_child, &line), OK);
}

static void test_refused(void **state)
{
	(void)state;
	refused("nvme0,size=1M", NULL, -EINVAL, "'nvme0'");
	refused("nvme_emu", NULL, -EINVAL, "'nvme_emu'");
	refused("nvme_emux", NULL, -EINVAL, "nvme_emuN");
	refused("nvme_emu0", NULL, -EINVAL, "size=");
	refused("nvme_emu0,size=1M,frobnicate=1", NULL, -EINVAL, "'frobnicate'");
	refused("nvme_emu0,size=1M,bs=513", NULL, -EINVAL, "bs=513");
	refused("nvme_emu0,path=/nonexistent/file", NULL, -EINVAL, "/nonexistent/file");
	refused("nvme_emu0,size=1M", "--iommu=frobnicate", -EINVAL, "frobnicate");
	refused("nvme_emu0,size=1M", "--iommu=soft,aw=40", -EINVAL, "aw=40");
	refused("nvme_emu0,size=1M", "--iommu=", -EINVAL, "--iommu");
	refused(NULL, "--frobnicate", -EINVAL, "'--frobnicate'");
}

/* More than the process may have is refused, not found out by who ends it. The limit on its address
 * space is there so that the kernel need not, should this fail. */
static int too_much_child(void *arg)
{
	struct line line = { .vdevs = two_devices,
			     .nb_vdevs = 1,
			     .extra = arg,
			     .err = -EINVAL,
			     .part = "MiB are available" };
	struct rlimit limit = { .rlim_cur = 1ul << 40, .rlim_max = 1ul << 40 };

	if (!ASAN)
		CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	return refused_child(&line);
}

static void test_more_memory_than_there_is(void **state)
{
	static char most[] = "-m16777216";

	(void)state;
	assert_int_equal(fixture_in_child(too_much_child, most), OK);
}

/* Before a driver is spoken of: where no IOMMU is, none takes the controller. */
static void test_refused_without_iommu(void **state)
{
	static char root[PATH_MAX];
	const char *machine = pci_sysfs_root;

	(void)state;
	snprintf(root, sizeof(root), "%s/sys/bus/pci/devices", tree_new());
	pci_sysfs_root = root;
	tree_pci("0000:01:00.0", "010802", NULL, NULL);
	tree_pci("0000:02:00.0", "010802", "vfio-pci", "0");
	tree_file("/sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
	tree_pci("0000:03:00.0", "010802", "nvme", "1");
	refused(NULL, "-a0000:01:00.0", -ENOTSUP, "0000:01:00.0 is in no IOMMU group");
	refused(NULL, "-a0000:02:00.0", -ENOTSUP, "0000:02:00.0 is in vfio's no-IOMMU mode");
	refused(NULL, "-a0000:03:00.0", -EBUSY, "bound to nvme");
	pci_sysfs_root = machine;
	tree_remove();
}

/* ---- a good life ---- */

/* I/O on both devices, so that every part of them is in use. */
static int use_devices(void)
{
	struct pl_copy_opts opts = { .opts_size = sizeof(opts), .verify = true };
	struct pl_nvme_ctrlr *a = pl_nvme_ctrlr_get("nvme_emu0"),
			     *b = pl_nvme_ctrlr_get("nvme_emu1");
	struct pl_nvme_ns *src, *dst;
	struct pl_copy *job;
	int rc;

	CHILD_CHECK(a && b);
	src = pl_nvme_ns_get(b, 1);
	dst = pl_nvme_ns_get(a, 2);
	CHILD_CHECK(src && dst);
	opts.src = pl_copy_ns_target(src, 0, 256);
	opts.dst = pl_copy_ns_target(dst, 0, 0);
	opts.chunk = 16384;
	opts.depth = 2;
	CHILD_CHECK(pl_copy_create(&opts, &job) == 0);
	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	CHILD_CHECK(rc == 0);
	pl_copy_destroy(job);
	return OK;
}

static int whole_life(void *arg)
{
	struct line line = { .vdevs = two_devices, .nb_vdevs = 2 };
	int consumed;

	(void)arg;
	CHILD_CHECK(pl_eal_conf() == NULL);
	pl_eal_cleanup(); /* before any init: nothing happens */
	consumed = init(&line);
	CHILD_CHECK(consumed >= 8);
	CHILD_CHECK(pl_eal_conf() != NULL && pl_eal_conf()->nb_vdevs == 2);
	CHILD_CHECK(strcmp(pl_ioas_backend(pl_ioas_default()), "soft") == 0);
	CHILD_CHECK(pl_ioas_get("emulated") == pl_ioas_default());
	CHILD_CHECK(pl_ioas_get("emulated") == pl_ioas_next(NULL) && !pl_ioas_get("pci"));
	CHILD_CHECK(rte_eal_iova_mode() == RTE_IOVA_VA);
	CHILD_CHECK(device_mappings() > 0);
	CHILD_CHECK(use_devices() == OK);
	CHILD_CHECK(init(&line) == -EEXIST); /* twice; the first goes on */
	CHILD_CHECK(use_devices() == OK);
	pl_eal_cleanup();
	CHILD_CHECK(nothing_left() == OK);
	pl_eal_cleanup();
	/* librte_eal starts once: said in a message, not by a crash. */
	CHILD_CHECK(init(&line) < 0);
	return nothing_left();
}

static void test_whole_life(void **state)
{
	(void)state;
	assert_int_equal(fixture_in_child(whole_life, NULL), OK);
}

/* argv after init: the program's name, then its own arguments. */
static int argv_child(void *arg)
{
	char prog[] = "prog", no_huge[] = "--no-huge", m[] = "-m16", end[] = "--", own[] = "-x";
	char val[] = "7", *argv[] = { prog, no_huge, m, end, own, val, NULL };
	int n = pl_eal_init(6, argv);

	(void)arg;
	CHILD_CHECK(n == 3);
	CHILD_CHECK(argv[n] == prog && argv[n + 1] == own && argv[n + 2] == val);
	pl_eal_cleanup();
	return OK;
}

static void test_argv(void **state)
{
	(void)state;
	assert_int_equal(fixture_in_child(argv_child, NULL), OK);
}

/* ---- a careless end ---- */

/* Queue pairs with ops in flight, a job, device memory, a registration: all still there. */
static int leave_everything(void *arg)
{
	struct line line = { .vdevs = two_devices, .nb_vdevs = 2 };
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts),
					   .sq_in_cmb = 1,
					   .prp_in_cmb = 1,
					   .depth = 16,
					   .max_xfer = 8192 };
	static struct pl_nvme_op op[15];
	struct pl_nvme_op *ops[15];
	struct pl_nvme_ctrlr *a, *b;
	struct pl_nvme_qpair *qp;
	uint8_t *buf;
	void *page;

	(void)arg;
	CHILD_CHECK(init(&line) > 0);
	a = pl_nvme_ctrlr_get("nvme_emu0");
	b = pl_nvme_ctrlr_get("nvme_emu1");
	buf = pl_mem_zalloc(15 * 4096, -1);
	CHILD_CHECK(a && b && buf);
	CHILD_CHECK(pl_nvme_qpair_create(b, NULL, &qp) == 0);
	CHILD_CHECK(pl_nvme_qpair_create(a, &opts, &qp) == 0);
	CHILD_CHECK(pl_p2p_alloc(pl_nvme_ctrlr_heap(a, PL_MEM_PMR), 4096, 0, &page) == 0);
	for (int i = 0; i < 15; i++) {
		ops[i] = &op[i];
		pl_nvme_op_read(ops[i], pl_nvme_ns_get(a, 1), buf + i * 4096, 0, 8);
	}
	CHILD_CHECK(pl_nvme_submit(qp, ops, 15) == 15);
	pl_eal_cleanup();
	return nothing_left();
}

static void test_cleanup_with_everything_left(void **state)
{
	(void)state;
	assert_int_equal(fixture_in_child(leave_everything, NULL), OK);
}

/* A device that was unplugged, or died, with queue pairs in host memory and in its CMB. */
static int end_with(void *arg)
{
	const enum nvme_emu_fault *fault = arg;
	struct line line = { .vdevs = two_devices, .nb_vdevs = 2 };
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts), .depth = 16, .sq_in_cmb = 1 };
	struct pl_nvme_qpair *qp[2];

	CHILD_CHECK(init(&line) > 0);
	CHILD_CHECK(pl_nvme_qpair_create(pl_nvme_ctrlr_get("nvme_emu0"), &opts, &qp[0]) == 0);
	CHILD_CHECK(pl_nvme_qpair_create(pl_nvme_ctrlr_get("nvme_emu0"), NULL, &qp[1]) == 0);
	nvme_emu_inject(func_of("nvme_emu0"), &(struct nvme_emu_inject){ .fault = *fault });
	CHILD_CHECK(pl_nvme_ctrlr_poll_events(pl_nvme_ctrlr_get("nvme_emu0")) == -ENODEV);
	pl_nvme_qpair_destroy(qp[0]);
	pl_eal_cleanup();
	return nothing_left();
}

static void test_cleanup_of_dead_devices(void **state)
{
	enum nvme_emu_fault faults[] = { NVME_EMU_FAULT_GONE, NVME_EMU_FAULT_CFS };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(faults); i++)
		assert_int_equal(fixture_in_child(end_with, &faults[i]), OK);
}

/* ---- every step fails once ---- */

static int fail_nth(void *arg)
{
	const struct line *line = arg;
	int rc;

	pl_inject_arm(line->nth);
	rc = init(line);
	if (!pl_inject_fired()) {
		CHILD_CHECK(rc > 0);
		pl_eal_cleanup();
		CHILD_CHECK(nothing_left() == OK);
		return NOT_FIRED;
	}
	pl_inject_arm(0);
	/* A step that something else stands in for does not fail the start. */
	if (rc > 0) {
		CHILD_CHECK(use_devices() == OK);
		pl_eal_cleanup();
		return nothing_left();
	}
	CHILD_CHECK(rc == -ENOMEM);
	CHILD_CHECK(pl_errmsg()[0] != '\0' && !strchr(pl_errmsg(), '\n'));
	return nothing_left();
}

static void test_every_step_fails(void **state)
{
	struct line line = { .vdevs = two_devices, .nb_vdevs = 2, .extra = "--no-huge" };
	int code;

	(void)state;
	if (getenv("PL_TEST_NO_HUGE"))
		line.extra = NULL; /* it is there already */
	for (line.nth = 1;; line.nth++) {
		code = fixture_in_child(fail_nth, &line);
		if (code == NOT_FIRED)
			break;
		if (code != OK)
			fail_msg("step %u: %d", line.nth, code);
	}
	print_message("%u steps\n", line.nth - 1);
	assert_true(line.nth > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_more_memory_than_there_is),
		cmocka_unit_test(test_refused_without_iommu),
		cmocka_unit_test(test_whole_life),
		cmocka_unit_test(test_argv),
		cmocka_unit_test(test_cleanup_with_everything_left),
		cmocka_unit_test(test_cleanup_of_dead_devices),
		cmocka_unit_test(test_every_step_fails),
	};

	return cmocka_run_group_tests_name("eal_init", tests, NULL, NULL);
}
