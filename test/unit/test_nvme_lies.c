/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers that say of themselves what cannot be, or what nobody could wait for or count. Each
 * is reset, which makes the library ask again.
 */
#include "fixture.h"

#include <peerlane/pl_copy.h>

#include "nvme_pcie.h"
#include "pl_clock.h"
#include "pl_log.h"
#include "pl_stop.h"

#define DEV "nvme_emu0"

static struct pl_nvme_ctrlr *ctrlr;
static const struct nvme_func_ops *real;
static struct nvme_func_ops spy; /* looks on, and gives some answers itself */
static unsigned int looks, master_off;

/* Identify data of @cns has the @len bytes at @bytes at @offset. */
static void lie(uint8_t cns, size_t offset, const void *bytes, size_t len)
{
	struct nvme_emu_inject in = {
		.fault = NVME_EMU_FAULT_IDENTIFY,
		.cns = cns,
		.offset = (uint16_t)offset,
		.len = (uint8_t)len,
	};

	assert_true(len <= sizeof(in.data));
	memcpy(in.data, bytes, len);
	inject(DEV, &in);
}

#define LIE_CTRL(field, ...)                                                          \
	lie(NVME_CNS_CTRL, offsetof(struct pl_nvme_id_ctrl, field),                   \
	    &(const __typeof__(((struct pl_nvme_id_ctrl *)0)->field)){ __VA_ARGS__ }, \
	    sizeof(((struct pl_nvme_id_ctrl *)0)->field))
#define LIE_NS(field, ...)                                                          \
	lie(NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, field),                     \
	    &(const __typeof__(((struct pl_nvme_id_ns *)0)->field)){ __VA_ARGS__ }, \
	    sizeof(((struct pl_nvme_id_ns *)0)->field))

/* And back to the truth. */
static int truth(void **state)
{
	(void)state;
	spy = *real;
	looks = 0;
	master_off = 0;
	ctrlr->bring_up_ms = NVME_BRING_UP_MS;
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_works(DEV);
	return 0;
}

/* What a terminal or a JSON parser would take for more than text is not passed on. */
static void test_names(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	LIE_CTRL(sn, "\033[2J%n\"\\\x80\xff\0A\t       ");
	LIE_CTRL(fr, "\n1.0\x7f   ");
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	pl_nvme_ctrlr_info(ctrlr, &info, sizeof(info));
	assert_string_equal(info.serial, "?[2J%n\"\\???A?");
	assert_string_equal(info.firmware, "?1.0?");
	assert_string_equal(info.model, "Peerlane Emulated NVMe Controller");
}

static void test_no_write_cache(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	LIE_CTRL(vwc, 0x06); /* the behaviour of Flush is not the presence of a cache */
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	pl_nvme_ctrlr_info(ctrlr, &info, sizeof(info));
	assert_false(info.vwc);
}

/* ---- whether there is one at all ---- */

static uint64_t reads_zero(struct nvme_func *t, uint32_t off)
{
	return off == NVME_REG_CAP ? 0 : real->read64(t, off);
}

static void test_offline(void **state)
{
	(void)state;
	spy.read64 = reads_zero;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ENOTSUP);
	assert_errmsg("offline or all zero: CAP reads 0");
	assert_errmsg("virt-mgmt");
}

/* ---- where its memory is ---- */

static uint32_t cmbloc, pmr_bir;

static uint32_t wrong_place(struct nvme_func *t, uint32_t off)
{
	uint32_t value = real->read32(t, off);

	if (off == NVME_REG_CMBLOC && value)
		return cmbloc;
	if (off == NVME_REG_PMRCAP)
		return (value & ~(7u << 5)) | pmr_bir << 5;
	return value;
}

/* BAR 0 is as large as a CMB behind the registers needs. */
static uint64_t large_bar(struct nvme_func *t, unsigned int bir)
{
	return bir == 0 ? MIB(1) : real->bar_size(t, bir);
}

static unsigned int attached;

/* Nothing is mapped where registers are; what would be is written down. */
static int no_attach(struct nvme_func *t, unsigned int bir, uint64_t offset, size_t len, void *va,
		     enum pl_mem_kind kind)
{
	attached++;
	if (bir == 0)
		return pl_fail(-ENOTSUP, "BAR 0 + %llu", (unsigned long long)offset);
	return real->mem_attach(t, bir, offset, len, va, kind);
}

static void test_memory_over_registers(void **state)
{
	static const struct {
		uint32_t cmbloc, pmr_bir;
		unsigned int attached; /* of the two */
	} cases[] = {
		{ 0 << 12 | 0, EMU_PMR_BIR, 1 },  /* over the registers */
		{ 1 << 12 | 0, EMU_PMR_BIR, 1 },  /* over the doorbells */
		{ 32 << 12 | 0, EMU_PMR_BIR, 2 }, /* behind them */
		{ EMU_CMB_BIR, 0, 1 },            /* a PMR is the whole BAR */
		{ EMU_CMB_BIR, EMU_CMB_BIR, 1 },  /* one over the other */
	};
	unsigned int got[RTE_DIM(cases)];
	int rc[RTE_DIM(cases) + 1];

	(void)state;
	spy.read32 = wrong_place;
	spy.bar_size = large_bar;
	spy.mem_attach = no_attach;
	/* Nothing is judged before the lock is given back: the teardown takes it. */
	pthread_mutex_lock(&ctrlr->admin_lock);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		cmbloc = cases[i].cmbloc;
		pmr_bir = cases[i].pmr_bir;
		attached = 0;
		nvme_devmem_detach(ctrlr);
		rc[i] = nvme_devmem_attach(ctrlr);
		got[i] = attached;
	}
	spy = *real;
	nvme_devmem_detach(ctrlr);
	rc[RTE_DIM(cases)] = nvme_devmem_attach(ctrlr);
	pthread_mutex_unlock(&ctrlr->admin_lock);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(rc[i], 0);
		assert_int_equal(got[i], cases[i].attached);
	}
	assert_int_equal(rc[RTE_DIM(cases)], 0);
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_CMB));
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_PMR));
}

/* ---- how many, how large ---- */

static uint32_t count_namespaces(void)
{
	struct pl_nvme_ns *ns = NULL;
	uint32_t n = 0, last = 0;

	while ((ns = pl_nvme_ns_next(ctrlr, ns))) {
		assert_true(ns->nsid > last);
		last = ns->nsid;
		n++;
	}
	return n;
}

static void test_endless_list(void **state)
{
	(void)state;
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NS_LIST });
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(count_namespaces(), EMU_NN);
	LIE_CTRL(nn, UINT32_MAX);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(count_namespaces(), 1024);
	assert_null(pl_nvme_ns_get(ctrlr, 1025));
	assert_errmsg("it has 1024, up to 1024");
}

static void test_list_out_of_order(void **state)
{
	static const uint32_t lists[][3] = { { 1, 1, 2 }, { 1, 3, 2 } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(lists); i++) {
		lie(NVME_CNS_ACTIVE_NS, 0, lists[i], sizeof(lists[i]));
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ENODEV);
		assert_errmsg("not in order");
	}
}

/* What cannot be used is not there, and the controller is driven without it. */
static void assert_unusable(void)
{
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(count_namespaces(), 0);
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
}

static void test_size(void **state)
{
	(void)state;
	LIE_NS(nsze, (1ull << 55) + 8); /* 4096 in bytes, in 64 bits */
	assert_unusable();
	LIE_NS(nsze, 1ull << 54); /* 2^63 */
	assert_unusable();
	LIE_NS(nsze, UINT64_MAX);
	assert_unusable();
	LIE_NS(nsze, 2047); /* and a capacity of 2048 */
	assert_unusable();
	LIE_NS(nsze, (1ull << 54) - 1);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(ns_of(DEV, 1)->nlb, (1ull << 54) - 1);
}

static void test_format(void **state)
{
	static const struct pl_nvme_lbaf lbads[] = { { .lbads = 8 },
						     { .lbads = 17 },
						     { .lbads = 63 },
						     { .lbads = 255 },
						     { .lbads = 9, .ms = 8 } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(lbads); i++) {
		lie(NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, lbaf), &lbads[i], sizeof(lbads[i]));
		assert_unusable();
	}
	LIE_NS(flbas, 0x01); /* of one format */
	assert_unusable();
	LIE_NS(nlbaf, 14); /* bits 6:5 do not count yet */
	LIE_NS(flbas, 0x20);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(ns_of(DEV, 1)->lba_shift, 9);
	LIE_NS(nlbaf, 17);
	LIE_NS(flbas, 0x31); /* 17, bit 4: metadata would be in line */
	lie(NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, lbaf[17]),
	    &(struct pl_nvme_lbaf){ .lbads = 12 }, sizeof(struct pl_nvme_lbaf));
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(ns_of(DEV, 1)->lba_shift, 12);
	LIE_NS(flbas, 0x62); /* 50 */
	assert_unusable();
}

static void test_limits(void **state)
{
	static const uint8_t mdts[] = { 0, 20, 52, 63, 64, 255 };
	struct pl_nvme_ctrlr_info info;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(mdts); i++) {
		LIE_CTRL(mdts, mdts[i]);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
		pl_nvme_ctrlr_info(ctrlr, &info, sizeof(info));
		assert_int_equal(info.max_xfer, 4 << 20);
	}
	LIE_NS(mssrl, 0);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(ns_of(DEV, 1)->msrc, 0);
	assert_int_equal(ns_of(DEV, 1)->mcl, 0);
	assert_int_equal(truth(state), 0);
	assert_int_equal(ns_of(DEV, 1)->msrc, 128);
	LIE_NS(mcl, 0);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(ns_of(DEV, 1)->msrc, 0);
}

/* ---- which namespace it is ---- */

static void test_descriptors(void **state)
{
	static const uint8_t nobody[16], zeros[32];
	struct pl_nvme_ns was = *ns_of(DEV, 1), *ns;

	(void)state;
	assert_memory_not_equal(was.nguid, nobody, 16);
	assert_memory_not_equal(was.eui64, nobody, 8);
	assert_memory_not_equal(was.uuid, nobody, 16);
	assert_false(was.shared);
	LIE_NS(nmic, 1);
	/* A descriptor of a wrong length: not the names, and nothing behind it. */
	lie(NVME_CNS_NS_DESCS, 1, &(uint8_t){ 7 }, 1);
	LIE_NS(nguid, 0);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	ns = ns_of(DEV, 1);
	assert_true(ns->shared);
	assert_memory_equal(ns->eui64, was.eui64, 8); /* Identify Namespace has it as well */
	assert_memory_equal(ns->nguid, nobody, 16);
	assert_memory_equal(ns->uuid, nobody, 16);
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	lie(NVME_CNS_NS_DESCS, 0, zeros, sizeof(zeros));
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_memory_equal(ns_of(DEV, 1)->uuid, nobody, 16);
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_memory_equal(ns_of(DEV, 1)->uuid, was.uuid, 16);
}

static void test_subsystem(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	pl_nvme_ctrlr_info(ctrlr, &info, sizeof(info));
	assert_memory_equal(info.subnqn, "nqn.", 4);
	lie(NVME_CNS_CTRL, offsetof(struct pl_nvme_id_ctrl, subnqn), "nqn.\033[2J", 9);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	pl_nvme_ctrlr_info(ctrlr, &info, sizeof(info));
	assert_string_equal(info.subnqn, "nqn.?[2J");
}

/* Who holds a namespace through a reset holds that namespace, or one that does nothing. */
static void assert_refused(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	assert_int_equal(pl_nvme_submit(qp, &op, 1), 0);
	assert_int_equal(pl_nvme_qpair_error(qp), -EINVAL);
	assert_errmsg("went with a reset");
}

static void test_held_through_resets(void **state)
{
	struct pl_copy_opts opts = { .opts_size = sizeof(opts) };
	struct pl_nvme_ns *was = ns_of(DEV, 1), *is;
	uint8_t *buf = dma_alloc(PAGE);
	struct pl_nvme_qpair *qp;
	struct pl_copy *job;
	struct pl_nvme_op op;

	(void)state;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_ptr_equal(ns_of(DEV, 1), was);
	/* Another format: eight times the bytes for what was an op on one block. */
	LIE_NS(nsze, 200);
	LIE_NS(ncap, 200);
	lie(NVME_CNS_NS, offsetof(struct pl_nvme_id_ns, lbaf),
	    &(struct pl_nvme_lbaf){ .lbads = 12 }, sizeof(struct pl_nvme_lbaf));
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	is = ns_of(DEV, 1);
	assert_ptr_not_equal(is, was);
	assert_int_equal(was->lba_shift, 9);
	assert_int_equal(is->lba_shift, 12);
	qp = qpair_of(DEV, 8, 0);
	pl_nvme_op_read(&op, was, buf, 0, 1);
	assert_refused(qp, &op);
	pl_nvme_op_set(&op, NVME_CMD_FLUSH, was, NULL, 0, 0);
	assert_refused(qp, &op);
	pl_nvme_op_set(&op, NVME_CMD_WRITE_ZEROES, was, NULL, 0, 8);
	assert_refused(qp, &op);
	pl_nvme_qpair_destroy(qp);
	opts.src = pl_copy_ns_target(was, 0, 8);
	opts.dst = pl_copy_ns_target(was, 1024, 0);
	assert_int_equal(pl_copy_create(&opts, &job), -ENODEV);
	assert_errmsg("since the last reset");
	/* The same one again */
	assert_int_equal(truth(state), 0);
	assert_ptr_equal(ns_of(DEV, 1), was);
	/* Gone, and nobody in its place */
	lie(NVME_CNS_ACTIVE_NS, 0, &(uint32_t){ 0 }, 4);
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_int_equal(count_namespaces(), 0);
	assert_int_equal(was->nsid, 1);
	pl_mem_free(buf);
}

/* ---- how long ---- */

static void test_shutdown_time(void **state)
{
	static const struct {
		uint32_t said_us;
		uint64_t believed_ms;
	} cases[] = { { 0, 5000 }, { 999, 5000 }, { 7000000, 7000 }, { UINT32_MAX, 30000 } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		LIE_CTRL(rtd3e, cases[i].said_us);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
		assert_int_equal(ctrlr->shutdown_timeout_ms, cases[i].believed_ms);
	}
}

/* Each command is answered in its time, and all of them are not. */
static void test_slow_answers(void **state)
{
	(void)state;
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_SLOW, .count = 100 });
	ctrlr->bring_up_ms = 150;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ETIMEDOUT);
	assert_errmsg("as a whole");
	assert_int_equal(ctrlr->deadline_ms, 0); /* what follows is no bring-up */
}

/* Ready in 256 minutes, it says. */
static uint32_t slow_pmr(struct nvme_func *t, uint32_t off)
{
	uint32_t value = real->read32(t, off);

	if (off == NVME_REG_PMRCAP)
		value |= 0xffu << 16 | 1u << 8;
	if (off == NVME_REG_PMRSTS)
		value |= NVME_PMRSTS_NRDY;
	return value;
}

/* Without it the controller is of use all the same; but its users cannot do without. */
static void test_slow_pmr(void **state)
{
	(void)state;
	spy.read32 = slow_pmr;
	ctrlr->bring_up_ms = 200;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ETIMEDOUT);
	assert_errmsg("make its PMR ready in the time that it gets as a whole");
	assert_int_equal(truth(state), 0);

	spy.read32 = slow_pmr;
	pthread_mutex_lock(&ctrlr->admin_lock);
	nvme_devmem_detach(ctrlr);
	ctrlr->deadline_ms = pl_now_ms() + 100;
	assert_int_equal(nvme_devmem_attach(ctrlr), 0);
	ctrlr->deadline_ms = 0;
	assert_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_PMR));
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_CMB));
	spy = *real;
	nvme_devmem_detach(ctrlr);
	assert_int_equal(nvme_devmem_attach(ctrlr), 0);
	pthread_mutex_unlock(&ctrlr->admin_lock);
	assert_non_null(pl_nvme_ctrlr_heap(ctrlr, PL_MEM_PMR));
}

/* ---- until somebody has had enough ---- */

/* Ready for ever, and Ctrl-C while that is waited for. */
static uint32_t never_disabled(struct nvme_func *t, uint32_t off)
{
	if (off != NVME_REG_CSTS)
		return real->read32(t, off);
	if (++looks == 5)
		pl_eal_request_stop();
	return NVME_CSTS_RDY;
}

static bool asks_to_stop(struct nvme_func *t)
{
	(void)t;
	if (++looks == 5)
		pl_eal_request_stop();
	return false;
}

static void test_stop_a_bring_up(void **state)
{
	(void)state;
	spy.read32 = never_disabled;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ECANCELED);
	assert_errmsg("asked to stop");
	assert_errmsg("become not ready");
	assert_true(looks < 10);
	assert_false(pl_eal_stop_requested());
	assert_int_equal(truth(state), 0);

	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_SLOW, .count = 3600000 });
	spy.asked_back = asks_to_stop;
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), -ECANCELED);
	assert_errmsg("answer an admin command");
	assert_false(pl_eal_stop_requested());
}

/* Who asks while nothing comes up or goes means the program's own work. */
static void test_stop_is_not_for_commands(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };

	(void)state;
	pl_eal_request_stop();
	assert_true(pl_eal_stop_requested());
	assert_int_equal(pl_nvme_admin(ctrlr, &sqe, NULL, 0, NULL, NULL), 0);
	assert_works(DEV);
	assert_true(pl_eal_stop_requested());
	pl_stop_clear();
}

static uint32_t never_shut_down(struct nvme_func *t, uint32_t off)
{
	if (off != NVME_REG_CSTS)
		return real->read32(t, off);
	if (++looks == 5)
		pl_eal_request_stop();
	return NVME_CSTS_RDY | NVME_CSTS_SHST_OCCURRING;
}

static int spy_master(struct nvme_func *t, bool on)
{
	master_off += !on;
	return real->master(t, on);
}

/* Last, for it ends the EAL. A request from before does not count. */
static void test_stop_a_shutdown(void **state)
{
	(void)state;
	pl_eal_request_stop();
	spy.read32 = never_shut_down;
	spy.master = spy_master;
	pl_eal_cleanup();
	assert_in_range(looks, 5, 10);
	assert_int_equal(master_off, 1); /* its queues' memory is free */
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
	nvme_func_of(ctrlr)->ops = &spy;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_names, truth),
		cmocka_unit_test_teardown(test_no_write_cache, truth),
		cmocka_unit_test_teardown(test_offline, truth),
		cmocka_unit_test_teardown(test_memory_over_registers, truth),
		cmocka_unit_test_teardown(test_endless_list, truth),
		cmocka_unit_test_teardown(test_list_out_of_order, truth),
		cmocka_unit_test_teardown(test_size, truth),
		cmocka_unit_test_teardown(test_format, truth),
		cmocka_unit_test_teardown(test_limits, truth),
		cmocka_unit_test_teardown(test_descriptors, truth),
		cmocka_unit_test_teardown(test_subsystem, truth),
		cmocka_unit_test_teardown(test_held_through_resets, truth),
		cmocka_unit_test_teardown(test_shutdown_time, truth),
		cmocka_unit_test_teardown(test_slow_answers, truth),
		cmocka_unit_test_teardown(test_slow_pmr, truth),
		cmocka_unit_test_teardown(test_stop_a_bring_up, truth),
		cmocka_unit_test_teardown(test_stop_is_not_for_commands, truth),
		cmocka_unit_test(test_stop_a_shutdown),
	};

	return cmocka_run_group_tests_name("nvme_lies", tests, setup, NULL);
}
