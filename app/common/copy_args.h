/* SPDX-License-Identifier: BSD-3-Clause */
/* From "SRC DST --via WAY" to the options of a copy job. */
#ifndef APP_COPY_ARGS_H
#define APP_COPY_ARGS_H

#include <peerlane/pl_copy.h>

#include "target.h"

#define APP_VIA_FORM "auto, dst, src, host or a device (" APP_DEVICE_FORM ")"

struct app_via {
	const char *text; /* as given */
	enum pl_copy_via via;
	char device[APP_DEVICE_MAX]; /* for PL_COPY_VIA_DEVICE */
};

/* Syntax. 0, or -EINVAL with app_fail(). @text must outlive @via. */
int app_via_parse(const char *text, struct app_via *via);

/*
 * Sets source, destination, range and way of @opts from targets that were resolved. The length is
 * the source's +NLB or +BYTES; if only the destination has one, that one; else the rest of the
 * source. With
 * @fit a length that nobody gave shrinks to what the destination holds. 0; -ENOENT or -EINVAL with
 * app_fail(). What depends on the plan is pl_copy_create()'s to check.
 */
int app_copy_opts_set(struct pl_copy_opts *opts, const struct app_target *src,
		      const struct app_target *dst, const struct app_via *via, bool fit);

#endif
