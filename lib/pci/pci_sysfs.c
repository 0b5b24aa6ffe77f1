/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci_group.h"
#include "pci_sysfs.h"
#include "pl_alloc.h"
#include "pl_log.h"

#define RESOURCE_MEM 0x200u /* IORESOURCE_MEM */

const char *pci_sysfs_root = "/sys/bus/pci/devices";

static void path_of(const char *bdf, const char *name, char *path)
{
	snprintf(path, PATH_MAX, "%s/%s/%s", pci_sysfs_root, bdf, name);
}

bool pci_sysfs_exists(const char *bdf)
{
	char path[PATH_MAX];

	path_of(bdf, "", path);
	return access(path, F_OK) == 0;
}

/* By domain, bus, device and function: the full form pads with zeros, so of two the longer has the
 * larger domain, and two of one length are in the order of their texts. */
static int by_addr(const void *a, const void *b)
{
	size_t x = strlen(a), y = strlen(b);

	return x == y ? strcmp(a, b) : x < y ? -1 : 1;
}

int pci_sysfs_list(unsigned int class, char (**bdfs)[PCI_BDF_LEN])
{
	char(*list)[PCI_BDF_LEN] = NULL, (*grown)[PCI_BDF_LEN];
	DIR *dir = opendir(pci_sysfs_root);
	struct pl_pci_addr addr;
	struct dirent *entry;
	long long value;
	size_t n = 0;

	*bdfs = NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || pl_pci_addr_parse(entry->d_name, NULL, &addr) ||
		    pci_sysfs_number(entry->d_name, "class", &value) ||
		    (class != PCI_CLASS_ANY && value != class))
			continue;
		grown = eal_realloc(list, (n + 1) * sizeof(*list));
		if (!grown) {
			free(list);
			closedir(dir);
			return pl_fail(-ENOMEM, "no memory for the list of PCI devices");
		}
		list = grown;
		pl_pci_addr_format(&addr, list[n++]);
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(list, n, sizeof(*list), by_addr);
	*bdfs = list;
	return (int)n;
}

int pci_sysfs_number(const char *bdf, const char *attr, long long *value)
{
	char path[PATH_MAX], text[64] = "", *end;
	FILE *f;

	path_of(bdf, attr, path);
	f = fopen(path, "re");
	if (!f)
		return -ENOENT;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	*value = strtoll(text, &end, 0);
	return end == text ? -ENOENT : 0;
}

int pci_sysfs_link(const char *bdf, const char *link, char *buf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t n;

	path_of(bdf, link, path);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -ENOENT;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(buf, len, "%s", last ? last + 1 : target);
	return 0;
}

static int bar_range(const char *bdf, unsigned int bar, uint64_t *at, uint64_t *size)
{
	unsigned long long first, last, flags;
	char path[PATH_MAX], line[128];
	int rc = -ENOENT;
	FILE *f;

	path_of(bdf, "resource", path);
	f = fopen(path, "re");
	if (!f)
		return -ENOENT;
	for (unsigned int i = 0; i < PCI_NUM_BARS && fgets(line, sizeof(line), f); i++)
		if (i == bar && sscanf(line, "%llx %llx %llx", &first, &last, &flags) == 3 &&
		    flags & RESOURCE_MEM && last >= first) {
			*at = first;
			*size = last - first + 1;
			rc = 0;
		}
	fclose(f);
	return rc;
}

uint64_t pci_sysfs_bar_size(const char *bdf, unsigned int bar)
{
	uint64_t at, size;

	return bar_range(bdf, bar, &at, &size) ? 0 : size;
}

int pci_sysfs_bar_addr(const char *bdf, unsigned int bar, uint64_t *addr)
{
	uint64_t size;

	if (bar_range(bdf, bar, addr, &size))
		return pl_fail(-ENOENT, "%s: sysfs does not tell the address of its BAR %u", bdf,
			       bar);
	return 0;
}

/* The name of the function's entry in class vfio-dev, which it has since Linux 6.1. */
static int vfio_dev_name(const char *bdf, char *buf, size_t len)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = -ENOENT;
	DIR *dir;

	path_of(bdf, "vfio-dev", path);
	dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while (rc && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "vfio", 4) == 0 &&
		    snprintf(buf, len, "%s", entry->d_name) < (int)len)
			rc = 0;
	closedir(dir);
	return rc;
}

bool pci_sysfs_is_vfio(const char *bdf)
{
	char driver[64], name[32];

	/* A variant driver has a name of its own; what makes it vfio's is the device it offers. */
	return (pci_sysfs_link(bdf, "driver", driver, sizeof(driver)) == 0 &&
		strcmp(driver, "vfio-pci") == 0) ||
	       vfio_dev_name(bdf, name, sizeof(name)) == 0;
}

int pci_sysfs_vfio_cdev(const char *bdf, char *buf, size_t len)
{
	char name[32], attr[64];
	char path[PATH_MAX];

	if (vfio_dev_name(bdf, name, sizeof(name)))
		return -ENOENT;
	/* The entry alone proves nothing: only one with a character device has a number. */
	snprintf(attr, sizeof(attr), "vfio-dev/%s/dev", name);
	path_of(bdf, attr, path);
	if (access(path, F_OK))
		return -ENOENT;
	snprintf(buf, len, "%s", name);
	return 0;
}

int pci_sysfs_check_class(const char *bdf, unsigned int class, const char *what)
{
	long long value;

	if (!pci_sysfs_exists(bdf))
		return pl_fail(-ENOENT, "-a '%s': there is no such PCI device; see: lspci -D", bdf);
	if (pci_sysfs_number(bdf, "class", &value) || value != class)
		return pl_fail(-EINVAL, "-a '%s': not %s; see: lspci -D -d ::%04x", bdf, what,
			       class >> 8);
	return 0;
}

int pci_sysfs_check_vfio(const char *bdf)
{
	char driver[64] = "no driver";
	int rc;

	if (!pci_sysfs_exists(bdf))
		return pl_fail(-ENOENT, "-a '%s': there is no such PCI device; see: lspci -D", bdf);
	/* No vfio driver takes a function without an IOMMU: to say how to bind it would be in vain.
	 */
	rc = pci_group_check(bdf);
	if (rc || pci_sysfs_is_vfio(bdf))
		return rc;
	pci_sysfs_link(bdf, "driver", driver, sizeof(driver));
	return pl_fail(-EBUSY,
		       "%s is bound to %s, not to a vfio driver; to hand it over: sudo driverctl "
		       "set-override %s vfio-pci",
		       bdf, driver, bdf);
}
