/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O workloads. Adding one is adding a five-line function and a line to the table. */
#ifndef TESTPMD_WORKLOAD_H
#define TESTPMD_WORKLOAD_H

#include "engine.h"

struct worker;
struct io_slot;

struct io_workload {
	struct workload base;
	/* Fills the slot's next op. */
	void (*next)(struct worker *w, struct io_slot *slot);
};

extern const struct engine io_engine;

/* Those of the engine one by one; NULL after the last. */
const struct workload *io_workload_get(unsigned int i);

/* @workload is one of them. */
static inline const struct io_workload *io_workload(const struct workload *workload)
{
	return (const struct io_workload *)(const void *)workload;
}

#endif
