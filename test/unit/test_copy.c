/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of random ranges between random devices, every way there is. The targets are poisoned
 * whole, read back whole by queue pairs that lib/copy knows nothing of, and compared with what the
 * test knows they must hold. What the devices counted must be exactly what the way says.
 */
#include "fixture.h"

#include <peerlane/pl_copy.h>

#define CASES  1200u
#define NS_LEN MIB(1)

enum { DEVS = 6, THIRD = 6 };

/* The last one only lends its memory. */
static const char *const vdevs[] = {
	"nvme_emu0,size=1M,bs=512,cmb=512K",
	"nvme_emu1,size=1M,bs=1K,cmb=1M,mdts=32K",
	"nvme_emu2,size=1M,bs=2K,pmr=512K",
	"nvme_emu3,size=1M,bs=4K,cmb=256K,pmr=256K",
	"nvme_emu4,size=1M,bs=512,mdts=16K,mqes=20",
	"nvme_emu5,size=1M,bs=4K",
	"nvme_emu6,size=64K,pmr=640K",
};

struct device {
	char name[16];
	struct pl_nvme_ctrlr *ctrlr;
	struct pl_nvme_ns *ns;
	struct pl_nvme_qpair *qp; /* the test's own */
	uint8_t *holds;           /* what the namespace holds */
	uint32_t max_xfer;
};

static struct device devs[RTE_DIM(vdevs)];
static uint8_t *scratch;

struct kase {
	unsigned int nr;
	struct device *src, *dst;
	struct pl_copy_opts opts;
	uint64_t bytes;
	uint64_t src_at, dst_at; /* bytes from the start of the namespaces */
};

static struct pl_p2p_heap *heap_of(const struct device *d, enum pl_mem_kind *kind)
{
	for (*kind = PL_MEM_CMB; *kind <= PL_MEM_PMR; (*kind)++)
		if (pl_nvme_ctrlr_heap(d->ctrlr, *kind))
			return pl_nvme_ctrlr_heap(d->ctrlr, *kind);
	*kind = PL_MEM_HOST;
	return NULL;
}

/* Whose memory a copy goes through; NULL: host memory. All devices here may use their own memory
 * for everything. */
static struct device *device_of(const struct kase *k)
{
	struct device *const order[] = { k->dst, k->src, &devs[0] };
	enum pl_mem_kind kind;

	switch (k->opts.via) {
	case PL_COPY_VIA_DST:
		return k->dst;
	case PL_COPY_VIA_SRC:
		return k->src;
	case PL_COPY_VIA_DEVICE:
		return &devs[THIRD];
	case PL_COPY_VIA_AUTO:
		for (size_t i = 0; i < RTE_DIM(order); i++)
			if (heap_of(order[i], &kind))
				return order[i];
		return NULL;
	default:
		return NULL;
	}
}

static enum pl_copy_via random_via(const struct kase *k)
{
	enum pl_mem_kind kind;

	for (;;) {
		enum pl_copy_via via = (enum pl_copy_via)random_below(PL_COPY_VIA_HOST + 1);

		if ((via == PL_COPY_VIA_DST && !heap_of(k->dst, &kind)) ||
		    (via == PL_COPY_VIA_SRC && !heap_of(k->src, &kind)))
			continue;
		return via;
	}
}

/* Two ranges of the same length; on one device they do not overlap. */
static void random_ranges(struct kase *k, uint32_t lba)
{
	uint64_t room = k->src == k->dst ? NS_LEN / 4 : NS_LEN;
	uint32_t src_lba = 1u << k->src->ns->lba_shift, dst_lba = 1u << k->dst->ns->lba_shift;

	/* Short copies as often as long ones: the corners are there. */
	room >>= random_below(8);
	k->bytes = lba * (1 + random_below(RTE_MAX(room / lba, 1ull)));
	do {
		k->src_at = src_lba * random_below((NS_LEN - k->bytes) / src_lba + 1);
		k->dst_at = dst_lba * random_below((NS_LEN - k->bytes) / dst_lba + 1);
	} while (k->src == k->dst && k->src_at < k->dst_at + k->bytes &&
		 k->dst_at < k->src_at + k->bytes);
}

/* A depth that the provider's memory and both queues hold. */
static uint32_t random_depth(const struct kase *k)
{
	struct device *provider = device_of(k);
	struct pl_p2p_heap_stats stats = { .largest_free = MIB(8) };
	uint32_t queue = k->src == &devs[4] || k->dst == &devs[4] ? 19 : 64;
	enum pl_mem_kind kind;
	uint64_t fit;

	if (provider) {
		pl_p2p_heap_stats(heap_of(provider, &kind), &stats);
		stats.largest_free -= PL_P2P_PAGE; /* the canary's */
	}
	fit = stats.largest_free / RTE_ALIGN_CEIL((uint64_t)k->opts.chunk, PL_P2P_PAGE);
	assert_true(fit > 0);
	return 1 + (uint32_t)random_below(RTE_MIN(fit, queue));
}

static void make_case(struct kase *k, unsigned int nr)
{
	uint32_t lba;

	memset(k, 0, sizeof(*k));
	k->nr = nr;
	k->src = &devs[random_below(DEVS)];
	k->dst = &devs[random_below(DEVS)];
	lba = 1u << RTE_MAX(k->src->ns->lba_shift, k->dst->ns->lba_shift);
	random_ranges(k, lba);
	k->opts = (struct pl_copy_opts){
		.opts_size = sizeof(k->opts),
		.src = pl_copy_ns_target(k->src->ns, k->src_at >> k->src->ns->lba_shift,
					 k->bytes >> k->src->ns->lba_shift),
		.dst = pl_copy_ns_target(k->dst->ns, k->dst_at >> k->dst->ns->lba_shift,
					 random_below(2) ? k->bytes >> k->dst->ns->lba_shift : 0),
		.via = random_via(k),
		.verify = random_below(2),
		.no_landing_check = random_below(8) == 0,
	};
	if (k->opts.via == PL_COPY_VIA_DEVICE)
		k->opts.via_provider = pl_nvme_ctrlr_p2p(devs[THIRD].ctrlr);
	/* Up to 192 KiB in any multiple, small ones preferred; or the default. */
	if (random_below(8))
		k->opts.chunk = lba * (1 + (uint32_t)random_below(RTE_MAX(
						   (192u << 10 >> random_below(7)) / lba, 1u)));
	if (random_below(4)) {
		if (k->opts.chunk == 0)
			k->opts.chunk = 128u << 10;
		k->opts.depth = random_depth(k);
	}
}

static void describe(const struct kase *k, const char *what)
{
	print_error("case %u: %llu bytes, %s at %llu to %s at %llu, via %d, chunk %u, depth "
		    "%u%s%s: %s\n",
		    k->nr, (unsigned long long)k->bytes, k->src->name,
		    (unsigned long long)k->src_at, k->dst->name, (unsigned long long)k->dst_at,
		    (int)k->opts.via, k->opts.chunk, k->opts.depth,
		    k->opts.verify ? ", verify" : "",
		    k->opts.no_landing_check ? ", no landing check" : "", what);
}

#define CHECK(k, condition)                      \
	do {                                     \
		if (!(condition)) {              \
			describe(k, #condition); \
			fail();                  \
		}                                \
	} while (0)

static void write_all(struct device *d)
{
	memcpy(scratch, d->holds, NS_LEN);
	write_blocks(d->qp, d->ns, scratch, 0, (uint32_t)d->ns->nlb);
}

static void compare_all(const struct kase *k, struct device *d)
{
	size_t i = 0;

	memset(scratch, 0x3c, NS_LEN);
	read_blocks(d->qp, d->ns, scratch, 0, (uint32_t)d->ns->nlb);
	if (memcmp(scratch, d->holds, NS_LEN) == 0)
		return;
	while (scratch[i] == d->holds[i])
		i++;
	print_error("byte %zu of %s is wrong\n", i, d->name);
	describe(k, "data");
	fail();
}

/* The bytes that the way prescribes, and no other. */
static void check_traffic(const struct kase *k, const struct pl_copy_plan *plan,
			  const struct pl_copy_stats *stats)
{
	struct device *provider = device_of(k);
	struct pl_nvme_traffic want = { .bytes = { { { 0 } } } };
	uint64_t(*data)[2] = want.bytes[PL_TRAFFIC_DATA];
	int own = plan->kind == PL_MEM_CMB ? PL_TRAFFIC_OWN_CMB : PL_TRAFFIC_OWN_PMR;
	int peer = plan->kind == PL_MEM_CMB ? PL_TRAFFIC_PEER_CMB : PL_TRAFFIC_PEER_PMR;

	/* [1]: the source writes into the buffer; [0]: the destination reads from it. */
	data[!provider ? PL_TRAFFIC_HOST : k->src == provider ? own : peer][1] = k->bytes;
	data[!provider ? PL_TRAFFIC_HOST : k->dst == provider ? own : peer][0] = k->bytes;
	CHECK(k, stats->traffic_known);
	CHECK(k, memcmp(data, stats->copy_traffic.bytes[PL_TRAFFIC_DATA],
			sizeof(want.bytes[PL_TRAFFIC_DATA])) == 0);
	memset(&want, 0, sizeof(want));
	if (k->opts.verify)
		data[PL_TRAFFIC_HOST][1] = 2 * k->bytes;
	CHECK(k, memcmp(data, stats->verify_traffic.bytes[PL_TRAFFIC_DATA],
			sizeof(want.bytes[PL_TRAFFIC_DATA])) == 0);
}

/* Commands that reads or writes of all chunks take on one side. */
static uint64_t commands_of(const struct device *d, const struct pl_copy_plan *plan)
{
	uint64_t stride = RTE_ALIGN_CEIL((uint64_t)plan->chunk, PL_P2P_PAGE);
	uint64_t piece = RTE_MIN(stride, (uint64_t)d->max_xfer), n = 0;

	for (uint64_t at = 0; at < plan->bytes; at += plan->chunk) {
		uint64_t len = RTE_MIN(plan->bytes - at, (uint64_t)plan->chunk);

		n += (len + piece - 1) / piece;
	}
	return n;
}

static void check_stats(const struct kase *k, const struct pl_copy_plan *plan,
			const struct pl_copy_stats *s)
{
	bool proven = plan->p2p && device_of(k) != k->src && !k->opts.no_landing_check;

	CHECK(k, s->phase == PL_COPY_DONE && s->error == 0);
	CHECK(k, s->bytes_copied == k->bytes);
	CHECK(k, s->bytes_verified == (k->opts.verify ? k->bytes : 0));
	CHECK(k, plan->landing_check == proven);
	CHECK(k, s->landing_checks == (proven ? plan->chunks : 0));
	CHECK(k, s->landing_retries == 0); /* an emulated device writes before it completes */
	CHECK(k, s->read_latency->count == plan->chunks);
	CHECK(k, s->write_latency->count == plan->chunks);
	CHECK(k, s->commands == commands_of(k->src, plan) + commands_of(k->dst, plan));
	CHECK(k, s->sq_doorbells > 0 && s->sq_doorbells <= s->commands);
	CHECK(k, s->cq_doorbells > 0 && s->cq_doorbells <= s->commands);
	CHECK(k, s->copy_cycles > 0 && (s->verify_cycles > 0) == k->opts.verify);
}

static void check_plan(const struct kase *k, const struct pl_copy_plan *plan)
{
	struct device *provider = device_of(k);
	uint32_t chunk = k->opts.chunk ? k->opts.chunk : 128u << 10;
	enum pl_mem_kind kind = PL_MEM_HOST;

	if (provider)
		heap_of(provider, &kind);
	CHECK(k, plan->bytes == k->bytes && plan->chunk == chunk);
	CHECK(k, plan->chunks == (k->bytes + chunk - 1) / chunk);
	CHECK(k, plan->p2p == (provider != NULL));
	CHECK(k, plan->kind == kind);
	CHECK(k, strcmp(plan->provider, provider ? provider->name : "host") == 0);
	CHECK(k, plan->via == (!provider            ? PL_COPY_VIA_HOST
			       : provider == k->dst ? PL_COPY_VIA_DST
			       : provider == k->src ? PL_COPY_VIA_SRC
						    : PL_COPY_VIA_DEVICE));
	CHECK(k, strstr(plan->path, k->src->name) && strstr(plan->path, k->dst->name));
	CHECK(k, plan->reason[0] != '\0');
	if (k->opts.depth)
		CHECK(k, plan->depth == k->opts.depth && !plan->depth_reduced);
	else
		CHECK(k, plan->depth >= 1 && plan->depth <= 32);
}

static size_t all_free(void)
{
	struct pl_p2p_heap_stats stats;
	size_t sum = 0;

	for (size_t i = 0; i < RTE_DIM(devs); i++)
		for (int kind = PL_MEM_CMB; kind <= PL_MEM_PMR; kind++) {
			struct pl_p2p_heap *heap =
				pl_nvme_ctrlr_heap(devs[i].ctrlr, (enum pl_mem_kind)kind);

			if (!heap)
				continue;
			pl_p2p_heap_stats(heap, &stats);
			sum += stats.free;
		}
	return sum;
}

static void run_case(struct kase *k)
{
	size_t host = heap_in_use(), peers = all_free();
	struct pl_copy_range range[2];
	struct pl_copy_stats stats;
	struct pl_copy *job;
	int rc;

	random_fill(k->dst->holds, NS_LEN);
	write_all(k->dst);
	if (pl_copy_create(&k->opts, &job)) {
		describe(k, pl_errmsg());
		fail();
	}
	check_plan(k, pl_copy_plan(job));
	CHECK(k, pl_copy_complete_ranges(job, range, 2) == 0);
	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	if (rc) {
		describe(k, pl_errmsg());
		fail();
	}
	CHECK(k, pl_copy_poll(job) == 0); /* it stays so */
	pl_copy_stats(job, &stats);
	check_stats(k, pl_copy_plan(job), &stats);
	check_traffic(k, pl_copy_plan(job), &stats);
	CHECK(k, pl_copy_complete_ranges(job, range, 2) == 1);
	CHECK(k, range[0].slba == k->dst_at >> k->dst->ns->lba_shift);
	CHECK(k, range[0].nlb == k->bytes >> k->dst->ns->lba_shift);
	pl_copy_destroy(job);
	CHECK(k, heap_in_use() == host && all_free() == peers);

	memmove(k->dst->holds + k->dst_at, k->src->holds + k->src_at, k->bytes);
	compare_all(k, k->dst);
	if (k->src != k->dst && k->nr % 16 == 0)
		compare_all(k, k->src); /* a source is only read */
}

static void test_random_copies(void **state)
{
	unsigned int by_via[PL_COPY_VIA_HOST + 1] = { 0 };
	struct kase k;

	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		make_case(&k, i);
		run_case(&k);
		by_via[k.opts.via]++;
	}
	for (size_t i = 0; i < RTE_DIM(by_via); i++)
		assert_true(by_via[i] > CASES / 50);
}

/* Every pair of LBA sizes, whole namespaces: with the block as chunk, and with everything in one.
 */
static void test_every_pair(void **state)
{
	unsigned int nr = 10000;

	(void)state;
	for (unsigned int s = 0; s < DEVS; s++)
		for (unsigned int d = 0; d < DEVS; d++) {
			uint32_t lba = 1u << RTE_MAX(devs[s].ns->lba_shift, devs[d].ns->lba_shift);
			struct kase k = {
				.nr = nr++,
				.src = &devs[s],
				.dst = &devs[d],
				.bytes = NS_LEN,
				.opts = { .opts_size = sizeof(k.opts),
					  .src = pl_copy_ns_target(devs[s].ns, 0, devs[s].ns->nlb),
					  .dst = pl_copy_ns_target(devs[d].ns, 0, 0),
					  .verify = true,
					  .via = (enum pl_copy_via)(s % 2 ? PL_COPY_VIA_AUTO
									  : PL_COPY_VIA_HOST) },
			};

			if (s == d)
				continue;
			k.opts.chunk = lba;
			run_case(&k);
			k.opts.chunk = NS_LEN;
			k.opts.depth = 1;
			k.opts.via = PL_COPY_VIA_HOST;
			run_case(&k);
		}
}

static int setup(void **state)
{
	(void)state;
	random_start();
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	scratch = dma_alloc(NS_LEN);
	for (size_t i = 0; i < RTE_DIM(devs); i++) {
		struct pl_nvme_ctrlr_info info;
		struct device *d = &devs[i];

		snprintf(d->name, sizeof(d->name), "nvme_emu%zu", i);
		d->ctrlr = ctrlr_of(d->name);
		d->ns = ns_of(d->name, 1);
		pl_nvme_ctrlr_info(d->ctrlr, &info, sizeof(info));
		d->max_xfer = info.max_xfer;
		if (i >= DEVS)
			continue;
		d->qp = qpair_of(d->name, 16, 0);
		d->holds = malloc(NS_LEN);
		assert_non_null(d->holds);
		random_fill(d->holds, NS_LEN);
		write_all(d);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < DEVS; i++) {
		pl_nvme_qpair_destroy(devs[i].qp);
		free(devs[i].holds);
	}
	pl_mem_free(scratch);
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_copies),
		cmocka_unit_test(test_every_pair),
	};

	return cmocka_run_group_tests_name("copy", tests, setup, teardown);
}
