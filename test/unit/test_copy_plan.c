/* SPDX-License-Identifier: BSD-3-Clause */
/* What pl_copy_create() plans and what it refuses, in which words, with nothing left behind. */
#include "fixture.h"

#include <peerlane/pl_copy.h>

#define A      "nvme_emu0" /* blocks of 512, CMB of 256 KiB, two namespaces */
#define B      "nvme_emu1" /* blocks of 4096, CMB of 64 KiB */
#define BARE   "nvme_emu2" /* no memory, queues of 9 entries, one queue pair */
#define NO_WDS "nvme_emu3"
#define NO_RDS "nvme_emu4"
#define LENDER "nvme_emu5" /* PMR, and a namespace of one block */

#define NLB 4096u /* of A, BARE, NO_WDS and NO_RDS: 2 MiB */

static struct pl_copy_opts opts_of(const char *src, const char *dst, uint64_t nlb)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = pl_copy_ns_target(ns_of(src, 1), 0, nlb),
		.dst = pl_copy_ns_target(ns_of(dst, 1), 0, 0),
	};
}

static size_t free_bytes(const char *name, enum pl_mem_kind kind)
{
	struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(name), kind);
	struct pl_p2p_heap_stats stats = { .free = 0 };

	if (heap)
		pl_p2p_heap_stats(heap, &stats);
	return stats.free;
}

static void refused(struct pl_copy_opts opts, int err, const char *part, const char *more)
{
	size_t host = heap_in_use(), cmb = free_bytes(A, PL_MEM_CMB) + free_bytes(B, PL_MEM_CMB);
	struct pl_copy *job = NULL;
	int rc = pl_copy_create(&opts, &job);

	if (rc != err)
		fail_msg("%d, not %d: %s", rc, err, pl_errmsg());
	assert_errmsg(part);
	if (more)
		assert_errmsg(more);
	assert_null(job);
	assert_int_equal(heap_in_use(), host);
	assert_int_equal(free_bytes(A, PL_MEM_CMB) + free_bytes(B, PL_MEM_CMB), cmb);
}

/* The plan of what is accepted; nothing moves before the first poll. */
static struct pl_copy_plan accepted(struct pl_copy_opts opts)
{
	const struct pl_nvme_ns *src = opts.src.handle;
	struct pl_nvme_traffic before, after;
	struct pl_copy_stats stats;
	struct pl_copy_plan plan;
	struct pl_copy *job;

	assert_int_equal(pl_nvme_ctrlr_traffic(src->ctrlr, &before, sizeof(before)), 0);
	if (pl_copy_create(&opts, &job))
		fail_msg("%s", pl_errmsg());
	plan = *pl_copy_plan(job);
	pl_copy_stats(job, &stats);
	assert_int_equal(stats.phase, PL_COPY_COPYING);
	assert_int_equal(stats.bytes_copied, 0);
	assert_int_equal(pl_copy_complete_ranges(job, NULL, 0), 0);
	pl_copy_destroy(job);
	assert_int_equal(pl_nvme_ctrlr_traffic(src->ctrlr, &after, sizeof(after)), 0);
	assert_memory_equal(before.bytes[PL_TRAFFIC_DATA], after.bytes[PL_TRAFFIC_DATA],
			    sizeof(after.bytes[PL_TRAFFIC_DATA]));
	return plan;
}

static void test_opts(void **state)
{
	static const size_t sizes[] = { 0, 7, SIZE_MAX };
	struct pl_copy_opts o;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		o = opts_of(A, B, 8);
		o.opts_size = sizes[i];
		refused(o, -EINVAL, "opts_size", NULL);
	}
	o = opts_of(A, B, 8);
	o.src = pl_copy_ns_target(NULL, 0, 8);
	refused(o, -EINVAL, "a source and a destination", NULL);
	o = opts_of(A, B, 8);
	o.dst = (struct pl_copy_target){ 0 };
	refused(o, -EINVAL, "a source and a destination", NULL);
	o.dst = (struct pl_copy_target){ .kind = "tape", .handle = &o };
	refused(o, -EINVAL, "of kind tape", NULL);
	o = opts_of(A, B, 8);
	o.via = (enum pl_copy_via)99;
	refused(o, -EINVAL, "via 99", NULL);
	o.via = PL_COPY_VIA_DEVICE;
	refused(o, -EINVAL, "no device is given", NULL);
	/* An earlier, shorter structure: the defaults for the rest. */
	o = opts_of(A, B, 8);
	o.opts_size = offsetof(struct pl_copy_opts, chunk);
	o.chunk = 1;
	o.depth = 77777;
	assert_int_equal(accepted(o).chunk, 128 << 10);
	pl_copy_destroy(NULL);
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t slba, nlb;
	} past_end[] = {
		{ NLB, 1 }, { NLB - 1, 2 }, { 0, NLB + 1 }, { 1, NLB }, { (1ull << 55) - 1, 1 },
	}, uncounted[] = {
		{ UINT64_MAX, 1 },     { UINT64_MAX, 2 },  { 8, UINT64_MAX },
		{ UINT64_MAX / 2, 8 }, { 0, 1ull << 55 }, { 1ull << 55, 8 },
	};
	struct pl_copy_opts o = opts_of(A, BARE, 0);

	(void)state;
	refused(o, -EINVAL, "source range is empty", NULL);
	for (size_t i = 0; i < RTE_DIM(past_end); i++) {
		char text[64];

		o.src = pl_copy_ns_target(ns_of(A, 1), past_end[i].slba, past_end[i].nlb);
		snprintf(text, sizeof(text), "source range %llu+%llu",
			 (unsigned long long)past_end[i].slba, (unsigned long long)past_end[i].nlb);
		refused(o, -EINVAL, text, "4096 blocks of 512 bytes");
	}
	for (size_t i = 0; i < RTE_DIM(uncounted); i++) {
		o.src = pl_copy_ns_target(ns_of(A, 1), uncounted[i].slba, uncounted[i].nlb);
		refused(o, -EINVAL, "source range of nvme_emu0 namespace 1", "64 bits count");
	}
	o.src = pl_copy_ns_target(ns_of(A, 1), 1, 8);
	o.src.offset -= 1;
	refused(o, -EINVAL, "source range starts at byte 511", "blocks of 512 bytes");
	o = opts_of(A, BARE, 8);
	o.src.bytes += 1;
	refused(o, -EINVAL, "4097 bytes are no whole LBAs", NULL);
	/* The destination's blocks are the destination's. */
	o = opts_of(A, B, 16);
	o.dst = pl_copy_ns_target(ns_of(B, 1), 511, 0);
	refused(o, -EINVAL, "destination range 511+2", "512 blocks of 4096 bytes");
	o.dst = pl_copy_ns_target(ns_of(B, 1), 0, 1);
	refused(o, -EINVAL, "destination range has 4096 bytes, the source range 8192", NULL);
	o.dst = pl_copy_ns_target(ns_of(B, 1), 0, 2);
	assert_int_equal(accepted(o).bytes, 8192);
	o.dst = pl_copy_ns_target(ns_of(B, 1), UINT64_MAX, 0);
	refused(o, -EINVAL, "destination range", B);
	o = opts_of(A, B, 7);
	refused(o, -EINVAL, "3584 bytes", "4096");
	o = opts_of(B, A, 512); /* to the last block */
	assert_int_equal(accepted(o).bytes, MIB(2));
	o.dst = pl_copy_ns_target(ns_of(A, 1), 1, 0);
	refused(o, -EINVAL, "destination range 1+4096", NULL);
}

/* More blocks than 64 bits count the bytes of are refused; and a job over as many as they do is as
 * cheap as any. */
static void test_huge_ranges(void **state)
{
	struct pl_nvme_ns *src = ns_of(A, 1), *dst = ns_of(BARE, 1);
	const uint64_t src_nlb = src->nlb, dst_nlb = dst->nlb;
	struct pl_copy_opts o = opts_of(A, BARE, (1ull << 55) + 8);
	size_t host = heap_in_use();
	struct pl_copy *job;

	(void)state;
	src->nlb = dst->nlb = (1ull << 55) + 8;
	refused(o, -EINVAL, "source range of nvme_emu0", "64 bits");
	o.src = pl_copy_ns_target(src, 1ull << 55, 8);
	refused(o, -EINVAL, "source range of nvme_emu0", "64 bits");
	o.src = pl_copy_ns_target(src, (1ull << 55) - 8, 8);
	refused(o, -EINVAL, "source range 36028797018963960+8", "64 bits");
	o.src = pl_copy_ns_target(src, 0, 8);
	o.dst = pl_copy_ns_target(dst, (1ull << 55) - 8, 0);
	refused(o, -EINVAL, "destination range 36028797018963960+8", "64 bits");
	o = opts_of(A, BARE, (1ull << 55) - 1);
	o.via = PL_COPY_VIA_HOST;
	o.chunk = 4096;
	o.depth = 4;
	assert_int_equal(pl_copy_create(&o, &job), 0);
	assert_true(pl_copy_plan(job)->chunks == 1ull << 52);
	assert_in_range(heap_in_use() - host, 1, MIB(4));
	pl_copy_destroy(job);
	src->nlb = src_nlb;
	dst->nlb = dst_nlb;
}

static void test_overlap(void **state)
{
	static const struct {
		uint64_t src, dst, nlb;
		bool overlap;
	} rows[] = {
		{ 0, 0, 1, true },       { 0, 0, NLB, true },      { 100, 100, 50, true },
		{ 100, 149, 50, true },  { 149, 100, 50, true },   { 100, 150, 50, false },
		{ 150, 100, 50, false }, { 0, NLB - 1, 1, false }, { 0, 2048, 2048, false },
		{ 0, 2047, 2048, true },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct pl_copy_opts o = opts_of(A, A, rows[i].nlb);

		o.src.offset = rows[i].src * 512;
		o.dst.offset = rows[i].dst * 512;
		if (rows[i].overlap) {
			refused(o, -EINVAL, "overlap on nvme_emu0 namespace 1", NULL);
			o.dst.handle = ns_of(A, 2); /* another namespace of the controller */
		}
		accepted(o);
	}
}

static void test_chunk(void **state)
{
	static const uint32_t bad[] = { 1, 511, 513, 2048, 4095, 4097, 6144, UINT32_MAX };
	struct pl_copy_opts o = opts_of(A, B, 64);

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		char text[32];

		o.chunk = bad[i];
		snprintf(text, sizeof(text), "block size %u ", bad[i]);
		refused(o, -EINVAL, text, "512 and 4096");
	}
	o.chunk = 12288; /* a multiple, no power of two; the last chunk is short */
	assert_int_equal(accepted(o).chunks, 3);
	o = opts_of(A, BARE, 64);
	o.via = PL_COPY_VIA_HOST;
	o.chunk = 2560;
	assert_int_equal(accepted(o).chunks, 13);
}

static void test_depth(void **state)
{
	struct pl_copy_opts o = opts_of(A, B, 4096);
	struct pl_copy_plan plan;

	(void)state;
	/* 64 KiB hold a canary and three chunks of 16 KiB. */
	o.via = PL_COPY_VIA_DST;
	o.chunk = 16384;
	o.depth = 3;
	plan = accepted(o);
	assert_int_equal(plan.depth, 3);
	assert_false(plan.depth_reduced);
	o.depth = 4;
	refused(o, -EINVAL, "60 KiB free", "depth 4 x 16384");
	refused(o, -EINVAL, "-q 3 or less", B);
	o.depth = 0;
	plan = accepted(o);
	assert_int_equal(plan.depth, 3);
	assert_true(plan.depth_reduced);
	/* A chunk takes whole pages. */
	o.chunk = 28672;
	assert_int_equal(accepted(o).depth, 2);
	o.chunk = 61440;
	assert_int_equal(accepted(o).depth, 1);
	o.chunk = 69632;
	refused(o, -EINVAL, "too small for one chunk of 69632", NULL);
	o.depth = 1;
	refused(o, -EINVAL, "too small for one chunk of 69632", NULL);
	/* What another allocation took is not there. */
	o.chunk = 20480;
	o.depth = 3;
	{
		struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(B), PL_MEM_CMB);
		void *page;

		assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &page), 0);
		refused(o, -EINVAL, "56 KiB free", "-q 2 or less");
		pl_p2p_free(heap, page);
	}
	accepted(o);
	/* Where there are more runs than the largest, the canary takes none of it. */
	o.chunk = 16384;
	{
		struct pl_p2p_heap *heap = pl_nvme_ctrlr_heap(ctrlr_of(B), PL_MEM_CMB);
		void *first, *second;

		assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &first), 0);
		assert_int_equal(pl_p2p_alloc(heap, 3 * PAGE, 0, &second), 0);
		pl_p2p_free(heap, first);
		assert_int_equal(accepted(o).depth, 3);
		pl_p2p_free(heap, second);
		/* Nor if that is the first run. */
		assert_int_equal(pl_p2p_alloc(heap, 12 * PAGE, 0, &first), 0);
		assert_int_equal(pl_p2p_alloc(heap, PAGE, 0, &second), 0);
		pl_p2p_free(heap, first);
		assert_int_equal(accepted(o).depth, 3);
		pl_p2p_free(heap, second);
	}
	/* Queues of 9 entries hold 8 commands. */
	o = opts_of(BARE, A, 64);
	o.via = PL_COPY_VIA_HOST;
	o.depth = 9;
	refused(o, -EINVAL, "depth 9", "at most 8");
	o.depth = 8;
	assert_int_equal(accepted(o).depth, 8);
	o.depth = 0;
	assert_int_equal(accepted(o).depth, 8);
	o = opts_of(A, A, 64);
	o.dst.offset = 100 * 512;
	o.via = PL_COPY_VIA_HOST;
	assert_int_equal(accepted(o).depth, 32);
	o.depth = UINT32_MAX;
	refused(o, -EINVAL, "depth 4294967295", NULL);
}

static void test_no_such_way(void **state)
{
	struct pl_copy_opts o = opts_of(A, BARE, 64);

	(void)state;
	o.via = PL_COPY_VIA_DST;
	refused(o, -EREMOTEIO, BARE, "destination");
	o = opts_of(BARE, A, 64);
	o.via = PL_COPY_VIA_SRC;
	refused(o, -EREMOTEIO, BARE, "--via host");
	o = opts_of(A, B, 64);
	o.via = PL_COPY_VIA_DEVICE;
	o.via_provider = provider_of(BARE);
	refused(o, -EREMOTEIO, BARE, "provider");
}

/* CMBSZ.WDS and RDS: what a controller may do with its own memory. */
static void test_rights(void **state)
{
	struct pl_copy_opts o = opts_of(BARE, NO_WDS, 64);

	(void)state;
	o.chunk = 4096;
	o.via = PL_COPY_VIA_DST;
	refused(o, -EREMOTEIO, NO_WDS, "WDS");
	o = opts_of(NO_WDS, BARE, 64);
	o.chunk = 4096;
	o.via = PL_COPY_VIA_SRC;
	assert_string_equal(accepted(o).provider, NO_WDS);
	o = opts_of(NO_RDS, BARE, 64);
	o.chunk = 4096;
	o.via = PL_COPY_VIA_SRC;
	refused(o, -EREMOTEIO, NO_RDS, "RDS");
	o = opts_of(BARE, NO_RDS, 64);
	o.chunk = 4096;
	o.via = PL_COPY_VIA_DST;
	assert_string_equal(accepted(o).provider, NO_RDS);
	/* Within one controller it takes both. */
	o = opts_of(NO_RDS, NO_RDS, 64);
	o.dst.offset = 1000 * 512;
	o.chunk = 4096;
	o.via = PL_COPY_VIA_DST;
	refused(o, -EREMOTEIO, NO_RDS, NULL);
	/* A third device only holds what others move. */
	o = opts_of(BARE, A, 64);
	o.chunk = 4096;
	o.via = PL_COPY_VIA_DEVICE;
	o.via_provider = provider_of(NO_RDS);
	assert_string_equal(accepted(o).provider, NO_RDS);
	o.via_provider = provider_of(NO_WDS);
	assert_string_equal(accepted(o).provider, NO_WDS);
	/* The device may be one of the two. */
	o.via_provider = provider_of(A);
	assert_int_equal(accepted(o).via, PL_COPY_VIA_DST);
}

static void test_auto(void **state)
{
	struct pl_copy_opts o = opts_of(A, B, 64);
	struct pl_copy_plan plan;

	(void)state;
	o.chunk = 4096;
	plan = accepted(o);
	assert_int_equal(plan.via, PL_COPY_VIA_DST);
	assert_string_equal(plan.provider, B);
	assert_string_equal(plan.path, "nvme_emu0 -> nvme_emu1 CMB -> nvme_emu1");
	assert_true(plan.p2p && plan.landing_check);
	plan = accepted(opts_of(A, BARE, 64));
	assert_int_equal(plan.via, PL_COPY_VIA_SRC);
	assert_string_equal(plan.provider, A);
	assert_true(plan.p2p && !plan.landing_check);
	assert_non_null(strstr(plan.reason, "destination has none"));
	o = opts_of(A, NO_WDS, 64); /* what it has may not be used for this */
	o.chunk = 4096;
	assert_string_equal(accepted(o).provider, A);
	/* The first in the order of the command line. */
	o = opts_of(BARE, LENDER, 1);
	o.chunk = 512;
	plan = accepted(o);
	assert_int_equal(plan.kind, PL_MEM_PMR);
	assert_string_equal(plan.path, "nvme_emu2 -> nvme_emu5 PMR -> nvme_emu5");
	o = opts_of(LENDER, BARE, 1);
	o.chunk = 512;
	o.via = PL_COPY_VIA_DEVICE;
	o.via_provider = provider_of(B);
	plan = accepted(o);
	assert_int_equal(plan.via, PL_COPY_VIA_DEVICE);
	assert_true(plan.p2p && plan.landing_check);
	/* A way exists, but not with this chunk: no silent bounce through the host. */
	o = opts_of(A, B, 4096);
	o.chunk = 1u << 20;
	refused(o, -EINVAL, "too small for one chunk", NULL);
	o.via = PL_COPY_VIA_HOST;
	plan = accepted(o);
	assert_false(plan.p2p || plan.landing_check);
	assert_string_equal(plan.provider, "host");
	assert_string_equal(plan.path, "nvme_emu0 -> host DRAM -> nvme_emu1");
}

static void test_resources(void **state)
{
	struct pl_copy_opts o = opts_of(BARE, BARE, 64);

	(void)state;
	/* Both legs of a copy within one controller need a queue pair, and this one has one. */
	o.dst.offset = 1000 * 512;
	o.via = PL_COPY_VIA_HOST;
	refused(o, -ENOMEM, "queue pairs", BARE);
	/* 256 GiB of buffers, and as much to verify with. */
	o = opts_of(A, B, 64);
	o.via = PL_COPY_VIA_HOST;
	o.chunk = 0xfffff000u;
	o.depth = 64;
	refused(o, -ENOMEM, "DMA-able host memory", "-m");
}

static int setup(void **state)
{
	static const char *const vdevs[] = {
		A ",size=2M,bs=512,ns=2,cmb=256K",
		B ",size=2M,bs=4K,cmb=64K",
		BARE ",size=2M,bs=512,mqes=9,queues=1",
		NO_WDS ",size=2M,bs=512,cmb=64K,cmbflags=rds",
		NO_RDS ",size=2M,bs=512,cmb=64K,cmbflags=wds",
		LENDER ",size=512,bs=512,pmr=64K",
	};

	(void)state;
	return fixture_start(vdevs, RTE_DIM(vdevs), 1);
}

/* ---- nobody has peer memory: a start of its own ---- */

static int copy_without_peer_memory(void *arg)
{
	static const char *const vdevs[] = { "nvme_emu0,size=1M", "nvme_emu1,size=1M" };
	struct pl_copy_plan plan;
	struct pl_copy_opts o;
	struct pl_copy *job;
	int rc;

	(void)arg;
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return 1;
	o = opts_of("nvme_emu0", "nvme_emu1", 2048);
	o.verify = true;
	if (pl_copy_create(&o, &job))
		return 2;
	plan = *pl_copy_plan(job);
	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	pl_copy_destroy(job);
	o.via = PL_COPY_VIA_DST;
	if (pl_copy_create(&o, &job) != -EREMOTEIO)
		return 3;
	pl_eal_cleanup();
	if (rc || plan.via != PL_COPY_VIA_HOST || plan.p2p || plan.landing_check ||
	    !strstr(plan.reason, "no device has a CMB, PMR or lent BAR"))
		return 4;
	return 0;
}

static void test_auto_falls_back_to_host(void **state)
{
	(void)state;
	assert_int_equal(fixture_in_child(copy_without_peer_memory, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest alone[] = { cmocka_unit_test(test_auto_falls_back_to_host) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opts),        cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_huge_ranges), cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_chunk),       cmocka_unit_test(test_depth),
		cmocka_unit_test(test_no_such_way), cmocka_unit_test(test_rights),
		cmocka_unit_test(test_auto),        cmocka_unit_test(test_resources),
	};
	int failed = cmocka_run_group_tests_name("copy_plan_alone", alone, NULL, NULL);

	return failed + cmocka_run_group_tests_name("copy_plan", tests, setup, fixture_stop);
}
