/* SPDX-License-Identifier: BSD-3-Clause */
/* The address spaces of the process: one for each family of devices that the command line names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ioas_set.h"
#include "iommu_backend.h"
#include "pci_sysfs.h"
#include "pl_log.h"
#include "pl_subsystem.h"

static struct {
	struct ioas_set set;
	struct pl_ioas *view; /* the one space there is, or what stands for the set */
} process;

/* By which pl_ioas_get() finds them. */
static const char *const names[PL_IOAS_FAMILIES] = {
	[PL_IOAS_EMULATED] = "emulated",
	[PL_IOAS_PCI] = "pci",
};

struct pl_ioas *pl_ioas_default(void)
{
	return process.view;
}

const struct ioas_set *ioas_set_of_process(void)
{
	return &process.set;
}

struct pl_ioas *pl_ioas_of_family(enum pl_ioas_family family)
{
	for (unsigned int i = 0; i < process.set.nb; i++)
		if (process.set.members[i]->ops->family == family)
			return process.set.members[i];
	return NULL;
}

/* Whether the command line's choice is one for the devices there are; `auto` is for any. */
static int check_choice(const struct pl_eal_conf *conf, const struct pl_ioas_ops *ops)
{
	char list[IOAS_NAMES_LEN];

	if (conf->nb_pcis > 0 && ops->family != PL_IOAS_PCI)
		return pl_fail(
			-EINVAL,
			"--iommu=%s serves emulated devices only, and -a %s is a PCI device; "
			"accepted with it are %s",
			ops->name, conf->pcis[0].name,
			ioas_backend_names(1u << PL_IOAS_PCI, list, sizeof(list)));
	if (conf->nb_pcis == 0 && ops->family == PL_IOAS_PCI)
		return pl_fail(
			-EINVAL,
			"--iommu=%s serves PCI devices only, and there is no -a BDF; accepted "
			"without are %s",
			ops->name, ioas_backend_names(1u << PL_IOAS_EMULATED, list, sizeof(list)));
	return 0;
}

static int iommu_check(const struct pl_eal_conf *conf)
{
	const struct pl_ioas_ops *ops;
	int rc = 0;

	/* What the user named comes first: a missing device is a better answer than a missing
	 * IOMMU. */
	for (unsigned int i = 0; i < conf->nb_pcis && rc == 0; i++)
		rc = pci_sysfs_check_vfio(conf->pcis[i].name);
	if (rc)
		return rc;
	if (strcmp(conf->iommu.name, "auto") == 0)
		return ioas_check_auto(conf->iommu.args);
	ops = ioas_backend_find(conf->iommu.name);
	rc = ops ? check_choice(conf, ops) : -EINVAL;
	return rc ? rc : ops->check(conf->iommu.args);
}

static int open_family(enum pl_ioas_family family, const struct pl_eal_conf *conf)
{
	const struct pl_ioas_ops *ops = NULL;
	struct pl_ioas *ioas = NULL;
	int rc;

	if (strcmp(conf->iommu.name, "auto") != 0)
		ops = ioas_backend_find(conf->iommu.name); /* there is one: iommu_check() */
	/* The choice is for the family that its backend serves. */
	if (ops && ops->family == family) {
		PL_LOG(INFO, "IOMMU backend %s: asked for", ops->name);
		rc = ioas_open(ops, conf->iommu.args, conf, &ioas);
	} else {
		rc = ioas_open_auto(family, IOAS_CAP_PEER, conf, &ioas);
	}
	if (rc == 0)
		rc = ioas_publish(ioas, names[family]);
	if (rc == 0)
		rc = ioas_set_add(&process.set, ioas);
	if (rc)
		pl_ioas_destroy(ioas);
	return rc;
}

static void iommu_fini(void)
{
	struct ioas_set *set = &process.set;

	if (process.view && (set->nb == 0 || process.view != set->members[0]))
		pl_ioas_destroy(process.view);
	process.view = NULL;
	for (unsigned int i = 0; i < set->nb; i++)
		pl_ioas_destroy(set->members[i]);
	ioas_set_fini(set);
}

static int choose_view(void)
{
	if (process.set.nb > 1)
		return ioas_set_view(&process.set, &process.view);
	process.view = process.set.members[0];
	return 0;
}

static int iommu_init(const struct pl_eal_conf *conf)
{
	int rc = 0;

	if (conf->nb_pcis > 0)
		rc = open_family(PL_IOAS_PCI, conf);
	/* A process without any device still registers memory somewhere. */
	if (rc == 0 && (conf->nb_vdevs > 0 || conf->nb_pcis == 0))
		rc = open_family(PL_IOAS_EMULATED, conf);
	if (rc == 0)
		rc = choose_view();
	if (rc)
		iommu_fini();
	return rc;
}

static void iommu_usage(char *buf, size_t len)
{
	char list[IOAS_NAMES_LEN];

	snprintf(buf, len, "  --iommu=NAME         IO address space backend: %s\n",
		 ioas_backend_names(IOAS_ANY_FAMILY, list, sizeof(list)));
}

static struct pl_subsystem iommu_subsystem = {
	.name = "iommu",
	.order = PL_ORDER_IOMMU,
	.usage = iommu_usage,
	.check = iommu_check,
	.init = iommu_init,
	.fini = iommu_fini,
};

PL_SUBSYSTEM(iommu_subsystem)
