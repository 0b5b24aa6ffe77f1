/* SPDX-License-Identifier: BSD-3-Clause */
/* The admin queue: one synchronous command at a time, and asynchronous events (5.2). */
#include <string.h>

#include "nvme_internal.h"
#include "pl_clock.h"
#include "pl_log.h"
#include "pl_opts.h"

/* Completions handled at once: a controller may post them as fast as event requests are sent. */
#define REAP_MAX 16u
/* Lines about events in so many milliseconds; the rest is counted. */
#define EVENT_LINES    10u
#define EVENT_LINES_MS 1000u

int nvme_admin_init(struct pl_nvme_ctrlr *ctrlr)
{
	const struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts) };

	return ctrlr->t->ops->qpair_alloc(ctrlr, 0, NVME_ADMIN_ENTRIES, NVME_PAGE_SIZE, &opts,
					  &ctrlr->adminq);
}

static bool is_aer(const struct pl_nvme_ctrlr *ctrlr, const struct pl_nvme_op *op)
{
	return op >= ctrlr->aer_ops && op < ctrlr->aer_ops + NVME_MAX_AERS;
}

static void send_aer(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_op *op)
{
	const struct pl_nvme_sqe sqe = { .opc = NVME_ADM_AER };

	ctrlr->t->ops->submit_sqe(ctrlr->adminq, op, &sqe, 0, 0);
}

void nvme_admin_start_aers(struct pl_nvme_ctrlr *ctrlr)
{
	for (uint32_t i = 0; i < ctrlr->nb_aers; i++)
		send_aer(ctrlr, &ctrlr->aer_ops[i]);
}

/* Says how many events were not logged once some can be again. */
static bool event_may_log(struct pl_nvme_ctrlr *ctrlr)
{
	uint64_t now = pl_now_ms();

	if (now - ctrlr->event_log_ms >= EVENT_LINES_MS) {
		if (ctrlr->events_unlogged)
			PL_LOG(WARNING, "%s: and %u more asynchronous events", ctrlr->info.name,
			       ctrlr->events_unlogged);
		ctrlr->event_log_ms = now;
		ctrlr->event_lines = 0;
		ctrlr->events_unlogged = 0;
	}
	if (ctrlr->event_lines == EVENT_LINES) {
		ctrlr->events_unlogged++;
		return false;
	}
	ctrlr->event_lines++;
	return true;
}

/* For the program: the first that came. A device that floods us loses the others. */
static void event_keep(struct pl_nvme_ctrlr *ctrlr, uint32_t dw0)
{
	pthread_mutex_lock(&ctrlr->event_lock);
	if (ctrlr->event_tail - ctrlr->event_head == NVME_MAX_EVENTS) {
		ctrlr->events_lost++;
	} else {
		ctrlr->events[ctrlr->event_tail++ % NVME_MAX_EVENTS] = (struct pl_nvme_event){
			.type = dw0 & 7,
			.info = (uint8_t)(dw0 >> 8),
			.log_page = (uint8_t)(dw0 >> 16),
			.lost = ctrlr->events_lost,
		};
		ctrlr->events_lost = 0;
	}
	pthread_mutex_unlock(&ctrlr->event_lock);
}

/* An event arrived, or the request for one was refused (then it is not sent again). */
static void aer_done(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_op *op)
{
	if (op->status) {
		PL_LOG(NOTICE, "%s: asynchronous event request: %s", ctrlr->info.name,
		       pl_nvme_status_str(op->status));
		return;
	}
	if (event_may_log(ctrlr))
		PL_LOG(NOTICE, "%s: asynchronous event: type %u info %02xh log page %02xh",
		       ctrlr->info.name, op->result & 7, (op->result >> 8) & 0xff,
		       (op->result >> 16) & 0xff);
	ctrlr->nb_events++;
	event_keep(ctrlr, op->result);
	send_aer(ctrlr, op);
}

/* Reaps of the admin CQ what a round may take. Returns true if the synchronous command is done. */
static bool admin_reap(struct pl_nvme_ctrlr *ctrlr)
{
	struct pl_nvme_op *op;
	bool done = false;

	for (uint32_t i = 0; i < REAP_MAX && pl_nvme_poll(ctrlr->adminq, &op, 1); i++) {
		if (is_aer(ctrlr, op))
			aer_done(ctrlr, op);
		else
			done = true;
	}
	return done;
}

/* Also when somebody else reset it: then it is not ready, and has forgotten its queues. */
static bool gone(struct pl_nvme_ctrlr *ctrlr)
{
	uint32_t csts;

	return nvme_get32(ctrlr, NVME_REG_CSTS, &csts) || (csts & NVME_CSTS_CFS) ||
	       !(csts & NVME_CSTS_RDY) || nvme_qpair_stopped(ctrlr->adminq);
}

/*
 * Why not to wait any longer for the command that was sent at @sent: 0 or a negative errno. What
 * ends the wait ends the controller: a late completion would name an op that is no longer its own,
 * and its data would land in a buffer that is no longer the command's.
 */
static int admin_give_up(struct pl_nvme_ctrlr *ctrlr, uint8_t opc, uint64_t sent)
{
	uint64_t ms = ctrlr->admin_timeout_ms * (opc == NVME_ADM_FORMAT ? NVME_FORMAT_TIMEOUTS : 1);
	uint64_t now = pl_now_ms();

	if (nvme_qpair_stopped(ctrlr->adminq))
		return pl_fail_device(
			-ENODEV, ctrlr->info.name,
			"%s: during admin command %02xh the controller completed one that "
			"is not in flight; reset it",
			ctrlr->info.name, opc);
	if (gone(ctrlr))
		return pl_fail_device(
			-ENODEV, ctrlr->info.name,
			"%s: the controller failed or is gone during admin command %02xh",
			ctrlr->info.name, opc);
	if (nvme_ctrlr_wanted(ctrlr))
		return pl_fail_device(
			-ENODEV, ctrlr->info.name,
			"%s: the kernel wants the device back during admin command %02xh",
			ctrlr->info.name, opc);
	if (now - sent > ms)
		return pl_fail_device(-ETIMEDOUT, ctrlr->info.name,
				      "%s: no answer to admin command %02xh in %u s",
				      ctrlr->info.name, opc, (uint32_t)(ms / 1000));
	return nvme_wait_over(ctrlr, "answer an admin command");
}

static int admin_wait(struct pl_nvme_ctrlr *ctrlr, uint8_t opc)
{
	uint64_t sent = pl_now_ms();
	struct pl_error why;
	int rc;

	while (!admin_reap(ctrlr)) {
		rc = admin_give_up(ctrlr, opc, sent);
		if (rc) {
			why = *pl_error_get();
			nvme_ctrlr_fail(ctrlr);
			pl_fail_again(&why);
			if (ctrlr->no_dma)
				return rc;
			return pl_fail_more(rc,
					    "%s; its DMA could not be stopped: what it was told "
					    "to write to must stay until it is reset or removed",
					    why.text);
		}
		pl_relax();
	}
	return 0;
}

int nvme_admin_locked(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_sqe *sqe, void *buf, size_t len,
		      uint32_t *dw0, uint16_t *status)
{
	struct pl_nvme_op *op = &ctrlr->admin_op;
	int rc;

	/* The reap that took the last answer may have met a lie behind it. */
	if (!ctrlr->failed && nvme_qpair_stopped(ctrlr->adminq))
		nvme_ctrlr_fail(ctrlr);
	if (ctrlr->failed)
		return pl_fail_device(-ENODEV, ctrlr->info.name, "%s: the controller failed before",
				      ctrlr->info.name);
	if (len > ctrlr->adminq->max_xfer)
		return pl_fail(-EINVAL, "%s: an admin command moves at most %u bytes, not %zu",
			       ctrlr->info.name, (uint32_t)ctrlr->adminq->max_xfer, len);
	ctrlr->t->ops->submit_sqe(ctrlr->adminq, op, sqe, (uintptr_t)buf, len);
	rc = admin_wait(ctrlr, sqe->opc);
	if (rc)
		return rc;
	if (dw0)
		*dw0 = op->result;
	if (status)
		*status = op->status;
	if (op->status)
		return pl_fail_nvme(-EIO, ctrlr->info.name, op->status, PL_NO_LBA,
				    "%s: admin command %02xh: %s", ctrlr->info.name, sqe->opc,
				    pl_nvme_status_str(op->status));
	return 0;
}

int pl_nvme_admin(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_sqe *sqe, void *buf, size_t len,
		  uint32_t *dw0, uint16_t *status)
{
	int rc;

	/* These change what the library keeps track of, or complete only with an event. */
	if (sqe->opc == NVME_ADM_AER || sqe->opc == NVME_ADM_CREATE_SQ ||
	    sqe->opc == NVME_ADM_CREATE_CQ || sqe->opc == NVME_ADM_DELETE_SQ ||
	    sqe->opc == NVME_ADM_DELETE_CQ ||
	    (sqe->opc == NVME_ADM_SET_FEATURES && (sqe->cdw10 & 0xff) == NVME_FEAT_NUM_QUEUES))
		return pl_fail(-EINVAL, "%s: admin command %02xh is the library's to send",
			       ctrlr->info.name, sqe->opc);
	pthread_mutex_lock(&ctrlr->admin_lock);
	rc = nvme_admin_locked(ctrlr, sqe, buf, len, dw0, status);
	pthread_mutex_unlock(&ctrlr->admin_lock);
	return rc;
}

void nvme_admin_buf_free(struct pl_nvme_ctrlr *ctrlr, void *buf)
{
	if (!ctrlr->failed || ctrlr->no_dma)
		pl_mem_free(buf);
	else if (ctrlr->nb_kept < NVME_MAX_KEPT)
		ctrlr->kept[ctrlr->nb_kept++] = buf;
	else
		PL_LOG(WARNING, "%s: a buffer it may still write to is lost for good",
		       ctrlr->info.name);
}

void nvme_admin_kept_free(struct pl_nvme_ctrlr *ctrlr)
{
	while (ctrlr->nb_kept)
		pl_mem_free(ctrlr->kept[--ctrlr->nb_kept]);
}

int nvme_identify(struct pl_nvme_ctrlr *ctrlr, uint32_t cns, uint32_t nsid, void *buf)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_IDENTIFY, .nsid = nsid, .cdw10 = cns };

	return nvme_admin_locked(ctrlr, &sqe, buf, 4096, NULL, NULL);
}

int pl_nvme_ctrlr_event_next(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_event *event, size_t size)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&ctrlr->event_lock);
	if (ctrlr->event_head != ctrlr->event_tail) {
		pl_out_give(event, size, &ctrlr->events[ctrlr->event_head++ % NVME_MAX_EVENTS],
			    sizeof(*event));
		rc = 0;
	}
	pthread_mutex_unlock(&ctrlr->event_lock);
	return rc ? pl_fail_device(rc, ctrlr->info.name, "%s: no asynchronous event",
				   ctrlr->info.name)
		  : 0;
}

int pl_nvme_ctrlr_poll_events(struct pl_nvme_ctrlr *ctrlr)
{
	int rc = nvme_ctrlr_asked_back(ctrlr);

	if (rc)
		return rc;
	/* Whoever waits for an admin command reaps and watches meanwhile, and may wait for long. */
	if (pthread_mutex_trylock(&ctrlr->admin_lock))
		return 0;
	if (!ctrlr->failed) {
		admin_reap(ctrlr);
		if (gone(ctrlr))
			nvme_ctrlr_fail(ctrlr);
	}
	if (ctrlr->failed) {
		rc = pl_fail_device(-ENODEV, ctrlr->info.name,
				    "%s: the controller failed, was reset by another or is gone",
				    ctrlr->info.name);
	} else {
		rc = (int)ctrlr->nb_events;
		ctrlr->nb_events = 0;
	}
	pthread_mutex_unlock(&ctrlr->admin_lock);
	return rc;
}
