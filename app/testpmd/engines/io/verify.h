/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --verify: what a write carries, which blocks must be looked at again, and whether they hold what
 * they should. A pattern depends on the run, the device and the LBA, so that writes of the same LBA
 * agree whoever makes them, and data at a wrong place, from a wrong device or of an earlier run is
 * found out.
 */
#ifndef TESTPMD_VERIFY_H
#define TESTPMD_VERIFY_H

#include <stddef.h>
#include <stdint.h>

struct worker;
struct io_slot;

/* The key of a device's pattern. */
uint64_t pattern_key(uint64_t seed, const char *device, uint32_t nsid);

/* Fills @nlb LBAs of 1 << @lba_shift bytes from @slba on. */
void pattern_fill(void *buf, uint64_t key, uint64_t slba, uint32_t nlb, uint32_t lba_shift);

/* The first LBA, relative to @slba, that does not hold its pattern; @nlb if all do. */
uint32_t pattern_check(const void *buf, uint64_t key, uint64_t slba, uint32_t nlb,
		       uint32_t lba_shift);

/* 0 or -ENOMEM with app_fail(). */
int verify_create(struct worker *w, uint64_t key);
void verify_destroy(struct worker *w);

/* The block itself, or the next one where nothing is in flight; it counts as busy from now on.
 * There is one: a slice has at least as many blocks as I/Os are in flight. */
uint64_t verify_claim(struct worker *w, uint64_t block);

/* Before a read: what is in the buffer cannot be what the read must bring. */
void verify_poison(struct worker *w, struct io_slot *slot);

/* A measured I/O completed with success. True if the slot is in use again (a Compare follows). */
int verify_io_done(struct worker *w, struct io_slot *slot);

/* A measured I/O failed: its block holds nobody knows what. */
void verify_io_failed(struct worker *w, struct io_slot *slot);

/* A Compare completed. */
void verify_compare_done(struct worker *w, struct io_slot *slot);

/* Makes @slot read the next written block. 0 if none is left. */
int verify_readback_next(struct worker *w, struct io_slot *slot);

/* Blocks that a write reached and that must compare equal before --verify may say so. */
uint64_t verify_written(const struct worker *w);

/* A block was read back; looks at it. */
void verify_readback_done(struct worker *w, struct io_slot *slot);

#endif
