/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_IOMMU_BOTH_H
#define PL_IOMMU_BOTH_H

#include "iommu_backend.h"

/* An address space whose mappings are in @first and in @second; destroying it leaves those. */
int pl_ioas_both_create(struct pl_ioas *first, struct pl_ioas *second, struct pl_ioas **out);

#endif
