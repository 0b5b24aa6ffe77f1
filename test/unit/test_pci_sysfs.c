/* SPDX-License-Identifier: BSD-3-Clause */
/* What lib/pci reads from sysfs, on trees of files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <peerlane/pl_err.h>

#include "pci_group.h"
#include "pci_sysfs.h"
#include "pl_inject.h"
#include "tree.h"

static int setup(void **state)
{
	static char pci_root[PATH_MAX];

	(void)state;
	snprintf(pci_root, sizeof(pci_root), "%s/sys/bus/pci/devices", tree_new());
	pci_sysfs_root = pci_root;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_inject_arm(0);
	tree_remove();
	return 0;
}

static void test_list(void **state)
{
	static const char *const order[] = { "0000:01:00.0", "0000:02:00.0", "0000:0a:00.0",
					     "2000:01:00.0", "10000:e1:00.0" };
	char(*bdfs)[PCI_BDF_LEN];

	(void)state;
	/* No sysfs at all, then one without PCI devices of the class. */
	assert_int_equal(pci_sysfs_list(PCI_CLASS_NVME, &bdfs), 0);
	assert_null(bdfs);
	tree_pci("0000:00:1f.2", "010601", "ahci", NULL);
	assert_int_equal(pci_sysfs_list(PCI_CLASS_NVME, &bdfs), 0);
	assert_null(bdfs);

	tree_pci("0000:0a:00.0", "010802", "nvme", NULL);
	tree_pci("0000:02:00.0", "010802", "nvme", NULL);
	tree_pci("10000:e1:00.0", "010802", "nvme", NULL);
	tree_pci("2000:01:00.0", "010802", "nvme", NULL); /* no order of text */
	tree_pci("0000:01:00.0", "010802", NULL, NULL);
	tree_pci("0000:03:00.0", "010803", "nvme", NULL); /* administrative controller */
	assert_int_equal(pci_sysfs_list(PCI_CLASS_NVME, &bdfs), 5);
	for (int i = 0; i < 5; i++)
		assert_string_equal(bdfs[i], order[i]);
	free(bdfs);

	for (unsigned int nth = 1; nth <= 5; nth++) {
		pl_inject_arm(nth);
		assert_int_equal(pci_sysfs_list(PCI_CLASS_NVME, &bdfs), -ENOMEM);
		assert_true(pl_inject_fired());
	}
	pl_inject_arm(6);
	assert_int_equal(pci_sysfs_list(PCI_CLASS_NVME, &bdfs), 5);
	free(bdfs);
}

static void test_attributes(void **state)
{
	static const char bdf[] = "0000:01:00.0";
	char buf[64], small[4];
	long long value;

	(void)state;
	assert_false(pci_sysfs_exists(bdf));
	assert_int_equal(pci_sysfs_number(bdf, "vendor", &value), -ENOENT);
	tree_pci(bdf, "010802", "nvme", "17");
	assert_true(pci_sysfs_exists(bdf));
	assert_int_equal(pci_sysfs_number(bdf, "vendor", &value), 0);
	assert_int_equal(value, 0x1b36);
	tree_file("/sys/bus/pci/devices/0000:01:00.0/numa_node", "-1\n");
	assert_int_equal(pci_sysfs_number(bdf, "numa_node", &value), 0);
	assert_int_equal(value, -1);
	tree_file("/sys/bus/pci/devices/0000:01:00.0/numa_node", "");
	assert_int_equal(pci_sysfs_number(bdf, "numa_node", &value), -ENOENT);
	tree_file("/sys/bus/pci/devices/0000:01:00.0/numa_node", "none\n");
	assert_int_equal(pci_sysfs_number(bdf, "numa_node", &value), -ENOENT);

	assert_int_equal(pci_sysfs_link(bdf, "iommu_group", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "17");
	assert_int_equal(pci_sysfs_link(bdf, "driver", small, sizeof(small)), 0);
	assert_string_equal(small, "nvm");
	assert_int_equal(pci_sysfs_link(bdf, "subsystem", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(pci_sysfs_link(bdf, "vendor", buf, sizeof(buf)), -ENOENT); /* a file */
}

static void test_bars(void **state)
{
	static const char bdf[] = "0000:01:00.0";

	(void)state;
	assert_int_equal(pci_sysfs_bar_size(bdf, 0), 0);
	tree_pci(bdf, "010802", "nvme", NULL);
	assert_int_equal(pci_sysfs_bar_size(bdf, 0), 16384);
	assert_int_equal(pci_sysfs_bar_size(bdf, 1), 0); /* the upper half of BAR 0 */
	assert_int_equal(pci_sysfs_bar_size(bdf, 2), 64 << 20);
	assert_int_equal(pci_sysfs_bar_size(bdf, 4), 0); /* I/O ports */
	assert_int_equal(pci_sysfs_bar_size(bdf, 6), 0); /* the expansion ROM is no BAR */
	tree_file("/sys/bus/pci/devices/0000:01:00.0/resource", "rubbish\n");
	assert_int_equal(pci_sysfs_bar_size(bdf, 0), 0);
}

static void test_cdev(void **state)
{
	static const char bdf[] = "0000:01:00.0";
	char name[32] = "", tiny[4];

	(void)state;
	tree_pci(bdf, "010802", "vfio-pci", "1");
	assert_true(pci_sysfs_is_vfio(bdf));
	assert_int_equal(pci_sysfs_vfio_cdev(bdf, name, sizeof(name)), -ENOENT);
	/* Linux 6.1 to 6.5, or without CONFIG_VFIO_DEVICE_CDEV: an entry, but no device number. */
	tree_cdev(bdf, "vfio3", 0);
	assert_int_equal(pci_sysfs_vfio_cdev(bdf, name, sizeof(name)), -ENOENT);
	assert_string_equal(name, "");
	tree_cdev(bdf, "vfio3", 1);
	assert_int_equal(pci_sysfs_vfio_cdev(bdf, name, sizeof(name)), 0);
	assert_string_equal(name, "vfio3");
	assert_int_equal(pci_sysfs_vfio_cdev(bdf, tiny, sizeof(tiny)), 0);
	assert_string_equal(tiny, "vfi");
}

static void test_check_vfio(void **state)
{
	(void)state;
	assert_int_equal(pci_sysfs_check_vfio("0000:01:00.0"), -ENOENT);
	assert_non_null(strstr(pl_errmsg(), "no such PCI device"));
	tree_pci("0000:00:1f.2", "010601", "vfio-pci", "1");
	assert_int_equal(
		pci_sysfs_check_class("0000:00:1f.2", PCI_CLASS_NVME, "an NVMe controller"),
		-EINVAL);
	assert_non_null(strstr(pl_errmsg(), "not an NVMe controller"));

	tree_pci("0000:01:00.0", "010802", "vfio-pci", "2");
	assert_int_equal(pci_sysfs_check_vfio("0000:01:00.0"), 0);
	tree_pci("0000:02:00.0", "010802", "nvme", "3");
	assert_false(pci_sysfs_is_vfio("0000:02:00.0"));
	assert_int_equal(pci_sysfs_check_vfio("0000:02:00.0"), -EBUSY);
	assert_non_null(strstr(pl_errmsg(), "bound to nvme"));
	assert_non_null(strstr(pl_errmsg(), "sudo driverctl set-override 0000:02:00.0 vfio-pci"));
	tree_pci("0000:03:00.0", "010802", NULL, "4");
	assert_int_equal(pci_sysfs_check_vfio("0000:03:00.0"), -EBUSY);
	assert_non_null(strstr(pl_errmsg(), "bound to no driver"));

	/* A variant driver, with a character device and on a kernel that has none. */
	tree_pci("0000:04:00.0", "010802", "peerlane_vfio_pci", "5");
	assert_int_equal(pci_sysfs_check_vfio("0000:04:00.0"), -EBUSY);
	tree_cdev("0000:04:00.0", "vfio0", 0);
	assert_int_equal(pci_sysfs_check_vfio("0000:04:00.0"), 0);
}

/* No advice on drivers where no IOMMU lets vfio take the function. */
static void test_no_iommu(void **state)
{
	(void)state;
	tree_pci("0000:01:00.0", "010802", NULL, NULL);
	assert_int_equal(pci_sysfs_check_vfio("0000:01:00.0"), -ENOTSUP);
	assert_non_null(strstr(pl_errmsg(), "in no IOMMU group"));
	assert_non_null(strstr(pl_errmsg(), "firmware's setup"));
	assert_null(strstr(pl_errmsg(), "driverctl"));
	tree_file("/sys/firmware/acpi/tables/DMAR", "");
	assert_int_equal(pci_sysfs_check_vfio("0000:01:00.0"), -ENOTSUP);
	assert_non_null(strstr(pl_errmsg(), "intel_iommu=on"));

	tree_pci("0000:02:00.0", "010802", "vfio-pci", "0");
	assert_int_equal(pci_sysfs_check_vfio("0000:02:00.0"), 0);
	tree_file("/sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
	assert_int_equal(pci_sysfs_check_vfio("0000:02:00.0"), -ENOTSUP);
	assert_non_null(strstr(pl_errmsg(), "no-IOMMU mode"));
}

static void refused(int err, int rc, const char *part, const char *remedy)
{
	assert_int_equal(pci_group_refused("0000:01:00.0", "iommufd", err), rc);
	if (!strstr(pl_errmsg(), part) || !strstr(pl_errmsg(), remedy) ||
	    strncmp(pl_errmsg(), "0000:01:00.0", 12))
		fail_msg("'%s' does not have '%s' and '%s'", pl_errmsg(), part, remedy);
	assert_null(strchr(pl_errmsg(), '\n'));
}

/* The kernel's EPERM, EBUSY and EINVAL, and who is meant. */
static void test_refused(void **state)
{
	(void)state;
	tree_pci("0000:01:00.0", "010802", "vfio-pci", "1");
	tree_cdev("0000:01:00.0", "vfio0", 1);
	tree_pci("0000:00:10.0", "060400", "pcieport", "1");
	tree_pci("0000:01:00.1", "010802", "vfio-pci", "1");
	tree_cdev("0000:01:00.1", "vfio1", 1);

	/* Nothing tells whether interrupts are remapped: then that is no advice. */
	assert_int_equal(pci_remap_state(), PCI_REMAP_UNKNOWN);
	refused(EPERM, -EBUSY, "in use by another process", "sudo fuser -v /dev/vfio/1");
	tree_file("/proc/interrupts", "  CPU0\n 9: 1 DMAR-MSI 0-edge dmar0\n");
	assert_int_equal(pci_remap_state(), PCI_REMAP_UNKNOWN);
	tree_file("/proc/interrupts", " 9: 1 IO-APIC 9-fasteoi acpi\n 24: 1 IR-PCI-MSI 5-edge x\n");
	assert_int_equal(pci_remap_state(), PCI_REMAP_ON);
	refused(EPERM, -EBUSY, "in use by another process", "fuser");
	tree_file("/proc/interrupts", " 9: 1 IO-APIC 9-fasteoi acpi\n 24: 1 PCI-MSI 5-edge x\n");
	assert_int_equal(pci_remap_state(), PCI_REMAP_OFF);
	refused(EPERM, -EACCES, "not remapped",
		"sudo tee /sys/module/iommufd/parameters/allow_unsafe");
	refused(EBUSY, -EBUSY, "in use by another process", "fuser");
	refused(EINVAL, -EBUSY, "in use by another process", "fuser");
	refused(ENODEV, -ENOTSUP, "No such device", "dmesg");
	tree_file("/sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	refused(EPERM, -EBUSY, "in use by another process", "fuser");
	tree_gone("/sys/module");

	/* Who has a member of the group, or the group. */
	tree_file("/proc/77/comm", "qemu\n");
	tree_link("/proc/77/fd/5", "/dev/vfio/devices/vfio1");
	refused(EPERM, -EBUSY, "in use by process 77 (qemu)", "kill 77");
	refused(EINVAL, -EBUSY, "in use by process 77 (qemu)", "kill 77");
	tree_gone("/proc/77/fd/5");
	tree_link("/proc/77/fd/5", "/dev/vfio/1");
	refused(EBUSY, -EBUSY, "in use by process 77 (qemu)", "kill 77");

	/* A member that the kernel drives keeps all of the group. */
	tree_gone("/sys/bus/pci/devices/0000:01:00.1/driver");
	tree_gone("/sys/bus/pci/devices/0000:01:00.1/vfio-dev");
	tree_link("/sys/bus/pci/devices/0000:01:00.1/driver", "../../drivers/nvme");
	refused(EPERM, -EBUSY, "group 1 also has 0000:01:00.1, bound to nvme",
		"sudo driverctl set-override 0000:01:00.1 vfio-pci");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cdev, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_vfio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_iommu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("pci_sysfs", tests, NULL, NULL);
}
