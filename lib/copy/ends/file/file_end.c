/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file or block device as an end of a copy: O_DIRECT requests on an io_uring. One
 * io_uring_enter() hands a burst to the kernel; completions are read from the ring without one,
 * unless the device is polled.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "copy_file.h"
#include "copy_internal.h"
#include "file_ring.h"
#include "pl_alloc.h"
#include "pl_log.h"

#define FILE_END   "file"
#define FILE_ENDED (-4096) /* in copy_io.error; the kernel's errnos end before */

#define MAX_DEPTH   4096u
#define SPLIT_LEAST ((size_t)4096)
#define SECTOR      512u /* what the kernel splits requests in */

/* ---- ranges ---- */

struct file_end {
	struct pl_copy_file *handle;
	struct copy_file_queue *q;
	uint64_t size_before;  /* of a target file that grows */
	struct pl_copy *grows; /* the job that makes it grow, until it is cut */
};
_Static_assert(sizeof(struct file_end) <= COPY_END_OWN, "an end has room for it");

struct file_io {
	uint32_t done; /* bytes moved so far */
};
_Static_assert(sizeof(struct file_io) <= COPY_IO_OWN, "an I/O has room for it");

static struct file_end *of(const struct copy_end *end)
{
	return (struct file_end *)(uintptr_t)end->own_state;
}

static struct file_io *io_of(const struct copy_io *io)
{
	return (struct file_io *)(uintptr_t)io->own;
}

static int file_check_range(const struct copy_end *end, uint64_t n, const char *what)
{
	const struct pl_copy_file *f = of(end)->handle;
	/* A file that is written grows as it needs to. */
	uint64_t size = end->writes && !f->block ? INT64_MAX : f->size;

	if (end->writes && !f->writable)
		return pl_fail(-EINVAL, "%s was not opened with PL_COPY_FILE_WRITE", f->name);
	if (size == INT64_MAX && (end->first >= size || n > size - end->first))
		return pl_fail(-EINVAL,
			       "the %s range %" PRIu64 "+%" PRIu64 " of %s goes past what any file "
			       "has",
			       what, end->first, n, f->name);
	if (end->first >= size || n > size - end->first)
		return pl_fail(-EINVAL,
			       "the %s range %" PRIu64 "+%" PRIu64 " goes past the end of %s, "
			       "which has %" PRIu64 " bytes",
			       what, end->first, n, f->name, size);
	if (end->first & (f->align - 1))
		return pl_fail(-EINVAL,
			       "the %s range starts at byte %" PRIu64 " of %s, where O_DIRECT "
			       "wants a multiple of %u",
			       what, end->first, f->name, f->align);
	/* The last block of a file may be read as far as it goes. */
	if (n & (f->align - 1) && (end->writes || end->first + n != f->size))
		return pl_fail(-EINVAL,
			       "the %s range has %" PRIu64 " bytes of %s, where O_DIRECT wants "
			       "a multiple of %u",
			       what, n, f->name, f->align);
	return 0;
}

static int file_medium(const struct copy_end *end, uint64_t len, struct copy_medium *medium)
{
	const struct pl_copy_file *f = of(end)->handle;
	struct copy_span span = { end->first, len, true };

	return f->block ? copy_medium_add_block(medium, f->dev, span)
			: copy_medium_add_file(medium, f->dev, f->ino, span);
}

static bool file_reaches(const struct copy_end *end, const struct pl_p2p *provider,
			 struct pl_p2p_path *path)
{
	(void)end;
	(void)provider;
	(void)path;
	return true; /* as far as anybody knows: probe() asks */
}

static int end_probe(const struct copy_end *end, struct pl_p2p_heap *heap, const char *provider)
{
	return file_probe(of(end)->handle, heap, provider);
}

/* ---- the ring and the space ---- */

static enum pl_traffic_mem peer_mem(enum pl_mem_kind kind)
{
	switch (kind) {
	case PL_MEM_PMR:
		return PL_TRAFFIC_PEER_PMR;
	case PL_MEM_BAR:
		return PL_TRAFFIC_PEER_BAR;
	default:
		return PL_TRAFFIC_PEER_CMB;
	}
}

static int file_open(struct copy_end *end, struct pl_copy *job)
{
	const struct pl_copy_file *f = of(end)->handle;
	char *how = end->writes ? job->plan.dst_io : job->plan.src_io;
	size_t len = job->plan.depth * job->buf_stride;
	struct copy_file_queue *q = eal_calloc(1, sizeof(*q));
	int rc;

	of(end)->q = q;
	if (!q)
		return pl_fail(-ENOMEM, "no memory for the I/O of %s", f->name);
	rc = file_ring_open(q, f, job->plan.depth, how, sizeof(job->plan.src_io));
	if (rc)
		return rc;
	if (job->heap) {
		q->peer_mem = peer_mem(job->plan.kind);
	} else {
		file_ring_add_region(q, job->bufs, len);
	}
	file_ring_add_region(q, job->verify_bufs, 2ul * job->verify_depth * job->buf_stride);
	file_ring_register(q, f);
	return 0;
}

/* Extents and stripes split what the device would move at once, down to a file system's block, and
 * the kernel even that if the device moves less. */
static size_t file_piece(const struct copy_end *end)
{
	size_t max = of(end)->handle->max_io;

	max = max ? RTE_MIN(max, SPLIT_LEAST) : SPLIT_LEAST;
	return RTE_MAX(RTE_ALIGN_FLOOR(max, (size_t)SECTOR), (size_t)SECTOR);
}

/* A file that grew and has not got all ends with the prefix that is acknowledged, but not before
 * where it ended. If it ends behind the range, somebody else made it so, and it stays. */
static void cut(struct copy_end *end)
{
	const struct pl_copy_file *f = of(end)->handle;
	const struct pl_copy *job = of(end)->grows;
	uint64_t size = of(end)->size_before;
	struct pl_copy_range first;
	struct stat st;

	of(end)->grows = NULL;
	if (!job || job->stats.bytes_copied == job->plan.bytes || fstat(f->fd, &st))
		return;
	if ((uint64_t)st.st_size > end->first + job->plan.bytes)
		return;
	if (pl_copy_complete_ranges(job, &first, 1) > 0 && first.slba == end->first)
		size = RTE_MAX(size, first.slba + first.nlb);
	if ((uint64_t)st.st_size < size)
		return;
	/* That a crash does not bring the longer file back, where what is complete was synced. */
	if (ftruncate(f->fd, (off_t)size) ||
	    (job->stats.sync == PL_COPY_SYNCED && fdatasync(f->fd)))
		PL_LOG(WARNING,
		       "%s cannot be cut to the %" PRIu64 " bytes that are acknowledged: %s",
		       f->name, size, strerror(errno));
}

/* What the kernel still works on would make the file grow again: then close() cuts it. */
static void file_finish(struct copy_end *end, struct pl_copy *job)
{
	(void)job;
	if (of(end)->q && !of(end)->q->in_flight)
		cut(end);
}

/* Space for all of the range, before the first byte: the copy does not fail for it half way. The
 * size grows with what is written, so that a file never looks whole before it is. */
static int file_begin(struct copy_end *end, struct pl_copy *job)
{
	struct pl_copy_file *f = of(end)->handle;
	uint64_t bytes = job->plan.bytes;
	struct rlimit limit;
	struct stat st;
	int err;

	if (!end->writes)
		return 0;
	if (f->block || fstat(f->fd, &st) || (uint64_t)st.st_size >= end->first + bytes) {
		f->dirty = true;
		return 0;
	}
	/* The limit of which fallocate() only knows when it changes the size. */
	err = getrlimit(RLIMIT_FSIZE, &limit) || end->first + bytes <= limit.rlim_cur ? EINTR
										      : EFBIG;
	while (err == EINTR)
		err = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)end->first, (off_t)bytes) ? errno
											     : 0;
	if (err != ENOSPC && err != EDQUOT && err != EFBIG) {
		/* A file system that cannot reserve: the writes take what they need. */
		f->dirty = true;
		of(end)->size_before = (uint64_t)st.st_size;
		of(end)->grows = job;
		return 0;
	}
	/* What it got until then, which may lie behind its end. */
	if (ftruncate(f->fd, st.st_size))
		PL_LOG(WARNING, "%s cannot be cut to its size of %lld bytes again", f->name,
		       (long long)st.st_size);
	return pl_fail(-ENOSPC,
		       "%s has no room for %" PRIu64 " bytes at offset %" PRIu64 ": %s; nothing "
		       "was written",
		       f->name, bytes, end->first, strerror(err));
}

/* ---- the data path ---- */

static bool inside(const struct iovec *v, const void *p)
{
	return (uintptr_t)p - (uintptr_t)v->iov_base < v->iov_len;
}

static void file_prepare(struct copy_end *end, struct copy_io *io)
{
	(void)end;
	io_of(io)->done = 0;
}

/* Puts what is left of @io on the ring. False: it is full. */
static bool put(struct copy_end *end, struct copy_io *io)
{
	struct copy_file_queue *q = of(end)->q;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);
	/* The last block of a file may not be whole. */
	uint32_t len = RTE_ALIGN_CEIL(io->len, end->block) - io_of(io)->done;
	uint64_t at = end->first + io->at + io_of(io)->done;
	uint8_t *buf = io->buf + io_of(io)->done;
	uint32_t region = 0;

	if (!sqe)
		return false;
	while (region < q->nb_regions && !inside(&q->region[region], buf))
		region++;
	if (region < q->nb_regions && io->write)
		io_uring_prep_write_fixed(sqe, q->fd, buf, len, at, (int)region);
	else if (region < q->nb_regions)
		io_uring_prep_read_fixed(sqe, q->fd, buf, len, at, (int)region);
	else if (io->write)
		io_uring_prep_write(sqe, q->fd, buf, len, at);
	else
		io_uring_prep_read(sqe, q->fd, buf, len, at);
	io_uring_sqe_set_flags(sqe, q->sqe_flags);
	io_uring_sqe_set_data(sqe, io);
	q->stats.file_ios++;
	return true;
}

/* One system call for all that is on the ring; what the kernel does not take now stays there. */
static void enter(struct copy_file_queue *q)
{
	if (!io_uring_sq_ready(&q->ring))
		return;
	q->stats.syscalls++;
	io_uring_submit(&q->ring);
}

static uint32_t file_submit(struct copy_end *end, struct copy_io *const *ios, uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n && put(end, ios[taken]))
		taken++;
	of(end)->q->in_flight += taken;
	enter(of(end)->q);
	return taken;
}

/* Takes a completion in. True: the I/O is over. */
static bool complete(struct copy_end *end, struct copy_io *io, int res)
{
	struct copy_file_queue *q = of(end)->q;

	io->error = 0;
	if (io->sync) {
		io->error = res;
		return true;
	}
	if (res < 0 && res != -EAGAIN && res != -EINTR) {
		io->error = res;
		return true;
	}
	if (res > 0) {
		enum pl_traffic_mem mem =
			copy_end_at_peer(end, io->buf) ? q->peer_mem : PL_TRAFFIC_HOST;

		q->traffic.bytes[PL_TRAFFIC_DATA][mem][io->write ? 0 : 1] += (uint32_t)res;
		io_of(io)->done += (uint32_t)res;
		if (io_of(io)->done >= io->len)
			return true;
	}
	/* Nothing, or not even a block: the file ends there. Else the rest follows. */
	if (res == 0 || io_of(io)->done & (end->block - 1)) {
		io->error = FILE_ENDED;
		return true;
	}
	if (put(end, io))
		return false;
	io->error = -EAGAIN; /* no room on a ring that has room for all */
	return true;
}

static uint32_t file_poll(struct copy_end *end, struct copy_io **done, uint32_t n)
{
	struct copy_file_queue *q = of(end)->q;
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;
	uint32_t got = 0;

	if (!q->in_flight)
		return 0;
	if (q->polled) {
		q->stats.syscalls++;
		io_uring_get_events(&q->ring);
	}
	io_uring_for_each_cqe(&q->ring, head, cqe)
	{
		struct copy_io *io = io_uring_cqe_get_data(cqe);

		if (got == n)
			break;
		seen++;
		if (complete(end, io, cqe->res))
			done[got++] = io;
	}
	io_uring_cq_advance(&q->ring, seen);
	q->in_flight -= got;
	enter(q); /* the rest of what came short, and what the kernel had not taken */
	return got;
}

/* ---- errors and the end ---- */

static int file_failed(const struct copy_end *end, const struct copy_io *io, const char *when)
{
	const char *name = end->name, *what = io->write ? "write" : "read";
	uint64_t at = end->first + io->at;
	bool peer = copy_end_at_peer(end, io->buf);

	if (io->sync)
		return pl_fail(io->error == -ENOSPC ? -ENOSPC : -EIO,
			       "fdatasync() of %s failed: %s: what was copied may not survive a "
			       "loss of power",
			       name, strerror(-io->error));
	switch (-io->error) {
	case -FILE_ENDED:
		return pl_fail(-EIO,
			       "%s of %u bytes at offset %" PRIu64 " of %s ended after %u%s: the "
			       "file has become shorter",
			       what, io->len, at, name, io_of(io)->done, when);
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return pl_fail(-ENOSPC, "%s of %u bytes at offset %" PRIu64 " failed on %s%s: %s",
			       what, io->len, at, name, when, strerror(-io->error));
	case ENXIO:
	case ENODEV:
		return pl_fail(-ENODEV,
			       "%s of %u bytes at offset %" PRIu64 " failed on %s%s: its device "
			       "is gone (%s)",
			       what, io->len, at, name, when, strerror(-io->error));
	case EFAULT:
	case EREMOTEIO:
	case EINVAL:
		if (!peer)
			break;
		return pl_fail(-EREMOTEIO,
			       "%s of %u bytes at offset %" PRIu64 " failed on %s%s: its "
			       "driver has no way to the peer's memory (%s)",
			       what, io->len, at, name, when, strerror(-io->error));
	default:
		break;
	}
	return pl_fail(io->error == -ENOMEM ? -ENOMEM : -EIO,
		       "%s of %u bytes at offset %" PRIu64 " failed on %s%s: %s", what, io->len, at,
		       name, when, strerror(-io->error));
}

/* Ring entries of polled devices are reads and writes only, so there it waits. */
static int file_sync(struct copy_end *end, struct copy_io *io)
{
	struct copy_file_queue *q = of(end)->q;
	struct io_uring_sqe *sqe = q->polled ? NULL : io_uring_get_sqe(&q->ring);
	int rc;

	if (sqe) {
		io_uring_prep_fsync(sqe, q->fd, IORING_FSYNC_DATASYNC);
		io_uring_sqe_set_flags(sqe, q->sqe_flags);
		io_uring_sqe_set_data(sqe, io);
		q->in_flight++;
		enter(q);
		return 1;
	}
	do
		rc = fdatasync(of(end)->handle->fd) ? -errno : 0;
	while (rc == -EINTR);
	io->error = rc;
	return rc ? file_failed(end, io, "") : 0;
}

static int file_no_error(const struct copy_end *end)
{
	(void)end;
	return 0;
}

static int file_check(struct copy_end *end)
{
	(void)end;
	return 0; /* the kernel ends every request, well or not */
}

static void file_stats(const struct copy_end *end, struct copy_end_stats *stats)
{
	const uint64_t *host = of(end)->q->traffic.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST];

	*stats = of(end)->q->stats;
	stats->host_bytes = host[0] + host[1];
}

static int file_traffic(const struct copy_end *end, struct pl_nvme_traffic *traffic)
{
	*traffic = of(end)->q->traffic;
	return 0;
}

static bool file_close(struct copy_end *end)
{
	struct copy_file_queue *q = of(end)->q;
	bool quiet = !q || file_ring_close(q);

	of(end)->q = NULL;
	if (quiet)
		cut(end);
	if (quiet)
		free(q);
	return quiet; /* else what the kernel still does needs it */
}

static void file_init(struct copy_end *end, const struct pl_copy_target *target)
{
	struct pl_copy_file *file = target->handle;

	end->name = file->name;
	snprintf(end->place, sizeof(end->place), "%s", file->name);
	end->unit = 1;
	end->by_kernel = true;
	end->block = file->align;
	end->sync_by = "fdatasync()";
	end->max_depth = MAX_DEPTH;
	of(end)->handle = file;
}

static const struct copy_end_ops file_end_ops = {
	.name = FILE_END,
	.counts = "offset",
	.init = file_init,
	.check_range = file_check_range,
	.medium = file_medium,
	.reaches = file_reaches,
	.probe = end_probe,
	.open = file_open,
	.piece = file_piece,
	.begin = file_begin,
	.finish = file_finish,
	.prepare = file_prepare,
	.submit = file_submit,
	.poll = file_poll,
	.sync = file_sync,
	.failed = file_failed,
	.error = file_no_error,
	.check = file_check,
	.stats = file_stats,
	.traffic = file_traffic,
	.close = file_close,
};

COPY_END_REGISTER(file_end_ops)

struct pl_copy_target pl_copy_file_target(struct pl_copy_file *file, uint64_t offset,
					  uint64_t bytes)
{
	return (struct pl_copy_target){ FILE_END, file, offset, bytes };
}
