/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a CMB or PMR still the memory that was handed out? A reset clears CC.EN, and nobody but us
 * sets it again; it may clear CMBMSC or PMRCTL too. Memory that was swapped under the same
 * registers has lost a random canary. Each is a load from the device, so a check after some
 * commands completed says that all of this held while they ran.
 *
 * It does not see a device whose memory stopped decoding and decodes again, contents and registers
 * as before: doc/proof.md.
 */
#include <inttypes.h>
#include <string.h>

#include <rte_random.h>

#include <peerlane/pl_devmem.h>

#include "nvme_pcie.h"
#include "pl_log.h"

/* Enabled, ready, neither failed nor shut down (3.1.5, 3.1.6). */
static bool running(const struct pl_nvme_ctrlr *c)
{
	uint32_t cc = nvme_read32(c, NVME_REG_CC), csts = nvme_read32(c, NVME_REG_CSTS);
	uint32_t not_ours = NVME_CSTS_CFS | NVME_CSTS_SHST_MASK;

	return cc != UINT32_MAX && csts != UINT32_MAX && (cc & NVME_CC_EN) &&
	       !(cc & NVME_CC_SHN_MASK) && (csts & NVME_CSTS_RDY) && !(csts & not_ours);
}

static bool cmb_programmed(const struct pl_nvme_ctrlr *c)
{
	uint64_t want = (uintptr_t)c->cmb.va | NVME_CMBMSC_CMSE | NVME_CMBMSC_CRE;

	return !NVME_CAP_CMBS(c->info.cap) ||
	       (nvme_read32(c, NVME_REG_CMBMSC) == (uint32_t)want &&
		nvme_read32(c, NVME_REG_CMBMSC + 4) == (uint32_t)(want >> 32));
}

static bool pmr_programmed(const struct pl_nvme_ctrlr *c)
{
	uint64_t want = (uintptr_t)c->pmr.va | NVME_PMRMSC_CMSE;

	return (nvme_read32(c, NVME_REG_PMRCTL) & NVME_PMRCTL_EN) &&
	       nvme_read32(c, NVME_REG_PMRMSCL) == (uint32_t)want &&
	       nvme_read32(c, NVME_REG_PMRMSCU) == (uint32_t)(want >> 32);
}

static uint32_t count_reads(const struct pl_nvme_ctrlr *c, const struct nvme_devmem *mem)
{
	if (mem->kind == PL_MEM_PMR)
		return 2 + 3 + 1; /* CC and CSTS, PMRCTL and PMRMSC, the canary */
	return 2 + (NVME_CAP_CMBS(c->info.cap) ? 2 : 0) + 1;
}

int nvme_devmem_proof_begin(struct pl_nvme_ctrlr *c, enum pl_mem_kind kind,
			    struct nvme_devmem_proof *proof)
{
	const struct nvme_devmem *mem = kind == PL_MEM_PMR ? &c->pmr : &c->cmb;
	void *page;
	int rc = pl_p2p_alloc(mem->heap, NVME_PAGE_SIZE, 0, &page);

	if (rc)
		return rc;
	*proof = (struct nvme_devmem_proof){
		.ctrlr = c,
		.mem = mem,
		.canary = page,
		.value = rte_rand(),
		.resets = __atomic_load_n(&c->resets, __ATOMIC_ACQUIRE),
		.reads = count_reads(c, mem),
	};
	pl_devmem_write64(proof->canary, proof->value);
	rc = nvme_devmem_proof_check(proof);
	if (rc)
		nvme_devmem_proof_end(proof);
	return rc;
}

int nvme_devmem_proof_check(const struct nvme_devmem_proof *proof)
{
	const struct pl_nvme_ctrlr *c = proof->ctrlr;
	const char *name = c->info.name, *kind = pl_mem_kind_name(proof->mem->kind);
	uint64_t seen = pl_devmem_read64(proof->canary);
	bool there = running(c);
	bool placed = proof->mem->kind == PL_MEM_PMR ? pmr_programmed(c) : cmb_programmed(c);

	/* Asked after the loads: they are what meets SIGBUS. */
	if (nvme_ctrlr_lost(c))
		return nvme_ctrlr_lost_fail(c);
	if (!there || __atomic_load_n(&c->resets, __ATOMIC_ACQUIRE) != proof->resets)
		return pl_fail(
			-ENODEV,
			"%s, whose %s holds the data, is gone, failed or was reset: what its "
			"peers read there since may be anything",
			name, kind);
	if (!placed)
		return pl_fail(-EREMOTEIO,
			       "%s, whose %s holds the data, has it no longer at %p, where it was "
			       "told to: it was reset or another programmed it",
			       name, kind, proof->mem->va);
	if (seen != proof->value)
		return pl_fail(-EREMOTEIO,
			       "the %s of %s lost what was written to it (%016" PRIx64
			       " instead of %016" PRIx64
			       "): the device was reset or its mapping revoked",
			       kind, name, seen, proof->value);
	return 0;
}

void nvme_devmem_proof_end(struct nvme_devmem_proof *proof)
{
	if (!proof->ctrlr)
		return;
	pl_p2p_free(proof->mem->heap, proof->canary);
	memset(proof, 0, sizeof(*proof));
}
