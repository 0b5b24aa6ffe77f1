/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of what memory the user may pin, and of hugepages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include <peerlane/pl_err.h>

#include "check.h"
#include "memory.h"
#include "size.h"

#define CAP_IPC_LOCK_BIT 14 /* <linux/capability.h>: pins without limit */
#define HUGEPAGES        "/sys/kernel/mm/hugepages"

/* A field of a /proc file: what follows @key on the line that begins with it. */
static bool proc_field(const struct topo_host *host, const char *file, const char *key, char *buf,
		       size_t len)
{
	char path[PATH_MAX], line[256];
	bool found = false;
	FILE *f;

	host_path(host, path, "%s", file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0) {
			snprintf(buf, len, "%s", line + strlen(key));
			found = true;
		}
	fclose(f);
	return found;
}

static unsigned long long limit_of(const char *word)
{
	return strcmp(word, "unlimited") == 0 ? ULLONG_MAX : strtoull(word, NULL, 10);
}

void check_memlock(struct check_run *run, const struct topo_ctrlr *dev)
{
	char text[128], soft[32], hard[32], need[APP_SIZE_TEXT], have[APP_SIZE_TEXT];
	unsigned long long limit;

	RTE_SET_USED(dev);
	app_size_format(run->mem, need);
	if (proc_field(run->host, "/proc/self/status", "CapEff:", text, sizeof(text)) &&
	    strtoull(text, NULL, 16) >> CAP_IPC_LOCK_BIT & 1) {
		check_add(run, CHECK_OK, "CAP_IPC_LOCK: any amount may be pinned");
		return;
	}
	if (!proc_field(run->host, "/proc/self/limits", "Max locked memory", text, sizeof(text)) ||
	    sscanf(text, "%31s %31s", soft, hard) != 2) {
		check_add(run, CHECK_WARN, "RLIMIT_MEMLOCK cannot be read from /proc");
		return;
	}
	limit = limit_of(soft);
	if (limit == ULLONG_MAX)
		snprintf(have, sizeof(have), "unlimited");
	else
		app_size_format(limit, have);
	if (limit >= run->mem) {
		check_add(run, CHECK_OK, "RLIMIT_MEMLOCK is %s, %s are needed", have, need);
		return;
	}
	check_add(run, CHECK_FAIL, "RLIMIT_MEMLOCK is %s, and %s are to be pinned", have, need);
	if (limit_of(hard) >= run->mem)
		check_mend(run, "ulimit -l %zu", run->mem >> 10);
	else
		check_mend(run,
			   "sudo prlimit --pid $$ --memlock=%zu:%zu   (for good: memlock in "
			   "/etc/security/limits.conf)",
			   run->mem, run->mem);
}

void check_hugepages(struct check_run *run, const struct topo_ctrlr *dev)
{
	char dir[64], path[PATH_MAX], text[160] = "", size[APP_SIZE_TEXT], need[APP_SIZE_TEXT];
	unsigned long long total = 0, smallest = 0;
	size_t n = 0;

	RTE_SET_USED(dev);
	for (unsigned int i = 0;
	     host_entry(run->host, HUGEPAGES, "hugepages-", i, dir, sizeof(dir)); i++) {
		unsigned long long page = strtoull(dir + strlen("hugepages-"), NULL, 10) << 10;
		unsigned long long nr_free, reserved;

		snprintf(path, sizeof(path), HUGEPAGES "/%s/free_hugepages", dir);
		nr_free = host_number(run->host, path);
		/* Reserved pages count as free but are promised to another mapping. */
		snprintf(path, sizeof(path), HUGEPAGES "/%s/resv_hugepages", dir);
		reserved = host_number(run->host, path);
		nr_free = nr_free > reserved ? nr_free - reserved : 0;
		total += nr_free * page;
		if (!smallest || page < smallest)
			smallest = page;
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu x %s",
					      n ? ", " : "", nr_free, app_size_format(page, size));
	}
	app_size_format(run->mem, need);
	if (total >= run->mem && total) {
		check_add(run, CHECK_OK, "free: %s; %s are wanted", text, need);
		return;
	}
	if (pl_memory_check(&(struct pl_memory_want){ .bytes = run->mem, .option = "--mem" })) {
		check_add(run, CHECK_FAIL, "free: %s; without hugepages, %s",
			  smallest ? text : "none of any size", pl_errmsg());
		check_mend(run, "free -m; numactl -H   (then ask for less: --mem, -m)");
		return;
	}
	check_add(run, CHECK_WARN, "free: %s; %s are wanted, else 4 KiB pages are used",
		  smallest ? text : "none of any size", need);
	if (smallest)
		check_mend(run, "sudo hugeadm --pool-pages-min %lluMB:+%llu", smallest >> 20,
			   (run->mem - total + smallest - 1) / smallest);
}
