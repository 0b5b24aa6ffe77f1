/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues and doorbells: fetching SQEs, posting CQEs, and what is wrong with a doorbell (4.1). */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emu.h"
#include "pl_alloc.h"
#include "pl_log.h"

#define NO_BAD_VALUE UINT32_MAX /* no doorbell value is this large */

int emu_doorbells_init(struct emu_ctrlr *c)
{
	size_t stride = 4ul * emu_dstride(c);
	size_t len = (c->conf.queues + 1ul) * 2 * stride;
	void *db;

	/* All of the last page can be written, so all of it is looked at. */
	len = (len + EMU_PAGE - 1) / EMU_PAGE * EMU_PAGE;
	db = eal_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (db == MAP_FAILED)
		return pl_fail(-ENOMEM, "%s: no memory for doorbells", c->t.name);
	c->nslots = (uint32_t)(len / stride);
	c->stray = eal_calloc(c->nslots, sizeof(*c->stray));
	if (c->stray == NULL) {
		munmap(db, len);
		return pl_fail(-ENOMEM, "%s: no memory for doorbells", c->t.name);
	}
	c->t.doorbells = db;
	c->t.doorbells_len = len;
	return 0;
}

void emu_doorbells_fini(struct emu_ctrlr *c)
{
	munmap((void *)(uintptr_t)c->t.doorbells, c->t.doorbells_len);
	free(c->stray);
}

static void doorbell_clear(struct emu_ctrlr *c, uint32_t slot)
{
	__atomic_store_n(emu_doorbell(c, slot), 0, __ATOMIC_RELAXED);
	c->stray[slot] = 0;
}

void emu_doorbells_clear(struct emu_ctrlr *c)
{
	for (uint32_t slot = 0; slot < c->nslots; slot++)
		doorbell_clear(c, slot);
}

static uint32_t doorbell_read(const struct emu_ctrlr *c, uint32_t slot)
{
	return __atomic_load_n(emu_doorbell(c, slot), __ATOMIC_ACQUIRE);
}

/* A doorbell without a queue. A second write of one value cannot be told from the first. */
static void check_stray(struct emu_ctrlr *c, uint32_t slot)
{
	uint32_t val = doorbell_read(c, slot);

	if (val == c->stray[slot])
		return;
	c->stray[slot] = val;
	emu_event(c, EMU_EVENT_DOORBELL_REGISTER);
}

static void bad_value(struct emu_ctrlr *c, struct emu_queue *q, uint32_t val)
{
	if (q->bad == val)
		return;
	q->bad = val;
	emu_event(c, EMU_EVENT_DOORBELL_VALUE);
}

/* Takes the host's head if it frees entries that are in use, and no others. */
static void cq_update_head(struct emu_ctrlr *c, struct emu_cq *cq)
{
	uint32_t val = doorbell_read(c, 2u * cq->q.id + 1), size = cq->q.size;

	if (val == cq->head)
		return;
	if (val >= size || (val + size - cq->head) % size > (cq->tail + size - cq->head) % size) {
		bad_value(c, &cq->q, val);
		return;
	}
	cq->q.bad = NO_BAD_VALUE;
	cq->head = val;
}

void emu_doorbells_scan(struct emu_ctrlr *c)
{
	for (uint32_t slot = 0; slot < c->nslots; slot++) {
		uint32_t id = slot / 2;

		if (id > EMU_MAX_IO_QUEUES ||
		    !(slot % 2 ? c->cqs[id].q.exists : c->sqs[id].q.exists))
			check_stray(c, slot);
		else if (slot % 2)
			cq_update_head(c, &c->cqs[id]);
	}
}

static void queue_open(struct emu_ctrlr *c, struct emu_queue *q, uint16_t id, uint64_t base,
		       uint32_t size, uint32_t shift, uint32_t slot)
{
	check_stray(c, slot); /* before the value is wiped */
	doorbell_clear(c, slot);
	q->id = id;
	q->size = size;
	q->shift = shift;
	q->base = base;
	q->pages = NULL;
	q->bad = NO_BAD_VALUE;
}

void emu_cq_open(struct emu_ctrlr *c, uint16_t id, uint64_t base, uint32_t size)
{
	struct emu_cq *cq = &c->cqs[id];

	queue_open(c, &cq->q, id, base, size, 4, 2u * id + 1);
	cq->head = 0;
	cq->tail = 0;
	cq->phase = 1;
	cq->nb_sqs = 0;
	cq->q.exists = true;
}

void emu_sq_open(struct emu_ctrlr *c, uint16_t id, uint64_t base, uint32_t size, uint16_t cqid)
{
	struct emu_sq *sq = &c->sqs[id];

	queue_open(c, &sq->q, id, base, size, 6, 2u * id);
	__atomic_store_n(&sq->head, 0, __ATOMIC_RELAXED);
	sq->tail = 0;
	sq->due = 0;
	__atomic_store_n(&sq->q.exists, true, __ATOMIC_RELAXED);
	sq->cq = &c->cqs[cqid];
	sq->cq->nb_sqs++;
}

static void queue_close(struct emu_ctrlr *c, struct emu_queue *q, uint32_t slot)
{
	free(q->pages);
	q->pages = NULL;
	__atomic_store_n(&q->exists, false, __ATOMIC_RELAXED);
	doorbell_clear(c, slot);
}

void emu_sq_close(struct emu_ctrlr *c, struct emu_sq *sq)
{
	if (!sq->q.exists)
		return;
	sq->cq->nb_sqs--;
	queue_close(c, &sq->q, 2u * sq->q.id);
}

void emu_cq_close(struct emu_ctrlr *c, struct emu_cq *cq)
{
	if (cq->q.exists)
		queue_close(c, &cq->q, 2u * cq->q.id + 1);
}

static uint64_t entry_addr(const struct emu_queue *q, uint32_t i)
{
	uint64_t off = (uint64_t)i << q->shift;

	return q->pages == NULL ? q->base + off : q->pages[off / EMU_PAGE] + off % EMU_PAGE;
}

/* Entries from @i on that lie in one run of addresses. */
static uint32_t contiguous(const struct emu_queue *q, uint32_t i)
{
	uint32_t per_page = EMU_PAGE >> q->shift;
	uint32_t n = q->size - i;

	if (q->pages != NULL && n > per_page - i % per_page)
		n = per_page - i % per_page;
	return n;
}

/* How many completions fit; one entry always stays empty (4.1.2). */
uint32_t emu_cq_room(struct emu_ctrlr *c, struct emu_cq *cq)
{
	uint32_t size = cq->q.size;

	cq_update_head(c, cq);
	return (cq->head + size - cq->tail - 1) % size;
}

/* Whether any completion queue has entries in the page at @page. Its pages are aligned (4.1). */
bool emu_cq_at(const struct emu_ctrlr *c, uint64_t page)
{
	for (uint32_t id = 0; id <= c->conf.queues; id++) {
		const struct emu_queue *q = &c->cqs[id].q;

		for (uint32_t i = 0; q->exists && i < q->size; i += EMU_PAGE >> q->shift)
			if (entry_addr(q, i) == page)
				return true;
	}
	return false;
}

/* The caller saw that there is room. The host reads the phase tag first, so it is stored last. */
void emu_cq_post(struct emu_ctrlr *c, const struct emu_sq *sq, uint16_t cid, uint32_t dw0,
		 uint16_t status)
{
	struct emu_cq *cq = sq->cq;
	uint64_t high = sq->head | (uint64_t)sq->q.id << 16 | (uint64_t)cid << 32 |
			(uint64_t)(uint16_t)(status << 1 | cq->phase) << 48;
	struct emu_piece piece;

	pl_soft_begin(c->dma);
	/* The right was checked when the queue was created. */
	if (emu_dma_piece(c, entry_addr(&cq->q, cq->tail), sizeof(struct pl_nvme_cqe),
			  PL_IOMMU_WRITE, ~0u, &piece) == NVME_SC_SUCCESS &&
	    piece.host != NULL) {
		uint64_t *cqe = piece.host;

		emu_count(c, PL_TRAFFIC_QUEUE, piece.mem, true, sizeof(struct pl_nvme_cqe));
		__atomic_store_n(&cqe[0], dw0, __ATOMIC_RELAXED);
		__atomic_store_n(&cqe[1], high, __ATOMIC_RELEASE);
	} else {
		emu_add(&c->counters.refused_bytes, sizeof(struct pl_nvme_cqe));
	}
	pl_soft_end(c->dma);
	if (++cq->tail == cq->q.size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
}

bool emu_pending(const struct emu_ctrlr *c)
{
	for (uint32_t i = 0; i <= c->conf.queues; i++)
		if (__atomic_load_n(&c->sqs[i].q.exists, __ATOMIC_RELAXED) &&
		    __atomic_load_n(&c->sqs[i].head, __ATOMIC_RELAXED) != doorbell_read(c, 2 * i))
			return true;
	return false;
}

uint32_t emu_sq_waiting(struct emu_ctrlr *c, struct emu_sq *sq)
{
	uint32_t val = doorbell_read(c, 2u * sq->q.id);

	if (val != sq->tail) {
		if (val >= sq->q.size) {
			bad_value(c, &sq->q, val);
			return 0;
		}
		sq->q.bad = NO_BAD_VALUE;
		sq->tail = val;
	}
	return (sq->tail + sq->q.size - sq->head) % sq->q.size;
}

uint16_t emu_sq_fetch(struct emu_ctrlr *c, struct emu_sq *sq, struct pl_nvme_sqe *sqes, uint32_t *n)
{
	uint16_t status;

	if (*n > contiguous(&sq->q, sq->head))
		*n = contiguous(&sq->q, sq->head);
	pl_soft_begin(c->dma);
	status = emu_dma_read(c, entry_addr(&sq->q, sq->head), sqes, *n * sizeof(sqes[0]), ~0u,
			      PL_TRAFFIC_QUEUE);
	pl_soft_end(c->dma);
	return status;
}
