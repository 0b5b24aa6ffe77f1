/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peerlane-testpmd: generates I/O, or copies, on NVMe devices and says how fast it went and which
 * memory the bytes crossed.
 */
#include <errno.h>

#include <rte_cycles.h>

#include <peerlane/pl_eal.h>
#include <peerlane/pl_iommu.h>
#include <rte_lcore.h>

#include "batch.h"
#include "report_json.h"
#include "stop.h"

static json_t *document(const struct engine_report *report)
{
	json_t *options =
		json_pack("{s:s, s:s, s:i}", "ioengine", "peerlane", "iommu",
			  pl_ioas_backend(pl_ioas_default()), "lcores", (int)rte_lcore_count());
	json_t *doc = app_json_document(options, report->jobs);

	if (doc && report->peerlane)
		json_object_set_new(doc, "peerlane", report->peerlane);
	return doc;
}

/* Between init and cleanup. */
static int run(const struct app_cli *cli, const struct testpmd_opts *o, struct app_json_file *json)
{
	struct engine_env env = { .opts = o, .human = json->human, .hz = rte_get_tsc_hz() };
	struct engine_report report = { .cli = cli, .human = json->human, .jobs = json_array() };
	int status;

	status = batch_run(&env, &report);
	if (!json_array_size(report.jobs)) {
		if (status == APP_EXIT_OK && json->path) {
			app_fail(-ENOMEM, "--json %s: out of memory", json->path);
			app_cli_error(cli);
			status = APP_EXIT_FAIL;
		}
		json_decref(report.jobs);
		json_decref(report.peerlane);
		return status;
	}
	fflush(json->human);
	if (app_json_write(json, document(&report))) {
		app_cli_error(cli);
		return APP_EXIT_FAIL;
	}
	return status;
}

int main(int argc, char **argv)
{
	struct app_json_file json;
	struct testpmd_opts opts;
	struct app_cli cli;
	char usage[4096];
	int rc, status;

	app_cli_init(&cli, argc, argv);
	if (cli.help) {
		app_cli_help(&cli, options_usage(usage, sizeof(usage)));
		return APP_EXIT_OK;
	}
	if (options_parse(&cli, &opts) || app_json_open(&json, opts.json)) {
		app_cli_error(&cli);
		return APP_EXIT_USAGE;
	}
	app_stop_init();
	rc = pl_eal_init(argc, argv);
	if (rc < 0) {
		app_fail_lib(rc);
		app_cli_error(&cli);
		status = app_setup_status(rc);
	} else {
		status = run(&cli, &opts, &json);
		pl_eal_cleanup();
	}
	app_json_discard(&json);
	return status;
}
