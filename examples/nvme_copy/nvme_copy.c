/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme_copy: copies a range of one NVMe namespace or file to another, peer to peer where there is a
 * way, verifies it and says which memory every byte crossed.
 *
 * Start reading at main(): arguments, EAL, targets, then run(), which is all that a program of
 * your own needs: create a job, poll it, report.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include <peerlane/pl_copy.h>
#include <peerlane/pl_eal.h>

#include "cli.h"
#include "copy_args.h"
#include "copy_report.h"
#include "progress.h"
#include "report_json.h"
#include "size.h"
#include "stop.h"
#include "target.h"

struct args {
	struct app_target src;
	struct app_target dst;
	struct app_via via;
	uint64_t chunk; /* 0: the library's default */
	uint64_t depth;
	uint64_t landing_unit; /* 0: the library's default */
	bool no_landing_check;
	bool no_sync;
	bool verify;
	const char *json;
};

/* What the poller on the main lcore works on. */
struct run {
	struct pl_copy *job;
	struct app_progress progress;
	enum pl_copy_phase phase;
	int rc;
};

static const char usage[] =
	"SRC DST [options]\n"
	"\n"
	"Copies SRC to DST, each " APP_TARGET_FORM ",\n"
	"or " APP_FILE_FORM ", a file or block device of the kernel's. A file to write is made\n"
	"if there is none, and never made shorter.\n"
	"\n"
	"  --via WAY         auto, dst, src, host, or a device whose CMB or PMR holds the data\n"
	"                    (auto: the first of dst, src, any other that has one; else host)\n"
	"  -o, --bs SIZE     bytes per command (128K)\n"
	"  -q, --qd N        chunks in flight (32, or as many as the CMB or PMR holds)\n"
	"  --no-verify       do not read both ranges back and compare them\n"
	"  --no-sync         do not flush the destination's cache at the end\n"
	"  --landing-unit SIZE  bytes that are each seen to arrive in a peer's memory (4K), or "
	"off\n"
	"  --json FILE       write the result as JSON to FILE, or - for standard output\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit status: 0 copied (and compared equal), 1 failed, 2 cannot be done as asked: nothing "
	"was\n"
	"written.\n"
	"\n"
	"  nvme_copy --vdev nvme_emu0,path=a.img --vdev nvme_emu1,path=b.img,cmb=64M -- \\\n"
	"            nvme_emu0 nvme_emu1\n"
	"  nvme_copy --vdev nvme_emu0,size=1G,cmb=64M -- file:disk.img nvme_emu0 --via dst\n";

enum { OPT_VIA = 256, OPT_NO_VERIFY, OPT_NO_SYNC, OPT_LANDING_UNIT, OPT_JSON };

static const struct option long_options[] = {
	{ "via", required_argument, NULL, OPT_VIA },
	{ "bs", required_argument, NULL, 'o' },
	{ "qd", required_argument, NULL, 'q' },
	{ "no-verify", no_argument, NULL, OPT_NO_VERIFY },
	{ "no-sync", no_argument, NULL, OPT_NO_SYNC },
	{ "landing-unit", required_argument, NULL, OPT_LANDING_UNIT },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_option(struct args *args, int c)
{
	switch (c) {
	case OPT_VIA:
		return app_via_parse(optarg, &args->via);
	case 'o':
		return app_cli_size("-o/--bs", optarg, 512, 1ull << 30, &args->chunk);
	case 'q':
		return app_cli_u64("-q/--qd", optarg, 1, 65535, &args->depth);
	case OPT_NO_VERIFY:
		args->verify = false;
		return 0;
	case OPT_NO_SYNC:
		args->no_sync = true;
		return 0;
	case OPT_LANDING_UNIT:
		args->no_landing_check = !strcmp(optarg, "off");
		if (args->no_landing_check)
			return 0;
		return app_cli_size("--landing-unit", optarg, 512, 1ull << 30, &args->landing_unit);
	case OPT_JSON:
		args->json = optarg;
		return 0;
	case 'h':
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_args(const struct app_cli *cli, struct args *args)
{
	int c, rc;

	*args = (struct args){ .verify = true };
	app_via_parse("auto", &args->via);
	for (c = app_cli_getopt(cli, ":o:q:h", long_options, true); c != -1;
	     c = app_cli_getopt(cli, ":o:q:h", long_options, false)) {
		rc = parse_option(args, c);
		if (rc)
			return rc;
	}
	if (cli->app_argc - optind != 2)
		return app_fail(
			-EINVAL,
			"%d arguments after '--' where SRC and DST are wanted, each " APP_END_FORM,
			cli->app_argc - optind);
	rc = app_end_parse("SRC", cli->app_argv[optind], &args->src);
	return rc ? rc : app_end_parse("DST", cli->app_argv[optind + 1], &args->dst);
}

static int create_job(struct args *args, struct pl_copy **job)
{
	struct pl_copy_opts opts = {
		.opts_size = sizeof(opts),
		.chunk = (uint32_t)args->chunk,
		.depth = (uint32_t)args->depth,
		.verify = args->verify,
		.landing_unit = (uint32_t)args->landing_unit,
		.no_landing_check = args->no_landing_check,
		.no_sync = args->no_sync,
	};
	int rc = app_end_open("SRC", &args->src, false);

	if (rc == 0)
		rc = app_end_open("DST", &args->dst, true);
	if (rc == 0)
		rc = app_copy_opts_set(&opts, &args->src, &args->dst, &args->via, false);
	if (rc)
		return rc;
	rc = pl_copy_create(&opts, job);
	return rc ? app_fail_lib(rc) : 0;
}

/* One turn of the job on its lcore. */
static int poll_job(void *arg)
{
	struct run *run = arg;
	struct pl_copy_stats stats;
	uint64_t total = pl_copy_plan(run->job)->bytes;

	if (app_stop_count() > 0)
		pl_copy_cancel(run->job);
	run->rc = pl_copy_poll(run->job);
	if (run->rc <= 0)
		return -1;
	if (!app_progress_due(&run->progress))
		return 1;
	pl_copy_stats(run->job, &stats);
	if (stats.phase != run->phase) {
		run->phase = stats.phase;
		app_progress_restart(&run->progress, "verifying");
	}
	if (stats.phase == PL_COPY_VERIFYING)
		app_progress_show(&run->progress, stats.bytes_verified, total,
				  stats.bytes_verified);
	else
		app_progress_show(&run->progress, stats.bytes_copied, total, stats.bytes_copied);
	return 1;
}

/* What the IOMMU refused is the first thing to look at when data did not arrive. */
static void print_faults(const struct app_cli *cli)
{
	struct pl_iommu_fault f;

	while (pl_ioas_fault_next(pl_ioas_default(), &f) == 0)
		fprintf(stderr, "%s: IOMMU fault: %s %s at IOVA 0x%" PRIx64 ": %s\n", cli->program,
			f.device, f.access == PL_IOMMU_WRITE ? "write" : "read", f.iova, f.reason);
}

static int report(const struct args *args, const struct run *run, struct app_json_file *json)
{
	struct app_copy_result result;
	uint64_t hz = rte_get_tsc_hz();
	json_t *options, *job;
	int rc;

	app_copy_result_init(&result);
	result.src = args->src.text;
	result.dst = args->dst.text;
	result.via = args->via.text;
	result.verify = args->verify;
	result.no_landing_check = args->no_landing_check;
	rc = app_copy_result_add(&result, run->job, run->rc);
	if (rc == 0) {
		app_copy_print(json->human, &result, hz);
		if (json->path) {
			options = json_pack(
				"{s:o, s:o, s:s, s:I, s:I, s:b}", "src", app_json_text(result.src),
				"dst", app_json_text(result.dst), "via", result.via, "bs",
				(json_int_t)result.plan.chunk, "iodepth",
				(json_int_t)result.plan.depth, "verify", (int)result.verify);
			job = app_copy_json(&result, "nvme_copy", options, hz);
			rc = app_json_write(json, app_json_document(NULL, json_pack("[o]", job)));
		}
	}
	app_copy_result_fini(&result);
	return rc;
}

static int run(const struct app_cli *cli, struct args *args, struct app_json_file *json)
{
	struct run run = { .phase = PL_COPY_COPYING };
	struct pl_poller *poller;
	int rc = create_job(args, &run.job);

	if (rc) {
		app_cli_error(cli);
		return app_setup_status(rc);
	}
	app_copy_print_plan(json->human, pl_copy_plan(run.job));
	fflush(json->human); /* before the first command, also into a pipe */
	app_progress_init(&run.progress, json->human, "copying");
	rc = pl_poller_add(rte_get_main_lcore(), "nvme_copy", poll_job, &run, &poller);
	if (rc) {
		app_fail_lib(rc);
	} else {
		pl_poller_run();
		pl_poller_remove(poller);
		app_progress_end(&run.progress);
		rc = run.rc;
		if (rc)
			app_fail_lib(rc);
	}
	if (rc) {
		app_cli_error(cli);
		print_faults(cli);
	}
	if (report(args, &run, json)) {
		app_cli_error(cli);
		rc = -EIO;
	}
	pl_copy_destroy(run.job);
	return rc ? APP_EXIT_FAIL : APP_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct app_json_file json;
	struct app_cli cli;
	struct args args;
	int rc, status;

	app_cli_init(&cli, argc, argv);
	if (cli.help) {
		app_cli_help(&cli, usage);
		return APP_EXIT_OK;
	}
	rc = parse_args(&cli, &args);
	if (rc == 0)
		rc = app_json_open(&json, args.json);
	if (rc) {
		app_cli_error(&cli);
		return app_setup_status(rc);
	}
	app_stop_init();
	rc = pl_eal_init(argc, argv);
	if (rc < 0) {
		app_fail_lib(rc);
		app_cli_error(&cli);
		app_json_discard(&json);
		return app_setup_status(rc);
	}
	status = run(&cli, &args, &json);
	app_end_close(&args.dst);
	app_end_close(&args.src);
	app_json_discard(&json);
	pl_eal_cleanup();
	return status;
}
