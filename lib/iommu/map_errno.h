/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_IOMMU_MAP_ERRNO_H
#define PL_IOMMU_MAP_ERRNO_H

#include <stddef.h>

/* The errno of a map call of the kernel's that failed with @err, with a message: a memlock limit is
 * named with its value and the command that raises it. */
int map_errno(const char *call, const void *va, size_t len, int err);

#endif
