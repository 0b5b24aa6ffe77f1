/* SPDX-License-Identifier: BSD-3-Clause */
/* Public structures from and to programs that were built against another version: pl_err.h has the
 * rule. */
#ifndef PL_OPTS_H
#define PL_OPTS_H

#include <stddef.h>

/* No structure will ever be as large: a size above it was never set. */
#define PL_OPTS_MOST 4096u

/*
 * Takes @size bytes that a caller filled in as a structure of @dst_size bytes: what is missing is
 * zero. -EINVAL if it holds no more than its own size, or if something that this library does not
 * know is not zero; @what is in the message ("options of a queue pair").
 */
int pl_opts_take(void *dst, size_t dst_size, const void *src, size_t size, const char *what);

/* Gives a caller who knows @size bytes what he can take of a structure; what he knows more is zero. */
void pl_out_give(void *dst, size_t size, const void *src, size_t src_size);

#endif
