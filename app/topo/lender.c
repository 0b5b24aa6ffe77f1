/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"
#include "cli.h"
#include "lender.h"
#include "report_json.h"
#include "table.h"

#define PAGE 4096u

/* False if nothing of it can be lent. */
static bool read_one(const char *bdf, struct topo_lender *l)
{
	long long value;
	bool any = false;

	memset(l, 0, sizeof(*l));
	if (!pci_sysfs_is_vfio(bdf) ||
	    (pci_sysfs_number(bdf, "class", &value) == 0 && value == PCI_CLASS_NVME))
		return false;
	snprintf(l->bdf, sizeof(l->bdf), "%s", bdf);
	l->vendor = pci_sysfs_number(bdf, "vendor", &value) ? 0 : (unsigned int)value;
	l->device = pci_sysfs_number(bdf, "device", &value) ? 0 : (unsigned int)value;
	pci_sysfs_link(bdf, "driver", l->driver, sizeof(l->driver));
	pci_sysfs_link(bdf, "iommu_group", l->group, sizeof(l->group));
	pci_sysfs_vfio_cdev(bdf, l->cdev, sizeof(l->cdev));
	for (unsigned int bar = 0; bar < PCI_NUM_BARS; bar++) {
		uint64_t size = pci_sysfs_bar_size(bdf, bar);

		l->bars[bar] = size >= PAGE ? size : 0;
		any |= size >= PAGE;
	}
	return any;
}

int topo_lenders_read(struct topo_lenders *list)
{
	char(*bdfs)[PCI_BDF_LEN];
	int n = pci_sysfs_list(PCI_CLASS_ANY, &bdfs);

	memset(list, 0, sizeof(*list));
	if (n < 0)
		return app_fail_lib(n);
	list->lenders = calloc((size_t)n + 1, sizeof(*list->lenders));
	if (!list->lenders) {
		free(bdfs);
		return app_fail(-ENOMEM, "no memory for %d PCI functions", n);
	}
	for (int i = 0; i < n; i++)
		list->n += read_one(bdfs[i], &list->lenders[list->n]);
	free(bdfs);
	return 0;
}

void topo_lenders_free(struct topo_lenders *list)
{
	free(list->lenders);
	memset(list, 0, sizeof(*list));
}

void topo_lenders_print(const struct topo_lenders *list, FILE *out)
{
	struct app_table t;

	if (!list->n)
		return;
	fputs("\nOther functions bound to a vfio driver: -a BDF,p2p=barN lends memory (not "
	      "registers) of "
	      "one\n\n",
	      out);
	app_table_init(&t, 6);
	app_table_row(&t, "BDF", "vendor:device", "driver", "group", "cdev", "BARs");
	app_table_rule(&t);
	for (unsigned int i = 0; i < list->n; i++) {
		const struct topo_lender *l = &list->lenders[i];

		app_table_cell(&t, "%s", l->bdf);
		app_table_cell(&t, "%04x:%04x", l->vendor, l->device);
		app_table_cell(&t, "%s", l->driver);
		app_table_cell(&t, "%s", l->group[0] ? l->group : "-");
		app_table_cell(&t, "%s", l->cdev[0] ? l->cdev : "-");
		topo_bars_cell(&t, l->bars, 0);
	}
	app_table_print(&t, out);
}

json_t *topo_lenders_json(const struct topo_lenders *list)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < list->n; i++) {
		const struct topo_lender *l = &list->lenders[i];

		if (json_array_append_new(
			    array, json_pack("{s:s, s:o, s:o, s:s, s:o}", "bdf", l->bdf, "vendor",
					     json_sprintf("%04x", l->vendor), "device",
					     json_sprintf("%04x", l->device), "driver", l->driver,
					     "bars", topo_bars_json(l->bars)))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
