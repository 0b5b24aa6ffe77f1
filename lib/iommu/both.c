/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process with emulated and PCI devices has two address spaces, and host memory must be in both:
 * this one stands for the pair. A device's own memory is in its own space only, so emulated and
 * real controllers never reach each other's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "both.h"
#include "pl_inject.h"
#include "pl_log.h"

struct both_ioas {
	struct pl_ioas base;
	struct pl_ioas *of[2];
};

static struct both_ioas *both(const struct pl_ioas *base)
{
	return container_of(base, struct both_ioas, base);
}

static void both_destroy(struct pl_ioas *base)
{
	free(both(base));
}

/* The intersection of two ascending lists of ranges. */
static int both_aperture(const struct pl_ioas *base, struct pl_iova_range **ranges)
{
	const struct pl_ioas *a = both(base)->of[0], *b = both(base)->of[1];
	size_t room = (size_t)a->nb_ranges + (size_t)b->nb_ranges + 1;
	struct pl_iova_range *r = pl_inject_hit() ? NULL : calloc(room, sizeof(*r));
	int i = 0, j = 0, count = 0;

	if (!r)
		return pl_fail(-ENOMEM, "no memory for an aperture");
	while (i < a->nb_ranges && j < b->nb_ranges) {
		uint64_t start = RTE_MAX(a->ranges[i].start, b->ranges[j].start);
		uint64_t last = RTE_MIN(a->ranges[i].last, b->ranges[j].last);

		if (start <= last)
			r[count++] = (struct pl_iova_range){ start, last };
		if (a->ranges[i].last < b->ranges[j].last)
			i++;
		else
			j++;
	}
	*ranges = r;
	return count;
}

static int both_map(struct pl_ioas *base, uint64_t iova, void *va, size_t len, uint32_t prot,
		    enum pl_mem_kind kind)
{
	struct pl_ioas *first = both(base)->of[0], *second = both(base)->of[1];
	int rc = first->ops->map(first, iova, va, len, prot, kind);

	if (rc)
		return rc;
	rc = second->ops->map(second, iova, va, len, prot, kind);
	if (rc && first->ops->unmap(first, iova, len))
		PL_LOG(ERR, "%s", pl_errmsg());
	return rc;
}

static int both_unmap(struct pl_ioas *base, uint64_t iova, size_t len)
{
	struct pl_ioas *first = both(base)->of[0], *second = both(base)->of[1];
	int rc = first->ops->unmap(first, iova, len);
	int other = second->ops->unmap(second, iova, len);

	/* Once more after one of the two failed: there is nothing left to unmap in the other. */
	if (rc == -ENOENT && other == 0)
		return 0;
	if (other == -ENOENT && rc == 0)
		return 0;
	return rc ? rc : other;
}

static int both_fault_next(struct pl_ioas *base, struct pl_iommu_fault *fault)
{
	struct pl_ioas *first = both(base)->of[0], *second = both(base)->of[1];

	return first->ops->fault_next(first, fault) ? second->ops->fault_next(second, fault) : 0;
}

/* Counted once per call above, as the caller made them, but for what devices caused. */
static void both_stats(const struct pl_ioas *base, struct pl_ioas_stats *stats)
{
	const struct pl_ioas *first = both(base)->of[0], *second = both(base)->of[1];
	struct pl_ioas_stats other;

	first->ops->stats(first, stats);
	second->ops->stats(second, &other);
	stats->faults += other.faults;
	stats->invalidations += other.invalidations;
}

static const struct pl_ioas_ops both_ops = {
	.name = "both",
	.destroy = both_destroy,
	.aperture = both_aperture,
	.map = both_map,
	.unmap = both_unmap,
	.fault_next = both_fault_next,
	.stats = both_stats,
};

int pl_ioas_both_create(struct pl_ioas *first, struct pl_ioas *second, struct pl_ioas **out)
{
	struct both_ioas *ioas = pl_inject_hit() ? NULL : calloc(1, sizeof(*ioas));
	int rc;

	if (!ioas)
		return pl_fail(-ENOMEM, "no memory for an IO address space");
	ioas->base.ops = &both_ops;
	ioas->of[0] = first;
	ioas->of[1] = second;
	rc = ioas_read_aperture(&ioas->base);
	if (rc) {
		free(ioas);
		return rc;
	}
	*out = &ioas->base;
	return 0;
}
