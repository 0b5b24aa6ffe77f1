/* SPDX-License-Identifier: BSD-3-Clause */
/* Several address spaces in one process: their names, and what is mapped in all of a set. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ioas_set.h"
#include "pl_inject.h"
#include "soft/soft_dma.h"

#define KIB(n) ((size_t)(n) << 10)
#define GIB(n) ((size_t)(n) << 30)
#define RW     (PL_IOMMU_READ | PL_IOMMU_WRITE)
#define AT(n)  ((void *)(uintptr_t)(GIB(8) + (n)))

enum { N = 3 };

/* The third reaches less than the others. */
static struct pl_ioas *space[N];
static struct pl_soft_dev *dev[N];
static struct ioas_set set;

static int start(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(pl_ioas_create("soft", i == 2 ? "aw=39" : "", &space[i]), 0);
		assert_int_equal(pl_soft_attach(space[i], i == 2 ? "narrow" : "wide", &dev[i]), 0);
		assert_int_equal(ioas_set_add(&set, space[i]), 0);
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	ioas_set_fini(&set);
	for (unsigned int i = 0; i < N; i++) {
		pl_soft_detach(dev[i]);
		pl_ioas_destroy(space[i]);
	}
	assert_null(pl_ioas_next(NULL));
	return 0;
}

static bool reaches(unsigned int i, void *va)
{
	enum pl_mem_kind kind;
	void *host;
	size_t run;

	pl_soft_begin(dev[i]);
	run = pl_soft_xlate(dev[i], (uintptr_t)va, 1, PL_IOMMU_WRITE, &host, &kind);
	pl_soft_end(dev[i]);
	return run == 1 && host == va;
}

static struct pl_ioas_stats stats_of(unsigned int i)
{
	struct pl_ioas_stats s;

	pl_ioas_stats(space[i], &s);
	return s;
}

static void assert_mappings(uint64_t want)
{
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(stats_of(i).mappings, want);
}

static void test_map_is_in_all(void **state)
{
	(void)state;
	assert_int_equal(ioas_set_map(&set, AT(0), KIB(8), RW, PL_MEM_HOST), 0);
	for (unsigned int i = 0; i < N; i++)
		assert_true(reaches(i, AT(KIB(8) - 1)));
	assert_int_equal(ioas_set_map(&set, AT(0), KIB(4), RW, PL_MEM_HOST), -EEXIST);
	assert_mappings(1);
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(8)), 0);
	for (unsigned int i = 0; i < N; i++)
		assert_false(reaches(i, AT(0)));
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(8)), -ENOENT);
}

/* Every step of it fails once, in each member: nothing is left in any. */
static void test_map_rolls_back(void **state)
{
	unsigned int n = 1, in_third = 0;
	int rc;

	(void)state;
	for (;; n++) {
		struct pl_ioas_stats before = stats_of(1);

		pl_inject_arm(n);
		rc = ioas_set_map(&set, AT(0), KIB(4), RW, PL_MEM_HOST);
		pl_inject_arm(0);
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_mappings(0);
		in_third += stats_of(1).unmaps > before.unmaps;
	}
	assert_true(in_third >= 2);
	assert_mappings(1);
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(4)), 0);

	/* What is in the way of the third is named, and the others are as before. */
	assert_int_equal(pl_ioas_map(space[2], AT(0), KIB(4), RW, PL_MEM_CMB), 0);
	assert_int_equal(ioas_set_map(&set, AT(0), KIB(4), RW, PL_MEM_HOST), -EEXIST);
	assert_non_null(strstr(pl_errmsg(), "mapped already"));
	assert_int_equal(stats_of(0).mappings, 0);
	assert_int_equal(stats_of(1).mappings, 0);
	assert_int_equal(pl_ioas_unmap(space[2], AT(0), KIB(4)), 0);
}

/* An unmap that could not end everywhere is told, ends the rest, and can be repeated. */
static void test_unmap_ends_the_rest(void **state)
{
	(void)state;
	assert_int_equal(ioas_set_map(&set, AT(0), KIB(8), RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_unmap(space[1], AT(0), KIB(8)), 0);
	assert_int_equal(pl_ioas_map(space[1], AT(0), KIB(4), RW, PL_MEM_HOST), 0);
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(8)), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "the mapping there has 4096"));
	assert_false(reaches(0, AT(0)));
	assert_true(reaches(1, AT(0)));
	assert_false(reaches(2, AT(0)));
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(4)), 0);
	assert_mappings(0);
	assert_int_equal(ioas_set_unmap(&set, AT(0), KIB(4)), -ENOENT);
}

static void test_aperture_is_what_all_reach(void **state)
{
	struct pl_iova_range *r;
	int n = ioas_set_aperture(&set, &r);

	(void)state;
	assert_int_equal(n, 2);
	assert_int_equal(r[0].start, 0x1000);
	assert_int_equal(r[0].last, 0xfedfffff);
	assert_int_equal(r[1].start, 0xfef00000);
	assert_int_equal(r[1].last, (1ull << 39) - 1);
	free(r);
	assert_null(ioas_set_beyond(&set, (1ull << 39) - 4096, 4096));
	assert_ptr_equal(ioas_set_beyond(&set, 1ull << 39, 4096), space[2]);
	assert_ptr_equal(ioas_set_beyond(&set, 1ull << 48, 4096), space[0]);
	assert_int_equal(ioas_set_map(&set, (void *)(1ull << 39), KIB(4), RW, PL_MEM_HOST),
			 -EINVAL);
	assert_mappings(0);
}

static void test_view_stands_for_all(void **state)
{
	struct pl_ioas_stats stats;
	struct pl_iommu_fault fault;
	struct pl_iova_range r[3];
	struct pl_ioas *view;
	unsigned int n = 1;

	(void)state;
	for (;; n++) {
		int rc;

		pl_inject_arm(n);
		rc = ioas_set_view(&set, &view);
		pl_inject_arm(0);
		if (rc == 0)
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	assert_int_equal(n, 6); /* itself, and the aperture before and after each member */
	assert_int_equal(pl_ioas_aperture(view, r, 3), 2);
	assert_int_equal(r[1].last, (1ull << 39) - 1);
	assert_int_equal(pl_ioas_map(view, AT(0), KIB(4), RW, PL_MEM_HOST), 0);
	assert_mappings(1);
	assert_int_equal(pl_ioas_unmap(view, AT(0), KIB(4)), 0);
	assert_mappings(0);
	assert_false(reaches(2, AT(5)));
	assert_false(reaches(0, AT(7)));
	pl_ioas_stats(view, &stats);
	assert_int_equal(stats.maps, 1);
	assert_int_equal(stats.faults, 2);
	assert_int_equal(stats.invalidations, N);
	assert_int_equal(pl_ioas_fault_next(view, &fault), 0);
	assert_int_equal(fault.iova, (uintptr_t)AT(7));
	assert_string_equal(fault.device, "wide");
	assert_int_equal(pl_ioas_fault_next(view, &fault), 0);
	assert_int_equal(fault.iova, (uintptr_t)AT(5));
	assert_string_equal(fault.device, "narrow");
	assert_int_equal(pl_ioas_fault_next(view, &fault), -ENOENT);
	pl_ioas_destroy(view);
	assert_string_equal(pl_ioas_backend(space[0]), "soft"); /* the members live on */
}

static void test_names(void **state)
{
	(void)state;
	assert_null(pl_ioas_next(NULL));
	assert_string_equal(pl_ioas_name(space[0]), "");
	assert_int_equal(ioas_publish(space[0], "a"), 0);
	assert_int_equal(ioas_publish(space[1], "b"), 0);
	assert_int_equal(ioas_publish(space[2], "b"), -EEXIST);
	assert_int_equal(ioas_publish(space[2], ""), -EINVAL);
	assert_int_equal(ioas_publish(space[2], "a name that is longer than any name may be"),
			 -EINVAL);
	assert_int_equal(ioas_publish(space[2], "c"), 0);
	assert_ptr_equal(pl_ioas_next(NULL), space[0]);
	assert_ptr_equal(pl_ioas_next(space[0]), space[1]);
	assert_ptr_equal(pl_ioas_next(space[2]), NULL);
	assert_ptr_equal(pl_ioas_get("b"), space[1]);
	assert_string_equal(pl_ioas_name(space[2]), "c");
	ioas_withdraw(space[1]);
	assert_null(pl_ioas_get("b"));
	assert_ptr_equal(pl_ioas_next(space[0]), space[2]);
	/* The others end with their spaces, as stop() asserts. */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(test_map_is_in_all),       TEST(test_map_rolls_back),
		TEST(test_unmap_ends_the_rest), TEST(test_aperture_is_what_all_reach),
		TEST(test_view_stands_for_all), TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
