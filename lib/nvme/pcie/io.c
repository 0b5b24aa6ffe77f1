/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path: submit and poll, for rings and doorbells without a call; what another transport
 * carries leaves by the doors that such a queue pair has for the unusual. Nothing here allocates,
 * locks, makes a system call, divides or translates; what can be decided at setup was. The one
 * branch per op that leaves the loop is on the op itself (its opcode, its size, its alignment).
 */
#include <rte_branch_prediction.h>

#include "nvme_pcie.h"
#include "pl_log.h"

static __rte_always_inline bool buffer_known(const void *buf, uint64_t len)
{
#ifdef NDEBUG
	(void)buf; /* the IOMMU stops what was never registered */
	(void)len;
	return true;
#else
	return pl_mem_registered(buf, len);
#endif
}

/*
 * Queues reads and writes of at most two pages from *at on, until another op comes or @stop; moves
 * *at there and returns how many. It calls nothing and keeps little, so that its state lives in
 * registers. The caller saw to it that there is an op, and a slot for each.
 *
 * Dwords 2 to 5 and 13 to 15 are zero in every command of an I/O queue and were zeroed with the
 * ring, so they are not stored again. Each store is 8 bytes: the ring may be a CMB.
 */
static __rte_always_inline uint32_t submit_fast(struct pl_nvme_qpair *qp,
						struct pl_nvme_op *const **at,
						struct pl_nvme_op *const *stop)
{
	volatile ring_qword *sqe = (volatile ring_qword *)qp->sqe;
	uint32_t nb_free = qp->nb_free, done;

	PL_STATIC_ASSERT(NVME_CMD_WRITE == 1 && NVME_CMD_READ == 2, "one test for both");
	do {
		struct pl_nvme_op *op = **at;
		const struct pl_nvme_ns *ns = op->ns;
		uint64_t va = (uintptr_t)op->buf, sqe0 = ns->sqe0 - qp->ns_tag;
		uint64_t last =
			((uint64_t)op->nlb << ns->lba_shift) - 1; /* offset of the last byte */
		uint32_t opc = op->opc, slot, cid;

		/* The lower half of sqe0 is 0 by now, or the namespace is another controller's. A
		 * length of zero wraps around and does not fit. */
		if (unlikely(opc + (uint32_t)sqe0 - 1 > 1 || (va & 3) || last >= qp->max_xfer) ||
		    !buffer_known(op->buf, last + 1))
			break;
		last += va;
		sqe[4] = 0;
		if ((last ^ va) >= NVME_PAGE_SIZE) {
			uint64_t page2 = (va | (NVME_PAGE_SIZE - 1)) + 1;

			if (unlikely(last - page2 >= NVME_PAGE_SIZE))
				break; /* it needs a list */
			sqe[4] = page2;
		}
		slot = qp->free_slots[--nb_free];
		cid = (uint16_t)qp->cid_of[slot];
		qp->cid_of[slot] = cid;
		qp->op_of[slot] = op;
		sqe[0] = (opc | cid << 16) | sqe0;
		sqe[3] = va;
		sqe[5] = op->slba;
		sqe[6] = (op->nlb - 1) | (uint32_t)op->control << 16;
		sqe += sizeof(struct pl_nvme_sqe) / sizeof(*sqe);
		if (unlikely(sqe == (volatile ring_qword *)qp->sq_end))
			sqe = (volatile ring_qword *)qp->sq;
	} while (++*at < stop);
	done = qp->nb_free - nb_free;
	qp->nb_free = nb_free;
	qp->stats.commands += done;
	qp->sqe = (struct pl_nvme_sqe *)(uintptr_t)sqe;
	return done;
}

/* More ops than slots, and ops that need a list, a split or a message. */
static uint16_t __attribute__((noinline))
submit_rest(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *at, struct pl_nvme_op *const *stop,
	    uint32_t done)
{
	const uint64_t before = qp->stats.commands - done;

	while (at < stop && nvme_submit_slow(qp, *at) == 1) {
		at++;
		done++;
		if (qp->blocked)
			break;
		if (at < stop && qp->nb_free)
			done += submit_fast(qp, &at,
					    at + RTE_MIN(stop - at, (ptrdiff_t)qp->nb_free));
	}
	if (qp->stats.commands != before)
		nvme_ring_sq(qp);
	return (uint16_t)done;
}

/* A queue pair that takes nothing, or is another transport's. */
static uint16_t __attribute__((noinline, cold))
submit_blocked(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *ops, uint16_t n)
{
	if (qp->blocked != NVME_BLOCKED_DIVERTED || n == 0)
		return 0;
	return qp->ops->submit(qp, ops, n);
}

uint16_t pl_nvme_submit(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *ops, uint16_t n)
{
	struct pl_nvme_op *const *stop = ops + n;
	uint32_t done;

	if (unlikely(qp->blocked || n == 0))
		return submit_blocked(qp, ops, n);
	if (unlikely(n > qp->nb_free))
		return submit_rest(qp, ops, stop, 0);
	done = submit_fast(qp, &ops, stop);
	if (unlikely(ops < stop))
		return submit_rest(qp, ops, stop, done);
	nvme_ring_sq(qp);
	return (uint16_t)done;
}

/* The controller answered a command that was never sent, or one for the second time: nothing it
 * says can be trusted, nor can what the entry is changed to afterwards. */
static void __attribute__((cold)) qpair_stop(struct pl_nvme_qpair *qp, uint32_t cid)
{
	qp->blocked |= NVME_BLOCKED_STOPPED;
	for (uint32_t i = 0; i <= qp->slot_mask; i++)
		qp->cid_of[i] |= NVME_CID_STOPPED;
	pl_fail(-EIO,
		"%s: queue %u: completion for command identifier %u, which is not in flight; the "
		"queue pair is stopped, reset the controller",
		qp->ctrlr->info.name, qp->qid, cid);
}

/*
 * Of the entry: its identifier, and NVME_PHASE above it if the entry is not a new one. So one
 * comparison with what is in flight tells a completion from all else: neither an old entry nor a
 * slot that is free, stopped or a split op's has a plain identifier.
 */
static __rte_always_inline uint32_t cqe_key(uint32_t dw3, uint32_t phase)
{
	return (dw3 ^ phase) & (NVME_PHASE | 0xffff);
}

static inline uint32_t cqe_dw3(const volatile struct pl_nvme_cqe *cqe)
{
	return *(const volatile ring_dword *)&cqe->cid;
}

/* Takes the op of the command in flight that has this slot. */
static __rte_always_inline struct pl_nvme_op *slot_free(struct pl_nvme_qpair *qp, size_t slot,
							uint32_t cid, size_t nb_free)
{
	/* The generation wraps: submit takes the lower 16 bits of the sum. */
	qp->cid_of[slot] = cid + qp->cid_next;
	qp->free_slots[nb_free] = (uint16_t)slot;
	return qp->op_of[slot];
}

/* Keeps where the loop stopped; returns how many entries it consumed. */
static __rte_always_inline uint32_t poll_keep(struct pl_nvme_qpair *qp,
					      const volatile struct pl_nvme_cqe *cqe,
					      uint32_t phase, uint32_t nb_free)
{
	uint32_t consumed = nb_free - qp->nb_free;

	qp->nb_free = nb_free;
	qp->cqe = cqe;
	qp->cq_phase = phase;
	return consumed;
}

static __rte_always_inline void ring_cq(struct pl_nvme_qpair *qp)
{
	*qp->cq_hdbl = (uint32_t)(qp->cqe - qp->cq);
	qp->stats.cq_doorbells++;
}

/* The slot on top goes down and another one comes up: which, the head @cqe tells, since it goes
 * through all numbers. @top: the last of those that are free. */
static __rte_always_inline void slots_turn(struct pl_nvme_qpair *qp, size_t top,
					   const volatile struct pl_nvme_cqe *cqe)
{
	size_t head = (size_t)(cqe - qp->cq);
	uint16_t slot = qp->free_slots[top];

	if (unlikely(head >= top))
		return;
	qp->free_slots[top] = qp->free_slots[head];
	qp->free_slots[head] = slot;
}

/* As the loop of pl_nvme_poll(), for what that leaves: parts of split ops, completions that name no
 * command, and queue pairs of other transports. @done ops were collected before @at. */
static uint16_t __attribute__((noinline))
poll_rest(struct pl_nvme_qpair *qp, struct pl_nvme_op **at, struct pl_nvme_op **stop, uint32_t done)
{
	const volatile struct pl_nvme_cqe *cqe = qp->cqe;
	uint32_t phase = qp->cq_phase, nb_free = qp->nb_free;

	if (qp->blocked & NVME_BLOCKED_DIVERTED)
		return nvme_qpair_stopped(qp) ? 0 : qp->ops->poll(qp, at, (uint16_t)(stop - at));
	while (at < stop && !nvme_qpair_stopped(qp)) {
		uint32_t dw3 = cqe_dw3(cqe), cid = cqe_key(dw3, phase);
		size_t slot = cid & qp->slot_mask;
		struct pl_nvme_op *op;
		uint32_t kind;

		if (cid & NVME_PHASE)
			break;
		rte_io_rmb();
		kind = qp->cid_of[slot] ^ cid; /* bits of another generation too */
		if (kind & ~NVME_CID_SPLIT) {
			qpair_stop(qp, cid);
			break;
		}
		op = slot_free(qp, slot, cid, nb_free++);
		if (kind == NVME_CID_SPLIT) {
			op = nvme_split_complete(qp, op, (uint16_t)(dw3 >> 17), cqe->dw0);
		} else {
			op->status = (uint16_t)(dw3 >> 17);
			op->result = cqe->dw0;
		}
		if (op) {
			*at++ = op;
			done++;
		}
		if (++cqe == qp->cq_end) {
			cqe = qp->cq;
			phase ^= NVME_PHASE;
		}
	}
	if (poll_keep(qp, cqe, phase, nb_free) || done)
		ring_cq(qp);
	if (qp->split)
		nvme_split_issue(qp);
	return (uint16_t)done;
}

uint16_t pl_nvme_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n)
{
	const volatile struct pl_nvme_cqe *cqe = qp->cqe;
	uint32_t phase = qp->cq_phase, done;
	size_t nb_free = qp->nb_free;
	struct pl_nvme_op **stop = ops + n;

	for (; ops < stop; ops++) {
		uint32_t dw3 = cqe_dw3(cqe), cid = cqe_key(dw3, phase);
		size_t slot = cid & qp->slot_mask;
		struct pl_nvme_op *op;

		if (unlikely(qp->cid_of[slot] != cid)) {
			if (likely(cid & NVME_PHASE))
				break;
			return poll_rest(qp, ops, stop,
					 poll_keep(qp, cqe, phase, (uint32_t)nb_free));
		}
		rte_io_rmb(); /* dword 0 was written before the phase tag */
		op = slot_free(qp, slot, cid, nb_free++);
		op->status = (uint16_t)(dw3 >> 17);
		op->result = cqe->dw0;
		*ops = op;
		if (unlikely(++cqe == qp->cq_end)) {
			cqe = qp->cq;
			phase ^= NVME_PHASE;
		}
	}
	done = poll_keep(qp, cqe, phase, (uint32_t)nb_free);
	if (done) {
		slots_turn(qp, nb_free - 1, cqe);
		ring_cq(qp);
	}
	return (uint16_t)done;
}

int pl_nvme_qpair_error(const struct pl_nvme_qpair *qp)
{
	return nvme_qpair_stopped(qp) ? -EIO : qp->error;
}
