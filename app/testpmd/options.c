/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine.h"
#include "options.h"
#include "size.h"

#define MAX_BS (64u << 20)
/* A queue has at most 65536 entries (CAP.MQES is 16 bits, 0's based) and one stays empty. */
#define MAX_QD 65535

const char testpmd_usage[] =
	"-w WORKLOAD [options]\n"
	"  -w, --workload NAME     read, write, randread, randwrite, rw, randrw or copy\n"
	"  -o, --bs SIZE           bytes of an I/O (4K), of a copy's chunk (128K)\n"
	"  -q, --qd N              I/Os in flight per worker (32)\n"
	"  -M, --rwmixread PCT     share of reads of rw and randrw (50)\n"
	"  -t, --time SEC          how long to measure (1)\n"
	"      --count N           I/Os per device, or copies (no time limit unless -t)\n"
	"  -a, --warmup-time SEC   run this long before measuring (0)\n"
	"      --devices LIST      DEVICE[:NSID[:SLBA[+NLB]]],... (all namespaces of all devices)\n"
	"      --verify            compare what was read and written with what the device holds\n"
	"      --seed N            of offsets and mix (1)\n"
	"      --src, --dst TARGET of a copy: DEVICE... as above or " APP_FILE_FORM "\n"
	"                          (the first two devices)\n"
	"      --via WAY           of a copy: auto, dst, src, host or a device (auto)\n"
	"      --json FILE         write the results as JSON; - is stdout\n"
	"  -h, --help\n"
	"A worker is one lcore of -l on one namespace, with its own queue pair.\n";

enum { OPT_COUNT = 256, OPT_VERIFY, OPT_JSON, OPT_DEVICES, OPT_SRC, OPT_DST, OPT_VIA, OPT_SEED };

static const char short_options[] = ":w:o:q:M:t:a:";
static const struct option long_options[] = {
	{ "workload", required_argument, NULL, 'w' },
	{ "bs", required_argument, NULL, 'o' },
	{ "qd", required_argument, NULL, 'q' },
	{ "rwmixread", required_argument, NULL, 'M' },
	{ "time", required_argument, NULL, 't' },
	{ "warmup-time", required_argument, NULL, 'a' },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "devices", required_argument, NULL, OPT_DEVICES },
	{ "src", required_argument, NULL, OPT_SRC },
	{ "dst", required_argument, NULL, OPT_DST },
	{ "via", required_argument, NULL, OPT_VIA },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ NULL, 0, NULL, 0 },
};

/* Which options were given, where leaving one out differs from giving its default. */
struct given {
	bool bs, qd, mix, time, via;
};

static int parse_devices(const char *list, struct testpmd_opts *o)
{
	char item[sizeof(o->devices[0].text)];

	o->nb_devices = 0;
	for (const char *p = list;; p++) {
		size_t len = strcspn(p, ",");

		if (o->nb_devices == MAX_TARGETS)
			return app_fail(-EINVAL, "--devices %s: more than %d devices", list,
					MAX_TARGETS);
		if (len >= sizeof(item))
			return app_fail(-EINVAL,
					"--devices %s: accepted is a list of " APP_TARGET_FORM,
					list);
		memcpy(item, p, len);
		item[len] = '\0';
		if (app_target_parse("--devices", item, &o->devices[o->nb_devices]))
			return -EINVAL;
		o->nb_devices++;
		p += len;
		if (!*p)
			return 0;
	}
}

static int parse_workload(const char *name, struct testpmd_opts *o)
{
	char names[160];

	o->workload = workload_find(name);
	if (!o->workload)
		return app_fail(-EINVAL, "-w %s: no such workload; accepted is %s", name,
				workload_names(NULL, names, sizeof(names)));
	return 0;
}

static int parse_number(int option, const char *arg, struct testpmd_opts *o, struct given *given)
{
	uint64_t v = 0;
	int rc;

	switch (option) {
	case 'o':
		given->bs = true;
		o->bs_text = arg;
		rc = app_cli_size("-o", arg, 1, MAX_BS, &v);
		o->bs = (uint32_t)v;
		return rc;
	case 'q':
		given->qd = true;
		rc = app_cli_u64("-q", arg, 1, MAX_QD, &v);
		o->qd = (uint32_t)v;
		return rc;
	case 'M':
		given->mix = true;
		rc = app_cli_u64("-M", arg, 0, 100, &v);
		o->rwmixread = (uint32_t)v;
		return rc;
	case 't':
		given->time = true;
		return app_cli_u64("-t", arg, 1, 31536000, &o->seconds);
	case 'a':
		return app_cli_u64("-a", arg, 0, 31536000, &o->warmup);
	case OPT_COUNT:
		return app_cli_u64("--count", arg, 1, INT64_MAX, &o->count);
	default:
		return app_cli_u64("--seed", arg, 0, INT64_MAX, &o->seed);
	}
}

static int parse_one(int option, const char *arg, struct testpmd_opts *o, struct given *given)
{
	switch (option) {
	case 'w':
		return parse_workload(arg, o);
	case OPT_VERIFY:
		o->verify = true;
		return 0;
	case OPT_JSON:
		o->json = arg;
		return 0;
	case OPT_DEVICES:
		return parse_devices(arg, o);
	case OPT_SRC:
		o->src_given = true;
		return app_end_parse("--src", arg, &o->src);
	case OPT_DST:
		o->dst_given = true;
		return app_end_parse("--dst", arg, &o->dst);
	case OPT_VIA:
		given->via = true;
		return app_via_parse(arg, &o->via);
	default:
		return parse_number(option, arg, o, given);
	}
}

/* What fits together, and the defaults that depend on the workload. */
static int settle(struct testpmd_opts *o, const struct given *given)
{
	char names[160];
	bool copy;

	if (!o->workload)
		return app_fail(-EINVAL, "-w is missing; accepted is %s",
				workload_names(NULL, names, sizeof(names)));
	copy = !strcmp(o->workload->engine->name, "copy");
	if (given->mix && !o->workload->mixed)
		return app_fail(-EINVAL, "-M %u: only rw and randrw mix reads and writes, not %s",
				o->rwmixread, o->workload->name);
	if (!copy && (o->src_given || o->dst_given || given->via))
		return app_fail(-EINVAL, "%s: only for -w copy, not for -w %s",
				o->src_given   ? "--src"
				: o->dst_given ? "--dst"
					       : "--via",
				o->workload->name);
	if (copy && o->nb_devices)
		return app_fail(-EINVAL, "--devices: not for -w copy; give --src and --dst");
	if (copy && o->src_given != o->dst_given)
		return app_fail(-EINVAL, "%s is missing: give both --src and --dst, or none",
				o->src_given ? "--dst" : "--src");
	if (!given->bs) {
		o->bs = copy ? 128u << 10 : 4096;
		o->bs_text = copy ? "128K" : "4K";
	}
	if (!given->qd)
		o->qd = copy ? 0 : 32;
	if (!given->time)
		o->seconds = o->count ? 0 : 1;
	if (o->warmup && !o->seconds)
		return app_fail(-EINVAL, "-a %" PRIu64 ": a warm-up with --count needs -t as well",
				o->warmup);
	return 0;
}

int options_parse(const struct app_cli *cli, struct testpmd_opts *o)
{
	struct given given = { false };
	int option, rc;

	memset(o, 0, sizeof(*o));
	o->rwmixread = 50;
	o->seed = 1;
	app_via_parse("auto", &o->via);
	for (bool first = true;; first = false) {
		option = app_cli_getopt(cli, short_options, long_options, first);
		if (option == -1)
			break;
		if (option == '?')
			return -EINVAL;
		rc = parse_one(option, optarg, o, &given);
		if (rc)
			return rc;
	}
	if (optind < cli->app_argc)
		return app_fail(-EINVAL, "unexpected argument %s; see --help",
				cli->app_argv[optind]);
	return settle(o, &given);
}

json_t *options_json(const struct testpmd_opts *o)
{
	json_t *options = json_pack("{s:s, s:I, s:I, s:I, s:b}", "rw", o->workload->name, "bs",
				    (json_int_t)o->bs, "iodepth", (json_int_t)o->qd, "randseed",
				    (json_int_t)o->seed, "verify", (int)o->verify);

	if (o->workload->mixed)
		json_object_set_new(options, "rwmixread", json_integer(o->rwmixread));
	if (o->seconds)
		json_object_set_new(options, "runtime", json_integer((json_int_t)o->seconds));
	if (o->warmup)
		json_object_set_new(options, "ramp_time", json_integer((json_int_t)o->warmup));
	if (o->count)
		json_object_set_new(options, "number_ios", json_integer((json_int_t)o->count));
	return options;
}
