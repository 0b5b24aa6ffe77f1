/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-owner.sh runs: who owns a chunk, and until when. Processes share chunks, let
 * go of parts of them, and are killed at random; nobody ever sees what another one wrote, and all
 * memory comes back.
 *
 *     p2pmem_owner BDF KILLS SEED [FILE]
 *
 * With FILE the kernel reads it by O_DIRECT into chunks as well; it holds the byte 0xaa.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "p2pmem.h"

#define SIZE     (16 * PAGE)
#define CHILDREN 3
#define AA       0xaaaaaaaaaaaaaaaaull

static struct p2pmem_dev dev;
static const char *file;

static uint64_t available(void)
{
	return p2pmem_sysfs(dev.bdf, "available");
}

static int new_chunk(uint64_t size)
{
	int chunk = p2pmem_alloc(dev.fd, size, NULL);

	if (chunk < 0)
		die("a chunk of %llu bytes: %s", (unsigned long long)size, strerror(-chunk));
	return chunk;
}

static void expect_available(const char *when, uint64_t want)
{
	if (available() != want)
		die("%s: %llu bytes are available instead of %llu", when,
		    (unsigned long long)available(), (unsigned long long)want);
}

static void test_fork(void)
{
	uint64_t whole = available();
	int chunk = new_chunk(SIZE), status, go[2];
	char *mem = p2pmem_map(chunk, SIZE);
	pid_t pid;
	char byte;

	if (pipe(go))
		die("pipe: %s", strerror(errno));
	devmem_fill(mem, SIZE, 1);
	pid = fork();
	if (pid == 0) {
		close(chunk);
		/* The parent has nothing of it left when this returns. */
		if (read(go[0], &byte, 1) != 1 || devmem_check(mem, SIZE, 1) != -1)
			_exit(1);
		devmem_fill(mem, SIZE, 2);
		_exit(devmem_check(mem, SIZE, 2) == -1 ? 0 : 1);
	}
	munmap(mem, SIZE);
	close(chunk);
	expect_available("fork: the child has the chunk", whole - SIZE);
	if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		die("fork: the child does not see its data");
	close(go[0]);
	close(go[1]);
	p2pmem_wait_free(dev.bdf);
}

static void test_partial(void)
{
	uint64_t whole = available();
	int chunk = new_chunk(SIZE);
	char *mem = p2pmem_map(chunk, SIZE);

	devmem_fill(mem, SIZE, 3);
	close(chunk);
	/* A hole, then the end, then the beginning; a page in the middle holds all of it. */
	munmap(mem + 4 * PAGE, 2 * PAGE);
	munmap(mem + 8 * PAGE, 8 * PAGE);
	munmap(mem, 4 * PAGE);
	munmap(mem + 7 * PAGE, PAGE);
	expect_available("munmap: one page is left", whole - SIZE);
	if (new_chunk(whole - SIZE) < 0)
		die("not reached");
	if (!*(volatile uint64_t *)(mem + 6 * PAGE))
		die("munmap: the page that is left lost its data");
	munmap(mem + 6 * PAGE, PAGE);
	expect_available("munmap: nothing is left", SIZE);
}

static void test_split(void)
{
	uint64_t whole = available();
	int chunk = new_chunk(SIZE);
	char *mem = p2pmem_map(chunk, SIZE);

	devmem_fill(mem, SIZE, 4);
	if (mprotect(mem + 4 * PAGE, PAGE, PROT_READ))
		die("mprotect: %s", strerror(errno));
	close(chunk);
	if (devmem_check(mem, SIZE, 4) != -1)
		die("mprotect: other data");
	munmap(mem, SIZE);
	expect_available("mprotect and munmap", whole);
}

/* The last of the chunk is an I/O in flight: nobody else may get the memory before it is over. */
static void test_in_flight(void)
{
	aio_context_t aio = 0;
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = SIZE }, *cbs = &cb;
	struct io_event event;
	int fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
	int early = 0;

	if (fd < 0 || syscall(SYS_io_setup, 1, &aio))
		die("%s: %s", file, strerror(errno));
	for (int i = 0; i < 20; i++) {
		uint64_t whole = available();
		int chunk = new_chunk(SIZE), other;
		char *mem = p2pmem_map(chunk, SIZE);

		cb.aio_fildes = (uint32_t)fd;
		cb.aio_buf = (uint64_t)(uintptr_t)mem;
		if (syscall(SYS_io_submit, aio, 1, &cbs) != 1)
			die("io_submit: %s", strerror(errno));
		munmap(mem, SIZE);
		close(chunk);
		early += available() != whole;
		/* All that is free is somebody else's now, and stays clean. */
		other = new_chunk(available());
		mem = p2pmem_map(other, SIZE);
		if (syscall(SYS_io_getevents, aio, 1, 1, &event, NULL) != 1 ||
		    (int64_t)event.res != (int64_t)SIZE)
			die("O_DIRECT into a chunk that is let go: %lld", (long long)event.res);
		if (devmem_check_zero(mem, SIZE) != -1)
			die("an I/O landed in the memory of another chunk");
		munmap(mem, SIZE);
		close(other);
		p2pmem_wait_free(dev.bdf);
	}
	syscall(SYS_io_destroy, aio);
	close(fd);
	printf("I/O in flight held the memory %d of 20 times; ", early);
	if (!early)
		die("no I/O was ever in flight");
}

/* ---- children that are killed */

static void canary(unsigned int *seed)
{
	uint64_t tag = (uint64_t)getpid() << 32 | (uint64_t)(uint32_t)rand_r(seed);
	size_t size = (1 + (size_t)rand_r(seed) % 64) * PAGE;
	int chunk = p2pmem_alloc(dev.fd, size, NULL), fd;
	char *mem;

	if (chunk == -ENOMEM)
		return;
	if (chunk < 0)
		die("canary: alloc: %s", strerror(-chunk));
	mem = p2pmem_map(chunk, size);
	if (rand_r(seed) % 2)
		close(chunk), chunk = -1;
	if (devmem_check_zero(mem, size) != -1)
		die("canary: a new chunk shows what another process left");
	devmem_fill(mem, size, tag);
	if (file && rand_r(seed) % 2) {
		fd = open(file, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0 || pread(fd, mem, size, 0) != (ssize_t)size)
			die("canary: O_DIRECT: %s", strerror(errno));
		close(fd);
		for (size_t i = 0; i < size / 8; i++)
			if (((volatile uint64_t *)mem)[i] != AA)
				die("canary: not what was read from the file");
	} else if (devmem_check(mem, size, tag) != -1) {
		die("canary: not what this process wrote");
	}
	munmap(mem, size);
	if (chunk >= 0)
		close(chunk);
}

/* The same pool by the kernel's own door, which does not clear. */
static void sysfs_canary(unsigned int *seed)
{
	uint64_t tag = (uint64_t)getpid() << 32 | (uint64_t)(uint32_t)rand_r(seed);
	size_t size = (1 + (size_t)rand_r(seed) % 16) * PAGE;
	int fd = p2pmem_sysfs_allocate(dev.bdf);
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	if (mem == MAP_FAILED)
		return;
	devmem_fill(mem, size, tag);
	if (devmem_check(mem, size, tag) != -1)
		die("canary: not what this process wrote into p2pmem/allocate");
	munmap(mem, size);
}

static pid_t start_child(unsigned int seed, int opens)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (opens) {
		int err = p2pmem_open(&dev, dev.bdf);

		if (err)
			die("canary: open: %s", strerror(-err));
	}
	for (;;) {
		canary(&seed);
		if (rand_r(&seed) % 4 == 0)
			sysfs_canary(&seed);
	}
}

static void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("a child ended by itself with status %#x", status);
}

static void sleep_us(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static void test_kills(int kills, unsigned int seed)
{
	pid_t children[CHILDREN];

	for (int i = 0; i < CHILDREN; i++)
		children[i] = start_child((unsigned int)rand_r(&seed), 0);
	for (int i = 0; i < kills; i++) {
		int which = (int)((unsigned int)rand_r(&seed) % CHILDREN);

		sleep_us(rand_r(&seed) % 20000);
		kill_child(children[which]);
		children[which] = start_child((unsigned int)rand_r(&seed), 0);
	}
	for (int i = 0; i < CHILDREN; i++)
		kill_child(children[i]);
	p2pmem_wait_free(dev.bdf);
}

/* These open the device themselves and may be killed while they do, or before. */
static void test_open_kills(int kills, unsigned int seed)
{
	for (int i = 0; i < kills; i++) {
		pid_t pid = start_child((unsigned int)rand_r(&seed), 1);

		sleep_us(rand_r(&seed) % 300000);
		kill_child(pid);
	}
	p2pmem_wait_free(dev.bdf);
}

int main(int argc, char **argv)
{
	int kills = argc >= 4 ? atoi(argv[2]) : 0, err;
	unsigned int seed = argc >= 4 ? (unsigned int)strtoul(argv[3], NULL, 0) : 0;

	if (kills < 1 || argc > 5)
		die("usage: p2pmem_owner BDF KILLS SEED [FILE]");
	file = argv[4];
	printf("seed %u; ", seed);
	fflush(stdout);
	err = p2pmem_open(&dev, argv[1]);
	if (err)
		die("%s: %s", argv[1], strerror(-err));
	test_fork();
	test_split();
	if (file)
		test_in_flight();
	test_kills(kills - kills / 5, seed);
	p2pmem_close(&dev);
	test_open_kills(kills / 5, seed + 1);
	err = p2pmem_open(&dev, argv[1]);
	if (err)
		die("%s: %s", argv[1], strerror(-err));
	/* Last: it leaves a chunk to the end of this process. */
	test_partial();
	printf("%d kills", kills);
	return 0;
}
