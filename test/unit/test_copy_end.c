/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A third kind of end, which lib/copy has never heard of: memory of this test's, read and written
 * by the CPU. Copies go from a namespace to it and back, through every memory there is.
 */
#include <rte_common.h>

#include <peerlane/pl_devmem.h>

#include "copy_internal.h"
#include "copy_job.h"
#include "pl_log.h"

#define KIND  "memory of a test"
#define QUEUE 32u

/* What a target's handle points to. */
struct memory {
	uint8_t *bytes;
	size_t len;
	size_t bad; /* I/O that touches this byte fails; SIZE_MAX: none does */
	unsigned int opened, closed, syncs;
};

struct memory_end {
	struct memory *memory;
	struct copy_io *done[QUEUE];
	uint32_t nb_done;
	bool open;
};

static struct memory_end ends[2]; /* the source's, the destination's */

static struct memory_end *of(const struct copy_end *end)
{
	return &ends[end->writes];
}

static void memory_init(struct copy_end *end, const struct pl_copy_target *target)
{
	*of(end) = (struct memory_end){ .memory = target->handle };
	end->name = "memory";
	snprintf(end->place, sizeof(end->place), "memory");
	end->unit = 1;
	end->block = BS;
	end->sync_by = "store";
	end->max_depth = QUEUE;
}

static int memory_check_range(const struct copy_end *end, uint64_t n, const char *what)
{
	if (end->first + n <= of(end)->memory->len)
		return 0;
	return pl_fail(-EINVAL, "the %s range goes past the end of the memory", what);
}

static int memory_medium(const struct copy_end *end, uint64_t len, struct copy_medium *medium)
{
	(void)end;
	(void)len;
	(void)medium; /* it is on none that anything else is on */
	return 0;
}

static bool memory_reaches(const struct copy_end *end, const struct pl_p2p *provider,
			   struct pl_p2p_path *path)
{
	(void)end;
	(void)provider;
	(void)path;
	return true; /* the CPU has all of it mapped */
}

static int memory_open(struct copy_end *end, struct pl_copy *job)
{
	(void)job;
	of(end)->memory->opened++;
	of(end)->open = true;
	return 0;
}

static size_t memory_piece(const struct copy_end *end)
{
	return end->block;
}

static void memory_prepare(struct copy_end *end, struct copy_io *io)
{
	(void)end;
	memset(io->own, 0x5a, sizeof(io->own)); /* the end's to use */
}

static uint32_t memory_submit(struct copy_end *end, struct copy_io *const *ios, uint32_t n)
{
	struct memory_end *m = of(end);
	uint32_t i;

	for (i = 0; i < n && m->nb_done < QUEUE; i++) {
		struct copy_io *io = ios[i];
		size_t at = end->first + io->at;
		uint8_t *bytes = m->memory->bytes + at;

		io->error = m->memory->bad - at < io->len ? -EIO : 0;
		if (!io->error && io->write)
			pl_devmem_read(bytes, io->buf, io->len);
		else if (!io->error)
			pl_devmem_write(io->buf, bytes, io->len);
		m->done[m->nb_done++] = io;
	}
	return i;
}

static uint32_t memory_poll(struct copy_end *end, struct copy_io **done, uint32_t n)
{
	struct memory_end *m = of(end);
	uint32_t got = 0;

	while (got < n && m->nb_done)
		done[got++] = m->done[--m->nb_done]; /* in no order */
	return got;
}

static int memory_sync(struct copy_end *end, struct copy_io *io)
{
	(void)io;
	of(end)->memory->syncs++;
	return 0;
}

static int memory_failed(const struct copy_end *end, const struct copy_io *io, const char *when)
{
	return pl_fail(io->error, "%s at %s failed%s", io->write ? "store" : "load",
		       copy_end_pos(end, io->at).text, when);
}

static int memory_error(const struct copy_end *end)
{
	(void)end;
	return 0;
}

static int memory_check(struct copy_end *end)
{
	(void)end;
	return 0;
}

static void memory_stats(const struct copy_end *end, struct copy_end_stats *stats)
{
	(void)end;
	*stats = (struct copy_end_stats){ 0 };
}

static int memory_traffic(const struct copy_end *end, struct pl_nvme_traffic *traffic)
{
	(void)end;
	(void)traffic;
	return -ENOTSUP;
}

static bool memory_close(struct copy_end *end)
{
	if (of(end)->open)
		of(end)->memory->closed++;
	of(end)->open = false;
	return true;
}

static const struct copy_end_ops memory_ops = {
	.name = KIND,
	.counts = "byte",
	.init = memory_init,
	.check_range = memory_check_range,
	.medium = memory_medium,
	.reaches = memory_reaches,
	.open = memory_open,
	.piece = memory_piece,
	.prepare = memory_prepare,
	.submit = memory_submit,
	.poll = memory_poll,
	.sync = memory_sync,
	.failed = memory_failed,
	.error = memory_error,
	.check = memory_check,
	.stats = memory_stats,
	.traffic = memory_traffic,
	.close = memory_close,
};
COPY_END_REGISTER(memory_ops)

static struct memory memory;

static struct pl_copy_target target_of(struct memory *m, uint64_t offset, uint64_t bytes)
{
	return (struct pl_copy_target){ KIND, m, offset, bytes };
}

static int setup(void **state)
{
	if (job_setup(state))
		return -1;
	memory.len = LEN;
	memory.bytes = malloc(LEN);
	assert_non_null(memory.bytes);
	return 0;
}

static int teardown(void **state)
{
	free(memory.bytes);
	return job_teardown(state);
}

static void run(const struct pl_copy_opts *opts)
{
	struct pl_copy *job;

	memory.opened = memory.closed = memory.syncs = 0;
	memory.bad = SIZE_MAX;
	if (pl_copy_create(opts, &job) || job_finish(job))
		fail_msg("%s", pl_errmsg());
	pl_copy_destroy(job);
	assert_int_equal(memory.opened, 1);
	assert_int_equal(memory.closed, 1);
}

/* There and back again, by every memory: what comes back is what went. */
static void test_round_trip(void **state)
{
	static const enum pl_copy_via ways[] = { PL_COPY_VIA_SRC, PL_COPY_VIA_DEVICE,
						 PL_COPY_VIA_HOST };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct pl_copy_opts opts = job_opts(ways[i]);

		random_fill(data, LEN);
		random_fill(poison, LEN);
		random_fill(memory.bytes, LEN);
		write_blocks(src_qp, ns_of(SRC, 1), data, 0, NLB);
		write_blocks(dst_qp, ns_of(DST, 1), poison, 0, NLB);
		opts.verify = true;
		opts.dst = target_of(&memory, 0, 0);
		run(&opts);
		assert_int_equal(memory.syncs, 1);
		assert_memory_equal(memory.bytes, data, LEN);

		opts = job_opts(ways[i] == PL_COPY_VIA_SRC ? PL_COPY_VIA_DST : ways[i]);
		opts.src = target_of(&memory, 0, LEN);
		opts.dst.bytes = 0;
		run(&opts);
		read_blocks(dst_qp, ns_of(DST, 1), scratch, 0, NLB);
		assert_memory_equal(scratch, data, LEN);
	}
}

static void test_failure(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_HOST);
	struct pl_copy *job;

	(void)state;
	opts.dst = target_of(&memory, 0, 0);
	assert_int_equal(pl_copy_create(&opts, &job), 0);
	memory.bad = LEN / 2;
	job_assert_ended(job, -EIO, "store at byte 524288 failed");
	pl_copy_destroy(job);
	memory.bad = SIZE_MAX;
}

/* What it refuses, and a kind that nobody registered. */
static void test_refused(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_SRC);
	struct pl_copy *job;

	(void)state;
	opts.dst = target_of(&memory, BS, 0);
	assert_int_equal(pl_copy_create(&opts, &job), -EINVAL);
	assert_errmsg("past the end of the memory");
	opts.dst = target_of(&memory, 0, 0);
	opts.via = PL_COPY_VIA_DST;
	assert_int_equal(pl_copy_create(&opts, &job), -EREMOTEIO);
	assert_errmsg("no memory of its own");
	opts.dst.kind = "nothing that there is";
	assert_int_equal(pl_copy_create(&opts, &job), -EINVAL);
	assert_errmsg("nothing that there is");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("copy_end", tests, setup, teardown);
}
