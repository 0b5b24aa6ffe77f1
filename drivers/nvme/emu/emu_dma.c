/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an address in a command to bytes: the controller's own memory at its own address
 * (CMBMSC.CBA, PMRMSC), everything else through the IOMMU.
 */
#include <string.h>

#include "emu.h"

void emu_count(struct emu_ctrlr *c, enum pl_traffic_class cls, enum pl_traffic_mem mem, bool write,
	       size_t len)
{
	emu_add(&c->traffic.bytes[cls][mem][write], len);
}

/* The own memory that @addr lies in; NULL if none, and then *@len ends where own memory begins. */
static const struct emu_devmem *own_mem(const struct emu_ctrlr *c, uint64_t addr, size_t *len,
					uint64_t *off)
{
	const struct emu_devmem *const mems[] = { &c->cmb, &c->pmr };

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t base = __atomic_load_n(&mems[i]->window, __ATOMIC_ACQUIRE);

		if (base == EMU_NO_WINDOW)
			continue;
		if (addr - base < mems[i]->len) {
			*off = addr - base;
			if (*len > mems[i]->len - *off)
				*len = mems[i]->len - *off;
			return mems[i];
		}
		if (base > addr && base - addr < *len)
			*len = base - addr;
	}
	return NULL;
}

/* Memory of this controller stays its own when it is reached by way of the IOMMU. */
static enum pl_traffic_mem peer_mem(const struct emu_ctrlr *c, uint64_t addr, enum pl_mem_kind kind)
{
	const struct emu_devmem *m = kind == PL_MEM_CMB ? &c->cmb : &c->pmr;
	uint64_t bus = __atomic_load_n(&m->bus, __ATOMIC_RELAXED);
	bool own =
		bus != EMU_NO_WINDOW && addr - bus < __atomic_load_n(&m->bus_len, __ATOMIC_RELAXED);

	if (kind == PL_MEM_BAR)
		return PL_TRAFFIC_PEER_BAR;
	if (kind == PL_MEM_CMB)
		return own ? PL_TRAFFIC_OWN_CMB : PL_TRAFFIC_PEER_CMB;
	return own ? PL_TRAFFIC_OWN_PMR : PL_TRAFFIC_PEER_PMR;
}

/*
 * The first part of [addr, addr + len) that is one run of memory. Inside a DMA section only.
 * Returns Invalid Use of Controller Memory Buffer if own memory may not be used as @right says.
 */
uint16_t emu_dma_piece(struct emu_ctrlr *c, uint64_t addr, size_t len, uint32_t access,
		       uint32_t right, struct emu_piece *piece)
{
	uint64_t off = 0;
	const struct emu_devmem *m = own_mem(c, addr, &len, &off);
	enum pl_mem_kind kind = PL_MEM_HOST;

	if (m != NULL) {
		if ((m->rights & right) == 0)
			return NVME_SC_INVALID_CMB_USE;
		piece->host = m->va + off;
		piece->len = len;
		piece->mem = m == &c->cmb ? PL_TRAFFIC_OWN_CMB : PL_TRAFFIC_OWN_PMR;
		return NVME_SC_SUCCESS;
	}
	piece->len = pl_soft_xlate(c->dma, addr, len, access, &piece->host, &kind);
	if (piece->len == 0) {
		/* The IOMMU judges pages: what the next one says is another question. */
		size_t page = EMU_PAGE - addr % EMU_PAGE;

		piece->host = NULL;
		piece->len = len < page ? len : page;
		return NVME_SC_SUCCESS;
	}
	piece->mem = kind == PL_MEM_HOST ? PL_TRAFFIC_HOST : peer_mem(c, addr, kind);
	return NVME_SC_SUCCESS;
}

/* Whether [addr, addr + len) uses own memory without having the right to. */
uint16_t emu_dma_own_check(const struct emu_ctrlr *c, uint64_t addr, size_t len, uint32_t right)
{
	uint64_t off;

	while (len > 0) {
		size_t part = len;
		const struct emu_devmem *m = own_mem(c, addr, &part, &off);

		if (m != NULL && (m->rights & right) == 0)
			return NVME_SC_INVALID_CMB_USE;
		addr += part;
		len -= part;
	}
	return NVME_SC_SUCCESS;
}

/* Reads a few bytes, in a DMA section of the caller's. A refused read is visible to the device. */
uint16_t emu_dma_read(struct emu_ctrlr *c, uint64_t addr, void *buf, size_t len, uint32_t right,
		      enum pl_traffic_class cls)
{
	uint8_t *p = buf;
	struct emu_piece piece;
	uint16_t status;

	while (len > 0) {
		status = emu_dma_piece(c, addr, len, PL_IOMMU_READ, right, &piece);
		if (status != NVME_SC_SUCCESS)
			return status;
		if (piece.host == NULL)
			return NVME_SC_DATA_TRANSFER_ERROR;
		memcpy(p, piece.host, piece.len);
		emu_count(c, cls, piece.mem, false, piece.len);
		p += piece.len;
		addr += piece.len;
		len -= piece.len;
	}
	return NVME_SC_SUCCESS;
}
