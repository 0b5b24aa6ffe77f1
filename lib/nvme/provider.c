/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller as a provider of peer memory: the CMB and the PMR that its transport attached. */
#include <stdio.h>

#include "nvme_internal.h"
#include "pl_log.h"

static struct pl_nvme_ctrlr *of(const struct pl_p2p *p)
{
	return (struct pl_nvme_ctrlr *)(uintptr_t)container_of(p, const struct pl_nvme_ctrlr, p2p);
}

static void provider_use(struct pl_p2p *p)
{
	nvme_ctrlr_use(of(p));
}

static void provider_unuse(struct pl_p2p *p)
{
	nvme_ctrlr_unuse(of(p));
}

static int provider_lost(const struct pl_p2p *p)
{
	return nvme_ctrlr_lost(of(p)) ? nvme_ctrlr_lost_fail(of(p)) : 0;
}

static int provider_asked_back(struct pl_p2p *p)
{
	return nvme_ctrlr_asked_back(of(p));
}

static const char *provider_why_none(const struct pl_p2p *p)
{
	return of(p)->devmem_reason;
}

static uint32_t provider_generation(const struct pl_p2p *p)
{
	return __atomic_load_n(&of(p)->resets, __ATOMIC_ACQUIRE);
}

static uint32_t provider_alive_reads(const struct pl_p2p *p, unsigned int memory)
{
	return of(p)->t->ops->memory_alive_reads(of(p), memory);
}

static int provider_alive(const struct pl_p2p *p, unsigned int memory, uint32_t generation)
{
	const struct pl_nvme_ctrlr *c = of(p);
	enum nvme_memory_state state = c->t->ops->memory_alive(c, memory);
	const char *name = c->info.name, *label = p->memory[memory].label;
	const void *va;

	/* Asked after the loads: they are what meets SIGBUS. */
	if (nvme_ctrlr_lost(c))
		return nvme_ctrlr_lost_fail(c);
	if (state == NVME_MEMORY_DEAD || provider_generation(p) != generation)
		return pl_fail_device(
			-ENODEV, name,
			"%s, whose %s holds the data, is gone, failed or was reset: what its "
			"peers read there since may be anything",
			name, label);
	if (state == NVME_MEMORY_ALIVE)
		return 0;
	va = memory == NVME_PROVIDER_PMR ? c->pmr.va : c->cmb.va;
	return pl_fail_at(-EREMOTEIO, name, PL_ERROR_AT_ADDRESS, (uintptr_t)va,
			  "%s, whose %s holds the data, has it no longer at %p, where it was "
			  "told to: it was reset or another programmed it",
			  name, label, va);
}

static const struct pl_p2p_ops provider_ops = {
	.use = provider_use,
	.unuse = provider_unuse,
	.lost = provider_lost,
	.asked_back = provider_asked_back,
	.why_none = provider_why_none,
	.generation = provider_generation,
	.alive_reads = provider_alive_reads,
	.alive = provider_alive,
};

void nvme_provider_init(struct pl_nvme_ctrlr *c)
{
	struct pl_p2p *p = &c->p2p;

	p->ops = &provider_ops;
	snprintf(p->name, sizeof(p->name), "%s", c->info.name);
	p->ioas = c->t->ioas;
	p->of_host = c->t->ops->family == PL_IOAS_EMULATED;
	p->nb_memories = 2;
	p->memory[NVME_PROVIDER_CMB] = (struct p2p_memory){ .label = "CMB", .kind = PL_MEM_CMB };
	p->memory[NVME_PROVIDER_PMR] = (struct p2p_memory){ .label = "PMR", .kind = PL_MEM_PMR };
}

static uint32_t rights(uint32_t reg, uint32_t rds, uint32_t wds)
{
	return (reg & rds ? P2P_RDS : 0) | (reg & wds ? P2P_WDS : 0);
}

void nvme_provider_update(struct pl_nvme_ctrlr *c)
{
	struct p2p_memory *m = c->p2p.memory;

	m[NVME_PROVIDER_CMB].heap = c->cmb.heap;
	m[NVME_PROVIDER_CMB].own = rights(c->info.cmbsz, NVME_CMBSZ_RDS, NVME_CMBSZ_WDS);
	m[NVME_PROVIDER_PMR].heap = c->pmr.heap;
	m[NVME_PROVIDER_PMR].own = rights(c->info.pmrcap, NVME_PMRCAP_RDS, NVME_PMRCAP_WDS);
	c->p2p.no_peers = c->t->ops->no_peers && c->t->ops->no_peers(c->t);
}

struct pl_p2p *pl_nvme_ctrlr_p2p(struct pl_nvme_ctrlr *ctrlr)
{
	return &ctrlr->p2p;
}
