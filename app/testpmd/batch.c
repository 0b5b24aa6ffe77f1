/* SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"
#include "progress.h"
#include "session.h"
#include "stop.h"

struct batch {
	int asked; /* how often to stop, that the session knows of */
	struct app_progress progress;
};

static void show_progress(struct session *s, struct app_progress *p)
{
	struct session_snapshot snap;
	struct engine_stats *now = &snap.stats;

	session_snapshot(s, &snap);
	if (now->phase != p->what) {
		app_progress_restart(p, now->phase);
		p->start = now->since;
	}
	app_progress_show(p, now->done, now->total, now->bytes);
}

static void watch(struct session *s, void *arg)
{
	struct batch *b = arg;
	int asked = app_stop_count();

	if (asked != b->asked) {
		b->asked = asked;
		session_stop(s, asked > 1);
	}
	if (app_progress_due(&b->progress))
		show_progress(s, &b->progress);
}

static void wait_for(struct session *s, struct batch *b, FILE *human)
{
	struct session_snapshot snap;

	session_snapshot(s, &snap);
	app_progress_init(&b->progress, human, snap.stats.phase);
	session_watch(s, watch, b);
	session_wait(s);
	app_progress_end(&b->progress);
}

int batch_run(const struct engine_env *env, struct engine_report *report)
{
	struct batch b = { .asked = 0 };
	struct session *s = NULL;
	int status, rc;

	rc = session_create(env, &s);
	if (rc == 0)
		rc = session_start(s);
	if (rc == 0) {
		wait_for(s, &b, env->human);
		status = session_report(s, report);
	} else {
		app_cli_error(report->cli);
		status = app_setup_status(rc);
	}
	session_destroy(s);
	return status;
}
