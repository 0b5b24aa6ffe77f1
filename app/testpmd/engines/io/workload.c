/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"
#include "workload.h"

static void read_next(struct worker *w, struct io_slot *slot)
{
	worker_read(w, slot, worker_next_block(w));
}

static void write_next(struct worker *w, struct io_slot *slot)
{
	worker_write(w, slot, worker_next_block(w));
}

static void randread_next(struct worker *w, struct io_slot *slot)
{
	worker_read(w, slot, worker_random_block(w));
}

static void randwrite_next(struct worker *w, struct io_slot *slot)
{
	worker_write(w, slot, worker_random_block(w));
}

static void rw_next(struct worker *w, struct io_slot *slot)
{
	if (worker_mix_reads(w))
		read_next(w, slot);
	else
		write_next(w, slot);
}

static void randrw_next(struct worker *w, struct io_slot *slot)
{
	if (worker_mix_reads(w))
		randread_next(w, slot);
	else
		randwrite_next(w, slot);
}

#define NB_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static const struct io_workload workloads[] = {
	{ { "read", &io_engine, .reads = true }, read_next },
	{ { "write", &io_engine, .writes = true }, write_next },
	{ { "randread", &io_engine, .reads = true }, randread_next },
	{ { "randwrite", &io_engine, .writes = true }, randwrite_next },
	{ { "rw", &io_engine, .reads = true, .writes = true, .mixed = true }, rw_next },
	{ { "randrw", &io_engine, .reads = true, .writes = true, .mixed = true }, randrw_next },
};

const struct workload *io_workload_get(unsigned int i)
{
	return i < NB_WORKLOADS ? &workloads[i].base : NULL;
}
