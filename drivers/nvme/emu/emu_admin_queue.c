/* SPDX-License-Identifier: BSD-3-Clause */
/* Create and Delete I/O Submission and Completion Queue (5.3 to 5.6). */
#include <stdlib.h>

#include "emu.h"

#define CDW11_PC 0x1u

/* What both Create commands share: cdw10, cdw11.PC, the data pointer and reserved fields. */
static uint16_t create_check(const struct emu_ctrlr *c, const struct pl_nvme_sqe *sqe, bool exists)
{
	uint32_t qid = sqe->cdw10 & 0xffff, qsize = sqe->cdw10 >> 16;

	if (sqe->nsid != 0 || sqe->prp2 != 0 || sqe->cdw12 != 0 || sqe->cdw13 != 0 ||
	    sqe->cdw14 != 0 || sqe->cdw15 != 0)
		return NVME_SC_INVALID_FIELD;
	if (qid == 0 || qid > c->granted || exists)
		return NVME_SC_QID_INVALID;
	if (qsize == 0 || qsize > NVME_CAP_MQES(c->cap))
		return NVME_SC_QUEUE_SIZE_INVALID;
	if (sqe->prp1 % EMU_PAGE != 0)
		return NVME_SC_PRP_OFFSET_INVALID;
	if ((sqe->cdw11 & CDW11_PC) == 0 && c->conf.cqr)
		return NVME_SC_INVALID_FIELD;
	return NVME_SC_SUCCESS;
}

/* The pages of a queue that is not contiguous, from its PRP list. */
static uint16_t read_pages(struct emu_ctrlr *c, uint64_t list, size_t len, uint64_t **pages)
{
	uint64_t addr, n = 0;
	uint16_t status;
	size_t run;

	*pages = calloc((len + EMU_PAGE - 1) / EMU_PAGE, sizeof(**pages));
	if (*pages == NULL)
		return NVME_SC_INTERNAL_ERROR;
	emu_prp_init_list(&c->prp, list, len);
	pl_soft_begin(c->dma);
	do {
		status = emu_prp_next(c, &c->prp, &addr, &run);
		for (size_t off = 0; status == NVME_SC_SUCCESS && off < run; off += EMU_PAGE)
			(*pages)[n++] = addr + off;
	} while (status == NVME_SC_SUCCESS && run > 0);
	pl_soft_end(c->dma);
	if (status != NVME_SC_SUCCESS) {
		free(*pages);
		*pages = NULL;
	}
	return status;
}

/* Resolves where the queue lies; *@pages stays NULL if it is contiguous. */
static uint16_t locate(struct emu_ctrlr *c, const struct pl_nvme_sqe *sqe, uint32_t entry,
		       uint32_t right, uint64_t **pages)
{
	size_t len = ((sqe->cdw10 >> 16) + 1ul) * entry;
	uint16_t status;

	*pages = NULL;
	if (sqe->cdw11 & CDW11_PC)
		return emu_dma_own_check(c, sqe->prp1, len, right);
	status = read_pages(c, sqe->prp1, len, pages);
	for (size_t off = 0; status == NVME_SC_SUCCESS && off < len; off += EMU_PAGE)
		status = emu_dma_own_check(c, (*pages)[off / EMU_PAGE], EMU_PAGE, right);
	if (status != NVME_SC_SUCCESS) {
		free(*pages);
		*pages = NULL;
	}
	return status;
}

uint16_t emu_admin_create_cq(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint16_t qid = sqe->cdw10 & 0xffff;
	bool exists = qid <= EMU_MAX_IO_QUEUES && c->cqs[qid].q.exists;
	uint16_t status = create_check(c, sqe, exists);
	uint64_t *pages;

	if (status != NVME_SC_SUCCESS)
		return status;
	if ((sqe->cdw11 & 0xfffcu) != 0) /* neither PC nor IEN */
		return NVME_SC_INVALID_FIELD;
	if (sqe->cdw11 >> 16 > c->conf.queues)
		return NVME_SC_INVALID_IRQ_VECTOR;
	status = locate(c, sqe, sizeof(struct pl_nvme_cqe), NVME_CMBSZ_CQS, &pages);
	if (status != NVME_SC_SUCCESS)
		return status;
	emu_cq_open(c, qid, sqe->prp1, (sqe->cdw10 >> 16) + 1);
	c->cqs[qid].q.pages = pages;
	return NVME_SC_SUCCESS;
}

uint16_t emu_admin_create_sq(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint16_t qid = sqe->cdw10 & 0xffff;
	uint16_t cqid = (uint16_t)(sqe->cdw11 >> 16);
	bool exists = qid <= EMU_MAX_IO_QUEUES && c->sqs[qid].q.exists;
	uint16_t status = create_check(c, sqe, exists);
	uint64_t *pages;

	if (status != NVME_SC_SUCCESS)
		return status;
	/* QPRIO (2:1) is ignored: arbitration is round robin (5.4). */
	if ((sqe->cdw11 & 0xfff8u) != 0)
		return NVME_SC_INVALID_FIELD;
	if (cqid == 0 || cqid > c->granted)
		return NVME_SC_QID_INVALID;
	if (!c->cqs[cqid].q.exists)
		return NVME_SC_CQ_INVALID;
	status = locate(c, sqe, sizeof(struct pl_nvme_sqe), NVME_CMBSZ_SQS, &pages);
	if (status != NVME_SC_SUCCESS)
		return status;
	emu_sq_open(c, qid, sqe->prp1, (sqe->cdw10 >> 16) + 1, cqid);
	c->sqs[qid].q.pages = pages;
	return NVME_SC_SUCCESS;
}

static uint16_t delete_check(const struct pl_nvme_sqe *sqe)
{
	if (sqe->nsid != 0 || sqe->cdw10 >> 16 != 0 || sqe->cdw11 != 0 || sqe->cdw12 != 0 ||
	    sqe->cdw13 != 0 || sqe->cdw14 != 0 || sqe->cdw15 != 0)
		return NVME_SC_INVALID_FIELD;
	return emu_no_data(sqe);
}

uint16_t emu_admin_delete_sq(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	uint32_t qid = cmd->sqe.cdw10;
	uint16_t status = delete_check(&cmd->sqe);

	if (status != NVME_SC_SUCCESS)
		return status;
	if (qid == 0 || qid > EMU_MAX_IO_QUEUES || !c->sqs[qid].q.exists)
		return NVME_SC_QID_INVALID;
	/* Commands execute whole, so none is under way; those not fetched are forgotten. */
	emu_sq_close(c, &c->sqs[qid]);
	return NVME_SC_SUCCESS;
}

uint16_t emu_admin_delete_cq(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	uint32_t qid = cmd->sqe.cdw10;
	uint16_t status = delete_check(&cmd->sqe);

	if (status != NVME_SC_SUCCESS)
		return status;
	if (qid == 0 || qid > EMU_MAX_IO_QUEUES || !c->cqs[qid].q.exists)
		return NVME_SC_QID_INVALID;
	if (c->cqs[qid].nb_sqs > 0)
		return NVME_SC_QUEUE_DELETION_INVALID;
	emu_cq_close(c, &c->cqs[qid]);
	return NVME_SC_SUCCESS;
}
