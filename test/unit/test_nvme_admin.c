/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers: what they tell, admin commands, queues they refuse, events, reset. */
#include "fixture.h"

#include <rte_log.h>

#include "nvme_internal.h"

#define DEV   "nvme_emu0" /* CMB and PMR, two namespaces */
#define PLAIN "nvme_emu1"

static void test_names(void **state)
{
	const char *const names[] = { DEV, PLAIN, "nvme_emu2" };
	struct pl_nvme_ctrlr *c = NULL;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(names); i++) {
		c = pl_nvme_ctrlr_next(c);
		assert_ptr_equal(c, pl_nvme_ctrlr_get(names[i]));
	}
	assert_null(pl_nvme_ctrlr_next(c));
	assert_null(pl_nvme_ctrlr_get("nvme_emu7"));
	assert_errmsg("'nvme_emu7'");
	assert_errmsg("nvme_emu0, nvme_emu1, nvme_emu2");
}

static void test_info(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(DEV), &info, sizeof(info));
	assert_string_equal(info.name, DEV);
	assert_string_equal(info.transport, "nvme_emu");
	assert_int_equal(info.version, 0x10400);
	assert_true(strlen(info.serial) > 0 && strlen(info.serial) <= 20);
	assert_true(strlen(info.model) > 0 && strlen(info.model) <= 40);
	assert_string_equal(info.firmware, "0.1.0"); /* the padding is gone */
	assert_int_equal(info.max_entries, 64);
	assert_int_equal(info.max_entries, NVME_CAP_MQES(info.cap) + 1);
	assert_int_equal(info.max_xfer, 64 << 10);
	assert_int_equal(info.io_queues, 3);
	assert_true(NVME_CAP_CMBS(info.cap) && NVME_CAP_PMRS(info.cap));
	assert_int_equal(NVME_CMBSZ_SZ(info.cmbsz), 256);
	assert_true(info.pmrcap & NVME_PMRCAP_CMSS);
	assert_int_equal(info.oncs & (NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
				      NVME_ONCS_COPY),
			 NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
				 NVME_ONCS_COPY);
	assert_true(info.vwc);
	/* Without an MDTS the library's own limit holds. */
	pl_nvme_ctrlr_info(ctrlr_of(PLAIN), &info, sizeof(info));
	assert_int_equal(info.max_xfer, 4 << 20);
	assert_int_equal(info.cmbsz, 0);
	assert_int_equal(info.pmrcap, 0);
}

/* ---- admin commands ---- */

static void test_admin(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_IDENTIFY, .cdw10 = 1 };
	struct pl_nvme_id_ctrl *id = dma_alloc(2 * PAGE);
	uint16_t status = 0x7fff;
	uint32_t dw0 = 99;

	(void)state;
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, id, sizeof(*id), &dw0, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(dw0, 0);
	assert_int_equal(id->mdts, 4);
	/* Dword aligned is aligned enough: PRP1 may have an offset. */
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, (uint8_t *)id + 4, 4096, NULL, NULL),
			 0);
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, (uint8_t *)id + 2, 4096, NULL, &status),
			 -EIO);
	assert_int_equal(NVME_STATUS_CODE(status), NVME_SC_PRP_OFFSET_INVALID);
	assert_errmsg("PRP Offset Invalid");
	assert_errmsg(DEV);
	pl_mem_free(id);

	sqe = (struct pl_nvme_sqe){ .opc = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, NULL), 0);
	sqe.opc = NVME_ADM_GET_FEATURES;
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, &dw0, NULL), 0);
	assert_int_equal(dw0, 0);
	sqe.opc = NVME_ADM_SET_FEATURES;
	sqe.cdw11 = 1;
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, NULL), 0);
	sqe.opc = NVME_ADM_GET_FEATURES;
	sqe.cdw11 = 0;
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, &dw0, NULL), 0);
	assert_int_equal(dw0, 1);
}

static void test_admin_refused(void **state)
{
	static const uint8_t ours[] = { NVME_ADM_AER, NVME_ADM_CREATE_SQ, NVME_ADM_CREATE_CQ,
					NVME_ADM_DELETE_SQ, NVME_ADM_DELETE_CQ };
	struct pl_nvme_sqe sqe = { .opc = 0x7f };
	uint16_t status = 0;
	void *buf = dma_alloc(MIB(1));

	(void)state;
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, &status), -EIO);
	assert_int_equal(NVME_STATUS_CODE(status), NVME_SC_INVALID_OPCODE);
	assert_errmsg("7fh");
	for (size_t i = 0; i < RTE_DIM(ours); i++) {
		sqe.opc = ours[i];
		assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, NULL), -EINVAL);
		assert_errmsg("the library's to send");
	}
	sqe = (struct pl_nvme_sqe){ .opc = NVME_ADM_IDENTIFY, .cdw10 = 1 };
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, buf, MIB(1), NULL, NULL), -EINVAL);
	assert_errmsg("at most");
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
					       .opc = NVME_ADM_IDENTIFY,
					       .status = NVME_SC_INTERNAL_ERROR });
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, buf, 4096, NULL, &status), -EIO);
	assert_int_equal(status, NVME_SC_INTERNAL_ERROR);
	assert_errmsg("Internal Error");
	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, buf, 4096, NULL, NULL), 0);
	pl_mem_free(buf);
}

/* A controller that refuses one of the two queues: nothing of the pair stays. */
static void test_queue_refused(void **state)
{
	static const uint8_t opcs[] = { NVME_ADM_CREATE_CQ, NVME_ADM_CREATE_SQ };
	size_t in_use = heap_in_use();
	struct pl_nvme_qpair *qp = NULL;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(opcs); i++) {
		inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
						       .opc = opcs[i],
						       .status = NVME_SC_QID_INVALID });
		assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), NULL, &qp), -EIO);
		assert_errmsg("Invalid Queue Identifier");
		assert_null(qp);
		assert_int_equal(heap_in_use(), in_use);
		assert_works(DEV);
	}
}

/* One that cannot be deleted is kept, memory and identifier, until a reset took it. While it may take
 * submissions from it, the controller must not go on. */
static void test_queue_not_deletable(void **state)
{
	static const uint8_t opcs[] = { NVME_ADM_DELETE_SQ, NVME_ADM_DELETE_CQ };
	size_t in_use = heap_in_use();
	struct pl_nvme_qpair *qp, *other;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(opcs); i++) {
		qp = qpair_of(DEV, 8, 0);
		assert_int_equal(pl_nvme_qpair_id(qp), 1);
		inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
						       .opc = opcs[i],
						       .status = NVME_SC_INTERNAL_ERROR });
		pl_nvme_qpair_destroy(qp);
		assert_true(heap_in_use() > in_use);
		if (opcs[i] == NVME_ADM_DELETE_SQ) {
			assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), NULL, &other),
					 -ENODEV);
		} else {
			other = qpair_of(DEV, 8, 0);
			assert_int_equal(pl_nvme_qpair_id(other), 2);
			pl_nvme_qpair_destroy(other);
		}
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(DEV)), 0);
		assert_int_equal(heap_in_use(), in_use);
		assert_works(DEV);
	}
}

/* ---- asynchronous events ---- */

static void ring_stray(uint32_t value)
{
	volatile uint32_t *doorbells = func_of(DEV)->doorbells;

	doorbells[2 * 3] = value; /* the SQ tail of queue 3, which does not exist */
}

static int wait_events(void)
{
	uint64_t deadline = now_s() + TIMEOUT_S;
	int n;

	while ((n = pl_nvme_ctrlr_poll_events(ctrlr_of(DEV))) == 0) {
		assert_true(now_s() < deadline);
		relax();
	}
	return n;
}

static void read_error_log(void)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_LOG_PAGE,
				   .nsid = UINT32_MAX,
				   .cdw10 = 0x01 | 15u << 16 };
	void *buf = dma_alloc(64);

	assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, buf, 64, NULL, NULL), 0);
	pl_mem_free(buf);
}

/* Type error, "write to invalid doorbell register", error log page. */
static void assert_next_event(uint32_t lost)
{
	struct pl_nvme_event e;

	assert_int_equal(pl_nvme_ctrlr_event_next(ctrlr_of(DEV), &e, sizeof(e)), 0);
	assert_int_equal(e.type, 0);
	assert_int_equal(e.info, 0);
	assert_int_equal(e.log_page, 1);
	assert_int_equal(e.lost, lost);
}

static void test_events(void **state)
{
	struct pl_nvme_event e;

	(void)state;
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(DEV)), 0);
	assert_int_equal(pl_nvme_ctrlr_event_next(ctrlr_of(DEV), &e, sizeof(e)), -ENOENT);
	/* More than there are requests: each is sent again. */
	for (uint32_t i = 1; i <= 3 * NVME_MAX_AERS; i++) {
		ring_stray(i);
		assert_int_equal(wait_events(), 1);
		assert_next_event(0);
		assert_int_equal(pl_nvme_ctrlr_event_next(ctrlr_of(DEV), &e, sizeof(e)), -ENOENT);
		assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(DEV)), 0);
		read_error_log(); /* until then the type is masked */
	}
	/* Nobody takes them: the first are kept, and the next that has room says how many were
	 * lost. */
	for (uint32_t i = 0; i < NVME_MAX_EVENTS + 3; i++) {
		ring_stray(1000 + i);
		assert_int_equal(wait_events(), 1);
		read_error_log();
	}
	for (uint32_t i = 0; i < NVME_MAX_EVENTS; i++)
		assert_next_event(0);
	assert_int_equal(pl_nvme_ctrlr_event_next(ctrlr_of(DEV), &e, sizeof(e)), -ENOENT);
	ring_stray(2000);
	assert_int_equal(wait_events(), 1);
	read_error_log();
	assert_next_event(3);
	/* An event request that is taken away is not sent again, and is no event. */
	for (uint32_t slot = 0; slot < 8; slot++) {
		uint16_t cid = (uint16_t)ctrlr_of(DEV)->adminq->cid_of[slot];
		struct pl_nvme_sqe sqe = { .opc = NVME_ADM_ABORT, .cdw10 = (uint32_t)cid << 16 };

		assert_int_equal(pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, NULL), 0);
	}
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(DEV)), 0);
	/* After a reset all are there again. */
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(DEV)), 0);
	ring_stray(3000);
	assert_int_equal(wait_events(), 1);
	read_error_log();
	assert_next_event(0);
}

/* A controller that completes every request for an event at once. While it does, polling the admin
 * queue waits until the next completion is there, so that whoever reaps until there is none does
 * not end. */
#define FLOOD 2000u

static bool flooded;
static uint32_t flood_count;

uint16_t __real_pl_nvme_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n);
uint16_t __wrap_pl_nvme_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n);

uint16_t __wrap_pl_nvme_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n)
{
	const struct pl_nvme_op *aers = qp->ctrlr->aer_ops;
	uint64_t deadline = now_s() + TIMEOUT_S;
	uint16_t got;

	while (flooded && qp->qid == 0 && flood_count < FLOOD &&
	       (qp->cqe->status & 1) != (qp->cq_phase != 0)) {
		assert_true(now_s() < deadline);
		relax();
	}
	got = __real_pl_nvme_poll(qp, ops, n);
	if (flooded && got && ops[0] >= aers && ops[0] < aers + NVME_MAX_AERS &&
	    ++flood_count == FLOOD)
		inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	return got;
}

static uint32_t count_lines(const char *text, const char *with)
{
	uint32_t n = 0;

	for (const char *at = text; (at = strstr(at, with)) != NULL; at++)
		n++;
	return n;
}

/* One call handles a few of its events, an admin command is answered in between, and the log stays
 * short. */
static void test_event_flood(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };
	uint64_t deadline = now_s() + TIMEOUT_S, start = now_s();
	uint32_t lines;
	char *text = NULL;
	size_t len;
	FILE *log = open_memstream(&text, &len);
	int n;

	(void)state;
	assert_non_null(log);
	rte_openlog_stream(log);
	ctrlr_of(DEV)->event_log_ms = 0; /* whatever was logged before */
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_EVENTS });
	flooded = true;
	while (flood_count < FLOOD) {
		n = pl_nvme_ctrlr_poll_events(ctrlr_of(DEV));
		if (n < 0 || n > 100)
			break;
		if (flood_count && flood_count < FLOOD / 2 &&
		    pl_nvme_admin(ctrlr_of(DEV), &sqe, NULL, 0, NULL, NULL) != 0)
			break;
		assert_true(now_s() < deadline);
	}
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	while (pl_nvme_ctrlr_poll_events(ctrlr_of(DEV)) > 0)
		assert_true(now_s() < deadline);
	flooded = false;
	rte_openlog_stream(NULL);
	fclose(log);
	lines = count_lines(text, "asynchronous event");
	free(text);
	assert_in_range(n, 0, 100);
	assert_in_range(flood_count, FLOOD,
			FLOOD + 2 * NVME_MAX_AERS); /* those that were under way */
	/* Ten and a sum for each second. */
	assert_in_range(lines, 1, 11 * (now_s() - start + 2));
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(DEV)), 0);
}

/* ---- reset ---- */

static void test_reset(void **state)
{
	struct pl_nvme_ctrlr *c = ctrlr_of(DEV);
	struct pl_p2p_heap *cmb = pl_nvme_ctrlr_heap(c, PL_MEM_CMB);
	struct pl_p2p_heap *pmr = pl_nvme_ctrlr_heap(c, PL_MEM_PMR);
	struct pl_nvme_ctrlr_info before, after;
	struct pl_nvme_qpair *qp = qpair_of(DEV, 8, 0);
	uint8_t *host = dma_alloc(2 * PAGE);
	size_t in_use = heap_in_use();
	void *bufs[2];

	(void)state;
	assert_int_equal(pl_p2p_alloc(cmb, PAGE, 0, &bufs[0]), 0);
	assert_int_equal(pl_p2p_alloc(pmr, PAGE, 0, &bufs[1]), 0);
	random_fill(host, PAGE);
	write_blocks(qp, ns_of(DEV, 1), host, 0, 8);
	pl_nvme_ctrlr_info(c, &before, sizeof(before));
	assert_int_equal(pl_nvme_ctrlr_reset(c), -EBUSY);
	assert_errmsg("queue pairs");
	read_blocks(qp, ns_of(DEV, 1), host + PAGE, 0, 8); /* which did it no harm */
	pl_nvme_qpair_destroy(qp);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pl_nvme_ctrlr_reset(c), 0);
		pl_nvme_ctrlr_info(c, &after, sizeof(after));
		assert_memory_equal(&before, &after, sizeof(before));
		qp = qpair_of(DEV, 8, 0);
		/* The data are still there, and so are CMB and PMR, at the same addresses. */
		for (int b = 0; b < 2; b++) {
			read_blocks(qp, ns_of(DEV, 1), bufs[b], 0, 8);
			write_blocks(qp, ns_of(DEV, 2), bufs[b], 8, 8);
			memset(host + PAGE, 0, PAGE);
			read_blocks(qp, ns_of(DEV, 2), host + PAGE, 8, 8);
			assert_memory_equal(host, host + PAGE, PAGE);
		}
		pl_nvme_qpair_destroy(qp);
	}
	pl_p2p_free(cmb, bufs[0]);
	pl_p2p_free(pmr, bufs[1]);
	pl_mem_free(host);
	assert_true(heap_in_use() < in_use);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=1M,ns=2,cmb=1M,pmr=1M,mqes=64,mdts=64K,queues=3",
		PLAIN ",size=1M,mdts=0",
		"nvme_emu2,size=1M",
	};

	(void)state;
	random_start();
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),         cmocka_unit_test(test_info),
		cmocka_unit_test(test_admin),         cmocka_unit_test(test_admin_refused),
		cmocka_unit_test(test_queue_refused), cmocka_unit_test(test_queue_not_deletable),
		cmocka_unit_test(test_events),        cmocka_unit_test(test_event_flood),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests_name("nvme_admin", tests, setup, fixture_stop);
}
