/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-life.sh and module-rebind.sh take a controller away from: a process with a
 * chunk of its CMB. It says "ready", and when the controller is gone and a line comes in, looks
 * whether its chunk is dead as linux/peerlane_vfio.h says, and says "dead".
 *
 *     p2pmem_life BDF idle|read|io|fd|dead FILE
 *
 * idle has a mapping, read reads one all the time, io has the kernel read FILE into one by O_DIRECT
 * all the time, fd has only the descriptor, dead is killed when it is ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2pmem.h"

#define THREADS 4
#define PIECE   (128 * 1024UL)
#define SIZE    (THREADS * PIECE)

static char *mem;
static const char *file;
static atomic_int running;

/* In a thread of its own: until the mapping is taken away, which is the only way out. */
static __thread sigjmp_buf jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

static void *read_forever(void *arg)
{
	(void)arg;
	if (sigsetjmp(jump, 1))
		return NULL;
	atomic_fetch_add(&running, 1);
	for (size_t i = 0;; i = (i + 8) % SIZE)
		(void)((volatile uint64_t *)mem)[i / 8];
}

static void *io_forever(void *arg)
{
	char *piece = mem + (size_t)(uintptr_t)arg * PIECE;
	int fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC), first = 1;

	if (fd < 0)
		die("%s: %s", file, strerror(errno));
	while (pread(fd, piece, PIECE, 0) == PIECE)
		if (first) {
			first = 0;
			atomic_fetch_add(&running, 1);
		}
	if (errno != EFAULT || first)
		die("O_DIRECT ended with %s", strerrorname_np(errno));
	close(fd);
	return NULL;
}

static void check_dead(int chunk)
{
	char *more = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, chunk, 0);

	if (more != MAP_FAILED || errno != ENODEV)
		die("mmap of a dead chunk: %s", more == MAP_FAILED ? strerrorname_np(errno) : "0");
	if (!mem)
		return;
	for (size_t at = 0; at < SIZE; at += SIZE / 4)
		if (!raises_sigbus(mem + at, 0) || !raises_sigbus(mem + at, 1))
			die("a dead mapping can be accessed at %zu", at);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_bus };
	pthread_t threads[THREADS];
	int chunk, err, n = 0;
	struct p2pmem_dev dev;
	char line[16];

	if (argc != 4)
		die("usage: p2pmem_life BDF idle|read|io|fd|dead FILE");
	file = argv[3];
	err = p2pmem_open(&dev, argv[1]);
	if (err)
		die("%s: %s", argv[1], strerror(-err));
	chunk = p2pmem_alloc(dev.fd, SIZE, NULL);
	if (chunk < 0)
		die("%s: %s", argv[1], strerror(-chunk));
	if (strcmp(argv[2], "fd")) {
		mem = p2pmem_map(chunk, SIZE);
		devmem_fill(mem, SIZE, 1);
	}
	if (!strcmp(argv[2], "dead")) {
		puts("ready");
		fflush(stdout);
		raise(SIGKILL);
	}
	/* With it vfio would wait for us. */
	p2pmem_close(&dev);

	sigaction(SIGBUS, &action, NULL);
	if (!strcmp(argv[2], "read"))
		n = pthread_create(&threads[0], NULL, read_forever, NULL) ? 0 : 1;
	if (!strcmp(argv[2], "io"))
		for (n = 0; n < THREADS; n++)
			if (pthread_create(&threads[n], NULL, io_forever, (void *)(uintptr_t)n))
				die("no thread");
	while (atomic_load(&running) < n)
		usleep(100);
	puts("ready");
	fflush(stdout);

	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	check_dead(chunk);
	puts("dead");
	return 0;
}
