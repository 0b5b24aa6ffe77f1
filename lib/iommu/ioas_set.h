/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address spaces that share memory: what is mapped in the set has its one address in all of them.
 * Device memory is not mapped here but in its device's space, whose devices alone reach it.
 */
#ifndef PL_IOAS_SET_H
#define PL_IOAS_SET_H

#include "iommu_backend.h"

struct ioas_set {
	struct pl_ioas **members;
	unsigned int nb;
};

/* -ENOMEM. The space stays the caller's; none enters while something is mapped. */
int ioas_set_add(struct ioas_set *set, struct pl_ioas *ioas);
/* Forgets the members. */
void ioas_set_fini(struct ioas_set *set);

/* pl_ioas_map() in all of them, or in none. */
int ioas_set_map(const struct ioas_set *set, void *va, size_t len, uint32_t prot,
		 enum pl_mem_kind kind);

/* pl_ioas_unmap() in all of them, whichever fail: 0 if it is mapped in none any more. A second
 * call ends what the first could not; -ENOENT if it was mapped nowhere. */
int ioas_set_unmap(const struct ioas_set *set, void *va, size_t len);

/* The first member that cannot address all of [iova, iova + len); NULL: they all can. */
const struct pl_ioas *ioas_set_beyond(const struct ioas_set *set, uint64_t iova, size_t len);

/* What all members can address, for the caller to free. Returns how many ranges, or -ENOMEM. */
int ioas_set_aperture(const struct ioas_set *set, struct pl_iova_range **ranges);

/* A fault of any member; -ENOENT if there is none. */
int ioas_set_fault_next(const struct ioas_set *set, struct pl_iommu_fault *fault);

/* Calls and mappings as the first member counts them; faults and invalidations of all together. */
void ioas_set_stats(const struct ioas_set *set, struct pl_ioas_stats *stats);

/* All spaces of the process, between pl_eal_init() and pl_eal_cleanup(). */
const struct ioas_set *ioas_set_of_process(void);

/* An address space that stands for the set, which must outlive it. -ENOMEM */
int ioas_set_view(const struct ioas_set *set, struct pl_ioas **view);

#endif
