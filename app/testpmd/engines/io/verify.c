/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cli.h"
#include "verify.h"
#include "worker.h"

/* Words of an LBA differ by an odd constant: neighbours never repeat, and a word costs an add. */
#define WORD_STEP 0x9e3779b97f4a7c15ull

uint64_t pattern_key(uint64_t seed, const char *device, uint32_t nsid)
{
	uint64_t key = seed;

	for (; *device; device++)
		key = splitmix64(&key) ^ (uint8_t)*device;
	key ^= (uint64_t)nsid << 32;
	return splitmix64(&key);
}

static uint64_t pattern_start(uint64_t key, uint64_t lba)
{
	uint64_t state = key ^ (lba * 0xd6e8feb86659fd93ull);

	return splitmix64(&state);
}

void pattern_fill(void *buf, uint64_t key, uint64_t slba, uint32_t nlb, uint32_t lba_shift)
{
	uint64_t *p = buf;

	for (uint32_t i = 0; i < nlb; i++) {
		uint64_t word = pattern_start(key, slba + i);

		for (uint64_t *end = p + (1ull << lba_shift) / 8; p < end; word += WORD_STEP)
			*p++ = word;
	}
}

uint32_t pattern_check(const void *buf, uint64_t key, uint64_t slba, uint32_t nlb,
		       uint32_t lba_shift)
{
	const uint64_t *p = buf;

	for (uint32_t i = 0; i < nlb; i++) {
		const uint64_t *end = p + (1ull << lba_shift) / 8;
		uint64_t word = pattern_start(key, slba + i);

		for (; p < end; word += WORD_STEP)
			if (*p++ != word)
				return i;
	}
	return nlb;
}

static void bit_set(uint64_t *map, uint64_t bit)
{
	map[bit >> 6] |= 1ull << (bit & 63);
}

static void bit_clear(uint64_t *map, uint64_t bit)
{
	map[bit >> 6] &= ~(1ull << (bit & 63));
}

static int bit_test(const uint64_t *map, uint64_t bit)
{
	return (int)(map[bit >> 6] >> (bit & 63)) & 1;
}

int verify_create(struct worker *w, uint64_t key)
{
	size_t words = (w->nb_blocks + 63) / 64;

	w->verify = calloc(1, sizeof(*w->verify));
	if (w->verify) {
		w->verify->key = key;
		w->verify->busy = calloc(words, sizeof(uint64_t));
		w->verify->written = calloc(words, sizeof(uint64_t));
	}
	if (!w->verify || !w->verify->busy || !w->verify->written)
		return app_fail(-ENOMEM, "%s: no memory for the bitmaps of --verify", w->device);
	return 0;
}

void verify_destroy(struct worker *w)
{
	if (!w->verify)
		return;
	free(w->verify->busy);
	free(w->verify->written);
	free(w->verify);
	w->verify = NULL;
}

uint64_t verify_claim(struct worker *w, uint64_t block)
{
	while (bit_test(w->verify->busy, block))
		block = block + 1 < w->nb_blocks ? block + 1 : 0;
	bit_set(w->verify->busy, block);
	return block;
}

void verify_poison(struct worker *w, struct io_slot *slot)
{
	pattern_fill(slot->op.buf, ~w->verify->key, w->verify->reads++, w->block_lbas,
		     w->ns->lba_shift);
}

int verify_io_done(struct worker *w, struct io_slot *slot)
{
	if (slot->op.opc == NVME_CMD_READ) {
		/* The device compares what it sent with what it holds; the block stays busy. */
		slot->op.opc = NVME_CMD_COMPARE;
		worker_post(w, slot);
		return 1;
	}
	bit_set(w->verify->written, slot->block);
	bit_clear(w->verify->busy, slot->block);
	return 0;
}

void verify_io_failed(struct worker *w, struct io_slot *slot)
{
	if (slot->op.opc == NVME_CMD_WRITE)
		bit_clear(w->verify->written, slot->block);
	bit_clear(w->verify->busy, slot->block);
}

void verify_compare_done(struct worker *w, struct io_slot *slot)
{
	const struct pl_nvme_op *op = &slot->op;

	bit_clear(w->verify->busy, slot->block);
	if (NVME_STATUS_CODE(op->status) == NVME_SC_COMPARE_FAILURE) {
		worker_count(&w->verify->mismatches);
		worker_say(w,
			   "%s NSID %u: LBA %" PRIu64 "+%u: what was read is not what the device "
			   "holds (Compare: %s)",
			   w->device, w->ns->nsid, op->slba, op->nlb,
			   pl_nvme_status_str(op->status));
	} else if (op->status) {
		worker_count(&w->errors);
		worker_say(w, "%s NSID %u: compare of LBA %" PRIu64 "+%u: %s", w->device,
			   w->ns->nsid, op->slba, op->nlb, pl_nvme_status_str(op->status));
	} else {
		w->verify->compares++;
	}
}

uint64_t verify_written(const struct worker *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < (w->nb_blocks + 63) / 64; i++)
		n += (uint64_t)__builtin_popcountll(w->verify->written[i]);
	return n;
}

int verify_readback_next(struct worker *w, struct io_slot *slot)
{
	struct worker_verify *v = w->verify;

	while (v->scan < w->nb_blocks && !bit_test(v->written, v->scan)) {
		if (!(v->scan & 63) && !v->written[v->scan >> 6])
			v->scan += 64;
		else
			v->scan++;
	}
	if (v->scan >= w->nb_blocks)
		return 0;
	slot->block = v->scan++;
	verify_poison(w, slot);
	pl_nvme_op_read(&slot->op, w->ns, slot->op.buf, w->first_lba + slot->block * w->block_lbas,
			w->block_lbas);
	return 1;
}

void verify_readback_done(struct worker *w, struct io_slot *slot)
{
	const struct pl_nvme_op *op = &slot->op;
	uint32_t good;

	if (op->status) {
		worker_count(&w->errors);
		worker_say(w, "%s NSID %u: reading back LBA %" PRIu64 "+%u: %s", w->device,
			   w->ns->nsid, op->slba, op->nlb, pl_nvme_status_str(op->status));
		return;
	}
	good = pattern_check(op->buf, w->verify->key, op->slba, op->nlb, w->ns->lba_shift);
	if (good == op->nlb) {
		worker_count(&w->verify->readback);
		return;
	}
	worker_count(&w->verify->mismatches);
	worker_say(w, "%s NSID %u: LBA %" PRIu64 " does not hold what was written to it", w->device,
		   w->ns->nsid, op->slba + good);
}
