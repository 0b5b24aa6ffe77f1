/* SPDX-License-Identifier: BSD-3-Clause */
/* The Flush that ends a copy, and what the report says of it. */
#include "copy_job.h"

static struct pl_copy_stats stats_of(const struct pl_copy *job)
{
	struct pl_copy_stats stats;

	pl_copy_stats(job, &stats);
	return stats;
}

static void flush_fails(void)
{
	inject(DST, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .qid = 1,
					       .opc = NVME_CMD_FLUSH,
					       .status = NVME_SC_INTERNAL_ERROR });
}

static void flush_works(void)
{
	inject(DST, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
}

/* One command more, after the last write, to the destination. */
static void test_flush(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct nvme_emu_counters before, after;
	struct pl_copy *job;

	(void)state;
	for (int with = 0; with < 2; with++) {
		opts.no_sync = !with;
		job = job_start(&opts);
		assert_string_equal(pl_copy_plan(job)->sync, with ? "Flush" : "");
		nvme_emu_counters(func_of(DST), &before);
		assert_int_equal(job_finish(job), 0);
		nvme_emu_counters(func_of(DST), &after);
		assert_int_equal(after.io_commands - before.io_commands, CHUNKS + (uint64_t)with);
		assert_int_equal(stats_of(job).sync, with ? PL_COPY_SYNCED : PL_COPY_UNSYNCED);
		pl_copy_destroy(job);
	}
}

/* A cache that cannot be flushed: the data is there, and may not survive. */
static void test_flush_fails(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy *job;

	(void)state;
	opts.verify = true;
	job = job_start(&opts);
	flush_fails();
	job_assert_ended(job, -EIO, "Flush failed on " DST);
	assert_errmsg("may not survive a loss of power");
	assert_int_equal(stats_of(job).sync, PL_COPY_UNSYNCED);
	assert_int_equal(job_check_target(job), LEN);
	pl_copy_destroy(job);
	opts.no_sync = true;
	flush_fails();
	job = job_start(&opts);
	assert_int_equal(job_finish(job), 0);
	pl_copy_destroy(job);
	flush_works();
}

/* What an interrupted or failed copy lists as complete is flushed too. */
static void test_flush_after_failure(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy *job = job_start(&opts);

	(void)state;
	job_poll_to(job, LEN / 2);
	pl_copy_cancel(job);
	job_assert_ended(job, -ECANCELED, "stopped");
	assert_int_equal(stats_of(job).sync, PL_COPY_SYNCED);
	job_check_target(job);
	pl_copy_destroy(job);

	job = job_start(&opts);
	job_poll_to(job, LEN / 2);
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .qid = 1,
					       .opc = NVME_CMD_READ,
					       .status = NVME_SC_UNRECOVERED_READ });
	job_assert_ended(job, -EIO, "Unrecovered Read");
	assert_int_equal(stats_of(job).sync, PL_COPY_SYNCED);
	job_check_target(job);
	pl_copy_destroy(job);

	/* The source is gone: it is not needed for that. */
	job = job_start(&opts);
	job_poll_to(job, LEN / 2);
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_GONE });
	assert_int_equal(job_finish(job), -ENODEV);
	assert_int_equal(stats_of(job).sync, PL_COPY_SYNCED);
	pl_copy_destroy(job);
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	pl_nvme_qpair_destroy(src_qp);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(SRC)), 0);
	src_qp = qpair_of(SRC, 64, 0);

	/* To stop what is complete comes too late. */
	job = job_start(&opts);
	while (stats_of(job).phase == PL_COPY_COPYING)
		assert_int_equal(pl_copy_poll(job), 1);
	pl_copy_cancel(job);
	assert_int_equal(job_finish(job), 0);
	assert_int_equal(job_check_target(job), LEN);
	pl_copy_destroy(job);

	/* Not if there is nobody to do it. */
	job = job_start(&opts);
	job_poll_to(job, LEN / 2);
	inject(DST, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_GONE });
	assert_int_equal(job_finish(job), -ENODEV);
	assert_int_equal(stats_of(job).sync, PL_COPY_UNSYNCED);
	pl_copy_destroy(job);
	flush_works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush), cmocka_unit_test(test_flush_fails),
		cmocka_unit_test(test_flush_after_failure), /* last: it ends the device */
	};

	return cmocka_run_group_tests_name("copy_sync", tests, job_setup, job_teardown);
}
