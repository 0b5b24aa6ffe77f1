/* SPDX-License-Identifier: BSD-3-Clause */
/* NVM commands: the table, and those that move data in blocks (6.6, 6.9, 6.15, 6.17). */
#include "emu.h"

#define CDW12_NLB     0x0000ffffu
#define CDW12_DEAC    (1u << 25)
#define CDW12_PRINFO  (0xfu << 26) /* ignored: no namespace has protection information (8.3) */
#define CDW13_DSM     0x000000ffu
#define CDW12_ALLOWED (CDW12_NLB | CDW12_PRINFO | NVME_CDW12_FUA | NVME_CDW12_LR)

typedef uint16_t (*emu_nvm_fn)(struct emu_ctrlr *c, struct emu_cmd *cmd);

struct block_io {
	struct emu_media *media;
	uint64_t off;
};

static uint16_t media_read(void *arg, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct block_io *io = arg;

	return io->media->ops->read(io->media, io->off + off, iov, n) < 0 ? NVME_SC_UNRECOVERED_READ
									  : NVME_SC_SUCCESS;
}

static uint16_t media_write(void *arg, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct block_io *io = arg;

	return io->media->ops->write(io->media, io->off + off, iov, n) < 0 ? NVME_SC_WRITE_FAULT
									   : NVME_SC_SUCCESS;
}

static uint16_t media_compare(void *arg, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct block_io *io = arg;
	int r = io->media->ops->compare(io->media, io->off + off, iov, n);

	if (r < 0)
		return NVME_SC_UNRECOVERED_READ;
	return r > 0 ? NVME_SC_COMPARE_FAILURE : NVME_SC_SUCCESS;
}

/* The range of a command that works on blocks: checked, in bytes. */
static uint16_t block_range(struct emu_ctrlr *c, const struct pl_nvme_sqe *sqe, uint32_t cdw12,
			    struct block_io *io, size_t *len)
{
	const struct emu_ns *ns = &c->ns[sqe->nsid - 1];
	uint64_t slba = sqe->cdw10 | (uint64_t)sqe->cdw11 << 32;
	uint64_t nlb = (sqe->cdw12 & CDW12_NLB) + 1ull, zone = c->conf.zone / c->conf.bs;
	uint16_t status;

	if (sqe->cdw2 != 0 || sqe->cdw3 != 0 || (sqe->cdw12 & ~cdw12) != 0)
		return NVME_SC_INVALID_FIELD;
	status = emu_lba_check(ns, slba, nlb);
	if (status != NVME_SC_SUCCESS)
		return status;
	/* Write pointers are not kept: whoever writes in order is taken at his word. */
	if (zone != 0 && slba / zone != (slba + nlb - 1) / zone)
		return NVME_SC_ZONE_BOUNDARY_ERROR;
	io->media = ns->media;
	io->off = slba * c->conf.bs;
	*len = nlb * c->conf.bs;
	return NVME_SC_SUCCESS;
}

/* Read, Write and Compare: everything but what the data meet. */
static uint16_t block_data(struct emu_ctrlr *c, struct emu_cmd *cmd, bool to_host, emu_data_fn fn,
			   size_t *len)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	struct block_io io;
	uint16_t status = emu_ns_check(c, sqe->nsid);

	if (status != NVME_SC_SUCCESS)
		return status;
	status = emu_mdts_check(c, ((sqe->cdw12 & CDW12_NLB) + 1ull) * c->conf.bs);
	if (status == NVME_SC_SUCCESS)
		status = block_range(c, sqe, CDW12_ALLOWED, &io, len);
	if (status != NVME_SC_SUCCESS)
		return status;
	return emu_data(c, cmd, *len, to_host, PL_TRAFFIC_DATA, fn, &io);
}

static uint16_t nvm_read(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint16_t status;
	size_t len;

	if ((sqe->cdw13 & ~CDW13_DSM) != 0)
		return NVME_SC_INVALID_FIELD;
	/* FUA: the data must come from, so first go to, the medium. */
	status = emu_ns_check(c, sqe->nsid);
	if (status == NVME_SC_SUCCESS && (sqe->cdw12 & NVME_CDW12_FUA) != 0)
		status = emu_write_through(c, &c->ns[sqe->nsid - 1], true);
	if (status == NVME_SC_SUCCESS)
		status = block_data(c, cmd, true, media_read, &len);
	if (status == NVME_SC_SUCCESS) {
		c->reads++;
		c->bytes_read += len;
	}
	return status;
}

static uint16_t nvm_write(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint16_t status;
	size_t len;

	if ((sqe->cdw13 & ~CDW13_DSM) != 0) /* DSPEC without a directive */
		return NVME_SC_INVALID_FIELD;
	status = block_data(c, cmd, false, media_write, &len);
	if (status != NVME_SC_SUCCESS)
		return status;
	c->writes++;
	c->bytes_written += len;
	return emu_write_through(c, &c->ns[sqe->nsid - 1], (sqe->cdw12 & NVME_CDW12_FUA) != 0);
}

static uint16_t nvm_compare(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	size_t len;

	if (cmd->sqe.cdw13 != 0)
		return NVME_SC_INVALID_FIELD;
	return block_data(c, cmd, false, media_compare, &len);
}

static uint16_t nvm_write_zeroes(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	bool deallocate = (sqe->cdw12 & CDW12_DEAC) != 0;
	struct block_io io;
	uint16_t status;
	size_t len;

	if (sqe->cdw13 != 0 || sqe->mptr != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	status = emu_ns_check(c, sqe->nsid);
	if (status == NVME_SC_SUCCESS)
		status = block_range(c, sqe, CDW12_ALLOWED | CDW12_DEAC, &io, &len);
	if (status != NVME_SC_SUCCESS)
		return status;
	if (io.media->ops->zero(io.media, io.off, len, deallocate) < 0)
		return NVME_SC_WRITE_FAULT;
	return emu_write_through(c, &c->ns[sqe->nsid - 1], (sqe->cdw12 & NVME_CDW12_FUA) != 0);
}

static const emu_nvm_fn nvm_fns[256] = {
	[NVME_CMD_FLUSH] = emu_nvm_flush,
	[NVME_CMD_WRITE] = nvm_write,
	[NVME_CMD_READ] = nvm_read,
	[NVME_CMD_COMPARE] = nvm_compare,
	[NVME_CMD_WRITE_ZEROES] = nvm_write_zeroes,
	[NVME_CMD_DSM] = emu_nvm_dsm,
	[NVME_CMD_COPY] = emu_nvm_copy,
};

uint16_t emu_nvm(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	emu_nvm_fn fn = nvm_fns[cmd->sqe.opc];

	if (fn == NULL)
		return emu_status(NVME_SC_INVALID_OPCODE);
	/* Neither fused operations (FUSES) nor SGLs (SGLS) are offered. */
	if (cmd->sqe.flags != 0)
		return emu_status(NVME_SC_INVALID_FIELD);
	if (cmd->medium_fails)
		return cmd->sqe.opc == NVME_CMD_READ || cmd->sqe.opc == NVME_CMD_COMPARE
			       ? NVME_SC_UNRECOVERED_READ
			       : NVME_SC_WRITE_FAULT;
	return emu_status(fn(c, cmd));
}
