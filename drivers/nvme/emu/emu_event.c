/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous Event Requests (5.2), and Abort (5.1), which concerns only them. */
#include <string.h>

#include "emu.h"

#define LID_ERROR 0x01u

void emu_events_reset(struct emu_ctrlr *c)
{
	c->nb_aers = 0;
	c->nb_events = 0;
	c->events_masked = false;
}

/* Hands events to requests. After one the type is masked until its log page was read. */
void emu_events_post(struct emu_ctrlr *c)
{
	struct emu_sq *admin = &c->sqs[0];
	struct emu_fault_hits hits;

	while (emu_fault_armed(&c->faults, EMU_FAULT_AT_EVENT) && c->nb_aers > 0 &&
	       emu_cq_room(c, admin->cq) > 0 &&
	       emu_fault_at(&c->faults, EMU_FAULT_AT_EVENT, 0, NULL, &hits))
		emu_cq_post(c, admin, c->aers[--c->nb_aers], LID_ERROR << 16, NVME_SC_SUCCESS);
	if (c->nb_events == 0 || c->nb_aers == 0 || c->events_masked ||
	    emu_cq_room(c, admin->cq) == 0)
		return;
	emu_cq_post(c, admin, c->aers[--c->nb_aers], (uint32_t)c->events[0] << 8 | LID_ERROR << 16,
		    NVME_SC_SUCCESS);
	c->nb_events--;
	memmove(c->events, c->events + 1, c->nb_events);
	c->events_masked = true;
}

uint16_t emu_admin_aer(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;

	if (sqe->nsid != 0 || sqe->cdw10 != 0 || sqe->cdw11 != 0 || sqe->cdw12 != 0 ||
	    sqe->cdw13 != 0 || sqe->cdw14 != 0 || sqe->cdw15 != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	if (c->nb_aers == EMU_AERS)
		return NVME_SC_AER_LIMIT_EXCEEDED;
	c->aers[c->nb_aers++] = sqe->cid;
	return EMU_PENDING;
}

/* Commands execute whole and in order, so only event requests are ever there to be aborted. */
uint16_t emu_admin_abort(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint32_t sqid = sqe->cdw10 & 0xffff;
	uint16_t cid = (uint16_t)(sqe->cdw10 >> 16);

	if (sqe->nsid != 0 || sqe->cdw11 != 0 || sqe->cdw12 != 0 || sqe->cdw13 != 0 ||
	    sqe->cdw14 != 0 || sqe->cdw15 != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	cmd->dw0 = 1; /* not aborted */
	for (uint32_t i = 0; sqid == 0 && i < c->nb_aers; i++) {
		/* The Abort's own completion needs a place as well. */
		if (c->aers[i] != cid || emu_cq_room(c, c->sqs[0].cq) < 2)
			continue;
		c->aers[i] = c->aers[--c->nb_aers];
		emu_cq_post(c, &c->sqs[0], cid, 0, NVME_SC_ABORT_REQUESTED);
		cmd->dw0 = 0;
		break;
	}
	return NVME_SC_SUCCESS;
}
