/* SPDX-License-Identifier: BSD-3-Clause */
/* Admin commands: the table, and what is checked before any of them. */
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
