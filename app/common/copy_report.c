/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "copy_report.h"
#include "report_json.h"
#include "size.h"
#include "table.h"
#include "traffic.h"

#define RANGES_SHOWN 8

void app_copy_result_init(struct app_copy_result *r)
{
	memset(r, 0, sizeof(*r));
	pl_hist_reset(&r->read_latency);
	pl_hist_reset(&r->write_latency);
	r->stats.traffic_known = true;
	r->stats.read_latency = &r->read_latency;
	r->stats.write_latency = &r->write_latency;
}

void app_copy_result_fini(struct app_copy_result *r)
{
	free(r->ranges);
	r->ranges = NULL;
	r->nb_ranges = 0;
}

static int take_ranges(struct app_copy_result *r, const struct pl_copy *job)
{
	int n = pl_copy_complete_ranges(job, NULL, 0);

	app_copy_result_fini(r);
	if (n <= 0)
		return 0;
	r->ranges = calloc((size_t)n, sizeof(*r->ranges));
	if (!r->ranges)
		return app_fail(-ENOMEM, "out of memory for the list of complete ranges");
	r->nb_ranges = pl_copy_complete_ranges(job, r->ranges, n);
	if (r->nb_ranges > n)
		r->nb_ranges = n;
	return 0;
}

int app_copy_result_add(struct app_copy_result *r, const struct pl_copy *job, int rc)
{
	struct pl_copy_stats s, *sum = &r->stats;

	pl_copy_stats(job, &s);
	r->plan = *pl_copy_plan(job);
	r->jobs++;
	r->bytes += r->plan.bytes;
	r->error = rc;
	sum->phase = s.phase;
	sum->error = rc;
	sum->bytes_copied += s.bytes_copied;
	sum->bytes_verified += s.bytes_verified;
	sum->copy_cycles += s.copy_cycles;
	sum->verify_cycles += s.verify_cycles;
	sum->bytes_unproven += s.bytes_unproven;
	sum->sync = s.sync;
	sum->proofs += s.proofs;
	sum->device_reads += s.device_reads;
	sum->landing_checks += s.landing_checks;
	sum->landing_retries += s.landing_retries;
	sum->traffic_known = sum->traffic_known && s.traffic_known;
	app_traffic_add(&sum->copy_traffic, &s.copy_traffic);
	app_traffic_add(&sum->verify_traffic, &s.verify_traffic);
	sum->sq_doorbells += s.sq_doorbells;
	sum->cq_doorbells += s.cq_doorbells;
	sum->commands += s.commands;
	sum->syscalls += s.syscalls;
	sum->file_ios += s.file_ios;
	sum->host_bytes += s.host_bytes;
	pl_hist_merge(&r->read_latency, s.read_latency);
	pl_hist_merge(&r->write_latency, s.write_latency);
	return take_ranges(r, job);
}

bool app_copy_verified(const struct app_copy_result *r)
{
	return r->verify && !r->error && r->jobs && r->stats.bytes_verified == r->bytes;
}

void app_copy_print_plan(FILE *out, const struct pl_copy_plan *plan)
{
	char bytes[APP_SIZE_TEXT], chunk[APP_SIZE_TEXT], unit[APP_SIZE_TEXT];

	fprintf(out, "path: %s (%s)\n", plan->path,
		plan->p2p ? "peer to peer" : "through host DRAM");
	if (plan->reason[0])
		fprintf(out, "reason: %s\n", plan->reason);
	fprintf(out, "plan: %s in %" PRIu64 " chunks of %s, %u in flight%s, landing check %s%s\n",
		app_size_format(plan->bytes, bytes), plan->chunks,
		app_size_format(plan->chunk, chunk), plan->depth,
		plan->depth_reduced ? " (as many as the memory holds)" : "",
		plan->landing_check ? "every " : "off",
		plan->landing_check ? app_size_format(plan->landing_unit, unit) : "");
	if (plan->unproven[0])
		fprintf(out, "not proven without verification: %s\n", plan->unproven);
	if (plan->warning[0])
		fprintf(out, "warning: %s\n", plan->warning);
	if (plan->src_io[0])
		fprintf(out, "source file: %s\n", plan->src_io);
	if (plan->dst_io[0])
		fprintf(out, "destination file: %s\n", plan->dst_io);
}

static double us(uint64_t cycles, uint64_t hz)
{
	return (double)cycles * 1e6 / (double)hz;
}

static void leg_row(struct app_table *t, const char *name, const struct pl_hist *h, uint64_t bytes,
		    uint64_t cycles, uint64_t hz)
{
	double seconds = (double)cycles / (double)hz;
	static const double points[] = { 50, 99, 99.9 };

	app_table_cell(t, "%s", name);
	app_table_cell(t, "%.2f", cycles ? (double)h->count / seconds : 0.0);
	app_table_cell(t, "%.2f", cycles ? (double)bytes / seconds / 1048576.0 : 0.0);
	app_table_cell(t, "%.2f", pl_hist_mean(h) * 1e6 / (double)hz);
	for (size_t i = 0; i < 3; i++)
		app_table_cell(t, "%.2f", us(pl_hist_percentile(h, points[i]), hz));
	app_table_cell(t, "%.2f", us(h->max, hz));
}

static void host_dram_text(const struct app_copy_result *r, char *buf, size_t len)
{
	char size[APP_SIZE_TEXT];

	if (r->stats.traffic_known)
		snprintf(buf, len, "host DRAM: %s",
			 app_size_format(app_traffic_host_data(&r->stats.copy_traffic), size));
	else
		snprintf(buf, len,
			 "host DRAM: %s by the addresses in the commands (no count by the "
			 "device)",
			 app_size_format(r->stats.host_bytes, size));
}

const char *app_copy_summary(const struct app_copy_result *r, uint64_t hz, char *buf, size_t len)
{
	double seconds = (double)r->stats.copy_cycles / (double)hz;
	char copied[APP_SIZE_TEXT], total[APP_SIZE_TEXT], rate[APP_SIZE_TEXT];
	char host[120], result[120], jobs[40] = "";

	app_size_format(r->stats.bytes_copied, copied);
	if (r->error == -ECANCELED)
		snprintf(result, sizeof(result), "interrupted before %s",
			 app_size_format(r->bytes, total));
	else if (r->error)
		snprintf(result, sizeof(result), "FAILED (%s) before %s", pl_errname(r->error),
			 app_size_format(r->bytes, total));
	else
		snprintf(result, sizeof(result), "%s%s",
			 app_copy_verified(r) ? "verified" : "not verified",
			 r->plan.p2p && r->no_landing_check ? ", landing unproven" : "");
	if (r->jobs != 1)
		snprintf(jobs, sizeof(jobs), " (%" PRIu64 " copies)", r->jobs);
	host_dram_text(r, host, sizeof(host));
	snprintf(buf, len, "copy: %s in %.2f s%s, %s, %s; %s", copied, seconds, jobs,
		 app_rate_format(r->stats.bytes_copied, seconds, rate), result, host);
	return buf;
}

/* Whether what is complete survives a loss of power. */
static void print_sync(FILE *out, const struct app_copy_result *r)
{
	switch (r->stats.sync) {
	case PL_COPY_SYNCED:
		fprintf(out, "sync: %s of the destination done\n", r->plan.sync);
		break;
	case PL_COPY_SYNC_NEEDLESS:
		fprintf(out, "sync: the destination has no volatile write cache\n");
		break;
	default:
		fprintf(out, "sync: none; what the destination has cached may not survive a loss "
			     "of power\n");
	}
}

/* What an interrupted or failed copy left usable. */
static void print_ranges(FILE *out, const struct app_copy_result *r)
{
	fprintf(out, "complete in %s:", r->dst);
	if (!r->nb_ranges)
		fprintf(out, " nothing");
	for (int i = 0; i < r->nb_ranges && i < RANGES_SHOWN; i++)
		fprintf(out, "%s %s %" PRIu64 "+%" PRIu64, i ? "," : "",
			r->plan.dst_io[0] ? "byte" : "LBA", r->ranges[i].slba, r->ranges[i].nlb);
	if (r->nb_ranges > RANGES_SHOWN)
		fprintf(out, ", and %d ranges more (--json lists all)",
			r->nb_ranges - RANGES_SHOWN);
	fputc('\n', out);
}

void app_copy_print(FILE *out, const struct app_copy_result *r, uint64_t hz)
{
	const struct pl_copy_stats *s = &r->stats;
	const struct app_traffic_phase phases[] = {
		{ "copy", &s->copy_traffic },
		{ "verify", &s->verify_traffic },
	};
	char text[320], size[APP_SIZE_TEXT];
	struct app_table t;

	app_table_init(&t, 8);
	app_table_row(&t, "", "", "", "Latency(us)", "", "", "", "");
	app_table_row(&t, "Leg", "IOPS", "MiB/s", "Average", "p50", "p99", "p99.9", "max");
	app_table_rule(&t);
	leg_row(&t, "read", s->read_latency, s->bytes_copied, s->copy_cycles, hz);
	leg_row(&t, "write", s->write_latency, s->bytes_copied, s->copy_cycles, hz);
	app_table_print(&t, out);
	fputc('\n', out);
	if (s->traffic_known)
		app_traffic_print(out, phases, r->verify ? 2 : 1);
	else
		fprintf(out, "Bytes by memory: unknown (device does not count)\n");
	fprintf(out,
		"landing checks: %" PRIu64 " (%" PRIu64 " re-reads); doorbells: %" PRIu64 " SQ, "
		"%" PRIu64 " CQ for %" PRIu64 " commands\n",
		s->landing_checks, s->landing_retries, s->sq_doorbells, s->cq_doorbells,
		s->commands);
	if (s->proofs)
		fprintf(out,
			"proofs of the provider: %" PRIu64
			"; reads of its memory and registers: %" PRIu64 ", %.1f per chunk\n",
			s->proofs, s->device_reads,
			r->plan.chunk && s->bytes_copied
				? (double)s->device_reads * r->plan.chunk / (double)s->bytes_copied
				: 0.0);
	if (s->bytes_unproven)
		fprintf(out, "written but unproven: %s since the last proof of the provider\n",
			app_size_format(s->bytes_unproven, size));
	if (s->file_ios)
		fprintf(out, "files: %" PRIu64 " system calls for %" PRIu64 " I/Os\n", s->syscalls,
			s->file_ios);
	print_sync(out, r);
	if (r->error)
		print_ranges(out, r);
	fprintf(out, "%s\n", app_copy_summary(r, hz, text, sizeof(text)));
}

static json_t *ranges_json(const struct app_copy_result *r)
{
	bool file = r->plan.dst_io[0];
	json_t *list = json_array();

	for (int i = 0; i < r->nb_ranges; i++)
		json_array_append_new(list, json_pack("{s:I, s:I}", file ? "offset" : "slba",
						      (json_int_t)r->ranges[i].slba,
						      file ? "bytes" : "nlb",
						      (json_int_t)r->ranges[i].nlb));
	return list;
}

static json_t *traffic_or_null(const struct app_copy_result *r, const struct pl_nvme_traffic *t)
{
	return r->stats.traffic_known ? app_traffic_json(t) : json_null();
}

static const char *sync_name(enum pl_copy_sync sync)
{
	return sync == PL_COPY_SYNCED          ? "done"
	       : sync == PL_COPY_SYNC_NEEDLESS ? "needless"
					       : "none";
}

static json_t *proof_json(const struct app_copy_result *r)
{
	const struct pl_copy_stats *s = &r->stats;

	return json_pack("{s:I, s:I, s:I, s:I, s:s}", "landing_unit",
			 (json_int_t)r->plan.landing_unit, "provider_checks", (json_int_t)s->proofs,
			 "device_reads", (json_int_t)s->device_reads, "unproven_bytes",
			 (json_int_t)s->bytes_unproven, "beyond", r->plan.unproven);
}

static json_t *peerlane_json(const struct app_copy_result *r)
{
	const struct pl_copy_stats *s = &r->stats;
	json_t *host = s->traffic_known
			       ? json_integer((json_int_t)app_traffic_host_data(&s->copy_traffic))
			       : json_null();

	return json_pack(
		"{s:o, s:o, s:s, s:o, s:o, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, "
		"s:I, s:{s:o, s:o}, s:o, s:I, s:{s:I, s:I}, s:I, s:{s:I, s:I}, s:o, s:s, s:o, s:s}",
		"src", app_json_text(r->src), "dst", app_json_text(r->dst), "via", r->via, "path",
		app_json_text(r->plan.path), "reason", app_json_text(r->plan.reason), "p2p",
		(int)r->plan.p2p, "provider", r->plan.provider, "chunk", (json_int_t)r->plan.chunk,
		"depth", (json_int_t)r->plan.depth, "copies", (json_int_t)r->jobs, "bytes",
		(json_int_t)s->bytes_copied, "landing_checks", (json_int_t)s->landing_checks,
		"landing_retries", (json_int_t)s->landing_retries, "verified",
		(int)app_copy_verified(r), "verified_bytes", (json_int_t)s->bytes_verified,
		"traffic", "copy", traffic_or_null(r, &s->copy_traffic), "verify",
		traffic_or_null(r, &s->verify_traffic), "host_dram_bytes", host,
		"host_dram_addressed_bytes", (json_int_t)s->host_bytes, "doorbells", "sq",
		(json_int_t)s->sq_doorbells, "cq", (json_int_t)s->cq_doorbells, "commands",
		(json_int_t)s->commands, "io_uring", "enters", (json_int_t)s->syscalls, "ios",
		(json_int_t)s->file_ios, "complete_ranges", ranges_json(r), "sync",
		sync_name(s->sync), "proof", proof_json(r), "warning", r->plan.warning);
}

json_t *app_copy_json(const struct app_copy_result *r, const char *jobname, json_t *options,
		      uint64_t hz)
{
	const struct pl_copy_stats *s = &r->stats;

	return app_json_job(
		jobname, options, r->error,
		(double)(s->copy_cycles + s->verify_cycles) / (double)hz,
		app_json_direction(s->read_latency, s->bytes_copied, s->copy_cycles, hz),
		app_json_direction(s->write_latency, s->bytes_copied, s->copy_cycles, hz),
		peerlane_json(r));
}
