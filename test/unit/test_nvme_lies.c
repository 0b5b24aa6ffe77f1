/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers that say of themselves what cannot be, or what nobody could wait for or count. Each is
 * reset, which makes the library ask again.
 */
#include "fixture.h"

#include <rte_malloc.h>

#include "nvme_internal.h"
#include "pl_stop.h"

#define DEV "nvme_emu0"

#define CNS_NS	 0x00
#define CNS_CTRL 0x01

static struct pl_nvme_ctrlr *ctrlr;
static const struct pl_nvme_transport_ops *real;
static struct pl_nvme_transport_ops spy; /* looks on, and gives some answers itself */
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

#define LIE_CTRL(field, ...)                                                                       \
	lie(CNS_CTRL, offsetof(struct pl_nvme_id_ctrl, field),                                     \
	    &(const __typeof__(((struct pl_nvme_id_ctrl *)0)->field)){ __VA_ARGS__ },              \
	    sizeof(((struct pl_nvme_id_ctrl *)0)->field))
#define LIE_NS(field, ...)                                                                         \
	lie(CNS_NS, offsetof(struct pl_nvme_id_ns, field),                                         \
	    &(const __typeof__(((struct pl_nvme_id_ns *)0)->field)){ __VA_ARGS__ },                \
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
	pl_nvme_ctrlr_info(ctrlr, &info);
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
	pl_nvme_ctrlr_info(ctrlr, &info);
	assert_false(info.vwc);
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
static uint32_t slow_pmr(struct pl_nvme_transport *t, uint32_t off)
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
	ctrlr->deadline_ms = nvme_now_ms() + 100;
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
static uint32_t never_disabled(struct pl_nvme_transport *t, uint32_t off)
{
	if (off != NVME_REG_CSTS)
		return real->read32(t, off);
	if (++looks == 5)
		pl_eal_request_stop();
	return NVME_CSTS_RDY;
}

static bool asks_to_stop(struct pl_nvme_transport *t)
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

static uint32_t never_shut_down(struct pl_nvme_transport *t, uint32_t off)
{
	if (off != NVME_REG_CSTS)
		return real->read32(t, off);
	if (++looks == 5)
		pl_eal_request_stop();
	return NVME_CSTS_RDY | NVME_CSTS_SHST_OCCURRING;
}

static int spy_master(struct pl_nvme_transport *t, bool on)
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
	real = ctrlr->t->ops;
	spy = *real;
	ctrlr->t->ops = &spy;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_names, truth),
		cmocka_unit_test_teardown(test_no_write_cache, truth),
		cmocka_unit_test_teardown(test_shutdown_time, truth),
		cmocka_unit_test_teardown(test_slow_answers, truth),
		cmocka_unit_test_teardown(test_slow_pmr, truth),
		cmocka_unit_test_teardown(test_stop_a_bring_up, truth),
		cmocka_unit_test_teardown(test_stop_is_not_for_commands, truth),
		cmocka_unit_test(test_stop_a_shutdown),
	};

	return cmocka_run_group_tests_name("nvme_lies", tests, setup, NULL);
}
