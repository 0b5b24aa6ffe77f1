/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe controllers that a vfio driver owns: registers and doorbells are BAR 0, mapped. The IOMMU
 * backend opened the device and put it in the address space before this is called.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>
#include <rte_io.h>

#include <peerlane/pl_parse.h>

#include "iommu_backend.h"
#include "nvme_func.h"
#include "pci_sysfs.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_pairs.h"
#include "vfio_dev.h"
#include "vfio_p2pmem.h"

#define USAGE "BDF[,sq=host|cmb][,prp=host|cmb][,p2pmem=SIZE]"
/* What is mapped of a BAR 0 whose rest the kernel keeps (its MSI-X table): with the doorbells of
 * 511 queue pairs at the usual stride. */
#define BAR0_LEAST (NVME_REG_DOORBELLS + 4096u)

static const struct nvme_func_ops vfio_ops;

struct vfio_func {
	struct nvme_func base;
	struct vfio_dev *dev; /* the IO address space's */
	uint8_t *bar0;
	size_t bar0_len;
	struct vfio_p2pmem chunk; /* of the CMB, if the kernel's drivers share it */
	uint64_t p2pmem;          /* bytes of it to take; 0: as many as there are */
	uint64_t cmb_offset;      /* of the CMB in its BAR */
	void *cmb;
};

static struct vfio_func *of(struct nvme_func *f)
{
	return container_of(f, struct vfio_func, base);
}

/* Where queues' memory lies unless the queue pair's options say otherwise, and how much of the CMB
 * to take where the kernel's drivers share it; 0: as much as there is. */
struct vfio_args {
	const char *dev;
	bool sq_in_cmb;
	bool prp_in_cmb;
	uint64_t p2pmem;
};

static bool parse_place(const char *val, bool *in_cmb)
{
	*in_cmb = strcmp(val, "cmb") == 0;
	return *in_cmb || strcmp(val, "host") == 0;
}

static bool takes(const struct eal_pair *pair, struct vfio_args *args)
{
	if (!pair->val)
		return false;
	if (strcmp(pair->key, "sq") == 0)
		return parse_place(pair->val, &args->sq_in_cmb);
	if (strcmp(pair->key, "prp") == 0)
		return parse_place(pair->val, &args->prp_in_cmb);
	return strcmp(pair->key, "p2pmem") == 0 && pl_size_parse(pair->val, &args->p2pmem) == 0 &&
	       args->p2pmem && args->p2pmem % VFIO_P2PMEM_LEAST == 0;
}

static int parse_pair(const struct eal_pair *pair, void *arg)
{
	struct vfio_args *args = arg;

	if (takes(pair, args))
		return 0;
	return pl_fail(-EINVAL,
		       "-a %s: '%s' is not understood; the form is " USAGE
		       ", SIZE a multiple of 64K",
		       args->dev, pair->text);
}

static int parse_args(const char *dev, const char *text, struct vfio_args *args)
{
	*args = (struct vfio_args){ .dev = dev };
	return eal_pairs_walk(text, parse_pair, args);
}

static int vfio_check(const char *dev, const char *text)
{
	struct vfio_args args;

	return parse_args(dev, text, &args);
}

static int map_bar0(struct vfio_func *v)
{
	uint64_t size = vfio_dev_bar_size(v->dev, 0);
	void *bar0;
	int rc;

	if (size < BAR0_LEAST)
		return pl_fail(-ENODEV, "%s: BAR 0 has %llu bytes, too few for an NVMe controller",
			       v->base.name, (unsigned long long)size);
	v->bar0_len = (size_t)size;
	rc = vfio_dev_map_bar(v->dev, 0, 0, v->bar0_len, NULL, &bar0);
	if (rc == -ENOTSUP) {
		v->bar0_len = BAR0_LEAST;
		rc = vfio_dev_map_bar(v->dev, 0, 0, v->bar0_len, NULL, &bar0);
	}
	if (rc)
		return rc;
	v->bar0 = bar0;
	rc = pl_guard_add(&v->base.guard, bar0, v->bar0_len, NVME_REG_DOORBELLS);
	if (rc)
		munmap(bar0, v->bar0_len);
	return rc;
}

static int vfio_probe(const char *dev, const char *text, struct pl_ioas *ioas,
		      struct nvme_func **out)
{
	struct vfio_func *v = eal_calloc(1, sizeof(*v));
	struct vfio_args args;
	long long node;
	int rc;

	if (!v)
		return pl_fail(-ENOMEM, "%s: no memory for the device", dev);
	snprintf(v->base.name, sizeof(v->base.name), "%s", dev);
	v->base.ops = &vfio_ops;
	v->base.ioas = ioas;
	v->chunk.fd = -1;
	v->base.numa_node = pci_sysfs_number(dev, "numa_node", &node) ? -1 : (int)node;
	rc = parse_args(dev, text, &args);
	if (rc)
		goto free_v;
	v->base.sq_in_cmb = args.sq_in_cmb;
	v->base.prp_in_cmb = args.prp_in_cmb;
	v->p2pmem = args.p2pmem;
	v->dev = ioas_device(ioas, dev);
	if (!v->dev) {
		rc = pl_fail(-ENODEV, "%s is not in the IO address space", dev);
		goto free_v;
	}
	v->base.unordered = !v->dev->ordered;
	rc = v->p2pmem ? vfio_p2pmem_check(v->dev, v->p2pmem) : 0;
	if (rc == 0)
		rc = map_bar0(v);
	if (rc)
		goto free_v;
	v->base.doorbells = (volatile uint32_t *)(v->bar0 + NVME_REG_DOORBELLS);
	v->base.doorbells_len = v->bar0_len - NVME_REG_DOORBELLS;
	*out = &v->base;
	return 0;
free_v:
	free(v);
	return rc;
}

static void vfio_remove(struct nvme_func *f)
{
	struct vfio_func *v = of(f);

	vfio_p2pmem_give(&v->chunk);
	pl_guard_remove(v->bar0);
	munmap(v->bar0, v->bar0_len);
	free(v);
}

static uint32_t vfio_read32(struct nvme_func *f, uint32_t off)
{
	return rte_read32(of(f)->bar0 + off);
}

/* 8-byte registers may be accessed as two halves, low first (3.1); not every path carries 8. */
static uint64_t vfio_read64(struct nvme_func *f, uint32_t off)
{
	uint32_t low = rte_read32(of(f)->bar0 + off);

	return low | (uint64_t)rte_read32(of(f)->bar0 + off + 4) << 32;
}

static void vfio_write32(struct nvme_func *f, uint32_t off, uint32_t val)
{
	rte_write32(val, of(f)->bar0 + off);
}

/* High half first: CMBMSC takes effect with the write of its low half, whose CRE and CMSE bits
 * enable what the base address above them must already say (3.1.15). */
static void vfio_write64(struct nvme_func *f, uint32_t off, uint64_t val)
{
	rte_write32((uint32_t)(val >> 32), of(f)->bar0 + off + 4);
	rte_write32((uint32_t)val, of(f)->bar0 + off);
}

/* Registers that were replaced by ordinary memory are mapped again; device memory is when it is
 * attached again. A reset turned Relaxed Ordering on again. */
static int vfio_decode(struct nvme_func *f)
{
	struct vfio_func *v = of(f);
	int rc = vfio_dev_decode(v->dev);
	void *bar0;

	if (rc == 0) {
		vfio_dev_order(v->dev);
		f->unordered = !v->dev->ordered;
	}
	if (rc || !pl_guard_lost(&f->guard))
		return rc;
	rc = vfio_dev_map_bar(v->dev, 0, 0, v->bar0_len, v->bar0, &bar0);
	if (rc == 0)
		pl_guard_renew(&f->guard);
	return rc;
}

static int vfio_master(struct nvme_func *f, bool on)
{
	return vfio_dev_master(of(f)->dev, on);
}

static bool vfio_asked_back(struct nvme_func *f)
{
	return vfio_dev_asked_back(of(f)->dev);
}

static uint64_t vfio_bar_size(struct nvme_func *f, unsigned int bir)
{
	return vfio_dev_bar_size(of(f)->dev, bir);
}

static int vfio_bar_addr(struct nvme_func *f, unsigned int bir, uint64_t *addr)
{
	return pci_sysfs_bar_addr(f->name, bir, addr);
}

static bool is_chunk(const struct vfio_func *v, const void *va)
{
	return v->chunk.fd >= 0 && va == v->cmb;
}

/* The CMB's bytes that lie at [*va, *va + *len) of the BAR from *offset on: all, or the chunk. */
static void extent(const struct vfio_func *v, uint8_t **va, uint64_t *offset, size_t *len)
{
	if (!is_chunk(v, *va))
		return;
	*va += v->chunk.offset - v->cmb_offset;
	*offset = v->chunk.offset;
	*len = v->chunk.len;
}

static void vfio_mem_extent(struct nvme_func *f, void *va, size_t *first, size_t *len)
{
	uint8_t *at = va;
	uint64_t offset;

	extent(of(f), &at, &offset, len);
	*first = (size_t)(at - (uint8_t *)va);
}

/* Where the kernel's drivers share the CMB, what they gave us of it once is ours until remove(). */
static int take_chunk(struct vfio_func *v, unsigned int bir, uint64_t offset, size_t len, void *va,
		      enum pl_mem_kind kind)
{
	int rc;

	if (kind != PL_MEM_CMB)
		return 0;
	v->cmb = va;
	v->cmb_offset = offset;
	if (v->chunk.fd >= 0)
		return 0;
	rc = vfio_p2pmem_take(v->dev, bir, offset, len, v->p2pmem, &v->chunk);
	/* What others have, or cannot be asked for, is no reason not to drive the controller. */
	if (rc == -ENOMEM || rc == -ENOTSUP)
		return pl_fail(-EREMOTEIO, "%s", pl_errmsg());
	return rc == -ENOENT ? 0 : rc;
}

/* The next memory at this address may be another one. */
static void leave_chunk(struct vfio_func *v, const void *va)
{
	if (v->cmb == va)
		v->cmb = NULL;
}

/* Memory that the kernel's drivers reach too is of use without any other peer. */
static int import_chunk(struct vfio_func *v, unsigned int bir, void *va)
{
	struct pl_ioas *ioas = v->base.ioas;
	int rc = ioas_import(ioas, v->dev, bir, v->chunk.offset, v->chunk.len, va);

	v->base.no_peers = rc != 0;
	if (rc == 0 || (rc != -ENOTSUP && rc != -EREMOTEIO))
		return rc;
	PL_LOG(NOTICE, "%s: only the kernel's drivers reach its CMB, no other controller here: %s",
	       v->base.name, pl_errmsg());
	return 0;
}

static void unmap(struct vfio_func *v, void *at, size_t len, bool imported)
{
	struct pl_ioas *ioas = v->base.ioas;

	if (imported && pl_ioas_unmap(ioas, at, len))
		PL_LOG(ERR, "%s: %s", v->base.name, pl_errmsg());
	(void)pl_window_clear(at, len);
}

static int vfio_mem_attach(struct nvme_func *f, unsigned int bir, uint64_t offset, size_t len,
			   void *va, enum pl_mem_kind kind)
{
	struct vfio_func *v = of(f);
	bool imported = false;
	uint8_t *at = va;
	void *mapped;
	int rc;

	/* An export made while decoding is off starts revoked. */
	rc = vfio_dev_decode(v->dev);
	if (rc == 0)
		rc = take_chunk(v, bir, offset, len, va, kind);
	if (rc)
		return rc;
	if (is_chunk(v, va)) {
		extent(v, &at, &offset, &len);
		rc = vfio_p2pmem_map(v->dev, &v->chunk, at);
		if (rc == 0)
			rc = import_chunk(v, bir, at);
		imported = rc == 0 && !f->no_peers;
	} else {
		rc = vfio_dev_map_bar(v->dev, bir, offset, len, va, &mapped);
		if (rc == 0)
			rc = ioas_import(f->ioas, v->dev, bir, offset, len, va);
		imported = rc == 0;
	}
	if (rc == 0)
		rc = pl_guard_add(&f->guard, at, len, 0);
	if (rc) {
		unmap(v, at, len, imported);
		leave_chunk(v, va);
	}
	return rc;
}

static void vfio_mem_detach(struct nvme_func *f, void *va, size_t len)
{
	struct vfio_func *v = of(f);
	bool imported = !(is_chunk(v, va) && f->no_peers);
	uint64_t offset;
	uint8_t *at = va;

	extent(v, &at, &offset, &len);
	pl_guard_remove(at);
	unmap(v, at, len, imported);
	leave_chunk(v, va);
}

static const struct nvme_func_ops vfio_ops = {
	.name = "vfio",
	.usage = USAGE,
	.by_address = true,
	.family = PL_IOAS_PCI,
	.check = vfio_check,
	.probe = vfio_probe,
	.remove = vfio_remove,
	.decode = vfio_decode,
	.master = vfio_master,
	.asked_back = vfio_asked_back,
	.read32 = vfio_read32,
	.read64 = vfio_read64,
	.write32 = vfio_write32,
	.write64 = vfio_write64,
	.bar_size = vfio_bar_size,
	.bar_addr = vfio_bar_addr,
	.mem_attach = vfio_mem_attach,
	.mem_extent = vfio_mem_extent,
	.mem_detach = vfio_mem_detach,
};
NVME_FUNC(vfio_ops)
