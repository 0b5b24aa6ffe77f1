/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of an emulated controller's faults: which rules a command matches, and which are due.
 */
#include <errno.h>
#include <string.h>

#include "fault.h"

#define BIT(n) (1u << (n))
#define CONDITIONS                                                                               \
	(BIT(EMU_FAULT_HANG) | BIT(EMU_FAULT_STUCK) | BIT(EMU_FAULT_CFS) | BIT(EMU_FAULT_GONE) | \
	 BIT(EMU_FAULT_FLR) | BIT(EMU_FAULT_MEM))

static const uint32_t possible[EMU_FAULT_POINTS] = {
	[EMU_FAULT_AT_POLL] = BIT(EMU_FAULT_CID),
	[EMU_FAULT_AT_FETCH] = BIT(EMU_FAULT_DELAY),
	[EMU_FAULT_AT_COMMAND] = BIT(EMU_FAULT_STATUS) | BIT(EMU_FAULT_MEDIUM) |
				 BIT(EMU_FAULT_REPEAT) | BIT(EMU_FAULT_PART) |
				 BIT(EMU_FAULT_PART_LATE) | CONDITIONS,
	[EMU_FAULT_AT_PEER] = BIT(EMU_FAULT_DROP),
	[EMU_FAULT_AT_IDENTIFY] = BIT(EMU_FAULT_PATCH) | BIT(EMU_FAULT_NS_LIST),
	[EMU_FAULT_AT_COMPLETE] = BIT(EMU_FAULT_STATUS) | BIT(EMU_FAULT_SCRIBBLE),
	[EMU_FAULT_AT_EVENT] = BIT(EMU_FAULT_FLOOD),
};

struct emu_fault_rule emu_fault_rule(enum emu_fault_point point, enum emu_fault_action action)
{
	return (struct emu_fault_rule){
		.point = point,
		.action = action,
		.qid_last = UINT16_MAX,
		.opc_last = UINT8_MAX,
		.lba_last = UINT64_MAX,
		.every = 1,
	};
}

bool emu_fault_possible(enum emu_fault_point point, enum emu_fault_action action)
{
	return (possible[point] & BIT(action)) != 0;
}

void emu_fault_init(struct emu_faults *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
}

void emu_fault_fini(struct emu_faults *f)
{
	pthread_mutex_destroy(&f->lock);
}

/* With the lock held. */
static void set_points(struct emu_faults *f)
{
	uint32_t points = 0;

	for (uint32_t i = 0; i < f->nb_rules; i++)
		points |= BIT(f->rules[i].point);
	__atomic_store_n(&f->points, points, __ATOMIC_RELEASE);
}

static void take_out(struct emu_faults *f, uint32_t i)
{
	f->nb_rules--;
	memmove(&f->rules[i], &f->rules[i + 1], (f->nb_rules - i) * sizeof(f->rules[0]));
	memmove(&f->matches[i], &f->matches[i + 1], (f->nb_rules - i) * sizeof(f->matches[0]));
}

int emu_fault_add(struct emu_faults *f, const struct emu_fault_rule *rule)
{
	int rc = 0;

	if (rule->point >= EMU_FAULT_POINTS || rule->action >= EMU_FAULT_ACTIONS ||
	    !emu_fault_possible(rule->point, rule->action) || rule->every == 0 ||
	    rule->qid_first > rule->qid_last || rule->opc_first > rule->opc_last ||
	    rule->lba_first > rule->lba_last || rule->len > sizeof(rule->data) ||
	    (rule->action == EMU_FAULT_PATCH &&
	     (uint64_t)rule->offset + rule->len > EMU_FAULT_PAGE))
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	if (f->nb_rules < EMU_FAULT_RULES) {
		f->rules[f->nb_rules] = *rule;
		f->matches[f->nb_rules++] = 0;
		set_points(f);
	} else {
		rc = -ENOSPC;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

void emu_fault_clear(struct emu_faults *f)
{
	pthread_mutex_lock(&f->lock);
	for (uint32_t i = f->nb_rules; i-- > 0;)
		if (!f->rules[i].lasting)
			take_out(f, i);
	set_points(f);
	__atomic_fetch_add(&f->cleared, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&f->lock);
}

/* The LBAs that a command names in its dwords 10 to 12; false if it names none there. */
static bool lba_range(uint16_t qid, const struct pl_nvme_sqe *sqe, uint64_t *first, uint64_t *last)
{
	if (qid == 0 || !sqe)
		return false;
	if (sqe->opc != NVME_CMD_WRITE && sqe->opc != NVME_CMD_READ &&
	    sqe->opc != NVME_CMD_COMPARE && sqe->opc != NVME_CMD_WRITE_ZEROES)
		return false;
	*first = sqe->cdw10 | (uint64_t)sqe->cdw11 << 32;
	*last = *first + (sqe->cdw12 & 0xffff);
	if (*last < *first)
		*last = UINT64_MAX;
	return true;
}

static bool matches(const struct emu_fault_rule *r, enum emu_fault_point point, uint16_t qid,
		    const struct pl_nvme_sqe *sqe)
{
	uint64_t first, last;

	if (r->point != point || qid < r->qid_first || qid > r->qid_last)
		return false;
	if (sqe && (sqe->opc < r->opc_first || sqe->opc > r->opc_last))
		return false;
	if (r->by_cdw10 && (!sqe || sqe->cdw10 != r->cdw10))
		return false;
	return !r->by_lba ||
	       (lba_range(qid, sqe, &first, &last) && first <= r->lba_last && last >= r->lba_first);
}

static bool due(const struct emu_fault_rule *r, uint64_t nth)
{
	return nth > r->after && (nth - r->after) % r->every == 0;
}

bool emu_fault_look(struct emu_faults *f, enum emu_fault_point point, uint16_t qid,
		    const struct pl_nvme_sqe *sqe, struct emu_fault_hits *hits)
{
	hits->nb = 0;
	pthread_mutex_lock(&f->lock);
	for (uint32_t i = 0; i < f->nb_rules;) {
		struct emu_fault_rule *r = &f->rules[i];

		if (matches(r, point, qid, sqe) && due(r, ++f->matches[i])) {
			hits->rules[hits->nb++] = *r;
			if (r->count && --r->count == 0) {
				take_out(f, i);
				continue;
			}
		}
		i++;
	}
	set_points(f);
	pthread_mutex_unlock(&f->lock);
	return hits->nb > 0;
}
