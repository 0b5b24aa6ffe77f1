/* SPDX-License-Identifier: BSD-3-Clause */
/* peerlane-testpmd: its options, its data pattern, and what --verify keeps track of. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "options.h"
#include "verify.h"
#include "worker.h"
#include "workload.h"

static struct testpmd_opts opts;

/* Parses @line, split at blanks, as what follows "--". */
static int parse(const char *line)
{
	static char copy[256], prog[] = "peerlane-testpmd", dashes[] = "--";
	char *argv[32] = { prog, dashes };
	struct app_cli cli;
	int argc = 2;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	app_cli_init(&cli, argc, argv);
	return options_parse(&cli, &opts);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("-w randread"), 0);
	assert_string_equal(opts.workload->name, "randread");
	assert_int_equal(opts.bs, 4096);
	assert_int_equal(opts.qd, 32);
	assert_int_equal(opts.seconds, 1);
	assert_int_equal(opts.count, 0);
	assert_int_equal(opts.nb_devices, 0);
	assert_false(opts.verify);

	assert_int_equal(parse("-w copy"), 0);
	assert_int_equal(opts.bs, 128 << 10);
	assert_int_equal(opts.qd, 0);
	assert_int_equal(opts.via.via, PL_COPY_VIA_AUTO);

	/* A count alone has no time limit. */
	assert_int_equal(parse("-w read --count 5"), 0);
	assert_int_equal(opts.seconds, 0);
	assert_int_equal(parse("-w read --count 5 -t 3"), 0);
	assert_int_equal(opts.seconds, 3);
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(parse("--workload randrw --bs 8K --qd 4 --rwmixread 70 --time 9 -a 2 "
			       "--verify --json f --seed 42 --devices nvme_emu0,01:00.0:2:8+16"),
			 0);
	assert_string_equal(opts.workload->name, "randrw");
	assert_int_equal(opts.bs, 8192);
	assert_int_equal(opts.qd, 4);
	assert_int_equal(opts.rwmixread, 70);
	assert_int_equal(opts.seconds, 9);
	assert_int_equal(opts.warmup, 2);
	assert_int_equal(opts.seed, 42);
	assert_true(opts.verify);
	assert_string_equal(opts.json, "f");
	assert_int_equal(opts.nb_devices, 2);
	assert_string_equal(opts.devices[1].device, "0000:01:00.0");
	assert_int_equal(opts.devices[1].nlb, 16);

	assert_int_equal(parse("-w copy --src nvme_emu0 --dst nvme_emu1:1:8 --via host"), 0);
	assert_true(opts.src_given && opts.dst_given);
	assert_int_equal(opts.dst.slba, 8);
	assert_int_equal(opts.via.via, PL_COPY_VIA_HOST);
}

static void test_bad_options(void **state)
{
	/* The line, and what the message must name. */
	static const char *const rows[][2] = {
		{ "", "-w is missing; accepted is read, write, randread" },
		{ "-w sideways", "-w sideways: no such workload; accepted is read" },
		{ "-w read -o 0", "-o 0: accepted" },
		{ "-w read -o 1G", "-o 1G: accepted" },
		{ "-w read -o 4x", "-o 4x: not a size" },
		{ "-w read -q 0", "-q 0: accepted is a number from 1" },
		{ "-w read -q 65536", "-q 65536" },
		{ "-w read -t 0", "-t 0" },
		{ "-w read -t 1.5", "-t 1.5" },
		{ "-w read --count 0", "--count 0" },
		{ "-w read -M 50", "-M 50: only rw and randrw" },
		{ "-w randrw -M 101", "-M 101: accepted is a number from 0 to 100" },
		{ "-w read --src nvme_emu0", "--src: only for -w copy" },
		{ "-w read --via dst", "--via: only for -w copy" },
		{ "-w copy --devices nvme_emu0", "--devices: not for -w copy" },
		{ "-w copy --src nvme_emu0", "--dst is missing" },
		{ "-w copy --dst nvme_emu0", "--src is missing" },
		{ "-w copy --via 1:2", "--via 1:2: accepted" },
		{ "-w read --devices nvme_emu0,", "--devices : no such form of device" },
		{ "-w read --devices 0000:01:00", "--devices 0000:01:00: no such form" },
		{ "-w read --count 1 -a 1", "-a 1: a warm-up with --count needs -t" },
		{ "-w read --no-such-option", "--no-such-option" },
		{ "-w read stray", "unexpected argument stray" },
		{ "-w read -o", "option -o needs a value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i][0]), -EINVAL);
		assert_non_null(strstr(app_errmsg(), rows[i][1]));
	}
}

/* An engine that the program has never heard of. */
static const struct engine sing_engine;
static const struct workload sing_workloads[] = {
	{ "hum", &sing_engine },
	{ "sing", &sing_engine },
};

static const struct workload *sing_workload(unsigned int i)
{
	return i < 2 ? &sing_workloads[i] : NULL;
}

static int parse_pitch(const char *arg, struct testpmd_opts *o)
{
	return app_cli_u64("--pitch", arg, 1, 9, &o->seed);
}

static int sing_check(const struct testpmd_opts *o)
{
	return o->verify ? app_fail(-EINVAL, "--verify: nobody hears it") : 0;
}

static const struct engine_option sing_options[] = {
	{ .longopt = "pitch",
	  .letter = 'P',
	  .help = "  -P, --pitch N\n",
	  .before = "seed",
	  .parse = parse_pitch },
	{ NULL },
};

static const struct engine sing_engine = {
	.rank = 100,
	.bs = 512,
	.bs_text = "512",
	.qd = 7,
	.bs_help = "a breath (512)",
	.count_help = "songs",
	.help = "It sings.\n",
	.ends = "a song",
	.options = sing_options,
	.check = sing_check,
	.workload = sing_workload,
};

ENGINE_REGISTER(sing_engine)

/* All that options, messages and the usage text say of an engine comes out of its table. */
static void test_engine(void **state)
{
	char usage[4096];

	(void)state;
	assert_int_equal(parse("-w hum -P 3"), 0);
	assert_ptr_equal(opts.workload, &sing_workloads[0]);
	assert_int_equal(opts.bs, 512);
	assert_string_equal(opts.bs_text, "512");
	assert_int_equal(opts.qd, 7);
	assert_int_equal(opts.seed, 3);
	assert_int_equal(parse("--pitch 4 -w sing"), 0);
	assert_int_equal(opts.seed, 4);

	assert_int_equal(parse("-w read --pitch 4"), -EINVAL);
	assert_string_equal(app_errmsg(), "--pitch: only for -w hum or sing, not for -w read");
	assert_int_equal(parse("-w sing --devices nvme_emu0"), -EINVAL);
	assert_string_equal(app_errmsg(), "--devices: not for -w sing; give a song");
	assert_int_equal(parse("-w sing --verify"), -EINVAL);
	assert_string_equal(app_errmsg(), "--verify: nobody hears it");
	assert_int_equal(parse("-w sing --via dst"), -EINVAL);
	assert_string_equal(app_errmsg(), "--via: only for -w copy, not for -w sing");
	assert_int_equal(parse("-w shout"), -EINVAL);
	assert_string_equal(app_errmsg(), "-w shout: no such workload; accepted is read, write, "
					  "randread, randwrite, rw, randrw, copy, hum or sing");

	options_usage(usage, sizeof(usage));
	assert_non_null(strstr(usage, "randrw, copy, hum or sing\n"));
	assert_non_null(strstr(usage, "a copy's chunk (128K), of a breath (512)\n"));
	assert_non_null(strstr(usage, "or copies, or songs (no time limit"));
	assert_non_null(strstr(usage, "  -P, --pitch N\n      --seed N"));
	assert_non_null(strstr(usage, "It sings.\n"));
}

static void test_pattern(void **state)
{
	uint64_t key = pattern_key(1, "nvme_emu0", 1), other = pattern_key(1, "nvme_emu1", 1);
	uint64_t a[512 * 8 / 8], b[512 * 8 / 8];

	(void)state;
	/* The same LBA has the same data, however the write that covers it lies. */
	pattern_fill(a, key, 100, 8, 9);
	pattern_fill(b, key, 103, 2, 9);
	assert_memory_equal(a + 3 * 64, b, 1024);
	assert_int_equal(pattern_check(a, key, 100, 8, 9), 8);

	/* Not so: another place, device, namespace or seed, or one flipped bit. */
	assert_int_equal(pattern_check(a, key, 101, 7, 9), 0);
	assert_int_equal(pattern_check(a, other, 100, 8, 9), 0);
	assert_int_equal(pattern_check(a, pattern_key(1, "nvme_emu0", 2), 100, 8, 9), 0);
	assert_int_equal(pattern_check(a, pattern_key(2, "nvme_emu0", 1), 100, 8, 9), 0);
	a[5 * 64 + 63] ^= 1ull << 63;
	assert_int_equal(pattern_check(a, key, 100, 8, 9), 5);

	/* A 4 KiB LBA is one unit. */
	pattern_fill(a, key, 7, 1, 12);
	assert_int_equal(pattern_check(a, key, 7, 1, 12), 1);
	a[0] = ~a[0];
	assert_int_equal(pattern_check(a, key, 7, 1, 12), 0);
}

static void test_random(void **state)
{
	uint64_t rng = 1, seen = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t v = random_below(&rng, 37);

		assert_in_range(v, 0, 36);
		seen |= 1ull << v;
	}
	assert_int_equal(seen, (1ull << 37) - 1);
	assert_int_equal(random_below(&rng, 1), 0);
}

/* A worker that has bitmaps and slots but no device. */
static void fake_worker(struct worker *w, struct pl_nvme_ns *ns, uint64_t blocks)
{
	static struct io_slot *free_slots[8];
	static struct pl_nvme_op *todo[8];

	memset(w, 0, sizeof(*w));
	w->ns = ns;
	w->nb_blocks = blocks;
	w->block_lbas = 2;
	w->first_lba = 50;
	w->free = free_slots;
	w->todo = todo;
	strcpy(w->device, "dev");
	assert_int_equal(verify_create(w, pattern_key(9, "dev", 1)), 0);
}

static void test_claims(void **state)
{
	struct pl_nvme_ns ns = { .nsid = 1, .lba_shift = 9, .nlb = 1000 };
	struct worker w;

	(void)state;
	fake_worker(&w, &ns, 70);
	assert_int_equal(verify_claim(&w, 69), 69);
	assert_int_equal(verify_claim(&w, 69), 0); /* wraps */
	assert_int_equal(verify_claim(&w, 68), 68);
	assert_int_equal(verify_claim(&w, 68), 1);
	verify_destroy(&w);
}

static void test_readback(void **state)
{
	struct pl_nvme_ns ns = { .nsid = 1, .lba_shift = 9, .nlb = 1000 };
	static uint64_t buf[128];
	struct io_slot slot;
	struct worker w;

	(void)state;
	memset(&slot, 0, sizeof(slot));
	slot.op.buf = buf;
	fake_worker(&w, &ns, 200);
	assert_int_equal(verify_readback_next(&w, &slot), 0);
	w.verify->scan = 0;

	worker_write(&w, &slot, 130);
	assert_int_equal(slot.op.opc, NVME_CMD_WRITE);
	assert_int_equal(slot.op.slba, 50 + 260);
	assert_int_equal(pattern_check(buf, w.verify->key, 310, 2, 9), 2);
	assert_int_equal(verify_io_done(&w, &slot), 0);
	assert_int_equal(verify_written(&w), 1);
	/* Written well, then badly: nobody knows what it holds. */
	worker_write(&w, &slot, 131);
	assert_int_equal(verify_io_done(&w, &slot), 0);
	worker_write(&w, &slot, 131);
	verify_io_failed(&w, &slot);
	assert_int_equal(verify_written(&w), 1);
	assert_int_equal(verify_claim(&w, 131), 131); /* neither is busy any more */

	assert_int_equal(verify_readback_next(&w, &slot), 1);
	assert_int_equal(slot.op.opc, NVME_CMD_READ);
	assert_int_equal(slot.block, 130);
	assert_int_equal(pattern_check(buf, w.verify->key, 310, 2, 9),
			 0); /* what was written is gone */
	pattern_fill(buf, w.verify->key, 310, 2, 9);
	slot.op.status = 0;
	verify_readback_done(&w, &slot);
	assert_int_equal(w.verify->readback, 1);
	assert_int_equal(w.verify->mismatches, 0);
	buf[64] ^= 1;
	verify_readback_done(&w, &slot);
	assert_int_equal(w.verify->mismatches, 1);
	assert_string_equal(w.message, "dev NSID 1: LBA 311 does not hold what was written to it");
	assert_int_equal(verify_readback_next(&w, &slot), 0);
	verify_destroy(&w);
}

static void test_compare(void **state)
{
	struct pl_nvme_ns ns = { .nsid = 1, .lba_shift = 9, .nlb = 1000 };
	static uint64_t buf[128];
	struct io_slot slot;
	struct worker w;
	uint64_t first[2];

	(void)state;
	memset(&slot, 0, sizeof(slot));
	slot.op.buf = buf;
	fake_worker(&w, &ns, 64);
	/* A read that brings nothing finds something else in the buffer each time. */
	for (int i = 0; i < 2; i++) {
		worker_read(&w, &slot, 9);
		first[i] = buf[64];
		verify_io_failed(&w, &slot);
	}
	assert_int_not_equal(first[0], 0);
	assert_int_not_equal(first[0], first[1]);
	worker_read(&w, &slot, 3);
	assert_int_equal(verify_io_done(&w, &slot), 1);
	assert_int_equal(slot.op.opc, NVME_CMD_COMPARE);
	assert_int_equal(w.nb_todo, 1);
	assert_ptr_equal(w.todo[0], &slot.op);
	assert_int_equal(verify_claim(&w, 3), 4); /* busy until compared */
	verify_compare_done(&w, &slot);
	assert_int_equal(w.verify->compares, 1);
	assert_int_equal(verify_claim(&w, 3), 3);

	slot.op.status = NVME_SC_COMPARE_FAILURE | NVME_STATUS_DNR;
	verify_compare_done(&w, &slot);
	assert_int_equal(w.verify->mismatches, 1);
	assert_int_equal(w.errors, 0);
	assert_non_null(strstr(w.message, "LBA 56+2"));
	slot.op.status = NVME_SC_LBA_OUT_OF_RANGE;
	verify_compare_done(&w, &slot);
	assert_int_equal(w.verify->mismatches, 1);
	assert_int_equal(w.errors, 1);
	verify_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_options),
		cmocka_unit_test(test_bad_options), cmocka_unit_test(test_engine),
		cmocka_unit_test(test_pattern),     cmocka_unit_test(test_random),
		cmocka_unit_test(test_claims),      cmocka_unit_test(test_readback),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests_name("testpmd", tests, NULL, NULL);
}
