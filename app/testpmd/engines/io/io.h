/* SPDX-License-Identifier: BSD-3-Clause */
/* An I/O workload on several namespaces: io.c runs it and report.c reports. */
#ifndef TESTPMD_IO_H
#define TESTPMD_IO_H

#include "devices.h"
#include "engine.h"
#include "traffic.h"
#include "worker.h"

/* A controller's counters at the borders of the phases. */
struct ctrlr_traffic {
	bool known;
	struct pl_nvme_traffic before;
	struct pl_nvme_traffic run;      /* afterwards: of the phase alone */
	struct pl_nvme_traffic readback; /* likewise */
};

struct io_run {
	const struct testpmd_opts *opts;
	FILE *human;
	uint64_t hz; /* TSC cycles per second */
	struct devices devices;
	struct ctrlr_traffic *traffic; /* one for each of devices.ctrlrs */
	struct worker *workers;
	unsigned int nb_workers;
	unsigned int nb_pollers; /* the first so many workers have one */
	struct run_state state;
	uint64_t since;      /* TSC when the phase began, atomic */
	uint64_t next_check; /* TSC when the supervisor asks the controllers */
	bool measuring;      /* the counters before were read */
};

/* What the workers found, added up. */
struct io_totals {
	uint64_t errors;
	uint64_t compares;
	uint64_t written; /* blocks to read back */
	uint64_t readback;
	uint64_t mismatches;
	bool stopped;        /* by the user, before time or count was over */
	int failed;          /* the first worker that gave up: its negative errno */
	const char *message; /* about the first error; "" if there is none */
};

/* Of the workers on namespace @target, or of all if it is negative. */
void io_totals(const struct io_run *r, int target, struct io_totals *sum);

/* 0, or the negative errno that says what went wrong first. */
int io_error_of(const struct io_totals *sum);

/* -M and --devices. */
extern const struct engine_option io_options[];
void io_defaults(struct testpmd_opts *o);

/* Tables and lines for people. */
void io_report_print(const struct io_run *r, FILE *out);

/* Appends a job for each namespace to @report's and sets what belongs to none. */
void io_report_json(const struct io_run *r, struct engine_report *report);

#endif
