/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an emulated controller does wrong: one table of rules. It knows commands, not the
 * controller, and calls nobody. Who stands at one of the points asks it, and does what the rules
 * say that are due. Several rules may be in force at any point; each counts for itself the commands
 * that it matches, and where two are due at once both are told, in the order in which they were
 * added.
 */
#ifndef NVME_EMU_FAULT_H
#define NVME_EMU_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_nvme_spec.h>

#define EMU_FAULT_RULES 32u   /* of a table */
#define EMU_FAULT_DATA  32u   /* bytes of a rule's data */
#define EMU_FAULT_PAGE  4096u /* of Identify data, and those that a part lies in */

enum emu_fault_point {
	EMU_FAULT_AT_POLL,     /* the device looks at a submission queue, whatever is in it */
	EMU_FAULT_AT_FETCH,    /* a queue has commands, none is fetched yet */
	EMU_FAULT_AT_COMMAND,  /* a command was fetched, and is not executed yet */
	EMU_FAULT_AT_PEER,     /* a command's first posted write into a peer's memory */
	EMU_FAULT_AT_IDENTIFY, /* Identify data are put together */
	EMU_FAULT_AT_COMPLETE, /* a command was executed, its completion is not posted yet */
	EMU_FAULT_AT_EVENT,    /* an Asynchronous Event Request waits */
	EMU_FAULT_POINTS
};

enum emu_fault_action {
	EMU_FAULT_STATUS,    /* the command fails with status `arg`, 15 bits with DNR */
	EMU_FAULT_MEDIUM,    /* a valid I/O command fails as the medium would fail it */
	EMU_FAULT_REPEAT,    /* the command is lost, the completion before it is posted once more */
	EMU_FAULT_PART,      /* `arg` bytes of a Read's data, from `offset` on, do not move... */
	EMU_FAULT_PART_LATE, /* ...or only after the completion */
	EMU_FAULT_DROP,      /* the command's posted writes into peers' memory vanish */
	EMU_FAULT_PATCH,     /* the data have `data` at `offset` */
	EMU_FAULT_NS_LIST,   /* active namespaces go on for ever, each one like the first */
	EMU_FAULT_DELAY,     /* the queue waits `arg` ms; the others go on */
	EMU_FAULT_CID,       /* a completion with identifier `arg` is posted to the queue */
	EMU_FAULT_SCRIBBLE,  /* 41h over each page that the IOMMU lets it write, save its CQs */
	EMU_FAULT_FLOOD,     /* the request completes, without an event */
	EMU_FAULT_HANG,      /* executes no command until CC.EN is cleared */
	EMU_FAULT_STUCK,     /* nor acts on CC */
	EMU_FAULT_CFS,       /* sets CSTS.CFS */
	EMU_FAULT_GONE,      /* unplugged: registers read all ones, nothing is executed */
	EMU_FAULT_FLR,       /* a function level reset by another: registers as at power on, the CMB
			      * lost, mappings of its memory revoked */
	EMU_FAULT_MEM,       /* memory decoding off until decode() of the function: registers read
			      * all ones, mappings revoked */
	EMU_FAULT_ACTIONS
};

/* Made by emu_fault_rule(), which matches everything, always; then narrowed. */
struct emu_fault_rule {
	enum emu_fault_point point;
	enum emu_fault_action action;
	uint16_t qid_first, qid_last; /* 0 is the admin queue */
	uint8_t opc_first, opc_last;
	bool by_lba; /* commands that name LBAs of this range, no other command */
	uint64_t lba_first, lba_last;
	bool by_cdw10;
	uint32_t cdw10;
	uint64_t after; /* this many of the commands that match pass... */
	uint64_t every; /* ...and of those that follow every Nth is hit */
	uint64_t count; /* hits until the rule is over; 0: it stays */
	uint64_t arg;
	uint32_t offset;
	uint32_t len; /* of data */
	uint8_t data[EMU_FAULT_DATA];
	bool lasting; /* emu_fault_clear() leaves it */
};

struct emu_faults {
	uint32_t points;      /* atomic: bits of those that have rules */
	uint32_t cleared;     /* atomic: how often */
	pthread_mutex_t lock; /* for the rest; nothing is called with it held */
	uint32_t nb_rules;
	struct emu_fault_rule rules[EMU_FAULT_RULES];
	uint64_t matches[EMU_FAULT_RULES];
};

/* What is due at one point. */
struct emu_fault_hits {
	uint32_t nb;
	struct emu_fault_rule rules[EMU_FAULT_RULES];
};

struct emu_fault_rule emu_fault_rule(enum emu_fault_point point, enum emu_fault_action action);

void emu_fault_init(struct emu_faults *f);
void emu_fault_fini(struct emu_faults *f);

/* -EINVAL: the action is not possible at the point, or a range is empty; -ENOSPC: the table is
 * full. No message: the caller knows where the rule comes from. */
int emu_fault_add(struct emu_faults *f, const struct emu_fault_rule *rule);
bool emu_fault_possible(enum emu_fault_point point, enum emu_fault_action action);

/* fault_words.c: the rule that a fault= argument of @dev names, with a message if it names none. */
int emu_fault_parse(const char *dev, const char *text, struct emu_fault_rule *rule);

/* Takes out every rule but the lasting ones. */
void emu_fault_clear(struct emu_faults *f);

/* What a delay remembers, to end when the rules were cleared. */
static inline uint32_t emu_fault_cleared(const struct emu_faults *f)
{
	return __atomic_load_n(&f->cleared, __ATOMIC_ACQUIRE);
}

/* Any thread; one load and nothing else while there are no rules. */
static inline bool emu_fault_armed(const struct emu_faults *f, enum emu_fault_point point)
{
	return (__atomic_load_n(&f->points, __ATOMIC_ACQUIRE) >> point & 1) != 0;
}

static inline bool emu_fault_any(const struct emu_faults *f)
{
	return __atomic_load_n(&f->points, __ATOMIC_ACQUIRE) != 0;
}

bool emu_fault_look(struct emu_faults *f, enum emu_fault_point point, uint16_t qid,
		    const struct pl_nvme_sqe *sqe, struct emu_fault_hits *hits);

/* Whether anything is due; then @hits says what. @sqe: the command, NULL at a point without one. */
static inline bool emu_fault_at(struct emu_faults *f, enum emu_fault_point point, uint16_t qid,
				const struct pl_nvme_sqe *sqe, struct emu_fault_hits *hits)
{
	hits->nb = 0;
	return emu_fault_armed(f, point) && emu_fault_look(f, point, qid, sqe, hits);
}

#endif
