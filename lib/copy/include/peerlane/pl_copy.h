/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Copy between NVMe namespaces and files, peer to peer where there is a way, and prove it.
 *
 *     struct pl_copy_opts o = { .opts_size = sizeof(o), .verify = true };
 *
 *     o.src = pl_copy_ns_target(a, 0, a->nlb);  // all of a namespace
 *     o.dst = pl_copy_ns_target(b, 0, 0);       // to the first LBAs of another
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
 * | device | a third provider's        | both, one leg each        | memory to lend  |
 * | host   | hugepages                 | both, through host DRAM   | nothing         |
 * | auto   | the first of dst, src, any third, host that exists                    ||||
 *
 * Reads and writes are in flight together and complete in any order. Where a controller writes into
 * another one's memory, its completion does not prove that the data arrived (posted writes have no
 * answer); and one that reads there is answered with zeros or ones, and a status of 0, by a provider
 * that was reset or unplugged. So a chunk is *acknowledged* (counted, listed, exit status) by three
 * things in this order:
 *
 * 1. Before the read a random nonce is stamped into the last 8 bytes of every `landing_unit` of the
 *    buffer, and after the completion all of them must be gone. (Not in the source's own memory,
 *    where nothing crosses the fabric.)
 * 2. The destination's write completes.
 * 3. After that, once for a burst of completions, the provider is proven to be alive and the same: its
 *    registers are as the library programmed them, a random canary in its memory is there, and it was
 *    not reset. So it was at any time before, while nonces were looked at and data was read there.
 *
 * What completed since the last good proof is unproven: the job ends with -EREMOTEIO or -ENODEV, and
 * those chunks are not complete. doc/proof.md tells what this cannot see. With `verify` source and
 * destination are then read into host memory and compared byte by byte, which is the proof for that.
 *
 * At the end a namespace with a volatile write cache gets a Flush, and a file fdatasync(); a job that
 * was stopped or failed does the same for what is complete, if it can. `no_sync` leaves that out.
 *
 * A job belongs to the thread that created it.
 *
 * Source and destination may be two ranges of one medium, which must not overlap, whatever the two
 * are called: one namespace behind two controllers (by NGUID, EUI64 or UUID; without these by SUBNQN
 * and NSID if it is shared), one that the kernel drives beside one that Peerlane drives, two names of
 * a file, an emulated controller and its file, a disk and its partition, a loop device and its file.
 * Where the one lies somewhere on the other (a file on the block device of its file system, a dm or md
 * device on its disks), the ranges cannot be compared and the copy is refused. Namespaces that tell no
 * name, devices that only the other side of a network knows to be one, and file systems without a
 * block device of their own (btrfs, overlay, NFS) are not found out.
 *
 * Either end may be a file or a block device that the kernel drives, see pl_copy_file_open(). Its
 * chunks are O_DIRECT requests of an io_uring, and the kernel's driver moves them to and from the
 * same buffers: a namespace's controller and the file's meet in a CMB, or in hugepages with `host`.
 * `via` means the same as above; a file has no memory of its own. Whether the file's device reaches
 * a controller's memory is asked before anything is copied, by one read of a block of the file into
 * it (of the block device behind it if the file is empty; never by a write).
 */
#ifndef PEERLANE_PL_COPY_H
#define PEERLANE_PL_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_err.h>
#include <peerlane/pl_hist.h>
#include <peerlane/pl_nvme.h>
#include <peerlane/pl_p2p.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pl_copy;
struct pl_copy_file;

enum pl_copy_via {
	PL_COPY_VIA_AUTO,
	PL_COPY_VIA_DST,
	PL_COPY_VIA_SRC,
	PL_COPY_VIA_DEVICE, /**< `via_provider`'s memory */
	PL_COPY_VIA_HOST,
};

/**
 * A range to copy from or to. pl_copy_ns_target(), pl_copy_file_target() and whatever else can be
 * an end of a copy fill it in.
 */
struct pl_copy_target {
	const char *kind;	 /**< of the end that @p handle belongs to */
	void *handle;		 /**< stays the caller's; NULL is no target */
	uint64_t offset;	 /**< first byte */
	uint64_t bytes;		 /**< length; of a destination 0: as long as the source */
};

/**
 * @p nlb LBAs of @p ns from @p slba on; as a destination 0 LBAs are as many as the source fills.
 * Where 64 bits do not count the bytes, `offset` or `bytes` is UINT64_MAX, which no job accepts.
 */
PL_API struct pl_copy_target pl_copy_ns_target(struct pl_nvme_ns *ns, uint64_t slba, uint64_t nlb);

/** @p bytes of @p file from @p offset on; as a destination 0 bytes are as many as the source has. */
PL_API struct pl_copy_target pl_copy_file_target(struct pl_copy_file *file, uint64_t offset,
						 uint64_t bytes);

struct pl_copy_opts {
	size_t opts_size;	 /**< sizeof(struct pl_copy_opts) */
	struct pl_copy_target src;
	struct pl_copy_target dst; /**< a file is opened with PL_COPY_FILE_WRITE */
	enum pl_copy_via via;
	struct pl_p2p *via_provider; /**< for PL_COPY_VIA_DEVICE: pl_p2p_get() */
	uint32_t chunk;		 /**< bytes; 0: 128 KiB. A multiple of both LBA sizes */
	uint32_t depth;		 /**< chunks in flight; 0: 32, or as many as the memory holds */
	bool verify;		 /**< compare source and destination afterwards */
	bool no_landing_check;	 /**< trust completions; the result then says "unproven" */
	uint32_t landing_unit;	 /**< bytes that get a nonce each; 0: 4096. A multiple of 512 */
	bool no_sync;		 /**< do not flush the destination's cache at the end */
};

/** What a job will do; fixed when pl_copy_create() returned 0. */
struct pl_copy_plan {
	enum pl_copy_via via;	   /**< never PL_COPY_VIA_AUTO */
	bool p2p;		   /**< no data crosses host DRAM */
	bool landing_check;
	enum pl_mem_kind kind;	   /**< of the buffers */
	char provider[32];	   /**< whose memory: a provider's name, or "host" */
	char label[8];		   /**< and which of it: "CMB", "PMR", "BAR 2"; "" for the host's */
	char path[320];		   /**< "nvme_emu0 -> nvme_emu1 CMB -> nvme_emu1" */
	char reason[400];	   /**< why this way, and why the preferred ones were not taken */
	uint64_t bytes;
	uint64_t chunks;
	uint32_t chunk;		   /**< bytes */
	uint32_t depth;
	bool depth_reduced;	   /**< the memory holds fewer chunks than the default depth */
	uint32_t dst_unit;	   /**< bytes of what pl_copy_range counts: an LBA; 1 in a file */
	uint32_t landing_unit;	   /**< bytes that have a nonce each; 0 without a landing check */
	char sync[24];		   /**< "Flush", "fdatasync()"; "" if nothing is flushed at the end */
	char unproven[192];	   /**< what no check of this copy can see; "" with `verify` */
	char src_io[96];	   /**< how a file is read: "io_uring, polled"; "" for a namespace */
	char dst_io[96];	   /**< and how one is written */
	char warning[256];	   /**< what the copy cannot rule out, for the user; "" if nothing: the
					namespace to be written is shared with other controllers */
};

enum pl_copy_phase { PL_COPY_COPYING, PL_COPY_SYNCING, PL_COPY_VERIFYING, PL_COPY_DONE };

/** Whether what is complete survives a loss of power. */
enum pl_copy_sync {
	PL_COPY_UNSYNCED,      /**< not known: it was not asked for, or not done */
	PL_COPY_SYNCED,	       /**< the destination's cache was flushed after the last write */
	PL_COPY_SYNC_NEEDLESS, /**< the destination says that it has no volatile write cache */
};

/** Where a job is. Histograms are in TSC cycles. */
struct pl_copy_stats {
	enum pl_copy_phase phase;
	int error;		    /**< 0, or the negative errno the job ended with */
	uint64_t bytes_copied;	    /**< chunks that were acknowledged */
	uint64_t bytes_unproven;    /**< written after the last good proof of the provider */
	uint64_t bytes_verified;
	uint64_t copy_cycles;	    /**< TSC cycles from the first command to the last completion */
	uint64_t verify_cycles;
	enum pl_copy_sync sync;
	uint64_t landing_checks;    /**< chunks whose arrival was proven */
	uint64_t landing_retries;   /**< re-reads until a nonce was gone */
	uint64_t proofs;	    /**< looks at the provider */
	uint64_t device_reads;	    /**< 8-byte loads that nonces and 4- or 8-byte loads that proofs took:
					 each is a round trip of the CPU to the provider */
	bool traffic_known;	    /**< both ends count what they move; a file's bytes are those that
					 the kernel said it moved, by the memory of the buffer */
	struct pl_nvme_traffic copy_traffic;   /**< source and destination, while copying */
	struct pl_nvme_traffic verify_traffic; /**< and while verifying */
	uint64_t sq_doorbells;	    /**< while copying, both controllers */
	uint64_t cq_doorbells;
	uint64_t commands;	    /**< NVMe commands while copying */
	uint64_t file_ios;	    /**< io_uring requests while copying, for files */
	uint64_t syscalls;	    /**< and how many io_uring_enter() they took */
	uint64_t host_bytes;	    /**< of reads and writes while copying whose buffer was host
					 memory, by the address that device or kernel was given; known
					 even where `traffic_known` is false */
	const struct pl_hist *read_latency;  /**< valid until pl_copy_destroy() */
	const struct pl_hist *write_latency;
};

/* ---- files ---- */

/**
 * A file or block device, open for copies. Jobs use it one after the other, in the thread that
 * opened it. Copies of ranges do not make it shorter, as with dd's conv=notrunc; one that is written
 * past its end grows: its size follows what is written, and when its copying failed or was stopped it
 * ends with the acknowledged data that is contiguous from the start of the range, or where it ended
 * before if that is later. pl_copy_complete_ranges() says what of it is complete.
 */
struct pl_copy_file;

/** Also written: a file that does not exist is created. A block device is opened exclusively. */
#define PL_COPY_FILE_WRITE 1u

struct pl_copy_file_info {
	const char *name;  /**< "file:PATH", as in messages; the handle's own */
	uint64_t size;	   /**< bytes when it was opened */
	uint32_t align;	   /**< bytes that offsets, lengths and chunks are multiples of: O_DIRECT's;
				the last range of a source may end where the file does */
	bool block_device;
	bool created;	   /**< it did not exist */
};

/**
 * Opens @p path with O_DIRECT. Blocks for as long as open() does.
 *
 * @param flags 0 or PL_COPY_FILE_WRITE.
 * @return 0; -EINVAL if it is neither a file nor a block device; -ENOENT if there is no such file,
 *   or no directory to create it in; -EACCES; -EBUSY for a block device to write that is mounted or
 *   part of another; -ENOTSUP if the file system has no O_DIRECT; -ENODEV if no device is behind
 *   it; -ENOSPC if it cannot be created for want of room; -ENOMEM; -EIO for anything else.
 */
PL_API int pl_copy_file_open(const char *path, unsigned int flags, struct pl_copy_file **file);

PL_API void pl_copy_file_info(const struct pl_copy_file *file, struct pl_copy_file_info *info);

/** Closes; no job uses it any more. A file that open created is removed again if it is empty, no job
 * of this handle began to write, and no other handle, of this or another process, has it open to
 * write. NULL is ignored. */
PL_API void pl_copy_file_close(struct pl_copy_file *file);

/* ---- jobs ---- */

/**
 * Checks the request, chooses the path and takes queue pairs and buffers. Sends no command that
 * moves data, but for one read of a file that probes the way to a controller's memory.
 *
 * @return 0; -EINVAL for a target of no known kind, a range past the end of a namespace or source
 *   file, ranges that overlap
 *   on one medium or that lie on one where nobody can tell (see above), a chunk that is no multiple of
 *   both LBA sizes (of a file: of its `align`), a range of a file that is not aligned, a range of a
 *   namespace that does not begin and end with an LBA, a length of the destination that is not the
 *   source's, or a depth (asked for, not default) that the provider's memory cannot
 *   hold; -EREMOTEIO if the asked way does not exist (no CMB or PMR, or without WDS/RDS, or the
 *   file's device cannot reach it); -EIO if a file cannot be read; -ENOTSUP and -EACCES if the
 *   kernel has no io_uring or forbids it; -ENOMEM; and what pl_nvme_qpair_create() returns.
 */
PL_API int pl_copy_create(const struct pl_copy_opts *opts, struct pl_copy **job);

/** The plan; the job's own, valid until pl_copy_destroy(). */
PL_API const struct pl_copy_plan *pl_copy_plan(const struct pl_copy *job);

/**
 * Does what can be done now without blocking; the first call takes the space that a file to write
 * lacks, which a file system may take its time for.
 * @return 1 while there is more; 0 when everything asked for was done; -EIO for a failed command
 *   (with its NVMe status in the message) or for a file that became shorter, -ENOSPC if there is no
 *   room for a file, -EREMOTEIO for data that did not land or a provider whose memory is another,
 *   -EILSEQ for a byte that compared unequal, -ENODEV if a controller is gone or was reset, -ETIMEDOUT
 *   if no command completed for 30 s (a Flush: 5 min), -ECANCELED after pl_copy_cancel(). The result
 *   is final; further calls return it again.
 */
PL_API int pl_copy_poll(struct pl_copy *job);

/** Stops issuing chunks; polling goes on until those in flight are done. Async-signal-safe. */
PL_API void pl_copy_cancel(struct pl_copy *job);

PL_API void pl_copy_stats(const struct pl_copy *job, struct pl_copy_stats *stats);

/** A range of the destination that is complete, in LBAs; in a file in bytes (plan's `dst_unit`). */
struct pl_copy_range {
	uint64_t slba;
	uint64_t nlb;
};

/**
 * Which destination ranges are complete, ascending and merged: those that were acknowledged; once
 * the job began to verify, those that compared equal.
 * @return how many there are; up to @p n are stored.
 */
PL_API int pl_copy_complete_ranges(const struct pl_copy *job, struct pl_copy_range *ranges, int n);

/** Frees the job, its buffers and queue pairs. NULL is ignored. */
PL_API void pl_copy_destroy(struct pl_copy *job);

#ifdef __cplusplus
}
#endif
#endif
