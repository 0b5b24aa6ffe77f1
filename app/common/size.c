/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "size.h"

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
