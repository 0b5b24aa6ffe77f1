/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A workload that can be started, looked at and stopped, again and again:
 *
 *     rc = session_create(&env, &s);        // finds the devices
 *     rc = session_start(s);                // returns while the I/O goes on
 *     session_snapshot(s, &snap);           // any thread, whenever it likes
 *     session_stop(s, false);               // any thread; asks
 *     session_wait(s);                      // until it is over
 *     status = session_report(s, &report);
 *     session_destroy(s);
 *
 * What is not said to be for any thread is for the main lcore's, outside of pollers: there a
 * session is led by a poller, so one that was started ends only while pl_poller_run() runs, which
 * session_wait() does.
 */
#ifndef TESTPMD_SESSION_H
#define TESTPMD_SESSION_H

#include "engine.h"

struct session;

enum session_state {
	SESSION_IDLE,    /* was never started, or could not be */
	SESSION_RUNNING, /* until all that was asked for was done, stopped, or failed */
	SESSION_OVER,    /* may be reported, and started again */
};

struct session_snapshot {
	enum session_state state;
	struct engine_stats stats; /* since the last start */
};

/* Called on the main lcore again and again while the session runs; it must not block. It may call
 * session_stop() and session_snapshot(). */
typedef void (*session_watch_fn)(struct session *s, void *arg);

/* For the workload of @env->opts. 0 or negative errno with app_fail(). */
int session_create(const struct engine_env *env, struct session **s);

/* Before session_start(). NULL: nobody watches any more. */
void session_watch(struct session *s, session_watch_fn watch, void *arg);

/* Begins with fresh counters; forgets those of the last time. 0; -EBUSY with app_fail() if it runs;
 * else what the engine has to say, and then it is idle. */
int session_start(struct session *s);

/* Asks a session that runs to end; @now, without the verification that would follow. Otherwise, and
 * the second time, nothing happens. Any thread. */
void session_stop(struct session *s, bool now);

/* Any thread. */
void session_snapshot(struct session *s, struct session_snapshot *snapshot);

/* Runs the main lcore's pollers until the session does not run. */
void session_wait(struct session *s);

/* Of a session that is over: prints and fills @report, returns the exit status. */
int session_report(struct session *s, struct engine_report *report);

/* Stops it and waits where it runs. NULL is fine. */
void session_destroy(struct session *s);

#endif
