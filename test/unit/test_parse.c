/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, sizes, PCI addresses and key=val lists: what is accepted, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <peerlane/pl_parse.h>

#include "pl_inject.h"
#include "pl_log.h"
#include "pl_pairs.h"

static void test_u64(void **state)
{
	static const char *const bad[] = { "",   "-1", "+1",  " 1",  "1 ",
					   "0x", "1x", "0xg", "1.5", "--" };
	uint64_t v = 77;

	(void)state;
	assert_int_equal(pl_u64_parse("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(pl_u64_parse("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(pl_u64_parse("0xFFffffffffffffff", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(pl_u64_parse("18446744073709551616", &v), -ERANGE);
	assert_int_equal(pl_u64_parse("0x10000000000000000", &v), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(pl_u64_parse(bad[i], &v), -EINVAL);
		assert_non_null(strstr(pl_errmsg(), bad[i]));
	}
	assert_true(v == UINT64_MAX);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "1k", 1024 },
		{ "128K", 131072 },
		{ "64m", 64 << 20 },
		{ "64M", 64 << 20 },
		{ "1MiB", 1 << 20 },
		{ "1miB", 1 << 20 },
		{ "64g", 64ull << 30 },
		{ "2T", 2ull << 40 },
		{ "2t", 2ull << 40 },
		{ "64KiB", 65536 },
		{ "3KB", 3072 },
		{ "5GiB", 5ull << 30 },
		{ "16777215T", 16777215ull << 40 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = { "",    "K",   "-1",  "+4k",   " 4k",  "4k ", "4kk",
					   "4Ki", "4iB", "4 K", "0x10",  "1.5M", "4B",  "4P",
					   "4Q",  "4b",  "4kb", "4KiBx", "4kib" };
	static const char *const more[] = { "16777216T", "16777216TiB", "18446744073709551616",
					    "18446744073709551616K" };
	uint64_t v = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(pl_size_parse(good[i].text, &v), 0);
		assert_true(v == good[i].bytes);
	}
	v = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (pl_size_parse(bad[i], &v) != -EINVAL || !strstr(pl_errmsg(), bad[i]))
			fail_msg("'%s': %s", bad[i], pl_errmsg());
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		assert_int_equal(pl_size_parse(more[i], &v), -ERANGE);
	assert_int_equal(v, 77);
	assert_string_equal(pl_errname(-ERANGE), "ERANGE");
}

static void test_pci_addr(void **state)
{
	static const struct {
		const char *text, *full;
		size_t len;
	} good[] = {
		{ "0000:01:00.0", "0000:01:00.0", 12 },
		{ "01:00.0", "0000:01:00.0", 7 },
		{ "ABCD:EF:1F.7", "abcd:ef:1f.7", 12 },
		{ "10000:e1:00.0", "10000:e1:00.0", 13 },
		{ "FEDCBA98:e1:00.0", "fedcba98:e1:00.0", 16 },
		{ "00010000:e1:00.0", "10000:e1:00.0", 16 },
	};
	static const char *const bad[] = {
		"",
		"nvme0",
		"0000:01:00",
		"0000:01:00.8",
		"0000:01:20.0",
		"0000:01:00.00",
		"000:01:00.0",
		"100000000:01:00.0",
		"0000:001:00.0",
		"01:00",
		"0000:-1:00.0",
		"0000:+1:00.0",
		"0x00:01:00.0",
		"0000:01:0x.0",
		"0000:01:00.-1",
		":01:00.0",
		"0000::00.0",
		"g1:00.0",
		"0000: 1:00.0",
		" 01:00.0",
		"1:00.0",
		"01:0.0",
		"0000:0000:01:00.0",
	};
	struct pl_pci_addr addr = { .domain = 77 };
	char buf[PL_PCI_ADDR_LEN], more[64];
	const char *end;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(pl_pci_addr_parse(good[i].text, NULL, &addr), 0);
		assert_string_equal(pl_pci_addr_format(&addr, buf), good[i].full);
		snprintf(more, sizeof(more), "%s:1:2", good[i].text);
		assert_int_equal(pl_pci_addr_parse(more, NULL, &addr), -EINVAL);
		assert_int_equal(pl_pci_addr_parse(more, &end, &addr), 0);
		assert_ptr_equal(end, more + good[i].len);
	}
	addr.domain = 77;
	end = NULL;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (pl_pci_addr_parse(bad[i], NULL, &addr) != -EINVAL ||
		    !strstr(pl_errmsg(), bad[i]))
			fail_msg("'%s': %s", bad[i], pl_errmsg());
		assert_int_equal(pl_pci_addr_parse(bad[i], &end, &addr), -EINVAL);
	}
	assert_int_equal(addr.domain, 77);
	assert_null(end);
}

struct seen {
	char text[64];
	unsigned int n;
	unsigned int fail_at; /* 0: never */
};

static int note(const struct eal_pair *pair, void *arg)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	snprintf(s->text + at, sizeof(s->text) - at, "[%s|%s|%s]", pair->text, pair->key,
		 pair->val ? pair->val : "-");
	return ++s->n == s->fail_at ? pl_fail(-EINVAL, "no %s", pair->key) : 0;
}

static void test_pairs(void **state)
{
	static const struct {
		const char *text, *seen;
	} rows[] = {
		{ "", "" },
		{ "a=1", "[a=1|a|1]" },
		{ "a=1,b=x=y,c", "[a=1|a|1][b=x=y|b|x=y][c|c|-]" },
		{ ",a=,,=v,", "[a=|a|][=v||v]" },
	};
	struct seen s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s = (struct seen){ .n = 0 };
		assert_int_equal(eal_pairs_walk(rows[i].text, note, &s), 0);
		assert_string_equal(s.text, rows[i].seen);
	}
	s = (struct seen){ .fail_at = 2 };
	assert_int_equal(eal_pairs_walk("a=1,b=2,c=3", note, &s), -EINVAL);
	assert_string_equal(s.text, "[a=1|a|1][b=2|b|2]");
	assert_string_equal(pl_errmsg(), "no b");
	pl_inject_arm(1);
	assert_int_equal(eal_pairs_walk("a=1", note, &s), -ENOMEM);
	pl_inject_arm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_pci_addr),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
