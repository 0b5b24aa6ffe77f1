/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs share: how they read what people type. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "copy_args.h"
#include "size.h"
#include "target.h"

static void test_size_format(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1000, "1000 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ 131072, "128 KiB" },
		{ (1 << 20) - 1, "1.0 MiB" },
		{ 64ull << 20, "64 MiB" },
		{ 2254857830ull, "2.1 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buf[APP_SIZE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(app_size_format(rows[i].bytes, buf), rows[i].text);
	assert_string_equal(app_rate_format(1ull << 30, 0.5, buf), "2 GiB/s");
	assert_string_equal(app_rate_format(1ull << 30, 0, buf), "0 B/s");
	assert_string_equal(app_rate_format(UINT64_MAX, 1e-9, buf), "16.0 EiB/s");
}

static void test_device(void **state)
{
	static const struct {
		const char *text;
		int len;
		const char *device;
	} rows[] = {
		{ "0000:01:00.0", 12, "0000:01:00.0" },
		{ "01:00.0", 7, "0000:01:00.0" },
		{ "AB:1f.7:2", 7, "0000:ab:1f.7" },
		{ "10000:e1:00.0", 13, "10000:e1:00.0" },
		{ "nvme_emu0", 9, "nvme_emu0" },
		{ "nvme_emu0:1:2+3", 9, "nvme_emu0" },
		{ "0000:01:20.0", 0, NULL }, /* a device number has five bits */
		{ "0000:01:00.8", 0, NULL },
		{ "0000:01:00", 0, NULL },
		{ "1:00.0", 0, NULL },
		{ "", 0, NULL },
		{ ":1", 0, NULL },
		{ "0name", 0, NULL },
		{ "a_name_that_is_much_too_long_to_be", 0, NULL },
	};
	char device[APP_DEVICE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(app_device_parse(rows[i].text, device), rows[i].len);
		if (rows[i].len)
			assert_string_equal(device, rows[i].device);
	}
}

static void test_target(void **state)
{
	static const char *const bad[] = {
		"",
		"nvme_emu0:",
		"nvme_emu0:0",
		"nvme_emu0:1:",
		"nvme_emu0:1:+",
		"nvme_emu0:1:0+",
		"nvme_emu0:1:0+0",
		"nvme_emu0:1:-1",
		"nvme_emu0:x",
		"nvme_emu0:1:2:3",
		"nvme_emu0,1",
		"0000:01:00:0",
		"nvme_emu0+4",
		"nvme_emu0:4294967295",
		"nvme_emu0:1:0+18446744073709551616",
	};
	struct app_target t;

	(void)state;
	assert_int_equal(app_target_parse("SRC", "nvme_emu0", &t), 0);
	assert_string_equal(t.device, "nvme_emu0");
	assert_int_equal(t.nsid, 1);
	assert_false(t.nsid_given);
	assert_false(t.nlb_given);

	assert_int_equal(app_target_parse("SRC", "01:00.0:3:0x100+8", &t), 0);
	assert_string_equal(t.device, "0000:01:00.0");
	assert_string_equal(t.text, "01:00.0:3:0x100+8");
	assert_int_equal(t.nsid, 3);
	assert_int_equal(t.slba, 256);
	assert_int_equal(t.nlb, 8);
	assert_true(t.nlb_given);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(app_target_parse("SRC", bad[i], &t), -EINVAL);
		assert_non_null(strstr(app_errmsg(), bad[i]));
		assert_non_null(strstr(app_errmsg(), "SRC"));
		assert_non_null(strstr(app_errmsg(), "DEVICE[:NSID[:SLBA[+NLB]]]"));
		assert_null(strchr(app_errmsg(), '\n'));
	}
}

static void test_via(void **state)
{
	struct app_via via;

	(void)state;
	assert_int_equal(app_via_parse("auto", &via), 0);
	assert_int_equal(via.via, PL_COPY_VIA_AUTO);
	assert_int_equal(app_via_parse("dst", &via), 0);
	assert_int_equal(via.via, PL_COPY_VIA_DST);
	assert_int_equal(app_via_parse("src", &via), 0);
	assert_int_equal(via.via, PL_COPY_VIA_SRC);
	assert_int_equal(app_via_parse("host", &via), 0);
	assert_int_equal(via.via, PL_COPY_VIA_HOST);
	assert_int_equal(app_via_parse("02:00.0", &via), 0);
	assert_int_equal(via.via, PL_COPY_VIA_DEVICE);
	assert_string_equal(via.device, "0000:02:00.0");
	assert_int_equal(app_via_parse("02:00.0:1", &via), -EINVAL);
	assert_int_equal(app_via_parse("", &via), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "accepted is auto, dst, src, host or a device"));
}

/* Only what begins like a size, after the last colon, is no part of the path. */
static void test_file_ends(void **state)
{
	static const struct {
		const char *text, *path;
		uint64_t offset, bytes;
	} good[] = {
		{ "file:a", "a", 0, 0 },
		{ "file:/mnt/a.img:4K", "/mnt/a.img", 4096, 0 },
		{ "file:a:4K+1M", "a", 4096, 1 << 20 },
		{ "file:a:0+512", "a", 0, 512 },
		{ "file:a:b", "a:b", 0, 0 },
		{ "file:a:b:8KiB", "a:b", 8192, 0 },
		{ "file:a:5:0", "a:5", 0, 0 },
		{ "file:a:5x", "a:5x", 0, 0 },
		{ "file:a:5x+1", "a:5x+1", 0, 0 },
		{ "file:a:5/b", "a:5/b", 0, 0 },
		{ "file:a:", "a:", 0, 0 },
		{ "file:a:+5", "a:+5", 0, 0 },
		{ "file:a+5", "a+5", 0, 0 },
		{ "file:nvme_emu0:1", "nvme_emu0", 1, 0 },
		{ "file:file:a", "file:a", 0, 0 },
	};
	static const char *const malformed[] = {
		"file:",
		"file::5",
		"file:a:5+",
		"file:a:5+0",
		"file:a:5+4q",
		"file:a:5+-1",
		"file:a:99999999999999999999",
	};
	char longer[APP_TARGET_MAX + 8];
	struct app_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(app_end_parse("SRC", good[i].text, &t), 0);
		assert_true(t.is_file);
		assert_string_equal(t.path, good[i].path);
		assert_string_equal(t.text, good[i].text);
		assert_int_equal(t.offset, good[i].offset);
		assert_int_equal(t.bytes, good[i].bytes);
		assert_int_equal(t.bytes_given, good[i].bytes != 0);
		assert_int_equal(app_target_parse("SRC", good[i].text, &t), -EINVAL);
		assert_non_null(strstr(app_errmsg(), "end of a copy only"));
	}
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		assert_int_equal(app_end_parse("SRC", malformed[i], &t), -EINVAL);
		assert_non_null(strstr(app_errmsg(), malformed[i]));
		assert_non_null(strstr(app_errmsg(), APP_FILE_FORM));
	}
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "file:", 5);
	longer[APP_TARGET_MAX] = '\0';
	assert_int_equal(app_end_parse("SRC", longer, &t), -EINVAL);
	longer[APP_TARGET_MAX - 1] = '\0';
	assert_int_equal(app_end_parse("SRC", longer, &t), 0);
	assert_int_equal(app_end_parse("SRC", "nvme_emu0:1:8+8", &t), 0);
	assert_true(!t.is_file && t.nlb == 8);
	assert_int_equal(app_end_parse("SRC", "nvme_emu0:x", &t), -EINVAL);
	assert_non_null(strstr(app_errmsg(), APP_FILE_FORM));
}

/* Bytes of a file against LBAs of a namespace. */
static void test_file_lengths(void **state)
{
	struct pl_nvme_ns ns = { .nsid = 1, .lba_shift = 12, .nlb = 100 };
	struct app_target dev = { .text = "d", .ns = &ns, .slba = 1, .nlb = 99 };
	struct app_target file = { .text = "f", .is_file = true, .offset = 512 };
	struct pl_copy_opts o = { .opts_size = sizeof(o) };
	struct app_via via;

	(void)state;
	assert_int_equal(app_via_parse("auto", &via), 0);
	/* To a file: the rest of the namespace, or what fits BYTES. */
	assert_int_equal(app_copy_opts_set(&o, &dev, &file, &via, false), 0);
	assert_true(o.src.bytes == 99 * 4096 && o.src.offset == 4096 && o.src.handle == &ns);
	assert_true(o.dst.bytes == 0 && o.dst.offset == 512);
	file.bytes_given = true;
	file.bytes = 8192;
	assert_int_equal(app_copy_opts_set(&o, &dev, &file, &via, false), 0);
	assert_int_equal(o.src.bytes, 8192);
	file.bytes = 8193;
	assert_int_equal(app_copy_opts_set(&o, &dev, &file, &via, false), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "no whole number"));
	/* From one: all of it, or +NLB. */
	file.bytes_given = false;
	file.bytes = 1000;
	memset(&o, 0, sizeof(o));
	assert_int_equal(app_copy_opts_set(&o, &file, &dev, &via, false), 0);
	assert_true(o.src.bytes == 1000 && o.src.offset == 512);
	assert_true(o.dst.bytes == 0 && o.dst.offset == 4096 && o.dst.handle == &ns);
	dev.nlb_given = true;
	dev.nlb = 1;
	assert_int_equal(app_copy_opts_set(&o, &file, &dev, &via, false), -EINVAL);
	file.bytes = 8192;
	assert_int_equal(app_copy_opts_set(&o, &file, &dev, &via, false), 0);
	assert_int_equal(o.src.bytes, 4096);
	file.bytes_given = true;
	assert_int_equal(app_copy_opts_set(&o, &file, &dev, &via, false), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "differ in length: 8192 and 4096 bytes"));
}

/* Ranges given on either side, with LBAs of 512 and 4096 bytes. */
static void test_copy_opts(void **state)
{
	struct pl_nvme_ns ns512 = { .nsid = 1, .lba_shift = 9, .nlb = 1000 };
	struct pl_nvme_ns ns4k = { .nsid = 1, .lba_shift = 12, .nlb = 100 };
	struct app_target src = { .text = "a", .ns = &ns512, .slba = 8, .nlb = 992 };
	struct app_target dst = { .text = "b", .ns = &ns4k, .slba = 1, .nlb = 99 };
	struct pl_copy_opts o = { .opts_size = sizeof(o) };
	struct app_via via;

	(void)state;
	assert_int_equal(app_via_parse("host", &via), 0);
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, false), 0);
	assert_int_equal(o.src.bytes, 992 * 512);
	assert_int_equal(o.src.offset, 8 * 512);
	assert_int_equal(o.dst.offset, 4096);
	assert_true(o.src.handle == &ns512 && o.dst.handle == &ns4k);
	assert_int_equal(o.via, PL_COPY_VIA_HOST);
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, true), 0);
	assert_int_equal(o.src.bytes, 792 * 512);

	dst.nlb_given = true;
	dst.nlb = 10;
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, false), 0);
	assert_int_equal(o.src.bytes, 80 * 512);
	src.nlb_given = true;
	src.nlb = 80;
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, false), 0);
	src.nlb = 81;
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, false), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "differ in length: 41472 and 40960 bytes"));
	src.nlb_given = false;
	src.nlb = 79;
	assert_int_equal(app_copy_opts_set(&o, &src, &dst, &via, false), -EINVAL);

	/* 9 LBAs of 512 bytes are no number of 4 KiB LBAs. */
	assert_int_equal(
		app_copy_opts_set(&o, &dst,
				  &(struct app_target){
					  .text = "c", .ns = &ns512, .nlb = 9, .nlb_given = true },
				  &via, false),
		-EINVAL);
	assert_non_null(strstr(app_errmsg(), "no whole number"));
}

/* Namespaces of more bytes than 64 bits count: refused, not copied in part. */
static void test_copy_opts_overflow(void **state)
{
	struct pl_nvme_ns huge = { .nsid = 1, .lba_shift = 9, .nlb = (1ull << 55) + 8 };
	struct pl_nvme_ns small = { .nsid = 1, .lba_shift = 9, .nlb = 8 };
	struct app_target a = { .text = "a", .ns = &huge, .nlb = huge.nlb };
	struct app_target b = { .text = "b", .ns = &small, .nlb = small.nlb };
	struct pl_copy_opts o = { .opts_size = sizeof(o) };
	struct app_via via;

	(void)state;
	assert_int_equal(app_via_parse("host", &via), 0);
	assert_int_equal(app_copy_opts_set(&o, &a, &b, &via, false), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "SRC a: 36028797018963976 LBAs of 512 bytes"));
	assert_int_equal(app_copy_opts_set(&o, &b, &a, &via, false), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "DST a: 36028797018963976 LBAs"));
	a.nlb = 1ull << 54;
	assert_int_equal(app_copy_opts_set(&o, &a, &b, &via, false), 0);
	assert_true(o.src.bytes == 1ull << 63);
}

/* getopt permutes, so each case gets its own array. */
#define ARGV(...)                             \
	char *argv[] = { __VA_ARGS__, NULL }; \
	int argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1

static char prog[] = "/usr/bin/peerlane-x", dashes[] = "--", opt_l[] = "-l", zero[] = "0",
	    opt_q[] = "-q", seven[] = "7", word[] = "word", opt_help[] = "--help", bad[] = "--bad",
	    verify[] = "--verify", verify_arg[] = "--verify=1", opt_z[] = "-z", qd[] = "--qd";

static void test_cli_split(void **state)
{
	struct app_cli cli;

	(void)state;
	{
		ARGV(prog, opt_l, zero, dashes, opt_q, seven, word);
		app_cli_init(&cli, argc, argv);
		assert_string_equal(cli.program, "peerlane-x");
		assert_int_equal(cli.argc, 7);
		assert_int_equal(cli.app_argc, 4);
		assert_string_equal(cli.app_argv[1], "-q");
		assert_false(cli.help);
	}
	{
		ARGV(prog, opt_l, zero);
		app_cli_init(&cli, argc, argv);
		assert_int_equal(cli.app_argc, 1);
	}
	{
		ARGV(prog, dashes, opt_help);
		app_cli_init(&cli, argc, argv);
		assert_true(cli.help);
	}
	{
		ARGV(prog, opt_help);
		app_cli_init(&cli, argc, argv);
		assert_true(cli.help);
	}
}

static const struct option longs[] = {
	{ "qd", required_argument, NULL, 'q' },
	{ "verify", no_argument, NULL, 256 },
	{ NULL, 0, NULL, 0 },
};

/* Parses what follows "--" in @argv to the end; the last return value. */
static int getopt_all(int argc, char **argv)
{
	struct app_cli cli;
	bool first = true;
	int c;

	app_cli_init(&cli, argc, argv);
	do {
		c = app_cli_getopt(&cli, ":q:", longs, first);
		first = false;
	} while (c != -1 && c != '?');
	return c;
}

static void test_cli_getopt(void **state)
{
	(void)state;
	{
		ARGV(prog, dashes, opt_q, seven, word, verify, qd, seven);
		assert_int_equal(getopt_all(argc, argv), -1);
		assert_int_equal(optind, 6);
		assert_string_equal(argv[1 + optind], "word");
	}
	{
		ARGV(prog, dashes, verify, bad);
		assert_int_equal(getopt_all(argc, argv), '?');
		assert_non_null(strstr(app_errmsg(), "--bad"));
	}
	{
		ARGV(prog, dashes, opt_z);
		assert_int_equal(getopt_all(argc, argv), '?');
		assert_non_null(strstr(app_errmsg(), "unknown option -z"));
	}
	{
		ARGV(prog, dashes, opt_q);
		assert_int_equal(getopt_all(argc, argv), '?');
		assert_non_null(strstr(app_errmsg(), "option -q needs a value"));
	}
	{
		ARGV(prog, dashes, qd);
		assert_int_equal(getopt_all(argc, argv), '?');
		assert_non_null(strstr(app_errmsg(), "option --qd needs a value"));
	}
	{
		ARGV(prog, dashes, verify_arg);
		assert_int_equal(getopt_all(argc, argv), '?');
		assert_non_null(strstr(app_errmsg(), "--verify=1 takes no value"));
	}
}

static void test_cli_values(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(app_cli_u64("-q", "32", 1, 64, &v), 0);
	assert_int_equal(v, 32);
	assert_int_equal(app_cli_u64("-q", "65", 1, 64, &v), -EINVAL);
	assert_string_equal(app_errmsg(), "-q 65: accepted is a number from 1 to 64");
	assert_int_equal(app_cli_u64("-q", "x", 1, 64, &v), -EINVAL);
	assert_int_equal(app_cli_size("-o", "8K", 1, 1 << 20, &v), 0);
	assert_int_equal(v, 8192);
	assert_int_equal(app_cli_size("-o", "8Q", 1, 1 << 20, &v), -EINVAL);
	assert_non_null(strstr(app_errmsg(), "-o 8Q: not a size"));
	assert_int_equal(app_cli_size("-o", "2M", 1, 1 << 20, &v), -EINVAL);
	assert_string_equal(app_errmsg(), "-o 2M: accepted is a size from 1 B to 1 MiB");

	assert_int_equal(app_setup_status(-EINVAL), 2);
	assert_int_equal(app_setup_status(-EREMOTEIO), 2);
	assert_int_equal(app_setup_status(-EACCES), 2);
	assert_int_equal(app_setup_status(-EBUSY), 2);
	assert_int_equal(app_setup_status(-ENOMEM), 1);
	assert_int_equal(app_setup_status(-EIO), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_format),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_via),
		cmocka_unit_test(test_file_ends),
		cmocka_unit_test(test_file_lengths),
		cmocka_unit_test(test_copy_opts_overflow),
		cmocka_unit_test(test_copy_opts),
		cmocka_unit_test(test_cli_split),
		cmocka_unit_test(test_cli_getopt),
		cmocka_unit_test(test_cli_values),
	};

	return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
