/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers in device arguments. */
#ifndef PL_NUMBER_H
#define PL_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * All of @s: decimal digits and, if @suffix, maybe one of KMGT (powers of 1024, either case). False,
 * and @out is not to be used, for anything else and for what 64 bits do not hold.
 */
bool pl_number_parse(const char *s, bool suffix, uint64_t *out);

#endif
