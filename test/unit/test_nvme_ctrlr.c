/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers that lie, hang, fail or are gone, and the way back where there is one. */
#include "fixture.h"
#include "pl_stop.h"

#include "nvme_pcie.h"
#include "pl_clock.h"
#include "pl_log.h"

#define DEV "nvme_emu0" /* the one that works */
/* One for each way of failing. */
#define LIAR "nvme_emu1"
#define HUNG "nvme_emu2"
#define GONE "nvme_emu3"
#define FAIL "nvme_emu4"

static void arm(const char *name, enum nvme_emu_fault fault)
{
	inject(name, &(struct nvme_emu_inject){ .fault = fault });
}

/* ---- a device that lies ---- */

static void test_bogus_completion(void **state)
{
	static const uint16_t cids[] = { 5, 6, 7,
					 0xffff }; /* depth 8: generation 0 is not the first */

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cids); i++) {
		struct pl_nvme_qpair *qp = qpair_of(LIAR, 8, 0);
		uint64_t deadline = now_s() + TIMEOUT_S;
		struct pl_nvme_op op, *ops = &op;
		void *buf = dma_alloc(PAGE);

		pl_nvme_op_read(&op, ns_of(LIAR, 1), buf, 0, 1);
		assert_int_equal(run_op(qp, &op), 0);
		inject(LIAR, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CID,
							.qid = pl_nvme_qpair_id(qp),
							.cid = cids[i] });
		while (pl_nvme_qpair_error(qp) == 0) {
			struct pl_nvme_op *none;

			assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
			assert_true(now_s() < deadline);
			relax();
		}
		assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
		assert_errmsg("not in flight");
		/* Stopped for good: nothing goes in, nothing comes out. */
		assert_int_equal(pl_nvme_submit(qp, &ops, 1), 0);
		assert_int_equal(pl_nvme_poll(qp, &ops, 1), 0);
		assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
		pl_nvme_qpair_destroy(qp);
		pl_mem_free(buf);
		assert_works(LIAR); /* the controller's other queues are not concerned */
	}
}

static void wait_error(struct pl_nvme_qpair *qp)
{
	uint64_t deadline = now_s() + TIMEOUT_S;
	struct pl_nvme_op *none;

	while (pl_nvme_qpair_error(qp) == 0) {
		assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
		assert_true(now_s() < deadline);
		relax();
	}
	assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
	assert_errmsg("not in flight");
}

/* The completion of an earlier command comes again, whenever: it is no answer to the command that
 * has its slot now, which the device has lost. */
static void test_late_duplicate(void **state)
{
	void *buf = dma_alloc(PAGE);

	(void)state;
	for (uint32_t before = 1; before <= 40; before += 13) {
		struct pl_nvme_qpair *qp = qpair_of(LIAR, 8, 0);
		struct pl_nvme_op op, *ops = &op;

		pl_nvme_op_read(&op, ns_of(LIAR, 1), buf, 0, 1);
		for (uint32_t i = 0; i < before; i++)
			assert_int_equal(run_op(qp, &op), 0);
		inject(LIAR, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_LATEDUP,
							.qid = pl_nvme_qpair_id(qp) });
		assert_int_equal(pl_nvme_submit(qp, &ops, 1), 1);
		wait_error(qp);
		pl_nvme_qpair_destroy(qp);
		assert_works(LIAR);
	}
	pl_mem_free(buf);
}

/* One command after the other: slots take turns and get another identifier each time, of all
 * generations there are, so none comes again soon, and FFFFh never. */
static void test_generations(void **state)
{
	static const uint32_t depths[] = { 2, 3, 16, 17 };
	static bool seen[65536];
	void *buf = dma_alloc(PAGE);

	(void)state;
	for (size_t d = 0; d < RTE_DIM(depths); d++) {
		struct pl_nvme_qpair *qp = qpair_of(LIAR, depths[d], 0);
		uint32_t generations = 65536 / (uint32_t)(qp->slot_mask + 1);
		struct pl_nvme_op op;

		pl_nvme_op_read(&op, ns_of(LIAR, 1), buf, 0, 1);
		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < generations * (depths[d] - 1) / 2; i++) {
			volatile const struct pl_nvme_cqe *cqe = qp->cqe;
			uint16_t cid;

			assert_int_equal(run_op(qp, &op), 0);
			cid = cqe->cid;
			assert_int_not_equal(cid, 0xffff);
			assert_in_range(cid & qp->slot_mask, 0, depths[d] - 2);
			assert_false(seen[cid]);
			seen[cid] = true;
		}
		pl_nvme_qpair_destroy(qp);
	}
	pl_mem_free(buf);
}

/* A queue that is deleted and created again has other identifiers than before: its generations
 * begin anywhere. Once in so many times they begin where the last ones did. */
static void test_recreated(void **state)
{
	uint32_t same = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct pl_nvme_qpair *qp = qpair_of(LIAR, 8, PAGE);
		uint32_t before = qp->cid_of[0];

		pl_nvme_qpair_destroy(qp);
		qp = qpair_of(LIAR, 8, PAGE);
		same += qp->cid_of[0] == before;
		pl_nvme_qpair_destroy(qp);
	}
	assert_in_range(same, 0, 2); /* of 8192 generations */
}

/* A stopped queue pair stays stopped, whatever the device makes of the entry afterwards. */
static void test_stopped_for_good(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(LIAR, 8, PAGE);
	struct pl_nvme_cqe *cq = (struct pl_nvme_cqe *)(uintptr_t)qp->cq;
	void *buf = dma_alloc(20 * PAGE);
	struct pl_nvme_op big, small, *ops = &big, *none;
	uint16_t cid;

	(void)state;
	arm(LIAR, NVME_EMU_FAULT_HANG);
	pl_nvme_op_read(&big, ns_of(LIAR, 1), buf, 0, 160); /* twenty commands, seven slots */
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 1);
	cid = qp->sq[6].cid;
	cq[0] = (struct pl_nvme_cqe){ .cid = 0xffff, .status = 1 };
	assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
	pl_nvme_op_read(&small, ns_of(LIAR, 1), buf, 0, 1);
	ops = &small;
	/* An error of a part of the split op, which ends it; then a good one. */
	for (int i = 0; i < 2; i++) {
		cq[0] = (struct pl_nvme_cqe){
			.cid = cid,
			.status = (uint16_t)(i ? 1 : NVME_SC_INTERNAL_ERROR << 1 | 1),
		};
		assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
		assert_int_equal(pl_nvme_submit(qp, &ops, 1), 0);
		assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
	}
	arm(LIAR, NVME_EMU_FAULT_NONE);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
	assert_works(LIAR);
}

/* In one poll the last part of a split op but one, and a lie: the op is not gone on with. The
 * entries are written by hand while the device is asleep, since it would not fit them in this
 * order. */
static void test_bogus_completion_while_splitting(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(LIAR, 5, PAGE);
	struct pl_nvme_cqe *cq = (struct pl_nvme_cqe *)(uintptr_t)qp->cq;
	void *buf = dma_alloc(5 * PAGE);
	struct pl_nvme_op op, other, *ops = &op, *none;

	(void)state;
	arm(LIAR, NVME_EMU_FAULT_HANG);
	pl_nvme_op_read(&op, ns_of(LIAR, 1), buf, 0, 40); /* five commands, four slots */
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 1);
	cq[0] = (struct pl_nvme_cqe){ .cid = (uint16_t)qp->cid_of[2], .status = 1 };
	cq[1] = (struct pl_nvme_cqe){ .cid = 77, .status = 1 };
	assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
	pl_nvme_op_read(&other, ns_of(LIAR, 1), buf, 0, 1);
	ops = &other;
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), -EIO);
	arm(LIAR, NVME_EMU_FAULT_NONE);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
	assert_works(LIAR);
}

/* The same for the admin queue: the controller is not to be trusted any more. */
static void test_bogus_admin_completion(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	uint64_t deadline = now_s() + TIMEOUT_S;
	int rc;

	(void)state;
	inject(LIAR, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CID, .cid = 0x1234 });
	while ((rc = pl_nvme_admin(ctrlr_of(LIAR), &sqe, NULL, 0, NULL, NULL)) == 0)
		assert_true(now_s() < deadline);
	assert_int_equal(rc, -ENODEV);
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(LIAR)), -ENODEV);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(LIAR)), 0);
	assert_works(LIAR);
}

/* A late duplicate there: it completes no later command, whose buffer would be freed under the
 * device. */
static void test_late_admin_duplicate(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_IDENTIFY, .cdw10 = 1 };
	void *buf = dma_alloc(PAGE);

	(void)state;
	assert_int_equal(pl_nvme_admin(ctrlr_of(LIAR), &sqe, buf, PAGE, NULL, NULL), 0);
	inject(LIAR, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_LATEDUP });
	assert_int_equal(pl_nvme_admin(ctrlr_of(LIAR), &sqe, buf, PAGE, NULL, NULL), -ENODEV);
	assert_errmsg("not in flight");
	assert_true(ctrlr_of(LIAR)->no_dma);
	pl_mem_free(buf);
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(LIAR)), -ENODEV);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(LIAR)), 0);
	assert_works(LIAR);
}

/* An answer and behind it a lie, in one reap: the next command is not sent. The entries are written
 * by hand while the device is asleep. */
static void test_bogus_behind_admin_answer(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	struct pl_nvme_ctrlr *c = ctrlr_of(LIAR);
	struct pl_nvme_qpair *q = c->adminq;
	struct pl_nvme_cqe *cqe;
	struct pl_nvme_qpair_stats stats;
	uint64_t sent;
	uint16_t phase;

	(void)state;
	do
		assert_int_equal(pl_nvme_admin(c, &sqe, NULL, 0, NULL, NULL), 0);
	while (q->cqe + 1 == q->cq_end);
	arm(LIAR, NVME_EMU_FAULT_HANG);
	cqe = (struct pl_nvme_cqe *)(uintptr_t)q->cqe;
	phase = q->cq_phase != 0;
	cqe[0] = (struct pl_nvme_cqe){
		.cid = (uint16_t)q->cid_of[q->free_slots[q->nb_free - 1]],
		.status = phase,
	};
	cqe[1] = (struct pl_nvme_cqe){ .cid = 0xffff, .status = phase };
	assert_int_equal(pl_nvme_admin(c, &sqe, NULL, 0, NULL, NULL), 0);
	pl_nvme_qpair_stats(q, &stats, sizeof(stats));
	sent = stats.commands;
	assert_int_equal(pl_nvme_admin(c, &sqe, NULL, 0, NULL, NULL), -ENODEV);
	pl_nvme_qpair_stats(q, &stats, sizeof(stats));
	assert_int_equal(stats.commands, sent);
	assert_true(c->failed && c->no_dma);
	arm(LIAR, NVME_EMU_FAULT_NONE);
	assert_int_equal(pl_nvme_ctrlr_reset(c), 0);
	assert_works(LIAR);
}

static int master_fails(struct nvme_func *t, bool on)
{
	return on ? 0 : pl_fail(-EIO, "%s: its bus mastering stays on", t->name);
}

/* What a controller may still write to, since its DMA cannot be stopped, is not freed before it was
 * reset. */
static void test_buffers_kept(void **state)
{
	struct nvme_func *t = func_of(LIAR);
	const struct nvme_func_ops *ops = t->ops;
	struct nvme_func_ops stubborn = *ops;
	size_t in_use = heap_in_use();

	(void)state;
	stubborn.master = master_fails;
	t->ops = &stubborn;
	for (uint32_t i = 1; i <= 3; i++) {
		/* To Identify Controller of the reset. */
		inject(LIAR, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_LATEDUP });
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(LIAR)), -ENODEV);
		assert_errmsg("DMA could not be stopped");
		assert_false(ctrlr_of(LIAR)->no_dma);
		assert_int_equal(ctrlr_of(LIAR)->nb_kept, i);
		assert_true(heap_in_use() >= in_use + (size_t)i * PAGE);
	}
	t->ops = ops;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(LIAR)), 0);
	assert_int_equal(heap_in_use(), in_use);
	assert_works(LIAR);
}

/* An admin command of a bring-up or a shutdown ends with it, long before its own time is over. */
static void test_deadline(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	struct pl_nvme_ctrlr *c = ctrlr_of(LIAR);

	(void)state;
	assert_true(c->admin_timeout_ms >= 1000u * TIMEOUT_S);
	for (int i = 0; i < 2; i++) {
		uint64_t start = now_s();

		arm(LIAR, NVME_EMU_FAULT_HANG);
		c->deadline_ms = pl_now_ms() + (i ? 1000000u : 10u);
		if (i)
			pl_eal_request_stop(); /* the time is long, but somebody asks to stop */
		assert_int_equal(pl_nvme_admin(c, &sqe, NULL, 0, NULL, NULL),
				 i ? -ECANCELED : -ETIMEDOUT);
		assert_errmsg(i ? "asked to stop" : "in the time that it gets");
		assert_true(now_s() - start < TIMEOUT_S);
		assert_true(c->failed && c->no_dma);
		c->deadline_ms = 0;
		pl_stop_clear();
		arm(LIAR, NVME_EMU_FAULT_NONE);
		assert_int_equal(pl_nvme_ctrlr_reset(c), 0);
	}
	assert_works(LIAR);
}

/* ---- a device that fails ---- */

/* All that a failed controller does: it says so, at once. */
static void assert_failed(const char *name)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	struct pl_nvme_qpair *qp = NULL;
	uint64_t start = now_s();

	assert_int_equal(pl_nvme_admin(ctrlr_of(name), &sqe, NULL, 0, NULL, NULL), -ENODEV);
	assert_errmsg(name);
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(name)), -ENODEV);
	/* More often than there are identifiers: none is used up. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(pl_nvme_qpair_create(ctrlr_of(name), NULL, &qp), -ENODEV);
	assert_errmsg(name);
	assert_null(qp);
	assert_true(now_s() - start < 5);
}

/* Ten seconds long, the time an admin command may take. */
static void test_hang(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	size_t in_use = heap_in_use(), with_qp;
	struct pl_nvme_qpair *qp = qpair_of(HUNG, 8, 0), *none = NULL;
	struct pl_nvme_op op, *ops = &op;
	void *buf = pl_mem_zalloc(PAGE, -1);

	(void)state;
	ctrlr_of(HUNG)->admin_timeout_ms = 2000;
	arm(HUNG, NVME_EMU_FAULT_HANG);
	pl_nvme_op_read(&op, ns_of(HUNG, 1), buf, 0, 1);
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 1);
	with_qp = heap_in_use();
	/* Create CQ: it may still be executed, so its DMA is stopped before what it names is freed. */
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(HUNG), NULL, &none), -ETIMEDOUT);
	assert_errmsg("2 s");
	assert_null(none);
	assert_int_equal(heap_in_use(), with_qp);
	assert_int_equal(pl_nvme_admin(ctrlr_of(HUNG), &sqe, NULL, 0, NULL, NULL), -ENODEV);
	assert_failed(HUNG);
	pl_nvme_qpair_destroy(qp); /* its queues cannot be deleted, but do no DMA any more */
	assert_true(heap_in_use() < with_qp);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(HUNG)), 0);
	pl_mem_free(buf);
	assert_int_equal(heap_in_use(), in_use);
	assert_works(HUNG);
}

static void test_fatal_status(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(FAIL, 8, 0);
	size_t in_use;

	(void)state;
	arm(FAIL, NVME_EMU_FAULT_CFS);
	assert_failed(FAIL);
	in_use = heap_in_use();
	pl_nvme_qpair_destroy(qp);
	assert_true(heap_in_use() < in_use);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(FAIL)), 0);
	assert_works(FAIL);
	/* Found out by whoever looks for events. */
	arm(FAIL, NVME_EMU_FAULT_CFS);
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(FAIL)), -ENODEV);
	assert_failed(FAIL);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(FAIL)), 0);
	assert_works(FAIL);
}

/* Last: the way back is a new probe, so it is still gone when the process ends. */
static void test_gone(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(GONE, 8, 0);
	struct pl_nvme_op op, *ops = &op;
	static uint8_t *buf;

	(void)state;
	buf = dma_alloc(PAGE);
	arm(GONE, NVME_EMU_FAULT_GONE);
	pl_nvme_op_read(&op, ns_of(GONE, 1), buf, 0, 1);
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 1);
	assert_failed(GONE);
	assert_int_equal(pl_nvme_poll(qp, &ops, 1), 0);
	pl_nvme_qpair_destroy(qp);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(GONE)), -ENODEV);
	assert_errmsg("gone");
	assert_failed(GONE);
	/* The others do not care. */
	assert_works(DEV);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=1M",          LIAR ",size=1M,mdts=0",
		HUNG ",size=1M,cmb=64K", GONE ",size=1M,cmb=64K,pmr=64K",
		FAIL ",size=1M",
	};

	(void)state;
	random_start();
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bogus_completion),
		cmocka_unit_test(test_bogus_completion_while_splitting),
		cmocka_unit_test(test_late_duplicate),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_recreated),
		cmocka_unit_test(test_stopped_for_good),
		cmocka_unit_test(test_bogus_admin_completion),
		cmocka_unit_test(test_late_admin_duplicate),
		cmocka_unit_test(test_bogus_behind_admin_answer),
		cmocka_unit_test(test_buffers_kept),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_fatal_status),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("nvme_ctrlr", tests, setup, fixture_stop);
}
