/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way the data goes. Placement follows direction: the destination's memory first (posted
 * writes cross the fabric, and its own Write reads locally), then the source's (non-posted reads
 * cross), then a third device's, and host memory only if asked for or if `auto` finds nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "copy_internal.h"
#include "nvme_internal.h"
#include "pl_log.h"

static bool reachable(const struct pl_copy *job, const struct pl_p2p *provider,
		      struct pl_p2p_path *path)
{
	return job->src.ops->reaches(&job->src, provider, path) &&
	       job->dst.ops->reaches(&job->dst, provider, path);
}

static bool kernel_moves(const struct pl_copy *job)
{
	return job->src.by_kernel || job->dst.by_kernel;
}

/* One look at the real thing, by ends of which it is not known otherwise. */
static int probe(const struct pl_copy *job, struct pl_p2p_heap *heap, const char *provider)
{
	const struct copy_end *ends[] = { &job->src, &job->dst };
	int rc = 0;

	for (size_t i = 0; i < RTE_DIM(ends) && rc == 0; i++)
		if (ends[i]->ops->probe)
			rc = ends[i]->ops->probe(ends[i], heap, provider);
	return rc;
}

/* A device needs a right to use its own memory for its leg; a third one only holds what others read
 * and write. A source that is also the destination moves both legs through its own. */
static bool role_allowed(const struct pl_copy *job, const struct pl_p2p *provider, uint32_t own)
{
	return (provider != job->dst.own || own & P2P_WDS) &&
	       (provider != job->src.own || own & P2P_RDS);
}

/* Bytes in a row for chunks: the canary of the proof takes a page, of what is left elsewhere or of
 * that. */
static size_t room_for_chunks(struct pl_p2p_heap *heap)
{
	struct pl_p2p_heap_stats stats;

	pl_p2p_heap_stats(heap, &stats);
	if (stats.free - stats.largest_free >= PL_P2P_PAGE)
		return stats.largest_free;
	return stats.largest_free - RTE_MIN(stats.largest_free, PL_P2P_PAGE);
}

/* Chunks that fit in the heap's largest run, up to the depth wanted. */
static uint32_t depth_that_fits(const struct pl_copy *job, struct pl_p2p_heap *heap)
{
	return (uint32_t)RTE_MIN(room_for_chunks(heap) / job->buf_stride, (size_t)job->plan.depth);
}

static int too_small(const struct pl_copy *job, const struct pl_p2p *provider,
		     const struct p2p_memory *m, bool depth_given)
{
	size_t room = room_for_chunks(m->heap);
	size_t fit = room / job->buf_stride;

	if (fit == 0)
		return pl_fail(-EINVAL,
			       "the %s of %s has %zu KiB free beside the canary's page, too "
			       "small for one chunk of %u bytes: lower -o, or use --via host",
			       m->label, provider->name, room >> 10, job->plan.chunk);
	return pl_fail(-EINVAL,
		       "the %s of %s has %zu KiB free beside the canary's page, too small "
		       "for depth %u x %u bytes%s: use -q %zu or less, a smaller -o, or --via host",
		       m->label, provider->name, room >> 10, job->plan.depth, job->plan.chunk,
		       depth_given ? "" : " (the default)", fit);
}

static void take(struct pl_copy *job, struct pl_p2p *provider, unsigned int memory, uint32_t depth)
{
	const struct p2p_memory *m = &provider->memory[memory];
	struct pl_copy_plan *p = &job->plan;

	p->via = provider == job->dst.own   ? PL_COPY_VIA_DST
		 : provider == job->src.own ? PL_COPY_VIA_SRC
					    : PL_COPY_VIA_DEVICE;
	p->p2p = true;
	p->kind = m->kind;
	p->depth_reduced = depth < p->depth;
	p->depth = depth;
	snprintf(p->provider, sizeof(p->provider), "%s", provider->name);
	snprintf(p->label, sizeof(p->label), "%s", m->label);
	snprintf(p->path, sizeof(p->path), "%s -> %s %s -> %s", job->src.name, provider->name,
		 m->label, job->dst.name);
	/* Its own writes need no proof; another controller's posted writes do. */
	p->landing_check = p->landing_check && provider != job->src.own;
	job->provider = provider;
	job->memory = memory;
	job->heap = m->heap;
}

/* 0 and taken; -ENOENT without a message if there is no such memory; -EINVAL if it is too small;
 * -EREMOTEIO if there is no way to it, and what else a probe may end with. */
static int try_provider(struct pl_copy *job, struct pl_p2p *provider, bool depth_given)
{
	struct pl_p2p_path path;
	int rc = -ENOENT;

	if (!provider || !reachable(job, provider, &path))
		return rc;
	for (unsigned int i = 0; i < provider->nb_memories; i++) {
		const struct p2p_memory *m = &provider->memory[i];
		uint32_t depth;

		if (!m->heap || !role_allowed(job, provider, m->own))
			continue;
		depth = depth_that_fits(job, m->heap);
		if (depth == job->plan.depth || (depth && !depth_given)) {
			provider->ops->use(provider);
			rc = probe(job, m->heap, provider->name);
			provider->ops->unuse(provider);
			if (rc == 0)
				take(job, provider, i, depth);
			return rc;
		}
		if (rc == -ENOENT)
			rc = too_small(job, provider, m, depth_given);
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
	snprintf(p->path, sizeof(p->path), "%s -> host DRAM -> %s", job->src.name, job->dst.name);
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

/* Why this way. To the kernel an emulated controller's memory is memory of the host. */
static void set_reason(struct pl_copy *job, const struct pl_p2p *provider, const char *why)
{
	struct pl_copy_plan *p = &job->plan;
	int n = snprintf(p->reason, sizeof(p->reason), "%s", why);

	if (n > 0 && kernel_moves(job) && provider->of_host)
		snprintf(p->reason + n, sizeof(p->reason) - (size_t)n,
			 " (%s is emulated: what the kernel calls it is host memory)",
			 provider->name);
}

static int plan_asked(struct pl_copy *job, const struct copy_end *end, struct pl_p2p *provider,
		      const char *role, bool depth_given)
{
	struct pl_p2p_path path;
	const char *why;
	int rc;

	if (!provider)
		return pl_fail(-EREMOTEIO,
			       "%s, the %s, has no memory of its own: use --via "
			       "with the other end, a device or host",
			       end->name, role);
	if (!reachable(job, provider, &path))
		return pl_fail(-EREMOTEIO, "%s: use --via host", path.reason);
	rc = try_provider(job, provider, depth_given);
	if (rc == -EREMOTEIO)
		return pl_fail(rc, "%s; --via host goes through host DRAM", pl_errmsg());
	why = provider->ops->why_none(provider);
	if (rc == -ENOENT && why[0])
		return pl_fail(-EREMOTEIO, "%s; --via host goes through host DRAM", why);
	if (rc == -ENOENT)
		return pl_fail(
			-EREMOTEIO,
			"%s has no CMB or PMR that can hold the data as the %s of "
			"this copy (none, or without the right it needs: WDS to write from it, "
			"RDS to read into it); --via host goes through host DRAM",
			provider->name, role);
	if (rc == 0)
		set_reason(job, provider, "as asked");
	return rc;
}

/* What kept `auto` from a device's memory. */
struct obstacle {
	char too_small[384]; /* it is there, but too small */
	char no_way[384];    /* a probe found no way to it */
};

static int auto_try(struct pl_copy *job, struct pl_p2p *provider, const char *why, bool depth_given,
		    struct obstacle *o)
{
	int rc = try_provider(job, provider, depth_given);

	if (rc == 0)
		set_reason(job, provider, why);
	else if (rc == -EREMOTEIO && !o->no_way[0])
		snprintf(o->no_way, sizeof(o->no_way), "%.380s", pl_errmsg());
	else if (rc == -EINVAL && !o->too_small[0])
		snprintf(o->too_small, sizeof(o->too_small), "%.380s", pl_errmsg());
	return rc == -EINVAL || rc == -EREMOTEIO ? -ENOENT : rc; /* the next may do */
}

static int auto_third(struct pl_copy *job, bool canary_only, bool depth_given, struct obstacle *o)
{
	for (struct pl_p2p *p = pl_p2p_next(NULL); p; p = pl_p2p_next(p)) {
		int rc;

		/* `auto` can do without a provider whose memory was lost. */
		if (p == job->src.own || p == job->dst.own || p->canary_only != canary_only ||
		    p2p_lost_memory(p))
			continue;
		rc = auto_try(job, p,
			      "a third device's memory: source and destination have none that fits",
			      depth_given, o);
		if (rc != -ENOENT)
			return rc;
	}
	return -ENOENT;
}

static int plan_auto(struct pl_copy *job, bool depth_given)
{
	struct pl_p2p *src = job->src.own, *dst = job->dst.own;
	struct obstacle obstacle = { 0 };
	struct {
		struct pl_p2p *provider;
		const char *reason;
	} order[] = {
		{ dst, "the destination's memory: posted writes cross the fabric" },
		{ src, "the source's memory: the destination has none that fits" },
	};
	int rc;

	for (size_t i = 0; i < RTE_DIM(order); i++) {
		rc = auto_try(job, order[i].provider, order[i].reason, depth_given, &obstacle);
		if (rc != -ENOENT)
			return rc;
	}
	/* Those first of which a proof says more than that the canary is alive. */
	for (int canary_only = 0; canary_only < 2; canary_only++) {
		rc = auto_third(job, canary_only, depth_given, &obstacle);
		if (rc != -ENOENT)
			return rc;
	}
	/* There is a peer-to-peer way and the user can have it: bouncing would hide that. */
	if (obstacle.too_small[0])
		return pl_fail(-EINVAL, "%s", obstacle.too_small);
	take_host(job, obstacle.no_way[0]
			       ? obstacle.no_way
			       : "no device has a CMB, PMR or lent BAR that can hold the data and "
				 "that both reach");
	return 0;
}

/* "512+4096", in what the end counts in. */
struct range_text {
	char text[48];
};

static struct range_text range_text(const struct copy_end *end, uint64_t bytes)
{
	struct range_text r;

	snprintf(r.text, sizeof(r.text), "%" PRIu64 "+%" PRIu64, end->first, bytes / end->unit);
	return r;
}

static int refuse_medium(const struct pl_copy *job, enum copy_medium_verdict verdict,
			 const char *why)
{
	const struct copy_end *src = &job->src, *dst = &job->dst;
	struct range_text from = range_text(src, job->plan.bytes);
	struct range_text to = range_text(dst, job->plan.bytes);

	if (verdict == COPY_MEDIUM_UNKNOWN)
		return pl_fail(
			-EINVAL,
			"%.120s and %.120s are on one medium, %s, and how their blocks lie on "
			"it is not known: the copy could overwrite what it reads",
			src->place, dst->place, why);
	if (strcmp(src->place, dst->place) == 0)
		return pl_fail(-EINVAL, "source %s and destination %s overlap on %s", from.text,
			       to.text, src->place);
	return pl_fail(-EINVAL,
		       "source %s and destination %s overlap on %.120s, which is the same as "
		       "%.120s: both are %s",
		       from.text, to.text, src->place, dst->place, why);
}

/* Whatever the ends are called. */
static int check_media(const struct pl_copy *job)
{
	struct copy_medium src = { 0 }, dst = { 0 };
	enum copy_medium_verdict verdict;
	char why[160];
	int rc = job->src.ops->medium(&job->src, job->plan.bytes, &src);

	if (rc == 0)
		rc = job->dst.ops->medium(&job->dst, job->plan.bytes, &dst);
	verdict = rc ? COPY_MEDIUM_APART : copy_medium_compare(&src, &dst, why, sizeof(why));
	if (verdict != COPY_MEDIUM_APART)
		rc = refuse_medium(job, verdict, why);
	copy_medium_free(&src);
	copy_medium_free(&dst);
	return rc;
}

/* A device may claim more blocks than 64 bits can count the bytes of. */
static int check_counts(const struct copy_end *end, uint64_t bytes, const char *what)
{
	uint64_t last;

	if (!__builtin_add_overflow(end->first * end->unit, bytes, &last))
		return 0;
	return pl_fail(-EINVAL,
		       "the %s range %" PRIu64 "+%" PRIu64
		       " of %s, in units of %u bytes, goes past "
		       "what 64 bits count in bytes",
		       what, end->first, bytes / end->unit, end->place, end->unit);
}

/* What the end counts in has no halves. */
static int check_units(const struct copy_end *end, const struct pl_copy_target *target,
		       const char *what)
{
	if (target->offset == UINT64_MAX || target->bytes == UINT64_MAX)
		return pl_fail(-EINVAL, "the %s range of %s goes past what 64 bits count in bytes",
			       what, end->place);
	if (target->offset % end->unit)
		return pl_fail(-EINVAL,
			       "the %s range starts at byte %" PRIu64
			       " of %s, inside one of its blocks of %u bytes",
			       what, target->offset, end->place, end->unit);
	return 0;
}

static int check_source(struct pl_copy *job, const struct pl_copy_target *target)
{
	const struct copy_end *src = &job->src;
	int rc = check_units(src, target, "source");

	if (rc)
		return rc;
	job->plan.bytes = target->bytes;
	if (target->bytes % src->unit)
		return pl_fail(-EINVAL,
			       "%" PRIu64 " bytes are no whole LBAs of the source, of %u bytes",
			       target->bytes, src->unit);
	if (!target->bytes)
		return pl_fail(-EINVAL, "the source range is empty");
	rc = src->ops->check_range(src, target->bytes / src->unit, "source");
	return rc ? rc : check_counts(src, target->bytes, "source");
}

static int check_destination(const struct pl_copy *job, const struct pl_copy_target *target)
{
	const struct copy_end *dst = &job->dst;
	uint64_t bytes = job->plan.bytes;
	int rc = check_units(dst, target, "destination");

	if (rc)
		return rc;
	if (target->bytes && target->bytes != bytes)
		return pl_fail(-EINVAL,
			       "the destination range has %" PRIu64
			       " bytes, the source range %" PRIu64,
			       target->bytes, bytes);
	if (bytes % dst->unit)
		return pl_fail(-EINVAL,
			       "the source range has %" PRIu64 " bytes, which is no multiple of "
			       "the destination's block of %u bytes",
			       bytes, dst->unit);
	rc = dst->ops->check_range(dst, bytes / dst->unit, "destination");
	return rc ? rc : check_counts(dst, bytes, "destination");
}

static int check_ranges(struct pl_copy *job, const struct pl_copy_opts *opts)
{
	const struct copy_end *src = &job->src, *dst = &job->dst;
	int rc = check_source(job, &opts->src);

	if (rc == 0)
		rc = check_destination(job, &opts->dst);
	if (rc)
		return rc;
	rc = check_media(job);
	if (rc)
		return rc;
	if (job->plan.chunk % src->block || job->plan.chunk % dst->block)
		return pl_fail(-EINVAL, "block size %u is no multiple of both %s, %u and %u bytes",
			       job->plan.chunk, kernel_moves(job) ? "ends' blocks" : "LBA sizes",
			       src->block, dst->block);
	return 0;
}

static int check_depth(const struct pl_copy *job, bool given)
{
	const struct copy_end *ends[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(ends) && given; i++)
		if (job->plan.depth > ends[i]->max_depth)
			return pl_fail(-EINVAL,
				       "depth %u: the queues of %s hold at most %u commands",
				       job->plan.depth, ends[i]->name, ends[i]->max_depth);
	return 0;
}

/* The default depth gives way to shallow queues; one that was asked for does not. */
static void default_depth(struct pl_copy *job)
{
	const struct copy_end *ends[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(ends); i++)
		job->plan.depth = RTE_MIN(job->plan.depth, ends[i]->max_depth);
}

static int init_end(struct copy_end *end, const struct pl_copy_target *target, bool writes)
{
	const struct copy_end_ops *ops;

	if (!target->kind || !target->handle)
		return pl_fail(-EINVAL,
			       "a copy needs a source and a destination, each a namespace or a "
			       "file");
	ops = copy_end_find(target->kind);
	if (!ops)
		return pl_fail(-EINVAL, "nothing to copy from or to is of kind %.40s",
			       target->kind);
	end->ops = ops;
	end->writes = writes;
	ops->init(end, target);
	end->first = target->offset / end->unit;
	return 0;
}

int copy_plan(const struct pl_copy_opts *opts, struct pl_copy *job)
{
	struct pl_copy_plan *p = &job->plan;
	bool depth_given = opts->depth != 0;
	int rc;

	p->chunk = opts->chunk ? opts->chunk : COPY_DEFAULT_CHUNK;
	p->depth = opts->depth ? opts->depth : COPY_DEFAULT_DEPTH;
	p->landing_check = !opts->no_landing_check;
	p->landing_unit = opts->landing_unit ? opts->landing_unit : COPY_LANDING_UNIT;
	if (p->landing_unit % 512)
		return pl_fail(-EINVAL, "a landing unit of %u bytes is no multiple of 512",
			       p->landing_unit);
	rc = init_end(&job->src, &opts->src, false);
	if (rc == 0)
		rc = init_end(&job->dst, &opts->dst, true);
	if (rc == 0)
		rc = check_ranges(job, opts);
	if (rc == 0)
		rc = check_depth(job, depth_given);
	if (rc)
		return rc;
	if (!depth_given)
		default_depth(job);
	p->dst_unit = job->dst.unit;
	p->chunks = p->bytes / p->chunk + (p->bytes % p->chunk != 0);
	job->buf_stride = RTE_ALIGN_CEIL((size_t)p->chunk, PL_P2P_PAGE);
	switch (opts->via) {
	case PL_COPY_VIA_AUTO:
		return plan_auto(job, depth_given);
	case PL_COPY_VIA_DST:
		return plan_asked(job, &job->dst, job->dst.own, "destination", depth_given);
	case PL_COPY_VIA_SRC:
		return plan_asked(job, &job->src, job->src.own, "source", depth_given);
	case PL_COPY_VIA_DEVICE:
		if (!opts->via_provider)
			return pl_fail(-EINVAL, "via a device, but no device is given");
		return plan_asked(job, NULL, opts->via_provider, "provider", depth_given);
	case PL_COPY_VIA_HOST:
		take_host(job, "as asked");
		return 0;
	}
	return pl_fail(-EINVAL, "via %d is not one of enum pl_copy_via", (int)opts->via);
}
