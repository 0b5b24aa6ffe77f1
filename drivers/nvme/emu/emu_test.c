/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults that tests arm, as rules of the table; and what the controller counted. */
#include <assert.h>
#include <string.h>

#include "emu.h"
#include "emu_test.h"

/* What hits the next commands, if @in is of that kind. */
static bool rule_of(const struct nvme_emu_inject *in, struct emu_fault_rule *rule)
{
	uint32_t count = in->count ? in->count : 1;

	switch (in->fault) {
	case NVME_EMU_FAULT_STATUS:
		*rule = emu_fault_rule(EMU_FAULT_AT_COMMAND, EMU_FAULT_STATUS);
		rule->qid_first = in->qid ? 1 : 0;
		rule->qid_last = in->qid ? UINT16_MAX : 0;
		rule->opc_first = rule->opc_last = in->opc;
		rule->arg = in->status;
		break;
	case NVME_EMU_FAULT_CID:
		*rule = emu_fault_rule(EMU_FAULT_AT_POLL, EMU_FAULT_CID);
		rule->qid_first = rule->qid_last = in->qid;
		rule->arg = in->cid;
		count = 1;
		break;
	case NVME_EMU_FAULT_LATEDUP:
		*rule = emu_fault_rule(EMU_FAULT_AT_COMMAND, EMU_FAULT_REPEAT);
		rule->qid_first = rule->qid_last = in->qid;
		break;
	case NVME_EMU_FAULT_DROP:
		*rule = emu_fault_rule(EMU_FAULT_AT_PEER, EMU_FAULT_DROP);
		break;
	case NVME_EMU_FAULT_PART:
		*rule = emu_fault_rule(EMU_FAULT_AT_COMMAND,
				       in->late ? EMU_FAULT_PART_LATE : EMU_FAULT_PART);
		rule->qid_first = 1;
		rule->opc_first = rule->opc_last = NVME_CMD_READ;
		rule->offset = in->offset;
		rule->arg = in->len;
		break;
	case NVME_EMU_FAULT_SCRIBBLE:
		*rule = emu_fault_rule(EMU_FAULT_AT_COMPLETE, EMU_FAULT_SCRIBBLE);
		rule->qid_first = 1;
		count = 1;
		break;
	default:
		return false;
	}
	rule->count = count;
	return true;
}

/* What stays until NONE, if @in is of that kind. */
static bool lasting_rule_of(const struct nvme_emu_inject *in, struct emu_fault_rule *rule)
{
	switch (in->fault) {
	case NVME_EMU_FAULT_IDENTIFY:
		assert(in->len <= sizeof(in->data) && in->offset + in->len <= EMU_PAGE);
		*rule = emu_fault_rule(EMU_FAULT_AT_IDENTIFY, EMU_FAULT_PATCH);
		rule->by_cdw10 = true;
		rule->cdw10 = in->cns;
		rule->offset = in->offset;
		rule->len = in->len;
		memcpy(rule->data, in->data, in->len);
		break;
	case NVME_EMU_FAULT_NS_LIST:
		*rule = emu_fault_rule(EMU_FAULT_AT_IDENTIFY, EMU_FAULT_NS_LIST);
		break;
	case NVME_EMU_FAULT_SLOW:
		*rule = emu_fault_rule(EMU_FAULT_AT_FETCH, EMU_FAULT_DELAY);
		rule->qid_last = 0;
		rule->arg = in->count;
		break;
	case NVME_EMU_FAULT_EVENTS:
		*rule = emu_fault_rule(EMU_FAULT_AT_EVENT, EMU_FAULT_FLOOD);
		break;
	default:
		return false;
	}
	return true;
}

static enum emu_fault_action condition_of(enum nvme_emu_fault fault)
{
	switch (fault) {
	case NVME_EMU_FAULT_HANG:
		return EMU_FAULT_HANG;
	case NVME_EMU_FAULT_STUCK:
		return EMU_FAULT_STUCK;
	case NVME_EMU_FAULT_CFS:
		return EMU_FAULT_CFS;
	case NVME_EMU_FAULT_GONE:
		return EMU_FAULT_GONE;
	case NVME_EMU_FAULT_FLR:
		return EMU_FAULT_FLR;
	default:
		return EMU_FAULT_MEM;
	}
}

void nvme_emu_inject(struct nvme_func *t, const struct nvme_emu_inject *in)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	struct emu_fault_rule rule;

	if (in->fault == NVME_EMU_FAULT_NONE) {
		emu_fault_clear(&c->faults);
		emu_mend(c);
	} else if (rule_of(in, &rule) || lasting_rule_of(in, &rule)) {
		int rc = emu_fault_add(&c->faults, &rule);

		assert(rc == 0);
		(void)rc;
	} else {
		emu_break(c, condition_of(in->fault));
	}
}

bool nvme_emu_armed(struct nvme_func *t)
{
	return emu_fault_any(&emu_ctrlr(t)->faults);
}

void nvme_emu_counters(struct nvme_func *t, struct nvme_emu_counters *counters)
{
	const struct emu_ctrlr *c = emu_ctrlr(t);

	counters->refused_bytes = __atomic_load_n(&c->counters.refused_bytes, __ATOMIC_RELAXED);
	counters->dropped_bytes = __atomic_load_n(&c->counters.dropped_bytes, __ATOMIC_RELAXED);
	counters->peer_writes = __atomic_load_n(&c->counters.peer_writes, __ATOMIC_RELAXED);
	counters->io_commands = __atomic_load_n(&c->counters.io_commands, __ATOMIC_RELAXED);
}
