/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Active namespaces (5.15.2.1, 5.15.2.3). An object lives as long as its controller, for others
 * hold pointers to it through resets: what a reset finds again is the same object, what it finds
 * changed or gone leaves one behind that is retired, with an NSID that no controller answers to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_internal.h"
#include "pl_inject.h"
#include "pl_log.h"

#define IDS_PER_LIST 1024u
PL_STATIC_ASSERT(NVME_MAX_NAMESPACES == IDS_PER_LIST, "one list is looked at");

static int unusable(const struct pl_nvme_ns *ns, const char *why)
{
	PL_LOG(NOTICE, "%s: namespace %u is not usable: %s", ns->ctrlr->info.name, ns->nsid, why);
	return -ENOTSUP;
}

/* Bits 6:5 of FLBAS count only where there are formats for them. */
static uint32_t format_of(const struct pl_nvme_id_ns *id)
{
	uint32_t index = id->flbas & 0xf;

	return id->nlbaf + id->nulbaf < 16 ? index : index | (id->flbas & 0x60u) >> 1;
}

static int learn_size(struct pl_nvme_ns *ns, const struct pl_nvme_id_ns *id)
{
	uint32_t index = format_of(id);
	struct pl_nvme_lbaf lbaf = id->lbaf[index];
	char why[128];

	if (index > (uint32_t)id->nlbaf + id->nulbaf) {
		snprintf(why, sizeof(why), "its LBA format is %u of %u (FLBAS)", index,
			 id->nlbaf + id->nulbaf + 1);
		return unusable(ns, why);
	}
	/* In bytes it must be a file's size; and a block must fit into a command. */
	if (lbaf.lbads < 9 || lbaf.lbads > 16 || lbaf.ms != 0 || id->nsze == 0 ||
	    id->ncap > id->nsze || id->nsze > (uint64_t)INT64_MAX >> lbaf.lbads ||
	    1u << lbaf.lbads > ns->ctrlr->info.max_xfer) {
		snprintf(why, sizeof(why),
			 "%llu blocks of 2^%u bytes with %u bytes of metadata, capacity "
			 "%llu",
			 (unsigned long long)id->nsze, lbaf.lbads, lbaf.ms,
			 (unsigned long long)id->ncap);
		return unusable(ns, why);
	}
	ns->lba_shift = lbaf.lbads;
	ns->nlb = id->nsze;
	return 0;
}

static void learn_copy(struct pl_nvme_ns *ns, const struct pl_nvme_id_ns *id)
{
	/* With a limit of no blocks there is no Copy, whatever ONCS says. */
	if (!(ns->ctrlr->info.oncs & NVME_ONCS_COPY) || !id->mssrl || !id->mcl)
		return;
	ns->mssrl = id->mssrl;
	ns->mcl = id->mcl;
	ns->msrc = (uint16_t)(id->msrc + 1u);
}

/* Namespace Identification Descriptors (5.15.2.4). A length that is not its type's ends the list:
 * nothing tells where the next one would begin. */
static void learn_names(struct pl_nvme_ns *ns, const uint8_t *list, uint8_t *csi)
{
	const struct {
		uint8_t type, len;
		uint8_t *to;
	} known[] = {
		{ NVME_NIDT_EUI64, sizeof(ns->eui64), ns->eui64 },
		{ NVME_NIDT_NGUID, sizeof(ns->nguid), ns->nguid },
		{ NVME_NIDT_UUID, sizeof(ns->uuid), ns->uuid },
		{ NVME_NIDT_CSI, sizeof(*csi), csi },
	};
	uint32_t at = 0;

	while (at + 4 < NVME_PAGE_SIZE && list[at + 1] &&
	       at + 4u + list[at + 1] <= NVME_PAGE_SIZE) {
		const uint8_t type = list[at], len = list[at + 1];

		for (size_t i = 0; i < RTE_DIM(known); i++) {
			if (known[i].type != type)
				continue;
			if (known[i].len != len)
				return;
			memcpy(known[i].to, &list[at + 4], len);
		}
		at += 4u + len;
	}
}

/* Optional before NVMe 1.3, so that a controller without answers with an error. */
static int identify_names(struct pl_nvme_ns *ns, void *page, uint8_t *csi)
{
	int rc;

	memset(page, 0, NVME_PAGE_SIZE); /* or what it does not write is the last answer's */
	rc = nvme_identify(ns->ctrlr, NVME_CNS_NS_DESCS, ns->nsid, page);
	*csi = NVME_CSI_NVM;
	if (rc == 0)
		learn_names(ns, page, csi);
	return rc == -EIO ? 0 : rc;
}

/* The zones of LBA format @format. Without CC.CSS for all command sets the controller takes the NVM
 * commands for a zoned namespace too, and holds them to its zones. */
static int identify_zones(struct pl_nvme_ns *ns, uint32_t format, void *page)
{
	const struct pl_nvme_id_ns_zoned *id = page;
	struct pl_nvme_sqe sqe = {
		.opc = NVME_ADM_IDENTIFY,
		.nsid = ns->nsid,
		.cdw10 = NVME_CNS_CSI_NS,
		.cdw11 = NVME_CSI_CDW11(NVME_CSI_ZONED),
	};
	int rc;

	memset(page, 0, NVME_PAGE_SIZE);
	rc = nvme_admin_locked(ns->ctrlr, &sqe, page, NVME_PAGE_SIZE, NULL, NULL);
	if (rc == -EIO)
		return unusable(ns, "it is zoned, and does not tell the size of its zones");
	if (rc)
		return rc;
	ns->zone_nlb = id->lbafe[format].zsze;
	if (ns->zone_nlb == 0 || ns->zone_nlb > ns->nlb)
		return unusable(ns, "its zones are of no blocks, or of more than it has");
	return 0;
}

static int identify_command_set(struct pl_nvme_ns *ns, uint32_t format, void *page)
{
	char why[64];
	uint8_t csi;
	int rc = identify_names(ns, page, &csi);

	if (rc || csi == NVME_CSI_NVM)
		return rc;
	if (csi == NVME_CSI_ZONED)
		return identify_zones(ns, format, page);
	snprintf(why, sizeof(why), "its command set is %02xh", csi);
	return unusable(ns, why);
}

static int identify(struct pl_nvme_ns *ns, void *page)
{
	const struct pl_nvme_id_ns *id = page;
	uint32_t format;
	int rc;

	memset(page, 0, NVME_PAGE_SIZE);
	rc = nvme_identify(ns->ctrlr, NVME_CNS_NS, ns->nsid, page);
	if (rc == 0)
		rc = learn_size(ns, id);
	if (rc)
		return rc;
	format = format_of(id);
	learn_copy(ns, id);
	ns->shared = (id->nmic & NVME_NMIC_SHARED) != 0;
	memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	return identify_command_set(ns, format, page);
}

/* What was there before a reset and is there after it, so that ops and jobs mean the same blocks.
 */
static bool same(const struct pl_nvme_ns *a, const struct pl_nvme_ns *b)
{
	return a->nsid == b->nsid && a->lba_shift == b->lba_shift && a->nlb == b->nlb &&
	       a->mssrl == b->mssrl && a->mcl == b->mcl && a->msrc == b->msrc &&
	       a->zone_nlb == b->zone_nlb && a->shared == b->shared &&
	       memcmp(a->nguid, b->nguid, sizeof(a->nguid)) == 0 &&
	       memcmp(a->eui64, b->eui64, sizeof(a->eui64)) == 0 &&
	       memcmp(a->uuid, b->uuid, sizeof(a->uuid)) == 0;
}

bool nvme_ns_retired(const struct pl_nvme_ns *ns)
{
	return !__atomic_load_n(&ns->sqe0, __ATOMIC_RELAXED);
}

/* Without the controller's mark the fast loop leaves every op to nvme_submit_slow(), which knows
 * where zones end. */
static void set_retired(struct pl_nvme_ns *ns, bool retired)
{
	uint32_t mark = ns->zone_nlb ? 0 : ns->ctrlr->ns_tag;
	uint64_t sqe0 = retired ? 0 : (uint64_t)ns->nsid << 32 | mark;

	__atomic_store_n(&ns->sqe0, sqe0, __ATOMIC_RELAXED);
}

/* Those that were not found again, and were there until now. */
static void retire(struct pl_nvme_ctrlr *ctrlr)
{
	uint32_t n = 0, first = 0;

	for (struct pl_nvme_ns *ns = ctrlr->ns; ns; ns = ns->next) {
		if (!ns->found && !nvme_ns_retired(ns) && n++ == 0)
			first = ns->nsid;
		set_retired(ns, !ns->found);
	}
	if (n)
		PL_LOG(NOTICE,
		       "%s: %u of its namespaces, %u the first, went with the reset or are others "
		       "since",
		       ctrlr->info.name, n, first);
}

/* A new object behind those of lower and the same NSID; readers may be on their way. */
static int append(struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_ns *found)
{
	struct pl_nvme_ns *ns = NULL, **at = &ctrlr->ns;

	/* A device that changes with every reset would have all of our memory. */
	if (ctrlr->nb_ns == 4 * NVME_MAX_NAMESPACES)
		return pl_fail(-ENOMEM, "%s: its namespaces changed too often: %u are remembered",
			       ctrlr->info.name, ctrlr->nb_ns);
	if (!pl_inject_hit())
		ns = aligned_alloc(64, RTE_ALIGN(sizeof(*ns), 64));
	if (!ns)
		return pl_fail(-ENOMEM, "%s: no memory for its namespaces", ctrlr->info.name);
	*ns = *found;
	while (*at && (*at)->nsid <= ns->nsid)
		at = &(*at)->next;
	ns->next = *at;
	ns->found = true;
	set_retired(ns, false);
	__atomic_store_n(at, ns, __ATOMIC_RELEASE);
	ctrlr->nb_ns++;
	return 0;
}

static int find_one(struct pl_nvme_ctrlr *ctrlr, uint32_t nsid, void *page)
{
	struct pl_nvme_ns found = { .nsid = nsid, .ctrlr = ctrlr };
	int rc = identify(&found, page);

	if (rc)
		return rc == -ENOTSUP ? 0 : rc;
	for (struct pl_nvme_ns *ns = ctrlr->ns; ns; ns = ns->next) {
		if (!same(ns, &found))
			continue;
		ns->found = true;
		return 0;
	}
	return append(ctrlr, &found);
}

/* How many of the list are looked at. They ascend, or the lists would have no end. */
static int check_list(const struct pl_nvme_ctrlr *ctrlr, const uint32_t *ids, uint32_t *n)
{
	for (*n = 0; *n < IDS_PER_LIST && ids[*n]; (*n)++) {
		uint32_t before = *n ? ids[*n - 1] : 0;

		if (ids[*n] <= before)
			return pl_fail(-ENODEV,
				       "%s: its list of namespaces is not in order: %u after %u",
				       ctrlr->info.name, ids[*n], before);
		if (ids[*n] > ctrlr->info.nn) {
			PL_LOG(NOTICE,
			       "%s: its namespaces from %u on are left out: there can be %u (NN)",
			       ctrlr->info.name, ids[*n], ctrlr->info.nn);
			break;
		}
	}
	return 0;
}

/* A full list has others behind it, of which only the next is counted. */
static int say_what_is_left_out(struct pl_nvme_ctrlr *ctrlr, uint32_t last, uint32_t *ids)
{
	uint32_t more = 0;
	int rc = nvme_identify(ctrlr, NVME_CNS_ACTIVE_NS, last, ids);

	while (rc == 0 && more < IDS_PER_LIST && ids[more])
		more++;
	if (more)
		PL_LOG(NOTICE,
		       "%s: %u%s of its namespaces are left out, from %u on: Peerlane uses the "
		       "first %u",
		       ctrlr->info.name, more, more == IDS_PER_LIST ? " or more" : "", ids[0],
		       NVME_MAX_NAMESPACES);
	return rc == -EIO ? 0 : rc; /* not to know how many is no reason not to drive it */
}

static int find_all(struct pl_nvme_ctrlr *ctrlr, uint32_t *ids, void *page)
{
	uint32_t n = 0;
	int rc = nvme_identify(ctrlr, NVME_CNS_ACTIVE_NS, 0, ids);

	if (rc == 0)
		rc = check_list(ctrlr, ids, &n);
	for (struct pl_nvme_ns *ns = ctrlr->ns; ns; ns = ns->next)
		ns->found = false;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = find_one(ctrlr, ids[i], page);
	if (rc == 0 && n == IDS_PER_LIST && ids[n - 1] < ctrlr->info.nn)
		rc = say_what_is_left_out(ctrlr, ids[n - 1], ids);
	return rc;
}

int nvme_ns_identify_all(struct pl_nvme_ctrlr *ctrlr)
{
	uint8_t *buf = pl_mem_zalloc(8192, ctrlr->info.numa_node);
	int rc;

	if (!buf)
		return pl_fail_more(-ENOMEM, "%s: its namespaces cannot be identified: %s",
				    ctrlr->info.name, pl_errmsg());
	rc = find_all(ctrlr, (void *)buf, buf + 4096);
	if (rc == 0)
		retire(ctrlr);
	nvme_admin_buf_free(ctrlr, buf);
	return rc;
}

void nvme_ns_free_all(struct pl_nvme_ctrlr *ctrlr)
{
	while (ctrlr->ns) {
		struct pl_nvme_ns *ns = ctrlr->ns;

		ctrlr->ns = ns->next;
		free(ns);
	}
	ctrlr->nb_ns = 0;
}

struct pl_nvme_ns *pl_nvme_ns_next(const struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_ns *prev)
{
	struct pl_nvme_ns *const *at = prev ? &prev->next : &ctrlr->ns;
	struct pl_nvme_ns *ns;

	while ((ns = __atomic_load_n(at, __ATOMIC_ACQUIRE)) && nvme_ns_retired(ns))
		at = &ns->next;
	return ns;
}

struct pl_nvme_ns *pl_nvme_ns_get(struct pl_nvme_ctrlr *ctrlr, uint32_t nsid)
{
	struct pl_nvme_ns *ns = NULL;
	uint32_t n = 0, last = 0;

	while ((ns = pl_nvme_ns_next(ctrlr, ns)) && ns->nsid != nsid) {
		last = ns->nsid;
		n++;
	}
	if (!ns)
		pl_fail(-ENOENT, "%s has no usable namespace %u; it has %u, up to %u",
			ctrlr->info.name, nsid, n, last);
	return ns;
}
