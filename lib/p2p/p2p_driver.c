/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of the command line that lend memory and do nothing else. */
#include <errno.h>
#include <stdlib.h>

#include "iommu_backend.h"
#include "p2p_driver.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_subsystem.h"

/* A provider that a driver made, the last first. */
struct lender {
	const struct p2p_driver_ops *ops;
	struct pl_p2p *p;
	struct lender *next;
};

static struct p2p_driver *drivers;
static struct lender *lenders;

void p2p_driver_register(struct p2p_driver *driver)
{
	driver->next = drivers;
	drivers = driver;
}

static const struct p2p_driver_ops *driver_of(const struct pl_devarg *devarg)
{
	for (const struct p2p_driver *d = drivers; d; d = d->next)
		if (d->ops->claims(devarg->args))
			return d->ops;
	return NULL;
}

static int p2p_claim(const struct pl_devarg *devarg, bool *mine)
{
	*mine = driver_of(devarg) != NULL;
	return 0;
}

static struct pl_subsystem p2p_subsystem;

static int p2p_check(const struct pl_eal_conf *conf)
{
	int rc = 0;

	for (unsigned int i = 0; i < conf->nb_pcis && rc == 0; i++) {
		const struct pl_devarg *d = &conf->pcis[i];

		if (d->owner == &p2p_subsystem)
			rc = driver_of(d)->check(d->name, d->args);
	}
	return rc;
}

static int start_one(const struct pl_devarg *d)
{
	struct lender *l = eal_calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return pl_fail(-ENOMEM, "%s: no memory for the device", d->name);
	l->ops = driver_of(d);
	rc = l->ops->probe(d->name, d->args, pl_ioas_of_family(PL_IOAS_PCI), &l->p);
	if (rc) {
		free(l);
		return rc;
	}
	l->next = lenders;
	lenders = l;
	p2p_register(l->p);
	return 0;
}

static void p2p_fini(void)
{
	while (lenders) {
		struct lender *l = lenders;

		lenders = l->next;
		p2p_unregister(l->p);
		l->ops->remove(l->p);
		free(l);
	}
}

static int p2p_init(const struct pl_eal_conf *conf)
{
	int rc = 0;

	for (unsigned int i = 0; i < conf->nb_pcis && rc == 0; i++)
		if (conf->pcis[i].owner == &p2p_subsystem)
			rc = start_one(&conf->pcis[i]);
	if (rc)
		p2p_fini();
	return rc;
}

static struct pl_subsystem p2p_subsystem = {
	.name = "p2p",
	.order = PL_ORDER_P2P,
	.claim = p2p_claim,
	.check = p2p_check,
	.init = p2p_init,
	.fini = p2p_fini,
};
PL_SUBSYSTEM(p2p_subsystem)
