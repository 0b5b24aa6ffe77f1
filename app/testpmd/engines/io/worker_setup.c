/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's queue pair, slice and buffers: everything that its poller then never allocates. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

#include "cli.h"
#include "size.h"
#include "verify.h"
#include "worker.h"
#include "workload.h"

/* Each worker of a namespace begins elsewhere; with --verify it also stays there. */
static int set_slice(struct worker *w, const struct testpmd_opts *o, const struct worker_place *p)
{
	const struct app_target *t = p->target;
	uint64_t blocks = t->nlb / w->block_lbas, share = blocks / p->count;

	w->first_lba = t->slba;
	w->nb_blocks = blocks;
	w->cursor = share * p->index;
	if (!o->verify)
		return 0;
	w->first_lba += w->cursor * w->block_lbas;
	w->nb_blocks = p->index + 1 < p->count ? share : blocks - share * p->index;
	w->cursor = 0;
	if (w->nb_blocks < w->qd)
		return app_fail(-EINVAL,
				"%s: --verify keeps I/Os in flight on different blocks, but the "
				"%" PRIu64 " blocks of -o %s that each of %u workers has are fewer "
				"than -q %u",
				w->device, share, o->bs_text, p->count, w->qd);
	return verify_create(w, pattern_key(w->run->key, w->device, w->ns->nsid));
}

/* Without --verify writes carry this, which neither compresses nor deduplicates. */
static void fill_random(struct worker *w, void *buf)
{
	uint64_t *p = buf;

	for (uint32_t i = 0; i < w->bs / 8; i++)
		p[i] = splitmix64(&w->rng);
}

static int create_slots(struct worker *w)
{
	int node = (int)rte_lcore_to_socket_id(w->lcore);
	char size[APP_SIZE_TEXT];

	w->slots = aligned_alloc(_Alignof(struct io_slot), w->qd * sizeof(*w->slots));
	w->free = calloc(w->qd, sizeof(*w->free));
	w->todo = calloc(w->qd, sizeof(*w->todo));
	w->latency = calloc(2, sizeof(*w->latency));
	if (!w->slots || !w->free || !w->todo || !w->latency)
		return app_fail(-ENOMEM, "%s: out of memory for -q %u", w->device, w->qd);
	memset(w->slots, 0, w->qd * sizeof(*w->slots));
	pl_hist_reset(&w->latency[0]);
	pl_hist_reset(&w->latency[1]);
	for (uint32_t i = 0; i < w->qd; i++) {
		void *buf = pl_mem_zalloc(w->bs, node);

		if (!buf)
			return app_fail(-ENOMEM, "%s: %u buffers of %s on lcore %u: %s", w->device,
					w->qd, app_size_format(w->bs, size), w->lcore, pl_errmsg());
		fill_random(w, buf);
		w->slots[i].op.buf = buf;
		worker_release(w, &w->slots[i]);
	}
	return 0;
}

/* An op larger than the controller's MDTS takes several entries; as many as there are help. */
static int create_qpair(struct worker *w)
{
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts) };
	struct pl_nvme_ctrlr_info info;
	uint64_t depth;
	int rc;

	pl_nvme_ctrlr_info(w->ctrlr, &info, sizeof(info));
	if (w->qd >= info.max_entries)
		return app_fail(-EINVAL,
				"-q %u: %s has queues of %u entries, so accepted is 1 to %u", w->qd,
				w->device, info.max_entries, info.max_entries - 1);
	depth = (uint64_t)w->qd * ((w->bs + info.max_xfer - 1) / info.max_xfer) + 1;
	opts.depth = (uint32_t)(depth < info.max_entries ? depth : info.max_entries);
	rc = pl_nvme_qpair_create(w->ctrlr, &opts, &w->qp);
	return rc ? app_fail_lib(rc) : 0;
}

int worker_create(struct worker *w, struct run_state *run, const struct testpmd_opts *o,
		  const struct worker_place *p)
{
	const struct app_target *t = p->target;
	uint64_t unique = ((uint64_t)p->lcore << 32) | p->target_index;
	int rc;

	memset(w, 0, sizeof(*w));
	w->run = run;
	w->next = io_workload(o->workload)->next;
	w->ns = t->ns;
	w->ctrlr = t->ns->ctrlr;
	memcpy(w->device, t->device, sizeof(w->device));
	w->bs = o->bs;
	w->block_lbas = o->bs >> t->ns->lba_shift;
	w->qd = o->qd;
	w->rwmixread = o->rwmixread;
	w->lcore = p->lcore;
	w->target = p->target_index;
	w->rng = o->seed ^ splitmix64(&unique);
	/* The first workers take what does not divide. */
	w->left = o->count ? o->count / p->count + (p->index < o->count % p->count) : UINT64_MAX;
	rc = set_slice(w, o, p);
	if (rc == 0)
		rc = create_qpair(w);
	if (rc == 0)
		rc = create_slots(w);
	return rc;
}

void worker_destroy(struct worker *w)
{
	/* First the queue pair: the controller may still be writing into a buffer. */
	pl_nvme_qpair_destroy(w->qp);
	for (uint32_t i = 0; w->slots && i < w->qd; i++)
		pl_mem_free(w->slots[i].op.buf);
	free(w->slots);
	free(w->free);
	free(w->todo);
	free(w->latency);
	verify_destroy(w);
	memset(w, 0, sizeof(*w));
}
