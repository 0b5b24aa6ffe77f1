/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's thread: polls doorbells, executes, and steps aside when there is nothing to do. */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_lcore.h>
#include <rte_pause.h>

#include "emu.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "pl_subsystem.h"

/*
 * An idle device spins about as long as a host needs to ring again, then yields, then sleeps. When
 * devices share cores, one that spins keeps its peer from the very work it waits for: then it
 * yields almost at once.
 */
#define IDLE_SPINS    2000u
#define IDLE_CROWDED  32u
#define IDLE_YIELDS   200u
#define SLEEP_MIN_NS  2000
#define SLEEP_MAX_NS  100000
#define SCAN_INTERVAL 4096u /* rounds between looks at doorbells that have no queue */

static uint32_t nb_devices; /* atomic: device threads that run */

struct idleness {
	uint32_t cpus; /* that the thread may run on */
	uint32_t rounds;
	long sleep_ns;
};

static uint32_t idle_spins(const struct idleness *idle)
{
	return __atomic_load_n(&nb_devices, __ATOMIC_RELAXED) > idle->cpus ? IDLE_CROWDED
									   : IDLE_SPINS;
}

static void back_off(struct idleness *idle)
{
	struct timespec ts = { 0, idle->sleep_ns };
	uint32_t spins = idle_spins(idle);

	if (idle->rounds < IDLE_SPINS + IDLE_YIELDS)
		idle->rounds++;
	if (idle->rounds < spins) {
		rte_pause();
	} else if (idle->rounds < spins + IDLE_YIELDS) {
		sched_yield();
	} else {
		nanosleep(&ts, NULL);
		idle->sleep_ns =
			idle->sleep_ns * 2 < SLEEP_MAX_NS ? idle->sleep_ns * 2 : SLEEP_MAX_NS;
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
	struct idleness idle = { .cpus = 1, .sleep_ns = SLEEP_MIN_NS };
	uint32_t rounds = 0;
	cpu_set_t cpus;

	/* Sleeps of microseconds are meant as such. */
	(void)prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		idle.cpus = (uint32_t)CPU_COUNT(&cpus);
	__atomic_fetch_add(&nb_devices, 1, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		bool worked = false;

		if (__atomic_load_n(&c->attention, __ATOMIC_ACQUIRE))
			emu_attend(c);
		if (emu_running(c)) {
			worked = poll_queues(c);
			if (++rounds % SCAN_INTERVAL == 0 || idle.rounds >= idle_spins(&idle))
				emu_doorbells_scan(c);
			emu_events_post(c);
		}
		if (worked) {
			idle.rounds = 0;
			idle.sleep_ns = SLEEP_MIN_NS;
		} else {
			back_off(&idle);
		}
	}
	__atomic_fetch_sub(&nb_devices, 1, __ATOMIC_RELAXED);
	return NULL;
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
static void device_cpus(const struct pl_eal_conf *eal, cpu_set_t *cpus)
{
	unsigned int lcore;

	*cpus = eal->process_cpus;
	RTE_LCORE_FOREACH(lcore)
	remove_cpus(cpus, lcore);
	if (CPU_COUNT(cpus) > 0)
		return;
	*cpus = eal->process_cpus;
	remove_cpus(cpus, rte_get_main_lcore());
	if (CPU_COUNT(cpus) == 0)
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
		device_cpus(eal, &cpus);
		(void)pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&c->thread, &attr, device_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err != 0)
		return pl_fail(-ENOMEM, "%s: cannot start a device thread: %s", c->t.name,
			       strerror(err));
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
	c->thread_started = false;
}
