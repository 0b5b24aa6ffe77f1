/* SPDX-License-Identifier: BSD-3-Clause */
#include "size.h"
#include "table.h"
#include "traffic.h"

static const struct {
	const char *text;
	const char *key;
} mems[PL_TRAFFIC_MEMS] = {
	[PL_TRAFFIC_HOST] = { "host DRAM", "host_dram" },
	[PL_TRAFFIC_OWN_CMB] = { "own CMB", "own_cmb" },
	[PL_TRAFFIC_OWN_PMR] = { "own PMR", "own_pmr" },
	[PL_TRAFFIC_PEER_CMB] = { "peer CMB", "peer_cmb" },
	[PL_TRAFFIC_PEER_PMR] = { "peer PMR", "peer_pmr" },
	[PL_TRAFFIC_PEER_BAR] = { "peer BAR", "peer_bar" },
};

static const char *const class_keys[PL_TRAFFIC_CLASSES] = {
	[PL_TRAFFIC_DATA] = "data",
	[PL_TRAFFIC_QUEUE] = "queue",
	[PL_TRAFFIC_LIST] = "list",
	[PL_TRAFFIC_ADMIN] = "admin",
};

void app_traffic_add(struct pl_nvme_traffic *to, const struct pl_nvme_traffic *from)
{
	for (int c = 0; c < PL_TRAFFIC_CLASSES; c++)
		for (int m = 0; m < PL_TRAFFIC_MEMS; m++)
			for (int d = 0; d < 2; d++)
				to->bytes[c][m][d] += from->bytes[c][m][d];
}

void app_traffic_sub(struct pl_nvme_traffic *to, const struct pl_nvme_traffic *from)
{
	for (int c = 0; c < PL_TRAFFIC_CLASSES; c++)
		for (int m = 0; m < PL_TRAFFIC_MEMS; m++)
			for (int d = 0; d < 2; d++)
				to->bytes[c][m][d] -= from->bytes[c][m][d];
}

uint64_t app_traffic_host_data(const struct pl_nvme_traffic *t)
{
	return t->bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][0] +
	       t->bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_HOST][1];
}

void app_traffic_print(FILE *out, const struct app_traffic_phase *phases, unsigned int n)
{
	char text[APP_SIZE_TEXT];
	struct app_table t;

	app_table_init(&t, 6);
	app_table_row(&t, "Bytes by memory", "data read", "data written", "queues", "lists",
		      "admin");
	for (unsigned int p = 0; p < n; p++) {
		app_table_rule(&t);
		for (int m = 0; m < PL_TRAFFIC_MEMS; m++) {
			const struct pl_nvme_traffic *tr = phases[p].traffic;

			app_table_cell(&t, "%s: %s", phases[p].name, mems[m].text);
			for (int d = 0; d < 2; d++)
				app_table_cell(
					&t, "%s",
					app_size_format(tr->bytes[PL_TRAFFIC_DATA][m][d], text));
			for (int c = PL_TRAFFIC_QUEUE; c < PL_TRAFFIC_CLASSES; c++)
				app_table_cell(
					&t, "%s",
					app_size_format(tr->bytes[c][m][0] + tr->bytes[c][m][1],
							text));
		}
	}
	app_table_print(&t, out);
}

json_t *app_traffic_json(const struct pl_nvme_traffic *t)
{
	json_t *all = json_object();

	for (int c = 0; c < PL_TRAFFIC_CLASSES; c++) {
		json_t *class = json_object();

		for (int m = 0; m < PL_TRAFFIC_MEMS; m++)
			json_object_set_new(class, mems[m].key,
					    json_pack("{s:I, s:I}", "read",
						      (json_int_t)t->bytes[c][m][0], "write",
						      (json_int_t)t->bytes[c][m][1]));
		json_object_set_new(all, class_keys[c], class);
	}
	return all;
}
