/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls on an address space, and the checks that every backend may rely on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu_backend.h"
#include "pl_log.h"

static struct pl_ioas *published; /* in the order of their publication */

int ioas_publish(struct pl_ioas *ioas, const char *name)
{
	struct pl_ioas **at = &published;

	if (!name[0] || strlen(name) >= sizeof(ioas->name))
		return pl_fail(-EINVAL,
			       "'%s' cannot be an IO address space's name: it has 1 to %zu bytes",
			       name, sizeof(ioas->name) - 1);
	if (pl_ioas_get(name))
		return pl_fail(-EEXIST, "there is an IO address space '%s' already", name);
	ioas_withdraw(ioas);
	snprintf(ioas->name, sizeof(ioas->name), "%s", name);
	while (*at)
		at = &(*at)->next;
	*at = ioas;
	return 0;
}

void ioas_withdraw(struct pl_ioas *ioas)
{
	struct pl_ioas **at = &published;

	while (*at && *at != ioas)
		at = &(*at)->next;
	if (*at)
		*at = ioas->next;
	ioas->next = NULL;
	ioas->name[0] = '\0';
}

struct pl_ioas *pl_ioas_next(const struct pl_ioas *prev)
{
	return prev ? prev->next : published;
}

struct pl_ioas *pl_ioas_get(const char *name)
{
	struct pl_ioas *ioas = published;

	while (ioas && strcmp(ioas->name, name) != 0)
		ioas = ioas->next;
	return ioas;
}

const char *pl_ioas_name(const struct pl_ioas *ioas)
{
	return ioas->name;
}

const char *pl_ioas_backend(const struct pl_ioas *ioas)
{
	return ioas->ops->name;
}

int ioas_read_aperture(struct pl_ioas *ioas)
{
	struct pl_iova_range *ranges;
	int n = ioas->ops->aperture(ioas, &ranges);

	if (n < 0)
		return n;
	free(ioas->ranges);
	ioas->ranges = ranges;
	ioas->nb_ranges = n;
	return 0;
}

int pl_ioas_aperture(const struct pl_ioas *ioas, struct pl_iova_range *ranges, int n)
{
	for (int i = 0; i < n && i < ioas->nb_ranges; i++)
		ranges[i] = ioas->ranges[i];
	return ioas->nb_ranges;
}

bool pl_ioas_covers(const struct pl_ioas *ioas, uint64_t iova, size_t len)
{
	const struct pl_iova_range *r = ioas->ranges;
	uint64_t last;

	if (len == 0 || __builtin_add_overflow(iova, len - 1, &last))
		return false;
	for (int i = 0; i < ioas->nb_ranges; i++)
		if (iova >= r[i].start && last <= r[i].last)
			return true;
	return false;
}

int pl_ioas_map(struct pl_ioas *ioas, void *va, size_t len, uint32_t prot, enum pl_mem_kind kind)
{
	uint64_t iova = (uintptr_t)va;

	if (len == 0 || ((iova | len) & 0xfff) != 0)
		return pl_fail(-EINVAL,
			       "cannot map %zu bytes at %p for devices: address and length must be "
			       "multiples of 4096, and not 0",
			       len, va);
	if (prot == 0 || (prot & ~(PL_IOMMU_READ | PL_IOMMU_WRITE)) != 0)
		return pl_fail(-EINVAL,
			       "cannot map %p for devices: permission 0x%x is neither "
			       "PL_IOMMU_READ, PL_IOMMU_WRITE nor both",
			       va, prot);
	if ((unsigned int)kind >= PL_MEM_KINDS)
		return pl_fail(-EINVAL, "cannot map %p for devices: %d is no kind of memory", va,
			       (int)kind);
	if (!pl_ioas_covers(ioas, iova, len))
		return pl_fail(-EINVAL,
			       "cannot map %zu bytes at %p for devices: outside what the %s IOMMU "
			       "can address; take memory from pl_mem_zalloc()",
			       len, va, ioas->ops->name);
	return ioas->ops->map(ioas, iova, va, len, prot, kind);
}

int pl_ioas_unmap(struct pl_ioas *ioas, void *va, size_t len)
{
	return ioas->ops->unmap(ioas, (uintptr_t)va, len);
}

int pl_ioas_fault_next(struct pl_ioas *ioas, struct pl_iommu_fault *fault)
{
	if (!ioas->ops->fault_next)
		return pl_fail(-ENOENT, "the kernel tells DMA faults in its log only");
	return ioas->ops->fault_next(ioas, fault);
}

void pl_ioas_stats(const struct pl_ioas *ioas, struct pl_ioas_stats *stats)
{
	ioas->ops->stats(ioas, stats);
}
