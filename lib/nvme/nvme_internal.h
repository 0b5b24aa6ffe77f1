/* SPDX-License-Identifier: BSD-3-Clause */
/* The private structures of lib/nvme. */
#ifndef PL_NVME_INTERNAL_H
#define PL_NVME_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_io.h>

#include <peerlane/pl_nvme.h>

#include "mem_internal.h"
#include "nvme_transport.h"
#include "p2p_provider.h"

#define NVME_PAGE_SIZE	   4096u /* CC.MPS = 0 */
#define NVME_PRPS_PER_PAGE (NVME_PAGE_SIZE / 8u)
#define NVME_ADMIN_ENTRIES 32u
#define NVME_MAX_QUEUES	   128u
#define NVME_MAX_XFER	   (4u << 20)
#define NVME_MAX_AERS	   4u
#define NVME_MAX_EVENTS	   64u /* kept for the program; a power of 2 */
#define NVME_MAX_NAMESPACES 1024u
#define NVME_PHASE	   0x10000u /* the phase tag in dword 3 of a CQE */
#define NVME_MAX_ENTRIES   1024u /* of a queue: leaves an identifier 6 bits of generation */
/* Entries of pl_nvme_qpair.cid_of: the identifier in bits 15:0, and what makes it no plain one. */
#define NVME_CID_FREE	   0x80000000u /* nothing in flight; the identifier to use next */
#define NVME_CID_SPLIT	   0x40000000u /* in flight, a part of a split op */
#define NVME_CID_STOPPED   0x20000000u /* the queue pair is stopped: nothing is an answer to it */
/* pl_nvme_qpair.blocked */
#define NVME_BLOCKED_SPLIT   1u /* a split op is not wholly issued */
#define NVME_BLOCKED_STOPPED 2u /* for good: only reset and destruction end it */
#define NVME_BLOCKED_DIVERTED 4u /* its ops go to the transport's submit and poll */
#define NVME_MAX_COMMAND_NLB 65536u /* the NLB field is 16 bits, 0's based */

/* Rings are read and written by whole words, whatever structure lies there. */
typedef uint32_t __attribute__((may_alias)) ring_dword;
typedef uint64_t __attribute__((may_alias)) ring_qword;

/*
 * A queue pair, laid out for the loops of rings and doorbells (pcie/io.c); one whose ops another
 * transport carries was made by nvme_qpair_divert(). Of the structure submit uses line 0 and poll
 * line 1, and nb_free, which poll gives back to, is on line 0; both count on line 2 and use the
 * slots. It lies in ordinary memory, which is never mapped for devices: what a device can write is
 * the CQ, and nothing loaded from there is a pointer or an index.
 *
 * A command in flight has a slot. Its identifier is the slot's number in the low bits (slot_mask)
 * and a generation above, another one each time the slot is used: the second completion of an
 * earlier command names no command in flight. Generations start anywhere, so that a queue that is
 * created anew does not repeat those of the last one, and slots take turns, so that they do not soon
 * wrap where few commands are in flight. The highest slot of the mask is never used, so
 * neither is FFFFh, which the Error Information log has for "no command".
 */
struct pl_nvme_qpair {
	/* line 0: submit */
	struct pl_nvme_sqe *sq;
	struct pl_nvme_sqe *sq_end;
	volatile uint32_t *sq_tdbl;
	struct pl_nvme_sqe *sqe; /* the next to write: the tail */
	uint64_t max_xfer;
	uint64_t ns_tag; /* what sqe0 of the controller's namespaces has in the identifier's place */
	uint32_t nb_free; /* slots: submit takes, poll gives back */
	uint32_t blocked; /* NVME_BLOCKED_*: submit takes nothing */

	/* line 1: poll */
	const volatile struct pl_nvme_cqe *cq __rte_cache_aligned;
	const volatile struct pl_nvme_cqe *cq_end;
	const volatile struct pl_nvme_cqe *cqe; /* the next to read: the head */
	volatile uint32_t *cq_hdbl;
	struct pl_nvme_op *split; /* accepted, not wholly issued; no loop looks at it */
	uint8_t *prp_pool;	  /* one list per slot; for what the loops leave aside */
	uint64_t slot_mask;	  /* of the bits of an identifier that are the slot */
	uint32_t cq_phase;	  /* the phase tag that marks a new entry */
	uint32_t cid_next;	  /* what makes the identifier in flight the free one that follows */

	/* line 2: counters */
	struct pl_nvme_qpair_stats stats __rte_cache_aligned;

	/* setup and failures */
	struct pl_nvme_ctrlr *ctrlr;
	const struct nvme_transport_ops *ops; /* of its transport, which may be gone before it */
	void *priv; /* that transport's */
	int error; /* why submit took fewer ops than offered */
	uint32_t nb_slots;
	uint32_t prp_stride; /* bytes of one slot's PRP list */
	uint32_t entries;
	uint16_t qid;
	bool sq_in_cmb;
	bool prp_in_cmb;
	bool created_cq; /* the controller knows the queue */
	bool created_sq;
	LIST_ENTRY(pl_nvme_qpair) link;

	/* The slots. In the structure, so that one register reaches all of it; what is beyond
	 * slot_mask is never touched. */
	uint32_t cid_of[NVME_MAX_ENTRIES] __rte_cache_aligned;
	struct pl_nvme_op *op_of[NVME_MAX_ENTRIES]; /* valid while in flight */
	uint16_t free_slots[NVME_MAX_ENTRIES]; /* a stack: the slots used last are the warmest */
} __rte_cache_aligned;

/* A field lies on one cache line, and on which. */
#define NVME_QPAIR_ON_LINE(field, line)                                                        \
	PL_STATIC_ASSERT(offsetof(struct pl_nvme_qpair, field) / RTE_CACHE_LINE_SIZE == (line) && \
				 (offsetof(struct pl_nvme_qpair, field) +                      \
				  sizeof(((struct pl_nvme_qpair *)0)->field) - 1) /            \
						 RTE_CACHE_LINE_SIZE ==                        \
					 (line),                                               \
			 #field " is on cache line " #line)
NVME_QPAIR_ON_LINE(sq, 0);
NVME_QPAIR_ON_LINE(sq_end, 0);
NVME_QPAIR_ON_LINE(sq_tdbl, 0);
NVME_QPAIR_ON_LINE(sqe, 0);
NVME_QPAIR_ON_LINE(max_xfer, 0);
NVME_QPAIR_ON_LINE(ns_tag, 0);
NVME_QPAIR_ON_LINE(nb_free, 0);
NVME_QPAIR_ON_LINE(blocked, 0);
NVME_QPAIR_ON_LINE(cq, 1);
NVME_QPAIR_ON_LINE(cq_end, 1);
NVME_QPAIR_ON_LINE(cqe, 1);
NVME_QPAIR_ON_LINE(cq_hdbl, 1);
NVME_QPAIR_ON_LINE(slot_mask, 1);
NVME_QPAIR_ON_LINE(cq_phase, 1);
NVME_QPAIR_ON_LINE(cid_next, 1);
NVME_QPAIR_ON_LINE(stats, 2);
PL_STATIC_ASSERT(offsetof(struct pl_nvme_qpair, cid_of) % RTE_CACHE_LINE_SIZE == 0,
		 "the slots share no line with what is set up once");

LIST_HEAD(nvme_qpair_list, pl_nvme_qpair);

/* A CMB or PMR that was attached: its address, where it lies in the device, the heap over it. */
struct nvme_devmem {
	void *va; /* NULL: none */
	size_t len;
	struct pl_p2p_heap *heap;
	uint64_t offset; /* in BAR `bir` */
	unsigned int bir;
	enum pl_mem_kind kind;
	bool attached; /* false between a reset that failed and the next one */
};

/* The specification sets no limit; Linux waits this long, and nobody knows how long a format takes. */
#define NVME_ADMIN_TIMEOUT_MS 60000u
#define NVME_FORMAT_TIMEOUTS  60u /* so many times that */

/*
 * What a device may make us wait for, whatever it says (doc/limits.md). A shutdown that takes less
 * than the least has been reported too short by real ones.
 */
#define NVME_BRING_UP_MS     120000u
#define NVME_SHUT_DOWN_MS    60000u
#define NVME_GIVE_UP_MS	     5000u /* of a controller whose bring-up was called off */
#define NVME_RTD3E_LEAST_MS  5000u
#define NVME_RTD3E_MOST_MS   30000u
#define NVME_PMRTO_MOST_MS   30000u

/* Of a controller whose DMA cannot be stopped: a failed bring-up each. */
#define NVME_MAX_KEPT 16u

struct pl_nvme_ctrlr {
	struct nvme_transport *t;
	struct pl_nvme_ctrlr_info info;
	struct nvme_devmem cmb;
	struct nvme_devmem pmr;
	struct pl_p2p p2p; /* it as a provider of them */
	char devmem_reason[256]; /* why there is a CMB or PMR that peers cannot reach; or "" */
	struct pl_nvme_ns *ns; /* a list, by NSID; the retired too */
	uint32_t nb_ns;
	uint64_t ready_timeout_ms;
	uint64_t shutdown_timeout_ms;
	uint64_t admin_timeout_ms;
	uint64_t bring_up_ms;	/* what bring-up and shutdown get as a whole */
	uint64_t shut_down_ms;
	uint64_t deadline_ms; /* of the one that is going on, by pl_now_ms(); 0: neither is */
	uint32_t ns_tag; /* its number, above the bits of an NSID: its namespaces carry it in sqe0 */
	bool enabled;
	uint32_t resets; /* atomic: how often we reset it, which ends what its memory held */
	bool failed; /* gone or not answering: a reset or the removal follows */
	bool no_dma; /* and its bus mastering is off: it touches no memory until the reset */

	pthread_mutex_t event_lock; /* guards the events; the last that is taken */
	struct pl_nvme_event events[NVME_MAX_EVENTS]; /* a ring */
	uint32_t event_head; /* the oldest: counts on, like the tail */
	uint32_t event_tail;
	uint32_t events_lost; /* since the last that had room */

	pthread_mutex_t admin_lock; /* guards everything below */
	unsigned int users; /* atomic: of its memory by the CPU, which a reset would take away */
	struct pl_nvme_qpair *adminq;
	struct pl_nvme_op admin_op; /* the synchronous command */
	struct pl_nvme_op aer_ops[NVME_MAX_AERS];
	uint32_t nb_aers;
	uint32_t nb_events; /* handled since the last poll_events() */
	uint64_t event_log_ms;	 /* when the first of the lines below was logged */
	uint32_t event_lines;	 /* logged about events since then */
	uint32_t events_unlogged;
	void *kept[NVME_MAX_KEPT]; /* buffers of admin commands that the device may still write to */
	uint32_t nb_kept;
	uint64_t qid_used[NVME_MAX_QUEUES / 64 + 1];
	struct nvme_qpair_list qpairs;
	struct nvme_qpair_list zombies; /* not deletable: freed once the device is gone */
	struct pl_nvme_ctrlr *next;
};

/* property.c: -ENODEV too if the answer is all ones, which no property is */
int nvme_get32(const struct pl_nvme_ctrlr *ctrlr, uint32_t off, uint32_t *val);
int nvme_get64(const struct pl_nvme_ctrlr *ctrlr, uint32_t off, uint64_t *val);
int nvme_set32(struct pl_nvme_ctrlr *ctrlr, uint32_t off, uint32_t val);
/* -ENODEV if @reg, of a register that is never all ones, says that nobody answers any more. */
int nvme_check_there(const struct pl_nvme_ctrlr *ctrlr, uint32_t reg);

/* health.c */

/* Whether bring-up or shutdown must end here: -ETIMEDOUT at its deadline, -ECANCELED if the user
 * asked for it, while it waits for the controller to @what ("become ready"). */
int nvme_wait_over(const struct pl_nvme_ctrlr *ctrlr, const char *what);

/* True if the controller reads and writes no memory but its own from here on; or it is logged why. */
bool nvme_ctrlr_stop_dma(struct pl_nvme_ctrlr *ctrlr);
/* Takes it for failed, and stops its DMA: no_dma tells whether that could be done. The caller holds
 * admin_lock. */
void nvme_ctrlr_fail(struct pl_nvme_ctrlr *ctrlr);

/* Whether somebody waits for the device to be given back. */
bool nvme_ctrlr_wanted(struct pl_nvme_ctrlr *ctrlr);
/* -ENODEV if the device must be given back, which is then `failed`: takes admin_lock for that. */
int nvme_ctrlr_asked_back(struct pl_nvme_ctrlr *ctrlr);

/* The CPU met SIGBUS in its memory or registers, and has other memory there now (lib/mem/sigbus.c). */
bool nvme_ctrlr_lost(const struct pl_nvme_ctrlr *ctrlr);
int nvme_ctrlr_lost_fail(const struct pl_nvme_ctrlr *ctrlr); /* -ENODEV, and says so */
/* From one to the other the CPU uses its memory: no reset then. The latter never waits. */
void nvme_ctrlr_use(struct pl_nvme_ctrlr *ctrlr);
void nvme_ctrlr_unuse(struct pl_nvme_ctrlr *ctrlr);

/* ctrlr.c */
/* @number: 1 to 65535, no other controller's. */
int nvme_ctrlr_start(struct nvme_transport *t, uint32_t number, struct pl_nvme_ctrlr **ctrlr);
void nvme_ctrlr_stop(struct pl_nvme_ctrlr *ctrlr); /* shuts down, removes the transport, frees */

/* Whether its writes may overtake each other on the way to memory. */
bool nvme_ctrlr_unordered(const struct pl_nvme_ctrlr *ctrlr);

/* admin.c: the caller of *_locked holds admin_lock */
int nvme_admin_init(struct pl_nvme_ctrlr *ctrlr);
void nvme_admin_start_aers(struct pl_nvme_ctrlr *ctrlr);
int nvme_admin_locked(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_sqe *sqe, void *buf, size_t len,
		      uint32_t *dw0, uint16_t *status);
/* Frees the buffer of an admin command, or keeps it until nvme_admin_kept_free(), if the controller
 * failed and may still write to it; then, once it was reset or removed, all of them. */
void nvme_admin_buf_free(struct pl_nvme_ctrlr *ctrlr, void *buf);
void nvme_admin_kept_free(struct pl_nvme_ctrlr *ctrlr);
int nvme_identify(struct pl_nvme_ctrlr *ctrlr, uint32_t cns, uint32_t nsid, void *buf);

/* ns.c */
int nvme_ns_identify_all(struct pl_nvme_ctrlr *ctrlr);
void nvme_ns_free_all(struct pl_nvme_ctrlr *ctrlr);
/* Whether a reset found it changed or gone: ops on it come back with Invalid Namespace or Format. */
bool nvme_ns_retired(const struct pl_nvme_ns *ns);

/* provider.c: the controller as a provider of peer memory; update() when its memory comes or goes. */
enum { NVME_PROVIDER_CMB, NVME_PROVIDER_PMR };
void nvme_provider_init(struct pl_nvme_ctrlr *ctrlr);
void nvme_provider_update(struct pl_nvme_ctrlr *ctrlr);

/* qpair.c: for transports, the common part; its slots are free and number entries - 1. NULL with a
 * message. */
struct pl_nvme_qpair *nvme_qpair_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
				       uint32_t max_xfer);
void nvme_qpair_free(struct pl_nvme_qpair *qp);
/* From here on ops come and go by the transport's submit and poll. */
void nvme_qpair_divert(struct pl_nvme_qpair *qp);

/* With all that is its transport's; NULL is ignored. */
void nvme_qpair_release(struct pl_nvme_qpair *qp);
/* Destroys; false if the controller could not be made to forget the queues, so that the buffers of
 * what was in flight must outlive the device. */
bool nvme_qpair_quiesce(struct pl_nvme_qpair *qp);
void nvme_qpairs_free_all(struct pl_nvme_ctrlr *ctrlr); /* the device is gone */

static inline bool nvme_qpair_stopped(const struct pl_nvme_qpair *qp)
{
	return qp->blocked & NVME_BLOCKED_STOPPED;
}

#endif
