/* SPDX-License-Identifier: BSD-3-Clause */
/* A command's way: fetched, executed, completed; and what a rule has go wrong on it. */
#include <string.h>
#include <time.h>

#include "emu.h"

#define BATCH 16u /* SQEs fetched at once */

static void complete(struct emu_ctrlr *c, const struct emu_cmd *cmd, uint16_t status)
{
	if (status == EMU_PENDING)
		return;
	if (status != NVME_SC_SUCCESS)
		emu_log_error(c, cmd, status);
	cmd->sq->last_cid = cmd->sqe.cid;
	emu_cq_post(c, cmd->sq, cmd->sqe.cid, cmd->dw0, status);
}

/* What becomes of a command that a rule was due for. */
enum fate {
	EXECUTED,
	REFUSED, /* it has been answered, or never will be */
	LAST,    /* nor is what was fetched with it: the controller is not what it was */
};

static enum fate fate_of(struct emu_ctrlr *c, struct emu_cmd *cmd,
			 const struct emu_fault_rule *rule)
{
	switch (rule->action) {
	case EMU_FAULT_STATUS:
		complete(c, cmd, (uint16_t)rule->arg);
		return REFUSED;
	case EMU_FAULT_REPEAT:
		emu_cq_post(c, cmd->sq, cmd->sq->last_cid, 0, NVME_SC_SUCCESS);
		return REFUSED;
	case EMU_FAULT_MEDIUM:
		cmd->medium_fails = true;
		return EXECUTED;
	case EMU_FAULT_PART:
	case EMU_FAULT_PART_LATE:
		c->part.armed = true;
		c->part.late = rule->action == EMU_FAULT_PART_LATE;
		c->part.offset = rule->offset;
		c->part.len = (uint32_t)rule->arg;
		c->part.addr = 0;
		return EXECUTED;
	case EMU_FAULT_CFS:
		emu_fail(c);
		return LAST;
	default:
		emu_break(c, rule->action);
		return LAST;
	}
}

static void scribble(struct emu_ctrlr *c)
{
	uint64_t at = 0;

	/* A DMA section for each page: a section is short. */
	for (;; at += EMU_PAGE) {
		struct emu_piece piece;

		pl_soft_begin(c->dma);
		at = pl_soft_next(c->dma, at);
		if (at != UINT64_MAX && !emu_cq_at(c, at) &&
		    emu_dma_piece(c, at, EMU_PAGE, PL_IOMMU_WRITE, ~0u, &piece) ==
			    NVME_SC_SUCCESS &&
		    piece.host)
			memset(piece.host, 0x41, piece.len);
		pl_soft_end(c->dma);
		if (at == UINT64_MAX)
			return;
	}
}

/* Rules for a command that was executed with @status; returns what its completion says. */
static uint16_t falsify(struct emu_ctrlr *c, const struct emu_cmd *cmd, uint16_t status)
{
	struct emu_fault_hits hits;
	bool said = status == EMU_PENDING; /* that one has no completion yet */

	if (said ||
	    !emu_fault_at(&c->faults, EMU_FAULT_AT_COMPLETE, cmd->sq->q.id, &cmd->sqe, &hits))
		return status;
	for (uint32_t i = 0; i < hits.nb; i++) {
		if (hits.rules[i].action == EMU_FAULT_SCRIBBLE) {
			scribble(c);
		} else if (!said) {
			status = (uint16_t)hits.rules[i].arg;
			said = true;
		}
	}
	return status;
}

static uint16_t run(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	return cmd->sq->q.id == 0 ? emu_admin(c, cmd) : emu_nvm(c, cmd);
}

/* As execute(), where something may have to go wrong. */
static bool __attribute__((noinline)) execute_armed(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct timespec delay = { .tv_nsec = 3000000 };
	enum fate fate = EXECUTED;
	struct emu_fault_hits hits;

	(void)emu_fault_at(&c->faults, EMU_FAULT_AT_COMMAND, cmd->sq->q.id, &cmd->sqe, &hits);
	for (uint32_t i = 0; i < hits.nb && fate == EXECUTED; i++)
		fate = fate_of(c, cmd, &hits.rules[i]);
	if (fate == EXECUTED)
		complete(c, cmd, falsify(c, cmd, run(c, cmd)));
	if (fate == EXECUTED && c->part.armed && c->part.late) {
		nanosleep(&delay, NULL);
		emu_data_part(c);
	}
	c->part.armed = false;
	return fate != LAST;
}

/* Returns whether the next command may follow. */
static bool execute(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	uint32_t next = cmd->sq->head + 1;

	cmd->dw0 = 0;
	cmd->medium_fails = false;
	__atomic_store_n(&cmd->sq->head, next == cmd->sq->q.size ? 0 : next, __ATOMIC_RELAXED);
	if (cmd->sq->q.id != 0)
		emu_add(&c->counters.io_commands, 1);
	if (emu_fault_any(&c->faults))
		return execute_armed(c, cmd);
	complete(c, cmd, run(c, cmd));
	return true;
}

/* Completions for commands that there may not be. */
static void post_bogus(struct emu_ctrlr *c, struct emu_sq *sq)
{
	struct emu_fault_hits hits;

	if (emu_cq_room(c, sq->cq) == 0 ||
	    !emu_fault_at(&c->faults, EMU_FAULT_AT_POLL, sq->q.id, NULL, &hits))
		return;
	for (uint32_t i = 0; i < hits.nb && emu_cq_room(c, sq->cq) > 0; i++)
		emu_cq_post(c, sq, (uint16_t)hits.rules[i].arg, 0, NVME_SC_SUCCESS);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Whether the commands that came are left waiting. The thread does not sleep: it has CC and the
 * other queues to look after. */
static bool delayed(struct emu_ctrlr *c, struct emu_sq *sq)
{
	uint32_t cleared = emu_fault_cleared(&c->faults);
	struct emu_fault_hits hits;

	if (sq->due == 0) {
		if (!emu_fault_at(&c->faults, EMU_FAULT_AT_FETCH, sq->q.id, NULL, &hits))
			return false;
		sq->due = now_ms() + hits.rules[0].arg;
		sq->due_cleared = cleared;
	}
	if (sq->due_cleared == cleared && now_ms() < sq->due)
		return true;
	sq->due = 0;
	return false;
}

bool emu_sq_poll(struct emu_ctrlr *c, struct emu_sq *sq)
{
	struct pl_nvme_sqe sqes[BATCH];
	struct emu_cmd cmd = { .sq = sq };
	uint32_t n, room;

	if (emu_fault_armed(&c->faults, EMU_FAULT_AT_POLL))
		post_bogus(c, sq);
	n = emu_sq_waiting(c, sq);
	if (n == 0 ||
	    ((sq->due || emu_fault_armed(&c->faults, EMU_FAULT_AT_FETCH)) && delayed(c, sq)))
		return false;
	/* Without room for its completion no command is begun. */
	room = emu_cq_room(c, sq->cq);
	n = n < room ? n : room;
	n = n < BATCH ? n : BATCH;
	if (n == 0)
		return false;
	if (emu_sq_fetch(c, sq, sqes, &n) != NVME_SC_SUCCESS) {
		emu_fail(c); /* it cannot know what it was told to do (9.5) */
		return false;
	}
	for (uint32_t i = 0; i < n && sq->q.exists && emu_running(c); i++) {
		cmd.sqe = sqes[i];
		if (!execute(c, &cmd))
			break;
	}
	return true;
}
