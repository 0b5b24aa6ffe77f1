/* SPDX-License-Identifier: BSD-3-Clause */
/* The private structures of the PCIe transport. */
#ifndef NVME_PCIE_H
#define NVME_PCIE_H

#include "nvme_func.h"
#include "nvme_internal.h"

struct nvme_pcie {
	struct nvme_transport base;
	struct nvme_func *func;
	uint32_t db_stride; /* in 32-bit words */
};

static inline struct nvme_pcie *nvme_pcie_of(const struct pl_nvme_ctrlr *ctrlr)
{
	return container_of(ctrlr->t, struct nvme_pcie, base);
}

static inline struct nvme_func *nvme_func_of(const struct pl_nvme_ctrlr *ctrlr)
{
	return nvme_pcie_of(ctrlr)->func;
}

static inline uint32_t nvme_read32(const struct pl_nvme_ctrlr *ctrlr, uint32_t off)
{
	struct nvme_func *f = nvme_func_of(ctrlr);

	return f->ops->read32(f, off);
}

/* queues.c */
int nvme_pcie_qpair_check(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_qpair_opts *opts);
int nvme_pcie_qpair_alloc(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
			  uint32_t max_xfer, const struct pl_nvme_qpair_opts *opts,
			  struct pl_nvme_qpair **qp);
int nvme_pcie_qpair_connect(struct pl_nvme_qpair *qp);
bool nvme_pcie_qpair_disconnect(struct pl_nvme_qpair *qp);
void nvme_pcie_qpair_free(struct pl_nvme_qpair *qp);
void nvme_pcie_qpairs_leave_cmb(struct pl_nvme_ctrlr *ctrlr); /* its heap is about to go */

/* prp.c */
uint32_t nvme_prp_list_bytes(uint32_t max_xfer);
/* Writes the list for [va, va + len), page aligned, len > one page; returns its address. */
uint64_t nvme_prp_list(const struct pl_nvme_qpair *qp, uint32_t slot, uint64_t va, uint64_t len);
/* PRP2 for [va, va + len): nothing, the second page, or a list. */
uint64_t nvme_prp2(const struct pl_nvme_qpair *qp, uint32_t slot, uint64_t va, uint64_t len);

/* split.c: what the burst loops leave aside */
int nvme_submit_slow(struct pl_nvme_qpair *qp, struct pl_nvme_op *op); /* 1 accepted, 0 not now */
void nvme_split_issue(struct pl_nvme_qpair *qp);
struct pl_nvme_op *nvme_split_complete(struct pl_nvme_qpair *qp, struct pl_nvme_op *op,
				       uint16_t status, uint32_t result);
/* @kind: 0, or NVME_CID_SPLIT for a part of @op. Needs a free slot. */
void nvme_submit_sqe(struct pl_nvme_qpair *qp, struct pl_nvme_op *op, uint32_t kind,
		     const struct pl_nvme_sqe *sqe, uint64_t va, uint64_t len);

/* Doorbells order behind the ring's memory: on x86 the store itself does. */
static inline void nvme_ring_sq(struct pl_nvme_qpair *qp)
{
	rte_io_wmb();
	*qp->sq_tdbl = (uint32_t)(qp->sqe - qp->sq);
	qp->stats.sq_doorbells++;
}

/* cmb_pmr.c */
int nvme_devmem_attach(struct pl_nvme_ctrlr *ctrlr);
void nvme_devmem_detach(struct pl_nvme_ctrlr *ctrlr);
int nvme_devmem_reattach(struct pl_nvme_ctrlr *ctrlr);
void nvme_devmem_gone(struct pl_nvme_ctrlr *ctrlr);

/* devmem_alive.c: for the transport's table */
uint32_t nvme_devmem_alive_reads(const struct pl_nvme_ctrlr *ctrlr, unsigned int memory);
enum nvme_memory_state nvme_devmem_alive(const struct pl_nvme_ctrlr *ctrlr, unsigned int memory);

#endif
