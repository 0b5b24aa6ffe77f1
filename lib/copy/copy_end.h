/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under the pipeline: an end is where a copy reads from or writes to. Chunks are named by
 * bytes from the start of the end's range; LBAs, queue pairs, io_uring and their errors are the
 * end's own business. Adding one is adding to ends/ a table of functions that registers itself.
 */
#ifndef COPY_END_H
#define COPY_END_H

#include <sys/uio.h>

#include <peerlane/pl_copy.h>

#include "medium.h"
#include "p2p_provider.h"

struct pl_copy;
struct copy_end;
struct copy_slot;

/* What an end may keep of its own in each I/O, and of the whole. */
#define COPY_IO_OWN  64u
#define COPY_END_OWN 64u

/* One I/O of an end: up to a chunk. */
struct copy_io {
	uint8_t own[COPY_IO_OWN] __attribute__((aligned(64))); /* the end's */
	struct copy_slot *slot;
	uint8_t *buf;
	uint64_t at; /* bytes from the start of the range */
	uint32_t len;
	int error;     /* out: 0, or a negative errno that ops->failed() explains */
	bool write;
	bool sync; /* of no bytes: ops->sync()'s */
};

struct copy_end_stats {
	uint64_t commands; /* NVMe's */
	uint64_t sq_doorbells;
	uint64_t cq_doorbells;
	uint64_t syscalls;
	uint64_t file_ios;        /* requests to the kernel */
	uint64_t host_bytes; /* of user data to or from buffers in host memory */
};

struct copy_end_ops {
	const char *name; /* pl_copy_target's `kind` */
	const char *counts; /* what positions count, in messages: "LBA", "offset" */

	/* Sets what copy_end below names, of a target with a handle. Takes nothing, cannot fail. */
	void (*init)(struct copy_end *end, const struct pl_copy_target *target);
	/* Whether @n units from the start on can be copied; @what is "source" or "destination". */
	int (*check_range)(const struct copy_end *end, uint64_t n, const char *what);
	/* What the @len bytes from the start on are made of. 0, -ENOMEM or -ENOTSUP. */
	int (*medium)(const struct copy_end *end, uint64_t len, struct copy_medium *medium);
	/* Whether the provider's memory could be reached; says nothing about the fabric. If not, why. */
	bool (*reaches)(const struct copy_end *end, const struct pl_p2p *provider,
			struct pl_p2p_path *path);
	/* One read proves that there is a way to the provider's memory. 0; -EREMOTEIO: there is
	 * none; other errors are not the way's. NULL: this is known already. */
	int (*probe)(const struct copy_end *end, struct pl_p2p_heap *heap, const char *provider);

	/* Whether what it writes to a provider's memory may overtake what it wrote before. NULL: no. */
	bool (*unordered)(const struct copy_end *end);
	/* What a copy that writes it cannot rule out, for the user. NULL: nothing. */
	void (*warn)(const struct copy_end *end, char *text, size_t len);

	/* Takes what submit and poll need, when the job's buffers are there. */
	int (*open)(struct copy_end *end, struct pl_copy *job);
	/* Bytes that a transfer of the device moves at most: each of them may be lost by itself. */
	size_t (*piece)(const struct copy_end *end);
	/* Before the first I/O. NULL: nothing to do. */
	int (*begin)(struct copy_end *end, struct pl_copy *job);

	/* Once, when the job has ended, well or not. NULL: nothing to do. */
	void (*finish)(struct copy_end *end, struct pl_copy *job);

	/* The data path. prepare() once per I/O, submit() takes as many as fit, in order. */
	void (*prepare)(struct copy_end *end, struct copy_io *io);
	uint32_t (*submit)(struct copy_end *end, struct copy_io *const *ios, uint32_t n);
	uint32_t (*poll)(struct copy_end *end, struct copy_io **done, uint32_t n);

	/* Makes what was written survive a loss of power: 1 if poll() will return @io for that, 0 if it
	 * is done or needless, or a negative errno. */
	int (*sync)(struct copy_end *end, struct copy_io *io);

	/* Why @io has an error, as "read of ... failed @when..."; returns the user's errno. */
	int (*failed)(const struct copy_end *end, const struct copy_io *io, const char *when);
	int (*error)(const struct copy_end *end); /* nothing will complete any more */
	int (*check)(struct copy_end *end);       /* asks the device, which was silent for long */

	void (*stats)(const struct copy_end *end, struct copy_end_stats *stats);
	int (*traffic)(const struct copy_end *end, struct pl_nvme_traffic *traffic);
	/* Ends what is in flight and frees; false if the device may go on touching the buffers. */
	bool (*close)(struct copy_end *end);
};

struct copy_end {
	const struct copy_end_ops *ops;
	const char *name;            /* "nvme_emu0", "file:a.img" */
	char place[160];             /* "nvme_emu0 namespace 1", "file:a.img" */
	struct pl_p2p *own;	     /* its device as a provider; NULL: it lends no memory */
	uint32_t unit;               /* bytes of what positions count: the LBA size, 1 in a file */
	uint32_t block;              /* bytes that I/O is a multiple of */
	uint64_t first;              /* start of the range, units */
	uint32_t max_depth;
	bool by_kernel; /* the kernel's driver moves the data */
	bool writes; /* the destination */
	const char *sync_by; /* "Flush", "fdatasync()"; "" if it has no volatile cache */
	struct iovec peer; /* the job's buffers, if in a peer's memory; else of no bytes */
	uint8_t own_state[COPY_END_OWN] __attribute__((aligned(16))); /* the end's; zeros before init() */

	struct copy_io **waiting; /* `depth` entries: not taken by submit() yet, in order */
	uint32_t nb_waiting;
	struct pl_nvme_traffic before;
};

struct copy_end_kind {
	const struct copy_end_ops *ops;
	struct copy_end_kind *next;
};

void copy_end_register(struct copy_end_kind *kind);
const struct copy_end_ops *copy_end_find(const char *name); /* NULL: there is none */

#define COPY_END_REGISTER(ends_ops)                                       \
	static void __attribute__((constructor)) copy_end_ctor(void)       \
	{                                                                  \
		static struct copy_end_kind kind = { .ops = &(ends_ops) }; \
		copy_end_register(&kind);                                  \
	}

/* Puts an I/O in line; offers the line to the end. */
static inline void copy_end_queue(struct copy_end *end, struct copy_io *io)
{
	end->ops->prepare(end, io);
	end->waiting[end->nb_waiting++] = io;
}
void copy_end_flush(struct copy_end *end);

static inline bool copy_end_at_peer(const struct copy_end *end, const void *buf)
{
	return (uintptr_t)buf - (uintptr_t)end->peer.iov_base < end->peer.iov_len;
}

/* Byte @at of the range in messages: what holds it, "LBA 25344" or "offset 512", and itself, "byte
 * 77 of LBA 25344" or "byte 512". */
struct copy_pos {
	char text[56];
};
struct copy_pos copy_end_pos(const struct copy_end *end, uint64_t at);
struct copy_pos copy_end_byte(const struct copy_end *end, uint64_t at);

#endif
