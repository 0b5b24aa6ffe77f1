/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices reach the chunks of the pool, each as it may, what was registered, and nothing else of
 * the EAL's memory. */
#include "pool_host.h"

#include <rte_mempool.h>

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
		if (pl_soft_xlate(dev, (uintptr_t)va + off, PAGE, PL_IOMMU_WRITE, &host, &kind) ==
		    PAGE)
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
	assert_int_equal(pl_mem_start(&(struct ioas_set){ &ioas, 1 }), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "--base-virtaddr=0x100000000"));
	assert_int_equal(stats().mappings, 0);
	assert_false(pl_region_at_or_after(0, &info));
	assert_null(pl_mem_zalloc(PAGE, -1));
	pl_ioas_destroy(ioas);
}

/* ---- one process for each setting ---- */

static int run_mode(const char *mode)
{
	const struct CMUnitTest all[] = {
		TEST(test_heap_is_out_of_reach),
		TEST(test_scribble),
		TEST(test_register_eal_memory),
		TEST(test_mempool),
	};
	const struct CMUnitTest high[] = { cmocka_unit_test(test_aperture) };

	if (strcmp(mode, "high") == 0)
		return cmocka_run_group_tests_name(mode, high, NULL, NULL);
	return cmocka_run_group_tests_name(mode, all, NULL, NULL);
}

static void test_out_of_the_aperture(void **state)
{
	(void)state;
	run_in_process("high");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_hugepages),
		cmocka_unit_test(test_out_of_the_aperture),
		cmocka_unit_test(test_with_hugepages),
	};

	if (argc > 1)
		return run_here(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
