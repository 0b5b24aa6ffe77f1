/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_HUGEPAGES_H
#define PL_HUGEPAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of hugepages of any size that nobody uses now. */
size_t pl_hugepages_free(void);

/* Those of one NUMA node. A node that is not there has none. */
size_t pl_hugepages_free_on(unsigned int node);

/* What to do so that @node has @bytes more of its smallest hugepages: text for the end of a
 * message. */
void pl_hugepages_remedy_on(unsigned int node, size_t bytes, char *buf, size_t len);

/* The command that reserves @bytes of the system's default hugepages, in a static buffer. */
const char *pl_hugepages_remedy(size_t bytes);

#endif
