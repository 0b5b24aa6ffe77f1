/* SPDX-License-Identifier: BSD-3-Clause */
/* Heaps over device memory, against a model that knows the owner of every page. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <rte_log.h>

#include "mem_context.h"
#include "mem_private.h"
#include "pl_inject.h"

#define PAGES 700u
#define LEN   (PAGES * (size_t)PL_P2P_PAGE)

static char *map;
static char *base; /* aligned to a page and to nothing more */
static struct pl_p2p_heap *heap;

static int setup(void **state)
{
	(void)state;
	map = mmap(NULL, LEN + (4 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	assert_ptr_not_equal(map, MAP_FAILED);
	base = (char *)(((uintptr_t)map + (2 << 20) - 1) & ~(uintptr_t)((2 << 20) - 1)) +
	       3 * PL_P2P_PAGE;
	memset(base, 0xa5, LEN); /* device memory is not clean */
	assert_int_equal(mem_context_create(&(struct ioas_set){ 0 }), 0);
	assert_int_equal(pl_p2p_heap_create("nvme_emu0", PL_MEM_CMB, base, LEN, &heap), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_p2p_heap_destroy(heap);
	munmap(map, LEN + (4 << 20));
	mem_regions_fini(&mem_context()->regions);
	mem_context_destroy();
	return 0;
}

static unsigned int rnd(void)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(x >> 33);
}

static void test_region(void **state)
{
	struct pl_mem_info info;
	struct pl_p2p_heap *second;

	(void)state;
	assert_int_equal(pl_mem_lookup(base + LEN - 1, &info), 0);
	assert_ptr_equal(info.va, base);
	assert_int_equal(info.len, LEN);
	assert_int_equal(info.kind, PL_MEM_CMB);
	assert_string_equal(info.owner, "nvme_emu0");
	assert_false(info.cpu_cacheable);
	assert_false(info.longterm_pin);
	assert_false(info.external);
	assert_int_equal(pl_mem_lookup(base + LEN, &info), -ENOENT);
	assert_int_equal(pl_mem_lookup(base - 1, &info), -ENOENT);

	assert_int_equal(pl_p2p_heap_create("x", PL_MEM_PMR, base, LEN, &second), -EEXIST);
	assert_int_equal(pl_p2p_heap_create("x", PL_MEM_PMR, base + LEN, 0, &second), -EINVAL);
	assert_int_equal(pl_p2p_heap_create("x", PL_MEM_PMR, base + LEN, 4095, &second), -EINVAL);
	assert_int_equal(
		pl_p2p_heap_create("x", PL_MEM_PMR, (void *)(UINTPTR_MAX - 4095), 8192, &second),
		-EINVAL);
	assert_int_equal(pl_p2p_heap_create("x", PL_MEM_PMR, base + LEN + 8, 4096, &second),
			 -EINVAL);
	assert_int_equal(pl_p2p_heap_create("x", PL_MEM_PMR, base + LEN, 4096, &second), 0);
	assert_int_equal(pl_mem_lookup(base + LEN, &info), 0);
	assert_int_equal(info.kind, PL_MEM_PMR);
	pl_p2p_heap_destroy(second);
	assert_int_equal(pl_mem_lookup(base + LEN, &info), -ENOENT);
}

static void assert_stats(size_t free_bytes, size_t largest)
{
	struct pl_p2p_heap_stats stats;

	pl_p2p_heap_stats(heap, &stats);
	assert_int_equal(stats.kind, PL_MEM_CMB);
	assert_int_equal(stats.size, LEN);
	assert_int_equal(stats.free, free_bytes);
	assert_int_equal(stats.largest_free, largest);
}

static void test_arguments(void **state)
{
	void *p;

	(void)state;
	assert_int_equal(pl_p2p_alloc(heap, 0, 0, &p), -EINVAL);
	assert_int_equal(pl_p2p_alloc(heap, 4096, 3, &p), -EINVAL);
	assert_int_equal(pl_p2p_alloc(heap, 4096, 4097, &p), -EINVAL);
	assert_int_equal(pl_p2p_alloc(heap, LEN + 1, 0, &p), -ENOMEM);
	assert_int_equal(pl_p2p_alloc(heap, SIZE_MAX, 0, &p), -ENOMEM);
	assert_int_equal(pl_p2p_alloc(heap, SIZE_MAX - 4095, 0, &p), -ENOMEM);
	assert_int_equal(pl_p2p_alloc(heap, 4096, (size_t)1 << 63, &p), -ENOMEM);
	assert_non_null(strstr(pl_errmsg(), "nvme_emu0"));
	assert_stats(LEN, LEN);
	/* No byte is lost: all of it can be had at once. */
	assert_int_equal(pl_p2p_alloc(heap, LEN - 100, 0, &p), 0);
	assert_ptr_equal(p, base);
	assert_stats(0, 0);
	assert_int_equal(pl_p2p_alloc(heap, 1, 0, &p), -ENOMEM);
	pl_p2p_free(heap, base);
	assert_stats(LEN, LEN);
}

/* Frees @p and returns whether that was logged. */
static bool free_is_logged(void *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool logged;

	assert_non_null(f);
	rte_openlog_stream(f);
	pl_p2p_free(heap, p);
	rte_openlog_stream(NULL);
	fclose(f);
	logged = strstr(text, "nvme_emu0") != NULL;
	free(text);
	return logged;
}

static void test_bad_free(void **state)
{
	void *a, *b;

	(void)state;
	assert_int_equal(pl_p2p_alloc(heap, 8192, 0, &a), 0);
	assert_int_equal(pl_p2p_alloc(heap, 8192, 0, &b), 0);
	assert_false(free_is_logged(NULL));
	assert_true(free_is_logged((char *)a + 4096)); /* not its start */
	assert_true(free_is_logged((char *)b + 8192)); /* free memory */
	assert_true(free_is_logged(&a));
	assert_stats(LEN - 16384, LEN - 16384);
	assert_false(free_is_logged(a));
	assert_true(free_is_logged(a)); /* twice */
	assert_stats(LEN - 8192, LEN - 16384);
	assert_false(free_is_logged(b));
	assert_stats(LEN, LEN);
}

/* ---- the model: 0 is a free page, anything else its allocation ---- */

static unsigned int owner[PAGES];

/* The lowest page at which a run fits: what first fit must return. */
static int model_fit(unsigned int pages, size_t align)
{
	unsigned int run = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		if (owner[i] != 0)
			run = 0;
		else if (run > 0 ||
			 ((uintptr_t)(base + i * (size_t)PL_P2P_PAGE) & (align - 1)) == 0)
			run++;
		/* A run that began at an aligned page may be too short where a later one is not;
		 * the later one is met when its own pages are. */
		if (run == pages)
			return (int)(i + 1 - pages);
	}
	return -1;
}

static void model_check(void)
{
	size_t free_pages = 0, run = 0, largest = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		run = owner[i] == 0 ? run + 1 : 0;
		free_pages += owner[i] == 0;
		largest = run > largest ? run : largest;
	}
	assert_stats(free_pages * PL_P2P_PAGE, largest * PL_P2P_PAGE);
}

static void fill(unsigned int page, unsigned int pages, unsigned int id)
{
	uint64_t *word = (uint64_t *)(void *)(base + page * (size_t)PL_P2P_PAGE);

	for (size_t i = 0; i < pages * (size_t)PL_P2P_PAGE / 8; i++) {
		assert_int_equal(word[i], 0); /* as it was handed out */
		word[i] = ((uint64_t)id << 32) + i;
	}
}

static void check_filled(unsigned int page, unsigned int pages, unsigned int id)
{
	const uint64_t *word = (const uint64_t *)(const void *)(base + page * (size_t)PL_P2P_PAGE);

	for (size_t i = 0; i < pages * (size_t)PL_P2P_PAGE / 8; i++)
		assert_int_equal(word[i], ((uint64_t)id << 32) + i);
}

static void model_alloc(unsigned int id)
{
	size_t len = 1 + rnd() % (rnd() % 8 == 0 ? 100 * PL_P2P_PAGE : 6 * PL_P2P_PAGE);
	unsigned int pages = (unsigned int)((len + PL_P2P_PAGE - 1) / PL_P2P_PAGE);
	size_t align = rnd() % 3 == 0 ? (size_t)1 << rnd() % 22 : 0;
	int want = model_fit(pages, align > PL_P2P_PAGE ? align : PL_P2P_PAGE);
	void *p = NULL;
	int ret = pl_p2p_alloc(heap, len, align, &p);

	assert_int_equal(ret, want < 0 ? -ENOMEM : 0);
	if (want < 0)
		return;
	assert_ptr_equal(p, base + (size_t)want * PL_P2P_PAGE);
	for (unsigned int i = 0; i < pages; i++)
		owner[(unsigned int)want + i] = id;
	fill((unsigned int)want, pages, id);
}

/* Frees the allocation of the first used page from a random one on. */
static void model_free(void)
{
	unsigned int at = rnd() % PAGES, pages = 0, id;

	for (unsigned int i = 0; i < PAGES && owner[at] == 0; i++)
		at = (at + 1) % PAGES;
	id = owner[at];
	if (id == 0)
		return;
	while (at > 0 && owner[at - 1] == id)
		at--;
	while (at + pages < PAGES && owner[at + pages] == id)
		pages++;
	check_filled(at, pages, id);
	pl_p2p_free(heap, base + at * (size_t)PL_P2P_PAGE);
	memset(&owner[at], 0, pages * sizeof(owner[0]));
}

static void test_model(void **state)
{
	(void)state;
	memset(owner, 0, sizeof(owner));
	for (unsigned int step = 1; step <= 20000; step++) {
		/* Phases of growth and of shrinking: from nearly empty to exhausted and back. */
		if (rnd() % 100 < (step / 500 % 2 == 0 ? 65u : 35u))
			model_alloc(step);
		else
			model_free();
		model_check();
	}
	for (unsigned int i = 0; i < PAGES; i++)
		model_free();
	assert_stats(LEN, LEN);
}

/* Every step that can fail, fails once; the heap is as it was, and works. */
static void test_unwinds(void **state)
{
	struct pl_p2p_heap *second;
	void *p, *q = NULL;
	unsigned int n = 1;
	int ret;

	(void)state;
	assert_int_equal(pl_p2p_alloc(heap, 4096, 0, &p), 0);
	for (;; n++) {
		pl_inject_arm(n);
		ret = pl_p2p_alloc(heap, 4096, 65536,
				   &q); /* leaves a gap before and a rest behind */
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_stats(LEN - 4096, LEN - 4096);
	}
	assert_int_equal(n, 4);
	pl_p2p_free(heap, p);
	pl_p2p_free(heap, q);
	assert_stats(LEN, LEN);
	for (n = 1;; n++) {
		pl_inject_arm(n);
		ret = pl_p2p_heap_create("x", PL_MEM_PMR, base + LEN, 4096, &second);
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(pl_mem_lookup(base + LEN, &(struct pl_mem_info){ 0 }), -ENOENT);
	}
	assert_int_equal(n, 3);
	pl_p2p_heap_destroy(second);
}

static void *worker(void *arg)
{
	uintptr_t wrong = 0;

	for (unsigned int i = 0; i < 3000; i++) {
		size_t len = (1 + i % 5) * PL_P2P_PAGE;
		uint64_t *p;
		void *at;

		if (pl_p2p_alloc(heap, len, 0, &at) != 0) {
			wrong++;
			continue;
		}
		p = at;
		for (size_t j = 0; j < len / 8; j += 64) {
			wrong += p[j] != 0;
			p[j] = (uintptr_t)arg;
		}
		for (size_t j = 0; j < len / 8; j += 64)
			wrong += p[j] != (uintptr_t)arg;
		pl_p2p_free(heap, at);
	}
	return (void *)wrong;
}

static void test_threads(void **state)
{
	pthread_t thread[3];
	void *wrong;

	(void)state;
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < 3; i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_stats(LEN, LEN);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_region), TEST(test_arguments), TEST(test_bad_free),
		TEST(test_model),  TEST(test_unwinds),   TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
