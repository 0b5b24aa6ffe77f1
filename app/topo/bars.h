/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory BARs of a PCI function, for people and as JSON. */
#ifndef TOPO_BARS_H
#define TOPO_BARS_H

#include <stdint.h>

#include <jansson.h>

#include "pci_sysfs.h"
#include "table.h"

/* "2: 64 MiB, 4: 16 KiB", of those from @first on that have bytes; "-" if none has. */
void topo_bars_cell(struct app_table *t, const uint64_t bars[PCI_NUM_BARS], unsigned int first);

/* An array of one object per BAR that has bytes. */
json_t *topo_bars_json(const uint64_t bars[PCI_NUM_BARS]);

#endif
