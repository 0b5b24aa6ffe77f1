/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run of the program hands around. */
#ifndef TESTPMD_H
#define TESTPMD_H

#include <stdio.h>

#include <jansson.h>

#include "cli.h"
#include "options.h"

struct testpmd {
	const struct app_cli *cli;
	const struct testpmd_opts *opts;
	FILE *human;      /* where tables and progress go */
	uint64_t hz;      /* TSC cycles per second */
	json_t *jobs;     /* results are appended here */
	json_t *peerlane; /* and, where they belong to no job, here */
};

/* -EINVAL with app_fail() if there is no controller at all. */
int testpmd_any_device(void);

#endif
