/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOPO_OPTIONS_H
#define TOPO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "pci_sysfs.h"

struct topo_opts {
	bool check;
	const char *json; /* NULL: none */
	uint64_t mem;     /* bytes */
	const char *root; /* "": this machine */
	char (*bdfs)[PCI_BDF_LEN];
	unsigned int nb_bdfs;
};

extern const char topo_usage[];

/* 0; -EINVAL or -ENOMEM with app_fail(). Then topo_opts_free(). */
int topo_opts_parse(const struct app_cli *cli, struct topo_opts *o);
void topo_opts_free(struct topo_opts *o);

#endif
