/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <string.h>

#include "pl_number.h"

bool pl_number_parse(const char *s, bool suffix, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *first = s, *unit = units;
	uint64_t n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return false;
	if (s == first)
		return false;
	if (suffix && *s != '\0') {
		unit = strchr(units, toupper((unsigned char)*s++));
		for (const char *x = units; unit && x <= unit; x++)
			if (__builtin_mul_overflow(n, 1024u, &n))
				return false;
	}
	*out = n;
	return unit && *s == '\0';
}
