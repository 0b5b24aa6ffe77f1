/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include <peerlane/pl_err.h>

#include "pl_log.h"

RTE_LOG_REGISTER(pl_logtype, peerlane, NOTICE)

static __thread char last_message[512];

void eal_log(uint32_t level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!rte_log_can_log(pl_logtype, level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rte_log(level, pl_logtype, "PEERLANE: %s\n", text);
}

int pl_fail(int err, const char *fmt, ...)
{
	/* The message may quote the previous one, so it is not formatted in place. */
	char text[sizeof(last_message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(last_message, sizeof(last_message), "%s", text);
	PL_LOG(DEBUG, "%s: %s", pl_errname(err), last_message);
	return err;
}

const char *pl_errmsg(void)
{
	return last_message;
}

const char *pl_errname(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ 0, "OK" },		      { EINVAL, "EINVAL" },	  { ENOMEM, "ENOMEM" },
		{ ENOENT, "ENOENT" },	      { EEXIST, "EEXIST" },	  { EBUSY, "EBUSY" },
		{ ENOTSUP, "ENOTSUP" },	      { EACCES, "EACCES" },	  { EREMOTEIO, "EREMOTEIO" },
		{ EIO, "EIO" },		      { EILSEQ, "EILSEQ" },	  { ENODEV, "ENODEV" },
		{ ETIMEDOUT, "ETIMEDOUT" },   { ECANCELED, "ECANCELED" },     { ENOSPC, "ENOSPC" },
	};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (names[i].err == abs(err))
			return names[i].name;
	return "unknown";
}
