/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices reach the chunks of the pool, each as it may, and nothing else of the EAL's memory. An EAL
 * starts once per process, so each setting runs in its own: with hugepages, without, and in another
 * place. */
#include <errno.h>
#include <pthread.h>
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
#include <rte_mempool.h>

#include "iommu_backend.h"
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
	assert_int_equal(pl_mem_start(ioas), 0);
	return 0;
}

static int stop(void **state)
{
	struct pl_mem_info info;

	(void)state;
	pl_mem_stop();
	assert_int_equal(stats().mapped_bytes, 0);
	assert_false(pl_region_at_or_after(0, &info));
	assert_int_equal(pool_stats().chunks, 0);
	assert_int_equal(pool_stats().mapped, 0);
	assert_int_equal(pool_stats().taken, 0);
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	return 0;
}

/* ---- what devices reach ---- */

/* Every byte that devices reach is the pool's: no page of the EAL's with one of its headers. */
static void test_heap_is_out_of_reach(void **state)
{
	void *rw = pl_mem_zalloc(3 * PAGE, -1), *ro = pl_mem_zalloc_ro(PAGE, -1);
	char *eal = rte_malloc(NULL, 100, 0), *pages = rte_malloc(NULL, 4 * PAGE, PAGE);
	struct pl_mem_info info;

	(void)state;
	assert_given(rw, 3 * PAGE, false);
	assert_given(ro, PAGE, true);
	assert_non_null(eal);
	assert_non_null(pages);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pl_mem_lookup(i ? ro : rw, &info), 0);
		/* The EAL's header is right before, the next one's may be right behind. */
		assert_fault((char *)info.va - 1, PL_IOMMU_WRITE, "not mapped");
		assert_fault((char *)info.va - 1, PL_IOMMU_READ, "not mapped");
		assert_fault((char *)info.va + info.len, PL_IOMMU_WRITE, "not mapped");
		/* Nobody but the pool stores there: it is an allocation of the EAL's as a whole. */
		assert_int_equal(rte_malloc_validate(info.va, &(size_t){ 0 }), 0);
	}
	assert_fault(eal, PL_IOMMU_WRITE, "not mapped");
	assert_fault(pages, PL_IOMMU_WRITE, "not mapped");
	assert_int_equal(pl_mem_lookup(pages, &info), -ENOENT);
	assert_int_equal(stats().mapped_bytes, pool_stats().mapped);
	assert_int_equal(stats().mappings, pool_stats().chunks);
	rte_free(pages);
	rte_free(eal);
	pl_mem_free(ro);
	pl_mem_free(rw);
}

static uint64_t bytes_written(uint8_t value, const void *va, size_t len)
{
	uint64_t done = 0;

	for (size_t off = 0; off < len; off += PAGE) {
		enum pl_mem_kind kind;
		void *host;

		pl_soft_begin(dev);
		if (pl_soft_xlate(dev, (uintptr_t)va + off, PAGE, PL_IOMMU_WRITE, &host, &kind) == PAGE)
			done += PAGE, memset(host, value, PAGE);
		pl_soft_end(dev);
	}
	return done;
}

static int scribble(const struct rte_memseg_list *msl, const struct rte_memseg *ms, size_t len,
		    void *arg)
{
	(void)msl;
	*(uint64_t *)arg += bytes_written(0x41, ms->addr, len);
	return 0;
}

/* A device writes over all that it can, and the host's heap and pool work on. */
static void test_scribble(void **state)
{
	char *rw[16], *ro[16], *eal = rte_zmalloc(NULL, 3 * PAGE, 0);
	struct pl_iommu_fault fault;
	uint64_t written = 0;

	(void)state;
	for (int i = 0; i < 16; i++) {
		assert_given(rw[i] = pl_mem_zalloc(PAGE << i % 4, -1), PAGE << i % 4, false);
		assert_given(ro[i] = pl_mem_zalloc_ro(PAGE << i % 4, -1), PAGE << i % 4, true);
	}
	assert_int_equal(rte_memseg_contig_walk(scribble, &written), 0);
	assert_true(written > 0);
	assert_true(written < pool_stats().mapped); /* not what is read only */
	while (pl_ioas_fault_next(ioas, &fault) == 0)
		;
	assert_zero(eal, 3 * PAGE);
	rte_free(eal);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(rw[i][PAGE - 1], 0x41);
		assert_int_equal(ro[i][PAGE - 1], 0x5a);
		pl_mem_free(rw[i]);
		pl_mem_free(ro[15 - i]);
	}
	eal = rte_zmalloc(NULL, MIB(2), PAGE);
	assert_non_null(eal);
	assert_zero(eal, MIB(2));
	rte_free(eal);
}

/* ---- allocation ---- */

static void test_zeroed_again(void **state)
{
	(void)state;
	for (int ro = 0; ro < 2; ro++) {
		char *p = ro ? pl_mem_zalloc_ro(1, -1) : pl_mem_zalloc(1, -1), *q;

		assert_given(p, PAGE, ro);
		pl_mem_free(p);
		q = ro ? pl_mem_zalloc_ro(PAGE, 0) : pl_mem_zalloc(PAGE, 0);
		assert_ptr_equal(q, p);
		assert_given(q, PAGE, ro);
		pl_mem_free(q);
	}
}

static void test_refused(void **state)
{
	static char other[2 * PAGE] __attribute__((aligned(PAGE)));
	struct pl_pool_stats before;
	char *p = pl_mem_zalloc(3 * PAGE, -1);

	(void)state;
	assert_non_null(p);
	before = pool_stats();
	assert_null(pl_mem_zalloc(0, -1));
	assert_non_null(strstr(pl_errmsg(), "0 bytes"));
	assert_null(pl_mem_zalloc(SIZE_MAX, -1));
	assert_null(pl_mem_zalloc(SIZE_MAX - PAGE, -1));
	assert_null(pl_mem_zalloc(SIZE_MAX / 2 - PAGE, -1));
	assert_null(pl_mem_zalloc((size_t)1 << 46, -1));
	assert_non_null(strstr(pl_errmsg(), "-m"));
	/* No allocation starts at any of these: they are logged, and nothing happens. */
	pl_mem_free(NULL);
	pl_mem_free(other);
	pl_mem_free(p + PAGE);
	pl_mem_free(p + 8);
	pl_mem_free(p - PAGE);
	pl_mem_free((void *)UINTPTR_MAX);
	assert_int_equal(pool_stats().taken, before.taken);
	assert_int_equal(pool_stats().mapped, before.mapped);
	pl_mem_free(p);
	pl_mem_free(p);
	assert_int_equal(pool_stats().taken, before.taken - 3 * PAGE);
}

/* It grows by chunks, large things get one of their own, and it has no more than one empty one. */
static void test_growth(void **state)
{
	enum { N = 96 };
	struct pl_ioas_stats before = stats();
	struct pl_mem_info info;
	char *p[N], *large;

	(void)state;
	assert_int_equal(pool_stats().chunks, 1);
	for (int i = 0; i < N; i++)
		assert_given(p[i] = pl_mem_zalloc(MIB(1) / 8, -1), MIB(1) / 8, false);
	assert_true(pool_stats().chunks > 1);
	assert_true(pool_stats().chunks <= 16); /* shared: not one for each */
	assert_int_equal(stats().maps - before.maps, pool_stats().chunks - 1);
	large = pl_mem_zalloc(MIB(9), -1);
	assert_given(large, MIB(9), false);
	assert_int_equal(pl_mem_lookup(large, &info), 0);
	pl_mem_free(large);
	assert_int_equal(pl_mem_lookup(large, &info), -ENOENT);
	assert_fault(large + 12345, PL_IOMMU_READ, "not mapped");
	for (int i = 0; i < N; i++)
		pl_mem_free(p[i * 7 % N]); /* in no order */
	assert_int_equal(pool_stats().chunks, 1);
	assert_int_equal(pool_stats().taken, 0);
	assert_int_equal(stats().mapped_bytes, before.mapped_bytes);

	/* What comes and goes costs no mapping. */
	before = stats();
	for (int i = 0; i < 100; i++)
		pl_mem_free(pl_mem_zalloc(64 * PAGE, -1));
	assert_int_equal(stats().maps, before.maps);
	assert_int_equal(stats().unmaps, before.unmaps);
}

/* The EAL's last memory is less than a chunk, and enough. */
static void test_to_the_last(void **state)
{
	void *first = NULL, **at = &first, *p;
	unsigned int n = 0;

	(void)state;
	/* The addresses of all are kept in themselves. */
	while ((p = pl_mem_zalloc(MIB(1) / 4, -1))) {
		*at = p;
		at = p;
		n++;
	}
	assert_non_null(strstr(pl_errmsg(), "-m"));
	assert_true(n >= 4 * (64 - 4)); /* of 64 MiB */
	while ((p = first)) {
		first = *(void **)p;
		pl_mem_free(p);
	}
	assert_int_equal(pool_stats().chunks, 1);
}

/* Each failure is told, and leaves nothing. */
static void test_unwinds(void **state)
{
	for (int ro = 0; ro < 2; ro++) {
		struct pl_pool_stats before = pool_stats();
		struct rte_malloc_socket_stats heap, now;
		unsigned int n;
		void *p = NULL;

		(void)state;
		rte_malloc_get_socket_stats((int)rte_socket_id_by_idx(0), &heap);
		for (n = 1; !p; n++) {
			pl_inject_arm(n);
			p = ro ? pl_mem_zalloc_ro(MIB(9), -1) : pl_mem_zalloc(MIB(9), -1);
			pl_inject_arm(0);
			if (p)
				break;
			assert_non_null(strstr(pl_errmsg(), "no "));
			assert_int_equal(stats().mappings, before.chunks);
			assert_int_equal(stats().mapped_bytes, before.mapped);
			assert_memory_equal(&(struct pl_pool_stats[]){ pool_stats() }, &before,
					    sizeof(before));
			rte_malloc_get_socket_stats((int)rte_socket_id_by_idx(0), &now);
			assert_int_equal(now.heap_allocsz_bytes, heap.heap_allocsz_bytes);
		}
		/* Memory, chunk, extent, prefault, record and its place, tables, extent and its place. */
		assert_true(n > 8);
		assert_given(p, MIB(9), ro);
		pl_mem_free(p);
	}
}

static int start_only(void **state)
{
	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	return 0;
}

static void test_start_unwinds(void **state)
{
	struct pl_mem_info info;
	unsigned int n = 1;
	int ret;

	(void)state;
	assert_null(pl_mem_zalloc(PAGE, -1));
	assert_non_null(strstr(pl_errmsg(), "pl_eal_init()"));
	for (;; n++) {
		pl_inject_arm(n);
		ret = pl_mem_start(ioas);
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(stats().mappings, 0);
		assert_int_equal(pool_stats().chunks, 0);
		assert_false(pl_region_at_or_after(0, &info));
		assert_null(pl_mem_zalloc(PAGE, -1));
	}
	assert_true(n > 12); /* handler, window, memory, bookkeeping, mapping, region */
}

static unsigned int warnings;

static void count_warnings(const char *text)
{
	if (strstr(text, "were never freed"))
		warnings++;
}

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	count_warnings(text);
	return (ssize_t)len;
}

static void test_never_freed(void **state)
{
	FILE *log = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = log_write });

	(void)state;
	assert_non_null(log);
	setvbuf(log, NULL, _IONBF, 0);
	rte_openlog_stream(log);
	assert_non_null(pl_mem_zalloc(PAGE, -1));
	assert_non_null(pl_mem_zalloc(2 * PAGE, -1));
	assert_non_null(pl_mem_zalloc_ro(PAGE, -1));
	pl_mem_stop();
	rte_openlog_stream(NULL);
	fclose(log);
	assert_int_equal(warnings, 2); /* a chunk of each sort */
	assert_int_equal(stats().mappings, 0);
	assert_int_equal(pl_mem_start(ioas), 0);
}

/* Any order, both sorts, several threads: nothing given twice, and all comes back. */
static void *churn(void *arg)
{
	enum { N = 12 };
	struct {
		uint64_t *va;
		size_t len;
	} live[N] = { 0 };
	uint64_t x = (uintptr_t)arg;
	bool wrong = false;

	for (unsigned int step = 0; step < 3000; step++) {
		unsigned int i;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		i = (unsigned int)(x >> 33) % N;
		for (size_t w = 0; live[i].va && w < live[i].len; w += PAGE / 8)
			wrong |= live[i].va[w] != (uintptr_t)arg;
		if (live[i].va) {
			pl_mem_free(live[i].va);
			live[i].va = NULL;
			continue;
		}
		live[i].len = ((x >> 20) % 16 == 0 ? MIB(1) : (x >> 24) % (16 * PAGE) + 8) / 8;
		live[i].va = i % 2 ? pl_mem_zalloc(live[i].len * 8, -1) :
				     pl_mem_zalloc_ro(live[i].len * 8, -1);
		for (size_t w = 0; live[i].va && w < live[i].len; w += PAGE / 8) {
			wrong |= live[i].va[w] != 0;
			live[i].va[w] = (uintptr_t)arg;
		}
		wrong |= !live[i].va;
	}
	for (unsigned int i = 0; i < N; i++)
		pl_mem_free(live[i].va);
	return wrong ? arg : NULL;
}

static void test_churn(void **state)
{
	pthread_t thread[3];
	void *wrong;

	(void)state;
	for (uintptr_t i = 0; i < RTE_DIM(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < RTE_DIM(thread); i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(pool_stats().taken, 0);
	assert_true(pool_stats().chunks <= 2);
	assert_int_equal(stats().mappings, pool_stats().chunks);
	assert_int_equal(stats().mapped_bytes, pool_stats().mapped);
}

/* ---- memory of the EAL's that an application registers ---- */

static void test_register_eal_memory(void **state)
{
	char *p = rte_zmalloc(NULL, 8 * PAGE, PAGE);
	struct pl_mem_info info;

	(void)state;
	assert_non_null(p);
	assert_int_equal(pl_mem_register(p, 8 * PAGE), 0);
	assert_int_equal(reach_len(p, 8 * PAGE, PL_IOMMU_WRITE), 8 * PAGE);
	assert_int_equal(pl_mem_lookup(p, &info), 0);
	assert_true(info.external);
	assert_false(info.device_readonly);
	assert_fault(p - 1, PL_IOMMU_WRITE, "not mapped"); /* the header */
	assert_fault(p + 8 * PAGE, PL_IOMMU_WRITE, "not mapped");
	assert_int_equal(pl_mem_unregister(p, 8 * PAGE), 0);
	assert_fault(p, PL_IOMMU_READ, "not mapped");
	rte_free(p);

	/* The pool's own is registered already. */
	p = pl_mem_zalloc(PAGE, -1);
	assert_int_equal(pl_mem_register(p, PAGE), -EEXIST);
	assert_int_equal(pl_mem_unregister(p, PAGE), -ENOENT);
	pl_mem_free(p);
}

/* A mempool over memory of the pool's: every object is DMA-able, and at its own address. */
static void test_mempool(void **state)
{
	enum { N = 64 };
	struct rte_mempool *mp;
	void *mem = pl_mem_zalloc(MIB(1), -1), *obj[N];
	int n;

	(void)state;
	assert_non_null(mem);
	mp = rte_mempool_create_empty("test", N, PAGE, 0, 0, SOCKET_ID_ANY, 0);
	assert_non_null(mp);
	n = rte_mempool_populate_iova(mp, mem, (uintptr_t)mem, MIB(1), NULL, NULL);
	assert_int_equal(n, N);
	assert_int_equal(rte_mempool_get_bulk(mp, obj, N), 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(reach_len(obj[i], PAGE, PL_IOMMU_WRITE), PAGE);
		assert_int_equal(rte_mempool_virt2iova(obj[i]), (uintptr_t)obj[i]);
	}
	rte_mempool_put_bulk(mp, obj, N);
	rte_mempool_free(mp);
	pl_mem_free(mem);
}

/* ---- an IOMMU that does not reach the EAL's memory ---- */

static void test_aperture(void **state)
{
	struct pl_mem_info info;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: AddressSanitizer occupies every address below 2^39\n");
	skip();
#endif
	assert_int_equal(pl_ioas_create("soft", "aw=39", &ioas), 0);
	assert_int_equal(pl_mem_start(ioas), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "--base-virtaddr=0x100000000"));
	assert_int_equal(stats().mappings, 0);
	assert_false(pl_region_at_or_after(0, &info));
	assert_null(pl_mem_zalloc(PAGE, -1));
	pl_ioas_destroy(ioas);
}

/* ---- one process for each ---- */

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define ALWAYS                                                              \
	TEST(test_heap_is_out_of_reach), TEST(test_scribble), TEST(test_zeroed_again),           \
		TEST(test_refused), TEST(test_growth), TEST(test_unwinds),                      \
		cmocka_unit_test_setup_teardown(test_start_unwinds, start_only, stop),          \
		TEST(test_never_freed), TEST(test_churn), TEST(test_register_eal_memory),       \
		TEST(test_mempool)

static int run_mode(const char *mode)
{
	const struct CMUnitTest fixed[] = { ALWAYS, TEST(test_to_the_last) };
	const struct CMUnitTest growing[] = { ALWAYS };
	const struct CMUnitTest high[] = { cmocka_unit_test(test_aperture) };

	if (strcmp(mode, "fixed") == 0)
		return cmocka_run_group_tests_name(mode, fixed, NULL, NULL);
	if (strcmp(mode, "high") == 0)
		return cmocka_run_group_tests_name(mode, high, NULL, NULL);
	return cmocka_run_group_tests_name(mode, growing, NULL, NULL);
}

static int run_here(const char *mode)
{
	/* --no-huge is not compatible with --in-memory. */
	static const char *const common[] = { "test_pool",      "--no-pci", "--no-telemetry",
					      "--iova-mode=va", "-l0",      NULL };
	static const char *const fixed[] = { "--no-huge", "--no-shconf", "-m96", NULL };
	static const char *const high[] = { "--no-huge", "--no-shconf", "-m64",
					    "--base-virtaddr=0x600000000000", NULL };
	static const char *const growing[] = { "--in-memory", NULL };
	static const char *const legacy[] = { "--in-memory", "--legacy-mem", "-m64", NULL };
	const char *const *more = strcmp(mode, "fixed") == 0  ? fixed :
				  strcmp(mode, "high") == 0   ? high :
				  strcmp(mode, "legacy") == 0 ? legacy :
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
		execl("/proc/self/exe", "test_pool", mode, (char *)NULL);
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

static void test_out_of_the_aperture(void **state)
{
	(void)state;
	run_in_process("high");
}

static void test_with_hugepages(void **state)
{
	(void)state;
	need_hugepages();
	run_in_process("growing");
}

static void test_with_legacy_memory(void **state)
{
	(void)state;
	need_hugepages();
	run_in_process("legacy");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_hugepages),
		cmocka_unit_test(test_out_of_the_aperture),
		cmocka_unit_test(test_with_hugepages),
		cmocka_unit_test(test_with_legacy_memory),
	};

	if (argc > 1)
		return run_here(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
