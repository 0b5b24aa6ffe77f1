/* SPDX-License-Identifier: BSD-3-Clause */
/* The workload "copy": lib/copy's job, again and again, on the main lcore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_copy.h>

#include "copy_report.h"
#include "engine.h"

/* Polls of a job in one call: what else the lcore polls is cheap then. */
#define POLLS 16

struct copy_run {
	const struct testpmd_opts *opts;
	FILE *human;
	uint64_t hz;
	struct app_target target[2]; /* source, destination */
	struct pl_copy_opts job_opts;
	struct pl_copy *job;           /* that is under way */
	struct app_copy_result result; /* of those that ended */
	uint64_t begin;                /* TSC when the job was created */
	uint64_t measure;              /* TSC from which jobs count */
	uint64_t next_look;            /* TSC when the job's counters are published again */

	/* Written by start, which no stats runs beside. */
	uint64_t start; /* TSC */
	uint64_t deadline;
	uint64_t total; /* bytes of all jobs of --count */

	/* Atomic. */
	int stop;
	uint64_t jobs;
	uint64_t bytes; /* with those of the job that is under way */
	int error;      /* what ended it, after: */
	char message[512];
};

/* --src and --dst, or the first namespaces of the first two devices. */
static int find_targets(const struct testpmd_opts *o, struct app_target target[2])
{
	const struct pl_nvme_ctrlr *prev = NULL;
	int rc = 0;

	memset(target, 0, 2 * sizeof(*target));
	if (!o->src.is_file || !o->dst.is_file)
		rc = engine_any_device();
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

static void publish(struct copy_run *r, uint64_t now)
{
	uint64_t bytes = r->result.stats.bytes_copied;
	struct pl_copy_stats s;

	r->next_look = now + r->hz / 20;
	if (r->job) {
		pl_copy_stats(r->job, &s);
		bytes += s.bytes_copied;
	}
	__atomic_store_n(&r->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&r->jobs, r->result.jobs, __ATOMIC_RELAXED);
}

/* Keeps the message of app_fail() for the report. Returns @rc. */
static int ended(struct copy_run *r, int rc)
{
	snprintf(r->message, sizeof(r->message), "%s", app_errmsg());
	__atomic_store_n(&r->error, rc, __ATOMIC_RELEASE);
	return rc;
}

static int create_job(struct copy_run *r)
{
	int rc;

	r->begin = rte_rdtsc();
	rc = pl_copy_create(&r->job_opts, &r->job);
	if (!rc)
		return 0;
	r->job = NULL;
	r->result.error = rc;
	return ended(r, app_fail_lib(rc));
}

/* The job ended with @rc. It counts unless it began in the warm-up and ended well. > 0 if another
 * one follows. */
static int job_done(struct copy_run *r, int rc)
{
	const struct testpmd_opts *o = r->opts;
	int add = 0;

	if (rc)
		app_fail_lib(rc);
	if (rc || r->begin >= r->measure)
		add = app_copy_result_add(&r->result, r->job, rc);
	pl_copy_destroy(r->job);
	r->job = NULL;
	publish(r, rte_rdtsc());
	if (rc || add) {
		ended(r, rc ? rc : add);
		return 0;
	}
	if (__atomic_load_n(&r->stop, __ATOMIC_RELAXED) ||
	    (r->result.jobs && rte_rdtsc() >= r->deadline) ||
	    (o->count && r->result.jobs >= o->count))
		return 0;
	return create_job(r) ? 0 : 1;
}

static int copy_poll(void *run, uint64_t now)
{
	struct copy_run *r = run;

	for (int i = 0; i < POLLS; i++) {
		int rc = pl_copy_poll(r->job);

		if (rc <= 0)
			return job_done(r, rc);
		if (__atomic_load_n(&r->stop, __ATOMIC_RELAXED))
			pl_copy_cancel(r->job);
	}
	if (now >= r->next_look)
		publish(r, now);
	return 1;
}

static void copy_destroy(void *run)
{
	struct copy_run *r = run;

	app_copy_result_fini(&r->result);
	app_end_close(&r->target[1]);
	app_end_close(&r->target[0]);
	free(r);
}

static int copy_create(const struct engine_env *env, void **run)
{
	const struct testpmd_opts *o = env->opts;
	struct copy_run *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return app_fail(-ENOMEM, "out of memory for a copy");
	r->opts = o;
	r->human = env->human;
	r->hz = env->hz;
	r->job_opts.opts_size = sizeof(r->job_opts);
	app_copy_result_init(&r->result);
	rc = find_targets(o, r->target);
	if (rc == 0)
		rc = app_copy_opts_set(&r->job_opts, &r->target[0], &r->target[1], &o->via,
				       !o->src_given);
	if (rc) {
		copy_destroy(r);
		return rc;
	}
	r->job_opts.chunk = o->bs;
	r->job_opts.depth = o->qd;
	r->job_opts.verify = o->verify;
	*run = r;
	return 0;
}

static void reset(struct copy_run *r)
{
	app_copy_result_fini(&r->result);
	app_copy_result_init(&r->result);
	r->result.src = r->target[0].text;
	r->result.dst = r->target[1].text;
	r->result.via = r->opts->via.text;
	r->result.verify = r->opts->verify;
	r->stop = 0;
	r->error = 0;
	r->message[0] = '\0';
	publish(r, rte_rdtsc());
}

static int copy_start(void *run)
{
	struct copy_run *r = run;
	const struct testpmd_opts *o = r->opts;
	int rc;

	reset(r);
	if (rte_lcore_count() > 1)
		fprintf(r->human, "copy runs on the main lcore, %u, alone\n", rte_get_main_lcore());
	r->start = rte_rdtsc();
	r->measure = r->start + o->warmup * r->hz;
	r->deadline = o->seconds ? r->measure + o->seconds * r->hz : UINT64_MAX;
	rc = create_job(r);
	if (rc)
		return rc;
	r->total = o->count * pl_copy_plan(r->job)->bytes;
	app_copy_print_plan(r->human, pl_copy_plan(r->job));
	return 0;
}

/* The verification of a copy that was stopped does not begin. */
static void copy_stop(void *run, bool now)
{
	struct copy_run *r = run;

	(void)now;
	__atomic_store_n(&r->stop, 1, __ATOMIC_RELAXED);
}

static void copy_stats(void *run, struct engine_stats *s)
{
	const struct copy_run *r = run;

	memset(s, 0, sizeof(*s));
	if (!r->start)
		return;
	s->phase = r->opts->workload->name;
	s->since = r->start;
	s->ios = __atomic_load_n(&r->jobs, __ATOMIC_RELAXED);
	s->bytes = __atomic_load_n(&r->bytes, __ATOMIC_RELAXED);
	s->done = r->opts->seconds ? rte_rdtsc() - r->start : s->bytes;
	s->total = r->opts->seconds ? r->deadline - r->start : r->total;
	s->error = __atomic_load_n(&r->error, __ATOMIC_ACQUIRE);
	if (s->error) {
		s->errors = 1;
		snprintf(s->message, sizeof(s->message), "%s", r->message);
	}
}

static int copy_report(void *run, struct engine_report *out)
{
	struct copy_run *r = run;
	int rc = r->error;

	if (rc)
		app_fail(rc, "%s", r->message);
	if (!r->result.jobs) {
		if (!rc)
			rc = app_fail(-ECANCELED, "interrupted before a copy was measured");
		app_cli_error(out->cli);
		return app_setup_status(rc);
	}
	if (rc)
		app_cli_error(out->cli);
	app_copy_print(out->human, &r->result, r->hz);
	json_array_append_new(out->jobs,
			      app_copy_json(&r->result, "copy", options_json(r->opts), r->hz));
	return rc ? APP_EXIT_FAIL : APP_EXIT_OK;
}

static int parse_src(const char *arg, struct testpmd_opts *o)
{
	o->src_given = true;
	return app_end_parse("--src", arg, &o->src);
}

static int parse_dst(const char *arg, struct testpmd_opts *o)
{
	o->dst_given = true;
	return app_end_parse("--dst", arg, &o->dst);
}

static int parse_via(const char *arg, struct testpmd_opts *o)
{
	return app_via_parse(arg, &o->via);
}

static void copy_defaults(struct testpmd_opts *o)
{
	app_via_parse("auto", &o->via);
}

static const struct engine_option copy_options[] = {
	{
		.longopt = "src",
		.help = "      --src, --dst TARGET of a copy: DEVICE... as above or " APP_FILE_FORM
			"\n"
			"                          (the first two devices)\n",
		.before = "json",
		.parse = parse_src,
	},
	{ .longopt = "dst", .parse = parse_dst },
	{
		.longopt = "via",
		.help = "      --via WAY           of a copy: auto, dst, src, host or a device "
			"(auto)\n",
		.before = "json",
		.parse = parse_via,
	},
	{ NULL },
};

static int copy_check(const struct testpmd_opts *o)
{
	if (o->src_given == o->dst_given)
		return 0;
	return app_fail(-EINVAL, "%s is missing: give both --src and --dst, or none",
			o->src_given ? "--dst" : "--src");
}

static const struct engine copy_engine;
static const struct workload copy_workload = {
	"copy",
	&copy_engine,
	.reads = true,
	.writes = true,
};

static const struct workload *copy_workload_get(unsigned int i)
{
	return i ? NULL : &copy_workload;
}

static const struct engine copy_engine = {
	.rank = 1,
	.bs = 128u << 10,
	.bs_text = "128K",
	.qd = 0, /* as many chunks as fit */
	.bs_help = "a copy's chunk (128K)",
	.count_help = "copies",
	.ends = "--src and --dst",
	.options = copy_options,
	.defaults = copy_defaults,
	.check = copy_check,
	.workload = copy_workload_get,
	.create = copy_create,
	.start = copy_start,
	.poll = copy_poll,
	.stop = copy_stop,
	.stats = copy_stats,
	.report = copy_report,
	.destroy = copy_destroy,
};

ENGINE_REGISTER(copy_engine)
