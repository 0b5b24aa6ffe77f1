/* SPDX-License-Identifier: BSD-3-Clause */
/* An I/O workload on several namespaces: what io.c runs and report.c reports. */
#ifndef TESTPMD_IO_H
#define TESTPMD_IO_H

#include "devices.h"
#include "progress.h"
#include "testpmd.h"
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
	struct testpmd *t;
	struct devices devices;
	struct ctrlr_traffic *traffic; /* one for each of devices.ctrlrs */
	struct worker *workers;
	unsigned int nb_workers;
	unsigned int nb_pollers; /* the first so many workers have one */
	struct run_state state;
	struct pl_poller *supervisor;
	struct app_progress progress;
	uint64_t start;    /* TSC */
	uint64_t next;     /* TSC when the supervisor looks again */
	uint64_t interval; /* TSC cycles between its looks */
	uint64_t next_check; /* TSC when it asks the controllers */
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

/* Tables and lines for people. */
void io_report_print(const struct io_run *r);

/* Appends a job for each namespace to t->jobs and sets t->peerlane. */
void io_report_json(const struct io_run *r);

#endif
