/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software IOMMU, host's side: address spaces for emulated devices.
 *
 * It keeps the promises that hardware keeps, in the same way: page tables, per-device caches of
 * them that go stale, and an invalidation that unmap waits for. So code that forgets to unmap, or
 * touches what it unmapped, fails here as it would there, and with an address.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"
#include "pl_pairs.h"
#include "soft_internal.h"

/* x86 delivers interrupts there: no IOMMU lets a device's writes to it become memory accesses. */
#define MSI_FIRST 0xfee00000ull
#define MSI_LAST  0xfeefffffull
/* Page 0 stays unmapped, so that a forgotten PRP entry faults. */
#define IOVA_FIRST 0x1000ull

struct mapping {
	uint64_t iova;
	uint64_t last;
	bool revoked; /* its owner took the memory back: a hole until it is unmapped */
};

static struct pl_soft_ioas *soft_of(const struct pl_ioas *base)
{
	return (struct pl_soft_ioas *)(uintptr_t)container_of(base, const struct pl_soft_ioas,
							      base);
}

/* Mappings never overlap, so ranges that do compare equal: tfind() answers "what is in the way". */
static int mapping_cmp(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	return x->last < y->iova ? -1 : x->iova > y->last;
}

static struct mapping *mapping_find(const struct pl_soft_ioas *ioas, uint64_t iova, uint64_t last)
{
	const struct mapping key = { .iova = iova, .last = last };
	struct mapping *const *node = tfind(&key, &ioas->mappings, mapping_cmp);

	return node != NULL ? *node : NULL;
}

static void stat_add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static int parse_pair(const struct eal_pair *pair, void *arg)
{
	unsigned int *width = arg;
	const char *val = pair->val ? pair->val : "";

	if (strcmp(pair->key, "aw") == 0 && strcmp(val, "39") == 0)
		*width = 39;
	else if (strcmp(pair->key, "aw") == 0 && strcmp(val, "48") == 0)
		*width = 48;
	else
		return pl_fail(-EINVAL, "--iommu=soft: \"%s\" is not accepted, only aw=39|48 is",
			       pair->text);
	return 0;
}

static int parse_args(const char *args, unsigned int *width)
{
	*width = 48;
	return eal_pairs_walk(args, parse_pair, width);
}

static int soft_available(void)
{
	return 0;
}

static int soft_check(const char *args)
{
	unsigned int width;

	return parse_args(args, &width);
}

static struct rte_rcu_qsbr *rcu_create(void)
{
	size_t size = rte_rcu_qsbr_get_memsize(PL_SOFT_DEVS);
	struct rte_rcu_qsbr *rcu;

	if (pl_inject_hit())
		return NULL;
	/* Not rte_malloc: the tables must work before and without rte_eal_init(). */
	rcu = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	if (rcu != NULL)
		rte_rcu_qsbr_init(rcu, PL_SOFT_DEVS);
	return rcu;
}

static int soft_create(const char *args, struct pl_ioas **out)
{
	struct pl_soft_ioas *ioas;
	unsigned int width;
	int ret;

	ret = parse_args(args, &width);
	if (ret != 0)
		return ret;
	ioas = eal_calloc(1, sizeof(*ioas));
	if (ioas == NULL)
		return pl_fail(-ENOMEM, "no memory for a soft IO address space");
	ioas->base.ops = &pl_soft_ioas_ops;
	ioas->iova_last = (1ull << width) - 1;
	ret = pl_soft_pt_init(&ioas->pt, width);
	if (ret != 0)
		goto fail_ioas;
	ioas->rcu = rcu_create();
	if (ioas->rcu == NULL) {
		ret = pl_fail(-ENOMEM, "no memory for the soft IOMMU's grace periods");
		goto fail_pt;
	}
	pthread_mutex_init(&ioas->lock, NULL);
	pthread_mutex_init(&ioas->fault_lock, NULL);
	*out = &ioas->base;
	return 0;

fail_pt:
	pl_soft_pt_fini(&ioas->pt);
fail_ioas:
	free(ioas);
	return ret;
}

static void soft_destroy(struct pl_ioas *base)
{
	struct pl_soft_ioas *ioas = soft_of(base);

	if (ioas->dev_slots != 0) {
		/* A leak is bounded; a device walking freed tables is not. */
		PL_LOG(ERR, "soft IO address space kept: %d devices are still attached",
		       __builtin_popcountll(ioas->dev_slots));
		return;
	}
	tdestroy(ioas->mappings, free);
	pthread_mutex_destroy(&ioas->fault_lock);
	pthread_mutex_destroy(&ioas->lock);
	free(ioas->rcu);
	pl_soft_pt_fini(&ioas->pt);
	free(ioas);
}

static int soft_aperture(const struct pl_ioas *base, struct pl_iova_range **ranges)
{
	enum { BELOW_MSI, ABOVE_MSI, COUNT };
	struct pl_iova_range *r = eal_malloc(COUNT * sizeof(*r));

	if (!r)
		return pl_fail(-ENOMEM, "no memory for the soft IOMMU's aperture");
	r[BELOW_MSI] = (struct pl_iova_range){ IOVA_FIRST, MSI_FIRST - 1 };
	r[ABOVE_MSI] = (struct pl_iova_range){ MSI_LAST + 1, soft_of(base)->iova_last };
	*ranges = r;
	return COUNT;
}

/*
 * Entries were cleared: makes every IOTLB drop what it holds at its next section, and waits for
 * the sections that may still use it or be inside an unlinked table. Called with `lock` held.
 */
static void invalidate(struct pl_soft_ioas *ioas)
{
	uint64_t token;

	/* After the entries: a section that sees this generation sees them cleared. */
	__atomic_add_fetch(&ioas->generation, 1, __ATOMIC_RELEASE);
	/* Pairs with the one in pl_soft_begin(). */
	rte_smp_mb();
	token = rte_rcu_qsbr_start(ioas->rcu);
	/* Not the spinning wait: a device thread may need this very CPU to end its section. */
	while (!rte_rcu_qsbr_check(ioas->rcu, token, false))
		sched_yield();
	stat_add(&ioas->stats.invalidations, 1);
}

static int map_locked(struct pl_soft_ioas *ioas, struct mapping *m, uintptr_t host, uint32_t prot,
		      enum pl_mem_kind kind)
{
	const struct mapping *other = mapping_find(ioas, m->iova, m->last);
	struct pl_soft_table *dead = NULL;
	size_t len = m->last - m->iova + 1;
	int ret;

	if (other != NULL)
		return pl_fail(-EEXIST,
			       "cannot map 0x%" PRIx64 "-0x%" PRIx64 ": 0x%" PRIx64 "-0x%" PRIx64
			       " is mapped already",
			       m->iova, m->last, other->iova, other->last);
	/* Whatever can fail comes before the first leaf: nothing of a failed map was ever visible.
	 */
	if (pl_inject_hit() || tsearch(m, &ioas->mappings, mapping_cmp) == NULL)
		return pl_fail(-ENOMEM, "no memory to record a mapping of %zu bytes", len);
	ret = pl_soft_pt_map(&ioas->pt, m->iova, host, len, prot, kind, &dead);
	if (ret != 0) {
		tdelete(m, &ioas->mappings, mapping_cmp);
		if (dead != NULL) {
			invalidate(ioas);
			pl_soft_pt_free_dead(dead);
		}
		return ret;
	}
	stat_add(&ioas->stats.maps, 1);
	stat_add(&ioas->stats.mappings, 1);
	stat_add(&ioas->stats.mapped_bytes, len);
	return 0;
}

static uint32_t soft_caps(struct pl_ioas *base)
{
	RTE_SET_USED(base);
	return IOAS_CAP_PEER; /* device memory is mapped as any other */
}

static int soft_map(struct pl_ioas *base, uint64_t iova, void *va, size_t len, uint32_t prot,
		    enum pl_mem_kind kind)
{
	struct pl_soft_ioas *ioas = soft_of(base);
	struct mapping *m;
	int ret;

	m = eal_malloc(sizeof(*m));
	if (m == NULL)
		return pl_fail(-ENOMEM, "no memory to record a mapping of %zu bytes", len);
	*m = (struct mapping){ .iova = iova, .last = iova + len - 1 };
	pthread_mutex_lock(&ioas->lock);
	ret = map_locked(ioas, m, (uintptr_t)va, prot, kind);
	pthread_mutex_unlock(&ioas->lock);
	if (ret != 0)
		free(m);
	return ret;
}

/* The mapping of exactly [iova, iova + len); @what is for the message. */
static int mapping_get(const struct pl_soft_ioas *ioas, const char *what, uint64_t iova, size_t len,
		       struct mapping **m)
{
	size_t have;

	*m = mapping_find(ioas, iova, iova);
	if (*m == NULL || (*m)->iova != iova)
		return pl_fail(-ENOENT, "cannot %s 0x%" PRIx64 ": no mapping starts there", what,
			       iova);
	have = (*m)->last - (*m)->iova + 1;
	if (have == len)
		return 0;
	return pl_fail(-EINVAL,
		       "cannot %s %zu bytes at 0x%" PRIx64
		       ": the mapping there has %zu, and is one piece",
		       what, len, iova, have);
}

/* Clears the entries of @m; when it returned no device holds a pointer into them. */
static void entries_clear(struct pl_soft_ioas *ioas, const struct mapping *m,
			  struct pl_soft_table **dead)
{
	if (m->revoked)
		return;
	pl_soft_pt_unmap(&ioas->pt, m->iova, m->last - m->iova + 1, dead);
	invalidate(ioas);
}

int pl_soft_revoke(struct pl_ioas *base, uint64_t iova, size_t len)
{
	struct pl_soft_ioas *ioas = soft_of(base);
	struct pl_soft_table *dead = NULL;
	struct mapping *m;
	int ret;

	pthread_mutex_lock(&ioas->lock);
	ret = mapping_get(ioas, "revoke", iova, len, &m);
	if (ret == 0) {
		entries_clear(ioas, m, &dead);
		m->revoked = true;
	}
	pthread_mutex_unlock(&ioas->lock);
	pl_soft_pt_free_dead(dead);
	return ret;
}

static int soft_unmap(struct pl_ioas *base, uint64_t iova, size_t len)
{
	struct pl_soft_ioas *ioas = soft_of(base);
	struct pl_soft_table *dead = NULL;
	struct mapping *m;
	int ret;

	pthread_mutex_lock(&ioas->lock);
	ret = mapping_get(ioas, "unmap", iova, len, &m);
	if (ret != 0) {
		pthread_mutex_unlock(&ioas->lock);
		return ret;
	}
	entries_clear(ioas, m, &dead);
	tdelete(m, &ioas->mappings, mapping_cmp);
	stat_add(&ioas->stats.unmaps, 1);
	stat_add(&ioas->stats.mappings, UINT64_MAX);
	stat_add(&ioas->stats.mapped_bytes, 0 - (uint64_t)len);
	pthread_mutex_unlock(&ioas->lock);
	pl_soft_pt_free_dead(dead);
	free(m);
	return 0;
}

static const char *fault_reason(const struct pl_soft_ioas *ioas, uint64_t iova, uint32_t access,
				uint64_t pte)
{
	if (iova < IOVA_FIRST || iova > ioas->iova_last || (iova >= MSI_FIRST && iova <= MSI_LAST))
		return "outside the aperture";
	if (pte == 0)
		return "not mapped";
	return access & ~pte & PL_IOMMU_READ ? "no read permission" : "no write permission";
}

void pl_soft_fault(struct pl_soft_dev *dev, uint64_t iova, uint32_t access, uint64_t pte)
{
	struct pl_soft_ioas *ioas = dev->ioas;

	pthread_mutex_lock(&ioas->fault_lock);
	stat_add(&ioas->stats.faults, 1);
	if (ioas->nb_faults < PL_SOFT_FAULTS) {
		unsigned int slot = (ioas->fault_head + ioas->nb_faults) % PL_SOFT_FAULTS;
		struct pl_iommu_fault *f = &ioas->fault[slot];

		memcpy(f->device, dev->name, sizeof(f->device));
		f->iova = iova;
		f->access = access;
		f->reason = fault_reason(ioas, iova, access, pte);
		ioas->nb_faults++;
	}
	pthread_mutex_unlock(&ioas->fault_lock);
}

static int soft_fault_next(struct pl_ioas *base, struct pl_iommu_fault *fault)
{
	struct pl_soft_ioas *ioas = soft_of(base);
	bool found;

	pthread_mutex_lock(&ioas->fault_lock);
	found = ioas->nb_faults > 0;
	if (found) {
		*fault = ioas->fault[ioas->fault_head];
		ioas->fault_head = (ioas->fault_head + 1) % PL_SOFT_FAULTS;
		ioas->nb_faults--;
	}
	pthread_mutex_unlock(&ioas->fault_lock);
	return found ? 0 : pl_fail(-ENOENT, "no IOMMU fault is recorded");
}

static void soft_stats(const struct pl_ioas *base, struct pl_ioas_stats *stats)
{
	const struct pl_ioas_stats *s = &soft_of(base)->stats;

	stats->maps = __atomic_load_n(&s->maps, __ATOMIC_RELAXED);
	stats->unmaps = __atomic_load_n(&s->unmaps, __ATOMIC_RELAXED);
	stats->mappings = __atomic_load_n(&s->mappings, __ATOMIC_RELAXED);
	stats->mapped_bytes = __atomic_load_n(&s->mapped_bytes, __ATOMIC_RELAXED);
	stats->invalidations = __atomic_load_n(&s->invalidations, __ATOMIC_RELAXED);
	stats->faults = __atomic_load_n(&s->faults, __ATOMIC_RELAXED);
}

const struct pl_ioas_ops pl_soft_ioas_ops = {
	.name = "soft",
	.family = PL_IOAS_EMULATED,
	.rank = 0,
	.available = soft_available,
	.check = soft_check,
	.create = soft_create,
	.destroy = soft_destroy,
	.caps = soft_caps,
	.aperture = soft_aperture,
	.map = soft_map,
	.unmap = soft_unmap,
	.fault_next = soft_fault_next,
	.stats = soft_stats,
};

PL_IOAS_BACKEND(pl_soft_ioas_ops)
