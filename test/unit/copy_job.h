/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A copy of 1 MiB in chunks of 8 KiB from one device to another that is watched: what is on the
 * target is compared, at any time, with what the job says is complete.
 */
#ifndef TEST_COPY_JOB_H
#define TEST_COPY_JOB_H

#include "fixture.h"

#include <peerlane/pl_copy.h>

#define SRC    "nvme_emu0" /* CMB */
#define DST    "nvme_emu1" /* CMB; commands of 16 KiB at most */
#define THIRD  "nvme_emu2" /* PMR */
#define BS     512u
#define LEN    MIB(1)
#define NLB    (LEN / BS)
#define CHUNK  (8u << 10)
#define CHUNKS (LEN / CHUNK)

extern struct pl_nvme_qpair *src_qp, *dst_qp; /* the test's own */
extern uint8_t *data, *poison, *scratch;      /* LEN bytes each */

/* cmocka's group fixtures: the devices, their queue pairs and the buffers above. */
int job_setup(void **state);
int job_teardown(void **state);

struct pl_copy_opts job_opts(enum pl_copy_via via);

/* Puts new random data on the source and other on the destination, and creates the job. */
struct pl_copy *job_start(const struct pl_copy_opts *opts);

uint64_t job_copied(const struct pl_copy *job);

/* Polls until so many bytes are copied; until the comparing begins; to the end. */
void job_poll_to(struct pl_copy *job, uint64_t bytes);
void job_poll_to_verifying(struct pl_copy *job);
int job_finish(struct pl_copy *job);

/* It ends with this error and message, and stays so. */
void job_assert_ended(struct pl_copy *job, int err, const char *part);

/* What a job says is complete, to be held against the target when the job is gone. */
struct job_result {
	struct pl_copy_range ranges[CHUNKS];
	int n;
	uint64_t complete; /* bytes, as its counters have it: copied, or verified once it began to */
	uint64_t unproven; /* bytes beside those that it may have changed */
};
void job_result(const struct pl_copy *job, struct job_result *result);

/* The ranges, the counters and the target tell the same story. Returns the bytes complete. */
uint64_t job_check_result(const struct job_result *result);
uint64_t job_check_target(const struct pl_copy *job);

#endif
