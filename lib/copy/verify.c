/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verifying phase: both ranges are read into host memory, chunk by chunk, and compared byte
 * by byte. These reads are counted apart from the copy's traffic. The destination's buffer is
 * poisoned first, so that a read that moved nothing cannot pass with what lay there before.
 */
#include <inttypes.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "copy_internal.h"
#include "pl_log.h"

void verify_start(struct pl_copy *job)
{
	job->next_chunk = 0;
	job->nb_free = 0;
	for (uint32_t i = 0; i < job->verify_depth; i++) {
		struct copy_slot *slot = &job->slots[i];

		slot->buf = job->verify_bufs + 2u * i * job->buf_stride;
		slot->dst_buf = slot->buf + job->buf_stride;
		job->free_slots[job->nb_free++] = slot;
	}
}

static int differs(const struct pl_copy *job, const struct copy_slot *slot)
{
	struct pl_nvme_ctrlr_info src, dst;
	uint32_t at = 0;

	while (slot->buf[at] == slot->dst_buf[at])
		at++;
	pl_nvme_ctrlr_info(job->src.ns->ctrlr, &src);
	pl_nvme_ctrlr_info(job->dst.ns->ctrlr, &dst);
	return pl_fail(-EILSEQ, "byte %u of LBA %" PRIu64 " of %s is %02xh, but %02xh at LBA %" PRIu64
		       " of %s: the copy is wrong", at & ((1u << job->dst.ns->lba_shift) - 1),
		       slot->dst_op.slba + (at >> job->dst.ns->lba_shift), dst.name,
		       slot->dst_buf[at], slot->buf[at],
		       slot->src_op.slba + (at >> job->src.ns->lba_shift), src.name);
}

static void read_done(struct pl_copy *job, const struct pl_nvme_op *op)
{
	struct copy_slot *slot = op->ctx;

	if (op->status)
		copy_fail(job, pl_fail(-EIO, "read of %u blocks at LBA %" PRIu64
				       " failed while verifying: %s", op->nlb, op->slba,
				       pl_nvme_status_str(op->status)));
	if (--slot->pending)
		return;
	if (!job->error) {
		if (memcmp(slot->buf, slot->dst_buf, slot->len) != 0)
			copy_fail(job, differs(job, slot));
		else
			job->stats.bytes_verified += slot->len;
	}
	job->free_slots[job->nb_free++] = slot;
}

static void start_chunk(struct pl_copy *job, struct copy_slot *slot, uint64_t chunk)
{
	const struct copy_side *src = &job->src, *dst = &job->dst;
	uint64_t at = chunk * job->plan.chunk;

	slot->len = (uint32_t)copy_chunk_len(job, chunk);
	slot->pending = 2;
	memset(slot->buf, 0x5a, slot->len);
	memset(slot->dst_buf, 0xa5, slot->len);
	pl_nvme_op_read(&slot->src_op, src->ns, slot->buf, src->slba + (at >> src->ns->lba_shift),
			slot->len >> src->ns->lba_shift);
	pl_nvme_op_read(&slot->dst_op, dst->ns, slot->dst_buf,
			dst->slba + (at >> dst->ns->lba_shift), slot->len >> dst->ns->lba_shift);
	job->src.q.ops[job->src.q.count++] = &slot->src_op;
	job->dst.q.ops[job->dst.q.count++] = &slot->dst_op;
}

bool verify_round(struct pl_copy *job)
{
	struct copy_side *sides[] = { &job->src, &job->dst };
	bool go_on = !job->error && !job->cancelled;

	for (size_t s = 0; s < RTE_DIM(sides); s++) {
		struct pl_nvme_op *done[COPY_BURST];
		uint16_t n = pl_nvme_poll(sides[s]->q.qp, done, COPY_BURST);

		for (uint16_t i = 0; i < n; i++)
			read_done(job, done[i]);
		if (n)
			job->last_progress = rte_rdtsc();
	}
	while (go_on && job->nb_free && job->next_chunk < job->plan.chunks)
		start_chunk(job, job->free_slots[--job->nb_free], job->next_chunk++);
	copy_queue_flush(&job->src.q);
	copy_queue_flush(&job->dst.q);
	return job->nb_free < job->verify_depth || (go_on && job->next_chunk < job->plan.chunks);
}
