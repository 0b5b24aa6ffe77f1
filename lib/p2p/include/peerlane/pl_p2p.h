/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Providers: devices that lend memory to their peers.
 *
 *     provider "0000:02:00.0"            provider "0000:05:00.0"
 *     an NVMe controller                 any function that vfio owns
 *       memory 0 "CMB" --- heap            memory 0 "BAR 2" --- heap
 *       memory 1 "PMR" --- heap
 *           ^                                  ^
 *           |  pl_p2p_path(): is there a way?  |
 *       clients: the controllers of a copy, which read and write there
 *
 * Every NVMe controller is a provider, with no memory if it has neither CMB nor PMR that can be used;
 * `-a BDF,p2p=barN` makes one of another function (pl_eal.h). Copies know providers (pl_copy.h), and
 * whoever wants a provider's memory for himself takes it from its heap (pl_mem.h). A provider belongs
 * to the library, from pl_eal_init() to pl_eal_cleanup(); so do its heaps, which give nothing (-ENODEV)
 * while a controller is down that pl_nvme_ctrlr_reset() failed to bring back.
 */
#ifndef PEERLANE_PL_P2P_H
#define PEERLANE_PL_P2P_H

#include <peerlane/pl_err.h>
#include <peerlane/pl_mem.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pl_p2p;

/** One memory of a provider, as pl_p2p_memory() fills it. */
struct pl_p2p_memory {
	const char *label;	   /**< "CMB", "PMR", "BAR 2"; the library's */
	enum pl_mem_kind kind;	   /**< how bytes that cross it are counted */
	struct pl_p2p_heap *heap;  /**< NULL: it has none that can be used */
};

/** How a client reaches a provider's memory. */
enum pl_p2p_way {
	PL_P2P_NO_WAY, /**< it does not */
	PL_P2P_OWN,    /**< it is the provider: nothing crosses the fabric */
	PL_P2P_PEER,   /**< the IOMMU maps it for the client; what lies between the two is not known */
};

struct pl_p2p_path {
	enum pl_p2p_way way;
	char reason[256]; /**< why, for people */
};

/** The providers, functions that do nothing else first, else in the order of the command line: NULL
 * begins, NULL ends. Any thread. */
PL_API struct pl_p2p *pl_p2p_next(const struct pl_p2p *prev);

/**
 * The provider of that name: a controller's or a function's, as in messages and in `--via`.
 * @return NULL if there is none; pl_errmsg() lists those that there are. Any thread.
 */
PL_API struct pl_p2p *pl_p2p_get(const char *name);

/** Its name; the library's, as long as the provider. Any thread. */
PL_API const char *pl_p2p_name(const struct pl_p2p *provider);

/**
 * Describes memory @p i of a provider, counted from 0.
 * @return 0; -ENOENT if it has not so many. Any thread that does not reset the device meanwhile.
 */
PL_API int pl_p2p_memory(const struct pl_p2p *provider, unsigned int i,
			 struct pl_p2p_memory *memory);

/**
 * Whether @p client, a device that may lend memory itself, reaches the memory of @p provider, as far as
 * that is known before any traffic: both must be in one IO address space whose backend maps a device's
 * memory for peers, and the provider must have memory that is there. Whether the fabric between the two carries it is what the landing check of a copy
 * proves (pl_copy.h). Any thread; sends nothing.
 */
PL_API void pl_p2p_path(const struct pl_p2p *provider, const struct pl_p2p *client,
			struct pl_p2p_path *path);

#ifdef __cplusplus
}
#endif
#endif
