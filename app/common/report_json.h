/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Results as JSON in fio's vocabulary, so that scripts that read fio's output read ours: bytes,
 * nanoseconds, "percentile" maps keyed "99.000000". What fio has no word for is in "peerlane"
 * objects. With "-" as the file, JSON is alone on stdout and people's text goes to stderr.
 */
#ifndef APP_REPORT_JSON_H
#define APP_REPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <peerlane/pl_hist.h>

struct app_json_file {
	const char *path; /* NULL: no JSON was asked for */
	int fd;
	bool created; /* the file did not exist */
	FILE *human;  /* where text for people goes: stdout, or stderr if JSON takes stdout */
};

/* Makes sure that @path ("-": stdout; NULL: none) can be written, without changing what it holds.
 * 0; -EINVAL with app_fail(). */
int app_json_open(struct app_json_file *f, const char *path);

/* Text that need not be UTF-8, as names of files and mount points: bytes that are not become \xHH. */
json_t *app_json_text(const char *text);

/* Writes @doc, which it takes, and closes. 0; -EIO or -ENOMEM with app_fail(). */
int app_json_write(struct app_json_file *f, json_t *doc);

/* Closes without a word; a file that app_json_open() created is removed again. May follow
 * app_json_write(). */
void app_json_discard(struct app_json_file *f);

/* {"io_bytes", "bw_bytes", "iops", "runtime" (ms), "total_ios", "clat_ns": {...}} of one direction.
 * @h is in TSC cycles of @hz per second, as is @cycles, the time it took. NULL if out of memory. */
json_t *app_json_direction(const struct pl_hist *h, uint64_t bytes, uint64_t cycles, uint64_t hz);

/* One element of "jobs". Takes all JSON it is given; values of @options become text, as fio writes
 * them. @error is 0 or a negative errno; @seconds the time the job took. */
json_t *app_json_job(const char *name, json_t *options, int error, double seconds, json_t *read,
		     json_t *write, json_t *peerlane);

/* The document: version and time, then @options (may be NULL) and @jobs, which it takes. */
json_t *app_json_document(json_t *options, json_t *jobs);

#endif
