/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data phase of a command. The data pointer is resolved to memory first, as far as the vector
 * reaches, and moved then: a malformed PRP or a refused read leaves the medium as it was.
 */
#include <string.h>

#include <rte_common.h>

#include "emu.h"

struct xfer {
	struct emu_ctrlr *c;
	const struct emu_cmd *cmd;
	bool to_host;
	uint32_t right;
	uint64_t addr; /* what is left of the run */
	size_t len;
	size_t gap;   /* bytes that go nowhere */
	uint32_t n;   /* of c->iov */
	size_t moved; /* bytes they hold */
	bool peer;    /* a peer's memory was met... */
	bool drop;    /* ...and this command's writes to it are lost */
	size_t at;    /* bytes of the transfer before the next piece */
	bool part;    /* the gap is what c->part leaves out */
	size_t counts[PL_TRAFFIC_MEMS];
};

/* Cuts @piece where the part that does not move begins or ends; whether it is the part. */
static bool left_out(struct xfer *x, struct emu_piece *piece)
{
	struct emu_part *p = &x->c->part;
	size_t end = (size_t)p->offset + p->len;

	if (!p->armed || x->at >= end)
		return false;
	if (x->at < p->offset) {
		piece->len = RTE_MIN(piece->len, p->offset - x->at);
		return false;
	}
	piece->len = RTE_MIN(piece->len, end - x->at);
	p->addr = x->addr;
	p->moves = (uint32_t)piece->len;
	x->part = true;
	return true;
}

void emu_data_part(struct emu_ctrlr *c)
{
	struct emu_piece piece;

	pl_soft_begin(c->dma);
	if (c->part.addr &&
	    emu_dma_piece(c, c->part.addr, c->part.moves, PL_IOMMU_WRITE, NVME_CMBSZ_RDS, &piece) ==
		    NVME_SC_SUCCESS &&
	    piece.host)
		memcpy(piece.host, c->part.data, piece.len);
	pl_soft_end(c->dma);
}

/* A posted write that is refused or lost: the device never learns of it. */
static bool lost(struct xfer *x, const struct emu_piece *piece)
{
	struct emu_ctrlr *c = x->c;
	struct emu_fault_hits hits;

	if (piece->host == NULL) {
		emu_add(&c->counters.refused_bytes, piece->len);
		return true;
	}
	if (piece->mem != PL_TRAFFIC_PEER_CMB && piece->mem != PL_TRAFFIC_PEER_PMR &&
	    piece->mem != PL_TRAFFIC_PEER_BAR)
		return false;
	if (!x->peer) {
		x->peer = true;
		emu_add(&c->counters.peer_writes, 1);
		x->drop = emu_fault_at(&c->faults, EMU_FAULT_AT_PEER, x->cmd->sq->q.id,
				       &x->cmd->sqe, &hits);
	}
	if (x->drop)
		emu_add(&c->counters.dropped_bytes, piece->len);
	return x->drop;
}

static void append(struct xfer *x, const struct emu_piece *piece)
{
	struct iovec *last = x->n > 0 ? &x->c->iov[x->n - 1] : NULL;

	if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == piece->host)
		last->iov_len += piece->len;
	else
		x->c->iov[x->n++] = (struct iovec){ piece->host, piece->len };
	x->moved += piece->len;
	x->counts[piece->mem] += piece->len;
}

/* Fills the vector up to its end, the transfer's, or the next gap. */
static uint16_t gather(struct xfer *x)
{
	uint32_t access = x->to_host ? PL_IOMMU_WRITE : PL_IOMMU_READ;
	struct emu_piece piece;
	uint16_t status;

	x->n = 0;
	x->moved = 0;
	memset(x->counts, 0, sizeof(x->counts));
	while (x->n < EMU_IOV && x->gap == 0) {
		if (x->len == 0) {
			status = emu_prp_next(x->c, &x->c->prp, &x->addr, &x->len);
			if (status != NVME_SC_SUCCESS || x->len == 0)
				return status;
		}
		status = emu_dma_piece(x->c, x->addr, x->len, access, x->right, &piece);
		if (status != NVME_SC_SUCCESS)
			return status;
		if (piece.host == NULL && !x->to_host)
			return NVME_SC_DATA_TRANSFER_ERROR;
		if (x->to_host && (left_out(x, &piece) || lost(x, &piece)))
			x->gap = piece.len;
		else
			append(x, &piece);
		x->at += piece.len;
		x->addr += piece.len;
		x->len -= piece.len;
	}
	return NVME_SC_SUCCESS;
}

uint16_t emu_data(struct emu_ctrlr *c, const struct emu_cmd *cmd, size_t len, bool to_host,
		  enum pl_traffic_class cls, emu_data_fn fn, void *arg)
{
	struct xfer x = {
		.c = c,
		.cmd = cmd,
		.to_host = to_host,
		.right = to_host ? NVME_CMBSZ_RDS : NVME_CMBSZ_WDS,
	};
	uint16_t status = NVME_SC_SUCCESS;
	uint64_t off = 0;

	emu_prp_init(&c->prp, cmd->sqe.prp1, cmd->sqe.prp2, len);
	pl_soft_begin(c->dma);
	while (off < len && status == NVME_SC_SUCCESS) {
		status = gather(&x);
		if (status == NVME_SC_SUCCESS && x.n > 0)
			status = fn(arg, off, c->iov, x.n);
		if (status == NVME_SC_SUCCESS && x.part)
			status = fn(arg, off + x.moved, &(struct iovec){ c->part.data, x.gap }, 1);
		x.part = false;
		if (status == NVME_SC_SUCCESS)
			for (int mem = 0; mem < PL_TRAFFIC_MEMS; mem++)
				if (x.counts[mem] > 0)
					emu_count(c, cls, (enum pl_traffic_mem)mem, to_host,
						  x.counts[mem]);
		off += x.moved + x.gap;
		x.gap = 0;
	}
	pl_soft_end(c->dma);
	return status;
}

struct buf_xfer {
	uint8_t *buf;
	size_t len;
};

static uint16_t buf_out(void *arg, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct buf_xfer *b = arg;

	for (uint32_t i = 0; i < n; i++) {
		size_t have = off < b->len ? b->len - off : 0;

		if (have > iov[i].iov_len)
			have = iov[i].iov_len;
		if (have > 0)
			memcpy(iov[i].iov_base, b->buf + off, have);
		memset((uint8_t *)iov[i].iov_base + have, 0, iov[i].iov_len - have);
		off += iov[i].iov_len;
	}
	return NVME_SC_SUCCESS;
}

static uint16_t buf_in(void *arg, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct buf_xfer *b = arg;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(b->buf + off, iov[i].iov_base, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	return NVME_SC_SUCCESS;
}

/* Data of an admin command: @len bytes, zeros after the @buf_len that there are. */
uint16_t emu_data_out(struct emu_ctrlr *c, const struct emu_cmd *cmd, const void *buf,
		      size_t buf_len, size_t len)
{
	struct buf_xfer b = { (uint8_t *)(uintptr_t)buf, buf_len };

	return emu_data(c, cmd, len, true, PL_TRAFFIC_ADMIN, buf_out, &b);
}

/* The range list of a Dataset Management or Copy command. */
uint16_t emu_data_in(struct emu_ctrlr *c, const struct emu_cmd *cmd, void *buf, size_t len)
{
	struct buf_xfer b = { buf, len };

	return emu_data(c, cmd, len, false, PL_TRAFFIC_LIST, buf_in, &b);
}
