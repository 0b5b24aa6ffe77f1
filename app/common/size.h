/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers and sizes as people write and read them. Parsing is strict: the whole text must be the
 * number, without sign or blank, and must fit 64 bits.
 */
#ifndef APP_SIZE_H
#define APP_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* What an error message may say about the accepted forms. */
#define APP_SIZE_FORM "bytes, or a number with k, M, G or T (binary), for example 128K"

/* Long enough for any text that app_size_format() and app_rate_format() make. */
#define APP_SIZE_TEXT 24

/* "123" or "0x7b". 0; -EINVAL if it is no such number; -ERANGE if it exceeds 64 bits. */
int app_u64_parse(const char *text, uint64_t *value);

/* "4096", "128K", "1M", "64GiB", "2TB": suffixes k, K, M, G and T are powers of 1024, and "iB" or
 * "B" may follow one. Same return values as app_u64_parse(). */
int app_size_parse(const char *text, uint64_t *bytes);

/* "0 B", "1000 B", "64 MiB", "2.1 GiB": one decimal where the value is not whole. Never "0" for
 * anything but zero. Returns @buf. */
const char *app_size_format(uint64_t bytes, char buf[APP_SIZE_TEXT]);

/* "2.1 GiB/s"; "0 B/s" if no time has passed. Returns @buf. */
const char *app_rate_format(uint64_t bytes, double seconds, char buf[APP_SIZE_TEXT]);

#endif
