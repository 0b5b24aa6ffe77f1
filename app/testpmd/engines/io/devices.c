/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "engine.h"
#include "workload.h"

void devices_free(struct devices *d)
{
	free(d->targets);
	free(d->ctrlrs);
	memset(d, 0, sizeof(*d));
}

static int append(struct devices *d, const struct app_target *t)
{
	struct app_target *targets = realloc(d->targets, (d->nb_targets + 1) * sizeof(*d->targets));

	if (!targets)
		return app_fail(-ENOMEM, "out of memory for the list of devices");
	d->targets = targets;
	d->targets[d->nb_targets++] = *t;
	return 0;
}

static int append_all(struct devices *d)
{
	const struct pl_nvme_ctrlr *prev = NULL;
	struct pl_nvme_ctrlr *ctrlr;
	struct app_target t;
	int rc = 0;

	while (rc == 0 && (ctrlr = pl_nvme_ctrlr_next(prev)) != NULL) {
		struct pl_nvme_ns *ns = NULL;

		while (rc == 0 && (ns = pl_nvme_ns_next(ctrlr, ns)) != NULL) {
			app_target_whole(ns, &t);
			rc = append(d, &t);
		}
		prev = ctrlr;
	}
	if (rc == 0 && !d->nb_targets)
		return app_fail(-EINVAL, "none of the devices has an active namespace");
	return rc;
}

static int append_given(struct devices *d, const struct testpmd_opts *o)
{
	for (unsigned int i = 0; i < o->nb_devices; i++) {
		struct app_target t = o->devices[i];
		int rc = app_target_resolve("--devices", &t);

		if (rc)
			return rc;
		for (unsigned int j = 0; j < d->nb_targets; j++)
			if (d->targets[j].ns == t.ns)
				return app_fail(-EINVAL,
						"--devices: %s and %s are the same namespace",
						d->targets[j].text, t.text);
		rc = append(d, &t);
		if (rc)
			return rc;
	}
	return 0;
}

static int collect_ctrlrs(struct devices *d)
{
	d->ctrlrs = calloc(d->nb_targets, sizeof(*d->ctrlrs));
	if (!d->ctrlrs)
		return app_fail(-ENOMEM, "out of memory for the list of devices");
	for (unsigned int i = 0; i < d->nb_targets; i++) {
		struct pl_nvme_ctrlr *ctrlr = d->targets[i].ns->ctrlr;
		unsigned int c = 0;

		while (c < d->nb_ctrlrs && d->ctrlrs[c].ctrlr != ctrlr)
			c++;
		if (c == d->nb_ctrlrs) {
			d->ctrlrs[c].ctrlr = ctrlr;
			pl_nvme_ctrlr_info(ctrlr, &d->ctrlrs[c].info, sizeof(d->ctrlrs[c].info));
			d->nb_ctrlrs++;
		}
		d->ctrlrs[c].namespaces++;
	}
	return 0;
}

static int check_target(const struct app_target *t, const struct testpmd_opts *o)
{
	uint32_t lba = 1u << t->ns->lba_shift;

	if (o->bs & (lba - 1))
		return app_fail(-EINVAL,
				"-o %s: no multiple of the LBA size of %s NSID %u; accepted are "
				"multiples of %u bytes",
				o->bs_text, t->device, t->nsid, lba);
	if (t->nlb < o->bs >> t->ns->lba_shift)
		return app_fail(-EINVAL,
				"-o %s: does not fit into %s NSID %u, where %" PRIu64
				" bytes may be used",
				o->bs_text, t->device, t->nsid, t->nlb << t->ns->lba_shift);
	return 0;
}

/* Where a zone's write pointer stands is nobody's to guess. */
static int check_zones(const struct app_target *t, const struct testpmd_opts *o)
{
	if (!t->ns->zone_nlb || !o->workload->writes)
		return 0;
	return app_fail(
		-ENOTSUP,
		"-w %s: %s namespace %u is zoned and is written in order, zone by zone, which this "
		"workload does not; use -w read or randread, or a conventional namespace",
		o->workload->name, t->device, t->nsid);
}

static int check_ctrlr(const struct device_ctrlr *c, const struct testpmd_opts *o,
		       unsigned int lcores)
{
	if (c->info.io_queues < lcores * c->namespaces)
		return app_fail(-EINVAL,
				"-l: %u lcores on %u namespaces of %s take %u queue pairs, and it "
				"has %u; give fewer lcores or fewer --devices",
				lcores, c->namespaces, c->info.name, lcores * c->namespaces,
				c->info.io_queues);
	if (o->verify && o->workload->reads && !(c->info.oncs & NVME_ONCS_COMPARE))
		return app_fail(-ENOTSUP,
				"--verify: %s has no Compare command (ONCS bit 0), which checks "
				"reads; leave --verify out, or use -w write or randwrite",
				c->info.name);
	return 0;
}

int devices_find(struct devices *d, const struct testpmd_opts *o, unsigned int lcores)
{
	int rc = engine_any_device();

	memset(d, 0, sizeof(*d));
	if (rc == 0)
		rc = o->nb_devices ? append_given(d, o) : append_all(d);
	if (rc == 0)
		rc = collect_ctrlrs(d);
	for (unsigned int i = 0; rc == 0 && i < d->nb_targets; i++)
		rc = check_zones(&d->targets[i], o);
	for (unsigned int i = 0; rc == 0 && i < d->nb_targets; i++)
		rc = check_target(&d->targets[i], o);
	for (unsigned int i = 0; rc == 0 && i < d->nb_ctrlrs; i++)
		rc = check_ctrlr(&d->ctrlrs[i], o, lcores);
	if (rc)
		devices_free(d);
	return rc;
}
