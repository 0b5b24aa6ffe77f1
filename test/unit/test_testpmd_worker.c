/* SPDX-License-Identifier: BSD-3-Clause */
/* peerlane-testpmd's workers on an emulated controller that works, fails, hangs or goes away. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_eal.h>

#include "cli.h"
#include "emu_test.h"
#include "nvme_pcie.h"
#include "options.h"
#include "target.h"
#include "verify.h"
#include "worker.h"
#include "workload.h"

#define BLOCKS 512u /* of 4 KiB: 2 MiB */

static struct testpmd_opts opts;
static struct app_target target;
static struct run_state run;

/* Resolves and refuses on a namespace that exists. */
static void test_resolve(void **state)
{
	struct app_target t;

	(void)state;
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:1:8", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), 0);
	assert_int_equal(t.nlb, BLOCKS * 8 - 8);
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:1:4095+1", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), 0);
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:1:4095+2", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "LBAs 4095+2"));
	assert_non_null(strstr(app_errmsg(), "4096 LBAs"));
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:1:1+18446744073709551615", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), -EINVAL);
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:1:4096", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), -EINVAL);
	assert_int_equal(app_target_parse("SRC", "nvme_emu0:2", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), -ENOENT);
	assert_int_equal(app_target_parse("SRC", "nvme_emu1", &t), 0);
	assert_int_equal(app_target_resolve("SRC", &t), -ENOENT);
	assert_non_null(strstr(app_errmsg(), "nvme_emu0"));
}

static void inject(enum nvme_emu_fault fault, uint8_t opc, uint16_t status, uint32_t count)
{
	struct nvme_emu_inject in = {
		.fault = fault, .qid = 1, .opc = opc, .status = status, .count = count
	};

	nvme_emu_inject(nvme_func_of(target.ns->ctrlr), &in);
}

static void start(struct worker *w, const char *workload, uint64_t count, bool verify)
{
	struct worker_place place = {
		.target = &target, .lcore = rte_get_main_lcore(), .index = 0, .count = 1
	};

	memset(&opts, 0, sizeof(opts));
	opts.workload = workload_find(workload);
	opts.bs = 4096;
	opts.bs_text = "4K";
	opts.qd = 8;
	opts.count = count;
	opts.rwmixread = 50;
	opts.seed = 3;
	opts.verify = verify;
	memset(&run, 0, sizeof(run));
	run.deadline = UINT64_MAX;
	run.stall = 30 * rte_get_tsc_hz();
	assert_int_equal(worker_create(w, &run, &opts, &place), 0);
}

/* Polls until the worker is through @phase. */
static void go(struct worker *w, enum phase phase)
{
	run.phase = (int)phase;
	while (w->finished != (int)phase)
		worker_poll(w);
}

static void test_count(void **state)
{
	struct worker w;

	(void)state;
	start(&w, "read", 1000, false);
	go(&w, PHASE_RUN);
	assert_int_equal(w.ios, 1000);
	assert_int_equal(w.latency[0].count, 1000);
	assert_int_equal(w.latency[1].count, 0);
	assert_int_equal(w.qstats.commands, 1000);
	assert_int_equal(w.nb_free, 8);
	assert_true(w.end > 0);
	worker_destroy(&w);
}

/* What began before `measure` is not recorded; after the deadline nothing begins. */
static void test_times(void **state)
{
	struct worker w;

	(void)state;
	start(&w, "randread", 0, false);
	run.measure = UINT64_MAX;
	run.deadline = rte_rdtsc() + rte_get_tsc_hz() / 50;
	go(&w, PHASE_RUN);
	assert_true(w.ios > 0);
	assert_int_equal(w.latency[0].count, 0);
	worker_destroy(&w);

	start(&w, "randread", 0, false);
	run.deadline = 0;
	go(&w, PHASE_RUN);
	assert_int_equal(w.ios, 0);
	worker_destroy(&w);
}

static void test_verify(void **state)
{
	struct worker w;

	(void)state;
	start(&w, "write", BLOCKS + 10, true);
	go(&w, PHASE_RUN);
	assert_int_equal(verify_written(&w), BLOCKS);
	go(&w, PHASE_READBACK);
	assert_int_equal(w.verify->readback, BLOCKS);
	assert_int_equal(w.verify->mismatches, 0);
	worker_destroy(&w);

	/* The device holds what seed 3 wrote: read back as seed 4 every block is wrong. */
	start(&w, "write", BLOCKS, true);
	go(&w, PHASE_RUN);
	w.verify->key = pattern_key(4, w.device, 1);
	go(&w, PHASE_READBACK);
	assert_int_equal(w.verify->readback, 0);
	assert_int_equal(w.verify->mismatches, BLOCKS);
	assert_non_null(strstr(w.message, "nvme_emu0 NSID 1: LBA "));
	worker_destroy(&w);

	start(&w, "randrw", 3000, true);
	go(&w, PHASE_RUN);
	go(&w, PHASE_READBACK);
	assert_int_equal(w.verify->compares, w.latency[0].count);
	assert_int_equal(w.verify->readback, verify_written(&w));
	assert_int_equal(w.latency[0].count + w.latency[1].count, 3000);
	assert_int_equal(w.verify->mismatches, 0);
	worker_destroy(&w);
}

static void test_errors(void **state)
{
	struct worker w;

	(void)state;
	start(&w, "read", 100, false);
	inject(NVME_EMU_FAULT_STATUS, NVME_CMD_READ, NVME_SC_UNRECOVERED_READ, 3);
	go(&w, PHASE_RUN);
	assert_int_equal(w.errors, 3);
	assert_int_equal(w.latency[0].count, 97);
	assert_non_null(strstr(w.message, "nvme_emu0 NSID 1: read of LBA 0+8: Unrecovered Read"));
	assert_int_equal(w.failed, 0);
	worker_destroy(&w);

	/* A block whose write failed is not expected to hold anything. */
	start(&w, "write", BLOCKS, true);
	inject(NVME_EMU_FAULT_STATUS, NVME_CMD_WRITE, NVME_SC_WRITE_FAULT, 2);
	go(&w, PHASE_RUN);
	go(&w, PHASE_READBACK);
	assert_int_equal(w.errors, 2);
	assert_int_equal(verify_written(&w), BLOCKS - 2);
	assert_int_equal(w.verify->readback, BLOCKS - 2);
	worker_destroy(&w);

	start(&w, "read", 100, true);
	inject(NVME_EMU_FAULT_STATUS, NVME_CMD_COMPARE, NVME_SC_COMPARE_FAILURE, 1);
	go(&w, PHASE_RUN);
	assert_int_equal(w.verify->mismatches, 1);
	assert_int_equal(w.verify->compares, 99);
	assert_int_equal(w.errors, 0);
	worker_destroy(&w);
}

/* Last: the controller is of no use afterwards. */
static void test_hang(void **state)
{
	struct worker w;

	(void)state;
	start(&w, "read", 100, false);
	run.stall = rte_get_tsc_hz() / 20;
	inject(NVME_EMU_FAULT_HANG, 0, 0, 0);
	go(&w, PHASE_RUN);
	assert_int_equal(w.failed, -ETIMEDOUT);
	assert_int_equal(run.abort, 1);
	assert_int_equal(w.in_flight, 8);
	assert_non_null(strstr(w.message, "no command completed"));
	go(&w, PHASE_READBACK); /* returns at once */
	inject(NVME_EMU_FAULT_NONE, 0, 0, 0);
	worker_destroy(&w);
}

static int setup(void **state)
{
	static char prog[] = "test_testpmd_worker", l[] = "-l", zero[] = "0", vdev[] = "--vdev",
		    emu[] = "nvme_emu0,size=2M", huge[] = "--no-huge";
	char *argv[] = { prog, l, zero, vdev, emu, huge, NULL };

	(void)state;
	if (pl_eal_init(getenv("PL_TEST_NO_HUGE") ? 6 : 5, argv) < 0) {
		print_error("%s\n", pl_errmsg());
		return -1;
	}
	if (app_target_parse("", "nvme_emu0", &target))
		return -1;
	return app_target_resolve("", &target);
}

static int teardown(void **state)
{
	(void)state;
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_count),
		cmocka_unit_test(test_times),   cmocka_unit_test(test_verify),
		cmocka_unit_test(test_errors),  cmocka_unit_test(test_hang),
	};

	return cmocka_run_group_tests_name("testpmd_worker", tests, setup, teardown);
}
