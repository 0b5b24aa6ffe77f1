/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "ioas_set.h"
#include "pl_alloc.h"
#include "pl_log.h"

int ioas_set_add(struct ioas_set *set, struct pl_ioas *ioas)
{
	size_t len = (set->nb + 1) * sizeof(struct pl_ioas *);
	struct pl_ioas **more = eal_realloc(set->members, len);

	if (!more)
		return pl_fail(-ENOMEM, "no memory for a set of IO address spaces");
	set->members = more;
	set->members[set->nb++] = ioas;
	return 0;
}

void ioas_set_fini(struct ioas_set *set)
{
	free(set->members);
	*set = (struct ioas_set){ 0 };
}

/* The message is the one of the map that failed. */
static void roll_back(const struct ioas_set *set, unsigned int mapped, void *va, size_t len)
{
	while (mapped-- > 0)
		if (pl_ioas_unmap(set->members[mapped], va, len))
			PL_LOG(ERR, "%s", pl_errmsg());
}

int ioas_set_map(const struct ioas_set *set, void *va, size_t len, uint32_t prot,
		 enum pl_mem_kind kind)
{
	for (unsigned int i = 0; i < set->nb; i++) {
		int rc = pl_ioas_map(set->members[i], va, len, prot, kind);
		struct pl_error why;

		if (rc == 0)
			continue;
		why = *pl_error_get();
		roll_back(set, i, va, len);
		return pl_fail_again(&why);
	}
	return 0;
}

int ioas_set_unmap(const struct ioas_set *set, void *va, size_t len)
{
	unsigned int ended = 0;
	struct pl_error why;
	int failed = 0;

	for (unsigned int i = 0; i < set->nb; i++) {
		int rc = pl_ioas_unmap(set->members[i], va, len);

		if (rc == 0)
			ended++;
		/* Where an earlier call ended it, there is nothing left to unmap. */
		if (rc == 0 || rc == -ENOENT || failed)
			continue;
		failed = rc;
		why = *pl_error_get();
	}
	if (failed)
		return pl_fail_again(&why);
	return ended ? 0 : pl_fail(-ENOENT, "cannot unmap %p: no mapping starts there", va);
}

const struct pl_ioas *ioas_set_beyond(const struct ioas_set *set, uint64_t iova, size_t len)
{
	for (unsigned int i = 0; i < set->nb; i++)
		if (!pl_ioas_covers(set->members[i], iova, len))
			return set->members[i];
	return NULL;
}

/* Of two ascending lists of ranges, what is in both. @out has room for as many as both have. */
static int intersect(const struct pl_iova_range *a, int na, const struct pl_iova_range *b, int nb,
		     struct pl_iova_range *out)
{
	int i = 0, j = 0, n = 0;

	while (i < na && j < nb) {
		uint64_t start = RTE_MAX(a[i].start, b[j].start);
		uint64_t last = RTE_MIN(a[i].last, b[j].last);

		if (start <= last)
			out[n++] = (struct pl_iova_range){ start, last };
		if (a[i].last < b[j].last)
			i++;
		else
			j++;
	}
	return n;
}

int ioas_set_aperture(const struct ioas_set *set, struct pl_iova_range **ranges)
{
	struct pl_iova_range *common = eal_malloc(sizeof(*common));
	int n = 1;

	if (!common)
		return pl_fail(-ENOMEM, "no memory for an aperture");
	*common = (struct pl_iova_range){ 0, UINT64_MAX };
	for (unsigned int i = 0; i < set->nb; i++) {
		const struct pl_ioas *m = set->members[i];
		size_t room = (size_t)n + (size_t)m->nb_ranges + 1;
		struct pl_iova_range *next = eal_malloc(room * sizeof(*next));

		if (next)
			n = intersect(common, n, m->ranges, m->nb_ranges, next);
		free(common);
		if (!next)
			return pl_fail(-ENOMEM, "no memory for an aperture");
		common = next;
	}
	*ranges = common;
	return n;
}

int ioas_set_fault_next(const struct ioas_set *set, struct pl_iommu_fault *fault)
{
	int rc = -ENOENT;

	for (unsigned int i = 0; i < set->nb && rc; i++)
		rc = pl_ioas_fault_next(set->members[i], fault);
	return rc;
}

void ioas_set_stats(const struct ioas_set *set, struct pl_ioas_stats *stats)
{
	*stats = (struct pl_ioas_stats){ 0 };
	for (unsigned int i = 0; i < set->nb; i++) {
		struct pl_ioas_stats one;

		pl_ioas_stats(set->members[i], &one);
		if (i == 0) {
			*stats = one;
		} else {
			stats->faults += one.faults;
			stats->invalidations += one.invalidations;
		}
	}
}

/* ---- the space that stands for a set ---- */

struct set_view {
	struct pl_ioas base;
	const struct ioas_set *set;
};

static const struct ioas_set *set_of(const struct pl_ioas *base)
{
	return container_of(base, const struct set_view, base)->set;
}

static void view_destroy(struct pl_ioas *base)
{
	free(container_of(base, struct set_view, base));
}

static int view_aperture(const struct pl_ioas *base, struct pl_iova_range **ranges)
{
	return ioas_set_aperture(set_of(base), ranges);
}

static int view_map(struct pl_ioas *base, uint64_t iova, void *va, size_t len, uint32_t prot,
		    enum pl_mem_kind kind)
{
	RTE_SET_USED(iova); /* which is @va */
	return ioas_set_map(set_of(base), va, len, prot, kind);
}

static int view_unmap(struct pl_ioas *base, uint64_t iova, size_t len)
{
	return ioas_set_unmap(set_of(base), (void *)(uintptr_t)iova, len);
}

static int view_fault_next(struct pl_ioas *base, struct pl_iommu_fault *fault)
{
	return ioas_set_fault_next(set_of(base), fault);
}

static void view_stats(const struct pl_ioas *base, struct pl_ioas_stats *stats)
{
	ioas_set_stats(set_of(base), stats);
}

static const struct pl_ioas_ops view_ops = {
	.name = "several",
	.destroy = view_destroy,
	.aperture = view_aperture,
	.map = view_map,
	.unmap = view_unmap,
	.fault_next = view_fault_next,
	.stats = view_stats,
};

int ioas_set_view(const struct ioas_set *set, struct pl_ioas **out)
{
	struct set_view *view = eal_calloc(1, sizeof(*view));
	int rc;

	if (!view)
		return pl_fail(-ENOMEM, "no memory for an IO address space");
	view->base.ops = &view_ops;
	view->set = set;
	rc = ioas_read_aperture(&view->base);
	if (rc) {
		free(view);
		return rc;
	}
	*out = &view->base;
	return 0;
}
