/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's thread: polls doorbells, executes, and steps aside when there is nothing to do. */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "emu.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "pl_subsystem.h"

/*
 * An idle device spins about as long as a host needs to ring again, then yields, then sleeps. Where
 * devices are more than the cores, one that spins may keep a peer from the very work it waits for:
 * so it yields as soon as a peer has some, and only then, since a core given up to strangers is
 * gone for a time slice. On a poller's core it yields almost at once.
 */
#define IDLE_SPINS    1000u
#define IDLE_SHARED   32u
#define IDLE_YIELDS   200u
#define SLEEP_MIN_NS  2000
#define SLEEP_MAX_NS  100000
#define SCAN_INTERVAL 4096u /* rounds between looks at doorbells that have no queue */

static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct emu_ctrlr *devices;
static uint32_t nb_devices; /* atomic */

struct idleness {
	uint32_t cpus;  /* that the thread may run on */
	uint32_t spins; /* before it yields */
	uint32_t rounds;
	long sleep_ns;
};

static bool peer_pending(const struct emu_ctrlr *c)
{
	bool pending = false;

	/* Held by a peer that looks, or by a thread that comes or goes: the next round will do. */
	if (pthread_mutex_trylock(&devices_lock) != 0)
		return false;
	for (const struct emu_ctrlr *d = devices; d != NULL && !pending; d = d->next)
		pending = d != c && emu_pending(d);
	pthread_mutex_unlock(&devices_lock);
	return pending;
}

static void back_off(const struct emu_ctrlr *c, struct idleness *idle)
{
	struct timespec ts = { 0, idle->sleep_ns };

	if (__atomic_load_n(&nb_devices, __ATOMIC_RELAXED) > idle->cpus && peer_pending(c)) {
		sched_yield();
		return;
	}
	if (idle->rounds < idle->spins + IDLE_YIELDS)
		idle->rounds++;
	if (idle->rounds < idle->spins) {
		rte_pause();
	} else if (idle->rounds < idle->spins + IDLE_YIELDS) {
		sched_yield();
	} else {
		nanosleep(&ts, NULL);
		idle->sleep_ns = RTE_MIN(idle->sleep_ns * 2, SLEEP_MAX_NS);
	}
}

/* One visit to every submission queue, the admin queue first. */
static bool poll_queues(struct emu_ctrlr *c)
{
	bool worked = false;

	for (uint32_t i = 0; i <= c->conf.queues; i++)
		if (c->sqs[i].q.exists)
			worked = emu_sq_poll(c, &c->sqs[i]) || worked;
	return worked;
}

static void *device_main(void *arg)
{
	struct emu_ctrlr *c = arg;
	struct idleness idle = {
		.cpus = 1,
		.spins = c->shares_core ? IDLE_SHARED : IDLE_SPINS,
		.sleep_ns = SLEEP_MIN_NS,
	};
	uint32_t rounds = 0;
	cpu_set_t cpus;

	/* Sleeps of microseconds are meant as such. */
	(void)prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		idle.cpus = (uint32_t)CPU_COUNT(&cpus);
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		bool worked = false;

		__atomic_store_n(&c->rounds, c->rounds + 1, __ATOMIC_RELEASE);
		if (__atomic_load_n(&c->attention, __ATOMIC_ACQUIRE))
			emu_attend(c);
		if (emu_running(c)) {
			worked = poll_queues(c);
			if (++rounds % SCAN_INTERVAL == 0 || idle.rounds >= idle.spins)
				emu_doorbells_scan(c);
			emu_events_post(c);
		}
		if (worked) {
			idle.rounds = 0;
			idle.sleep_ns = SLEEP_MIN_NS;
		} else {
			back_off(c, &idle);
		}
	}
	return NULL;
}

static void devices_add(struct emu_ctrlr *c)
{
	pthread_mutex_lock(&devices_lock);
	c->next = devices;
	devices = c;
	__atomic_fetch_add(&nb_devices, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&devices_lock);
}

static void devices_remove(struct emu_ctrlr *c)
{
	struct emu_ctrlr **p = &devices;

	pthread_mutex_lock(&devices_lock);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	__atomic_fetch_sub(&nb_devices, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&devices_lock);
}

static void remove_cpus(cpu_set_t *from, unsigned int lcore)
{
	rte_cpuset_t lcore_cpus = rte_lcore_cpuset(lcore);
	cpu_set_t both;

	CPU_AND(&both, from, &lcore_cpus);
	CPU_XOR(from, from, &both);
}

/*
 * Where a device thread may run: not where librte_eal has pinned the thread that probes, whose
 * affinity it would inherit. A poller never sleeps, so a device that shares its core waits for the
 * end of a time slice with every command. So the process's CPUs without those of lcores are best,
 * next those without the main lcore's, which polls whenever anything runs at all.
 */
static void device_cpus(struct emu_ctrlr *c, const struct pl_eal_conf *eal, cpu_set_t *cpus)
{
	unsigned int lcore;

	*cpus = eal->process_cpus;
	RTE_LCORE_FOREACH(lcore)
	remove_cpus(cpus, lcore);
	if (CPU_COUNT(cpus) > 0)
		return;
	*cpus = eal->process_cpus;
	remove_cpus(cpus, rte_get_main_lcore());
	c->shares_core = CPU_COUNT(cpus) == 0;
	if (c->shares_core)
		*cpus = eal->process_cpus;
}

/* Signals are the application's threads' to handle. */
int emu_thread_start(struct emu_ctrlr *c)
{
	const struct pl_eal_conf *eal = pl_eal_conf();
	cpu_set_t cpus;
	sigset_t all, old;
	pthread_attr_t attr;
	char name[16];
	int err;

	if (pl_inject_hit() || pthread_attr_init(&attr) != 0)
		return pl_fail(-ENOMEM, "%s: no memory for a device thread", c->t.name);
	if (eal != NULL) {
		device_cpus(c, eal, &cpus);
		(void)pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	devices_add(c);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&c->thread, &attr, device_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err != 0) {
		devices_remove(c);
		return pl_fail(-ENOMEM, "%s: cannot start a device thread: %s", c->t.name,
			       strerror(err));
	}
	snprintf(name, sizeof(name), "%.15s", c->t.name);
	(void)pthread_setname_np(c->thread, name);
	c->thread_started = true;
	return 0;
}

void emu_thread_stop(struct emu_ctrlr *c)
{
	if (!c->thread_started)
		return;
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_join(c->thread, NULL);
	devices_remove(c);
	c->thread_started = false;
}
