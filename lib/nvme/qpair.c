/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue pairs: their memory, and Create and Delete of their queues (5.3 to 5.6). */
#include <stdlib.h>
#include <string.h>

#include <rte_random.h>

#include "nvme_internal.h"
#include "pl_inject.h"
#include "pl_log.h"

#define DEFAULT_ENTRIES 256u
#define DEFAULT_MAX_XFER (1u << 20)

static void *ring_alloc(const struct pl_nvme_ctrlr *ctrlr, size_t len)
{
	return pl_mem_zalloc(len, ctrlr->t->numa_node);
}

/* What the controller only reads: an SQ or PRP lists. They may be asked to lie in its own CMB; host
 * memory of theirs no device can write. */
static int placed_alloc(const struct pl_nvme_ctrlr *ctrlr, size_t len, bool cmb, void **out)
{
	if (cmb)
		return pl_p2p_alloc(ctrlr->cmb.heap, len, NVME_PAGE_SIZE, out);
	*out = pl_mem_zalloc_ro(len, ctrlr->t->numa_node);
	return *out ? 0 : -ENOMEM;
}

static void placed_free(const struct pl_nvme_ctrlr *ctrlr, void *p, bool cmb)
{
	if (!cmb)
		pl_mem_free(p);
	else if (p)
		pl_p2p_free(ctrlr->cmb.heap, p);
}

void nvme_rings_reset(struct pl_nvme_qpair *qp)
{
	/* Generations go on: a completion from before a reset answers nothing either. */
	for (uint32_t i = 0; i <= qp->slot_mask; i++)
		qp->cid_of[i] = NVME_CID_FREE | (uint16_t)(qp->cid_of[i] + qp->slot_mask + 1);
	for (uint32_t i = 0; i < qp->nb_slots; i++)
		qp->free_slots[i] = (uint16_t)(qp->nb_slots - 1 - i);
	qp->nb_free = qp->nb_slots;
	/* The phase tag of the first round is 1, so the CQ must read 0 (4.6). */
	memset((void *)(uintptr_t)qp->cq, 0, qp->entries * sizeof(*qp->cq));
	qp->sqe = qp->sq;
	qp->cqe = qp->cq;
	qp->cq_phase = NVME_PHASE;
	qp->split = NULL;
	qp->blocked = 0;
	qp->error = 0;
}

static void set_doorbells(struct pl_nvme_qpair *qp)
{
	volatile uint32_t *base = qp->ctrlr->t->doorbells;

	qp->sq_tdbl = base + (2u * qp->qid) * qp->ctrlr->db_stride;
	qp->cq_hdbl = base + (2u * qp->qid + 1u) * qp->ctrlr->db_stride;
}

static int alloc_memory(struct pl_nvme_qpair *qp)
{
	const struct pl_nvme_ctrlr *ctrlr = qp->ctrlr;
	void *sq = NULL, *prp = NULL;
	int rc;

	qp->cq = ring_alloc(ctrlr, qp->entries * sizeof(*qp->cq));
	if (!qp->cq)
		return -ENOMEM;
	rc = placed_alloc(ctrlr, qp->entries * sizeof(*qp->sq), qp->sq_in_cmb, &sq);
	qp->sq = sq;
	if (rc == 0)
		rc = placed_alloc(ctrlr, (size_t)qp->nb_slots * qp->prp_stride, qp->prp_in_cmb,
				  &prp);
	qp->prp_pool = prp;
	return rc;
}

/* From the C library, which no device can reach; the pages are those of the thread's node that
 * writes to them first, which is this one. */
static struct pl_nvme_qpair *qpair_alloc(uint32_t entries)
{
	struct pl_nvme_qpair *qp =
		pl_inject_hit() ? NULL : aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*qp));

	if (!qp)
		return NULL;
	memset(qp, 0, offsetof(struct pl_nvme_qpair, cid_of));
	qp->entries = entries;
	qp->nb_slots = entries - 1; /* a full queue has one free entry (4.1) */
	qp->slot_mask = rte_align32pow2(entries) - 1;
	qp->cid_next = NVME_CID_FREE | (uint32_t)(qp->slot_mask + 1);
	for (uint32_t i = 0; i <= qp->slot_mask; i++)
		qp->cid_of[i] = ((uint16_t)rte_rand() & ~(uint32_t)qp->slot_mask) | i;
	return qp;
}

int nvme_rings_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries, uint32_t max_xfer,
		     const struct pl_nvme_qpair_opts *opts, struct pl_nvme_qpair **out)
{
	struct pl_nvme_qpair *qp = qpair_alloc(entries);
	int rc;

	if (!qp)
		return pl_fail(-ENOMEM, "%s: queue %u: no memory for what it keeps of its commands",
			       ctrlr->info.name, qid);
	qp->ctrlr = ctrlr;
	qp->ns_tag = ctrlr->ns_tag;
	qp->qid = qid;
	qp->max_xfer = max_xfer;
	qp->prp_stride = nvme_prp_list_bytes(max_xfer);
	qp->sq_in_cmb = opts->sq_in_cmb != 0;
	qp->prp_in_cmb = opts->prp_in_cmb != 0;
	rc = alloc_memory(qp);
	if (rc) {
		pl_fail(rc, "%s: queue %u of %u entries and its PRP lists: %s", ctrlr->info.name, qid,
			entries, pl_errmsg());
		nvme_rings_free(qp);
		return rc;
	}
	qp->sq_end = qp->sq + entries;
	qp->cq_end = qp->cq + entries;
	set_doorbells(qp);
	nvme_rings_reset(qp);
	*out = qp;
	return 0;
}

void nvme_rings_free(struct pl_nvme_qpair *qp)
{
	if (!qp)
		return;
	placed_free(qp->ctrlr, qp->prp_pool, qp->prp_in_cmb);
	placed_free(qp->ctrlr, qp->sq, qp->sq_in_cmb);
	pl_mem_free((void *)(uintptr_t)qp->cq);
	free(qp);
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

static int create_queues(struct pl_nvme_qpair *qp)
{
	uint32_t size_id = (qp->entries - 1) << 16 | qp->qid;
	struct pl_nvme_sqe cq = {
		.opc = NVME_ADM_CREATE_CQ,
		.prp1 = (uintptr_t)qp->cq,
		.cdw10 = size_id,
		.cdw11 = 1, /* physically contiguous, no interrupt */
	};
	struct pl_nvme_sqe sq = {
		.opc = NVME_ADM_CREATE_SQ,
		.prp1 = (uintptr_t)qp->sq,
		.cdw10 = size_id,
		.cdw11 = 1u | (uint32_t)qp->qid << 16,
	};
	/* The data pointer is the ring's address, not a transfer: one page's worth of length. */
	int rc = nvme_admin_locked(qp->ctrlr, &cq, (void *)(uintptr_t)qp->cq, 1, NULL, NULL);

	/* Unless it refused, the controller may know the queue: an answer may be late. */
	qp->created_cq = rc != -EIO;
	if (rc)
		return rc;
	rc = nvme_admin_locked(qp->ctrlr, &sq, qp->sq, 1, NULL, NULL);
	qp->created_sq = rc != -EIO;
	return rc;
}

/* True if the controller can no longer touch the rings. */
static bool delete_queues(struct pl_nvme_qpair *qp)
{
	struct pl_nvme_sqe sq = { .opc = NVME_ADM_DELETE_SQ, .cdw10 = qp->qid };
	struct pl_nvme_sqe cq = { .opc = NVME_ADM_DELETE_CQ, .cdw10 = qp->qid };

	if (qp->ctrlr->failed) /* what said so keeps its message */
		return qp->ctrlr->no_dma || (!qp->created_sq && !qp->created_cq);
	if (qp->created_sq && nvme_admin_locked(qp->ctrlr, &sq, NULL, 0, NULL, NULL))
		return qp->ctrlr->no_dma; /* it failed, and was stopped, just now */
	qp->created_sq = false;
	if (qp->created_cq && nvme_admin_locked(qp->ctrlr, &cq, NULL, 0, NULL, NULL))
		return qp->ctrlr->no_dma;
	qp->created_cq = false;
	return true;
}

/* Nothing the device may still touch is freed: what cannot be deleted waits for its removal.
 * Returns true if the queues are gone, and with them every access to the ops' buffers. */
static bool drop_locked(struct pl_nvme_qpair *qp)
{
	struct pl_nvme_ctrlr *ctrlr = qp->ctrlr;

	if (delete_queues(qp)) {
		put_qid(ctrlr, qp->qid);
		nvme_rings_free(qp);
		return true;
	}
	PL_LOG(WARNING, "%s: queue %u could not be deleted; its memory is kept until the device is "
	       "removed", ctrlr->info.name, qp->qid);
	LIST_INSERT_HEAD(&ctrlr->zombies, qp, link);
	return false;
}

static int check_opts(const struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_qpair_opts *given,
		      struct pl_nvme_qpair_opts *opts)
{
	const struct pl_nvme_ctrlr_info *info = &ctrlr->info;

	memset(opts, 0, sizeof(*opts));
	if (given) {
		if (given->opts_size < sizeof(size_t) || given->opts_size > sizeof(*opts))
			return pl_fail(-EINVAL, "%s: opts_size %zu is not one this library knows",
				       info->name, given->opts_size);
		memcpy(opts, given, given->opts_size);
	}
	opts->sq_in_cmb |= ctrlr->t->sq_in_cmb;
	opts->prp_in_cmb |= ctrlr->t->prp_in_cmb;
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
	if (opts->sq_in_cmb && (!ctrlr->cmb.heap || !(info->cmbsz & NVME_CMBSZ_SQS)))
		return pl_fail(-ENOTSUP, "%s: no submission queue in its CMB: CMBSZ.SQS is %s",
			       info->name, ctrlr->cmb.heap ? "0" : "moot without a CMB");
	if (opts->prp_in_cmb && (!ctrlr->cmb.heap || !(info->cmbsz & NVME_CMBSZ_LISTS)))
		return pl_fail(-ENOTSUP, "%s: no PRP lists in its CMB: CMBSZ.LISTS is %s",
			       info->name, ctrlr->cmb.heap ? "0" : "moot without a CMB");
	if (opts->prp_in_cmb && !opts->sq_in_cmb && !(info->cmbloc & NVME_CMBLOC_CDPCILS))
		return pl_fail(-ENOTSUP, "%s: PRP lists in its CMB only of commands that are there too "
			       "(CMBLOC.CDPCILS is 0): use sq=cmb as well", info->name);
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
	rc = ctrlr->failed ? pl_fail(-ENODEV, "%s: the controller failed before", ctrlr->info.name) :
			     take_qid(ctrlr, &qid);
	if (rc)
		goto unlock;
	rc = nvme_rings_alloc(ctrlr, qid, opts.depth, opts.max_xfer, &opts, &qp);
	if (rc) {
		put_qid(ctrlr, qid);
		goto unlock;
	}
	rc = create_queues(qp);
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

void nvme_qpairs_leave_cmb(struct pl_nvme_ctrlr *ctrlr)
{
	struct nvme_qpair_list *lists[] = { &ctrlr->qpairs, &ctrlr->zombies };
	struct pl_nvme_qpair *qp;

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		LIST_FOREACH(qp, lists[i], link) {
			if (qp->prp_in_cmb) {
				pl_p2p_free(ctrlr->cmb.heap, qp->prp_pool);
				qp->prp_pool = NULL;
			}
			if (qp->sq_in_cmb) {
				pl_p2p_free(ctrlr->cmb.heap, qp->sq);
				qp->sq = NULL;
			}
		}
}

void nvme_qpairs_free_all(struct pl_nvme_ctrlr *ctrlr)
{
	struct nvme_qpair_list *lists[] = { &ctrlr->qpairs, &ctrlr->zombies };

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		while (!LIST_EMPTY(lists[i])) {
			struct pl_nvme_qpair *qp = LIST_FIRST(lists[i]);

			LIST_REMOVE(qp, link);
			put_qid(ctrlr, qp->qid);
			nvme_rings_free(qp);
		}
}

void pl_nvme_qpair_stats(const struct pl_nvme_qpair *qp, struct pl_nvme_qpair_stats *stats)
{
	*stats = qp->stats;
	stats->in_flight = qp->nb_slots - qp->nb_free;
	stats->completions = stats->commands - stats->in_flight;
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
