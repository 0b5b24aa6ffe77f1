/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller that writes over everything the IOMMU lets it write, but its completion queues: the
 * contents of buffers are lost, and nothing else is. No pointer, length or list of the host's lies
 * where a device can write.
 */
#include "fixture.h"

#include <rte_malloc.h>

#include "mem_internal.h"
#include "nvme_pcie.h"

#define DEV   "nvme_emu0"
#define NB    8u
#define LEN   KIB(64) /* with a PRP list */
#define DEPTH 64u

static void assert_all(const void *p, size_t len, uint8_t value)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		if (b[i] != value)
			fail_msg("byte %zu of %zu is 0x%x, not 0x%x", i, len, b[i], value);
}

/* One write that completes after the controller did it, among reads in flight. */
static void scribble(struct pl_nvme_qpair *qp, uint8_t *bufs[NB])
{
	struct pl_nvme_ns *ns = ns_of(DEV, 1);
	struct pl_nvme_op ops[NB], *batch[NB];
	bool back[NB] = { false };

	for (uint32_t i = 0; i < NB; i++) {
		batch[i] = &ops[i];
		if (i == NB / 2)
			pl_nvme_op_write(&ops[i], ns, bufs[i], 1024, 1);
		else
			pl_nvme_op_read(&ops[i], ns, bufs[i], 0, LEN / 512);
	}
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_SCRIBBLE });
	assert_int_equal(pl_nvme_submit(qp, batch, NB), NB);
	for (uint32_t i = 0; i < NB; i++) {
		struct pl_nvme_op *op = poll_one(qp);

		assert_in_range(op - ops, 0, NB - 1);
		assert_false(back[op - ops]);
		assert_int_equal(op->status, 0);
		back[op - ops] = true;
	}
}

static void test_only_data_is_lost(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(DEV, DEPTH, 0);
	uint8_t *bufs[NB], *data = malloc(LEN), *eal = rte_zmalloc(NULL, KIB(64), 0);
	uint8_t *other = dma_alloc(LEN);

	(void)state;
	assert_non_null(data);
	assert_non_null(eal);
	random_fill(data, LEN);
	for (uint32_t i = 0; i < NB; i++)
		bufs[i] = memcpy(dma_alloc(LEN), data, LEN);
	write_blocks(qp, ns_of(DEV, 1), bufs[0], 0, LEN / 512);
	scribble(qp, bufs);
	assert_all(other, LEN, 0x41); /* it did */
	assert_all(eal, KIB(64), 0);
	assert_all((const void *)(uintptr_t)&qp->sq[DEPTH - 1], sizeof(*qp->sq), 0);
	/* The same queue, its lists and its buffers go on. */
	read_blocks(qp, ns_of(DEV, 1), other, 0, LEN / 512);
	assert_memory_equal(other, data, LEN);
	memcpy(bufs[1], data, LEN);
	write_blocks(qp, ns_of(DEV, 1), bufs[1], 512, LEN / 512);
	read_blocks(qp, ns_of(DEV, 1), bufs[2], 512, LEN / 512);
	assert_memory_equal(bufs[2], data, LEN);
	for (uint32_t i = 0; i < NB; i++)
		pl_mem_free(bufs[i]);
	pl_mem_free(other);
	pl_nvme_qpair_destroy(qp);
	rte_free(eal);
	free(data);
}

/* Nothing of the host's own is where a device could write, nor what it is told to do. */
static void test_out_of_reach(void **state)
{
	struct pl_nvme_qpair *qp = qpair_of(DEV, DEPTH, 0);
	struct pl_mem_info info;

	(void)state;
	assert_int_equal(pl_mem_lookup(qp, &info), -ENOENT);
	assert_int_equal(pl_mem_lookup(qp->ctrlr, &info), -ENOENT);
	assert_int_equal(pl_mem_lookup((const void *)(uintptr_t)qp->sq, &info), 0);
	assert_true(info.device_readonly);
	assert_int_equal(pl_mem_lookup(qp->prp_pool, &info), 0);
	assert_true(info.device_readonly);
	assert_int_equal(pl_mem_lookup((const void *)(uintptr_t)qp->cq, &info), 0);
	assert_false(info.device_readonly);
	pl_nvme_qpair_destroy(qp);
}

static void test_reset_after(void **state)
{
	size_t in_use = heap_in_use();
	uint8_t *bufs[NB];

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct pl_nvme_qpair *qp = qpair_of(DEV, DEPTH, 0);

		for (uint32_t i = 0; i < NB; i++)
			bufs[i] = dma_alloc(LEN);
		scribble(qp, bufs);
		pl_nvme_qpair_destroy(qp);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(DEV)), 0);
		for (uint32_t i = 0; i < NB; i++)
			pl_mem_free(bufs[i]);
		assert_works(DEV);
		assert_int_equal(heap_in_use(), in_use);
	}
}

static int start(void **state)
{
	static const char *const vdevs[] = { DEV ",size=64M" };

	(void)state;
	random_start();
	return fixture_start(vdevs, 1, 1);
}

int main(void)
{
	/* The cleanup after them is the last of the tests. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_of_reach),
		cmocka_unit_test(test_only_data_is_lost),
		cmocka_unit_test(test_reset_after),
	};

	return cmocka_run_group_tests_name("nvme_scribble", tests, start, fixture_stop);
}
