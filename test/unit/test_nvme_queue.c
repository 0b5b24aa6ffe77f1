/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings: every depth that wraps differently, several times around, in bursts of random sizes, with
 * the data compared; what a full queue does; doorbells counted.
 */
#include "fixture.h"

#include "nvme_pcie.h"

#define DEV     "nvme_emu0" /* 1024 entries, a CMB */
#define BIG_DEV "nvme_emu1" /* could have 65536 entries */
#define BS      512u
#define LBAS    8192u

/* Ops, a block of memory each. */
struct rig {
	struct pl_nvme_qpair *qp;
	struct pl_nvme_ns *ns;
	uint32_t nb_ops;
	struct pl_nvme_op *ops;
	struct pl_nvme_op **idle; /* a stack */
	uint32_t nb_idle;
	uint8_t *bufs;
	uint64_t *version; /* of every LBA: what was written to it last */
	uint8_t *busy;     /* LBAs with an op under way */
	uint32_t lbas;
};

static void rig_open(struct rig *r, struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, uint32_t lbas)
{
	memset(r, 0, sizeof(*r));
	r->qp = qp;
	r->ns = ns;
	r->lbas = lbas;
	r->nb_ops = pl_nvme_qpair_depth(qp) + 3; /* more than fit */
	r->ops = aligned_alloc(64, r->nb_ops * sizeof(*r->ops));
	r->idle = calloc(r->nb_ops, sizeof(*r->idle));
	r->bufs = dma_alloc((size_t)r->nb_ops * BS);
	r->version = calloc(lbas, sizeof(*r->version));
	r->busy = calloc(lbas, 1);
	assert_true(r->ops && r->idle && r->version && r->busy);
	for (uint32_t i = 0; i < r->nb_ops; i++)
		r->idle[r->nb_idle++] = &r->ops[i];
}

static void rig_close(struct rig *r)
{
	assert_int_equal(r->nb_idle, r->nb_ops);
	free(r->busy);
	free(r->version);
	pl_mem_free(r->bufs);
	free(r->idle);
	free(r->ops);
}

/* The word at @i of a block: tells the block, its version and the place. */
static uint64_t word(uint64_t lba, uint64_t version, uint32_t i)
{
	return (lba * 0x9e3779b97f4a7c15ull) ^ (version * 0xd1b54a32d192ed03ull) ^ i;
}

static uint64_t *buf_of(struct rig *r, const struct pl_nvme_op *op)
{
	return (uint64_t *)(void *)(r->bufs + (size_t)(op - r->ops) * BS);
}

/* A read or a write of a random block that no other op touches. */
static struct pl_nvme_op *next_op(struct rig *r)
{
	struct pl_nvme_op *op = r->idle[--r->nb_idle];
	uint32_t lba = (uint32_t)random_below(r->lbas);
	uint64_t *buf = buf_of(r, op);

	while (r->busy[lba])
		lba = (lba + 1) % r->lbas;
	r->busy[lba] = 1;
	if (r->version[lba] && random_below(2)) {
		buf[0] = ~0ull;
		buf[BS / 8 - 1] = ~0ull;
		pl_nvme_op_read(op, r->ns, buf, lba, 1);
	} else {
		r->version[lba]++;
		for (uint32_t i = 0; i < BS / 8; i++)
			buf[i] = word(lba, r->version[lba], i);
		pl_nvme_op_write(op, r->ns, buf, lba, 1);
	}
	return op;
}

static void op_back(struct rig *r, struct pl_nvme_op *op)
{
	const uint64_t *buf = buf_of(r, op);

	assert_int_equal(op->status, 0);
	assert_int_equal(r->busy[op->slba], 1); /* an op comes back once */
	r->busy[op->slba] = 0;
	if (op->opc == NVME_CMD_READ)
		for (uint32_t i = 0; i < BS / 8; i++)
			if (buf[i] != word(op->slba, r->version[op->slba], i))
				fail_msg("LBA %llu word %u", (unsigned long long)op->slba, i);
	r->idle[r->nb_idle++] = op;
}

/* Offers up to @burst new ops; those that found no slot are withdrawn. Returns how many went. */
static uint32_t submit_some(struct rig *r, uint32_t burst, struct pl_nvme_op **ops)
{
	uint32_t room = pl_nvme_qpair_depth(r->qp) - 1 - (r->nb_ops - r->nb_idle);
	struct pl_nvme_qpair_stats before, after;
	uint16_t n;

	burst = RTE_MIN(burst, r->nb_idle);
	for (uint32_t i = 0; i < burst; i++)
		ops[i] = next_op(r);
	pl_nvme_qpair_stats(r->qp, &before, sizeof(before));
	n = pl_nvme_submit(r->qp, ops, (uint16_t)burst);
	pl_nvme_qpair_stats(r->qp, &after, sizeof(after));
	assert_int_equal(n, RTE_MIN(room, burst)); /* all that there is room for */
	if (n < burst)
		assert_int_equal(pl_nvme_qpair_error(r->qp), 0);
	assert_int_equal(after.sq_doorbells - before.sq_doorbells, n > 0);
	assert_int_equal(after.commands - before.commands, n);
	assert_int_equal(after.in_flight - before.in_flight, n);
	for (uint32_t i = n; i < burst; i++) {
		r->busy[ops[i]->slba] = 0;
		if (ops[i]->opc == NVME_CMD_WRITE)
			r->version[ops[i]->slba]--;
		r->idle[r->nb_idle++] = ops[i];
	}
	return n;
}

static uint32_t poll_some(struct rig *r, uint32_t burst, struct pl_nvme_op **ops)
{
	struct pl_nvme_qpair_stats before, after;
	uint16_t n;

	pl_nvme_qpair_stats(r->qp, &before, sizeof(before));
	n = pl_nvme_poll(r->qp, ops, (uint16_t)burst);
	pl_nvme_qpair_stats(r->qp, &after, sizeof(after));
	assert_true(n <= burst);
	assert_int_equal(after.cq_doorbells - before.cq_doorbells, n > 0);
	assert_int_equal(after.completions - before.completions, n);
	assert_int_equal(before.in_flight - after.in_flight, n);
	for (uint16_t i = 0; i < n; i++)
		op_back(r, ops[i]);
	return n;
}

/* Runs @commands through the queue. Every other round submits at will, so that the queue is now
 * full, now nearly empty. */
static void run(struct rig *r, uint64_t commands)
{
	uint32_t max = pl_nvme_qpair_depth(r->qp) + 3;
	struct pl_nvme_op **ops = calloc(max, sizeof(struct pl_nvme_op *));
	uint64_t sent = 0, deadline = now_s() + TIMEOUT_S;
	struct pl_nvme_qpair_stats stats;

	assert_non_null(ops);
	while (sent < commands || r->nb_idle < r->nb_ops) {
		uint32_t burst = 1 + (uint32_t)random_below(random_below(2) ? max : 4);

		if (sent < commands)
			sent += submit_some(r, RTE_MIN(burst, 65535u), ops);
		burst = 1 + (uint32_t)random_below(random_below(2) ? max : 4);
		if (!poll_some(r, RTE_MIN(burst, 65535u), ops))
			relax();
		assert_true(now_s() < deadline);
	}
	pl_nvme_qpair_stats(r->qp, &stats, sizeof(stats));
	assert_int_equal(stats.commands, sent);
	assert_int_equal(stats.completions, sent);
	assert_int_equal(stats.in_flight, 0);
	free(ops);
}

static void wrap(const char *dev, const struct pl_nvme_qpair_opts *opts, uint32_t lbas,
		 uint32_t wraps)
{
	struct pl_nvme_qpair *qp;
	struct rig r;

	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(dev), opts, &qp), 0);
	assert_int_equal(pl_nvme_qpair_depth(qp), opts->depth);
	rig_open(&r, qp, ns_of(dev, 1), lbas);
	run(&r, (uint64_t)opts->depth * wraps + 1);
	rig_close(&r);
	pl_nvme_qpair_destroy(qp);
}

/* 2, 3, and every power of two with its neighbours up to @max. */
static void wrap_all(const char *dev, uint32_t max, uint32_t sq_in_cmb, uint32_t prp_in_cmb)
{
	struct pl_nvme_qpair_opts opts = {
		.opts_size = sizeof(opts),
		.max_xfer = 8192,
		.sq_in_cmb = sq_in_cmb,
		.prp_in_cmb = prp_in_cmb,
	};

	for (uint32_t power = 2; power <= max; power *= 2)
		for (uint32_t depth = power - 1; depth <= power + 1; depth++) {
			if (depth < 2 || depth > max || (power == 2 && depth == 3))
				continue; /* 3 comes with 4 */
			opts.depth = depth;
			wrap(dev, &opts, LBAS, 4);
		}
}

static void test_wrap_host(void **state)
{
	(void)state;
	wrap_all(DEV, 1024, 0, 0);
}

static void test_wrap_sq_in_cmb(void **state)
{
	(void)state;
	wrap_all(DEV, 128, 1, 0);
}

static void test_wrap_all_in_cmb(void **state)
{
	(void)state;
	wrap_all(DEV, 64, 1, 1);
	wrap_all(DEV, 64, 0, 1);
}

/* The largest queue there is and its neighbours, on a controller that could have larger ones: an
 * identifier keeps six bits for its generation. */
static void test_wrap_largest(void **state)
{
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts), .max_xfer = 4096 };
	struct pl_nvme_ctrlr_info info;

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(BIG_DEV), &info, sizeof(info));
	assert_int_equal(NVME_CAP_MQES(info.cap) + 1, 65536);
	assert_int_equal(info.max_entries, 1024);
	for (opts.depth = 1023; opts.depth <= 1024; opts.depth++)
		wrap(BIG_DEV, &opts, 4 * 65536, opts.depth == 1024 ? 256 : 32);
	opts.depth = 1025;
	assert_int_equal(
		pl_nvme_qpair_create(ctrlr_of(BIG_DEV), &opts, &(struct pl_nvme_qpair *){ 0 }),
		-EINVAL);
	assert_errmsg("2 to 1024");
}

/* A full queue takes nothing, says why, and rings no doorbell. */
static void test_full(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(DEV, 4, 4096);
	struct pl_nvme_op op[5], *ops[5], *done[5];
	struct pl_nvme_qpair_stats stats;
	uint8_t *buf = dma_alloc(5 * BS);
	uint32_t back = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		ops[i] = &op[i];
		pl_nvme_op_read(ops[i], ns_of(DEV, 1), buf + i * BS, (uint64_t)i, 1);
	}
	assert_int_equal(pl_nvme_submit(qp, ops, 0), 0);
	assert_int_equal(pl_nvme_submit(qp, ops, 5), 3);
	assert_int_equal(pl_nvme_qpair_error(qp), 0);
	assert_int_equal(pl_nvme_submit(qp, ops + 3, 2), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), 0);
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_int_equal(stats.sq_doorbells, 1);
	assert_int_equal(stats.in_flight, 3);
	assert_int_equal(pl_nvme_poll(qp, done, 0), 0);
	/* One comes back, one goes in: order of the rest is kept. */
	assert_in_range((uintptr_t)poll_one(qp), (uintptr_t)&op[0], (uintptr_t)&op[2]);
	assert_int_equal(pl_nvme_submit(qp, ops + 3, 2), 1);
	while (back < 3)
		back += pl_nvme_poll(qp, done, 5);
	assert_int_equal(pl_nvme_submit(qp, ops + 4, 1), 1);
	assert_ptr_equal(poll_one(qp), &op[4]);
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_int_equal(stats.commands, 5);
	assert_int_equal(stats.completions, 5);
	assert_int_equal(stats.sq_doorbells, 3);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(pl_nvme_poll(qp, done, 5), 0); /* an idle poll rings nothing */
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_true(stats.cq_doorbells <= 5);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

/* What the host keeps of its commands is out of every device's reach; the rings are not. */
static void test_bookkeeping_is_private(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(DEV, 64, 8192);
	const struct pl_nvme_qpair *admin = ctrlr_of(DEV)->adminq;

	(void)state;
	assert_true(pl_mem_registered((const void *)(uintptr_t)qp->cq, 64 * sizeof(*qp->cq)));
	for (size_t i = 0; i < sizeof(*qp); i += 64) {
		assert_false(pl_mem_registered((const char *)qp + i, 64));
		assert_false(pl_mem_registered((const char *)admin + i, 64));
	}
	pl_nvme_qpair_destroy(qp);
}

/* Identifiers come back: all queues of the controller, twice, in any order of destruction. */
static void test_exhaustion(void **state)
{
	struct pl_nvme_ctrlr_info info;
	struct pl_nvme_qpair *qps[64], *more = NULL;
	size_t in_use = heap_in_use();

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(DEV), &info, sizeof(info));
	assert_int_equal(info.io_queues, 5);
	for (int round = 0; round < 2; round++) {
		for (uint16_t i = 0; i < info.io_queues; i++) {
			qps[i] = qpair_of(DEV, 16, 4096);
			assert_int_equal(pl_nvme_qpair_id(qps[i]), i + 1);
		}
		assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), NULL, &more), -ENOMEM);
		assert_errmsg("all 5 queue pairs");
		assert_null(more);
		pl_nvme_qpair_destroy(qps[3]);
		qps[3] = qpair_of(DEV, 16, 4096);
		assert_int_equal(pl_nvme_qpair_id(qps[3]), 4);
		for (uint16_t i = 0; i < info.io_queues; i++)
			pl_nvme_qpair_destroy(qps[round ? info.io_queues - 1 - i : i]);
	}
	pl_nvme_qpair_destroy(NULL);
	assert_int_equal(heap_in_use(), in_use);
}

/* Ops in flight are forgotten by destroy, and what it frees is not written to afterwards. */
static void test_destroy_in_flight(void **state)
{
	uint8_t *buf = dma_alloc(256 * BS);
	static struct pl_nvme_op op[255];
	struct pl_nvme_op *ops[255];
	size_t in_use = heap_in_use();

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct pl_nvme_qpair *qp = qpair_of(DEV, 256, 4096);

		for (int i = 0; i < 255; i++) {
			ops[i] = &op[i];
			pl_nvme_op_read(ops[i], ns_of(DEV, 1), buf + i * BS, (uint64_t)i, 1);
		}
		assert_int_equal(pl_nvme_submit(qp, ops, 255), 255);
		pl_nvme_qpair_destroy(qp);
		assert_int_equal(heap_in_use(), in_use);
	}
	pl_mem_free(buf);
}

static void refused(const char *dev, struct pl_nvme_qpair_opts opts, int err, const char *part)
{
	struct pl_nvme_qpair *qp = NULL;

	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(dev), &opts, &qp), err);
	assert_errmsg(part);
	assert_errmsg(dev);
	assert_null(qp);
}

#define OPTS(...) \
	((struct pl_nvme_qpair_opts){ .opts_size = sizeof(struct pl_nvme_qpair_opts), __VA_ARGS__ })

static void test_bad_opts(void **state)
{
	static const size_t sizes[] = { 0, 7, SIZE_MAX };

	(void)state;
	refused(DEV, OPTS(.depth = 1), -EINVAL, "2 to 1024");
	refused(DEV, OPTS(.depth = 1025), -EINVAL, "1025");
	refused(DEV, OPTS(.depth = UINT32_MAX), -EINVAL, "4294967295");
	refused(DEV, OPTS(.max_xfer = 512), -EINVAL, "512");
	refused(DEV, OPTS(.max_xfer = 4097), -EINVAL, "multiple of 4096");
	refused(DEV, OPTS(.max_xfer = (512u << 10) + 4096), -EINVAL, "up to 524288");
	refused(DEV, OPTS(.max_xfer = UINT32_MAX & ~4095u), -EINVAL, "up to 524288");
	/* The device without a CMB, and one whose CMB takes data only. */
	refused(BIG_DEV, OPTS(.sq_in_cmb = 1), -ENOTSUP, "CMBSZ.SQS");
	refused(BIG_DEV, OPTS(.prp_in_cmb = 1), -ENOTSUP, "CMBSZ.LISTS");
	refused("nvme_emu2", OPTS(.sq_in_cmb = 1), -ENOTSUP, "CMBSZ.SQS is 0");
	refused("nvme_emu2", OPTS(.prp_in_cmb = 1), -ENOTSUP, "CMBSZ.LISTS is 0");
	/* A CMB of 64 KiB: 1024 entries fill it, the lists of 1023 commands do not fit. */
	refused("nvme_emu3", OPTS(.depth = 1024, .sq_in_cmb = 1, .prp_in_cmb = 1), -ENOMEM,
		"1024 entries");
	for (size_t i = 0; i < RTE_DIM(sizes); i++)
		refused(DEV, (struct pl_nvme_qpair_opts){ .opts_size = sizes[i] }, -EINVAL,
			"opts_size");
}

/* Queues in a CMB come and go without a byte lost. */
static void test_cmb_is_given_back(void **state)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of("nvme_emu3"), PL_MEM_CMB);
	struct pl_p2p_heap_stats stats;
	struct pl_nvme_qpair *qp;

	(void)state;
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of("nvme_emu3"),
					      &OPTS(.depth = 1024, .sq_in_cmb = 1), &qp),
			 0);
	pl_p2p_heap_stats(heap, &stats);
	assert_int_equal(stats.size, 65536);
	assert_int_equal(stats.free, 0);
	pl_nvme_qpair_destroy(qp);
	refused("nvme_emu3", OPTS(.depth = 1024, .sq_in_cmb = 1, .prp_in_cmb = 1), -ENOMEM, "1024");
	pl_p2p_heap_stats(heap, &stats);
	assert_int_equal(stats.largest_free, 65536);
}

/* A program built against an earlier, shorter structure gets the defaults for the rest. */
static void test_opts_size(void **state)
{
	struct pl_nvme_qpair_opts opts = {
		.opts_size = offsetof(struct pl_nvme_qpair_opts, max_xfer),
		.depth = 8,
		.max_xfer = 1, /* not looked at */
		.sq_in_cmb = 1,
	};
	struct pl_nvme_qpair *qp;

	(void)state;
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(BIG_DEV), &opts, &qp), 0);
	assert_int_equal(pl_nvme_qpair_depth(qp), 8);
	assert_int_equal(pl_nvme_qpair_max_xfer(qp), 512u << 10);
	pl_nvme_qpair_destroy(qp);
	opts.opts_size = sizeof(size_t);
	opts.depth = 1; /* not looked at either */
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(BIG_DEV), &opts, &qp), 0);
	assert_int_equal(pl_nvme_qpair_depth(qp), 256);
	pl_nvme_qpair_destroy(qp);
	/* A controller with shallow queues: the default gives way, 1 MiB bounds the transfer. */
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of("nvme_emu2"), NULL, &qp), 0);
	assert_int_equal(pl_nvme_qpair_depth(qp), 5);
	assert_int_equal(pl_nvme_qpair_max_xfer(qp), 1u << 20);
	pl_nvme_qpair_destroy(qp);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=4M,bs=512,mqes=1024,queues=5,cmb=2M",
		BIG_DEV ",size=128M,bs=512,mqes=65536",
		"nvme_emu2,size=4M,mqes=5,cmb=64K,cmbflags=rds:wds,mdts=4M",
		"nvme_emu3,size=4M,cmb=64K,dstrd=2",
	};

	(void)state;
	random_start();
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap_host),
		cmocka_unit_test(test_wrap_sq_in_cmb),
		cmocka_unit_test(test_wrap_all_in_cmb),
		cmocka_unit_test(test_wrap_largest),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_bookkeeping_is_private),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_destroy_in_flight),
		cmocka_unit_test(test_bad_opts),
		cmocka_unit_test(test_cmb_is_given_back),
		cmocka_unit_test(test_opts_size),
	};

	return cmocka_run_group_tests_name("nvme_queue", tests, setup, fixture_stop);
}
