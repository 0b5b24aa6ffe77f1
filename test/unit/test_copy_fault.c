/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies that go wrong, or are stopped. Whatever happens: what is reported complete is on the
 * target, byte for byte, and what is not was not touched.
 */
#include "fixture.h"

#include <rte_malloc.h>

#include "copy_internal.h"
#include "iommu_backend.h"

#define SRC   "nvme_emu0" /* CMB */
#define DST   "nvme_emu1" /* CMB; commands of 16 KiB at most */
#define THIRD "nvme_emu2" /* PMR */
#define BS    512u
#define LEN   MIB(1)
#define NLB   (LEN / BS)
#define CHUNK (8u << 10)
#define CHUNKS (LEN / CHUNK)

static struct pl_nvme_qpair *src_qp, *dst_qp; /* the test's own */
static uint8_t *data, *poison, *scratch;

static struct pl_copy_opts opts_of(enum pl_copy_via via)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = ns_of(SRC, 1),
		.dst = ns_of(DST, 1),
		.nlb = NLB,
		.via = via,
		.via_ctrlr = via == PL_COPY_VIA_DEVICE ? ctrlr_of(THIRD) : NULL,
		.chunk = CHUNK,
		.depth = 4,
	};
}

/* New random data on the source, other on the destination. */
static struct pl_copy *start(const struct pl_copy_opts *opts)
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

static uint64_t copied(const struct pl_copy *job)
{
	struct pl_copy_stats stats;

	pl_copy_stats(job, &stats);
	return stats.bytes_copied;
}

/* Polls until so many bytes are copied. */
static void poll_to(struct pl_copy *job, uint64_t bytes)
{
	while (copied(job) < bytes) {
		assert_int_equal(pl_copy_poll(job), 1);
		relax();
	}
}

static void poll_to_verifying(struct pl_copy *job)
{
	struct pl_copy_stats stats;

	do {
		assert_int_equal(pl_copy_poll(job), 1);
		pl_copy_stats(job, &stats);
	} while (stats.phase != PL_COPY_VERIFYING);
}

static int finish(struct pl_copy *job)
{
	int rc;

	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	return rc;
}

/* The ranges, the counters and the target tell the same story. Returns the bytes complete. */
static uint64_t check_target(struct pl_copy *job)
{
	struct pl_copy_range ranges[CHUNKS];
	int n = pl_copy_complete_ranges(job, ranges, (int)CHUNKS);
	uint64_t at = 0, sum = 0;

	assert_in_range(n, 0, CHUNKS);
	memset(scratch, 0, LEN);
	read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
	for (int i = 0; i <= n; i++) {
		uint64_t next = i < n ? ranges[i].slba * BS : LEN;

		/* Before the range: untouched. Ranges are merged, so there is something. */
		assert_true(i == 0 || i == n ? next >= at : next > at);
		assert_memory_equal(scratch + at, poison + at, next - at);
		if (i == n)
			break;
		assert_true(ranges[i].nlb > 0 && next + ranges[i].nlb * BS <= LEN);
		at = next + ranges[i].nlb * BS;
		assert_memory_equal(scratch + next, data + next, at - next);
		sum += at - next;
	}
	assert_int_equal(sum, copied(job));
	/* Fewer slots than ranges: the first ones, and still the whole count. */
	if (n > 1) {
		struct pl_copy_range first = { 0 };

		assert_int_equal(pl_copy_complete_ranges(job, &first, 1), n);
		assert_memory_equal(&first, &ranges[0], sizeof(first));
	}
	return sum;
}

static void assert_ended(struct pl_copy *job, int err, const char *part)
{
	struct pl_copy_stats stats;

	for (int i = 0; i < 2; i++) { /* the result is final */
		int rc = finish(job);

		if (rc != err)
			fail_msg("%d, not %d: %s", rc, err, pl_errmsg());
		assert_errmsg(part);
	}
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.phase, PL_COPY_DONE);
	assert_int_equal(stats.error, err);
}

static void arm_status(const char *name, uint8_t opc, uint16_t status)
{
	inject(name, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
						.qid = 1,
						.opc = opc,
						.status = status });
}

static const enum pl_copy_via ways[] = { PL_COPY_VIA_DST, PL_COPY_VIA_SRC, PL_COPY_VIA_DEVICE,
					 PL_COPY_VIA_HOST };

/* ---- a device says no ---- */

static void test_command_errors(void **state)
{
	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++)
		for (int leg = 0; leg < 2; leg++)
			for (uint64_t after = 0; after < LEN; after += LEN / 4 + CHUNK) {
				struct pl_copy_opts opts = opts_of(ways[w]);
				struct pl_copy *job = start(&opts);

				poll_to(job, after);
				arm_status(leg ? DST : SRC, leg ? NVME_CMD_WRITE : NVME_CMD_READ,
					   leg ? NVME_SC_WRITE_FAULT : NVME_SC_UNRECOVERED_READ);
				assert_ended(job, -EIO, leg ? "write of 16 blocks at LBA" :
							      "read of 16 blocks at LBA");
				assert_errmsg(leg ? "Write Fault" : "Unrecovered Read Error");
				assert_errmsg(leg ? DST : SRC);
				assert_in_range(check_target(job), after, LEN - CHUNK);
				pl_copy_destroy(job);
			}
}

/* Part of a chunk that takes several commands fails: the chunk is not complete. What of it was
 * written is not told, so only the rest of the target is compared. */
static void test_split_write_error(void **state)
{
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_HOST);
	struct pl_copy_range range;
	struct pl_copy *job;

	(void)state;
	opts.chunk = 64u << 10; /* four commands of the destination */
	opts.depth = 1;
	job = start(&opts);
	poll_to(job, opts.chunk);
	arm_status(DST, NVME_CMD_WRITE, NVME_SC_WRITE_FAULT);
	assert_ended(job, -EIO, "Write Fault");
	assert_int_equal(pl_copy_complete_ranges(job, &range, 1), 1);
	assert_int_equal(range.slba, 0);
	assert_int_equal(range.nlb * BS, copied(job));
	assert_true(range.nlb * BS >= opts.chunk && range.nlb * BS < LEN);
	read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
	assert_memory_equal(scratch, data, range.nlb * BS);
	assert_memory_equal(scratch + range.nlb * BS + opts.chunk,
			    poison + range.nlb * BS + opts.chunk,
			    LEN - range.nlb * BS - opts.chunk);
	pl_copy_destroy(job);
}

/* A completion for no command: neither side of the copy can go on. */
static void test_bogus_completion(void **state)
{
	(void)state;
	for (int leg = 0; leg < 2; leg++) {
		struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
		struct pl_copy *job = start(&opts);
		uint16_t qid = pl_nvme_qpair_id(leg ? job->dst.q.qp : job->src.q.qp);

		poll_to(job, LEN / 4);
		inject(leg ? DST : SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CID,
								   .qid = qid,
								   .cid = 100 });
		/* Wait for it, so that the copy cannot be done before. */
		while (pl_nvme_qpair_error(leg ? job->dst.q.qp : job->src.q.qp) == 0 &&
		       copied(job) < LEN - 8 * CHUNK && pl_copy_poll(job) > 0)
			relax();
		assert_ended(job, -EIO, "not in flight");
		assert_true(copied(job) < LEN);
		pl_copy_destroy(job);
	}
}

/* ---- stopped ---- */

static void test_cancel(void **state)
{
	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++)
		for (uint64_t after = 0; after < LEN; after += 13 * CHUNK) {
			struct pl_copy_opts opts = opts_of(ways[w]);
			struct pl_copy *job = start(&opts);
			uint64_t done;

			poll_to(job, after);
			done = copied(job);
			pl_copy_cancel(job);
			assert_ended(job, -ECANCELED, "stopped");
			/* Those in flight are still waited for, new ones are not begun. */
			assert_in_range(check_target(job), done, done + opts.depth * CHUNK);
			pl_copy_destroy(job);
		}
}

static void test_cancel_verifying(void **state)
{
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
	struct pl_copy_stats stats;
	struct pl_copy *job;

	(void)state;
	opts.verify = true;
	job = start(&opts);
	poll_to_verifying(job);
	pl_copy_cancel(job);
	assert_ended(job, -ECANCELED, "stopped");
	assert_int_equal(check_target(job), LEN); /* the copying was over */
	pl_copy_stats(job, &stats);
	assert_true(stats.bytes_verified < LEN);
	pl_copy_destroy(job);
}

static void test_destroy_under_way(void **state)
{
	size_t host = heap_in_use();

	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++) {
		struct pl_copy_opts opts = opts_of(ways[w]);

		opts.verify = w % 2;
		for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += LEN / 3) {
			struct pl_copy *job = start(&opts);

			assert_int_equal(pl_copy_poll(job), 1);
			poll_to(job, after);
			pl_copy_destroy(job);
			assert_int_equal(heap_in_use(), host);
		}
	}
}

/* A queue that cannot be deleted may still be worked on: its buffers are not given to others. */
static void test_buffers_kept(void **state)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(DST), PL_MEM_CMB);
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
	struct pl_p2p_heap_stats before, after;
	struct pl_copy *job;

	(void)state;
	pl_p2p_heap_stats(heap, &before);
	job = start(&opts);
	assert_int_equal(finish(job), 0);
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .opc = NVME_ADM_DELETE_SQ,
					       .status = NVME_SC_INTERNAL_ERROR });
	pl_copy_destroy(job);
	pl_p2p_heap_stats(heap, &after);
	assert_int_equal(before.free - after.free, opts.depth * CHUNK);
}

/* ---- data that does not land ---- */

static void arm_drop(uint32_t count)
{
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_DROP, .count = count });
}

static void disarm(void)
{
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
}

static void test_dropped_writes(void **state)
{
	static const enum pl_copy_via peers[] = { PL_COPY_VIA_DST, PL_COPY_VIA_DEVICE };

	(void)state;
	for (size_t w = 0; w < RTE_DIM(peers); w++)
		for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += 17 * CHUNK) {
			struct pl_copy_opts opts = opts_of(peers[w]);
			struct pl_copy *job = start(&opts);
			struct pl_copy_stats stats;

			poll_to(job, after);
			arm_drop(1);
			assert_ended(job, -EREMOTEIO, "did not land");
			assert_errmsg(w ? THIRD : DST);
			assert_in_range(check_target(job), after, LEN - CHUNK);
			pl_copy_stats(job, &stats);
			assert_true(stats.landing_retries > 0);
			assert_true(stats.landing_checks >= copied(job) / CHUNK);
			pl_copy_destroy(job);
		}
}

/* A chunk that takes several commands of the source, one of which is lost, whichever it is. */
static void test_dropped_part(void **state)
{
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);

	(void)state;
	opts.chunk = 96u << 10; /* reads of 32, 32 and 32 KiB */
	opts.depth = 2;
	for (int i = 0; i < 60; i++) {
		struct pl_copy *job = start(&opts);

		poll_to(job, (uint64_t)(i % 5) * opts.chunk);
		arm_drop(1);
		assert_ended(job, -EREMOTEIO, "did not land");
		check_target(job);
		pl_copy_destroy(job);
	}
	disarm();
}

/* Nothing crosses the fabric as posted writes of the source: nothing can be lost, or is checked. */
static void test_nothing_to_drop(void **state)
{
	static const enum pl_copy_via others[] = { PL_COPY_VIA_SRC, PL_COPY_VIA_HOST };

	(void)state;
	for (size_t w = 0; w < RTE_DIM(others); w++) {
		struct pl_copy_opts opts = opts_of(others[w]);
		struct pl_copy *job = start(&opts);

		arm_drop(1000);
		assert_int_equal(finish(job), 0);
		assert_int_equal(check_target(job), LEN);
		pl_copy_destroy(job);
		disarm();
	}
}

/* Trusted blindly, the copy is wrong and says nothing; comparing finds out. */
static void test_no_landing_check(void **state)
{
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
	struct pl_copy *job;

	(void)state;
	opts.no_landing_check = true;
	job = start(&opts);
	assert_false(pl_copy_plan(job)->landing_check);
	poll_to(job, LEN / 2);
	arm_drop(1);
	assert_int_equal(finish(job), 0);
	read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
	assert_memory_not_equal(scratch, data, LEN);
	pl_copy_destroy(job);

	opts.verify = true;
	job = start(&opts);
	poll_to(job, LEN / 2);
	arm_drop(1);
	assert_ended(job, -EILSEQ, "the copy is wrong");
	pl_copy_destroy(job);
	disarm();
}

/* ---- revoked ---- */

static struct pl_mem_info region_of(const char *name)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(name), PL_MEM_CMB);
	struct pl_mem_info info;
	void *page;

	assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &page), 0);
	assert_int_equal(pl_mem_lookup(page, &info), 0);
	pl_p2p_free(heap, page);
	return info;
}

static void unmap(const struct pl_mem_info *cmb)
{
	assert_int_equal(pl_ioas_unmap(pl_ioas_default(), cmb->va, cmb->len), 0);
}

static void map_again(const struct pl_mem_info *cmb)
{
	assert_int_equal(pl_ioas_map(pl_ioas_default(), cmb->va, cmb->len,
				     PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_CMB), 0);
}

/* The mapping of the destination's CMB ends while the source writes through it: its reads go on
 * completing with status 0. */
static void test_revoked_under_writes(void **state)
{
	struct pl_mem_info cmb = region_of(DST);

	(void)state;
	for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += 11 * CHUNK) {
		struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
		struct pl_iommu_fault fault;
		struct pl_copy *job = start(&opts);

		faults_clear();
		poll_to(job, after);
		unmap(&cmb);
		assert_ended(job, -EREMOTEIO, "did not land");
		assert_in_range(check_target(job), after, LEN - CHUNK);
		assert_int_equal(pl_ioas_fault_next(pl_ioas_default(), &fault), 0);
		assert_string_equal(fault.device, SRC);
		assert_int_equal(fault.access, PL_IOMMU_WRITE);
		assert_in_range(fault.iova, (uintptr_t)cmb.va, (uintptr_t)cmb.va + cmb.len - 1);
		pl_copy_destroy(job);
		map_again(&cmb);
	}
}

/* The other way around the destination reads, and a read that is refused cannot be overlooked. */
static void test_revoked_under_reads(void **state)
{
	struct pl_mem_info cmb = region_of(SRC);
	struct pl_copy_opts opts = opts_of(PL_COPY_VIA_SRC);
	struct pl_copy *job = start(&opts);

	(void)state;
	faults_clear();
	poll_to(job, LEN / 2);
	unmap(&cmb);
	assert_ended(job, -EIO, "Data Transfer Error");
	assert_in_range(check_target(job), LEN / 2, LEN - CHUNK);
	pl_copy_destroy(job);
	map_again(&cmb);
	/* Nothing is broken for good. */
	job = start(&opts);
	assert_int_equal(finish(job), 0);
	assert_int_equal(check_target(job), LEN);
	pl_copy_destroy(job);
	faults_clear();
}

/* ---- verification ---- */

/* Somebody writes to one side between the copy and the comparison. */
static void test_verify_finds(void **state)
{
	static const uint64_t at[] = { 0, 1, NLB / 2 + 3, NLB - 1 };

	(void)state;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < RTE_DIM(at); i++) {
			struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
			struct pl_copy_stats stats;
			struct pl_copy *job;
			char text[64];

			opts.verify = true;
			job = start(&opts);
			poll_to_verifying(job);
			memcpy(scratch, data + at[i] * BS, BS);
			scratch[77] ^= 0x01;
			write_blocks(side ? src_qp : dst_qp, ns_of(side ? SRC : DST, 1), scratch,
				     at[i], 1);
			snprintf(text, sizeof(text), "byte 77 of LBA %llu of " DST,
				 (unsigned long long)at[i]);
			assert_ended(job, -EILSEQ, text);
			snprintf(text, sizeof(text), "LBA %llu of " SRC, (unsigned long long)at[i]);
			assert_errmsg(text);
			pl_copy_stats(job, &stats);
			assert_int_equal(stats.bytes_copied, LEN);
			assert_true(stats.bytes_verified < LEN);
			pl_copy_destroy(job);
		}
}

static void test_verify_read_error(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		struct pl_copy_opts opts = opts_of(PL_COPY_VIA_DST);
		struct pl_copy *job;

		opts.verify = true;
		job = start(&opts);
		poll_to_verifying(job);
		arm_status(side ? SRC : DST, NVME_CMD_READ, NVME_SC_UNRECOVERED_READ);
		assert_ended(job, -EIO, "while verifying: Unrecovered Read Error");
		assert_int_equal(check_target(job), LEN);
		pl_copy_destroy(job);
	}
}

static int setup(void **state)
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

static int teardown(void **state)
{
	(void)state;
	rte_free(scratch);
	rte_free(poison);
	rte_free(data);
	pl_nvme_qpair_destroy(dst_qp);
	pl_nvme_qpair_destroy(src_qp);
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_errors),
		cmocka_unit_test(test_split_write_error),
		cmocka_unit_test(test_bogus_completion),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_verifying),
		cmocka_unit_test(test_destroy_under_way),
		cmocka_unit_test(test_dropped_writes),
		cmocka_unit_test(test_dropped_part),
		cmocka_unit_test(test_nothing_to_drop),
		cmocka_unit_test(test_no_landing_check),
		cmocka_unit_test(test_revoked_under_writes),
		cmocka_unit_test(test_revoked_under_reads),
		cmocka_unit_test(test_verify_finds),
		cmocka_unit_test(test_verify_read_error),
		cmocka_unit_test(test_buffers_kept), /* last: what it keeps stays */
	};

	return cmocka_run_group_tests_name("copy_fault", tests, setup, teardown);
}
