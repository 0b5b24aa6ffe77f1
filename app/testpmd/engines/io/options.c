/* SPDX-License-Identifier: BSD-3-Clause */
/* The options that only I/O workloads have. */
#include <errno.h>
#include <string.h>

#include "io.h"
#include "workload.h"

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

/* There is no --devices where the ends of the work have other options. */
static int devices_go(const struct testpmd_opts *o)
{
	const struct engine *engine = o->workload->engine;

	if (engine == &io_engine)
		return 0;
	return app_fail(-EINVAL, "--devices: not for -w %s; give %s", o->workload->name,
			engine->ends);
}

void io_defaults(struct testpmd_opts *o)
{
	o->rwmixread = 50;
}

static int parse_mix(const char *arg, struct testpmd_opts *o)
{
	uint64_t v = 0;
	int rc = app_cli_u64("-M", arg, 0, 100, &v);

	o->rwmixread = (uint32_t)v;
	return rc;
}

static int mix_goes(const struct testpmd_opts *o)
{
	if (o->workload->mixed)
		return 0;
	return app_fail(-EINVAL, "-M %u: only rw and randrw mix reads and writes, not %s",
			o->rwmixread, o->workload->name);
}

const struct engine_option io_options[] = {
	{
		.longopt = "rwmixread",
		.letter = 'M',
		.help = "  -M, --rwmixread PCT     share of reads of rw and randrw (50)\n",
		.before = "time",
		.parse = parse_mix,
		.goes = mix_goes,
	},
	{
		.longopt = "devices",
		.help = "      --devices LIST      DEVICE[:NSID[:SLBA[+NLB]]],... (all namespaces "
			"of "
			"all devices)\n",
		.before = "verify",
		.parse = parse_devices,
		.goes = devices_go,
	},
	{ NULL },
};
