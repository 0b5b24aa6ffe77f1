/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host's side (soft_iommu.c) and the device's side (soft_dev.c) of the software IOMMU
 * share. The device's users include soft_dma.h instead. */
#ifndef PL_SOFT_INTERNAL_H
#define PL_SOFT_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include "iommu_backend.h"
#include "soft_dma.h"
#include "soft_pgtable.h"

#define PL_SOFT_DEVS   64u /* attached at a time: one bit each in dev_slots */
#define PL_SOFT_FAULTS 64u

struct pl_soft_ioas {
	struct pl_ioas base;
	struct pl_soft_pt pt;
	uint64_t iova_last; /* the highest IOVA of the address width */

	/* Bumped after entries were cleared: an IOTLB filled under an older one may be stale. */
	uint64_t generation;
	struct rte_rcu_qsbr *rcu; /* one reader per device, online inside its DMA sections */

	pthread_mutex_t lock; /* writers of pt; mappings; dev_slots. Never taken in a DMA section */
	void *mappings;       /* tsearch() tree of struct mapping */
	uint64_t dev_slots;

	/* Counters are written under `lock` (faults: `fault_lock`) and read by anyone, atomically.
	 */
	struct pl_ioas_stats stats;

	pthread_mutex_t fault_lock; /* a leaf lock, held for a few stores: a device may take it */
	struct pl_iommu_fault fault[PL_SOFT_FAULTS];
	unsigned int fault_head;
	unsigned int nb_faults;
};

/* The IOTLB: direct mapped, one array per leaf size. An empty entry has pte 0, so no permission. */
#define PL_SOFT_TLB_SLOTS 128u

struct pl_soft_tlb_entry {
	uint64_t page; /* IOVA >> the leaf's shift */
	uint64_t pte;
};

struct pl_soft_dev {
	struct pl_soft_ioas *ioas;
	unsigned int slot;
	uint64_t generation; /* of the entries below */
	struct pl_soft_tlb_entry tlb[PL_SOFT_LEAF_LEVELS][PL_SOFT_TLB_SLOTS];
	char name[sizeof(((struct pl_iommu_fault *)0)->device)];
};

extern const struct pl_ioas_ops pl_soft_ioas_ops;

/* Records a refused access of @dev; @pte is the leaf that refused it, or 0. */
void pl_soft_fault(struct pl_soft_dev *dev, uint64_t iova, uint32_t access, uint64_t pte);

#endif
