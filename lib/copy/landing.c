/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Did the data land? A read whose data goes to another device's memory consists of posted writes,
 * which nobody answers: an IOMMU that refuses them or a peer that was reset drops them, and the
 * command still completes with status 0. So the last 8 bytes of the target hold a random nonce
 * before the command, and the data (or nothing) after it. The load that looks also keeps the
 * doorbell of the following write behind the data it saw.
 */
#include <inttypes.h>

#include <rte_common.h>
#include <rte_random.h>

#include <peerlane/pl_devmem.h>

#include "copy_internal.h"
#include "pl_log.h"

/* Data may still be on its way when the completion is seen: look again that often, which on the
 * slowest fabric (a microsecond a load) is ten milliseconds. */
#define LANDING_RETRIES 10000u

/* A chunk larger than the source's commands is several transfers, each of which may be lost by
 * itself: the last 8 bytes of every one of them. */
static uint64_t *stamp(const struct pl_copy *job, const struct copy_slot *slot, size_t from)
{
	size_t end = RTE_MIN(from + job->piece, (size_t)slot->len);

	return (uint64_t *)(slot->buf + end - 8);
}

void landing_stamp(const struct pl_copy *job, struct copy_slot *slot)
{
	slot->nonce = rte_rand();
	slot->retries = 0;
	for (size_t from = 0; from < slot->len; from += job->piece)
		pl_devmem_write64(stamp(job, slot, from), slot->nonce);
}

/* The load comes back after every stamp before it, so no stamp can land on top of data. */
int landing_flush(const struct pl_copy *job, const struct copy_slot *last)
{
	uint64_t seen = pl_devmem_read64(last->buf + last->len - 8);

	if (seen == last->nonce)
		return 0;
	return pl_fail(-EREMOTEIO, "the memory of %s does not hold what was written to it (%016" PRIx64
		       " instead of %016" PRIx64 "): the device was reset or its mapping revoked",
		       job->plan.provider, seen, last->nonce);
}

bool landing_arrived(struct pl_copy *job, struct copy_slot *slot)
{
	for (size_t from = 0; from < slot->len; from += job->piece) {
		if (pl_devmem_read64(stamp(job, slot, from)) != slot->nonce)
			continue;
		slot->retries++;
		job->stats.landing_retries++;
		return false;
	}
	job->stats.landing_checks++;
	return true;
}

int landing_lost(const struct pl_copy *job, const struct copy_slot *slot)
{
	if (slot->retries < LANDING_RETRIES)
		return 0;
	return pl_fail(-EREMOTEIO, "data did not land: %u bytes read at %s never reached "
		       "the memory of %s although the read completed with status 0; its mapping was "
		       "revoked or the fabric dropped the writes. Nothing of this chunk was written",
		       slot->len, copy_end_pos(&job->src, slot->src_io.at).text, job->plan.provider);
}
