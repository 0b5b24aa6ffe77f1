/* SPDX-License-Identifier: BSD-3-Clause */
/* The workload "copy": lib/copy's job, again and again, on the main lcore. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_copy.h>

#include "copy_report.h"
#include "engine.h"
#include "progress.h"
#include "size.h"
#include "stop.h"
#include "testpmd.h"

struct copy_loop {
	struct testpmd *t;
	struct pl_copy_opts opts;
	struct app_copy_result *result;
	struct app_progress progress;
	uint64_t start; /* TSC */
	uint64_t measure;
	uint64_t deadline;
};

/* --src and --dst, or the first namespaces of the first two devices. */
static int find_targets(const struct testpmd_opts *o, struct app_target target[2])
{
	const struct pl_nvme_ctrlr *prev = NULL;
	int rc = 0;

	memset(target, 0, 2 * sizeof(*target));
	if (!o->src.is_file || !o->dst.is_file)
		rc = testpmd_any_device();
	if (rc)
		return rc;
	if (o->src_given) {
		target[0] = o->src;
		target[1] = o->dst;
		rc = app_end_open("--src", &target[0], false);
		return rc ? rc : app_end_open("--dst", &target[1], true);
	}
	for (int i = 0; i < 2; i++) {
		struct pl_nvme_ctrlr *ctrlr = pl_nvme_ctrlr_next(prev);
		struct pl_nvme_ns *ns;

		if (!ctrlr)
			return app_fail(-EINVAL,
					"-w copy: one device only; give a second, or --src "
					"and --dst that do not overlap");
		ns = pl_nvme_ns_get(ctrlr, 1);
		if (!ns)
			return app_fail_lib(-ENOENT);
		app_target_whole(ns, &target[i]);
		prev = ctrlr;
	}
	return 0;
}

static void show_progress(struct copy_loop *l, const struct pl_copy *job)
{
	const struct testpmd_opts *o = l->t->opts;
	uint64_t bytes = l->result->stats.bytes_copied;
	struct pl_copy_stats s;

	pl_copy_stats(job, &s);
	bytes += s.bytes_copied;
	if (o->seconds)
		app_progress_show(&l->progress, rte_rdtsc() - l->start, l->deadline - l->start,
				  bytes);
	else
		app_progress_show(&l->progress, bytes, o->count * pl_copy_plan(job)->bytes, bytes);
}

/* One job to its end. The result counts unless it began in the warm-up and ended well. */
static int copy_once(struct copy_loop *l, bool first)
{
	uint64_t begin = rte_rdtsc();
	struct pl_copy *job;
	int rc = pl_copy_create(&l->opts, &job), add = 0;

	if (rc) {
		l->result->error = rc;
		return app_fail_lib(rc);
	}
	if (first)
		app_copy_print_plan(l->t->human, pl_copy_plan(job));
	while ((rc = pl_copy_poll(job)) > 0) {
		if (app_stop_count())
			pl_copy_cancel(job);
		if (rte_rdtsc() >= l->progress.next)
			show_progress(l, job);
	}
	if (rc)
		app_fail_lib(rc);
	if (rc || begin >= l->measure)
		add = app_copy_result_add(l->result, job, rc);
	pl_copy_destroy(job);
	return rc ? rc : add;
}

/* Until time or count is over. */
static int copy_all(struct copy_loop *l)
{
	const struct testpmd_opts *o = l->t->opts;
	int rc = 0;

	l->start = rte_rdtsc();
	l->measure = l->start + o->warmup * l->t->hz;
	l->deadline = o->seconds ? l->measure + o->seconds * l->t->hz : UINT64_MAX;
	app_progress_init(&l->progress, l->t->human, "copy");
	for (bool first = true; rc == 0; first = false) {
		rc = copy_once(l, first);
		if (app_stop_count() || (l->result->jobs && rte_rdtsc() >= l->deadline) ||
		    (o->count && l->result->jobs >= o->count))
			break;
	}
	app_progress_end(&l->progress);
	return rc;
}

static int report(struct copy_loop *l, int rc)
{
	struct testpmd *t = l->t;

	if (!l->result->jobs) {
		if (!rc)
			rc = app_fail(-ECANCELED, "interrupted before a copy was measured");
		app_cli_error(t->cli);
		return app_setup_status(rc);
	}
	if (rc)
		app_cli_error(t->cli);
	app_copy_print(t->human, l->result, t->hz);
	json_array_append_new(t->jobs,
			      app_copy_json(l->result, "copy", options_json(t->opts), t->hz));
	return rc ? APP_EXIT_FAIL : APP_EXIT_OK;
}

static int run(struct testpmd *t)
{
	const struct testpmd_opts *o = t->opts;
	struct app_copy_result result;
	struct copy_loop l = {
		.t = t,
		.opts = { .opts_size = sizeof(l.opts) },
		.result = &result,
	};
	struct app_target target[2];
	int rc, status;

	app_copy_result_init(&result);
	rc = find_targets(o, target);
	if (rc == 0)
		rc = app_copy_opts_set(&l.opts, &target[0], &target[1], &o->via, !o->src_given);
	if (rc == 0) {
		result.src = target[0].text;
		result.dst = target[1].text;
		result.via = o->via.text;
		result.verify = o->verify;
		l.opts.chunk = o->bs;
		l.opts.depth = o->qd;
		l.opts.verify = o->verify;
		if (rte_lcore_count() > 1)
			fprintf(t->human, "copy runs on the main lcore, %u, alone\n",
				rte_get_main_lcore());
		rc = copy_all(&l);
	}
	status = report(&l, rc);
	app_copy_result_fini(&result);
	app_end_close(&target[1]);
	app_end_close(&target[0]);
	return status;
}

static const struct engine copy_engine;
static const struct workload copy_workload = {
	"copy",
	&copy_engine,
	.reads = true,
	.writes = true,
};

static const struct workload *workload(unsigned int i)
{
	return i ? NULL : &copy_workload;
}

static const struct engine copy_engine = {
	.name = "copy",
	.rank = 1,
	.workload = workload,
	.run = run,
};

ENGINE_REGISTER(copy_engine)
