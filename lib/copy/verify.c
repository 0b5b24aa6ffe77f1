/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verifying phase: both ranges are read into host memory, chunk by chunk, and compared byte
 * by byte. These reads are counted apart from the copy's traffic. The destination's buffer is
 * poisoned first, so that a read that moved nothing cannot pass with what lay there before.
 */
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_random.h>

#include "copy_internal.h"
#include "pl_log.h"

void verify_start(struct pl_copy *job)
{
	job->verify_begun = true;
	job->next_chunk = 0;
	job->nb_free = 0;
	for (uint32_t i = 0; i < job->verify_depth; i++) {
		struct copy_slot *slot = &job->slots[i];

		slot->buf = job->verify_bufs + 2ul * i * job->buf_stride;
		slot->dst_buf = slot->buf + job->buf_stride;
		job->free_slots[job->nb_free++] = slot;
	}
}

static int differs(const struct pl_copy *job, const struct copy_slot *slot)
{
	uint32_t at = 0;

	while (slot->buf[at] == slot->dst_buf[at])
		at++;
	return pl_fail(-EILSEQ, "%s of %s is %02xh, but %02xh at %s of %s: the copy is wrong",
		       copy_end_byte(&job->dst, slot->dst_io.at + at).text, job->dst.name,
		       slot->dst_buf[at], slot->buf[at],
		       copy_end_pos(&job->src, slot->src_io.at + at).text, job->src.name);
}

static void read_done(struct pl_copy *job, const struct copy_end *end, const struct copy_io *io)
{
	struct copy_slot *slot = io->slot;

	if (io->error)
		copy_fail(job, end->ops->failed(end, io, " while verifying"));
	slot->failed |= io->error != 0;
	if (--slot->pending)
		return;
	slot->at = NULL;
	if (!slot->failed && memcmp(slot->buf, slot->dst_buf, slot->len) != 0) {
		copy_fail(job, differs(job, slot));
	} else if (!slot->failed) {
		job->stats.bytes_verified += slot->len;
		copy_range_set_add(&job->verified, slot->chunk);
	}
	job->free_slots[job->nb_free++] = slot;
}

static void start_read(struct copy_end *end, struct copy_io *io, uint8_t *buf, uint64_t at)
{
	io->buf = buf;
	io->at = at;
	io->len = io->slot->len;
	io->write = false;
	copy_end_queue(end, io);
}

/* What no read moves stays different, whatever the data: a word and its complement that nobody
 * knows. */
static void poison(struct copy_slot *slot)
{
	uint64_t word = rte_rand(), other = ~word;

	for (size_t i = 0; i < slot->len; i += 8) {
		memcpy(slot->buf + i, &word, 8);
		memcpy(slot->dst_buf + i, &other, 8);
	}
}

static void start_chunk(struct pl_copy *job, struct copy_slot *slot, uint64_t chunk)
{
	uint64_t at = chunk * job->plan.chunk;

	slot->chunk = chunk;
	slot->len = (uint32_t)copy_chunk_len(job, chunk);
	slot->pending = 2;
	slot->failed = false;
	slot->start = rte_rdtsc();
	slot->at = &job->dst;
	poison(slot);
	start_read(&job->src, &slot->src_io, slot->buf, at);
	start_read(&job->dst, &slot->dst_io, slot->dst_buf, at);
}

bool verify_round(struct pl_copy *job)
{
	struct copy_end *ends[] = { &job->src, &job->dst };
	bool go_on = !job->error && !job->cancelled;

	for (size_t e = 0; e < RTE_DIM(ends); e++) {
		struct copy_io *done[COPY_BURST];
		uint32_t n = ends[e]->ops->poll(ends[e], done, COPY_BURST);

		for (uint32_t i = 0; i < n; i++)
			read_done(job, ends[e], done[i]);
		if (n)
			job->last_progress = rte_rdtsc();
	}
	while (go_on && job->nb_free && job->next_chunk < job->plan.chunks)
		start_chunk(job, job->free_slots[--job->nb_free], job->next_chunk++);
	copy_end_flush(&job->src);
	copy_end_flush(&job->dst);
	return job->nb_free < job->verify_depth || (go_on && job->next_chunk < job->plan.chunks);
}
