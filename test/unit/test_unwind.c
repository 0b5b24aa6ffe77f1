/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every step of setting up a queue pair, a copy, a file and a reset fails once, in turn: the call
 * says so, and memory, device memory, identifiers and descriptors are what they were.
 */
#include "file_dir.h"

#include <peerlane/pl_copy.h>

#include "pl_inject.h"

#define A "nvme_emu0"
#define B "nvme_emu1"

static size_t peer_bytes_free(void)
{
	struct pl_nvme_ctrlr *c = NULL;
	struct pl_p2p_heap_stats stats;
	size_t sum = 0;

	while ((c = pl_nvme_ctrlr_next(c)))
		for (int kind = PL_MEM_CMB; kind <= PL_MEM_PMR; kind++) {
			struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(c, (enum pl_mem_kind)kind);

			if (!heap)
				continue;
			pl_p2p_heap_stats(heap, &stats);
			assert_int_equal(stats.free, stats.largest_free);
			sum += stats.free;
		}
	return sum;
}

/* All queue pairs of both controllers can be had. */
static void assert_all_queues(void)
{
	struct pl_nvme_qpair *qps[2][4];

	for (int c = 0; c < 2; c++)
		for (int i = 0; i < 4; i++)
			qps[c][i] = qpair_of(c ? B : A, 4, 4096);
	for (int c = 0; c < 2; c++)
		for (int i = 0; i < 4; i++)
			pl_nvme_qpair_destroy(qps[c][i]);
}

/* What a sweep goes over: builds, and undoes what it built. */
struct target {
	int (*build)(void *arg, void **built);
	void (*undo)(void *built);
	void *arg;
};

/* Returns how many steps there were. */
static unsigned int sweep(const struct target *t)
{
	size_t host = heap_in_use(), peers = peer_bytes_free();
	unsigned int nth, fds = fds_open();

	for (nth = 1;; nth++) {
		void *built = NULL;
		bool fired;
		int rc;

		pl_inject_arm(nth);
		rc = t->build(t->arg, &built);
		fired = pl_inject_fired();
		pl_inject_arm(0);
		if (rc == 0)
			t->undo(built);
		else
			assert_null(built);
		assert_int_equal(heap_in_use(), host);
		assert_int_equal(fds_open(), fds);
		assert_int_equal(peer_bytes_free(), peers);
		if (!fired) {
			assert_int_equal(rc, 0);
			break;
		}
		if (rc) {
			if (rc != -ENOMEM)
				fail_msg("step %u: %d, %s", nth, rc, pl_errmsg());
			assert_errmsg("no ");
		}
	}
	assert_all_queues();
	return nth - 1;
}

static int build_qpair(void *arg, void **built)
{
	struct pl_nvme_qpair *qp = NULL;
	int rc = pl_nvme_qpair_create(ctrlr_of(A), arg, &qp);

	*built = qp;
	return rc;
}

static void undo_qpair(void *built)
{
	pl_nvme_qpair_destroy(built);
}

static void test_qpair(void **state)
{
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts), .depth = 64 };
	const struct target t = { build_qpair, undo_qpair, &opts };

	(void)state;
	assert_true(sweep(&t) >= 4); /* the pair, both rings, the lists */
	opts.sq_in_cmb = 1;
	assert_true(sweep(&t) >= 4);
	opts.prp_in_cmb = 1;
	assert_true(sweep(&t) >= 4);
	opts.sq_in_cmb = 0;
	assert_true(sweep(&t) >= 4);
}

static int build_copy(void *arg, void **built)
{
	struct pl_copy *job = NULL;
	int rc = pl_copy_create(arg, &job);

	*built = job;
	return rc;
}

static void undo_copy(void *built)
{
	pl_copy_destroy(built);
}

static void test_copy(void **state)
{
	static const enum pl_copy_via ways[] = { PL_COPY_VIA_DST, PL_COPY_VIA_SRC, PL_COPY_VIA_HOST,
						 PL_COPY_VIA_AUTO };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct pl_copy_opts opts = {
			.opts_size = sizeof(opts),
			.src = pl_copy_ns_target(ns_of(A, 1), 0, 1000),
			.dst = pl_copy_ns_target(ns_of(B, 1), 0, 0),
			.via = ways[i],
			.chunk = 4096,
			.depth = 8,
			.verify = true,
		};
		const struct target t = { build_copy, undo_copy, &opts };

		/* Nine tables, buffers, and two queue pairs of four steps. */
		assert_true(sweep(&t) >= 16);
	}
}

static int build_file(void *arg, void **built)
{
	struct pl_copy_file *file = NULL;
	int rc = pl_copy_file_open(file_path(arg), PL_COPY_FILE_WRITE, &file);

	*built = file;
	return rc;
}

static void undo_file(void *built)
{
	pl_copy_file_close(built);
}

/* A handle and its path; then a job on it each way: its ring, what is registered, the probe. */
static void test_files(void **state)
{
	static char name[] = "file";
	static uint8_t data[8192];
	const struct target t = { build_file, undo_file, name };
	struct pl_copy_file *from, *to;
	struct pl_copy_opts opts = {
		.opts_size = sizeof(opts),
		.dst = pl_copy_ns_target(ns_of(A, 1), 0, 0),
		.chunk = 4096,
		.depth = 2,
		.verify = true,
	};
	const struct target to_device = { build_copy, undo_copy, &opts };

	(void)state;
	if (!file_dir_try())
		skip();
	assert_true(sweep(&t) >= 3);
	assert_int_equal(file_len(name), SIZE_MAX);
	file_put(name, data, sizeof(data));
	from = file_open(name, 0);
	opts.src = pl_copy_file_target(from, 0, sizeof(data));
	assert_true(sweep(&to_device) >= 18);
	opts.via = PL_COPY_VIA_HOST;
	assert_true(sweep(&to_device) >= 16);
	pl_copy_file_close(from);
	to = file_open("new", PL_COPY_FILE_WRITE);
	opts.src = pl_copy_ns_target(ns_of(A, 1), 0, sizeof(data) / 512);
	opts.dst = pl_copy_file_target(to, 0, 0);
	assert_true(sweep(&to_device) >= 16);
	opts.via = PL_COPY_VIA_AUTO;
	assert_true(sweep(&to_device) >= 16);
	pl_copy_file_close(to);
	assert_int_equal(file_len("new"), SIZE_MAX);
	file_is(name, data, sizeof(data));
	file_dir_remove();
}

/* A reset that fails leaves a failed controller, which the next reset brings back. */
static void test_reset(void **state)
{
	size_t host = heap_in_use(), peers = peer_bytes_free();
	unsigned int nth, failed = 0;

	(void)state;
	for (nth = 1;; nth++) {
		struct pl_nvme_qpair *qp = NULL;
		int rc;

		pl_inject_arm(nth);
		rc = pl_nvme_ctrlr_reset(ctrlr_of(A));
		if (!pl_inject_fired()) {
			assert_int_equal(rc, 0);
			break;
		}
		pl_inject_arm(0);
		assert_int_equal(rc, -ENOMEM);
		failed++;
		assert_int_equal(pl_nvme_qpair_create(ctrlr_of(A), NULL, &qp), -ENODEV);
		assert_int_equal(heap_in_use(), host);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(A)), 0);
		assert_int_equal(heap_in_use(), host);
		assert_int_equal(peer_bytes_free(), peers);
		assert_all_queues();
	}
	pl_inject_arm(0);
	assert_true(failed >= 3);
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		A ",size=1M,cmb=256K,pmr=64K,queues=4",
		B ",size=1M,cmb=256K,queues=4",
	};

	(void)state;
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qpair),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests_name("unwind", tests, setup, fixture_stop);
}
