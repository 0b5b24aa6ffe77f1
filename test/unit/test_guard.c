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
#include <sys/ptrace.h>
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

/* ---- a range that goes, and its place that is taken, while a handler is anywhere ---- */

/* A process whose first thread faults, and is stopped after a number of its handler's instructions;
 * then the second one acts. Shared with the test, which traces the first. */
static struct {
	struct pl_guard guard, other;
	bool go, acted;
} * stage;

static struct dev faulty;
static uint8_t *room; /* a page at its end is @faulty's memory */
static uint8_t *far;

#define ROOM (64 * PAGE)

/* The place of a long range is taken by a short one, from which the fault is as far as the long one
 * would have reached. */
static void act_reuse(void)
{
	pl_guard_remove(far);
	if (pl_guard_add(&stage->other, room, PAGE, 0))
		_exit(2);
}

/* The device that faults is removed, and its memory is something else's. */
static void act_free(void)
{
	pl_guard_remove((const void *)(uintptr_t)faulty.mem);
	memset(&stage->guard, 0x5c, sizeof(stage->guard));
}

static void *act(void *arg)
{
	void (*const *how)(void) = arg;

	while (!__atomic_load_n(&stage->go, __ATOMIC_ACQUIRE))
		usleep(50);
	(*how)();
	__atomic_store_n(&stage->acted, true, __ATOMIC_RELEASE);
	return NULL;
}

static void faulting_process(void (*how)(void))
{
	struct sigaction action = { .sa_handler = plain };
	pthread_t thread;

	pl_guard_fini();
	sigaction(SIGBUS, &action, NULL);
	if (pl_guard_init() || pl_guard_add(&stage->other, far, ROOM, 0) ||
	    pl_guard_add(&stage->guard, room + PAGE, PAGE, 0) ||
	    pthread_create(&thread, NULL, act, &how) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(3);
	raise(SIGSTOP);
	if (!sigsetjmp(after, 1))
		faulty.mem[8] = 1;
	pthread_join(thread, NULL);
	_exit(0);
}

/* False: by then the handler replaces what is lost. */
static bool stop_after(pid_t pid, unsigned int steps)
{
	long sig = SIGBUS; /* the first step delivers it */
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGBUS);
	for (unsigned int i = 0; i <= steps; i++, sig = 0) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, sig), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	}
	return !__atomic_load_n(&stage->guard.state, __ATOMIC_ACQUIRE);
}

/* Lets the other thread act, which it may do at once or only after the handler, and the first go
 * on. */
static void go_on(pid_t pid)
{
	int status;

	__atomic_store_n(&stage->go, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 20 && !__atomic_load_n(&stage->acted, __ATOMIC_ACQUIRE); i++)
		usleep(100);
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status)) {
		assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status)), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(status, 0);
}

static bool at_step(unsigned int steps, void (*how)(void))
{
	bool stopped;
	pid_t pid;

	memset(stage, 0, sizeof(*stage));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		faulting_process(how);
	stopped = stop_after(pid, steps);
	go_on(pid);
	return stopped;
}

static bool can_trace(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void set_stage(void)
{
	const int prot = PROT_READ | PROT_WRITE;

	stage = mmap(NULL, PAGE, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	room = mmap(NULL, ROOM, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	far = mmap(NULL, ROOM, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(stage != MAP_FAILED && room != MAP_FAILED && far != MAP_FAILED);
	faulty.fd[0] = memfd_create("device", MFD_CLOEXEC);
	assert_true(faulty.fd[0] >= 0); /* empty: every access to it faults */
	faulty.mem = mmap(room + PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED, faulty.fd[0], 0);
	assert_ptr_equal(faulty.mem, room + PAGE);
}

static void test_removed_under_handler(void **state)
{
	static const struct pl_guard freed = { 0x5c5c5c5c };
	unsigned int steps;

	(void)state;
	if (!can_trace()) {
		print_message("skipped: ptrace() is not allowed here\n");
		skip();
	}
	begin();
	set_stage();
	for (steps = 0; at_step(steps, act_reuse); steps++)
		if (pl_guard_lost(&stage->other))
			fail_msg("after %u steps the handler took a range for what it was before",
				 steps);
	assert_true(steps > 20);
	for (steps = 0; at_step(steps, act_free); steps++)
		if (memcmp(&stage->guard, &freed, sizeof(freed)) != 0)
			fail_msg("after %u steps the handler wrote to a removed device's state",
				 steps);
	close(faulty.fd[0]);
	munmap(room, ROOM);
	munmap(far, ROOM);
	munmap(stage, PAGE);
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
		cmocka_unit_test(test_removed_under_handler),
		cmocka_unit_test(test_handler_restored),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
