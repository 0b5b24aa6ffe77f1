/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pollers on lcores. The loop that runs them takes no lock: a slot's state is the only thing that
 * two threads share, and each transition has one owner.
 *
 *   FREE --add--> RUNNING --remove--> STOPPING --the lcore's loop--> STOPPED --remove--> FREE
 *                    \--poller returned < 0, the lcore's loop--------^
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_spinlock.h>

#include <peerlane/pl_eal.h>

#include "pl_log.h"
#include "poller.h"

#define POLLERS_PER_LCORE 64

enum poller_state { POLLER_FREE, POLLER_RUNNING, POLLER_STOPPING, POLLER_STOPPED };

struct pl_poller {
	int state; /* enum poller_state, atomic */
	unsigned int lcore;
	pl_poller_fn fn;
	void *arg;
	char name[32];
};

static struct lcore_pollers {
	struct pl_poller slot[POLLERS_PER_LCORE];
	unsigned int nb_slots; /* the loop looks at these only; grows, atomic */
	int looping;           /* atomic */
} __rte_cache_aligned lcores[RTE_MAX_LCORE];

static rte_spinlock_t add_lock = RTE_SPINLOCK_INITIALIZER;
static int workers_stop; /* atomic */
static volatile sig_atomic_t main_stop;

/* One round over an lcore's pollers. Returns how many are left. */
static unsigned int run_once(struct lcore_pollers *l)
{
	unsigned int n = __atomic_load_n(&l->nb_slots, __ATOMIC_ACQUIRE), alive = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct pl_poller *p = &l->slot[i];
		int state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);

		if (state == POLLER_RUNNING) {
			alive++;
			if (p->fn(p->arg) >= 0)
				continue;
			alive--;
			__atomic_store_n(&p->state, POLLER_STOPPED, __ATOMIC_RELEASE);
		} else if (state == POLLER_STOPPING) {
			/* Where this loop was only starting, the remover did not wait for it: the
			 * slot may be free, or taken again. */
			__atomic_compare_exchange_n(&p->state, &state, POLLER_STOPPED, false,
						    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
		}
	}
	return alive;
}

static int worker_loop(void *arg)
{
	struct lcore_pollers *l = arg;

	while (!__atomic_load_n(&workers_stop, __ATOMIC_RELAXED))
		run_once(l);
	return 0;
}

static int start_worker(unsigned int lcore)
{
	struct lcore_pollers *l = &lcores[lcore];

	if (lcore == rte_get_main_lcore() || l->looping)
		return 0;
	if (rte_eal_remote_launch(worker_loop, l, lcore))
		return pl_fail(-EBUSY, "lcore %u runs something else", lcore);
	__atomic_store_n(&l->looping, 1, __ATOMIC_RELEASE);
	return 0;
}

static struct pl_poller *take_slot(struct lcore_pollers *l)
{
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++)
		if (__atomic_load_n(&l->slot[i].state, __ATOMIC_ACQUIRE) == POLLER_FREE)
			return &l->slot[i];
	return NULL;
}

int pl_poller_add(unsigned int lcore, const char *name, pl_poller_fn fn, void *arg,
		  struct pl_poller **poller)
{
	struct lcore_pollers *l;
	struct pl_poller *p;
	unsigned int index;
	int rc;

	if (!fn || lcore >= RTE_MAX_LCORE || !rte_lcore_is_enabled(lcore))
		return pl_fail(-EINVAL, "poller '%s': lcore %u is not one of -l", name, lcore);
	l = &lcores[lcore];
	rte_spinlock_lock(&add_lock);
	p = take_slot(l);
	rc = p ? start_worker(lcore)
	       : pl_fail(-ENOMEM, "poller '%s': lcore %u has %u pollers already", name, lcore,
			 POLLERS_PER_LCORE);
	if (rc == 0) {
		p->lcore = lcore;
		p->fn = fn;
		p->arg = arg;
		snprintf(p->name, sizeof(p->name), "%s", name);
		index = (unsigned int)(p - l->slot);
		__atomic_store_n(&p->state, POLLER_RUNNING, __ATOMIC_RELEASE);
		if (index >= l->nb_slots)
			__atomic_store_n(&l->nb_slots, index + 1, __ATOMIC_RELEASE);
		*poller = p;
	}
	rte_spinlock_unlock(&add_lock);
	return rc;
}

void pl_poller_remove(struct pl_poller *p)
{
	int running = POLLER_RUNNING;

	if (!p)
		return;
	/* The poller itself may end it at the same moment; either way it ends STOPPED. */
	__atomic_compare_exchange_n(&p->state, &running, POLLER_STOPPING, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_ACQUIRE);
	while (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) != POLLER_STOPPED) {
		/* Nobody else would run the loop: it is this thread's, or it is not running. */
		if (rte_lcore_id() == p->lcore ||
		    !__atomic_load_n(&lcores[p->lcore].looping, __ATOMIC_SEQ_CST))
			break;
		rte_pause();
	}
	__atomic_store_n(&p->state, POLLER_FREE, __ATOMIC_RELEASE);
}

void pl_poller_run(void)
{
	struct lcore_pollers *l = &lcores[rte_get_main_lcore()];

	/* A full barrier, as the exchange in pl_poller_remove() is: either it sees the loop, or the
	 * loop sees what it did. */
	__atomic_store_n(&l->looping, 1, __ATOMIC_SEQ_CST);
	while (!main_stop && run_once(l) > 0)
		;
	__atomic_store_n(&l->looping, 0, __ATOMIC_RELEASE);
	main_stop = 0;
}

void pl_poller_stop(void)
{
	main_stop = 1;
}

void pollers_stop_all(void)
{
	unsigned int lcore;

	__atomic_store_n(&workers_stop, 1, __ATOMIC_RELAXED);
	RTE_LCORE_FOREACH_WORKER(lcore)
	rte_eal_wait_lcore(lcore);
	memset(lcores, 0, sizeof(lcores));
	__atomic_store_n(&workers_stop, 0, __ATOMIC_RELAXED);
}
