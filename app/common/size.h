/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes as people read them; pl_parse.h reads what they write. */
#ifndef APP_SIZE_H
#define APP_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* What an error message may say about the accepted forms. */
#define APP_SIZE_FORM "bytes, or a number with K, M, G or T (binary), for example 128K"

/* Long enough for any text that app_size_format() and app_rate_format() make. */
#define APP_SIZE_TEXT 24

/* "0 B", "1000 B", "64 MiB", "2.1 GiB": one decimal where the value is not whole. Never "0" for
 * anything but zero. Returns @buf. */
const char *app_size_format(uint64_t bytes, char buf[APP_SIZE_TEXT]);

/* "2.1 GiB/s"; "0 B/s" if no time has passed. Returns @buf. */
const char *app_rate_format(uint64_t bytes, double seconds, char buf[APP_SIZE_TEXT]);

#endif
