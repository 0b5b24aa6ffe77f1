/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests ask of an emulated controller and its own code does not. */
#ifndef NVME_EMU_TEST_H
#define NVME_EMU_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "nvme_func.h"

/* A misbehaviour. Takes effect for what the caller does after nvme_emu_inject() returned. */
enum nvme_emu_fault {
	NVME_EMU_FAULT_NONE,   /* forgets what is armed, ends HANG, STUCK and GONE */
	NVME_EMU_FAULT_STATUS, /* the next `count` commands `opc` fail with `status`, unexecuted */
	NVME_EMU_FAULT_CID,    /* posts a completion with `cid` to queue pair `qid` */
	NVME_EMU_FAULT_DROP,   /* the next `count` data transfers into a peer's memory vanish */
	NVME_EMU_FAULT_HANG,   /* executes no command until CC.EN is cleared */
	NVME_EMU_FAULT_STUCK,  /* nor acts on CC */
	NVME_EMU_FAULT_CFS,    /* sets CSTS.CFS */
	NVME_EMU_FAULT_GONE,   /* registers read all ones, nothing is executed: unplugged */
	NVME_EMU_FAULT_FLR,    /* a function level reset by another: registers as at power on, CMB
				* lost, mappings of its memory revoked */
	NVME_EMU_FAULT_MEM,    /* memory decoding off until decode() of the function: registers read
				* all ones, mappings revoked */
	NVME_EMU_FAULT_PART,   /* of the next `count` Read commands `len` bytes of the data from
				* `offset`   on vanish, or with `late` come after the completion */
	NVME_EMU_FAULT_IDENTIFY, /* Identify data of `cns` has `data` at byte `offset`, until NONE
				  */
	NVME_EMU_FAULT_NS_LIST,  /* its active namespaces go on for ever, each one like the first */
	NVME_EMU_FAULT_SLOW,     /* each admin command waits `count` ms to be fetched, until NONE */
	NVME_EMU_FAULT_LATEDUP,  /* the next `count` commands of queue `qid` are lost, and the
				  * completion of the one before is posted once more */
	NVME_EMU_FAULT_EVENTS,   /* every Asynchronous Event Request completes at once */
	NVME_EMU_FAULT_SCRIBBLE, /* before the completion of the next I/O command: 41h over each
				  * page that the IOMMU lets it write, but those of its completion
				  * queues */
};

struct nvme_emu_inject {
	enum nvme_emu_fault fault;
	uint16_t qid;    /* STATUS: 0 the admin queue, else any I/O queue; CID, LATEDUP: which */
	uint8_t opc;     /* STATUS */
	uint16_t status; /* STATUS: 15 bits, as struct pl_nvme_op has them */
	uint16_t cid;    /* CID */
	uint32_t count;  /* STATUS, DROP, SLOW, PART, LATEDUP; 0 is taken as 1 */
	uint8_t cns;     /* IDENTIFY */
	uint32_t offset; /* IDENTIFY, PART */
	uint32_t len;    /* IDENTIFY: bytes of data; PART: at most a page's rest */
	bool late;       /* PART */
	uint8_t data[32];
};

/* Each is one more: what was armed before stays armed. */
void nvme_emu_inject(struct nvme_func *t, const struct nvme_emu_inject *inject);

/* Whether anything that is armed has not had its last effect. */
bool nvme_emu_armed(struct nvme_func *t);

struct nvme_emu_counters {
	uint64_t refused_bytes; /* posted writes that the IOMMU refused */
	uint64_t dropped_bytes; /* posted writes lost to a rule that says so */
	uint64_t peer_writes;   /* data transfers that had posted writes into a peer's memory */
	uint64_t io_commands;   /* I/O commands fetched */
};

void nvme_emu_counters(struct nvme_func *t, struct nvme_emu_counters *counters);

#endif
