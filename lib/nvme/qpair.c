/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue pairs: their numbers, options and life, whatever carries their commands. */
#include <stdlib.h>
#include <string.h>

#include <rte_random.h>

#include "nvme_internal.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_opts.h"

#define DEFAULT_ENTRIES  256u
#define DEFAULT_MAX_XFER (1u << 20)

/* From the C library, which no device can reach; the pages are those of the thread's node that
 * writes to them first, which is this one. */
struct pl_nvme_qpair *nvme_qpair_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
				       uint32_t max_xfer)
{
	struct pl_nvme_qpair *qp = eal_aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*qp));

	if (!qp) {
		pl_fail(-ENOMEM, "%s: queue %u: no memory for what it keeps of its commands",
			ctrlr->info.name, qid);
		return NULL;
	}
	memset(qp, 0, offsetof(struct pl_nvme_qpair, cid_of));
	qp->ctrlr = ctrlr;
	qp->ops = ctrlr->t->ops;
	qp->ns_tag = ctrlr->ns_tag;
	qp->qid = qid;
	qp->max_xfer = max_xfer;
	qp->entries = entries;
	qp->nb_slots = entries - 1; /* a full queue has one free entry (4.1) */
	qp->slot_mask = rte_align32pow2(entries) - 1;
	qp->cid_next = NVME_CID_FREE | (uint32_t)(qp->slot_mask + 1);
	for (uint32_t i = 0; i <= qp->slot_mask; i++)
		qp->cid_of[i] = ((uint16_t)rte_rand() & ~(uint32_t)qp->slot_mask) | i;
	return qp;
}

void nvme_qpair_free(struct pl_nvme_qpair *qp)
{
	free(qp);
}

/*
 * The loops of rings and doorbells find a queue that takes nothing, and an entry that is new and
 * answers nothing: both are what they leave to others anyway.
 */
void nvme_qpair_divert(struct pl_nvme_qpair *qp)
{
	static const struct pl_nvme_cqe nobody;

	qp->cq = qp->cqe = &nobody;
	qp->cq_end = &nobody + 1;
	qp->cq_phase = 0;
	qp->slot_mask = 0;
	qp->cid_of[0] = NVME_CID_STOPPED;
	qp->blocked = NVME_BLOCKED_DIVERTED;
}

void nvme_qpair_release(struct pl_nvme_qpair *qp)
{
	if (qp)
		qp->ops->qpair_free(qp);
}

static int take_qid(struct pl_nvme_ctrlr *ctrlr, uint16_t *qid)
{
	for (uint16_t i = 1; i <= ctrlr->info.io_queues; i++) {
		uint64_t bit = 1ull << (i % 64);

		if (!(ctrlr->qid_used[i / 64] & bit)) {
			ctrlr->qid_used[i / 64] |= bit;
			*qid = i;
			return 0;
		}
	}
	return pl_fail(-ENOMEM, "%s: all %u queue pairs that the controller granted are in use",
		       ctrlr->info.name, ctrlr->info.io_queues);
}

static void put_qid(struct pl_nvme_ctrlr *ctrlr, uint16_t qid)
{
	ctrlr->qid_used[qid / 64] &= ~(1ull << (qid % 64));
}

/* Nothing the device may still touch is freed: what cannot be deleted waits for its removal.
 * Returns true if the queues are gone, and with them every access to the ops' buffers. */
static bool drop_locked(struct pl_nvme_qpair *qp)
{
	struct pl_nvme_ctrlr *ctrlr = qp->ctrlr;

	if (qp->ops->qpair_disconnect(qp)) {
		put_qid(ctrlr, qp->qid);
		nvme_qpair_release(qp);
		return true;
	}
	PL_LOG(WARNING,
	       "%s: queue %u could not be deleted; its memory is kept until the device is "
	       "removed",
	       ctrlr->info.name, qp->qid);
	LIST_INSERT_HEAD(&ctrlr->zombies, qp, link);
	return false;
}

static int check_opts(struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_qpair_opts *given,
		      struct pl_nvme_qpair_opts *opts)
{
	const struct pl_nvme_ctrlr_info *info = &ctrlr->info;
	int rc;

	memset(opts, 0, sizeof(*opts));
	rc = given ? pl_opts_take(opts, sizeof(*opts), given, given->opts_size,
				  "options of a queue pair")
		   : 0;
	if (rc)
		return pl_fail_more(rc, "%s: %s", info->name, pl_errmsg());
	if (opts->depth == 0)
		opts->depth = RTE_MIN(DEFAULT_ENTRIES, info->max_entries);
	if (opts->depth < 2 || opts->depth > info->max_entries)
		return pl_fail(-EINVAL, "%s: a queue of %u entries; the controller takes 2 to %u",
			       info->name, opts->depth, info->max_entries);
	if (opts->max_xfer == 0)
		opts->max_xfer = RTE_MIN(DEFAULT_MAX_XFER, info->max_xfer);
	if (opts->max_xfer < NVME_PAGE_SIZE || opts->max_xfer > info->max_xfer ||
	    opts->max_xfer % NVME_PAGE_SIZE)
		return pl_fail(-EINVAL, "%s: max_xfer %u; the form is a multiple of 4096 up to %u",
			       info->name, opts->max_xfer, info->max_xfer);
	if (ctrlr->t->ops->qpair_check)
		return ctrlr->t->ops->qpair_check(ctrlr, opts);
	if (opts->sq_in_cmb || opts->prp_in_cmb)
		return pl_fail(-ENOTSUP, "%s: no queues in its CMB: it has none", info->name);
	return 0;
}

int pl_nvme_qpair_create(struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_qpair_opts *given,
			 struct pl_nvme_qpair **out)
{
	struct pl_nvme_qpair_opts opts;
	struct pl_nvme_qpair *qp;
	uint16_t qid = 0;
	int rc;

	rc = check_opts(ctrlr, given, &opts);
	if (rc)
		return rc;
	pthread_mutex_lock(&ctrlr->admin_lock);
	rc = ctrlr->failed ? pl_fail_device(-ENODEV, ctrlr->info.name,
					    "%s: the controller failed before", ctrlr->info.name)
			   : take_qid(ctrlr, &qid);
	if (rc)
		goto unlock;
	rc = ctrlr->t->ops->qpair_alloc(ctrlr, qid, opts.depth, opts.max_xfer, &opts, &qp);
	if (rc) {
		put_qid(ctrlr, qid);
		goto unlock;
	}
	rc = qp->ops->qpair_connect(qp);
	if (rc) {
		drop_locked(qp);
		goto unlock;
	}
	LIST_INSERT_HEAD(&ctrlr->qpairs, qp, link);
	*out = qp;
unlock:
	pthread_mutex_unlock(&ctrlr->admin_lock);
	return rc;
}

static bool destroy(struct pl_nvme_qpair *qp, bool buffers_kept)
{
	struct pl_nvme_ctrlr *ctrlr;
	bool quiet;

	if (!qp)
		return true;
	ctrlr = qp->ctrlr;
	pthread_mutex_lock(&ctrlr->admin_lock);
	LIST_REMOVE(qp, link);
	quiet = drop_locked(qp);
	/* It may still work on ops whose buffers the caller frees next. */
	if (!quiet && !buffers_kept && qp->created_sq && !ctrlr->failed)
		nvme_ctrlr_fail(ctrlr);
	pthread_mutex_unlock(&ctrlr->admin_lock);
	return quiet;
}

bool nvme_qpair_quiesce(struct pl_nvme_qpair *qp)
{
	return destroy(qp, true);
}

void pl_nvme_qpair_destroy(struct pl_nvme_qpair *qp)
{
	destroy(qp, false);
}

void nvme_qpairs_free_all(struct pl_nvme_ctrlr *ctrlr)
{
	struct nvme_qpair_list *lists[] = { &ctrlr->qpairs, &ctrlr->zombies };

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		while (!LIST_EMPTY(lists[i])) {
			struct pl_nvme_qpair *qp = LIST_FIRST(lists[i]);

			LIST_REMOVE(qp, link);
			put_qid(ctrlr, qp->qid);
			nvme_qpair_release(qp);
		}
}

void pl_nvme_qpair_stats(const struct pl_nvme_qpair *qp, struct pl_nvme_qpair_stats *out,
			 size_t size)
{
	struct pl_nvme_qpair_stats stats = qp->stats;

	stats.in_flight = qp->nb_slots - qp->nb_free;
	stats.completions = stats.commands - stats.in_flight;
	pl_out_give(out, size, &stats, sizeof(stats));
}

uint32_t pl_nvme_qpair_depth(const struct pl_nvme_qpair *qp)
{
	return qp->entries;
}

uint32_t pl_nvme_qpair_max_xfer(const struct pl_nvme_qpair *qp)
{
	return (uint32_t)qp->max_xfer;
}

uint16_t pl_nvme_qpair_id(const struct pl_nvme_qpair *qp)
{
	return qp->qid;
}
