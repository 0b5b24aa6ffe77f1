/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "host.h"
#include "memory.h"
#include "pci_sysfs.h"

/* Leaves room for any path below it. */
#define ROOT_MAX (PATH_MAX / 2)

int host_init(struct topo_host *host, const char *root, const struct topo_kernel *kernel)
{
	static char pci_root[PATH_MAX];

	if (strlen(root) > ROOT_MAX)
		return app_fail(-EINVAL, "--root: the path is too long");
	host->root = root;
	host->kernel = kernel;
	host_path(host, pci_root, "/sys/bus/pci/devices");
	pci_sysfs_root = pci_root;
	pl_memory_root = root;
	return 0;
}

void host_path(const struct topo_host *host, char path[PATH_MAX], const char *fmt, ...)
{
	int n = snprintf(path, PATH_MAX, "%s", host->root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, (size_t)(PATH_MAX - n), fmt, ap);
	va_end(ap);
}

bool host_exists(const struct topo_host *host, const char *path)
{
	char full[PATH_MAX];

	host_path(host, full, "%s", path);
	return access(full, F_OK) == 0;
}

bool host_line(const struct topo_host *host, const char *path, char *buf, size_t len)
{
	char full[PATH_MAX];
	bool found;
	FILE *f;

	host_path(host, full, "%s", path);
	f = fopen(full, "re");
	if (!f)
		return false;
	found = fgets(buf, (int)len, f) != NULL;
	fclose(f);
	if (found)
		buf[strcspn(buf, "\n")] = '\0';
	return found;
}

unsigned long long host_number(const struct topo_host *host, const char *path)
{
	char text[64];

	return host_line(host, path, text, sizeof(text)) ? strtoull(text, NULL, 0) : 0;
}

/* The entries in order; the caller frees each and the list. */
static int scan(const struct topo_host *host, const char *path, struct dirent ***entries)
{
	char full[PATH_MAX];

	host_path(host, full, "%s", path);
	return scandir(full, entries, NULL, versionsort);
}

static bool wanted(const struct dirent *entry, const char *prefix)
{
	return entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
}

bool host_entry(const struct topo_host *host, const char *path, const char *prefix,
		unsigned int nth, char *buf, size_t len)
{
	struct dirent **entries;
	int n = scan(host, path, &entries);
	bool found = false;

	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		if (!found && wanted(entries[i], prefix) && nth-- == 0) {
			snprintf(buf, len, "%s", entries[i]->d_name);
			found = true;
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

unsigned int host_entries(const struct topo_host *host, const char *path, const char *prefix)
{
	struct dirent **entries;
	int n = scan(host, path, &entries);
	unsigned int count = 0;

	if (n < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		count += wanted(entries[i], prefix);
		free(entries[i]);
	}
	free(entries);
	return count;
}

int host_open(const struct topo_host *host, const char *path)
{
	char full[PATH_MAX];
	int fd;

	host_path(host, full, "%s", path);
	fd = open(full, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int host_access(const struct topo_host *host, const char *path)
{
	char full[PATH_MAX];

	host_path(host, full, "%s", path);
	return faccessat(AT_FDCWD, full, R_OK | W_OK, AT_EACCESS) ? -errno : 0;
}

/* Whether a list of modules, "kernel/drivers/vfio/vfio.ko[.xz][: ...]" a line, has this one. */
static bool listed(FILE *f, const char *module)
{
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	while (!found && getline(&line, &size, f) > 0) {
		char *end = strstr(line, ".ko"), *name;

		if (!end)
			continue;
		*end = '\0';
		name = strrchr(line, '/');
		name = name ? name + 1 : line;
		for (char *p = name; *p; p++)
			if (*p == '-') /* a file may be called so, the module never is */
				*p = '_';
		found = strcmp(name, module) == 0;
	}
	free(line);
	return found;
}

int host_has_module(const struct topo_host *host, const char *module)
{
	static const char *const lists[] = { "modules.builtin", "modules.dep" };
	char release[128], path[PATH_MAX];
	int answer = -1;

	if (!host_line(host, "/proc/sys/kernel/osrelease", release, sizeof(release)))
		return -1;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && answer < 1; i++) {
		FILE *f;

		host_path(host, path, "/lib/modules/%s/%s", release, lists[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		answer = listed(f, module);
		fclose(f);
	}
	return answer;
}
