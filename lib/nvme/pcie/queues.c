/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings, PRP lists and doorbells of a queue pair, and Create and Delete of its queues (5.3 to 5.6).
 */
#include <string.h>

#include "nvme_pcie.h"
#include "pl_log.h"

static void *ring_alloc(const struct pl_nvme_ctrlr *ctrlr, size_t len)
{
	return pl_mem_zalloc(len, ctrlr->info.numa_node);
}

/* What the controller only reads: an SQ or PRP lists. They may be asked to lie in its own CMB; host
 * memory of theirs no device can write. */
static int placed_alloc(const struct pl_nvme_ctrlr *ctrlr, size_t len, bool cmb, void **out)
{
	if (cmb)
		return pl_p2p_alloc(ctrlr->cmb.heap, len, NVME_PAGE_SIZE, out);
	*out = pl_mem_zalloc_ro(len, ctrlr->info.numa_node);
	return *out ? 0 : -ENOMEM;
}

static void placed_free(const struct pl_nvme_ctrlr *ctrlr, void *p, bool cmb)
{
	if (!cmb)
		pl_mem_free(p);
	else if (p)
		pl_p2p_free(ctrlr->cmb.heap, p);
}

static void rings_reset(struct pl_nvme_qpair *qp)
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
	const struct nvme_pcie *p = nvme_pcie_of(qp->ctrlr);
	volatile uint32_t *base = p->func->doorbells;

	qp->sq_tdbl = base + (size_t)(2u * qp->qid) * p->db_stride;
	qp->cq_hdbl = base + (size_t)(2u * qp->qid + 1u) * p->db_stride;
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

int nvme_pcie_qpair_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
			  uint32_t max_xfer, const struct pl_nvme_qpair_opts *opts,
			  struct pl_nvme_qpair **out)
{
	struct pl_nvme_qpair *qp = nvme_qpair_alloc(ctrlr, qid, entries, max_xfer);
	int rc;

	if (!qp)
		return -ENOMEM;
	qp->prp_stride = nvme_prp_list_bytes(max_xfer);
	qp->sq_in_cmb = opts->sq_in_cmb != 0;
	qp->prp_in_cmb = opts->prp_in_cmb != 0;
	rc = alloc_memory(qp);
	if (rc) {
		pl_fail(rc, "%s: queue %u of %u entries and its PRP lists: %s", ctrlr->info.name,
			qid, entries, pl_errmsg());
		nvme_pcie_qpair_free(qp);
		return rc;
	}
	qp->sq_end = qp->sq + entries;
	qp->cq_end = qp->cq + entries;
	set_doorbells(qp);
	rings_reset(qp);
	*out = qp;
	return 0;
}

void nvme_pcie_qpair_free(struct pl_nvme_qpair *qp)
{
	placed_free(qp->ctrlr, qp->prp_pool, qp->prp_in_cmb);
	placed_free(qp->ctrlr, qp->sq, qp->sq_in_cmb);
	pl_mem_free((void *)(uintptr_t)qp->cq);
	nvme_qpair_free(qp);
}

int nvme_pcie_qpair_check(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_qpair_opts *opts)
{
	const struct pl_nvme_ctrlr_info *info = &ctrlr->info;
	const struct nvme_func *f = nvme_func_of(ctrlr);

	opts->sq_in_cmb |= f->sq_in_cmb;
	opts->prp_in_cmb |= f->prp_in_cmb;
	if (opts->sq_in_cmb && (!ctrlr->cmb.heap || !(info->cmbsz & NVME_CMBSZ_SQS)))
		return pl_fail(-ENOTSUP, "%s: no submission queue in its CMB: CMBSZ.SQS is %s",
			       info->name, ctrlr->cmb.heap ? "0" : "moot without a CMB");
	if (opts->prp_in_cmb && (!ctrlr->cmb.heap || !(info->cmbsz & NVME_CMBSZ_LISTS)))
		return pl_fail(-ENOTSUP, "%s: no PRP lists in its CMB: CMBSZ.LISTS is %s",
			       info->name, ctrlr->cmb.heap ? "0" : "moot without a CMB");
	if (opts->prp_in_cmb && !opts->sq_in_cmb && !(info->cmbloc & NVME_CMBLOC_CDPCILS))
		return pl_fail(-ENOTSUP,
			       "%s: PRP lists in its CMB only of commands that are there too "
			       "(CMBLOC.CDPCILS is 0): use sq=cmb as well",
			       info->name);
	return 0;
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

bool nvme_pcie_qpair_disconnect(struct pl_nvme_qpair *qp)
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

/* The admin queue is told by registers. */
static int admin_connect(struct pl_nvme_qpair *qp)
{
	struct nvme_func *f = nvme_func_of(qp->ctrlr);

	rings_reset(qp);
	set_doorbells(qp);
	f->ops->write32(f, NVME_REG_AQA, (qp->entries - 1) << 16 | (qp->entries - 1));
	f->ops->write64(f, NVME_REG_ASQ, (uintptr_t)qp->sq);
	f->ops->write64(f, NVME_REG_ACQ, (uintptr_t)qp->cq);
	return 0;
}

int nvme_pcie_qpair_connect(struct pl_nvme_qpair *qp)
{
	return qp->qid ? create_queues(qp) : admin_connect(qp);
}

void nvme_pcie_qpairs_leave_cmb(struct pl_nvme_ctrlr *ctrlr)
{
	struct nvme_qpair_list *lists[] = { &ctrlr->qpairs, &ctrlr->zombies };
	struct pl_nvme_qpair *qp;

	for (size_t i = 0; i < RTE_DIM(lists); i++)
		LIST_FOREACH (qp, lists[i], link) {
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
