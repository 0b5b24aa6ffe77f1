/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drivers of providers that are no NVMe controllers: each says which `-a BDF,...` is its own, by its
 * key, and makes a provider of the function.
 */
#ifndef P2P_DRIVER_H
#define P2P_DRIVER_H

#include "p2p_provider.h"

struct p2p_driver_ops {
	const char *name;
	/* Whether the arguments "key=val,..." are for this driver. */
	bool (*claims)(const char *args);
	/* Validates them without side effects: 0 or -EINVAL with pl_fail(). */
	int (*check)(const char *bdf, const char *args);
	/* The function is in @ioas. Registering the provider is the caller's. */
	int (*probe)(const char *bdf, const char *args, struct pl_ioas *ioas, struct pl_p2p **p);
	void (*remove)(struct pl_p2p *p);
};

struct p2p_driver {
	const struct p2p_driver_ops *ops;
	struct p2p_driver *next;
};

void p2p_driver_register(struct p2p_driver *driver);

#define P2P_DRIVER(ops_table)                                                                      \
	static struct p2p_driver p2p_driver_entry = { .ops = &(ops_table) };                       \
	static void __attribute__((constructor)) p2p_driver_ctor(void)                             \
	{                                                                                          \
		p2p_driver_register(&p2p_driver_entry);                                            \
	}

#endif
