/* SPDX-License-Identifier: BSD-3-Clause */
/* NVMe controllers as sysfs shows them. Nothing is opened, no register is read. */
#ifndef TOPO_CTRLR_H
#define TOPO_CTRLR_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "host.h"
#include "pci_sysfs.h"

enum topo_binding { TOPO_VFIO, TOPO_KERNEL, TOPO_UNBOUND };

/* CMBLOC and CMBSZ (NVMe base specification 2.0, 3.1.3.12 and 3.1.3.13) as the kernel's driver read
 * them;
 * @size 0: it says nothing of one. */
struct topo_cmb {
	uint64_t size;
	uint64_t offset;
	unsigned int bar;
	uint32_t support; /* CMBSZ: NVME_CMBSZ_SQS to _WDS */
};

/* Why a controller must not be taken from the kernel now; @block is "" if nothing speaks against.
 */
struct topo_use {
	char block[64];    /* the first that is used: "nvme0n1p2" */
	char text[256];    /* "nvme0n1p2 is mounted on /srv; nvme0n1p3 is swapped on" */
	char release[200]; /* the commands that end all that, or the first of them if ... */
	bool more;         /* ... not all fit */
};

struct topo_ctrlr {
	char bdf[PCI_BDF_LEN];
	unsigned int vendor, device;
	enum topo_binding binding;
	char driver[64]; /* "" if none */
	char group[16];  /* "" without an IOMMU */
	char cdev[32];   /* "vfio3"; "" if it has none */
	int numa_node;   /* -1: unknown */
	struct topo_cmb cmb;
	uint64_t bars[PCI_NUM_BARS];
	struct topo_use use;
};

struct topo_list {
	struct topo_ctrlr *ctrlrs;
	unsigned int n;
};

/* 0, or -ENOMEM with app_fail(). */
int topo_list_read(const struct topo_host *host, struct topo_list *list);
void topo_list_free(struct topo_list *list);
const struct topo_ctrlr *topo_list_find(const struct topo_list *list, const char *bdf);

/* Whether the kernel uses a namespace of the controller: mounted, swapped on, or held. */
void topo_use_read(const struct topo_host *host, const char *bdf, struct topo_use *use);

/* The tables for people, in dpdk-devbind's three groups. */
void topo_list_print(const struct topo_list *list, FILE *out);

/* An array of one object per controller; NULL without memory. */
json_t *topo_list_json(const struct topo_list *list);

#endif
