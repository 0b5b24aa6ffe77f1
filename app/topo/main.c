/* SPDX-License-Identifier: BSD-3-Clause */
/* peerlane-topo: which NVMe controllers there are, and whether Peerlane can run on them. */
#include <stdio.h>

#include "check.h"
#include "lender.h"
#include "options.h"
#include "report_json.h"

/* Takes what it is given. */
static json_t *document(json_t *ctrlrs, json_t *lenders, json_t *checks, bool ready)
{
	json_t *doc = json_pack("{s:s, s:o, s:o}", "peerlane version", "peerlane-" APP_VERSION,
				"controllers", ctrlrs, "lenders", lenders);

	if (doc && checks) {
		json_object_set_new(doc, "checks", checks);
		json_object_set_new(doc, "ready", json_boolean(ready));
	}
	return doc;
}

/* An exit status, or a negative errno with app_fail(). */
static int run(const struct topo_opts *o, const struct topo_host *host, struct app_json_file *json)
{
	struct check_run checks_run = { 0 };
	json_t *checks_json = NULL;
	bool ready = true;
	struct topo_lenders lenders;
	struct topo_list list;
	int rc = topo_list_read(host, &list);

	if (rc)
		return rc;
	rc = topo_lenders_read(&lenders);
	if (rc) {
		topo_list_free(&list);
		return rc;
	}
	if (o->check) {
		rc = check_all(&checks_run, host, &list, o->bdfs, o->nb_bdfs, o->mem);
	} else {
		topo_list_print(&list, json->human);
		topo_lenders_print(&lenders, json->human);
	}
	if (o->check && !rc) {
		check_print(&checks_run, json->human);
		ready = !check_count(&checks_run, CHECK_FAIL);
		checks_json = o->json ? check_json(&checks_run) : NULL;
		check_free(&checks_run);
	}
	fflush(json->human);
	if (o->json && !rc)
		rc = app_json_write(json,
				    document(topo_list_json(&list), topo_lenders_json(&lenders),
					     checks_json, ready));
	topo_lenders_free(&lenders);
	topo_list_free(&list);
	return rc ? rc : ready ? APP_EXIT_OK : APP_EXIT_FAIL;
}

int main(int argc, char **argv)
{
	struct app_json_file json;
	struct topo_host host;
	struct topo_opts opts;
	struct app_cli cli;
	int status;

	app_cli_init(&cli, argc, argv);
	if (cli.help) {
		printf("Usage: %s %s", cli.program, topo_usage);
		return APP_EXIT_OK;
	}
	/* There is no EAL here that the arguments could belong to. */
	cli.app_argc = argc;
	cli.app_argv = argv;
	if (topo_opts_parse(&cli, &opts)) {
		app_cli_error(&cli);
		return APP_EXIT_USAGE;
	}
	if (host_init(&host, opts.root, &topo_kernel) || app_json_open(&json, opts.json)) {
		app_cli_error(&cli);
		topo_opts_free(&opts);
		return APP_EXIT_USAGE;
	}
	status = run(&opts, &host, &json);
	if (status < 0) {
		app_cli_error(&cli);
		status = APP_EXIT_FAIL;
	}
	app_json_discard(&json);
	topo_opts_free(&opts);
	return status;
}
