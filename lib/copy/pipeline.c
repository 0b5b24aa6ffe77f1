/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copying phase. A chunk goes through: free slot -> read in flight -> (landing) -> write in
 * flight -> free slot. Every round reaps both queues and refills both with one burst each, so
 * reads and writes overlap, in whatever order they complete.
 */
#include <inttypes.h>
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
	job->error = err;
	snprintf(job->message, sizeof(job->message), "%s", pl_errmsg());
}

/* Offers what waits to the queue; what it does not take stays in order. */
void copy_queue_flush(struct copy_queue *q)
{
	uint32_t n = 0;

	while (n < q->count) {
		uint16_t burst = (uint16_t)RTE_MIN(q->count - n, COPY_BURST);
		uint16_t taken = pl_nvme_submit(q->qp, q->ops + n, burst);

		n += taken;
		if (taken < burst)
			break;
	}
	q->count -= n;
	if (n && q->count)
		memmove(q->ops, q->ops + n, q->count * sizeof(*q->ops));
}

static void queue_op(struct copy_queue *q, struct pl_nvme_op *op)
{
	q->ops[q->count++] = op;
}

static void free_slot(struct pl_copy *job, struct copy_slot *slot)
{
	job->free_slots[job->nb_free++] = slot;
}

static int command_failed(const char *what, const struct copy_side *side,
			  const struct pl_nvme_op *op)
{
	struct pl_nvme_ctrlr_info info;

	pl_nvme_ctrlr_info(side->ns->ctrlr, &info);
	return pl_fail(-EIO, "%s of %u blocks at LBA %" PRIu64 " failed on %s namespace %u: %s", what,
		       op->nlb, op->slba, info.name, side->ns->nsid,
		       pl_nvme_status_str(op->status));
}

static void start_write(struct pl_copy *job, struct copy_slot *slot)
{
	if (job->error) {
		free_slot(job, slot);
		return;
	}
	slot->start = rte_rdtsc();
	queue_op(&job->dst.q, &slot->dst_op);
}

static void read_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now)
{
	if (slot->src_op.status) {
		copy_fail(job, command_failed("read", &job->src, &slot->src_op));
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

static void write_done(struct pl_copy *job, struct copy_slot *slot, uint64_t now)
{
	if (slot->dst_op.status) {
		copy_fail(job, command_failed("write", &job->dst, &slot->dst_op));
	} else {
		pl_hist_record(job->write_hist, now - slot->start);
		job->done_map[slot->chunk / 64] |= 1ull << (slot->chunk % 64);
		job->stats.bytes_copied += slot->len;
	}
	free_slot(job, slot);
}

static void prepare(struct pl_copy *job, struct copy_slot *slot, uint64_t chunk)
{
	const struct copy_side *src = &job->src, *dst = &job->dst;
	uint64_t at = chunk * job->plan.chunk;

	slot->chunk = chunk;
	slot->len = (uint32_t)copy_chunk_len(job, chunk);
	pl_nvme_op_read(&slot->src_op, src->ns, slot->buf, src->slba + (at >> src->ns->lba_shift),
			slot->len >> src->ns->lba_shift);
	pl_nvme_op_write(&slot->dst_op, dst->ns, slot->buf, dst->slba + (at >> dst->ns->lba_shift),
			 slot->len >> dst->ns->lba_shift);
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
		queue_op(&job->src.q, &last->src_op);
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
	struct copy_queue *queues[] = { &job->src.q, &job->dst.q };

	for (size_t i = 0; i < RTE_DIM(queues); i++) {
		for (uint32_t k = 0; k < queues[i]->count; k++)
			free_slot(job, queues[i]->ops[k]->ctx);
		queues[i]->count = 0;
	}
	for (uint32_t i = 0; i < job->nb_landing; i++)
		free_slot(job, job->landing[i]);
	job->nb_landing = 0;
}

bool copy_round(struct pl_copy *job)
{
	struct pl_nvme_op *done[COPY_BURST];
	uint16_t nb_reads, nb_writes;
	uint64_t now;

	nb_writes = pl_nvme_poll(job->dst.q.qp, done, COPY_BURST);
	now = rte_rdtsc();
	for (uint16_t i = 0; i < nb_writes; i++)
		write_done(job, done[i]->ctx, now);
	if (job->nb_landing)
		landing_round(job);
	nb_reads = pl_nvme_poll(job->src.q.qp, done, COPY_BURST);
	for (uint16_t i = 0; i < nb_reads; i++)
		read_done(job, done[i]->ctx, now);
	if (nb_reads || nb_writes)
		job->last_progress = now;
	if (!job->error && !job->cancelled)
		start_reads(job);
	if (job->error)
		drop_waiting(job);
	copy_queue_flush(&job->src.q);
	copy_queue_flush(&job->dst.q);
	return job->nb_free < job->plan.depth ||
	       (!job->error && !job->cancelled && job->next_chunk < job->plan.chunks);
}
