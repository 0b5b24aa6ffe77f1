/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pl_alloc.h"
#include "range_set.h"

int copy_range_set_init(struct copy_range_set *set, uint32_t gaps)
{
	set->n = 0;
	set->room = gaps + 1;
	set->runs = eal_calloc(set->room, sizeof(*set->runs));
	return set->runs ? 0 : -ENOMEM;
}

void copy_range_set_fini(struct copy_range_set *set)
{
	free(set->runs);
	memset(set, 0, sizeof(*set));
}

static void remove_run(struct copy_range_set *set, uint32_t i)
{
	set->n--;
	memmove(&set->runs[i], &set->runs[i + 1], (set->n - i) * sizeof(*set->runs));
}

void copy_range_set_add(struct copy_range_set *set, uint64_t chunk)
{
	struct copy_run *r = set->runs;
	uint32_t i =
		set->n; /* the first run behind @chunk: what is done now is mostly near the end */

	while (i && r[i - 1].first > chunk)
		i--;
	if (i && r[i - 1].end == chunk) {
		r[i - 1].end++;
		if (i < set->n && r[i].first == chunk + 1) {
			r[i - 1].end = r[i].end;
			remove_run(set, i);
		}
	} else if (i < set->n && r[i].first == chunk + 1) {
		r[i].first = chunk;
	} else if (set->n < set->room) {
		memmove(&r[i + 1], &r[i], (set->n - i) * sizeof(*r));
		r[i] = (struct copy_run){ .first = chunk, .end = chunk + 1 };
		set->n++;
	}
}
