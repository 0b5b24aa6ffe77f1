/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify (5.15). */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "emu.h"

#define ACL           3u    /* 0's based */
#define LPA_EXTENDED  0x04u /* NUMDU and LPO */
#define VWC_PRESENT   0x01u
#define VWC_FLUSH_ALL 0x06u /* Flush takes NSID FFFFFFFFh */
#define DLFEAT_ZEROS  0x01u /* deallocated blocks read as zeros... */
#define DLFEAT_DEAC   0x08u /* ...and Write Zeroes may deallocate */

/* FNV-1a: names a device the same in every run, without a registry to ask. */
static uint64_t name_hash(const char *name, uint64_t salt)
{
	uint64_t h = 0xcbf29ce484222325ull ^ salt;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ull;
	return h;
}

/* What the subsystem's qualified name is made of. */
static uint64_t subsys_hash(const struct emu_ctrlr *c, uint64_t salt)
{
	return c->conf.subsys[0] ? name_hash(c->conf.subsys, 0x100 + salt)
				 : name_hash(c->t.name, salt);
}

static void put_padded(char *field, size_t len, const char *text)
{
	size_t n = strnlen(text, len);

	memset(field, ' ', len);
	memcpy(field, text, n);
}

static uint8_t mdts_field(uint64_t mdts)
{
	return mdts == 0 ? 0 : (uint8_t)__builtin_ctzll(mdts / EMU_PAGE);
}

static void fill_ctrl(const struct emu_ctrlr *c, struct pl_nvme_id_ctrl *id)
{
	uint64_t h = subsys_hash(c, 0), g = subsys_hash(c, 1);

	put_padded(id->sn, sizeof(id->sn), c->t.name);
	put_padded(id->mn, sizeof(id->mn), "Peerlane Emulated NVMe Controller");
	put_padded(id->fr, sizeof(id->fr), EMU_FIRMWARE);
	id->mdts = mdts_field(c->conf.mdts);
	id->ver = 0x00010400u;
	id->rtd3e = 5000000; /* a file may have much to write back */
	id->cmic = c->conf.subsys[0] ? NVME_CMIC_CTRLRS : 0;
	id->cntrltype = 1; /* I/O controller */
	id->acl = ACL;
	id->aerl = EMU_AERS - 1;
	id->frmw = 0x03; /* one slot, read-only */
	id->lpa = LPA_EXTENDED;
	id->elpe = EMU_ERRLOG - 1;
	id->wctemp = 343;
	id->cctemp = 353;
	id->sqes = 0x66;
	id->cqes = 0x44;
	id->nn = EMU_NN;
	id->oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES |
		   NVME_ONCS_SAVE_SELECT | NVME_ONCS_COPY;
	id->vwc = VWC_PRESENT | VWC_FLUSH_ALL;
	id->ocfs = 0x1; /* descriptor format 0 */
	snprintf(id->subnqn, sizeof(id->subnqn),
		 "nqn.2014-08.org.nvmexpress:uuid:%08x-%04x-4%03x-8%03x-%012llx",
		 (unsigned int)(h >> 32), (unsigned int)(h >> 16) & 0xffff, (unsigned int)h & 0xfff,
		 (unsigned int)(g >> 48) & 0xfff, (unsigned long long)g & 0xffffffffffffull);
}

/* A file is named after its inode, so whoever has it names it the same; memory after the device. */
static void fill_nguid(const struct emu_ctrlr *c, uint32_t nsid, uint8_t *nguid)
{
	const struct emu_media *m = c->ns[nsid - 1].media;
	const char *name = m->ino ? "file" : c->t.name;
	uint64_t dev = m->ino ? m->dev : 2 + 2ull * nsid, ino = m->ino ? m->ino : 3 + 2ull * nsid;
	uint64_t h[2] = { name_hash(name, dev), name_hash(name, ino) };

	memcpy(nguid, h, sizeof(h));
}

static void fill_eui64(const struct emu_ctrlr *c, uint32_t nsid, uint8_t *eui64)
{
	uint8_t nguid[16];
	uint64_t h[2];

	fill_nguid(c, nsid, nguid);
	memcpy(h, nguid, sizeof(h));
	h[0] ^= h[1];
	memcpy(eui64, h, 8);
}

/* Version 8 (RFC 9562): of our own making. */
static void fill_uuid(const struct emu_ctrlr *c, uint32_t nsid, uint8_t *uuid)
{
	fill_nguid(c, nsid, uuid);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static void fill_ns(const struct emu_ctrlr *c, uint32_t nsid, struct pl_nvme_id_ns *id)
{
	const struct emu_ns *ns = &c->ns[nsid - 1];

	id->nsze = ns->nlb;
	id->ncap = ns->nlb;
	id->nuse = ns->nlb;
	id->nmic = c->conf.subsys[0] ? NVME_NMIC_SHARED : 0;
	id->dlfeat = DLFEAT_ZEROS | DLFEAT_DEAC;
	id->mssrl = EMU_COPY_MSSRL;
	id->mcl = EMU_COPY_MCL;
	id->msrc = EMU_COPY_MSRC;
	fill_nguid(c, nsid, id->nguid);
	fill_eui64(c, nsid, id->eui64);
	id->lbaf[0].lbads = (uint8_t)__builtin_ctz(c->conf.bs);
}

/* Namespace Identification Descriptors (5.15.2.4). */
static void fill_descs(const struct emu_ctrlr *c, uint32_t nsid, uint8_t *p)
{
	p[0] = NVME_NIDT_EUI64;
	p[1] = 8;
	fill_eui64(c, nsid, p + 4);
	p += 4 + 8;
	p[0] = NVME_NIDT_NGUID;
	p[1] = 16;
	fill_nguid(c, nsid, p + 4);
	p += 4 + 16;
	p[0] = NVME_NIDT_UUID;
	p[1] = 16;
	fill_uuid(c, nsid, p + 4);
	if (!c->conf.zone)
		return;
	p += 4 + 16;
	p[0] = NVME_NIDT_CSI;
	p[1] = 1;
	p[4] = NVME_CSI_ZONED;
}

/* Only of the Zoned Namespace Command Set. */
static uint16_t fill_csi_ns(const struct emu_ctrlr *c, uint32_t nsid, uint32_t cdw11,
			    struct pl_nvme_id_ns_zoned *id)
{
	uint16_t status = emu_ns_check(c, nsid);

	if (status == NVME_SC_SUCCESS && (!c->conf.zone || cdw11 != NVME_CSI_CDW11(NVME_CSI_ZONED)))
		return NVME_SC_INVALID_FIELD;
	id->lbafe[0].zsze = c->conf.zone / c->conf.bs;
	return status;
}

/* Whether a rule says that namespaces go on for ever. */
static bool endless(const struct emu_fault_hits *hits)
{
	for (uint32_t i = 0; i < hits->nb; i++)
		if (hits->rules[i].action == EMU_FAULT_NS_LIST)
			return true;
	return false;
}

static void patch(const struct emu_fault_hits *hits, uint8_t *data)
{
	for (uint32_t i = 0; i < hits->nb; i++) {
		const struct emu_fault_rule *r = &hits->rules[i];

		if (r->action == EMU_FAULT_PATCH)
			memcpy(data + r->offset, r->data, r->len);
	}
}

static void fill_active(const struct emu_ctrlr *c, bool for_ever, uint32_t after, uint32_t *list)
{
	uint32_t last = c->conf.nb_ns;

	if (for_ever)
		last = (uint32_t)RTE_MIN(after + 1024ull, 0xfffffffdull);
	for (uint32_t nsid = after + 1; nsid <= last; nsid++)
		*list++ = nsid;
}

uint16_t emu_admin_identify(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	union {
		uint8_t bytes[EMU_PAGE];
		uint32_t list[EMU_PAGE / 4];
		struct pl_nvme_id_ctrl ctrl;
		struct pl_nvme_id_ns ns;
		struct pl_nvme_id_ns_zoned zoned;
	} data = { { 0 } };
	uint16_t status = NVME_SC_SUCCESS;
	uint32_t nsid = sqe->nsid;
	struct emu_fault_hits hits;
	bool for_ever;

	/* CNTID, NVMSETID and the UUID index belong to other CNS values. */
	if ((sqe->cdw10 > NVME_CNS_NS_DESCS && sqe->cdw10 != NVME_CNS_CSI_NS) ||
	    (sqe->cdw11 != 0 && sqe->cdw10 != NVME_CNS_CSI_NS) || sqe->cdw12 != 0 ||
	    sqe->cdw13 != 0 || sqe->cdw14 != 0 || sqe->cdw15 != 0)
		return NVME_SC_INVALID_FIELD;
	(void)emu_fault_at(&c->faults, EMU_FAULT_AT_IDENTIFY, cmd->sq->q.id, sqe, &hits);
	for_ever = endless(&hits);
	if (for_ever && nsid > 1)
		nsid = 1;
	switch (sqe->cdw10) {
	case NVME_CNS_NS:
		status = emu_ns_check(c, nsid);
		if (status == NVME_SC_SUCCESS)
			fill_ns(c, nsid, &data.ns);
		else if (status == NVME_SC_INVALID_FIELD)
			status = NVME_SC_SUCCESS; /* inactive: zeros say so */
		break;
	case NVME_CNS_CTRL:
		if (sqe->nsid != 0)
			return NVME_SC_INVALID_FIELD;
		fill_ctrl(c, &data.ctrl);
		break;
	case NVME_CNS_ACTIVE_NS:
		if (sqe->nsid >= 0xfffffffeu)
			return NVME_SC_INVALID_NAMESPACE;
		if (sqe->nsid < c->conf.nb_ns || for_ever)
			fill_active(c, for_ever, sqe->nsid, data.list);
		break;
	case NVME_CNS_CSI_NS:
		status = fill_csi_ns(c, nsid, sqe->cdw11, &data.zoned);
		break;
	default:
		status = emu_ns_check(c, nsid);
		if (status == NVME_SC_SUCCESS)
			fill_descs(c, nsid, data.bytes);
		break;
	}
	if (status != NVME_SC_SUCCESS)
		return status;
	patch(&hits, data.bytes);
	return emu_data_out(c, cmd, data.bytes, sizeof(data), sizeof(data));
}
