/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's admin commands: Identify, log pages, features, and what it refuses. */
#include "emu_host.h"

static struct host h;
static uint8_t *page;

static int setup(void **state)
{
	(void)state;
	host_open(&h, "size=1M,ns=3,bs=4096,mdts=64K,queues=5");
	host_enable(&h);
	page = host_pages(&h, 32);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	host_close(&h);
	return 0;
}

static uint16_t identify(uint32_t cns, uint32_t nsid)
{
	struct pl_nvme_sqe sqe = {
		.opc = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = iova(page), .cdw10 = cns
	};

	memset(page, 0xa5, PAGE);
	return host_admin(&h, &sqe);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void identify_ctrl(void **state)
{
	const struct pl_nvme_id_ctrl *id = (const struct pl_nvme_id_ctrl *)page;

	(void)state;
	assert_int_equal(identify(1, 0), NVME_SC_SUCCESS);
	assert_memory_equal(id->sn, "nvme_emu0           ", 20);
	assert_memory_equal(id->mn, "Peerlane Emulated NVMe Controller       ", 40);
	assert_int_equal(id->ver, 0x10400);
	assert_int_equal(id->mdts, 4);
	assert_int_equal(id->sqes, 0x66);
	assert_int_equal(id->cqes, 0x44);
	assert_int_equal(id->nn, EMU_NN);
	assert_int_equal(id->aerl, EMU_AERS - 1);
	assert_int_equal(id->vwc & 1, 1);
	assert_int_equal(id->oncs, NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
					   NVME_ONCS_SAVE_SELECT | NVME_ONCS_COPY);
	assert_int_equal(id->ocfs, 1);
	assert_int_equal(strlen(id->subnqn), strlen("nqn.2014-08.org.nvmexpress:uuid:") + 36);
	assert_int_equal(identify(1, 1), NVME_SC_INVALID_FIELD);
}

static void identify_ns(void **state)
{
	const struct pl_nvme_id_ns *ns = (const struct pl_nvme_id_ns *)page;
	const uint32_t *list = (const uint32_t *)page;

	(void)state;
	assert_int_equal(identify(0, 3), NVME_SC_SUCCESS);
	assert_int_equal(ns->nsze, 256);
	assert_int_equal(ns->ncap, 256);
	assert_int_equal(ns->flbas, 0);
	assert_int_equal(ns->nlbaf, 0);
	assert_int_equal(ns->lbaf[0].lbads, 12);
	assert_int_equal(ns->lbaf[0].ms, 0);
	assert_int_equal(ns->dlfeat & 7, 1);
	assert_int_equal(ns->mssrl, EMU_COPY_MSSRL);
	assert_int_equal(ns->mcl, EMU_COPY_MCL);
	assert_int_equal(ns->msrc, EMU_COPY_MSRC);
	assert_int_equal(identify(0, 4), NVME_SC_SUCCESS); /* inactive */
	assert_true(all_zero(page, PAGE));
	assert_int_equal(identify(0, 0), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(0, EMU_NN + 1), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(0, UINT32_MAX), NVME_SC_INVALID_NAMESPACE);

	assert_int_equal(identify(2, 0), NVME_SC_SUCCESS);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(list[i], i + 1);
	assert_true(all_zero(page + 12, PAGE - 12));
	assert_int_equal(identify(2, 2), NVME_SC_SUCCESS);
	assert_int_equal(list[0], 3);
	assert_int_equal(list[1], 0);
	assert_int_equal(identify(2, 3), NVME_SC_SUCCESS);
	assert_true(all_zero(page, PAGE));
	assert_int_equal(identify(2, 0xfffffffe), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(2, 0xffffffff), NVME_SC_INVALID_NAMESPACE);

	assert_int_equal(identify(3, 1), NVME_SC_SUCCESS);
	assert_int_equal(page[0], 1); /* EUI64 */
	assert_int_equal(page[1], 8);
	assert_int_equal(page[12], 2); /* NGUID */
	assert_int_equal(page[13], 16);
	assert_false(all_zero(page + 16, 16));
	assert_int_equal(page[32], 3); /* UUID */
	assert_int_equal(page[33], 16);
	assert_false(all_zero(page + 36, 16));
	assert_true(all_zero(page + 52, PAGE - 52));
	assert_int_equal(identify(3, 4), NVME_SC_INVALID_FIELD);
	assert_int_equal(identify(3, 0), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(4, 1), NVME_SC_INVALID_FIELD);
	assert_int_equal(identify(0x10, 1), NVME_SC_INVALID_FIELD);
}

static struct pl_nvme_sqe sqe_log(uint32_t lid, uint64_t len, uint64_t offset)
{
	uint32_t numd = (uint32_t)(len / 4 - 1);

	return (struct pl_nvme_sqe){
		.opc = NVME_ADM_GET_LOG_PAGE,
		.prp1 = iova(page),
		.prp2 = iova(page + PAGE),
		.cdw10 = (numd & 0xffff) << 16 | lid,
		.cdw11 = numd >> 16,
		.cdw12 = (uint32_t)offset,
		.cdw13 = (uint32_t)(offset >> 32),
	};
}

static void log_pages(void **state)
{
	struct pl_nvme_sqe bad = { .opc = 0xc7, .nsid = 9 }, sqe;
	uint64_t count;
	uint16_t cid;

	(void)state;
	assert_int_equal(host_admin(&h, &bad), NVME_SC_INVALID_OPCODE);
	cid = h.cqe.cid;
	sqe = sqe_log(1, 2048, 0);
	memset(page, 0xa5, 2 * PAGE);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	memcpy(&count, page, 8);
	assert_int_not_equal(count, 0);
	assert_int_equal(*(uint16_t *)(page + 8), 0); /* SQ */
	assert_int_equal(*(uint16_t *)(page + 10), cid);
	assert_int_equal(*(uint16_t *)(page + 12) >> 1, NVME_SC_INVALID_OPCODE | NVME_STATUS_DNR);
	assert_int_equal(*(uint32_t *)(page + 24), 9);
	/* Past the log there are zeros, past the asked length nothing. */
	assert_true(all_zero(page + 1024, 1024));
	assert_int_equal(page[2048], 0xa5);

	sqe = sqe_log(2, 512, 0);
	sqe.nsid = UINT32_MAX;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(*(uint64_t *)(page + 176), count);
	sqe = sqe_log(2, 8, 176);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(*(uint64_t *)page, count);
	sqe.nsid = 1;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);

	sqe = sqe_log(3, 512, 0);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(page[0], 1);
	assert_memory_equal(page + 8, EMU_FIRMWARE, 8);

	sqe = sqe_log(3, 512, 2);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_log(3, 512, 516);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_log(3, 512, 1ull << 32);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_log(3, 128 * 1024, 0); /* more than MDTS; needs NUMDU of 0 */
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_log(3, 1ull << 20, 0);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_log(0, 512, 0);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_LOG_PAGE);
	sqe = sqe_log(0xc0, 512, 0);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_LOG_PAGE);
}

static uint16_t get_feature(uint32_t fid, uint32_t sel, uint32_t nsid, uint32_t cdw11)
{
	struct pl_nvme_sqe sqe = {
		.opc = NVME_ADM_GET_FEATURES, .nsid = nsid, .cdw10 = sel << 8 | fid, .cdw11 = cdw11
	};

	return host_admin(&h, &sqe);
}

static uint16_t set_feature(uint32_t cdw10, uint32_t nsid, uint32_t cdw11)
{
	struct pl_nvme_sqe sqe = {
		.opc = NVME_ADM_SET_FEATURES, .nsid = nsid, .cdw10 = cdw10, .cdw11 = cdw11
	};

	return host_admin(&h, &sqe);
}

struct feature {
	uint32_t fid, dflt, value, bad; /* bad 0: every value is fine */
	uint32_t nsid;
};

/* Set, read back, read the default, refuse a reserved bit. */
static void feature_values(void **state)
{
	static const struct feature list[] = {
		{ NVME_FEAT_ARBITRATION, 4, 0x01020303, 0x8, 0 },
		{ NVME_FEAT_POWER_MGMT, 0, 0xe0, 0x1, 0 },
		{ NVME_FEAT_TEMP_THRESHOLD, 0xffff, 0x155, 1u << 21, 0 },
		{ NVME_FEAT_ERROR_RECOVERY, 0, 0x1234, 1u << 16, 2 },
		{ NVME_FEAT_VWC, 1, 0, 2, 0 },
		{ NVME_FEAT_IRQ_COALESCING, 0, 0x1ff, 1u << 16, 0 },
		{ NVME_FEAT_WRITE_ATOMICITY, 0, 1, 2, 0 },
		{ NVME_FEAT_ASYNC_EVENT, 0, 0x1ff, 1u << 16, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		const struct feature *f = &list[i];

		assert_int_equal(get_feature(f->fid, 0, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->dflt);
		assert_int_equal(set_feature(f->fid, f->nsid, f->value), NVME_SC_SUCCESS);
		assert_int_equal(get_feature(f->fid, 0, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->value);
		assert_int_equal(get_feature(f->fid, 1, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->dflt);
		assert_int_equal(get_feature(f->fid, 2, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->dflt);
		assert_int_equal(get_feature(f->fid, 3, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->nsid != 0 ? 6 : 4);
		assert_int_equal(set_feature(f->fid, f->nsid, f->bad), NVME_SC_INVALID_FIELD);
		assert_int_equal(get_feature(f->fid, 0, f->nsid, 0), NVME_SC_SUCCESS);
		assert_int_equal(h.cqe.dw0, f->value);
		assert_int_equal(set_feature(f->fid | 1u << 31, f->nsid, f->value),
				 NVME_SC_FEATURE_NOT_SAVEABLE);
		assert_int_equal(get_feature(f->fid, 4, f->nsid, 0), NVME_SC_INVALID_FIELD);
		if (f->nsid == 0)
			assert_int_equal(set_feature(f->fid, 1, f->value),
					 EMU_SC_FEATURE_NOT_PER_NS);
	}
}

static void feature_rules(void **state)
{
	struct hqueue q;

	(void)state;
	/* Namespace-specific: one does not change the other; FFFFFFFFh changes all. */
	assert_int_equal(set_feature(NVME_FEAT_ERROR_RECOVERY, 1, 7), NVME_SC_SUCCESS);
	assert_int_equal(get_feature(NVME_FEAT_ERROR_RECOVERY, 0, 3, 0), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 0);
	assert_int_equal(set_feature(NVME_FEAT_ERROR_RECOVERY, UINT32_MAX, 9), NVME_SC_SUCCESS);
	assert_int_equal(get_feature(NVME_FEAT_ERROR_RECOVERY, 0, 3, 0), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 9);
	assert_int_equal(set_feature(NVME_FEAT_ERROR_RECOVERY, 0, 9), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(set_feature(NVME_FEAT_ERROR_RECOVERY, 4, 9), NVME_SC_INVALID_FIELD);

	assert_int_equal(set_feature(NVME_FEAT_TEMP_THRESHOLD, 0, 1u << 20 | 0x111),
			 NVME_SC_SUCCESS);
	assert_int_equal(get_feature(NVME_FEAT_TEMP_THRESHOLD, 0, 0, 1u << 20), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 0x111);
	assert_int_equal(get_feature(NVME_FEAT_TEMP_THRESHOLD, 0, 0, 0), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 0xffff);

	assert_int_equal(set_feature(NVME_FEAT_IRQ_VECTOR, 0, 1u << 16 | 5), NVME_SC_SUCCESS);
	assert_int_equal(get_feature(NVME_FEAT_IRQ_VECTOR, 0, 0, 5), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1u << 16 | 5);
	assert_int_equal(get_feature(NVME_FEAT_IRQ_VECTOR, 0, 0, 4), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 4);
	assert_int_equal(set_feature(NVME_FEAT_IRQ_VECTOR, 0, 6), NVME_SC_INVALID_FIELD);

	assert_int_equal(get_feature(0, 0, 0, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(get_feature(3, 0, 0, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(0xc0, 0, 0), NVME_SC_INVALID_FIELD);

	assert_int_equal(set_feature(NVME_FEAT_NUM_QUEUES, 0, 0xffff), NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEAT_NUM_QUEUES, 0, 0xffffu << 16),
			 NVME_SC_INVALID_FIELD);
	assert_int_equal(set_feature(NVME_FEAT_NUM_QUEUES, 0, 99u << 16 | 99), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 4u << 16 | 4);
	assert_int_equal(set_feature(NVME_FEAT_NUM_QUEUES, 0, 1u << 16 | 1), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1u << 16 | 1);
	assert_int_equal(get_feature(NVME_FEAT_NUM_QUEUES, 0, 0, 0), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1u << 16 | 1);
	host_create_io(&h, &q, 2, 4);
	q.id = 3; /* not granted */
	{
		struct pl_nvme_sqe sqe = sqe_create_cq(&q);

		assert_int_equal(host_admin(&h, &sqe), NVME_SC_QID_INVALID);
	}
	assert_int_equal(set_feature(NVME_FEAT_NUM_QUEUES, 0, 1u << 16 | 1),
			 NVME_SC_COMMAND_SEQUENCE_ERROR);
}

/* Each opcode there is not, and in each that there is every field that must be zero. */
static void opcodes_and_reserved_fields(void **state)
{
	struct pl_nvme_sqe good[] = {
		{ .opc = NVME_ADM_DELETE_SQ, .cdw10 = 1 },
		{ .opc = NVME_ADM_CREATE_SQ,
		  .prp1 = iova(page),
		  .cdw10 = 7u << 16 | 1,
		  .cdw11 = 1u << 16 | 1 },
		{ .opc = NVME_ADM_GET_LOG_PAGE, .prp1 = iova(page), .cdw10 = 3 },
		{ .opc = NVME_ADM_DELETE_CQ, .cdw10 = 1 },
		{ .opc = NVME_ADM_CREATE_CQ,
		  .prp1 = iova(page),
		  .cdw10 = 7u << 16 | 1,
		  .cdw11 = 1 },
		{ .opc = NVME_ADM_IDENTIFY, .prp1 = iova(page), .cdw10 = 1 },
		{ .opc = NVME_ADM_ABORT },
		{ .opc = NVME_ADM_SET_FEATURES, .cdw10 = NVME_FEAT_VWC },
		{ .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC },
		{ .opc = NVME_ADM_AER },
	};
	const size_t n = sizeof(good) / sizeof(good[0]);

	(void)state;
	for (uint32_t opc = 0; opc < 256; opc++) {
		struct pl_nvme_sqe sqe = { .opc = (uint8_t)opc };
		bool known = false;

		for (size_t i = 0; i < n; i++)
			known = known || good[i].opc == opc;
		if (known)
			continue;
		assert_int_equal(host_exec_raw(&h, &h.admin, &sqe),
				 NVME_SC_INVALID_OPCODE | NVME_STATUS_DNR);
	}
	for (size_t i = 0; i < n; i++) {
		struct pl_nvme_sqe bad[8];

		for (int j = 0; j < 8; j++)
			bad[j] = good[i];
		bad[0].flags = 0x01; /* fused */
		bad[1].flags = 0x40; /* SGL */
		bad[2].cdw2 = 1;
		bad[3].cdw3 = 1;
		bad[4].mptr = 8;
		bad[5].cdw14 = 0x80;
		bad[6].cdw15 = 1;
		bad[7].flags = 0x04;
		for (int j = 0; j < 8; j++)
			if (host_admin(&h, &bad[j]) != NVME_SC_INVALID_FIELD)
				fail_msg("opcode %u, field %d", good[i].opc, j);
	}
}

static void admin_prps(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_IDENTIFY, .cdw10 = 1 };
	uint8_t *hole = host_pages(&h, 1);

	(void)state;
	/* Identify data may cross pages, at dwords. */
	memset(page, 0xa5, 3 * PAGE);
	sqe.prp1 = iova(page) + PAGE - 4;
	sqe.prp2 = iova(page) + 2 * PAGE;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_memory_equal(page + 2 * PAGE + 20, "Peerlane", 8);
	assert_int_equal(page[3 * PAGE - 4], 0xa5);
	sqe.prp1 -= 2;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_PRP_OFFSET_INVALID);
	sqe.prp1 += 2;
	sqe.prp2 += 8;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_PRP_OFFSET_INVALID);

	/* Admin data are posted writes as well: refused ones are lost without an error. */
	assert_int_equal(pl_ioas_unmap(h.ioas, h.arena, ARENA), 0);
	assert_int_equal(pl_ioas_map(h.ioas, h.arena, iova(hole) - iova(h.arena), 3, PL_MEM_HOST),
			 0);
	sqe.prp1 = iova(hole);
	sqe.prp2 = 0;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_fault(&h, hole, PL_IOMMU_WRITE);
	assert_true(all_zero(hole, PAGE));
	assert_int_equal(pl_ioas_unmap(h.ioas, h.arena, iova(hole) - iova(h.arena)), 0);
	assert_int_equal(pl_ioas_map(h.ioas, h.arena, ARENA, 3, PL_MEM_HOST), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identify_ctrl),  T(identify_ns),   T(log_pages),
		T(feature_values), T(feature_rules), T(opcodes_and_reserved_fields),
		T(admin_prps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
