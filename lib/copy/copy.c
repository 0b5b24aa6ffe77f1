/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a job: create, poll through its phases, report, destroy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "copy_internal.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_opts.h"

/* Host memory that the verifying phase may take: it needs two buffers per chunk in flight. */
#define VERIFY_BYTES (8u << 20)

static void *alloc(size_t n, size_t size)
{
	void *p = eal_aligned_alloc(64, RTE_ALIGN_CEIL(n * size, 64));

	if (p)
		memset(p, 0, n * size);
	return p;
}

static int alloc_state(struct pl_copy *job)
{
	uint32_t depth = job->plan.depth;

	job->slots = alloc(depth, sizeof(*job->slots));
	job->free_slots = alloc(depth, sizeof(*job->free_slots));
	job->landing = alloc(depth, sizeof(*job->landing));
	job->src.waiting = alloc(depth, sizeof(*job->src.waiting));
	job->dst.waiting = alloc(depth, sizeof(*job->dst.waiting));
	job->landed = alloc(depth, sizeof(*job->landed));
	job->written = alloc(depth, sizeof(*job->written));
	job->read_hist = alloc(1, sizeof(*job->read_hist));
	job->write_hist = alloc(1, sizeof(*job->write_hist));
	if (!job->slots || !job->free_slots || !job->landing || !job->landed || !job->written ||
	    !job->src.waiting || !job->dst.waiting || !job->read_hist || !job->write_hist ||
	    copy_range_set_init(&job->acked, depth) || copy_range_set_init(&job->verified, depth))
		return pl_fail(-ENOMEM, "no memory for a copy of %llu chunks at depth %u",
			       (unsigned long long)job->plan.chunks, depth);
	pl_hist_reset(job->read_hist);
	pl_hist_reset(job->write_hist);
	return 0;
}

static void release_provider(struct pl_copy *job)
{
	p2p_proof_end(&job->proof);
	if (job->using)
		job->provider->ops->unuse(job->provider);
	job->using = false;
}

/* Until the job has ended. */
static int take_provider(struct pl_copy *job)
{
	if (!job->provider)
		return 0;
	job->provider->ops->use(job->provider);
	job->using = true;
	return 0;
}

static int alloc_bufs(struct pl_copy *job)
{
	size_t len = job->plan.depth * job->buf_stride;
	void *p = NULL;
	int rc = 0;

	if (job->heap)
		rc = pl_p2p_alloc(job->heap, len, 0, &p);
	else if (!(p = pl_mem_zalloc(len, -1)))
		rc = pl_fail(-ENOMEM, "no buffers for the copy: %s, or lower -q or -o",
			     pl_errmsg());
	job->bufs = p;
	if (rc == 0 && job->heap)
		job->src.peer = job->dst.peer = (struct iovec){ p, len };
	if (rc || !job->verify)
		return rc;
	job->verify_depth = (uint32_t)RTE_MIN(RTE_MAX(VERIFY_BYTES / (2 * job->buf_stride), 1u),
					      (size_t)job->plan.depth);
	len = 2ul * job->verify_depth * job->buf_stride;
	job->verify_bufs = pl_mem_zalloc(len, -1);
	if (!job->verify_bufs)
		return pl_fail(-ENOMEM, "no buffers to verify with: %s", pl_errmsg());
	return 0;
}

static void init_slots(struct pl_copy *job)
{
	for (uint32_t i = 0; i < job->plan.depth; i++) {
		struct copy_slot *slot = &job->slots[i];

		slot->buf = job->bufs + i * job->buf_stride;
		slot->src_io.slot = slot;
		slot->dst_io.slot = slot;
		job->free_slots[job->nb_free++] = slot;
	}
}

static bool unordered(const struct copy_end *end)
{
	return end->ops->unordered && end->ops->unordered(end);
}

/* See doc/proof.md. */
static void say_unproven(struct pl_copy *job)
{
	struct pl_copy_plan *p = &job->plan;

	if (job->verify || !job->provider)
		return;
	if (p->landing_check)
		snprintf(p->unproven, sizeof(p->unproven),
			 "order inside a unit of %u bytes%s, and memory of "
			 "%s that stops decoding and comes back unchanged",
			 p->landing_unit,
			 unordered(&job->src) ? " (the source may write in any: Relaxed Ordering)"
					      : "",
			 p->provider);
	else
		snprintf(p->unproven, sizeof(p->unproven),
			 "%smemory of %s that stops decoding and comes back "
			 "unchanged",
			 job->src.own == job->provider ? "" : "that data lands, ", p->provider);
}

static void warn_of_others(struct pl_copy *job)
{
	if (job->dst.ops->warn)
		job->dst.ops->warn(&job->dst, job->plan.warning, sizeof(job->plan.warning));
}

int pl_copy_create(const struct pl_copy_opts *given, struct pl_copy **out)
{
	struct pl_copy_opts opts;
	struct pl_copy *job;
	int rc;

	rc = pl_opts_take(&opts, sizeof(opts), given, given->opts_size, "options of a copy");
	if (rc)
		return rc;
	job = alloc(1, sizeof(*job));
	if (!job)
		return pl_fail(-ENOMEM, "no memory for a copy job");
	job->verify = opts.verify;
	job->no_sync = opts.no_sync;
	job->suspect = COPY_SUSPECT_MS * rte_get_tsc_hz() / 1000;
	rc = copy_plan(&opts, job);
	if (rc == 0)
		rc = alloc_state(job);
	if (rc == 0)
		rc = take_provider(job);
	if (rc == 0)
		rc = alloc_bufs(job);
	/* Behind the buffers, which are to have the longest run. */
	if (rc == 0 && job->provider)
		rc = p2p_proof_begin(job->provider, job->memory, &job->proof);
	if (rc == 0)
		rc = job->src.ops->open(&job->src, job);
	if (rc == 0)
		rc = job->dst.ops->open(&job->dst, job);
	if (rc) {
		pl_copy_destroy(job);
		return rc;
	}
	/* A transfer of the source's may be lost by itself: each has a nonce. */
	job->unit = RTE_MIN((size_t)job->plan.landing_unit, job->src.ops->piece(&job->src));
	job->plan.landing_unit = job->plan.landing_check ? (uint32_t)job->unit : 0;
	snprintf(job->plan.sync, sizeof(job->plan.sync), "%s",
		 job->no_sync ? "" : job->dst.sync_by);
	say_unproven(job);
	warn_of_others(job);
	init_slots(job);
	*out = job;
	return 0;
}

/* A controller that is both ends counts once. */
static struct copy_end *counted_end(struct pl_copy *job, int i)
{
	if (i == 0)
		return &job->src;
	return job->src.own && job->src.own == job->dst.own ? NULL : &job->dst;
}

static void traffic_begin(struct pl_copy *job)
{
	struct copy_end *end;

	job->stats.traffic_known = true;
	for (int i = 0; i < 2 && (end = counted_end(job, i)); i++)
		if (end->ops->traffic(end, &end->before))
			job->stats.traffic_known = false;
}

static void traffic_end(struct pl_copy *job, struct pl_nvme_traffic *sum)
{
	struct pl_nvme_traffic now;
	struct copy_end *end;

	for (int i = 0; i < 2 && (end = counted_end(job, i)); i++) {
		const uint64_t *before = &end->before.bytes[0][0][0], *after = &now.bytes[0][0][0];
		uint64_t *to = &sum->bytes[0][0][0];

		if (end->ops->traffic(end, &now))
			return;
		for (size_t k = 0; k < sizeof(now) / sizeof(uint64_t); k++)
			to[k] += after[k] - before[k];
	}
}

static void begin_phase(struct pl_copy *job, enum pl_copy_phase phase)
{
	job->stats.phase = phase;
	job->phase_start = rte_rdtsc();
	job->last_progress = job->phase_start;
	traffic_begin(job);
}

static void end_copying(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };

	job->stats.copy_cycles = rte_rdtsc() - job->phase_start;
	traffic_end(job, &job->stats.copy_traffic);
	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		struct copy_end_stats es;

		ends[i]->ops->stats(ends[i], &es);
		job->stats.sq_doorbells += es.sq_doorbells;
		job->stats.cq_doorbells += es.cq_doorbells;
		job->stats.commands += es.commands;
		job->stats.syscalls += es.syscalls;
		job->stats.file_ios += es.file_ios;
		job->stats.host_bytes += es.host_bytes;
	}
}

static void end_verifying(struct pl_copy *job)
{
	job->stats.verify_cycles = rte_rdtsc() - job->phase_start;
	traffic_end(job, &job->stats.verify_traffic);
}

/* Nobody is to wait for a long copy who unbinds a controller. */
static int asked_back(const struct pl_copy *job)
{
	struct pl_p2p *const devices[] = { job->src.own, job->dst.own, job->provider };
	int rc = 0;

	for (size_t i = 0; i < RTE_DIM(devices) && rc == 0; i++)
		if (devices[i])
			rc = devices[i]->ops->asked_back(devices[i]);
	return rc;
}

/* Names who does not answer, and what: the command that has been under way for longest. */
static int timed_out(const struct pl_copy *job, uint32_t seconds)
{
	const struct copy_slot *oldest = NULL;
	const char *what;

	if (job->stats.phase == PL_COPY_SYNCING)
		return pl_fail(-ETIMEDOUT, "%s: no answer to %s in %u s", job->dst.name,
			       job->dst.sync_by, seconds);
	for (uint32_t i = 0; i < job->plan.depth; i++)
		if (job->slots[i].at && (!oldest || job->slots[i].start < oldest->start))
			oldest = &job->slots[i];
	if (!oldest)
		return pl_fail(-ETIMEDOUT, "the copy made no progress for %u s", seconds);
	what = job->stats.phase == PL_COPY_COPYING && oldest->at == &job->dst ? "write" : "read";
	return pl_fail(-ETIMEDOUT, "%s: no answer to a %s of %u bytes at %s in %u s%s",
		       oldest->at->name, what, oldest->len,
		       copy_end_pos(oldest->at, oldest->dst_io.at).text, seconds,
		       job->stats.phase == PL_COPY_COPYING ? "" : " (or from the source)");
}

/* A queue that failed, or a device that stopped answering: nothing more will complete. */
static int stuck(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };
	/* To flush takes the destination alone. */
	size_t first = job->stats.phase == PL_COPY_SYNCING ? 1 : 0;
	uint64_t now, idle;
	uint32_t seconds;
	int rc;

	for (size_t i = first; i < RTE_DIM(ends); i++) {
		rc = ends[i]->ops->error(ends[i]);
		if (rc)
			return rc;
	}
	now = rte_rdtsc();
	if (now - job->last_asked < job->suspect)
		return 0;
	job->last_asked = now;
	rc = first ? 0 : asked_back(job);
	if (rc)
		return rc;
	idle = now - job->last_progress;
	if (idle < job->suspect)
		return 0;
	/* Long enough to look: a device that is gone or was reset will not answer any more. */
	for (size_t i = first; i < RTE_DIM(ends); i++) {
		rc = ends[i]->ops->check(ends[i]);
		if (rc)
			return rc;
	}
	seconds = COPY_TIMEOUT_S * (job->stats.phase == PL_COPY_SYNCING ? COPY_SYNC_TIMEOUTS : 1);
	return idle < seconds * rte_get_tsc_hz() ? 0 : timed_out(job, seconds);
}

/* Who asks to stop what is done already gets what was asked for before. */
static bool complete(const struct pl_copy *job)
{
	return job->stats.bytes_copied == job->plan.bytes &&
	       (!job->verify || job->stats.bytes_verified == job->plan.bytes);
}

static int finish(struct pl_copy *job)
{
	release_provider(job);
	if (job->cancelled && job->stats.phase != PL_COPY_DONE && !complete(job))
		copy_fail(job, pl_fail(-ECANCELED, "the copy was stopped"));
	if (job->stats.phase != PL_COPY_DONE && job->dst.ops->finish)
		job->dst.ops->finish(&job->dst, job);
	job->stats.phase = PL_COPY_DONE;
	job->stats.error = job->error;
	return job->error ? pl_fail_again(&job->failure) : 0;
}

static int begin_ends(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };
	int rc = 0;

	for (size_t i = 0; i < RTE_DIM(ends) && rc == 0; i++)
		if (ends[i]->ops->begin)
			rc = ends[i]->ops->begin(ends[i], job);
	return rc;
}

static int after_syncing(struct pl_copy *job)
{
	if (job->error || job->cancelled || !job->verify)
		return finish(job);
	begin_phase(job, PL_COPY_VERIFYING);
	verify_start(job);
	return 1;
}

/* Whether the destination will answer a Flush. @stuck: why the queues are not drained, and will not
 * be; the source or the provider may be the reason. */
static bool can_sync(struct pl_copy *job, int stuck)
{
	struct copy_end *dst = &job->dst;

	if (job->no_sync || !job->stats.bytes_copied || stuck == -ETIMEDOUT)
		return false;
	return !stuck || (dst->ops->error(dst) == 0 && dst->ops->check(dst) == 0);
}

static int after_copying(struct pl_copy *job, int stuck)
{
	int rc;

	end_copying(job);
	if (!can_sync(job, stuck))
		return after_syncing(job);
	job->stats.phase = PL_COPY_SYNCING;
	job->last_progress = rte_rdtsc();
	rc = sync_start(job);
	if (rc > 0)
		return 1;
	if (rc < 0)
		copy_fail(job, rc);
	return after_syncing(job);
}

static int start(struct pl_copy *job)
{
	int rc;

	job->started = true;
	begin_phase(job, PL_COPY_COPYING);
	rc = begin_ends(job);
	job->last_progress = rte_rdtsc(); /* that may have taken its time */
	return rc;
}

static bool round_of(struct pl_copy *job)
{
	switch (job->stats.phase) {
	case PL_COPY_COPYING:
		return copy_round(job);
	case PL_COPY_SYNCING:
		return sync_round(job);
	default:
		return verify_round(job);
	}
}

int pl_copy_poll(struct pl_copy *job)
{
	int rc = 0;

	if (job->stats.phase == PL_COPY_DONE)
		return finish(job);
	if (!job->started) {
		rc = start(job);
		if (rc) {
			copy_fail(job, rc);
			return finish(job);
		}
	}
	if (round_of(job)) {
		rc = stuck(job);
		if (!rc)
			return 1;
		copy_fail(job, rc);
	}
	switch (job->stats.phase) {
	case PL_COPY_COPYING:
		return after_copying(job, rc);
	case PL_COPY_SYNCING:
		return after_syncing(job);
	default:
		end_verifying(job);
		return finish(job);
	}
}

const struct pl_copy_plan *pl_copy_plan(const struct pl_copy *job)
{
	return &job->plan;
}

void pl_copy_cancel(struct pl_copy *job)
{
	job->cancelled = 1;
}

void pl_copy_stats(const struct pl_copy *job, struct pl_copy_stats *stats)
{
	*stats = job->stats;
	stats->read_latency = job->read_hist;
	stats->write_latency = job->write_hist;
}

int pl_copy_complete_ranges(const struct pl_copy *job, struct pl_copy_range *ranges, int n)
{
	const struct copy_range_set *set = job->verify_begun ? &job->verified : &job->acked;
	uint32_t unit = job->dst.unit;

	for (uint32_t i = 0; i < set->n && (int)i < n; i++) {
		uint64_t first = set->runs[i].first * job->plan.chunk;
		uint64_t end = RTE_MIN(set->runs[i].end * job->plan.chunk, job->plan.bytes);

		ranges[i] = (struct pl_copy_range){
			.slba = job->dst.first + first / unit,
			.nlb = (end - first) / unit,
		};
	}
	return (int)set->n;
}

void pl_copy_destroy(struct pl_copy *job)
{
	bool quiet;

	if (!job)
		return;
	release_provider(job);
	quiet = !job->src.ops || job->src.ops->close(&job->src);
	quiet = (!job->dst.ops || job->dst.ops->close(&job->dst)) && quiet;
	if (quiet) {
		if (job->heap)
			pl_p2p_free(job->heap, job->bufs);
		else
			pl_mem_free(job->bufs);
		pl_mem_free(job->verify_bufs);
	} else {
		PL_LOG(WARNING, "a device may still touch the copy's buffers: they are not freed");
	}
	free(job->write_hist);
	free(job->read_hist);
	copy_range_set_fini(&job->verified);
	copy_range_set_fini(&job->acked);
	free(job->dst.waiting);
	free(job->src.waiting);
	free(job->written);
	free(job->landed);
	free(job->landing);
	free(job->free_slots);
	free(job->slots);
	free(job);
}
