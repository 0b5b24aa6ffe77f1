/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between a file and a device that go wrong, or are stopped: the file shrinks or is full,
 * the device says no, what the kernel wrote into a controller's memory does not arrive. What is
 * reported complete is there, and nothing is written after the job is gone.
 */
#include "ends/nvme_end.h"
#include "file_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "copy_internal.h"

#define DEV   "nvme_emu0"
#define LEN   MIB(1)
#define CHUNK (8u << 10)
#define BS    512u

static struct pl_nvme_qpair *qp; /* the test's own */
static uint8_t *data, *poison, *scratch;

static const enum pl_copy_via ways[] = { PL_COPY_VIA_AUTO, PL_COPY_VIA_HOST };

/* File to device, or device to file; new data at the source, other at the target. */
struct run {
	bool to_file;
	struct pl_copy_file *file;
	struct pl_copy_opts opts;
	struct pl_copy *job;
};

static void prepare(struct run *r, bool to_file, enum pl_copy_via via)
{
	memset(r, 0, sizeof(*r));
	random_fill(data, LEN);
	random_fill(poison, LEN);
	file_put("file", to_file ? poison : data, LEN);
	memcpy(scratch, to_file ? data : poison, LEN);
	write_blocks(qp, ns_of(DEV, 1), scratch, 0, LEN / BS);
	r->to_file = to_file;
	r->file = file_open("file", to_file ? PL_COPY_FILE_WRITE : 0);
	r->opts = (struct pl_copy_opts){
		.opts_size = sizeof(r->opts),
		.via = via,
		.chunk = CHUNK,
		.depth = 4,
	};
	if (to_file) {
		r->opts.src = pl_copy_ns_target(ns_of(DEV, 1), 0, LEN / BS);
		r->opts.dst = pl_copy_file_target(r->file, 0, 0);
	} else {
		r->opts.src = pl_copy_file_target(r->file, 0, LEN);
		r->opts.dst = pl_copy_ns_target(ns_of(DEV, 1), 0, 0);
	}
}

static void create(struct run *r)
{
	if (pl_copy_create(&r->opts, &r->job))
		fail_msg("%s", pl_errmsg());
}

static void start(struct run *r, bool to_file, enum pl_copy_via via)
{
	prepare(r, to_file, via);
	create(r);
}

static void stop(struct run *r)
{
	pl_copy_destroy(r->job);
	pl_copy_file_close(r->file);
}

static uint64_t copied(const struct run *r)
{
	struct pl_copy_stats stats;

	pl_copy_stats(r->job, &stats);
	return stats.bytes_copied;
}

static void poll_to(struct run *r, uint64_t bytes)
{
	while (copied(r) < bytes) {
		if (pl_copy_poll(r->job) != 1)
			fail_msg("%s", pl_errmsg());
		relax();
	}
}

static void poll_to_verifying(struct run *r)
{
	struct pl_copy_stats stats;

	do {
		assert_int_equal(pl_copy_poll(r->job), 1);
		pl_copy_stats(r->job, &stats);
	} while (stats.phase != PL_COPY_VERIFYING);
}

static void ends_with(struct run *r, int err, const char *part)
{
	for (int i = 0; i < 2; i++) {
		int rc;

		while ((rc = pl_copy_poll(r->job)) > 0)
			relax();
		if (rc != err)
			fail_msg("%d, not %d: %s", rc, err, pl_errmsg());
		if (rc)
			assert_errmsg(part);
	}
}

static void read_target(const struct run *r)
{
	int fd;

	memset(scratch, 0, LEN);
	if (!r->to_file) {
		read_blocks(qp, ns_of(DEV, 1), scratch, 0, LEN / BS);
		return;
	}
	fd = open(file_path("file"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, scratch, LEN) >= 0);
	close(fd);
}

/* Complete ranges hold the source; others what they did. Chunks of which a part may have been
 * written are not looked at if @torn. Returns the bytes complete. */
static uint64_t check_target(const struct run *r, bool torn)
{
	uint32_t unit = pl_copy_plan(r->job)->dst_unit;
	struct pl_copy_range ranges[LEN / CHUNK];
	int n = pl_copy_complete_ranges(r->job, ranges, RTE_DIM(ranges));
	uint64_t at = 0, sum = 0;

	assert_in_range(n, 0, RTE_DIM(ranges));
	read_target(r);
	for (int i = 0; i <= n; i++) {
		uint64_t next = i < n ? ranges[i].slba * unit : LEN;

		if (!torn)
			assert_memory_equal(scratch + at, poison + at, next - at);
		if (i == n)
			break;
		at = next + ranges[i].nlb * unit;
		assert_memory_equal(scratch + next, data + next, at - next);
		sum += at - next;
	}
	assert_int_equal(sum, copied(r));
	return sum;
}

/* ---- the file ---- */

static void test_shrinks(void **state)
{
	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++)
		for (unsigned int cut = 0; cut < 3; cut++) {
			/* At a chunk, at a block, anywhere. */
			size_t len = LEN / 2 + cut * 512 + (cut == 2 ? 77 : 0);
			struct run r;

			start(&r, false, ways[w]);
			poll_to(&r, CHUNK);
			file_cut("file", len);
			ends_with(&r, -EIO, "has become shorter");
			assert_errmsg("file:");
			assert_true(check_target(&r, false) <= LEN / 2);
			stop(&r);
		}
}

/* Between the copy and its verification. */
static void test_shrinks_before_verifying(void **state)
{
	struct run r;

	(void)state;
	for (int to_file = 0; to_file < 2; to_file++) {
		prepare(&r, to_file, PL_COPY_VIA_AUTO);
		r.opts.verify = true;
		create(&r);
		poll_to_verifying(&r);
		file_cut("file", LEN / 2);
		ends_with(&r, -EIO, "while verifying");
		stop(&r);
	}
}

/* What is appended does not belong to the range. */
static void test_grows(void **state)
{
	struct run r;
	int fd;

	(void)state;
	start(&r, false, PL_COPY_VIA_AUTO);
	poll_to(&r, LEN / 4);
	fd = open(file_path("file"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, poison, 12345), 12345);
	close(fd);
	ends_with(&r, 0, NULL);
	assert_int_equal(check_target(&r, false), LEN);
	stop(&r);
}

static void limit_files(rlim_t len)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = len == RLIM_INFINITY ? limit.rlim_max : len;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No room for a file that must grow: told before anything is written, and it stays as it is. */
static void test_no_room(void **state)
{
	struct run r;

	(void)state;
	for (int exists = 0; exists < 2; exists++) {
		prepare(&r, true, PL_COPY_VIA_AUTO);
		pl_copy_file_close(r.file);
		if (exists)
			file_cut("file", 1000);
		else
			unlink(file_path("file"));
		r.file = file_open("file", PL_COPY_FILE_WRITE);
		r.opts.dst = pl_copy_file_target(r.file, 0, 0);
		create(&r);
		limit_files(LEN / 2);
		ends_with(&r, -ENOSPC, "nothing was written");
		limit_files(RLIM_INFINITY);
		assert_int_equal(copied(&r), 0);
		assert_int_equal(pl_copy_complete_ranges(r.job, NULL, 0), 0);
		stop(&r);
		if (exists)
			file_is("file", poison, 1000);
		else
			assert_int_equal(file_len("file"), SIZE_MAX);
	}
}

/* A write that comes short goes on where it stopped, and then there is no room: the chunk is not
 * complete. */
static void test_short_write(void **state)
{
	struct run r;

	(void)state;
	for (size_t w = 0; w < RTE_DIM(ways); w++) {
		uint64_t limit = LEN / 2 + CHUNK / 2;

		start(&r, true, ways[w]);
		poll_to(&r, CHUNK);
		limit_files(limit);
		ends_with(&r, -ENOSPC, "write of 8192 bytes");
		limit_files(RLIM_INFINITY);
		assert_true(check_target(&r, true) <= LEN / 2);
		assert_memory_equal(scratch + limit, poison + limit, LEN - limit);
		stop(&r);
	}
}

static void test_verify_finds(void **state)
{
	static const size_t at[] = { 0, 4097, LEN - 1 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(at); i++)
		for (int to_file = 0; to_file < 2; to_file++) {
			uint8_t wrong = (uint8_t)~data[at[i]];
			char text[40];
			struct run r;
			int fd;

			prepare(&r, to_file, PL_COPY_VIA_AUTO);
			r.opts.verify = true;
			create(&r);
			poll_to_verifying(&r);
			wrong = (uint8_t)~data[at[i]];
			fd = open(file_path("file"), O_WRONLY | O_CLOEXEC);
			assert_int_equal(pwrite(fd, &wrong, 1, (off_t)at[i]), 1);
			close(fd);
			snprintf(text, sizeof(text),
				 to_file ? "byte %zu of file:" : "offset %zu of file:", at[i]);
			ends_with(&r, -EILSEQ, text);
			stop(&r);
		}
}

/* ---- the device ---- */

static void test_device_errors(void **state)
{
	(void)state;
	for (int to_file = 0; to_file < 2; to_file++)
		for (size_t w = 0; w < RTE_DIM(ways); w++) {
			struct run r;

			start(&r, to_file, ways[w]);
			poll_to(&r, LEN / 4);
			inject(DEV, &(struct nvme_emu_inject){
					    .fault = NVME_EMU_FAULT_STATUS,
					    .qid = pl_nvme_qpair_id(nvme_end_qpair(
						    to_file ? &r.job->src : &r.job->dst)),
					    .opc = to_file ? NVME_CMD_READ : NVME_CMD_WRITE,
					    .status = to_file ? NVME_SC_UNRECOVERED_READ
							      : NVME_SC_WRITE_FAULT });
			ends_with(&r, -EIO, to_file ? "Unrecovered Read Error" : "Write Fault");
			assert_in_range(check_target(&r, false), LEN / 4, LEN - CHUNK);
			stop(&r);
		}
}

/* ---- errors of the kernel, and data that it loses ---- */

static struct copy_end_ops broken;
static const struct copy_end_ops *good;
static unsigned int until; /* I/Os before the one that is broken */
static int answer;         /* what becomes of it: an errno, or 0 for data that go astray */

static uint32_t broken_poll(struct copy_end *end, struct copy_io **done, uint32_t n)
{
	uint32_t got = good->poll(end, done, n);

	for (uint32_t i = 0; i < got; i++)
		if (answer && until-- == 0)
			done[i]->error = -answer;
	return got;
}

static void broken_prepare(struct copy_end *end, struct copy_io *io)
{
	good->prepare(end, io);
	if (!answer && until-- == 0)
		io->buf = scratch; /* it arrives, but not where it should */
}

static void break_end(struct copy_end *end, unsigned int after, int err)
{
	good = end->ops;
	broken = *good;
	broken.poll = broken_poll;
	broken.prepare = broken_prepare;
	until = after;
	answer = err;
	end->ops = &broken;
}

static void test_kernel_errors(void **state)
{
	static const struct {
		int err;
		enum pl_copy_via via;
		int rc;
		const char *part;
	} rows[] = {
		{ EIO, PL_COPY_VIA_AUTO, -EIO, "Input/output error" },
		{ EIO, PL_COPY_VIA_HOST, -EIO, "Input/output error" },
		{ EINVAL, PL_COPY_VIA_HOST, -EIO, "Invalid argument" },
		{ ENODATA, PL_COPY_VIA_HOST, -EIO, "No data available" }, /* a medium error */
		{ ENOMEM, PL_COPY_VIA_AUTO, -ENOMEM, "Cannot allocate memory" },
		{ EREMOTEIO, PL_COPY_VIA_AUTO, -EREMOTEIO, "no way to the peer's memory" },
		{ EINVAL, PL_COPY_VIA_AUTO, -EREMOTEIO, "no way to the peer's memory" },
		{ EFAULT, PL_COPY_VIA_AUTO, -EREMOTEIO, "no way to the peer's memory" },
		{ ENODEV, PL_COPY_VIA_AUTO, -ENODEV, "its device is gone" },
		{ ENXIO, PL_COPY_VIA_HOST, -ENODEV, "its device is gone" },
		{ ENOSPC, PL_COPY_VIA_AUTO, -ENOSPC, "No space left" },
		{ EDQUOT, PL_COPY_VIA_HOST, -ENOSPC, "quota" },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++)
		for (int to_file = 0; to_file < 2; to_file++) {
			struct run r;

			start(&r, to_file, rows[i].via);
			break_end(to_file ? &r.job->dst : &r.job->src, 10, rows[i].err);
			ends_with(&r, rows[i].rc, rows[i].part);
			assert_errmsg(to_file ? "write of 8192 bytes at offset"
					      : "read of 8192 bytes at offset");
			check_target(&r, true);
			stop(&r);
		}
}

/* The kernel's device writes into the controller's memory as another controller does. */
static void test_data_does_not_land(void **state)
{
	struct run r;

	(void)state;
	for (unsigned int after = 0; after < LEN / CHUNK; after += 13) {
		start(&r, false, PL_COPY_VIA_DST);
		break_end(&r.job->src, after, 0);
		ends_with(&r, -EREMOTEIO, "did not land: 8192 bytes read at offset");
		assert_errmsg(DEV);
		check_target(&r, false);
		stop(&r);
	}
}

/* ---- stopped ---- */

static void test_cancel(void **state)
{
	(void)state;
	for (int to_file = 0; to_file < 2; to_file++)
		for (size_t w = 0; w < RTE_DIM(ways); w++) {
			struct run r;

			start(&r, to_file, ways[w]);
			poll_to(&r, LEN / 4);
			pl_copy_cancel(r.job);
			ends_with(&r, -ECANCELED, "stopped");
			assert_in_range(check_target(&r, false), LEN / 4,
					LEN / 4 + 2 * r.opts.depth * CHUNK);
			stop(&r);
		}
}

/* A target that grew and was stopped does not look whole: its size ends with the prefix that is
 * acknowledged. One that was as long before keeps what it had behind it. */
static void test_cancel_size(void **state)
{
	static const size_t lens[] = { 0, CHUNK, LEN / 2, LEN, LEN + 512 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(lens); i++)
		for (int begun = 0; begun < 2; begun++) {
			struct pl_copy_range ranges[LEN / CHUNK];
			size_t want = lens[i], len;
			struct run r;

			prepare(&r, true, PL_COPY_VIA_HOST);
			file_cut("file", lens[i]);
			create(&r);
			poll_to(&r, begun ? LEN / 4 : 0);
			pl_copy_cancel(r.job);
			ends_with(&r, -ECANCELED, "stopped");
			if (pl_copy_complete_ranges(r.job, ranges, RTE_DIM(ranges)) > 0 &&
			    ranges[0].slba == 0)
				want = RTE_MAX(want, (size_t)ranges[0].nlb);
			len = file_len("file");
			if (len != want)
				fail_msg("%zu bytes before, %zu after, not %zu", lens[i], len,
					 want);
			stop(&r);
			assert_int_equal(file_len("file"), want);
		}
}

/* Requests that the kernel works on are over before their buffers are anybody else's. */
static void test_destroy_under_way(void **state)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(DEV), PL_MEM_CMB);

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		bool to_file = i & 1, peer = i & 2;
		size_t host = heap_in_use(), len = 32 * CHUNK;
		unsigned int fds;
		struct run r;
		void *again = NULL;

		prepare(&r, to_file, peer ? PL_COPY_VIA_AUTO : PL_COPY_VIA_HOST);
		fds = fds_open();
		r.opts.depth = 32;
		r.opts.verify = i & 4;
		create(&r);
		for (unsigned int polls = 0; polls <= i % 5; polls++)
			assert_int_equal(pl_copy_poll(r.job), 1);
		pl_copy_destroy(r.job);
		assert_int_equal(fds_open(), fds);
		assert_int_equal(heap_in_use(), host);
		/* The same memory, in all likelihood. */
		if (peer)
			assert_int_equal(pl_p2p_alloc(heap, len, 0, &again), 0);
		else
			again = dma_alloc(len);
		memset(again, 0x77, len);
		usleep(2000);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(((uint8_t *)again)[k], 0x77);
		if (peer)
			pl_p2p_free(heap, again);
		else
			pl_mem_free(again);
		pl_copy_file_close(r.file);
	}
}

static int setup(void **state)
{
	static const char *const vdevs[] = { DEV ",size=1M,cmb=512K" };

	(void)state;
	random_start();
	file_dir_make();
	signal(SIGXFSZ, SIG_IGN);
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	qp = qpair_of(DEV, 64, 0);
	data = dma_alloc(LEN);
	poison = dma_alloc(LEN);
	scratch = dma_alloc(LEN);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_mem_free(scratch);
	pl_mem_free(poison);
	pl_mem_free(data);
	pl_nvme_qpair_destroy(qp);
	pl_eal_cleanup();
	file_dir_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_shrinks_before_verifying),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_short_write),
		cmocka_unit_test(test_verify_finds),
		cmocka_unit_test(test_device_errors),
		cmocka_unit_test(test_kernel_errors),
		cmocka_unit_test(test_data_does_not_land),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_size),
		cmocka_unit_test(test_destroy_under_way),
	};

	return cmocka_run_group_tests_name("copy_file_fault", tests, setup, teardown);
}
