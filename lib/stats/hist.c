/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_common.h>

#include <peerlane/pl_hist.h>

#define SUB_BUCKETS (1u << PL_HIST_SUB_BITS)

void pl_hist_reset(struct pl_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void pl_hist_merge(struct pl_hist *to, const struct pl_hist *from)
{
	for (uint32_t i = 0; i < PL_HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->sum += from->sum;
	to->min = RTE_MIN(to->min, from->min);
	to->max = RTE_MAX(to->max, from->max);
}

/* The inverse of pl_hist_index(): the value in the middle of bucket @i. */
static uint64_t middle(uint32_t i)
{
	uint32_t shift;

	if (i < SUB_BUCKETS)
		return i;
	shift = (i >> PL_HIST_SUB_BITS) - 1;
	return ((uint64_t)(SUB_BUCKETS + i % SUB_BUCKETS) << shift) + (1ull << shift) / 2;
}

uint64_t pl_hist_percentile(const struct pl_hist *h, double percent)
{
	uint64_t rank, seen = 0;
	double exact;
	uint32_t i;

	if (h->count == 0)
		return 0;
	/* Written so that NaN is 0. */
	if (!(percent > 0))
		percent = 0;
	exact = RTE_MIN(percent, 100.0) / 100 * (double)h->count;
	rank = (uint64_t)exact;
	if ((double)rank < exact)
		rank++;
	rank = RTE_MAX(rank, UINT64_C(1));
	/* The last bucket stands for "the rest": above 2^53 values a rank may round beyond all. */
	for (i = 0; i < PL_HIST_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			break;
	}
	return RTE_MAX(h->min, RTE_MIN(middle(i), h->max));
}

double pl_hist_mean(const struct pl_hist *h)
{
	return h->count > 0 ? h->sum / (double)h->count : 0;
}
