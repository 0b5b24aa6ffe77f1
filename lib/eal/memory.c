/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_config.h>

#include "memory.h"
#include "pl_log.h"

/* The kernel's "unlimited" of a version 1 cgroup: the largest number of whole pages. */
#define CGROUP_V1_MAX ((unsigned long long)LLONG_MAX & ~4095ull)

const char *pl_memory_root = "";

/* The least that was found. */
struct room {
	unsigned long long bytes;
	char where[160];
	char remedy[200];
};

static FILE *open_below(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static FILE *open_below(const char *fmt, ...)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s", pl_memory_root);
	va_list ap;

	va_start(ap, fmt);
	n += vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return n < (int)sizeof(path) ? fopen(path, "re") : NULL;
}

/* The number behind @key, which begins a line of @f; closes it. False if there is none. */
static bool field(FILE *f, const char *key, int base, unsigned long long *val)
{
	size_t len = strlen(key);
	bool found = false;
	char line[512], *end;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, len) != 0)
			continue;
		*val = strtoull(line + len, &end, base);
		found = end != line + len;
	}
	if (f)
		fclose(f);
	return found;
}

/* Whether less is left here than anywhere before. */
static bool least(struct room *room, unsigned long long limit, unsigned long long used)
{
	unsigned long long left = limit > used ? limit - used : 0;

	if (left >= room->bytes)
		return false;
	room->bytes = left;
	return true;
}

static void look_at_machine(struct room *room)
{
	unsigned long long kib;

	if (field(open_below("/proc/meminfo"), "MemAvailable:", 10, &kib) &&
	    least(room, kib << 10, 0)) {
		snprintf(room->where, sizeof(room->where), "in this machine (MemAvailable)");
		snprintf(room->remedy, sizeof(room->remedy),
			 "end what has the rest: ps aux --sort=-rss | head");
	}
}

/* What a node has free, and what can go: there is no MemAvailable of a node. */
static unsigned long long node_kib(unsigned int node)
{
	static const char *const kinds[] = { "MemFree:", "Active(file):", "Inactive(file):",
					     "KReclaimable:" };
	unsigned long long sum = 0, kib;
	char key[48];

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(key, sizeof(key), "Node %u %s", node, kinds[i]);
		if (field(open_below("/sys/devices/system/node/node%u/meminfo", node), key, 10,
			  &kib))
			sum += kib;
	}
	return sum;
}

/* Sums up the nodes of a list such as "0,2-3"; false if it is none. */
static bool sum_nodes(const char *list, unsigned long long *kib)
{
	const char *s = list;
	char *end;

	for (*kib = 0; *s; s = end + 1) {
		unsigned long first = strtoul(s, &end, 10), last = first;

		if (end != s && *end == '-')
			last = strtoul(end + 1, &end, 10);
		if (end == s || last < first || last >= RTE_MAX_NUMA_NODES || (*end && *end != ','))
			return false;
		for (unsigned long node = first; node <= last; node++)
			*kib += node_kib((unsigned int)node);
		if (!*end)
			break;
	}
	return true;
}

static void line_of(FILE *f, const char *key, char *buf, size_t len)
{
	char line[512];

	buf[0] = '\0';
	while (f && !buf[0] && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			snprintf(buf, len, "%s", line + strlen(key));
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
}

/* Bound to some of the nodes (cpuset), a process is ended although others have memory. */
static void look_at_nodes(struct room *room)
{
	char allowed[96], all[96];
	unsigned long long kib, all_kib;

	line_of(open_below("/proc/self/status"), "Mems_allowed_list:\t", allowed, sizeof(allowed));
	line_of(open_below("/sys/devices/system/node/has_memory"), "", all, sizeof(all));
	/* The list may have nodes that are not there: what they add up to is what counts. */
	if (!allowed[0] || !all[0] || !sum_nodes(allowed, &kib) || !sum_nodes(all, &all_kib) ||
	    kib >= all_kib || !least(room, kib << 10, 0))
		return;
	snprintf(room->where, sizeof(room->where), "on NUMA node %s, which the cpuset allows",
		 allowed);
	snprintf(room->remedy, sizeof(room->remedy), "allow more of the nodes %s (cpuset.mems)",
		 all);
}

/* The files of both versions' cgroups. */
static const struct cgroup_files {
	const char *mount, *limit, *usage, *cache;
} cgroup_files[] = {
	{ "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file " },
	{ "/sys/fs/cgroup/unified", "memory.max", "memory.current", "inactive_file " },
	{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	  "total_inactive_file " },
};

/* One group; @path is "" for the topmost. Its page cache makes room before anything is refused. */
static void look_at_group(struct room *room, const struct cgroup_files *files, const char *path)
{
	unsigned long long limit, used = 0, cache = 0;

	if (!field(open_below("%s%s/%s", files->mount, path, files->limit), "", 10, &limit) ||
	    limit >= CGROUP_V1_MAX)
		return; /* "max" is no number */
	field(open_below("%s%s/%s", files->mount, path, files->usage), "", 10, &used);
	field(open_below("%s%s/memory.stat", files->mount, path), files->cache, 10, &cache);
	if (!least(room, limit, used > cache ? used - cache : 0))
		return;
	snprintf(room->where, sizeof(room->where), "in the memory cgroup %.100s",
		 path[0] ? path : "/");
	snprintf(room->remedy, sizeof(room->remedy),
		 "raise its %s, or start the container with more (docker: --memory)", files->limit);
}

/* Every limit from the process's group up counts. In a container the path may be the host's, which
 * is not there; then the topmost group is the container's. */
static void look_at_groups(struct room *room, const struct cgroup_files *files, char *path)
{
	char *slash;

	path[strcspn(path, "\n")] = '\0';
	if (strcmp(path, "/") == 0)
		path[0] = '\0';
	for (;;) {
		look_at_group(room, files, path);
		slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
}

/* "4:memory:/path" of version 1, "0::/path" of version 2. */
static void look_at_cgroups(struct room *room)
{
	FILE *f = open_below("/proc/self/cgroup");
	char line[PATH_MAX];

	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'), *path;

		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		controllers++;
		if (controllers[0] == '\0') {
			char copy[PATH_MAX];

			memcpy(copy, path, strlen(path) + 1);
			look_at_groups(room, &cgroup_files[0], copy);
			look_at_groups(room, &cgroup_files[1], path);
		} else if (strcmp(controllers, "memory") == 0) {
			look_at_groups(room, &cgroup_files[2], path);
		}
	}
	if (f)
		fclose(f);
}

static void look_at_address_space(struct room *room)
{
	unsigned long long kib = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return;
	field(open_below("/proc/self/status"), "VmSize:", 10, &kib);
	if (least(room, limit.rlim_cur, kib << 10)) {
		snprintf(room->where, sizeof(room->where), "within RLIMIT_AS");
		snprintf(room->remedy, sizeof(room->remedy), "ulimit -v unlimited");
	}
}

int pl_memory_check(const struct pl_memory_want *want)
{
	struct room room = { .bytes = ULLONG_MAX };
	bool given = want->option != NULL;

	if (!want->huge) {
		look_at_machine(&room);
		look_at_nodes(&room);
		look_at_cgroups(&room);
		look_at_address_space(&room);
	}
	if (want->bytes <= room.bytes)
		return 0;
	return pl_fail(
		given ? -EINVAL : -ENOMEM,
		"%s%s%zu MiB of memory are wanted, %llu MiB are available %s; ask for less with "
		"-m, or: %s",
		given ? want->option : "", given ? ": " : "", want->bytes >> 20, room.bytes >> 20,
		room.where, room.remedy);
}
