/* SPDX-License-Identifier: BSD-3-Clause */
/* What a copy, or several in a row, did: as text and as JSON. Both programs that copy use it. */
#ifndef APP_COPY_REPORT_H
#define APP_COPY_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <peerlane/pl_copy.h>

struct app_copy_result {
	const char *src; /* as given on the command line */
	const char *dst;
	const char *via;
	bool verify;           /* asked for */
	bool no_landing_check; /* asked for */
	uint64_t jobs;         /* finished, well or not */
	uint64_t bytes;        /* that were to be copied, all jobs together */
	int error;             /* of the last job: 0 or a negative errno */
	struct pl_copy_plan plan;
	struct pl_copy_stats stats; /* sums; its latencies point to the members below */
	struct pl_hist read_latency;
	struct pl_hist write_latency;
	struct pl_copy_range *ranges; /* complete ranges of the last job */
	int nb_ranges;
};

/* Everything in @r that is not set by app_copy_result_add() is the caller's to fill. */
void app_copy_result_init(struct app_copy_result *r);

/* Adds what @job did; call it once, when pl_copy_poll() returned its final @rc. 0 or -ENOMEM. */
int app_copy_result_add(struct app_copy_result *r, const struct pl_copy *job, int rc);

void app_copy_result_fini(struct app_copy_result *r);

/* Every byte that was acknowledged was compared. */
bool app_copy_verified(const struct app_copy_result *r);

/* Path, reason and pipeline, before the first command. */
void app_copy_print_plan(FILE *out, const struct pl_copy_plan *plan);

/* Rates and latencies of both legs, bytes by memory, and one closing line. @hz: TSC cycles/s. */
void app_copy_print(FILE *out, const struct app_copy_result *r, uint64_t hz);

/* "copy: 64 MiB in 0.03 s, 2.1 GiB/s, verified; host DRAM: 0 B". Returns @buf. */
const char *app_copy_summary(const struct app_copy_result *r, uint64_t hz, char *buf, size_t len);

/* The element of "jobs" for this copy. Takes @options. NULL if out of memory. */
json_t *app_copy_json(const struct app_copy_result *r, const char *jobname, json_t *options,
		      uint64_t hz);

#endif
