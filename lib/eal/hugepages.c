/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugetlbfs.h>
#include <rte_common.h>

#include "hugepages.h"
#include "memory.h"

#define NODE_HUGEPAGES "/sys/devices/system/node/node%u/hugepages"

static unsigned long count_in(const char *path)
{
	unsigned long count = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &count) != 1)
		count = 0;
	fclose(f);
	return count;
}

static unsigned long sysfs_count(long page_size, const char *counter)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ldkB/%s",
		 page_size / 1024, counter);
	return count_in(path);
}

size_t pl_hugepages_free(void)
{
	long sizes[16];
	int n = gethugepagesizes(sizes, RTE_DIM(sizes));
	size_t total = 0;

	for (int i = 0; i < n && i < (int)RTE_DIM(sizes); i++) {
		unsigned long nr_free = sysfs_count(sizes[i], "free_hugepages");
		unsigned long reserved = sysfs_count(sizes[i], "resv_hugepages");

		/* Reserved pages count as free but are promised to another mapping. */
		if (nr_free > reserved)
			total += (nr_free - reserved) * (size_t)sizes[i];
	}
	return total;
}

/* The KiB of "hugepages-2048kB"; 0 for another entry. */
static size_t entry_kib(const struct dirent *entry)
{
	return strncmp(entry->d_name, "hugepages-", 10) ? 0 : strtoul(entry->d_name + 10, NULL, 10);
}

size_t pl_hugepages_free_on(unsigned int node)
{
	char dir_path[PATH_MAX / 2], path[PATH_MAX];
	struct dirent *entry;
	size_t total = 0;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "%s" NODE_HUGEPAGES, pl_memory_root, node);
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", dir_path, entry->d_name);
		if (entry_kib(entry))
			total += count_in(path) * (entry_kib(entry) << 10);
	}
	if (dir)
		closedir(dir);
	return total;
}

void pl_hugepages_remedy_on(unsigned int node, size_t bytes, char *buf, size_t len)
{
	char dir_path[PATH_MAX / 2], path[PATH_MAX];
	struct dirent *entry;
	size_t kib = 0;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "%s" NODE_HUGEPAGES, pl_memory_root, node);
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir)))
		if (entry_kib(entry) && (!kib || entry_kib(entry) < kib))
			kib = entry_kib(entry);
	if (dir)
		closedir(dir);
	if (!kib) {
		snprintf(buf, len, "there is no NUMA node %u with hugepages; see: numactl -H",
			 node);
		return;
	}
	snprintf(path, sizeof(path), "%s/hugepages-%zukB/nr_hugepages", dir_path, kib);
	snprintf(buf, len, "echo %zu | sudo tee " NODE_HUGEPAGES "/hugepages-%zukB/nr_hugepages",
		 count_in(path) + (bytes + (kib << 10) - 1) / (kib << 10), node, kib);
}

const char *pl_hugepages_remedy(size_t bytes)
{
	static char command[96];
	long size = gethugepagesize();

	if (size <= 0)
		return "a kernel with CONFIG_HUGETLBFS";
	snprintf(command, sizeof(command), "sudo hugeadm --pool-pages-min %ldMB:+%zu", size >> 20,
		 (bytes + (size_t)size - 1) / (size_t)size);
	return command;
}
