/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages. PL_LOG() goes to the DPDK log under the type "peerlane" (`--log-level=peerlane:debug`);
 * pl_fail() and its kin set what pl_errmsg() and pl_error_get() return, so a caller prints it once, in
 * its own voice.
 */
#ifndef PL_LOG_H
#define PL_LOG_H

#include <errno.h>
#include <stdint.h>

#include <rte_log.h>

#include <peerlane/pl_err.h>

extern int pl_logtype;

#define PL_LOG(level, ...) eal_log(RTE_LOG_##level, __VA_ARGS__)

/* One line, after "PEERLANE: ". */
void eal_log(uint32_t level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records the message of a failure and returns @err, so that `return pl_fail(-EINVAL, ...)` reads
 * as what it is. The text has no trailing newline or full stop. */
int pl_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with the name of the device that failed, for programs; the text names it as well. */
int pl_fail_device(int err, const char *device, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* And what the failure is about: an address, an LBA, an offset. */
int pl_fail_at(int err, const char *device, enum pl_error_at at, uint64_t where, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A controller completed a command with @status. PL_NO_LBA if the command has none. */
#define PL_NO_LBA UINT64_MAX
int pl_fail_nvme(int err, const char *device, uint16_t status, uint64_t lba, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A caller says more of the failure below it, whose text it quotes: device, status and place stay. */
int pl_fail_more(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Brings back a failure that was copied from pl_error_get(), after a cleanup that may have failed
 * too; returns its errno. */
int pl_fail_again(const struct pl_error *error);

#endif
