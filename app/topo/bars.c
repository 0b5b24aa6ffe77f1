/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "bars.h"
#include "size.h"

void topo_bars_cell(struct app_table *t, const uint64_t bars[PCI_NUM_BARS], unsigned int first)
{
	char text[160] = "", size[APP_SIZE_TEXT];
	size_t n = 0;

	for (unsigned int bar = first; bar < PCI_NUM_BARS && n < sizeof(text); bar++)
		if (bars[bar])
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u: %s", n ? ", " : "",
					      bar, app_size_format(bars[bar], size));
	app_table_cell(t, "%s", text[0] ? text : "-");
}

json_t *topo_bars_json(const uint64_t bars[PCI_NUM_BARS])
{
	json_t *array = json_array();

	for (unsigned int bar = 0; bar < PCI_NUM_BARS; bar++)
		if (bars[bar])
			json_array_append_new(array, json_pack("{s:i, s:I}", "bar", (int)bar,
							       "bytes", (json_int_t)bars[bar]));
	return array;
}
