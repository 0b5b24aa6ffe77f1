/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions of peerlane-testpmd: started, looked at, stopped and started again. */
#include "fixture.h"

#include <pthread.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "session.h"

#define FAR               "-t 3600" /* stopped long before */
#define POLLERS_PER_LCORE 64u       /* as lib/eal has it */

static struct testpmd_opts opts;
static FILE *human; /* what the engines print */

/* A session of @line, split at blanks, as what follows "--". */
static struct session *session_of(const char *line)
{
	static char copy[256], prog[] = "peerlane-testpmd", dashes[] = "--";
	struct engine_env env = { .opts = &opts, .human = human, .hz = rte_get_tsc_hz() };
	char *argv[32] = { prog, dashes }, *rest;
	struct session *s = NULL;
	struct app_cli cli;
	int argc = 2;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = strtok_r(copy, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
		argv[argc++] = p;
	app_cli_init(&cli, argc, argv);
	assert_int_equal(options_parse(&cli, &opts), 0);
	assert_int_equal(session_create(&env, &s), 0);
	assert_non_null(s);
	return s;
}

static struct session_snapshot look(struct session *s)
{
	struct session_snapshot snap;

	session_snapshot(s, &snap);
	return snap;
}

/* Looks until more than @ios I/Os are through; false if the session was over before. */
static bool wait_ios(struct session *s, uint64_t ios)
{
	uint64_t deadline = now_s() + TIMEOUT_S;

	while (look(s).stats.ios <= ios) {
		if (look(s).state != SESSION_RUNNING || now_s() > deadline)
			return false;
		relax();
	}
	return true;
}

static void test_idle(void **state)
{
	struct session *s = session_of("-w read");
	struct session_snapshot snap = look(s);

	(void)state;
	assert_int_equal(snap.state, SESSION_IDLE);
	assert_null(snap.stats.phase);
	assert_int_equal(snap.stats.ios, 0);
	session_stop(s, false); /* does nothing */
	session_wait(s);
	assert_int_equal(look(s).state, SESSION_IDLE);
	session_destroy(s);
	session_destroy(NULL);
}

/* The second lcore works while this thread, which does not run the main lcore's pollers, looks. */
static void test_start_returns(void **state)
{
	struct session *s;
	uint64_t ios;

	(void)state;
	if (rte_lcore_count() < 2)
		skip();
	s = session_of("-w randread --devices nvme_emu0 " FAR);
	assert_int_equal(session_start(s), 0);
	assert_int_equal(look(s).state, SESSION_RUNNING);
	assert_string_equal(look(s).stats.phase, "randread");
	assert_true(wait_ios(s, 0));
	ios = look(s).stats.ios;
	assert_true(wait_ios(s, ios));
	assert_true(look(s).stats.bytes > ios * 4096);
	assert_int_equal(look(s).stats.error, 0);

	assert_int_equal(session_start(s), -EBUSY);
	assert_int_equal(look(s).state, SESSION_RUNNING);
	session_stop(s, false);
	session_stop(s, false);
	session_wait(s);
	assert_int_equal(look(s).state, SESSION_OVER);
	assert_int_equal(look(s).stats.error, -ECANCELED);
	session_destroy(s); /* without a report */
}

/* A number of the report's only job, @object of "peerlane" or else of the job. */
static uint64_t reported(struct session *s, int status, const char *object, const char *name)
{
	static char prog[] = "peerlane-testpmd", *argv[] = { prog, NULL };
	struct engine_report report = { .human = human, .jobs = json_array() };
	const json_t *job, *from;
	struct app_cli cli;
	uint64_t value;

	app_cli_init(&cli, 1, argv);
	report.cli = &cli;
	assert_int_equal(session_report(s, &report), status);
	assert_int_equal(json_array_size(report.jobs), 1);
	job = json_array_get(report.jobs, 0);
	from = json_object_get(json_object_get(job, "peerlane"), object);
	from = json_object_get(from ? from : json_object_get(job, object), name);
	assert_true(json_is_integer(from));
	value = (uint64_t)json_integer_value(from);
	json_decref(report.jobs);
	json_decref(report.peerlane);
	return value;
}

/* Nothing of the first run, which met errors, is in the second. */
static void test_start_again(void **state)
{
	struct nvme_emu_inject in = {
		.fault = NVME_EMU_FAULT_STATUS,
		.qid = 1,
		.opc = NVME_CMD_WRITE,
		.status = NVME_SC_WRITE_FAULT,
		.count = 3,
	};
	struct session *s = session_of("-w write --devices nvme_emu0 --count 100 -q 2 --verify");
	struct session_snapshot snap;

	(void)state;
	inject("nvme_emu0", &in);
	assert_int_equal(session_start(s), 0);
	session_wait(s);
	snap = look(s);
	assert_int_equal(snap.state, SESSION_OVER);
	assert_int_equal(snap.stats.errors, 3);
	assert_int_equal(snap.stats.error, -EIO);
	assert_non_null(strstr(snap.stats.message, "nvme_emu0 NSID 1: write of LBA"));
	assert_int_equal(reported(s, APP_EXIT_FAIL, "write", "total_ios"), 97);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(session_start(s), 0);
		assert_true(look(s).stats.ios <= 100);
		session_wait(s);
		snap = look(s);
		assert_int_equal(snap.state, SESSION_OVER);
		assert_string_equal(snap.stats.message, "");
		assert_int_equal(snap.stats.error, 0);
		assert_int_equal(snap.stats.errors, 0);
		assert_int_equal(snap.stats.ios, 100);
		assert_int_equal(reported(s, APP_EXIT_OK, "write", "total_ios"), 100);
	}
	session_destroy(s);
}

/* Another thread looks and stops while the main lcore waits. */
static void *other_thread(void *arg)
{
	struct session *s = arg;
	bool grew = wait_ios(s, 0) && wait_ios(s, look(s).stats.ios);

	session_stop(s, true);
	return grew ? s : NULL;
}

static void from_another_thread(const char *line)
{
	struct session *s = session_of(line);
	pthread_t thread;
	void *grew;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(session_start(s), 0);
		assert_int_equal(pthread_create(&thread, NULL, other_thread, s), 0);
		session_wait(s);
		assert_int_equal(pthread_join(thread, &grew), 0);
		assert_ptr_equal(grew, s);
		assert_int_equal(look(s).state, SESSION_OVER);
	}
	session_destroy(s);
}

static void test_other_thread(void **state)
{
	(void)state;
	from_another_thread("-w randrw " FAR);
	from_another_thread("-w write --verify " FAR);
	from_another_thread("-w copy " FAR);
}

static void stop_writing(struct session *s, void *arg)
{
	const bool *now = arg;

	if (look(s).stats.ios)
		session_stop(s, *now);
}

/* What was written before a stop is read back, unless it is to end now. */
static void test_stop_verify(void **state)
{
	struct session *s = session_of("-w write --verify --devices nvme_emu0 " FAR);

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool now = i > 0;
		uint64_t written, readback;

		session_watch(s, stop_writing, &now);
		assert_int_equal(session_start(s), 0);
		session_wait(s);
		assert_int_equal(look(s).stats.error, -ECANCELED);
		assert_string_equal(look(s).stats.phase, "write");
		written = reported(s, APP_EXIT_FAIL, "verify", "written_blocks");
		readback = reported(s, APP_EXIT_FAIL, "verify", "readback_blocks");
		assert_true(written > 0);
		assert_int_equal(readback, now ? 0 : written);
	}
	session_destroy(s);
}

static void stop_after_two(struct session *s, void *arg)
{
	unsigned int *calls = arg;

	(*calls)++;
	if (look(s).stats.ios >= 2)
		session_stop(s, false);
}

static void test_copy(void **state)
{
	struct session *s = session_of("-w copy --count 3");
	unsigned int calls = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(session_start(s), 0);
		assert_int_equal(look(s).stats.ios, 0);
		assert_int_equal(look(s).state, SESSION_RUNNING);
		session_wait(s);
		assert_int_equal(look(s).stats.ios, 3);
		assert_int_equal(look(s).stats.bytes, 3 * MIB(2));
		assert_int_equal(look(s).stats.error, 0);
	}
	session_destroy(s);

	s = session_of("-w copy " FAR);
	session_watch(s, stop_after_two, &calls);
	assert_int_equal(session_start(s), 0);
	session_wait(s);
	assert_true(calls > 0);
	assert_true(look(s).stats.ios >= 2);
	session_destroy(s);
}

/* Whatever state it is in, destroying it gives back all that it took. */
static void test_destroy(void **state)
{
	static const char *const lines[] = { "-w randread " FAR, "-w copy " FAR };
	size_t before = heap_in_use();

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct session *s = session_of(lines[i]);

		assert_int_equal(session_start(s), 0);
		session_destroy(s); /* as it runs */
		assert_int_equal(heap_in_use(), before);
		s = session_of(lines[i]);
		assert_int_equal(session_start(s), 0);
		session_stop(s, false);
		session_destroy(s);
		assert_int_equal(heap_in_use(), before);
	}
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void refused_start(struct session *s, int error, const char *message)
{
	size_t before = heap_in_use();

	assert_int_equal(session_start(s), error);
	assert_non_null(strstr(app_errmsg(), message));
	assert_int_equal(look(s).state, SESSION_IDLE);
	assert_int_equal(heap_in_use(), before);
}

/* A start that fails gives back what it took and leaves the session idle; the next one works. */
static void test_start_fails(void **state)
{
	struct session *s = session_of("-w read --devices nvme_emu0 --count 10");
	struct pl_poller *pollers[POLLERS_PER_LCORE];

	(void)state;
	opts.qd = 60000; /* more than the queue pair has entries */
	refused_start(s, -EINVAL, "-q 60000");
	opts.qd = 4;

	for (unsigned int i = 0; i < POLLERS_PER_LCORE; i++)
		assert_int_equal(
			pl_poller_add(rte_get_main_lcore(), "test", do_nothing, NULL, &pollers[i]),
			0);
	refused_start(s, -ENOMEM, "supervisor");
	pl_poller_remove(pollers[0]); /* one slot: not enough for the worker as well */
	refused_start(s, -ENOMEM, "nvme_emu0");
	pl_poller_remove(pollers[1]);

	/* Pollers that never end do not keep it from being over. */
	assert_int_equal(session_start(s), 0);
	session_wait(s);
	assert_int_equal(look(s).stats.ios, 10);
	for (unsigned int i = 2; i < POLLERS_PER_LCORE; i++)
		pl_poller_remove(pollers[i]);
	session_destroy(s);
}

struct pull {
	bool pulled;
	bool seen; /* the failure, as the session still ran */
};

static void pull_out(struct session *s, void *arg)
{
	struct nvme_emu_inject gone = { .fault = NVME_EMU_FAULT_GONE };
	struct session_snapshot snap = look(s);
	struct pull *p = arg;

	if (p->pulled) {
		p->seen |= snap.state == SESSION_RUNNING && snap.stats.error == -ENODEV &&
			   strstr(snap.stats.message, "nvme_emu1");
	} else if (snap.stats.ios) {
		inject("nvme_emu1", &gone);
		p->pulled = true;
	}
}

/* Last: nvme_emu1 is of no use afterwards. */
static void test_worker_fails(void **state)
{
	struct session *s = session_of("-w randread " FAR);
	struct session_snapshot snap;
	struct pull pull = { false };

	(void)state;
	session_watch(s, pull_out, &pull);
	assert_int_equal(session_start(s), 0);
	session_wait(s);
	assert_true(pull.pulled);
	assert_true(pull.seen);
	snap = look(s);
	assert_int_equal(snap.state, SESSION_OVER);
	assert_int_equal(snap.stats.error, -ENODEV);
	assert_non_null(strstr(snap.stats.message, "nvme_emu1"));
	session_destroy(s);
}

static int setup(void **state)
{
	static const char *const vdevs[] = { "nvme_emu0,size=2M", "nvme_emu1,size=2M,cmb=1M" };

	(void)state;
	human = fopen("/dev/null", "w");
	return human ? fixture_start(vdevs, 2, 2) : -1;
}

static int teardown(void **state)
{
	fclose(human);
	return fixture_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),         cmocka_unit_test(test_start_returns),
		cmocka_unit_test(test_start_again),  cmocka_unit_test(test_other_thread),
		cmocka_unit_test(test_stop_verify),  cmocka_unit_test(test_copy),
		cmocka_unit_test(test_destroy),      cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_worker_fails),
	};

	return cmocka_run_group_tests_name("testpmd_session", tests, setup, teardown);
}
