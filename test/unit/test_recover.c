/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller whose memory serves a copy is reset by somebody else, or its memory decoding goes
 * off, under the copy: nothing wrong is acknowledged, everything the copy held is free again, and
 * after one reset of ours the next copy goes the same way at the same address.
 */
#include "copy_job.h"

#include <sys/mman.h>
#include <unistd.h>

#include <peerlane/pl_devmem.h>

#include "copy_internal.h"
#include "mem_private.h"
#include "nvme_func.h"
#include "pl_inject.h"

#define TIMES 20

static size_t bytes_free(struct pl_p2p_heap *heap)
{
	struct pl_p2p_heap_stats stats;

	pl_p2p_heap_stats(heap, &stats);
	assert_int_equal(stats.free, stats.largest_free);
	return stats.free;
}

/* Where a first allocation lies: the heap's first byte. */
static void *address(struct pl_p2p_heap *heap)
{
	void *page;

	assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &page), 0);
	pl_p2p_free(heap, page);
	return page;
}

static const struct victim {
	const char *name;
	enum pl_copy_via via;
	enum pl_mem_kind kind;
} victims[] = {
	{ DST, PL_COPY_VIA_DST, PL_MEM_CMB },
	{ SRC, PL_COPY_VIA_SRC, PL_MEM_CMB },
	{ THIRD, PL_COPY_VIA_DEVICE, PL_MEM_PMR },
};

static struct pl_nvme_qpair **own_qp(const char *name)
{
	if (strcmp(name, SRC) == 0)
		return &src_qp;
	return strcmp(name, DST) == 0 ? &dst_qp : NULL;
}

/* What a program does that wants the controller back. */
static void recover(const struct victim *v)
{
	struct pl_nvme_qpair **qp = own_qp(v->name);

	if (qp)
		pl_nvme_qpair_destroy(*qp);
	if (pl_nvme_ctrlr_reset(ctrlr_of(v->name)))
		fail_msg("%s", pl_errmsg());
	if (qp)
		*qp = qpair_of(v->name, 64, 0);
}

/* Hits a job at some point, and lets it end. */
static void hit_job(const struct victim *v, enum nvme_emu_fault fault, uint64_t after)
{
	struct pl_copy_opts opts = job_opts(v->via);
	struct pl_copy *job = job_start(&opts);
	struct job_result result;
	int rc;

	job_poll_to(job, after);
	inject(v->name, &(struct nvme_emu_inject){ .fault = fault });
	rc = job_finish(job);
	if (rc != -ENODEV && rc != -EREMOTEIO && rc != -EIO)
		fail_msg("%s at %zu: %d, %s", v->name, (size_t)after, rc, pl_errmsg());
	if (rc != -EIO) /* that one names the controller that met the refusal */
		assert_errmsg(v->name);
	job_result(job, &result);
	pl_copy_destroy(job);
	recover(v);
	assert_in_range(job_check_result(&result), after, LEN - CHUNK);
}

static void hit(const struct victim *v, enum nvme_emu_fault fault)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(v->name), v->kind);
	size_t had = bytes_free(heap);
	void *at = address(heap);

	for (uint64_t i = 0; i < TIMES; i++) {
		struct pl_copy_opts opts;
		struct pl_copy *job;

		hit_job(v, fault, i * (LEN - 16 * CHUNK) / TIMES / CHUNK * CHUNK);
		assert_ptr_equal(pl_nvme_ctrlr_heap(ctrlr_of(v->name), v->kind), heap);
		assert_int_equal(bytes_free(heap), had);
		assert_ptr_equal(address(heap), at);
		opts = job_opts(v->via);
		opts.verify = true;
		job = job_start(&opts);
		assert_int_equal(job_finish(job), 0);
		assert_int_equal(job_check_target(job), LEN);
		pl_copy_destroy(job);
	}
	faults_clear();
}

static void test_flr(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(victims); i++)
		hit(&victims[i], NVME_EMU_FAULT_FLR);
}

static void test_decoding_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(victims); i++)
		hit(&victims[i], NVME_EMU_FAULT_MEM);
}

/* Revoked memory stays a hole at its address until its user unmaps it: a reset does. */
static void test_hole(void **state)
{
	struct nvme_func *t = func_of(DST);
	struct pl_ioas *ioas = pl_ioas_default();
	struct pl_ioas_stats before, after;
	struct pl_mem_info cmb;

	(void)state;
	assert_int_equal(
		pl_mem_lookup(address(pl_nvme_ctrlr_heap(ctrlr_of(DST), PL_MEM_CMB)), &cmb), 0);
	pl_ioas_stats(ioas, &before);
	nvme_emu_inject(t, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_FLR });
	pl_ioas_stats(ioas, &after);
	assert_int_equal(after.mappings, before.mappings);
	assert_true(after.invalidations > before.invalidations);
	assert_int_equal(pl_ioas_map(ioas, cmb.va, cmb.len, PL_IOMMU_READ, PL_MEM_CMB), -EEXIST);
	recover(&victims[0]);
	pl_ioas_stats(ioas, &after);
	assert_int_equal(after.mappings, before.mappings);
	assert_int_equal(after.maps, before.maps + 1);
	assert_int_equal(after.unmaps, before.unmaps + 1);
	assert_int_equal(pl_soft_revoke(ioas, (uintptr_t)cmb.va + PAGE, PAGE), -ENOENT);
	assert_int_equal(pl_soft_revoke(ioas, (uintptr_t)cmb.va, cmb.len - PAGE), -EINVAL);
}

/* Where a reset cannot attach the memory again, pointers into it stay harmless, nobody gets any of
 * it, and the next reset brings it back. */
static void test_memory_stays_away(void **state)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(THIRD), PL_MEM_PMR);
	unsigned int failed = 0;
	void *mine, *other;

	(void)state;
	assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &mine), 0);
	for (unsigned int nth = 1;; nth++) {
		int rc;

		pl_inject_arm(nth);
		rc = pl_nvme_ctrlr_reset(ctrlr_of(THIRD));
		if (!pl_inject_fired())
			break;
		pl_inject_arm(0);
		assert_int_equal(rc, -ENOMEM);
		/* Whatever it is by now. */
		assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &other), -ENODEV);
		assert_errmsg(THIRD);
		failed++;
		pl_devmem_write64(mine, 0);
		(void)pl_devmem_read64(mine);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), 0);
	}
	pl_inject_arm(0);
	assert_true(failed >= 2); /* the CPU's mapping, the IOMMU's */
	pl_devmem_write64(mine, 0x0123456789abcdef);
	assert_int_equal(pl_devmem_read64(mine), 0x0123456789abcdef);
	pl_p2p_free(heap, mine);
}

/* Somebody who did not start the copy resets the controller whose memory it goes through. */
static void test_in_use(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);
	struct pl_copy *job = job_start(&opts);

	(void)state;
	job_poll_to(job, LEN / 2);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), -EBUSY);
	assert_errmsg("a copy goes through its memory");
	assert_int_equal(job_finish(job), 0);
	assert_int_equal(job_check_target(job), LEN);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), 0);
	pl_copy_destroy(job);
	job = job_start(&opts);
	job_poll_to(job, LEN / 2);
	pl_copy_destroy(job);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), 0);
}

/* auto goes on to what works. */
static void test_auto_past_a_loss(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_AUTO);
	struct pl_p2p_heap *heap[] = { pl_nvme_ctrlr_heap(ctrlr_of(SRC), PL_MEM_CMB),
				       pl_nvme_ctrlr_heap(ctrlr_of(DST), PL_MEM_CMB) };
	struct pl_p2p_heap *lost = pl_nvme_ctrlr_heap(ctrlr_of(THIRD), PL_MEM_PMR);
	void *all[2];
	struct pl_copy *job;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(heap); i++)
		assert_int_equal(pl_p2p_alloc(heap[i], bytes_free(heap[i]), 0, &all[i]), 0);
	job = job_start(&opts);
	assert_string_equal(pl_copy_plan(job)->provider, THIRD);
	/* It holds the memory from the start, polled or not. */
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(THIRD)), -EBUSY);
	pl_copy_destroy(job);
	pl_p2p_heap_set_gone(lost, true);
	/* Of those that are full, not of the lost one. */
	assert_int_equal(pl_copy_create(&opts, &job), -EINVAL);
	assert_errmsg("too small");
	pl_p2p_heap_set_gone(lost, false);
	for (size_t i = 0; i < RTE_DIM(heap); i++)
		pl_p2p_free(heap[i], all[i]);
}

/* What SIGBUS in the device's memory leaves behind. */
static void lose(struct pl_guard *guard)
{
	int fd = memfd_create("device", MFD_CLOEXEC);
	volatile uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(pl_guard_add(guard, (void *)(uintptr_t)p, PAGE, 0), 0);
	assert_int_equal(pl_guard_init(), 0); /* before cmocka's own handler */
	assert_int_equal(p[0], 0);            /* behind the end of the file */
	pl_guard_fini();
	assert_true(pl_guard_lost(guard));
	pl_guard_remove((const void *)(uintptr_t)p);
	munmap((void *)(uintptr_t)p, PAGE);
	close(fd);
}

/* When the last chunks are in flight nothing fails any more, but what they write may be nothing. */
static void test_lost_at_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(victims); i++) {
		const struct victim *v = &victims[i];
		struct pl_copy_opts opts = job_opts(v->via);
		struct pl_copy *job = job_start(&opts);
		struct pl_guard *guard = &func_of(v->name)->guard;
		struct job_result result;
		uint64_t complete = 0;

		while (job->next_chunk < CHUNKS)
			assert_int_equal(pl_copy_poll(job), 1);
		lose(guard);
		assert_int_equal(job_finish(job), -ENODEV);
		assert_errmsg(v->name);
		job_result(job, &result);
		pl_copy_destroy(job);
		for (int k = 0; k < result.n; k++)
			complete += result.ranges[k].nlb * BS;
		assert_int_equal(complete, result.complete);
		assert_true(complete < LEN);
		pl_guard_renew(guard);
		recover(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flr),
		cmocka_unit_test(test_decoding_off),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_memory_stays_away),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_auto_past_a_loss),
		cmocka_unit_test(test_lost_at_the_end),
	};

	return cmocka_run_group_tests_name("recover", tests, job_setup, job_teardown);
}
