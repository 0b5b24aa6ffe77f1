/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What keeps a namespace's data. Offsets are bytes and were checked; every function returns 0 or a
 * negative errno. Adding a medium is adding a table.
 */
#ifndef NVME_EMU_MEDIA_H
#define NVME_EMU_MEDIA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct emu_media;

struct emu_media_ops {
	int (*read)(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n);
	int (*write)(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n);
	/* 1 if the data differ */
	int (*compare)(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n);
	/* @deallocate: the space may be given back; it reads as zeros all the same */
	int (*zero)(struct emu_media *m, uint64_t off, uint64_t len, bool deallocate);
	/* As memmove() does, whatever the overlap */
	int (*copy)(struct emu_media *m, uint64_t dst, uint64_t src, uint64_t len);
	int (*flush)(struct emu_media *m);
	void (*close)(struct emu_media *m);
};

struct emu_media {
	const struct emu_media_ops *ops;
	uint64_t size;
	uint64_t dev, ino; /* of the file; 0: there is none */
};

/* @dev is for messages. @populate: with all its pages from the start. */
int emu_media_ram_open(const char *dev, uint64_t size, bool populate, struct emu_media **media);

/* Takes @path by its inode: for this device, and for those of the same @subsys ("": none) in this
 * process. @size 0: the whole file. */
int emu_media_file_open(const char *dev, const char *path, const char *subsys, uint64_t size,
			uint32_t bs, struct emu_media **media);

/* Whether emu_media_file_open() would find a file it can use; changes nothing. */
int emu_media_file_check(const char *dev, const char *path, uint64_t size, uint32_t bs);

#endif
