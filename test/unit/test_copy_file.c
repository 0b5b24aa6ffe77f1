/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between files and devices, of random ranges, every way there is. Files are looked at as
 * any program does, devices through queue pairs that lib/copy knows nothing of, and both compared
 * whole with what the test knows they must hold. What crossed which memory must be exactly what the
 * way says, the kernel's part as the devices'.
 */
#include "file_dir.h"

#include "ends/file/copy_file.h"

#define CASES 400u
#define LEN   MIB(1)
#define LONG  (2 * LEN) /* what a file may grow to */

/* The last one only lends its memory. */
static const char *const vdevs[] = {
	"nvme_emu0,size=1M,bs=512,cmb=512K",
	"nvme_emu1,size=1M,bs=4K,pmr=512K,mdts=32K",
	"nvme_emu2,size=1M,bs=1K",
	"nvme_emu3,size=64K,cmb=512K",
};

enum { DEVS = 3, LENDER = 3, FILES = 2, ENDS = DEVS + FILES };

/* A device or a file; a file has no queue pair. */
struct end {
	char name[16];
	struct pl_nvme_ctrlr *ctrlr;
	struct pl_nvme_ns *ns;
	struct pl_nvme_qpair *qp;
	uint8_t *holds;
	size_t len;
	uint32_t block;
};

static struct end ends[ENDS];
static uint8_t *scratch;

struct kase {
	unsigned int nr;
	struct end *src, *dst;
	uint64_t src_at, dst_at, bytes;
	struct pl_copy_opts opts;
};

static void describe(const struct kase *k, const char *what)
{
	print_error(
		"case %u: %llu bytes, %s at %llu to %s at %llu, via %d, chunk %u, depth %u%s: %s\n",
		k->nr, (unsigned long long)k->bytes, k->src->name, (unsigned long long)k->src_at,
		k->dst->name, (unsigned long long)k->dst_at, (int)k->opts.via, k->opts.chunk,
		k->opts.depth, k->opts.verify ? ", verify" : "", what);
}

#define CHECK(k, condition)                      \
	do {                                     \
		if (!(condition)) {              \
			describe(k, #condition); \
			fail();                  \
		}                                \
	} while (0)

/* ---- what the ends hold ---- */

static void put_end(const struct end *e)
{
	if (!e->qp) {
		file_put(e->name, e->holds, e->len);
		return;
	}
	memcpy(scratch, e->holds, LEN);
	write_blocks(e->qp, e->ns, scratch, 0, (uint32_t)e->ns->nlb);
}

static void check_end(const struct kase *k, const struct end *e)
{
	if (!e->qp) {
		file_is(e->name, e->holds, e->len);
		return;
	}
	memset(scratch, 0x3c, LEN);
	read_blocks(e->qp, e->ns, scratch, 0, (uint32_t)e->ns->nlb);
	CHECK(k, memcmp(scratch, e->holds, LEN) == 0);
}

/* ---- cases ---- */

static struct pl_p2p_heap *heap_of(const struct pl_nvme_ctrlr *c, enum pl_mem_kind *kind)
{
	for (*kind = PL_MEM_CMB; c && *kind <= PL_MEM_PMR; (*kind)++)
		if (pl_nvme_ctrlr_heap(c, *kind))
			return pl_nvme_ctrlr_heap(c, *kind);
	*kind = PL_MEM_HOST;
	return NULL;
}

static struct pl_nvme_ctrlr *lender(void)
{
	return ctrlr_of("nvme_emu3");
}

/* NULL: host memory. */
static struct pl_nvme_ctrlr *lender_of(const struct kase *k)
{
	enum pl_mem_kind kind;

	switch (k->opts.via) {
	case PL_COPY_VIA_DST:
		return k->dst->ctrlr;
	case PL_COPY_VIA_SRC:
		return k->src->ctrlr;
	case PL_COPY_VIA_DEVICE:
		return lender();
	case PL_COPY_VIA_AUTO: /* the first controller of all has a CMB */
		return heap_of(k->dst->ctrlr, &kind)   ? k->dst->ctrlr
		       : heap_of(k->src->ctrlr, &kind) ? k->src->ctrlr
						       : ends[0].ctrlr;
	default:
		return NULL;
	}
}

static enum pl_copy_via random_via(const struct kase *k)
{
	enum pl_mem_kind kind;

	for (;;) {
		enum pl_copy_via via = (enum pl_copy_via)random_below(PL_COPY_VIA_HOST + 1);

		if ((via == PL_COPY_VIA_DST && !heap_of(k->dst->ctrlr, &kind)) ||
		    (via == PL_COPY_VIA_SRC && !heap_of(k->src->ctrlr, &kind)))
			continue;
		return via;
	}
}

static bool overlap(const struct kase *k)
{
	return k->src == k->dst && k->src_at < k->dst_at + k->bytes &&
	       k->dst_at < k->src_at + k->bytes;
}

/* A file to write may be short, so that it grows, or not be there at all. */
static void random_target(struct kase *k)
{
	random_fill(k->dst->holds, LEN);
	memset(k->dst->holds + LEN, 0, LEN);
	k->dst->len = LEN;
	if (k->dst->qp || k->src == k->dst || random_below(2))
		return;
	k->dst->len = random_below(2) ? random_below(LEN) : 0;
	memset(k->dst->holds + k->dst->len, 0, LONG - k->dst->len);
}

static void random_ranges(struct kase *k)
{
	uint32_t block = RTE_MAX(k->src->block, k->dst->block);
	uint64_t room = (k->src == k->dst ? LEN / 4 : LEN) >> random_below(8);

	k->bytes = block * (1 + random_below(RTE_MAX(room / block, 1ull)));
	do {
		k->src_at = k->src->block * random_below((LEN - k->bytes) / k->src->block + 1);
		k->dst_at = k->dst->block * random_below((LEN - k->bytes) / k->dst->block + 1);
	} while (overlap(k));
	if (!k->dst->qp && random_below(4) == 0 && !overlap(k))
		k->dst_at += LEN; /* with a hole before it, or only part of it inside */
}

static void make_case(struct kase *k, unsigned int nr)
{
	uint32_t block;

	memset(k, 0, sizeof(*k));
	k->nr = nr;
	do {
		k->src = &ends[random_below(ENDS)];
		k->dst = &ends[random_below(ENDS)];
	} while (k->src->qp && k->dst->qp);
	random_ranges(k);
	random_target(k);
	block = RTE_MAX(k->src->block, k->dst->block);
	k->opts = (struct pl_copy_opts){
		.opts_size = sizeof(k->opts),
		.via = random_via(k),
		.via_provider = pl_nvme_ctrlr_p2p(lender()),
		.verify = random_below(2),
		.no_landing_check = random_below(8) == 0,
		.chunk = block * (1 + (uint32_t)random_below(RTE_MAX(
					      (160u << 10 >> random_below(7)) / block, 1u))),
		.depth = random_below(3) ? 0 : 1 + (uint32_t)random_below(3),
	};
}

static struct pl_copy_target target_of(const struct end *e, unsigned int flags, uint64_t at,
				       uint64_t bytes)
{
	if (!e->qp)
		return pl_copy_file_target(file_open(e->name, flags), at, bytes);
	return pl_copy_ns_target(e->ns, at >> e->ns->lba_shift, bytes >> e->ns->lba_shift);
}

static void set_ends(struct kase *k)
{
	k->opts.src = target_of(k->src, 0, k->src_at, k->bytes);
	k->opts.dst =
		target_of(k->dst, PL_COPY_FILE_WRITE, k->dst_at, random_below(2) ? k->bytes : 0);
}

static void close_ends(struct kase *k)
{
	if (!k->src->qp)
		pl_copy_file_close(k->opts.src.handle);
	if (!k->dst->qp)
		pl_copy_file_close(k->opts.dst.handle);
}

static void check_traffic(const struct kase *k, const struct pl_copy_plan *plan,
			  const struct pl_copy_stats *stats)
{
	const struct pl_nvme_ctrlr *provider = lender_of(k);
	struct pl_nvme_traffic want = { .bytes = { { { 0 } } } };
	uint64_t(*data)[2] = want.bytes[PL_TRAFFIC_DATA];
	int own = plan->kind == PL_MEM_CMB ? PL_TRAFFIC_OWN_CMB : PL_TRAFFIC_OWN_PMR;
	int peer = plan->kind == PL_MEM_CMB ? PL_TRAFFIC_PEER_CMB : PL_TRAFFIC_PEER_PMR;

	data[!provider ? PL_TRAFFIC_HOST : k->src->ctrlr == provider ? own : peer][1] = k->bytes;
	data[!provider ? PL_TRAFFIC_HOST : k->dst->ctrlr == provider ? own : peer][0] = k->bytes;
	CHECK(k, stats->traffic_known);
	CHECK(k, memcmp(data, stats->copy_traffic.bytes[PL_TRAFFIC_DATA],
			sizeof(want.bytes[PL_TRAFFIC_DATA])) == 0);
	memset(&want, 0, sizeof(want));
	if (k->opts.verify)
		data[PL_TRAFFIC_HOST][1] = 2 * k->bytes;
	CHECK(k, memcmp(data, stats->verify_traffic.bytes[PL_TRAFFIC_DATA],
			sizeof(want.bytes[PL_TRAFFIC_DATA])) == 0);
}

static void check_result(const struct kase *k, const struct pl_copy *job)
{
	const struct pl_copy_plan *plan = pl_copy_plan(job);
	const struct pl_nvme_ctrlr *provider = lender_of(k);
	bool proven = provider && provider != k->src->ctrlr && !k->opts.no_landing_check;
	unsigned int files = !k->src->qp + !k->dst->qp;
	struct pl_copy_range r;
	struct pl_copy_stats s;

	pl_copy_stats(job, &s);
	CHECK(k, plan->p2p == (provider != NULL) && plan->bytes == k->bytes);
	CHECK(k, strstr(plan->path, k->src->name) && strstr(plan->path, k->dst->name));
	CHECK(k, !plan->src_io[0] == !!k->src->qp && !plan->dst_io[0] == !!k->dst->qp);
	CHECK(k, s.bytes_copied == k->bytes);
	CHECK(k, s.bytes_verified == (k->opts.verify ? k->bytes : 0));
	CHECK(k, s.landing_checks == (proven ? plan->chunks : 0) && s.landing_retries == 0);
	CHECK(k, s.read_latency->count == plan->chunks && s.write_latency->count == plan->chunks);
	CHECK(k, s.file_ios >= files * plan->chunks);
	CHECK(k, s.syscalls > 0 && s.syscalls <= s.file_ios);
	CHECK(k, s.host_bytes == (provider ? 0 : 2 * k->bytes));
	CHECK(k, pl_copy_complete_ranges(job, &r, 1) == 1);
	CHECK(k, plan->dst_unit == (k->dst->qp ? k->dst->block : 1));
	CHECK(k, r.slba * plan->dst_unit == k->dst_at && r.nlb * plan->dst_unit == k->bytes);
	check_traffic(k, plan, &s);
}

static void run_case(struct kase *k)
{
	size_t host = heap_in_use();
	unsigned int fds = fds_open();
	struct pl_copy *job;
	int rc;

	put_end(k->dst);
	if (!k->dst->qp && k->dst->len == 0)
		remove(file_path(k->dst->name));
	set_ends(k);
	if (pl_copy_create(&k->opts, &job)) {
		describe(k, pl_errmsg());
		fail();
	}
	if (k->dst->qp || k->dst->len) /* a plan changes nothing */
		check_end(k, k->dst);
	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	if (rc)
		describe(k, pl_errmsg());
	assert_int_equal(rc, 0);
	check_result(k, job);
	pl_copy_destroy(job);
	close_ends(k);
	memmove(k->dst->holds + k->dst_at, k->src->holds + k->src_at, k->bytes);
	k->dst->len = RTE_MAX(k->dst->len, k->dst_at + k->bytes);
	check_end(k, k->dst);
	if (k->src != k->dst)
		check_end(k, k->src);
	assert_int_equal(heap_in_use(), host);
	assert_int_equal(fds_open(), fds);
	/* Whole again, to be a source. */
	if (!k->dst->qp && k->dst->len != LEN) {
		k->dst->len = LEN;
		put_end(k->dst);
	}
}

static void test_random_copies(void **state)
{
	unsigned int files[3] = { 0 };
	struct kase k;

	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		make_case(&k, i);
		run_case(&k);
		files[k.src->qp ? 1 : k.dst->qp ? 0 : 2]++;
	}
	for (size_t i = 0; i < RTE_DIM(files); i++)
		assert_true(files[i] > CASES / 20);
}

/* A file that was made by a program of its own accord: all holes. */
static void test_sparse(void **state)
{
	struct kase k = { .src = &ends[DEVS], .dst = &ends[0], .bytes = LEN };

	(void)state;
	for (int way = 0; way < 2; way++) {
		k.opts = (struct pl_copy_opts){
			.opts_size = sizeof(k.opts),
			.via = way ? PL_COPY_VIA_HOST : PL_COPY_VIA_DST,
			.verify = true,
		};
		random_target(&k);
		memset(k.src->holds, 0, LEN);
		file_put(k.src->name, "", 0);
		file_cut(k.src->name, LEN);
		run_case(&k);
	}
	random_fill(k.src->holds, LEN);
	put_end(k.src);
}

/* The last block of a file, where O_DIRECT wants larger ones than the file has bytes. */
static void test_tail(void **state)
{
	struct end *src = &ends[DEVS], *dst = &ends[0];
	struct pl_copy_file *file;
	struct pl_copy *job;

	(void)state;
	for (size_t len = LEN - 512; len > LEN - 4096; len -= 1024) {
		struct pl_copy_opts o = {
			.opts_size = sizeof(o),
			.dst = pl_copy_ns_target(dst->ns, 0, 0),
			.via = PL_COPY_VIA_DST,
			.chunk = 8192,
			.verify = true,
		};
		const uint64_t at = LEN - 64 * 1024, bytes = len - at;
		const struct kase k = { .src = src, .dst = dst, .bytes = bytes };
		int rc;

		file_cut(src->name, len);
		put_end(dst);
		file = file_open(src->name, 0);
		file->align = 4096;
		o.src = pl_copy_file_target(file, at, bytes);
		if (pl_copy_create(&o, &job))
			fail_msg("%s", pl_errmsg());
		while ((rc = pl_copy_poll(job)) > 0)
			relax();
		assert_int_equal(rc, 0);
		pl_copy_destroy(job);
		memcpy(dst->holds, src->holds + at, bytes);
		check_end(&k, dst);
		/* Elsewhere a range of part of a block is not possible. */
		o.src.bytes -= 1024;
		assert_int_equal(pl_copy_create(&o, &job), -EINVAL);
		assert_errmsg("O_DIRECT wants a multiple of 4096");
		pl_copy_file_close(file);
		put_end(src);
	}
}

/* Host memory is registered with the kernel, a peer's never. */
static void test_registered_buffers(void **state)
{
	static const struct {
		enum pl_copy_via via;
		bool verify;
		int buffers;
	} rows[] = {
		{ PL_COPY_VIA_HOST, false, 1 },
		{ PL_COPY_VIA_HOST, true, 2 },
		{ PL_COPY_VIA_DST, false, 0 },
		{ PL_COPY_VIA_DST, true, 1 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct pl_copy_file *file = file_open(ends[DEVS].name, 0);
		struct pl_copy_opts o = {
			.opts_size = sizeof(o),
			.src = pl_copy_file_target(file, 0, LEN),
			.dst = pl_copy_ns_target(ends[0].ns, 0, 0),
			.via = rows[i].via,
			.verify = rows[i].verify,
			.chunk = 8192,
		};
		struct pl_copy *job;
		int n;

		if (pl_copy_create(&o, &job))
			fail_msg("%s", pl_errmsg());
		n = uring_buffers();
		pl_copy_destroy(job);
		pl_copy_file_close(file);
		if (n < 0) {
			print_message(
				"skipped: this kernel does not tell its registered buffers\n");
			skip();
		}
		assert_int_equal(n, rows[i].buffers);
	}
}

/* Where the file's block device has poll queues the ring is polled. This one may have none: then
 * the first read shows it, and the copy goes on without. */
static void test_polled(void **state)
{
	struct kase k = { .src = &ends[DEVS], .dst = &ends[0], .bytes = LEN };

	(void)state;
	for (int way = 0; way < 2; way++) {
		struct pl_copy_file *file = file_open(k.src->name, 0);
		struct pl_copy_opts o = {
			.opts_size = sizeof(o),
			.src = pl_copy_file_target(file, 0, LEN),
			.dst = pl_copy_ns_target(ends[0].ns, 0, 0),
			.via = way ? PL_COPY_VIA_HOST : PL_COPY_VIA_DST,
			.chunk = 8192,
			.verify = true,
		};
		struct pl_copy *job;
		int rc;

		random_target(&k);
		put_end(k.dst);
		file->can_poll = true;
		if (pl_copy_create(&o, &job))
			fail_msg("%s", pl_errmsg());
		print_message("%s\n", pl_copy_plan(job)->src_io);
		assert_non_null(strstr(pl_copy_plan(job)->src_io, "polled"));
		assert_null(strstr(pl_copy_plan(job)->src_io, "no poll queues"));
		while ((rc = pl_copy_poll(job)) > 0)
			relax();
		assert_int_equal(rc, 0);
		pl_copy_destroy(job);
		pl_copy_file_close(file);
		memcpy(k.dst->holds, k.src->holds, LEN);
		check_end(&k, k.dst);
	}
}

static int setup(void **state)
{
	(void)state;
	random_start();
	file_dir_make();
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	scratch = dma_alloc(LEN);
	for (size_t i = 0; i < ENDS; i++) {
		struct end *e = &ends[i];

		e->len = LEN;
		e->holds = calloc(1, LONG);
		assert_non_null(e->holds);
		random_fill(e->holds, LEN);
		if (i < DEVS) {
			snprintf(e->name, sizeof(e->name), "nvme_emu%zu", i);
			e->ctrlr = ctrlr_of(e->name);
			e->ns = ns_of(e->name, 1);
			e->qp = qpair_of(e->name, 16, 0);
			e->block = 1u << e->ns->lba_shift;
		} else {
			struct pl_copy_file_info info;
			struct pl_copy_file *file;

			snprintf(e->name, sizeof(e->name), "f%zu.img", i - DEVS);
			file_put(e->name, e->holds, LEN);
			file = file_open(e->name, 0);
			pl_copy_file_info(file, &info);
			e->block = info.align;
			pl_copy_file_close(file);
		}
		put_end(e);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENDS; i++) {
		pl_nvme_qpair_destroy(ends[i].qp);
		free(ends[i].holds);
	}
	pl_mem_free(scratch);
	pl_eal_cleanup();
	file_dir_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_copies), cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_tail),          cmocka_unit_test(test_registered_buffers),
		cmocka_unit_test(test_polled),
	};

	return cmocka_run_group_tests_name("copy_file", tests, setup, teardown);
}
