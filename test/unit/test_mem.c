/* SPDX-License-Identifier: BSD-3-Clause */
/* Registration of the caller's memory, the table of regions, the window for device memory. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "ioas_set.h"
#include "mem_context.h"
#include "mem_private.h"
#include "pl_inject.h"
#include "soft/soft_dma.h"

#define PAGE   4096u
#define MIB(n) ((size_t)(n) << 20)
#define GIB(n) ((size_t)(n) << 30)
#define FAR    (1ull << 46) /* where neither mmap() nor the EAL chooses addresses */

static struct pl_ioas *ioas;
static struct pl_soft_dev *dev;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	assert_int_equal(pl_mem_start(&(struct ioas_set){ &ioas, 1 }), 0);
	return 0;
}

static int teardown(void **state)
{
	struct pl_ioas_stats stats;

	(void)state;
	pl_mem_stop();
	pl_ioas_stats(ioas, &stats);
	assert_int_equal(stats.mappings, 0);
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	return 0;
}

static char *pages(unsigned int n, int prot)
{
	char *p = mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static size_t reach(const void *va, uint32_t access)
{
	enum pl_mem_kind kind;
	void *host = NULL;
	size_t run;

	pl_soft_begin(dev);
	run = pl_soft_xlate(dev, (uintptr_t)va, 1, access, &host, &kind);
	pl_soft_end(dev);
	if (run > 0) {
		assert_ptr_equal(host, va); /* one address for everyone */
		assert_int_equal(kind, PL_MEM_HOST);
	}
	return run;
}

/* Those beside the pool's first chunk. */
static uint64_t mappings(void)
{
	struct pl_ioas_stats stats;

	pl_ioas_stats(ioas, &stats);
	assert_true(stats.mappings >= 1);
	return stats.mappings - 1;
}

static void test_not_started(void **state)
{
	char *p = pages(1, PROT_READ | PROT_WRITE);

	(void)state;
	assert_int_equal(pl_mem_register(p, PAGE), -EINVAL);
	assert_int_equal(pl_mem_unregister(p, PAGE), -ENOENT);
	assert_int_equal(pl_window_reserve(MIB(2), &(void *){ NULL }), -ENOMEM);
	munmap(p, PAGE);
}

static void test_register(void **state)
{
	char *p = pages(6, PROT_READ | PROT_WRITE);
	struct pl_iommu_fault fault;
	struct pl_mem_info info;
	unsigned char present[6];

	(void)state;
	p[PAGE] = 42;
	assert_int_equal(reach(p + PAGE, PL_IOMMU_READ), 0);
	assert_int_equal(pl_mem_register(p + PAGE, 4 * PAGE), 0);
	assert_int_equal(p[PAGE], 42);
	assert_int_equal(mincore(p, 6 * PAGE, present), 0);
	for (unsigned int i = 1; i < 5; i++)
		assert_true(present[i] & 1); /* faulted in */

	assert_int_equal(pl_mem_lookup(p + 5 * PAGE - 1, &info), 0);
	assert_ptr_equal(info.va, p + PAGE);
	assert_int_equal(info.len, 4 * PAGE);
	assert_int_equal(info.kind, PL_MEM_HOST);
	assert_int_equal(info.numa_node, -1);
	assert_true(info.cpu_cacheable);
	assert_true(info.longterm_pin);
	assert_true(info.external);
	assert_string_equal(info.owner, "");
	assert_int_equal(pl_mem_lookup(p + 5 * PAGE, &info), -ENOENT);
	assert_int_equal(pl_mem_lookup(p + PAGE - 1, &info), -ENOENT);
	assert_int_equal(reach(p + 5 * PAGE - 1, PL_IOMMU_READ), 1);
	assert_int_equal(reach(p + PAGE, PL_IOMMU_WRITE), 1);

	/* Not twice, and not any part of it. */
	assert_int_equal(pl_mem_register(p + PAGE, 4 * PAGE), -EEXIST);
	assert_int_equal(pl_mem_register(p, 2 * PAGE), -EEXIST);
	assert_int_equal(pl_mem_register(p + 4 * PAGE, 2 * PAGE), -EEXIST);
	assert_int_equal(pl_mem_register(p + 2 * PAGE, PAGE), -EEXIST);
	assert_int_equal(pl_mem_register(p, 6 * PAGE), -EEXIST);
	assert_int_equal(mappings(), 1);

	assert_int_equal(pl_mem_unregister(p + PAGE, 3 * PAGE), -EINVAL);
	assert_int_equal(pl_mem_unregister(p + PAGE, 5 * PAGE), -EINVAL);
	assert_int_equal(pl_mem_unregister(p + 2 * PAGE, 3 * PAGE), -ENOENT);
	assert_int_equal(pl_mem_unregister(p, PAGE), -ENOENT);
	assert_int_equal(reach(p + PAGE, PL_IOMMU_READ), 1);

	/* Use after unregistration is a fault with its address. */
	assert_int_equal(pl_mem_unregister(p + PAGE, 4 * PAGE), 0);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0); /* of the first line */
	assert_int_equal(reach(p + 3 * PAGE + 7, PL_IOMMU_WRITE), 0);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
	assert_int_equal(fault.iova, (uintptr_t)p + 3 * PAGE + 7);
	assert_string_equal(fault.reason, "not mapped");
	assert_int_equal(pl_mem_unregister(p + PAGE, 4 * PAGE), -ENOENT);
	assert_int_equal(pl_mem_lookup(p + PAGE, &info), -ENOENT);
	munmap(p, 6 * PAGE);
}

static void assert_refused(void *va, size_t len)
{
	struct pl_mem_info info;

	assert_int_equal(pl_mem_register(va, len), -EINVAL);
	assert_int_equal(pl_mem_lookup(va, &info), -ENOENT);
	assert_int_equal(mappings(), 0);
	/* The way of older kernels must refuse the same, and live. */
	assert_int_equal(pl_prefault_each(va, len), -EINVAL);
}

/* Nothing here may crash, nor be half registered. */
static void test_refused_memory(void **state)
{
	char *rw = pages(4, PROT_READ | PROT_WRITE), *ro = pages(2, PROT_READ);
	char *none = pages(2, PROT_NONE), *file;
	int fd = memfd_create("short", 0);

	(void)state;
	assert_int_equal(pl_mem_register(rw, 0), -EINVAL);
	assert_int_equal(pl_mem_register(rw, PAGE - 1), -EINVAL);
	assert_int_equal(pl_mem_register(rw + 8, PAGE), -EINVAL);
	assert_int_equal(pl_mem_register(rw, SIZE_MAX - PAGE + 1), -EINVAL);
	assert_refused(ro, 2 * PAGE);
	assert_refused(none, 2 * PAGE);
	assert_int_equal(mprotect(rw + 2 * PAGE, PAGE, PROT_READ), 0);
	assert_refused(rw, 4 * PAGE); /* one page in the middle is enough */
	assert_int_equal(munmap(rw + 2 * PAGE, PAGE), 0);
	assert_refused(rw, 4 * PAGE); /* and so is a hole */

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	assert_refused(file, 2 * PAGE); /* touching the second page would be SIGBUS */
	assert_int_equal(pl_mem_register(file, PAGE), 0);
	assert_int_equal(pl_mem_unregister(file, PAGE), 0);

	close(fd);
	munmap(file, 2 * PAGE);
	munmap(none, 2 * PAGE);
	munmap(ro, 2 * PAGE);
	munmap(rw, 4 * PAGE);
}

static void test_prefault_each(void **state)
{
	char *p = pages(64, PROT_READ | PROT_WRITE);
	unsigned char present[64];

	(void)state;
	memset(p + PAGE, 0x5a, PAGE);
	assert_int_equal(pl_prefault_each(p, 64 * PAGE), 0);
	assert_int_equal(mincore(p, 64 * PAGE, present), 0);
	for (unsigned int i = 0; i < 64; i++)
		assert_true(present[i] & 1);
	for (unsigned int i = 0; i < PAGE; i++)
		assert_int_equal(p[PAGE + i], 0x5a);
	munmap(p, 64 * PAGE);
}

static void test_register_rolls_back(void **state)
{
	char *p = mmap((void *)FAR, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	char *more = pages(15, PROT_READ | PROT_WRITE);
	struct pl_mem_info info;
	unsigned int n = 1;
	int ret;

	(void)state;
	/* With the pool's chunk these fill the table, which grows by the next. @p is far from all
	 * of them, and needs page tables of its own. */
	assert_ptr_equal(p, FAR);
	for (unsigned int i = 0; i < 15; i++)
		assert_int_equal(pl_mem_register(more + i * PAGE, PAGE), 0);
	for (;; n++) {
		pl_inject_arm(n);
		ret = pl_mem_register(p, PAGE);
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(pl_mem_lookup(p, &info), -ENOENT);
		assert_int_equal(reach(p, PL_IOMMU_READ), 0);
		assert_int_equal(mappings(), 15);
	}
	/* Prefault, record, its place, three tables, the table of regions. */
	assert_int_equal(n, 8);
	assert_int_equal(pl_mem_unregister(p, PAGE), 0);
	for (unsigned int i = 0; i < 15; i++)
		assert_int_equal(pl_mem_unregister(more + i * PAGE, PAGE), 0);
	munmap(more, 15 * PAGE);
	munmap((void *)FAR, PAGE);
}

/* A registration that could not end is there, and can be ended again. */
static void test_unregister_fails(void **state)
{
	char *p = pages(1, PROT_READ | PROT_WRITE);
	struct pl_mem_info info;

	(void)state;
	assert_int_equal(pl_mem_register(p, PAGE), 0);
	assert_int_equal(pl_ioas_unmap(ioas, p, PAGE), 0); /* so the next one fails */
	assert_int_equal(pl_mem_unregister(p, PAGE), -ENOENT);
	assert_int_equal(pl_mem_lookup(p, &info), 0);
	assert_int_equal(pl_mem_register(p, PAGE), -EEXIST);
	assert_int_equal(pl_ioas_map(ioas, p, PAGE, PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_HOST),
			 0);
	assert_int_equal(pl_mem_unregister(p, PAGE), 0);
	assert_int_equal(pl_mem_lookup(p, &info), -ENOENT);
	munmap(p, PAGE);
}

/* What was left registered ends with the layer, as teardown asserts. */
static void test_left_registered(void **state)
{
	static char buf[2 * PAGE] __attribute__((aligned(PAGE)));

	(void)state;
	assert_int_equal(pl_mem_register(buf, sizeof(buf)), 0);
}

struct walk {
	uintptr_t last;
	unsigned int seen;
	unsigned int stop_at;
};

static int walk(const struct pl_mem_info *info, void *arg)
{
	struct walk *w = arg;

	assert_true((uintptr_t)info->va > w->last);
	w->last = (uintptr_t)info->va + info->len - 1;
	if (!info->external)
		return 0; /* the pool's */
	return ++w->seen == w->stop_at ? 77 : 0;
}

static void test_walk(void **state)
{
	enum { N = 100 };
	char *p = pages(2 * N, PROT_READ | PROT_WRITE);
	struct walk all = { 0 }, some = { .stop_at = 7 }, none = { 0 };

	(void)state;
	for (unsigned int i = 0; i < N; i++) /* 37 and N share no factor: every one, in no order */
		assert_int_equal(pl_mem_register(p + i * 37 % N * 2 * PAGE, PAGE), 0);
	assert_int_equal(pl_mem_walk(walk, &all), 0);
	assert_int_equal(all.seen, N);
	assert_int_equal(pl_mem_walk(walk, &some), 77);
	assert_int_equal(some.seen, 7);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(pl_mem_register(p + i * 2 * PAGE, 2 * PAGE), -EEXIST);
		assert_int_equal(pl_mem_unregister(p + i * 2 * PAGE, PAGE), 0);
	}
	assert_int_equal(pl_mem_walk(walk, &none), 0);
	assert_int_equal(none.seen, 0);
	munmap(p, 2 * N * PAGE);
}

static int stop;

static void *lookup_thread(void *arg)
{
	struct pl_mem_info info;
	uintptr_t wrong = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		for (unsigned int i = 0; i < 16; i++)
			if (pl_mem_lookup((char *)arg + i * PAGE, &info) == 0)
				wrong += info.va != (char *)arg + i * PAGE || info.len != PAGE;
	return (void *)wrong;
}

static void test_lookup_while_registering(void **state)
{
	char *p = pages(16, PROT_READ | PROT_WRITE);
	pthread_t thread;
	void *wrong;

	(void)state;
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, lookup_thread, p), 0);
	for (unsigned int i = 0; i < 4000; i++) {
		char *at = p + i * 5 % 16 * PAGE;

		assert_int_equal(pl_mem_register(at, PAGE), 0);
		if (i % 3 != 0)
			assert_int_equal(pl_mem_unregister(at, PAGE), 0);
		for (unsigned int j = 0; i % 16 == 15 && j < 16; j++)
			pl_mem_unregister(p + j * PAGE, PAGE);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, &wrong);
	assert_null(wrong);
	munmap(p, 16 * PAGE);
}

static void test_registered(void **state)
{
	char *p = pages(5, PROT_READ | PROT_WRITE);
	char *last = (char *)(UINTPTR_MAX - PAGE + 1);

	(void)state;
	assert_int_equal(pl_mem_register(p, 2 * PAGE), 0);
	assert_int_equal(pl_mem_register(p + 2 * PAGE, PAGE), 0);
	assert_int_equal(pl_mem_register(p + 4 * PAGE, PAGE), 0);
	assert_true(pl_mem_registered(p, 3 * PAGE)); /* neighbours are as good as one */
	assert_true(pl_mem_registered(p + 3 * PAGE - 1, 1));
	assert_false(pl_mem_registered(p, 3 * PAGE + 1));
	assert_false(pl_mem_registered(p, 5 * PAGE));
	assert_false(pl_mem_registered(p + 4 * PAGE, SIZE_MAX));
	/* Beyond the last address there is nothing, and not address 0. */
	assert_false(pl_mem_registered(last, PAGE));
	assert_false(pl_mem_registered(last, 2 * PAGE));
	assert_false(pl_mem_registered(p, UINTPTR_MAX - (uintptr_t)p + 2));
	assert_false(pl_mem_registered(p, SIZE_MAX));
	assert_int_equal(pl_mem_unregister(p, 2 * PAGE), 0);
	assert_int_equal(pl_mem_unregister(p + 2 * PAGE, PAGE), 0);
	assert_int_equal(pl_mem_unregister(p + 4 * PAGE, PAGE), 0);
	munmap(p, 5 * PAGE);
}

/* Memory is in every address space of the set, or in none, the pool's and the caller's alike. */
static void test_every_space_has_it(void **state)
{
	char *p = pages(1, PROT_READ | PROT_WRITE);
	struct pl_ioas *two[2];
	struct pl_soft_dev *devs[2];
	struct pl_ioas_stats s;
	struct pl_mem_info info;
	void *pooled;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(pl_ioas_create("soft", "", &two[i]), 0);
		assert_int_equal(pl_soft_attach(two[i], "dev", &devs[i]), 0);
	}
	assert_int_equal(pl_mem_start(&(struct ioas_set){ two, 2 }), 0);
	pooled = pl_mem_zalloc(PAGE, -1);
	assert_int_equal(pl_mem_register(p, PAGE), 0);
	for (unsigned int i = 0; i < 2; i++) {
		dev = devs[i];
		assert_int_equal(reach(p, PL_IOMMU_WRITE), 1);
		assert_int_equal(reach(pooled, PL_IOMMU_WRITE), 1);
	}
	assert_int_equal(pl_mem_unregister(p, PAGE), 0);
	for (unsigned int i = 0; i < 2; i++) {
		dev = devs[i];
		assert_int_equal(reach(p, PL_IOMMU_WRITE), 0);
	}
	/* What is in the way in the second: not in the first either, nor in the table. */
	assert_int_equal(pl_ioas_map(two[1], p, PAGE, PL_IOMMU_READ, PL_MEM_CMB), 0);
	assert_int_equal(pl_mem_register(p, PAGE), -EEXIST);
	assert_int_equal(pl_mem_lookup(p, &info), -ENOENT);
	dev = devs[0];
	assert_int_equal(reach(p, PL_IOMMU_READ), 0);
	assert_int_equal(pl_ioas_unmap(two[1], p, PAGE), 0);
	pl_mem_free(pooled);
	pl_mem_stop();
	for (unsigned int i = 0; i < 2; i++) {
		pl_ioas_stats(two[i], &s);
		assert_int_equal(s.mappings, 0);
		pl_soft_detach(devs[i]);
		pl_ioas_destroy(two[i]);
	}
	munmap(p, PAGE);
}

static void test_start_unwinds(void **state)
{
	struct pl_ioas *space;
	unsigned int n = 1;
	int ret;

	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &space), 0);
	for (;; n++) {
		pl_inject_arm(n);
		ret = pl_mem_start(&(struct ioas_set){ &space, 1 });
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(pl_window_reserve(MIB(2), &(void *){ NULL }), -ENOMEM);
	}
	assert_true(n > 9); /* handler, window, the first chunk with its mapping and region */
	pl_mem_stop();
	pl_ioas_destroy(space);
}

/* The longest reservation that a fresh window grants, which is all of it. */
static size_t window_len(void **va)
{
	for (size_t len = GIB(64); len >= MIB(256); len /= 2)
		if (pl_window_reserve(len, va) == 0)
			return len;
	fail_msg("the window is shorter than 256 MiB");
	return 0;
}

static void test_window(void **state)
{
	void *all, *p, *q;
	size_t len = window_len(&all);

	(void)state;
	assert_true(pl_ioas_covers(ioas, (uintptr_t)all, len));
	assert_int_equal((uintptr_t)all % MIB(2), 0);
	assert_int_equal(pl_window_reserve(1, &p), -ENOMEM);
	pl_window_release(all, len);
	assert_int_equal(pl_window_reserve(0, &p), -ENOMEM);
	assert_int_equal(pl_window_reserve(SIZE_MAX, &p), -ENOMEM);
	assert_int_equal(pl_window_reserve(len + 1, &p), -ENOMEM);

	/* First fit, in steps of 2 MiB, whatever the length. */
	assert_int_equal(pl_window_reserve(PAGE, &p), 0);
	assert_ptr_equal(p, all);
	assert_int_equal(pl_window_reserve(MIB(2) + 1, &q), 0);
	assert_ptr_equal(q, (char *)all + MIB(2));
	/* It can be mapped over, and released memory is inaccessible again. */
	assert_ptr_equal(mmap(q, MIB(2), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 q);
	memset(q, 1, MIB(2));
	assert_int_equal(pl_prefault_each(q, MIB(2)), 0);
	pl_window_release(q, MIB(2)); /* not its length: logged and ignored */
	assert_int_equal(pl_prefault_each(q, MIB(2)), 0);
	pl_window_release(q, MIB(2) + 1);
	assert_int_equal(pl_prefault_each(q, PAGE), -EINVAL);
	pl_window_release(q, MIB(2) + 1); /* twice: logged and ignored */
	pl_window_release(p, PAGE);
	assert_int_equal(pl_window_reserve(len, &p), 0);
	assert_ptr_equal(p, all);
	pl_window_release(p, len);
}

/* Used up in pieces; then freed in an order that leaves holes, which join again. */
static void test_window_coalesces(void **state)
{
	enum { N = 16 };
	void *all, *piece[N], *p;
	size_t len = window_len(&all), part = len / N;

	(void)state;
	pl_window_release(all, len);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(pl_window_reserve(part, &piece[i]), 0);
		assert_ptr_equal(piece[i], (char *)all + i * part);
	}
	assert_int_equal(pl_window_reserve(PAGE, &p), -ENOMEM);
	for (unsigned int i = 0; i < N; i += 2)
		pl_window_release(piece[i], part);
	assert_int_equal(pl_window_reserve(part + 1, &p), -ENOMEM); /* free, but not in a row */
	assert_int_equal(pl_window_reserve(part, &p), 0);
	assert_ptr_equal(p, piece[0]);
	pl_window_release(p, part);
	pl_window_release(piece[5], part);
	assert_int_equal(pl_window_reserve(3 * part, &p), 0);
	assert_ptr_equal(p, piece[4]);
	pl_window_release(p, 3 * part);
	for (unsigned int i = 1; i < N; i += 2)
		if (i != 5)
			pl_window_release(piece[i], part);
	assert_int_equal(pl_window_reserve(len, &p), 0);
	assert_ptr_equal(p, all);
	pl_window_release(p, len);
}

/* A 39-bit IOMMU: the window must be low, and memory that is not is refused. */
static void test_narrow_aperture(void **state)
{
	struct pl_ioas *narrow;
	size_t len;
	void *all;
	char *p;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	print_message("skipped: AddressSanitizer occupies every address below 2^39\n");
	skip();
#endif
	assert_int_equal(pl_ioas_create("soft", "aw=39", &narrow), 0);
	assert_int_equal(pl_mem_start(&(struct ioas_set){ &narrow, 1 }), 0);
	len = window_len(&all);
	assert_true(pl_ioas_covers(narrow, (uintptr_t)all, len));
	pl_window_release(all, len);
	p = mmap((void *)(1ull << 46), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_true((uintptr_t)p >= 1ull << 39);
	assert_int_equal(pl_mem_register(p, PAGE), -EINVAL);
	munmap(p, PAGE);
	pl_mem_stop();
	pl_ioas_destroy(narrow);
}

static int start_eal(void **state)
{
	char args[][16] = { "test_mem", "--no-huge", "--no-shconf",    "-m64",
			    "--no-pci", "-l0",       "--no-telemetry", "--iova-mode=va" };
	char *argv[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		argv[i] = args[i];
	return rte_eal_init(8, argv) < 0;
}

static int stop_eal(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_start_unwinds),
		cmocka_unit_test(test_every_space_has_it),
		cmocka_unit_test(test_prefault_each),
		cmocka_unit_test(test_narrow_aperture),
		TEST(test_register),
		TEST(test_refused_memory),
		TEST(test_register_rolls_back),
		TEST(test_unregister_fails),
		TEST(test_left_registered),
		TEST(test_walk),
		TEST(test_registered),
		TEST(test_lookup_while_registering),
		TEST(test_window),
		TEST(test_window_coalesces),
	};

	return cmocka_run_group_tests(tests, start_eal, stop_eal);
}
