/* SPDX-License-Identifier: BSD-3-Clause */
/* IO address spaces, host's side: backends, map, unmap, leaves, what a failure leaves behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <peerlane/pl_eal.h>

#include "iommu_backend.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "soft/soft_internal.h"

#define KIB(n)      ((size_t)(n) << 10)
#define MIB(n)      ((size_t)(n) << 20)
#define GIB(n)      ((size_t)(n) << 30)
#define RW          (PL_IOMMU_READ | PL_IOMMU_WRITE)
#define IOVA_BASE   GIB(8)
#define HOST(value) ((void *)(uintptr_t)(value))

static struct pl_ioas *create(const char *args)
{
	struct pl_ioas *ioas = NULL;

	assert_int_equal(pl_ioas_create("soft", args, &ioas), 0);
	return ioas;
}

static struct pl_soft_pt *pt_of(struct pl_ioas *ioas)
{
	return &((struct pl_soft_ioas *)ioas)->pt;
}

/* Address space without memory: a translation never touches what it points to. */
static char *reserve(size_t len, size_t align, void **map, size_t *map_len)
{
	*map_len = len + align;
	*map = mmap(NULL, *map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(*map, MAP_FAILED);
	return HOST(((uintptr_t)*map + align - 1) & ~(align - 1));
}

static size_t xlate(struct pl_soft_dev *dev, uint64_t iova, size_t len, uint32_t access,
		    void **host, enum pl_mem_kind *kind)
{
	size_t run;

	pl_soft_begin(dev);
	run = pl_soft_xlate(dev, iova, len, access, host, kind);
	pl_soft_end(dev);
	return run;
}

static void assert_leaves(struct pl_ioas *ioas, uint64_t n4k, uint64_t n2m, uint64_t n1g)
{
	assert_int_equal(pt_of(ioas)->leaves[0], n4k);
	assert_int_equal(pt_of(ioas)->leaves[1], n2m);
	assert_int_equal(pt_of(ioas)->leaves[2], n1g);
}

/* Refuses to be created until `fake_usable`; tells what `auto` and attach make of it. */
static int fake_usable;

static int fake_available(void)
{
	return fake_usable ? 0 : -ENODEV;
}

static int no_aperture(const struct pl_ioas *ioas, struct pl_iova_range **ranges)
{
	(void)ioas;
	*ranges = NULL;
	return 0;
}

static int fake_create(const char *args, struct pl_ioas **ioas)
{
	static const struct pl_ioas_ops ops = { .name = "fake", .aperture = no_aperture };
	static struct pl_ioas fake = { .ops = &ops };

	assert_string_equal(args, "");
	*ioas = &fake;
	return 0;
}

static int fake_check(const char *args)
{
	return args[0] != '\0' ? -EINVAL : 0;
}

static void test_backend_names(void **state)
{
	static const struct pl_ioas_ops ops = {
		.name = "fake",
		.rank = 1000,
		.available = fake_available,
		.check = fake_check,
		.create = fake_create,
		.aperture = no_aperture,
	};
	static struct pl_ioas_backend fake = { .ops = &ops };
	struct pl_soft_dev *dev;
	struct pl_ioas *ioas;

	(void)state;
	assert_int_equal(pl_ioas_create("nonsense", "", &ioas), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "nonsense"));
	assert_non_null(strstr(pl_errmsg(), "auto, iommufd, type1, soft"));
	assert_int_equal(pl_ioas_create("fake", "", &ioas), -EINVAL);
	assert_int_equal(pl_ioas_create("auto", "aw=39", &ioas), -EINVAL);

	pl_ioas_backend_register(&fake);
	assert_int_equal(pl_ioas_create("fake", "", &ioas), -ENOTSUP);
	assert_int_equal(pl_ioas_create("fake", "x=1", &ioas), -EINVAL);
	assert_int_equal(pl_ioas_create("auto", "", &ioas), 0);
	assert_string_not_equal(pl_ioas_backend(ioas), "fake");
	pl_ioas_destroy(ioas);

	fake_usable = 1;
	assert_int_equal(pl_ioas_create("auto", "", &ioas), 0);
	assert_string_equal(pl_ioas_backend(ioas), "fake");
	assert_int_equal(pl_soft_attach(ioas, "nvme_emu0", &dev), -ENOTSUP);
	fake_usable = 0;
	pl_ioas_backend_unregister(&fake);
}

/* ---- what `auto` takes: backends of a family that no device is of ---- */

#define FAMILY ((enum pl_ioas_family)PL_IOAS_FAMILIES)

struct choice {
	struct pl_ioas_ops ops;
	struct pl_ioas_backend entry;
	struct pl_ioas ioas;
	int available, create;
	uint32_t caps;
	int opened;
};

static struct choice best, middle, least;

static int choice_available(struct choice *c)
{
	return c->available ? pl_fail(c->available, "%s is not here", c->ops.name) : 0;
}

static int choice_create(struct choice *c, struct pl_ioas **ioas)
{
	if (c->create)
		return pl_fail(c->create, "%s does not open", c->ops.name);
	c->opened++;
	c->ioas.ops = &c->ops;
	*ioas = &c->ioas;
	return 0;
}

#define CHOICE(c)                                                    \
	static int c##_available(void)                               \
	{                                                            \
		return choice_available(&c);                         \
	}                                                            \
	static int c##_create(const char *args, struct pl_ioas **io) \
	{                                                            \
		assert_string_equal(args, "");                       \
		return choice_create(&c, io);                        \
	}

CHOICE(best)
CHOICE(middle)
CHOICE(least)

static struct choice *choice_of(struct pl_ioas *ioas)
{
	return (struct choice *)((char *)ioas - offsetof(struct choice, ioas));
}

static void choice_destroy(struct pl_ioas *ioas)
{
	choice_of(ioas)->opened--;
}

static uint32_t choice_caps(struct pl_ioas *ioas)
{
	pl_fail(-ENOTSUP, "%s lacks something", ioas->ops->name);
	return choice_of(ioas)->caps;
}

static void choice_register(struct choice *c, const char *name, int rank, int (*available)(void),
			    int (*open)(const char *, struct pl_ioas **))
{
	*c = (struct choice){
		.ops = {
			.name = name,
			.family = FAMILY,
			.rank = rank,
			.available = available,
			.create = open,
			.destroy = choice_destroy,
			.caps = choice_caps,
			.aperture = no_aperture,
		},
		.caps = IOAS_CAP_PEER,
	};
	c->entry.ops = &c->ops;
	pl_ioas_backend_register(&c->entry);
}

static int choices(void **state)
{
	(void)state;
	choice_register(&least, "least", 1, least_available, least_create);
	choice_register(&best, "best", 3, best_available, best_create);
	choice_register(&middle, "middle", 2, middle_available, middle_create);
	return 0;
}

static int choices_end(void **state)
{
	(void)state;
	pl_ioas_backend_unregister(&best.entry);
	pl_ioas_backend_unregister(&middle.entry);
	pl_ioas_backend_unregister(&least.entry);
	return 0;
}

static void assert_auto(struct choice *want)
{
	struct pl_ioas *ioas = NULL;

	assert_int_equal(ioas_open_auto(FAMILY, IOAS_CAP_PEER, NULL, &ioas), 0);
	assert_string_equal(pl_ioas_backend(ioas), want->ops.name);
	assert_int_equal(best.opened + middle.opened + least.opened, 1);
	pl_ioas_destroy(ioas);
	assert_int_equal(best.opened + middle.opened + least.opened, 0);
}

static void test_auto_takes_the_capable(void **state)
{
	(void)state;
	assert_auto(&best);
	best.caps = 0;
	assert_auto(&middle); /* a lower one that has what the higher one lacks */
	middle.create = -ENODEV;
	assert_auto(&least);
	least.caps = 0;
	assert_auto(&best); /* none has it: the highest that opens will do */
	best.available = -ENOENT;
	assert_auto(&least);
	middle.create = 0;
	assert_auto(&middle);
	middle.ops.caps = NULL; /* can nothing at all */
	least.caps = IOAS_CAP_PEER;
	assert_auto(&least);
}

static void test_auto_says_why_not(void **state)
{
	struct pl_ioas *ioas;

	(void)state;
	best.available = -ENOENT;
	middle.create = -EACCES;
	least.create = -ENOTSUP;
	assert_int_equal(ioas_open_auto(FAMILY, 0, NULL, &ioas), -EACCES);
	assert_non_null(
		strstr(pl_errmsg(), "best: best is not here; middle: middle does not open"));
	/* The same of each is told once. */
	best.available = 0;
	best.create = middle.create = least.create = -EBUSY;
	assert_int_equal(ioas_open_auto(FAMILY, 0, NULL, &ioas), -EBUSY);
	assert_string_equal(pl_errmsg(), "best does not open");
	choices_end(NULL);
	assert_int_equal(ioas_open_auto(FAMILY, 0, NULL, &ioas), -ENOTSUP);
}

static void test_names_of_a_family(void **state)
{
	char names[IOAS_NAMES_LEN], few[8];

	(void)state;
	assert_string_equal(ioas_backend_names(1u << FAMILY, names, sizeof(names)),
			    "auto, best, middle, least");
	assert_string_equal(ioas_backend_names(1u << FAMILY, few, sizeof(few)), "auto, b");
	assert_non_null(strstr(pl_eal_usage(), "auto, iommufd, type1, "));
	assert_non_null(strstr(pl_eal_usage(), "soft"));
}

/* ---- the aperture is read once, however long it is ---- */

enum { HOLES = 100 };
static unsigned int aperture_calls;

static int holes_available(void)
{
	return 0;
}

static void holes_destroy(struct pl_ioas *ioas)
{
	(void)ioas;
}

static int holes_aperture(const struct pl_ioas *ioas, struct pl_iova_range **ranges)
{
	struct pl_iova_range *r = calloc(HOLES, sizeof(*r));

	(void)ioas;
	assert_non_null(r);
	for (unsigned int i = 0; i < HOLES; i++) /* the page behind each is a hole */
		r[i] = (struct pl_iova_range){ IOVA_BASE + i * KIB(16),
					       IOVA_BASE + i * KIB(16) + KIB(12) - 1 };
	*ranges = r;
	aperture_calls++;
	return HOLES;
}

static int holes_map(struct pl_ioas *ioas, uint64_t at, void *va, size_t len, uint32_t prot,
		     enum pl_mem_kind kind)
{
	(void)ioas;
	(void)len;
	(void)prot;
	(void)kind;
	assert_int_equal(at, (uintptr_t)va);
	return 0;
}

static int holes_create(const char *args, struct pl_ioas **ioas);

static const struct pl_ioas_ops holes_ops = {
	.name = "holes",
	.available = holes_available,
	.create = holes_create,
	.destroy = holes_destroy,
	.aperture = holes_aperture,
	.map = holes_map,
};

static int holes_create(const char *args, struct pl_ioas **ioas)
{
	static struct pl_ioas space;

	(void)args;
	space.ops = &holes_ops;
	*ioas = &space;
	return 0;
}

static void test_aperture_is_cached(void **state)
{
	struct pl_iova_range r[HOLES + 1];
	struct pl_ioas *ioas;

	(void)state;
	assert_int_equal(ioas_open(&holes_ops, "", NULL, &ioas), 0);
	assert_int_equal(pl_ioas_aperture(ioas, r, HOLES + 1), HOLES);
	assert_int_equal(r[HOLES - 1].last, IOVA_BASE + HOLES * KIB(16) - KIB(4) - 1);
	for (unsigned int i = HOLES - 10; i < HOLES; i++) {
		uint64_t at = r[i].start;

		assert_int_equal(pl_ioas_map(ioas, HOST(at), KIB(12), RW, PL_MEM_HOST), 0);
		assert_int_equal(pl_ioas_map(ioas, HOST(at), KIB(16), RW, PL_MEM_HOST), -EINVAL);
		assert_true(pl_ioas_covers(ioas, at + KIB(8), KIB(4)));
		assert_false(pl_ioas_covers(ioas, at + KIB(12), KIB(4)));
	}
	assert_int_equal(aperture_calls, 1);
	pl_ioas_destroy(ioas);
}

/* What pl_eal_init() refuses before it starts anything, so it can be asked again. */
static void test_arguments(void **state)
{
	static const struct {
		const char *arg;
		int ret;
		const char *says;
	} bad[] = {
		{ "--iommu=nonsense", -EINVAL, "auto, iommufd, type1, soft" },
		{ "--iommu=soft,aw=40", -EINVAL, "aw=40" },
		{ "--iommu=soft,aw", -EINVAL, "aw=39|48" },
		{ "--iommu=soft,width=48", -EINVAL, "width" },
		{ "--iommu=auto,aw=48", -EINVAL, "auto" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *argv[] = { strdup("test_iommu"), strdup(bad[i].arg), NULL };

		assert_int_equal(pl_eal_init(2, argv), bad[i].ret);
		assert_non_null(strstr(pl_errmsg(), bad[i].says));
		assert_null(pl_ioas_default());
		free(argv[0]);
		free(argv[1]);
	}
}

static void test_aperture(void **state)
{
	static const struct {
		uint64_t iova;
		size_t len;
	} outside[] = {
		{ 0, 4096 },
		{ 0xfee00000, 4096 },
		{ 0xfeeff000, 4096 },
		{ 0xfedff000, 8192 },
		{ 0xfeeff000, 8192 },
		{ 0xf0000000, GIB(1) },
		{ 1ull << 39, 4096 },
		{ (1ull << 39) - 4096, 8192 },
		{ 0x1000, SIZE_MAX - 4095 },
		{ UINT64_MAX - 4095, 4096 },
		{ UINT64_MAX - 4095, 8192 },
	};
	struct pl_ioas *ioas = create("aw=39");
	struct pl_iova_range r[3] = { { 1, 1 }, { 1, 1 }, { 1, 1 } };
	struct pl_ioas_stats stats;

	(void)state;
	assert_int_equal(pl_ioas_aperture(ioas, r, 1), 2);
	assert_int_equal(r[1].start, 1); /* only as many as there is room for */
	assert_int_equal(pl_ioas_aperture(ioas, r, 3), 2);
	assert_int_equal(r[0].start, 0x1000);
	assert_int_equal(r[0].last, 0xfedfffff);
	assert_int_equal(r[1].start, 0xfef00000);
	assert_int_equal(r[1].last, (1ull << 39) - 1);
	assert_int_equal(r[2].start, 1);

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		assert_int_equal(
			pl_ioas_map(ioas, HOST(outside[i].iova), outside[i].len, RW, PL_MEM_HOST),
			-EINVAL);
	/* Its edges are inside. */
	assert_int_equal(pl_ioas_map(ioas, HOST(0x1000), 4096, RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST(0xfedff000), 4096, RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST(0xfef00000), 4096, RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST((1ull << 39) - 4096), 4096, RW, PL_MEM_HOST), 0);
	pl_ioas_stats(ioas, &stats);
	assert_int_equal(stats.maps, 4);
	assert_int_equal(stats.mapped_bytes, 4 * 4096);
	pl_ioas_destroy(ioas);

	ioas = create("aw=48");
	pl_ioas_aperture(ioas, r, 2);
	assert_int_equal(r[1].last, (1ull << 48) - 1);
	assert_int_equal(pl_ioas_map(ioas, HOST((1ull << 48) - 4096), 4096, RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST(1ull << 48), 4096, RW, PL_MEM_HOST), -EINVAL);
	pl_ioas_destroy(ioas);
}

static void test_bad_arguments(void **state)
{
	struct pl_ioas *ioas = create("");
	void *at = HOST(IOVA_BASE);

	(void)state;
	assert_int_equal(pl_ioas_map(ioas, at, 0, RW, PL_MEM_HOST), -EINVAL);
	assert_int_equal(pl_ioas_map(ioas, at, 4095, RW, PL_MEM_HOST), -EINVAL);
	assert_int_equal(pl_ioas_map(ioas, HOST(IOVA_BASE + 512), 4096, RW, PL_MEM_HOST), -EINVAL);
	assert_int_equal(pl_ioas_map(ioas, at, 4096, 0, PL_MEM_HOST), -EINVAL);
	assert_int_equal(pl_ioas_map(ioas, at, 4096, 4, PL_MEM_HOST), -EINVAL);
	assert_int_equal(pl_ioas_map(ioas, at, 4096, RW, PL_MEM_KINDS), -EINVAL);
	assert_int_equal(pl_ioas_unmap(ioas, at, 4096), -ENOENT);

	assert_int_equal(pl_ioas_map(ioas, at, 16384, RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_unmap(ioas, at, 8192), -EINVAL);
	assert_int_equal(pl_ioas_unmap(ioas, at, 20480), -EINVAL);
	assert_int_equal(pl_ioas_unmap(ioas, at, 0), -EINVAL);
	assert_int_equal(pl_ioas_unmap(ioas, HOST(IOVA_BASE + 4096), 12288), -ENOENT);
	assert_leaves(ioas, 4, 0, 0);
	assert_int_equal(pl_ioas_unmap(ioas, at, 16384), 0);
	assert_int_equal(pl_ioas_unmap(ioas, at, 16384), -ENOENT);
	pl_ioas_destroy(ioas);
}

/* Each row says which leaves a mapping must be made of. */
static void check_leaves(const char *args)
{
	static const struct {
		size_t iova_off, host_off, len;
		uint64_t n4k, n2m, n1g;
	} rows[] = {
		{ 0, 0, 4096, 1, 0, 0 },
		{ 0, 0, MIB(2), 0, 1, 0 },
		{ 0, 0, GIB(1), 0, 0, 1 },
		{ 0, 0, GIB(1) + MIB(2) + KIB(4), 1, 1, 1 },
		{ MIB(2) - KIB(4), MIB(2) - KIB(4), MIB(2) + KIB(8), 2, 1, 0 },
		{ GIB(1) - MIB(2), GIB(1) - MIB(2), GIB(1) + MIB(4), 0, 2, 1 },
		{ 0, KIB(4), MIB(4), 1024, 0, 0 }, /* the host's address does not allow it */
		{ KIB(4), 0, MIB(4), 1024, 0, 0 }, /* nor the device's */
		{ 0, MIB(2), GIB(1) + MIB(2), 0, 513, 0 }, /* 2 MiB aligned to each other */
		{ 0, 0, GIB(1) - KIB(4), 511, 511, 0 },    /* a page too short */
	};
	struct pl_ioas *ioas = create(args);
	struct pl_soft_dev *dev;
	void *map, *host;
	enum pl_mem_kind kind;
	size_t map_len;
	char *base = reserve(GIB(3), GIB(1), &map, &map_len);

	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t iova = IOVA_BASE + rows[i].iova_off;
		char *va = base + rows[i].host_off;

		assert_int_equal(ioas->ops->map(ioas, iova, va, rows[i].len, RW, PL_MEM_CMB), 0);
		assert_leaves(ioas, rows[i].n4k, rows[i].n2m, rows[i].n1g);
		/* Across every size of leaf it is one run, from the start and from the middle. */
		assert_int_equal(xlate(dev, iova, rows[i].len + 4096, PL_IOMMU_READ, &host, &kind),
				 rows[i].len);
		assert_ptr_equal(host, va);
		assert_int_equal(kind, PL_MEM_CMB);
		assert_int_equal(
			xlate(dev, iova + rows[i].len - 24, 4096, PL_IOMMU_WRITE, &host, &kind),
			24);
		assert_ptr_equal(host, va + rows[i].len - 24);
		assert_int_equal(xlate(dev, iova - 1, 1, PL_IOMMU_READ, &host, &kind), 0);
		assert_int_equal(xlate(dev, iova + rows[i].len, 1, PL_IOMMU_READ, &host, &kind), 0);
		assert_int_equal(ioas->ops->unmap(ioas, iova, rows[i].len), 0);
		assert_leaves(ioas, 0, 0, 0);
		assert_int_equal(pt_of(ioas)->root->used, 0); /* empty tables went, too */
	}
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	munmap(map, map_len);
}

static void test_leaf_sizes(void **state)
{
	(void)state;
	check_leaves("aw=48");
	check_leaves("aw=39");
}

static void test_overlap(void **state)
{
	static const struct {
		size_t off, len;
	} rows[] = {
		{ MIB(4), MIB(4) },          /* the same */
		{ MIB(2), MIB(8) },          /* around it */
		{ MIB(5), KIB(4) },          /* inside */
		{ MIB(4) - KIB(4), KIB(8) }, /* over its first page */
		{ MIB(8) - KIB(4), KIB(8) }, /* over its last page */
		{ MIB(1), GIB(2) },          /* a 1 GiB leaf's worth around it */
	};
	struct pl_ioas_stats before, after;
	struct pl_ioas *ioas = create("");

	(void)state;
	assert_int_equal(pl_ioas_map(ioas, HOST(IOVA_BASE + MIB(4)), MIB(4), RW, PL_MEM_HOST), 0);
	pl_ioas_stats(ioas, &before);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(pl_ioas_map(ioas, HOST(IOVA_BASE + rows[i].off), rows[i].len, RW,
					     PL_MEM_HOST),
				 -EEXIST);
		assert_leaves(ioas, 0, 2, 0);
		pl_ioas_stats(ioas, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	/* Neighbours do not overlap. */
	assert_int_equal(pl_ioas_map(ioas, HOST(IOVA_BASE), MIB(4), RW, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST(IOVA_BASE + MIB(8)), KIB(4), RW, PL_MEM_HOST), 0);
	assert_leaves(ioas, 1, 4, 0);
	pl_ioas_destroy(ioas);
}

/* Every step of a map that can fail, fails once: nothing of it is left. */
static void test_map_rolls_back(void **state)
{
	const uint64_t iova = GIB(512) - KIB(4); /* new tables of every level */
	const size_t len = GIB(1) + MIB(2) + KIB(12);
	struct pl_ioas *ioas = create("");
	struct pl_ioas_stats before, after;
	struct pl_soft_dev *dev;
	enum pl_mem_kind kind;
	unsigned int n = 1;
	void *host;

	(void)state;
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), 0);
	assert_int_equal(pl_ioas_map(ioas, HOST(iova - KIB(8)), KIB(4), RW, PL_MEM_HOST), 0);
	for (;; n++) {
		int ret;

		pl_ioas_stats(ioas, &before);
		pl_inject_arm(n);
		ret = pl_ioas_map(ioas, HOST(iova), len, RW, PL_MEM_HOST);
		pl_inject_arm(0);
		if (ret == 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_leaves(ioas, 1, 0, 0);
		assert_int_equal(pt_of(ioas)->root->used, 1);
		assert_int_equal(pl_ioas_unmap(ioas, HOST(iova), len), -ENOENT);
		for (size_t off = 0; off < len; off += MIB(1))
			assert_int_equal(xlate(dev, iova + off, 1, PL_IOMMU_READ, &host, &kind), 0);
		assert_int_equal(xlate(dev, iova - KIB(8), 1, PL_IOMMU_READ, &host, &kind), 1);
		pl_ioas_stats(ioas, &after);
		assert_int_equal(after.maps, before.maps);
		assert_int_equal(after.mappings, before.mappings);
		assert_int_equal(after.mapped_bytes, before.mapped_bytes);
	}
	assert_int_equal(n, 6); /* the record, its place in the tree, a table of each level */
	assert_int_equal(xlate(dev, iova, len, PL_IOMMU_READ, &host, &kind), len);
	assert_int_equal(pl_ioas_unmap(ioas, HOST(iova), len), 0);
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
}

static void test_create_unwinds(void **state)
{
	struct pl_soft_dev *dev;
	struct pl_ioas *ioas;
	unsigned int n = 1;

	(void)state;
	for (;; n++) {
		int ret;

		pl_inject_arm(n);
		ret = pl_ioas_create("soft", "", &ioas);
		if (ret == 0)
			break;
		assert_true(pl_inject_fired());
		assert_int_equal(ret, -ENOMEM);
	}
	assert_int_equal(n, 5); /* itself, its root table, its grace periods, its aperture */
	pl_inject_arm(1);
	assert_int_equal(pl_soft_attach(ioas, "dev", &dev), -ENOMEM);
	pl_inject_arm(0);
	pl_ioas_destroy(ioas);
}

/* Thousands of mappings, made and ended in no order. */
static void test_many(void **state)
{
	enum { N = 6000 };
	static unsigned int order[N];
	struct pl_ioas *ioas = create("");
	struct pl_ioas_stats stats;
	unsigned int seed = 1;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		order[i] = i;
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = N - 1; i > 0; i--) {
			unsigned int j = (seed = seed * 1664525u + 1013904223u) % (i + 1);
			unsigned int t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		for (unsigned int i = 0; i < N; i++) {
			/* Neighbours in address without a gap: a mistake hits one of them. */
			void *va = HOST(IOVA_BASE + order[i] * KIB(8));

			if (pass == 0)
				assert_int_equal(pl_ioas_map(ioas, va, KIB(8), RW, PL_MEM_HOST), 0);
			else
				assert_int_equal(pl_ioas_unmap(ioas, va, KIB(8)), 0);
			assert_leaves(ioas, 2 * (pass == 0 ? i + 1 : N - 1 - i), 0, 0);
		}
	}
	pl_ioas_stats(ioas, &stats);
	assert_int_equal(stats.maps, N);
	assert_int_equal(stats.unmaps, N);
	assert_int_equal(stats.mappings, 0);
	assert_int_equal(stats.mapped_bytes, 0);
	assert_int_equal(stats.invalidations, N);
	assert_int_equal(pt_of(ioas)->root->used, 0);
	pl_ioas_destroy(ioas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_aperture),
		cmocka_unit_test(test_aperture_is_cached),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_leaf_sizes),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_map_rolls_back),
		cmocka_unit_test(test_create_unwinds),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_backend_names),
		cmocka_unit_test_setup_teardown(test_auto_takes_the_capable, choices, choices_end),
		cmocka_unit_test_setup_teardown(test_auto_says_why_not, choices, choices_end),
		cmocka_unit_test_setup_teardown(test_names_of_a_family, choices, choices_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
