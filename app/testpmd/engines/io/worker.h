/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker keeps one queue pair of one namespace full from one lcore. It is a poller: each call
 * collects what completed, refills what became free, and returns. In that path there is no
 * allocation, lock, system call or division.
 *
 * A run goes through phases that all workers enter together and leave one by one; the supervisor
 * (io.c) waits for the last. Fields that other threads read are marked and accessed atomically.
 *
 * With --verify each worker has its own slice of the namespace and no two I/Os in flight touch the
 * same block, so what a block must hold is always known exactly.
 */
#ifndef TESTPMD_WORKER_H
#define TESTPMD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/pl_hist.h>
#include <peerlane/pl_nvme.h>

#include "options.h"

enum phase { PHASE_WAIT, PHASE_RUN, PHASE_READBACK, PHASE_END };

/* What all workers of a run share. Written before the phase that uses it is published. */
struct run_state {
	int phase; /* enum phase, atomic */
	int abort; /* atomic: a worker failed, the others need not go on */
	int stop;  /* atomic: the user asked; 1: the workload, 2: the reading back as well */
	struct pl_nvme_ctrlr *gone; /* atomic: its workers give up, for this reason: */
	char why[320];
	uint64_t key;      /* of what --verify writes: no other run has it */
	uint64_t measure;  /* TSC from which I/Os are recorded */
	uint64_t deadline; /* TSC after which none is submitted */
	uint64_t stall;    /* TSC cycles without a completion after which a device is given up */
};

struct io_slot {
	struct pl_nvme_op op; /* user[0]: TSC when it was submitted */
	uint64_t block;       /* the I/O's offset in units of bs, from the slice's start */
};

/* Exists with --verify only. Bitmaps have one bit per block of the slice. */
struct worker_verify {
	uint64_t *busy;      /* an I/O is in flight there */
	uint64_t *written;   /* a write succeeded there, and none failed since */
	uint64_t key;        /* of the pattern: from run and device */
	uint64_t reads;      /* of which each buffer was poisoned otherwise */
	uint64_t scan;       /* next block to read back */
	uint64_t compares;   /* reads that the device compared */
	uint64_t readback;   /* atomic: blocks read back and compared */
	uint64_t mismatches; /* atomic */
};

struct worker {
	struct pl_nvme_qpair *qp;
	struct run_state *run;
	void (*next)(struct worker *w, struct io_slot *slot); /* the workload's */
	struct pl_nvme_ns *ns;
	uint64_t first_lba;  /* of block 0 of the slice */
	uint64_t nb_blocks;  /* in the slice */
	uint32_t block_lbas; /* LBAs of a block */
	uint32_t bs;
	uint32_t rwmixread;
	uint64_t rng;    /* splitmix64 state */
	uint64_t cursor; /* next block of a sequential workload */
	uint64_t left;   /* I/Os not yet begun; UINT64_MAX without --count */
	struct io_slot **free;
	struct pl_nvme_op **todo; /* built, but not yet accepted by the queue pair */
	uint32_t nb_free;
	uint32_t nb_todo;
	uint32_t in_flight;
	uint64_t last; /* TSC of the last completion */
	uint64_t done; /* atomic: as `ios` */
	struct worker_verify *verify;

	uint64_t end;            /* TSC when the last measured I/O completed */
	uint64_t errors;         /* atomic */
	bool stopped;            /* by the user, with I/Os still to do */
	struct pl_hist *latency; /* [0] reads, [1] writes */
	int failed; /* atomic: negative errno; the queue pair is no longer used, `message` is final
		     */
	int finished;      /* enum phase, atomic: the last phase this worker is through */
	char message[320]; /* about the first error or mismatch */

	struct io_slot *slots;
	uint32_t qd;
	unsigned int lcore;
	unsigned int target; /* index of the namespace in the run */
	struct pl_nvme_ctrlr *ctrlr;
	char device[APP_DEVICE_MAX];
	struct pl_poller *poller;
	struct pl_nvme_qpair_stats qstats; /* at the end of the measured phase */
	uint64_t ios;                      /* completed in it, with the warm-up's */
};

/* Where a worker works; all else is in the options. */
struct worker_place {
	const struct app_target *target;
	unsigned int target_index;
	unsigned int lcore;
	unsigned int index; /* among the namespace's workers */
	unsigned int count; /* of them */
};

/* Queue pair, buffers and bitmaps. 0 or negative errno with app_fail(). */
int worker_create(struct worker *w, struct run_state *run, const struct testpmd_opts *o,
		  const struct worker_place *place);

/* After its poller was removed. A zeroed or half-created worker is fine. */
void worker_destroy(struct worker *w);

/* The poller. */
int worker_poll(void *arg);

/* Counts in a counter that other threads read. */
static inline void worker_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* Keeps the text of the first failure. */
void worker_say(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- for workloads ---- */

/* splitmix64: one addition and two multiplications per number. */
static inline uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* A random number below @n by multiplication; the bias is below n / 2^64. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	__extension__ typedef unsigned __int128 u128;

	return (uint64_t)(((u128)splitmix64(state) * n) >> 64);
}

static inline uint64_t worker_next_block(struct worker *w)
{
	uint64_t block = w->cursor;

	w->cursor = block + 1 < w->nb_blocks ? block + 1 : 0;
	return block;
}

static inline uint64_t worker_random_block(struct worker *w)
{
	return random_below(&w->rng, w->nb_blocks);
}

static inline bool worker_mix_reads(struct worker *w)
{
	return random_below(&w->rng, 100) < w->rwmixread;
}

void worker_read(struct worker *w, struct io_slot *slot, uint64_t block);
void worker_write(struct worker *w, struct io_slot *slot, uint64_t block);

/* ---- between worker*.c and verify.c ---- */

/* Puts an op on the list that the end of the poll submits. */
static inline void worker_post(struct worker *w, struct io_slot *slot)
{
	w->todo[w->nb_todo++] = &slot->op;
}

static inline void worker_release(struct worker *w, struct io_slot *slot)
{
	w->free[w->nb_free++] = slot;
}

#endif
