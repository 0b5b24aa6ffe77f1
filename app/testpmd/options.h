/* SPDX-License-Identifier: BSD-3-Clause */
/* What the user asked for, in spdk_nvme_perf's letters with spdk_nvme_perf's meaning. */
#ifndef TESTPMD_OPTIONS_H
#define TESTPMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "cli.h"
#include "copy_args.h"
#include "target.h"

#define MAX_TARGETS 64

struct workload;

struct testpmd_opts {
	const struct workload *workload;
	uint32_t bs;         /* bytes; of a copy: its chunk */
	const char *bs_text; /* as given */
	uint32_t qd;        /* I/Os in flight per worker; of a copy: chunks, 0 for as many as fit */
	uint32_t rwmixread; /* percent */
	uint64_t seconds;   /* 0: no limit, `count` is one then */
	uint64_t count;     /* I/Os per device, or copies; 0: no limit */
	uint64_t warmup;    /* seconds before measuring */
	uint64_t seed;
	bool verify;
	const char *json;
	struct app_target devices[MAX_TARGETS];
	unsigned int nb_devices; /* 0: all */
	struct app_target src, dst;
	bool src_given, dst_given;
	struct app_via via;
};

/* The text for --help, with what the engines have to say. Returns @buf. */
const char *options_usage(char *buf, size_t len);

/* Syntax and everything that can be judged without devices. 0, or -EINVAL with app_fail(). */
int options_parse(const struct app_cli *cli, struct testpmd_opts *o);

/* "job options" of the JSON report, in fio's names. */
json_t *options_json(const struct testpmd_opts *o);

#endif
