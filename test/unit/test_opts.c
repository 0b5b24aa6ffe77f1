/* SPDX-License-Identifier: BSD-3-Clause */
/* Structures of a program and a library that are not of one version. */
#include <peerlane/pl_copy.h>

#include "fixture.h"
#include "pl_opts.h"

#define DEV "nvme_emu0"

struct known {
	size_t opts_size;
	uint32_t a, b;
};

struct newer {
	struct known known;
	uint8_t tail[64];
};

static void test_take(void **state)
{
	struct newer given = { .known = { .a = 1, .b = 2 } };
	struct known got;

	(void)state;
	/* As large; shorter: the rest is zero, not looked at and not left as it was. */
	assert_int_equal(pl_opts_take(&got, sizeof(got), &given, sizeof(got), "options"), 0);
	assert_memory_equal(&got, &given.known, sizeof(got));
	memset(&got, 0xff, sizeof(got));
	assert_int_equal(
		pl_opts_take(&got, sizeof(got), &given, offsetof(struct known, b), "options"), 0);
	assert_int_equal(got.a, 1);
	assert_int_equal(got.b, 0);
	/* Longer with a tail of zeros; what lies behind the size is nobody's. */
	given.tail[63] = 1;
	for (size_t more = 0; more < 64; more++)
		assert_int_equal(
			pl_opts_take(&got, sizeof(got), &given, sizeof(got) + more, "options"), 0);
	/* One byte of it is not zero, wherever. */
	for (size_t i = 0; i < 64; i++) {
		memset(given.tail, 0, sizeof(given.tail));
		given.tail[i] = 0x80;
		memset(&got, 0xff, sizeof(got));
		assert_int_equal(pl_opts_take(&got, sizeof(got), &given, sizeof(given), "options"),
				 -EINVAL);
		assert_errmsg("newer than the library");
		assert_int_equal(got.a, UINT32_MAX); /* untouched */
	}
	/* Never set. */
	assert_int_equal(pl_opts_take(&got, sizeof(got), &given, 0, "options"), -EINVAL);
	assert_errmsg("opts_size 0 of the options");
	assert_int_equal(pl_opts_take(&got, sizeof(got), &given, 7, "options"), -EINVAL);
	assert_int_equal(pl_opts_take(&got, sizeof(got), &given, SIZE_MAX, "options"), -EINVAL);
}

static void test_give(void **state)
{
	const struct known known = { .opts_size = 3, .a = 1, .b = 2 };
	struct newer got;

	(void)state;
	memset(&got, 0xff, sizeof(got));
	pl_out_give(&got, offsetof(struct known, b), &known, sizeof(known));
	assert_int_equal(got.known.a, 1);
	assert_int_equal(got.known.b, UINT32_MAX); /* the caller has no such field */
	pl_out_give(&got, sizeof(got), &known, sizeof(known));
	assert_memory_equal(&got.known, &known, sizeof(known));
	for (size_t i = 0; i < sizeof(got.tail); i++)
		assert_int_equal(got.tail[i], 0);
}

static void test_qpair(void **state)
{
	struct {
		struct pl_nvme_qpair_opts opts;
		uint64_t newer;
	} o = { .opts = { .opts_size = sizeof(o), .depth = 8 } };
	struct pl_nvme_qpair *qp = NULL;

	(void)state;
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), &o.opts, &qp), 0);
	assert_int_equal(pl_nvme_qpair_depth(qp), 8);
	pl_nvme_qpair_destroy(qp);
	o.newer = 1;
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), &o.opts, &qp), -EINVAL);
	assert_errmsg("opts_size");
	assert_errmsg(DEV);
}

static void test_copy(void **state)
{
	struct {
		struct pl_copy_opts opts;
		uint64_t newer;
	} o = { .opts = { .opts_size = sizeof(o),
			  .src = pl_copy_ns_target(ns_of(DEV, 1), 0, 8),
			  .dst = pl_copy_ns_target(ns_of(DEV, 2), 0, 0),
			  .via = PL_COPY_VIA_HOST } };
	struct pl_copy *job = NULL;

	(void)state;
	assert_int_equal(pl_copy_create(&o.opts, &job), 0);
	pl_copy_destroy(job);
	o.newer = 1;
	assert_int_equal(pl_copy_create(&o.opts, &job), -EINVAL);
	assert_errmsg("opts_size");
}

/* What the library fills in stops where the caller's structure does. */
static void test_filled(void **state)
{
	struct pl_nvme_ctrlr_info info, part;
	struct pl_nvme_traffic traffic;
	struct pl_nvme_qpair_stats stats;
	struct pl_nvme_qpair *qp = qpair_of(DEV, 8, 0);
	size_t known = offsetof(struct pl_nvme_ctrlr_info, model);

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(DEV), &info, sizeof(info));
	memset(&part, 0xff, sizeof(part));
	pl_nvme_ctrlr_info(ctrlr_of(DEV), &part, known);
	assert_memory_equal(&part, &info, known);
	for (size_t i = known; i < sizeof(part); i++)
		assert_int_equal(((uint8_t *)&part)[i], 0xff);
	memset(&stats, 0xff, sizeof(stats));
	pl_nvme_qpair_stats(qp, &stats, offsetof(struct pl_nvme_qpair_stats, in_flight));
	assert_int_equal(stats.commands, 0);
	assert_int_equal(stats.in_flight, UINT32_MAX);
	memset(&traffic, 0xff, sizeof(traffic));
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(DEV), &traffic, sizeof(uint64_t)), 0);
	assert_true(((uint64_t *)&traffic)[1] == UINT64_MAX);
	pl_nvme_qpair_destroy(qp);
}

static int setup(void **state)
{
	static const char *const vdevs[] = { DEV ",size=1M,ns=2" };

	(void)state;
	return fixture_start(vdevs, 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),   cmocka_unit_test(test_give),
		cmocka_unit_test(test_qpair),  cmocka_unit_test(test_copy),
		cmocka_unit_test(test_filled),
	};

	return cmocka_run_group_tests_name("opts", tests, setup, fixture_stop);
}
