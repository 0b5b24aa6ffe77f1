/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "size.h"

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* strtoull() takes blanks, signs and wraps negative numbers, so digits are read here. */
static int digits(const char **text, unsigned int base, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	for (; (unsigned int)digit_of(*p) < base; p++) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_of(*p), &v))
			return -ERANGE;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*value = v;
	return 0;
}

int app_u64_parse(const char *text, uint64_t *value)
{
	unsigned int base = 10;
	uint64_t v;
	int rc;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	rc = digits(&text, base, &v);
	if (rc)
		return rc;
	if (*text)
		return -EINVAL;
	*value = v;
	return 0;
}

int app_size_parse(const char *text, uint64_t *bytes)
{
	static const struct {
		char suffix;
		uint64_t unit;
	} units[] = {
		{ 'k', 1ull << 10 }, { 'K', 1ull << 10 }, { 'M', 1ull << 20 },
		{ 'G', 1ull << 30 }, { 'T', 1ull << 40 },
	};
	uint64_t unit = 1, v;
	int rc = digits(&text, 10, &v);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*text != units[i].suffix)
			continue;
		unit = units[i].unit;
		text++;
		if (!strcmp(text, "iB") || !strcmp(text, "B"))
			text = "";
		break;
	}
	if (*text)
		return -EINVAL;
	if (__builtin_mul_overflow(v, unit, &v))
		return -ERANGE;
	*bytes = v;
	return 0;
}

static const char *format(uint64_t bytes, const char *suffix, char buf[APP_SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int u = 0;

	/* The unit is the largest in which the text stays below 1024, rounding included. */
	while (u < 6 && (double)bytes / (double)(1ull << (10 * u)) >= (u ? 1023.95 : 1024.0))
		u++;
	if (bytes & ((1ull << (10 * u)) - 1))
		snprintf(buf, APP_SIZE_TEXT, "%.1f %s%s",
			 (double)bytes / (double)(1ull << (10 * u)), units[u], suffix);
	else
		snprintf(buf, APP_SIZE_TEXT, "%llu %s%s", (unsigned long long)(bytes >> (10 * u)),
			 units[u], suffix);
	return buf;
}

const char *app_size_format(uint64_t bytes, char buf[APP_SIZE_TEXT])
{
	return format(bytes, "", buf);
}

const char *app_rate_format(uint64_t bytes, double seconds, char buf[APP_SIZE_TEXT])
{
	double rate = seconds > 0 ? (double)bytes / seconds : 0;

	return format(rate < 1.8e19 ? (uint64_t)rate : UINT64_MAX, "/s", buf);
}
