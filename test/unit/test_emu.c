/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's registers and states, and how it misbehaves. */
#include "emu_host.h"

#define ARGS "size=16M"

static void registers(void **state)
{
	struct host h;
	uint64_t cap;

	(void)state;
	host_open(&h, ARGS ",cmb=1M,pmr=1M,mqes=64,dstrd=2");
	cap = h.ops->read64(h.t, NVME_REG_CAP);
	assert_int_equal(NVME_CAP_MQES(cap), 63);
	assert_int_equal(NVME_CAP_CQR(cap), 1);
	assert_int_not_equal(NVME_CAP_TO(cap), 0);
	assert_int_equal(NVME_CAP_DSTRD(cap), 2);
	assert_int_equal(NVME_CAP_CSS(cap), 1);
	assert_int_equal(NVME_CAP_MPSMIN(cap), 0);
	assert_int_equal(NVME_CAP_MPSMAX(cap), 0);
	assert_int_equal(NVME_CAP_PMRS(cap), 1);
	assert_int_equal(NVME_CAP_CMBS(cap), 1);
	assert_int_equal((uint32_t)cap, rd(&h, NVME_REG_CAP));
	assert_int_equal((uint32_t)(cap >> 32), rd(&h, NVME_REG_CAP + 4));
	assert_int_equal(rd(&h, NVME_REG_VS), 0x10400);
	assert_int_equal(rd(&h, NVME_REG_CC), 0);
	assert_int_equal(rd(&h, NVME_REG_CSTS), 0);

	/* Read-only and reserved registers do not take writes. */
	for (uint32_t off = 0; off < NVME_REG_DOORBELLS; off += 4) {
		uint32_t before = rd(&h, off);

		if (off == NVME_REG_CC || (off >= NVME_REG_AQA && off < NVME_REG_CMBLOC) ||
		    (off >= NVME_REG_CMBMSC && off < NVME_REG_CMBSTS) || off == NVME_REG_PMRCTL ||
		    off == NVME_REG_PMRMSCL || off == NVME_REG_PMRMSCU)
			continue;
		wr(&h, off, ~before);
		assert_int_equal(rd(&h, off), before);
	}
	wr(&h, NVME_REG_AQA, UINT32_MAX);
	assert_int_equal(rd(&h, NVME_REG_AQA), 0x0fff0fff);
	h.ops->write64(h.t, NVME_REG_ASQ, 0x123456789a000ull);
	assert_int_equal(h.ops->read64(h.t, NVME_REG_ASQ), 0x123456789a000ull);
	wr(&h, NVME_REG_ACQ, 0xabcde000);
	wr(&h, NVME_REG_ACQ + 4, 0x77);
	assert_int_equal(h.ops->read64(h.t, NVME_REG_ACQ), 0x77abcde000ull);
	assert_int_equal(h.ops->bar_size(h.t, 4), MIB(1));
	assert_int_equal(h.ops->bar_size(h.t, 2), MIB(1));
	assert_int_equal(h.ops->bar_size(h.t, 3), 0);
	host_close(&h);
}

static void enable_and_reset(void **state)
{
	struct hqueue q;
	struct pl_nvme_sqe sqe;
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	sqe = sqe_delete(NVME_ADM_SET_FEATURES, NVME_FEAT_VWC);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS); /* WCE off */
	/* Fields other than EN and SHN are frozen while EN is 1. */
	wr(&h, NVME_REG_CC, CC_OK | NVME_CC_MPS(3));
	assert_int_equal(rd(&h, NVME_REG_CC), CC_OK);

	host_disable(&h);
	assert_int_equal(rd(&h, NVME_REG_CSTS), 0);
	assert_int_equal(h.ops->read64(h.t, NVME_REG_ASQ), iova(h.admin.sq));
	assert_int_equal(rd(&h, NVME_REG_AQA), (ADMIN_QS - 1) << 16 | (ADMIN_QS - 1));
	for (uint32_t slot = 0; slot < 4; slot++)
		assert_int_equal(*host_doorbell(&h, slot), 0);

	/* Queues and features did not survive. */
	host_enable(&h);
	sqe = sqe_delete(NVME_ADM_GET_FEATURES, NVME_FEAT_VWC);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1);
	sqe = sqe_delete(NVME_ADM_DELETE_SQ, 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_QID_INVALID);
	host_create_pair(&h, &q);
	host_close(&h);
}

static void bad_configuration(void **state)
{
	static const uint32_t ccs[] = {
		NVME_CC_EN,
		NVME_CC_EN | NVME_CC_IOSQES(5) | NVME_CC_IOCQES(4),
		NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(5),
		CC_OK | NVME_CC_MPS(1),
		CC_OK | NVME_CC_CSS(1),
		CC_OK | NVME_CC_AMS(1),
	};
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	hqueue_init(&h, &h.admin, 0, ADMIN_QS);
	host_set_admin(&h);
	for (size_t i = 0; i < sizeof(ccs) / sizeof(ccs[0]); i++) {
		wr(&h, NVME_REG_CC, ccs[i]);
		assert_true(host_wait_csts(&h, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_CFS));
		host_disable(&h);
	}
	for (int i = 0; i < 4; i++) {
		host_set_admin(&h);
		if (i == 0)
			wr(&h, NVME_REG_AQA, (ADMIN_QS - 1) << 16); /* an SQ of one entry */
		else if (i == 1)
			wr(&h, NVME_REG_AQA, ADMIN_QS - 1);
		else if (i == 2)
			wr(&h, NVME_REG_ASQ, (uint32_t)iova(h.admin.sq) + 64);
		else
			wr(&h, NVME_REG_ACQ, (uint32_t)iova(h.admin.cq) + 16);
		wr(&h, NVME_REG_CC, CC_OK);
		assert_true(host_wait_csts(&h, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_CFS));
		host_disable(&h);
	}
	host_enable(&h);
	host_close(&h);
}

static void shutdown_states(void **state)
{
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	wr(&h, NVME_REG_CC, CC_OK | NVME_CC_SHN_NORMAL);
	assert_int_not_equal(rd(&h, NVME_REG_CSTS) & NVME_CSTS_SHST_MASK, 0);
	assert_true(host_wait_csts(&h, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_COMPLETE));
	host_disable(&h);
	assert_int_equal(rd(&h, NVME_REG_CSTS), 0);
	host_enable(&h);
	wr(&h, NVME_REG_CC, CC_OK | NVME_CC_SHN_ABRUPT);
	assert_true(host_wait_csts(&h, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_COMPLETE));
	host_disable(&h);
	host_enable(&h);
	assert_int_equal(rd(&h, NVME_REG_CSTS), NVME_CSTS_RDY);
	host_close(&h);
}

static void misbehaviour(void **state)
{
	struct nvme_emu_inject none = { .fault = NVME_EMU_FAULT_NONE }, in = none;
	struct pl_nvme_sqe flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct nvme_emu_counters counters;
	struct hqueue q;
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	in = (struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
				       .qid = 1,
				       .opc = NVME_CMD_FLUSH,
				       .status = 0x7c1,
				       .count = 2 };
	nvme_emu_inject(h.t, &in);
	assert_int_equal(host_exec_raw(&h, &q, &flush), 0x7c1);
	assert_int_equal(host_exec_raw(&h, &q, &flush), 0x7c1);
	assert_int_equal(host_exec_raw(&h, &q, &flush), NVME_SC_SUCCESS);

	in = (struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CID, .qid = 1, .cid = ANY_CID };
	nvme_emu_inject(h.t, &in);
	assert_true(host_reap(&h, &q, true));
	assert_int_equal(h.cqe.cid, ANY_CID);

	in.fault = NVME_EMU_FAULT_STUCK;
	nvme_emu_inject(h.t, &in);
	wr(&h, NVME_REG_CC, rd(&h, NVME_REG_CC) & ~NVME_CC_EN);
	assert_int_equal(rd(&h, NVME_REG_CSTS), NVME_CSTS_RDY);
	nvme_emu_inject(h.t, &none);
	assert_true(host_wait_csts(&h, NVME_CSTS_RDY, 0));
	host_enable(&h);
	host_create_pair(&h, &q);
	hqueue_reset(&q);

	in.fault = NVME_EMU_FAULT_HANG;
	nvme_emu_inject(h.t, &in);
	host_put(&q, &flush);
	host_ring(&h, 2, q.tail);
	/* Hundreds of times what an answer takes. */
	for (int i = 0; i < 20000; i++)
		assert_int_equal(rd(&h, NVME_REG_CSTS), NVME_CSTS_RDY);
	nvme_emu_counters(h.t, &counters);
	assert_int_equal(counters.io_commands, 3);
	assert_false(host_peek(&q));
	host_disable(&h); /* a reset is obeyed, and ends it */
	host_enable(&h);

	in.fault = NVME_EMU_FAULT_CFS;
	nvme_emu_inject(h.t, &in);
	assert_int_equal(rd(&h, NVME_REG_CSTS), NVME_CSTS_RDY | NVME_CSTS_CFS);
	host_disable(&h);
	host_enable(&h);

	in.fault = NVME_EMU_FAULT_GONE;
	nvme_emu_inject(h.t, &in);
	assert_int_equal(rd(&h, NVME_REG_CSTS), UINT32_MAX);
	assert_int_equal(h.ops->read64(h.t, NVME_REG_CAP), UINT64_MAX);
	wr(&h, NVME_REG_CC, 0);
	nvme_emu_inject(h.t, &none);
	assert_int_equal(rd(&h, NVME_REG_CC), CC_OK);
	host_close(&h);
}

/* err=N: the medium fails every Nth command, in a way that a retry may cure. */
static void medium_errors(void **state)
{
	struct hqueue q;
	struct host h;
	uint8_t *buf;

	(void)state;
	host_open(&h, ARGS ",err=3");
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	buf = host_pages(&h, 1);
	for (uint32_t i = 1; i <= 12; i++) {
		bool write = i % 2;
		struct pl_nvme_sqe sqe = sqe_rw(write ? NVME_CMD_WRITE : NVME_CMD_READ, i / 2, 1);
		uint16_t want = i % 3 != 0 ? NVME_SC_SUCCESS
				: write    ? NVME_SC_WRITE_FAULT
					   : NVME_SC_UNRECOVERED_READ;

		sqe.prp1 = iova(buf);
		assert_int_equal(host_exec_raw(&h, &q, &sqe), want);
	}
	host_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),         cmocka_unit_test(enable_and_reset),
		cmocka_unit_test(bad_configuration), cmocka_unit_test(shutdown_states),
		cmocka_unit_test(misbehaviour),      cmocka_unit_test(medium_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
