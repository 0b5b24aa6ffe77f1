/* SPDX-License-Identifier: BSD-3-Clause */
/* Misbehaviour on demand, for tests of the host. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "emu.h"

static void set_flag(bool *flag, bool on)
{
	__atomic_store_n(flag, on, __ATOMIC_RELEASE);
}

void nvme_emu_inject(struct nvme_func *t, const struct nvme_emu_inject *inject)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	struct nvme_emu_inject in = *inject;

	if (in.count == 0)
		in.count = 1;
	pthread_mutex_lock(&c->lock);
	switch (in.fault) {
	case NVME_EMU_FAULT_NONE:
		c->inject_status.count = 0;
		c->inject_cid.count = 0;
		c->inject_latedup.count = 0;
		c->inject_drop = 0;
		c->inject_part.count = 0;
		c->nb_lies = 0;
		c->inject_scribble = false;
		set_flag(&c->armed, false);
		set_flag(&c->endless, false);
		__atomic_store_n(&c->slow_ms, 0, __ATOMIC_RELAXED);
		set_flag(&c->hang, false);
		set_flag(&c->stuck, false);
		set_flag(&c->gone, false);
		set_flag(&c->event_flood, false);
		break;
	case NVME_EMU_FAULT_STATUS:
		c->inject_status = in;
		set_flag(&c->armed, true);
		break;
	case NVME_EMU_FAULT_CID:
		in.count = 1;
		c->inject_cid = in;
		break;
	case NVME_EMU_FAULT_LATEDUP:
		c->inject_latedup = in;
		set_flag(&c->armed, true);
		break;
	case NVME_EMU_FAULT_DROP:
		c->inject_drop = in.count;
		set_flag(&c->armed, true);
		break;
	case NVME_EMU_FAULT_PART:
		c->inject_part = in;
		set_flag(&c->armed, true);
		break;
	case NVME_EMU_FAULT_STUCK:
		set_flag(&c->stuck, true);
		set_flag(&c->hang, true);
		break;
	case NVME_EMU_FAULT_HANG:
		set_flag(&c->hang, true);
		break;
	case NVME_EMU_FAULT_CFS:
		c->csts |= NVME_CSTS_CFS;
		break;
	case NVME_EMU_FAULT_GONE:
		set_flag(&c->gone, true);
		break;
	case NVME_EMU_FAULT_MEM:
		set_flag(&c->mem_off, true);
		break;
	case NVME_EMU_FAULT_IDENTIFY:
		assert(c->nb_lies < EMU_LIES && in.len <= sizeof(in.data) &&
		       in.offset + in.len <= EMU_PAGE);
		c->lies[c->nb_lies++] = in;
		break;
	case NVME_EMU_FAULT_NS_LIST:
		set_flag(&c->endless, true);
		break;
	case NVME_EMU_FAULT_SLOW:
		__atomic_store_n(&c->slow_ms, in.count, __ATOMIC_RELAXED);
		break;
	case NVME_EMU_FAULT_FLR:
		break;
	case NVME_EMU_FAULT_EVENTS:
		set_flag(&c->event_flood, true);
		break;
	case NVME_EMU_FAULT_SCRIBBLE:
		c->inject_scribble = true;
		set_flag(&c->armed, true);
		break;
	}
	set_flag(&c->attention, true);
	pthread_mutex_unlock(&c->lock);
	if (in.fault == NVME_EMU_FAULT_FLR)
		emu_function_reset(c);
	else if (in.fault == NVME_EMU_FAULT_MEM)
		emu_devmem_revoke(c);
}

/* With the lock held: nothing is armed any more once the last count ran out. */
static void disarm(struct emu_ctrlr *c)
{
	if (c->inject_status.count == 0 && c->inject_latedup.count == 0 && c->inject_drop == 0 &&
	    c->inject_part.count == 0 && !c->inject_scribble)
		set_flag(&c->armed, false);
}

bool emu_inject_status(struct emu_ctrlr *c, const struct emu_cmd *cmd, uint16_t *status)
{
	struct nvme_emu_inject *in = &c->inject_status;
	bool hit;

	pthread_mutex_lock(&c->lock);
	hit = in->count > 0 && in->opc == cmd->sqe.opc && (in->qid == 0) == (cmd->sq->q.id == 0);
	if (hit) {
		*status = in->status;
		in->count--;
		disarm(c);
	}
	pthread_mutex_unlock(&c->lock);
	return hit;
}

bool emu_inject_latedup(struct emu_ctrlr *c, const struct emu_cmd *cmd)
{
	struct nvme_emu_inject *in = &c->inject_latedup;
	bool hit;

	pthread_mutex_lock(&c->lock);
	hit = in->count > 0 && in->qid == cmd->sq->q.id;
	if (hit) {
		in->count--;
		disarm(c);
	}
	pthread_mutex_unlock(&c->lock);
	return hit;
}

bool emu_inject_drop(struct emu_ctrlr *c)
{
	bool hit;

	if (!__atomic_load_n(&c->armed, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&c->lock);
	hit = c->inject_drop > 0;
	if (hit) {
		c->inject_drop--;
		disarm(c);
	}
	pthread_mutex_unlock(&c->lock);
	return hit;
}

/* Leaves a part of this command's data out if one is to vanish. */
void emu_inject_part(struct emu_ctrlr *c, const struct emu_cmd *cmd)
{
	struct nvme_emu_inject *in = &c->inject_part;

	pthread_mutex_lock(&c->lock);
	if (in->count > 0 && cmd->sq->q.id != 0 && cmd->sqe.opc == NVME_CMD_READ) {
		c->part.armed = true;
		c->part.late = in->late;
		c->part.offset = in->offset;
		c->part.len = in->len;
		c->part.addr = 0;
		in->count--;
		disarm(c);
	}
	pthread_mutex_unlock(&c->lock);
}

void emu_inject_identify(struct emu_ctrlr *c, uint32_t cns, uint8_t *data)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < c->nb_lies; i++)
		if (c->lies[i].cns == cns)
			memcpy(data + c->lies[i].offset, c->lies[i].data, c->lies[i].len);
	pthread_mutex_unlock(&c->lock);
}

/* The thread does not sleep: it has CC and the other queues to look after. */
bool emu_inject_slow(struct emu_ctrlr *c)
{
	uint32_t ms = __atomic_load_n(&c->slow_ms, __ATOMIC_RELAXED);
	struct timespec ts;
	uint64_t now;

	if (ms == 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (c->slow_due == 0)
		c->slow_due = now + ms;
	if (now < c->slow_due)
		return true;
	c->slow_due = 0;
	return false;
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

void emu_inject_scribble(struct emu_ctrlr *c, const struct emu_cmd *cmd)
{
	bool hit;

	if (!__atomic_load_n(&c->armed, __ATOMIC_ACQUIRE) || cmd->sq->q.id == 0)
		return;
	pthread_mutex_lock(&c->lock);
	hit = c->inject_scribble;
	c->inject_scribble = false;
	disarm(c);
	pthread_mutex_unlock(&c->lock);
	if (hit)
		scribble(c);
}

/* On the device thread, after a fault was armed. */
void emu_inject_attend(struct emu_ctrlr *c)
{
	struct nvme_emu_inject cid;
	bool fatal;

	pthread_mutex_lock(&c->lock);
	cid = c->inject_cid;
	c->inject_cid.count = 0;
	fatal = (c->csts & NVME_CSTS_CFS) != 0;
	pthread_mutex_unlock(&c->lock);
	if (fatal)
		c->failed = true;
	if (cid.count > 0 && emu_running(c) && cid.qid <= EMU_MAX_IO_QUEUES &&
	    c->sqs[cid.qid].q.exists && emu_cq_room(c, c->sqs[cid.qid].cq) > 0)
		emu_cq_post(c, &c->sqs[cid.qid], cid.cid, 0, NVME_SC_SUCCESS);
}

void nvme_emu_counters(struct nvme_func *t, struct nvme_emu_counters *counters)
{
	const struct emu_ctrlr *c = emu_ctrlr(t);
	const struct nvme_emu_counters *from = &c->counters;

	counters->refused_bytes = __atomic_load_n(&from->refused_bytes, __ATOMIC_RELAXED);
	counters->dropped_bytes = __atomic_load_n(&from->dropped_bytes, __ATOMIC_RELAXED);
	counters->peer_writes = __atomic_load_n(&from->peer_writes, __ATOMIC_RELAXED);
	counters->io_commands = __atomic_load_n(&from->io_commands, __ATOMIC_RELAXED);
}
