/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "report_json.h"

int app_json_open(struct app_json_file *f, const char *path)
{
	f->path = path;
	f->fd = -1;
	f->created = false;
	f->human = stdout;
	if (!path)
		return 0;
	if (!strcmp(path, "-")) {
		f->fd = STDOUT_FILENO;
		f->human = stderr;
		return 0;
	}
	f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	f->created = f->fd >= 0;
	if (f->fd < 0 && errno == EEXIST)
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (f->fd < 0)
		return app_fail(-EINVAL,
				"--json %s: cannot be opened: %s; accepted is the name of a file "
				"that can be written, or - for stdout",
				path, strerror(errno));
	return 0;
}

json_t *app_json_text(const char *text)
{
	json_t *value = json_string(text);
	char *escaped, *p;

	if (value)
		return value;
	p = escaped = malloc(4 * strlen(text) + 1);
	if (!escaped)
		return NULL;
	for (; *text; text++)
		p += (unsigned char)*text < 0x80 ? sprintf(p, "%c", *text)
						 : sprintf(p, "\\x%02x", (unsigned char)*text);
	value = json_string(escaped);
	free(escaped);
	return value;
}

static void close_file(struct app_json_file *f)
{
	if (f->fd >= 0 && f->fd != STDOUT_FILENO)
		close(f->fd);
	f->fd = -1;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int app_json_write(struct app_json_file *f, json_t *doc)
{
	char *text = NULL;
	int rc = 0;

	if (!f->path)
		goto out;
	text = doc ? json_dumps(doc, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
	if (!text) {
		rc = app_fail(-ENOMEM, "--json %s: out of memory", f->path);
		goto out;
	}
	/* A pipe or terminal cannot be truncated and need not be. */
	if (f->fd != STDOUT_FILENO && ftruncate(f->fd, 0) && errno != EINVAL)
		rc = -errno;
	if (!rc)
		rc = write_all(f->fd, text, strlen(text));
	if (!rc)
		rc = write_all(f->fd, "\n", 1);
	if (rc)
		rc = app_fail(-EIO, "--json %s: cannot be written: %s", f->path, strerror(-rc));
	else
		f->created = false; /* it is a result now, app_json_discard() leaves it */
	close_file(f);
out:
	free(text);
	json_decref(doc);
	return rc;
}

void app_json_discard(struct app_json_file *f)
{
	close_file(f);
	if (f->path && f->created)
		unlink(f->path);
	f->path = NULL;
}

/* fio's default list. */
static const struct {
	double percent;
	const char *key;
} percentiles[] = {
	{ 1, "1.000000" },      { 5, "5.000000" },      { 10, "10.000000" },
	{ 20, "20.000000" },    { 30, "30.000000" },    { 40, "40.000000" },
	{ 50, "50.000000" },    { 60, "60.000000" },    { 70, "70.000000" },
	{ 80, "80.000000" },    { 90, "90.000000" },    { 95, "95.000000" },
	{ 99, "99.000000" },    { 99.5, "99.500000" },  { 99.9, "99.900000" },
	{ 99.95, "99.950000" }, { 99.99, "99.990000" },
};

json_t *app_json_direction(const struct pl_hist *h, uint64_t bytes, uint64_t cycles, uint64_t hz)
{
	double seconds = (double)cycles / (double)hz, ns = 1e9 / (double)hz;
	json_t *map = json_object();

	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]) && h->count; i++)
		json_object_set_new(map, percentiles[i].key,
				    json_integer((json_int_t)((double)pl_hist_percentile(
								      h, percentiles[i].percent) *
							      ns)));
	return json_pack("{s:I, s:I, s:f, s:I, s:I, s:{s:I, s:I, s:f, s:I, s:o}}", "io_bytes",
			 (json_int_t)bytes, "bw_bytes",
			 (json_int_t)(cycles ? (double)bytes / seconds : 0), "iops",
			 cycles ? (double)h->count / seconds : 0.0, "runtime",
			 (json_int_t)(seconds * 1e3 + 0.5), "total_ios", (json_int_t)h->count,
			 "clat_ns", "min", (json_int_t)(h->count ? (double)h->min * ns : 0), "max",
			 (json_int_t)((double)h->max * ns), "mean", pl_hist_mean(h) * ns, "N",
			 (json_int_t)h->count, "percentile", map);
}

/* fio writes every option's value as text, numbers and flags too. */
static void options_to_text(json_t *options)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(options, next, key, value)
	{
		if (json_is_integer(value))
			json_object_set_new(
				options, key,
				json_sprintf("%lld", (long long)json_integer_value(value)));
		else if (json_is_boolean(value))
			json_object_set_new(options, key,
					    json_string(json_is_true(value) ? "1" : "0"));
	}
}

json_t *app_json_job(const char *name, json_t *options, int error, double seconds, json_t *read,
		     json_t *write, json_t *peerlane)
{
	options_to_text(options);
	return json_pack("{s:s, s:o, s:i, s:I, s:o, s:o, s:o}", "jobname", name, "job options",
			 options, "error", -error, "elapsed", (json_int_t)(seconds + 0.999999),
			 "read", read, "write", write, "peerlane", peerlane);
}

json_t *app_json_document(json_t *options, json_t *jobs)
{
	time_t now = time(NULL);
	char text[40] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	return json_pack("{s:s, s:I, s:s, s:o, s:o}", "peerlane version", "peerlane-" APP_VERSION,
			 "timestamp", (json_int_t)now, "time", text, "global options",
			 options ? options : json_object(), "jobs", jobs);
}
