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

static int alloc_state(struct pl_copy *job)
{
	uint32_t depth = job->plan.depth;

	job->slots = alloc(depth, sizeof(*job->slots));
	job->free_slots = alloc(depth, sizeof(*job->free_slots));
	job->landing = alloc(depth, sizeof(*job->landing));
	job->src.waiting = alloc(depth, sizeof(*job->src.waiting));
	job->dst.waiting = alloc(depth, sizeof(*job->dst.waiting));
	job->done_map = alloc(job->plan.chunks / 64 + 1, sizeof(*job->done_map));
	job->read_hist = alloc(1, sizeof(*job->read_hist));
	job->write_hist = alloc(1, sizeof(*job->write_hist));
	if (!job->slots || !job->free_slots || !job->landing || !job->src.waiting ||
	    !job->dst.waiting || !job->done_map || !job->read_hist || !job->write_hist)
		return pl_fail(-ENOMEM, "no memory for a copy of %llu chunks at depth %u",
			       (unsigned long long)job->plan.chunks, depth);
	pl_hist_reset(job->read_hist);
	pl_hist_reset(job->write_hist);
	return 0;
}

static void release_provider(struct pl_copy *job)
{
	if (job->using)
		nvme_ctrlr_unuse(job->provider);
	job->using = false;
}

static int alloc_bufs(struct pl_copy *job)
{
	size_t len = job->plan.depth * job->buf_stride;
	void *p = NULL;
	int rc = 0;

	if (job->heap)
		rc = pl_p2p_alloc(job->heap, len, 0, &p);
	else if (!(p = pl_mem_zalloc(len, -1)))
		rc = pl_fail(-ENOMEM, "no buffers for the copy: %s, or lower -q or -o", pl_errmsg());
	job->bufs = p;
	if (rc == 0 && job->heap)
		job->src.peer = job->dst.peer = (struct iovec){ p, len };
	if (rc || !job->verify)
		return rc;
	job->verify_depth = (uint32_t)RTE_MIN(RTE_MAX(VERIFY_BYTES / (2 * job->buf_stride), 1u),
					      (size_t)job->plan.depth);
	len = job->verify_depth * 2 * job->buf_stride;
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
	job->suspect = COPY_SUSPECT_MS * rte_get_tsc_hz() / 1000;
	rc = copy_plan(&opts, job);
	if (rc == 0)
		rc = alloc_state(job);
	if (rc == 0 && job->provider) {
		nvme_ctrlr_use(job->provider); /* until the job has ended */
		job->using = true;
	}
	if (rc == 0)
		rc = alloc_bufs(job);
	if (rc == 0)
		rc = job->src.ops->open(&job->src, job);
	if (rc == 0)
		rc = job->dst.ops->open(&job->dst, job);
	if (rc) {
		pl_copy_destroy(job);
		return rc;
	}
	job->piece = job->src.ops->piece(&job->src);
	init_slots(job);
	*out = job;
	return 0;
}

/* A controller that is both ends counts once. */
static struct copy_end *counted_end(struct pl_copy *job, int i)
{
	if (i == 0)
		return &job->src;
	return job->src.ctrlr && job->src.ctrlr == job->dst.ctrlr ? NULL : &job->dst;
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
	struct pl_nvme_ctrlr *const ctrlrs[] = { job->src.ctrlr, job->dst.ctrlr, job->provider };
	int rc = 0;

	for (size_t i = 0; i < RTE_DIM(ctrlrs) && rc == 0; i++)
		if (ctrlrs[i])
			rc = nvme_ctrlr_asked_back(ctrlrs[i]);
	return rc;
}

/* A queue that failed, or a device that stopped answering: nothing more will complete. */
static int stuck(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };
	uint64_t now, idle;
	int rc;

	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		rc = ends[i]->ops->error(ends[i]);
		if (rc)
			return rc;
	}
	now = rte_rdtsc();
	if (now - job->last_asked < job->suspect)
		return 0;
	job->last_asked = now;
	rc = asked_back(job);
	if (rc)
		return rc;
	idle = now - job->last_progress;
	if (idle < job->suspect)
		return 0;
	/* Long enough to look: a device that is gone or was reset will not answer any more. */
	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		rc = ends[i]->ops->check(ends[i]);
		if (rc)
			return rc;
	}
	if (idle < COPY_TIMEOUT_S * rte_get_tsc_hz())
		return 0;
	return pl_fail(-ETIMEDOUT, "no command of the copy completed for %u s", COPY_TIMEOUT_S);
}

static int finish(struct pl_copy *job)
{
	release_provider(job);
	if (job->cancelled && job->stats.phase != PL_COPY_DONE)
		copy_fail(job, pl_fail(-ECANCELED, "the copy was stopped"));
	job->stats.phase = PL_COPY_DONE;
	job->stats.error = job->error;
	return job->error ? pl_fail(job->error, "%s", job->message) : 0;
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

int pl_copy_poll(struct pl_copy *job)
{
	bool more;
	int rc;

	if (job->stats.phase == PL_COPY_DONE)
		return finish(job);
	if (!job->started) {
		job->started = true;
		begin_phase(job, PL_COPY_COPYING);
		rc = begin_ends(job);
		if (rc) {
			copy_fail(job, rc);
			return finish(job);
		}
		job->last_progress = rte_rdtsc(); /* that may have taken its time */
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
	uint32_t unit = job->dst.unit;
	uint64_t next = UINT64_MAX; /* the chunk that would extend the last range */
	int count = 0;

	for (uint64_t chunk = 0; chunk < job->plan.chunks; chunk++) {
		uint64_t nlb = copy_chunk_len(job, chunk) / unit;

		if (!(job->done_map[chunk / 64] & (1ull << (chunk % 64))))
			continue;
		if (chunk != next) {
			if (count < n)
				ranges[count] = (struct pl_copy_range){
					.slba = job->dst.first + chunk * job->plan.chunk / unit,
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
	release_provider(job);
	quiet = !job->src.ops || job->src.ops->close(&job->src);
	quiet = (!job->dst.ops || job->dst.ops->close(&job->dst)) && quiet;
	if (quiet) {
		if (job->heap)
			pl_p2p_free(job->heap, job->bufs);
		else
			rte_free(job->bufs);
		rte_free(job->verify_bufs);
	} else {
		PL_LOG(WARNING, "a device may still touch the copy's buffers: they are not freed");
	}
	free(job->write_hist);
	free(job->read_hist);
	free(job->done_map);
	free(job->dst.waiting);
	free(job->src.waiting);
	free(job->landing);
	free(job->free_slots);
	free(job->slots);
	free(job);
}
