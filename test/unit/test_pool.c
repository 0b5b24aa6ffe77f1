/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of the pool's: what pl_mem_zalloc() gives and takes back, how the pool grows and shrinks,
 * and what is left of what fails. */
#include "pool_host.h"

#include <pthread.h>

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
		/* Memory, chunk, extent, prefault, record and its place, tables, extent and its
		 * place. */
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
		ret = pl_mem_start(&(struct ioas_set){ &ioas, 1 });
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
	assert_int_equal(pl_mem_start(&(struct ioas_set){ &ioas, 1 }), 0);
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
		live[i].va = i % 2 ? pl_mem_zalloc(live[i].len * 8, -1)
				   : pl_mem_zalloc_ro(live[i].len * 8, -1);
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

/* ---- one process for each setting ---- */

#define ALWAYS                                                                              \
	TEST(test_zeroed_again), TEST(test_refused), TEST(test_growth), TEST(test_unwinds), \
		cmocka_unit_test_setup_teardown(test_start_unwinds, start_only, stop),      \
		TEST(test_never_freed), TEST(test_churn)

static int run_mode(const char *mode)
{
	const struct CMUnitTest fixed[] = { ALWAYS, TEST(test_to_the_last) };
	const struct CMUnitTest growing[] = { ALWAYS };

	if (strcmp(mode, "fixed") == 0)
		return cmocka_run_group_tests_name(mode, fixed, NULL, NULL);
	return cmocka_run_group_tests_name(mode, growing, NULL, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_hugepages),
		cmocka_unit_test(test_with_hugepages),
	};

	if (argc > 1)
		return run_here(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
