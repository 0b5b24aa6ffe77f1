/* SPDX-License-Identifier: BSD-3-Clause */
/* An open file or block device, between file.c, file_probe.c and file_end.c. */
#ifndef COPY_FILE_H
#define COPY_FILE_H

#include <sys/types.h>

#include <peerlane/pl_copy.h>

struct pl_copy_file {
	char *path;
	char name[128]; /* "file:PATH", the tail of a long one */
	int fd;
	bool writable;
	bool created; /* by us; removed again if nothing was written */
	bool dirty;   /* a job began to write */
	bool block;
	bool direct; /* O_DIRECT goes to a device, not through a page cache */
	char fs[24]; /* of what kind the file system is */
	uint64_t size;
	uint32_t align;
	dev_t dev; /* identity: of a block device its number alone */
	ino_t ino;
	dev_t bdev;    /* the block device that holds the data; 0: none is known */
	size_t max_io; /* bytes of its largest command; 0: unknown */
	bool can_poll; /* it has poll queues */
};

/* file_probe.c */
/* Where the first block with data lies: in the file, or else in the block device behind it, which
 * is opened. -ENOENT: nowhere. Close *opened unless it is -1. */
int file_first_block(const struct pl_copy_file *file, int *fd, int *opened, off_t *at);
int file_probe(const struct pl_copy_file *file, struct pl_p2p_heap *heap, const char *provider);

#endif
