/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * NVMe controllers, namespaces and polled I/O queue pairs.
 *
 *     struct pl_nvme_ctrlr *c = pl_nvme_ctrlr_get("nvme_emu0");
 *     struct pl_nvme_ns *ns = pl_nvme_ns_get(c, 1);
 *     struct pl_nvme_qpair *qp;
 *     pl_nvme_qpair_create(c, NULL, &qp);
 *
 *     struct pl_nvme_op op, *ops[1] = { &op }, *done[1];
 *     pl_nvme_op_read(&op, ns, buf, slba, nlb);      // buf: any DMA-able address, host or peer
 *     while (pl_nvme_submit(qp, ops, 1) == 0)
 *             ;
 *     while (pl_nvme_poll(qp, done, 1) == 0)
 *             ;
 *     if (op.status) fprintf(stderr, "%s\n", pl_nvme_status_str(op.status));
 *
 * A controller is brought up by pl_eal_init() and shared by all threads. A queue pair belongs to
 * one thread at a time: submit and poll take no lock, allocate nothing, make no system call and
 * translate no address (a buffer's virtual address is its IOVA). One burst of submissions costs
 * one doorbell, one burst of completions another.
 *
 * Completion order is not submission order. A status of 0 says that the controller completed the
 * command; where the data went to another device's memory it does not prove that the data landed
 * there (posted writes have no answer). lib/copy checks that; a program that drives queue pairs
 * itself must too.
 *
 * References are to the NVM Express Base Specification 1.4.
 */
#ifndef PEERLANE_PL_NVME_H
#define PEERLANE_PL_NVME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_err.h>
#include <peerlane/pl_mem.h>
#include <peerlane/pl_p2p.h>
#include <peerlane/pl_nvme_spec.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pl_nvme_ctrlr;
struct pl_nvme_qpair;

/* ---- controllers ---- */

/**
 * The controller of this name: the `--vdev` name or the full BDF.
 * @return NULL if there is none; pl_errmsg() then lists those that exist. Any thread.
 */
PL_API struct pl_nvme_ctrlr *pl_nvme_ctrlr_get(const char *name);

/** The controller after @p prev in the order of the command line; NULL starts, NULL ends. */
PL_API struct pl_nvme_ctrlr *pl_nvme_ctrlr_next(const struct pl_nvme_ctrlr *prev);

/** What a controller is, as it said when it came up, or when it was reset last. */
struct pl_nvme_ctrlr_info {
	const char *name;
	const char *transport;	/**< "nvme_emu", "vfio" */
	/* as the controller has them, with '?' for what is not printable ASCII */
	char serial[21];
	char model[41];
	char firmware[9];
	char subnqn[224];	/**< NVM subsystem's qualified name, the same for all of its
				     controllers; "" if it has none to tell */
	uint32_t version;	/**< VS register: major << 16 | minor << 8 */
	uint64_t cap;		/**< CAP register */
	uint32_t cmbloc;	/**< CMBLOC as enabled; 0 without a CMB */
	uint32_t cmbsz;
	uint32_t pmrcap;	/**< 0 without a PMR */
	uint32_t max_entries;	/**< entries a queue may have: CAP.MQES + 1, at most 1024, so that
				     command identifiers have a generation */
	uint32_t max_xfer;	/**< bytes one command may move (MDTS), at most 4 MiB */
	uint16_t io_queues;	/**< queue pairs the controller granted */
	uint16_t oncs;		/**< Identify Controller ONCS: optional NVM commands */
	uint32_t nn;		/**< highest namespace identifier */
	int numa_node;
	bool vwc;		/**< it has a volatile write cache (VWC bit 0): what was written
				     survives power loss after a Flush, not before */
};

/** @param size sizeof(*info), see pl_err.h; so with the others that have it. Any thread. */
PL_API void pl_nvme_ctrlr_info(const struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_ctrlr_info *info,
			       size_t size);

/** The controller as a provider of peer memory (pl_p2p.h): its CMB and its PMR; as long as the
 * controller. Any thread. */
PL_API struct pl_p2p *pl_nvme_ctrlr_p2p(struct pl_nvme_ctrlr *ctrlr);

/** The heap over the controller's CMB or PMR; NULL if it has none that can be used. */
PL_API struct pl_p2p_heap *pl_nvme_ctrlr_heap(const struct pl_nvme_ctrlr *ctrlr,
					      enum pl_mem_kind kind);

/**
 * Runs one admin command and waits for it, handling asynchronous events on the way. Any thread
 * that is not polling this controller's events; takes the controller's admin lock.
 *
 * A command that changes namespaces (Format NVM, Namespace Management, Namespace Attachment,
 * Sanitize) is to be followed by pl_nvme_ctrlr_reset(), which identifies them anew, before any I/O.
 * Queues, their number and asynchronous events are the library's.
 *
 * @param sqe the command; its cid and, where @p len is not 0, its data pointer are filled in here.
 * @param buf DMA-able memory of @p len bytes, or NULL with @p len 0.
 * @param dw0 where to store completion dword 0; may be NULL.
 * @param status where to store the 15-bit status field; may be NULL.
 * @return 0; -EIO if the status is not 0; -ETIMEDOUT after 60 s (Format NVM: an hour), -ENODEV if it
 *   is gone, asked back, or answered a command that is not in flight: then the controller has failed,
 *   and its DMA was stopped, so that @p buf may be freed (where that failed, pl_errmsg() and the log
 *   say so, and @p buf must stay until it was reset or removed); -EINVAL if @p len exceeds 4096 or the
 *   command is the library's.
 */
PL_API int pl_nvme_admin(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_sqe *sqe, void *buf,
			 size_t len, uint32_t *dw0, uint16_t *status);

/** An asynchronous event (5.2), as completion dword 0 has it. */
struct pl_nvme_event {
	uint8_t type;
	uint8_t info;
	uint8_t log_page; /**< reading it unmasks events of this type */
	uint8_t rsvd;
	uint32_t lost;	  /**< events before this one that found no room */
};

/**
 * Takes the oldest event that was not taken yet; pl_nvme_ctrlr_poll_events() and admin commands put
 * them there, up to 64. Events of a type stay masked until its log page is read (5.2), which is the
 * program's to do. Any thread; waits for no admin command.
 *
 * @return 0; -ENOENT if there is none.
 */
PL_API int pl_nvme_ctrlr_event_next(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_event *event,
				    size_t size);

/**
 * Reaps asynchronous events, and sees whether the controller is still there: call it now and then
 * (a lock and a register read). Any thread. While another thread waits for an admin command, that one
 * does it, and this does nothing and returns 0.
 *
 * A call handles at most 16 completions, and logs at most 10 events a second; more is counted.
 *
 * @return how many; -ENODEV if the controller is gone, failed, or asked back by the kernel, which
 *   waits for pl_eal_cleanup() or the end of the process while somebody unbinds or unplugs it.
 */
PL_API int pl_nvme_ctrlr_poll_events(struct pl_nvme_ctrlr *ctrlr);

/**
 * Resets the controller (CC.EN 0 then 1), attaches its CMB and PMR again at the same addresses and
 * identifies it anew. All its queue pairs must have been destroyed. Namespaces are identified anew as
 * well; pointers to them stay valid (struct pl_nvme_ns).
 * @return 0; -EBUSY if a queue pair exists or a copy that has not ended goes through its memory;
 *   -ENODEV or -ETIMEDOUT if it did not come up, -ECANCELED after pl_eal_request_stop(), and then the
 *   controller stays failed.
 */
PL_API int pl_nvme_ctrlr_reset(struct pl_nvme_ctrlr *ctrlr);

/** What crossed which memory, from the device's own side. @{ */
enum pl_traffic_class {
	PL_TRAFFIC_DATA,  /**< user data of NVM commands */
	PL_TRAFFIC_QUEUE, /**< SQE fetches and CQE posts */
	PL_TRAFFIC_LIST,  /**< PRP lists, range lists */
	PL_TRAFFIC_ADMIN, /**< data of admin commands */
	PL_TRAFFIC_CLASSES,
};
enum pl_traffic_mem {
	PL_TRAFFIC_HOST, /**< host DRAM */
	PL_TRAFFIC_OWN_CMB,
	PL_TRAFFIC_OWN_PMR,
	PL_TRAFFIC_PEER_CMB,
	PL_TRAFFIC_PEER_PMR,
	PL_TRAFFIC_PEER_BAR, /**< PL_MEM_BAR: of a device that is no controller */
	PL_TRAFFIC_MEMS,
};
struct pl_nvme_traffic {
	/** bytes[class][memory][0] the device read, [1] the device wrote */
	uint64_t bytes[PL_TRAFFIC_CLASSES][PL_TRAFFIC_MEMS][2];
};
/** @} */

/**
 * Copies what the device counted since it came up. Bytes of a command are counted before its
 * completion is posted. Any thread.
 * @return 0; -ENOTSUP if the device cannot tell.
 */
PL_API int pl_nvme_ctrlr_traffic(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_traffic *traffic,
				 size_t size);

/* ---- namespaces ---- */

/**
 * An active namespace. Its fields may be read directly, by any thread: they do not change, and the
 * object lives until pl_eal_cleanup(). A reset that finds the namespace as it was keeps the object.
 * One that does not find it, or finds another size, format or identity under its NSID, retires it: ops
 * on it come back with Invalid Namespace or Format, a copy is refused with -ENODEV, and what is there
 * now is another object, which pl_nvme_ns_get() returns.
 */
struct pl_nvme_ns {
	uint32_t nsid;
	uint32_t lba_shift;  /**< log2 of the LBA size in bytes */
	uint64_t nlb;	     /**< size in LBAs (NSZE) */
	uint64_t sqe0;	     /**< the library's: nsid where the first 8 bytes of an SQE have it, and
				  the controller's mark where they have the command identifier */
	struct pl_nvme_ctrlr *ctrlr;
	/* Copy command limits, 0 where the controller has no Copy */
	uint16_t mssrl;	     /**< LBAs a source range may have */
	uint32_t mcl;	     /**< LBAs a command may have */
	uint16_t msrc;	     /**< source ranges a command may have */
	uint64_t zone_nlb;   /**< LBAs of a zone; 0: not zoned. A zoned namespace is written in order, zone
				  by zone, which is its user's to do; ops never cross a zone's end, since
				  submit splits them there */
	bool shared;	     /**< other controllers may have it attached as well (NMIC) */
	bool found;	     /**< the library's */
	/* Its names as the controller tells them, all zeros where it has none: equal ones are one medium,
	 * different ones may be so as well */
	uint8_t eui64[8];
	uint8_t nguid[16];
	uint8_t uuid[16];
	struct pl_nvme_ns *next; /**< the library's */
};

/**
 * The usable namespace after @p prev, by NSID; NULL starts, NULL ends. One is usable if its LBA format
 * has no metadata and 2^9 to 2^16 bytes, and its size is below 2^63 bytes; of a controller with more
 * than 1024 the first are. What is left out is logged. Any thread.
 */
PL_API struct pl_nvme_ns *pl_nvme_ns_next(const struct pl_nvme_ctrlr *ctrlr,
					  const struct pl_nvme_ns *prev);

/** @return the namespace, or NULL with a message if @p nsid is not active or not usable. */
PL_API struct pl_nvme_ns *pl_nvme_ns_get(struct pl_nvme_ctrlr *ctrlr, uint32_t nsid);

/* ---- I/O ---- */

/**
 * One I/O. The caller owns it; between submit and poll it belongs to the queue pair and neither it
 * nor its buffer may be touched. One cache line: the fields before `status` are read by submit,
 * `status` and `result` are written by poll.
 */
struct pl_nvme_op {
	struct pl_nvme_ns *ns;
	void *buf;	  /**< first byte; dword aligned; registered memory of any kind */
	uint64_t slba;	  /**< first LBA; Copy: destination LBA */
	uint32_t nlb;	  /**< LBAs, 1's based; DSM and Copy: number of ranges in buf */
	uint8_t opc;	  /**< NVME_CMD_* */
	uint8_t rsvd;
	uint16_t control; /**< upper half of cdw12: NVME_CDW12_FUA >> 16; DSM: attributes */
	uint16_t status;  /**< out: 15-bit status field, 0 is success */
	uint16_t split;	  /**< the library's: commands outstanding of an op larger than MDTS */
	uint32_t result;  /**< out: completion dword 0 */
	uint32_t issued;  /**< the library's: LBAs of a split op issued so far */
	void *ctx;	  /**< the caller's */
	uint64_t user[1]; /**< the caller's */
} __attribute__((aligned(64)));
PL_STATIC_ASSERT(sizeof(struct pl_nvme_op) == 64, "an op is one cache line");

static inline void pl_nvme_op_set(struct pl_nvme_op *op, uint8_t opc, struct pl_nvme_ns *ns,
				  void *buf, uint64_t slba, uint32_t nlb)
{
	op->ns = ns;
	op->buf = buf;
	op->slba = slba;
	op->nlb = nlb;
	op->opc = opc;
	op->rsvd = 0;
	op->control = 0;
}

static inline void pl_nvme_op_read(struct pl_nvme_op *op, struct pl_nvme_ns *ns, void *buf,
				   uint64_t slba, uint32_t nlb)
{
	pl_nvme_op_set(op, NVME_CMD_READ, ns, buf, slba, nlb);
}

static inline void pl_nvme_op_write(struct pl_nvme_op *op, struct pl_nvme_ns *ns, void *buf,
				    uint64_t slba, uint32_t nlb)
{
	pl_nvme_op_set(op, NVME_CMD_WRITE, ns, buf, slba, nlb);
}

/** Options of a queue pair. Zero-initialise, set opts_size, then the rest. */
struct pl_nvme_qpair_opts {
	size_t opts_size; /**< sizeof(struct pl_nvme_qpair_opts); see pl_err.h */
	uint32_t depth;	  /**< entries of each queue, 2 to max_entries; one less may be in flight;
			       0: 256 or max_entries if that is less */
	uint32_t max_xfer; /**< bytes of one command; larger ops are split; 0: the controller's,
				but no more than 1 MiB, which bounds the PRP pool */
	uint32_t sq_in_cmb; /**< 1: the submission queue lies in the controller's own CMB */
	uint32_t prp_in_cmb; /**< 1: so do the PRP lists */
};

/**
 * Creates a completion and a submission queue and everything submit and poll need. Any thread; the
 * pair then belongs to whichever thread uses it.
 *
 * @param opts NULL for the defaults.
 * @return 0; -EINVAL for a depth, transfer size or opts_size out of range; -ENOMEM for memory or
 *   when all granted queues are in use; -ENOTSUP if CMBSZ does not allow it; -EIO if the
 *   controller refused; -ENODEV; -ETIMEDOUT.
 */
PL_API int pl_nvme_qpair_create(struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_qpair_opts *opts,
				struct pl_nvme_qpair **qp);

/**
 * Deletes the queues, then frees. Ops still in flight are forgotten: the controller has stopped
 * touching their buffers when this returns. For that, one that refuses to delete the submission
 * queue is stopped as a whole, and has failed; where not even that can be done the log says so, and
 * the buffers must stay until it was reset or removed. Any thread, once no other uses the pair. NULL
 * is ignored.
 */
PL_API void pl_nvme_qpair_destroy(struct pl_nvme_qpair *qp);

/**
 * Queues ops in order and rings one doorbell. Owner thread only.
 *
 * Reads, writes and compares of any size (larger ones than max_xfer are split), flush, write
 * zeroes, dataset management (buf: `nlb` struct pl_nvme_dsm_range, control: attributes) and copy
 * (buf: `nlb` struct pl_nvme_copy_range, slba: destination).
 *
 * @return how many were accepted. Fewer than @p n: the queue is full (poll, then offer the rest
 *   again), or the next op is not acceptable: pl_nvme_qpair_error() tells which. An accepted op
 *   comes back from pl_nvme_poll() exactly once.
 */
PL_API uint16_t pl_nvme_submit(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *ops, uint16_t n);

/**
 * Collects up to @p n completed ops and rings one doorbell if there were any. Owner thread only.
 *
 * A completion whose identifier is not that of a command in flight (one that never was, or the
 * second completion of an earlier command) stops the queue pair: from then on submit and poll
 * return 0, whatever the controller writes, until pl_nvme_qpair_destroy(). The ops in flight do not
 * come back, and what they read or wrote must be taken for lost.
 * @return how many are in @p ops.
 */
PL_API uint16_t pl_nvme_poll(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n);

/**
 * Why submit accepted fewer ops than offered: 0 if only for lack of slots; -EINVAL if the first op
 * it left is malformed (unknown opcode, no LBAs, another controller's namespace or one that a reset
 * retired, misaligned or, in debug builds, unregistered buffer), with a message; -EIO once the queue
 * pair is stopped (the controller posted a completion for no command in flight).
 */
PL_API int pl_nvme_qpair_error(const struct pl_nvme_qpair *qp);

/** Counters of a queue pair; owner thread. */
struct pl_nvme_qpair_stats {
	uint64_t commands;	 /**< SQEs written */
	uint64_t completions;	 /**< CQEs consumed */
	uint64_t sq_doorbells;	 /**< MMIO writes by submit (and by poll, for split ops) */
	uint64_t cq_doorbells;	 /**< MMIO writes by poll */
	uint32_t in_flight;	 /**< commands without completion */
};
PL_API void pl_nvme_qpair_stats(const struct pl_nvme_qpair *qp, struct pl_nvme_qpair_stats *stats,
				size_t size);

/** The depth, transfer limit and identifier a queue pair really has. */
PL_API uint32_t pl_nvme_qpair_depth(const struct pl_nvme_qpair *qp);
PL_API uint32_t pl_nvme_qpair_max_xfer(const struct pl_nvme_qpair *qp);
PL_API uint16_t pl_nvme_qpair_id(const struct pl_nvme_qpair *qp);

/**
 * The text of a 15-bit status field: "LBA Out of Range (sct 0 sc 80h, do not retry)". In a buffer
 * of the calling thread, valid until its next call.
 */
PL_API const char *pl_nvme_status_str(uint16_t status);

#ifdef __cplusplus
}
#endif
#endif
