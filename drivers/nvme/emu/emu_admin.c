/* SPDX-License-Identifier: BSD-3-Clause */
/* Admin commands: the table, and the checks that commands have in common. */
#include "emu.h"

typedef uint16_t (*emu_admin_fn)(struct emu_ctrlr *c, struct emu_cmd *cmd);

static const emu_admin_fn admin_fns[256] = {
	[NVME_ADM_DELETE_SQ] = emu_admin_delete_sq,
	[NVME_ADM_CREATE_SQ] = emu_admin_create_sq,
	[NVME_ADM_GET_LOG_PAGE] = emu_admin_get_log_page,
	[NVME_ADM_DELETE_CQ] = emu_admin_delete_cq,
	[NVME_ADM_CREATE_CQ] = emu_admin_create_cq,
	[NVME_ADM_IDENTIFY] = emu_admin_identify,
	[NVME_ADM_ABORT] = emu_admin_abort,
	[NVME_ADM_SET_FEATURES] = emu_admin_set_features,
	[NVME_ADM_GET_FEATURES] = emu_admin_get_features,
	[NVME_ADM_AER] = emu_admin_aer,
};

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

uint16_t emu_admin(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	emu_admin_fn fn = admin_fns[sqe->opc];

	if (fn == NULL)
		return emu_status(NVME_SC_INVALID_OPCODE);
	/* No fused operation and no SGL (PSDT) in the admin queue; the rest is reserved. */
	if (sqe->flags != 0 || sqe->cdw2 != 0 || sqe->cdw3 != 0 || sqe->mptr != 0)
		return emu_status(NVME_SC_INVALID_FIELD);
	return emu_status(fn(c, cmd));
}
