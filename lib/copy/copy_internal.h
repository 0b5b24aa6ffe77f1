/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A copy job: plan.c decides, pipeline.c copies between two ends (copy_end.h), landing.c proves
 * arrival, verify.c compares.
 */
#ifndef PL_COPY_INTERNAL_H
#define PL_COPY_INTERNAL_H

#include <signal.h>

#include <peerlane/pl_copy.h>

#include "copy_end.h"
#include "nvme_internal.h"
#include "p2p_proof.h"
#include "range_set.h"

#define COPY_DEFAULT_CHUNK (128u << 10)
#define COPY_DEFAULT_DEPTH 32u
#define COPY_BURST	   32u
#define COPY_TIMEOUT_S	   30u
#define COPY_SUSPECT_MS	   100u
#define COPY_LATE_PART	   100u /* so small a part of that makes data late */
#define COPY_SYNC_TIMEOUTS 10u /* a Flush may take so many times COPY_TIMEOUT_S */
#define COPY_LANDING_UNIT  4096u

/* One chunk in flight. The pair of I/Os is used for both legs while copying, and for the two reads
 * while verifying. */
struct copy_slot {
	struct copy_io src_io;
	struct copy_io dst_io;
	uint8_t *buf;	    /* while copying: the chunk; while verifying: the source's copy */
	uint8_t *dst_buf;   /* while verifying: the destination's copy */
	uint64_t nonce;
	uint64_t chunk;	    /* index of the chunk */
	uint64_t start;	    /* TSC at submission of the leg under way */
	uint64_t completed; /* landing: TSC when the read completed */
	struct copy_end *at; /* that has its I/O; NULL: none (verifying: the destination) */
	uint32_t len;	    /* bytes of the chunk */
	uint32_t landed;    /* landing: the nonces up to here are gone */
	uint32_t pending;   /* verifying: reads outstanding */
	bool failed;	    /* verifying: one of them did */
};

struct pl_copy {
	struct pl_copy_plan plan;
	struct pl_copy_stats stats;
	struct copy_end src;
	struct copy_end dst;
	bool verify;
	bool no_sync;
	volatile sig_atomic_t cancelled;
	int error; /* first failure; the job drains, then ends with it */
	struct pl_error failure; /* and what pl_error_get() said of it */

	struct pl_p2p *provider; /* of the buffers; NULL: host memory */
	unsigned int memory;	 /* which of it */
	struct pl_p2p_heap *heap;
	uint8_t *bufs;
	size_t buf_stride;
	size_t unit; /* bytes that have a nonce each */
	struct copy_slot *slots;
	struct copy_slot **free_slots;
	uint32_t nb_free;
	struct copy_slot **landing; /* read, arrival not proven yet */
	struct copy_slot **landed;  /* this round: data is there if the provider is alive */
	struct copy_slot **written; /* this round: acknowledged if the provider is alive */
	uint32_t nb_landing;
	bool late; /* one of them, longer than a fabric takes */
	uint32_t nb_landed;
	uint32_t nb_written;
	struct p2p_proof proof; /* of the provider */
	int disproved; /* why nothing counts any more that completes from then on */
	uint64_t next_chunk;
	struct copy_range_set acked;	/* chunks */
	struct copy_range_set verified; /* chunks that compared equal */
	bool verify_begun;
	struct copy_io sync_io;

	uint8_t *verify_bufs;
	uint32_t verify_depth;

	bool started;
	bool using; /* the provider's memory */
	uint64_t phase_start; /* TSC */
	uint64_t last_progress;
	uint64_t last_asked;
	uint64_t suspect; /* COPY_SUSPECT_MS in TSC cycles */
	struct pl_hist *read_hist;
	struct pl_hist *write_hist;
};

/* plan.c */
int copy_plan(const struct pl_copy_opts *opts, struct pl_copy *job);

/* pipeline.c: one round; true while chunks are outstanding or left */
bool copy_round(struct pl_copy *job);
uint64_t copy_chunk_len(const struct pl_copy *job, uint64_t chunk);
void copy_fail(struct pl_copy *job, int err); /* keeps the first, and its message */

/* landing.c */
void landing_stamp(const struct pl_copy *job, struct copy_slot *slot);
int landing_flush(struct pl_copy *job, const struct copy_slot *last);
bool landing_arrived(struct pl_copy *job, struct copy_slot *slot);
bool landing_overdue(const struct pl_copy *job, const struct copy_slot *slot, uint64_t now);
int landing_lost(const struct pl_copy *job, const struct copy_slot *slot);

/* sync.c */
int sync_start(struct pl_copy *job); /* 1: begun; 0: there is nothing to do */
bool sync_round(struct pl_copy *job); /* true while it goes on */

/* verify.c */
void verify_start(struct pl_copy *job);
bool verify_round(struct pl_copy *job);

#endif
