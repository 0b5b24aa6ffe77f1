/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "copy_args.h"

int app_via_parse(const char *text, struct app_via *via)
{
	static const struct {
		const char *name;
		enum pl_copy_via via;
	} names[] = {
		{ "auto", PL_COPY_VIA_AUTO },
		{ "dst", PL_COPY_VIA_DST },
		{ "src", PL_COPY_VIA_SRC },
		{ "host", PL_COPY_VIA_HOST },
	};
	int n;

	memset(via, 0, sizeof(*via));
	via->text = text;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i].name)) {
			via->via = names[i].via;
			return 0;
		}
	}
	via->via = PL_COPY_VIA_DEVICE;
	n = app_device_parse(text, via->device);
	if (!n || text[n])
		return app_fail(-EINVAL, "--via %s: accepted is " APP_VIA_FORM, text);
	return 0;
}

/* A range that ends somewhere, in bytes; 0: that of a file to write, which grows. */
static int bytes_of(const char *what, const struct app_target *t, uint64_t *bytes)
{
	*bytes = t->bytes;
	if (t->is_file || !__builtin_mul_overflow(t->nlb, (uint64_t)1 << t->ns->lba_shift, bytes))
		return 0;
	return app_fail(-EINVAL,
			"%s %s: %" PRIu64 " LBAs of %u bytes are more bytes than 64 bits count",
			what, t->text, t->nlb, 1u << t->ns->lba_shift);
}

static bool length_given(const struct app_target *t)
{
	return t->is_file ? t->bytes_given : t->nlb_given;
}

static struct pl_copy_target target_of(const struct app_target *t, uint64_t bytes)
{
	return t->is_file ? pl_copy_file_target(t->file, t->offset, bytes)
			  : pl_copy_ns_target(t->ns, t->slba, bytes >> t->ns->lba_shift);
}

/* The length, from whichever end has one. */
static int set_length(struct pl_copy_opts *opts, const struct app_target *src,
		      const struct app_target *dst, bool fit)
{
	uint32_t lba = src->is_file ? 1 : 1u << src->ns->lba_shift;
	uint64_t have, want, take;
	int rc = bytes_of("SRC", src, &have);

	if (rc == 0)
		rc = bytes_of("DST", dst, &want);
	if (rc)
		return rc;
	take = have;
	if (length_given(dst) && want % lba)
		return app_fail(-EINVAL,
				"DST %s: %" PRIu64
				" bytes are no whole number of the source's LBAs of "
				"%u bytes",
				dst->text, want, lba);
	if (length_given(dst) && length_given(src) && have != want)
		return app_fail(-EINVAL,
				"SRC %s and DST %s differ in length: %" PRIu64 " and %" PRIu64
				" bytes; give a length to one of them",
				src->text, dst->text, have, want);
	if (length_given(dst) && !length_given(src)) {
		if (want > have)
			return app_fail(-EINVAL,
					"DST %s: %" PRIu64
					" bytes are more than SRC %s has from its "
					"first on, %" PRIu64,
					dst->text, want, src->text, have);
		take = want;
	}
	if (fit && !length_given(src) && !length_given(dst) && want && want % lba == 0 &&
	    want < have)
		take = want;
	opts->src = target_of(src, take);
	opts->dst = target_of(dst, 0);
	return 0;
}

int app_copy_opts_set(struct pl_copy_opts *opts, const struct app_target *src,
		      const struct app_target *dst, const struct app_via *via, bool fit)
{
	int rc;

	opts->via = via->via;
	rc = set_length(opts, src, dst, fit);
	if (rc)
		return rc;
	if (via->via == PL_COPY_VIA_DEVICE) {
		opts->via_provider = pl_p2p_get(via->device);
		if (!opts->via_provider)
			return app_fail(-ENOENT, "--via %s: %s", via->text, pl_errmsg());
	}
	return 0;
}
