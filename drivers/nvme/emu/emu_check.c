/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands have in common: checks of their fields, and the status that they end with. */
#include "emu.h"

/* Do Not Retry (4.6.1): for what the same command would only meet again. */
uint16_t emu_status(uint16_t code)
{
	switch (code) {
	case NVME_SC_SUCCESS:
	case NVME_SC_DATA_TRANSFER_ERROR:
	case NVME_SC_INTERNAL_ERROR:
	case NVME_SC_ABORT_REQUESTED:
	case NVME_SC_AER_LIMIT_EXCEEDED:
	case NVME_SC_WRITE_FAULT:
	case NVME_SC_UNRECOVERED_READ:
	case EMU_PENDING:
		return code;
	default:
		return code | NVME_STATUS_DNR;
	}
}

/* The data and metadata pointers of a command that moves no data are reserved. */
uint16_t emu_no_data(const struct pl_nvme_sqe *sqe)
{
	return sqe->prp1 != 0 || sqe->prp2 != 0 ? NVME_SC_INVALID_FIELD : NVME_SC_SUCCESS;
}

/* 6.1.2: an identifier that cannot exist, and one that has no namespace, are told apart. */
uint16_t emu_ns_check(const struct emu_ctrlr *c, uint32_t nsid)
{
	if (nsid == 0 || nsid > EMU_NN)
		return NVME_SC_INVALID_NAMESPACE;
	return nsid > c->conf.nb_ns ? NVME_SC_INVALID_FIELD : NVME_SC_SUCCESS;
}

uint16_t emu_mdts_check(const struct emu_ctrlr *c, uint64_t len)
{
	return c->conf.mdts != 0 && len > c->conf.mdts ? NVME_SC_INVALID_FIELD : NVME_SC_SUCCESS;
}

uint16_t emu_lba_check(const struct emu_ns *ns, uint64_t slba, uint64_t nlb)
{
	return slba > ns->nlb || nlb > ns->nlb - slba ? NVME_SC_LBA_OUT_OF_RANGE : NVME_SC_SUCCESS;
}
