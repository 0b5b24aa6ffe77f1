/* SPDX-License-Identifier: BSD-3-Clause */
/* The workloads by name. Adding one is adding a five-line function and a line to the table. */
#ifndef TESTPMD_WORKLOAD_H
#define TESTPMD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct worker;
struct io_slot;

struct workload {
	const char *name;
	bool reads;
	bool writes;
	bool mixed; /* -M applies */
	/* Fills the slot's next op. NULL: the workload is a copy, which lib/copy runs. */
	void (*next)(struct worker *w, struct io_slot *slot);
};

/* NULL if there is none of that name. */
const struct workload *workload_find(const char *name);

/* "read, write, ..." for messages. Returns @buf. */
const char *workload_names(char *buf, size_t len);

#endif
