/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ends/file/copy_file.h"

static char dir[PATH_MAX / 2];

static bool try_dir(const char *parent)
{
	struct pl_copy_file *file = NULL;
	bool good;

	if (!parent)
		return false;
	snprintf(dir, sizeof(dir), "%s/peerlane-file.XXXXXX", parent);
	if (!mkdtemp(dir))
		return false;
	good = pl_copy_file_open(file_path("probe"), PL_COPY_FILE_WRITE, &file) == 0 &&
	       file->direct;
	pl_copy_file_close(file);
	if (!good)
		rmdir(dir);
	return good;
}

bool file_dir_try(void)
{
	return try_dir(getenv("TMPDIR")) || try_dir("/tmp") || try_dir(".");
}

void file_dir_make(void)
{
	if (file_dir_try())
		return;
	printf("no directory on a file system with O_DIRECT and a block device: set TMPDIR\n");
	exit(77);
}

void file_dir_remove(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlink(file_path(e->d_name));
	if (d)
		closedir(d);
	rmdir(dir);
}

const char *file_path(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % RTE_DIM(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

void file_put(const char *name, const void *data, size_t len)
{
	int fd = open(file_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fsync(fd), 0); /* or a read past the cache writes it out first */
	close(fd);
}

void file_cut(const char *name, size_t len)
{
	assert_int_equal(truncate(file_path(name), (off_t)len), 0);
}

size_t file_len(const char *name)
{
	struct stat st;

	return stat(file_path(name), &st) ? SIZE_MAX : (size_t)st.st_size;
}

void file_is(const char *name, const void *data, size_t len)
{
	int fd = open(file_path(name), O_RDONLY | O_CLOEXEC);
	uint8_t *got = malloc(len + 1);
	size_t i = 0;

	assert_true(fd >= 0);
	assert_non_null(got);
	assert_int_equal(file_len(name), len);
	assert_int_equal(read(fd, got, len + 1), len);
	close(fd);
	if (memcmp(got, data, len) != 0) {
		while (got[i] == ((const uint8_t *)data)[i])
			i++;
		fail_msg("byte %zu of %s is wrong", i, name);
	}
	free(got);
}

struct pl_copy_file *file_open(const char *name, unsigned int flags)
{
	struct pl_copy_file *file = NULL;

	if (pl_copy_file_open(file_path(name), flags, &file))
		fail_msg("%s", pl_errmsg());
	return file;
}

unsigned int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	char target[PATH_MAX];
	unsigned int n = 0;
	struct dirent *e;
	ssize_t len;

	assert_non_null(d);
	while ((e = readdir(d))) {
		len = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		/* The EAL's hugepages, of which it keeps more or less. */
		n += strncmp(target, "/memfd:", strlen("/memfd:")) != 0;
	}
	closedir(d);
	return n;
}

static int buffers_of(const char *fd)
{
	char path[300], line[128];
	int n = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", fd);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		sscanf(line, "UserBufs: %d", &n);
	if (in)
		fclose(in);
	return n;
}

int uring_buffers(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int sum = -1;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[300], to[64] = "";
		int n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		if (readlink(path, to, sizeof(to) - 1) < 0 || strcmp(to, "anon_inode:[io_uring]"))
			continue;
		n = buffers_of(e->d_name);
		sum = n < 0 ? sum : RTE_MAX(sum, 0) + n;
	}
	closedir(d);
	return sum;
}
