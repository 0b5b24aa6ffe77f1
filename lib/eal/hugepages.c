/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <hugetlbfs.h>
#include <rte_common.h>

#include "hugepages.h"

static unsigned long sysfs_count(long page_size, const char *counter)
{
	char path[128];
	unsigned long count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ldkB/%s",
		 page_size / 1024, counter);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &count) != 1)
		count = 0;
	fclose(f);
	return count;
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
