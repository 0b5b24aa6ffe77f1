/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine runs workloads: one knows I/O on namespaces, another copies. Each is a table that
 * registers itself; the program finds workloads through the tables and names no engine.
 *
 * The session (session.h) is the only caller of create to destroy, and it calls them from the main
 * lcore's thread, except for stop and stats, which any thread may call at any time between create
 * and destroy; the session keeps stats from running beside start.
 */
#ifndef TESTPMD_ENGINE_H
#define TESTPMD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "cli.h"
#include "options.h"

struct engine;

struct workload {
	const char *name;
	const struct engine *engine;
	bool reads;
	bool writes;
	bool mixed; /* -M applies */
};

/* What is to be done; the caller's until the session is destroyed. */
struct engine_env {
	const struct testpmd_opts *opts;
	FILE *human; /* where an engine says what it begins */
	uint64_t hz; /* TSC cycles per second */
};

/* How far it is. All zero before the first start. */
struct engine_stats {
	const char *phase; /* "randread", "reading back"; NULL before the first start */
	uint64_t since;    /* TSC when the phase began */
	uint64_t done;     /* of `total`, in any unit: the share of the phase that is over */
	uint64_t total;    /* 0: nobody knows */
	uint64_t ios;      /* of the workload that completed: I/Os, or copies */
	uint64_t bytes;    /* that the phase moved */
	uint64_t errors;   /* I/Os that failed, and mismatches of --verify */
	int error;         /* a negative errno: a worker gave up, or not all was done well */
	char message[512]; /* about `error` */
};

/* What is found out at the end. */
struct engine_report {
	const struct app_cli *cli;
	FILE *human;      /* where tables go */
	json_t *jobs;     /* results are appended here */
	json_t *peerlane; /* and, where they belong to no job, here */
};

/* An option that belongs to one engine; it takes a value. */
struct engine_option {
	const char *longopt; /* the long form, without dashes */
	int letter;          /* the short form; 0: none */
	const char *help;    /* lines of the usage text; NULL: another option's tell */
	const char *before;  /* the common option that they stand before */

	/* 0, or -EINVAL with app_fail(). @arg outlives @o. */
	int (*parse)(const char *arg, struct testpmd_opts *o);

	/* It was given: 0 if it goes with @o's workload, or -EINVAL with app_fail(). NULL: it goes
	 * with all workloads of its engine and no other. */
	int (*goes)(const struct testpmd_opts *o);
};

struct engine {
	int rank;             /* where its workloads stand in lists: lower ones first */
	unsigned int poll_us; /* how long poll need not be called again */

	/* What options have where they are left out, and mean in the usage text. */
	uint32_t bs;
	const char *bs_text;
	uint32_t qd;
	const char *bs_help;    /* "an I/O (4K)" */
	const char *qd_help;    /* may be NULL */
	const char *count_help; /* "copies" */
	const char *help;       /* closing lines; may be NULL */
	const char *ends;       /* the options that say what it runs on: "--src and --dst" */
	const struct engine_option *options; /* its own; the last has no longopt; may be NULL */

	/* Fills what its options have where they are left out. May be NULL. */
	void (*defaults)(struct testpmd_opts *o);

	/* What fits together can be judged without devices. 0, or -EINVAL with app_fail(). May be
	 * NULL. */
	int (*check)(const struct testpmd_opts *o);

	/* Its workloads one by one; NULL after the last. */
	const struct workload *(*workload)(unsigned int i);

	/* Finds the devices and checks that the workload can run on them. 0 or negative errno with
	 * app_fail(), and then nothing is left to destroy. */
	int (*create)(const struct engine_env *env, void **run);

	/* Begins, with all counters fresh; it was not started before, or poll said that it is over.
	 * Does not wait for I/O. 0 or negative errno with app_fail(), and then it may be tried
	 * again. */
	int (*start)(void *run);

	/* Leads what was started; on the main lcore. > 0 as long as it goes on, 0 when it is over:
	 * then nothing of it uses the counters any more. */
	int (*poll)(void *run, uint64_t now);

	/* Asks it to end, and @now a verification that follows as well. Often is as good as once.
	 */
	void (*stop)(void *run, bool now);

	/* Takes no lock that the data path would have to take. */
	void (*stats)(void *run, struct engine_stats *stats);

	/* When it is over: prints what it did and found. Returns the exit status; the message of a
	 * failure has been printed. */
	int (*report)(void *run, struct engine_report *report);

	/* When it is over, or was not started. */
	void (*destroy)(void *run);
};

void engine_register(const struct engine *engine);

#define ENGINE_REGISTER(engine)                                          \
	static void __attribute__((constructor)) register_##engine(void) \
	{                                                                \
		engine_register(&(engine));                              \
	}

/* The engines by rank; NULL after the last. */
const struct engine *engine_get(unsigned int i);

/* NULL if no engine has one of that name. */
const struct workload *workload_find(const char *name);

/* "read, write, ... or copy" for messages; those of @engine, or of all if it is NULL. Returns @buf.
 */
const char *workload_names(const struct engine *engine, char *buf, size_t len);

/* -EINVAL with app_fail() if there is no controller at all. */
int engine_any_device(void);

#endif
