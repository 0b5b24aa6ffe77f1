/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's own memory as p2p heaps: the CMB (3.1.11 to 3.1.16, 4.8) and the PMR (3.1.17
 * on, 4.9). One address serves everybody: what the CPU maps it at is its IOVA for peers, and is
 * programmed as the controller's own base address (CMBMSC.CBA, PMRMSC), so a controller told to
 * use its own memory never goes out to the fabric for it.
 */
#include <stdio.h>

#include <peerlane/pl_devmem.h>

#include "mem_internal.h"
#include "nvme_pcie.h"
#include "pl_clock.h"
#include "pl_inject.h"
#include "pl_log.h"

/* What of Identify Controller is the controller's name: vendor, serial number, model, firmware. */
#define NAMES_LEN 72u

/* Where a CMB or PMR lies in the device. */
struct devmem_place {
	unsigned int bir;
	uint64_t offset;
	size_t len;
	enum pl_mem_kind kind;
	void *addr; /* where it must be attached; NULL: anywhere */
};

static int attach(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem, const struct devmem_place *at)
{
	void *va = at->addr;
	size_t first = 0, len = at->len;
	int rc = va ? pl_window_reserve_at(va, at->len) : pl_window_reserve(at->len, &va);

	if (rc)
		return rc;
	rc = nvme_func_of(c)->ops->mem_attach(nvme_func_of(c), at->bir, at->offset, at->len, va,
					      at->kind);
	if (rc)
		goto release;
	if (nvme_func_of(c)->ops->mem_extent)
		nvme_func_of(c)->ops->mem_extent(nvme_func_of(c), va, &first, &len);
	rc = pl_p2p_heap_create(c->info.name, at->kind, (uint8_t *)va + first, len, &mem->heap);
	if (rc)
		goto detach;
	pl_p2p_heap_set_guard(mem->heap, &nvme_func_of(c)->guard);
	mem->va = va;
	mem->len = at->len;
	mem->offset = at->offset;
	mem->bir = at->bir;
	mem->kind = at->kind;
	mem->attached = true;
	nvme_provider_update(c);
	return 0;
detach:
	nvme_func_of(c)->ops->mem_detach(nvme_func_of(c), va, at->len);
release:
	pl_window_release(va, at->len);
	return rc;
}

/* CMBMSC.CRE: until then CMBLOC and CMBSZ read zero on a cold controller, and its CMB does not
 * answer. Before NVMe 1.4 there is no such register (CAP.CMBS is 0), and they always do. */
static void cmb_show(struct pl_nvme_ctrlr *c)
{
	if (NVME_CAP_CMBS(c->info.cap))
		nvme_func_of(c)->ops->write64(nvme_func_of(c), NVME_REG_CMBMSC, NVME_CMBMSC_CRE);
}

/* The controller stops answering at the address before that means something else: another's memory,
 * or nothing to who drives it next. At its BAR the CMB stays, for others may use it. */
static void forget(struct pl_nvme_ctrlr *c, const struct nvme_devmem *mem)
{
	if (mem->kind == PL_MEM_PMR)
		nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRMSCL, 0);
	else
		cmb_show(c);
}

static void detach(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem)
{
	if (!mem->va)
		return;
	forget(c, mem);
	pl_p2p_heap_destroy(mem->heap);
	if (mem->attached)
		nvme_func_of(c)->ops->mem_detach(nvme_func_of(c), mem->va, mem->len);
	pl_window_release(mem->va, mem->len);
	*mem = (struct nvme_devmem){ 0 };
	nvme_provider_update(c);
}

/* A reset revokes what peers had imported, for good, so it is exported and imported once more at
 * the same address: pointers into it mean the same as before. */
static int attach_again(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem)
{
	int rc;

	if (!mem->va)
		return 0;
	if (mem->attached)
		nvme_func_of(c)->ops->mem_detach(nvme_func_of(c), mem->va, mem->len);
	rc = nvme_func_of(c)->ops->mem_attach(nvme_func_of(c), mem->bir, mem->offset, mem->len,
					      mem->va, mem->kind);
	mem->attached = rc == 0;
	nvme_provider_update(c);
	pl_p2p_heap_set_gone(mem->heap, rc != 0);
	if (rc && !pl_window_absent(mem->va, mem->len))
		PL_LOG(ERR, "%s: the CPU must not touch its %zu bytes at %p any more", c->info.name,
		       mem->len, mem->va);
	return rc;
}

/* Registers and the doorbells of its queues: what a peer wrote there would be orders. */
static uint64_t registers_end(const struct pl_nvme_ctrlr *c)
{
	return NVME_REG_DOORBELLS +
	       2ull * 4u * nvme_pcie_of(c)->db_stride * (c->info.io_queues + 1ull);
}

static bool overlaps(const struct devmem_place *at, const struct nvme_devmem *other)
{
	return other->va && at->bir == other->bir && at->offset < other->offset + other->len &&
	       other->offset < at->offset + at->len;
}

/* A device that lies about its BARs must not make us map past them, nor over what is no memory, nor
 * make two heaps of one memory. */
static bool fits_bar(struct pl_nvme_ctrlr *c, const struct devmem_place *at, const char *what)
{
	uint64_t bar = nvme_func_of(c)->ops->bar_size(nvme_func_of(c), at->bir);
	const char *why = NULL;

	if (!at->len || at->offset > bar || at->len > bar - at->offset || at->len % PL_P2P_PAGE ||
	    at->offset % PL_P2P_PAGE)
		why = "it is not in whole pages inside it";
	else if (at->bir == 0 && at->offset < registers_end(c))
		why = "its registers or doorbells are there";
	else if (overlaps(at, &c->cmb) || overlaps(at, &c->pmr))
		why = "its other memory is there";
	if (!why)
		return true;
	PL_LOG(NOTICE,
	       "%s: its %s is not usable: %zu bytes at offset %llu of BAR %u, which has %llu: %s",
	       c->info.name, what, at->len, (unsigned long long)at->offset, at->bir,
	       (unsigned long long)bar, why);
	return false;
}

static bool cmb_find(struct pl_nvme_ctrlr *c, struct devmem_place *at)
{
	uint64_t unit;

	cmb_show(c);
	c->info.cmbloc = nvme_read32(c, NVME_REG_CMBLOC);
	c->info.cmbsz = nvme_read32(c, NVME_REG_CMBSZ);
	if (!NVME_CMBSZ_SZ(c->info.cmbsz))
		return false;
	unit = 4096ull << (4 * RTE_MIN(NVME_CMBSZ_SZU(c->info.cmbsz), 6u));
	at->bir = NVME_CMBLOC_BIR(c->info.cmbloc);
	at->offset = NVME_CMBLOC_OFST(c->info.cmbloc) * unit;
	at->len = NVME_CMBSZ_SZ(c->info.cmbsz) * unit;
	at->kind = PL_MEM_CMB;
	return fits_bar(c, at, "CMB");
}

/* A controller from before NVMe 1.4 takes an address for its CMB's if it lies where the BAR is on
 * the bus (NVMe 1.3, 4.7), so that is the one address, and not ours to choose. */
static int cmb_place_legacy(struct pl_nvme_ctrlr *c, struct devmem_place *at)
{
	uint64_t addr;
	int rc = nvme_func_of(c)->ops->bar_addr(nvme_func_of(c), at->bir, &addr);

	if (rc == 0 && addr)
		at->addr = (void *)(uintptr_t)(addr + at->offset);
	return rc;
}

/*
 * Does the controller find its own memory at the address it was told? A wrong base address goes
 * unnoticed otherwise: it would reach for the memory by way of the fabric, where a write may be
 * lost with status 0. So it identifies itself into a page of it, and the CPU looks. (That takes
 * RDS.)
 */
static int verify_own_address(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem, uint64_t *page,
			      const uint64_t *want)
{
	int rc = nvme_identify(c, 0x01, 0, page);

	if (rc)
		return pl_fail_more(rc == -EIO ? -EREMOTEIO : rc,
				    "%s cannot use its own memory at %p: %s", c->info.name, mem->va,
				    pl_errmsg());
	for (size_t i = 0; i < NAMES_LEN / sizeof(*want); i++)
		if (pl_devmem_read64(&page[i]) != want[i])
			return pl_fail_at(-EREMOTEIO, c->info.name, PL_ERROR_AT_ADDRESS,
					  (uintptr_t)mem->va,
					  "%s does not find its own memory at %p, the address "
					  "that it was given: what it wrote there did not arrive",
					  c->info.name, mem->va);
	return 0;
}

static int verify(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem)
{
	void *page = NULL, *want = NULL;
	struct pl_p2p_heap_stats heap;
	int rc;

	pl_p2p_heap_stats(mem->heap, &heap);
	if (!heap.free) /* after a reset: its users have all of it */
		return 0;
	rc = pl_p2p_alloc(mem->heap, NVME_PAGE_SIZE, 0, &page);
	if (rc)
		return rc;
	want = pl_mem_zalloc(NVME_PAGE_SIZE, c->info.numa_node);
	rc = want ? nvme_identify(c, 0x01, 0, want)
		  : pl_fail(-ENOMEM, "%s cannot be identified: %s", c->info.name, pl_errmsg());
	if (rc == 0)
		rc = verify_own_address(c, mem, page, want);
	nvme_admin_buf_free(c, want);
	pl_p2p_free(mem->heap, page);
	return rc;
}

static int cmb_enable(struct pl_nvme_ctrlr *c)
{
	if (NVME_CAP_CMBS(c->info.cap))
		nvme_func_of(c)->ops->write64(nvme_func_of(c), NVME_REG_CMBMSC,
					      (uintptr_t)c->cmb.va | NVME_CMBMSC_CMSE |
						      NVME_CMBMSC_CRE);
	if (NVME_CAP_CMBS(c->info.cap) && nvme_read32(c, NVME_REG_CMBSTS) & NVME_CMBSTS_CBAI)
		return pl_fail_at(-EREMOTEIO, c->info.name, PL_ERROR_AT_ADDRESS,
				  (uintptr_t)c->cmb.va,
				  "%s refuses %p as the address of its CMB (CMBSTS.CBAI)",
				  c->info.name, c->cmb.va);
	return c->info.cmbsz & NVME_CMBSZ_RDS ? verify(c, &c->cmb) : 0;
}

static int pmr_wait(struct pl_nvme_ctrlr *c)
{
	uint64_t unit_ms = NVME_PMRCAP_PMRTU(c->info.pmrcap) ? 60000 : 500;
	uint64_t ms =
		RTE_MIN(unit_ms * (NVME_PMRCAP_PMRTO(c->info.pmrcap) + 1u), NVME_PMRTO_MOST_MS);
	uint64_t deadline = pl_now_ms() + ms;
	uint32_t status;

	while ((status = nvme_read32(c, NVME_REG_PMRSTS)) & NVME_PMRSTS_NRDY) {
		int rc = nvme_check_there(c, status);

		if (rc)
			return rc;
		rc = nvme_wait_over(c, "make its PMR ready");
		if (rc)
			return rc;
		if (pl_now_ms() > deadline)
			return pl_fail(-ETIMEDOUT,
				       "%s: its PMR did not become ready in %u s (PMRCAP.PMRTO, "
				       "at most %u s)",
				       c->info.name, (unsigned int)(ms / 1000),
				       NVME_PMRTO_MOST_MS / 1000);
		pl_relax();
	}
	return 0;
}

static bool pmr_find(struct pl_nvme_ctrlr *c, struct devmem_place *at)
{
	if (!NVME_CAP_PMRS(c->info.cap))
		return false;
	c->info.pmrcap = nvme_read32(c, NVME_REG_PMRCAP);
	at->bir = NVME_PMRCAP_BIR(c->info.pmrcap);
	at->offset = 0;
	at->len = nvme_func_of(c)->ops->bar_size(nvme_func_of(c), at->bir);
	at->kind = PL_MEM_PMR;
	if (!(c->info.pmrcap & NVME_PMRCAP_CMSS)) {
		PL_LOG(NOTICE,
		       "%s: its PMR has no controller memory space (PMRCAP.CMSS is 0): not used",
		       c->info.name);
		return false;
	}
	return fits_bar(c, at, "PMR");
}

static int pmr_enable(struct pl_nvme_ctrlr *c)
{
	uint64_t base = (uintptr_t)c->pmr.va | NVME_PMRMSC_CMSE;

	nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRMSCU, (uint32_t)(base >> 32));
	nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRMSCL, (uint32_t)base);
	if (nvme_read32(c, NVME_REG_PMRSTS) & NVME_PMRSTS_CBAI)
		return pl_fail_at(-EREMOTEIO, c->info.name, PL_ERROR_AT_ADDRESS,
				  (uintptr_t)c->pmr.va,
				  "%s refuses %p as the address of its PMR (PMRSTS.CBAI)",
				  c->info.name, c->pmr.va);
	return c->info.pmrcap & NVME_PMRCAP_RDS ? verify(c, &c->pmr) : 0;
}

/* What nobody can reach is no reason not to drive the controller: its memory is not used, and a
 * copy that wants it is told why. */
static int unusable(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem, int rc)
{
	if (rc != -ENOTSUP && rc != -EREMOTEIO)
		return rc;
	snprintf(c->devmem_reason, sizeof(c->devmem_reason), "%s", pl_errmsg());
	PL_LOG(NOTICE, "%s", c->devmem_reason);
	detach(c, mem);
	return 0;
}

static int pmr_attach(struct pl_nvme_ctrlr *c)
{
	struct devmem_place at = { 0 };
	int rc;

	if (!pmr_find(c, &at))
		return 0;
	nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRCTL, NVME_PMRCTL_EN);
	rc = pmr_wait(c);
	if (rc == -ETIMEDOUT) {
		nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRCTL, 0);
		return unusable(c, &c->pmr, -ENOTSUP);
	}
	if (rc)
		return rc;
	rc = attach(c, &c->pmr, &at);
	if (rc == 0)
		rc = pmr_enable(c);
	return rc ? unusable(c, &c->pmr, rc) : 0;
}

static int cmb_attach_at(struct pl_nvme_ctrlr *c, const struct devmem_place *at)
{
	int rc = attach(c, &c->cmb, at);

	if (rc == 0)
		rc = cmb_enable(c);
	if (rc)
		detach(c, &c->cmb);
	return rc;
}

/* At an address of ours; where the controller does not answer there, at its BAR's. */
static int cmb_attach(struct pl_nvme_ctrlr *c)
{
	struct devmem_place at = { 0 };
	int rc = -EREMOTEIO;

	if (!cmb_find(c, &at))
		return 0;
	if (NVME_CAP_CMBS(c->info.cap))
		rc = cmb_attach_at(c, &at);
	if (rc == -EREMOTEIO) {
		rc = cmb_place_legacy(c, &at);
		if (rc == 0)
			rc = cmb_attach_at(c, &at);
		if (rc == 0)
			PL_LOG(NOTICE,
			       "%s: its CMB lies at %p, the address of its BAR, as before "
			       "NVMe 1.4",
			       c->info.name, c->cmb.va);
	}
	return rc ? unusable(c, &c->cmb, rc) : 0;
}

int nvme_devmem_attach(struct pl_nvme_ctrlr *c)
{
	int rc = cmb_attach(c);

	if (rc == 0)
		rc = pmr_attach(c);
	if (rc)
		nvme_devmem_detach(c);
	return rc;
}

static bool cmb_is_the_same(struct pl_nvme_ctrlr *c)
{
	cmb_show(c);
	return nvme_read32(c, NVME_REG_CMBLOC) == c->info.cmbloc &&
	       nvme_read32(c, NVME_REG_CMBSZ) == c->info.cmbsz;
}

/* Every reset ends here: base addresses are programmed, and both memories attached, again. */
int nvme_devmem_reattach(struct pl_nvme_ctrlr *c)
{
	int rc = attach_again(c, &c->cmb);

	if (rc == 0 && c->cmb.va && !cmb_is_the_same(c))
		rc = pl_fail(-ENODEV, "%s: its CMB is another one after the reset (CMBLOC, CMBSZ)",
			     c->info.name);
	if (rc == 0 && c->cmb.va)
		rc = cmb_enable(c);
	if (rc || !c->pmr.va)
		return rc;
	nvme_func_of(c)->ops->write32(nvme_func_of(c), NVME_REG_PMRCTL, NVME_PMRCTL_EN);
	rc = pmr_wait(c);
	if (rc == 0)
		rc = attach_again(c, &c->pmr);
	return rc ? rc : pmr_enable(c);
}

/* What a controller that did not come up again had may be ordinary memory by now. */
void nvme_devmem_gone(struct pl_nvme_ctrlr *c)
{
	if (c->cmb.heap)
		pl_p2p_heap_set_gone(c->cmb.heap, true);
	if (c->pmr.heap)
		pl_p2p_heap_set_gone(c->pmr.heap, true);
}

void nvme_devmem_detach(struct pl_nvme_ctrlr *c)
{
	detach(c, &c->pmr);
	detach(c, &c->cmb);
}

struct pl_p2p_heap *pl_nvme_ctrlr_heap(const struct pl_nvme_ctrlr *ctrlr, enum pl_mem_kind kind)
{
	switch (kind) {
	case PL_MEM_CMB:
		return ctrlr->cmb.heap;
	case PL_MEM_PMR:
		return ctrlr->pmr.heap;
	default:
		return NULL;
	}
}
