/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace in a file: data go between the page cache and the DMA target in one copy. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

#define FILE_BOUNCE (256ul * 1024)

struct media_file {
	struct emu_media m;
	int fd;
	char subsys[64]; /* "": nobody else has the file */
	LIST_ENTRY(media_file) next;
	uint8_t *bounce; /* for compare and copy, which have no second buffer of their own */
	uint8_t *zeros;  /* where the file system cannot zero by itself */
};

/* Those that are open, for others of their subsystem. */
static LIST_HEAD(, media_file) opened = LIST_HEAD_INITIALIZER(opened);
static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER;

static struct media_file *to_file(struct emu_media *m)
{
	return (struct media_file *)m;
}

typedef ssize_t (*file_vec_fn)(int fd, const struct iovec *iov, int n, off_t off);

/* All bytes or an error: a short count is retried from where it stopped; a read that meets the end
 * of the file (it was truncated behind our back) is a medium error. */
static int file_vec(int fd, uint64_t off, const struct iovec *iov, uint32_t n, file_vec_fn fn)
{
	struct iovec rest;
	ssize_t r;

	while (n > 0) {
		r = fn(fd, iov, n < IOV_MAX ? (int)n : IOV_MAX, (off_t)off);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		off += (uint64_t)r;
		for (; n > 0 && (size_t)r >= iov->iov_len; n--, iov++)
			r -= (ssize_t)iov->iov_len;
		if (r == 0)
			continue;
		rest.iov_base = (uint8_t *)iov->iov_base + r;
		rest.iov_len = iov->iov_len - (size_t)r;
		r = file_vec(fd, off, &rest, 1, fn);
		if (r < 0)
			return (int)r;
		off += rest.iov_len;
		n--;
		iov++;
	}
	return 0;
}

static int file_read(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	return file_vec(to_file(m)->fd, off, iov, n, preadv);
}

static int file_write(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	return file_vec(to_file(m)->fd, off, iov, n, pwritev);
}

static int file_compare(struct emu_media *m, uint64_t off, const struct iovec *iov, uint32_t n)
{
	struct media_file *f = to_file(m);

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;

		for (size_t done = 0; done < iov[i].iov_len;) {
			struct iovec v = { f->bounce, iov[i].iov_len - done };
			int err;

			if (v.iov_len > FILE_BOUNCE)
				v.iov_len = FILE_BOUNCE;
			err = file_vec(f->fd, off, &v, 1, preadv);
			if (err < 0)
				return err;
			if (memcmp(p + done, f->bounce, v.iov_len) != 0)
				return 1;
			done += v.iov_len;
			off += v.iov_len;
		}
	}
	return 0;
}

static int file_zero(struct emu_media *m, uint64_t off, uint64_t len, bool deallocate)
{
	struct media_file *f = to_file(m);
	int mode = deallocate ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int err = 0;

	if (fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	/* tmpfs, for one, punches holes but has no ZERO_RANGE. */
	while (len > 0 && err == 0) {
		struct iovec v = { f->zeros, len < FILE_BOUNCE ? len : FILE_BOUNCE };

		err = file_vec(f->fd, off, &v, 1, pwritev);
		off += v.iov_len;
		len -= v.iov_len;
	}
	return err;
}

static int file_copy(struct emu_media *m, uint64_t dst, uint64_t src, uint64_t len)
{
	struct media_file *f = to_file(m);
	/* A target behind its source is filled from the end, so that no byte is overwritten before
	 * it was read. */
	bool backward = dst > src && dst - src < len;
	uint64_t done = 0;
	int err = 0;

	while (done < len && err == 0) {
		uint64_t n = len - done < FILE_BOUNCE ? len - done : FILE_BOUNCE;
		uint64_t at = backward ? len - done - n : done;
		struct iovec v = { f->bounce, n };

		err = file_vec(f->fd, src + at, &v, 1, preadv);
		if (err == 0)
			err = file_vec(f->fd, dst + at, &v, 1, pwritev);
		done += n;
	}
	return err;
}

static int file_flush(struct emu_media *m)
{
	return fdatasync(to_file(m)->fd) == 0 ? 0 : -errno;
}

static void free_file(struct media_file *f)
{
	if (f == NULL)
		return;
	free(f->bounce);
	free(f->zeros);
	free(f);
}

static void file_close(struct emu_media *m)
{
	struct media_file *f = to_file(m);

	pthread_mutex_lock(&opened_lock);
	LIST_REMOVE(f, next);
	pthread_mutex_unlock(&opened_lock);
	close(f->fd); /* and with the last of its subsystem the lock */
	free_file(f);
}

static const struct emu_media_ops file_ops = {
	.read = file_read,
	.write = file_write,
	.compare = file_compare,
	.zero = file_zero,
	.copy = file_copy,
	.flush = file_flush,
	.close = file_close,
};

/* Opens and looks; @size becomes the namespace's. */
static int file_open(const char *dev, const char *path, uint64_t *size, uint32_t bs)
{
	int fd = eal_open(path, O_RDWR | O_CLOEXEC);
	unsigned long long have, need = *size;
	struct stat st;

	if (fd < 0)
		return pl_fail(errno == EMFILE || errno == ENFILE ? -ENOMEM : -EINVAL,
			       "%s: path=%s cannot be opened for reading and writing: %s", dev,
			       path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return pl_fail(-EINVAL, "%s: path=%s is not a regular file", dev, path);
	}
	have = (unsigned long long)st.st_size;
	if (need > have) {
		close(fd);
		return pl_fail(-EINVAL,
			       "%s: path=%s is too small: has %llu, needs %llu; truncate -s %llu "
			       "%s",
			       dev, path, have, need, need, path);
	}
	if (need == 0 && (have == 0 || have % bs != 0)) {
		close(fd);
		return pl_fail(-EINVAL,
			       "%s: path=%s has %llu bytes, which is not a positive multiple of "
			       "bs=%u; give size= or truncate -s %%%u %s",
			       dev, path, have, bs, bs, path);
	}
	if (need == 0)
		*size = have;
	return fd;
}

int emu_media_file_check(const char *dev, const char *path, uint64_t size, uint32_t bs)
{
	int fd = file_open(dev, path, &size, bs);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Another controller of @subsys that has the file open; opened_lock is held. */
static const struct media_file *partner(const char *subsys, const struct stat *st)
{
	const struct media_file *f;

	LIST_FOREACH (f, &opened, next)
		if (f->m.dev == st->st_dev && f->m.ino == st->st_ino && subsys[0] &&
		    strcmp(f->subsys, subsys) == 0)
			return f;
	return NULL;
}

/* The lock is the inode's: another name of the file does not get around it. A descriptor that is a
 * duplicate has it as well. opened_lock is held. */
static int take_lock(const char *subsys, const struct stat *st, int *fd)
{
	const struct media_file *f = partner(subsys, st);
	int twin;

	if (!f)
		return flock(*fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	twin = pl_inject_hit() ? (errno = EMFILE, -1) : fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (twin < 0)
		return -errno;
	close(*fd);
	*fd = twin;
	return 0;
}

static int take(const char *dev, const char *path, struct media_file *f)
{
	struct stat st;
	int err = fstat(f->fd, &st) < 0 ? -errno : 0;

	pthread_mutex_lock(&opened_lock);
	if (err == 0)
		err = take_lock(f->subsys, &st, &f->fd);
	if (err == 0) {
		f->m.dev = st.st_dev;
		f->m.ino = st.st_ino;
		LIST_INSERT_HEAD(&opened, f, next);
	}
	pthread_mutex_unlock(&opened_lock);
	if (err == -EMFILE || err == -ENFILE)
		return pl_fail(-ENOMEM, "%s: path=%s: no descriptor for it", dev, path);
	if (err < 0)
		return pl_fail(-EINVAL,
			       "%s: path=%s is in use by another emulated device; give each "
			       "device a file of its own, or all of them the same subsys=NAME",
			       dev, path);
	return 0;
}

static struct media_file *alloc_file(void)
{
	struct media_file *f = eal_calloc(1, sizeof(*f));

	if (f != NULL) {
		f->bounce = eal_malloc(FILE_BOUNCE);
		f->zeros = eal_calloc(1, FILE_BOUNCE);
	}
	if (f != NULL && f->bounce != NULL && f->zeros != NULL)
		return f;
	free_file(f);
	return NULL;
}

int emu_media_file_open(const char *dev, const char *path, const char *subsys, uint64_t size,
			uint32_t bs, struct emu_media **media)
{
	int fd = file_open(dev, path, &size, bs), err;
	struct media_file *f;

	if (fd < 0)
		return fd;
	f = alloc_file();
	if (f == NULL) {
		close(fd);
		return pl_fail(-ENOMEM, "%s: no memory for a namespace", dev);
	}
	f->fd = fd;
	f->m.ops = &file_ops;
	f->m.size = size;
	snprintf(f->subsys, sizeof(f->subsys), "%s", subsys);
	err = take(dev, path, f);
	if (err < 0) {
		close(f->fd);
		free_file(f);
		return err;
	}
	*media = &f->m;
	return 0;
}
