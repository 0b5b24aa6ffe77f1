/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the pool share: a device on a soft IOMMU, and an EAL, which starts once per process:
 * so each setting of it runs in its own, with hugepages, without, and in another place.
 */
#ifndef TEST_POOL_HOST_H
#define TEST_POOL_HOST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "ioas_set.h"
#include "mem_context.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "soft/soft_dma.h"

#define PAGE      4096u
#define MIB(n)    ((size_t)(n) << 20)
#define FREE_PATH "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
#define WANT_HUGE 40u /* pages of 2 MiB: what the steps below take at most, and the EAL itself */

static struct pl_ioas *ioas;
static struct pl_soft_dev *dev;

static struct pl_ioas_stats stats(void)
{
	struct pl_ioas_stats s;

	pl_ioas_stats(ioas, &s);
	return s;
}

static struct pl_pool_stats pool_stats(void)
{
	struct pl_pool_stats s;

	pl_pool_stats(&s);
	return s;
}

/* How much of [va, va + len) the device reaches from @va on. */
static size_t reach_len(const void *va, size_t len, uint32_t access)
{
	size_t done = 0, run;

	pl_soft_begin(dev);
	do {
		enum pl_mem_kind kind;
		void *host;

		run = pl_soft_xlate(dev, (uintptr_t)va + done, len - done, access, &host, &kind);
		if (run > 0) {
			assert_ptr_equal(host, (const char *)va + done);
			assert_int_equal(kind, PL_MEM_HOST);
		}
		done += run;
	} while (run > 0 && done < len);
	pl_soft_end(dev);
	return done;
}

static void assert_no_fault(void)
{
	struct pl_iommu_fault fault;

	assert_int_equal(pl_ioas_fault_next(ioas, &fault), -ENOENT);
}

/* An access that the IOMMU refuses, and records. */
static void assert_fault(const void *va, uint32_t access, const char *reason)
{
	struct pl_iommu_fault fault;

	assert_no_fault();
	assert_int_equal(reach_len(va, 1, access), 0);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
	assert_int_equal(fault.iova, (uintptr_t)va);
	assert_int_equal(fault.access, access);
	assert_string_equal(fault.reason, reason);
	assert_string_equal(fault.device, "dev");
}

static void assert_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		if (b[i] != 0)
			fail_msg("byte %zu of %zu is 0x%x", i, len, b[i]);
}

/* What pl_mem_zalloc() promises, and whoever has it may fill it. */
static void assert_given(void *p, size_t len, bool ro)
{
	struct pl_mem_info info;

	assert_non_null(p);
	assert_int_equal((uintptr_t)p % PAGE, 0);
	assert_zero(p, len);
	assert_int_equal(pl_mem_lookup(p, &info), 0);
	assert_true((char *)p + len <= (char *)info.va + info.len);
	assert_int_equal(info.kind, PL_MEM_HOST);
	assert_int_equal(info.device_readonly, ro);
	assert_int_equal(info.numa_node, rte_mem_virt2memseg_list(p)->socket_id);
	assert_false(info.external);
	assert_true(info.cpu_cacheable);
	assert_int_equal(reach_len(p, len, PL_IOMMU_READ), len);
	if (ro)
		assert_fault(p, PL_IOMMU_WRITE, "no write permission");
	else
		assert_int_equal(reach_len(p, len, PL_IOMMU_WRITE), len);
	assert_no_fault();
	memset(p, 0x5a, len);
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	assert_int_equal(pl_mem_start(&(struct ioas_set){ &ioas, 1 }), 0);
	return 0;
}

static int stop(void **state)
{
	struct pl_mem_info info;

	(void)state;
	mem_empty();
	assert_int_equal(stats().mapped_bytes, 0);
	assert_false(pl_region_at_or_after(0, &info));
	assert_int_equal(pool_stats().chunks, 0);
	assert_int_equal(pool_stats().mapped, 0);
	assert_int_equal(pool_stats().taken, 0);
	mem_context_destroy();
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	return 0;
}

/* ---- one process for each setting ---- */

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

/* The program's own: the tests of @mode. */
static int run_mode(const char *mode);

static int run_here(const char *mode)
{
	/* --no-huge is not compatible with --in-memory. */
	static const char *const common[] = { "test",           "--no-pci", "--no-telemetry",
					      "--iova-mode=va", "-l0",      NULL };
	static const char *const fixed[] = { "--no-huge", "--no-shconf", "-m96", NULL };
	static const char *const high[] = { "--no-huge", "--no-shconf", "-m64",
					    "--base-virtaddr=0x600000000000", NULL };
	static const char *const growing[] = { "--in-memory", NULL };
	const char *const *more = strcmp(mode, "fixed") == 0  ? fixed :
				  strcmp(mode, "high") == 0   ? high :
								growing;
	char *argv[16] = { 0 }, *copy[16]; /* the EAL changes the order of what it is given */
	int argc = 0, ret;

	for (unsigned int i = 0; common[i] != NULL; i++)
		argv[argc++] = strdup(common[i]);
	for (unsigned int i = 0; more[i] != NULL; i++)
		argv[argc++] = strdup(more[i]);
	memcpy(copy, argv, sizeof(copy));
	if (rte_eal_init(argc, argv) < 0)
		return 1;
	ret = run_mode(mode);
	rte_eal_cleanup();
	while (argc > 0)
		free(copy[--argc]);
	return ret;
}

static void run_in_process(const char *mode)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "test", mode, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void need_hugepages(void)
{
	FILE *f = fopen(FREE_PATH, "r");
	unsigned int n = 0;

	if (f != NULL) {
		if (fscanf(f, "%u", &n) != 1)
			n = 0;
		fclose(f);
	}
	if (n < WANT_HUGE) {
		print_message("skipped: %u hugepages of 2 MiB are free, %u are needed; to have "
			      "them: hugeadm --pool-pages-min 2MB:%u\n",
			      n, WANT_HUGE, WANT_HUGE);
		skip();
	}
}

static void test_without_hugepages(void **state)
{
	(void)state;
	run_in_process("fixed");
}

static void test_with_hugepages(void **state)
{
	(void)state;
	need_hugepages();
	run_in_process("growing");
}

#endif
