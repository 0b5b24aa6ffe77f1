/* SPDX-License-Identifier: BSD-3-Clause */
/* Pollers on the main and on a worker lcore: added, removed, ended, stopped, by whom and when. */
#include "fixture.h"

#include <pthread.h>
#include <signal.h>

#include <rte_lcore.h>

#define POLLERS_PER_LCORE 64u /* as lib/eal has it */
#define ROUNDS            2000u

struct counter {
	uint64_t calls; /* atomic */
	uint64_t limit; /* ends itself then; 0: never */
	unsigned int lcore;
	bool dead; /* atomic: it was removed, a call from here on is an error */
	bool late; /* atomic: it was called after that */
};

static unsigned int main_lcore, worker_lcore;

static int count(void *arg)
{
	struct counter *c = arg;
	uint64_t calls = __atomic_add_fetch(&c->calls, 1, __ATOMIC_ACQ_REL);

	c->lcore = rte_lcore_id();
	if (__atomic_load_n(&c->dead, __ATOMIC_ACQUIRE))
		__atomic_store_n(&c->late, true, __ATOMIC_RELEASE);
	return c->limit && calls >= c->limit ? -1 : 1;
}

static uint64_t calls_of(const struct counter *c)
{
	return __atomic_load_n(&c->calls, __ATOMIC_ACQUIRE);
}

static void wait_calls(const struct counter *c, uint64_t n)
{
	uint64_t deadline = now_s() + TIMEOUT_S;

	while (calls_of(c) < n) {
		assert_true(now_s() < deadline);
		relax();
	}
}

static struct pl_poller *add(unsigned int lcore, struct counter *c)
{
	struct pl_poller *p = NULL;

	assert_int_equal(pl_poller_add(lcore, "count", count, c, &p), 0);
	assert_non_null(p);
	return p;
}

/* Stops pl_poller_run() after a number of rounds of the loop. */
static int stop_after(void *arg)
{
	uint64_t *left = arg;

	if (--*left == 0)
		pl_poller_stop();
	return 0;
}

static void run_rounds(uint64_t rounds)
{
	struct pl_poller *p;

	assert_int_equal(pl_poller_add(main_lcore, "stop", stop_after, &rounds, &p), 0);
	pl_poller_run();
	assert_int_equal(rounds, 0);
	pl_poller_remove(p);
}

static bool no_worker(void)
{
	if (worker_lcore != LCORE_ID_ANY)
		return false;
	print_message(
		"skipped: the process may run on one CPU only, so there is no worker lcore\n");
	return true;
}

static void test_main_runs_until_none_left(void **state)
{
	struct counter a = { .limit = 10 }, b = { .limit = 100 };
	struct pl_poller *pa = add(main_lcore, &a), *pb = add(main_lcore, &b);

	(void)state;
	assert_int_equal(a.calls, 0); /* not before pl_poller_run() */
	pl_poller_run();
	assert_int_equal(a.calls, 10);
	assert_int_equal(b.calls, 100);
	assert_int_equal(b.lcore, main_lcore);
	/* One that ended keeps its slot, and does not run again. */
	pl_poller_run();
	assert_int_equal(a.calls, 10);
	pl_poller_remove(pa);
	pl_poller_remove(pb);
	pl_poller_run();
	assert_int_equal(b.calls, 100);
}

static void test_main_stop(void **state)
{
	struct counter c = { .limit = 0 };
	struct pl_poller *p = add(main_lcore, &c);

	(void)state;
	run_rounds(7);
	assert_int_equal(c.calls, 7); /* the round in which it is stopped ends first */
	/* A stop from before makes the next run return at once, and is used up by it. */
	pl_poller_stop();
	c.calls = 0;
	pl_poller_run();
	assert_int_equal(c.calls, 0);
	run_rounds(3);
	assert_int_equal(c.calls, 3);
	pl_poller_remove(p);
	pl_poller_remove(NULL);
}

static void on_signal(int sig)
{
	(void)sig;
	pl_poller_stop();
}

/* The way a program ends on SIGINT. */
static void test_stop_from_signal_handler(void **state)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct sigaction old;
	struct counter c = { .limit = 0 };
	struct pl_poller *p = add(main_lcore, &c);

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	ualarm(2000, 0);
	pl_poller_run();
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
	assert_true(c.calls > 0);
	pl_poller_remove(p);
}

struct nested {
	struct pl_poller *victim;
	bool done;
};

static int remove_other(void *arg)
{
	struct nested *n = arg;

	pl_poller_remove(n->victim);
	n->done = true;
	return -1;
}

/* From inside another poller of the same lcore: nobody else would run the loop to let it go. */
static void test_remove_from_poller(void **state)
{
	struct counter c = { .limit = 0 };
	struct nested n = { .victim = add(main_lcore, &c) };
	struct pl_poller *p;

	(void)state;
	assert_int_equal(pl_poller_add(main_lcore, "remove", remove_other, &n, &p), 0);
	pl_poller_run();
	assert_true(n.done);
	assert_int_equal(c.calls, 1);
	pl_poller_remove(p);
}

struct adding {
	struct counter child;
	struct pl_poller *p;
};

static int add_other(void *arg)
{
	struct adding *a = arg;

	a->p = add(main_lcore, &a->child);
	return -1;
}

static void test_add_from_poller(void **state)
{
	struct adding a = { .child = { .limit = 5 } };
	struct pl_poller *p;

	(void)state;
	assert_int_equal(pl_poller_add(main_lcore, "add", add_other, &a, &p), 0);
	pl_poller_run();
	assert_int_equal(a.child.calls, 5);
	pl_poller_remove(a.p);
	pl_poller_remove(p);
}

static void test_bad_arguments(void **state)
{
	struct counter c = { .limit = 0 };
	struct pl_poller *p;

	(void)state;
	assert_int_equal(pl_poller_add(RTE_MAX_LCORE, "far", count, &c, &p), -EINVAL);
	assert_errmsg("'far'");
	assert_int_equal(pl_poller_add(RTE_MAX_LCORE - 1, "off", count, &c, &p), -EINVAL);
	assert_errmsg("not one of -l");
	assert_int_equal(pl_poller_add(main_lcore, "none", NULL, &c, &p), -EINVAL);
}

static void test_slots(void **state)
{
	static struct counter c[POLLERS_PER_LCORE];
	struct pl_poller *p[POLLERS_PER_LCORE], *more;

	(void)state;
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++)
		p[i] = add(main_lcore, &c[i]);
	assert_int_equal(pl_poller_add(main_lcore, "more", count, &c[0], &more), -ENOMEM);
	assert_errmsg("'more'");
	pl_poller_remove(p[17]);
	assert_int_equal(pl_poller_add(main_lcore, "more", count, &c[17], &more), 0);
	assert_ptr_equal(more, p[17]);
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++)
		pl_poller_remove(p[i]);
	pl_poller_run();
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++)
		assert_int_equal(c[i].calls, 0);
}

static void test_worker(void **state)
{
	struct counter a = { .limit = 0 }, b = { .limit = 50 };
	struct pl_poller *pa, *pb;
	uint64_t seen;

	(void)state;
	if (no_worker())
		skip();
	pa = add(worker_lcore, &a);
	pb = add(worker_lcore, &b);
	wait_calls(&a, 1000); /* at once, without pl_poller_run() */
	wait_calls(&b, 50);
	assert_int_equal(a.lcore, worker_lcore);
	pl_poller_remove(pb);
	assert_int_equal(calls_of(&b), 50);
	pl_poller_remove(pa);
	seen = calls_of(&a);
	/* The lcore still runs: another poller gets many rounds, the removed one none. */
	b = (struct counter){ .limit = 0 };
	pb = add(worker_lcore, &b);
	wait_calls(&b, 1000);
	assert_int_equal(calls_of(&a), seen);
	pl_poller_remove(pb);
}

/* Remove returns only when the poller cannot be running: its argument dies with the return. */
static void test_worker_remove_waits(void **state)
{
	(void)state;
	if (no_worker())
		skip();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct counter *c = calloc(1, sizeof(*c));
		struct pl_poller *p = add(worker_lcore, c);

		if (i % 2)
			wait_calls(c, 1);
		pl_poller_remove(p);
		__atomic_store_n(&c->dead, true, __ATOMIC_RELEASE);
		assert_false(__atomic_load_n(&c->late, __ATOMIC_ACQUIRE));
		free(c); /* a late call would be a use after free */
	}
}

/* A poller ends itself while somebody removes it. */
static void test_worker_ends_while_removed(void **state)
{
	(void)state;
	if (no_worker())
		skip();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct counter c = { .limit = 1 + i % 3 };
		struct pl_poller *p = add(worker_lcore, &c);

		if (i % 4 == 0)
			wait_calls(&c, c.limit);
		pl_poller_remove(p);
		assert_true(c.calls <= c.limit);
	}
}

static void *churn(void *arg)
{
	const unsigned int *lcore = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct counter c = { .limit = i % 5 };
		struct pl_poller *p;

		if (pl_poller_add(*lcore, "churn", count, &c, &p))
			return arg;
		pl_poller_remove(p);
		__atomic_store_n(&c.dead, true, __ATOMIC_RELEASE);
		if (__atomic_load_n(&c.late, __ATOMIC_ACQUIRE))
			return arg;
	}
	return NULL;
}

/* Two threads that are no lcores add and remove on @lcore; a third poller must see every round. */
static void churn_on(unsigned int lcore, void (*meanwhile)(pthread_t *threads))
{
	pthread_t threads[2];
	void *failed;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &lcore), 0);
	meanwhile(threads);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

static void nothing(pthread_t *threads)
{
	(void)threads;
}

static void test_worker_churn(void **state)
{
	struct counter c = { .limit = 0 };
	struct pl_poller *p;
	uint64_t before;

	(void)state;
	if (no_worker())
		skip();
	p = add(worker_lcore, &c);
	churn_on(worker_lcore, nothing);
	before = calls_of(&c);
	wait_calls(&c, before + 100);
	pl_poller_remove(p);
}

/* Enters and leaves the loop over and over, so that removals meet it running, starting and not at
 * all. */
static void run_in_bursts(pthread_t *threads)
{
	(void)threads;
	for (unsigned int i = 0; i < ROUNDS; i++)
		run_rounds(1 + i % 7);
}

static void test_main_churn(void **state)
{
	static struct counter c[POLLERS_PER_LCORE];
	struct pl_poller *p[POLLERS_PER_LCORE];

	(void)state;
	churn_on(main_lcore, run_in_bursts);
	/* No slot was lost. */
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++) {
		c[i].limit = 3;
		p[i] = add(main_lcore, &c[i]);
	}
	pl_poller_run();
	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++) {
		assert_int_equal(c[i].calls, 3);
		pl_poller_remove(p[i]);
	}
}

/* A failed assertion in a poller would leave the test by a jump out of another thread; so worker
 * pollers only count, and the test looks. */
static int setup(void **state)
{
	unsigned int lcore;

	(void)state;
	if (fixture_start(NULL, 0, 2))
		return -1;
	main_lcore = rte_get_main_lcore();
	worker_lcore = LCORE_ID_ANY;
	RTE_LCORE_FOREACH_WORKER(lcore)
	worker_lcore = lcore;
	return 0;
}

/* Pollers that were not removed are the EAL's to take off. */
static int teardown(void **state)
{
	static struct counter left_main, left_worker;

	(void)state;
	add(main_lcore, &left_main);
	if (worker_lcore != LCORE_ID_ANY) {
		add(worker_lcore, &left_worker);
		wait_calls(&left_worker, 1);
	}
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_main_runs_until_none_left),
		cmocka_unit_test(test_main_stop),
		cmocka_unit_test(test_stop_from_signal_handler),
		cmocka_unit_test(test_remove_from_poller),
		cmocka_unit_test(test_add_from_poller),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_worker_remove_waits),
		cmocka_unit_test(test_worker_ends_while_removed),
		cmocka_unit_test(test_worker_churn),
		cmocka_unit_test(test_main_churn),
	};

	return cmocka_run_group_tests_name("poller", tests, setup, teardown);
}
