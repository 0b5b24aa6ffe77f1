/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transport that has neither registers in memory nor rings nor doorbells, known to this test
 * alone: what it takes to drive its controller is nvme_transport_ops and nothing else. It answers
 * property and queue operations from memory; a property can be made to fail, as one over a fabric
 * may.
 */
#include "fixture.h"

#include <peerlane/pl_copy.h>

#include "nvme_internal.h"
#include "pl_log.h"

#define FAKE    "nvme_fake0"
#define EMU     "nvme_emu0"
#define BS      512u
#define NLB     2048u
#define QUEUES  3u
#define ENTRIES 64u
#define MQES    (ENTRIES - 1u)
#define CAP     (MQES | 1ull << 24 | 1ull << 37) /* 500 ms, NVM command set */

#define MUST(what)                                                                 \
	do {                                                                       \
		if (!(what)) {                                                     \
			print_error("%d: %s: %s\n", __LINE__, #what, pl_errmsg()); \
			return 1;                                                  \
		}                                                                  \
	} while (0)

struct fake {
	struct nvme_transport base;
	uint32_t cc;
	bool dma;
	uint8_t data[NLB * BS];
};

/* What was submitted and not yet polled, the oldest first: it is done at once. */
struct fake_queue {
	struct pl_nvme_op *done[ENTRIES];
	uint32_t nb_done;
};

#define NOTHING UINT32_MAX
static struct {
	uint32_t get, set; /* the property that cannot be had, or be set */
} broken = { NOTHING, NOTHING };
static unsigned int probed, removed, revived, opened, closed, connected;

static struct fake *of(const struct nvme_transport *t)
{
	return (struct fake *)(uintptr_t)t;
}

static int fake_check(const struct nvme_transport_ops *self, const char *dev, const char *args)
{
	return *args ? pl_fail(-EINVAL, "--vdev %s: '%s' is not understood; the form is %s", dev,
			       args, self->usage)
		     : 0;
}

static int fake_probe(const struct nvme_transport_ops *self, const char *dev, const char *args,
		      struct pl_ioas *ioas, struct nvme_transport **t)
{
	struct fake *f = calloc(1, sizeof(*f));

	(void)args;
	if (!f || !ioas)
		return pl_fail(-ENOMEM, "%s: no memory", dev);
	f->base =
		(struct nvme_transport){ .ops = self, .name = FAKE, .ioas = ioas, .numa_node = -1 };
	probed++;
	*t = &f->base;
	return 0;
}

static void fake_remove(struct nvme_transport *t)
{
	removed++;
	free(of(t));
}

static int fake_get32(struct nvme_transport *t, uint32_t off, uint32_t *val)
{
	uint32_t cc = of(t)->cc;

	if (off == broken.get)
		return pl_fail(-ETIMEDOUT, "%s: no answer to Property Get of %02xh", t->name, off);
	switch (off) {
	case NVME_REG_VS:
		*val = 1u << 16 | 4u << 8;
		return 0;
	case NVME_REG_CC:
		*val = cc;
		return 0;
	case NVME_REG_CSTS:
		*val = (cc & NVME_CC_EN ? NVME_CSTS_RDY : 0) |
		       (cc & NVME_CC_SHN_MASK ? NVME_CSTS_SHST_COMPLETE : 0);
		return 0;
	default:
		return pl_fail(-EINVAL, "%s: no property at %02xh", t->name, off);
	}
}

static int fake_get64(struct nvme_transport *t, uint32_t off, uint64_t *val)
{
	if (off == broken.get || off != NVME_REG_CAP)
		return pl_fail(-ETIMEDOUT, "%s: no answer to Property Get of %02xh", t->name, off);
	*val = CAP;
	return 0;
}

static int fake_set32(struct nvme_transport *t, uint32_t off, uint32_t val)
{
	if (off == broken.set || off != NVME_REG_CC)
		return pl_fail(-ETIMEDOUT, "%s: no answer to Property Set of %02xh", t->name, off);
	of(t)->cc = val;
	return 0;
}

static int fake_let_dma(struct nvme_transport *t, bool on)
{
	if (!on && broken.set != NOTHING) /* another failure, on the way down */
		return pl_fail(-ETIMEDOUT, "%s: the connection is gone", t->name);
	of(t)->dma = on;
	return 0;
}

static int fake_revive(struct nvme_transport *t)
{
	(void)t;
	revived++;
	return 0;
}

static int fake_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
		      uint32_t max_xfer, const struct pl_nvme_qpair_opts *opts,
		      struct pl_nvme_qpair **out)
{
	struct pl_nvme_qpair *qp = nvme_qpair_alloc(ctrlr, qid, entries, max_xfer);

	(void)opts;
	if (!qp)
		return -ENOMEM;
	qp->priv = calloc(1, sizeof(struct fake_queue));
	assert_non_null(qp->priv);
	nvme_qpair_divert(qp);
	qp->nb_free = qp->nb_slots;
	opened++;
	*out = qp;
	return 0;
}

static int fake_connect(struct pl_nvme_qpair *qp)
{
	((struct fake_queue *)qp->priv)->nb_done = 0;
	qp->nb_free = qp->nb_slots;
	connected++;
	return 0;
}

static bool fake_disconnect(struct pl_nvme_qpair *qp)
{
	(void)qp;
	return true;
}

static void fake_free(struct pl_nvme_qpair *qp)
{
	closed++;
	free(qp->priv);
	nvme_qpair_free(qp);
}

static void complete(struct pl_nvme_qpair *qp, struct pl_nvme_op *op, uint16_t status)
{
	struct fake_queue *q = qp->priv;

	op->status = status;
	q->done[q->nb_done++] = op;
	qp->nb_free--;
	qp->stats.commands++;
}

static uint16_t transfer(struct fake *f, const struct pl_nvme_op *op)
{
	uint8_t *at = f->data + op->slba * BS;

	if (!f->dma)
		return NVME_SC_DATA_TRANSFER_ERROR;
	if (op->slba + op->nlb > NLB)
		return NVME_SC_LBA_OUT_OF_RANGE;
	if (op->opc == NVME_CMD_WRITE)
		memcpy(at, op->buf, op->nlb * BS);
	else if (op->opc == NVME_CMD_READ)
		memcpy(op->buf, at, op->nlb * BS);
	else
		return op->opc == NVME_CMD_FLUSH ? 0 : NVME_SC_INVALID_OPCODE;
	return 0;
}

static uint16_t fake_submit(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *ops, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && qp->nb_free; i++)
		complete(qp, ops[i], transfer(of(qp->ctrlr->t), ops[i]));
	return i;
}

static uint16_t fake_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n)
{
	struct fake_queue *q = qp->priv;

	n = (uint16_t)RTE_MIN(n, q->nb_done);
	memcpy(ops, q->done, n * sizeof(*ops));
	q->nb_done -= n;
	memmove(q->done, q->done + n, q->nb_done * sizeof(*ops));
	qp->nb_free += n;
	return n;
}

static void identify(const struct pl_nvme_sqe *sqe, void *page)
{
	struct pl_nvme_id_ctrl *ctrl = page;
	struct pl_nvme_id_ns *ns = page;

	memset(page, 0, PAGE);
	switch (sqe->cdw10) {
	case NVME_CNS_CTRL:
		memcpy(ctrl->sn, "FAKE 1              ", sizeof(ctrl->sn));
		ctrl->mdts = 4;
		ctrl->nn = 1;
		break;
	case NVME_CNS_ACTIVE_NS:
		*(uint32_t *)page = sqe->nsid < 1;
		break;
	case NVME_CNS_NS:
		ns->nsze = ns->ncap = NLB;
		ns->lbaf[0].lbads = 9;
		break;
	}
}

static void fake_submit_sqe(struct pl_nvme_qpair *qp, struct pl_nvme_op *op,
			    const struct pl_nvme_sqe *sqe, uint64_t va, uint64_t len)
{
	op->result = 0;
	switch (sqe->opc) {
	case NVME_ADM_IDENTIFY:
		assert_int_equal(len, PAGE);
		identify(sqe, (void *)(uintptr_t)va);
		complete(qp, op, 0);
		break;
	case NVME_ADM_SET_FEATURES:
		op->result = (QUEUES - 1) << 16 | (QUEUES - 1);
		complete(qp, op, 0);
		break;
	case NVME_ADM_AER: /* nothing ever happens */
		break;
	default:
		complete(qp, op, NVME_SC_INVALID_OPCODE);
	}
}

static const struct nvme_transport_ops fake_ops = {
	.name = "nvme_fake",
	.usage = "nvme_fakeN",
	.family = PL_IOAS_EMULATED,
	.check = fake_check,
	.probe = fake_probe,
	.remove = fake_remove,
	.get32 = fake_get32,
	.get64 = fake_get64,
	.set32 = fake_set32,
	.let_dma = fake_let_dma,
	.revive = fake_revive,
	.qpair_alloc = fake_alloc,
	.qpair_connect = fake_connect,
	.qpair_disconnect = fake_disconnect,
	.qpair_free = fake_free,
	.submit = fake_submit,
	.poll = fake_poll,
	.submit_sqe = fake_submit_sqe,
};
NVME_TRANSPORT(fake_ops)

/* Another one, of devices that have an address, but not of all. */
static bool takes_some(const char *bdf)
{
	return strncmp(bdf, "00fa:", 5) == 0;
}

static const struct nvme_transport_ops some_ops = {
	.name = "some",
	.by_address = true,
	.takes = takes_some,
};
static struct nvme_transport_entry some_entry = { .ops = &some_ops };

/* ---- refused: before anything starts in this process ---- */

static int start(void)
{
	const char *const vdevs[] = { FAKE };

	return fixture_start(vdevs, 1, 1);
}

/* Bring-up fails with what the property said, and leaves nothing behind. */
static int child_refused(void *arg)
{
	uint32_t prop = *(const uint32_t *)arg;
	char want[64];

	snprintf(want, sizeof(want), "no answer to Property %s of %02xh",
		 broken.set == prop ? "Set" : "Get", prop);
	MUST(start() == -ETIMEDOUT);
	MUST(strstr(pl_errmsg(), want));
	MUST(probed == 1 && removed == 1 && opened == 1 && closed == 1);
	return 0;
}

static void test_no_property_get(void **state)
{
	static uint32_t props[] = { NVME_REG_CAP, NVME_REG_VS, NVME_REG_CC, NVME_REG_CSTS };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(props); i++) {
		broken.get = props[i];
		assert_int_equal(fixture_in_child(child_refused, &props[i]), 0);
	}
	broken.get = NOTHING;
}

static void test_no_property_set(void **state)
{
	uint32_t prop = NVME_REG_CC;

	(void)state;
	broken.set = prop;
	assert_int_equal(fixture_in_child(child_refused, &prop), 0);
	broken.set = NOTHING;
}

static int child_arguments(void *arg)
{
	const char *const bad[] = { FAKE ",size=1G" }, *const unknown[] = { "nvme_faker0" };

	(void)arg;
	MUST(fixture_start(bad, 1, 1) == -EINVAL && strstr(pl_errmsg(), "size=1G"));
	MUST(fixture_start(unknown, 1, 1) == -EINVAL && strstr(pl_errmsg(), fake_ops.usage));
	MUST(probed == 0);
	return 0;
}

static void test_arguments(void **state)
{
	(void)state;
	assert_int_equal(fixture_in_child(child_arguments, NULL), 0);
}

/* It and the one that takes any do not stand in each other's way, whichever registered first. */
static void test_addresses(void **state)
{
	(void)state;
	nvme_transport_register(&some_entry);
	assert_ptr_equal(nvme_transport_of_address("00fa:01:00.0"), &some_ops);
	assert_string_equal(nvme_transport_of_address("0000:01:00.0")->name, "vfio");
	assert_null(nvme_transport_find("some0"));
	assert_null(nvme_transport_find("00fa:01:00.0"));
}

/* ---- driven ---- */

static int setup(void **state)
{
	const char *const vdevs[] = { FAKE, EMU ",size=1M,bs=512,cmb=1M" };

	(void)state;
	random_start();
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

static int teardown(void **state)
{
	fixture_stop(state);
	return removed == 1 && opened == closed ? 0 : 1;
}

static void test_identified(void **state)
{
	struct pl_nvme_ctrlr_info info;
	struct pl_nvme_traffic traffic;

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(FAKE), &info, sizeof(info));
	assert_string_equal(info.name, FAKE);
	assert_string_equal(info.transport, "nvme_fake");
	assert_string_equal(info.serial, "FAKE 1");
	assert_int_equal(info.io_queues, QUEUES);
	assert_int_equal(info.max_entries, ENTRIES);
	assert_int_equal(info.max_xfer, PAGE << 4);
	assert_int_equal(ns_of(FAKE, 1)->nlb, NLB);
	assert_null(pl_nvme_ns_next(ctrlr_of(FAKE), ns_of(FAKE, 1)));
	assert_null(pl_nvme_ctrlr_heap(ctrlr_of(FAKE), PL_MEM_CMB));
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(FAKE), &traffic, sizeof(traffic)),
			 -ENOTSUP);
	assert_int_equal(pl_nvme_ctrlr_poll_events(ctrlr_of(FAKE)), 0);
}

static void test_reads_and_writes(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(FAKE, 0, 0);
	struct pl_nvme_ns *ns = ns_of(FAKE, 1);
	uint8_t *out = dma_alloc(KIB(64)), *in = dma_alloc(KIB(64));
	struct pl_nvme_qpair_stats stats;
	struct pl_nvme_op beyond;

	(void)state;
	random_fill(out, KIB(64));
	write_blocks(qp, ns, out, 1, 128);
	read_blocks(qp, ns, in, 1, 128);
	assert_memory_equal(in, out, KIB(64));
	read_blocks(qp, ns, in, 100, 3);
	assert_memory_equal(in, out + 99 * BS, 3 * BS);
	pl_nvme_op_read(&beyond, ns, in, NLB, 1);
	assert_int_equal(run_op(qp, &beyond), NVME_SC_LBA_OUT_OF_RANGE);
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_int_equal(stats.commands, 4);
	assert_int_equal(stats.completions, 4);
	assert_int_equal(stats.sq_doorbells + stats.cq_doorbells, 0);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(out);
	pl_mem_free(in);
}

/* As with rings: a full queue takes what fits, and gives back no more than is asked for. */
static void test_bursts(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(FAKE, 8, 0);
	struct pl_nvme_op op[10], *ops[10], *done[10];
	uint8_t *buf = dma_alloc(PAGE);

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(op); i++) {
		pl_nvme_op_read(&op[i], ns_of(FAKE, 1), buf, i, 1);
		ops[i] = &op[i];
	}
	assert_int_equal(pl_nvme_submit(qp, ops, 0), 0);
	assert_int_equal(pl_nvme_submit(qp, ops, 10), 7);
	assert_int_equal(pl_nvme_qpair_error(qp), 0);
	assert_int_equal(pl_nvme_submit(qp, ops + 7, 3), 0);
	assert_int_equal(pl_nvme_poll(qp, done, 0), 0);
	assert_int_equal(pl_nvme_poll(qp, done, 4), 4);
	assert_int_equal(pl_nvme_submit(qp, ops + 7, 3), 3);
	assert_int_equal(pl_nvme_poll(qp, done + 4, 10), 6);
	assert_int_equal(pl_nvme_poll(qp, done, 1), 0);
	assert_memory_equal(done, ops, sizeof(ops));
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

static void test_queues_run_out(void **state)
{
	const struct pl_nvme_qpair_opts cmb = { .opts_size = sizeof(cmb), .sq_in_cmb = 1 };
	struct pl_nvme_qpair *qps[QUEUES], *none;

	(void)state;
	for (unsigned int i = 0; i < QUEUES; i++)
		qps[i] = qpair_of(FAKE, 0, 0);
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(FAKE), NULL, &none), -ENOMEM);
	for (unsigned int i = 0; i < QUEUES; i++)
		pl_nvme_qpair_destroy(qps[i]);
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(FAKE), &cmb, &none), -ENOTSUP);
	assert_errmsg("CMB");
}

static void copy(const char *src, const char *dst)
{
	const struct pl_copy_opts opts = {
		.opts_size = sizeof(opts),
		.src = pl_copy_ns_target(ns_of(src, 1), 0, NLB),
		.dst = pl_copy_ns_target(ns_of(dst, 1), 0, 0),
		.via = PL_COPY_VIA_HOST,
		.verify = true,
	};
	struct pl_copy *job;
	int rc;

	if (pl_copy_create(&opts, &job))
		fail_msg("%s", pl_errmsg());
	while ((rc = pl_copy_poll(job)) == 1)
		relax();
	assert_int_equal(rc, 0);
	pl_copy_destroy(job);
}

/* Nothing above lib/nvme knows the difference. */
static void test_copied(void **state)
{
	(void)state;
	copy(FAKE, EMU);
	copy(EMU, FAKE);
}

/* What fails a running controller; and a reset that meets the same. */
static void test_property_lost(void **state)
{
	struct pl_nvme_ctrlr *c = ctrlr_of(FAKE);
	unsigned int was = connected;

	(void)state;
	broken.get = NVME_REG_CSTS;
	assert_int_equal(pl_nvme_ctrlr_poll_events(c), -ENODEV);
	assert_int_equal(pl_nvme_ctrlr_reset(c), -ETIMEDOUT);
	assert_errmsg("no answer to Property Get of 1ch");
	assert_false(of(c->t)->dma);
	broken.get = NOTHING;
	assert_int_equal(pl_nvme_ctrlr_poll_events(c), -ENODEV);
	assert_int_equal(pl_nvme_ctrlr_reset(c), 0);
	assert_int_equal(revived, 2);
	assert_int_equal(connected, was + 1);
	assert_works(FAKE);
}

int main(void)
{
	const struct CMUnitTest refused[] = {
		cmocka_unit_test(test_no_property_get),
		cmocka_unit_test(test_no_property_set),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_addresses),
	};
	const struct CMUnitTest driven[] = {
		cmocka_unit_test(test_identified), cmocka_unit_test(test_reads_and_writes),
		cmocka_unit_test(test_bursts),     cmocka_unit_test(test_queues_run_out),
		cmocka_unit_test(test_copied),     cmocka_unit_test(test_property_lost),
	};
	int failed = cmocka_run_group_tests(refused, NULL, NULL);

	return failed + cmocka_run_group_tests(driven, setup, teardown);
}
