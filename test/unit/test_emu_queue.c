/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's queues, doorbells and events. */
#include "emu_host.h"

#define ARGS "size=16M"

struct bad_queue {
	const char *what;
	uint32_t cdw10, cdw11;
	uint64_t prp1_add;
	uint16_t sq, cq; /* the status each Create must answer with */
};

static void create_statuses(void **state)
{
	static const struct bad_queue bad[] = {
		{ "qid 0", 7u << 16, 1, 0, NVME_SC_QID_INVALID, NVME_SC_QID_INVALID },
		{ "qid beyond", 7u << 16 | 9, 1, 0, NVME_SC_QID_INVALID, NVME_SC_QID_INVALID },
		{ "qid taken", 7u << 16 | 1, 1, 0, NVME_SC_QID_INVALID, NVME_SC_QID_INVALID },
		{ "size 0", 2, 1, 0, NVME_SC_QUEUE_SIZE_INVALID, NVME_SC_QUEUE_SIZE_INVALID },
		{ "size > MQES", 64u << 16 | 2, 1, 0, NVME_SC_QUEUE_SIZE_INVALID,
		  NVME_SC_QUEUE_SIZE_INVALID },
		{ "prp offset", 7u << 16 | 2, 1, 64, NVME_SC_PRP_OFFSET_INVALID,
		  NVME_SC_PRP_OFFSET_INVALID },
		{ "not contiguous", 7u << 16 | 2, 0, 0, NVME_SC_INVALID_FIELD,
		  NVME_SC_INVALID_FIELD },
		{ "reserved bit", 7u << 16 | 2, 1 | 1u << 15, 0, NVME_SC_INVALID_FIELD,
		  NVME_SC_INVALID_FIELD },
		{ "vector or CQ", 7u << 16 | 2, 9u << 16 | 1, 0, NVME_SC_QID_INVALID,
		  NVME_SC_INVALID_IRQ_VECTOR },
		{ "no such CQ", 7u << 16 | 2, 3u << 16 | 1, 0, NVME_SC_CQ_INVALID, 0 },
	};
	struct hqueue q;
	struct host h;
	void *page;

	(void)state;
	host_open(&h, ARGS ",mqes=64");
	host_enable(&h);
	host_create_io(&h, &q, 1, 64);
	page = host_pages(&h, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct bad_queue *b = &bad[i];
		struct pl_nvme_sqe sqe = {
			.prp1 = iova(page) + b->prp1_add,
			.cdw10 = b->cdw10,
		};

		sqe.opc = NVME_ADM_CREATE_CQ;
		sqe.cdw11 = b->cdw11;
		if (b->cq != 0 && host_admin(&h, &sqe) != b->cq)
			fail_msg("Create CQ, %s", b->what);
		sqe.opc = NVME_ADM_CREATE_SQ;
		if (b->cdw11 >> 16 == 0)
			sqe.cdw11 |= 1u << 16; /* the CQ that exists */
		if (host_admin(&h, &sqe) != b->sq)
			fail_msg("Create SQ, %s", b->what);
		assert_int_equal(h.cqe.status >> 1 & NVME_STATUS_DNR, NVME_STATUS_DNR);
	}
	host_close(&h);
}

static void delete_statuses(void **state)
{
	struct pl_nvme_sqe sqe;
	struct hqueue q;
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);
	for (uint32_t qid = 0; qid < 0x10000; qid += qid < 2 ? 2 : 0x3fff) {
		sqe = sqe_delete(NVME_ADM_DELETE_SQ, qid);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_QID_INVALID);
		sqe = sqe_delete(NVME_ADM_DELETE_CQ, qid);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_QID_INVALID);
	}
	sqe = sqe_delete(NVME_ADM_DELETE_CQ, 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_QUEUE_DELETION_INVALID);
	sqe = sqe_delete(NVME_ADM_DELETE_SQ, 1u << 16 | 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_delete(NVME_ADM_DELETE_SQ, 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_delete(NVME_ADM_DELETE_CQ, 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_QID_INVALID);
	host_create_pair(&h, &q);
	host_close(&h);
}

/* Every depth from 2 on: commands in batches as large as fit, three times around. */
static void wrap_around(void **state)
{
	static const uint32_t depths[] = { 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64 };
	struct pl_nvme_sqe flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct hqueue q;
	struct host h;

	(void)state;
	host_open(&h, ARGS ",mqes=64");
	host_enable(&h);
	hqueue_init(&h, &q, 1, 64);
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		uint32_t sent = 0, seen = 0, want = 3 * depths[i] + 1;
		struct pl_nvme_sqe sqe;

		q.size = depths[i];
		hqueue_reset(&q);
		host_create_pair(&h, &q);
		while (seen < want) {
			for (; sent < want && sent - seen < q.size - 1; sent++)
				host_put(&q, &flush);
			host_ring(&h, 2, q.tail);
			for (; seen < sent; seen++) {
				assert_true(host_reap(&h, &q, true));
				assert_int_equal(h.cqe.status >> 1, NVME_SC_SUCCESS);
				assert_int_equal(h.cqe.sqhd, (seen + 1) % q.size);
			}
		}
		sqe = sqe_delete(NVME_ADM_DELETE_SQ, 1);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
		sqe = sqe_delete(NVME_ADM_DELETE_CQ, 1);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	}
	host_close(&h);
}

/* A full completion queue holds commands back; nothing is overwritten, nothing lost. */
static void full_cq(void **state)
{
	struct pl_nvme_sqe flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct hqueue sq, cq;
	struct pl_nvme_sqe sqe;
	struct nvme_emu_counters counters;
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	hqueue_init(&h, &sq, 1, 16);
	hqueue_init(&h, &cq, 1, 4);
	sqe = sqe_create_cq(&cq);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_create_sq(&sq);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	for (int i = 0; i < 10; i++)
		host_put(&sq, &flush);
	host_ring(&h, 2, sq.tail);
	/* An admin command's completion shows that the device has been around. */
	sqe = (struct pl_nvme_sqe){ .opc = 0xff };
	for (int i = 0; i < 10; i++)
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_OPCODE);
	nvme_emu_counters(h.t, &counters);
	assert_int_equal(counters.io_commands, 3);
	for (uint16_t i = 0; i < 10; i++) {
		assert_true(host_reap(&h, &cq, true));
		assert_int_equal(h.cqe.cid, i);
	}
	host_close(&h);
}

/* CAP.CQR 0: a queue may be a list of pages, here in reverse order. */
static void scattered_queues(void **state)
{
	struct pl_nvme_sqe flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	const uint32_t size = 300; /* 5 pages of SQ, 2 of CQ */
	uint64_t *list;
	uint8_t *pages;
	struct pl_nvme_sqe sqe;
	struct host h;

	(void)state;
	host_open(&h, ARGS ",cqr=0,dstrd=4");
	host_enable(&h);
	list = host_pages(&h, 2);
	pages = host_pages(&h, 7);
	for (int i = 0; i < 5; i++)
		list[i] = iova(pages) + (4u - (uint32_t)i) * PAGE;
	list[512] = iova(pages) + 6 * PAGE;
	list[513] = iova(pages) + 5 * PAGE;
	sqe = (struct pl_nvme_sqe){ .opc = NVME_ADM_CREATE_CQ,
				    .prp1 = iova(list + 512),
				    .cdw10 = (size - 1) << 16 | 1 };
	list[513] += 8;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_PRP_OFFSET_INVALID);
	list[513] -= 8;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	sqe.opc = NVME_ADM_CREATE_SQ;
	sqe.prp1 = iova(list);
	sqe.cdw11 = 1u << 16;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	for (uint32_t i = 0; i < 2 * size; i++) {
		uint32_t at = i % size;
		struct pl_nvme_sqe *slot = (struct pl_nvme_sqe *)(uintptr_t)list[at / 64] + at % 64;
		struct pl_nvme_cqe *cqe =
			(struct pl_nvme_cqe *)(uintptr_t)list[512 + at / 256] + at % 256;
		uint64_t end = host_now() + TIMEOUT_S;

		*slot = flush;
		slot->cid = (uint16_t)i;
		host_ring(&h, 2, (at + 1) % size);
		while (cqe_phase(cqe) != (i < size))
			assert_true(host_now() <= end);
		assert_int_equal(cqe->cid, i);
		assert_int_equal(cqe->status >> 1, NVME_SC_SUCCESS);
		host_ring(&h, 3, (at + 1) % size);
	}
	host_close(&h);
}

static void expect_event(struct host *h, uint32_t info)
{
	struct pl_nvme_sqe log = {
		.opc = NVME_ADM_GET_LOG_PAGE,
		.prp1 = iova(h->arena + ARENA - PAGE),
		.cdw10 = 15u << 16 | 0x01,
	};

	assert_true(host_reap(h, &h->admin, true));
	assert_int_equal(h->cqe.status >> 1, NVME_SC_SUCCESS);
	assert_int_equal(h->cqe.dw0, info << 8 | 0x01u << 16);
	assert_int_equal(host_admin(h, &log), NVME_SC_SUCCESS);
	assert_int_equal(*(uint16_t *)(h->arena + ARENA - PAGE + 8), 0xffff); /* no queue's */
}

static void post_aer(struct host *h)
{
	struct pl_nvme_sqe aer = { .opc = NVME_ADM_AER };

	host_put(&h->admin, &aer);
	host_ring(h, 0, h->admin.tail);
}

static void bad_doorbells(void **state)
{
	struct pl_nvme_sqe flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct nvme_emu_counters counters;
	struct hqueue q;
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	host_create_io(&h, &q, 1, 8);

	post_aer(&h);
	host_ring(&h, 2, 8); /* one past the last entry */
	expect_event(&h, EMU_EVENT_DOORBELL_VALUE);
	post_aer(&h);
	host_ring(&h, 2, 0x10001); /* reserved bits */
	expect_event(&h, EMU_EVENT_DOORBELL_VALUE);
	nvme_emu_counters(h.t, &counters);
	assert_int_equal(counters.io_commands, 0);

	post_aer(&h);
	host_ring(&h, 3, 1); /* frees an entry that was never used */
	expect_event(&h, EMU_EVENT_DOORBELL_VALUE);
	post_aer(&h);
	host_ring(&h, 4, 1); /* a submission queue that is not there */
	expect_event(&h, EMU_EVENT_DOORBELL_REGISTER);
	post_aer(&h);
	host_ring(&h, 5, 1);
	expect_event(&h, EMU_EVENT_DOORBELL_REGISTER);
	post_aer(&h);
	host_ring(&h, 500, 1); /* a queue that cannot be there */
	expect_event(&h, EMU_EVENT_DOORBELL_REGISTER);

	/* The queue still works once its doorbells are right. */
	host_ring(&h, 3, 0);
	assert_int_equal(host_exec(&h, &q, &flush), NVME_SC_SUCCESS);
	host_close(&h);
}

/* An event type stays masked until the host read its log page. */
static void event_masking(void **state)
{
	struct pl_nvme_sqe retained = {
		.opc = NVME_ADM_GET_LOG_PAGE,
		.cdw10 = 15u << 16 | 1u << 15 | 0x01,
	};
	struct host h;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	retained.prp1 = iova(host_pages(&h, 1));
	post_aer(&h);
	post_aer(&h);
	host_ring(&h, 4, 1);
	assert_true(host_reap(&h, &h.admin, true));
	host_ring(&h, 6, 1);
	/* RAE keeps the event, so its successor is not told. */
	assert_int_equal(host_admin(&h, &retained), NVME_SC_SUCCESS);
	retained.cdw10 &= ~(1u << 15);
	assert_int_equal(host_admin(&h, &retained), NVME_SC_SUCCESS);
	expect_event(&h, EMU_EVENT_DOORBELL_REGISTER);
	host_close(&h);
}

static void abort_and_limits(void **state)
{
	struct pl_nvme_sqe aer = { .opc = NVME_ADM_AER }, sqe = { .opc = NVME_ADM_ABORT };
	struct host h;
	uint16_t cid;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	cid = host_put(&h.admin, &aer);
	for (uint32_t i = 1; i < EMU_AERS; i++)
		host_put(&h.admin, &aer);
	assert_int_equal(host_admin(&h, &aer), NVME_SC_AER_LIMIT_EXCEEDED);
	assert_int_equal(h.cqe.status >> 1 & NVME_STATUS_DNR, 0);

	sqe.cdw10 = 0xffffu << 16; /* no such command */
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1);
	sqe.cdw10 = (uint32_t)cid << 16 | 1; /* not in that queue */
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(h.cqe.dw0, 1);
	sqe.cdw10 = (uint32_t)cid << 16;
	host_put(&h.admin, &sqe);
	host_ring(&h, 0, h.admin.tail);
	assert_true(host_reap(&h, &h.admin, true));
	assert_int_equal(h.cqe.cid, cid);
	assert_int_equal(h.cqe.status >> 1, NVME_SC_ABORT_REQUESTED);
	assert_true(host_reap(&h, &h.admin, true));
	assert_int_equal(h.cqe.dw0, 0);
	sqe.cdw11 = 1;
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_INVALID_FIELD);
	host_close(&h);
}

/* What the device cannot fetch stops it; what it cannot post is lost, like any posted write. */
static void refused_queues(void **state)
{
	struct pl_nvme_sqe sqe, flush = { .opc = NVME_CMD_FLUSH, .nsid = 1 };
	struct nvme_emu_counters counters;
	struct hqueue q;
	struct host h;
	uint8_t *page;

	(void)state;
	host_open(&h, ARGS);
	host_enable(&h);
	hqueue_init(&h, &q, 1, 8);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	sqe = sqe_create_cq(&q);
	sqe.prp1 = iova(page);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_create_sq(&q);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	host_put(&q, &flush);
	host_ring(&h, 2, q.tail);
	do
		nvme_emu_counters(h.t, &counters);
	while (counters.refused_bytes == 0);
	assert_int_equal(counters.refused_bytes, 16);
	assert_fault(&h, page, PL_IOMMU_WRITE);

	sqe = sqe_delete(NVME_ADM_DELETE_SQ, 1);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_create_sq(&q);
	sqe.prp1 = iova(page);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	host_ring(&h, 2, 1);
	assert_true(host_wait_csts(&h, NVME_CSTS_CFS, NVME_CSTS_CFS));
	assert_fault(&h, page, PL_IOMMU_READ);
	host_disable(&h);
	host_enable(&h);
	munmap(page, PAGE);
	host_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_statuses),  cmocka_unit_test(delete_statuses),
		cmocka_unit_test(wrap_around),      cmocka_unit_test(full_cq),
		cmocka_unit_test(scattered_queues), cmocka_unit_test(bad_doorbells),
		cmocka_unit_test(event_masking),    cmocka_unit_test(abort_and_limits),
		cmocka_unit_test(refused_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
