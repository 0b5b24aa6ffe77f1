/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "verify.h"
#include "worker.h"
#include "workload.h"

/* Completions taken in one poll: enough that a doorbell is shared, few enough for a latency that
 * is read once per burst. */
#define BURST 32

void worker_say(struct worker *w, const char *fmt, ...)
{
	va_list ap;

	if (w->message[0])
		return;
	va_start(ap, fmt);
	vsnprintf(w->message, sizeof(w->message), fmt, ap);
	va_end(ap);
}

void worker_read(struct worker *w, struct io_slot *slot, uint64_t block)
{
	if (w->verify) {
		block = verify_claim(w, block);
		verify_poison(w, slot);
	}
	slot->block = block;
	pl_nvme_op_read(&slot->op, w->ns, slot->op.buf, w->first_lba + block * w->block_lbas,
			w->block_lbas);
}

void worker_write(struct worker *w, struct io_slot *slot, uint64_t block)
{
	uint64_t slba;

	if (w->verify)
		block = verify_claim(w, block);
	slot->block = block;
	slba = w->first_lba + block * w->block_lbas;
	pl_nvme_op_write(&slot->op, w->ns, slot->op.buf, slba, w->block_lbas);
	if (w->verify)
		pattern_fill(slot->op.buf, w->verify->key, slba, w->block_lbas, w->ns->lba_shift);
}

/* Nothing more can be done with the queue pair: destroying it stops what is in flight. */
static void fail(struct worker *w, int err)
{
	__atomic_store_n(&w->failed, err, __ATOMIC_RELEASE);
	__atomic_store_n(&w->run->abort, 1, __ATOMIC_RELAXED);
}

static bool is_gone(struct worker *w)
{
	if (__atomic_load_n(&w->run->gone, __ATOMIC_ACQUIRE) != w->ctrlr)
		return false;
	worker_say(w, "%s", w->run->why);
	fail(w, -ENODEV);
	return true;
}

/* One doorbell for everything that this poll built. */
static void submit_all(struct worker *w)
{
	uint64_t now;
	uint32_t left;
	uint16_t n;

	if (!w->nb_todo)
		return;
	now = rte_rdtsc(); /* again: building a burst with patterns takes its time */
	for (uint32_t i = 0; i < w->nb_todo; i++)
		w->todo[i]->user[0] = now;
	if (!w->in_flight)
		w->last = now;
	n = pl_nvme_submit(w->qp, w->todo, (uint16_t)w->nb_todo);
	w->in_flight += n;
	left = w->nb_todo - n;
	if (left) {
		int rc = pl_nvme_qpair_error(w->qp);

		memmove(w->todo, w->todo + n, left * sizeof(*w->todo));
		if (rc) {
			worker_say(w, "%s NSID %u: %s", w->device, w->ns->nsid, pl_errmsg());
			fail(w, rc);
		}
	}
	w->nb_todo = left;
}

static uint16_t collect(struct worker *w, struct pl_nvme_op **done, uint64_t *now)
{
	uint16_t n = pl_nvme_poll(w->qp, done, BURST);

	*now = rte_rdtsc();
	if (n) {
		w->in_flight -= n;
		w->last = *now;
	} else if (w->in_flight && *now - w->last > w->run->stall) {
		worker_say(w, "%s NSID %u: no command completed for 30 s, %u in flight", w->device,
			   w->ns->nsid, w->in_flight);
		fail(w, -ETIMEDOUT);
	}
	return n;
}

static void io_error(struct worker *w, struct io_slot *slot)
{
	const struct pl_nvme_op *op = &slot->op;

	worker_count(&w->errors);
	worker_say(w, "%s NSID %u: %s of LBA %" PRIu64 "+%u: %s", w->device, w->ns->nsid,
		   op->opc == NVME_CMD_READ ? "read" : "write", op->slba, op->nlb,
		   pl_nvme_status_str(op->status));
	if (w->verify)
		verify_io_failed(w, slot);
}

static void io_done(struct worker *w, struct io_slot *slot, uint64_t now)
{
	struct pl_nvme_op *op = &slot->op;

	if (op->opc == NVME_CMD_COMPARE) {
		verify_compare_done(w, slot);
		worker_release(w, slot);
		return;
	}
	w->ios++;
	if (__builtin_expect(op->status != 0, 0)) {
		io_error(w, slot);
		worker_release(w, slot);
		return;
	}
	if (op->user[0] >= w->run->measure) {
		pl_hist_record(&w->latency[op->opc == NVME_CMD_WRITE], now - op->user[0]);
		w->end = now;
	}
	if (!w->verify || !verify_io_done(w, slot))
		worker_release(w, slot);
}

static void finish(struct worker *w, enum phase phase)
{
	__atomic_store_n(&w->finished, phase, __ATOMIC_RELEASE);
}

/* One turn of the measured phase. */
static int poll_run(struct worker *w)
{
	struct pl_nvme_op *done[BURST];
	uint64_t now;
	uint16_t n = collect(w, done, &now);
	bool more;

	for (uint16_t i = 0; i < n; i++)
		io_done(w, (struct io_slot *)done[i], now);
	if (n)
		__atomic_store_n(&w->done, w->ios, __ATOMIC_RELAXED);

	more = now < w->run->deadline && w->left &&
	       !__atomic_load_n(&w->run->abort, __ATOMIC_RELAXED);
	if (more && __atomic_load_n(&w->run->stop, __ATOMIC_RELAXED)) {
		w->stopped = true;
		more = false;
	}
	while (more && w->nb_free && w->left) {
		struct io_slot *slot = w->free[--w->nb_free];

		w->next(w, slot);
		worker_post(w, slot);
		w->left--;
	}
	submit_all(w);
	if (w->failed || is_gone(w) || (!more && !w->in_flight && !w->nb_todo)) {
		pl_nvme_qpair_stats(w->qp, &w->qstats, sizeof(w->qstats));
		finish(w, PHASE_RUN);
	}
	return n;
}

/* One turn of reading back what was written. */
static int poll_readback(struct worker *w)
{
	struct pl_nvme_op *done[BURST];
	uint64_t now;
	uint16_t n;
	bool more;

	if (w->failed || is_gone(w)) {
		finish(w, PHASE_READBACK);
		return 0;
	}
	n = collect(w, done, &now);
	for (uint16_t i = 0; i < n; i++) {
		verify_readback_done(w, (struct io_slot *)done[i]);
		worker_release(w, (struct io_slot *)done[i]);
	}
	more = __atomic_load_n(&w->run->stop, __ATOMIC_RELAXED) < 2;
	while (more && w->nb_free) {
		struct io_slot *slot = w->free[w->nb_free - 1];

		more = verify_readback_next(w, slot);
		if (more) {
			w->nb_free--;
			worker_post(w, slot);
		}
	}
	submit_all(w);
	if (w->failed || (!more && !w->in_flight && !w->nb_todo))
		finish(w, PHASE_READBACK);
	return n;
}

int worker_poll(void *arg)
{
	struct worker *w = arg;
	int phase = __atomic_load_n(&w->run->phase, __ATOMIC_ACQUIRE);

	if (phase == PHASE_END)
		return -1;
	if (phase == w->finished)
		return 0; /* waits for the other workers */
	return phase == PHASE_RUN ? poll_run(w) : poll_readback(w);
}
