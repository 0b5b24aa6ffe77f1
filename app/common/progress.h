/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line that says how far the work is: share, rate and time left, rewritten in place at most
 * five times a second, and only where a person looks: on a terminal. Nothing reaches a pipe or
 * file.
 */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_cycles.h>

#include "size.h"

struct app_progress {
	FILE *out;
	const char *what;
	bool live; /* @out is a terminal */
	bool shown;
	uint64_t hz;
	uint64_t start; /* TSC */
	uint64_t next;  /* TSC of the next update; UINT64_MAX if not live */
};

/* @what ("copying") must outlive @p. After pl_eal_init(). */
void app_progress_init(struct app_progress *p, FILE *out, const char *what);

/* Starts the clock again with a new word for the work. */
void app_progress_restart(struct app_progress *p, const char *what);

void app_progress_show(struct app_progress *p, uint64_t done, uint64_t total, uint64_t bytes);

/* Whether an update is due: costs a TSC read. */
static inline bool app_progress_due(const struct app_progress *p)
{
	return __builtin_expect(rte_rdtsc() >= p->next, 0);
}

/* @done of @total, in any unit, with @bytes moved so far. Costs a TSC read when nothing is due. */
static inline void app_progress_update(struct app_progress *p, uint64_t done, uint64_t total,
				       uint64_t bytes)
{
	if (app_progress_due(p))
		app_progress_show(p, done, total, bytes);
}

/* Wipes the line. */
void app_progress_end(struct app_progress *p);

/* The text: "copying: 42% 1.2 GiB/s, 3 s left". Returns @buf. */
const char *app_progress_text(const char *what, double share, uint64_t bytes, double seconds,
			      char *buf, size_t len);

#endif
