/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: what is accepted, what is refused and in which words, what is left of argv. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <peerlane/pl_err.h>

#include "eal_args.h"
#include "pl_inject.h"

#define MAX_ARGS 24

struct line {
	char *argv[MAX_ARGS + 1];
	int argc;
	char text[512];
};

/* Splits at blanks; "''" is an empty argument. */
static void split(struct line *line, const char *text)
{
	char *save = NULL;

	line->argc = 0;
	snprintf(line->text, sizeof(line->text), "prog %s", text);
	for (char *arg = strtok_r(line->text, " ", &save); arg; arg = strtok_r(NULL, " ", &save)) {
		assert_true(line->argc < MAX_ARGS);
		line->argv[line->argc++] = strcmp(arg, "''") == 0 ? arg + 2 : arg;
	}
	line->argv[line->argc] = NULL;
}

static int parse(const char *text, struct eal_args *args)
{
	struct line line;

	split(&line, text);
	return eal_args_parse(line.argc, line.argv, args);
}

/* What librte_eal gets, joined by blanks. */
static void assert_rte(const struct eal_args *args, const char *want)
{
	char got[512] = "";
	size_t at = 0;

	for (int i = 0; i < args->rte_argc; i++)
		at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%s", i ? " " : "",
				       args->rte_argv[i]);
	assert_null(args->rte_argv[args->rte_argc]);
	assert_string_equal(got, want);
}

static void assert_accepted(const char *text, const char *rte)
{
	struct eal_args args;

	if (parse(text, &args))
		fail_msg("'%s' is refused: %s", text, pl_errmsg());
	assert_rte(&args, rte);
	eal_args_free(&args);
}

/* Refused, in one line that has every one of @parts. */
static void assert_refused(const char *text, const char *const *parts)
{
	const char *msg = pl_errmsg();
	struct eal_args args;
	int rc = parse(text, &args);

	if (rc != -EINVAL)
		fail_msg("'%s': %d", text, rc);
	for (; *parts; parts++)
		if (!strstr(msg, *parts))
			fail_msg("'%s': '%s' does not have '%s'", text, msg, *parts);
	assert_null(strchr(msg, '\n'));
	assert_int_not_equal(msg[strlen(msg) - 1], '.');
	assert_null(args.rte_argv); /* nothing is left to free */
	assert_null(args.owned);
}

#define REFUSED(text, ...) assert_refused(text, (const char *const[]){ __VA_ARGS__, NULL })

static int first_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* Options that librte_eal gets as they were given: the value after "=" or as the next argument. */
static void test_passed_on(void **state)
{
	static const char *const with_value[] = {
		"block",      "base-virtaddr", "file-prefix",        "force-max-simd-bitwidth",
		"lcores",     "main-lcore",    "mbuf-pool-ops-name", "socket-limit",
		"syslog",     "trace",         "trace-bufsz",        "trace-dir",
		"trace-mode", "log-level",     "huge-dir",
	};
	static const char *const without[] = {
		"--no-hpet",    "--no-shconf",   "--single-file-segments",
		"--legacy-mem", "--huge-unlink", "-v",
	};
	static const char shorts[] = "bcdnrsS";

	(void)state;
	for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++) {
		char given[64], want[64];

		snprintf(want, sizeof(want), "prog --%s=x,y", with_value[i]);
		snprintf(given, sizeof(given), "--%s=x,y", with_value[i]);
		assert_accepted(given, want);
		snprintf(given, sizeof(given), "--%s x,y", with_value[i]);
		assert_accepted(given, want);
	}
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		char want[64], given[64];

		snprintf(want, sizeof(want), "prog %s", without[i]);
		assert_accepted(without[i], want);
		snprintf(given, sizeof(given), "%s%s", without[i],
			 without[i][1] == '-' ? "=1" : "1");
		REFUSED(given, "takes no value", given);
	}
	for (const char *c = shorts; *c; c++) {
		char given[16], want[16];

		snprintf(want, sizeof(want), "prog -%c 7", *c);
		snprintf(given, sizeof(given), "-%c 7", *c);
		assert_accepted(given, want);
		snprintf(given, sizeof(given), "-%c7", *c);
		assert_accepted(given, want);
	}
}

/* Those that Peerlane sets itself are accepted and not passed twice. */
static void test_kept_back(void **state)
{
	struct eal_args args;

	(void)state;
	assert_accepted("--in-memory --no-pci --no-telemetry --match-allocations", "prog");
	assert_accepted("--iova-mode=va", "prog");
	assert_accepted("--iova-mode va", "prog");
	REFUSED("--iova-mode=pa", "--iova-mode", "'pa'", "va");
	assert_accepted("--proc-type=primary", "prog --proc-type=primary");
	assert_accepted("--proc-type auto", "prog --proc-type=auto");
	REFUSED("--proc-type=secondary", "'secondary'", "primary");
	assert_int_equal(parse("--no-huge --telemetry", &args), 0);
	assert_true(args.conf.no_huge && args.telemetry);
	assert_false(args.legacy_mem || args.huge_files || args.huge_only[0] || args.log_level);
	assert_rte(&args, "prog");
	eal_args_free(&args);
	assert_int_equal(parse("--legacy-mem --log-level=8", &args), 0);
	assert_true(args.legacy_mem && args.log_level);
	assert_false(args.conf.no_huge || args.telemetry);
	eal_args_free(&args);
	assert_accepted("--socket-mem=512,0", "prog --socket-mem=512,0");
	assert_int_equal(parse("--socket-mem=512,0,32", &args), 0);
	assert_int_equal(args.mem_bytes, (size_t)544 << 20);
	assert_true(args.node_bytes[0] == 512ull << 20 && !args.node_bytes[1] &&
		    args.node_bytes[2] == 32ull << 20);
	assert_string_equal(args.mem_option, "--socket-mem");
	eal_args_free(&args);
	REFUSED("--socket-mem=512,", "--socket-mem", "'512,'", "512,0");
	REFUSED("--socket-mem=5x", "'5x'");
	REFUSED("--socket-mem=1,18446744073709551615", "NUMA node"); /* which adds up to 0 */
	REFUSED("--socket-mem=16777216,1", "NUMA node");
	assert_int_equal(parse("--huge-unlink", &args), 0);
	assert_true(args.huge_files && !args.legacy_mem);
	assert_string_equal(args.huge_only, "--huge-unlink");
	eal_args_free(&args);
}

static void test_unknown(void **state)
{
	(void)state;
	REFUSED("--frobnicate", "unknown EAL option", "'--frobnicate'", "--help");
	REFUSED("--frobnicate=3", "'--frobnicate=3'");
	REFUSED("-x", "'-x'");
	REFUSED("--a 0000:01:00.0", "'--a'"); /* a short option with two dashes */
	REFUSED("--=5", "'--=5'");
	REFUSED("--vde nvme_emu0", "'--vde'"); /* no abbreviations */
	REFUSED("--vdevs nvme_emu0", "'--vdevs'");
	REFUSED("nvme_emu0", "unexpected argument", "'nvme_emu0'", "'--'");
	REFUSED("-", "unexpected argument", "'-'");
	REFUSED("''", "unexpected argument", "''");
	REFUSED("--no-huge=yes", "'--no-huge' takes no value", "'--no-huge=yes'");
}

static void test_missing_value(void **state)
{
	static const char *const options[] = { "--vdev", "--iommu", "--log-level", "--allow",
					       "-a",     "-l",      "-m" };

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char text[64], shown[64];

		snprintf(shown, sizeof(shown), "'%s' needs a value", options[i]);
		REFUSED(options[i], shown);
		snprintf(text, sizeof(text), "%s -- x", options[i]);
		REFUSED(text, shown);
	}
}

static void test_consumed(void **state)
{
	static const struct {
		const char *text;
		int consumed;
	} rows[] = {
		{ "", 0 },
		{ "--no-huge", 1 },
		{ "-m 64 --no-huge", 3 },
		{ "--", 1 },
		{ "-- --frobnicate -l", 1 },
		{ "-m 64 -- a b", 3 },
		{ "--no-huge -- -- x", 2 }, /* the second one is the program's */
	};
	struct eal_args args;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i].text, &args), 0);
		assert_int_equal(args.consumed, rows[i].consumed);
		eal_args_free(&args);
	}
	assert_int_equal(eal_args_parse(0, NULL, &args), 0);
	assert_int_equal(args.consumed, 0);
	assert_int_equal(args.rte_argc, 1);
	eal_args_free(&args);
}

static void test_vdev(void **state)
{
	struct eal_args args;

	(void)state;
	assert_int_equal(parse("--vdev nvme_emu0 --vdev=nvme_emu1,size=1G,path=/a=b,c "
			       "--vdev nvme_emu2,",
			       &args),
			 0);
	assert_int_equal(args.conf.nb_vdevs, 3);
	assert_string_equal(args.conf.vdevs[0].name, "nvme_emu0");
	assert_string_equal(args.conf.vdevs[0].args, "");
	assert_string_equal(args.conf.vdevs[1].name, "nvme_emu1");
	assert_string_equal(args.conf.vdevs[1].args, "size=1G,path=/a=b,c");
	assert_string_equal(args.conf.vdevs[2].name, "nvme_emu2");
	assert_string_equal(args.conf.vdevs[2].args, "");
	assert_rte(&args, "prog");
	eal_args_free(&args);
	REFUSED("--vdev=", "--vdev ''", "NAME[,key=val...]");
	REFUSED("--vdev ,size=1G", "',size=1G'", "NAME[,key=val...]");
	REFUSED("--vdev nvme_emu0,size=1G --vdev nvme_emu0", "--vdev 'nvme_emu0'", "twice");
}

static void test_bdf(void **state)
{
	static const struct {
		const char *given, *full;
	} good[] = {
		{ "0000:01:00.0", "0000:01:00.0" },
		{ "01:00.0", "0000:01:00.0" },
		{ "abcd:ef:1f.7", "abcd:ef:1f.7" },
		{ "ABCD:EF:1F.7", "abcd:ef:1f.7" },
		{ "ff:1f.7", "0000:ff:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" },
		{ "FEDCBA98:e1:00.0", "fedcba98:e1:00.0" },
	};
	static const char *const bad[] = {
		"",
		"nvme0",
		"0000:01:00",
		"0000:01:00.8",
		"0000:01:20.0",
		"0000:01:00.0x",
		"0000:01:00.00",
		"000000000:01:00.0",
		"0000:001:00.0",
		"01:00",
		"0000:-1:00.0",
		"0000:+1:00.0",
		"0x00:01:00.0",
		"0000:01:0x.0",
		"0000:01:00.-1",
		"0000:01:00.0.0",
		":01:00.0",
		"0000::00.0",
		"g1:00.0",
		"0000:01:-1.0",
	};
	struct eal_args args;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		static const char *const prefix[] = { "-a ", "-a", "--allow ", "--allow=" };

		for (size_t f = 0; f < sizeof(prefix) / sizeof(prefix[0]); f++) {
			snprintf(text, sizeof(text), "%s%s,k=v", prefix[f], good[i].given);
			assert_int_equal(parse(text, &args), 0);
			assert_int_equal(args.conf.nb_pcis, 1);
			assert_string_equal(args.conf.pcis[0].name, good[i].full);
			assert_string_equal(args.conf.pcis[0].args, "k=v");
			assert_rte(&args, "prog");
			eal_args_free(&args);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "--allow=%s", bad[i]);
		REFUSED(text, bad[i], "DDDD:BB:DD.F");
	}
	/* The same device in two spellings. */
	REFUSED("-a 01:00.0 -a 0000:01:00.0", "'0000:01:00.0'", "twice");
}

static void test_blank_in_bdf(void **state)
{
	char prog[] = "prog", a[] = "-a", bdf[] = "0000: 1:00.0";
	char *argv[] = { prog, a, bdf, NULL };
	struct eal_args args;

	(void)state;
	assert_int_equal(eal_args_parse(3, argv, &args), -EINVAL);
}

static void test_iommu(void **state)
{
	struct eal_args args;

	(void)state;
	assert_int_equal(parse("", &args), 0);
	assert_string_equal(args.conf.iommu.name, "auto");
	assert_string_equal(args.conf.iommu.args, "");
	eal_args_free(&args);
	assert_int_equal(parse("--iommu=soft,aw=39", &args), 0);
	assert_string_equal(args.conf.iommu.name, "soft");
	assert_string_equal(args.conf.iommu.args, "aw=39");
	assert_rte(&args, "prog");
	eal_args_free(&args);
	assert_int_equal(parse("--iommu type1", &args), 0);
	assert_string_equal(args.conf.iommu.name, "type1");
	eal_args_free(&args);
}

static void test_corelist(void **state)
{
	static const char *const malformed[] = { "a",   "0,",   ",0",   "0-",  "-1",
						 "1-0", "0,,1", "0 1x", "0;1", "0-1-2" };
	char text[64], want[64];
	int cpu = first_cpu();

	(void)state;
	snprintf(text, sizeof(text), "-l %d", cpu);
	snprintf(want, sizeof(want), "prog -l %d", cpu);
	assert_accepted(text, want);
	snprintf(text, sizeof(text), "-l%d", cpu);
	assert_accepted(text, want);
	snprintf(text, sizeof(text), "-l %d,%d-%d", cpu, cpu, cpu);
	snprintf(want, sizeof(want), "prog -l %d,%d-%d", cpu, cpu, cpu);
	assert_accepted(text, want);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		char prog[] = "prog", l[] = "-l", val[16];
		char *argv[] = { prog, l, val, NULL };
		struct eal_args args;

		snprintf(val, sizeof(val), "%s", malformed[i]);
		assert_int_equal(eal_args_parse(3, argv, &args), -EINVAL);
		assert_non_null(strstr(pl_errmsg(), malformed[i]));
	}
	REFUSED("-l 0,", "'0,'", "not a CPU list", "0,2-3");
	/* CPU_SETSIZE is 1024: no process may run there. */
	REFUSED("-l 1023", "CPU 1023", "taskset");
	REFUSED("-l 99999", "CPU 99999");
	REFUSED("-l 99999999999999999999999", "'99999999999999999999999'");
	snprintf(text, sizeof(text), "-l %d-99999", cpu);
	REFUSED(text, "not one this process may run on");
}

static void test_mem(void **state)
{
	static const char *const bad[] = { "0",    "-1",       "+5",
					   "x",    "1G",       "5x",
					   "0x10", "16777217", "99999999999999999999999" };
	struct eal_args args;
	char text[64];

	(void)state;
	assert_int_equal(parse("-m 512", &args), 0);
	assert_true(args.mem_bytes == 512ull << 20);
	assert_rte(&args, "prog -m 512");
	eal_args_free(&args);
	assert_int_equal(parse("-m16777216", &args), 0);
	assert_true(args.mem_bytes == 1ull << 44);
	eal_args_free(&args);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "-m %s", bad[i]);
		REFUSED(text, bad[i], "number of MiB");
	}
}

static void test_too_long(void **state)
{
	static char value[8192];
	char prog[] = "prog", opt[] = "--trace-dir";
	char *argv[] = { prog, opt, value, NULL };
	struct eal_args args;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_int_equal(eal_args_parse(3, argv, &args), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "too long"));
	assert_true(strlen(pl_errmsg()) < 512);
}

/* Every allocation in turn fails: -ENOMEM, and nothing is left (ASan and valgrind look). */
static void test_no_memory(void **state)
{
	struct line line;
	unsigned int nth = 1;

	(void)state;
	split(&line, "--vdev nvme_emu0,size=1G --vdev nvme_emu1 -a 01:00.0 --allow=02:00.0,k=v "
		     "--iommu=soft -m 64 --log-level=lib.eal:8 -n 4 --no-huge -- x");
	for (;; nth++) {
		struct eal_args args;
		int rc;

		pl_inject_arm(nth);
		rc = eal_args_parse(line.argc, line.argv, &args);
		if (!pl_inject_fired()) {
			assert_int_equal(rc, 0);
			eal_args_free(&args);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_non_null(strstr(pl_errmsg(), "no memory"));
		assert_null(args.owned);
		assert_null(args.rte_argv);
		assert_null(args.conf.vdevs);
		assert_null(args.conf.pcis);
	}
	pl_inject_arm(0);
	assert_true(nth > 20); /* the sweep went over every option */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passed_on), cmocka_unit_test(test_kept_back),
		cmocka_unit_test(test_unknown),   cmocka_unit_test(test_missing_value),
		cmocka_unit_test(test_consumed),  cmocka_unit_test(test_vdev),
		cmocka_unit_test(test_bdf),       cmocka_unit_test(test_blank_in_bdf),
		cmocka_unit_test(test_iommu),     cmocka_unit_test(test_corelist),
		cmocka_unit_test(test_mem),       cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("eal_args", tests, NULL, NULL);
}
