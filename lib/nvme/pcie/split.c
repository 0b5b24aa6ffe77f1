/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the burst loops of io.c leave aside: ops larger than a command may be, and commands whose
 * data is not logical blocks. A split op is accepted whole; its commands are issued as identifiers
 * come free, and until the last one is issued the queue pair accepts nothing else, so ops larger
 * than the queue work and order of issue is kept.
 */
#include "nvme_pcie.h"
#include "pl_log.h"

/* Builds one command: the SQE's dwords, an identifier and the data pointer. */
void nvme_submit_sqe(struct pl_nvme_qpair *qp, struct pl_nvme_op *op, uint32_t kind,
		     const struct pl_nvme_sqe *sqe, uint64_t va, uint64_t len)
{
	uint32_t slot = qp->free_slots[--qp->nb_free];
	uint32_t cid = (uint16_t)qp->cid_of[slot];
	volatile ring_qword *q = (volatile ring_qword *)qp->sqe;
	const ring_qword *from = (const ring_qword *)sqe;

	qp->cid_of[slot] = cid | kind;
	qp->op_of[slot] = op;
	q[0] = (from[0] & ~0xffff0000ull) | cid << 16;
	q[1] = from[1];
	q[2] = from[2];
	q[3] = len ? va : 0;
	q[4] = len ? nvme_prp2(qp, slot, va, len) : 0;
	q[5] = from[5];
	q[6] = from[6];
	q[7] = from[7];
	if (++qp->sqe == qp->sq_end)
		qp->sqe = qp->sq;
	qp->stats.commands++;
}

static int refuse(struct pl_nvme_qpair *qp, const struct pl_nvme_op *op, const char *why)
{
	qp->error = pl_fail(
		-EINVAL, "%s: op with opcode %02xh, %u blocks at LBA %llu, buffer %p: %s",
		qp->ctrlr->info.name, op->opc, op->nlb, (unsigned long long)op->slba, op->buf, why);
	return qp->error;
}

/* LBAs one command of this op may have that begins at @slba. */
static uint32_t command_nlb(const struct pl_nvme_qpair *qp, const struct pl_nvme_op *op,
			    uint64_t slba)
{
	const struct pl_nvme_ns *ns = op->ns;
	uint32_t nlb = op->opc == NVME_CMD_WRITE_ZEROES ? NVME_MAX_COMMAND_NLB
							: (uint32_t)(qp->max_xfer >> ns->lba_shift);

	nlb = RTE_MIN(nlb, NVME_MAX_COMMAND_NLB);
	/* Zone sizes are no powers of two by rule: the division is the zoned namespaces' own. */
	if (ns->zone_nlb)
		nlb = (uint32_t)RTE_MIN(nlb, ns->zone_nlb - slba % ns->zone_nlb);
	return nlb;
}

/* What the commands that name blocks have in common; Copy's are its destination and its ranges. */
static struct pl_nvme_sqe block_sqe(const struct pl_nvme_op *op, uint64_t slba, uint32_t nlb)
{
	return (struct pl_nvme_sqe){
		.opc = op->opc,
		.nsid = (uint32_t)(op->ns->sqe0 >> 32),
		.cdw10 = (uint32_t)slba,
		.cdw11 = (uint32_t)(slba >> 32),
		.cdw12 = (nlb - 1) | (uint32_t)op->control << 16,
	};
}

static void split_one(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	uint64_t slba = op->slba + op->issued;
	uint32_t nlb = RTE_MIN(command_nlb(qp, op, slba), op->nlb - op->issued);
	bool has_data = op->opc != NVME_CMD_WRITE_ZEROES;
	struct pl_nvme_sqe sqe = block_sqe(op, slba, nlb);

	nvme_submit_sqe(qp, op, NVME_CID_SPLIT, &sqe,
			(uintptr_t)op->buf + ((uint64_t)op->issued << op->ns->lba_shift),
			has_data ? (uint64_t)nlb << op->ns->lba_shift : 0);
	op->issued += nlb;
	op->split++;
}

static void split_issued(struct pl_nvme_qpair *qp)
{
	qp->split = NULL;
	qp->blocked &= ~NVME_BLOCKED_SPLIT; /* a stopped queue pair stays stopped */
}

static void split_issue(struct pl_nvme_qpair *qp)
{
	struct pl_nvme_op *op = qp->split;

	while (qp->nb_free && op->issued < op->nlb)
		split_one(qp, op);
	if (op->issued == op->nlb)
		split_issued(qp);
}

void nvme_split_issue(struct pl_nvme_qpair *qp)
{
	const struct pl_nvme_sqe *tail = qp->sqe;

	if (nvme_qpair_stopped(qp))
		return;
	split_issue(qp);
	if (qp->sqe != tail)
		nvme_ring_sq(qp);
}

struct pl_nvme_op *nvme_split_complete(struct pl_nvme_qpair *qp, struct pl_nvme_op *op,
				       uint16_t status, uint32_t result)
{
	op->split--;
	if (status && !op->status) {
		/* The first error decides; what was not issued yet is not worth sending. */
		op->status = status;
		op->result = result;
		if (qp->split == op)
			split_issued(qp);
		op->issued = op->nlb;
	}
	return op->split == 0 && op->issued == op->nlb ? op : NULL;
}

/* A read, write or compare that one command can carry, with whatever list it needs. */
static int submit_whole(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	struct pl_nvme_sqe sqe = block_sqe(op, op->slba, op->nlb);

	nvme_submit_sqe(qp, op, 0, &sqe, (uintptr_t)op->buf,
			(uint64_t)op->nlb << op->ns->lba_shift);
	return 1;
}

static int submit_split(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	/* No controller would do it as one command; in parts it would begin again at LBA 0. */
	if (op->nlb > command_nlb(qp, op, op->slba) && op->slba > UINT64_MAX - op->nlb)
		return refuse(qp, op, "it ends behind the last LBA there can be");
	op->split = 0;
	op->issued = 0;
	op->status = 0;
	op->result = 0;
	qp->split = op;
	qp->blocked |= NVME_BLOCKED_SPLIT;
	split_issue(qp);
	return 1;
}

/* Commands whose data is a list of ranges: Dataset Management (6.7) and Copy (TP 4065). */
static int submit_ranges(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	bool copy = op->opc == NVME_CMD_COPY;
	uint64_t range =
		copy ? sizeof(struct pl_nvme_copy_range) : sizeof(struct pl_nvme_dsm_range);
	struct pl_nvme_sqe sqe = {
		.opc = op->opc,
		.nsid = (uint32_t)(op->ns->sqe0 >> 32),
		.cdw10 = op->nlb - 1,
		.cdw11 = op->control,
	};

	if (op->nlb > 256 || op->nlb * range > qp->max_xfer)
		return refuse(qp, op, "a command has at most 256 ranges");
	if (copy)
		sqe = block_sqe(op, op->slba, op->nlb);
	nvme_submit_sqe(qp, op, 0, &sqe, (uintptr_t)op->buf, op->nlb * range);
	return 1;
}

static int submit_flush(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	struct pl_nvme_sqe sqe = { .opc = op->opc, .nsid = (uint32_t)(op->ns->sqe0 >> 32) };

	nvme_submit_sqe(qp, op, 0, &sqe, 0, 0);
	return 1;
}

static bool has_buffer(const struct pl_nvme_op *op)
{
	return op->opc != NVME_CMD_FLUSH && op->opc != NVME_CMD_WRITE_ZEROES;
}

#ifndef NDEBUG
static uint64_t data_len(const struct pl_nvme_op *op)
{
	switch (op->opc) {
	case NVME_CMD_DSM:
		return op->nlb * sizeof(struct pl_nvme_dsm_range);
	case NVME_CMD_COPY:
		return op->nlb * sizeof(struct pl_nvme_copy_range);
	default:
		return (uint64_t)op->nlb << op->ns->lba_shift;
	}
}
#endif

int nvme_submit_slow(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	qp->error = 0;
	if (qp->nb_free == 0)
		return 0;
	if (op->ns->ctrlr != qp->ctrlr)
		return refuse(qp, op, "its namespace is another controller's");
	if (nvme_ns_retired(op->ns))
		return refuse(qp, op, "its namespace went with a reset, or is another one since");
	if (op->nlb == 0 && op->opc != NVME_CMD_FLUSH)
		return refuse(qp, op, "it has no blocks");
	if (has_buffer(op) && ((uintptr_t)op->buf & 3))
		return refuse(qp, op, "the buffer is not dword aligned");
	if (command_nlb(qp, op, op->slba) == 0)
		return refuse(qp, op, "a block is larger than the queue pair's max_xfer");
#ifndef NDEBUG
	if (has_buffer(op) && !pl_mem_registered(op->buf, data_len(op)))
		return refuse(qp, op, "the buffer is not registered; see pl_mem_register()");
#endif
	switch (op->opc) {
	case NVME_CMD_WRITE:
	case NVME_CMD_READ:
	case NVME_CMD_COMPARE:
		if (op->nlb <= command_nlb(qp, op, op->slba))
			return submit_whole(qp, op);
		return submit_split(qp, op);
	case NVME_CMD_WRITE_ZEROES:
		return submit_split(qp, op);
	case NVME_CMD_DSM:
	case NVME_CMD_COPY:
		return submit_ranges(qp, op);
	case NVME_CMD_FLUSH:
		return submit_flush(qp, op);
	default:
		return refuse(qp, op, "the opcode is not one that pl_nvme_submit() builds");
	}
}
