/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGBUS in device memory: mappings of a file that became shorter stand for those that the kernel
 * takes away. What is mapped of the one device is replaced, all else is as it was.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_common.h>

#include "mem_private.h"
#include "pl_inject.h"

#define PAGE    4096u
#define LEN     (4 * PAGE)
#define THREADS 4
#define ROUNDS  200

struct dev {
	struct pl_guard guard;
	int fd[2];
	volatile uint8_t *regs; /* ranges of the guard */
	volatile uint8_t *mem;
};

static volatile uint8_t *map_file(int *fd, void *at)
{
	void *p;

	if (!at) {
		*fd = memfd_create("device", MFD_CLOEXEC);
		assert_true(*fd >= 0);
	}
	assert_int_equal(ftruncate(*fd, LEN), 0);
	p = mmap(at, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), *fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 0x5a, LEN);
	return p;
}

static void plug(struct dev *d)
{
	memset(d, 0, sizeof(*d));
	d->regs = map_file(&d->fd[0], NULL);
	d->mem = map_file(&d->fd[1], NULL);
	assert_int_equal(pl_guard_add(&d->guard, (void *)(uintptr_t)d->regs, LEN, PAGE), 0);
	assert_int_equal(pl_guard_add(&d->guard, (void *)(uintptr_t)d->mem, LEN, 0), 0);
}

static void unplug(struct dev *d)
{
	pl_guard_remove((const void *)(uintptr_t)d->regs);
	pl_guard_remove((const void *)(uintptr_t)d->mem);
	munmap((void *)(uintptr_t)d->regs, LEN);
	munmap((void *)(uintptr_t)d->mem, LEN);
	close(d->fd[0]);
	close(d->fd[1]);
}

static void check_whole(const struct dev *d)
{
	assert_false(pl_guard_lost(&d->guard));
	for (size_t i = 0; i < LEN; i += PAGE / 2) {
		assert_int_equal(d->regs[i], 0x5a);
		assert_int_equal(d->mem[i], 0x5a);
	}
}

static void check_lost(const struct dev *d)
{
	assert_true(pl_guard_lost(&d->guard));
	for (size_t i = 0; i < LEN; i++) {
		assert_int_equal(d->regs[i], i < PAGE ? 0xff : 0);
		assert_int_equal(d->mem[i], 0);
	}
}

/* cmocka has handlers of its own around every test and every fixture. */
static void begin(void)
{
	assert_int_equal(pl_guard_init(), 0);
}

/* Either range faults, by a load or a store; the other goes with it, and no other device does. */
static void test_lost(void **state)
{
	(void)state;
	begin();
	for (int way = 0; way < 4; way++) {
		struct dev well, d;

		plug(&well);
		plug(&d);
		check_whole(&d);
		assert_int_equal(ftruncate(d.fd[way & 1], 0), 0);
		assert_false(pl_guard_lost(&d.guard));
		if (way & 2)
			(way & 1 ? d.mem : d.regs)[2 * PAGE] = 0;
		else
			assert_int_equal((way & 1 ? d.mem : d.regs)[2 * PAGE], 0);
		check_lost(&d);
		check_whole(&well);
		unplug(&d);
		unplug(&well);
	}
	pl_guard_fini();
}

static void test_renewed(void **state)
{
	struct dev d;

	(void)state;
	begin();
	plug(&d);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ftruncate(d.fd[1], 0), 0);
		d.mem[0] = 1;
		assert_true(pl_guard_lost(&d.guard));
		assert_int_equal(d.regs[0], 0xff);
		map_file(&d.fd[0], (void *)(uintptr_t)d.regs);
		map_file(&d.fd[1], (void *)(uintptr_t)d.mem);
		pl_guard_renew(&d.guard);
		check_whole(&d);
	}
	unplug(&d);
	pl_guard_fini();
}

/* A mapping that is added when the device is lost already does not keep its thread for ever. */
static void test_added_later(void **state)
{
	struct dev d;
	volatile uint8_t *more;
	int fd;

	(void)state;
	begin();
	plug(&d);
	assert_int_equal(ftruncate(d.fd[1], 0), 0);
	d.mem[0] = 1;
	more = map_file(&fd, NULL);
	assert_int_equal(pl_guard_add(&d.guard, (void *)(uintptr_t)more, LEN, 0), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(more[PAGE], 0);
	check_lost(&d);
	pl_guard_remove((const void *)(uintptr_t)more);
	munmap((void *)(uintptr_t)more, LEN);
	close(fd);
	unplug(&d);
	pl_guard_fini();
}

static struct dev shared;
static pthread_barrier_t barrier;

/* Nobody goes on before all of it is replaced. */
static void *touch(void *early)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&barrier);
		if (shared.mem[PAGE] != 0 || shared.regs[28] != 0xff)
			*(bool *)early = true;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];
	bool early[THREADS] = { 0 };

	(void)state;
	begin();
	plug(&shared);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, touch, &early[i]), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(ftruncate(shared.fd[1], 0), 0);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		if (i == ROUNDS - 1)
			break;
		map_file(&shared.fd[0], (void *)(uintptr_t)shared.regs);
		map_file(&shared.fd[1], (void *)(uintptr_t)shared.mem);
		pl_guard_renew(&shared.guard);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_false(early[i]);
	}
	check_lost(&shared);
	unplug(&shared);
	pl_guard_fini();
}

static void test_full(void **state)
{
	static uint8_t memory[512];
	struct pl_guard guard = { 0 };
	unsigned int n = 0;

	(void)state;
	begin();
	while (pl_guard_add(&guard, &memory[n], 1, 0) == 0)
		n++;
	assert_in_range(n, 64, sizeof(memory) - 1);
	assert_int_equal(pl_guard_add(&guard, &memory[n], 1, 0), -ENOMEM);
	pl_guard_remove(&memory[n / 2]);
	assert_int_equal(pl_guard_add(&guard, &memory[n], 1, 0), 0);
	pl_guard_remove(&memory[n]);
	for (unsigned int i = 0; i < n; i++)
		pl_guard_remove(&memory[i]);
	pl_inject_arm(1);
	assert_int_equal(pl_guard_add(&guard, memory, 1, 0), -ENOMEM);
	pl_inject_arm(0);
	pl_guard_fini();
}

/* ---- what is not ours: in processes that may end ---- */

static volatile sig_atomic_t called;
static sigjmp_buf after;

static void plain(int sig)
{
	(void)sig;
	called++;
	siglongjmp(after, 1);
}

static void with_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	called += info->si_code > 0 && info->si_addr ? 10 : 1;
	plain(sig);
}

static volatile uint8_t *gone(void)
{
	int fd;
	volatile uint8_t *p = map_file(&fd, NULL);

	return ftruncate(fd, 0) ? NULL : p;
}

static void fault(void)
{
	*gone() = 1;
}

static void sent(void)
{
	raise(SIGBUS);
}

/* How a process ends that had @action before us, and whose SIGBUS is not ours: the signal's number,
 * or 100 + how often its handler ran. */
static int ending(struct sigaction action, void (*cause)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		pl_guard_fini();
		sigaction(SIGBUS, &action, NULL);
		if (pl_guard_init())
			_exit(1);
		if (!sigsetjmp(after, 1))
			cause();
		_exit(100 + called);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_not_ours(void **state)
{
	(void)state;
	begin();
	called = 0;
	for (int i = 0; i < 2; i++) {
		void (*cause)(void) = i ? sent : fault;

		assert_int_equal(ending((struct sigaction){ .sa_handler = SIG_DFL }, cause),
				 SIGBUS);
		assert_int_equal(ending((struct sigaction){ .sa_handler = SIG_IGN }, cause),
				 i ? 100 : SIGBUS);
		assert_int_equal(ending((struct sigaction){ .sa_handler = plain }, cause), 101);
		assert_int_equal(ending((struct sigaction){ .sa_sigaction = with_info,
							    .sa_flags = SA_SIGINFO },
					cause),
				 i ? 102 : 111);
	}
	pl_guard_fini();
}

static void test_handler_restored(void **state)
{
	struct sigaction action = { .sa_handler = plain }, now;

	(void)state;
	begin();
	pl_guard_fini();
	sigaction(SIGBUS, &action, NULL);
	assert_int_equal(pl_guard_init(), 0);
	sigaction(SIGBUS, NULL, &now);
	assert_ptr_not_equal(now.sa_handler, plain);
	pl_guard_fini();
	sigaction(SIGBUS, NULL, &now);
	assert_ptr_equal(now.sa_handler, plain);
	/* A handler that came after ours stays. */
	assert_int_equal(pl_guard_init(), 0);
	action.sa_handler = SIG_IGN;
	sigaction(SIGBUS, &action, NULL);
	pl_guard_fini();
	sigaction(SIGBUS, NULL, &now);
	assert_ptr_equal(now.sa_handler, SIG_IGN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_added_later),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_handler_restored),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
