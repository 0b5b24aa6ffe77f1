/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Did the data land? A read whose data goes to another device's memory consists of posted writes,
 * which nobody answers: an IOMMU that refuses them or a peer that was reset drops them, and the
 * command still completes with status 0. So the last 8 bytes of every unit of the target hold a
 * random nonce before the command, and the data (or nothing) after it. The load that looks also
 * keeps the doorbell of the following write behind the data it saw. What it sees may be a dead
 * provider's zeros: pipeline.c asks for that afterwards.
 */
#include <inttypes.h>

#include <rte_common.h>
#include <rte_random.h>

#include <peerlane/pl_devmem.h>

#include "copy_internal.h"
#include "pl_log.h"

/* Where the data of a chunk ends, in whole words: the end of a file need not be a multiple of 8,
 * but its device writes the block to the end. */
static size_t words_end(const struct copy_slot *slot)
{
	return RTE_ALIGN_CEIL((size_t)slot->len, 8);
}

/* Where the nonce of the unit at @from is: its last 8 bytes. */
static uint64_t *stamp(const struct pl_copy *job, const struct copy_slot *slot, size_t from)
{
	return (uint64_t *)(slot->buf + RTE_MIN(from + job->unit, words_end(slot)) - 8);
}

void landing_stamp(const struct pl_copy *job, struct copy_slot *slot)
{
	slot->nonce = rte_rand();
	slot->landed = 0;
	for (size_t from = 0; from < slot->len; from += job->unit)
		pl_devmem_write64(stamp(job, slot, from), slot->nonce);
}

/* The load comes back after every stamp before it, so no stamp can land on top of data. */
int landing_flush(struct pl_copy *job, const struct copy_slot *last)
{
	uint64_t seen = pl_devmem_read64(last->buf + words_end(last) - 8);

	job->stats.device_reads++;
	if (seen == last->nonce)
		return 0;
	return pl_fail(-EREMOTEIO,
		       "the memory of %s does not hold what was written to it (%016" PRIx64
		       " instead of %016" PRIx64 "): the device was reset or its mapping revoked",
		       job->plan.provider, seen, last->nonce);
}

bool landing_arrived(struct pl_copy *job, struct copy_slot *slot)
{
	/* A nonce that is gone stays so: the next look begins where this one ends. */
	for (; slot->landed < slot->len; slot->landed += (uint32_t)job->unit) {
		job->stats.device_reads++;
		if (pl_devmem_read64(stamp(job, slot, slot->landed)) == slot->nonce) {
			job->stats.landing_retries++;
			return false;
		}
	}
	return true;
}

/* Data may still be on its way when the completion is seen, but not for so long. @now: before the
 * last look. */
bool landing_overdue(const struct pl_copy *job, const struct copy_slot *slot, uint64_t now)
{
	return now - slot->completed >= job->suspect;
}

int landing_lost(const struct pl_copy *job, const struct copy_slot *slot)
{
	return pl_fail(
		-EREMOTEIO,
		"data did not land: %u bytes read at %s never reached "
		"the memory of %s although the read completed with status 0; its mapping was "
		"revoked or the fabric dropped the writes. Nothing of this chunk was written",
		slot->len, copy_end_pos(&job->src, slot->src_io.at).text, job->plan.provider);
}
