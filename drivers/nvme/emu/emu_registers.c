/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers (3.1). An access is handled as a hypervisor handles a trap: at once, by the thread
 * that made it. What takes time, CC above all, is left to the device thread.
 */
#include "emu.h"

#define CAP_CQR      (1ull << 16)
#define CAP_TO(n)    ((uint64_t)(n) << 24)
#define CAP_DSTRD(n) ((uint64_t)(n) << 32)
#define CAP_CSS_NVM  (1ull << 37)
#define CAP_PMRS     (1ull << 56)
#define CAP_CMBS     (1ull << 57)
#define EMU_TO       20u /* 10 s, in units of 500 ms */
#define EMU_VS       0x00010400u

#define CC_CONFIG  0x00fffff0u /* everything but EN and the reserved bits; SHN among it */
#define PMRWBM_ANY 0x3u        /* a read of the PMR or of PMRSTS orders earlier writes */

void emu_regs_init(struct emu_ctrlr *c)
{
	const struct emu_conf *conf = &c->conf;

	c->cap = (conf->entries - 1) | CAP_TO(EMU_TO) | CAP_DSTRD(conf->dstrd) | CAP_CSS_NVM;
	if (conf->cqr)
		c->cap |= CAP_CQR;
	if (conf->pmr != 0) {
		c->cap |= CAP_PMRS;
		c->pmrcap = NVME_PMRCAP_RDS | NVME_PMRCAP_WDS | EMU_PMR_BIR << 5 |
			    PMRWBM_ANY << 10 | 1u << 16 | NVME_PMRCAP_CMSS;
	}
	if (conf->cmb != 0 && conf->cmbs)
		c->cap |= CAP_CMBS;
	c->cmbloc = conf->cmbs ? 0 : emu_cmbloc(conf); /* else CMBMSC.CRE shows them */
	c->cmbsz = conf->cmbs ? 0 : emu_cmbsz(conf);
	emu_devmem_update(c);
}

static uint32_t reg_read(const struct emu_ctrlr *c, uint32_t off)
{
	switch (off) {
	case NVME_REG_CAP:
		return (uint32_t)c->cap;
	case NVME_REG_CAP + 4:
		return (uint32_t)(c->cap >> 32);
	case NVME_REG_VS:
		return EMU_VS;
	case NVME_REG_CC:
		return c->cc;
	case NVME_REG_CSTS:
		return c->csts;
	case NVME_REG_AQA:
		return c->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)c->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(c->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)c->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(c->acq >> 32);
	case NVME_REG_CMBLOC:
		return c->cmbloc;
	case NVME_REG_CMBSZ:
		return c->cmbsz;
	case NVME_REG_CMBMSC:
		return (uint32_t)c->cmbmsc;
	case NVME_REG_CMBMSC + 4:
		return (uint32_t)(c->cmbmsc >> 32);
	case NVME_REG_CMBSTS:
		return c->cmbsts;
	case NVME_REG_PMRCAP:
		return c->pmrcap;
	case NVME_REG_PMRCTL:
		return c->pmrctl;
	case NVME_REG_PMRSTS:
		return c->pmrsts;
	case NVME_REG_PMRMSCL:
		return (uint32_t)c->pmrmsc;
	case NVME_REG_PMRMSCU:
		return (uint32_t)(c->pmrmsc >> 32);
	default:
		/* Reserved, or of a capability that this controller has not: INTMS and INTMC
		 * without interrupts, NSSR without CAP.NSSRS, PMREBS without an elasticity
		 * buffer. */
		return 0;
	}
}

static void set_half(uint64_t *reg, bool high, uint32_t val)
{
	*reg = high ? (*reg & 0xffffffffull) | (uint64_t)val << 32 : (*reg & ~0xffffffffull) | val;
}

static void write_cc(struct emu_ctrlr *c, uint32_t val)
{
	uint32_t old = c->cc;

	/* While EN is 1 only EN and SHN may change (3.1.5). */
	if (old & NVME_CC_EN)
		c->cc = (old & CC_CONFIG & ~NVME_CC_SHN_MASK) |
			(val & (NVME_CC_SHN_MASK | NVME_CC_EN));
	else
		c->cc = val & (CC_CONFIG | NVME_CC_EN);
	if ((old & NVME_CC_EN) && !(val & NVME_CC_EN))
		c->reset_wanted = true;
	if ((c->cc & NVME_CC_SHN_MASK) != 0 && (c->csts & NVME_CSTS_SHST_MASK) == 0)
		c->csts |= NVME_CSTS_SHST_OCCURRING;
	__atomic_store_n(&c->attention, true, __ATOMIC_RELEASE);
}

static void write_cmbmsc(struct emu_ctrlr *c, uint64_t val)
{
	if (!NVME_CAP_CMBS(c->cap))
		return;
	c->cmbmsc = val & (~0xfffull | NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE);
	c->cmbloc = (val & NVME_CMBMSC_CRE) ? emu_cmbloc(&c->conf) : 0;
	c->cmbsz = (val & NVME_CMBMSC_CRE) ? emu_cmbsz(&c->conf) : 0;
	emu_devmem_update(c);
}

static void write_pmrmsc(struct emu_ctrlr *c, bool high, uint32_t val)
{
	if (!NVME_CAP_PMRS(c->cap))
		return;
	set_half(&c->pmrmsc, high, val);
	c->pmrmsc &= ~0xfffull | NVME_PMRMSC_CMSE;
	emu_devmem_update(c);
}

static void reg_write(struct emu_ctrlr *c, uint32_t off, uint32_t val)
{
	uint64_t msc = c->cmbmsc;

	switch (off) {
	case NVME_REG_CC:
		write_cc(c, val);
		break;
	case NVME_REG_AQA:
		c->aqa = val & 0x0fff0fffu;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		set_half(&c->asq, off != NVME_REG_ASQ, val);
		break;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		set_half(&c->acq, off != NVME_REG_ACQ, val);
		break;
	case NVME_REG_CMBMSC:
	case NVME_REG_CMBMSC + 4:
		set_half(&msc, off != NVME_REG_CMBMSC, val);
		write_cmbmsc(c, msc);
		break;
	case NVME_REG_PMRCTL:
		if (NVME_CAP_PMRS(c->cap))
			c->pmrctl = val & NVME_PMRCTL_EN;
		emu_devmem_update(c);
		break;
	case NVME_REG_PMRMSCL:
	case NVME_REG_PMRMSCU:
		write_pmrmsc(c, off == NVME_REG_PMRMSCU, val);
		break;
	default:
		/* Read-only or reserved: the write has no effect. */
		break;
	}
}

static bool gone(const struct emu_ctrlr *c)
{
	return __atomic_load_n(&c->gone, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&c->mem_off, __ATOMIC_RELAXED);
}

uint32_t emu_read32(struct nvme_func *t, uint32_t off)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	uint32_t val;

	pthread_mutex_lock(&c->lock);
	val = gone(c) ? UINT32_MAX : reg_read(c, off);
	pthread_mutex_unlock(&c->lock);
	return val;
}

uint64_t emu_read64(struct nvme_func *t, uint32_t off)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	uint64_t val;

	pthread_mutex_lock(&c->lock);
	val = gone(c) ? UINT64_MAX : reg_read(c, off) | (uint64_t)reg_read(c, off + 4) << 32;
	pthread_mutex_unlock(&c->lock);
	return val;
}

void emu_write32(struct nvme_func *t, uint32_t off, uint32_t val)
{
	struct emu_ctrlr *c = emu_ctrlr(t);

	pthread_mutex_lock(&c->lock);
	if (!gone(c))
		reg_write(c, off, val);
	pthread_mutex_unlock(&c->lock);
}

void emu_write64(struct nvme_func *t, uint32_t off, uint64_t val)
{
	struct emu_ctrlr *c = emu_ctrlr(t);

	pthread_mutex_lock(&c->lock);
	if (!gone(c) && off == NVME_REG_CMBMSC) {
		/* In one step: no half of a base address is ever in force. */
		write_cmbmsc(c, val);
	} else if (!gone(c)) {
		reg_write(c, off, (uint32_t)val);
		reg_write(c, off + 4, (uint32_t)(val >> 32));
	}
	pthread_mutex_unlock(&c->lock);
}
