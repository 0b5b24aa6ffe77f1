/* SPDX-License-Identifier: BSD-3-Clause */
/* Active namespaces (5.15.2.1, 5.15.2.3). */
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "nvme_internal.h"
#include "pl_inject.h"
#include "pl_log.h"

#define IDS_PER_LIST 1024u

static int ns_fill(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_ns *ns, uint32_t nsid,
		   struct pl_nvme_id_ns *id)
{
	struct pl_nvme_lbaf lbaf;
	int rc = nvme_identify(ctrlr, 0x00, nsid, id);

	if (rc)
		return rc;
	lbaf = id->lbaf[id->flbas & 0xf];
	if (lbaf.lbads < 9 || lbaf.lbads > 16 || lbaf.ms != 0 || id->nsze == 0 ||
	    1u << lbaf.lbads > ctrlr->info.max_xfer) { /* not even a block in a command */
		PL_LOG(NOTICE, "%s: namespace %u is not usable: %llu blocks of 2^%u bytes with %u "
		       "bytes of metadata", ctrlr->info.name, nsid,
		       (unsigned long long)id->nsze, lbaf.lbads, lbaf.ms);
		return -ENOTSUP;
	}
	*ns = (struct pl_nvme_ns){
		.nsid = nsid,
		.lba_shift = lbaf.lbads,
		.nlb = id->nsze,
		.sqe0 = (uint64_t)nsid << 32,
		.ctrlr = ctrlr,
	};
	if (ctrlr->info.oncs & NVME_ONCS_COPY) {
		ns->mssrl = id->mssrl;
		ns->mcl = id->mcl;
		ns->msrc = (uint16_t)(id->msrc + 1u);
	}
	return 0;
}

static int ns_append(struct pl_nvme_ctrlr *ctrlr, uint32_t nsid, struct pl_nvme_id_ns *id)
{
	struct pl_nvme_ns *grown = NULL;
	int rc;

	if (!pl_inject_hit())
		grown = realloc(ctrlr->ns, (ctrlr->nb_ns + 1) * sizeof(*grown));
	if (!grown)
		return pl_fail(-ENOMEM, "%s: no memory for its namespaces", ctrlr->info.name);
	ctrlr->ns = grown;
	rc = ns_fill(ctrlr, &grown[ctrlr->nb_ns], nsid, id);
	if (rc == 0)
		ctrlr->nb_ns++;
	return rc == -ENOTSUP ? 0 : rc;
}

int nvme_ns_identify_all(struct pl_nvme_ctrlr *ctrlr)
{
	uint32_t *ids, after = 0;
	void *buf = pl_mem_zalloc(8192, ctrlr->info.numa_node);
	int rc = 0;

	if (!buf)
		return pl_fail(-ENOMEM, "%s: its namespaces cannot be identified: %s", ctrlr->info.name,
			       pl_errmsg());
	ids = buf;
	free(ctrlr->ns);
	ctrlr->ns = NULL;
	ctrlr->nb_ns = 0;
	for (;;) {
		uint32_t i;

		rc = nvme_identify(ctrlr, 0x02, after, ids);
		if (rc)
			break;
		for (i = 0; i < IDS_PER_LIST && ids[i] && rc == 0; i++) {
			/* Or this would not end. */
			if (ids[i] <= after) {
				rc = pl_fail(-ENODEV, "%s: its list of namespaces is not in order: %u "
					     "after %u", ctrlr->info.name, ids[i], after);
				break;
			}
			after = ids[i];
			rc = ns_append(ctrlr, after, (void *)((char *)buf + 4096));
		}
		if (rc || i < IDS_PER_LIST)
			break;
	}
	rte_free(buf);
	return rc;
}

struct pl_nvme_ns *pl_nvme_ns_get(struct pl_nvme_ctrlr *ctrlr, uint32_t nsid)
{
	for (uint32_t i = 0; i < ctrlr->nb_ns; i++)
		if (ctrlr->ns[i].nsid == nsid)
			return &ctrlr->ns[i];
	pl_fail(-ENOENT, "%s has no usable namespace %u; it has %u, up to %u", ctrlr->info.name, nsid,
		ctrlr->nb_ns, ctrlr->nb_ns ? ctrlr->ns[ctrlr->nb_ns - 1].nsid : 0);
	return NULL;
}
