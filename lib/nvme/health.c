/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a controller is still there and ours, and what is done to one that is not. All of
 * lib/nvme stands on this and on the properties; nothing here sends a command.
 */
#include <peerlane/pl_eal.h>

#include "nvme_internal.h"
#include "pl_clock.h"
#include "pl_log.h"

int nvme_wait_over(const struct pl_nvme_ctrlr *c, const char *what)
{
	if (!c->deadline_ms)
		return 0;
	if (pl_eal_stop_requested())
		return pl_fail_device(-ECANCELED, c->info.name,
				      "%s: asked to stop while the controller was to %s",
				      c->info.name, what);
	if (pl_now_ms() > c->deadline_ms)
		return pl_fail_device(-ETIMEDOUT, c->info.name,
				      "%s: the controller did not %s in the time that it gets as "
				      "a whole",
				      c->info.name, what);
	return 0;
}

bool nvme_ctrlr_stop_dma(struct pl_nvme_ctrlr *c)
{
	if (c->t->ops->let_dma(c->t, false) == 0)
		return true;
	PL_LOG(WARNING, "%s: its DMA cannot be stopped: %s", c->info.name, pl_errmsg());
	return false;
}

/* Whatever is still in flight must not touch memory that its owner takes back. */
void nvme_ctrlr_fail(struct pl_nvme_ctrlr *c)
{
	struct pl_error why = *pl_error_get();

	c->failed = true;
	c->no_dma = nvme_ctrlr_stop_dma(c);
	if (!c->no_dma)
		pl_fail_again(&why);
}

bool nvme_ctrlr_wanted(struct pl_nvme_ctrlr *c)
{
	return c->t->ops->asked_back && c->t->ops->asked_back(c->t);
}

int nvme_ctrlr_asked_back(struct pl_nvme_ctrlr *c)
{
	int rc;

	if (!nvme_ctrlr_wanted(c))
		return 0;
	rc = pl_fail_device(-ENODEV, c->info.name,
			    "%s: the kernel wants the device back, which is being unbound or "
			    "removed, and waits until this process ends its use",
			    c->info.name);
	pthread_mutex_lock(&c->admin_lock);
	if (!c->failed)
		nvme_ctrlr_fail(c);
	pthread_mutex_unlock(&c->admin_lock);
	return rc;
}

void nvme_ctrlr_use(struct pl_nvme_ctrlr *c)
{
	pthread_mutex_lock(&c->admin_lock); /* not in the middle of a reset */
	__atomic_fetch_add(&c->users, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&c->admin_lock);
}

void nvme_ctrlr_unuse(struct pl_nvme_ctrlr *c)
{
	__atomic_fetch_sub(&c->users, 1, __ATOMIC_RELEASE);
}

bool nvme_ctrlr_lost(const struct pl_nvme_ctrlr *c)
{
	return c->t->ops->lost && c->t->ops->lost(c->t);
}

int nvme_ctrlr_lost_fail(const struct pl_nvme_ctrlr *c)
{
	return pl_fail_device(
		-ENODEV, c->info.name,
		"%s: its memory was taken away from this process (SIGBUS): it was "
		"unbound, decodes no memory or sleeps; after that, reset the controller",
		c->info.name);
}
