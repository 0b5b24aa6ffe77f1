/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bring-up and shutdown of a controller (7.6), as a table of steps: each runs until it returns
 * something other than -EAGAIN, under the deadline that CAP.TO sets for the waiting ones, and all
 * of them under one of ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_internal.h"
#include "pl_alloc.h"
#include "pl_clock.h"
#include "pl_log.h"
#include "pl_opts.h"
#include "pl_stop.h"

static int step_read_cap(struct pl_nvme_ctrlr *c)
{
	uint32_t csts = 0;
	uint64_t cap;
	int rc = nvme_get64(c, NVME_REG_CAP, &cap);

	if (rc)
		return rc;
	/* A virtual function whose secondary controller is offline reads so, but for CSTS (8.5). */
	if (cap == 0) {
		(void)nvme_get32(c, NVME_REG_CSTS, &csts);
		return pl_fail(
			-ENOTSUP,
			"%s: the controller is not ready, offline or all zero: CAP reads 0, "
			"CSTS %08xh; a virtual function is put online through its physical "
			"function: "
			"nvme virt-mgmt /dev/nvmeN -c CNTLID -a 9, then a function level reset",
			c->info.name, csts);
	}
	rc = nvme_get32(c, NVME_REG_VS, &c->info.version);
	if (rc)
		return rc;
	c->info.cap = cap;
	c->info.max_entries = RTE_MIN(NVME_CAP_MQES(cap) + 1u, NVME_MAX_ENTRIES);
	c->ready_timeout_ms = 500ull * RTE_MAX(NVME_CAP_TO(cap), 1u);
	c->t->max_qpairs = NVME_MAX_QUEUES;
	rc = c->t->ops->limits ? c->t->ops->limits(c) : 0;
	if (rc)
		return rc;
	if (NVME_CAP_MPSMIN(cap) != 0)
		return pl_fail(-ENOTSUP,
			       "%s: the controller's smallest memory page is %u bytes; "
			       "Peerlane uses 4096",
			       c->info.name, 4096u << NVME_CAP_MPSMIN(cap));
	if (!(NVME_CAP_CSS(cap) & 1))
		return pl_fail(-ENOTSUP, "%s: the controller has no NVM command set", c->info.name);
	return 0;
}

/* CC.EN may be cleared only once RDY followed the last change of EN (7.6.2). */
static int step_disable(struct pl_nvme_ctrlr *c)
{
	uint32_t cc, csts;
	int rc = nvme_get32(c, NVME_REG_CC, &cc);

	if (rc == 0)
		rc = nvme_get32(c, NVME_REG_CSTS, &csts);
	if (rc || !(cc & NVME_CC_EN))
		return rc;
	if (!(csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)))
		return -EAGAIN;
	return nvme_set32(c, NVME_REG_CC, cc & ~(NVME_CC_EN | NVME_CC_SHN_MASK));
}

static int step_wait_disabled(struct pl_nvme_ctrlr *c)
{
	uint32_t csts;
	int rc = nvme_get32(c, NVME_REG_CSTS, &csts);

	if (rc)
		return rc;
	return csts & NVME_CSTS_RDY ? -EAGAIN : 0;
}

/* Not before: a controller that was stopped in the middle of a command would go on with it, into
 * memory that others have now. */
static int step_let_dma(struct pl_nvme_ctrlr *c)
{
	int rc = c->t->ops->let_dma(c->t, true);

	if (rc == 0)
		c->no_dma = false;
	return rc;
}

static int step_enable(struct pl_nvme_ctrlr *c)
{
	int rc = c->t->ops->qpair_connect(c->adminq);

	if (rc)
		return rc;
	c->enabled = true; /* also where the answer to this is lost */
	return nvme_set32(c, NVME_REG_CC, NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4));
}

static int step_wait_ready(struct pl_nvme_ctrlr *c)
{
	uint32_t csts;
	int rc = nvme_get32(c, NVME_REG_CSTS, &csts);

	if (rc)
		return rc;
	if (csts & NVME_CSTS_CFS)
		return pl_fail(-ENODEV,
			       "%s: the controller reports a fatal status (CSTS.CFS) on enable",
			       c->info.name);
	return csts & NVME_CSTS_RDY ? 0 : -EAGAIN;
}

/* Identify strings are padded with spaces, not terminated. Programs print them: what is no text
 * could be orders to a terminal. */
static void copy_string(char *to, const char *from, size_t len)
{
	while (len && (from[len - 1] == ' ' || from[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] >= ' ' && from[i] <= '~' ? from[i] : '?');
	to[len] = '\0';
}

static void learn(struct pl_nvme_ctrlr *c, const struct pl_nvme_id_ctrl *id)
{
	uint64_t mdts =
		id->mdts && id->mdts < 20 ? (uint64_t)NVME_PAGE_SIZE << id->mdts : NVME_MAX_XFER;

	copy_string(c->info.serial, id->sn, sizeof(id->sn));
	copy_string(c->info.model, id->mn, sizeof(id->mn));
	copy_string(c->info.firmware, id->fr, sizeof(id->fr));
	c->info.max_xfer = (uint32_t)RTE_MIN(mdts, NVME_MAX_XFER);
	copy_string(c->info.subnqn, id->subnqn, strnlen(id->subnqn, sizeof(c->info.subnqn) - 1));
	c->info.oncs = id->oncs;
	c->info.nn = id->nn;
	c->info.vwc = (id->vwc & NVME_VWC_PRESENT) != 0;
	c->nb_aers = RTE_MIN((uint32_t)id->aerl + 1, NVME_MAX_AERS);
	c->shutdown_timeout_ms =
		RTE_MIN(RTE_MAX(id->rtd3e / 1000, NVME_RTD3E_LEAST_MS), NVME_RTD3E_MOST_MS);
}

static int step_identify(struct pl_nvme_ctrlr *c)
{
	struct pl_nvme_id_ctrl *id = pl_mem_zalloc(sizeof(*id), c->info.numa_node);
	int rc;

	if (!id)
		return pl_fail_more(-ENOMEM, "%s cannot be identified: %s", c->info.name,
				    pl_errmsg());
	rc = nvme_identify(c, 0x01, 0, id);
	if (rc == 0)
		learn(c, id);
	nvme_admin_buf_free(c, id);
	return rc;
}

static int step_queues(struct pl_nvme_ctrlr *c)
{
	uint32_t ask = NVME_MAX_QUEUES - 1, granted;
	struct pl_nvme_sqe sqe = {
		.opc = NVME_ADM_SET_FEATURES,
		.cdw10 = NVME_FEAT_NUM_QUEUES,
		.cdw11 = ask << 16 | ask,
	};
	int rc = nvme_admin_locked(c, &sqe, NULL, 0, &granted, NULL);

	if (rc)
		return rc;
	granted = RTE_MIN(granted & 0xffff, granted >> 16) + 1;
	granted = RTE_MIN(granted, c->t->max_qpairs);
	c->info.io_queues = (uint16_t)RTE_MIN(granted, NVME_MAX_QUEUES);
	return 0;
}

static int step_aers(struct pl_nvme_ctrlr *c)
{
	nvme_admin_start_aers(c);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct pl_nvme_ctrlr *c);
} bring_up[] = {
	{ "read its capabilities", step_read_cap },
	{ "be disabled", step_disable },
	{ "become not ready", step_wait_disabled },
	{ "be let do DMA", step_let_dma },
	{ "be enabled", step_enable },
	{ "become ready", step_wait_ready },
	{ "identify itself", step_identify },
	{ "grant queues", step_queues },
	{ "identify its namespaces", nvme_ns_identify_all },
	{ "accept event requests", step_aers },
};

static int run_steps(struct pl_nvme_ctrlr *c)
{
	for (size_t i = 0; i < RTE_DIM(bring_up); i++) {
		uint64_t start = pl_now_ms();
		int rc;

		while ((rc = bring_up[i].run(c)) == -EAGAIN) {
			if (pl_now_ms() - start > c->ready_timeout_ms)
				return pl_fail_device(-ETIMEDOUT, c->info.name,
						      "%s: the controller did not %s in %llu ms "
						      "(CAP.TO)",
						      c->info.name, bring_up[i].name,
						      (unsigned long long)c->ready_timeout_ms);
			rc = nvme_wait_over(c, bring_up[i].name);
			if (rc)
				return rc;
			pl_relax();
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* The steps and what follows them, @then, under one deadline. */
static int bring_up_run(struct pl_nvme_ctrlr *c, int (*then)(struct pl_nvme_ctrlr *c))
{
	int rc;

	c->deadline_ms = pl_now_ms() + c->bring_up_ms;
	rc = run_steps(c);
	if (rc == 0)
		rc = then(c);
	c->deadline_ms = 0;
	if (rc == -ECANCELED)
		pl_stop_clear(); /* that was it; what is undone now may take its time */
	return rc;
}

/* Waits for (CSTS & mask) == want; false if it did not come in time or the device is gone. */
static bool wait_csts(struct pl_nvme_ctrlr *c, uint32_t mask, uint32_t want, uint64_t ms)
{
	uint64_t deadline = pl_now_ms() + ms;

	for (;;) {
		uint32_t csts;

		if (nvme_get32(c, NVME_REG_CSTS, &csts))
			return false;
		if ((csts & mask) == want)
			return true;
		if (pl_now_ms() > deadline || nvme_wait_over(c, "shut down"))
			return false;
		pl_relax();
	}
}

/* Normal shutdown (7.6.2), then disable, so that the device forgets the queues' addresses. */
static void shut_down(struct pl_nvme_ctrlr *c)
{
	uint32_t cc;
	int rc;

	if (!c->enabled)
		return;
	rc = nvme_get32(c, NVME_REG_CC, &cc);
	if (rc == 0)
		rc = nvme_set32(c, NVME_REG_CC, (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
	if (rc) { /* gone, or its decoding is off and it lives */
		nvme_ctrlr_stop_dma(c);
		return;
	}
	if (!wait_csts(c, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_COMPLETE, c->shutdown_timeout_ms))
		PL_LOG(WARNING, "%s: the controller did not report that its shutdown completed",
		       c->info.name);
	if (nvme_get32(c, NVME_REG_CC, &cc) == 0)
		(void)nvme_set32(c, NVME_REG_CC, cc & ~(NVME_CC_EN | NVME_CC_SHN_MASK));
	/* Its queues' memory is freed next. */
	if (!wait_csts(c, NVME_CSTS_RDY, 0, c->ready_timeout_ms)) {
		PL_LOG(WARNING, "%s: the controller did not become not ready", c->info.name);
		nvme_ctrlr_stop_dma(c);
	}
	c->enabled = false;
}

static int after_first(struct pl_nvme_ctrlr *c)
{
	return c->t->ops->memory_attach ? c->t->ops->memory_attach(c) : 0;
}

int nvme_ctrlr_start(struct nvme_transport *t, uint32_t number, struct pl_nvme_ctrlr **out)
{
	struct pl_nvme_ctrlr *c = eal_aligned_alloc(64, RTE_ALIGN(sizeof(*c), 64));
	struct pl_error why;
	int rc;

	if (!c) {
		rc = pl_fail(-ENOMEM, "%s: no memory for the controller", t->name);
		t->ops->remove(t);
		return rc;
	}
	memset(c, 0, sizeof(*c));
	c->t = t;
	c->ns_tag = number << 16;
	c->info.name = t->name;
	c->info.transport = t->ops->name;
	c->info.numa_node = t->numa_node;
	nvme_provider_init(c);
	c->shutdown_timeout_ms = NVME_RTD3E_LEAST_MS;
	c->bring_up_ms = NVME_BRING_UP_MS;
	c->shut_down_ms = NVME_SHUT_DOWN_MS;
	c->admin_timeout_ms = NVME_ADMIN_TIMEOUT_MS;
	pthread_mutex_init(&c->admin_lock, NULL);
	pthread_mutex_init(&c->event_lock, NULL);
	LIST_INIT(&c->qpairs);
	LIST_INIT(&c->zombies);
	pthread_mutex_lock(&c->admin_lock);
	rc = nvme_admin_init(c);
	if (rc == 0)
		rc = bring_up_run(c, after_first);
	pthread_mutex_unlock(&c->admin_lock);
	if (rc == -ECANCELED)
		c->shut_down_ms = NVME_GIVE_UP_MS;
	if (rc) {
		why = *pl_error_get();
		nvme_ctrlr_stop(c);
		return pl_fail_again(&why);
	}
	p2p_register(&c->p2p);
	*out = c;
	return 0;
}

void nvme_ctrlr_stop(struct pl_nvme_ctrlr *c)
{
	p2p_unregister(&c->p2p);
	c->deadline_ms = pl_now_ms() + c->shut_down_ms;
	while (!LIST_EMPTY(&c->qpairs) && !c->failed)
		pl_nvme_qpair_destroy(LIST_FIRST(&c->qpairs));
	shut_down(c);
	/* SQs and PRP lists in the CMB go before its heap does; what lies in host memory goes when a
	 * device that ignored its shutdown can no longer touch it. */
	if (c->t->ops->memory_detach)
		c->t->ops->memory_detach(c);
	c->t->ops->remove(c->t);
	nvme_qpairs_free_all(c);
	nvme_admin_kept_free(c);
	nvme_qpair_release(c->adminq);
	nvme_ns_free_all(c);
	pthread_mutex_destroy(&c->event_lock);
	pthread_mutex_destroy(&c->admin_lock);
	free(c);
}

/* The reset took every queue with it: what could not be deleted is free now. */
static int after_reset(struct pl_nvme_ctrlr *c)
{
	nvme_qpairs_free_all(c);
	nvme_admin_kept_free(c);
	return c->t->ops->memory_reattach ? c->t->ops->memory_reattach(c) : 0;
}

static int reset_locked(struct pl_nvme_ctrlr *c)
{
	int rc = c->t->ops->revive ? c->t->ops->revive(c->t) : 0;

	return rc ? rc : bring_up_run(c, after_reset);
}

int pl_nvme_ctrlr_reset(struct pl_nvme_ctrlr *c)
{
	int rc;

	pthread_mutex_lock(&c->admin_lock);
	if (!LIST_EMPTY(&c->qpairs)) {
		rc = pl_fail(-EBUSY, "%s: destroy its queue pairs before resetting it",
			     c->info.name);
		goto unlock;
	}
	if (__atomic_load_n(&c->users, __ATOMIC_ACQUIRE)) {
		rc = pl_fail(-EBUSY,
			     "%s: a copy goes through its memory: end it before resetting it",
			     c->info.name);
		goto unlock;
	}
	c->failed = false;
	__atomic_fetch_add(&c->resets, 1, __ATOMIC_RELEASE);
	rc = reset_locked(c);
	if (rc) {
		nvme_ctrlr_fail(c);
		if (c->t->ops->memory_gone)
			c->t->ops->memory_gone(c);
	}
unlock:
	pthread_mutex_unlock(&c->admin_lock);
	return rc;
}

bool nvme_ctrlr_unordered(const struct pl_nvme_ctrlr *c)
{
	return c->t->ops->unordered && c->t->ops->unordered(c->t);
}

void pl_nvme_ctrlr_info(const struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_ctrlr_info *info,
			size_t size)
{
	pl_out_give(info, size, &ctrlr->info, sizeof(ctrlr->info));
}

int pl_nvme_ctrlr_traffic(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_traffic *out, size_t size)
{
	struct nvme_transport *t = ctrlr->t;
	struct pl_nvme_traffic traffic;

	if (!t->ops->traffic || !t->ops->traffic(t, &traffic))
		return pl_fail(-ENOTSUP, "%s does not count the bytes it moves", ctrlr->info.name);
	pl_out_give(out, size, &traffic, sizeof(traffic));
	return 0;
}
