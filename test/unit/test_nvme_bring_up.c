/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a controller is told, and when, while it comes up, is reset and goes: a transport between it
 * and the library looks on, and gives some answers itself.
 */
#include "fixture.h"

#include "mem_private.h"
#include "nvme_pcie.h"

#define DEV "nvme_emu0"

static struct pl_nvme_ctrlr *ctrlr;
static const struct nvme_func_ops *real;
static struct nvme_func_ops spy;
static unsigned int master_on, master_off;

static uint32_t reg(uint32_t off)
{
	return real->read32(nvme_func_of(ctrlr), off);
}

/* A controller that may do DMA goes on with what it was stopped in, unless it was reset before. */
static int spy_master(struct nvme_func *t, bool on)
{
	assert_ptr_equal(t, nvme_func_of(ctrlr));
	if (on) {
		assert_int_equal(reg(NVME_REG_CC) & NVME_CC_EN, 0);
		assert_int_equal(reg(NVME_REG_CSTS) & NVME_CSTS_RDY, 0);
	}
	*(on ? &master_on : &master_off) += 1;
	return real->master(t, on);
}

/* Shut down, and ready for ever. */
static uint32_t never_disabled(struct nvme_func *t, uint32_t off)
{
	return off == NVME_REG_CSTS ? NVME_CSTS_SHST_COMPLETE | NVME_CSTS_RDY
				    : real->read32(t, off);
}

static uint32_t refuses_address(struct nvme_func *t, uint32_t off)
{
	uint32_t value = real->read32(t, off);

	if (off == NVME_REG_CMBSTS)
		value |= NVME_CMBSTS_CBAI;
	if (off == NVME_REG_PMRSTS)
		value |= NVME_PMRSTS_CBAI;
	return value;
}

static void test_no_dma_before_disabled(void **state)
{
	(void)state;
	pthread_mutex_lock(&ctrlr->admin_lock);
	nvme_ctrlr_fail(ctrlr); /* stopped as it is, enabled */
	pthread_mutex_unlock(&ctrlr->admin_lock);
	assert_int_equal(master_off, 1);
	assert_int_equal(reg(NVME_REG_CC) & NVME_CC_EN, NVME_CC_EN);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(master_on, 1);
	assert_works(DEV);
}

static void test_doorbells_out_of_reach(void **state)
{
	size_t len = nvme_func_of(ctrlr)->doorbells_len;

	(void)state;
	nvme_func_of(ctrlr)->doorbells_len = 8 * nvme_pcie_of(ctrlr)->db_stride - 1;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ENOTSUP);
	assert_errmsg("doorbells");
	nvme_func_of(ctrlr)->doorbells_len = len;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_works(DEV);
}

/* Memory that is given up: the addresses become another's, and the controller must not answer to
 * them. It is driven without. */
static void test_memory_given_up(void **state)
{
	(void)state;
	pthread_mutex_lock(&ctrlr->admin_lock);
	nvme_devmem_detach(ctrlr);
	spy.read32 = refuses_address;
	assert_int_equal(nvme_devmem_attach(ctrlr), 0);
	spy.read32 = real->read32;
	assert_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_CMB));
	assert_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_PMR));
	assert_int_equal(real->read64(nvme_func_of(ctrlr), NVME_REG_CMBMSC), NVME_CMBMSC_CRE);
	assert_int_equal(reg(NVME_REG_PMRMSCL) & NVME_PMRMSC_CMSE, 0);
	assert_int_equal(nvme_devmem_attach(ctrlr), 0);
	pthread_mutex_unlock(&ctrlr->admin_lock);
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_CMB));
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_PMR));
	assert_works(DEV);
}

static void test_lists_without_their_queue(void **state)
{
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts), .depth = 4, .prp_in_cmb = 1 };
	struct pl_nvme_qpair *qp;

	(void)state;
	ctrlr->info.cmbloc &= ~NVME_CMBLOC_CDPCILS;
	assert_int_equal(pl_nvme_qpair_create(ctrlr, &opts, &qp), -ENOTSUP);
	assert_errmsg("sq=cmb");
	opts.sq_in_cmb = 1;
	assert_int_equal(pl_nvme_qpair_create(ctrlr, &opts, &qp), 0);
	pl_nvme_qpair_destroy(qp);
	ctrlr->info.cmbloc |= NVME_CMBLOC_CDPCILS;
}

/* A CMB that is full is not mended by more host memory. */
static void test_queue_without_room(void **state)
{
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts), .sq_in_cmb = 1 };
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr, PL_MEM_CMB);
	struct pl_p2p_heap_stats stats;
	struct pl_nvme_qpair *qp;
	void *all;

	(void)state;
	pl_p2p_heap_stats(heap, &stats);
	assert_int_equal(pl_p2p_alloc(heap, stats.largest_free, 0, &all), 0);
	assert_int_equal(pl_nvme_qpair_create(ctrlr, &opts, &qp), -ENOMEM);
	assert_errmsg("in its CMB of 65536");
	pl_p2p_heap_set_gone(heap, true);
	assert_int_equal(pl_nvme_qpair_create(ctrlr, &opts, &qp), -ENODEV);
	assert_errmsg("reset the controller");
	pl_p2p_heap_set_gone(heap, false);
	pl_p2p_free(heap, all);
}

/* Memory of the EAL's that cannot be mapped is not for devices, and the EAL has it back. */
static void test_memory_out_of_reach(void **state)
{
	struct pl_pool_stats before, after;
	struct pl_mem_info info;
	void *p, *q;

	(void)state;
	p = pl_mem_zalloc(KIB(8), RTE_MAX_NUMA_NODES - 1); /* where there is none */
	assert_non_null(p);
	assert_true(pl_mem_registered(p, KIB(8)));
	pl_mem_free(p);

	/* A chunk of its own, whose place something else takes. */
	p = pl_mem_zalloc(MIB(9), -1);
	assert_non_null(p);
	assert_int_equal(pl_mem_lookup(p, &info), 0);
	assert_false(info.external);
	pl_pool_stats(&before);
	pl_mem_free(p);
	pl_pool_stats(&after);
	assert_int_equal(after.chunks, before.chunks - 1);
	assert_int_equal(pl_mem_lookup(p, &info), -ENOENT);
	info = (struct pl_mem_info){ .va = p, .len = MIB(1) };
	assert_int_equal(pl_region_add(&info), 0);
	q = pl_mem_zalloc(MIB(9), -1);
	assert_null(q);
	assert_errmsg("overlap the registered region");
	pl_region_remove(p);
	before = after;
	pl_pool_stats(&after);
	assert_memory_equal(&after, &before, sizeof(after));
	q = pl_mem_zalloc(MIB(9), -1);
	assert_ptr_equal(q, p);
	pl_mem_free(q);
}

static bool always(struct nvme_func *t)
{
	(void)t;
	return true;
}

/* Who unbinds the controller does not wait for a command that it does not answer. */
static void test_asked_back_in_a_command(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };

	(void)state;
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_HANG });
	spy.asked_back = always;
	assert_int_equal(pl_nvme_admin(ctrlr, &sqe, NULL, 0, NULL, NULL), -ENODEV);
	assert_errmsg("wants the device back");
	spy.asked_back = real->asked_back;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_works(DEV);
}

/* Last, for it ends the EAL: queues are freed, so a controller that still has them does no DMA. */
static void test_ignores_its_end(void **state)
{
	(void)state;
	master_off = 0;
	spy.read32 = never_disabled;
	ctrlr->ready_timeout_ms = 1;
	pl_eal_cleanup();
	assert_int_equal(master_off, 1);
}

static int setup(void **state)
{
	static const char *const vdevs[] = { DEV ",size=1M,cmb=64K,pmr=64K" };
	int rc;

	(void)state;
	random_start();
	rc = fixture_start(vdevs, RTE_DIM(vdevs), 1);
	if (rc)
		return rc;
	ctrlr = ctrlr_of(DEV);
	real = nvme_func_of(ctrlr)->ops;
	spy = *real;
	spy.master = spy_master;
	nvme_func_of(ctrlr)->ops = &spy;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_dma_before_disabled),
		cmocka_unit_test(test_doorbells_out_of_reach),
		cmocka_unit_test(test_memory_given_up),
		cmocka_unit_test(test_lists_without_their_queue),
		cmocka_unit_test(test_queue_without_room),
		cmocka_unit_test(test_memory_out_of_reach),
		cmocka_unit_test(test_asked_back_in_a_command),
		cmocka_unit_test(test_ignores_its_end),
	};

	return cmocka_run_group_tests_name("nvme_bring_up", tests, setup, NULL);
}
