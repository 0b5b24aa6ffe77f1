/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Setting up and ending the io_uring of a file. It is polled where the device can be, which one
 * read finds out. The file is registered, and so are buffers in host memory; never those in a
 * peer's, whose pages refuse to be pinned for long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "copy_file.h"
#include "file_ring.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

/* The kernel ends what its devices do not answer (30 s for NVMe), so this is not reached. */
#define CLOSE_TIMEOUT_S 90u
#define PROBE_TIMEOUT_S 5u

static int ring_failed(const struct pl_copy_file *f, int err)
{
	switch (err) {
	case ENOSYS:
		return pl_fail(-ENOTSUP, "%s: this kernel has no io_uring", f->name);
	case EPERM:
	case EACCES:
		return pl_fail(-EACCES,
			       "%s: io_uring is forbidden here: see the sysctl "
			       "kernel.io_uring_disabled, or the container's seccomp filter",
			       f->name);
	default:
		return pl_fail(-ENOMEM,
			       "%s: no io_uring: %s; raise the limits of locked memory and "
			       "open files (ulimit -l, -n)",
			       f->name, strerror(err));
	}
}

/* Until a request is back; for the probe only. */
static int wait_one(struct io_uring *ring, int *res)
{
	uint64_t deadline = rte_rdtsc() + PROBE_TIMEOUT_S * rte_get_tsc_hz();
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(ring, &cqe)) {
		if (rte_rdtsc() > deadline)
			return -ETIMEDOUT;
		io_uring_get_events(ring);
	}
	*res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* One polled read of a block with data. NULL: it works; else why it does not. */
static const char *try_polled(const struct pl_copy_file *f, struct io_uring *ring)
{
	const char *why = "it has no data to try it with";
	struct io_uring_sqe *sqe;
	int fd, opened, res = 0;
	void *buf;
	off_t at;

	if (file_first_block(f, &fd, &opened, &at))
		return why;
	if (opened >= 0) { /* what holds for the device need not hold for the empty file */
		close(opened);
		return why;
	}
	buf = eal_aligned_alloc(PL_P2P_PAGE, RTE_MAX(f->align, PL_P2P_PAGE));
	if (!buf)
		return "out of memory";
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_read(sqe, fd, buf, RTE_MAX(f->align, PL_P2P_PAGE), (uint64_t)at);
	if (io_uring_submit(ring) != 1) {
		free(buf);
		return "a polled read is not accepted";
	}
	if (wait_one(ring, &res))
		return "a polled read did not come back"; /* and its buffer is not ours any more */
	free(buf);
	return res < 0 ? strerror(-res) : NULL;
}

static int make_ring(struct copy_file_queue *q, uint32_t depth, unsigned int flags)
{
	int rc = pl_inject_hit() ? -ENOMEM : io_uring_queue_init(depth, &q->ring, flags);

	q->have_ring = rc == 0;
	return rc;
}

/* Polled where the device can be; `why` it cannot is told once, here. */
int file_ring_open(struct copy_file_queue *q, const struct pl_copy_file *f, uint32_t depth,
		   char *how, size_t len)
{
	const char *why = f->can_poll ? NULL
			  : f->bdev   ? "its block device has no poll queues"
				      : "no block device is behind it";
	int rc;

	if (!why) {
		rc = make_ring(q, depth, IORING_SETUP_IOPOLL);
		why = rc ? strerror(-rc) : try_polled(f, &q->ring);
		q->polled = !why;
		if (why && q->have_ring)
			io_uring_queue_exit(&q->ring);
	}
	if (why) {
		rc = make_ring(q, depth, 0);
		if (rc)
			return ring_failed(f, -rc);
	}
	if (q->polled)
		snprintf(how, len, "io_uring, polled");
	else
		snprintf(how, len, "io_uring, not polled (%s)", why);
	PL_LOG(INFO, "%s: %s", f->name, how);
	return 0;
}

void file_ring_add_region(struct copy_file_queue *q, void *base, size_t len)
{
	if (base && len)
		q->region[q->nb_regions++] = (struct iovec){ base, len };
}

void file_ring_register(struct copy_file_queue *q, const struct pl_copy_file *f)
{
	int rc = pl_inject_hit() ? -ENOMEM : io_uring_register_files(&q->ring, &f->fd, 1);

	q->fd = f->fd;
	if (rc == 0) {
		q->fd = 0;
		q->sqe_flags = IOSQE_FIXED_FILE;
	} else {
		PL_LOG(INFO, "%s: not registered with io_uring: %s", f->name, strerror(-rc));
	}
	if (!q->nb_regions)
		return;
	rc = pl_inject_hit() ? -ENOMEM
			     : io_uring_register_buffers(&q->ring, q->region, q->nb_regions);
	if (rc == 0)
		return;
	q->nb_regions = 0;
	PL_LOG(INFO, "%s: buffers not registered with io_uring: %s", f->name, strerror(-rc));
}

/* Requests to a block device cannot be called back, so they are waited for. */
bool file_ring_close(struct copy_file_queue *q)
{
	uint64_t deadline = rte_rdtsc() + CLOSE_TIMEOUT_S * rte_get_tsc_hz();

	while (q->in_flight) {
		struct __kernel_timespec second = { .tv_sec = 1 };
		struct io_uring_cqe *cqe;

		if (rte_rdtsc() > deadline)
			return false;
		io_uring_submit(&q->ring);
		if (q->polled
			    ? io_uring_get_events(&q->ring) < 0 || io_uring_peek_cqe(&q->ring, &cqe)
			    : io_uring_wait_cqe_timeout(&q->ring, &cqe, &second))
			continue;
		io_uring_cqe_seen(&q->ring, cqe);
		q->in_flight--;
	}
	if (q->have_ring)
		io_uring_queue_exit(&q->ring);
	return true;
}
