/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Providers and sources that lie: every command completes with status 0, and what the target got is
 * wrong. Whatever happens, what is reported complete is on the target, byte for byte.
 */
#include "copy_job.h"

static struct emu_ctrlr *third(void)
{
	return emu_ctrlr(func_of(THIRD));
}

/* ---- parts of a transfer ---- */

static void arm_part(uint32_t count, bool late)
{
	inject(SRC, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_PART,
					       .count = count,
					       .offset = 8192,
					       .len = 4096,
					       .late = late });
}

/* 4 KiB in the middle of a transfer never arrive; its last bytes do. */
static void test_part_lost(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);

	(void)state;
	opts.chunk = 32u << 10;
	for (uint64_t after = 0; after < LEN - 8 * opts.chunk; after += 3 * opts.chunk) {
		struct pl_copy *job = job_start(&opts);

		job_poll_to(job, after);
		arm_part(1, false);
		job_assert_ended(job, -EREMOTEIO, "did not land");
		assert_in_range(job_check_target(job), after, LEN - opts.chunk);
		pl_copy_destroy(job);
	}
}

/* They arrive after the completion: that is waited for. */
static void test_part_late(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy_stats stats;
	struct pl_copy *job;

	(void)state;
	opts.chunk = 32u << 10;
	job = job_start(&opts);
	arm_part(8, true);
	if (job_finish(job))
		fail_msg("%s", pl_errmsg());
	assert_int_equal(job_check_target(job), LEN);
	pl_copy_stats(job, &stats);
	assert_true(stats.landing_retries > 0);
	pl_copy_destroy(job);
}

/* What the unit does not tell apart is not seen, but by comparing. */
static void test_unit(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy *job = NULL;

	(void)state;
	opts.chunk = 32u << 10;
	opts.landing_unit = 1000;
	assert_int_equal(pl_copy_create(&opts, &job), -EINVAL);
	assert_errmsg("1000");
	opts.landing_unit = 32u << 10;
	opts.verify = true;
	job = job_start(&opts);
	assert_int_equal(pl_copy_plan(job)->landing_unit, 32u << 10);
	arm_part(1, false);
	job_assert_ended(job, -EILSEQ, "the copy is wrong");
	job_check_target(job);
	pl_copy_destroy(job);
	opts.landing_unit = 512;
	opts.verify = false;
	job = job_start(&opts);
	arm_part(1, false);
	job_assert_ended(job, -EREMOTEIO, "did not land");
	job_check_target(job);
	pl_copy_destroy(job);
}

/* ---- the provider ---- */

static void zeros(void)
{
	memset(third()->pmr.va, 0, third()->pmr.len);
}

static void ones(void)
{
	memset(third()->pmr.va, 0xff, third()->pmr.len);
}

static void gone(void)
{
	inject(THIRD, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_GONE });
}

static void failed(void)
{
	inject(THIRD, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CFS });
}

/* By another program, as far as the registers go: the memory stays where it is. */
static void disabled(void)
{
	struct nvme_func *t = func_of(THIRD);

	t->ops->write32(t, NVME_REG_CC, 0);
}

static void moved(void)
{
	struct nvme_func *t = func_of(THIRD);

	t->ops->write32(t, NVME_REG_PMRMSCL, t->ops->read32(t, NVME_REG_PMRMSCL) ^ 0x10000);
}

static const struct {
	void (*hit)(void);
	int err;
	const char *text;
} hits[] = {
	{ zeros, -EREMOTEIO, "lost what was written to it" },
	{ ones, -EREMOTEIO, "lost what was written to it" },
	{ gone, -ENODEV, "is gone, failed or was reset" },
	{ failed, -ENODEV, "is gone, failed or was reset" },
	{ disabled, -ENODEV, "is gone, failed or was reset" },
	{ moved, -EREMOTEIO, "has it no longer at" },
};

/* A third party's memory dies between the legs, with the writes of some chunks under way. */
static void test_provider(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(hits); i++)
		for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += 17 * CHUNK) {
			struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);
			struct pl_copy *job = job_start(&opts);
			struct job_result result;

			job_poll_to(job, after);
			hits[i].hit();
			job_assert_ended(job, hits[i].err, hits[i].text);
			assert_errmsg(THIRD);
			job_result(job, &result);
			pl_copy_destroy(job);
			inject(THIRD, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
			if (pl_nvme_ctrlr_reset(ctrlr_of(THIRD)))
				fail_msg("%s", pl_errmsg());
			assert_in_range(job_check_result(&result), after, LEN - CHUNK);
		}
	faults_clear();
}

/* It is dead before the job begins. */
static void test_dead_at_the_start(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);
	struct pl_copy *job = NULL;

	(void)state;
	disabled();
	assert_int_equal(pl_copy_create(&opts, &job), -ENODEV);
	assert_errmsg(THIRD);
	assert_null(job);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), 0);
}

/* What it costs is counted, and bounded: a load for every unit and burst of reads, and a look at
 * the provider when reads or writes completed. */
static void test_cost(void **state)
{
	const uint32_t proof = 6; /* of a PMR: CC, CSTS, PMRCTL, PMRMSC twice, the canary */
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);
	struct pl_copy_stats stats;
	struct pl_copy *job;

	(void)state;
	opts.depth = 1;
	job = job_start(&opts);
	assert_int_equal(job_finish(job), 0);
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.landing_checks, CHUNKS);
	assert_int_equal(stats.proofs, 2 * CHUNKS);
	assert_int_equal(stats.device_reads, CHUNKS * (1 + CHUNK / 4096) + stats.landing_retries +
						     stats.proofs * proof);
	assert_int_equal(stats.bytes_unproven, 0);
	pl_copy_destroy(job);
	/* Host memory needs neither. */
	opts = job_opts(PL_COPY_VIA_HOST);
	job = job_start(&opts);
	assert_int_equal(job_finish(job), 0);
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.proofs, 0);
	assert_int_equal(stats.device_reads, 0);
	pl_copy_destroy(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_part_lost),
		cmocka_unit_test(test_part_late),
		cmocka_unit_test(test_unit),
		cmocka_unit_test(test_provider),
		cmocka_unit_test(test_dead_at_the_start),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests_name("copy_proof", tests, job_setup, job_teardown);
}
