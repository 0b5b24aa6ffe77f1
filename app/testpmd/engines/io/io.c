/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs an I/O workload: a worker for each lcore and namespace, and on the main lcore a supervisor
 * that leads all of them from phase to phase.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_eal.h>

#include "io.h"
#include "size.h"
#include "workload.h"

#define STALL_SECONDS 30

static void publish(struct io_run *r, enum phase phase)
{
	__atomic_store_n(&r->state.phase, phase, __ATOMIC_RELEASE);
}

/* Reads every controller's counters into the member of struct ctrlr_traffic at @member. */
static void snapshot(struct io_run *r, size_t member)
{
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs; i++) {
		struct ctrlr_traffic *t = &r->traffic[i];
		void *to = (char *)t + member;

		t->known = pl_nvme_ctrlr_traffic(r->devices.ctrlrs[i].ctrlr, to) == 0;
	}
}

/* From here on what the controllers count is the run's. */
static void begin_measuring(struct io_run *r)
{
	r->measuring = true;
	snapshot(r, offsetof(struct ctrlr_traffic, before));
}

static void show_progress(struct io_run *r, int phase, uint64_t now)
{
	const struct testpmd_opts *o = r->t->opts;
	uint64_t done = 0, total = o->count * r->devices.nb_targets;

	for (unsigned int i = 0; i < r->nb_workers; i++)
		done += __atomic_load_n(&r->workers[i].done, __ATOMIC_RELAXED);
	if (phase == PHASE_READBACK)
		app_progress_show(&r->progress, 0, 0, done * o->bs);
	else if (o->seconds)
		app_progress_show(&r->progress, now - r->start, r->state.deadline - r->start,
				  done * o->bs);
	else
		app_progress_show(&r->progress, done, total, done * o->bs);
}

/* A controller that is gone, or that somebody waits for to unbind it, completes nothing any more. */
static void check_ctrlrs(struct io_run *r)
{
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs && !r->state.gone; i++) {
		struct pl_nvme_ctrlr *ctrlr = r->devices.ctrlrs[i].ctrlr;

		if (pl_nvme_ctrlr_poll_events(ctrlr) >= 0)
			continue;
		snprintf(r->state.why, sizeof(r->state.why), "%s", pl_errmsg());
		__atomic_store_n(&r->state.abort, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&r->state.gone, ctrlr, __ATOMIC_RELEASE);
	}
}

/* The poller on the main lcore: when every worker is through a phase, it begins the next. */
static int supervise(void *arg)
{
	struct io_run *r = arg;
	uint64_t now = rte_rdtsc();
	int phase = r->state.phase;

	if (now < r->next)
		return 0;
	r->next = now + r->interval;
	if (now >= r->next_check) {
		r->next_check = now + r->t->hz / 10;
		check_ctrlrs(r);
	}
	if (now >= r->progress.next)
		show_progress(r, phase, now);
	if (!r->measuring && now >= r->state.measure)
		begin_measuring(r);
	for (unsigned int i = 0; i < r->nb_workers; i++)
		if (__atomic_load_n(&r->workers[i].finished, __ATOMIC_ACQUIRE) != phase)
			return 0;
	if (phase == PHASE_RUN) {
		if (!r->measuring) /* it was stopped before */
			begin_measuring(r);
		snapshot(r, offsetof(struct ctrlr_traffic, run));
		if (r->t->opts->verify && r->t->opts->workload->writes) {
			for (unsigned int i = 0; i < r->nb_workers; i++)
				__atomic_store_n(&r->workers[i].done, 0, __ATOMIC_RELAXED);
			app_progress_restart(&r->progress, "reading back");
			publish(r, PHASE_READBACK);
			return 1;
		}
	}
	snapshot(r, offsetof(struct ctrlr_traffic, readback));
	publish(r, PHASE_END);
	return -1;
}

static int create_workers(struct io_run *r)
{
	unsigned int lcore, index = 0, lcores = rte_lcore_count();
	int rc = 0;

	r->workers = calloc((size_t)lcores * r->devices.nb_targets, sizeof(*r->workers));
	r->traffic = calloc(r->devices.nb_ctrlrs, sizeof(*r->traffic));
	if (!r->workers || !r->traffic)
		return app_fail(-ENOMEM, "out of memory for the workers");
	RTE_LCORE_FOREACH(lcore)
	{
		for (unsigned int t = 0; rc == 0 && t < r->devices.nb_targets; t++) {
			struct worker_place place = {
				.target = &r->devices.targets[t],
				.target_index = t,
				.lcore = lcore,
				.index = index,
				.count = lcores,
			};

			rc = worker_create(&r->workers[r->nb_workers++], &r->state, r->t->opts,
					   &place);
		}
		index++;
	}
	return rc;
}

static int add_pollers(struct io_run *r)
{
	int rc = pl_poller_add(rte_get_main_lcore(), "supervisor", supervise, r, &r->supervisor);

	for (; rc == 0 && r->nb_pollers < r->nb_workers; r->nb_pollers++) {
		struct worker *w = &r->workers[r->nb_pollers];

		rc = pl_poller_add(w->lcore, w->device, worker_poll, w, &w->poller);
		if (rc)
			break;
	}
	return rc ? app_fail_lib(rc) : 0;
}

static void announce(const struct io_run *r)
{
	const struct testpmd_opts *o = r->t->opts;
	char size[APP_SIZE_TEXT];
	FILE *out = r->t->human;

	fprintf(out, "%s, %s I/Os, %u in flight per worker", o->workload->name,
		app_size_format(o->bs, size), o->qd);
	if (o->workload->mixed)
		fprintf(out, ", %u%% reads", o->rwmixread);
	if (o->seconds)
		fprintf(out, ", %" PRIu64 " s", o->seconds);
	if (o->warmup)
		fprintf(out, " after %" PRIu64 " s of warm-up", o->warmup);
	if (o->count)
		fprintf(out, ", %" PRIu64 " I/Os per device", o->count);
	fprintf(out, ", %u lcore%s, seed %" PRIu64 "%s\n", rte_lcore_count(),
		rte_lcore_count() == 1 ? "" : "s", o->seed, o->verify ? ", verified" : "");
	for (unsigned int i = 0; i < r->devices.nb_targets; i++) {
		const struct app_target *t = &r->devices.targets[i];

		fprintf(out, "on %s NSID %u: %s from LBA %" PRIu64 " on, LBAs of %u bytes\n",
			t->device, t->nsid, app_size_format(t->nlb << t->ns->lba_shift, size),
			t->slba, 1u << t->ns->lba_shift);
	}
	fflush(out);
}

/* The phases' own bytes, from counters that only grow. */
static void settle_traffic(struct io_run *r)
{
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs; i++) {
		app_traffic_sub(&r->traffic[i].readback, &r->traffic[i].run);
		app_traffic_sub(&r->traffic[i].run, &r->traffic[i].before);
	}
}

static void run_phases(struct io_run *r)
{
	const struct testpmd_opts *o = r->t->opts;

	if (!o->warmup)
		begin_measuring(r);
	app_progress_init(&r->progress, r->t->human, o->workload->name);
	r->interval = r->t->hz / 20000; /* 50 us */
	r->start = rte_rdtsc();
	r->state.measure = r->start + o->warmup * r->t->hz;
	r->state.deadline = o->seconds ? r->state.measure + o->seconds * r->t->hz : UINT64_MAX;
	r->state.stall = STALL_SECONDS * r->t->hz;
	publish(r, PHASE_RUN);
	pl_poller_run();
	app_progress_end(&r->progress);
	settle_traffic(r);
}

static void teardown(struct io_run *r)
{
	/* Workers on other lcores see the last phase and leave; removing them waits for that. */
	for (unsigned int i = 0; i < r->nb_pollers; i++)
		pl_poller_remove(r->workers[i].poller);
	if (r->supervisor)
		pl_poller_remove(r->supervisor);
	for (unsigned int i = 0; i < r->nb_workers; i++)
		worker_destroy(&r->workers[i]);
	free(r->workers);
	free(r->traffic);
	devices_free(&r->devices);
}

/* One line for each kind of failure, and the exit status. */
static int verdict(const struct io_run *r)
{
	struct io_totals sum;
	int rc;

	io_totals(r, -1, &sum);
	rc = io_error_of(&sum);
	if (!rc)
		return APP_EXIT_OK;
	if (sum.failed)
		app_fail(rc, "gave up: %s", sum.message);
	else if (sum.mismatches)
		app_fail(rc, "%" PRIu64 " mismatches and %" PRIu64 " I/O errors; first: %s",
			 sum.mismatches, sum.errors, sum.message);
	else if (sum.errors)
		app_fail(rc, "%" PRIu64 " I/O errors; first: %s", sum.errors, sum.message);
	else if (sum.stopped)
		app_fail(rc, "interrupted before all that was asked for was done");
	else
		app_fail(rc,
			 "verification interrupted: %" PRIu64 " of %" PRIu64
			 " written blocks were compared",
			 sum.readback, sum.written);
	app_cli_error(r->t->cli);
	return APP_EXIT_FAIL;
}

static int run(struct testpmd *t)
{
	struct io_run r = { .t = t, .state.key = t->opts->seed ^ rte_rdtsc() };
	int rc, status;

	rc = devices_find(&r.devices, t->opts, rte_lcore_count());
	if (rc == 0)
		rc = create_workers(&r);
	if (rc == 0)
		rc = add_pollers(&r);
	if (rc == 0) {
		announce(&r);
		run_phases(&r);
		io_report_print(&r);
		io_report_json(&r);
		status = verdict(&r);
	} else {
		app_cli_error(t->cli);
		status = app_setup_status(rc);
	}
	teardown(&r);
	return status;
}

const struct engine io_engine = {
	.name = "io",
	.rank = 0,
	.workload = io_workload_get,
	.run = run,
};

ENGINE_REGISTER(io_engine)
