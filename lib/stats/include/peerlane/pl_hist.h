/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A mergeable log-linear histogram of 64-bit values: 128 buckets per power of two, so a value is
 * known to less than 0.8 % whatever its size, in 58 KiB of counters and without a division on the
 * recording path. Values have no unit here: record what is cheap (TSC cycles), scale when reading.
 *
 * A histogram belongs to one thread while it is recorded into; merge copies when done.
 */
#ifndef PEERLANE_PL_HIST_H
#define PEERLANE_PL_HIST_H

#include <stdint.h>

#include <peerlane/pl_err.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PL_HIST_SUB_BITS 7u /**< log2 of the buckets per power of two */
#define PL_HIST_BUCKETS	 ((64u - PL_HIST_SUB_BITS + 1u) << PL_HIST_SUB_BITS)

struct pl_hist {
	uint64_t count;
	uint64_t min; /**< UINT64_MAX while empty */
	uint64_t max;
	double sum;   /**< for the mean; exact below 2^53 */
	uint64_t bucket[PL_HIST_BUCKETS];
};

/** The bucket of @p v: values below 128 have one each, then 128 per power of two. */
static inline uint32_t pl_hist_index(uint64_t v)
{
	uint32_t shift;

	if (v < (1u << PL_HIST_SUB_BITS))
		return (uint32_t)v;
	shift = 63u - PL_HIST_SUB_BITS - (uint32_t)__builtin_clzll(v);
	return ((shift + 1u) << PL_HIST_SUB_BITS) +
	       (uint32_t)((v >> shift) & ((1u << PL_HIST_SUB_BITS) - 1u));
}

static inline void pl_hist_record(struct pl_hist *h, uint64_t v)
{
	h->bucket[pl_hist_index(v)]++;
	h->count++;
	h->sum += (double)v;
	if (v < h->min)
		h->min = v;
	if (v > h->max)
		h->max = v;
}

/** Empties it. A zeroed structure must be reset before use. */
PL_API void pl_hist_reset(struct pl_hist *h);

/** Adds every value of @p from to @p to. */
PL_API void pl_hist_merge(struct pl_hist *to, const struct pl_hist *from);

/**
 * The value at or below which @p percent of the recorded values lie: the middle of its bucket,
 * never outside [min, max]. @p percent in 0..100 is clamped. 0 if empty.
 */
PL_API uint64_t pl_hist_percentile(const struct pl_hist *h, double percent);

/** The arithmetic mean; 0 if empty. */
PL_API double pl_hist_mean(const struct pl_hist *h);

#ifdef __cplusplus
}
#endif
#endif
