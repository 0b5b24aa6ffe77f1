/* SPDX-License-Identifier: BSD-3-Clause */
#include "copy_internal.h"
#include "copy_job.h"

struct pl_nvme_qpair *src_qp, *dst_qp;
uint8_t *data, *poison, *scratch;

struct pl_copy_opts job_opts(enum pl_copy_via via)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = pl_copy_ns_target(ns_of(SRC, 1), 0, NLB),
		.dst = pl_copy_ns_target(ns_of(DST, 1), 0, 0),
		.via = via,
		.via_provider = via == PL_COPY_VIA_DEVICE ? provider_of(THIRD) : NULL,
		.chunk = CHUNK,
		.depth = 4,
	};
}

struct pl_copy *job_start(const struct pl_copy_opts *opts)
{
	struct pl_copy *job = NULL;

	random_fill(data, LEN);
	random_fill(poison, LEN);
	write_blocks(src_qp, ns_of(SRC, 1), data, 0, NLB);
	write_blocks(dst_qp, ns_of(DST, 1), poison, 0, NLB);
	if (pl_copy_create(opts, &job))
		fail_msg("%s", pl_errmsg());
	return job;
}

uint64_t job_copied(const struct pl_copy *job)
{
	struct pl_copy_stats stats;

	pl_copy_stats(job, &stats);
	return stats.bytes_copied;
}

void job_poll_to(struct pl_copy *job, uint64_t bytes)
{
	while (job_copied(job) < bytes) {
		assert_int_equal(pl_copy_poll(job), 1);
		relax();
	}
}

void job_poll_to_verifying(struct pl_copy *job)
{
	struct pl_copy_stats stats;

	do {
		assert_int_equal(pl_copy_poll(job), 1);
		pl_copy_stats(job, &stats);
	} while (stats.phase != PL_COPY_VERIFYING);
}

int job_finish(struct pl_copy *job)
{
	int rc;

	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	return rc;
}

void job_result(const struct pl_copy *job, struct job_result *result)
{
	struct pl_copy_range first = { 0 };
	struct pl_copy_stats stats;
	int n = pl_copy_complete_ranges(job, result->ranges, (int)CHUNKS);

	assert_in_range(n, 0, CHUNKS);
	result->n = n;
	pl_copy_stats(job, &stats);
	result->complete = job->verify_begun ? stats.bytes_verified : stats.bytes_copied;
	result->unproven = job->verify_begun ? stats.bytes_copied - stats.bytes_verified
					     : stats.bytes_unproven;
	if (n < 2)
		return;
	/* Fewer slots than ranges: the first ones, and still the whole count. */
	assert_int_equal(pl_copy_complete_ranges(job, &first, 1), n);
	assert_memory_equal(&first, &result->ranges[0], sizeof(first));
}

/* Nothing in [at, next) was touched but @unproven bytes, in whole chunks, or those that are left of
 * it. */
static void check_untouched(uint64_t at, uint64_t next, uint64_t *unproven)
{
	for (; at < next; at += CHUNK) {
		uint64_t len = RTE_MIN(next - at, (uint64_t)CHUNK);

		if (memcmp(scratch + at, poison + at, len) == 0)
			continue;
		if (*unproven < len)
			assert_memory_equal(scratch + at, poison + at, len);
		*unproven -= len;
	}
}

uint64_t job_check_result(const struct job_result *result)
{
	const struct pl_copy_range *ranges = result->ranges;
	uint64_t at = 0, sum = 0, unproven = result->unproven;
	int n = result->n;

	memset(scratch, 0, LEN);
	read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
	for (int i = 0; i <= n; i++) {
		uint64_t next = i < n ? ranges[i].slba * BS : LEN;

		/* Before the range: untouched. Ranges are merged, so there is something. */
		assert_true(i == 0 || i == n ? next >= at : next > at);
		check_untouched(at, next, &unproven);
		if (i == n)
			break;
		assert_true(ranges[i].nlb > 0 && next + ranges[i].nlb * BS <= LEN);
		at = next + ranges[i].nlb * BS;
		assert_memory_equal(scratch + next, data + next, at - next);
		sum += at - next;
	}
	assert_int_equal(sum, result->complete);
	return sum;
}

uint64_t job_check_target(const struct pl_copy *job)
{
	struct job_result result;

	job_result(job, &result);
	return job_check_result(&result);
}

void job_assert_ended(struct pl_copy *job, int err, const char *part)
{
	struct pl_copy_stats stats;

	for (int i = 0; i < 2; i++) { /* the result is final */
		int rc = job_finish(job);

		if (rc != err)
			fail_msg("%d, not %d: %s", rc, err, pl_errmsg());
		assert_errmsg(part);
	}
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.phase, PL_COPY_DONE);
	assert_int_equal(stats.error, err);
}

int job_setup(void **state)
{
	static const char *const vdevs[] = {
		SRC ",size=1M,cmb=256K,mdts=32K,queues=32",
		DST ",size=1M,cmb=512K,mdts=16K",
		THIRD ",size=64K,pmr=256K",
	};

	(void)state;
	random_start();
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	src_qp = qpair_of(SRC, 64, 0);
	dst_qp = qpair_of(DST, 64, 0);
	data = dma_alloc(LEN);
	poison = dma_alloc(LEN);
	scratch = dma_alloc(LEN);
	return 0;
}

int job_teardown(void **state)
{
	(void)state;
	pl_mem_free(scratch);
	pl_mem_free(poison);
	pl_mem_free(data);
	pl_nvme_qpair_destroy(dst_qp);
	pl_nvme_qpair_destroy(src_qp);
	pl_eal_cleanup();
	return 0;
}
