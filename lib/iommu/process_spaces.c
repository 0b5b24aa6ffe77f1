/* SPDX-License-Identifier: BSD-3-Clause */
/* The address spaces of the process: one for each family of devices that the command line names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "both.h"
#include "iommu_backend.h"
#include "pci_sysfs.h"
#include "pl_log.h"
#include "pl_subsystem.h"

static struct pl_ioas *spaces[PL_IOAS_FAMILIES];
static struct pl_ioas *default_ioas; /* the one of them, or a stand-in for both */

struct pl_ioas *pl_ioas_default(void)
{
	return default_ioas;
}

struct pl_ioas *pl_ioas_of_family(enum pl_ioas_family family)
{
	return spaces[family];
}

/* Whether the command line's choice is one for the devices there are; `auto` is for any. */
static int check_choice(const struct pl_eal_conf *conf, const struct pl_ioas_ops *ops)
{
	char names[IOAS_NAMES_LEN];

	if (conf->nb_pcis > 0 && ops->family != PL_IOAS_PCI)
		return pl_fail(
			-EINVAL,
			"--iommu=%s serves emulated devices only, and -a %s is a PCI device; "
			"accepted with it are %s",
			ops->name, conf->pcis[0].name,
			ioas_backend_names(1u << PL_IOAS_PCI, names, sizeof(names)));
	if (conf->nb_pcis == 0 && ops->family == PL_IOAS_PCI)
		return pl_fail(
			-EINVAL,
			"--iommu=%s serves PCI devices only, and there is no -a BDF; accepted "
			"without are %s",
			ops->name,
			ioas_backend_names(1u << PL_IOAS_EMULATED, names, sizeof(names)));
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
	struct pl_ioas *ioas;
	int rc;

	if (strcmp(conf->iommu.name, "auto") != 0)
		ops = ioas_backend_find(conf->iommu.name); /* there is one: iommu_check() */
	/* The choice is for the family that its backend serves. */
	if (ops && ops->family == family)
		rc = ioas_open(ops, conf->iommu.args, conf, &ioas);
	else
		rc = ioas_open_auto(family, IOAS_CAP_PEER, conf, &ioas);
	if (rc == 0)
		spaces[family] = ioas;
	return rc;
}

static void iommu_fini(void)
{
	if (default_ioas != spaces[PL_IOAS_EMULATED] && default_ioas != spaces[PL_IOAS_PCI])
		pl_ioas_destroy(default_ioas);
	pl_ioas_destroy(spaces[PL_IOAS_PCI]);
	pl_ioas_destroy(spaces[PL_IOAS_EMULATED]);
	default_ioas = spaces[PL_IOAS_EMULATED] = spaces[PL_IOAS_PCI] = NULL;
}

static int choose_default(void)
{
	struct pl_ioas *emulated = spaces[PL_IOAS_EMULATED], *pci = spaces[PL_IOAS_PCI];

	if (emulated && pci)
		return pl_ioas_both_create(pci, emulated, &default_ioas);
	default_ioas = pci ? pci : emulated;
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
		rc = choose_default();
	if (rc)
		iommu_fini();
	return rc;
}

static void iommu_usage(char *buf, size_t len)
{
	char names[IOAS_NAMES_LEN];

	snprintf(buf, len, "  --iommu=NAME         IO address space backend: %s\n",
		 ioas_backend_names(IOAS_ANY_FAMILY, names, sizeof(names)));
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
