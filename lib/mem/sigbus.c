/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGBUS. The kernel takes mappings of device memory away while the device is in D3, decodes no
 * memory or leaves its driver, and the next access of the CPU would end the process, with all the
 * devices that are well. Here ordinary memory takes the place of everything the process has mapped
 * of that device; its registers then read all ones, as those of a device that was pulled, which is
 * what every layer above knows already.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>
#include <rte_pause.h>

#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

/* Three for each controller with a CMB and a PMR. */
#define MAX_RANGES 256u

enum { WHOLE, GOING, LOST }; /* pl_guard.state */

/* Read by handlers at any time, so a slot is never moved. 0 in @len frees it; what else is in it
 * changes only while no handler is inside that may have seen another @len, and @len is written
 * last. */
static struct range {
	struct pl_guard *guard;
	uint8_t *va;
	size_t len;
	size_t ones;
} ranges[MAX_RANGES];

static unsigned int inside; /* threads whose handler looks at the ranges or at a guard */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* who adds and removes */
static struct sigaction before;

static struct pl_guard *guard_of(uintptr_t at)
{
	for (size_t i = 0; i < RTE_DIM(ranges); i++) {
		size_t len = __atomic_load_n(&ranges[i].len, __ATOMIC_SEQ_CST);

		if (len && at - (uintptr_t)ranges[i].va < len)
			return ranges[i].guard;
	}
	return NULL;
}

/* In one step: other threads see the device's memory or what takes its place, nothing in between.
 */
static bool replace(const struct range *range, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	if (range->ones)
		memset(p, 0xff, range->ones);
	if (mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, range->va) != MAP_FAILED)
		return true;
	munmap(p, len);
	return false;
}

/* Only what may be done in a handler: system calls and stores. */
static bool replace_all(const struct pl_guard *guard)
{
	bool done = true;

	for (size_t i = 0; i < RTE_DIM(ranges); i++) {
		size_t len = __atomic_load_n(&ranges[i].len, __ATOMIC_SEQ_CST);

		if (len && ranges[i].guard == guard && !replace(&ranges[i], len))
			done = false;
	}
	return done;
}

static int settled(const struct pl_guard *guard)
{
	int state;

	while ((state = __atomic_load_n(&guard->state, __ATOMIC_SEQ_CST)) == GOING)
		rte_pause();
	return state;
}

/* A fault in what was lost before is a range that came later: all of it once more. */
static bool lose(struct pl_guard *guard)
{
	int state = __atomic_load_n(&guard->state, __ATOMIC_ACQUIRE);
	bool done;

	if (state == GOING || !__atomic_compare_exchange_n(&guard->state, &state, GOING, false,
							   __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
		settled(guard); /* another thread's; if it was none of ours, this faults again */
		return true;
	}
	done = replace_all(guard);
	__atomic_store_n(&guard->state, done ? LOST : state, __ATOMIC_SEQ_CST);
	return done;
}

/* Not ours: as it would have been without us. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(sig, info, context);
		return;
	}
	if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
		return;
	}
	if (before.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	/* A fault happens again on return, and ends the process where it is; a kill() does not. */
	signal(SIGBUS, SIG_DFL);
	if (info->si_code <= 0)
		raise(SIGBUS);
}

static bool is_ours(const siginfo_t *info)
{
	struct pl_guard *guard;
	bool done;

	if (info->si_code <= 0) /* sent by a process */
		return false;
	__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	guard = guard_of((uintptr_t)info->si_addr);
	done = guard && lose(guard);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	return done;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int err = errno;

	if (!is_ours(info))
		pass_on(sig, info, context);
	errno = err;
}

int pl_guard_init(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	action.sa_sigaction = on_sigbus;
	sigemptyset(&action.sa_mask);
	if (pl_inject_hit() || sigaction(SIGBUS, &action, &before))
		return pl_fail(-ENOMEM, "no handler for SIGBUS can be set");
	return 0;
}

void pl_guard_fini(void)
{
	struct sigaction now;

	/* Whoever came after us may pass signals on to us, and gets them passed on. */
	if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
	    now.sa_sigaction == on_sigbus)
		sigaction(SIGBUS, &before, NULL);
}

int pl_guard_add(struct pl_guard *guard, void *va, size_t len, size_t ones)
{
	struct range *free_range = NULL;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < RTE_DIM(ranges) && !free_range; i++)
		if (!ranges[i].len)
			free_range = &ranges[i];
	if (pl_inject_hit())
		free_range = NULL;
	if (free_range) {
		free_range->guard = guard;
		free_range->va = va;
		free_range->ones = RTE_MIN(ones, len);
		__atomic_store_n(&free_range->len, len, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return free_range ? 0
			  : pl_fail(-ENOMEM, "more than %u mappings of device memory", MAX_RANGES);
}

/* The range's slot, its addresses and its guard may be something else's next. Who comes into the
 * handler from here on does not see it; who is inside may have. */
static void forget(struct range *range)
{
	__atomic_store_n(&range->len, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) > 0)
		sched_yield();
}

void pl_guard_remove(const void *va)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < RTE_DIM(ranges); i++)
		if (ranges[i].len && ranges[i].va == va)
			forget(&ranges[i]);
	pthread_mutex_unlock(&lock);
}

bool pl_guard_lost(const struct pl_guard *guard)
{
	return settled(guard) != WHOLE;
}

void pl_guard_renew(struct pl_guard *guard)
{
	__atomic_store_n(&guard->state, WHOLE, __ATOMIC_RELEASE);
}
