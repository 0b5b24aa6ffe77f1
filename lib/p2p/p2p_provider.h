/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under copies: what a device that lends memory must answer. A provider is part of its
 * device's structure (an NVMe controller, a BAR) and registered while the device is up. Adding
 * another kind is adding a folder under drivers/p2p.
 */
#ifndef P2P_PROVIDER_H
#define P2P_PROVIDER_H

#include <stdbool.h>

#include <peerlane/pl_p2p.h>

#define P2P_MEMORIES 2u /* a controller has a CMB and a PMR */

/* What a provider may do with its own memory in commands of its own, as CMBSZ and PMRCAP have it. */
#define P2P_RDS 1u /* it puts there what a Read returns */
#define P2P_WDS 2u /* it takes from there what a Write stores */

struct p2p_memory {
	char label[8];
	enum pl_mem_kind kind;
	struct pl_p2p_heap *heap; /* NULL: none that can be used */
	uint32_t own;		  /* P2P_RDS, P2P_WDS */
};

struct pl_p2p_ops {
	/* From one to the other the CPU uses the memory: the device is not reset then. */
	void (*use)(struct pl_p2p *p);
	void (*unuse)(struct pl_p2p *p);
	/* -ENODEV with a message if the CPU met SIGBUS in the device's memory and has other memory
	 * there now; else 0. */
	int (*lost)(const struct pl_p2p *p);
	/* -ENODEV with a message if somebody waits for the device to be given back; else 0. */
	int (*asked_back)(struct pl_p2p *p);
	/* Why there is memory that peers cannot reach; "" if there is none. */
	const char *(*why_none)(const struct pl_p2p *p);

	/* The proof of p2p_proof.h. A number that another one follows when the device was reset. */
	uint32_t (*generation)(const struct pl_p2p *p);
	/* Loads from the device that alive() takes. */
	uint32_t (*alive_reads)(const struct pl_p2p *p, unsigned int memory);
	/* 0 if the device runs as it was set up in that generation, its memory where it was put; else
	 * -ENODEV (gone, failed, reset) or -EREMOTEIO (elsewhere), with a message. */
	int (*alive)(const struct pl_p2p *p, unsigned int memory, uint32_t generation);
};

struct pl_p2p {
	const struct pl_p2p_ops *ops;
	char name[32];
	struct pl_ioas *ioas; /* whose devices reach its memory */
	bool no_peers;	      /* but not this one's: its memory could not be mapped for them */
	bool canary_only;     /* nothing but the canary of a proof tells that it is alive */
	bool of_host;	      /* the CPU finds memory of the host there, as the kernel does */
	unsigned int nb_memories;
	struct p2p_memory memory[P2P_MEMORIES];
	struct pl_p2p *next;
};

void p2p_register(struct pl_p2p *p); /* behind those that there are */
void p2p_unregister(struct pl_p2p *p);

/* Whether @client is in the address space in which devices reach @p's memory, if it has some; if not, why. */
bool p2p_reaches(const struct pl_p2p *p, const struct pl_p2p *client, struct pl_p2p_path *path);

/* Whether any of its memory is gone, until a reset brings it back. */
bool p2p_lost_memory(const struct pl_p2p *p);

#endif
