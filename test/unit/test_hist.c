/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <peerlane/pl_hist.h>

static struct pl_hist h, other, both;

static uint64_t rnd(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Of every magnitude, not only of the largest. */
static uint64_t rnd_any(void)
{
	return rnd() >> (rnd() % 64);
}

static int reset(void **state)
{
	(void)state;
	pl_hist_reset(&h);
	pl_hist_reset(&other);
	pl_hist_reset(&both);
	return 0;
}

static void assert_close(uint64_t got, uint64_t want)
{
	double diff = got > want ? (double)(got - want) : (double)(want - got);

	if (diff > 0.01 * (double)want)
		fail_msg("%llu is more than 1 %% off %llu", (unsigned long long)got,
			 (unsigned long long)want);
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(pl_hist_percentile(&h, 50), 0);
	assert_int_equal(pl_hist_percentile(&h, 100), 0);
	assert_true(pl_hist_mean(&h) == 0);
	pl_hist_merge(&h, &other);
	assert_int_equal(h.count, 0);
	assert_int_equal(h.min, UINT64_MAX);
}

/* Buckets are in ascending order, without a gap, up to the largest value there is. */
static void test_index(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t v = 0; v < 1u << 20; v++) {
		uint32_t i = pl_hist_index(v);

		assert_true(i == last || i == last + 1);
		last = i;
	}
	for (unsigned int bit = 20; bit < 64; bit++) {
		uint64_t v = 1ull << bit;

		assert_int_equal(pl_hist_index(v), pl_hist_index(v - 1) + 1);
	}
	assert_int_equal(pl_hist_index(UINT64_MAX), PL_HIST_BUCKETS - 1);
}

/* One value between two others: its percentile is its bucket's middle, not clamped. */
static void check_error(uint64_t v)
{
	pl_hist_reset(&h);
	pl_hist_record(&h, 0);
	pl_hist_record(&h, v);
	pl_hist_record(&h, UINT64_MAX);
	assert_close(pl_hist_percentile(&h, 50), v);
	assert_int_equal(pl_hist_index(pl_hist_percentile(&h, 50)), pl_hist_index(v));
}

static void test_error_bound(void **state)
{
	(void)state;
	for (uint64_t v = 0; v < 1024; v++)
		check_error(v);
	for (unsigned int bit = 10; bit < 64; bit++) {
		check_error((1ull << bit) - 1);
		check_error(1ull << bit);
		check_error((1ull << bit) + 1);
		for (unsigned int i = 0; i < 20; i++)
			check_error((1ull << bit) | (rnd() >> (64 - bit)));
	}
}

static void test_clamped(void **state)
{
	(void)state;
	pl_hist_record(&h, 1000000);
	assert_int_equal(pl_hist_percentile(&h, 0), 1000000);
	assert_int_equal(pl_hist_percentile(&h, 50), 1000000);
	assert_int_equal(pl_hist_percentile(&h, 100), 1000000);
	assert_int_equal(pl_hist_percentile(&h, -5), 1000000);
	assert_int_equal(pl_hist_percentile(&h, 1e9), 1000000);
	assert_int_equal(pl_hist_percentile(&h, NAN), 1000000);
}

static int cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void test_percentiles(void **state)
{
	/* In hundredths, so that the ranks below are exact. */
	static const unsigned int percent[] = { 0,    10,   100,  1000, 2500, 5000,
						7500, 9000, 9900, 9990, 9999, 10000 };
	enum { N = 100000 };
	static uint64_t value[N];

	(void)state;
	for (unsigned int shape = 0; shape < 3; shape++) {
		long double sum = 0;

		pl_hist_reset(&h);
		for (unsigned int i = 0; i < N; i++) {
			value[i] = shape == 0   ? rnd_any()
				   : shape == 1 ? rnd() % 300
						: rnd() % 1000003;
			pl_hist_record(&h, value[i]);
			sum += value[i];
		}
		qsort(value, N, sizeof(value[0]), cmp);
		assert_int_equal(h.count, N);
		assert_int_equal(h.min, value[0]);
		assert_int_equal(h.max, value[N - 1]);
		assert_true(fabs(pl_hist_mean(&h) / (double)(sum / N) - 1) < 1e-9);
		for (unsigned int i = 0; i < sizeof(percent) / sizeof(percent[0]); i++) {
			/* The smallest rank at or below which that many lie. */
			uint64_t rank = ((uint64_t)percent[i] * N + 9999) / 10000;

			assert_close(pl_hist_percentile(&h, percent[i] / 100.0),
				     value[rank > 0 ? rank - 1 : 0]);
		}
	}
}

static void test_merge(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t v = rnd_any() >> 12; /* so that the sums are exact */

		pl_hist_record(i % 3 == 0 ? &h : &other, v);
		pl_hist_record(&both, v);
	}
	pl_hist_merge(&h, &other);
	assert_int_equal(h.count, both.count);
	assert_int_equal(h.min, both.min);
	assert_int_equal(h.max, both.max);
	assert_memory_equal(h.bucket, both.bucket, sizeof(h.bucket));
	assert_true(fabs(h.sum / both.sum - 1) < 1e-9);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, reset)
	const struct CMUnitTest tests[] = {
		TEST(test_empty),   TEST(test_index),       TEST(test_error_bound),
		TEST(test_clamped), TEST(test_percentiles), TEST(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
