/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way the data goes. Placement follows direction: the destination's memory first (posted
 * writes cross the fabric, and its own Write reads locally), then the source's (non-posted reads
 * cross), then a third device's, and host memory only if asked for or if `auto` finds nothing.
 */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "copy_internal.h"
#include "nvme_internal.h"
#include "pl_log.h"

enum role { ROLE_DST, ROLE_SRC, ROLE_THIRD };

/* Whether @ctrlr may use its own memory of this kind for its leg (CMBSZ.WDS and RDS, PMRCAP). */
static bool allowed(const struct pl_nvme_ctrlr *ctrlr, enum pl_mem_kind kind, enum role role)
{
	struct pl_nvme_ctrlr_info info;
	bool cmb = kind == PL_MEM_CMB;

	pl_nvme_ctrlr_info(ctrlr, &info);
	switch (role) {
	case ROLE_DST:
		return cmb ? info.cmbsz & NVME_CMBSZ_WDS : info.pmrcap & NVME_PMRCAP_WDS;
	case ROLE_SRC:
		return cmb ? info.cmbsz & NVME_CMBSZ_RDS : info.pmrcap & NVME_PMRCAP_RDS;
	default:
		return true; /* it only holds what others read and write */
	}
}

static const char *kind_name(enum pl_mem_kind kind)
{
	static const char *const names[PL_MEM_KINDS] = { "host", "CMB", "PMR" };

	return names[kind];
}

static const char *ctrlr_name(const struct pl_nvme_ctrlr *ctrlr)
{
	struct pl_nvme_ctrlr_info info;

	pl_nvme_ctrlr_info(ctrlr, &info);
	return info.name;
}

/* Emulated and PCI controllers share no address space: neither reaches the other's memory. */
static bool reachable(const struct pl_copy *job, const struct pl_nvme_ctrlr *provider)
{
	return nvme_ctrlr_reaches(job->src.ns->ctrlr, provider) &&
	       nvme_ctrlr_reaches(job->dst.ns->ctrlr, provider);
}

/* A source that is also the destination moves both legs through its own memory. */
static bool role_allowed(const struct pl_copy *job, const struct pl_nvme_ctrlr *ctrlr,
			 enum pl_mem_kind kind)
{
	bool is_src = ctrlr == job->src.ns->ctrlr, is_dst = ctrlr == job->dst.ns->ctrlr;

	return (!is_dst || allowed(ctrlr, kind, ROLE_DST)) &&
	       (!is_src || allowed(ctrlr, kind, ROLE_SRC)) &&
	       (is_src || is_dst || allowed(ctrlr, kind, ROLE_THIRD));
}

/* Chunks that fit in the heap's largest run, up to the depth wanted. */
static uint32_t depth_that_fits(const struct pl_copy *job, struct pl_p2p_heap *heap)
{
	struct pl_p2p_heap_stats stats;

	pl_p2p_heap_stats(heap, &stats);
	return (uint32_t)RTE_MIN(stats.largest_free / job->buf_stride, (size_t)job->plan.depth);
}

static int too_small(const struct pl_copy *job, const struct pl_nvme_ctrlr *ctrlr,
		     enum pl_mem_kind kind, bool depth_given)
{
	struct pl_p2p_heap_stats stats;
	size_t fit;

	pl_p2p_heap_stats(pl_nvme_ctrlr_heap(ctrlr, kind), &stats);
	fit = stats.largest_free / job->buf_stride;
	if (fit == 0)
		return pl_fail(-EINVAL, "the %s of %s has %zu KiB free, too small for one chunk of %u "
			       "bytes: lower -o, or use --via host", kind_name(kind),
			       ctrlr_name(ctrlr), stats.largest_free >> 10, job->plan.chunk);
	return pl_fail(-EINVAL, "the %s of %s has %zu KiB free, too small for depth %u x %u bytes%s: "
		       "use -q %zu or less, a smaller -o, or --via host", kind_name(kind),
		       ctrlr_name(ctrlr), stats.largest_free >> 10, job->plan.depth,
		       job->plan.chunk, depth_given ? "" : " (the default)", fit);
}

static void take(struct pl_copy *job, struct pl_nvme_ctrlr *ctrlr, enum pl_mem_kind kind,
		 uint32_t depth)
{
	struct pl_copy_plan *p = &job->plan;
	const struct pl_nvme_ctrlr *src = job->src.ns->ctrlr, *dst = job->dst.ns->ctrlr;

	p->via = ctrlr == dst ? PL_COPY_VIA_DST : ctrlr == src ? PL_COPY_VIA_SRC : PL_COPY_VIA_DEVICE;
	p->p2p = true;
	p->kind = kind;
	p->depth_reduced = depth < p->depth;
	p->depth = depth;
	snprintf(p->provider, sizeof(p->provider), "%s", ctrlr_name(ctrlr));
	snprintf(p->path, sizeof(p->path), "%s -> %s %s -> %s", ctrlr_name(src), ctrlr_name(ctrlr),
		 kind_name(kind), ctrlr_name(dst));
	/* Its own writes need no proof; another controller's posted writes do. */
	p->landing_check = p->landing_check && ctrlr != src;
	job->heap = pl_nvme_ctrlr_heap(ctrlr, kind);
}

/* 0 and taken; -EREMOTEIO if there is no such memory; -EINVAL if it is too small. */
static int try_ctrlr(struct pl_copy *job, struct pl_nvme_ctrlr *ctrlr, bool depth_given)
{
	const enum pl_mem_kind kinds[] = { PL_MEM_CMB, PL_MEM_PMR };
	int rc = -EREMOTEIO;

	if (!reachable(job, ctrlr))
		return rc;
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr, kinds[i]);
		uint32_t depth;

		if (!heap || !role_allowed(job, ctrlr, kinds[i]))
			continue;
		depth = depth_that_fits(job, heap);
		if (depth == job->plan.depth || (depth && !depth_given)) {
			take(job, ctrlr, kinds[i], depth);
			return 0;
		}
		if (rc == -EREMOTEIO)
			rc = too_small(job, ctrlr, kinds[i], depth_given);
	}
	return rc;
}

static void take_host(struct pl_copy *job, const char *reason)
{
	struct pl_copy_plan *p = &job->plan;

	p->via = PL_COPY_VIA_HOST;
	p->kind = PL_MEM_HOST;
	p->landing_check = false;
	snprintf(p->provider, sizeof(p->provider), "host");
	snprintf(p->path, sizeof(p->path), "%s -> host DRAM -> %s", ctrlr_name(job->src.ns->ctrlr),
		 ctrlr_name(job->dst.ns->ctrlr));
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

static int plan_asked(struct pl_copy *job, struct pl_nvme_ctrlr *ctrlr, const char *role,
		      bool depth_given)
{
	int rc;

	if (!reachable(job, ctrlr))
		return pl_fail(-EREMOTEIO, "emulated and PCI controllers share no IO address space, so the "
			       "memory of %s is not for both: use --via host", ctrlr_name(ctrlr));
	rc = try_ctrlr(job, ctrlr, depth_given);
	if (rc == -EREMOTEIO && ctrlr->devmem_reason[0])
		return pl_fail(-EREMOTEIO, "%s; --via host goes through host DRAM",
			       ctrlr->devmem_reason);
	if (rc == -EREMOTEIO)
		return pl_fail(-EREMOTEIO, "%s has no CMB or PMR that can hold the data as the %s of "
			       "this copy (none, or without the right it needs: WDS to write from it, "
			       "RDS to read into it); --via host goes through host DRAM",
			       ctrlr_name(ctrlr), role);
	if (rc == 0)
		snprintf(job->plan.reason, sizeof(job->plan.reason), "as asked");
	return rc;
}

static int plan_auto(struct pl_copy *job, bool depth_given)
{
	struct pl_nvme_ctrlr *src = job->src.ns->ctrlr, *dst = job->dst.ns->ctrlr;
	struct { struct pl_nvme_ctrlr *ctrlr; const char *reason; } order[] = {
		{ dst, "the destination's memory: posted writes cross the fabric" },
		{ src, "the source's memory: the destination has none that fits" },
	};
	int rc, small = 0;

	for (size_t i = 0; i < RTE_DIM(order); i++) {
		rc = try_ctrlr(job, order[i].ctrlr, depth_given);
		if (rc == 0) {
			snprintf(job->plan.reason, sizeof(job->plan.reason), "%s", order[i].reason);
			return 0;
		}
		if (rc == -EINVAL && !small)
			small = rc;
	}
	for (struct pl_nvme_ctrlr *c = pl_nvme_ctrlr_next(NULL); c; c = pl_nvme_ctrlr_next(c)) {
		if (c == src || c == dst)
			continue;
		rc = try_ctrlr(job, c, depth_given);
		if (rc == 0) {
			snprintf(job->plan.reason, sizeof(job->plan.reason),
				 "a third device's memory: source and destination have none that fits");
			return 0;
		}
		if (rc == -EINVAL && !small)
			small = rc;
	}
	/* There is a peer-to-peer way and the user can have it: bouncing would hide that. */
	if (small)
		return small;
	take_host(job, "no controller has a CMB or PMR that can hold the data and that both reach");
	return 0;
}

static int check_range(const struct copy_side *side, uint64_t nlb, const char *what)
{
	if (nlb == 0)
		return pl_fail(-EINVAL, "the %s range is empty", what);
	if (side->slba >= side->ns->nlb || nlb > side->ns->nlb - side->slba)
		return pl_fail(-EINVAL, "the %s range %llu+%llu goes past the end of %s namespace %u, "
			       "which has %llu blocks of %u bytes", what,
			       (unsigned long long)side->slba, (unsigned long long)nlb,
			       ctrlr_name(side->ns->ctrlr), side->ns->nsid,
			       (unsigned long long)side->ns->nlb, 1u << side->ns->lba_shift);
	return 0;
}

static int check_ranges(struct pl_copy *job, uint64_t nlb)
{
	const struct copy_side *src = &job->src, *dst = &job->dst;
	uint32_t dst_lba = 1u << dst->ns->lba_shift, src_lba = 1u << src->ns->lba_shift;
	uint64_t dst_nlb;
	int rc = check_range(src, nlb, "source");

	if (rc)
		return rc;
	job->plan.bytes = nlb << src->ns->lba_shift;
	if (job->plan.bytes & (dst_lba - 1))
		return pl_fail(-EINVAL, "the source range has %llu bytes, which is no multiple of the "
			       "destination's block of %u bytes", (unsigned long long)job->plan.bytes,
			       dst_lba);
	dst_nlb = job->plan.bytes >> dst->ns->lba_shift;
	rc = check_range(dst, dst_nlb, "destination");
	if (rc)
		return rc;
	if (src->ns == dst->ns && src->slba < dst->slba + dst_nlb && dst->slba < src->slba + nlb)
		return pl_fail(-EINVAL, "source %llu+%llu and destination %llu+%llu overlap on %s "
			       "namespace %u", (unsigned long long)src->slba, (unsigned long long)nlb,
			       (unsigned long long)dst->slba, (unsigned long long)dst_nlb,
			       ctrlr_name(src->ns->ctrlr), src->ns->nsid);
	if (job->plan.chunk & (RTE_MAX(src_lba, dst_lba) - 1))
		return pl_fail(-EINVAL, "block size %u is no multiple of both LBA sizes, %u and %u bytes",
			       job->plan.chunk, src_lba, dst_lba);
	return 0;
}

static int check_depth(const struct pl_copy *job, bool given)
{
	const struct copy_side *sides[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(sides) && given; i++) {
		struct pl_nvme_ctrlr_info info;

		pl_nvme_ctrlr_info(sides[i]->ns->ctrlr, &info);
		if (job->plan.depth > info.max_entries - 1)
			return pl_fail(-EINVAL, "depth %u: the queues of %s hold at most %u commands",
				       job->plan.depth, info.name, info.max_entries - 1);
	}
	return 0;
}

/* The default depth gives way to shallow queues; one that was asked for does not. */
static void default_depth(struct pl_copy *job)
{
	const struct copy_side *sides[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(sides); i++) {
		struct pl_nvme_ctrlr_info info;

		pl_nvme_ctrlr_info(sides[i]->ns->ctrlr, &info);
		job->plan.depth = RTE_MIN(job->plan.depth, info.max_entries - 1);
	}
}

int copy_plan(const struct pl_copy_opts *opts, struct pl_copy *job)
{
	struct pl_copy_plan *p = &job->plan;
	bool depth_given = opts->depth != 0;
	int rc;

	job->src.ns = opts->src;
	job->src.slba = opts->src_slba;
	job->dst.ns = opts->dst;
	job->dst.slba = opts->dst_slba;
	p->chunk = opts->chunk ? opts->chunk : COPY_DEFAULT_CHUNK;
	p->depth = opts->depth ? opts->depth : COPY_DEFAULT_DEPTH;
	p->landing_check = !opts->no_landing_check;
	if (!opts->src || !opts->dst)
		return pl_fail(-EINVAL, "a copy needs a source and a destination namespace");
	rc = check_ranges(job, opts->nlb);
	if (rc == 0)
		rc = check_depth(job, depth_given);
	if (rc)
		return rc;
	if (!depth_given)
		default_depth(job);
	p->chunks = (p->bytes + p->chunk - 1) / p->chunk;
	job->buf_stride = RTE_ALIGN_CEIL((size_t)p->chunk, PL_P2P_PAGE);
	switch (opts->via) {
	case PL_COPY_VIA_AUTO:
		return plan_auto(job, depth_given);
	case PL_COPY_VIA_DST:
		return plan_asked(job, opts->dst->ctrlr, "destination", depth_given);
	case PL_COPY_VIA_SRC:
		return plan_asked(job, opts->src->ctrlr, "source", depth_given);
	case PL_COPY_VIA_DEVICE:
		if (!opts->via_ctrlr)
			return pl_fail(-EINVAL, "via a device, but no device is given");
		return plan_asked(job, opts->via_ctrlr, "provider", depth_given);
	case PL_COPY_VIA_HOST:
		take_host(job, "as asked");
		return 0;
	}
	return pl_fail(-EINVAL, "via %d is not one of enum pl_copy_via", (int)opts->via);
}
