/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs share: tables, progress and reports. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli.h"
#include "copy_report.h"
#include "progress.h"
#include "report_json.h"
#include "table.h"
#include "traffic.h"

/* What @print writes to a stream, as text to be freed. */
static char *captured(void (*print)(FILE *out, const void *arg), const void *arg)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(out, arg);
	fclose(out);
	return text;
}

static void print_small_table(FILE *out, const void *arg)
{
	struct app_table t;

	(void)arg;
	app_table_init(&t, 3);
	app_table_row(&t, "", "", "us");
	app_table_row(&t, "leg", "IOPS", "p50");
	app_table_rule(&t);
	app_table_cell(&t, "a long name");
	app_table_cell(&t, "%d", 12345);
	app_table_cell(&t, "%.1f", 1.5);
	app_table_row(&t, "x", "1", "");
	app_table_print(&t, out);
}

static void test_table(void **state)
{
	char *text = captured(print_small_table, NULL);

	(void)state;
	assert_string_equal(text, "                     us\n"
				  "leg           IOPS  p50\n"
				  "=======================\n"
				  "a long name  12345  1.5\n"
				  "x                1\n");
	free(text);
}

static void print_traffic(FILE *out, const void *arg)
{
	struct app_traffic_phase phase = { "copy", arg };

	app_traffic_print(out, &phase, 1);
}

static void test_traffic(void **state)
{
	struct pl_nvme_traffic a = { 0 }, b;
	json_t *json, *data;
	char *text;

	(void)state;
	a.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][0] = 1;
	a.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][1] = 2;
	a.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_PEER_CMB][1] = 4096;
	a.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][0] = 64;
	a.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][1] = 16;
	b = a;
	app_traffic_add(&b, &a);
	assert_int_equal(app_traffic_host_data(&b), 6);
	app_traffic_sub(&b, &a);
	assert_memory_equal(&a, &b, sizeof(a));

	text = captured(print_traffic, &a);
	assert_non_null(strstr(text, "copy: host DRAM        1 B           2 B    80 B"));
	assert_non_null(strstr(text, "copy: peer CMB         0 B         4 KiB     0 B"));
	free(text);

	json = app_traffic_json(&a);
	data = json_object_get(json, "data");
	assert_int_equal(json_object_size(json), 4);
	assert_int_equal(json_object_size(data), PL_TRAFFIC_MEMS);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(data, "peer_cmb"), "write")),
		4096);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(data, "host_dram"), "read")), 1);
	json_decref(json);
}

static struct pl_hist hist;

/* 1..1000 cycles at 2 GHz: half as many nanoseconds. */
static void test_json_direction(void **state)
{
	json_t *d, *clat, *map;

	(void)state;
	pl_hist_reset(&hist);
	for (uint64_t v = 1; v <= 1000; v++)
		pl_hist_record(&hist, v);
	d = app_json_direction(&hist, 1000 * 4096, 1000000000, 2000000000);
	assert_int_equal(json_integer_value(json_object_get(d, "io_bytes")), 4096000);
	assert_int_equal(json_integer_value(json_object_get(d, "bw_bytes")), 8192000);
	assert_true(json_real_value(json_object_get(d, "iops")) == 2000.0);
	assert_int_equal(json_integer_value(json_object_get(d, "runtime")), 500);
	assert_int_equal(json_integer_value(json_object_get(d, "total_ios")), 1000);
	clat = json_object_get(d, "clat_ns");
	assert_int_equal(json_integer_value(json_object_get(clat, "min")), 0);
	assert_int_equal(json_integer_value(json_object_get(clat, "max")), 500);
	assert_true(json_real_value(json_object_get(clat, "mean")) == 250.25);
	map = json_object_get(clat, "percentile");
	assert_in_range(json_integer_value(json_object_get(map, "50.000000")), 247, 253);
	assert_in_range(json_integer_value(json_object_get(map, "99.900000")), 495, 500);
	json_decref(d);

	/* Nothing happened: zeros, not nan or a minimum of 2^64 - 1. */
	pl_hist_reset(&hist);
	d = app_json_direction(&hist, 0, 0, 2000000000);
	clat = json_object_get(d, "clat_ns");
	assert_int_equal(json_integer_value(json_object_get(clat, "min")), 0);
	assert_int_equal(json_integer_value(json_object_get(clat, "N")), 0);
	assert_true(json_real_value(json_object_get(d, "iops")) == 0.0);
	assert_int_equal(json_object_size(json_object_get(clat, "percentile")), 0);
	json_decref(d);
}

static char dir[] = "/tmp/peerlane-test-app-XXXXXX";
static char path[80];

static int setup_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/out.json", dir);
	return 0;
}

static int teardown_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_file(const char *text)
{
	char buf[256] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(buf, text);
}

static void test_json_file(void **state)
{
	struct app_json_file f;
	char missing[100];

	(void)state;
	assert_int_equal(app_json_open(&f, NULL), 0);
	assert_ptr_equal(f.human, stdout);
	assert_int_equal(app_json_write(&f, json_object()), 0);
	assert_int_equal(app_json_open(&f, "-"), 0);
	assert_ptr_equal(f.human, stderr);

	snprintf(missing, sizeof(missing), "%s/no/such", dir);
	assert_int_equal(app_json_open(&f, missing), -EINVAL);
	assert_non_null(strstr(app_errmsg(), missing));

	/* A file of ours goes when there is no result; somebody's stays as it was. */
	assert_int_equal(app_json_open(&f, path), 0);
	assert_ptr_equal(f.human, stdout);
	assert_int_equal(access(path, F_OK), 0);
	app_json_discard(&f);
	assert_int_not_equal(access(path, F_OK), 0);
	write_text("something longer than the result");
	assert_int_equal(app_json_open(&f, path), 0);
	app_json_discard(&f);
	assert_file("something longer than the result");

	assert_int_equal(app_json_open(&f, path), 0);
	assert_int_equal(app_json_write(&f, json_pack("{s:i}", "a", 1)), 0);
	app_json_discard(&f);
	assert_file("{\n  \"a\": 1\n}\n");
}

static void test_progress(void **state)
{
	struct app_progress p;
	char buf[160];
	FILE *f = fopen(path, "w+");

	(void)state;
	assert_non_null(f);
	app_progress_init(&p, f, "copying");
	assert_false(p.live);
	for (int i = 0; i < 1000; i++)
		app_progress_update(&p, (uint64_t)i, 1000, (uint64_t)i << 20);
	app_progress_end(&p);
	assert_int_equal(ftell(f), 0);
	fclose(f);

	app_progress_text("copying", 0.25, 1ull << 30, 2, buf, sizeof(buf));
	assert_string_equal(buf, "copying:  25%, 512 MiB/s, 6 s left");
	app_progress_text("copying", 0.001, 1 << 20, 1, buf, sizeof(buf));
	assert_string_equal(buf, "copying:   0%, 1 MiB/s");
	app_progress_text("copying", 1.5, 1 << 20, 1, buf, sizeof(buf));
	assert_string_equal(buf, "copying: 100%, 1 MiB/s, 0 s left");
	app_progress_text("copying", 0.5, 1 << 20, 7200, buf, sizeof(buf));
	assert_non_null(strstr(buf, ", 2.0 h left"));
}

static struct app_copy_result result;

static void fill_result(void)
{
	app_copy_result_init(&result);
	result.src = "a";
	result.dst = "b";
	result.via = "auto";
	result.verify = true;
	result.jobs = 1;
	result.bytes = 64ull << 20;
	result.plan.p2p = true;
	result.plan.bytes = 64ull << 20;
	result.stats.bytes_copied = 64ull << 20;
	result.stats.bytes_verified = 64ull << 20;
	result.stats.copy_cycles = 250;
}

static void print_result(FILE *out, const void *arg)
{
	(void)arg;
	app_copy_print(out, &result, 1000);
}

static void test_copy_summary(void **state)
{
	struct pl_nvme_traffic *t = &result.stats.copy_traffic;
	char buf[320];

	(void)state;
	fill_result();
	assert_string_equal(app_copy_summary(&result, 1000, buf, sizeof(buf)),
			    "copy: 64 MiB in 0.25 s, 256 MiB/s, verified; host DRAM: 0 B");

	/* A single byte is not zero, and what verification moved is not the copy's. */
	t->bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][0] = 1;
	result.stats.verify_traffic.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][1] = 1 << 20;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "verified; host DRAM: 1 B"));
	t->bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][0] = 64 << 20;
	t->bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][1] = 64 << 20;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "host DRAM: 128 MiB"));
	result.stats.traffic_known = false;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "host DRAM: 0 B by the addresses in the commands"));
	result.stats.host_bytes = 1 << 20;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "host DRAM: 1 MiB by the addresses in the commands"));

	fill_result();
	result.stats.bytes_verified -= 512;
	assert_false(app_copy_verified(&result));
	result.no_landing_check = true;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, ", not verified, landing unproven; host DRAM: 0 B"));

	fill_result();
	result.error = -EREMOTEIO;
	result.stats.bytes_copied = 1 << 20;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "copy: 1 MiB in 0.25 s, 4 MiB/s, FAILED (EREMOTEIO) before 64 "
				    "MiB; host DRAM: 0 B"));
	result.error = -ECANCELED;
	app_copy_summary(&result, 1000, buf, sizeof(buf));
	assert_non_null(strstr(buf, "interrupted before 64 MiB"));
}

static void test_copy_print(void **state)
{
	struct pl_copy_range ranges[] = { { 0, 8 }, { 16, 32 } };
	char *text;

	(void)state;
	fill_result();
	pl_hist_record(&result.read_latency, 1);
	text = captured(print_result, NULL);
	assert_non_null(strstr(text, "copy: host DRAM"));
	assert_non_null(strstr(text, "verify: peer PMR"));
	assert_null(strstr(text, "complete in"));
	assert_non_null(strstr(text, "verified; host DRAM: 0 B\n"));
	assert_string_equal(text + strlen(text) - 2, "B\n");
	free(text);

	result.error = -EIO;
	result.ranges = ranges;
	result.nb_ranges = 2;
	text = captured(print_result, NULL);
	assert_non_null(strstr(text, "complete in b: LBA 0+8, LBA 16+32\n"));
	free(text);
}

static void test_copy_json(void **state)
{
	json_t *job, *p;

	(void)state;
	fill_result();
	job = app_copy_json(
		&result, "copy",
		json_pack("{s:I, s:b, s:s}", "bs", (json_int_t)4096, "verify", 1, "src", "a"),
		1000);
	assert_non_null(job);
	p = json_object_get(job, "job options");
	assert_string_equal(json_string_value(json_object_get(p, "bs")), "4096");
	assert_string_equal(json_string_value(json_object_get(p, "verify")), "1");
	assert_string_equal(json_string_value(json_object_get(p, "src")), "a");
	p = json_object_get(job, "peerlane");
	assert_true(json_is_true(json_object_get(p, "verified")));
	assert_true(json_is_true(json_object_get(p, "p2p")));
	assert_int_equal(json_integer_value(json_object_get(p, "host_dram_bytes")), 0);
	assert_int_equal(json_integer_value(json_object_get(p, "bytes")), 64 << 20);
	job = app_json_document(NULL, json_pack("[o]", job));
	assert_int_equal(json_object_size(json_object_get(job, "global options")), 0);
	assert_int_equal(json_array_size(json_object_get(job, "jobs")), 1);
	json_decref(job);

	result.stats.traffic_known = false;
	result.error = -EREMOTEIO;
	job = app_copy_json(&result, "copy", json_object(), 1000);
	p = json_object_get(job, "peerlane");
	assert_int_equal(json_integer_value(json_object_get(job, "error")), EREMOTEIO);
	assert_true(json_is_null(json_object_get(p, "host_dram_bytes")));
	assert_true(json_is_false(json_object_get(p, "verified")));
	assert_true(json_is_null(json_object_get(json_object_get(p, "traffic"), "copy")));
	json_decref(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),          cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_json_direction), cmocka_unit_test(test_json_file),
		cmocka_unit_test(test_progress),       cmocka_unit_test(test_copy_summary),
		cmocka_unit_test(test_copy_print),     cmocka_unit_test(test_copy_json),
	};

	return cmocka_run_group_tests_name("app_report", tests, setup_dir, teardown_dir);
}
