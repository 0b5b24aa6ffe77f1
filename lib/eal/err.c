/* SPDX-License-Identifier: BSD-3-Clause */
/* What each thread remembers of its last failure. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "pl_log.h"

static __thread struct pl_error last = { .size = sizeof(struct pl_error) };

static void say(int err, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void say(int err, const char *fmt, va_list ap)
{
	/* The message may quote the previous one, so it is not formatted in place. */
	char text[sizeof(last.text)];

	vsnprintf(text, sizeof(text), fmt, ap);
	memcpy(last.text, text, sizeof(text));
	last.err = err;
	PL_LOG(DEBUG, "%s: %s", pl_errname(err), last.text);
}

/* After say(): @device may point into the failure before. */
static void concerns(const char *device, enum pl_error_at at, uint64_t where)
{
	char name[sizeof(last.device)];

	snprintf(name, sizeof(name), "%s", device);
	memcpy(last.device, name, sizeof(name));
	last.at = at;
	last.where = where;
	last.has_status = false;
	last.nvme_status = 0;
}

int pl_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	concerns("", PL_ERROR_AT_NOTHING, 0);
	return err;
}

int pl_fail_device(int err, const char *device, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	concerns(device, PL_ERROR_AT_NOTHING, 0);
	return err;
}

int pl_fail_at(int err, const char *device, enum pl_error_at at, uint64_t where, const char *fmt,
	       ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	concerns(device, at, where);
	return err;
}

int pl_fail_nvme(int err, const char *device, uint16_t status, uint64_t lba, const char *fmt, ...)
{
	bool has_lba = lba != PL_NO_LBA;
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	concerns(device, has_lba ? PL_ERROR_AT_LBA : PL_ERROR_AT_NOTHING, has_lba ? lba : 0);
	last.nvme_status = status;
	last.has_status = true;
	return err;
}

int pl_fail_more(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(err, fmt, ap);
	va_end(ap);
	return err;
}

int pl_fail_again(const struct pl_error *error)
{
	last = *error;
	return last.err;
}

const struct pl_error *pl_error_get(void)
{
	return &last;
}

const char *pl_errmsg(void)
{
	return last.text;
}

const char *pl_errname(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ 0, "OK" },
		{ EINVAL, "EINVAL" },
		{ ENOMEM, "ENOMEM" },
		{ ENOENT, "ENOENT" },
		{ EEXIST, "EEXIST" },
		{ EBUSY, "EBUSY" },
		{ ENOTSUP, "ENOTSUP" },
		{ EACCES, "EACCES" },
		{ EREMOTEIO, "EREMOTEIO" },
		{ EIO, "EIO" },
		{ EILSEQ, "EILSEQ" },
		{ ENODEV, "ENODEV" },
		{ ETIMEDOUT, "ETIMEDOUT" },
		{ ECANCELED, "ECANCELED" },
		{ ENOSPC, "ENOSPC" },
		{ ERANGE, "ERANGE" },
	};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (names[i].err == abs(err))
			return names[i].name;
	return "unknown";
}
