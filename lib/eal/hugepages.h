/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_HUGEPAGES_H
#define PL_HUGEPAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of hugepages of any size that nobody uses now. */
size_t pl_hugepages_free(void);

/* The command that reserves @bytes of the system's default hugepages, in a static buffer. */
const char *pl_hugepages_remedy(size_t bytes);

#endif
