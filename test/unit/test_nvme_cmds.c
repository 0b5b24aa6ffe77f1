/* SPDX-License-Identifier: BSD-3-Clause */
/* Every command that an op can be, on every LBA size and several namespaces, with the data looked
 * at; and the statuses that commands end with. */
#include "fixture.h"

#include "nvme_internal.h"

#define DEV "nvme_emu0" /* three namespaces of 36 MiB in blocks of 512 bytes; CMB, PMR */
#define BS  512u

static struct pl_nvme_qpair *qp; /* of DEV */
static struct pl_nvme_ns *ns;    /* its first namespace */
static uint8_t *out, *in;        /* 1 MiB each */

#define CODE(status) NVME_STATUS_CODE(status)

static uint16_t run(struct pl_nvme_ns *on, uint8_t opc, void *buf, uint64_t slba, uint32_t nlb,
		    uint16_t control)
{
	struct pl_nvme_op op;

	pl_nvme_op_set(&op, opc, on, buf, slba, nlb);
	op.control = control;
	op.status = 0x7fff; /* what poll must overwrite */
	return run_op(qp, &op);
}

/* [slba, slba + nlb) holds @want, or zeroes if NULL. */
static void assert_blocks(uint64_t slba, uint32_t nlb, const uint8_t *want)
{
	static uint8_t zeroes[BS];

	memset(in, 0x99, (size_t)nlb * BS);
	read_blocks(qp, ns, in, slba, nlb);
	for (uint32_t i = 0; i < nlb; i++)
		if (memcmp(in + i * BS, want ? want + i * BS : zeroes, BS) != 0)
			fail_msg("LBA %llu", (unsigned long long)slba + i);
}

static void test_lba_sizes(void **state)
{
	(void)state;
	for (uint32_t shift = 9; shift <= 16; shift++) {
		char name[32];
		struct pl_nvme_qpair *q;
		struct pl_nvme_ns *n;

		snprintf(name, sizeof(name), "nvme_emu%u", shift);
		n = ns_of(name, 1);
		q = qpair_of(name, 8, 0);
		assert_int_equal(n->lba_shift, shift);
		assert_int_equal(n->nlb, MIB(1) >> shift);
		random_fill(out, MIB(1));
		/* All at once, read one by one from the end; then the other way round. */
		write_blocks(q, n, out, 0, (uint32_t)n->nlb);
		for (uint64_t lba = n->nlb; lba-- > 0;)
			read_blocks(q, n, in + (lba << shift), lba, 1);
		assert_memory_equal(in, out, MIB(1));
		random_fill(out, MIB(1));
		for (uint64_t lba = n->nlb; lba-- > 0;)
			write_blocks(q, n, out + (lba << shift), lba, 1);
		memset(in, 0, MIB(1));
		read_blocks(q, n, in, 0, (uint32_t)n->nlb);
		assert_memory_equal(in, out, MIB(1));
		pl_nvme_qpair_destroy(q);
	}
}

/* What is written to one is not seen in another. */
static void test_namespaces(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	pl_nvme_ctrlr_info(ctrlr_of(DEV), &info, sizeof(info));
	assert_true(info.nn >= 3);
	for (uint32_t nsid = 1; nsid <= 3; nsid++) {
		assert_int_equal(ns_of(DEV, nsid)->nsid, nsid);
		assert_ptr_equal(ns_of(DEV, nsid)->ctrlr, ctrlr_of(DEV));
		memset(out, (int)nsid, BS);
		write_blocks(qp, ns_of(DEV, nsid), out, 5, 1);
	}
	for (uint32_t nsid = 1; nsid <= 3; nsid++) {
		read_blocks(qp, ns_of(DEV, nsid), in, 5, 1);
		memset(out, (int)nsid, BS);
		assert_memory_equal(in, out, BS);
	}
	assert_null(pl_nvme_ns_get(ctrlr_of(DEV), 4));
	assert_errmsg("no usable namespace 4");
	assert_null(pl_nvme_ns_get(ctrlr_of(DEV), 0));
	assert_null(pl_nvme_ns_get(ctrlr_of(DEV), UINT32_MAX));
}

static void test_flush(void **state)
{
	struct pl_nvme_ns all = *ns;
	struct pl_nvme_qpair_stats before, after;

	(void)state;
	pl_nvme_qpair_stats(qp, &before, sizeof(before));
	assert_int_equal(run(ns, NVME_CMD_FLUSH, NULL, 0, 0, 0), 0);
	/* What does not belong to a flush is not sent with it. */
	assert_int_equal(run(ns, NVME_CMD_FLUSH, (void *)(uintptr_t)3, 7, 9, 0xffff), 0);
	pl_nvme_qpair_stats(qp, &after, sizeof(after));
	assert_int_equal(after.commands - before.commands, 2);
	all.nsid = UINT32_MAX;
	assert_int_equal(run(&all, NVME_CMD_FLUSH, NULL, 0, 0, 0), 0);
}

static void test_write_zeroes(void **state)
{
	struct pl_nvme_qpair_stats before, after;

	(void)state;
	random_fill(out, MIB(1));
	write_blocks(qp, ns, out, 100, 64);
	assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 110, 40, 0), 0);
	assert_blocks(100, 10, out);
	assert_blocks(110, 40, NULL);
	assert_blocks(150, 14, out + 50 * BS);
	assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 100, 1, NVME_CDW12_FUA >> 16), 0);
	assert_blocks(100, 1, NULL);
	assert_blocks(101, 9, out + BS);

	/* More than the 16 bits of NLB can tell, ending at the last block. */
	for (uint64_t lba = 1000; lba + 2048 <= ns->nlb; lba += 2048)
		write_blocks(qp, ns, out, lba, 2048);
	write_blocks(qp, ns, out, ns->nlb - 2048, 2048);
	pl_nvme_qpair_stats(qp, &before, sizeof(before));
	assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 2000, (uint32_t)ns->nlb - 2000, 0),
			 0);
	pl_nvme_qpair_stats(qp, &after, sizeof(after));
	assert_int_equal(after.commands - before.commands, (ns->nlb - 2000 + 65535) / 65536);
	assert_blocks(1000, 1000, out);
	for (uint64_t lba = 2000; lba < ns->nlb; lba += 2048)
		assert_blocks(lba, (uint32_t)RTE_MIN(ns->nlb - lba, 2048ull), NULL);
	/* Exactly as many as it can tell, and one more. */
	for (uint32_t nlb = 65535; nlb <= 65537; nlb++) {
		pl_nvme_qpair_stats(qp, &before, sizeof(before));
		assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 0, nlb, 0), 0);
		pl_nvme_qpair_stats(qp, &after, sizeof(after));
		assert_int_equal(after.commands - before.commands, nlb <= 65536 ? 1 : 2);
	}
}

static void test_dataset_management(void **state)
{
	struct pl_nvme_dsm_range *ranges = dma_alloc(256 * sizeof(*ranges));

	(void)state;
	random_fill(out, MIB(1));
	write_blocks(qp, ns, out, 0, 1024);
	ranges[0] = (struct pl_nvme_dsm_range){ .slba = 10, .nlb = 5 };
	ranges[1] = (struct pl_nvme_dsm_range){ .slba = 100, .nlb = 1 };
	ranges[2] = (struct pl_nvme_dsm_range){ .slba = 200, .nlb = 0 };
	assert_int_equal(run(ns, NVME_CMD_DSM, ranges, 0, 3, 0), 0); /* advice without an order */
	assert_blocks(0, 1024, out);
	/* The third is past the end: all are judged before one is touched. */
	ranges[2] = (struct pl_nvme_dsm_range){ .slba = ns->nlb, .nlb = 1 };
	assert_int_equal(CODE(run(ns, NVME_CMD_DSM, ranges, 0, 3, NVME_DSM_DEALLOCATE)),
			 NVME_SC_LBA_OUT_OF_RANGE);
	assert_blocks(0, 1024, out);
	assert_int_equal(run(ns, NVME_CMD_DSM, ranges, 0, 2, NVME_DSM_DEALLOCATE), 0);
	assert_blocks(0, 10, out);
	assert_blocks(10, 5, NULL);
	assert_blocks(15, 85, out + 15 * BS);
	assert_blocks(100, 1, NULL);
	assert_blocks(101, 923, out + 101 * BS);
	/* As many as a command takes: two pages of PRP. */
	for (uint32_t i = 0; i < 256; i++)
		ranges[i] = (struct pl_nvme_dsm_range){ .slba = 2 * i, .nlb = 1 };
	assert_int_equal(run(ns, NVME_CMD_DSM, ranges, 0, 256, NVME_DSM_DEALLOCATE), 0);
	for (uint32_t i = 0; i < 256; i++) {
		assert_blocks(2 * i, 1, NULL);
		if (2 * i + 1 != 11 && 2 * i + 1 != 13)
			assert_blocks(2 * i + 1, 1, out + (2 * i + 1) * BS);
	}
	pl_mem_free(ranges);
}

static void test_compare(void **state)
{
	struct pl_nvme_qpair_stats before, after;

	(void)state;
	random_fill(out, MIB(1));
	write_blocks(qp, ns, out, 0, 2048);
	assert_int_equal(run(ns, NVME_CMD_COMPARE, out, 0, 1, 0), 0);
	pl_nvme_qpair_stats(qp, &before, sizeof(before));
	assert_int_equal(run(ns, NVME_CMD_COMPARE, out, 0, 2048, 0), 0);
	pl_nvme_qpair_stats(qp, &after, sizeof(after));
	assert_int_equal(after.commands - before.commands, 8); /* 1 MiB by 128 KiB */
	/* One bit, in the first and in the last byte and between, whole and split. */
	for (int i = 0; i < 3; i++) {
		static const uint32_t at[] = { 0, 700 * BS + 5, MIB(1) - 1 };

		out[at[i]] ^= 0x10;
		assert_int_equal(CODE(run(ns, NVME_CMD_COMPARE, out, 0, 2048, 0)),
				 NVME_SC_COMPARE_FAILURE);
		assert_int_equal(
			CODE(run(ns, NVME_CMD_COMPARE, out + at[i] / BS * BS, at[i] / BS, 1, 0)),
			NVME_SC_COMPARE_FAILURE);
		out[at[i]] ^= 0x10;
		assert_int_equal(run(ns, NVME_CMD_COMPARE, out, 0, 2048, 0), 0);
	}
	assert_blocks(0, 2048, out); /* a compare changes nothing */
}

static struct pl_nvme_copy_range range_of(uint64_t slba, uint32_t nlb)
{
	return (struct pl_nvme_copy_range){ .slba = slba, .nlb = (uint16_t)(nlb - 1) };
}

static void test_copy_command(void **state)
{
	struct pl_nvme_copy_range *r = dma_alloc(256 * sizeof(*r));

	(void)state;
	assert_true(ns->msrc >= 2 && ns->msrc < 256 && ns->mssrl >= 100 && ns->mcl >= 1000);
	random_fill(out, MIB(1));
	write_blocks(qp, ns, out, 0, 2048);
	r[0] = range_of(7, 3);
	r[1] = range_of(1000, 100);
	r[2] = range_of(0, 1);
	assert_int_equal(run(ns, NVME_CMD_COPY, r, 5000, 3, 0), 0);
	assert_blocks(5000, 3, out + 7 * BS);
	assert_blocks(5003, 100, out + 1000 * BS);
	assert_blocks(5103, 1, out);
	assert_blocks(0, 2048, out);
	/* As many ranges as there may be, then one more. */
	for (uint32_t i = 0; i < 256; i++)
		r[i] = range_of(2 * i, 1);
	assert_int_equal(run(ns, NVME_CMD_COPY, r, 8000, ns->msrc, 0), 0);
	for (uint32_t i = 0; i < ns->msrc; i++)
		assert_blocks(8000 + i, 1, out + 2 * i * BS);
	assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 8000, 256, 0), 0);
	assert_int_equal(CODE(run(ns, NVME_CMD_COPY, r, 8000, ns->msrc + 1u, 0)),
			 NVME_SC_COPY_SIZE_LIMIT);
	/* A range as long as it may be, then one block more. */
	r[0] = range_of(10000, ns->mssrl);
	assert_int_equal(run(ns, NVME_CMD_COPY, r, 10000 + ns->mssrl, 1, 0), 0);
	r[0] = range_of(10000, ns->mssrl + 1u);
	assert_int_equal(CODE(run(ns, NVME_CMD_COPY, r, 8000, 1, 0)), NVME_SC_COPY_SIZE_LIMIT);
	/* All ranges together. */
	for (uint32_t left = ns->mcl + 1, i = 0; left; i++) {
		uint32_t nlb = RTE_MIN(left, (uint32_t)ns->mssrl);

		r[i] = range_of(0, nlb);
		left -= nlb;
		if (left == 0)
			assert_int_equal(CODE(run(ns, NVME_CMD_COPY, r, 0, i + 1, 0)),
					 NVME_SC_COPY_SIZE_LIMIT);
	}
	/* From and to past the end. */
	r[0] = range_of(ns->nlb - 1, 2);
	assert_int_equal(CODE(run(ns, NVME_CMD_COPY, r, 8000, 1, 0)), NVME_SC_LBA_OUT_OF_RANGE);
	r[0] = range_of(0, 2);
	assert_int_equal(CODE(run(ns, NVME_CMD_COPY, r, ns->nlb - 1, 1, 0)),
			 NVME_SC_LBA_OUT_OF_RANGE);
	/* None of the refused ones moved a block. */
	assert_blocks(8000, 256, NULL);
	/* The descriptor format of cdw12 bits 11:8 is in the lower half, out of `control`'s reach;
	 * FUA is not. */
	r[0] = range_of(1, 1);
	assert_int_equal(run(ns, NVME_CMD_COPY, r, 8000, 1, NVME_CDW12_FUA >> 16), 0);
	assert_blocks(8000, 1, out + BS);
	pl_mem_free(r);
}

/* The last block and one further, for everything that names blocks. */
static void test_lba_out_of_range(void **state)
{
	static const uint8_t opcs[] = { NVME_CMD_READ, NVME_CMD_WRITE, NVME_CMD_COMPARE,
					NVME_CMD_WRITE_ZEROES };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(opcs); i++) {
		assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, ns->nlb - 2, 2, 0), 0);
		memset(out, 0, 4 * BS);
		assert_int_equal(run(ns, opcs[i], out, ns->nlb - 1, 1, 0), 0);
		assert_int_equal(run(ns, opcs[i], out, ns->nlb - 2, 2, 0), 0);
		memset(out, 0x31, 4 * BS);
		assert_int_equal(run(ns, opcs[i], out, ns->nlb - 1, 2, 0),
				 NVME_SC_LBA_OUT_OF_RANGE | NVME_STATUS_DNR);
		assert_int_equal(CODE(run(ns, opcs[i], out, ns->nlb, 1, 0)),
				 NVME_SC_LBA_OUT_OF_RANGE);
		assert_int_equal(CODE(run(ns, opcs[i], out, UINT64_MAX, 1, 0)),
				 NVME_SC_LBA_OUT_OF_RANGE);
		assert_int_equal(CODE(run(ns, opcs[i], out, UINT64_MAX, 2, 0)),
				 NVME_SC_LBA_OUT_OF_RANGE);
		assert_int_equal(CODE(run(ns, opcs[i], out, 1ull << 32, 1, 0)),
				 NVME_SC_LBA_OUT_OF_RANGE);
		assert_int_equal(out[0], 0x31);
		assert_blocks(ns->nlb - 2, 2, NULL);
	}
}

/* A namespace that the library does not offer, made by hand. */
static void test_invalid_namespace(void **state)
{
	static const uint32_t nsids[] = { 0, 4, 33, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(nsids); i++) {
		struct pl_nvme_ns made = *ns;
		uint16_t status;

		made.nsid = nsids[i];
		made.sqe0 = (uint64_t)nsids[i] << 32 | made.ctrlr->ns_tag;
		status = CODE(run(&made, NVME_CMD_READ, in, 0, 1, 0));
		/* 4 is valid but not active, which has a status of its own (6.1.5). */
		assert_int_equal(status,
				 nsids[i] == 4 ? NVME_SC_INVALID_FIELD : NVME_SC_INVALID_NAMESPACE);
		status = CODE(run(&made, NVME_CMD_WRITE_ZEROES, NULL, 0, 1, 0));
		assert_int_equal(status,
				 nsids[i] == 4 ? NVME_SC_INVALID_FIELD : NVME_SC_INVALID_NAMESPACE);
	}
}

/* `control` is the upper half of cdw12, bit by bit. */
static void test_control(void **state)
{
	(void)state;
	for (int bit = 0; bit < 16; bit++) {
		uint32_t cdw12 = 1u << (bit + 16);
		/* Limited Retry, FUA and PRINFO; all else is reserved or a directive (6.9, 6.15).
		 */
		bool good = cdw12 & (NVME_CDW12_LR | NVME_CDW12_FUA | 0xfu << 26);

		assert_int_equal(CODE(run(ns, NVME_CMD_WRITE, out, 0, 1, (uint16_t)(1u << bit))),
				 good ? 0 : NVME_SC_INVALID_FIELD);
	}
}

/* Whatever the controller answers reaches the op: all 15 bits, and dword 0. */
static void test_injected_status(void **state)
{
	static const uint16_t statuses[] = {
		NVME_SC_INTERNAL_ERROR,
		NVME_SC_NS_NOT_READY,
		NVME_SC_WRITE_FAULT | NVME_STATUS_DNR,
		NVME_SC_UNRECOVERED_READ | NVME_STATUS_MORE,
		0x302, /* path related */
		0x7ff | NVME_STATUS_DNR,
		0x7fff,
	};
	static const uint8_t opcs[] = { NVME_CMD_FLUSH,   NVME_CMD_WRITE,        NVME_CMD_READ,
					NVME_CMD_COMPARE, NVME_CMD_WRITE_ZEROES, NVME_CMD_DSM,
					NVME_CMD_COPY };

	(void)state;
	memset(out, 0, PAGE);
	assert_int_equal(run(ns, NVME_CMD_WRITE_ZEROES, NULL, 0, 8, 0), 0);
	for (size_t o = 0; o < RTE_DIM(opcs); o++)
		for (size_t s = 0; s < RTE_DIM(statuses); s++) {
			inject(DEV, &(struct nvme_emu_inject){
					    .fault = NVME_EMU_FAULT_STATUS,
					    .qid = 1,
					    .opc = opcs[o],
					    .status = statuses[s],
					    .count = 2,
				    });
			for (int i = 0; i < 2; i++)
				assert_int_equal(run(ns, opcs[o], out, 0, 1, 0), statuses[s]);
			assert_int_equal(run(ns, opcs[o], out, 0, 1, 0), 0);
		}
}

static void test_status_text(void **state)
{
	(void)state;
	assert_string_equal(pl_nvme_status_str(0), "Successful Completion (sct 0 sc 00h)");
	assert_string_equal(pl_nvme_status_str(NVME_SC_LBA_OUT_OF_RANGE | NVME_STATUS_DNR),
			    "LBA Out of Range (sct 0 sc 80h, do not retry)");
	assert_string_equal(pl_nvme_status_str(NVME_SC_COMPARE_FAILURE),
			    "Compare Failure (sct 2 sc 85h)");
	assert_string_equal(pl_nvme_status_str(NVME_SC_QUEUE_SIZE_INVALID | NVME_STATUS_MORE),
			    "Invalid Queue Size (sct 1 sc 02h)");
	assert_string_equal(pl_nvme_status_str(0x7ff), "Vendor Specific Status (sct 7 sc ffh)");
	assert_string_equal(pl_nvme_status_str(0x0fe), "Generic Command Status (sct 0 sc feh)");
	for (uint32_t status = 0; status < 0x8000; status++)
		assert_true(strlen(pl_nvme_status_str((uint16_t)status)) > 20);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=36M,ns=3,bs=512,cmb=1M,pmr=1M,mdts=128K",
		"nvme_emu9,size=1M,bs=512",
		"nvme_emu10,size=1M,bs=1K",
		"nvme_emu11,size=1M,bs=2K",
		"nvme_emu12,size=1M,bs=4K",
		"nvme_emu13,size=1M,bs=8K",
		"nvme_emu14,size=1M,bs=16K",
		"nvme_emu15,size=1M,bs=32K",
		"nvme_emu16,size=1M,bs=64K",
	};

	(void)state;
	random_start();
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	qp = qpair_of(DEV, 32, 0);
	ns = ns_of(DEV, 1);
	out = dma_alloc(MIB(1));
	in = dma_alloc(MIB(1));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_mem_free(in);
	pl_mem_free(out);
	pl_nvme_qpair_destroy(qp);
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lba_sizes),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_write_zeroes),
		cmocka_unit_test(test_dataset_management),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_copy_command),
		cmocka_unit_test(test_lba_out_of_range),
		cmocka_unit_test(test_invalid_namespace),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_injected_status),
		cmocka_unit_test(test_status_text),
	};

	return cmocka_run_group_tests_name("nvme_cmds", tests, setup, teardown);
}
