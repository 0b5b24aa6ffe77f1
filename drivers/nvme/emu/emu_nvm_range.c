/* SPDX-License-Identifier: BSD-3-Clause */
/* NVM commands that name ranges, or none at all: Flush, Dataset Management, Copy. */
#include "emu.h"

#define COPY_FORMAT(cdw12) (((cdw12) >> 8) & 0xfu)
#define COPY_PRINFO        (0xfu << 12 | 0xfu << 26) /* ignored, as in Read and Write */
#define COPY_ALLOWED       (0xffu | 0xfu << 8 | COPY_PRINFO | NVME_CDW12_FUA | NVME_CDW12_LR)
#define DSM_ATTRIBUTES     0x7u

uint16_t emu_nvm_flush(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint32_t first = sqe->nsid, last = sqe->nsid;
	uint16_t status;

	if (sqe->cdw2 != 0 || sqe->cdw3 != 0 || sqe->mptr != 0 || sqe->cdw10 != 0 ||
	    sqe->cdw11 != 0 || sqe->cdw12 != 0 || sqe->cdw13 != 0 || sqe->cdw14 != 0 ||
	    sqe->cdw15 != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	if (sqe->nsid == UINT32_MAX) {
		first = 1;
		last = c->conf.nb_ns;
	} else {
		status = emu_ns_check(c, sqe->nsid);
		if (status != NVME_SC_SUCCESS)
			return status;
	}
	for (uint32_t nsid = first; nsid <= last; nsid++) {
		struct emu_media *m = c->ns[nsid - 1].media;

		if (m->ops->flush(m) < 0)
			return NVME_SC_WRITE_FAULT;
	}
	return NVME_SC_SUCCESS;
}

uint16_t emu_write_through(struct emu_ctrlr *c, const struct emu_ns *ns, bool fua)
{
	if (!fua && c->features[NVME_FEAT_VWC] != 0)
		return NVME_SC_SUCCESS;
	return ns->media->ops->flush(ns->media) < 0 ? NVME_SC_WRITE_FAULT : NVME_SC_SUCCESS;
}

uint16_t emu_nvm_dsm(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	struct pl_nvme_dsm_range ranges[256];
	uint32_t nr = (sqe->cdw10 & 0xff) + 1;
	const struct emu_ns *ns;
	uint16_t status;

	if (sqe->cdw2 != 0 || sqe->cdw3 != 0 || sqe->mptr != 0 || sqe->cdw10 >> 8 != 0 ||
	    (sqe->cdw11 & ~DSM_ATTRIBUTES) != 0 || sqe->cdw12 != 0 || sqe->cdw13 != 0 ||
	    sqe->cdw14 != 0 || sqe->cdw15 != 0)
		return NVME_SC_INVALID_FIELD;
	status = emu_ns_check(c, sqe->nsid);
	if (status == NVME_SC_SUCCESS)
		status = emu_data_in(c, cmd, ranges, nr * sizeof(ranges[0]));
	if (status != NVME_SC_SUCCESS)
		return status;
	ns = &c->ns[sqe->nsid - 1];
	/* All are judged before one is touched. */
	for (uint32_t i = 0; i < nr && status == NVME_SC_SUCCESS; i++)
		status = emu_lba_check(ns, ranges[i].slba, ranges[i].nlb);
	if (status != NVME_SC_SUCCESS)
		return status;
	for (uint32_t i = 0; i < nr && (sqe->cdw11 & NVME_DSM_DEALLOCATE) != 0; i++) {
		if (ranges[i].nlb > 0 &&
		    ns->media->ops->zero(ns->media, ranges[i].slba * c->conf.bs,
					 (uint64_t)ranges[i].nlb * c->conf.bs, true) < 0)
			return NVME_SC_WRITE_FAULT;
	}
	return emu_write_through(c, ns, false);
}

/* Limits and bounds of a Copy; *@total becomes its LBAs. */
static uint16_t copy_check(const struct emu_ns *ns, const struct pl_nvme_copy_range *ranges,
			   uint32_t nr, uint64_t sdlba, uint64_t *total)
{
	uint16_t status;

	*total = 0;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t nlb = ranges[i].nlb + 1ull;

		if (ranges[i].rsvd0 != 0 || ranges[i].rsvd18 != 0 || ranges[i].rsvd20 != 0)
			return NVME_SC_INVALID_FIELD;
		if (nlb > EMU_COPY_MSSRL)
			return NVME_SC_COPY_SIZE_LIMIT;
		status = emu_lba_check(ns, ranges[i].slba, nlb);
		if (status != NVME_SC_SUCCESS)
			return status;
		*total += nlb;
	}
	if (*total > EMU_COPY_MCL)
		return NVME_SC_COPY_SIZE_LIMIT;
	return emu_lba_check(ns, sdlba, *total);
}

uint16_t emu_nvm_copy(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	struct pl_nvme_copy_range ranges[EMU_COPY_MSRC + 1];
	uint64_t sdlba = sqe->cdw10 | (uint64_t)sqe->cdw11 << 32, total;
	uint32_t nr = (sqe->cdw12 & 0xff) + 1;
	const struct emu_ns *ns;
	uint16_t status;

	if (sqe->cdw2 != 0 || sqe->cdw3 != 0 || (sqe->cdw12 & ~COPY_ALLOWED) != 0 ||
	    COPY_FORMAT(sqe->cdw12) != 0 || sqe->cdw13 != 0)
		return NVME_SC_INVALID_FIELD;
	status = emu_ns_check(c, sqe->nsid);
	if (status == NVME_SC_SUCCESS && nr > EMU_COPY_MSRC + 1)
		status = NVME_SC_COPY_SIZE_LIMIT;
	if (status == NVME_SC_SUCCESS)
		status = emu_data_in(c, cmd, ranges, nr * sizeof(ranges[0]));
	if (status != NVME_SC_SUCCESS)
		return status;
	ns = &c->ns[sqe->nsid - 1];
	status = copy_check(ns, ranges, nr, sdlba, &total);
	if (status != NVME_SC_SUCCESS)
		return status;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t len = (ranges[i].nlb + 1ull) * c->conf.bs;

		if (ns->media->ops->copy(ns->media, sdlba * c->conf.bs, ranges[i].slba * c->conf.bs,
					 len) < 0) {
			/* dword 0: the lowest numbered range that was not copied (TP 4065) */
			cmd->dw0 = i;
			return NVME_SC_WRITE_FAULT;
		}
		sdlba += ranges[i].nlb + 1ull;
	}
	c->writes++;
	c->bytes_written += total * c->conf.bs;
	return emu_write_through(c, ns, (sqe->cdw12 & NVME_CDW12_FUA) != 0);
}
