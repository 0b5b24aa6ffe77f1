/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a copy between two emulated controllers cannot beat on one core: every block goes from the
 * source medium into the CMB and from there to the destination medium, by plain memcpy. The buffers
 * are of the kind and size that the emulated devices use: media in anonymous memory with
 * MADV_HUGEPAGE, the CMB a shared memfd. All pages exist when time is taken, as with populate=1:
 * reading what was never written would be reading one page of zeros from the cache.
 *
 *   memcpy_baseline SIZE CMB BLOCK DEPTH SECONDS   (bytes; passes for that long after one warm-up)
 *
 * prints the MiB/s of one pass after another, as the copy counts them: each byte once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint8_t *medium(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static uint8_t *cmb(size_t size)
{
	int fd = memfd_create("cmb", MFD_CLOEXEC);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)size))
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* In the order in which a pipeline has them: @depth blocks in, the same blocks out. */
static void pass(uint8_t *dst, const uint8_t *src, uint8_t *via, size_t size, size_t block,
		 size_t depth)
{
	size_t round = depth * block;

	for (size_t at = 0; at < size; at += round) {
		size_t end = size - at < round ? size - at : round;

		for (size_t i = 0; i < end; i += block)
			memcpy(via + i, src + at + i, block);
		for (size_t i = 0; i < end; i += block)
			memcpy(dst + at + i, via + i, block);
	}
	/* The optimiser must not conclude that nobody reads @dst. */
	__asm__ volatile("" : : "r"(dst) : "memory");
}

int main(int argc, char **argv)
{
	size_t size, cmb_size, block, depth;
	uint8_t *src, *dst, *via;
	double begin, seconds;
	int passes = 0;

	if (argc != 6)
		return fprintf(stderr, "usage: %s SIZE CMB BLOCK DEPTH SECONDS\n", argv[0]), 2;
	size = strtoull(argv[1], NULL, 10);
	cmb_size = strtoull(argv[2], NULL, 10);
	block = strtoull(argv[3], NULL, 10);
	depth = strtoull(argv[4], NULL, 10);
	seconds = strtod(argv[5], NULL);
	if (!block || !depth || !size || size % block || depth > cmb_size / block)
		return fprintf(stderr,
			       "%s: SIZE is no multiple of BLOCK, or DEPTH blocks do not fit "
			       "in CMB\n",
			       argv[0]),
		       2;
	src = medium(size);
	dst = medium(size);
	via = cmb(cmb_size);
	if (!src || !dst || !via)
		return fprintf(stderr, "%s: no memory\n", argv[0]), 1;
	memset(src, 0x5a, size);
	pass(dst, src, via, size, block, depth);
	begin = now();
	do {
		pass(dst, src, via, size, block, depth);
		passes++;
	} while (now() - begin < seconds);
	printf("%.0f\n", (double)size * passes / (now() - begin) / 1048576.0);
	return 0;
}
