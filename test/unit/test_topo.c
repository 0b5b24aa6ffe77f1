/* SPDX-License-Identifier: BSD-3-Clause */
/* peerlane-topo's list of controllers and its command line, on trees of files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctrlr.h"
#include "lender.h"
#include "options.h"
#include "tree.h"

static struct topo_host host;
static struct topo_list list;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(host_init(&host, tree_new(), &topo_kernel), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	topo_list_free(&list);
	tree_remove();
	return 0;
}

static void read_list(void)
{
	topo_list_free(&list);
	assert_int_equal(topo_list_read(&host, &list), 0);
}

/* What is printed for people; the caller frees it. */
static char *printed(void)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	topo_list_print(&list, f);
	fclose(f);
	return strdup(text);
}

/* Controller nvme0 at 0000:02:00.0 with a 64 MiB CMB at 4 MiB of BAR 2, and one namespace. */
static void kernel_ctrlr(void)
{
	tree_pci("0000:02:00.0", "010802", "nvme", "12");
	tree_file("/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/cmb",
		  "cmbloc : x00400002\ncmbsz  : x0400001d\n");
	tree_file("/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/nvme0n1/size", "2048\n");
	tree_file("/sys/block/nvme0n1/dev", "259:0\n");
	tree_dir("/sys/block/nvme0n1/holders");
	tree_file("/sys/block/nvme0n1/nvme0n1p2/dev", "259:2\n");
	tree_dir("/sys/block/nvme0n1/nvme0n1p2/holders");
}

static void test_groups(void **state)
{
	const struct topo_ctrlr *c;
	const char *vfio, *kernel, *none;
	char *text;

	(void)state;
	read_list();
	text = printed();
	assert_string_equal(text, "No NVMe controllers.\n");
	free(text);

	kernel_ctrlr();
	tree_pci("0000:01:00.0", "010802", "vfio-pci", "11");
	tree_cdev("0000:01:00.0", "vfio5", 1);
	tree_pci("0000:03:00.0", "010802", NULL, NULL);
	read_list();
	assert_int_equal(list.n, 3);
	text = printed();
	vfio = strstr(text, "bound to a vfio driver");
	kernel = strstr(text, "bound to a kernel driver");
	none = strstr(text, "bound to no driver");
	assert_non_null(vfio);
	assert_true(vfio < strstr(text, "0000:01:00.0") && strstr(text, "0000:01:00.0") < kernel);
	assert_true(kernel < strstr(text, "0000:02:00.0") && strstr(text, "0000:02:00.0") < none);
	assert_true(none < strstr(text, "0000:03:00.0"));
	assert_non_null(strstr(text, "1b36:0010"));
	assert_non_null(strstr(text, "64 MiB in BAR 2"));
	assert_non_null(strstr(text, "2: 64 MiB"));
	free(text);

	c = topo_list_find(&list, "0000:01:00.0");
	assert_string_equal(c->cdev, "vfio5");
	assert_string_equal(c->group, "11");
	assert_int_equal(c->numa_node, 1);
	assert_int_equal(c->cmb.size, 0); /* vfio says nothing of it */
	c = topo_list_find(&list, "0000:03:00.0");
	assert_int_equal(c->binding, TOPO_UNBOUND);
	assert_string_equal(c->group, "");
	assert_null(topo_list_find(&list, "0000:04:00.0"));
}

/* Functions of vfio's with memory, and no others. */
static void test_lenders(void **state)
{
	struct topo_lenders lenders;
	static char text[2048];
	json_t *array, *bars;
	FILE *f;

	(void)state;
	tree_pci("0000:01:00.0", "010802", "vfio-pci", "11");
	tree_pci("0000:02:00.0", "050000", "vfio-pci", "12");
	tree_cdev("0000:02:00.0", "vfio7", 1);
	tree_pci("0000:03:00.0", "050000", NULL, NULL);
	tree_pci("0000:04:00.0", "020000", "e1000e", "13");
	assert_int_equal(topo_lenders_read(&lenders), 0);
	assert_int_equal(lenders.n, 1);
	assert_string_equal(lenders.lenders[0].bdf, "0000:02:00.0");
	f = fmemopen(text, sizeof(text), "w");
	topo_lenders_print(&lenders, f);
	fclose(f);
	assert_non_null(strstr(text, "-a BDF,p2p=barN"));
	assert_non_null(strstr(text, "vfio7"));
	assert_non_null(strstr(text, "2: 64 MiB"));
	array = topo_lenders_json(&lenders);
	assert_int_equal(json_array_size(array), 1);
	bars = json_object_get(json_array_get(array, 0), "bars");
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(bars, json_array_size(bars) - 1), "bytes")),
			 64 << 20);
	json_decref(array);
	topo_lenders_free(&lenders);
	topo_lenders_print(&lenders, NULL); /* says nothing */
}

static void test_json(void **state)
{
	json_t *array, *o, *cmb;

	(void)state;
	kernel_ctrlr();
	tree_pci("0000:03:00.0", "010802", NULL, NULL);
	tree_file("/sys/bus/pci/devices/0000:03:00.0/numa_node", "-1\n");
	read_list();
	array = topo_list_json(&list);
	assert_int_equal(json_array_size(array), 2);
	o = json_array_get(array, 0);
	assert_string_equal(json_string_value(json_object_get(o, "bdf")), "0000:02:00.0");
	assert_string_equal(json_string_value(json_object_get(o, "bound")), "kernel");
	assert_string_equal(json_string_value(json_object_get(o, "driver")), "nvme");
	assert_string_equal(json_string_value(json_object_get(o, "iommu_group")), "12");
	assert_true(json_is_null(json_object_get(o, "cdev")));
	assert_true(json_is_null(json_object_get(o, "in_use")));
	cmb = json_object_get(o, "cmb");
	assert_int_equal(json_integer_value(json_object_get(cmb, "bytes")), 64 << 20);
	assert_int_equal(json_integer_value(json_object_get(cmb, "offset")), 4 << 20);
	assert_int_equal(json_integer_value(json_object_get(cmb, "bar")), 2);
	assert_true(json_is_true(json_object_get(cmb, "sqs")));
	assert_true(json_is_false(json_object_get(cmb, "cqs")));
	assert_true(json_is_true(json_object_get(cmb, "wds")));
	assert_int_equal(json_array_size(json_object_get(o, "bars")), 2);
	o = json_array_get(array, 1);
	assert_string_equal(json_string_value(json_object_get(o, "bound")), "none");
	assert_true(json_is_null(json_object_get(o, "driver")));
	assert_true(json_is_null(json_object_get(o, "numa_node")));
	assert_true(json_is_null(json_object_get(o, "cmb")));
	json_decref(array);
}

static void test_cmb(void **state)
{
	static const char path[] = "/sys/bus/pci/devices/0000:02:00.0/nvme/nvme0/cmb";
	static const struct {
		const char *text;
		uint64_t size;
	} rows[] = {
		{ "cmbloc : x00000002\ncmbsz  : x00010001\n", 16 * 4096 },  /* 4 KiB units */
		{ "cmbloc : x00000002\ncmbsz  : x00002218\n", 2ull << 20 }, /* 1 MiB units */
		{ "cmbloc : x00000002\ncmbsz  : x00001618\n", 64ull << 30 },
		{ "cmbloc : x00000002\ncmbsz  : x00001718\n", 0 },             /* a reserved unit */
		{ "cmbloc : 0x00000062\ncmbsz  : 0x0004021d\n", 64ull << 20 }, /* Linux 7.2 */
		{ "cmbloc : x00000002\n", 0 },
		{ "", 0 },
	};

	(void)state;
	kernel_ctrlr();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tree_file(path, rows[i].text);
		read_list();
		assert_int_equal(list.ctrlrs[0].cmb.size, rows[i].size);
	}
}

static const struct topo_use *use(void)
{
	read_list();
	return &list.ctrlrs[0].use;
}

static void test_in_use(void **state)
{
	(void)state;
	kernel_ctrlr();
	assert_string_equal(use()->block, "");
	tree_file("/proc/self/mountinfo",
		  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		  "90 22 259:2 / /srv/data rw,relatime - ext4 /dev/nvme0n1p2 rw\n");
	assert_string_equal(use()->block, "nvme0n1p2");
	assert_string_equal(use()->text, "nvme0n1p2 is mounted on /srv/data");
	assert_string_equal(use()->release, "sudo umount -A /dev/nvme0n1p2");
	/* btrfs: a number of its own. 259:20 is not 259:2. */
	tree_file("/proc/self/mountinfo",
		  "90 22 259:20 / /other rw - ext4 /dev/nvme3n1 rw\n"
		  "91 22 0:31 / /pool rw,relatime shared:9 - btrfs /dev/nvme0n1 rw,subvolid=5\n");
	assert_string_equal(use()->text, "nvme0n1 is mounted on /pool");
	tree_file("/proc/self/mountinfo", "90 22 259:20 / /other rw - ext4 /dev/nvme0n10 rw\n");
	assert_string_equal(use()->block, "");

	/* All of them, whatever their names; what does not fit is said to be missing. */
	tree_file("/sys/block/nvme0n1/nvme0n1p3/dev", "259:3\n");
	tree_file("/proc/self/mountinfo",
		  "90 22 259:2 / /srv/data rw,relatime - ext4 /dev/nvme0n1p2 rw\n"
		  "91 22 259:3 / /srv/my\\040disk rw,relatime - ext4 /dev/nvme0n1p3 rw\n");
	assert_string_equal(use()->block, "nvme0n1p2");
	assert_string_equal(use()->text,
			    "nvme0n1p2 is mounted on /srv/data; nvme0n1p3 is mounted on "
			    "/srv/my\\040disk");
	assert_string_equal(use()->release,
			    "sudo umount -A /dev/nvme0n1p2 && sudo umount -A /dev/nvme0n1p3");
	assert_false(use()->more);
	/* One holder of two partitions is removed once. */
	tree_file("/sys/block/nvme0n1/nvme0n1p2/holders/dm-1", "");
	tree_file("/sys/block/nvme0n1/nvme0n1p3/holders/dm-1", "");
	tree_file("/sys/block/nvme0n1/nvme0n1p3/holders/dm-10", "");
	assert_string_equal(use()->release,
			    "sudo umount -A /dev/nvme0n1p2 && sudo dmsetup remove dm-1 && "
			    "sudo umount -A /dev/nvme0n1p3 && sudo dmsetup remove dm-10");
	tree_gone("/sys/block/nvme0n1/nvme0n1p2/holders/dm-1");
	tree_gone("/sys/block/nvme0n1/nvme0n1p3/holders");
	for (int i = 0; i < 9; i++) {
		char holder[80];

		snprintf(holder, sizeof(holder), "/sys/block/nvme0n1/nvme0n1p3/holders/dm-%d", i);
		tree_file(holder, "");
	}
	assert_true(use()->more);
	assert_string_equal(strrchr(use()->release, '&'), "& sudo dmsetup remove dm-3");
	tree_gone("/sys/block/nvme0n1/nvme0n1p3");
	/* A device of a btrfs that is mounted by another of its devices. */
	tree_file("/proc/self/mountinfo", "91 22 0:31 / /pool rw - btrfs /dev/nvme9n1 rw\n");
	tree_file("/sys/fs/btrfs/0123-4567/devices/nvme0n1p20/dev", "259:9\n");
	assert_string_equal(use()->block, "");
	tree_file("/sys/fs/btrfs/0123-4567/devices/nvme0n1p2/dev", "259:2\n");
	assert_string_equal(use()->text, "nvme0n1p2 belongs to the btrfs 0123-4567");
	assert_string_equal(use()->release, "sudo umount -A UUID=0123-4567");
	tree_gone("/sys/fs/btrfs");
	tree_file("/proc/self/mountinfo", "");

	tree_file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				 "/dev/nvme0n1p2\tpartition\t1024\t0\t-2\n");
	assert_string_equal(use()->release, "sudo swapoff /dev/nvme0n1p2");
	tree_file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	tree_file("/sys/block/nvme0n1/nvme0n1p2/holders/dm-0", "");
	assert_string_equal(use()->text, "nvme0n1p2 is held by dm-0");
	tree_gone("/sys/block/nvme0n1/nvme0n1p2/holders/dm-0");
	tree_file("/sys/block/nvme0n1/holders/md127", "");
	assert_string_equal(use()->release, "sudo mdadm --stop /dev/md127");
}

/* With multipath the controller has a hidden path, and the disk is the subsystem's. */
static void test_in_use_multipath(void **state)
{
	(void)state;
	tree_pci("0000:02:00.0", "010802", "nvme", "12");
	tree_file("/sys/bus/pci/devices/0000:02:00.0/nvme/nvme4/nvme1c4n1/size", "2048\n");
	tree_file("/sys/block/nvme1n1/dev", "259:7\n");
	assert_string_equal(use()->block, "");
	tree_file("/proc/self/mountinfo", "90 22 259:7 / /srv rw,relatime - xfs /dev/nvme1n1 rw\n");
	assert_string_equal(use()->text, "nvme1n1 is mounted on /srv");
}

static char prog[] = "peerlane-topo", check[] = "--check", mem[] = "--mem", mib[] = "64",
	    bdf[] = "01:00.0", full[] = "0000:01:00.0", json[] = "--json", dash[] = "-",
	    zero[] = "0", word[] = "nvme_emu0", bogus[] = "--bogus";

static int parse(struct topo_opts *o, char **argv)
{
	struct app_cli cli = { .program = prog, .app_argv = argv };

	while (argv[cli.app_argc])
		cli.app_argc++;
	return topo_opts_parse(&cli, o);
}

#define PARSE(o, ...) parse((o), (char *[]){ prog, __VA_ARGS__, NULL })

static void test_options(void **state)
{
	struct topo_opts o;

	(void)state;
	assert_int_equal(parse(&o, (char *[]){ prog, NULL }), 0);
	assert_false(o.check);
	assert_int_equal(o.mem, 128 << 20);
	topo_opts_free(&o);
	assert_int_equal(PARSE(&o, check, mem, mib, bdf, json, dash), 0);
	assert_true(o.check);
	assert_int_equal(o.mem, 64 << 20);
	assert_int_equal(o.nb_bdfs, 1);
	assert_string_equal(o.bdfs[0], "0000:01:00.0");
	assert_string_equal(o.json, "-");
	topo_opts_free(&o);

	assert_int_equal(PARSE(&o, bdf), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "--check only"));
	assert_int_equal(PARSE(&o, mem, mib), -EINVAL);
	assert_int_equal(PARSE(&o, check, mem, zero), -EINVAL);
	assert_int_equal(PARSE(&o, check, word), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "nvme_emu0: accepted is a BDF"));
	assert_int_equal(PARSE(&o, check, bdf, full), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "given twice"));
	assert_int_equal(PARSE(&o, bogus), -EINVAL);
	assert_int_equal(PARSE(&o, json), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lenders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_use_multipath, setup, teardown),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests_name("topo", tests, NULL, NULL);
}
