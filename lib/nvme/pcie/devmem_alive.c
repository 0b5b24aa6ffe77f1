/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a CMB or PMR still the memory that was handed out? A reset clears CC.EN, and nobody but us
 * sets it again; it may clear CMBMSC or PMRCTL too.
 */
#include "nvme_pcie.h"

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

uint32_t nvme_devmem_alive_reads(const struct pl_nvme_ctrlr *c, unsigned int memory)
{
	if (memory == NVME_PROVIDER_PMR)
		return 2 + 3; /* CC and CSTS, PMRCTL and PMRMSC */
	return 2 + (NVME_CAP_CMBS(c->info.cap) ? 2 : 0);
}

enum nvme_memory_state nvme_devmem_alive(const struct pl_nvme_ctrlr *c, unsigned int memory)
{
	bool there = running(c);
	bool placed = memory == NVME_PROVIDER_PMR ? pmr_programmed(c) : cmb_programmed(c);

	return !there ? NVME_MEMORY_DEAD : placed ? NVME_MEMORY_ALIVE : NVME_MEMORY_ELSEWHERE;
}
