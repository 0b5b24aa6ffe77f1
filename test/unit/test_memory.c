/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory there is, on trees of files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <peerlane/pl_err.h>

#include "hugepages.h"
#include "memory.h"
#include "tree.h"

#define MIB ((size_t)1 << 20)
#define V1  "/sys/fs/cgroup/memory"
#define V2  "/sys/fs/cgroup"

static int setup(void **state)
{
	(void)state;
	pl_memory_root = tree_new();
	tree_file("/proc/meminfo",
		  "MemTotal:  4194304 kB\nMemFree: 1024 kB\nMemAvailable: 1048576 kB\n");
	tree_file("/proc/self/status", "Name:\tx\nVmSize:\t  1024 kB\nCapEff:\t0000000000000000\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove();
	pl_memory_root = "";
	return 0;
}

static int ask(size_t mib)
{
	struct pl_memory_want want = { .bytes = mib * MIB, .option = "-m" };

	return pl_memory_check(&want);
}

/* @mib are there and not one more, for which the message has @part and @remedy. */
static void expect_room(size_t mib, const char *part, const char *remedy)
{
	char have[64];

	assert_int_equal(ask(mib), 0);
	assert_int_equal(ask(mib + 1), -EINVAL);
	snprintf(have, sizeof(have), "-m: %zu MiB of memory are wanted, %zu MiB are available ",
		 mib + 1, mib);
	if (!strstr(pl_errmsg(), have) || !strstr(pl_errmsg(), part) ||
	    !strstr(pl_errmsg(), remedy))
		fail_msg("'%s' does not have '%s', '%s' and '%s'", pl_errmsg(), have, part, remedy);
	assert_null(strchr(pl_errmsg(), '\n'));
}

static void test_machine(void **state)
{
	struct pl_memory_want want = { .bytes = 1025 * MIB };

	(void)state;
	expect_room(1024, "in this machine (MemAvailable)", "ps aux");
	/* Nobody asked for that much: it is no mistake. */
	assert_int_equal(pl_memory_check(&want), -ENOMEM);
	assert_int_equal(strncmp(pl_errmsg(), "1025 MiB", 8), 0);
	want.huge = true; /* they are no part of what is available */
	assert_int_equal(pl_memory_check(&want), 0);
	want = (struct pl_memory_want){ .bytes = SIZE_MAX, .option = "-m" };
	assert_int_equal(pl_memory_check(&want), -EINVAL);
	tree_gone("/proc/meminfo");
	assert_int_equal(ask(1u << 24), 0);
}

static void test_cgroup_v2(void **state)
{
	(void)state;
	tree_file("/proc/self/cgroup", "0::/a.slice/b.scope\n");
	tree_file(V2 "/a.slice/b.scope/memory.max", "max\n");
	tree_file(V2 "/a.slice/b.scope/memory.current", "1048576\n");
	expect_room(1024, "in this machine", "");
	tree_file(V2 "/a.slice/b.scope/memory.max", "536870912\n"); /* 512 MiB, 1 of them used */
	expect_room(511, "in the memory cgroup /a.slice/b.scope", "memory.max");
	/* A limit above counts too, and cache that can go does not. */
	tree_file(V2 "/a.slice/memory.max", "268435456\n");
	tree_file(V2 "/a.slice/memory.current", "209715200\n");
	tree_file(V2 "/a.slice/memory.stat", "anon 1\nfile 5\ninactive_file 104857600\n");
	expect_room(156, "in the memory cgroup /a.slice;", "--memory");
	tree_file(V2 "/a.slice/memory.current", "999999999999\n");
	expect_room(0, "/a.slice", "memory.max");
	tree_file("/proc/meminfo", "MemAvailable: 0 kB\n");
	tree_file(V2 "/a.slice/memory.max", "max\n");
	expect_room(0, "in this machine", "");
}

static void test_cgroup_v1(void **state)
{
	(void)state;
	tree_file("/proc/self/cgroup", "5:cpu:/x\n4:memory:/host/path\n0::/\nrubbish\n");
	tree_file(V1 "/memory.limit_in_bytes", "9223372036854771712\n");
	expect_room(1024, "in this machine", "");
	/* A container: the path is the host's, the top is its own. */
	tree_file(V1 "/memory.limit_in_bytes", "104857600\n");
	tree_file(V1 "/memory.usage_in_bytes", "52428800\n");
	tree_file(V1 "/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n");
	expect_room(60, "in the memory cgroup /;", "memory.limit_in_bytes");
}

/* What other nodes have is of no use to a process that may not take it. */
static void test_cpuset(void **state)
{
	(void)state;
	tree_file("/proc/self/status", "Mems_allowed:\t2\nMems_allowed_list:\t1\n");
	tree_file("/sys/devices/system/node/has_memory", "0-2\n");
	tree_file("/sys/devices/system/node/node0/meminfo", "Node 0 MemFree:  999999999 kB\n");
	tree_file("/sys/devices/system/node/node1/meminfo",
		  "Node 1 MemTotal:  1048576 kB\nNode 1 MemFree:   102400 kB\n"
		  "Node 1 Active(file):  10240 kB\nNode 1 Inactive(file): 20480 kB\n");
	tree_file("/sys/devices/system/node/node2/meminfo", "Node 2 MemFree:  51200 kB\n");
	expect_room(130, "on NUMA node 1,", "cpuset.mems");
	tree_file("/proc/self/status", "Mems_allowed_list:\t1-2\n");
	expect_room(180, "on NUMA node 1-2,", "nodes 0-2");
	/* All of them, and one that is not there. */
	tree_file("/proc/self/status", "Mems_allowed_list:\t0-3\n");
	tree_file("/sys/devices/system/node/node0/meminfo", "Node 0 MemFree:  0 kB\n");
	expect_room(1024, "in this machine", "");
	tree_file("/proc/self/status", "Mems_allowed_list:\t1-99999999999\n");
	expect_room(1024, "in this machine", "");
}

static void test_limits(void **state)
{
#ifdef __SANITIZE_ADDRESS__ /* which has taken more than any limit */
	(void)state;
#else
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	tree_file("/proc/self/status", "VmSize:\t 1073741824 kB\n"); /* 1 TiB */
	low = (struct rlimit){ .rlim_cur = (1ull << 40) + 100 * MIB, .rlim_max = old.rlim_max };
	if (old.rlim_max == RLIM_INFINITY) {
		assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
		assert_int_equal(ask(101), -EINVAL);
		assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
		assert_non_null(strstr(pl_errmsg(), "100 MiB are available within RLIMIT_AS"));
		assert_non_null(strstr(pl_errmsg(), "ulimit -v unlimited"));
	}
#endif
}

#define NODE "/sys/devices/system/node/node"

static void test_node(void **state)
{
	char command[160];

	(void)state;
	assert_int_equal(pl_hugepages_free_on(0), 0);
	tree_file(NODE "0/hugepages/hugepages-2048kB/free_hugepages", "3\n");
	tree_file(NODE "0/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	tree_file(NODE "1/hugepages/hugepages-2048kB/free_hugepages", "0\n");
	tree_file(NODE "1/hugepages/hugepages-2048kB/nr_hugepages", "7\n");
	assert_true(pl_hugepages_free_on(0) == 1030 * MIB);
	assert_int_equal(pl_hugepages_free_on(1), 0);
	assert_int_equal(pl_hugepages_free_on(2), 0);
	pl_hugepages_remedy_on(1, 5 * MIB, command, sizeof(command));
	assert_string_equal(command,
			    "echo 10 | sudo tee " NODE "1/hugepages/hugepages-2048kB/nr_hugepages");
	pl_hugepages_remedy_on(2, 5 * MIB, command, sizeof(command));
	assert_string_equal(command, "there is no NUMA node 2 with hugepages; see: numactl -H");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroup_v2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroup_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpuset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_node, setup, teardown),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
