/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A provider that is no controller: memory of this test's, mapped for the emulated controllers as a
 * BAR would be. Copies through it, its life, and the seam that it answers by.
 */
#include <sys/mman.h>

#include "copy_internal.h"
#include "copy_job.h"
#include "pl_log.h"

#define NAME "lender0"
#define LENT MIB(1)

static struct {
	struct pl_p2p p2p;
	uint8_t *va;
	unsigned int uses, unuses;
	uint32_t generation;
	bool lost, asked_back;
	int dead;               /* what alive() answers */
	struct pl_copy *blinks; /* whose provider alive() once calls gone, and alive after that */
	uint64_t copied;        /* when it did */
} lender;

static void lender_use(struct pl_p2p *p)
{
	assert_ptr_equal(p, &lender.p2p);
	lender.uses++;
}

static void lender_unuse(struct pl_p2p *p)
{
	assert_ptr_equal(p, &lender.p2p);
	lender.unuses++;
}

static int lender_lost(const struct pl_p2p *p)
{
	return lender.lost ? pl_fail(-ENODEV, "%s was lost", p->name) : 0;
}

static int lender_asked_back(struct pl_p2p *p)
{
	return lender.asked_back ? pl_fail(-ENODEV, "%s is wanted back", p->name) : 0;
}

static const char *lender_why_none(const struct pl_p2p *p)
{
	(void)p;
	return "";
}

static uint32_t lender_generation(const struct pl_p2p *p)
{
	(void)p;
	return lender.generation;
}

static uint32_t lender_alive_reads(const struct pl_p2p *p, unsigned int memory)
{
	(void)p;
	assert_int_equal(memory, 0);
	return 3;
}

static int lender_alive(const struct pl_p2p *p, unsigned int memory, uint32_t generation)
{
	assert_int_equal(memory, 0);
	if (generation != lender.generation)
		return pl_fail(-ENODEV, "%s was reset", p->name);
	if (lender.blinks) {
		lender.copied = job_copied(lender.blinks);
		lender.blinks = NULL;
		return pl_fail(-EREMOTEIO, "%s is not there", p->name);
	}
	return lender.dead ? pl_fail(lender.dead, "%s is dead", p->name) : 0;
}

static const struct pl_p2p_ops lender_ops = {
	.use = lender_use,
	.unuse = lender_unuse,
	.lost = lender_lost,
	.asked_back = lender_asked_back,
	.why_none = lender_why_none,
	.generation = lender_generation,
	.alive_reads = lender_alive_reads,
	.alive = lender_alive,
};

static int setup(void **state)
{
	struct pl_p2p *p = &lender.p2p;

	if (job_setup(state))
		return -1;
	lender.va = mmap(NULL, LENT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(lender.va, MAP_FAILED);
	assert_int_equal(pl_ioas_map(pl_ioas_default(), lender.va, LENT,
				     PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_BAR),
			 0);
	p->ops = &lender_ops;
	p->ioas = provider_of(SRC)->ioas;
	snprintf(p->name, sizeof(p->name), NAME);
	p->nb_memories = 1;
	p->memory[0].kind = PL_MEM_BAR;
	snprintf(p->memory[0].label, sizeof(p->memory[0].label), "BAR 2");
	assert_int_equal(pl_p2p_heap_create(NAME, PL_MEM_BAR, lender.va, LENT, &p->memory[0].heap),
			 0);
	p2p_register(p);
	return 0;
}

static int teardown(void **state)
{
	p2p_unregister(&lender.p2p);
	assert_null(pl_p2p_get(NAME));
	pl_p2p_heap_destroy(lender.p2p.memory[0].heap);
	assert_int_equal(pl_ioas_unmap(pl_ioas_default(), lender.va, LENT), 0);
	munmap(lender.va, LENT);
	return job_teardown(state);
}

static struct pl_copy *start(void)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_DEVICE);

	lender.uses = lender.unuses = 0;
	opts.via_provider = pl_p2p_get(NAME);
	assert_ptr_equal(opts.via_provider, &lender.p2p);
	return job_start(&opts);
}

static void test_registered(void **state)
{
	struct pl_p2p_memory m;
	struct pl_p2p *p, *last = NULL;
	unsigned int n = 0;

	(void)state;
	for (p = pl_p2p_next(NULL); p; p = pl_p2p_next(p), n++)
		last = p;
	assert_ptr_equal(last, &lender.p2p);
	assert_int_equal(n, 4); /* the controllers come first */
	assert_string_equal(pl_p2p_name(pl_p2p_next(NULL)), SRC);
	assert_null(pl_p2p_get("nobody"));
	assert_errmsg("no device 'nobody'");
	assert_errmsg(NAME);
	assert_int_equal(pl_p2p_memory(&lender.p2p, 0, &m), 0);
	assert_string_equal(m.label, "BAR 2");
	assert_int_equal(m.kind, PL_MEM_BAR);
	assert_ptr_equal(m.heap, lender.p2p.memory[0].heap);
	assert_int_equal(pl_p2p_memory(&lender.p2p, 1, &m), -ENOENT);
}

static void test_path(void **state)
{
	struct pl_p2p *src = provider_of(SRC), *dst = provider_of(DST), other = { .name = "other" };
	struct pl_p2p_path path;

	(void)state;
	pl_p2p_path(src, src, &path);
	assert_int_equal(path.way, PL_P2P_OWN);
	pl_p2p_path(src, dst, &path);
	assert_int_equal(path.way, PL_P2P_PEER);
	pl_p2p_path(&lender.p2p, dst, &path);
	assert_int_equal(path.way, PL_P2P_PEER);
	pl_p2p_heap_set_gone(lender.p2p.memory[0].heap, true);
	pl_p2p_path(&lender.p2p, dst, &path);
	assert_int_equal(path.way, PL_P2P_NO_WAY);
	assert_non_null(strstr(path.reason, "no memory to lend"));
	pl_p2p_heap_set_gone(lender.p2p.memory[0].heap, false);
	pl_p2p_path(src, &other, &path);
	assert_int_equal(path.way, PL_P2P_NO_WAY);
	assert_non_null(strstr(path.reason, "share no IO address space"));
	src->no_peers = true;
	pl_p2p_path(src, dst, &path);
	assert_int_equal(path.way, PL_P2P_NO_WAY);
	pl_p2p_path(src, src, &path);
	assert_int_equal(path.way, PL_P2P_OWN);
	src->no_peers = false;
}

static void test_copy(void **state)
{
	struct pl_copy *job = start();
	const struct pl_copy_plan *plan = pl_copy_plan(job);
	struct pl_copy_stats stats;

	(void)state;
	assert_int_equal(plan->via, PL_COPY_VIA_DEVICE);
	assert_true(plan->p2p && plan->landing_check);
	assert_string_equal(plan->provider, NAME);
	assert_string_equal(plan->label, "BAR 2");
	assert_string_equal(plan->path, SRC " -> " NAME " BAR 2 -> " DST);
	assert_int_equal(lender.uses, 2); /* the probe of the plan, and the job */
	assert_int_equal(lender.unuses, 1);
	if (job_finish(job))
		fail_msg("%s", pl_errmsg());
	assert_int_equal(job_check_target(job), LEN);
	assert_int_equal(lender.unuses, 2);
	pl_copy_stats(job, &stats);
	assert_true(stats.traffic_known);
	for (int dir = 0; dir < 2; dir++) {
		assert_int_equal(
			stats.copy_traffic.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_PEER_BAR][dir], LEN);
		assert_int_equal(stats.copy_traffic.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][dir],
				 0);
	}
	assert_int_equal(stats.landing_checks, CHUNKS);
	/* Each proof is three loads and the canary's. */
	assert_true(stats.proofs > 0);
	assert_true(stats.device_reads >= 4 * stats.proofs);
	pl_copy_destroy(job);
}

/* It lost what it was given: nothing after the last good proof is acknowledged. */
static void test_dies(void **state)
{
	static const struct {
		int dead, want;
		bool reset, lost, asked_back, canary;
		const char *why;
	} deaths[] = {
		{ .dead = -EREMOTEIO, .want = -EREMOTEIO, .why = "is dead" },
		{ .dead = -ENODEV, .want = -ENODEV, .why = "is dead" },
		{ .reset = true, .want = -ENODEV, .why = "was reset" },
		{ .canary = true, .want = -EREMOTEIO, .why = "lost what was written to it" },
		{ .dead = -EREMOTEIO, .lost = true, .want = -ENODEV, .why = "was lost" },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(deaths); i++) {
		struct pl_copy *job = start();

		job_poll_to(job, LEN / 4);
		lender.dead = deaths[i].dead;
		lender.lost = deaths[i].lost;
		lender.generation += deaths[i].reset;
		if (deaths[i].canary)
			*job->proof.canary ^= 1;
		job_assert_ended(job, deaths[i].want, deaths[i].why);
		assert_in_range(job_check_target(job), LEN / 4, LEN - CHUNK);
		pl_copy_destroy(job);
		lender.dead = 0;
		lender.lost = false;
	}
}

/* Its memory is gone for a moment and comes back unchanged: what was written meanwhile completes
 * later, and does not count although the provider is alive again. */
static void test_blinks(void **state)
{
	(void)state;
	for (uint64_t after = 0; after < LEN / 2; after += 7 * CHUNK) {
		struct pl_copy *job = start();

		job_poll_to(job, after);
		lender.blinks = job;
		job_assert_ended(job, -EREMOTEIO, "is not there");
		assert_int_equal(job_copied(job), lender.copied);
		job_check_target(job);
		pl_copy_destroy(job);
	}
}

/* Whoever unbinds it is not kept waiting by a copy that stands still. */
static void test_asked_back(void **state)
{
	struct pl_copy *job = start();

	(void)state;
	lender.asked_back = true;
	job->suspect = 0; /* asks in every round */
	job_assert_ended(job, -ENODEV, "is wanted back");
	pl_copy_destroy(job);
	lender.asked_back = false;
}

/* `auto` takes it when neither end has memory that fits, and passes by if its memory was lost. */
static void test_auto(void **state)
{
	struct pl_copy_opts opts = job_opts(PL_COPY_VIA_AUTO);
	struct pl_p2p *own[] = { provider_of(SRC), provider_of(DST), provider_of(THIRD) };
	struct pl_p2p_heap *heaps[RTE_DIM(own)][P2P_MEMORIES];
	struct pl_copy *job;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned int m = 0; m < own[i]->nb_memories; m++) {
			heaps[i][m] = own[i]->memory[m].heap;
			own[i]->memory[m].heap = NULL;
		}
	/* Whose life more than a canary tells of goes first. */
	assert_int_equal(pl_copy_create(&opts, &job), 0);
	assert_string_equal(pl_copy_plan(job)->provider, THIRD);
	pl_copy_destroy(job);
	provider_of(THIRD)->canary_only = true;
	assert_int_equal(pl_copy_create(&opts, &job), 0);
	assert_string_equal(pl_copy_plan(job)->provider, NAME);
	pl_copy_destroy(job);
	provider_of(THIRD)->canary_only = false;
	for (size_t i = 2; i < RTE_DIM(own); i++)
		for (unsigned int m = 0; m < own[i]->nb_memories; m++) {
			heaps[i][m] = own[i]->memory[m].heap;
			own[i]->memory[m].heap = NULL;
		}
	assert_int_equal(pl_copy_create(&opts, &job), 0);
	assert_string_equal(pl_copy_plan(job)->provider, NAME);
	pl_copy_destroy(job);
	pl_p2p_heap_set_gone(lender.p2p.memory[0].heap, true);
	assert_int_equal(pl_copy_create(&opts, &job), 0);
	assert_string_equal(pl_copy_plan(job)->provider, "host");
	pl_copy_destroy(job);
	pl_p2p_heap_set_gone(lender.p2p.memory[0].heap, false);
	for (size_t i = 0; i < RTE_DIM(own); i++)
		for (unsigned int m = 0; m < own[i]->nb_memories; m++)
			own[i]->memory[m].heap = heaps[i][m];
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registered), cmocka_unit_test(test_path),
		cmocka_unit_test(test_copy),       cmocka_unit_test(test_dies),
		cmocka_unit_test(test_blinks),     cmocka_unit_test(test_asked_back),
		cmocka_unit_test(test_auto),
	};

	return cmocka_run_group_tests_name("p2p", tests, setup, teardown);
}
