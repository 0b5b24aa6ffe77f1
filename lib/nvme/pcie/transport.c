/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport of functions: properties are registers, queues are rings in memory. */
#include <stdlib.h>

#include "nvme_pcie.h"
#include "pl_alloc.h"
#include "pl_log.h"

static struct nvme_func *func_of(const struct nvme_transport *t)
{
	return container_of(t, const struct nvme_pcie, base)->func;
}

static const struct nvme_func_ops *func_ops(const struct nvme_transport_ops *self)
{
	return container_of(self, const struct nvme_func_entry, transport)->ops;
}

static int pcie_check(const struct nvme_transport_ops *self, const char *dev, const char *args)
{
	return func_ops(self)->check(dev, args);
}

static int pcie_probe(const struct nvme_transport_ops *self, const char *dev, const char *args,
		      struct pl_ioas *ioas, struct nvme_transport **t)
{
	struct nvme_pcie *p = eal_calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return pl_fail(-ENOMEM, "%s: no memory for the device", dev);
	rc = func_ops(self)->probe(dev, args, ioas, &p->func);
	if (rc) {
		free(p);
		return rc;
	}
	p->base.ops = self;
	p->base.name = p->func->name;
	p->base.ioas = ioas;
	p->base.numa_node = p->func->numa_node;
	*t = &p->base;
	return 0;
}

static void pcie_remove(struct nvme_transport *t)
{
	struct nvme_pcie *p = container_of(t, struct nvme_pcie, base);

	p->func->ops->remove(p->func);
	free(p);
}

/* A load or store of a register has no way to fail: one that nobody answers reads all ones. */
static int pcie_get32(struct nvme_transport *t, uint32_t off, uint32_t *val)
{
	*val = func_of(t)->ops->read32(func_of(t), off);
	return 0;
}

static int pcie_get64(struct nvme_transport *t, uint32_t off, uint64_t *val)
{
	*val = func_of(t)->ops->read64(func_of(t), off);
	return 0;
}

static int pcie_set32(struct nvme_transport *t, uint32_t off, uint32_t val)
{
	func_of(t)->ops->write32(func_of(t), off, val);
	return 0;
}

/* A doorbell beyond the mapped ones could not be rung. */
static int pcie_limits(struct pl_nvme_ctrlr *c)
{
	struct nvme_pcie *p = nvme_pcie_of(c);
	size_t pair;

	p->db_stride = 1u << NVME_CAP_DSTRD(c->info.cap);
	pair = 2ul * 4u * p->db_stride;
	if (p->func->doorbells_len < pair)
		return pl_fail(-ENOTSUP,
			       "%s: its doorbells are %u bytes apart, and %zu bytes of them can be "
			       "reached",
			       c->info.name, 4u * p->db_stride, p->func->doorbells_len);
	p->base.max_qpairs = (uint32_t)(p->func->doorbells_len / pair) - 1;
	return 0;
}

static int pcie_let_dma(struct nvme_transport *t, bool on)
{
	return func_of(t)->ops->master(func_of(t), on);
}

static int pcie_revive(struct nvme_transport *t)
{
	return func_of(t)->ops->decode(func_of(t));
}

static bool pcie_asked_back(struct nvme_transport *t)
{
	struct nvme_func *f = func_of(t);

	return f->ops->asked_back && f->ops->asked_back(f);
}

static bool pcie_lost(const struct nvme_transport *t)
{
	return pl_guard_lost(&func_of(t)->guard);
}

static bool pcie_unordered(const struct nvme_transport *t)
{
	return func_of(t)->unordered;
}

static bool pcie_no_peers(const struct nvme_transport *t)
{
	return func_of(t)->no_peers;
}

static void pcie_memory_detach(struct pl_nvme_ctrlr *c)
{
	nvme_pcie_qpairs_leave_cmb(c);
	nvme_devmem_detach(c);
}

static void pcie_submit_sqe(struct pl_nvme_qpair *qp, struct pl_nvme_op *op,
			    const struct pl_nvme_sqe *sqe, uint64_t va, uint64_t len)
{
	nvme_submit_sqe(qp, op, 0, sqe, va, len);
	nvme_ring_sq(qp);
}

static bool pcie_traffic(struct nvme_transport *t, struct pl_nvme_traffic *traffic)
{
	struct nvme_func *f = func_of(t);

	if (!f->ops->traffic)
		return false;
	f->ops->traffic(f, traffic);
	return true;
}

static bool pcie_backing(struct nvme_transport *t, uint32_t nsid, dev_t *dev, ino_t *ino)
{
	struct nvme_func *f = func_of(t);

	return f->ops->backing && f->ops->backing(f, nsid, dev, ino);
}

static const struct nvme_transport_ops pcie_ops = {
	.check = pcie_check,
	.probe = pcie_probe,
	.remove = pcie_remove,
	.get32 = pcie_get32,
	.get64 = pcie_get64,
	.set32 = pcie_set32,
	.limits = pcie_limits,
	.let_dma = pcie_let_dma,
	.revive = pcie_revive,
	.asked_back = pcie_asked_back,
	.lost = pcie_lost,
	.unordered = pcie_unordered,
	.no_peers = pcie_no_peers,
	.memory_attach = nvme_devmem_attach,
	.memory_reattach = nvme_devmem_reattach,
	.memory_gone = nvme_devmem_gone,
	.memory_detach = pcie_memory_detach,
	.memory_alive = nvme_devmem_alive,
	.memory_alive_reads = nvme_devmem_alive_reads,
	.qpair_check = nvme_pcie_qpair_check,
	.qpair_alloc = nvme_pcie_qpair_alloc,
	.qpair_connect = nvme_pcie_qpair_connect,
	.qpair_disconnect = nvme_pcie_qpair_disconnect,
	.qpair_free = nvme_pcie_qpair_free,
	.submit_sqe = pcie_submit_sqe,
	.traffic = pcie_traffic,
	.backing = pcie_backing,
};

void nvme_func_register(struct nvme_func_entry *entry)
{
	entry->transport = pcie_ops;
	entry->transport.name = entry->ops->name;
	entry->transport.usage = entry->ops->usage;
	entry->transport.by_address = entry->ops->by_address;
	entry->transport.takes = entry->ops->takes;
	entry->transport.family = entry->ops->family;
	entry->link.ops = &entry->transport;
	nvme_transport_register(&entry->link);
}

const struct nvme_func_ops *nvme_func_find(const char *dev)
{
	const struct nvme_transport_ops *ops = nvme_transport_find(dev);

	return ops && ops->probe == pcie_probe ? func_ops(ops) : NULL;
}
