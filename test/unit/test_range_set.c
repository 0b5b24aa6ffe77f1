/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs of complete chunks, against a map with an entry for each chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "range_set.h"

#define CHUNKS 500u
#define DEPTH  32u
#define ROUNDS 50u

static void check(const struct copy_range_set *set, const bool *done)
{
	uint32_t run = 0;

	assert_in_range(set->n, 0, DEPTH + 1);
	for (uint64_t i = 0; i < CHUNKS; run++) {
		uint64_t end;

		while (i < CHUNKS && !done[i])
			i++;
		if (i == CHUNKS)
			break;
		for (end = i; end < CHUNKS && done[end];)
			end++;
		assert_true(run < set->n);
		assert_int_equal(set->runs[run].first, i);
		assert_int_equal(set->runs[run].end, end);
		i = end;
	}
	assert_int_equal(run, set->n);
}

/* As a job does: chunks begin in order, up to @depth are under way, and end in any order. */
static void run_of(uint32_t depth)
{
	bool done[CHUNKS] = { false };
	uint64_t under_way[DEPTH], next = 0;
	struct copy_range_set set;
	uint32_t n = 0;

	assert_int_equal(copy_range_set_init(&set, depth), 0);
	do {
		uint32_t pick;

		while (n < depth && next < CHUNKS)
			under_way[n++] = next++;
		pick = (uint32_t)rand() % n;
		copy_range_set_add(&set, under_way[pick]);
		done[under_way[pick]] = true;
		under_way[pick] = under_way[--n];
		assert_in_range(set.n, 1, depth + 1);
		check(&set, done);
	} while (n || next < CHUNKS);
	assert_int_equal(set.n, 1);
	copy_range_set_fini(&set);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ROUNDS; i++)
		run_of(1 + (uint32_t)rand() % DEPTH);
}

/* Every other chunk of the last: as many runs as there is room for. */
static void test_most_runs(void **state)
{
	bool done[CHUNKS] = { false };
	struct copy_range_set set;

	(void)state;
	assert_int_equal(copy_range_set_init(&set, DEPTH), 0);
	for (uint64_t i = 0; i <= DEPTH; i++) {
		copy_range_set_add(&set, 2 * i);
		done[2 * i] = true;
		check(&set, done);
	}
	assert_int_equal(set.n, DEPTH + 1);
	copy_range_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_most_runs),
	};

	return cmocka_run_group_tests_name("range_set", tests, NULL, NULL);
}
