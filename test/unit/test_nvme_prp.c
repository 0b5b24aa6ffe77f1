/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PRPs through the device: every way a buffer can lie in its pages, lists that cross pages and list
 * pages, judged by the data; and ops larger than a command may be.
 */
#include "fixture.h"

#include <sys/mman.h>

#include "nvme_pcie.h"

#define DEV   "nvme_emu0" /* 512-byte blocks, MDTS 4 MiB */
#define SMALL "nvme_emu1" /* MDTS 8 KiB */
#define BIG   "nvme_emu2" /* 64 KiB blocks, MDTS 128 KiB */

#define BUF_LEN (MIB(4) + 4 * PAGE)

/* Writes @nlb blocks from a buffer at @offset, reads them back to one at @other; everything around
 * the buffers stays as it was. */
static void round_trip(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, uint8_t *out, uint8_t *in,
		       uint32_t offset, uint32_t other, uint32_t nlb)
{
	size_t len = (size_t)nlb << ns->lba_shift;
	uint64_t slba = random_below(ns->nlb - nlb + 1);

	random_fill(out + offset, len);
	memset(in, 0x77, other + len + PAGE);
	write_blocks(qp, ns, out + offset, slba, nlb);
	read_blocks(qp, ns, in + other, slba, nlb);
	assert_memory_equal(in + other, out + offset, len);
	for (uint32_t i = 0; i < PAGE; i++) {
		assert_int_equal(in[other + len + i], 0x77);
		if (i < other)
			assert_int_equal(in[i], 0x77);
	}
}

static const uint32_t offset_classes[] = { 0, 4, 2048, 4092 };

static void every_offset(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, const uint32_t *nlbs,
			 size_t nb)
{
	uint8_t *out = dma_alloc(BUF_LEN), *in = dma_alloc(BUF_LEN);

	for (size_t o = 0; o < RTE_DIM(offset_classes); o++)
		for (size_t i = 0; i < nb; i++)
			round_trip(qp, ns, out, in, offset_classes[o],
				   offset_classes[(o + i) % RTE_DIM(offset_classes)], nlbs[i]);
	pl_mem_free(in);
	pl_mem_free(out);
}

/* One command each, up to 4 MiB: 511, 512, 513, 1023 and 1024 entries and what lies around. */
static void test_one_command(void **state)
{
	static const uint32_t nlbs[] = { 1,    2,    7,    8,    9,    15,   16,   17,   24,
					 64,   1000, 4079, 4080, 4087, 4088, 4089, 4096, 4097,
					 4104, 4105, 4112, 8176, 8183, 8184, 8185, 8191, 8192 };
	struct pl_nvme_qpair *qp = qpair_of(DEV, 4, 4u << 20);
	struct pl_nvme_qpair_stats before, after;

	(void)state;
	pl_nvme_qpair_stats(qp, &before, sizeof(before));
	every_offset(qp, ns_of(DEV, 1), nlbs, RTE_DIM(nlbs));
	pl_nvme_qpair_stats(qp, &after, sizeof(after));
	assert_int_equal(after.commands - before.commands,
			 2 * RTE_DIM(nlbs) * RTE_DIM(offset_classes));
	pl_nvme_qpair_destroy(qp);
}

static void test_lists_in_cmb(void **state)
{
	static const uint32_t nlbs[] = { 1, 16, 17, 24, 4088, 4096, 4097, 4104, 8184, 8192 };
	const struct pl_nvme_qpair_opts opts = {
		.opts_size = sizeof(opts),
		.depth = 4,
		.max_xfer = 4u << 20,
		.prp_in_cmb = 1,
	};
	struct pl_nvme_traffic before, after;
	struct pl_nvme_qpair *qp;
	uint64_t(*was)[2] = before.bytes[PL_TRAFFIC_LIST];
	uint64_t(*is)[2] = after.bytes[PL_TRAFFIC_LIST];

	(void)state;
	assert_int_equal(pl_nvme_qpair_create(ctrlr_of(DEV), &opts, &qp), 0);
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(DEV), &before, sizeof(before)), 0);
	every_offset(qp, ns_of(DEV, 1), nlbs, RTE_DIM(nlbs));
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(DEV), &after, sizeof(after)), 0);
	assert_int_equal(is[PL_TRAFFIC_HOST][0], was[PL_TRAFFIC_HOST][0]);
	assert_true(is[PL_TRAFFIC_OWN_CMB][0] - was[PL_TRAFFIC_OWN_CMB][0] > 1024 * 8);
	pl_nvme_qpair_destroy(qp);
}

/* Every size from one block to some beyond the limit, at every dword offset class. */
static void test_every_small_size(void **state)
{
	uint32_t nlbs[48];
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 3, 0);

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(nlbs); i++)
		nlbs[i] = i + 1;
	every_offset(qp, ns_of(SMALL, 1), nlbs, RTE_DIM(nlbs));
	pl_nvme_qpair_destroy(qp);
}

static void test_large_blocks(void **state)
{
	static const uint32_t nlbs[] = { 1, 2, 3, 4, 5, 16 };
	struct pl_nvme_qpair *qp = qpair_of(BIG, 3, 0);
	struct pl_nvme_op op, *ops = &op;

	(void)state;
	every_offset(qp, ns_of(BIG, 1), nlbs, RTE_DIM(nlbs));
	pl_nvme_qpair_destroy(qp);
	/* A block must fit in a command. */
	qp = qpair_of(BIG, 3, 32u << 10);
	pl_nvme_op_read(&op, ns_of(BIG, 1), NULL, 0, 1);
	assert_int_equal(pl_nvme_submit(qp, &ops, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), -EINVAL);
	assert_errmsg("max_xfer");
	pl_nvme_qpair_destroy(qp);
}

/* Ops of many commands among small ones, at depths where they never fit at once. */
static void split_at_depth(uint32_t depth)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, depth, 0);
	struct pl_nvme_ns *ns = ns_of(SMALL, 1);
	uint8_t *out = dma_alloc(MIB(1)), *in = dma_alloc(MIB(1));
	static const uint32_t nlbs[] = { 1, 1600, 3, 17, 1, 33, 100, 2 };
	struct pl_nvme_op op[RTE_DIM(nlbs)], *ops[RTE_DIM(nlbs)], *done[4];
	struct pl_nvme_qpair_stats stats;
	uint32_t commands = 0;

	random_fill(out, MIB(1));
	for (int leg = 0; leg < 2; leg++) {
		uint32_t at = 0, sent = 0, back = 0, seen = 0;
		uint64_t deadline = now_s() + TIMEOUT_S;

		for (size_t i = 0; i < RTE_DIM(nlbs); i++) {
			ops[i] = &op[i];
			pl_nvme_op_set(ops[i], leg ? NVME_CMD_READ : NVME_CMD_WRITE, ns,
				       (leg ? in : out) + (size_t)at * 512, at, nlbs[i]);
			at += nlbs[i];
			commands += (nlbs[i] + 15) / 16;
		}
		while (back < RTE_DIM(nlbs)) {
			uint16_t n =
				pl_nvme_submit(qp, ops + sent, (uint16_t)(RTE_DIM(nlbs) - sent));

			sent += n;
			assert_int_equal(pl_nvme_qpair_error(qp), 0);
			n = pl_nvme_poll(qp, done, RTE_DIM(done));
			for (uint16_t i = 0; i < n; i++) {
				uint32_t bit = 1u << (done[i] - op);

				assert_int_equal(done[i]->status, 0);
				assert_int_equal(seen & bit, 0); /* once */
				seen |= bit;
			}
			back += n;
			assert_true(now_s() < deadline);
			if (n == 0)
				relax();
		}
	}
	assert_memory_equal(in, out, 1757 * 512);
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_int_equal(stats.commands, commands);
	assert_int_equal(stats.completions, commands);
	assert_int_equal(stats.in_flight, 0);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(in);
	pl_mem_free(out);
}

static void test_split(void **state)
{
	(void)state;
	for (uint32_t depth = 2; depth <= 5; depth++)
		split_at_depth(depth);
	split_at_depth(64);
	split_at_depth(1024);
}

/* While a split op is not wholly issued the queue takes nothing else: order of issue is kept. */
static void test_split_blocks(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 3, 0);
	struct pl_nvme_op big, small, *ops[2] = { &big, &small };
	uint8_t *buf = dma_alloc(MIB(1));

	(void)state;
	pl_nvme_op_read(&big, ns_of(SMALL, 1), buf, 0, 160);
	pl_nvme_op_read(&small, ns_of(SMALL, 1), buf, 0, 1);
	assert_int_equal(pl_nvme_submit(qp, ops, 2), 1);
	assert_int_equal(pl_nvme_qpair_error(qp), 0);
	assert_int_equal(pl_nvme_submit(qp, ops + 1, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), 0);
	assert_ptr_equal(poll_one(qp), &big);
	assert_int_equal(run_op(qp, &small), 0);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

/* An error in the middle: it is the op's status, what was not issued is not sent, and the op comes
 * back once, after all its commands did. */
static void split_error(uint32_t depth, uint32_t good_commands)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, depth, 0);
	struct pl_nvme_ns *ns = ns_of(SMALL, 1);
	struct pl_nvme_op op, *none;
	struct pl_nvme_qpair_stats stats;
	uint8_t *buf = dma_alloc(MIB(1));
	/* The tail of the op lies past the end of the namespace: 16 blocks to a command. */
	uint64_t slba = ns->nlb - 16ull * good_commands;

	pl_nvme_op_read(&op, ns, buf, slba, 16 * 40);
	assert_int_equal(NVME_STATUS_CODE(run_op(qp, &op)), NVME_SC_LBA_OUT_OF_RANGE);
	pl_nvme_qpair_stats(qp, &stats, sizeof(stats));
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.completions, stats.commands);
	/* At most what was in flight when the first error came followed it. */
	assert_in_range(stats.commands, good_commands + 1, RTE_MIN(40u, good_commands + 2 * depth));
	assert_int_equal(pl_nvme_poll(qp, &none, 1), 0);
	/* The queue goes on, and the op starts afresh. */
	pl_nvme_op_read(&op, ns, buf, 0, 16 * 40);
	assert_int_equal(run_op(qp, &op), 0);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

static void test_split_error(void **state)
{
	(void)state;
	for (uint32_t good = 0; good <= 12; good += 3) {
		split_error(2, good);
		split_error(3, good);
		split_error(8, good);
	}
}

/* The first error is the one that is told. */
static void test_split_first_error(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 8, 0);
	struct pl_nvme_ns *ns = ns_of(SMALL, 1);
	uint8_t *buf = dma_alloc(MIB(1));
	struct pl_nvme_op op;

	(void)state;
	/* All four are in flight together; the first meets the armed error, the rest the end. */
	pl_nvme_op_read(&op, ns, buf, ns->nlb - 16, 64);
	inject(SMALL, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_STATUS,
						 .qid = 1,
						 .opc = NVME_CMD_READ,
						 .status = NVME_SC_UNRECOVERED_READ });
	assert_int_equal(run_op(qp, &op), NVME_SC_UNRECOVERED_READ);
	assert_int_equal(run_op(qp, &op), NVME_SC_LBA_OUT_OF_RANGE | NVME_STATUS_DNR);
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

static void refused(struct pl_nvme_qpair *qp, const struct pl_nvme_op *bad, const char *part)
{
	struct pl_nvme_op op[3] = { *bad, *bad, *bad }, *ops[3] = { &op[0], &op[1], &op[2] };
	uint8_t *buf = dma_alloc(PAGE);
	struct pl_nvme_qpair_stats before, after;

	/* Good, bad, good: the first goes, the second is named, the third can go afterwards. */
	pl_nvme_op_read(&op[0], ns_of(SMALL, 1), buf, 0, 1);
	pl_nvme_op_read(&op[2], ns_of(SMALL, 1), buf, 0, 1);
	pl_nvme_qpair_stats(qp, &before, sizeof(before));
	assert_int_equal(pl_nvme_submit(qp, ops, 3), 1);
	assert_int_equal(pl_nvme_qpair_error(qp), -EINVAL);
	assert_errmsg(part);
	assert_errmsg(SMALL);
	assert_ptr_equal(poll_one(qp), &op[0]);
	assert_int_equal(run_op(qp, &op[2]), 0);
	pl_nvme_qpair_stats(qp, &after, sizeof(after));
	assert_int_equal(after.commands - before.commands, 2);
	assert_int_equal(after.sq_doorbells - before.sq_doorbells, 2);
	pl_mem_free(buf);
}

static void test_refused(void **state)
{
	static const uint8_t with_data[] = { NVME_CMD_READ, NVME_CMD_WRITE, NVME_CMD_COMPARE,
					     NVME_CMD_DSM, NVME_CMD_COPY };
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 8, 0);
	struct pl_nvme_ns *ns = ns_of(SMALL, 1);
	uint8_t *buf = dma_alloc(MIB(1));
	struct pl_nvme_op op;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(with_data); i++) {
		for (uint32_t off = 1; off < 4; off++) {
			pl_nvme_op_set(&op, with_data[i], ns, buf + off, 0, 1);
			refused(qp, &op, "not dword aligned");
		}
		pl_nvme_op_set(&op, with_data[i], ns, buf, 0, 0);
		refused(qp, &op, "no blocks");
	}
	pl_nvme_op_set(&op, NVME_CMD_READ, ns, buf + 2, 0, 160); /* one that would be split */
	refused(qp, &op, "not dword aligned");
	pl_nvme_op_set(&op, NVME_CMD_WRITE_ZEROES, ns, NULL, 0, 0);
	refused(qp, &op, "no blocks");
	/* In parts it would go on at LBA 0. */
	pl_nvme_op_set(&op, NVME_CMD_WRITE, ns, buf, UINT64_MAX - 79, 160);
	refused(qp, &op, "behind the last LBA");
	for (unsigned int opc = 0; opc < 256; opc++) {
		if (opc == NVME_CMD_FLUSH || opc == NVME_CMD_WRITE_ZEROES ||
		    memchr(with_data, (int)opc, sizeof(with_data)))
			continue;
		pl_nvme_op_set(&op, (uint8_t)opc, ns, buf, 0, 1);
		refused(qp, &op, "opcode");
	}
	pl_nvme_op_set(&op, NVME_CMD_DSM, ns, buf, 0, 257);
	refused(qp, &op, "256 ranges");
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

/* A namespace of another controller, which has one of the same number: fast, with a list, split and
 * without data; and one made by hand. */
static void test_other_controllers_namespace(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 8, 0);
	struct pl_nvme_ns *theirs = ns_of(DEV, 1), made = *theirs;
	uint8_t *buf = dma_alloc(MIB(1));
	struct pl_nvme_op op;

	(void)state;
	assert_int_equal(theirs->nsid, ns_of(SMALL, 1)->nsid);
	made.sqe0 = (uint64_t)made.nsid << 32;
	for (uint32_t nlb = 1; nlb <= 160; nlb += nlb == 1 ? 15 : 144) {
		pl_nvme_op_write(&op, theirs, buf, 0, nlb);
		refused(qp, &op, "another controller's");
		pl_nvme_op_write(&op, &made, buf, 0, nlb);
		refused(qp, &op, "another controller's");
		pl_nvme_op_read(&op, theirs, buf, 0, nlb);
		refused(qp, &op, "another controller's");
	}
	pl_nvme_op_set(&op, NVME_CMD_WRITE_ZEROES, theirs, NULL, 0, 1);
	refused(qp, &op, "another controller's");
	pl_nvme_op_set(&op, NVME_CMD_FLUSH, theirs, NULL, 0, 0);
	refused(qp, &op, "another controller's");
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(buf);
}

/* A buffer that nobody registered, or that ends outside what was: named by debug builds, stopped
 * by the IOMMU in release builds. */
static void test_unregistered(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(SMALL, 8, 0);
	struct pl_nvme_ns *ns = ns_of(SMALL, 1);
	uint8_t *mem =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pl_nvme_op op[2];

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(pl_mem_register(mem, PAGE), 0);
	pl_nvme_op_write(&op[0], ns, mem + PAGE, 0, 1);
	pl_nvme_op_write(&op[1], ns, mem + PAGE - 512, 0, 2);
	for (int i = 0; i < 2; i++) {
#ifndef NDEBUG
		refused(qp, &op[i], "not registered");
		op[i].nlb += 64; /* the same for one that is split */
		refused(qp, &op[i], "not registered");
#else
		assert_int_equal(NVME_STATUS_CODE(run_op(qp, &op[i])), NVME_SC_DATA_TRANSFER_ERROR);
#endif
	}
	/* Two registrations side by side are as good as one. */
	assert_int_equal(pl_mem_register(mem + PAGE, PAGE), 0);
	assert_int_equal(run_op(qp, &(struct pl_nvme_op){ .opc = NVME_CMD_WRITE,
							  .ns = ns,
							  .buf = mem + 512,
							  .nlb = 8 }),
			 0);
	assert_int_equal(pl_mem_unregister(mem, PAGE), 0);
	assert_int_equal(pl_mem_unregister(mem + PAGE, PAGE), 0);
	munmap(mem, 2 * PAGE);
	faults_clear();
	pl_nvme_qpair_destroy(qp);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=16M,bs=512,mdts=4M,cmb=1M",
		SMALL ",size=1M,bs=512,mdts=8K",
		BIG ",size=2M,bs=64K,mdts=128K",
	};

	(void)state;
	random_start();
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_command),
		cmocka_unit_test(test_lists_in_cmb),
		cmocka_unit_test(test_every_small_size),
		cmocka_unit_test(test_large_blocks),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_blocks),
		cmocka_unit_test(test_split_error),
		cmocka_unit_test(test_split_first_error),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_controllers_namespace),
		cmocka_unit_test(test_unregistered),
	};

	return cmocka_run_group_tests_name("nvme_prp", tests, setup, fixture_stop);
}
