/* SPDX-License-Identifier: BSD-3-Clause */
/* What the device thread does about CC: enable, reset and shut down (3.1.5, 7.3, 7.6). */
#include <sched.h>
#include <string.h>

#include "emu.h"

/* A controller that failed fatally does nothing more until it is reset (9.5). */
void emu_fail(struct emu_ctrlr *c)
{
	pthread_mutex_lock(&c->lock);
	c->csts |= NVME_CSTS_CFS;
	pthread_mutex_unlock(&c->lock);
	c->failed = true;
}

/* Doorbells are memory, so what rings while decoding is off must not be heard either. */
static bool unreachable(const struct emu_ctrlr *c)
{
	return __atomic_load_n(&c->gone, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&c->mem_off, __ATOMIC_RELAXED);
}

bool emu_running(const struct emu_ctrlr *c)
{
	return c->enabled && !c->failed && !c->shutdown &&
	       !__atomic_load_n(&c->hang, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&c->master_off, __ATOMIC_RELAXED) && !unreachable(c);
}

/* Controller Reset (7.3.2): queues and features go; AQA, ASQ, ACQ, CMBMSC and PMR registers, and
 * the contents of both memories, stay. */
static void reset(struct emu_ctrlr *c)
{
	for (uint32_t i = 0; i <= EMU_MAX_IO_QUEUES; i++) {
		emu_sq_close(c, &c->sqs[i]);
		emu_cq_close(c, &c->cqs[i]);
	}
	emu_events_reset(c);
	emu_features_reset(c);
	emu_doorbells_clear(c);
	c->enabled = false;
	c->failed = false;
	c->shutdown = false;
	__atomic_store_n(&c->hang, false, __ATOMIC_RELAXED);
	pthread_mutex_lock(&c->lock);
	c->csts = 0;
	pthread_mutex_unlock(&c->lock);
}

static bool config_valid(const struct emu_ctrlr *c, uint32_t cc, uint32_t sq_size, uint32_t cq_size)
{
	uint32_t wanted = NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4) | NVME_CC_MPS(0) | NVME_CC_CSS(0) |
			  NVME_CC_AMS(0);

	if ((cc & ~(NVME_CC_EN | NVME_CC_SHN_MASK)) != wanted)
		return false;
	if (sq_size < 2 || cq_size < 2 || c->asq % EMU_PAGE != 0 || c->acq % EMU_PAGE != 0)
		return false;
	return emu_dma_own_check(c, c->asq, sq_size * sizeof(struct pl_nvme_sqe), NVME_CMBSZ_SQS) ==
		       NVME_SC_SUCCESS &&
	       emu_dma_own_check(c, c->acq, cq_size * sizeof(struct pl_nvme_cqe), NVME_CMBSZ_CQS) ==
		       NVME_SC_SUCCESS;
}

static void enable(struct emu_ctrlr *c, uint32_t cc)
{
	uint64_t asq, acq;
	uint32_t aqa;
	bool valid;

	pthread_mutex_lock(&c->lock);
	aqa = c->aqa;
	asq = c->asq;
	acq = c->acq;
	valid = config_valid(c, cc, (aqa & 0xfff) + 1, ((aqa >> 16) & 0xfff) + 1);
	pthread_mutex_unlock(&c->lock);
	c->enabled = true;
	c->shutdown = false; /* one that was asked for while EN was 0 is over */
	if (!valid) {
		emu_fail(c);
		return;
	}
	emu_features_reset(c);
	emu_doorbells_clear(c);
	emu_cq_open(c, 0, acq, ((aqa >> 16) & 0xfff) + 1);
	emu_sq_open(c, 0, asq, (aqa & 0xfff) + 1, 0);
	pthread_mutex_lock(&c->lock);
	c->csts = NVME_CSTS_RDY;
	pthread_mutex_unlock(&c->lock);
}

static void shut_down(struct emu_ctrlr *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->conf.nb_ns; i++) {
		struct emu_media *m = c->ns[i].media;

		err |= m->ops->flush(m);
	}
	c->shutdown = true;
	/* A cache that cannot be written back must not be reported as safe. */
	if (err != 0) {
		emu_fail(c);
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->csts = (c->csts & ~NVME_CSTS_SHST_MASK) | NVME_CSTS_SHST_COMPLETE;
	pthread_mutex_unlock(&c->lock);
}

void emu_attend(struct emu_ctrlr *c)
{
	bool reset_wanted, fatal;
	uint32_t cc;

	if (__atomic_load_n(&c->stuck, __ATOMIC_RELAXED) || unreachable(c))
		return;
	/* Cleared first: what is written from here on raises it again. */
	__atomic_store_n(&c->attention, false, __ATOMIC_RELEASE);
	pthread_mutex_lock(&c->lock);
	reset_wanted = c->reset_wanted;
	c->reset_wanted = false;
	cc = c->cc;
	pthread_mutex_unlock(&c->lock);
	if (reset_wanted)
		reset(c);
	if ((cc & NVME_CC_EN) != 0 && !c->enabled)
		enable(c, cc);
	if ((cc & NVME_CC_SHN_MASK) != 0 && !c->shutdown)
		shut_down(c);
	pthread_mutex_lock(&c->lock);
	fatal = (c->csts & NVME_CSTS_CFS) != 0;
	pthread_mutex_unlock(&c->lock);
	if (fatal)
		c->failed = true;
}

/* Registers as at power on, and the CMB's contents are not what they were (PCIe 6.6.2). */
static void function_reset(struct emu_ctrlr *c)
{
	pthread_mutex_lock(&c->lock);
	c->cc = 0;
	c->csts = 0;
	c->aqa = 0;
	c->asq = 0;
	c->acq = 0;
	c->cmbmsc = 0;
	c->pmrctl = 0;
	c->pmrmsc = 0;
	emu_regs_init(c);
	c->reset_wanted = true;
	pthread_mutex_unlock(&c->lock);
	__atomic_store_n(&c->attention, true, __ATOMIC_RELEASE);
	emu_devmem_revoke(c);
	if (c->cmb.va != NULL)
		memset(c->cmb.va, 0, c->cmb.len);
}

int emu_decode(struct nvme_func *t)
{
	__atomic_store_n(&emu_ctrlr(t)->mem_off, false, __ATOMIC_RELEASE);
	return 0;
}

/* What the thread does in the round that it began before the bit changed may still be DMA. */
int emu_master(struct nvme_func *t, bool on)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	uint64_t round;

	__atomic_store_n(&c->master_off, !on, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->attention, true, __ATOMIC_RELEASE);
	if (on)
		return 0;
	round = __atomic_load_n(&c->rounds, __ATOMIC_ACQUIRE);
	while (__atomic_load_n(&c->rounds, __ATOMIC_ACQUIRE) < round + 2)
		sched_yield();
	return 0;
}

static void set_flag(bool *flag, bool on)
{
	__atomic_store_n(flag, on, __ATOMIC_RELEASE);
}

void emu_break(struct emu_ctrlr *c, enum emu_fault_action action)
{
	switch (action) {
	case EMU_FAULT_STUCK:
		set_flag(&c->stuck, true);
		set_flag(&c->hang, true);
		break;
	case EMU_FAULT_HANG:
		set_flag(&c->hang, true);
		break;
	case EMU_FAULT_GONE:
		set_flag(&c->gone, true);
		break;
	case EMU_FAULT_CFS:
		pthread_mutex_lock(&c->lock);
		c->csts |= NVME_CSTS_CFS;
		pthread_mutex_unlock(&c->lock);
		break;
	case EMU_FAULT_FLR:
		function_reset(c);
		break;
	case EMU_FAULT_MEM:
		set_flag(&c->mem_off, true);
		emu_devmem_revoke(c);
		break;
	default:
		break; /* of one command, not the controller's */
	}
	set_flag(&c->attention, true);
}

void emu_mend(struct emu_ctrlr *c)
{
	set_flag(&c->hang, false);
	set_flag(&c->stuck, false);
	set_flag(&c->gone, false);
	set_flag(&c->attention, true);
}
