/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "target.h"

/* What the EAL maps at least: without hugepages exactly this, unless -m says otherwise. */
#define MEM_MIB 128u

const char topo_usage[] =
	"[--json FILE]\n"
	"       peerlane-topo --check [--mem MIB] [--json FILE] [BDF...]\n"
	"\n"
	"Without --check, lists the NVMe controllers: which driver each is bound to, its IOMMU "
	"group,\n"
	"vfio character device and NUMA node, the Controller Memory Buffer that the kernel's "
	"driver\n"
	"found, the BARs in which a CMB or PMR may lie, and the disk by which the kernel uses it.\n"
	"Nothing is opened or changed, and no rights are needed.\n"
	"\n"
	"With --check, says whether this user can run Peerlane on the named controllers, or on "
	"all\n"
	"that are bound to a vfio driver. Each item is ok, warn (it works, with less) or FAIL, "
	"and\n"
	"the line after a FAIL is the command that mends it. An idle controller is bound to "
	"iommufd\n"
	"for a moment, which resets it; one in use is left alone.\n"
	"\n"
	"  --check           the preflight\n"
	"  --mem MIB         memory that is to be mapped, the EAL's -m (128)\n"
	"  --json FILE       write the result as JSON to FILE, or - for standard output\n"
	"  -h, --help        this text\n"
	"\n"
	"Exit status: 0 everything needed is there, 1 a check failed, 2 a mistake in the "
	"arguments.\n"
	"\n"
	"  peerlane-topo --check 0000:01:00.0 02:00.0\n";

enum { OPT_CHECK = 256, OPT_MEM, OPT_JSON, OPT_ROOT };

static const struct option long_options[] = {
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "root", required_argument, NULL, OPT_ROOT }, /* for tests: see host.h */
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int add_bdf(struct topo_opts *o, const char *text)
{
	char device[APP_DEVICE_MAX];
	int n = app_device_parse(text, device);

	if (!n || text[n] || !strchr(device, ':') || strlen(device) >= PCI_BDF_LEN)
		return app_fail(-EINVAL, "%s: accepted is a BDF such as 0000:01:00.0 or 01:00.0",
				text);
	for (unsigned int i = 0; i < o->nb_bdfs; i++)
		if (strcmp(o->bdfs[i], device) == 0)
			return app_fail(-EINVAL, "%s is given twice", text);
	memcpy(o->bdfs[o->nb_bdfs++], device, strlen(device) + 1);
	return 0;
}

static int parse_option(struct topo_opts *o, int c)
{
	int rc = 0;

	switch (c) {
	case OPT_CHECK:
		o->check = true;
		break;
	case OPT_MEM:
		rc = app_cli_u64("--mem", optarg, 1, 1u << 24, &o->mem);
		o->mem <<= 20;
		break;
	case OPT_JSON:
		o->json = optarg;
		break;
	case OPT_ROOT:
		o->root = optarg;
		break;
	case 'h': /* has been dealt with */
		break;
	default:
		rc = -EINVAL;
	}
	return rc;
}

int topo_opts_parse(const struct app_cli *cli, struct topo_opts *o)
{
	bool first = true;
	int c, rc;

	memset(o, 0, sizeof(*o));
	o->root = "";
	o->bdfs = calloc((size_t)cli->app_argc + 1, sizeof(*o->bdfs));
	if (!o->bdfs)
		return app_fail(-ENOMEM, "no memory for the arguments");
	while ((c = app_cli_getopt(cli, ":h", long_options, first)) != -1) {
		first = false;
		rc = parse_option(o, c);
		if (rc)
			goto fail;
	}
	for (int i = optind; i < cli->app_argc; i++) {
		rc = add_bdf(o, cli->app_argv[i]);
		if (rc)
			goto fail;
	}
	if (!o->check && (o->mem || o->nb_bdfs)) {
		rc = app_fail(-EINVAL, "%s is of use with --check only; see --help",
			      o->mem ? "--mem" : o->bdfs[0]);
		goto fail;
	}
	if (!o->mem)
		o->mem = (uint64_t)MEM_MIB << 20;
	return 0;
fail:
	topo_opts_free(o);
	return rc;
}

void topo_opts_free(struct topo_opts *o)
{
	free(o->bdfs);
	o->bdfs = NULL;
	o->nb_bdfs = 0;
}
