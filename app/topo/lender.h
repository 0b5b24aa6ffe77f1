/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions that are no NVMe controllers and whose memory copies could go through: bound to a vfio
 * driver, with a memory BAR of a page or more. */
#ifndef TOPO_LENDER_H
#define TOPO_LENDER_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "pci_sysfs.h"

struct topo_lender {
	char bdf[PCI_BDF_LEN];
	unsigned int vendor, device;
	char driver[64];
	char group[16];
	char cdev[32];
	uint64_t bars[PCI_NUM_BARS]; /* bytes; 0: none that can be lent */
};

struct topo_lenders {
	struct topo_lender *lenders;
	unsigned int n;
};

/* 0, or -ENOMEM with app_fail(). */
int topo_lenders_read(struct topo_lenders *list);
void topo_lenders_free(struct topo_lenders *list);

/* A table and how to lend, or nothing if there are none. */
void topo_lenders_print(const struct topo_lenders *list, FILE *out);

/* An array of one object per function; NULL without memory. */
json_t *topo_lenders_json(const struct topo_lenders *list);

#endif
