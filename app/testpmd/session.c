/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_eal.h>

#include "session.h"

struct session {
	const struct engine *engine;
	void *run; /* the engine's */
	session_watch_fn watch;
	void *watch_arg;
	uint64_t next;     /* TSC when the engine is polled again */
	uint64_t interval; /* TSC cycles between two polls */
	struct pl_poller *poller;
	int state;   /* enum session_state, atomic */
	bool waited; /* session_wait() runs the pollers until the session is over */

	/* Keeps snapshots and stops from a start, which replaces the counters; no worker needs
	 * it. */
	pthread_mutex_t lock;
};

static int state_of(const struct session *s)
{
	return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct session *s, enum session_state state)
{
	__atomic_store_n(&s->state, (int)state, __ATOMIC_RELEASE);
}

/* The poller on the main lcore. */
static int lead(void *arg)
{
	struct session *s = arg;
	uint64_t now = rte_rdtsc();

	if (now < s->next || state_of(s) != SESSION_RUNNING)
		return 0;
	s->next = now + s->interval;
	if (s->watch)
		s->watch(s, s->watch_arg);
	if (s->engine->poll(s->run, now) > 0)
		return 1;
	set_state(s, SESSION_OVER);
	if (s->waited)
		pl_poller_stop(); /* others may have pollers here that never end */
	return -1;
}

int session_create(const struct engine_env *env, struct session **session)
{
	struct session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return app_fail(-ENOMEM, "out of memory for a session");
	s->engine = env->opts->workload->engine;
	s->interval = env->hz * s->engine->poll_us / 1000000;
	rc = s->engine->create(env, &s->run);
	if (rc) {
		free(s);
		return rc;
	}
	pthread_mutex_init(&s->lock, NULL);
	*session = s;
	return 0;
}

void session_watch(struct session *s, session_watch_fn watch, void *arg)
{
	s->watch = watch;
	s->watch_arg = arg;
}

static void remove_poller(struct session *s)
{
	pl_poller_remove(s->poller);
	s->poller = NULL;
}

int session_start(struct session *s)
{
	int rc;

	if (state_of(s) == SESSION_RUNNING)
		return app_fail(-EBUSY, "it runs already; stop it and wait until it is over");
	remove_poller(s);
	/* First, since an engine that was started must be led to its end. */
	rc = pl_poller_add(rte_get_main_lcore(), "supervisor", lead, s, &s->poller);
	if (rc)
		return app_fail_lib(rc);
	pthread_mutex_lock(&s->lock);
	s->next = 0;
	rc = s->engine->start(s->run);
	set_state(s, rc ? SESSION_IDLE : SESSION_RUNNING);
	pthread_mutex_unlock(&s->lock);
	if (rc)
		remove_poller(s);
	return rc;
}

void session_stop(struct session *s, bool now)
{
	pthread_mutex_lock(&s->lock); /* who stops while it starts must not be too early */
	if (state_of(s) == SESSION_RUNNING)
		s->engine->stop(s->run, now);
	pthread_mutex_unlock(&s->lock);
}

void session_snapshot(struct session *s, struct session_snapshot *snapshot)
{
	pthread_mutex_lock(&s->lock);
	snapshot->state = (enum session_state)state_of(s);
	s->engine->stats(s->run, &snapshot->stats);
	pthread_mutex_unlock(&s->lock);
}

void session_wait(struct session *s)
{
	s->waited = true;
	while (state_of(s) == SESSION_RUNNING)
		pl_poller_run();
	s->waited = false;
}

int session_report(struct session *s, struct engine_report *report)
{
	return s->engine->report(s->run, report);
}

void session_destroy(struct session *s)
{
	if (!s)
		return;
	session_stop(s, true);
	session_wait(s);
	remove_poller(s);
	s->engine->destroy(s->run);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
