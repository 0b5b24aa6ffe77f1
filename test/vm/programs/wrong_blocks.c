/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compares ranges of a target with what should be there, block by block, past every cache: what
 * scenarios ask about the ranges that a copy says are complete. A copy that was interrupted is
 * wrong in places, so that "they differ" is no answer; the number of wrong blocks is.
 *
 *     wrong_blocks WANT TARGET BASE [SLBA+NLB]...
 *
 * WANT holds the data of the target's blocks of 512 bytes from BASE on. TARGET is a block device or
 * a controller's image. Prints "BLOCKS WRONG [FIRST]": how many were compared, how many are wrong,
 * and the first that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512u
#define PIECE (1u << 20)
#define ALIGN 4096u /* of O_DIRECT, whatever the device's block */

struct compared {
	uint64_t blocks;
	uint64_t wrong;
	uint64_t first; /* of the wrong ones */
};

static void die(const char *what)
{
	fprintf(stderr, "wrong_blocks: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void read_all(int fd, const char *name, void *buf, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : ENODATA; /* it ends before the range does */
			die(name);
		}
		done += (size_t)n;
	}
}

static void compare(struct compared *c, const char *want, const char *got, uint64_t slba,
		    size_t len)
{
	for (size_t at = 0; at < len; at += BLOCK) {
		c->blocks++;
		if (!memcmp(want + at, got + at, BLOCK))
			continue;
		if (!c->wrong++)
			c->first = slba + at / BLOCK;
	}
}

int main(int argc, char **argv)
{
	struct compared c = { 0 };
	char *want = malloc(PIECE), *got = NULL;
	int want_fd, fd;
	uint64_t base;

	if (argc < 4 || !want || posix_memalign((void **)&got, ALIGN, PIECE + 2 * ALIGN)) {
		fprintf(stderr, "usage: wrong_blocks WANT TARGET BASE [SLBA+NLB]...\n");
		return 2;
	}
	want_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (want_fd < 0)
		die(argv[1]);
	fd = open(argv[2], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		die(argv[2]);
	base = strtoull(argv[3], NULL, 10);
	for (int i = 4; i < argc; i++) {
		uint64_t slba, nlb, end;

		if (sscanf(argv[i], "%" SCNu64 "+%" SCNu64, &slba, &nlb) != 2 || slba < base) {
			errno = EINVAL;
			die(argv[i]);
		}
		for (end = slba + nlb; slba < end;) {
			uint64_t offset = slba * BLOCK, start = offset & ~(uint64_t)(ALIGN - 1);
			size_t len = (end - slba) * BLOCK > PIECE ? PIECE : (end - slba) * BLOCK;
			size_t whole = (offset - start + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);

			read_all(want_fd, argv[1], want, len, (slba - base) * BLOCK);
			read_all(fd, argv[2], got, whole, start);
			compare(&c, want, got + (offset - start), slba, len);
			slba += len / BLOCK;
		}
	}
	printf("%" PRIu64 " %" PRIu64, c.blocks, c.wrong);
	if (c.wrong)
		printf(" %" PRIu64, c.first);
	putchar('\n');
	return 0;
}
