/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random canary in the provider's memory, and what the provider itself can say of its life. Each
 * is a load from the device, so a check after some commands completed says that all of this held
 * while they ran.
 *
 * It does not see a device whose memory stopped decoding and decodes again, contents and registers
 * as before: doc/proof.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_random.h>

#include <peerlane/pl_devmem.h>

#include "p2p_proof.h"
#include "pl_log.h"

int p2p_proof_begin(struct pl_p2p *p, unsigned int memory, struct p2p_proof *proof)
{
	struct pl_p2p_heap *heap = p->memory[memory].heap;
	void *page;
	int rc = pl_p2p_alloc(heap, PL_P2P_PAGE, 0, &page);

	if (rc)
		return rc;
	*proof = (struct p2p_proof){
		.provider = p,
		.memory = memory,
		.heap = heap,
		.canary = page,
		.value = rte_rand(),
		.generation = p->ops->generation(p),
		.reads = p->ops->alive_reads(p, memory) + 1,
	};
	pl_devmem_write64(proof->canary, proof->value);
	rc = p2p_proof_check(proof);
	if (rc)
		p2p_proof_end(proof);
	return rc;
}

int p2p_proof_check(const struct p2p_proof *proof)
{
	const struct pl_p2p *p = proof->provider;
	uint64_t seen = pl_devmem_read64(proof->canary);
	int rc = p->ops->alive(p, proof->memory, proof->generation);

	if (rc || seen == proof->value)
		return rc;
	return pl_fail(-EREMOTEIO,
		       "the %s of %s lost what was written to it (%016" PRIx64
		       " instead of %016" PRIx64 "): the device was reset or its mapping revoked",
		       p->memory[proof->memory].label, p->name, seen, proof->value);
}

void p2p_proof_end(struct p2p_proof *proof)
{
	if (!proof->provider)
		return;
	pl_p2p_free(proof->heap, proof->canary);
	memset(proof, 0, sizeof(*proof));
}
