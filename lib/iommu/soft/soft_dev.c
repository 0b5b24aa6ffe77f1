/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of the software IOMMU: DMA sections and the IOTLB. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "pl_alloc.h"
#include "pl_log.h"
#include "soft_internal.h"

int pl_soft_attach(struct pl_ioas *base, const char *name, struct pl_soft_dev **out)
{
	struct pl_soft_ioas *ioas;
	struct pl_soft_dev *dev;

	if (base->ops != &pl_soft_ioas_ops)
		return pl_fail(-ENOTSUP,
			       "%s is emulated and needs the soft IOMMU, not %s: use --iommu=soft",
			       name, base->ops->name);
	ioas = container_of(base, struct pl_soft_ioas, base);
	dev = eal_calloc(1, sizeof(*dev));
	if (dev == NULL)
		return pl_fail(-ENOMEM, "no memory to attach %s to the soft IOMMU", name);
	dev->ioas = ioas;
	snprintf(dev->name, sizeof(dev->name), "%s", name);

	pthread_mutex_lock(&ioas->lock);
	if (ioas->dev_slots == UINT64_MAX) {
		pthread_mutex_unlock(&ioas->lock);
		free(dev);
		return pl_fail(-ENOMEM, "cannot attach %s: %u devices are attached already", name,
			       PL_SOFT_DEVS);
	}
	dev->slot = (unsigned int)__builtin_ctzll(~ioas->dev_slots);
	ioas->dev_slots |= 1ull << dev->slot;
	rte_rcu_qsbr_thread_register(ioas->rcu, dev->slot);
	dev->generation = ioas->generation;
	pthread_mutex_unlock(&ioas->lock);
	*out = dev;
	return 0;
}

void pl_soft_detach(struct pl_soft_dev *dev)
{
	struct pl_soft_ioas *ioas;

	if (dev == NULL)
		return;
	ioas = dev->ioas;
	pthread_mutex_lock(&ioas->lock);
	rte_rcu_qsbr_thread_unregister(ioas->rcu, dev->slot);
	ioas->dev_slots &= ~(1ull << dev->slot);
	pthread_mutex_unlock(&ioas->lock);
	free(dev);
}

void pl_soft_begin(struct pl_soft_dev *dev)
{
	uint64_t generation;

	/* Online first, with the full barrier that it ends in: either unmap sees this section and
	 * waits for it, or this section sees the new generation. */
	rte_rcu_qsbr_thread_online(dev->ioas->rcu, dev->slot);
	generation = __atomic_load_n(&dev->ioas->generation, __ATOMIC_ACQUIRE);
	if (unlikely(generation != dev->generation)) {
		memset(dev->tlb, 0, sizeof(dev->tlb));
		dev->generation = generation;
	}
}

void pl_soft_end(struct pl_soft_dev *dev)
{
	rte_rcu_qsbr_thread_offline(dev->ioas->rcu, dev->slot);
}

static struct pl_soft_tlb_entry *tlb_entry(struct pl_soft_dev *dev, uint64_t iova,
					   unsigned int level)
{
	return &dev->tlb[level][(iova >> pl_soft_shift(level)) % PL_SOFT_TLB_SLOTS];
}

static uint64_t leaf_miss(struct pl_soft_dev *dev, uint64_t iova, uint32_t access,
			  unsigned int *level)
{
	uint64_t pte;

	if (iova > dev->ioas->iova_last)
		return 0;
	pte = pl_soft_pt_walk(&dev->ioas->pt, iova, level);
	if ((pte & access) == access) {
		struct pl_soft_tlb_entry *e = tlb_entry(dev, iova, *level);

		e->page = iova >> pl_soft_shift(*level);
		e->pte = pte;
	}
	return pte;
}

/* The leaf at @iova. It may lack the permission for @access, or be 0; then it was not cached. */
static inline uint64_t leaf_at(struct pl_soft_dev *dev, uint64_t iova, uint32_t access,
			       unsigned int *level)
{
	/* 2 MiB first: hugepages and device memory are mapped with these. */
	static const unsigned int order[PL_SOFT_LEAF_LEVELS] = { 1, 0, 2 };

	for (unsigned int i = 0; i < RTE_DIM(order); i++) {
		const struct pl_soft_tlb_entry *e = tlb_entry(dev, iova, order[i]);

		if (e->page == iova >> pl_soft_shift(order[i]) && (e->pte & access) == access) {
			*level = order[i];
			return e->pte;
		}
	}
	return leaf_miss(dev, iova, access, level);
}

size_t pl_soft_xlate(struct pl_soft_dev *dev, uint64_t iova, size_t len, uint32_t access,
		     void **host, enum pl_mem_kind *kind)
{
	unsigned int level = 0;
	uint64_t first = leaf_at(dev, iova, access, &level);
	uint64_t size, offset;
	uintptr_t start;
	size_t run;

	if (unlikely((first & access) != access)) {
		pl_soft_fault(dev, iova, access, first);
		return 0;
	}
	size = 1ull << pl_soft_shift(level);
	offset = iova & (size - 1);
	start = (uintptr_t)(first & ~PL_SOFT_PTE_BITS) + offset;
	run = size - offset;
	/* The next leaf starts where this one ends, whatever the sizes: leaves do not overlap. */
	while (run < len) {
		uint64_t next = leaf_at(dev, iova + run, access, &level);

		if ((next & access) != access || ((next ^ first) & PL_SOFT_PTE_KIND) != 0 ||
		    (next & ~PL_SOFT_PTE_BITS) != start + run)
			break;
		run += (size_t)1 << pl_soft_shift(level);
	}
	*host = (void *)start;
	*kind = (enum pl_mem_kind)((first & PL_SOFT_PTE_KIND) >> PL_SOFT_PTE_KIND_SHIFT);
	return RTE_MIN(run, len);
}

uint64_t pl_soft_next(struct pl_soft_dev *dev, uint64_t iova)
{
	unsigned int level = 0;

	while (iova <= dev->ioas->iova_last) {
		if (pl_soft_pt_walk(&dev->ioas->pt, iova, &level) != 0)
			return iova;
		iova = (iova | ((1ull << pl_soft_shift(level)) - 1)) + 1;
	}
	return UINT64_MAX;
}
