/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two names for one medium: ranges that overlap are refused whatever the ends are called, ranges
 * that do not are copied. What no machine has at hand (partitions, loop and dm devices, namespaces
 * that the kernel drives) is a tree of files in the place of sysfs.
 */
#include "file_dir.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "copy_internal.h"
#include "tree.h"

#define A      "nvme_emu0" /* A and B are controllers of one subsystem and have one file */
#define B      "nvme_emu1"
#define C      "nvme_emu2" /* a file of its own */
#define MEMORY "nvme_emu3"
#define D      "nvme_emu4" /* of that subsystem, with another file */

#define LEN MIB(1)

/* ---- on a tree: what lies below a device ---- */

#define DISK  makedev(8, 0)
#define PART1 makedev(8, 1)   /* 1 MiB at 1 MiB */
#define PART2 makedev(8, 2)   /* 2 MiB behind it */
#define LOOP  makedev(7, 0)   /* on `image`, from byte 8192 on */
#define LOOPP makedev(259, 0) /* its partition, from 4096 on */
#define LV    makedev(253, 0) /* on PART2 and another disk */
#define CRYPT makedev(253, 1) /* on LV */
#define LV2   makedev(253, 2) /* on PART2, beside LV */
#define NVME  makedev(259, 1)
#define NVMEP makedev(259, 2)
#define NAMED makedev(259, 3) /* a namespace that tells nothing but its wwid */
#define BARE  makedev(259, 4) /* nor that */
#define RING  makedev(253, 9) /* a stack without an end */

static struct stat image;

static void device(dev_t dev, const char *dir, const char *size, const char *start)
{
	char path[128], text[160];

	snprintf(path, sizeof(path), "/sys/%s/dev", dir);
	snprintf(text, sizeof(text), "%u:%u\n", major(dev), minor(dev));
	tree_file(path, text);
	snprintf(path, sizeof(path), "/sys/%s/size", dir);
	tree_file(path, size);
	if (start) {
		snprintf(path, sizeof(path), "/sys/%s/partition", dir);
		tree_file(path, "1\n");
		snprintf(path, sizeof(path), "/sys/%s/start", dir);
		tree_file(path, start);
	}
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	snprintf(text, sizeof(text), "../../%s", dir);
	tree_link(path, text);
}

static int setup_tree(void **state)
{
	static char root[PATH_MAX], path[PATH_MAX + 32];

	(void)state;
	snprintf(root, sizeof(root), "%s/sys", tree_new());
	copy_sysfs_root = root;
	device(DISK, "block/sda", "8192\n", NULL);
	device(PART1, "block/sda/sda1", "2048\n", "2048\n");
	device(PART2, "block/sda/sda2", "4096\n", "4096\n");
	device(LOOP, "block/loop0", "1024\n", NULL);
	device(LOOPP, "block/loop0/loop0p1", "512\n", "8\n");
	device(LV, "block/dm-0", "1024\n", NULL);
	device(CRYPT, "block/dm-1", "1000\n", NULL);
	device(LV2, "block/dm-2", "1024\n", NULL);
	device(RING, "block/dm-9", "1024\n", NULL);
	tree_link("/sys/block/dm-0/slaves/sda2", "../../sda/sda2");
	tree_link("/sys/block/dm-1/slaves/dm-0", "../../dm-0");
	tree_link("/sys/block/dm-2/slaves/sda2", "../../sda/sda2");
	tree_link("/sys/block/dm-9/slaves/dm-9", "../../dm-9");
	tree_file("/image", "");
	snprintf(path, sizeof(path), "%.*s/image", (int)(strlen(root) - 4), root);
	assert_int_equal(stat(path, &image), 0);
	tree_file("/sys/block/loop0/loop/backing_file", path);
	tree_file("/sys/block/loop0/loop/offset", "8192\n");
	device(NVME, "block/nvme0n1", "8192\n", NULL);
	device(NVMEP, "block/nvme0n1/nvme0n1p1", "2048\n", "2048\n");
	tree_file("/sys/block/nvme0n1/nsid", "7\n");
	tree_file("/sys/block/nvme0n1/nguid", "00112233-4455-6677-8899-aabbccddeeff\n");
	tree_file("/sys/block/nvme0n1/eui", "01 02 03 04 05 06 07 08\n");
	tree_file("/sys/block/nvme0n1/uuid", "00112233-4455-6677-8899-aabbccddeeff\n");
	tree_file("/sys/block/nvme0n1/device/subsysnqn", "nqn.2026-11.io.peerlane:s\n");
	device(NAMED, "block/nvme1n1", "8192\n", NULL);
	tree_file("/sys/block/nvme1n1/nsid", "1\n");
	tree_file("/sys/block/nvme1n1/wwid", "eui.0102030405060708\n");
	device(BARE, "block/nvme2n1", "8192\n", NULL);
	tree_file("/sys/block/nvme2n1/nsid", "7\n");
	tree_file("/sys/block/nvme2n1/wwid", "nvme.1b36-30-51-00000007\n");
	tree_file("/sys/block/nvme2n1/device/subsysnqn", "nqn.2026-11.io.peerlane:s\n");
	return 0;
}

static int teardown_tree(void **state)
{
	(void)state;
	copy_sysfs_root = "/sys";
	tree_remove();
	return 0;
}

enum how { BLOCK, ON_FS, IMAGE };

struct side {
	enum how how; /* the device itself, a file on its file system, or `image` */
	dev_t dev;
	uint64_t at, len;
};

static void add(struct copy_medium *m, const struct side *s)
{
	struct copy_span span = { s->at, s->len, true };

	switch (s->how) {
	case BLOCK:
		assert_int_equal(copy_medium_add_block(m, s->dev, span), 0);
		break;
	case ON_FS: /* no two of these tests are the same file */
		assert_int_equal(copy_medium_add_file(m, s->dev, (ino_t)(uintptr_t)m, span), 0);
		break;
	case IMAGE:
		assert_int_equal(copy_medium_add_file(m, image.st_dev, image.st_ino, span), 0);
		break;
	}
}

static void test_below(void **state)
{
	const struct {
		struct side a, b;
		enum copy_medium_verdict verdict;
		const char *why;
	} rows[] = {
		/* a disk and its partitions: bytes are compared */
		{ { BLOCK, DISK, 0, 1 }, { BLOCK, DISK, 0, 1 }, COPY_MEDIUM_OVERLAP, "8:0" },
		{ { BLOCK, DISK, 0, MIB(1) }, { BLOCK, PART1, 0, MIB(1) }, COPY_MEDIUM_APART, "" },
		{ { BLOCK, DISK, 0, MIB(1) + 1 },
		  { BLOCK, PART1, 0, 512 },
		  COPY_MEDIUM_OVERLAP,
		  "block device 8:0" },
		{ { BLOCK, DISK, MIB(2), 512 },
		  { BLOCK, PART1, 0, MIB(1) },
		  COPY_MEDIUM_APART,
		  "" },
		{ { BLOCK, DISK, MIB(2) - 1, 512 },
		  { BLOCK, PART1, 0, MIB(1) },
		  COPY_MEDIUM_OVERLAP,
		  "8:0" },
		{ { BLOCK, PART2, 0, MIB(2) }, { BLOCK, PART1, 0, MIB(1) }, COPY_MEDIUM_APART, "" },
		/* a loop device, its file, its partition */
		{ { IMAGE, 0, 8192, 512 }, { BLOCK, LOOP, 0, 512 }, COPY_MEDIUM_OVERLAP, "inode" },
		{ { IMAGE, 0, 0, 8192 }, { BLOCK, LOOP, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { IMAGE, 0, 8192, 4096 }, { BLOCK, LOOPP, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { IMAGE, 0, 8192, 4097 },
		  { BLOCK, LOOPP, 0, 512 },
		  COPY_MEDIUM_OVERLAP,
		  "inode" },
		{ { IMAGE, 0, 16384, 1 }, { ON_FS, LOOP, 0, 1 }, COPY_MEDIUM_UNKNOWN, "inode" },
		/* through a file system or a mapper: somewhere */
		{ { ON_FS, PART1, 0, 512 }, { BLOCK, PART1, 0, 512 }, COPY_MEDIUM_UNKNOWN, "8:1" },
		{ { ON_FS, PART1, 0, 512 },
		  { BLOCK, DISK, MIB(1), 1 },
		  COPY_MEDIUM_UNKNOWN,
		  "8:0" },
		{ { ON_FS, PART1, 0, 512 }, { BLOCK, DISK, 0, MIB(1) }, COPY_MEDIUM_APART, "" },
		{ { ON_FS, PART1, 0, 512 }, { BLOCK, PART2, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { ON_FS, PART1, 0, 512 }, { ON_FS, PART1, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { BLOCK, LV, 0, 512 }, { BLOCK, PART2, 0, 512 }, COPY_MEDIUM_UNKNOWN, "8:2" },
		{ { BLOCK, LV, 0, 512 }, { BLOCK, PART1, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { BLOCK, CRYPT, 0, 512 },
		  { BLOCK, DISK, MIB(3), 1 },
		  COPY_MEDIUM_UNKNOWN,
		  "8:0" },
		{ { BLOCK, CRYPT, 0, 512 }, { BLOCK, LV, 0, 512 }, COPY_MEDIUM_UNKNOWN, "253:0" },
		{ { BLOCK, LV2, 0, 512 }, { BLOCK, LV, 0, 512 }, COPY_MEDIUM_APART, "" },
		{ { ON_FS, CRYPT, 0, 512 }, { BLOCK, PART2, 0, 512 }, COPY_MEDIUM_UNKNOWN, "8:2" },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		for (int swap = 0; swap < 2; swap++) {
			struct copy_medium a = { 0 }, b = { 0 };
			char why[160] = "";
			enum copy_medium_verdict v;

			add(&a, swap ? &rows[i].b : &rows[i].a);
			add(&b, swap ? &rows[i].a : &rows[i].b);
			v = copy_medium_compare(&a, &b, why, sizeof(why));
			if (v != rows[i].verdict ||
			    (v != COPY_MEDIUM_APART && !strstr(why, rows[i].why)))
				fail_msg("row %zu: %d, %s", i, (int)v, why);
			copy_medium_free(&a);
			copy_medium_free(&b);
		}
	}
}

static void test_endless(void **state)
{
	struct copy_medium m = { 0 };

	(void)state;
	assert_int_equal(copy_medium_add_block(&m, RING, (struct copy_span){ 0, 1, true }),
			 -ENOTSUP);
	assert_errmsg("16 devices on top of each other");
	copy_medium_free(&m);
}

/* A namespace that Peerlane drives, beside a disk of the kernel's. */
static enum copy_medium_verdict beside(const struct copy_ns_names *names, uint64_t at, dev_t dev,
				       char why[160])
{
	struct copy_face face = { .kind = COPY_FACE_NAMESPACE, .names = *names };
	struct copy_medium mine = { 0 }, kernels = { 0 };
	enum copy_medium_verdict v;

	face.span = (struct copy_span){ at, 512, true };
	why[0] = '\0';
	assert_int_equal(copy_medium_add_face(&mine, &face), 0);
	assert_int_equal(copy_medium_add_block(&kernels, dev, (struct copy_span){ 0, 512, true }),
			 0);
	v = copy_medium_compare(&mine, &kernels, why, 160);
	copy_medium_free(&mine);
	copy_medium_free(&kernels);
	return v;
}

static void test_kernels_namespace(void **state)
{
	static const struct copy_ns_names
		nguid = { .nsid = 7,
			  .nguid = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
				     0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff } },
		eui64 = { .nsid = 3, .eui64 = { 1, 2, 3, 4, 5, 6, 7, 8 } },
		other = { .nsid = 7,
			  .nguid = { 1 },
			  .shared = true,
			  .subnqn = "nqn.2026-11.io.peerlane:s" },
		nqn = { .nsid = 7, .shared = true, .subnqn = "nqn.2026-11.io.peerlane:s" },
		private = { .nsid = 7, .subnqn = "nqn.2026-11.io.peerlane:s" },
		no_nqn = { .nsid = 7, .shared = true };
	char why[160];

	(void)state;
	assert_int_equal(beside(&nguid, 0, NVME, why), COPY_MEDIUM_OVERLAP);
	assert_string_equal(why, "the namespace with NGUID 00112233445566778899aabbccddeeff");
	assert_int_equal(beside(&nguid, 512, NVME, why), COPY_MEDIUM_APART);
	assert_int_equal(beside(&nguid, 0, NVMEP, why), COPY_MEDIUM_APART);
	assert_int_equal(beside(&nguid, MIB(1), NVMEP, why), COPY_MEDIUM_OVERLAP);
	assert_int_equal(beside(&eui64, 0, NVME, why), COPY_MEDIUM_OVERLAP);
	assert_string_equal(why, "the namespace with EUI64 0102030405060708");
	assert_int_equal(beside(&eui64, 0, NAMED, why), COPY_MEDIUM_OVERLAP);
	assert_int_equal(beside(&other, 0, NVME, why), COPY_MEDIUM_APART);
	assert_int_equal(beside(&nqn, 0, BARE, why), COPY_MEDIUM_OVERLAP);
	assert_non_null(strstr(why, "shared namespace 7 of subsystem nqn.2026-11.io.peerlane:s"));
	assert_int_equal(beside(&private, 0, BARE, why), COPY_MEDIUM_APART);
	assert_int_equal(beside(&no_nqn, 0, BARE, why), COPY_MEDIUM_APART);
}

/* ---- whole: what a copy refuses ---- */

static struct pl_copy_opts opts_of(const char *src, const char *dst)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = pl_copy_ns_target(ns_of(src, 1), 0, KIB(64) / 512),
		.dst = pl_copy_ns_target(ns_of(dst, 1), 0, 0),
		.via = PL_COPY_VIA_HOST,
	};
}

static struct pl_copy_plan accepted(const struct pl_copy_opts *o)
{
	struct pl_copy_plan plan;
	struct pl_copy *job;

	if (pl_copy_create(o, &job))
		fail_msg("%s", pl_errmsg());
	plan = *pl_copy_plan(job);
	pl_copy_destroy(job);
	return plan;
}

static void refused(const struct pl_copy_opts *o, const char *part)
{
	struct pl_copy *job = NULL;
	int rc = pl_copy_create(o, &job);

	pl_copy_destroy(job);
	assert_int_equal(rc, -EINVAL);
	assert_errmsg(part);
}

/* One range of two names is refused, the one behind it is not. */
static void one_medium(struct pl_copy_opts o, const char *part)
{
	refused(&o, part);
	o.dst.offset += KIB(64);
	accepted(&o);
	o.dst.offset -= 4096;
	refused(&o, part);
}

static void test_one_file(void **state)
{
	static const char *const names[] = { "own", "hard", "soft" };
	struct pl_copy_opts o;

	(void)state;
	assert_int_equal(link(file_path("own"), file_path("hard")), 0);
	assert_int_equal(symlink(file_path("own"), file_path("soft")), 0);
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		struct pl_copy_file *f = file_open(names[i], PL_COPY_FILE_WRITE);

		o = opts_of(C, C);
		o.dst = pl_copy_file_target(f, 0, 0);
		one_medium(o, "both are the file with inode");
		o = opts_of(C, C);
		o.src = pl_copy_file_target(f, 0, KIB(64));
		one_medium(o, "overlap on file:");
		pl_copy_file_close(f);
	}
	accepted(&(struct pl_copy_opts){ .opts_size = sizeof(o),
					 .src = pl_copy_ns_target(ns_of(C, 1), 0, LEN / 512),
					 .dst = pl_copy_ns_target(ns_of(MEMORY, 1), 0, 0),
					 .via = PL_COPY_VIA_HOST });
}

/* A controller as others see it: nothing is known of a file. */
static struct nvme_func_ops no_file;
static const struct nvme_func_ops *real;

static void lie(const char *dev, uint8_t cns, size_t offset, size_t len)
{
	inject(dev, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_IDENTIFY,
					       .cns = cns,
					       .offset = (uint32_t)offset,
					       .len = (uint32_t)len });
}

static void nameless(const char *dev)
{
	lie(dev, NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, nguid), 16);
	lie(dev, NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, eui64), 8);
	lie(dev, NVME_CNS_NS_DESCS, 0, 32);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(dev)), 0);
}

static void test_shared_namespace(void **state)
{
	(void)state;
	one_medium(opts_of(A, B), "both are the namespace with NGUID");
	one_medium(opts_of(B, A),
		   "overlap on nvme_emu1 namespace 1, which is the same as nvme_emu0");
	nameless(A);
	nameless(B);
	one_medium(opts_of(A, B), "both are the shared namespace 1 of subsystem nqn.2014-08.org");
	accepted(&(struct pl_copy_opts){ .opts_size = sizeof(struct pl_copy_opts),
					 .src = pl_copy_ns_target(ns_of(A, 1), 0, LEN / 512),
					 .dst = pl_copy_ns_target(ns_of(C, 1), 0, 0),
					 .via = PL_COPY_VIA_HOST });
	lie(A, NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, nmic), 1);
	lie(B, NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, nmic), 1);
	nameless(A);
	nameless(B);
	accepted(&(struct pl_copy_opts){ .opts_size = sizeof(struct pl_copy_opts),
					 .src = pl_copy_ns_target(ns_of(A, 1), 0, LEN / 512),
					 .dst = pl_copy_ns_target(ns_of(B, 1), 0, 0),
					 .via = PL_COPY_VIA_HOST });
}

/* Another namespace under the same NSID, by its names. */
static void test_other_namespace(void **state)
{
	struct pl_copy_opts o = opts_of(A, D);

	(void)state;
	accepted(&o);
}

static void test_warning(void **state)
{
	struct pl_copy_opts o = opts_of(C, A);

	(void)state;
	assert_string_equal(
		accepted(&o).warning,
		"namespace 1 of nvme_emu0 is shared (NMIC): other controllers may write "
		"it while the copy runs");
	o = opts_of(A, C);
	assert_string_equal(accepted(&o).warning, "");
}

static int no_files(void **state)
{
	(void)state;
	real = func_of(A)->ops;
	no_file = *real;
	no_file.backing = NULL;
	func_of(A)->ops = &no_file;
	func_of(B)->ops = &no_file;
	return 0;
}

static int with_files(void **state)
{
	static const char *const devs[] = { A, B };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(devs); i++) {
		func_of(devs[i])->ops = real;
		inject(devs[i], &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(devs[i])), 0);
	}
	return 0;
}

static int setup(void **state)
{
	static char args[5][PATH_MAX + 64];
	static const char *vdevs[5];
	void *zeros = calloc(1, LEN);

	(void)state;
	file_dir_make();
	file_put("shared", zeros, LEN);
	file_put("own", zeros, LEN);
	file_put("more", zeros, LEN);
	free(zeros);
	snprintf(args[0], sizeof(args[0]), A ",path=%s,subsys=s", file_path("shared"));
	snprintf(args[1], sizeof(args[1]), B ",path=%s,subsys=s", file_path("shared"));
	snprintf(args[2], sizeof(args[2]), C ",path=%s", file_path("own"));
	snprintf(args[3], sizeof(args[3]), MEMORY ",size=1M");
	snprintf(args[4], sizeof(args[4]), D ",path=%s,subsys=s", file_path("more"));
	for (size_t i = 0; i < RTE_DIM(args); i++)
		vdevs[i] = args[i];
	return fixture_start(vdevs, RTE_DIM(args), 1);
}

static int teardown(void **state)
{
	int rc = fixture_stop(state);

	file_dir_remove();
	return rc;
}

int main(void)
{
	const struct CMUnitTest on_tree[] = {
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_kernels_namespace),
	};
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(test_one_file),
		cmocka_unit_test_setup_teardown(test_shared_namespace, no_files, with_files),
		cmocka_unit_test(test_other_namespace),
		cmocka_unit_test(test_warning),
	};
	int failed =
		cmocka_run_group_tests_name("copy_medium_tree", on_tree, setup_tree, teardown_tree);

	return failed + cmocka_run_group_tests_name("copy_medium", whole, setup, teardown);
}
