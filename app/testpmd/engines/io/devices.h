/* SPDX-License-Identifier: BSD-3-Clause */
/* Which namespaces an I/O workload runs on, and whether it can run on them at all. */
#ifndef TESTPMD_DEVICES_H
#define TESTPMD_DEVICES_H

#include "options.h"

struct device_ctrlr {
	struct pl_nvme_ctrlr *ctrlr;
	struct pl_nvme_ctrlr_info info;
	unsigned int namespaces; /* of it that are used */
};

struct devices {
	struct app_target *targets; /* resolved */
	unsigned int nb_targets;
	struct device_ctrlr *ctrlrs; /* that the targets are on */
	unsigned int nb_ctrlrs;
};

/* Takes those of @o, or all there are, and checks block size, range, queue pairs for @lcores and
 * what --verify needs. 0; -EINVAL, -ENOENT, -ENOTSUP or -ENOMEM with app_fail(). */
int devices_find(struct devices *d, const struct testpmd_opts *o, unsigned int lcores);

/* A devices_find() that failed has nothing to free; calling it is harmless. */
void devices_free(struct devices *d);

#endif
