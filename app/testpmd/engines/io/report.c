/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "io.h"
#include "report_json.h"
#include "table.h"
#include "traffic.h"
#include "verify.h"
#include "workload.h"

/* Results of some workers together. */
struct merged {
	struct pl_hist latency[2]; /* reads, writes */
	uint64_t cycles;           /* of the worker that took longest */
	uint64_t ios;              /* warm-up included, as are the doorbells */
	uint64_t commands;
	uint64_t sq_doorbells;
	uint64_t cq_doorbells;
	unsigned int workers;
};

static uint64_t elapsed(const struct worker *w)
{
	return w->end > w->run->measure ? w->end - w->run->measure : 0;
}

static void merge_init(struct merged *m)
{
	memset(m, 0, sizeof(*m));
	pl_hist_reset(&m->latency[0]);
	pl_hist_reset(&m->latency[1]);
}

static void merge(struct merged *m, const struct worker *w)
{
	uint64_t cycles = elapsed(w);

	pl_hist_merge(&m->latency[0], &w->latency[0]);
	pl_hist_merge(&m->latency[1], &w->latency[1]);
	if (cycles > m->cycles)
		m->cycles = cycles;
	m->ios += w->ios;
	m->commands += w->qstats.commands;
	m->sq_doorbells += w->qstats.sq_doorbells;
	m->cq_doorbells += w->qstats.cq_doorbells;
	m->workers++;
}

static double doorbells_per_io(const struct merged *m)
{
	return m->ios ? (double)(m->sq_doorbells + m->cq_doorbells) / (double)m->ios : 0;
}

void io_totals(const struct io_run *r, int target, struct io_totals *sum)
{
	memset(sum, 0, sizeof(*sum));
	sum->message = "";
	for (unsigned int i = 0; i < r->nb_workers; i++) {
		const struct worker *w = &r->workers[i];

		if (target >= 0 && w->target != (unsigned int)target)
			continue;
		sum->errors += w->errors;
		sum->stopped |= w->stopped;
		if (w->verify) {
			sum->compares += w->verify->compares;
			sum->written += verify_written(w);
			sum->readback += w->verify->readback;
			sum->mismatches += w->verify->mismatches;
		}
		/* A worker that gave up says more than one that met an error. */
		if (w->failed && !sum->failed) {
			sum->failed = w->failed;
			sum->message = w->message;
		} else if (!sum->message[0]) {
			sum->message = w->message;
		}
	}
}

int io_error_of(const struct io_totals *sum)
{
	if (sum->failed)
		return sum->failed;
	if (sum->mismatches)
		return -EILSEQ;
	if (sum->errors)
		return -EIO;
	return sum->stopped || sum->readback < sum->written ? -ECANCELED : 0;
}

static void result_row(struct app_table *t, const struct merged *m, uint32_t bs, uint64_t hz)
{
	static const double points[] = { 50, 99, 99.9 };
	double us = 1e6 / (double)hz;
	struct pl_hist h = m->latency[0];
	double iops;

	pl_hist_merge(&h, &m->latency[1]);
	/* Workers with a count end one by one: their rates do not add up. */
	iops = m->cycles ? (double)h.count * (double)hz / (double)m->cycles : 0;
	app_table_cell(t, ":");
	app_table_cell(t, "%.2f", iops);
	app_table_cell(t, "%.2f", iops * bs / 1048576.0);
	app_table_cell(t, "%.2f", pl_hist_mean(&h) * us);
	app_table_cell(t, "%.2f", h.count ? (double)h.min * us : 0.0);
	app_table_cell(t, "%.2f", (double)h.max * us);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		app_table_cell(t, "%.2f", (double)pl_hist_percentile(&h, points[i]) * us);
	app_table_cell(t, "%.3f", doorbells_per_io(m));
}

/* spdk_nvme_perf's table with percentiles and doorbells added. */
static void print_results(const struct io_run *r, FILE *out)
{
	uint32_t bs = r->opts->bs;
	uint64_t hz = r->hz;
	struct merged all, one;
	struct app_table t;

	app_table_init(&t, 11);
	app_table_row(&t, "", "", "", "", "Latency(us)", "", "", "", "", "", "");
	app_table_row(&t, "Device Information", ":", "IOPS", "MiB/s", "Average", "min", "max",
		      "p50", "p99", "p99.9", "doorbells/IO");
	app_table_rule(&t);
	merge_init(&all);
	for (unsigned int i = 0; i < r->nb_workers; i++) {
		const struct worker *w = &r->workers[i];
		struct pl_nvme_ctrlr_info info;

		pl_nvme_ctrlr_info(w->ctrlr, &info, sizeof(info));
		merge_init(&one);
		merge(&one, w);
		merge(&all, w);
		app_table_cell(&t, "%s (%s) NSID %u from core %u", info.transport, w->device,
			       w->ns->nsid, w->lcore);
		result_row(&t, &one, bs, hz);
	}
	app_table_rule(&t);
	app_table_cell(&t, "Total");
	result_row(&t, &all, bs, hz);
	app_table_print(&t, out);
}

static void print_traffic(const struct io_run *r, FILE *out)
{
	struct pl_nvme_traffic run, readback;
	const struct app_traffic_phase phases[] = {
		{ r->opts->workload->name, &run },
		{ "read back", &readback },
	};

	memset(&run, 0, sizeof(run));
	memset(&readback, 0, sizeof(readback));
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs; i++) {
		if (!r->traffic[i].known) {
			fprintf(out, "Bytes by memory: unknown (%s does not count)\n",
				r->devices.ctrlrs[i].info.name);
			return;
		}
		app_traffic_add(&run, &r->traffic[i].run);
		app_traffic_add(&readback, &r->traffic[i].readback);
	}
	fputc('\n', out);
	app_traffic_print(out, phases, r->opts->verify && r->opts->workload->writes ? 2 : 1);
}

void io_report_print(const struct io_run *r, FILE *out)
{
	const struct testpmd_opts *o = r->opts;
	struct io_totals sum;

	if (r->state.stop)
		fprintf(out, "interrupted\n");
	print_results(r, out);
	print_traffic(r, out);
	io_totals(r, -1, &sum);
	if (o->verify && o->workload->reads)
		fprintf(out,
			"verify: %" PRIu64 " reads compared by the devices (their Compare data is "
			"part of the table above)\n",
			sum.compares);
	if (o->verify && o->workload->writes)
		fprintf(out, "verify: %" PRIu64 " of %" PRIu64 " written blocks read back equal\n",
			sum.readback, sum.written);
	if (o->verify)
		fprintf(out, "verify: %" PRIu64 " mismatches\n", sum.mismatches);
	fprintf(out, "I/O errors: %" PRIu64 "\n", sum.errors);
}

static json_t *verify_json(const struct io_run *r, const struct io_totals *sum)
{
	const struct testpmd_opts *o = r->opts;

	if (!o->verify)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:b}", "compares", (json_int_t)sum->compares,
			 "written_blocks", (json_int_t)sum->written, "readback_blocks",
			 (json_int_t)sum->readback, "mismatches", (json_int_t)sum->mismatches,
			 "verified", io_error_of(sum) == 0);
}

static json_t *job_json(const struct io_run *r, unsigned int target)
{
	const struct app_target *t = &r->devices.targets[target];
	const struct testpmd_opts *o = r->opts;
	json_t *dir[2], *peerlane;
	struct io_totals sum;
	struct merged m;
	char name[64];

	merge_init(&m);
	for (unsigned int i = 0; i < r->nb_workers; i++)
		if (r->workers[i].target == target)
			merge(&m, &r->workers[i]);
	io_totals(r, (int)target, &sum);
	for (int d = 0; d < 2; d++)
		dir[d] = app_json_direction(&m.latency[d], m.latency[d].count * o->bs, m.cycles,
					    r->hz);
	peerlane = json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I}, s:f, s:I, s:I, s:s, s:o}", "device",
		t->device, "nsid", (json_int_t)t->nsid, "lba_size",
		(json_int_t)1 << t->ns->lba_shift, "slba", (json_int_t)t->slba, "nlb",
		(json_int_t)t->nlb, "workers", (json_int_t)m.workers, "doorbells", "sq",
		(json_int_t)m.sq_doorbells, "cq", (json_int_t)m.cq_doorbells, "doorbells_per_io",
		doorbells_per_io(&m), "commands", (json_int_t)m.commands, "errors",
		(json_int_t)sum.errors, "message", sum.message, "verify", verify_json(r, &sum));
	snprintf(name, sizeof(name), "%s:%u", t->device, t->nsid);
	return app_json_job(name, options_json(o), io_error_of(&sum),
			    (double)m.cycles / (double)r->hz, dir[0], dir[1], peerlane);
}

static json_t *ctrlr_json(const struct io_run *r, unsigned int i)
{
	const struct ctrlr_traffic *t = &r->traffic[i];
	const char *name = r->devices.ctrlrs[i].info.name;

	if (!t->known)
		return json_pack("{s:s, s:n, s:n}", "name", name, "traffic", "host_dram_bytes");
	return json_pack("{s:s, s:{s:o, s:o}, s:I}", "name", name, "traffic", "run",
			 app_traffic_json(&t->run), "verify", app_traffic_json(&t->readback),
			 "host_dram_bytes", (json_int_t)app_traffic_host_data(&t->run));
}

void io_report_json(const struct io_run *r, struct engine_report *report)
{
	json_t *ctrlrs = json_array();

	for (unsigned int i = 0; i < r->devices.nb_targets; i++)
		json_array_append_new(report->jobs, job_json(r, i));
	for (unsigned int i = 0; i < r->devices.nb_ctrlrs; i++)
		json_array_append_new(ctrlrs, ctrlr_json(r, i));
	report->peerlane =
		json_pack("{s:b, s:o}", "interrupted", r->state.stop > 0, "controllers", ctrlrs);
}
