/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the data of a command lies: memory that is not registered any more, that ends too early,
 * the controller's own CMB and PMR.
 */
#include "fixture.h"

#include <sys/mman.h>

#include "nvme_internal.h"

#define DEV  "nvme_emu0" /* CMB, PMR */
#define BARE "nvme_emu1"
#define BS   512u

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

/* ---- use after unmap ---- */

static uint8_t *map_pages(size_t len)
{
	uint8_t *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(pl_mem_register(mem, len), 0);
	return mem;
}

static void assert_fault(const uint8_t *at, uint32_t access)
{
	struct pl_iommu_fault fault;

	assert_int_equal(pl_ioas_fault_next(pl_ioas_default(), &fault), 0);
	assert_string_equal(fault.device, DEV);
	assert_int_equal(fault.iova, (uintptr_t)at);
	assert_int_equal(fault.access, access);
	assert_string_equal(fault.reason, "not mapped");
	assert_int_equal(pl_ioas_fault_next(pl_ioas_default(), &fault), -ENOENT);
}

/*
 * The registration ends while the program still uses the buffer. Debug builds would name the op, so
 * only the IOMMU's half of the registration goes here: what a device sees is the same.
 */
static void test_use_after_unmap(void **state)
{
	struct pl_ioas *ioas = pl_ioas_default();
	uint8_t *mem = map_pages(4 * PAGE);
	struct pl_ioas_stats before, after;
	struct nvme_emu_counters lost, more;

	(void)state;
	faults_clear();
	memset(out, 0x21, 4 * PAGE);
	write_blocks(qp, ns, out, 0, 32);
	memset(mem, 0x55, 4 * PAGE);
	assert_int_equal(pl_ioas_unmap(ioas, mem, 4 * PAGE), 0);
	pl_ioas_stats(ioas, &before);
	nvme_emu_counters(func_of(DEV), &lost);

	/* The device reads: it sees that it cannot, and the medium stays as it was. */
	assert_int_equal(CODE(run(ns, NVME_CMD_WRITE, mem + PAGE + 1024, 0, 2, 0)),
			 NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(mem + PAGE + 1024, PL_IOMMU_READ);
	assert_int_equal(CODE(run(ns, NVME_CMD_COMPARE, mem, 0, 2, 0)),
			 NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(mem, PL_IOMMU_READ);
	assert_int_equal(CODE(run(ns, NVME_CMD_DSM, mem + 64, 0, 2, 0)),
			 NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(mem + 64, PL_IOMMU_READ);
	assert_blocks(0, 32, out);

	/* The device writes: nobody tells it, so the status is 0; the memory is untouched. */
	assert_int_equal(run(ns, NVME_CMD_READ, mem + 512, 0, 1, 0), 0);
	assert_fault(mem + 512, PL_IOMMU_WRITE);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(mem[i], 0x55);
	nvme_emu_counters(func_of(DEV), &more);
	assert_int_equal(more.refused_bytes - lost.refused_bytes, 512);
	pl_ioas_stats(ioas, &after);
	assert_int_equal(after.faults - before.faults, 4);

	assert_int_equal(
		pl_ioas_map(ioas, mem, 4 * PAGE, PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_HOST), 0);
	assert_int_equal(run(ns, NVME_CMD_READ, mem, 0, 1, 0), 0);
	assert_int_equal(mem[0], 0x21);
	assert_int_equal(pl_mem_unregister(mem, 4 * PAGE), 0);
	munmap(mem, 4 * PAGE);
}

/* A mapping that ends in the middle of a transfer: the address is that of the first byte past it,
 * however the pages were reached. */
static void test_fault_inside_transfer(void **state)
{
	struct pl_ioas *ioas = pl_ioas_default();
	uint8_t *mem =
		mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	faults_clear();
	for (uint32_t good = 1; good < 8; good += 3) {
		assert_int_equal(pl_mem_register(mem, good * PAGE), 0);
		assert_int_equal(pl_mem_register(mem + good * PAGE, PAGE), 0);
		assert_int_equal(pl_ioas_unmap(ioas, mem + good * PAGE, PAGE), 0);
		assert_int_equal(CODE(run(ns, NVME_CMD_WRITE, mem + 2048, 0, good * 8, 0)),
				 NVME_SC_DATA_TRANSFER_ERROR);
		assert_fault(mem + good * PAGE, PL_IOMMU_READ);
		assert_int_equal(
			pl_ioas_map(ioas, mem + good * PAGE, PAGE, PL_IOMMU_READ, PL_MEM_HOST), 0);
		assert_int_equal(run(ns, NVME_CMD_WRITE, mem + 2048, 0, good * 8, 0), 0);
		assert_int_equal(pl_mem_unregister(mem + good * PAGE, PAGE), 0);
		assert_int_equal(pl_mem_unregister(mem, good * PAGE), 0);
	}
	munmap(mem, 32 * PAGE);
}

/* ---- buffers in the controller's own memory ---- */

static void own_memory(enum pl_mem_kind kind, enum pl_traffic_mem mem)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(DEV), kind);
	struct pl_nvme_traffic before, after;
	void *buf;

	assert_non_null(heap);
	assert_int_equal(pl_p2p_alloc(heap, 64 * BS, 0, &buf), 0);
	random_fill(out, 64 * BS);
	write_blocks(qp, ns, out, 0, 64);
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(DEV), &before, sizeof(before)), 0);
	read_blocks(qp, ns, buf, 0, 64);
	write_blocks(qp, ns, buf, 64, 64);
	assert_int_equal(pl_nvme_ctrlr_traffic(ctrlr_of(DEV), &after, sizeof(after)), 0);
	for (int dir = 0; dir < 2; dir++)
		for (int m = 0; m < PL_TRAFFIC_MEMS; m++)
			assert_int_equal(after.bytes[PL_TRAFFIC_DATA][m][dir] -
						 before.bytes[PL_TRAFFIC_DATA][m][dir],
					 m == (int)mem ? 64 * BS : 0);
	assert_blocks(64, 64, out);
	pl_p2p_free(heap, buf);
}

static void test_own_memory(void **state)
{
	(void)state;
	own_memory(PL_MEM_CMB, PL_TRAFFIC_OWN_CMB);
	own_memory(PL_MEM_PMR, PL_TRAFFIC_OWN_PMR);
	assert_null(pl_nvme_ctrlr_heap(ctrlr_of(DEV), PL_MEM_HOST));
	assert_null(pl_nvme_ctrlr_heap(ctrlr_of(BARE), PL_MEM_CMB));
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		DEV ",size=1M,bs=512,cmb=1M,pmr=1M,mdts=128K",
		BARE ",size=1M,bs=512",
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
		cmocka_unit_test(test_use_after_unmap),
		cmocka_unit_test(test_fault_inside_transfer),
		cmocka_unit_test(test_own_memory),
	};

	return cmocka_run_group_tests_name("nvme_buffers", tests, setup, teardown);
}
