/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line, checked as a whole before anything starts: librte_eal prints its usage text on
 * stdout for a mistake, where Peerlane owes one line that names the value and the accepted form.
 */
#ifndef PL_EAL_ARGS_H
#define PL_EAL_ARGS_H

#include <rte_config.h>

#include "pl_subsystem.h"

struct eal_args {
	struct pl_eal_conf conf;
	char **rte_argv; /* for rte_eal_init(); entries that are ours to free are in `owned` */
	int rte_argc;
	char **owned;
	unsigned int nb_owned;
	size_t mem_bytes; /* -m, or what --socket-mem adds up to; 0 if not given */
	const char *mem_option; /* "-m" or "--socket-mem"; NULL if not given */
	size_t node_bytes[RTE_MAX_NUMA_NODES]; /* --socket-mem */
	int consumed;	  /* arguments up to and including "--" */
	bool legacy_mem;
	bool huge_files;  /* --huge-dir, --huge-unlink: not --in-memory */
	char huge_only[32]; /* an option that means nothing without hugepages; "": none */
	bool telemetry;
	bool log_level;
};

int eal_args_parse(int argc, char **argv, struct eal_args *args);

/* Appends an option for librte_eal; @text is copied. */
int eal_args_add(struct eal_args *args, const char *text);

void eal_args_free(struct eal_args *args);

#endif
