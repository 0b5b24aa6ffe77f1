/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks Physical Region Pages by the rules of 4.3, into runs as long as the host made them. */
#include "emu.h"

void emu_prp_init(struct emu_prp *p, uint64_t prp1, uint64_t prp2, size_t len)
{
	p->prp1 = prp1;
	p->prp2 = prp2;
	p->left = len;
	p->run_len = 0;
	p->pos = 0;
	p->n = 0;
	p->first = true;
	p->in_list = false;
}

/* For a queue that is not contiguous: all its pages are in a list (5.3). */
void emu_prp_init_list(struct emu_prp *p, uint64_t list, size_t len)
{
	emu_prp_init(p, 0, 0, len);
	p->first = false;
	p->in_list = true;
	p->list_addr = list;
}

/* Fetches the entries of one list page, following the chain if that is all this page holds. */
static uint16_t fetch_list(struct emu_ctrlr *c, struct emu_prp *p)
{
	for (;;) {
		uint64_t need = (p->left + EMU_PAGE - 1) / EMU_PAGE;
		uint64_t room = (EMU_PAGE - p->list_addr % EMU_PAGE) / 8;
		bool chains = need > room;
		uint32_t n = (uint32_t)(chains ? room : need);
		uint16_t status;

		if (p->list_addr % 8 != 0)
			return NVME_SC_PRP_OFFSET_INVALID;
		status = emu_dma_read(c, p->list_addr, p->list, n * 8ul, NVME_CMBSZ_LISTS,
				      PL_TRAFFIC_LIST);
		if (status != NVME_SC_SUCCESS)
			return status;
		p->pos = 0;
		p->n = chains ? n - 1 : n;
		if (chains) {
			p->list_addr = p->list[n - 1];
			if (p->list_addr % EMU_PAGE != 0)
				return NVME_SC_PRP_OFFSET_INVALID;
		}
		if (p->n > 0)
			return NVME_SC_SUCCESS;
	}
}

/* The next page, or less at either end. */
static uint16_t next_page(struct emu_ctrlr *c, struct emu_prp *p, uint64_t *addr, size_t *len)
{
	size_t page = EMU_PAGE;
	uint16_t status;

	if (p->first) {
		*addr = p->prp1;
		if (*addr % 4 != 0)
			return NVME_SC_PRP_OFFSET_INVALID;
		page -= *addr % EMU_PAGE;
		p->first = false;
		p->list_addr = p->prp2;
		p->in_list = p->left > page + EMU_PAGE;
	} else if (p->in_list) {
		if (p->pos == p->n) {
			status = fetch_list(c, p);
			if (status != NVME_SC_SUCCESS)
				return status;
		}
		*addr = p->list[p->pos++];
		if (*addr % EMU_PAGE != 0)
			return NVME_SC_PRP_OFFSET_INVALID;
	} else {
		*addr = p->prp2;
		if (*addr % EMU_PAGE != 0)
			return NVME_SC_PRP_OFFSET_INVALID;
	}
	*len = p->left < page ? p->left : page;
	p->left -= *len;
	return NVME_SC_SUCCESS;
}

/* The next run of adjacent pages; *@len 0 at the end. */
uint16_t emu_prp_next(struct emu_ctrlr *c, struct emu_prp *p, uint64_t *addr, size_t *len)
{
	uint16_t status;

	*addr = p->run_addr;
	*len = p->run_len;
	p->run_len = 0;
	while (p->left > 0) {
		uint64_t a;
		size_t n;

		status = next_page(c, p, &a, &n);
		if (status != NVME_SC_SUCCESS)
			return status;
		if (*len == 0) {
			*addr = a;
		} else if (a != *addr + *len) {
			p->run_addr = a;
			p->run_len = n;
			return NVME_SC_SUCCESS;
		}
		*len += n;
	}
	return NVME_SC_SUCCESS;
}
