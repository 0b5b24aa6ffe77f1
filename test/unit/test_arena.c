/* SPDX-License-Identifier: BSD-3-Clause */
/* The EAL's memory is DMA-able: what exists at init without hugepages, and, with them, what is
 * allocated and freed later. An EAL starts once per process, so each setting runs in its own. */
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
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "iommu_backend.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "soft/soft_dma.h"

#define PAGE      4096u
#define MIB(n)    ((size_t)(n) << 20)
#define FREE_PATH "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
#define WANT_HUGE 40u /* pages of 2 MiB: what the steps below take at most, and the EAL itself */

static struct pl_ioas *ioas;
static struct pl_soft_dev *dev;
static unsigned int cut; /* memory events that freed a part of a region only */

static uint64_t mapped_bytes(void)
{
	struct pl_ioas_stats stats;

	pl_ioas_stats(ioas, &stats);
	return stats.mapped_bytes;
}

static size_t reach(const void *va)
{
	enum pl_mem_kind kind;
	void *host;
	size_t run;

	pl_soft_begin(dev);
	run = pl_soft_xlate(dev, (uintptr_t)va, 1, PL_IOMMU_WRITE, &host, &kind);
	pl_soft_end(dev);
	return run;
}

static int add_len(const struct rte_memseg_list *msl, const struct rte_memseg *ms, size_t len,
		   void *arg)
{
	size_t *total = arg;

	(void)msl;
	(void)ms;
	*total += len;
	return 0;
}

/* Devices reach as many bytes as the EAL has: with the checks of single addresses, the same ones.
 */
static void assert_all_mapped(void)
{
	size_t total = 0;

	assert_int_equal(rte_memseg_contig_walk(add_len, &total), 0);
	assert_int_equal(mapped_bytes(), total);
}

static void assert_dma_able(const void *va, size_t len)
{
	struct pl_mem_info info;

	for (size_t off = 0; off < len; off += PAGE) {
		assert_int_equal(pl_mem_lookup((const char *)va + off, &info), 0);
		assert_int_equal(reach((const char *)va + off), 1);
	}
	assert_int_equal(pl_mem_lookup((const char *)va + len - 1, &info), 0);
	assert_false(info.external);
	assert_int_equal(info.kind, PL_MEM_HOST);
	assert_int_equal(info.numa_node, rte_mem_virt2memseg_list(va)->socket_id);
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	return 0;
}

static int stop(void **state)
{
	struct pl_mem_info info;

	(void)state;
	assert_int_equal(mapped_bytes(), 0);
	assert_false(pl_region_at_or_after(0, &info));
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	return 0;
}

/* ---- without hugepages: one arena, which neither grows nor shrinks ---- */

static void test_fixed_arena(void **state)
{
	struct pl_mem_info info;
	void *p[64];

	(void)state;
	assert_int_equal(pl_mem_start(ioas), 0);
	assert_all_mapped();
	assert_int_equal(mapped_bytes(), MIB(64));
	assert_true(pl_region_at_or_after(0, &info));
	assert_int_equal(info.len, MIB(64)); /* the largest run: all of it */
	for (unsigned int i = 0; i < 64; i++) {
		size_t len = (size_t)1 << (6 + i % 14);

		p[i] = rte_malloc(NULL, len, i % 2 == 0 ? PAGE : 0);
		assert_non_null(p[i]);
		assert_dma_able(p[i], len);
	}
	for (unsigned int i = 0; i < 64; i++)
		rte_free(p[i]);
	pl_mem_stop();
}

static void test_init_unwinds(void **state)
{
	struct pl_ioas_stats stats;
	struct pl_mem_info info;
	unsigned int n = 1;
	int ret;

	(void)state;
	for (;; n++) {
		pl_inject_arm(n);
		ret = pl_mem_start(ioas);
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		pl_ioas_stats(ioas, &stats);
		assert_int_equal(stats.mappings, 0);
		assert_false(pl_region_at_or_after(0, &info));
	}
	assert_true(n > 8); /* window, callback, prefault, mapping with its tables, region */
	pl_mem_stop();
}

/* ---- with hugepages: it grows and shrinks ---- */

/* Runs before Peerlane's own callback, which was registered later. */
static void count_cut(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	struct pl_mem_info r;
	uintptr_t va = (uintptr_t)addr;

	(void)arg;
	if (type == RTE_MEM_EVENT_FREE && pl_region_at_or_after(va, &r))
		cut += (uintptr_t)r.va < va ||
		       ((uintptr_t)r.va < va + len && (uintptr_t)r.va + r.len > va + len);
}

static int start_counting(void **state)
{
	cut = 0;
	assert_int_equal(rte_mem_event_callback_register("test_arena", count_cut, NULL), 0);
	return start(state);
}

static int stop_counting(void **state)
{
	rte_mem_event_callback_unregister("test_arena", NULL);
	return stop(state);
}

static void test_growth(void **state)
{
	struct pl_iommu_fault fault;
	struct pl_mem_info info;
	uint64_t before;
	char *early_a = rte_malloc(NULL, MIB(4), 0), *early_b = rte_malloc(NULL, MIB(4), 0), *p;

	(void)state;
	assert_non_null(early_a);
	assert_non_null(early_b);
	assert_int_equal(pl_mem_start(ioas), 0);
	assert_all_mapped();
	assert_dma_able(early_a, MIB(4));
	assert_dma_able(early_b, MIB(4));

	/* Growth is one region. */
	before = mapped_bytes();
	p = rte_malloc(NULL, MIB(8), 0);
	assert_non_null(p);
	assert_true(mapped_bytes() >= before + MIB(8));
	assert_all_mapped();
	assert_dma_able(p, MIB(8));
	assert_int_equal(pl_mem_lookup(p, &info), 0);
	assert_true((char *)info.va + info.len >= p + MIB(8));
	assert_int_equal(mapped_bytes(), before + info.len);

	/* And goes with its last byte, for devices, too. */
	rte_free(p);
	assert_int_equal(mapped_bytes(), before);
	assert_int_equal(pl_mem_lookup(p, &info), -ENOENT);
	assert_int_equal(reach(p + 12345), 0);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
	assert_int_equal(fault.iova, (uintptr_t)p + 12345);

	/* What was there before goes alone as well, without its neighbour losing a page. */
	rte_free(early_a);
	assert_int_equal(pl_mem_lookup(early_a + MIB(2), &info), -ENOENT);
	assert_dma_able(early_b, MIB(4));
	assert_all_mapped();
	rte_free(early_b);
	assert_all_mapped();
	assert_int_equal(cut, 0);
	pl_mem_stop();
}

/* Whatever the order of allocations and frees, all that the EAL has is mapped, and nothing else. */
static void churn(void)
{
	enum { N = 10 };
	struct {
		char *va;
		size_t len;
	} live[N] = { 0 };
	uint64_t x = 1;

	assert_int_equal(pl_mem_start(ioas), 0);
	for (unsigned int step = 0; step < 400; step++) {
		unsigned int i;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		i = (unsigned int)(x >> 33) % N;
		if (live[i].va != NULL) {
			rte_free(live[i].va);
			live[i].va = NULL;
		} else {
			live[i].len = (x >> 20) % 4 == 0 ? 64 : (x >> 24) % MIB(5) + 1;
			live[i].va = rte_malloc(NULL, live[i].len, 0);
			assert_non_null(live[i].va);
		}
		assert_all_mapped();
		for (unsigned int j = 0; j < N; j++)
			if (live[j].va != NULL)
				assert_dma_able(live[j].va, live[j].len);
	}
	for (unsigned int i = 0; i < N; i++)
		rte_free(live[i].va);
	assert_all_mapped();
	pl_mem_stop();
}

static void test_churn(void **state)
{
	(void)state;
	churn();
	assert_int_equal(cut, 0);
}

/* The EAL frees single pages of what it allocated as one: the rest stays within reach. */
static void test_churn_unmatched(void **state)
{
	(void)state;
	churn();
	assert_true(cut > 0);
}

/* ---- one process for each ---- */

static int run_here(const char *mode)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test_setup_teardown(test_fixed_arena, start, stop),
		cmocka_unit_test_setup_teardown(test_init_unwinds, start, stop),
	};
	const struct CMUnitTest matched[] = {
		cmocka_unit_test_setup_teardown(test_growth, start_counting, stop_counting),
		cmocka_unit_test_setup_teardown(test_churn, start_counting, stop_counting),
	};
	const struct CMUnitTest unmatched[] = {
		cmocka_unit_test_setup_teardown(test_churn_unmatched, start_counting,
						stop_counting),
	};
	/* --no-huge is not compatible with --in-memory. */
	static const char *const common[] = { "test_arena",     "--no-pci", "--no-telemetry",
					      "--iova-mode=va", "-l0",      NULL };
	static const char *const fixed_args[] = { "--no-huge", "--no-shconf", "-m64", NULL };
	static const char *const matched_args[] = { "--in-memory", "--match-allocations", NULL };
	static const char *const unmatched_args[] = { "--in-memory", NULL };
	const char *const *more = strcmp(mode, "fixed") == 0     ? fixed_args
				  : strcmp(mode, "matched") == 0 ? matched_args
								 : unmatched_args;
	char *argv[16] = { 0 }, *copy[16]; /* the EAL changes the order of what it is given */
	int argc = 0, ret;

	for (unsigned int i = 0; common[i] != NULL; i++)
		argv[argc++] = strdup(common[i]);
	for (unsigned int i = 0; more[i] != NULL; i++)
		argv[argc++] = strdup(more[i]);
	memcpy(copy, argv, sizeof(copy));
	if (rte_eal_init(argc, argv) < 0)
		return 1;
	if (strcmp(mode, "fixed") == 0)
		ret = cmocka_run_group_tests_name("fixed", fixed, NULL, NULL);
	else if (strcmp(mode, "matched") == 0)
		ret = cmocka_run_group_tests_name("matched", matched, NULL, NULL);
	else
		ret = cmocka_run_group_tests_name("unmatched", unmatched, NULL, NULL);
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
		execl("/proc/self/exe", "test_arena", mode, (char *)NULL);
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
	run_in_process("matched");
}

static void test_with_unmatched_frees(void **state)
{
	(void)state;
	need_hugepages();
	run_in_process("unmatched");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_hugepages),
		cmocka_unit_test(test_with_hugepages),
		cmocka_unit_test(test_with_unmatched_frees),
	};

	if (argc > 1)
		return run_here(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
