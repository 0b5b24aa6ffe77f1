/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a job: create, poll through its phases, report, destroy. */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_malloc.h>

#include "copy_internal.h"
#include "nvme_internal.h"
#include "pl_inject.h"
#include "pl_log.h"

/* Host memory that the verifying phase may take: it needs two buffers per chunk in flight. */
#define VERIFY_BYTES (8u << 20)

static void *alloc(size_t n, size_t size)
{
	void *p = pl_inject_hit() ? NULL : aligned_alloc(64, RTE_ALIGN_CEIL(n * size, 64));

	if (p)
		memset(p, 0, n * size);
	return p;
}

static void *dma_alloc(size_t len)
{
	return pl_inject_hit() ? NULL : rte_malloc("copy_buffer", len, PL_P2P_PAGE);
}

static int alloc_state(struct pl_copy *job)
{
	uint32_t depth = job->plan.depth;

	job->slots = alloc(depth, sizeof(*job->slots));
	job->free_slots = alloc(depth, sizeof(*job->free_slots));
	job->landing = alloc(depth, sizeof(*job->landing));
	job->src.q.ops = alloc(depth, sizeof(*job->src.q.ops));
	job->dst.q.ops = alloc(depth, sizeof(*job->dst.q.ops));
	job->done_map = alloc(job->plan.chunks / 64 + 1, sizeof(*job->done_map));
	job->read_hist = alloc(1, sizeof(*job->read_hist));
	job->write_hist = alloc(1, sizeof(*job->write_hist));
	if (!job->slots || !job->free_slots || !job->landing || !job->src.q.ops ||
	    !job->dst.q.ops || !job->done_map || !job->read_hist || !job->write_hist)
		return pl_fail(-ENOMEM, "no memory for a copy of %llu chunks at depth %u",
			       (unsigned long long)job->plan.chunks, depth);
	pl_hist_reset(job->read_hist);
	pl_hist_reset(job->write_hist);
	return 0;
}

static int alloc_bufs(struct pl_copy *job)
{
	size_t len = job->plan.depth * job->buf_stride;
	void *p = NULL;
	int rc = 0;

	if (job->heap)
		rc = pl_p2p_alloc(job->heap, len, 0, &p);
	else if (!(p = dma_alloc(len)))
		rc = pl_fail(-ENOMEM, "no %zu MiB of DMA-able host memory for the copy's buffers; give "
			     "the EAL more with -m, or lower -q or -o", (len >> 20) + 1);
	job->bufs = p;
	if (rc || !job->verify)
		return rc;
	job->verify_depth = (uint32_t)RTE_MIN(RTE_MAX(VERIFY_BYTES / (2 * job->buf_stride), 1u),
					      (size_t)job->plan.depth);
	len = job->verify_depth * 2 * job->buf_stride;
	job->verify_bufs = dma_alloc(len);
	if (!job->verify_bufs)
		return pl_fail(-ENOMEM, "no %zu MiB of DMA-able host memory to verify with; give the EAL "
			       "more with -m", (len >> 20) + 1);
	return 0;
}

static int create_queue(struct pl_copy *job, struct copy_side *side)
{
	struct pl_nvme_ctrlr_info info;
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts) };

	pl_nvme_ctrlr_info(side->ns->ctrlr, &info);
	opts.depth = RTE_MAX(RTE_MIN(job->plan.depth + 1, info.max_entries), 2u);
	opts.max_xfer = (uint32_t)RTE_MIN(job->buf_stride, (size_t)info.max_xfer);
	return pl_nvme_qpair_create(side->ns->ctrlr, &opts, &side->q.qp);
}

static void init_slots(struct pl_copy *job)
{
	for (uint32_t i = 0; i < job->plan.depth; i++) {
		struct copy_slot *slot = &job->slots[i];

		slot->buf = job->bufs + i * job->buf_stride;
		slot->src_op.ctx = slot;
		slot->dst_op.ctx = slot;
		job->free_slots[job->nb_free++] = slot;
	}
}

int pl_copy_create(const struct pl_copy_opts *given, struct pl_copy **out)
{
	struct pl_copy_opts opts = { 0 };
	struct pl_copy *job;
	int rc;

	if (given->opts_size < sizeof(size_t) || given->opts_size > sizeof(opts))
		return pl_fail(-EINVAL, "opts_size %zu of a copy is not one this library knows",
			       given->opts_size);
	memcpy(&opts, given, given->opts_size);
	job = alloc(1, sizeof(*job));
	if (!job)
		return pl_fail(-ENOMEM, "no memory for a copy job");
	job->verify = opts.verify;
	rc = copy_plan(&opts, job);
	if (rc == 0)
		rc = alloc_state(job);
	if (rc == 0)
		rc = alloc_bufs(job);
	if (rc == 0)
		rc = create_queue(job, &job->src);
	if (rc == 0)
		rc = create_queue(job, &job->dst);
	if (rc) {
		pl_copy_destroy(job);
		return rc;
	}
	/* Queue pairs move whole blocks: see the split of large ops in lib/nvme. */
	job->piece = RTE_ALIGN_FLOOR(pl_nvme_qpair_max_xfer(job->src.q.qp),
				     1u << job->src.ns->lba_shift);
	init_slots(job);
	*out = job;
	return 0;
}

static struct copy_side *counted_sides(struct pl_copy *job, int i)
{
	if (i == 0)
		return &job->src;
	return job->src.ns->ctrlr == job->dst.ns->ctrlr ? NULL : &job->dst;
}

static void traffic_begin(struct pl_copy *job)
{
	struct copy_side *side;

	job->stats.traffic_known = true;
	for (int i = 0; i < 2 && (side = counted_sides(job, i)); i++)
		if (pl_nvme_ctrlr_traffic(side->ns->ctrlr, &side->before))
			job->stats.traffic_known = false;
}

static void traffic_end(struct pl_copy *job, struct pl_nvme_traffic *sum)
{
	struct pl_nvme_traffic now;
	struct copy_side *side;

	for (int i = 0; i < 2 && (side = counted_sides(job, i)); i++) {
		const uint64_t *before = &side->before.bytes[0][0][0], *after = &now.bytes[0][0][0];
		uint64_t *to = &sum->bytes[0][0][0];

		if (pl_nvme_ctrlr_traffic(side->ns->ctrlr, &now))
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
	struct copy_side *sides[] = { &job->src, &job->dst };

	job->stats.copy_cycles = rte_rdtsc() - job->phase_start;
	traffic_end(job, &job->stats.copy_traffic);
	for (size_t i = 0; i < RTE_DIM(sides); i++) {
		struct pl_nvme_qpair_stats qs;

		pl_nvme_qpair_stats(sides[i]->q.qp, &qs);
		job->stats.sq_doorbells += qs.sq_doorbells;
		job->stats.cq_doorbells += qs.cq_doorbells;
		job->stats.commands += qs.commands;
	}
}

static void end_verifying(struct pl_copy *job)
{
	job->stats.verify_cycles = rte_rdtsc() - job->phase_start;
	traffic_end(job, &job->stats.verify_traffic);
}

/* A queue that failed, or a device that stopped answering: nothing more will complete. */
static int stuck(struct pl_copy *job)
{
	const struct copy_side *sides[] = { &job->src, &job->dst };
	uint64_t idle;

	for (size_t i = 0; i < RTE_DIM(sides); i++) {
		int rc = pl_nvme_qpair_error(sides[i]->q.qp);

		if (rc)
			return rc;
	}
	idle = rte_rdtsc() - job->last_progress;
	if (idle < COPY_SUSPECT_S * rte_get_tsc_hz())
		return 0;
	/* Long enough to look: a device that is gone or was reset will not answer any more. */
	for (size_t i = 0; i < RTE_DIM(sides); i++) {
		int rc = pl_nvme_ctrlr_poll_events(sides[i]->ns->ctrlr);

		if (rc < 0)
			return rc;
	}
	if (idle < COPY_TIMEOUT_S * rte_get_tsc_hz())
		return 0;
	return pl_fail(-ETIMEDOUT, "no command of the copy completed for %u s", COPY_TIMEOUT_S);
}

static int finish(struct pl_copy *job)
{
	if (job->cancelled && job->stats.phase != PL_COPY_DONE)
		copy_fail(job, pl_fail(-ECANCELED, "the copy was stopped"));
	job->stats.phase = PL_COPY_DONE;
	job->stats.error = job->error;
	return job->error ? pl_fail(job->error, "%s", job->message) : 0;
}

int pl_copy_poll(struct pl_copy *job)
{
	bool more;
	int rc;

	if (job->stats.phase == PL_COPY_DONE)
		return finish(job);
	if (!job->started) {
		job->started = true;
		begin_phase(job, PL_COPY_COPYING);
	}
	more = job->stats.phase == PL_COPY_COPYING ? copy_round(job) : verify_round(job);
	if (more) {
		rc = stuck(job);
		if (!rc)
			return 1;
		copy_fail(job, rc);
	}
	if (job->stats.phase == PL_COPY_COPYING) {
		end_copying(job);
		if (!job->error && !job->cancelled && job->verify) {
			begin_phase(job, PL_COPY_VERIFYING);
			verify_start(job);
			return 1;
		}
	} else {
		end_verifying(job);
	}
	return finish(job);
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
	uint32_t shift = job->dst.ns->lba_shift;
	uint64_t next = UINT64_MAX; /* the chunk that would extend the last range */
	int count = 0;

	for (uint64_t chunk = 0; chunk < job->plan.chunks; chunk++) {
		uint64_t nlb = copy_chunk_len(job, chunk) >> shift;

		if (!(job->done_map[chunk / 64] & (1ull << (chunk % 64))))
			continue;
		if (chunk != next) {
			if (count < n)
				ranges[count] = (struct pl_copy_range){
					.slba = job->dst.slba + (chunk * job->plan.chunk >> shift),
				};
			count++;
		}
		if (count <= n)
			ranges[count - 1].nlb += nlb;
		next = chunk + 1;
	}
	return count;
}

void pl_copy_destroy(struct pl_copy *job)
{
	bool quiet;

	if (!job)
		return;
	quiet = nvme_qpair_quiesce(job->src.q.qp);
	quiet = nvme_qpair_quiesce(job->dst.q.qp) && quiet;
	if (quiet) {
		if (job->heap)
			pl_p2p_free(job->heap, job->bufs);
		else
			rte_free(job->bufs);
		rte_free(job->verify_bufs);
	} else {
		PL_LOG(WARNING, "a controller may still touch the copy's buffers: they are not freed");
	}
	free(job->write_hist);
	free(job->read_hist);
	free(job->done_map);
	free(job->dst.q.ops);
	free(job->src.q.ops);
	free(job->landing);
	free(job->free_slots);
	free(job->slots);
	free(job);
}
