/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peerlane-topo --check on trees of files: a machine on which everything is right, and the same
 * with one thing wrong at a time. Whatever fails must say what mends it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "tree.h"

#define BDF    "0000:01:00.0" /* bound to vfio-pci */
#define OTHER  "0000:02:00.0" /* bound to nvme */
#define NOBODY 65534u

static struct topo_host host;
static struct topo_list list;
static struct check_run run;
static size_t mem;
static int type1_answer, dma_buf_answer;

static int fake_type1(int fd)
{
	(void)fd;
	return type1_answer;
}

static int fake_dma_buf(int iommufd, int cdev)
{
	assert_true(iommufd >= 0 && cdev >= 0);
	return dma_buf_answer;
}

static const struct topo_kernel fake_kernel = { fake_type1, fake_dma_buf };

static void write_limits(const char *soft, const char *hard)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "Limit                     Soft Limit           Hard Limit           Units     \n"
		 "Max locked memory         %-20s %-20s bytes     \n",
		 soft, hard);
	tree_file("/proc/self/limits", text);
}

static void write_hugepages(const char *nr_free, const char *reserved)
{
	tree_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", nr_free);
	tree_file("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", reserved);
}

static void write_modules(const char *modules)
{
	tree_file("/lib/modules/6.12.1/modules.dep", modules);
	tree_file("/lib/modules/6.12.1/modules.builtin", "kernel/drivers/pci/pci.ko\n");
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(host_init(&host, tree_new(), &fake_kernel), 0);
	mem = 128 << 20;
	type1_answer = 0;
	dma_buf_answer = 1;
	tree_file("/proc/sys/kernel/osrelease", "7.2.13\n");
	tree_file("/proc/cmdline", "root=/dev/sda1 quiet\n");
	tree_file("/proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n");
	write_limits("unlimited", "unlimited");
	write_hugepages("64\n", "0\n");
	tree_file("/sys/class/iommu/dmar0/name", "");
	tree_dir("/sys/bus/pci/drivers");
	tree_dir("/sys/bus/pci/drivers/vfio-pci");
	tree_file("/dev/iommu", "");
	tree_file("/dev/vfio/vfio", "");
	tree_pci(BDF, "010802", "vfio-pci", "1");
	tree_cdev(BDF, "vfio0", 1);
	tree_file("/dev/vfio/1", "");
	tree_pci(OTHER, "010802", "nvme", "2");
	/* A root port in the controller's group. */
	tree_pci("0000:00:10.0", "060400", "pcieport", "1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	check_free(&run);
	topo_list_free(&list);
	tree_remove();
	return 0;
}

static void check_of(const char *bdf)
{
	char bdfs[1][PCI_BDF_LEN] = { "" };

	check_free(&run);
	topo_list_free(&list);
	assert_int_equal(topo_list_read(&host, &list), 0);
	if (bdf)
		snprintf(bdfs[0], sizeof(bdfs[0]), "%s", bdf);
	assert_int_equal(check_all(&run, &host, &list, bdfs, bdf != NULL, mem), 0);
	for (unsigned int i = 0; i < run.nb_results; i++) {
		assert_true(run.results[i].text[0]);
		assert_null(strchr(run.results[i].text, '\n'));
		assert_true(run.results[i].level != CHECK_FAIL || run.results[i].mend[0]);
		assert_true(run.results[i].level != CHECK_OK || !run.results[i].mend[0]);
	}
}

static void check_default(void)
{
	check_of(NULL);
}

static const struct check_result *find(const char *name)
{
	for (unsigned int i = 0; i < run.nb_results; i++)
		if (strcmp(run.results[i].name, name) == 0)
			return &run.results[i];
	return NULL;
}

/* The check of this name came to this level and says these words; NULL: whatever. */
static void expect(const char *name, enum check_level level, const char *text, const char *mend)
{
	const struct check_result *r = find(name);

	if (!r || r->level != level || (text && !strstr(r->text, text)) ||
	    (mend && !strstr(r->mend, mend))) {
		check_print(&run, stderr);
		fail_msg("%s: not level %d with '%s', mend '%s'", name, level, text ? text : "",
			 mend ? mend : "");
	}
}

static void expect_counts(unsigned int warnings, unsigned int failures)
{
	if (check_count(&run, CHECK_WARN) != warnings ||
	    check_count(&run, CHECK_FAIL) != failures) {
		check_print(&run, stderr);
		fail_msg("not %u warnings and %u failures", warnings, failures);
	}
}

static void test_ready(void **state)
{
	(void)state;
	check_default();
	expect_counts(0, 0);
	assert_int_equal(run.nb_results, 13);
	expect("iommu", CHECK_OK, "1 units (dmar0), 2 groups", NULL);
	expect("devices", CHECK_OK, "1 of 2", NULL);
	expect("iommu group", CHECK_OK, "group 1, 2 devices", NULL);
	check_of(BDF);
	expect_counts(0, 0);
	assert_null(find("devices"));
}

static void test_no_iommu(void **state)
{
	(void)state;
	tree_gone("/sys/kernel/iommu_groups");
	tree_gone("/sys/class/iommu");
	tree_gone("/sys/bus/pci/devices/" BDF "/iommu_group");
	check_default();
	expect("iommu", CHECK_FAIL, "no IOMMU", "firmware's setup");
	expect("iommu group", CHECK_FAIL, "no IOMMU group", "firmware's setup");
	assert_null(find("cdev node")); /* whose advice would be in vain */
	tree_gone("/sys/bus/pci/devices/" OTHER "/iommu_group");
	check_of(OTHER);
	expect("driver", CHECK_FAIL, "bound to nvme", "firmware's setup");
	type1_answer = -ENOTTY;
	tree_gone("/dev/iommu");
	tree_file("/sys/firmware/acpi/tables/IVRS", "");
	check_default();
	expect("iommu", CHECK_FAIL, NULL, "CONFIG_AMD_IOMMU");
	tree_file("/sys/firmware/acpi/tables/DMAR", "");
	check_default();
	expect("iommu", CHECK_FAIL, NULL, "intel_iommu=on");
	expect("iommu group", CHECK_FAIL, NULL, "intel_iommu=on");
	tree_file("/proc/cmdline", "quiet intel_iommu=off root=/dev/sda1\n");
	check_default();
	expect("iommu", CHECK_FAIL, NULL, "s/intel_iommu=off//");
}

/* vfio's no-IOMMU mode: a group of its own making, and no unit. */
static void test_noiommu_mode(void **state)
{
	(void)state;
	tree_gone("/sys/class/iommu/dmar0");
	tree_file("/sys/kernel/iommu_groups/1/name", "vfio-noiommu\n");
	check_default();
	expect("iommu", CHECK_FAIL, NULL, NULL);
	expect("iommu group", CHECK_FAIL, "no-IOMMU mode", "firmware's setup");
	/* No kernel and no node helps. */
	tree_gone("/sys/bus/pci/devices/" BDF "/vfio-dev");
	tree_gone("/dev/vfio/1");
	tree_file("/proc/sys/kernel/osrelease", "6.12.1\n");
	type1_answer = -ENOTTY;
	check_default();
	assert_null(find("cdev node"));
	assert_null(find("group node"));
	expect("type1", CHECK_FAIL, "no type1 IOMMU", "firmware's setup");
}

/* The nodes as the kernel makes them: root's alone. */
static void restrict_nodes(unsigned int mode)
{
	tree_mode("/dev/iommu", mode);
	tree_mode("/dev/vfio/devices/vfio0", mode);
	tree_mode("/dev/vfio/1", mode);
}

/* As somebody whom permissions bind; files are made and removed by who runs the test. */
static void check_as_nobody(void)
{
	bool root = geteuid() == 0;

	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	check_default();
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void test_permissions(void **state)
{
	(void)state;
	restrict_nodes(geteuid() ? 0 : 0600);
	check_as_nobody();
	expect("iommufd", CHECK_FAIL, "permission denied", "sudo setfacl -m u:");
	expect("cdev node", CHECK_FAIL, "permission denied", ":rw /dev/vfio/devices/vfio0");
	/* iommufd will do once it is open to the user: the group is not wanted. */
	expect("group node", CHECK_OK, "not needed", NULL);
	expect_counts(0, 2);

	/* Before dma-bufs the group is what peer-to-peer needs. */
	tree_file("/proc/sys/kernel/osrelease", "6.12.1\n");
	check_as_nobody();
	expect("group node", CHECK_WARN, "permission denied", ":rw /dev/vfio/1");

	/* The other way works for every device, so this one's trouble is no failure. */
	tree_mode("/dev/vfio/1", 0666);
	tree_mode("/dev/vfio/vfio", 0666);
	check_as_nobody();
	expect("iommufd", CHECK_WARN, "permission denied", "setfacl");
	expect("cdev node", CHECK_WARN, "permission denied", "setfacl");
	expect("group node", CHECK_OK, NULL, NULL);
	expect_counts(3, 0);
}

/* After the udev rule: who is not in the group is told to join it. */
static void test_group_permission(void **state)
{
	char path[PATH_MAX];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	restrict_nodes(0660);
	host_path(&host, path, "/dev/iommu");
	assert_int_equal(chown(path, 0, 4242), 0);
	check_as_nobody();
	expect("iommufd", CHECK_FAIL, "group 4242's, mode 0660", "sudo usermod -aG 4242 ");
}

static void test_nodes_missing(void **state)
{
	(void)state;
	tree_gone("/dev/vfio/devices/vfio0");
	tree_gone("/dev/vfio/1");
	check_default();
	expect("cdev node", CHECK_FAIL, "No such file", "--device /dev/vfio/devices/vfio0");
	assert_null(find("dma-buf"));
	expect_counts(0, 1);
	tree_gone("/dev/iommu");
	tree_gone("/dev/vfio/vfio");
	check_default();
	expect("iommufd", CHECK_FAIL, "there is no /dev/iommu", "sudo modprobe iommufd");
	expect("type1", CHECK_OK, "nor needed", NULL);
	tree_file("/proc/sys/kernel/osrelease", "6.12.1\n");
	check_default();
	expect("type1", CHECK_WARN, "there is no /dev/vfio/vfio", "sudo modprobe vfio_iommu_type1");
	expect("group node", CHECK_WARN, "there is no /dev/vfio/1", "CONFIG_VFIO_GROUP");
}

/* Linux 6.12 does all but peer-to-peer on iommufd, and that on type1. */
static void test_before_dma_buf(void **state)
{
	(void)state;
	tree_file("/proc/sys/kernel/osrelease", "6.12.1\n");
	dma_buf_answer = 0;
	check_default();
	expect("kernel", CHECK_WARN, "6.19", NULL);
	expect("dma-buf", CHECK_WARN, "--iommu=type1", "6.19");
	expect_counts(2, 0);
	type1_answer = -ENOTTY;
	check_default();
	expect("type1", CHECK_WARN, "no type1 IOMMU behind", "modprobe vfio_iommu_type1");
	expect_counts(3, 0);
}

/* A kernel without character devices: type1, whatever is missing of iommufd. */
static void test_before_cdev(void **state)
{
	(void)state;
	tree_file("/proc/sys/kernel/osrelease", "6.1.0-49-amd64\n");
	tree_gone("/sys/bus/pci/devices/" BDF "/vfio-dev/vfio0/dev");
	tree_gone("/dev/iommu");
	check_default();
	expect("kernel", CHECK_WARN, "6.6", NULL);
	expect("cdev node", CHECK_WARN, "no vfio character device", "CONFIG_VFIO_DEVICE_CDEV");
	expect("type1", CHECK_OK, NULL, NULL);
	expect("group node", CHECK_OK, NULL, NULL);
	assert_null(find("dma-buf"));
	expect_counts(3, 0);
	tree_gone("/dev/vfio/vfio");
	check_default();
	expect("type1", CHECK_FAIL, "there is no", "sudo modprobe vfio_iommu_type1");
}

/* Distributions whose kernel has no CONFIG_IOMMUFD: no modprobe helps. */
static void test_modules(void **state)
{
	(void)state;
	tree_file("/proc/sys/kernel/osrelease", "6.12.1\n");
	tree_gone("/dev/iommu");
	tree_gone("/dev/vfio/vfio");
	write_modules(
		"kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n"
		"kernel/drivers/vfio/vfio_iommu_type1.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n");
	check_default();
	expect("iommufd", CHECK_WARN, "built without it", "CONFIG_IOMMUFD");
	expect("type1", CHECK_FAIL, NULL, "sudo modprobe vfio_iommu_type1");
	write_modules("kernel/drivers/iommu/iommufd/iommufd.ko:\n");
	check_default();
	expect("iommufd", CHECK_FAIL, NULL, "sudo modprobe iommufd");
	expect("type1", CHECK_WARN, NULL, "CONFIG_VFIO_IOMMU_TYPE1");
	tree_gone("/sys/bus/pci/drivers/vfio-pci");
	check_default();
	expect("vfio-pci", CHECK_FAIL, "built without it", "CONFIG_VFIO_PCI");
	write_modules("kernel/drivers/vfio/pci/vfio-pci.ko:\n");
	check_default();
	expect("vfio-pci", CHECK_WARN, "not loaded", "sudo modprobe vfio-pci");
	expect("iommufd", CHECK_FAIL, NULL, "CONFIG_IOMMUFD");
}

static void test_memlock(void **state)
{
	(void)state;
	write_limits("8388608", "8388608");
	check_default();
	expect("memlock", CHECK_FAIL, "8 MiB, and 128 MiB are to be pinned",
	       "sudo prlimit --pid $$ --memlock=134217728:134217728");
	expect_counts(0, 1);
	write_limits("8388608", "unlimited");
	check_default();
	expect("memlock", CHECK_FAIL, NULL, "ulimit -l 131072");
	write_limits("134217728", "134217728");
	check_default();
	expect("memlock", CHECK_OK, "128 MiB", NULL);
	mem = (128 << 20) + 4096;
	check_default();
	expect("memlock", CHECK_FAIL, NULL, "prlimit");
	tree_file("/proc/self/status", "CapEff:\t0000000000004000\n");
	check_default();
	expect("memlock", CHECK_OK, "CAP_IPC_LOCK", NULL);
	tree_file("/proc/self/status", "CapEff:\t000001ffffffbfff\n"); /* all but that one */
	check_default();
	expect("memlock", CHECK_FAIL, NULL, NULL);
	tree_gone("/proc/self/limits");
	check_default();
	expect("memlock", CHECK_WARN, "cannot be read", NULL);
}

static void test_hugepages(void **state)
{
	(void)state;
	write_hugepages("64\n", "10\n");
	check_default();
	expect("hugepages", CHECK_WARN, "free: 54 x 2 MiB",
	       "sudo hugeadm --pool-pages-min 2MB:+10");
	expect_counts(1, 0);
	tree_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	check_default();
	expect("hugepages", CHECK_OK, "54 x 2 MiB, 1 x 1 GiB", NULL);
	mem = (1ull << 30) + (200 << 20);
	check_default();
	expect("hugepages", CHECK_WARN, NULL, "2MB:+46");
	tree_gone("/sys/kernel/mm/hugepages");
	check_default();
	expect("hugepages", CHECK_WARN, "none of any size", NULL);
	/* Nor is it ready with 4 KiB pages that are not there. */
	tree_file("/proc/meminfo", "MemAvailable:  1048576 kB\n");
	check_default();
	expect("hugepages", CHECK_FAIL, "1224 MiB of memory are wanted, 1024 MiB are available",
	       "--mem");
	mem = 1ull << 30;
	check_default();
	expect("hugepages", CHECK_WARN, NULL, NULL);
}

static void test_driver(void **state)
{
	(void)state;
	check_of(OTHER);
	expect("driver", CHECK_FAIL, "bound to nvme,",
	       "sudo driverctl set-override " OTHER " vfio-pci");
	expect("iommu group", CHECK_OK, NULL, NULL);
	assert_null(find("cdev node"));
	expect_counts(0, 1);
	tree_gone("/sys/bus/pci/devices/" OTHER "/driver");
	check_of(OTHER);
	expect("driver", CHECK_FAIL, "bound to no driver", "driverctl set-override " OTHER);
	check_of("0000:07:00.0");
	expect("driver", CHECK_FAIL, "no such PCI device", "lspci");
	assert_string_equal(find("driver")->bdf, "0000:07:00.0");
	check_of("0000:00:10.0");
	expect("driver", CHECK_FAIL, "not an NVMe controller", "lspci");
}

static void test_variant_driver(void **state)
{
	(void)state;
	tree_gone("/sys/bus/pci/drivers/vfio-pci");
	tree_gone("/sys/bus/pci/devices/" BDF "/driver");
	tree_link("/sys/bus/pci/devices/" BDF "/driver", "../../drivers/peerlane_vfio_pci");
	check_default();
	expect("driver", CHECK_OK, "bound to peerlane_vfio_pci", NULL);
	expect("vfio-pci", CHECK_WARN, "not loaded", NULL);
	expect_counts(1, 0);
}

static void mount_other(void)
{
	tree_file("/sys/bus/pci/devices/" OTHER "/nvme/nvme0/nvme0n1/size", "1\n");
	tree_file("/sys/block/nvme0n1/dev", "259:0\n");
	tree_file("/proc/self/mountinfo", "30 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw\n");
}

/* A controller that the kernel uses is not proposed; named, it is freed first. */
static void test_devices(void **state)
{
	(void)state;
	tree_gone("/sys/bus/pci/devices/" BDF);
	tree_pci("0000:03:00.0", "010802", "nvme", "3");
	check_default();
	expect("devices", CHECK_FAIL, "none of 2", "set-override " OTHER " vfio-pci");
	mount_other();
	check_default();
	expect("devices", CHECK_FAIL, NULL, "set-override 0000:03:00.0 vfio-pci");
	check_of(OTHER);
	expect("driver", CHECK_FAIL, "while nvme0n1 is mounted on /srv",
	       "sudo umount -A /dev/nvme0n1 && sudo driverctl set-override " OTHER " vfio-pci");
	tree_gone("/sys/bus/pci/devices/0000:03:00.0");
	check_default();
	expect("devices", CHECK_FAIL, "in use by the kernel (nvme0n1 is mounted on /srv)",
	       "peerlane-topo --check BDF");
	tree_gone("/sys/bus/pci/devices/" OTHER);
	check_default();
	expect("devices", CHECK_WARN, "no NVMe controller here", NULL);
	expect_counts(1, 0);
}

static void test_shared_group(void **state)
{
	(void)state;
	tree_pci("0000:00:1f.3", "040300", "snd_hda_intel", "1");
	check_default();
	expect("iommu group", CHECK_FAIL, "group 1 also has 0000:00:1f.3, bound to snd_hda_intel",
	       "sudo driverctl set-override 0000:00:1f.3 vfio-pci");
	tree_gone("/sys/kernel/iommu_groups/1/devices/0000:00:1f.3");
	tree_file("/sys/kernel/iommu_groups/1/devices/" OTHER, "");
	mount_other();
	check_default();
	expect("iommu group", CHECK_FAIL, OTHER, "sudo umount -A /dev/nvme0n1 && ");
}

static void test_dma_buf(void **state)
{
	(void)state;
	dma_buf_answer = -ENODEV; /* type1 is there */
	check_default();
	expect("dma-buf", CHECK_WARN, "No such device", "dmesg");
	tree_gone("/dev/vfio/1"); /* or not */
	check_default();
	expect("dma-buf", CHECK_FAIL, "No such device", "dmesg");
	dma_buf_answer = 0; /* Linux 7.2 built without it */
	check_default();
	expect("dma-buf", CHECK_WARN, NULL, "CONFIG_VFIO_PCI_DMABUF");
}

#define REMAPPED   " 24: 0 0 IR-PCI-MSIX-0000:00:03.0 0-edge nvme0q0\n"
#define UNREMAPPED " 24: 0 0 PCI-MSIX-0000:00:03.0 0-edge nvme0q0\n"

/* EPERM has three causes, and only one of them is mended by a module's parameter. */
static void test_not_permitted(void **state)
{
	(void)state;
	dma_buf_answer = -EPERM;
	tree_file("/proc/interrupts", " 1: 9 0 IO-APIC 1-edge i8042\n"
				      " 9: 0 0 DMAR-MSI 0-edge dmar0\n" UNREMAPPED);
	check_default();
	expect("dma-buf", CHECK_FAIL, "isolate MSI", "allow_unsafe_interrupts");
	tree_file("/sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	check_default();
	expect("dma-buf", CHECK_FAIL, "in use by another process", "fuser");
	tree_gone("/sys/module");
	tree_file("/proc/interrupts", " 9: 0 0 DMAR-MSI 0-edge dmar0\n" REMAPPED);
	check_default();
	expect("dma-buf", CHECK_FAIL, "in use by another process",
	       "sudo fuser -v /dev/vfio/devices/vfio0 /dev/vfio/1");
	tree_gone("/proc/interrupts");
	check_default();
	expect("dma-buf", CHECK_FAIL, "in use by another process", "fuser");
	/* A member of the group that the kernel drives: said once, with what frees it. */
	tree_file("/proc/interrupts", UNREMAPPED);
	tree_pci("0000:00:1f.3", "040300", "snd_hda_intel", "1");
	check_default();
	expect("iommu group", CHECK_FAIL, "0000:00:1f.3, bound to snd_hda_intel",
	       "sudo driverctl set-override 0000:00:1f.3 vfio-pci");
	assert_null(find("dma-buf"));
	expect_counts(0, 1);
}

/* Never "Ready." while another process has the device, whatever the kernel calls it. */
static void test_in_use(void **state)
{
	static const int answers[] = { -EBUSY, -EINVAL, -EPERM };

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		dma_buf_answer = answers[i];
		check_default();
		expect("dma-buf", CHECK_FAIL, "in use by another process",
		       "sudo fuser -v /dev/vfio/devices/vfio0 /dev/vfio/1");
		expect_counts(0, 1);
	}
	tree_file("/proc/4242/comm", "spdk_tgt\n");
	tree_link("/proc/4242/fd/3", "socket:[1]");
	tree_link("/proc/4242/fd/7", "/dev/vfio/devices/vfio0");
	check_default();
	expect("in use", CHECK_FAIL, "process 4242 (spdk_tgt)", "kill 4242");
	expect_counts(0, 1);
	/* By its group, and where the kernel is not asked. */
	tree_gone("/proc/4242/fd/7");
	tree_link("/proc/4242/fd/8", "/dev/vfio/1");
	tree_gone("/dev/iommu");
	check_default();
	expect("in use", CHECK_FAIL, "process 4242 (spdk_tgt)", "kill 4242");
	/* Another group's user is none of ours. */
	tree_gone("/proc/4242/fd/8");
	tree_link("/proc/4242/fd/8", "/dev/vfio/11");
	check_default();
	assert_null(find("in use"));
}

static void test_report(void **state)
{
	char *text = NULL;
	json_t *array, *o;
	size_t len;
	FILE *f;

	(void)state;
	write_limits("8388608", "unlimited");
	check_default();
	f = open_memstream(&text, &len);
	assert_non_null(f);
	check_print(&run, f);
	fclose(f);
	assert_non_null(strstr(text, "FAIL  memlock"));
	assert_non_null(strstr(text, "  mend:      ulimit -l 131072\n"));
	assert_non_null(strstr(text, "\n" BDF "\nok    driver "));
	assert_non_null(strstr(text, "1 of 13 checks failed"));
	free(text);
	array = check_json(&run);
	assert_int_equal(json_array_size(array), 13);
	o = json_array_get(array, 5);
	assert_string_equal(json_string_value(json_object_get(o, "name")), "memlock");
	assert_string_equal(json_string_value(json_object_get(o, "status")), "fail");
	assert_string_equal(json_string_value(json_object_get(o, "mend")), "ulimit -l 131072");
	assert_true(json_is_null(json_object_get(o, "bdf")));
	o = json_array_get(array, 12);
	assert_string_equal(json_string_value(json_object_get(o, "status")), "ok");
	assert_string_equal(json_string_value(json_object_get(o, "bdf")), BDF);
	assert_true(json_is_null(json_object_get(o, "mend")));
	json_decref(array);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ready),          TEST(test_no_iommu),         TEST(test_noiommu_mode),
		TEST(test_permissions),    TEST(test_group_permission), TEST(test_nodes_missing),
		TEST(test_before_dma_buf), TEST(test_before_cdev),      TEST(test_modules),
		TEST(test_memlock),        TEST(test_hugepages),        TEST(test_driver),
		TEST(test_variant_driver), TEST(test_devices),          TEST(test_shared_group),
		TEST(test_dma_buf),        TEST(test_not_permitted),    TEST(test_in_use),
		TEST(test_report),
	};

	return cmocka_run_group_tests_name("topo_check", tests, NULL, NULL);
}
