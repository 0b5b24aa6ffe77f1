/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files and block devices to copy from and to, opened with O_DIRECT: what lies behind one, which
 * alignment it wants, how large it is.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "copy_file.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

#define DEFAULT_ALIGN 4096u
#define MOST_ALIGN    (64u << 10)
#define MOST_OPENS    100u

/* The errno of a failed open(), in the words of pl_err.h. */
static int open_failed(const struct pl_copy_file *f, int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return pl_fail(-ENOENT, "%s: %s", f->name,
			       f->writable ? "its directory does not exist"
					   : "there is no such file");
	case EACCES:
	case EPERM:
	case EROFS:
		return pl_fail(-EACCES, "%s cannot be opened for %s: %s", f->name,
			       f->writable ? "reading and writing" : "reading", strerror(err));
	case EBUSY:
	case ETXTBSY:
		return pl_fail(-EBUSY,
			       "%s is in use (%s): a block device that is mounted, or part of "
			       "another, is not written to",
			       f->name, strerror(err));
	case EINVAL:
	case EOPNOTSUPP:
		return pl_fail(-ENOTSUP,
			       "%s: no O_DIRECT on its file system (%s): use a file on "
			       "another one",
			       f->name, f->fs);
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return pl_fail(-EINVAL, "%s: %s", f->name, strerror(err));
	case ENXIO:
	case ENODEV:
		return pl_fail(-ENODEV, "%s: no device behind it: %s", f->name, strerror(err));
	case ENOSPC:
	case EDQUOT:
		return pl_fail(-ENOSPC, "%s cannot be created: %s", f->name, strerror(err));
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return pl_fail(-ENOMEM, "%s: no resources to open it: %s", f->name, strerror(err));
	default:
		return pl_fail(-EIO, "%s: %s", f->name, strerror(err));
	}
}

/* Also says which file system, if there is a file. */
static void name_fs(struct pl_copy_file *f)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{ TMPFS_MAGIC, "tmpfs" },       { RAMFS_MAGIC, "ramfs" },
		{ EXT4_SUPER_MAGIC, "ext4" },   { XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" }, { OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ NFS_SUPER_MAGIC, "nfs" },     { V9FS_MAGIC, "9p" },
		{ FUSE_SUPER_MAGIC, "fuse" },   { F2FS_SUPER_MAGIC, "f2fs" },
		{ MSDOS_SUPER_MAGIC, "vfat" },  { SQUASHFS_MAGIC, "squashfs" },
	};
	struct statfs st;

	snprintf(f->fs, sizeof(f->fs), "%s", f->block ? "a block device" : "unknown");
	if (f->block || statfs(f->path, &st))
		return;
	snprintf(f->fs, sizeof(f->fs), "type %lx", (unsigned long)st.f_type);
	for (size_t i = 0; i < RTE_DIM(known); i++)
		if ((unsigned long)st.f_type == known[i].magic)
			snprintf(f->fs, sizeof(f->fs), "%s", known[i].name);
}

static int check_type(struct pl_copy_file *f, const struct stat *st)
{
	const char *what = S_ISDIR(st->st_mode)    ? "a directory"
			   : S_ISCHR(st->st_mode)  ? "a character device"
			   : S_ISFIFO(st->st_mode) ? "a pipe"
						   : "a socket";

	f->block = S_ISBLK(st->st_mode);
	if (f->block || S_ISREG(st->st_mode))
		return 0;
	return pl_fail(-EINVAL, "%s is %s, not a file or block device", f->name, what);
}

/* Without O_DIRECT: a file system that has none would create the file all the same, then fail. */
static int create(struct pl_copy_file *f)
{
	int fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return errno == EEXIST ? 0 : open_failed(f, errno);
	close(fd);
	f->created = true;
	return 0;
}

/* A byte that no file has stands for "in use as a target": handles hold it shared, and who removes
 * a file holds it alone. The lock is the open file's, so it counts in one process as between two.
 */
static int use_lock(int fd, short type)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1
	};
	int rc;

	do
		rc = fcntl(fd, F_OFD_SETLK, &lock);
	while (rc && errno == EINTR);
	return rc;
}

/* Whether the path still leads to the open file. */
static bool still_there(const struct pl_copy_file *f)
{
	struct stat mine, there;

	return fstat(f->fd, &mine) == 0 && stat(f->path, &there) == 0 &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int open_once(struct pl_copy_file *f)
{
	int flags = O_CLOEXEC | O_DIRECT | (f->writable ? O_RDWR : O_RDONLY), rc;
	struct stat st;

	/* First a look: to open a pipe would wait for its other end. */
	if (stat(f->path, &st)) {
		if (errno != ENOENT || !f->writable)
			return open_failed(f, errno);
		rc = create(f);
		if (rc)
			return rc;
		if (stat(f->path, &st))
			return open_failed(f, errno);
	}
	rc = check_type(f, &st);
	if (rc)
		return rc;
	name_fs(f);
	/* Exclusively: not under a mounted file system, nor beside another one who said so. */
	if (f->block && f->writable)
		flags |= O_EXCL;
	if (pl_inject_hit())
		return open_failed(f, ENOMEM);
	f->fd = open(f->path, flags);
	if (f->fd < 0)
		return open_failed(f, errno);
	if (fstat(f->fd, &st))
		return open_failed(f, errno);
	rc = check_type(f, &st);
	if (rc)
		return rc;
	f->dev = f->block ? st.st_rdev : st.st_dev;
	f->ino = f->block ? 0 : st.st_ino;
	f->bdev = f->block ? st.st_rdev : st.st_dev;
	f->size = (uint64_t)st.st_size;
	if (f->block && ioctl(f->fd, BLKGETSIZE64, &f->size))
		return open_failed(f, errno);
	return 0;
}

/* A figure of the block device's queue; a partition's is its disk's. False: it has none. */
static bool queue_figure(dev_t dev, const char *what, unsigned long *value)
{
	static const char *const up[] = { "", "../" };
	char path[128];

	for (size_t i = 0; i < RTE_DIM(up); i++) {
		FILE *in;
		bool ok;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev),
			 minor(dev), up[i], what);
		in = fopen(path, "re");
		if (!in)
			continue;
		ok = fscanf(in, "%lu", value) == 1;
		fclose(in);
		return ok;
	}
	return false;
}

/* What O_DIRECT asks for: the kernel says (since 6.1), or the block device. */
static int find_alignment(struct pl_copy_file *f)
{
	unsigned long v;
	bool known = queue_figure(f->bdev, "logical_block_size", &v);

	f->align = known && v ? (uint32_t)v : DEFAULT_ALIGN;
	f->direct = known;
	if (!known)
		f->bdev = 0;
	else if (queue_figure(f->bdev, "max_sectors_kb", &v))
		f->max_io = v << 10;
	f->can_poll = known && queue_figure(f->bdev, "io_poll", &v) && v;
#ifdef STATX_DIOALIGN
	{
		struct statx sx;

		if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
		    sx.stx_mask & STATX_DIOALIGN) {
			if (!sx.stx_dio_offset_align || sx.stx_dio_mem_align > PL_P2P_PAGE)
				return open_failed(f, EINVAL);
			f->align = sx.stx_dio_offset_align;
			f->direct = true;
		}
	}
#endif
	/* Landing checks count in 8 bytes, and chunks come in powers of two as a rule. */
	if (f->align < 8 || f->align > MOST_ALIGN || f->align & (f->align - 1))
		return pl_fail(-ENOTSUP, "%s: O_DIRECT in units of %u bytes is not supported",
			       f->name, f->align);
	return 0;
}

/* The one who created the file may be removing it while we open it: then it is not there any more
 * when we have the lock, and we make another. That takes a moment; who else locks the whole file,
 * for longer, does not want it written. A file system without locks has none to wait for. */
static int open_fd(struct pl_copy_file *f)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < MOST_OPENS; i++) {
		int rc = open_once(f);
		bool locked;

		if (rc || f->block || !f->writable)
			return rc;
		locked = use_lock(f->fd, F_RDLCK) == 0 || (errno != EAGAIN && errno != EACCES);
		if (locked && still_there(f))
			return 0;
		close(f->fd);
		f->fd = -1;
		f->created = false;
		if (!locked)
			nanosleep(&moment, NULL);
	}
	return pl_fail(-EBUSY,
		       "%s is locked by another program, or removed as often as it is opened",
		       f->name);
}

int pl_copy_file_open(const char *path, unsigned int flags, struct pl_copy_file **file)
{
	struct pl_copy_file *f;
	size_t len = strlen(path), most = sizeof(f->name) - sizeof("file:...");
	int rc;

	*file = NULL;
	if (flags & ~PL_COPY_FILE_WRITE)
		return pl_fail(-EINVAL, "flags %x of a file: accepted is PL_COPY_FILE_WRITE",
			       flags);
	if (!len)
		return pl_fail(-EINVAL, "a file without a name");
	f = eal_calloc(1, sizeof(*f));
	if (!f)
		return pl_fail(-ENOMEM, "no memory for a file");
	f->fd = -1;
	f->writable = flags & PL_COPY_FILE_WRITE;
	snprintf(f->name, sizeof(f->name), "file:%s%s", len > most ? "..." : "",
		 len > most ? path + len - most : path);
	f->path = eal_strdup(path);
	rc = f->path ? open_fd(f) : pl_fail(-ENOMEM, "no memory for a file");
	if (rc == 0)
		rc = find_alignment(f);
	if (rc) {
		pl_copy_file_close(f);
		return rc;
	}
	*file = f;
	return 0;
}

void pl_copy_file_info(const struct pl_copy_file *file, struct pl_copy_file_info *info)
{
	*info = (struct pl_copy_file_info){
		.name = file->name,
		.size = file->size,
		.align = file->align,
		.block_device = file->block,
		.created = file->created,
	};
}

/* A file that nobody wanted after all: but only the one that was created, that is still empty, and
 * that no other handle has open. Without locks nobody can tell, and it stays. */
static void remove_created(struct pl_copy_file *f)
{
	struct stat st;

	if (f->fd < 0) /* what made open() fail was O_DIRECT, or more than that */
		f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	if (f->fd >= 0 && use_lock(f->fd, F_WRLCK) == 0 && fstat(f->fd, &st) == 0 && !st.st_size &&
	    still_there(f))
		unlink(f->path);
}

void pl_copy_file_close(struct pl_copy_file *f)
{
	if (!f)
		return;
	if (f->created && !f->dirty)
		remove_created(f);
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}
