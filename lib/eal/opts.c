/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <string.h>

#include <rte_common.h>

#include "pl_log.h"
#include "pl_opts.h"

int pl_opts_take(void *dst, size_t dst_size, const void *src, size_t size, const char *what)
{
	const uint8_t *tail = src;

	if (size < sizeof(size_t) || size > PL_OPTS_MOST)
		return pl_fail(-EINVAL,
			       "opts_size %zu of the %s is none: set it to the size of the "
			       "structure",
			       size, what);
	for (size_t i = dst_size; i < size; i++)
		if (tail[i])
			return pl_fail(-EINVAL,
				       "opts_size %zu of the %s: this library knows the first "
				       "%zu bytes, and byte %zu is not 0: it asks for something "
				       "newer than the library",
				       size, what, dst_size, i);
	memset(dst, 0, dst_size);
	memcpy(dst, src, RTE_MIN(size, dst_size));
	return 0;
}

void pl_out_give(void *dst, size_t size, const void *src, size_t src_size)
{
	size_t both = RTE_MIN(size, src_size);

	memcpy(dst, src, both);
	memset((uint8_t *)dst + both, 0, size - both);
}
