/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine runs workloads: one knows I/O on namespaces, another copies. Each is a table that
 * registers itself; the program finds workloads through the tables and names no engine.
 */
#ifndef TESTPMD_ENGINE_H
#define TESTPMD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

struct testpmd;
struct engine;

struct workload {
	const char *name;
	const struct engine *engine;
	bool reads;
	bool writes;
	bool mixed; /* -M applies */
};

struct engine {
	const char *name;
	int rank; /* where its workloads stand in lists: lower ones first */

	/* Its workloads one by one; NULL after the last. */
	const struct workload *(*workload)(unsigned int i);

	/* Prints what it does and found. Returns the exit status; the message of a failure that
	 * app_fail() recorded has been printed. */
	int (*run)(struct testpmd *t);
};

void engine_register(const struct engine *engine);

#define ENGINE_REGISTER(engine)                                                                    \
	static void __attribute__((constructor)) register_##engine(void)                           \
	{                                                                                          \
		engine_register(&(engine));                                                        \
	}

/* The engines by rank; NULL after the last. */
const struct engine *engine_get(unsigned int i);

/* NULL if no engine has one of that name. */
const struct workload *workload_find(const char *name);

/* "read, write, ... or copy" for messages; those of @engine, or of all if it is NULL. Returns @buf. */
const char *workload_names(const struct engine *engine, char *buf, size_t len);

#endif
