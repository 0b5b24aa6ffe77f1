/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages. PL_LOG() goes to the DPDK log under the type "peerlane" (`--log-level=peerlane:debug`);
 * pl_fail() sets the text that pl_errmsg() returns, so a caller prints it once, in its own voice.
 */
#ifndef PL_LOG_H
#define PL_LOG_H

#include <errno.h>
#include <stdint.h>

#include <rte_log.h>

extern int pl_logtype;

#define PL_LOG(level, ...) eal_log(RTE_LOG_##level, __VA_ARGS__)

/* One line, after "PEERLANE: ". */
void eal_log(uint32_t level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records the message of a failure and returns @err, so that `return pl_fail(-EINVAL, ...)` reads
 * as what it is. The text has no trailing newline or full stop. */
int pl_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
