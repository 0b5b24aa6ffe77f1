/* SPDX-License-Identifier: BSD-3-Clause */
/* The Device Control register, in configuration spaces that are files. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <peerlane/pl_err.h>

#include "pci_devctl.h"
#include "pci_sysfs.h"
#include "tree.h"
#include "vfio_dev.h"

#define BDF   "0000:01:00.0"
#define VF    "0000:01:00.4"
#define AT    0x700000 /* where vfio has its configuration region, or some such */
#define EXP   0x80
#define RO_NS (PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN)
/* Error reporting, 256 bytes of payload, reads of 512: what must not change. */
#define REST 0x202fu

static struct pci_config config = { .bdf = BDF, .at = AT };
static uint8_t *space;

static void put16(unsigned int at, unsigned int val)
{
	space[at] = (uint8_t)val;
	space[at + 1] = (uint8_t)(val >> 8);
}

static unsigned int get16(unsigned int at)
{
	return space[at] | (unsigned int)space[at + 1] << 8;
}

/* Power management, MSI-X, PCI Express. */
static int setup(void **state)
{
	(void)state;
	config.fd = memfd_create("config", MFD_CLOEXEC);
	assert_true(config.fd >= 0);
	assert_int_equal(ftruncate(config.fd, AT + 4096), 0);
	space = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, config.fd, AT);
	assert_true(space != MAP_FAILED);
	put16(PCI_VENDOR_ID, 0x1b36);
	put16(PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(PCI_CAPABILITY_LIST, 0x40);
	put16(0x40, 0x6000 | PCI_CAP_ID_PM);
	put16(0x60, EXP << 8 | PCI_CAP_ID_MSIX);
	put16(EXP, PCI_CAP_ID_EXP);
	put16(EXP + PCI_EXP_DEVCTL, REST | RO_NS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(space, 4096);
	close(config.fd);
	return 0;
}

static void test_clear_and_put_back(void **state)
{
	uint16_t devctl, left;

	(void)state;
	assert_int_equal(pci_devctl_read(&config, &devctl), 0);
	assert_int_equal(devctl, REST | RO_NS);
	assert_int_equal(pci_devctl_update(&config, RO_NS, 0, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(get16(EXP + PCI_EXP_DEVCTL), REST);
	assert_int_equal(pci_devctl_update(&config, RO_NS, PCI_EXP_DEVCTL_RELAX_EN, &left), 0);
	assert_int_equal(left, PCI_EXP_DEVCTL_RELAX_EN);
	assert_int_equal(get16(EXP + PCI_EXP_DEVCTL), REST | PCI_EXP_DEVCTL_RELAX_EN);
}

/* A bridge's bit 15 is another one: as 1 it must not be written to a function, which it resets. */
static void test_no_reset(void **state)
{
	uint16_t left;

	(void)state;
	put16(EXP + PCI_EXP_DEVCTL, REST | RO_NS | PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(pci_devctl_update(&config, RO_NS, 0, &left), 0);
	assert_int_equal(get16(EXP + PCI_EXP_DEVCTL), REST);
}

/* A bit that does not take is told by what is read back. */
static void test_kept_bit(void **state)
{
	struct pci_config readonly = config;
	char path[64];
	uint16_t left;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", config.fd);
	readonly.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(readonly.fd >= 0);
	assert_int_equal(pci_devctl_update(&readonly, RO_NS, 0, &left), -EIO);
	assert_non_null(strstr(pl_errmsg(), BDF ": cannot write its Device Control"));
	/* What is as wanted needs no write. */
	put16(EXP + PCI_EXP_DEVCTL, REST);
	assert_int_equal(pci_devctl_update(&readonly, RO_NS, 0, &left), 0);
	assert_int_equal(left, 0);
	close(readonly.fd);
}

static void expect(int rc)
{
	uint16_t devctl;

	assert_int_equal(pci_devctl_read(&config, &devctl), rc);
	assert_non_null(strstr(pl_errmsg(), BDF));
	assert_null(strchr(pl_errmsg(), '\n'));
}

/* Lists that lead nowhere, or never end. */
static void test_lists(void **state)
{
	(void)state;
	put16(PCI_STATUS, 0);
	expect(-ENOENT);
	put16(PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(PCI_CAPABILITY_LIST, 0);
	expect(-ENOENT);
	put16(PCI_CAPABILITY_LIST, 0x10); /* into the header */
	expect(-ENOENT);
	put16(PCI_CAPABILITY_LIST, 0x40);
	put16(0x60, 0x4000 | PCI_CAP_ID_MSIX); /* a circle */
	expect(-ENOENT);
	put16(0x60, 0x6000 | PCI_CAP_ID_MSIX);
	expect(-ENOENT);
	put16(0x60, 0xffff);
	expect(-ENOENT);
	put16(0x60, 0xfc00 | PCI_CAP_ID_MSIX);
	expect(-ENOENT);
}

static void test_gone(void **state)
{
	(void)state;
	put16(EXP + PCI_EXP_DEVCTL, 0xffff);
	expect(-ENODEV);
	memset(space, 0xff, 256);
	expect(-ENODEV);
	assert_int_equal(ftruncate(config.fd, AT + 1), 0);
	expect(-EIO);
}

/* ---- a function that vfio has ---- */

static int setup_tree(void **state)
{
	static char pci_root[PATH_MAX];

	snprintf(pci_root, sizeof(pci_root), "%s/sys/bus/pci/devices", tree_new());
	pci_sysfs_root = pci_root;
	return setup(state);
}

static int teardown_tree(void **state)
{
	tree_remove();
	return teardown(state);
}

static void write_physfn_config(void)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/" BDF "/config", pci_sysfs_root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, space, 256), 256);
	close(fd);
}

/* A virtual function's own bits say nothing: those of its physical function do. */
static void test_virtual_function(void **state)
{
	struct vfio_dev vf = { .bdf = VF, .fd = -1 };

	(void)state;
	tree_pci(BDF, "010802", "nvme", "1");
	tree_pci(VF, "010802", "vfio-pci", "2");
	tree_link("/sys/bus/pci/devices/" VF "/physfn", "../" BDF);
	vfio_dev_order(&vf);
	assert_false(vf.ordered);
	assert_true(vf.order_told);
	write_physfn_config();
	vfio_dev_order(&vf);
	assert_false(vf.ordered);
	put16(EXP + PCI_EXP_DEVCTL, REST);
	write_physfn_config();
	vfio_dev_order(&vf);
	assert_true(vf.ordered);
}

/* Whose configuration space cannot be had is not taken for ordered. */
static void test_unknown_is_unordered(void **state)
{
	struct vfio_dev dev = { .bdf = BDF, .fd = config.fd, .ordered = true };

	(void)state;
	vfio_dev_order(&dev);
	assert_false(dev.ordered);
	assert_true(dev.order_told);
	assert_int_equal(dev.devctl_was, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_clear_and_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_virtual_function, setup_tree, teardown_tree),
		cmocka_unit_test_setup_teardown(test_unknown_is_unordered, setup_tree,
						teardown_tree),
	};

	return cmocka_run_group_tests_name("pci_devctl", tests, NULL, NULL);
}
