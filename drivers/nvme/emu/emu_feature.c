/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Features and Set Features (5.13, 5.21). No feature is saveable. */
#include "emu.h"

#define SEL_CURRENT      0u
#define SEL_CAPABILITIES 3u
#define SET_SV           (1u << 31)
#define CAP_PER_NS       (1u << 1)
#define CAP_CHANGEABLE   (1u << 2)
#define TEMP_UNDER       (1u << 20) /* THSEL 01b */
#define VECTOR_CD        (1u << 16)

/* Which bits of cdw11 a feature has; all of them are changeable. */
static const struct {
	bool exists;
	uint32_t bits;
	uint32_t dflt;
} features[EMU_FEATURES] = {
	[NVME_FEAT_ARBITRATION] = { true, 0xffffff07u, 0x00000004u },
	[NVME_FEAT_POWER_MGMT] = { true, 0x000000ffu, 0 },
	[NVME_FEAT_TEMP_THRESHOLD] = { true, 0x003fffffu, 0x0000ffffu },
	[NVME_FEAT_ERROR_RECOVERY] = { true, 0x0001ffffu, 0 },
	[NVME_FEAT_VWC] = { true, 0x00000001u, 1 },
	[NVME_FEAT_NUM_QUEUES] = { true, 0xffffffffu, 0 },
	[NVME_FEAT_IRQ_COALESCING] = { true, 0x0000ffffu, 0 },
	[NVME_FEAT_IRQ_VECTOR] = { true, 0x0001ffffu, 0 },
	[NVME_FEAT_WRITE_ATOMICITY] = { true, 0x00000001u, 0 },
	[NVME_FEAT_ASYNC_EVENT] = { true, 0x0000ffffu, 0 },
};

void emu_features_reset(struct emu_ctrlr *c)
{
	for (uint32_t i = 0; i < EMU_FEATURES; i++)
		c->features[i] = features[i].dflt;
	for (uint32_t i = 0; i < EMU_NN; i++)
		c->ns[i].error_recovery = 0;
	for (uint32_t i = 0; i <= EMU_MAX_IO_QUEUES; i++)
		c->irq_cd[i] = i == 0 ? VECTOR_CD : 0; /* never coalesced for the admin queue */
	c->temp_under = 0;
	c->granted = c->conf.queues;
}

static uint32_t num_queues(uint32_t n)
{
	return (n - 1) | (n - 1) << 16;
}

/* Only the composite temperature (TMPSEL 0) has thresholds, one over and one under. */
static uint16_t temp_check(uint32_t cdw11)
{
	return (cdw11 & 0x2f0000u) != 0 ? NVME_SC_INVALID_FIELD : NVME_SC_SUCCESS;
}

static uint16_t get_value(const struct emu_ctrlr *c, const struct pl_nvme_sqe *sqe, uint32_t fid,
			  bool current, uint32_t *value)
{
	uint16_t status = NVME_SC_SUCCESS;
	uint32_t vector = sqe->cdw11 & 0xffff;

	*value = current ? c->features[fid] : features[fid].dflt;
	switch (fid) {
	case NVME_FEAT_NUM_QUEUES:
		*value = num_queues(current ? c->granted : c->conf.queues);
		break;
	case NVME_FEAT_TEMP_THRESHOLD:
		status = temp_check(sqe->cdw11);
		if (sqe->cdw11 & TEMP_UNDER)
			*value = current ? c->temp_under : 0;
		break;
	case NVME_FEAT_IRQ_VECTOR:
		if (vector > c->conf.queues)
			return NVME_SC_INVALID_FIELD;
		*value = vector | (current ? c->irq_cd[vector] : vector == 0 ? VECTOR_CD : 0);
		break;
	case NVME_FEAT_ERROR_RECOVERY:
		status = emu_ns_check(c, sqe->nsid);
		if (status == NVME_SC_SUCCESS)
			*value = current ? c->ns[sqe->nsid - 1].error_recovery : 0;
		break;
	default:
		break;
	}
	return status;
}

uint16_t emu_admin_get_features(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint32_t fid = sqe->cdw10 & 0xff, sel = (sqe->cdw10 >> 8) & 0x7;

	/* No feature here has data; cdw11 holds parameters of those that select by it. */
	if (sqe->cdw10 >> 11 != 0 || sel > SEL_CAPABILITIES || sqe->cdw12 != 0 || sqe->cdw13 != 0 ||
	    sqe->cdw14 != 0 || sqe->cdw15 != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	if (fid >= EMU_FEATURES || !features[fid].exists)
		return NVME_SC_INVALID_FIELD;
	if (sel == SEL_CAPABILITIES) {
		cmd->dw0 = CAP_CHANGEABLE | (fid == NVME_FEAT_ERROR_RECOVERY ? CAP_PER_NS : 0);
		return NVME_SC_SUCCESS;
	}
	/* What was never saved is the default (5.13). */
	return get_value(c, sqe, fid, sel == SEL_CURRENT, &cmd->dw0);
}

static uint16_t set_num_queues(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	uint32_t sqs = cmd->sqe.cdw11 & 0xffff, cqs = cmd->sqe.cdw11 >> 16;
	uint32_t most = (sqs > cqs ? sqs : cqs) + 1;

	if (sqs == 0xffff || cqs == 0xffff)
		return NVME_SC_INVALID_FIELD;
	for (uint32_t i = 1; i <= EMU_MAX_IO_QUEUES; i++)
		if (c->cqs[i].q.exists || c->sqs[i].q.exists)
			return NVME_SC_COMMAND_SEQUENCE_ERROR;
	c->granted = most < c->conf.queues ? most : c->conf.queues;
	cmd->dw0 = num_queues(c->granted);
	return NVME_SC_SUCCESS;
}

static uint16_t set_error_recovery(struct emu_ctrlr *c, const struct pl_nvme_sqe *sqe)
{
	uint16_t status;

	if (sqe->cdw11 >> 16 != 0) /* DULBE, which NSFEAT does not offer */
		return NVME_SC_INVALID_FIELD;
	if (sqe->nsid == UINT32_MAX) {
		for (uint32_t i = 0; i < c->conf.nb_ns; i++)
			c->ns[i].error_recovery = sqe->cdw11;
		return NVME_SC_SUCCESS;
	}
	status = emu_ns_check(c, sqe->nsid);
	if (status == NVME_SC_SUCCESS)
		c->ns[sqe->nsid - 1].error_recovery = sqe->cdw11;
	return status;
}

static uint16_t set_vwc(struct emu_ctrlr *c, uint32_t cdw11)
{
	int err = 0;

	/* What the cache holds when it is turned off must not stay in it. */
	for (uint32_t i = 0; cdw11 == 0 && i < c->conf.nb_ns; i++)
		err |= c->ns[i].media->ops->flush(c->ns[i].media);
	if (err != 0)
		return NVME_SC_WRITE_FAULT;
	c->features[NVME_FEAT_VWC] = cdw11;
	return NVME_SC_SUCCESS;
}

static uint16_t set_value(struct emu_ctrlr *c, struct emu_cmd *cmd, uint32_t fid)
{
	uint32_t cdw11 = cmd->sqe.cdw11, vector = cdw11 & 0xffff;

	switch (fid) {
	case NVME_FEAT_NUM_QUEUES:
		return set_num_queues(c, cmd);
	case NVME_FEAT_ERROR_RECOVERY:
		return set_error_recovery(c, &cmd->sqe);
	case NVME_FEAT_VWC:
		return set_vwc(c, cdw11);
	case NVME_FEAT_TEMP_THRESHOLD:
		if (temp_check(cdw11) != NVME_SC_SUCCESS)
			return NVME_SC_INVALID_FIELD;
		*(cdw11 & TEMP_UNDER ? &c->temp_under : &c->features[fid]) = cdw11 & 0xffff;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_IRQ_VECTOR:
		if (vector > c->conf.queues)
			return NVME_SC_INVALID_FIELD;
		c->irq_cd[vector] = cdw11 & VECTOR_CD;
		return NVME_SC_SUCCESS;
	case NVME_FEAT_POWER_MGMT:
		if ((cdw11 & 0x1fu) != 0) /* NPSS is 0: there is power state 0 only */
			return NVME_SC_INVALID_FIELD;
		break;
	default:
		break;
	}
	c->features[fid] = cdw11;
	return NVME_SC_SUCCESS;
}

uint16_t emu_admin_set_features(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint32_t fid = sqe->cdw10 & 0xff;
	uint16_t status;

	if ((sqe->cdw10 & 0x7fffff00u) != 0 || sqe->cdw12 != 0 || sqe->cdw13 != 0 ||
	    sqe->cdw14 != 0 || sqe->cdw15 != 0 || emu_no_data(sqe) != 0)
		return NVME_SC_INVALID_FIELD;
	if (fid >= EMU_FEATURES || !features[fid].exists || (sqe->cdw11 & ~features[fid].bits) != 0)
		return NVME_SC_INVALID_FIELD;
	if (sqe->cdw10 & SET_SV)
		return NVME_SC_FEATURE_NOT_SAVEABLE;
	if (fid != NVME_FEAT_ERROR_RECOVERY && sqe->nsid != 0 && sqe->nsid != UINT32_MAX) {
		status = emu_ns_check(c, sqe->nsid);
		return status != NVME_SC_SUCCESS ? status : EMU_SC_FEATURE_NOT_PER_NS;
	}
	return set_value(c, cmd, fid);
}
