/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's own memory as p2p heaps: the CMB (3.1.11 to 3.1.16, 4.8) and the PMR (3.1.17
 * on, 4.9). One address serves everybody: what the CPU maps it at is its IOVA for peers, and is
 * programmed as the controller's own base address (CMBMSC.CBA, PMRMSC), so a controller told to
 * use its own memory never goes out to the fabric for it.
 */
#include <stdio.h>

#include "mem_internal.h"
#include "nvme_internal.h"
#include "pl_log.h"

static uint32_t read32(struct pl_nvme_ctrlr *c, uint32_t off)
{
	return c->t->ops->read32(c->t, off);
}

/* Where a CMB or PMR lies in the device. */
struct devmem_place {
	unsigned int bir;
	uint64_t offset;
	size_t len;
	enum pl_mem_kind kind;
};

static int attach(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem, const struct devmem_place *at)
{
	int rc = pl_window_reserve(at->len, &mem->va);

	if (rc)
		return rc;
	mem->len = at->len;
	rc = c->t->ops->mem_attach(c->t, at->bir, at->offset, at->len, mem->va, at->kind);
	if (rc)
		goto release;
	rc = pl_p2p_heap_create(c->info.name, at->kind, mem->va, at->len, &mem->heap);
	if (rc)
		goto detach;
	return 0;
detach:
	c->t->ops->mem_detach(c->t, mem->va, mem->len);
release:
	pl_window_release(mem->va, mem->len);
	mem->va = NULL;
	return rc;
}

static void detach(struct pl_nvme_ctrlr *c, struct nvme_devmem *mem)
{
	if (!mem->va)
		return;
	pl_p2p_heap_destroy(mem->heap);
	c->t->ops->mem_detach(c->t, mem->va, mem->len);
	pl_window_release(mem->va, mem->len);
	*mem = (struct nvme_devmem){ 0 };
}

/* A device that lies about its BARs must not make us map past them. */
static bool fits_bar(struct pl_nvme_ctrlr *c, const struct devmem_place *at, const char *what)
{
	uint64_t bar = c->t->ops->bar_size(c->t, at->bir);

	if (at->len && at->offset <= bar && at->len <= bar - at->offset &&
	    at->len % PL_P2P_PAGE == 0 && at->offset % PL_P2P_PAGE == 0)
		return true;
	PL_LOG(NOTICE, "%s: its %s is not usable: %zu bytes at offset %llu of BAR %u, which has %llu",
	       c->info.name, what, at->len, (unsigned long long)at->offset, at->bir,
	       (unsigned long long)bar);
	return false;
}

/* CMBMSC.CRE first: until then CMBLOC and CMBSZ read zero on a cold controller. */
static bool cmb_find(struct pl_nvme_ctrlr *c, struct devmem_place *at)
{
	uint64_t unit;

	if (!NVME_CAP_CMBS(c->info.cap)) {
		if (read32(c, NVME_REG_CMBSZ))
			PL_LOG(NOTICE, "%s: its CMB is of a form before NVMe 1.4 (CAP.CMBS is 0), which "
			       "has no base address of its own: not used", c->info.name);
		return false;
	}
	c->t->ops->write64(c->t, NVME_REG_CMBMSC, NVME_CMBMSC_CRE);
	c->info.cmbloc = read32(c, NVME_REG_CMBLOC);
	c->info.cmbsz = read32(c, NVME_REG_CMBSZ);
	if (!NVME_CMBSZ_SZ(c->info.cmbsz))
		return false;
	unit = 4096ull << (4 * RTE_MIN(NVME_CMBSZ_SZU(c->info.cmbsz), 6u));
	at->bir = NVME_CMBLOC_BIR(c->info.cmbloc);
	at->offset = NVME_CMBLOC_OFST(c->info.cmbloc) * unit;
	at->len = NVME_CMBSZ_SZ(c->info.cmbsz) * unit;
	at->kind = PL_MEM_CMB;
	return fits_bar(c, at, "CMB");
}

static int cmb_enable(struct pl_nvme_ctrlr *c)
{
	c->t->ops->write64(c->t, NVME_REG_CMBMSC,
			   (uintptr_t)c->cmb.va | NVME_CMBMSC_CMSE | NVME_CMBMSC_CRE);
	if (read32(c, NVME_REG_CMBSTS) & NVME_CMBSTS_CBAI)
		return pl_fail(-EREMOTEIO, "%s refuses %p as the address of its CMB (CMBSTS.CBAI)",
			       c->info.name, c->cmb.va);
	return 0;
}

static int pmr_wait(struct pl_nvme_ctrlr *c)
{
	uint64_t unit_ms = NVME_PMRCAP_PMRTU(c->info.pmrcap) ? 60000 : 500;
	uint64_t deadline = nvme_now_ms() + unit_ms * (NVME_PMRCAP_PMRTO(c->info.pmrcap) + 1u);

	while (read32(c, NVME_REG_PMRSTS) & NVME_PMRSTS_NRDY) {
		if (nvme_now_ms() > deadline)
			return pl_fail(-ETIMEDOUT, "%s: its PMR did not become ready", c->info.name);
		nvme_relax();
	}
	return 0;
}

static bool pmr_find(struct pl_nvme_ctrlr *c, struct devmem_place *at)
{
	if (!NVME_CAP_PMRS(c->info.cap))
		return false;
	c->info.pmrcap = read32(c, NVME_REG_PMRCAP);
	at->bir = NVME_PMRCAP_BIR(c->info.pmrcap);
	at->offset = 0;
	at->len = c->t->ops->bar_size(c->t, at->bir);
	at->kind = PL_MEM_PMR;
	if (!(c->info.pmrcap & NVME_PMRCAP_CMSS)) {
		PL_LOG(NOTICE, "%s: its PMR has no controller memory space (PMRCAP.CMSS is 0): not used",
		       c->info.name);
		return false;
	}
	return fits_bar(c, at, "PMR");
}

static int pmr_enable(struct pl_nvme_ctrlr *c)
{
	uint64_t base = (uintptr_t)c->pmr.va | NVME_PMRMSC_CMSE;

	c->t->ops->write32(c->t, NVME_REG_PMRMSCU, (uint32_t)(base >> 32));
	c->t->ops->write32(c->t, NVME_REG_PMRMSCL, (uint32_t)base);
	if (read32(c, NVME_REG_PMRSTS) & NVME_PMRSTS_CBAI)
		return pl_fail(-EREMOTEIO, "%s refuses %p as the address of its PMR (PMRSTS.CBAI)",
			       c->info.name, c->pmr.va);
	return 0;
}

/* What this kernel cannot export is no reason not to drive the controller: its memory is not used,
 * and a copy that wants it is told why. */
static int unusable(struct pl_nvme_ctrlr *c, int rc)
{
	if (rc != -ENOTSUP)
		return rc;
	snprintf(c->devmem_reason, sizeof(c->devmem_reason), "%s", pl_errmsg());
	PL_LOG(NOTICE, "%s", c->devmem_reason);
	return 0;
}

static int pmr_attach(struct pl_nvme_ctrlr *c)
{
	struct devmem_place at;
	int rc;

	if (!pmr_find(c, &at))
		return 0;
	c->t->ops->write32(c->t, NVME_REG_PMRCTL, NVME_PMRCTL_EN);
	rc = pmr_wait(c);
	if (rc)
		return rc;
	rc = attach(c, &c->pmr, &at);
	return rc ? unusable(c, rc) : pmr_enable(c);
}

int nvme_devmem_attach(struct pl_nvme_ctrlr *c)
{
	struct devmem_place at;
	int rc = 0;

	if (cmb_find(c, &at)) {
		rc = attach(c, &c->cmb, &at);
		rc = rc ? unusable(c, rc) : cmb_enable(c);
	}
	if (rc == 0)
		rc = pmr_attach(c);
	if (rc)
		nvme_devmem_detach(c);
	return rc;
}

/* After a controller reset the base addresses are programmed again; the mappings stand. */
int nvme_devmem_reattach(struct pl_nvme_ctrlr *c)
{
	int rc = c->cmb.va ? cmb_enable(c) : 0;

	if (rc || !c->pmr.va)
		return rc;
	c->t->ops->write32(c->t, NVME_REG_PMRCTL, NVME_PMRCTL_EN);
	rc = pmr_wait(c);
	return rc ? rc : pmr_enable(c);
}

/* The controller stops answering at these addresses before they mean something else: who drives it
 * next may know nothing of its memory. */
void nvme_devmem_detach(struct pl_nvme_ctrlr *c)
{
	if (c->pmr.va)
		c->t->ops->write32(c->t, NVME_REG_PMRMSCL, 0);
	if (c->cmb.va)
		c->t->ops->write64(c->t, NVME_REG_CMBMSC, 0);
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
