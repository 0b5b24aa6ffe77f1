/* SPDX-License-Identifier: BSD-3-Clause */
/* The transports there are, and the controllers that the command line asks for. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "iommu_backend.h"
#include "nvme_internal.h"
#include "pci_sysfs.h"
#include "pl_log.h"
#include "pl_subsystem.h"

static struct nvme_transport_entry *transports;
static struct pl_nvme_ctrlr *ctrlrs; /* in the order of the command line */

void nvme_transport_register(struct nvme_transport_entry *entry)
{
	entry->next = transports;
	transports = entry;
}

const struct nvme_transport_ops *nvme_transport_find(const char *dev)
{
	for (struct nvme_transport_entry *e = transports; e; e = e->next) {
		size_t len = strlen(e->ops->name);
		const char *number = dev + len;

		if (e->ops->by_address || strncmp(dev, e->ops->name, len) != 0 || !*number ||
		    strlen(number) > 4 || strspn(number, "0123456789") != strlen(number))
			continue;
		return e->ops;
	}
	return NULL;
}

static struct pl_subsystem nvme_subsystem;

const struct nvme_transport_ops *nvme_transport_of_address(const char *bdf)
{
	const struct nvme_transport_ops *any = NULL;

	for (struct nvme_transport_entry *e = transports; e; e = e->next) {
		if (!e->ops->by_address)
			continue;
		if (!e->ops->takes)
			any = e->ops;
		else if (e->ops->takes(bdf))
			return e->ops;
	}
	return any;
}

/* "nvme_emuN[,key=val...]", for each transport that --vdev can create. */
static const char *vdev_forms(char *forms, size_t len)
{
	size_t at = 0;

	forms[0] = '\0';
	for (struct nvme_transport_entry *e = transports; e; e = e->next)
		if (!e->ops->by_address && at < len)
			at += (size_t)snprintf(forms + at, len - at, "%s%s", at ? " or " : "",
					       e->ops->usage);
	return forms;
}

static int nvme_check(const struct pl_eal_conf *conf)
{
	char forms[512];

	for (unsigned int i = 0; i < conf->nb_vdevs; i++) {
		const struct pl_devarg *v = &conf->vdevs[i];
		const struct nvme_transport_ops *ops = nvme_transport_find(v->name);
		int rc;

		if (!ops)
			return pl_fail(-EINVAL,
				       "--vdev '%s': no driver makes such a device; the form is "
				       "%s",
				       v->name, vdev_forms(forms, sizeof(forms)));
		rc = ops->check(ops, v->name, v->args);
		if (rc)
			return rc;
	}
	for (unsigned int i = 0; i < conf->nb_pcis; i++) {
		const struct nvme_transport_ops *ops =
			nvme_transport_of_address(conf->pcis[i].name);
		int rc;

		if (conf->pcis[i].owner != &nvme_subsystem)
			continue;
		if (!ops)
			return pl_fail(-ENOTSUP,
				       "-a '%s': this build drives no PCI devices, only emulated "
				       "ones: --vdev %s",
				       conf->pcis[i].name, vdev_forms(forms, sizeof(forms)));
		rc = ops->check(ops, conf->pcis[i].name, conf->pcis[i].args);
		if (rc)
			return rc;
	}
	return 0;
}

static int start_one(const struct nvme_transport_ops *ops, const struct pl_devarg *devarg,
		     uint32_t number, struct pl_nvme_ctrlr ***tail)
{
	struct pl_ioas *ioas = pl_ioas_of_family(ops->family);
	struct nvme_transport *t;
	int rc = ops->probe(ops, devarg->name, devarg->args, ioas, &t);

	if (rc)
		return rc;
	rc = nvme_ctrlr_start(t, number, *tail); /* owns the transport from here on */
	if (rc)
		return rc;
	*tail = &(**tail)->next;
	return 0;
}

static void nvme_fini(void)
{
	/* Reverse order: a queue or buffer of a later device may lie in an earlier one's memory. */
	while (ctrlrs) {
		struct pl_nvme_ctrlr **last = &ctrlrs;

		while ((*last)->next)
			last = &(*last)->next;
		nvme_ctrlr_stop(*last);
		*last = NULL;
	}
}

static int nvme_init(const struct pl_eal_conf *conf)
{
	struct pl_nvme_ctrlr **tail = &ctrlrs;
	uint32_t number = 0;
	int rc = 0;

	for (unsigned int i = 0; i < conf->nb_pcis && rc == 0; i++)
		if (conf->pcis[i].owner == &nvme_subsystem)
			rc = start_one(nvme_transport_of_address(conf->pcis[i].name),
				       &conf->pcis[i], ++number, &tail);
	for (unsigned int i = 0; i < conf->nb_vdevs && rc == 0; i++)
		rc = start_one(nvme_transport_find(conf->vdevs[i].name), &conf->vdevs[i], ++number,
			       &tail);
	if (rc)
		nvme_fini();
	return rc;
}

/* What nobody else drives. */
static int nvme_claim(const struct pl_devarg *pci, bool *mine)
{
	*mine = true;
	return pci_sysfs_check_class(pci->name, PCI_CLASS_NVME, "an NVMe controller");
}

static struct pl_subsystem nvme_subsystem = {
	.name = "nvme",
	.order = PL_ORDER_NVME,
	.claim = nvme_claim,
	.check = nvme_check,
	.init = nvme_init,
	.fini = nvme_fini,
};
PL_SUBSYSTEM(nvme_subsystem)

static const char *all_names(void)
{
	static __thread char names[256];
	size_t at = 0;

	snprintf(names, sizeof(names), "none");
	for (struct pl_nvme_ctrlr *c = ctrlrs; c && at < sizeof(names); c = c->next)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "",
				       c->info.name);
	return names;
}

struct pl_nvme_ctrlr *pl_nvme_ctrlr_get(const char *name)
{
	for (struct pl_nvme_ctrlr *c = ctrlrs; c; c = c->next)
		if (strcmp(c->info.name, name) == 0)
			return c;
	pl_fail(-ENOENT, "no device '%s'; there is: %s", name, all_names());
	return NULL;
}

struct pl_nvme_ctrlr *pl_nvme_ctrlr_next(const struct pl_nvme_ctrlr *prev)
{
	return prev ? prev->next : ctrlrs;
}
