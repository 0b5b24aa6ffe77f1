/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <peerlane/pl_eal.h>

#include "eal_args.h"
#include "hugepages.h"
#include "memory.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "pl_stop.h"
#include "poller.h"

/* Below this, hugepages would run out while devices come up: 4 KiB pages are the better deal. */
#define MIN_HUGEPAGE_BYTES (64ul << 20)
/* librte_eal takes 64 MiB without hugepages and cannot grow; a deep pipeline wants more. */
#define NO_HUGE_MIB   "128"
#define NO_HUGE_BYTES (128ul << 20)

static struct eal_args args;
static struct pl_subsystem *subsystems; /* ascending order */
static bool running;

void pl_subsystem_register(struct pl_subsystem *subsystem)
{
	struct pl_subsystem **at = &subsystems;

	while (*at && (*at)->order <= subsystem->order)
		at = &(*at)->next;
	subsystem->next = *at;
	*at = subsystem;
}

const struct pl_eal_conf *pl_eal_conf(void)
{
	return running ? &args.conf : NULL;
}

/* Stops the subsystems before @end in descending order. */
static void fini_until(const struct pl_subsystem *end)
{
	while (subsystems != end) {
		struct pl_subsystem *last = subsystems;

		while (last->next != end)
			last = last->next;
		last->fini();
		end = last;
	}
}

static int init_all(void)
{
	for (struct pl_subsystem *s = subsystems; s; s = s->next) {
		int rc = s->init(&args.conf);

		if (rc) {
			fini_until(s);
			return rc;
		}
	}
	return 0;
}

static int claim(struct pl_devarg *pci)
{
	for (const struct pl_subsystem *s = subsystems; s && !pci->owner; s = s->next) {
		bool mine = false;
		int rc = s->claim ? s->claim(pci, &mine) : 0;

		if (rc)
			return rc;
		if (mine)
			pci->owner = s;
	}
	return pci->owner
		       ? 0
		       : pl_fail(-ENOTSUP, "-a '%s': this build drives no PCI devices", pci->name);
}

static int check_all(void)
{
	for (unsigned int i = 0; i < args.conf.nb_pcis; i++) {
		int rc = claim(&args.conf.pcis[i]);

		if (rc)
			return rc;
	}
	for (const struct pl_subsystem *s = subsystems; s; s = s->next) {
		int rc = s->check ? s->check(&args.conf) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/* The machine's hugepages may be another node's than --socket-mem wants. */
static int check_nodes(void)
{
	char remedy[160];

	for (unsigned int node = 0; node < RTE_DIM(args.node_bytes); node++) {
		size_t want = args.node_bytes[node];
		size_t free_bytes = want ? pl_hugepages_free_on(node) : 0;

		if (free_bytes >= want)
			continue;
		pl_hugepages_remedy_on(node, want - free_bytes, remedy, sizeof(remedy));
		return pl_fail(
			-EINVAL,
			"--socket-mem: %zu MiB are wanted on NUMA node %u, which has %zu MiB "
			"of hugepages free: %s",
			want >> 20, node, free_bytes >> 20, remedy);
	}
	return 0;
}

static int choose_pages(void)
{
	size_t want = args.mem_bytes ? args.mem_bytes : MIN_HUGEPAGE_BYTES;
	size_t free_bytes;

	if (args.conf.no_huge)
		return 0;
	free_bytes = pl_hugepages_free();
	if (free_bytes >= want)
		return check_nodes();
	if (args.huge_only[0])
		return pl_fail(args.mem_bytes ? -EINVAL : -ENOMEM,
			       "%zu MiB of hugepages are free, %zu MiB are wanted, and %s means "
			       "nothing without: %s",
			       free_bytes >> 20, want >> 20, args.huge_only,
			       pl_hugepages_remedy(want - free_bytes));
	args.conf.no_huge = true;
	PL_LOG(WARNING,
	       "%zu MiB of hugepages are free, %zu MiB are wanted: using 4 KiB pages; "
	       "to have hugepages: %s",
	       free_bytes >> 20, want >> 20, pl_hugepages_remedy(want - free_bytes));
	return 0;
}

/* All that librte_eal takes at start is touched at once. */
static int check_memory(void)
{
	struct pl_memory_want want = {
		.bytes = args.mem_bytes      ? args.mem_bytes
			 : args.conf.no_huge ? NO_HUGE_BYTES
					     : 0,
		.option = args.mem_option,
		.huge = !args.conf.no_huge,
	};

	return pl_memory_check(&want);
}

static int start_rte(void)
{
	const struct {
		bool when;
		const char *text;
	} implied[] = {
		{ true, "--no-pci" }, /* controllers are ours to open, by vfio */
		{ true, "--iova-mode=va" },
		/* Nothing is left behind after SIGKILL; without hugepages librte_eal has no such
		 * mode, but then its configuration is the only file. */
		{ !args.legacy_mem && !args.huge_files && !args.conf.no_huge, "--in-memory" },
		{ args.conf.no_huge, "--no-shconf" },
		{ !args.telemetry, "--no-telemetry" },
		{ !args.log_level, "--log-level=lib.eal:error" },
		{ args.conf.no_huge, "--no-huge" },
		{ args.conf.no_huge && !args.mem_bytes, "-m" },
		{ args.conf.no_huge && !args.mem_bytes, NO_HUGE_MIB },
		/* What is freed goes back to the system, and stays not for what shares a page with
		   it. */
		{ !args.conf.no_huge && !args.legacy_mem, "--match-allocations" },
	};

	for (size_t i = 0; i < RTE_DIM(implied); i++) {
		int rc = implied[i].when ? eal_args_add(&args, implied[i].text) : 0;

		if (rc)
			return rc;
	}
	if (pl_inject_hit())
		return pl_fail(-ENOMEM, "librte_eal did not start: no memory");
	if (rte_eal_init(args.rte_argc, args.rte_argv) < 0)
		return pl_fail(rte_errno == ENOMEM ? -ENOMEM : -EINVAL,
			       "librte_eal did not start: %s; its own message is above",
			       rte_strerror(rte_errno));
	return 0;
}

int pl_eal_init(int argc, char **argv)
{
	int rc;

	if (running)
		return pl_fail(-EEXIST, "pl_eal_init() was called twice");
	rc = eal_args_parse(argc, argv, &args);
	if (rc)
		return rc;
	rc = check_all();
	if (rc)
		goto free_args;
	rc = choose_pages();
	if (rc == 0)
		rc = check_memory();
	if (rc == 0)
		rc = start_rte();
	if (rc)
		goto free_args;
	running = true;
	rc = init_all();
	if (rc) {
		running = false;
		rte_eal_cleanup();
		goto free_args;
	}
	rc = args.consumed;
	if (argc > 0)
		argv[rc] = argv[0];
	return rc;
free_args:
	eal_args_free(&args);
	return rc;
}

void pl_eal_cleanup(void)
{
	if (!running)
		return;
	pl_stop_clear(); /* who stopped the work did not mean its orderly end */
	pollers_stop_all();
	fini_until(NULL);
	running = false;
	rte_eal_cleanup();
	eal_args_free(&args);
}

static const char usage_head[] =
	"EAL options (before '--'; DPDK's, with the same meaning, and):\n"
	"  -l CORES             CPUs to run on, such as 0,2-3\n"
	"  -m MIB               memory to reserve at start\n"
	"  --no-huge            use 4 KiB pages instead of hugepages\n"
	"  --in-memory          leave no files behind (the default)\n"
	"  -a BDF[,key=val]     use this PCI device, such as 0000:01:00.0\n"
	"  -a BDF,p2p=barN      lend the BAR N of this one to copies (--via BDF)\n"
	"  --vdev NAME[,key=val] create this emulated device, such as nvme_emu0,size=1G\n";

static const char usage_tail[] = "  --file-prefix NAME   as DPDK's\n"
				 "  --log-level SPEC     as DPDK's, such as peerlane:debug\n";

const char *pl_eal_usage(void)
{
	static __thread char text[2048];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", usage_head);

	for (const struct pl_subsystem *s = subsystems; s; s = s->next) {
		if (!s->usage)
			continue;
		s->usage(text + at, sizeof(text) - at);
		at += strlen(text + at);
	}
	snprintf(text + at, sizeof(text) - at, "%s", usage_tail);
	return text;
}
