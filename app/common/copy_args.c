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

/* Bytes of @t in LBAs of @ns, or 0 if they are no whole number of them. */
static uint64_t nlb_in(const struct app_target *t, const struct pl_nvme_ns *ns)
{
	uint64_t bytes = t->nlb << t->ns->lba_shift;

	return bytes & ((1ull << ns->lba_shift) - 1) ? 0 : bytes >> ns->lba_shift;
}

int app_copy_opts_set(struct pl_copy_opts *opts, const struct app_target *src,
		      const struct app_target *dst, const struct app_via *via, bool fit)
{
	uint64_t dst_nlb = nlb_in(dst, src->ns);

	opts->src = src->ns;
	opts->dst = dst->ns;
	opts->src_slba = src->slba;
	opts->dst_slba = dst->slba;
	opts->nlb = src->nlb;
	opts->via = via->via;
	if (dst->nlb_given && !dst_nlb)
		return app_fail(-EINVAL,
				"DST %s: %" PRIu64 " LBAs of %u bytes are no whole number of the "
				"source's LBAs of %u bytes",
				dst->text, dst->nlb, 1u << dst->ns->lba_shift,
				1u << src->ns->lba_shift);
	if (dst->nlb_given && src->nlb_given && src->nlb != dst_nlb)
		return app_fail(-EINVAL,
				"SRC %s and DST %s differ in length: %" PRIu64 " and %" PRIu64
				" bytes; give +NLB to one of them",
				src->text, dst->text, src->nlb << src->ns->lba_shift,
				dst->nlb << dst->ns->lba_shift);
	if (dst->nlb_given && !src->nlb_given) {
		if (dst_nlb > src->nlb)
			return app_fail(-EINVAL,
					"DST %s: %" PRIu64
					" bytes are more than SRC %s has from its "
					"SLBA on, %" PRIu64,
					dst->text, dst->nlb << dst->ns->lba_shift, src->text,
					src->nlb << src->ns->lba_shift);
		opts->nlb = dst_nlb;
	}
	if (fit && !src->nlb_given && !dst->nlb_given && dst_nlb && dst_nlb < src->nlb)
		opts->nlb = dst_nlb;
	if (via->via == PL_COPY_VIA_DEVICE) {
		opts->via_ctrlr = pl_nvme_ctrlr_get(via->device);
		if (!opts->via_ctrlr)
			return app_fail(-ENOENT, "--via %s: %s", via->text, pl_errmsg());
	}
	return 0;
}
