/* SPDX-License-Identifier: BSD-3-Clause */
/* The error log (5.14.1.1), and the error events that wait for a request. */
#include <string.h>

#include "emu.h"

static struct emu_error *error_add(struct emu_ctrlr *c)
{
	struct emu_error *e = &c->errlog[c->nb_errors % EMU_ERRLOG];

	memset(e, 0, sizeof(*e));
	e->count = ++c->nb_errors;
	return e;
}

void emu_log_error(struct emu_ctrlr *c, const struct emu_cmd *cmd, uint16_t status)
{
	struct emu_error *e = error_add(c);

	e->sqid = cmd->sq->q.id;
	e->cid = cmd->sqe.cid;
	e->status = (uint16_t)(status << 1);
	e->location = 0xffff; /* not told */
	e->nsid = cmd->sqe.nsid;
	if (cmd->sq->q.id != 0)
		e->lba = cmd->sqe.cdw10 | (uint64_t)cmd->sqe.cdw11 << 32;
	if (NVME_SCT(status) == NVME_SCT(NVME_SC_WRITE_FAULT))
		c->media_errors += NVME_STATUS_CODE(status) != NVME_SC_COMPARE_FAILURE;
}

/* An error that belongs to no command. What finds no room is lost: the host has plenty to read. */
void emu_event(struct emu_ctrlr *c, uint8_t info)
{
	struct emu_error *e = error_add(c);

	e->sqid = 0xffff;
	e->cid = 0xffff;
	e->location = 0xffff;
	if (c->nb_events < EMU_EVENTS)
		c->events[c->nb_events++] = info;
}
