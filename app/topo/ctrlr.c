/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <peerlane/pl_nvme_spec.h>

#include "cli.h"
#include "ctrlr.h"

/* "0x0004021d", or "x0004021d" as older kernels write it. */
static unsigned long hex(const char *text)
{
	const char *x = strchr(text, 'x');

	return x ? strtoul(x + 1, NULL, 16) : 0;
}

/* The nvme driver's attribute is two lines, "cmbloc : 0x00000062" and "cmbsz  : 0x0004021d". */
static void read_cmb(const struct topo_host *host, const char *bdf, struct topo_cmb *cmb)
{
	char path[PATH_MAX], name[32], loc_text[32] = "", sz_text[32] = "";
	uint32_t loc, sz;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme", bdf);
	if (!host_entry(host, path, "nvme", 0, name, sizeof(name)))
		return;
	host_path(host, path, "/sys/bus/pci/devices/%s/nvme/%s/cmb", bdf, name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, " cmbloc : %31s cmbsz : %31s", loc_text, sz_text) != 2)
		sz_text[0] = '\0';
	fclose(f);
	loc = (uint32_t)hex(loc_text);
	sz = (uint32_t)hex(sz_text);
	/* Units above 64 GiB are reserved. */
	if (NVME_CMBSZ_SZU(sz) <= 6) {
		uint64_t unit = 4096ull << (4 * NVME_CMBSZ_SZU(sz));

		cmb->size = NVME_CMBSZ_SZ(sz) * unit;
		cmb->offset = NVME_CMBLOC_OFST(loc) * unit;
		cmb->bar = NVME_CMBLOC_BIR(loc);
		cmb->support = sz;
	}
}

static void read_one(const struct topo_host *host, const char *bdf, struct topo_ctrlr *c)
{
	long long value;

	memset(c, 0, sizeof(*c));
	snprintf(c->bdf, sizeof(c->bdf), "%s", bdf);
	c->vendor = pci_sysfs_number(bdf, "vendor", &value) ? 0 : (unsigned int)value;
	c->device = pci_sysfs_number(bdf, "device", &value) ? 0 : (unsigned int)value;
	c->numa_node = pci_sysfs_number(bdf, "numa_node", &value) ? -1 : (int)value;
	if (pci_sysfs_link(bdf, "driver", c->driver, sizeof(c->driver)))
		c->binding = TOPO_UNBOUND;
	else
		c->binding = pci_sysfs_is_vfio(bdf) ? TOPO_VFIO : TOPO_KERNEL;
	pci_sysfs_link(bdf, "iommu_group", c->group, sizeof(c->group));
	pci_sysfs_vfio_cdev(bdf, c->cdev, sizeof(c->cdev));
	for (unsigned int bar = 0; bar < PCI_NUM_BARS; bar++)
		c->bars[bar] = pci_sysfs_bar_size(bdf, bar);
	if (c->binding == TOPO_KERNEL) {
		read_cmb(host, bdf, &c->cmb);
		topo_use_read(host, bdf, &c->use);
	}
}

int topo_list_read(const struct topo_host *host, struct topo_list *list)
{
	char(*bdfs)[PCI_BDF_LEN];
	int n = pci_sysfs_list(PCI_CLASS_NVME, &bdfs);

	memset(list, 0, sizeof(*list));
	if (n < 0)
		return app_fail_lib(n);
	list->ctrlrs = calloc((size_t)n + 1, sizeof(*list->ctrlrs));
	if (!list->ctrlrs) {
		free(bdfs);
		return app_fail(-ENOMEM, "no memory for %d controllers", n);
	}
	for (int i = 0; i < n; i++)
		read_one(host, bdfs[i], &list->ctrlrs[i]);
	list->n = (unsigned int)n;
	free(bdfs);
	return 0;
}

void topo_list_free(struct topo_list *list)
{
	free(list->ctrlrs);
	memset(list, 0, sizeof(*list));
}

const struct topo_ctrlr *topo_list_find(const struct topo_list *list, const char *bdf)
{
	for (unsigned int i = 0; i < list->n; i++)
		if (strcmp(list->ctrlrs[i].bdf, bdf) == 0)
			return &list->ctrlrs[i];
	return NULL;
}
