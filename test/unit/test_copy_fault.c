/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies that go wrong, or are stopped. Whatever happens: what is reported complete is on the
 * target, byte for byte, and what is not was not touched.
 */
#include "copy_internal.h"
#include "copy_job.h"
#include "ends/nvme_end.h"

static void arm_status(const char *name, uint8_t opc, uint16_t status)
{
	inject(name,
	       &(struct nvme_emu_inject){
		       .fault = NVME_EMU_FAULT_STATUS, .qid = 1, .opc = opc, .status = status });
}

/* Until the device thread took the order to post a bogus completion, for which it may need room in
 * a completion queue that the copy has to make. */
static void wait_cid_taken(const char *name, struct pl_copy *job)
{
	while (nvme_emu_armed(func_of(name))) {
		pl_copy_poll(job);
		relax();
	}
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
				struct pl_copy_opts opts = job_opts(ways[w]);
				struct pl_copy *job = job_start(&opts);

				job_poll_to(job, after);
				arm_status(leg ? DST : SRC, leg ? NVME_CMD_WRITE : NVME_CMD_READ,
					   leg ? NVME_SC_WRITE_FAULT : NVME_SC_UNRECOVERED_READ);
				job_assert_ended(job, -EIO,
						 leg ? "write of 16 blocks at LBA"
						     : "read of 16 blocks at LBA");
				assert_errmsg(leg ? "Write Fault" : "Unrecovered Read Error");
				assert_errmsg(leg ? DST : SRC);
				assert_in_range(job_check_target(job), after, LEN - CHUNK);
				pl_copy_destroy(job);
			}
}

/* Part of a chunk that takes several commands fails: the chunk is not complete. What of it was
 * written is not told, so only the rest of the target is compared. */
static void test_split_write_error(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_HOST);
	struct pl_copy_range range;
	struct pl_copy *job;

	(void)state;
	opts.chunk = 64u << 10; /* four commands of the destination */
	opts.depth = 1;
	job = job_start(&opts);
	job_poll_to(job, opts.chunk);
	arm_status(DST, NVME_CMD_WRITE, NVME_SC_WRITE_FAULT);
	job_assert_ended(job, -EIO, "Write Fault");
	assert_int_equal(pl_copy_complete_ranges(job, &range, 1), 1);
	assert_int_equal(range.slba, 0);
	assert_int_equal(range.nlb * BS, job_copied(job));
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
		struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
		struct pl_copy *job = job_start(&opts);
		uint16_t qid = pl_nvme_qpair_id(nvme_end_qpair(leg ? &job->dst : &job->src));

		job_poll_to(job, LEN / 4);
		inject(leg ? DST : SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CID,
								   .qid = qid,
								   .cid = 0xffff });
		/* The device posts it before it looks at another command, so the copy cannot be
		 * done without it once it took the order. */
		wait_cid_taken(leg ? DST : SRC, job);
		job_assert_ended(job, -EIO, "not in flight");
		assert_true(job_copied(job) < LEN);
		pl_copy_destroy(job);
	}
}

/* ---- stopped ---- */

static void test_cancel(void **state)
{
	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++)
		for (uint64_t after = 0; after < LEN; after += 13 * CHUNK) {
			struct pl_copy_opts opts = job_opts(ways[w]);
			struct pl_copy *job = job_start(&opts);
			uint64_t done;

			job_poll_to(job, after);
			done = job_copied(job);
			pl_copy_cancel(job);
			job_assert_ended(job, -ECANCELED, "stopped");
			/* Those in flight are still waited for, new ones are not begun. */
			assert_in_range(job_check_target(job), done, done + opts.depth * CHUNK);
			pl_copy_destroy(job);
		}
}

static void test_cancel_verifying(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy_stats stats;
	struct pl_copy *job;

	(void)state;
	opts.verify = true;
	job = job_start(&opts);
	job_poll_to_verifying(job);
	pl_copy_cancel(job);
	job_assert_ended(job, -ECANCELED, "stopped");
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.bytes_copied, LEN); /* the copying was over */
	assert_true(stats.bytes_verified < LEN);
	assert_int_equal(job_check_target(job), stats.bytes_verified);
	pl_copy_destroy(job);
}

static void test_destroy_under_way(void **state)
{
	size_t host = heap_in_use();

	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++) {
		struct pl_copy_opts opts = job_opts(ways[w]);

		opts.verify = w % 2;
		for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += LEN / 3) {
			struct pl_copy *job = job_start(&opts);

			assert_int_equal(pl_copy_poll(job), 1);
			job_poll_to(job, after);
			pl_copy_destroy(job);
			assert_int_equal(heap_in_use(), host);
		}
	}
}

/* A queue that cannot be deleted may still be worked on: its buffers are not given to others. */
static void test_buffers_kept(void **state)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(DST), PL_MEM_CMB);
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_p2p_heap_stats before, after;
	struct pl_copy *job;

	(void)state;
	pl_p2p_heap_stats(heap, &before);
	job = job_start(&opts);
	assert_int_equal(job_finish(job), 0);
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .opc = NVME_ADM_DELETE_SQ,
					       .status = NVME_SC_INTERNAL_ERROR });
	pl_copy_destroy(job);
	pl_p2p_heap_stats(heap, &after);
	assert_int_equal(before.free - after.free, opts.depth * CHUNK);
}

/* ---- verification ---- */

/* What is complete are the chunks that compared equal, which that of @block is not. */
static void check_without_block(const struct pl_copy *job, uint64_t block)
{
	struct pl_copy_stats stats;
	struct job_result result;
	uint64_t sum = 0;

	pl_copy_stats(job, &stats);
	job_result(job, &result);
	for (int i = 0; i < result.n; i++) {
		assert_false(result.ranges[i].slba <= block &&
			     block < result.ranges[i].slba + result.ranges[i].nlb);
		sum += result.ranges[i].nlb * BS;
	}
	assert_int_equal(sum, stats.bytes_verified);
}

/* Somebody writes to one side between the copy and the comparison. */
static void test_verify_finds(void **state)
{
	static const uint64_t at[] = { 0, 1, NLB / 2 + 3, NLB - 1 };

	(void)state;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < RTE_DIM(at); i++) {
			struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
			struct pl_copy_stats stats;
			struct pl_copy *job;
			char text[64];

			opts.verify = true;
			job = job_start(&opts);
			job_poll_to_verifying(job);
			memcpy(scratch, data + at[i] * BS, BS);
			scratch[77] ^= 0x01;
			write_blocks(side ? src_qp : dst_qp, ns_of(side ? SRC : DST, 1), scratch,
				     at[i], 1);
			snprintf(text, sizeof(text), "byte 77 of LBA %llu of " DST,
				 (unsigned long long)at[i]);
			job_assert_ended(job, -EILSEQ, text);
			snprintf(text, sizeof(text), "LBA %llu of " SRC, (unsigned long long)at[i]);
			assert_errmsg(text);
			pl_copy_stats(job, &stats);
			assert_int_equal(stats.bytes_copied, LEN);
			assert_true(stats.bytes_verified < LEN);
			check_without_block(job, at[i]);
			pl_copy_destroy(job);
		}
}

/* The destination's reads move nothing, and what would lie in the buffer by chance, or because it
 * was put there, is the source's data: that is no proof. */
static void test_verify_reads_nothing(void **state)
{
	static const uint8_t patterns[] = { 0x00, 0x5a, 0xa5, 0xff };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(patterns); i++) {
		struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
		struct pl_copy *job = job_start(&opts);

		pl_copy_destroy(job);
		memset(scratch, patterns[i], LEN);
		write_blocks(src_qp, ns_of(SRC, 1), scratch, 0, NLB);
		opts.verify = true;
		opts.chunk = 4096;
		if (pl_copy_create(&opts, &job))
			fail_msg("%s", pl_errmsg());
		job_poll_to_verifying(job);
		inject(DST, &(struct nvme_emu_inject){
				    .fault = NVME_EMU_FAULT_PART, .count = 100000, .len = 4096 });
		job_assert_ended(job, -EILSEQ, "the copy is wrong");
		inject(DST, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
		pl_copy_destroy(job);
	}
}

static void test_verify_read_error(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
		struct pl_copy *job;

		opts.verify = true;
		job = job_start(&opts);
		job_poll_to_verifying(job);
		arm_status(side ? SRC : DST, NVME_CMD_READ, NVME_SC_UNRECOVERED_READ);
		job_assert_ended(job, -EIO, "while verifying: Unrecovered Read Error");
		assert_true(job_check_target(job) < LEN);
		pl_copy_destroy(job);
	}
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
		cmocka_unit_test(test_verify_finds),
		cmocka_unit_test(test_verify_read_error),
		cmocka_unit_test(test_verify_reads_nothing),
		cmocka_unit_test(test_buffers_kept), /* last: what it keeps stays */
	};

	return cmocka_run_group_tests_name("copy_fault", tests, job_setup, job_teardown);
}
