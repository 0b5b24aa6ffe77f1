/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of controllers, for people and as JSON. */
#include <stdio.h>

#include <peerlane/pl_nvme_spec.h>

#include "bars.h"
#include "ctrlr.h"
#include "report_json.h"
#include "size.h"
#include "table.h"

static const struct {
	const char *title;
	const char *key;
} bindings[] = {
	[TOPO_VFIO] = { "NVMe controllers bound to a vfio driver", "vfio" },
	[TOPO_KERNEL] = { "NVMe controllers bound to a kernel driver", "kernel" },
	[TOPO_UNBOUND] = { "NVMe controllers bound to no driver", "none" },
};

static const struct {
	const char *key;
	uint32_t bit;
} support[] = {
	{ "sqs", NVME_CMBSZ_SQS }, { "cqs", NVME_CMBSZ_CQS }, { "lists", NVME_CMBSZ_LISTS },
	{ "rds", NVME_CMBSZ_RDS }, { "wds", NVME_CMBSZ_WDS },
};

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static void cmb_cell(struct app_table *t, const struct topo_cmb *cmb)
{
	char size[APP_SIZE_TEXT];

	if (cmb->size)
		app_table_cell(t, "%s in BAR %u", app_size_format(cmb->size, size), cmb->bar);
	else
		app_table_cell(t, "-");
}

static void print_group(const struct topo_list *list, enum topo_binding binding, FILE *out)
{
	struct app_table t;

	app_table_init(&t, 9);
	app_table_row(&t, "BDF", "vendor:device", "driver", "group", "cdev", "node", "CMB",
		      "other BARs", "in use");
	app_table_rule(&t);
	for (unsigned int i = 0; i < list->n; i++) {
		const struct topo_ctrlr *c = &list->ctrlrs[i];

		if (c->binding != binding)
			continue;
		app_table_cell(&t, "%s", c->bdf);
		app_table_cell(&t, "%04x:%04x", c->vendor, c->device);
		app_table_cell(&t, "%s", or_dash(c->driver));
		app_table_cell(&t, "%s", or_dash(c->group));
		app_table_cell(&t, "%s", or_dash(c->cdev));
		if (c->numa_node < 0)
			app_table_cell(&t, "-");
		else
			app_table_cell(&t, "%d", c->numa_node);
		cmb_cell(&t, &c->cmb);
		/* Those beyond the registers', one of which is where a CMB or PMR would be. */
		topo_bars_cell(&t, c->bars, 1);
		app_table_cell(&t, "%s", or_dash(c->use.block));
	}
	app_table_print(&t, out);
}

void topo_list_print(const struct topo_list *list, FILE *out)
{
	const char *gap = "";

	if (!list->n)
		fputs("No NVMe controllers.\n", out);
	for (enum topo_binding b = TOPO_VFIO; b <= TOPO_UNBOUND; b++) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < list->n; i++)
			n += list->ctrlrs[i].binding == b;
		if (!n)
			continue;
		fprintf(out, "%s%s\n\n", gap, bindings[b].title);
		print_group(list, b, out);
		gap = "\n";
	}
}

static json_t *text_or_null(const char *text)
{
	return text[0] ? app_json_text(text) : json_null();
}

static json_t *cmb_json(const struct topo_cmb *cmb)
{
	json_t *o;

	if (!cmb->size)
		return json_null();
	o = json_pack("{s:I, s:i, s:I}", "bytes", (json_int_t)cmb->size, "bar", (int)cmb->bar,
		      "offset", (json_int_t)cmb->offset);
	for (size_t i = 0; i < sizeof(support) / sizeof(support[0]); i++)
		json_object_set_new(o, support[i].key, json_boolean(cmb->support & support[i].bit));
	return o;
}

json_t *topo_list_json(const struct topo_list *list)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < list->n; i++) {
		const struct topo_ctrlr *c = &list->ctrlrs[i];
		json_t *o = json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				      "bdf", c->bdf, "vendor", json_sprintf("%04x", c->vendor),
				      "device", json_sprintf("%04x", c->device), "bound",
				      bindings[c->binding].key, "driver", text_or_null(c->driver),
				      "iommu_group", text_or_null(c->group), "cdev",
				      text_or_null(c->cdev), "numa_node",
				      c->numa_node < 0 ? json_null() : json_integer(c->numa_node),
				      "cmb", cmb_json(&c->cmb), "bars", topo_bars_json(c->bars),
				      "in_use", text_or_null(c->use.text));

		if (json_array_append_new(array, o)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
