/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copying phase. A chunk goes through: free slot -> read in flight -> (landing) -> landed ->
 * write in flight -> written -> free slot. Every round reaps both queues and refills both with one
 * burst each, so reads and writes overlap, in whatever order they complete. Between the two it
 * proves once that the provider is alive: only then has landed what seems so, and is acknowledged
 * what was written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "copy_internal.h"
#include "pl_log.h"

uint64_t copy_chunk_len(const struct pl_copy *job, uint64_t chunk)
{
	uint64_t left = job->plan.bytes - chunk * job->plan.chunk;

	return RTE_MIN(left, (uint64_t)job->plan.chunk);
}

void copy_fail(struct pl_copy *job, int err)
{
	if (job->error)
		return;
	/* The CPU knows more than that data did not arrive. */
	if (job->provider && job->provider->ops->lost(job->provider))
		err = -ENODEV;
	job->error = err;
	job->failure = *pl_error_get();
	job->failure.err = err;
}

static void free_slot(struct pl_copy *job, struct copy_slot *slot)
{
	job->free_slots[job->nb_free++] = slot;
}

static void start_write(struct pl_copy *job, struct copy_slot *slot)
{
	if (job->error) {
		free_slot(job, slot);
		return;
	}
	slot->start = rte_rdtsc();
	slot->at = &job->dst;
	copy_end_queue(&job->dst, &slot->dst_io);
}

static void read_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now)
{
	slot->at = NULL;
	if (slot->src_io.error) {
		copy_fail(job, job->src.ops->failed(&job->src, &slot->src_io, ""));
		free_slot(job, slot);
		return;
	}
	pl_hist_record(job->read_hist, now - slot->start);
	slot->completed = now;
	if (job->plan.landing_check && !landing_arrived(job, slot))
		job->landing[job->nb_landing++] = slot;
	else
		job->landed[job->nb_landed++] = slot;
}

static int prove(struct pl_copy *job)
{
	if (!job->provider)
		return 0;
	/* Memory that is back may look as before to a proof, and a write that read it while it was
	 * gone completes afterwards. */
	if (job->disproved)
		return job->disproved;
	job->stats.proofs++;
	job->stats.device_reads += job->proof.reads;
	job->disproved = p2p_proof_check(&job->proof);
	return job->disproved;
}

/* Looks once more at the chunks that had not landed. While one is late, no others follow it: most
 * likely they would be lost as well. */
static void landing_round(struct pl_copy *job, uint64_t now)
{
	uint32_t left = 0;

	job->late = false;
	for (uint32_t i = 0; i < job->nb_landing; i++) {
		struct copy_slot *slot = job->landing[i];
		int rc;

		if (landing_arrived(job, slot)) {
			job->landed[job->nb_landed++] = slot;
			continue;
		}
		if (!landing_overdue(job, slot, now)) {
			job->landing[left++] = slot;
			job->late |= now - slot->completed > job->suspect / COPY_LATE_PART;
			continue;
		}
		rc = prove(job); /* a dead provider is the better reason */
		copy_fail(job, rc ? rc : landing_lost(job, slot));
		job->disproved = -EREMOTEIO; /* others may have read there what this one lost */
		free_slot(job, slot);
	}
	job->nb_landing = left;
}

static void write_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now)
{
	slot->at = NULL;
	if (slot->dst_io.error) {
		copy_fail(job, job->dst.ops->failed(&job->dst, &slot->dst_io, ""));
		free_slot(job, slot);
		return;
	}
	pl_hist_record(job->write_hist, now - slot->start);
	job->written[job->nb_written++] = slot;
}

static void acknowledge(struct pl_copy *job, struct copy_slot *slot)
{
	copy_range_set_add(&job->acked, slot->chunk);
	job->stats.bytes_copied += slot->len;
	free_slot(job, slot);
}

/* What this round saw counts if the provider is alive now. A reset would have cleared CC.EN, which
 * nobody but us sets again, so it was alive before as well. */
static void settle(struct pl_copy *job)
{
	int rc;

	if (!job->nb_written && !job->nb_landed)
		return;
	rc = prove(job);
	if (rc)
		copy_fail(job, rc);
	for (uint32_t i = 0; i < job->nb_written; i++) {
		if (rc == 0) {
			acknowledge(job, job->written[i]);
			continue;
		}
		job->stats.bytes_unproven += job->written[i]->len;
		free_slot(job, job->written[i]);
	}
	for (uint32_t i = 0; i < job->nb_landed; i++) {
		if (rc == 0)
			job->stats.landing_checks += job->plan.landing_check;
		start_write(job, job->landed[i]); /* which it does not after a failure */
	}
	job->nb_written = 0;
	job->nb_landed = 0;
}

static void prepare(struct pl_copy *job, struct copy_slot *slot, uint64_t chunk)
{
	slot->chunk = chunk;
	slot->len = (uint32_t)copy_chunk_len(job, chunk);
	slot->src_io.buf = slot->buf;
	slot->src_io.at = chunk * job->plan.chunk;
	slot->src_io.len = slot->len;
	slot->src_io.write = false;
	slot->dst_io.buf = slot->buf;
	slot->dst_io.at = slot->src_io.at;
	slot->dst_io.len = slot->len;
	slot->dst_io.write = true;
}

static void start_reads(struct pl_copy *job)
{
	struct copy_slot *last = NULL;
	uint64_t now = rte_rdtsc();
	int rc;

	while (job->nb_free && job->next_chunk < job->plan.chunks) {
		last = job->free_slots[--job->nb_free];
		prepare(job, last, job->next_chunk++);
		last->start = now;
		last->at = &job->src;
		if (job->plan.landing_check)
			landing_stamp(job, last);
		copy_end_queue(&job->src, &last->src_io);
	}
	if (!last || !job->plan.landing_check)
		return;
	rc = landing_flush(job, last);
	if (rc)
		copy_fail(job, rc);
}

static void drop(struct pl_copy *job, struct copy_slot *slot)
{
	slot->at = NULL;
	free_slot(job, slot);
}

/* After a failure nothing more is sent: what waits in line goes back to the free slots. */
static void drop_waiting(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		for (uint32_t k = 0; k < ends[i]->nb_waiting; k++)
			drop(job, ends[i]->waiting[k]->slot);
		ends[i]->nb_waiting = 0;
	}
	for (uint32_t i = 0; i < job->nb_landing; i++)
		drop(job, job->landing[i]);
	job->nb_landing = 0;
}

bool copy_round(struct pl_copy *job)
{
	struct copy_end *src = &job->src, *dst = &job->dst;
	struct copy_io *done[COPY_BURST];
	uint32_t nb_reads, nb_writes;
	uint64_t now;

	nb_writes = dst->ops->poll(dst, done, COPY_BURST);
	now = rte_rdtsc();
	for (uint32_t i = 0; i < nb_writes; i++)
		write_done(job, done[i]->slot, now);
	if (job->nb_landing || job->late)
		landing_round(job, now);
	nb_reads = src->ops->poll(src, done, COPY_BURST);
	for (uint32_t i = 0; i < nb_reads; i++)
		read_done(job, done[i]->slot, now);
	settle(job);
	if (nb_reads || nb_writes)
		job->last_progress = now;
	if (!job->error && !job->cancelled && !job->late)
		start_reads(job);
	if (job->error)
		drop_waiting(job);
	copy_end_flush(src);
	copy_end_flush(dst);
	return job->nb_free < job->plan.depth ||
	       (!job->error && !job->cancelled && job->next_chunk < job->plan.chunks);
}
