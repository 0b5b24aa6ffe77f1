/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Copy between NVMe namespaces, peer to peer where there is a way, and prove it.
 *
 *     struct pl_copy_opts o = { .opts_size = sizeof(o), .src = a, .dst = b, .nlb = a->nlb,
 *                               .verify = true };
 *     struct pl_copy *job;
 *     int rc = pl_copy_create(&o, &job);        // plans; no command is sent yet
 *     while ((rc = pl_copy_poll(job)) > 0)
 *             ;
 *     pl_copy_stats(job, &stats);
 *     pl_copy_destroy(job);
 *
 * Each of `depth` slots holds one chunk: the source controller reads it into the slot's buffer,
 * the destination controller writes it from there. `via` says whose memory the buffers are:
 *
 * | via    | buffers in                | crosses the fabric as     | needs           |
 * |--------|---------------------------|---------------------------|-----------------|
 * | dst    | the destination's CMB/PMR | posted writes             | its WDS         |
 * | src    | the source's CMB/PMR      | non-posted reads          | its RDS         |
 * | device | a third controller's      | both, one leg each        | a CMB or PMR    |
 * | host   | hugepages                 | both, through host DRAM   | nothing         |
 * | auto   | the first of dst, src, any third, host that exists                    ||||
 *
 * Reads and writes are in flight together and complete in any order. Where a controller writes into
 * another one's memory, its completion does not prove that the data arrived (posted writes have no
 * answer). So a random nonce is stamped into the last 8 bytes of the buffer and read back (which
 * also flushes it), and after the completion one 8-byte load must show that it is gone; else
 * the job ends with -EREMOTEIO. With `verify` source and destination are then read into host
 * memory and compared byte by byte.
 *
 * A job belongs to the thread that created it.
 */
#ifndef PEERLANE_PL_COPY_H
#define PEERLANE_PL_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_err.h>
#include <peerlane/pl_hist.h>
#include <peerlane/pl_nvme.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pl_copy;

enum pl_copy_via {
	PL_COPY_VIA_AUTO,
	PL_COPY_VIA_DST,
	PL_COPY_VIA_SRC,
	PL_COPY_VIA_DEVICE, /**< `via_ctrlr`'s memory */
	PL_COPY_VIA_HOST,
};

struct pl_copy_opts {
	size_t opts_size;	 /**< sizeof(struct pl_copy_opts) */
	struct pl_nvme_ns *src;
	struct pl_nvme_ns *dst;
	uint64_t src_slba;	 /**< first LBA of the source */
	uint64_t dst_slba;	 /**< first LBA of the destination */
	uint64_t nlb;		 /**< LBAs of the source to copy */
	enum pl_copy_via via;
	struct pl_nvme_ctrlr *via_ctrlr; /**< for PL_COPY_VIA_DEVICE */
	uint32_t chunk;		 /**< bytes; 0: 128 KiB. A multiple of both LBA sizes */
	uint32_t depth;		 /**< chunks in flight; 0: 32, or as many as the memory holds */
	bool verify;		 /**< compare source and destination afterwards */
	bool no_landing_check;	 /**< trust completions; the result then says "unproven" */
};

/** What a job will do; fixed when pl_copy_create() returned 0. */
struct pl_copy_plan {
	enum pl_copy_via via;	   /**< never PL_COPY_VIA_AUTO */
	bool p2p;		   /**< no data crosses host DRAM */
	bool landing_check;
	enum pl_mem_kind kind;	   /**< of the buffers */
	char provider[32];	   /**< whose memory: a controller's name, or "host" */
	char path[160];		   /**< "nvme_emu0 -> nvme_emu1 CMB -> nvme_emu1" */
	char reason[160];	   /**< why this way, and why the preferred ones were not taken */
	uint64_t bytes;
	uint64_t chunks;
	uint32_t chunk;		   /**< bytes */
	uint32_t depth;
	bool depth_reduced;	   /**< the memory holds fewer chunks than the default depth */
};

enum pl_copy_phase { PL_COPY_COPYING, PL_COPY_VERIFYING, PL_COPY_DONE };

/** Where a job is. Histograms are in TSC cycles. */
struct pl_copy_stats {
	enum pl_copy_phase phase;
	int error;		    /**< 0, or the negative errno the job ended with */
	uint64_t bytes_copied;	    /**< chunks whose write completed */
	uint64_t bytes_verified;
	uint64_t copy_cycles;	    /**< TSC cycles from the first command to the last completion */
	uint64_t verify_cycles;
	uint64_t landing_checks;    /**< chunks whose arrival was proven */
	uint64_t landing_retries;   /**< re-reads until a nonce was gone */
	bool traffic_known;	    /**< both devices count what they move */
	struct pl_nvme_traffic copy_traffic;   /**< source and destination, while copying */
	struct pl_nvme_traffic verify_traffic; /**< and while verifying */
	uint64_t sq_doorbells;	    /**< while copying, both controllers */
	uint64_t cq_doorbells;
	uint64_t commands;
	const struct pl_hist *read_latency;  /**< valid until pl_copy_destroy() */
	const struct pl_hist *write_latency;
};

/**
 * Checks the request, chooses the path and takes queue pairs and buffers. Sends no command that
 * moves data.
 *
 * @return 0; -EINVAL for a range past a namespace's end, overlapping ranges on one namespace, a
 *   chunk that is no multiple of both LBA sizes, a length that is no multiple of the destination's
 *   LBA size, or a depth (asked for, not default) that the provider's memory cannot hold;
 *   -EREMOTEIO if the asked way does not exist (no CMB or PMR, or without WDS/RDS);
 *   -ENOMEM; and what pl_nvme_qpair_create() returns.
 */
PL_API int pl_copy_create(const struct pl_copy_opts *opts, struct pl_copy **job);

/** The plan; the job's own, valid until pl_copy_destroy(). */
PL_API const struct pl_copy_plan *pl_copy_plan(const struct pl_copy *job);

/**
 * Does what can be done now without blocking.
 * @return 1 while there is more; 0 when everything asked for was done; -EIO for a failed command
 *   (with its NVMe status in the message), -EREMOTEIO for data that did not land, -EILSEQ for a
 *   byte that compared unequal, -ENODEV if a controller is gone or was reset, -ETIMEDOUT if no
 *   command completed for 30 s, -ECANCELED after pl_copy_cancel(). The result is final;
 *   further calls return it again.
 */
PL_API int pl_copy_poll(struct pl_copy *job);

/** Stops issuing chunks; polling goes on until those in flight are done. Async-signal-safe. */
PL_API void pl_copy_cancel(struct pl_copy *job);

PL_API void pl_copy_stats(const struct pl_copy *job, struct pl_copy_stats *stats);

/** A range of destination LBAs that was written whole and acknowledged. */
struct pl_copy_range {
	uint64_t slba;
	uint64_t nlb;
};

/**
 * Which destination ranges are complete, ascending and merged.
 * @return how many there are; up to @p n are stored.
 */
PL_API int pl_copy_complete_ranges(const struct pl_copy *job, struct pl_copy_range *ranges, int n);

/** Frees the job, its buffers and queue pairs. NULL is ignored. */
PL_API void pl_copy_destroy(struct pl_copy *job);

#ifdef __cplusplus
}
#endif
#endif
