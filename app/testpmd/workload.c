/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

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

static const struct workload workloads[] = {
	{ "read", .reads = true, .next = read_next },
	{ "write", .writes = true, .next = write_next },
	{ "randread", .reads = true, .next = randread_next },
	{ "randwrite", .writes = true, .next = randwrite_next },
	{ "rw", .reads = true, .writes = true, .mixed = true, .next = rw_next },
	{ "randrw", .reads = true, .writes = true, .mixed = true, .next = randrw_next },
	{ "copy", .reads = true, .writes = true },
};

#define NB_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < NB_WORKLOADS; i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	return NULL;
}

const char *workload_names(char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < NB_WORKLOADS && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s",
					 !i                     ? ""
					 : i < NB_WORKLOADS - 1 ? ", "
								: " or ",
					 workloads[i].name);
	return buf;
}
