/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copying phase. A chunk goes through: free slot -> read in flight -> (landing) -> write in
 * flight -> free slot. Every round reaps both queues and refills both with one burst each, so
 * reads and writes overlap, in whatever order they complete.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "copy_internal.h"
#include "nvme_internal.h"
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
	if (job->provider && nvme_ctrlr_lost(job->provider))
		err = pl_fail(-ENODEV, "%s: its memory was taken away from this process (SIGBUS): it was "
			      "unbound, decodes no memory or sleeps; after that, reset the controller",
			      job->plan.provider);
	job->error = err;
	snprintf(job->message, sizeof(job->message), "%s", pl_errmsg());
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
	copy_end_queue(&job->dst, &slot->dst_io);
}

static void read_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now)
{
	if (slot->src_io.error) {
		copy_fail(job, job->src.ops->failed(&job->src, &slot->src_io, ""));
		free_slot(job, slot);
		return;
	}
	pl_hist_record(job->read_hist, now - slot->start);
	if (job->plan.landing_check && !landing_arrived(job, slot))
		job->landing[job->nb_landing++] = slot;
	else
		start_write(job, slot);
}

/* Looks once more at the chunks that had not landed. */
static void landing_round(struct pl_copy *job)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < job->nb_landing; i++) {
		struct copy_slot *slot = job->landing[i];
		int rc;

		if (landing_arrived(job, slot)) {
			start_write(job, slot);
			continue;
		}
		rc = landing_lost(job, slot);
		if (rc) {
			copy_fail(job, rc);
			free_slot(job, slot);
		} else {
			job->landing[left++] = slot;
		}
	}
	job->nb_landing = left;
}

/* @lost: the provider's memory is not the provider's any more, and what was written may be what took
 * its place. */
static void write_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now, bool lost)
{
	if (slot->dst_io.error) {
		copy_fail(job, job->dst.ops->failed(&job->dst, &slot->dst_io, ""));
	} else if (lost) {
		copy_fail(job, -ENODEV);
	} else {
		pl_hist_record(job->write_hist, now - slot->start);
		job->done_map[slot->chunk / 64] |= 1ull << (slot->chunk % 64);
		job->stats.bytes_copied += slot->len;
	}
	free_slot(job, slot);
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

/* After a failure nothing more is sent: what waits in line goes back to the free slots. */
static void drop_waiting(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };

	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		for (uint32_t k = 0; k < ends[i]->nb_waiting; k++)
			free_slot(job, ends[i]->waiting[k]->slot);
		ends[i]->nb_waiting = 0;
	}
	for (uint32_t i = 0; i < job->nb_landing; i++)
		free_slot(job, job->landing[i]);
	job->nb_landing = 0;
}

bool copy_round(struct pl_copy *job)
{
	struct copy_end *src = &job->src, *dst = &job->dst;
	struct copy_io *done[COPY_BURST];
	uint32_t nb_reads, nb_writes;
	uint64_t now;
	bool lost;

	nb_writes = dst->ops->poll(dst, done, COPY_BURST);
	/* Asked after they completed: if it is not lost now, it was not then. */
	lost = job->provider && nvme_ctrlr_lost(job->provider);
	now = rte_rdtsc();
	for (uint32_t i = 0; i < nb_writes; i++)
		write_done(job, done[i]->slot, now, lost);
	if (job->nb_landing)
		landing_round(job);
	nb_reads = src->ops->poll(src, done, COPY_BURST);
	for (uint32_t i = 0; i < nb_reads; i++)
		read_done(job, done[i]->slot, now);
	if (nb_reads || nb_writes)
		job->last_progress = now;
	if (!job->error && !job->cancelled)
		start_reads(job);
	if (job->error)
		drop_waiting(job);
	copy_end_flush(src);
	copy_end_flush(dst);
	return job->nb_free < job->plan.depth ||
	       (!job->error && !job->cancelled && job->next_chunk < job->plan.chunks);
}
