/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs an I/O workload: a worker for each lcore and namespace, and on the main lcore a supervisor
 * that leads all of them from phase to phase.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

		t->known =
			pl_nvme_ctrlr_traffic(r->devices.ctrlrs[i].ctrlr, to, sizeof(t->run)) == 0;
	}
}

/* From here on what the controllers count is the run's. */
static void begin_measuring(struct io_run *r)
{
	r->measuring = true;
	snapshot(r, offsetof(struct ctrlr_traffic, before));
}

/* A controller that is gone, or that somebody waits for to unbind it, completes nothing any more.
 */
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

/* The phases' own bytes, from counters that only grow. */
static void settle_traffic(struct io_run *r)
{
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs; i++) {
		app_traffic_sub(&r->traffic[i].readback, &r->traffic[i].run);
		app_traffic_sub(&r->traffic[i].run, &r->traffic[i].before);
	}
}

/* On the main lcore: when every worker is through a phase, it begins the next. */
static int supervise(void *run, uint64_t now)
{
	struct io_run *r = run;
	int phase = r->state.phase;

	if (now >= r->next_check) {
		r->next_check = now + r->hz / 10;
		check_ctrlrs(r);
	}
	if (!r->measuring && now >= r->state.measure)
		begin_measuring(r);
	for (unsigned int i = 0; i < r->nb_workers; i++)
		if (__atomic_load_n(&r->workers[i].finished, __ATOMIC_ACQUIRE) != phase)
			return 1;
	if (phase == PHASE_RUN) {
		if (!r->measuring) /* it was stopped before */
			begin_measuring(r);
		snapshot(r, offsetof(struct ctrlr_traffic, run));
		if (r->opts->verify && r->opts->workload->writes) {
			__atomic_store_n(&r->since, now, __ATOMIC_RELAXED);
			publish(r, PHASE_READBACK);
			return 1;
		}
	}
	snapshot(r, offsetof(struct ctrlr_traffic, readback));
	settle_traffic(r);
	publish(r, PHASE_END);
	return 0;
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

			rc = worker_create(&r->workers[r->nb_workers++], &r->state, r->opts,
					   &place);
		}
		index++;
	}
	return rc;
}

static int add_pollers(struct io_run *r)
{
	for (; r->nb_pollers < r->nb_workers; r->nb_pollers++) {
		struct worker *w = &r->workers[r->nb_pollers];
		int rc = pl_poller_add(w->lcore, w->device, worker_poll, w, &w->poller);

		if (rc)
			return app_fail_lib(rc);
	}
	return 0;
}

/* Workers on other lcores see the last phase and leave; removing them waits for that. */
static void remove_workers(struct io_run *r)
{
	for (unsigned int i = 0; i < r->nb_pollers; i++)
		pl_poller_remove(r->workers[i].poller);
	for (unsigned int i = 0; i < r->nb_workers; i++)
		worker_destroy(&r->workers[i]);
	free(r->workers);
	free(r->traffic);
	r->workers = NULL;
	r->traffic = NULL;
	r->nb_workers = r->nb_pollers = 0;
}

static void announce(const struct io_run *r)
{
	const struct testpmd_opts *o = r->opts;
	char size[APP_SIZE_TEXT];
	FILE *out = r->human;

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

static void begin(struct io_run *r)
{
	const struct testpmd_opts *o = r->opts;

	r->measuring = false;
	r->next_check = 0;
	if (!o->warmup)
		begin_measuring(r);
	r->since = rte_rdtsc();
	r->state.measure = r->since + o->warmup * r->hz;
	r->state.deadline = o->seconds ? r->state.measure + o->seconds * r->hz : UINT64_MAX;
	r->state.stall = STALL_SECONDS * r->hz;
	publish(r, PHASE_RUN);
}

static int create(const struct engine_env *env, void **run)
{
	struct io_run *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return app_fail(-ENOMEM, "out of memory for the workers");
	r->opts = env->opts;
	r->human = env->human;
	r->hz = env->hz;
	rc = devices_find(&r->devices, r->opts, rte_lcore_count());
	if (rc) {
		free(r);
		return rc;
	}
	*run = r;
	return 0;
}

static int start(void *run)
{
	struct io_run *r = run;
	int rc;

	remove_workers(r);
	memset(&r->state, 0, sizeof(r->state));
	r->state.key = r->opts->seed ^ rte_rdtsc();
	rc = create_workers(r);
	if (rc == 0)
		rc = add_pollers(r);
	if (rc) {
		remove_workers(r);
		return rc;
	}
	announce(r);
	begin(r);
	return 0;
}

static void stop(void *run, bool now)
{
	struct io_run *r = run;

	if (now)
		__atomic_store_n(&r->state.stop, 2, __ATOMIC_RELAXED);
	else if (!__atomic_load_n(&r->state.stop, __ATOMIC_RELAXED))
		__atomic_store_n(&r->state.stop, 1, __ATOMIC_RELAXED);
}

/* What the workers say of themselves while they run. Returns the blocks that were read back. */
static uint64_t live_stats(const struct io_run *r, struct engine_stats *s)
{
	uint64_t readback = 0;

	for (unsigned int i = 0; i < r->nb_workers; i++) {
		const struct worker *w = &r->workers[i];
		int failed = __atomic_load_n(&w->failed, __ATOMIC_ACQUIRE);

		s->ios += __atomic_load_n(&w->done, __ATOMIC_RELAXED);
		s->errors += __atomic_load_n(&w->errors, __ATOMIC_RELAXED);
		if (w->verify) {
			s->errors += __atomic_load_n(&w->verify->mismatches, __ATOMIC_RELAXED);
			readback += __atomic_load_n(&w->verify->readback, __ATOMIC_RELAXED);
		}
		if (failed && !s->error) {
			s->error = failed;
			snprintf(s->message, sizeof(s->message), "%s", w->message);
		}
	}
	return readback;
}

static void stats(void *run, struct engine_stats *s)
{
	const struct io_run *r = run;
	const struct testpmd_opts *o = r->opts;
	int phase = __atomic_load_n(&r->state.phase, __ATOMIC_ACQUIRE);
	struct io_totals sum;
	uint64_t readback;

	memset(s, 0, sizeof(*s));
	if (!r->nb_workers)
		return;
	s->phase = phase == PHASE_READBACK ? "reading back" : o->workload->name;
	s->since = __atomic_load_n(&r->since, __ATOMIC_RELAXED);
	readback = live_stats(r, s);
	s->bytes = (phase == PHASE_READBACK ? readback : s->ios) * o->bs;
	if (phase == PHASE_RUN && o->seconds) {
		s->done = rte_rdtsc() - s->since;
		s->total = r->state.deadline - s->since;
	} else if (phase == PHASE_RUN) {
		s->done = s->ios;
		s->total = o->count * r->devices.nb_targets;
	}
	if (phase != PHASE_END || s->error)
		return;
	io_totals(r, -1, &sum);
	s->error = io_error_of(&sum);
	snprintf(s->message, sizeof(s->message), "%s", sum.message);
}

/* One line for each kind of failure, and the exit status. */
static int verdict(const struct io_run *r, const struct app_cli *cli)
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
	app_cli_error(cli);
	return APP_EXIT_FAIL;
}

static int report(void *run, struct engine_report *out)
{
	const struct io_run *r = run;

	io_report_print(r, out->human);
	io_report_json(r, out);
	return verdict(r, out->cli);
}

static void destroy(void *run)
{
	struct io_run *r = run;

	remove_workers(r);
	devices_free(&r->devices);
	free(r);
}

const struct engine io_engine = {
	.rank = 0,
	.poll_us = 50,
	.bs = 4096,
	.bs_text = "4K",
	.qd = 32,
	.bs_help = "an I/O (4K)",
	.qd_help = "I/Os in flight per worker (32)",
	.count_help = "I/Os per device",
	.help = "A worker is one lcore of -l on one namespace, with its own queue pair.\n",
	.ends = "--devices",
	.options = io_options,
	.defaults = io_defaults,
	.workload = io_workload_get,
	.create = create,
	.start = start,
	.poll = supervise,
	.stop = stop,
	.stats = stats,
	.report = report,
	.destroy = destroy,
};

ENGINE_REGISTER(io_engine)
