/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci_group.h"
#include "pl_log.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

/* A path below the root that pci_sysfs_root stands below. */
static void path_below(char path[PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void path_below(char path[PATH_MAX], const char *fmt, ...)
{
	size_t n = strlen(pci_sysfs_root), suffix = strlen(PCI_DEVICES);
	va_list ap;

	n = n >= suffix && n - suffix < PATH_MAX ? n - suffix : 0;
	memcpy(path, pci_sysfs_root, n);
	va_start(ap, fmt);
	vsnprintf(path + n, PATH_MAX - n, fmt, ap);
	va_end(ap);
}

/* The first line of a file, without its end; "" if there is none. */
static void line_of(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, (int)len, f))
		buf[0] = '\0';
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
}

/* Drivers that do no DMA of their own and may share a group (driver_managed_dma). */
static bool harmless(const char *bdf, char driver[64])
{
	return pci_sysfs_link(bdf, "driver", driver, 64) || strcmp(driver, "pcieport") == 0 ||
	       strcmp(driver, "pci-stub") == 0 || pci_sysfs_is_vfio(bdf);
}

static DIR *open_group(const char *bdf)
{
	char path[PATH_MAX], group[16];

	if (pci_sysfs_link(bdf, "iommu_group", group, sizeof(group)))
		return NULL;
	path_below(path, "/sys/kernel/iommu_groups/%s/devices", group);
	return opendir(path);
}

bool pci_group_foreign(const char *bdf, char member[PCI_BDF_LEN], char driver[64])
{
	DIR *dir = open_group(bdf);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= PCI_BDF_LEN ||
		    strcmp(entry->d_name, bdf) == 0 || harmless(entry->d_name, driver))
			continue;
		memcpy(member, entry->d_name, strlen(entry->d_name) + 1);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Whether @target is the group's node or a member's: what a process holds that uses one of them. */
static bool is_node_of(const char *bdf, const char *target)
{
	char group[16], name[32], node[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (pci_sysfs_link(bdf, "iommu_group", group, sizeof(group)))
		return false;
	snprintf(node, sizeof(node), "/dev/vfio/%s", group);
	if (strcmp(target, node) == 0)
		return true;
	dir = open_group(bdf);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    pci_sysfs_vfio_cdev(entry->d_name, name, sizeof(name)))
			continue;
		snprintf(node, sizeof(node), "/dev/vfio/devices/%s", name);
		found = strcmp(target, node) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool holds_group(const char *pid, const char *bdf)
{
	char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	path_below(path, "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t n;

		path_below(link, "/proc/%s/fd/%s", pid, entry->d_name);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		/* Most are no such thing, and it costs a look at sysfs to know. */
		found = strncmp(target, "/dev/vfio/", 10) == 0 && is_node_of(bdf, target);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool pci_group_user(const char *bdf, char *buf, size_t len, int *pid)
{
	char path[PATH_MAX], comm[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	path_below(path, "/proc");
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		*pid = atoi(entry->d_name);
		if (!isdigit((unsigned char)entry->d_name[0]) || *pid == getpid() ||
		    !holds_group(entry->d_name, bdf))
			continue;
		path_below(path, "/proc/%s/comm", entry->d_name);
		line_of(path, comm, sizeof(comm));
		snprintf(buf, len, "process %d (%s)", *pid, comm);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

bool pci_group_is_noiommu(const char *bdf)
{
	char path[PATH_MAX], group[16], name[32];

	if (pci_sysfs_link(bdf, "iommu_group", group, sizeof(group)))
		return false;
	path_below(path, "/sys/kernel/iommu_groups/%s/name", group);
	line_of(path, name, sizeof(name));
	return strcmp(name, "vfio-noiommu") == 0;
}

/* With remapping, x86's controllers are called "IR-IO-APIC", "IR-PCI-MSI", "IR-PCI-MSIX-0000:..";
 * "DMAR-MSI" is the IOMMU's own and says nothing. Arm's ITS tells devices apart by itself. */
enum pci_remap pci_remap_state(void)
{
	enum pci_remap state = PCI_REMAP_UNKNOWN;
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	FILE *f;

	path_below(path, "/proc/interrupts");
	f = fopen(path, "re");
	while (f && state != PCI_REMAP_ON && getline(&line, &size, f) > 0) {
		if (strstr(line, " IR-") || strstr(line, " ITS-"))
			state = PCI_REMAP_ON;
		else if (strstr(line, " IO-APIC") || strstr(line, " PCI-MSI"))
			state = PCI_REMAP_OFF;
	}
	free(line);
	if (f)
		fclose(f);
	return state;
}

static bool unsafe_is_allowed(const char *module)
{
	char path[PATH_MAX], value[8];

	path_below(path, "/sys/module/%s/parameters/allow_unsafe_interrupts", module);
	line_of(path, value, sizeof(value));
	return value[0] == 'Y';
}

int pci_group_refused(const char *bdf, const char *module, int err)
{
	char group[16] = "", member[PCI_BDF_LEN], driver[64], user[64];
	int pid;

	pci_sysfs_link(bdf, "iommu_group", group, sizeof(group));
	if (pci_group_foreign(bdf, member, driver))
		return pl_fail(-EBUSY,
			       "%s: its IOMMU group %s also has %s, bound to %s; to hand that over "
			       "too: sudo driverctl set-override %s vfio-pci",
			       bdf, group, member, driver, member);
	if (pci_group_user(bdf, user, sizeof(user), &pid))
		return pl_fail(
			-EBUSY,
			"%s is in use by %s, which has it or its IOMMU group %s open; end that "
			"first: kill %d",
			bdf, user, group, pid);
	if (err == EPERM && pci_remap_state() == PCI_REMAP_OFF && !unsafe_is_allowed(module))
		return pl_fail(-EACCES,
			       "%s: interrupts are not remapped here, and the kernel wants to be "
			       "told that this is accepted: echo Y | sudo tee "
			       "/sys/module/%s/parameters/allow_unsafe_interrupts",
			       bdf, module);
	/* EINVAL is what a second opener of the character device gets. */
	if (err == EPERM || err == EBUSY || err == EINVAL)
		return pl_fail(
			-EBUSY,
			"%s, or another device of its IOMMU group %s, is in use by another "
			"process, which this user may not see (%s): sudo fuser -v /dev/vfio/%s "
			"/dev/vfio/devices/*",
			bdf, group, strerror(err), group);
	return pl_fail(-ENOTSUP,
		       "%s: the kernel refuses it: %s; it may say more: sudo dmesg | tail", bdf,
		       strerror(err));
}

void pci_iommu_remedy(char *buf, size_t len)
{
	char path[PATH_MAX], cmdline[4096], *save = NULL;

	path_below(path, "/proc/cmdline");
	line_of(path, cmdline, sizeof(cmdline));
	for (char *word = strtok_r(cmdline, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (strlen(word) < 32 && strstr(word, "iommu=off")) {
			snprintf(buf, len,
				 "sudo sed -i 's/%s//' /etc/default/grub && sudo "
				 "update-grub   (then reboot)",
				 word);
			return;
		}
	path_below(path, "/sys/firmware/acpi/tables/DMAR");
	if (access(path, F_OK) == 0) {
		snprintf(buf, len,
			 "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on /' "
			 "/etc/default/grub && sudo update-grub   (then reboot)");
		return;
	}
	path_below(path, "/sys/firmware/acpi/tables/IVRS");
	if (access(path, F_OK) == 0)
		snprintf(buf, len, "boot a kernel with CONFIG_AMD_IOMMU");
	else
		snprintf(buf, len,
			 "enable VT-d or AMD-Vi in the firmware's setup; for a guest of QEMU: "
			 "-M q35,kernel-irqchip=split -device intel-iommu,intremap=on");
}

int pci_group_check(const char *bdf)
{
	char remedy[256], group[16];

	pci_iommu_remedy(remedy, sizeof(remedy));
	if (pci_sysfs_link(bdf, "iommu_group", group, sizeof(group)))
		return pl_fail(-ENOTSUP,
			       "%s is in no IOMMU group: the kernel drives no IOMMU before it, and "
			       "Peerlane lets no device reach memory without one: %s",
			       bdf, remedy);
	if (pci_group_is_noiommu(bdf))
		return pl_fail(-ENOTSUP,
			       "%s is in vfio's no-IOMMU mode, in which it could reach all memory, "
			       "and Peerlane does not use it so: %s",
			       bdf, remedy);
	return 0;
}
