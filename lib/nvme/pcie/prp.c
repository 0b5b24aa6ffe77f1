/* SPDX-License-Identifier: BSD-3-Clause */
/* PRP lists (4.3). Every slot owns a preallocated run of list pages. */
#include "nvme_pcie.h"

/* The last entry of a full list page points at the next page, so a page holds one entry less. */
static uint32_t list_entries(uint32_t max_xfer)
{
	/* PRP1 takes the first page; a misaligned buffer touches one page more. */
	return max_xfer / NVME_PAGE_SIZE;
}

uint32_t nvme_prp_list_bytes(uint32_t max_xfer)
{
	uint32_t entries = list_entries(max_xfer), pages;

	/* Within one page a power of two never crosses a page boundary. */
	if (entries <= NVME_PRPS_PER_PAGE)
		return rte_align32pow2(entries * 8u);
	pages = (entries - 1 + NVME_PRPS_PER_PAGE - 2) / (NVME_PRPS_PER_PAGE - 1);
	return pages * NVME_PAGE_SIZE;
}

uint64_t nvme_prp_list(const struct pl_nvme_qpair *qp, uint32_t slot, uint64_t va, uint64_t len)
{
	/* Volatile 8-byte stores: the pool may lie in a CMB. */
	volatile uint64_t *prp =
		(volatile uint64_t *)(qp->prp_pool + (size_t)slot * qp->prp_stride);
	const uint64_t list = (uintptr_t)prp, end = va + len;

	for (; va < end; va += NVME_PAGE_SIZE) {
		bool last_slot = ((uintptr_t)prp & (NVME_PAGE_SIZE - 1)) == NVME_PAGE_SIZE - 8;

		if (unlikely(last_slot && end - va > NVME_PAGE_SIZE)) {
			*prp = (uintptr_t)(prp + 1); /* the run's pages are contiguous */
			prp++;
		}
		*prp++ = va;
	}
	return list;
}

uint64_t nvme_prp2(const struct pl_nvme_qpair *qp, uint32_t slot, uint64_t va, uint64_t len)
{
	uint64_t first = NVME_PAGE_SIZE - (va & (NVME_PAGE_SIZE - 1));

	if (len <= first)
		return 0;
	if (len - first <= NVME_PAGE_SIZE)
		return va + first;
	return nvme_prp_list(qp, slot, va + first, len - first);
}
