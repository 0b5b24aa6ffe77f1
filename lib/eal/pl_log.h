/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages. PL_LOG() goes to the DPDK log under the type "peerlane" (`--log-level=peerlane:debug`);
 * pl_fail() sets the text that pl_errmsg() returns, so a caller prints it once, in its own voice.
 */
#ifndef PL_LOG_H
#define PL_LOG_H

#include <errno.h>
#include <rte_log.h>

extern int pl_logtype;

#define PL_LOG(level, fmt, ...)                                                                    \
	rte_log(RTE_LOG_##level, pl_logtype, "PEERLANE: " fmt "\n", ##__VA_ARGS__)

/* Records the message of a failure and returns @err, so that `return pl_fail(-EINVAL, ...)` reads
 * as what it is. The text has no trailing newline or full stop. */
int pl_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
