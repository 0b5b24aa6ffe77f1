/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a provider's memory is still what was handed out. A device that was reset answers reads of
 * it with zeros and one that was unplugged with ones, and whoever reads there gets a status of 0: so
 * who relies on such a read asks afterwards.
 */
#ifndef P2P_PROOF_H
#define P2P_PROOF_H

#include "p2p_provider.h"

struct p2p_proof {
	struct pl_p2p *provider; /* NULL: nothing was begun */
	unsigned int memory;
	struct pl_p2p_heap *heap;
	uint64_t *canary;    /* a page of the memory that nobody else has */
	uint64_t value;	     /* and what it holds */
	uint32_t generation; /* of the provider when it began */
	uint32_t reads;	     /* loads from the device that one check takes */
};

/* Puts the canary there. -ENOMEM, -ENODEV, -EREMOTEIO if the memory does not hold it. */
int p2p_proof_begin(struct pl_p2p *p, unsigned int memory, struct p2p_proof *proof);
/* 0: the provider runs as it was set up, was not reset and its memory holds the canary, so it did and
 * was at any time since begin(). -ENODEV: it is gone, failed or was reset; -EREMOTEIO: its memory is
 * another. */
int p2p_proof_check(const struct p2p_proof *proof);
void p2p_proof_end(struct p2p_proof *proof);

#endif
