/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that does not land: writes into a peer's memory that the fabric loses, or that the IOMMU
 * refuses since the mapping was revoked under the copy. The commands complete with status 0; what
 * is reported complete must be on the target all the same.
 */
#include "copy_job.h"

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
			struct pl_copy_opts opts = job_opts(peers[w]);
			struct pl_copy *job = job_start(&opts);
			struct pl_copy_stats stats;

			job_poll_to(job, after);
			arm_drop(1);
			job_assert_ended(job, -EREMOTEIO, "did not land");
			assert_errmsg(w ? THIRD : DST);
			assert_in_range(job_check_target(job), after, LEN - CHUNK);
			pl_copy_stats(job, &stats);
			assert_true(stats.landing_retries > 0);
			assert_true(stats.landing_checks >= job_copied(job) / CHUNK);
			pl_copy_destroy(job);
		}
}

/* A chunk that takes several commands of the source, one of which is lost, whichever it is. */
static void test_dropped_part(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);

	(void)state;
	opts.chunk = 96u << 10; /* reads of 32, 32 and 32 KiB */
	opts.depth = 2;
	for (int i = 0; i < 60; i++) {
		struct pl_copy *job = job_start(&opts);

		job_poll_to(job, (uint64_t)(i % 5) * opts.chunk);
		arm_drop(1);
		job_assert_ended(job, -EREMOTEIO, "did not land");
		job_check_target(job);
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
		struct pl_copy_opts opts = job_opts(others[w]);
		struct pl_copy *job = job_start(&opts);

		arm_drop(1000);
		assert_int_equal(job_finish(job), 0);
		assert_int_equal(job_check_target(job), LEN);
		pl_copy_destroy(job);
		disarm();
	}
}

/* Trusted blindly, the copy is wrong and says nothing; comparing finds out. */
static void test_no_landing_check(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
	struct pl_copy *job;

	(void)state;
	opts.no_landing_check = true;
	job = job_start(&opts);
	assert_false(pl_copy_plan(job)->landing_check);
	job_poll_to(job, LEN / 2);
	arm_drop(1);
	assert_int_equal(job_finish(job), 0);
	read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
	assert_memory_not_equal(scratch, data, LEN);
	pl_copy_destroy(job);

	opts.verify = true;
	job = job_start(&opts);
	job_poll_to(job, LEN / 2);
	arm_drop(1);
	job_assert_ended(job, -EILSEQ, "the copy is wrong");
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
				     PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_CMB),
			 0);
}

/* The mapping of the destination's CMB ends while the source writes through it: its reads go on
 * completing with status 0. */
static void test_revoked_under_writes(void **state)
{
	struct pl_mem_info cmb = region_of(DST);

	(void)state;
	for (uint64_t after = 0; after < LEN - 8 * CHUNK; after += 11 * CHUNK) {
		struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DST);
		struct pl_iommu_fault fault;
		struct pl_copy *job = job_start(&opts);

		faults_clear();
		job_poll_to(job, after);
		unmap(&cmb);
		job_assert_ended(job, -EREMOTEIO, "did not land");
		assert_in_range(job_check_target(job), after, LEN - CHUNK);
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
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_SRC);
	struct pl_copy *job = job_start(&opts);

	(void)state;
	faults_clear();
	job_poll_to(job, LEN / 2);
	unmap(&cmb);
	job_assert_ended(job, -EIO, "Data Transfer Error");
	assert_in_range(job_check_target(job), LEN / 2, LEN - CHUNK);
	pl_copy_destroy(job);
	map_again(&cmb);
	/* Nothing is broken for good. */
	job = job_start(&opts);
	assert_int_equal(job_finish(job), 0);
	assert_int_equal(job_check_target(job), LEN);
	pl_copy_destroy(job);
	faults_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dropped_writes),
		cmocka_unit_test(test_dropped_part),
		cmocka_unit_test(test_nothing_to_drop),
		cmocka_unit_test(test_no_landing_check),
		cmocka_unit_test(test_revoked_under_writes),
		cmocka_unit_test(test_revoked_under_reads),
	};

	return cmocka_run_group_tests_name("copy_landing", tests, job_setup, job_teardown);
}
