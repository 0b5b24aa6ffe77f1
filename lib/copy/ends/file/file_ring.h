/* SPDX-License-Identifier: BSD-3-Clause */
/* The io_uring of a file end, between file_ring.c and file_end.c. */
#ifndef COPY_FILE_RING_H
#define COPY_FILE_RING_H

#include <liburing.h>

#include "copy_end.h"

#define FILE_REGIONS 2u

struct copy_file_queue {
	struct io_uring ring;
	int fd; /* or its index among the registered files: see sqe_flags */
	unsigned int sqe_flags;
	bool polled;
	bool have_ring;
	uint32_t in_flight;
	uint32_t nb_regions;
	struct iovec region[FILE_REGIONS]; /* registered: the index is the buffer's */
	enum pl_traffic_mem peer_mem;
	struct copy_end_stats stats;
	struct pl_nvme_traffic traffic;
};

/* 0, or -ENOMEM, -ENOTSUP or -EACCES; @how then says what it became: polled, or why not. */
int file_ring_open(struct copy_file_queue *q, const struct pl_copy_file *f, uint32_t depth,
		   char *how, size_t len);

/* Host memory to register; then the file and all that. What the kernel does not grant costs time,
 * not the copy. */
void file_ring_add_region(struct copy_file_queue *q, void *base, size_t len);
void file_ring_register(struct copy_file_queue *q, const struct pl_copy_file *f);

/* Waits for what is in flight. False: it did not end, and the ring stays. */
bool file_ring_close(struct copy_file_queue *q);

#endif
