/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host that drives the emulated controller by hand: registers, SQEs, doorbells. It shares no
 * code with lib/nvme, so that the two judge each other.
 */
#ifndef TEST_EMU_HOST_H
#define TEST_EMU_HOST_H

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "emu.h"
#include "emu_test.h"
#include "iommu_backend.h"

#define MIB(n)    ((size_t)(n) << 20)
#define PAGE      4096u
#define ARENA     MIB(8)
#define ADMIN_QS  16u
#define TIMEOUT_S 20
#define ANY_CID   0x4000u

struct hqueue {
	uint16_t id;
	uint32_t size; /* entries of each */
	struct pl_nvme_sqe *sq;
	volatile struct pl_nvme_cqe *cq;
	uint32_t tail, head;
	uint16_t phase;
	uint16_t cid;
};

struct host {
	struct pl_ioas *ioas;
	const struct nvme_func_ops *ops;
	struct nvme_func *t;
	uint8_t *arena; /* DMA-able, handed out page by page */
	size_t used;
	struct hqueue admin;
	struct pl_nvme_cqe cqe; /* of the last command */
};

static inline uint64_t iova(const volatile void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static inline uint64_t host_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

static inline void *host_pages(struct host *h, size_t n)
{
	void *p = h->arena + h->used;

	h->used += n * PAGE;
	assert_true(h->used <= ARENA);
	memset(p, 0, n * PAGE);
	return p;
}

/* A controller of its own, in an address space given or its own. */
static inline void host_open_in(struct host *h, struct pl_ioas *ioas, const char *dev,
				const char *args)
{
	memset(h, 0, sizeof(*h));
	h->ioas = ioas;
	h->ops = nvme_func_find(dev);
	assert_non_null(h->ops);
	h->arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(h->arena, MAP_FAILED);
	assert_int_equal(
		pl_ioas_map(ioas, h->arena, ARENA, PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_HOST), 0);
	assert_int_equal(h->ops->check(dev, args), 0);
	assert_int_equal(h->ops->probe(dev, args, ioas, &h->t), 0);
}

static inline void host_open(struct host *h, const char *args)
{
	struct pl_ioas *ioas;

	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	host_open_in(h, ioas, "nvme_emu0", args);
}

static inline void host_close_in(struct host *h)
{
	h->ops->remove(h->t);
	assert_int_equal(pl_ioas_unmap(h->ioas, h->arena, ARENA), 0);
	munmap(h->arena, ARENA);
}

static inline void host_close(struct host *h)
{
	host_close_in(h);
	pl_ioas_destroy(h->ioas);
}

static inline uint32_t rd(struct host *h, uint32_t off)
{
	return h->ops->read32(h->t, off);
}

static inline void wr(struct host *h, uint32_t off, uint32_t val)
{
	h->ops->write32(h->t, off, val);
}

/* Waits until (CSTS & mask) == want. */
static inline bool host_wait_csts(struct host *h, uint32_t mask, uint32_t want)
{
	uint64_t end = host_now() + TIMEOUT_S;

	while ((rd(h, NVME_REG_CSTS) & mask) != want) {
		if (host_now() > end)
			return false;
		sched_yield();
	}
	return true;
}

static inline volatile uint32_t *host_doorbell(struct host *h, uint32_t slot)
{
	uint32_t stride = 1u << NVME_CAP_DSTRD(h->ops->read64(h->t, NVME_REG_CAP));

	return h->t->doorbells + slot * stride;
}

static inline void host_ring(struct host *h, uint32_t slot, uint32_t val)
{
	__atomic_store_n(host_doorbell(h, slot), val, __ATOMIC_RELEASE);
}

static inline void hqueue_reset(struct hqueue *q)
{
	memset(q->sq, 0, q->size * sizeof(*q->sq));
	memset((void *)(uintptr_t)q->cq, 0, q->size * sizeof(*q->cq));
	q->tail = 0;
	q->head = 0;
	q->phase = 1;
}

/* In memory of the arena. */
static inline void hqueue_init(struct host *h, struct hqueue *q, uint16_t id, uint32_t size)
{
	q->id = id;
	q->size = size;
	q->sq = host_pages(h, (size * sizeof(*q->sq) + PAGE - 1) / PAGE);
	q->cq = host_pages(h, (size * sizeof(*q->cq) + PAGE - 1) / PAGE);
	q->cid = 0;
	hqueue_reset(q);
}

#define CC_OK (NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4))

static inline void host_set_admin(struct host *h)
{
	wr(h, NVME_REG_AQA, (h->admin.size - 1) << 16 | (h->admin.size - 1));
	h->ops->write64(h->t, NVME_REG_ASQ, iova(h->admin.sq));
	h->ops->write64(h->t, NVME_REG_ACQ, iova(h->admin.cq));
}

static inline void host_enable(struct host *h)
{
	if (h->admin.sq == NULL)
		hqueue_init(h, &h->admin, 0, ADMIN_QS);
	hqueue_reset(&h->admin);
	host_set_admin(h);
	wr(h, NVME_REG_CC, CC_OK);
	assert_true(host_wait_csts(h, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_RDY));
}

static inline void host_disable(struct host *h)
{
	wr(h, NVME_REG_CC, rd(h, NVME_REG_CC) & ~(NVME_CC_EN | NVME_CC_SHN_MASK));
	assert_true(host_wait_csts(h, NVME_CSTS_RDY | NVME_CSTS_CFS, 0));
}

/* Writes an SQE without ringing; returns its cid. */
static inline uint16_t host_put(struct hqueue *q, const struct pl_nvme_sqe *sqe)
{
	struct pl_nvme_sqe *slot = &q->sq[q->tail];

	*slot = *sqe;
	slot->cid = q->cid++;
	q->tail = (q->tail + 1) % q->size;
	return slot->cid;
}

/* The phase tag, loaded with the word that the controller stores it with. */
static inline uint16_t cqe_phase(const volatile struct pl_nvme_cqe *cqe)
{
	const uint64_t *word = (const uint64_t *)(uintptr_t)cqe + 1;

	return __atomic_load_n(word, __ATOMIC_ACQUIRE) >> 48 & 1;
}

static inline bool host_peek(const struct hqueue *q)
{
	return cqe_phase(&q->cq[q->head]) == q->phase;
}

/* Takes the next completion; false if none came in time. @ring: tell the controller. */
static inline bool host_reap(struct host *h, struct hqueue *q, bool ring)
{
	uint64_t end = host_now() + TIMEOUT_S;

	while (!host_peek(q)) {
		if (host_now() > end)
			return false;
		sched_yield();
	}
	memcpy(&h->cqe, (const void *)(uintptr_t)&q->cq[q->head], sizeof(h->cqe));
	if (++q->head == q->size) {
		q->head = 0;
		q->phase ^= 1;
	}
	if (ring)
		host_ring(h, 2u * q->id + 1, q->head);
	return true;
}

/* Runs one command; returns its status field with DNR, or 0xffff if no completion came. */
static inline uint16_t host_exec_raw(struct host *h, struct hqueue *q,
				     const struct pl_nvme_sqe *sqe)
{
	uint16_t cid = host_put(q, sqe);

	host_ring(h, 2u * q->id, q->tail);
	if (!host_reap(h, q, true))
		return 0xffff;
	assert_int_equal(h->cqe.cid, cid);
	assert_int_equal(h->cqe.sqid, q->id);
	assert_int_equal(h->cqe.sqhd, q->tail);
	return h->cqe.status >> 1;
}

/* The same without DNR and More: the status code and its type. */
static inline uint16_t host_exec(struct host *h, struct hqueue *q, const struct pl_nvme_sqe *sqe)
{
	return NVME_STATUS_CODE(host_exec_raw(h, q, sqe));
}

static inline uint16_t host_admin(struct host *h, const struct pl_nvme_sqe *sqe)
{
	return host_exec(h, &h->admin, sqe);
}

static inline struct pl_nvme_sqe sqe_create_cq(const struct hqueue *q)
{
	return (struct pl_nvme_sqe){
		.opc = NVME_ADM_CREATE_CQ,
		.prp1 = iova(q->cq),
		.cdw10 = (q->size - 1) << 16 | q->id,
		.cdw11 = 1,
	};
}

static inline struct pl_nvme_sqe sqe_create_sq(const struct hqueue *q)
{
	return (struct pl_nvme_sqe){
		.opc = NVME_ADM_CREATE_SQ,
		.prp1 = iova(q->sq),
		.cdw10 = (q->size - 1) << 16 | q->id,
		.cdw11 = (uint32_t)q->id << 16 | 1,
	};
}

static inline struct pl_nvme_sqe sqe_delete(uint8_t opc, uint32_t qid)
{
	return (struct pl_nvme_sqe){ .opc = opc, .cdw10 = qid };
}

static inline void host_create_pair(struct host *h, struct hqueue *q)
{
	struct pl_nvme_sqe sqe = sqe_create_cq(q);

	assert_int_equal(host_admin(h, &sqe), NVME_SC_SUCCESS);
	sqe = sqe_create_sq(q);
	assert_int_equal(host_admin(h, &sqe), NVME_SC_SUCCESS);
	q->tail = 0;
	q->head = 0;
	q->phase = 1;
}

static inline void host_create_io(struct host *h, struct hqueue *q, uint16_t id, uint32_t size)
{
	hqueue_init(h, q, id, size);
	host_create_pair(h, q);
}

/* A read, write or compare; the caller fills in the data pointer. */
static inline struct pl_nvme_sqe sqe_rw(uint8_t opc, uint64_t slba, uint32_t nlb)
{
	return (struct pl_nvme_sqe){
		.opc = opc,
		.nsid = 1,
		.cdw10 = (uint32_t)slba,
		.cdw11 = (uint32_t)(slba >> 32),
		.cdw12 = nlb - 1,
	};
}

/* Reserves addresses and has the controller's own memory appear there. */
static inline uint8_t *host_attach(struct host *h, unsigned int bir, uint64_t off, size_t len,
				   enum pl_mem_kind kind)
{
	void *va = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(h->ops->mem_attach(h->t, bir, off, len, va, kind), 0);
	return va;
}

static inline void host_detach(struct host *h, void *va, size_t len)
{
	h->ops->mem_detach(h->t, va, len);
	munmap(va, len);
}

static inline void host_cmb_on(struct host *h, const uint8_t *va)
{
	h->ops->write64(h->t, NVME_REG_CMBMSC, iova(va) | NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE);
	assert_int_equal(rd(h, NVME_REG_CMBSTS), 0);
}

static inline void host_traffic(struct host *h, struct pl_nvme_traffic *t)
{
	h->ops->traffic(h->t, t);
}

/* No fault was recorded since the last look. */
static inline void assert_no_fault(struct host *h)
{
	struct pl_iommu_fault fault;

	assert_int_equal(pl_ioas_fault_next(h->ioas, &fault), -ENOENT);
}

static inline void assert_fault(struct host *h, const void *va, uint32_t access)
{
	struct pl_iommu_fault fault;

	assert_int_equal(pl_ioas_fault_next(h->ioas, &fault), 0);
	assert_int_equal(fault.iova, iova(va));
	assert_int_equal(fault.access, access);
	assert_string_equal(fault.device, h->t->name);
}

#endif
