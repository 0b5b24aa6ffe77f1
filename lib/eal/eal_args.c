/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include <peerlane/pl_parse.h>

#include "eal_args.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

/* No machine has more. */
#define MEM_MIB_MAX (1ul << 24)

struct option_def {
	const char *name; /* one character: a short option */
	bool has_arg;
	bool pass; /* librte_eal gets it too */
	int (*take)(struct eal_args *args, const char *opt, const char *val);
};

static int add_owned(struct eal_args *args, char *text)
{
	char **owned;

	if (!text || pl_inject_hit())
		goto nomem;
	owned = realloc(args->owned, (args->nb_owned + 1) * sizeof(*owned));
	if (!owned)
		goto nomem;
	args->owned = owned;
	owned[args->nb_owned++] = text;
	return 0;
nomem:
	free(text);
	return pl_fail(-ENOMEM, "no memory for the argument list");
}

int eal_args_add(struct eal_args *args, const char *text)
{
	char **rte_argv;
	int rc = add_owned(args, strdup(text));

	if (rc)
		return rc;
	/* One more for the terminating NULL that getopt's callers rely on. */
	rte_argv = eal_realloc(args->rte_argv, ((size_t)args->rte_argc + 2) * sizeof(*rte_argv));
	if (!rte_argv)
		return pl_fail(-ENOMEM, "no memory for the argument list");
	args->rte_argv = rte_argv;
	rte_argv[args->rte_argc++] = args->owned[args->nb_owned - 1];
	rte_argv[args->rte_argc] = NULL;
	return 0;
}

/* Splits "NAME,rest" into a devarg whose strings the args own. */
static int split_devarg(struct eal_args *args, const char *val, struct pl_devarg *out)
{
	char *text = strdup(val);
	int rc = add_owned(args, text);
	char *comma;

	if (rc)
		return rc;
	comma = strchr(text, ',');
	*out = (struct pl_devarg){ .name = text, .args = text + strlen(text) };
	if (comma) {
		*comma = '\0';
		out->args = comma + 1;
	}
	return 0;
}

static int add_devarg(struct pl_devarg **list, unsigned int *count, const struct pl_devarg *devarg,
		      const char *opt)
{
	struct pl_devarg *grown;

	for (unsigned int i = 0; i < *count; i++)
		if (strcmp((*list)[i].name, devarg->name) == 0)
			return pl_fail(-EINVAL,
				       "%s '%s' is given twice; every device has its own name", opt,
				       devarg->name);
	grown = eal_realloc(*list, (*count + 1) * sizeof(*grown));
	if (!grown)
		return pl_fail(-ENOMEM, "no memory for the device list");
	grown[(*count)++] = *devarg;
	*list = grown;
	return 0;
}

static int take_vdev(struct eal_args *args, const char *opt, const char *val)
{
	struct pl_devarg devarg;
	int rc = split_devarg(args, val, &devarg);

	if (rc)
		return rc;
	if (devarg.name[0] == '\0')
		return pl_fail(-EINVAL,
			       "%s '%s' has no name; the form is NAME[,key=val...], such as "
			       "nvme_emu0,size=1G",
			       opt, val);
	return add_devarg(&args->conf.vdevs, &args->conf.nb_vdevs, &devarg, opt);
}

static int take_allow(struct eal_args *args, const char *opt, const char *val)
{
	struct pl_devarg devarg;
	struct pl_pci_addr addr;
	char bdf[PL_PCI_ADDR_LEN], *name;
	int rc = split_devarg(args, val, &devarg);

	if (rc)
		return rc;
	if (pl_pci_addr_parse(devarg.name, NULL, &addr))
		return pl_fail(-EINVAL,
			       "%s '%s' is not a PCI address; the form is DDDD:BB:DD.F or "
			       "BB:DD.F, such as 0000:01:00.0",
			       opt, devarg.name);
	name = strdup(pl_pci_addr_format(&addr, bdf));
	rc = add_owned(args, name);
	if (rc)
		return rc;
	devarg.name = name;
	return add_devarg(&args->conf.pcis, &args->conf.nb_pcis, &devarg, opt);
}

static int take_iommu(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(opt);
	return split_devarg(args, val, &args->conf.iommu);
}

/* "0,2-3": every CPU must be one this process may run on. */
static int take_corelist(struct eal_args *args, const char *opt, const char *val)
{
	const char *s = val;

	do {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*s))
			goto malformed;
		first = last = strtoul(s, &end, 10);
		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				goto malformed;
			last = strtoul(end + 1, &end, 10);
		}
		if ((*end != ',' && *end != '\0') || last < first)
			goto malformed;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &args->conf.process_cpus))
				return pl_fail(-EINVAL,
					       "%s '%s': CPU %lu is not one this process may "
					       "run on; see: taskset -cp $$",
					       opt, val, cpu);
		s = *end ? end + 1 : end;
		if (*end == ',' && *s == '\0')
			goto malformed;
	} while (*s);
	return 0;
malformed:
	return pl_fail(-EINVAL, "%s '%s' is not a CPU list; the form is 0,2-3", opt, val);
}

static int take_mem(struct eal_args *args, const char *opt, const char *val)
{
	char *end;
	unsigned long mib = strtoul(val, &end, 10);

	if (!isdigit((unsigned char)val[0]) || *end || mib == 0 || mib > MEM_MIB_MAX)
		return pl_fail(-EINVAL,
			       "%s '%s' is not a memory size; the form is a number of MiB, "
			       "such as 512",
			       opt, val);
	args->mem_bytes = mib << 20;
	args->mem_option = "-m";
	return 0;
}

static int take_huge(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(val);
	snprintf(args->huge_only, sizeof(args->huge_only), "%s", opt);
	return 0;
}

static int take_files(struct eal_args *args, const char *opt, const char *val)
{
	args->huge_files = true;
	return take_huge(args, opt, val);
}

/* MiB for each NUMA node: "512,0". */
static int take_socket_mem(struct eal_args *args, const char *opt, const char *val)
{
	size_t sum = 0, node_bytes[RTE_MAX_NUMA_NODES] = { 0 };
	const char *at = val;

	for (unsigned int node = 0; node < RTE_MAX_NUMA_NODES && isdigit((unsigned char)*at);
	     node++) {
		char *end;
		unsigned long mib = strtoul(at, &end, 10);

		/* Each alone first: a sum of what was not looked at may overflow. */
		if (mib > MEM_MIB_MAX)
			break;
		node_bytes[node] = (size_t)mib << 20;
		sum += node_bytes[node];
		if (*end == '\0' && sum <= (size_t)MEM_MIB_MAX << 20) {
			args->mem_bytes = sum;
			args->mem_option = "--socket-mem";
			memcpy(args->node_bytes, node_bytes, sizeof(node_bytes));
			return take_huge(args, opt, val);
		}
		if (*end != ',')
			break;
		at = end + 1;
	}
	return pl_fail(-EINVAL,
		       "%s '%s' is no list of memory sizes; the form is a number of MiB for each "
		       "NUMA node, such as 512,0",
		       opt, val);
}

static int take_no_huge(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(opt);
	RTE_SET_USED(val);
	args->conf.no_huge = true;
	return 0;
}

static int take_legacy(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(opt);
	RTE_SET_USED(val);
	args->legacy_mem = true;
	return 0;
}

static int take_telemetry(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(opt);
	RTE_SET_USED(val);
	args->telemetry = true;
	return 0;
}

static int take_log_level(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(opt);
	RTE_SET_USED(val);
	args->log_level = true;
	return 0;
}

static int take_iova_mode(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(args);
	if (strcmp(val, "va") == 0)
		return 0;
	return pl_fail(-EINVAL,
		       "%s '%s': Peerlane runs with IOVA=VA only; the form is --iova-mode=va", opt,
		       val);
}

static int take_proc_type(struct eal_args *args, const char *opt, const char *val)
{
	RTE_SET_USED(args);
	if (strcmp(val, "primary") == 0 || strcmp(val, "auto") == 0)
		return 0;
	return pl_fail(-EINVAL,
		       "%s '%s': a Peerlane process is always a primary one; the forms are "
		       "primary and auto",
		       opt, val);
}

/* librte_eal's options (its programmer's guide, "EAL parameters"), and ours. */
static const struct option_def options[] = {
	{ "a", true, false, take_allow },
	{ "allow", true, false, take_allow },
	{ "vdev", true, false, take_vdev },
	{ "iommu", true, false, take_iommu },
	{ "l", true, true, take_corelist },
	{ "m", true, true, take_mem },
	{ "no-huge", false, false, take_no_huge },
	{ "in-memory", false, false, NULL },
	{ "no-pci", false, false, NULL },
	{ "no-telemetry", false, false, NULL },
	{ "telemetry", false, false, take_telemetry },
	{ "match-allocations", false, false, NULL },
	{ "iova-mode", true, false, take_iova_mode },
	{ "proc-type", true, true, take_proc_type },
	{ "log-level", true, true, take_log_level },
	{ "legacy-mem", false, true, take_legacy },
	{ "huge-dir", true, true, take_files },
	{ "huge-unlink", false, true, take_files },
	{ "b", true, true, NULL },
	{ "block", true, true, NULL },
	{ "c", true, true, NULL },
	{ "d", true, true, NULL },
	{ "n", true, true, NULL },
	{ "r", true, true, NULL },
	{ "s", true, true, NULL },
	{ "S", true, true, NULL },
	{ "v", false, true, NULL },
	{ "base-virtaddr", true, true, NULL },
	{ "file-prefix", true, true, NULL },
	{ "force-max-simd-bitwidth", true, true, NULL },
	{ "lcores", true, true, NULL },
	{ "main-lcore", true, true, NULL },
	{ "mbuf-pool-ops-name", true, true, NULL },
	{ "no-hpet", false, true, NULL },
	{ "no-shconf", false, true, NULL },
	{ "single-file-segments", false, true, NULL },
	{ "socket-limit", true, true, NULL },
	{ "socket-mem", true, true, take_socket_mem },
	{ "syslog", true, true, NULL },
	{ "trace", true, true, NULL },
	{ "trace-bufsz", true, true, NULL },
	{ "trace-dir", true, true, NULL },
	{ "trace-mode", true, true, NULL },
};

static const struct option_def *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < RTE_DIM(options); i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* Takes argv[*i] and, if the option wants one, its value from there or from the next argument. */
static int parse_one(struct eal_args *args, int argc, char **argv, int *i)
{
	const char *arg = argv[*i], *val = NULL;
	bool is_long = arg[1] == '-';
	const char *name = arg + (is_long ? 2 : 1);
	size_t len = is_long ? strcspn(name, "=") : 1;
	const struct option_def *def = find_option(name, len);
	char shown[64], joined[PATH_MAX];
	int rc;

	if (!def || (is_long && len == 1))
		return pl_fail(-EINVAL,
			       "unknown EAL option '%s'; the program's own options follow "
			       "'--', and --help lists both",
			       arg);
	snprintf(shown, sizeof(shown), "%s%s", is_long ? "--" : "-", def->name);
	if (name[len] != '\0')
		val = name + len + (is_long ? 1 : 0);
	if (!def->has_arg && val)
		return pl_fail(-EINVAL, "option '%s' takes no value; '%s' was given", shown, arg);
	if (def->has_arg && !val) {
		if (*i + 1 >= argc || strcmp(argv[*i + 1], "--") == 0)
			return pl_fail(-EINVAL, "option '%s' needs a value", shown);
		val = argv[++*i];
	}
	if (def->take) {
		rc = def->take(args, shown, val);
		if (rc)
			return rc;
	}
	if (!def->pass)
		return 0;
	if (!is_long) {
		rc = eal_args_add(args, shown);
		return rc || !val ? rc : eal_args_add(args, val);
	}
	if (snprintf(joined, sizeof(joined), "%s%s%s", shown, val ? "=" : "", val ? val : "") >=
	    (int)sizeof(joined))
		return pl_fail(-EINVAL, "the value of '%s' is too long", shown);
	return eal_args_add(args, joined);
}

int eal_args_parse(int argc, char **argv, struct eal_args *args)
{
	static char auto_name[] = "auto", no_args[] = "";
	int rc;

	memset(args, 0, sizeof(*args));
	args->conf.iommu = (struct pl_devarg){ .name = auto_name, .args = no_args };
	if (sched_getaffinity(0, sizeof(args->conf.process_cpus), &args->conf.process_cpus))
		return pl_fail(-EINVAL, "cannot read the process's CPU affinity: %s",
			       strerror(errno));
	rc = eal_args_add(args, argc > 0 ? argv[0] : "peerlane");
	args->consumed = argc > 0 ? argc - 1 : 0;
	for (int i = 1; i < argc && rc == 0; i++) {
		if (strcmp(argv[i], "--") == 0) {
			args->consumed = i;
			break;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			rc = pl_fail(-EINVAL,
				     "unexpected argument '%s'; the program's own arguments "
				     "follow '--'",
				     argv[i]);
		else
			rc = parse_one(args, argc, argv, &i);
	}
	if (rc)
		eal_args_free(args);
	return rc;
}

void eal_args_free(struct eal_args *args)
{
	for (unsigned int i = 0; i < args->nb_owned; i++)
		free(args->owned[i]);
	free(args->owned);
	free(args->rte_argv);
	free(args->conf.vdevs);
	free(args->conf.pcis);
	memset(args, 0, sizeof(*args));
}
