/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under lib/nvme: how registers and doorbells are reached, nothing else. Queue pairs,
 * admin commands and memory rules are the same for every transport. A transport registers itself
 * from a constructor; adding one is adding a folder under drivers/nvme.
 */
#ifndef PL_NVME_TRANSPORT_H
#define PL_NVME_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>

#include <peerlane/pl_iommu.h>
#include <peerlane/pl_nvme.h>

#include "mem_internal.h"

struct pl_nvme_transport;

struct pl_nvme_transport_ops {
	const char *name;  /* "nvme_emu": --vdev names are this and a number */
	const char *usage; /* the accepted form, for error messages */
	bool pci;	   /* takes -a BDF devices instead of --vdev names */

	/* Validates "key=val,..." without side effects: 0 or -EINVAL with pl_fail(). */
	int (*check)(const char *dev, const char *args);
	/* Opens or creates the device; its registers work when this returned 0. */
	int (*probe)(const char *dev, const char *args, struct pl_ioas *ioas,
		     struct pl_nvme_transport **transport);
	/* The controller was shut down or is gone; nothing of it is touched afterwards. */
	void (*remove)(struct pl_nvme_transport *t);

	/* Memory decoding on, whoever turned it off; changes nothing where it is. */
	int (*decode)(struct pl_nvme_transport *t);
	/* Bus mastering on or off: when off returned 0 the device reads and writes no memory but its
	 * own until it is on again. */
	int (*master)(struct pl_nvme_transport *t, bool on);

	/* Whether somebody waits for the device to be given back by remove(). Any thread, at any time.
	 * NULL: nobody ever does. */
	bool (*asked_back)(struct pl_nvme_transport *t);

	/* Registers below NVME_REG_DOORBELLS, naturally aligned. All ones: the device is gone. */
	uint32_t (*read32)(struct pl_nvme_transport *t, uint32_t off);
	uint64_t (*read64)(struct pl_nvme_transport *t, uint32_t off);
	void (*write32)(struct pl_nvme_transport *t, uint32_t off, uint32_t val);
	void (*write64)(struct pl_nvme_transport *t, uint32_t off, uint64_t val);

	/* Bytes of BAR @bir; 0 if there is none. The PMR is the whole of its BAR (3.1.13). */
	uint64_t (*bar_size)(struct pl_nvme_transport *t, unsigned int bir);

	/* The address of BAR @bir on the bus, which a controller from before NVMe 1.4 knows its CMB by.
	 * 0: wherever mem_attach() puts it. */
	int (*bar_addr)(struct pl_nvme_transport *t, unsigned int bir, uint64_t *addr);

	/* Makes [offset, offset + len) of BAR @bir one address: CPU mapping at @va (inside the
	 * window, which the caller reserved), and IOVA @va for every device of the address space.
	 * Decoding is enabled, the range exported, imported and verified here. */
	int (*mem_attach)(struct pl_nvme_transport *t, unsigned int bir, uint64_t offset,
			  size_t len, void *va, enum pl_mem_kind kind);
	/* What of it may be used, if not all: bytes [first, first + len) from @va on. Can be NULL. */
	void (*mem_extent)(struct pl_nvme_transport *t, void *va, size_t *first, size_t *len);
	void (*mem_detach)(struct pl_nvme_transport *t, void *va, size_t len);

	/* Bytes that the device itself read and wrote, by kind; NULL: the device cannot tell. */
	void (*traffic)(struct pl_nvme_transport *t, struct pl_nvme_traffic *traffic);

	/* The file of this machine whose bytes, from the first on, are the namespace's: st_dev and
	 * st_ino. False: there is none. NULL: there never is. Any thread. */
	bool (*backing)(struct pl_nvme_transport *t, uint32_t nsid, dev_t *dev, ino_t *ino);
};

struct pl_nvme_transport {
	const struct pl_nvme_transport_ops *ops;
	struct pl_ioas *ioas; /* whose devices reach each other's memory */
	char name[32];
	volatile uint32_t *doorbells; /* at NVME_REG_DOORBELLS */
	size_t doorbells_len;	      /* bytes that may be written there */
	bool sq_in_cmb;		      /* unless a queue pair's options say otherwise */
	bool prp_in_cmb;
	struct pl_guard guard; /* of all that is mapped of the device */
	bool no_peers; /* mem_attach() found no way to let other controllers reach its memory */
	/* Its writes may overtake each other on the way: Relaxed Ordering could not be turned off.
	 * Set again by decode(). */
	bool unordered;
	int numa_node;
};

struct pl_nvme_transport_entry {
	const struct pl_nvme_transport_ops *ops;
	struct pl_nvme_transport_entry *next;
};

void pl_nvme_transport_register(struct pl_nvme_transport_entry *entry);

/* The transport whose --vdev names look like @dev, its name and a number; NULL: there is none. */
const struct pl_nvme_transport_ops *pl_nvme_transport_find(const char *dev);

#define PL_NVME_TRANSPORT(ops_table)                                                               \
	static struct pl_nvme_transport_entry pl_nvme_transport_entry_ = { .ops = &(ops_table) };  \
	static void __attribute__((constructor)) pl_nvme_transport_ctor(void)                      \
	{                                                                                          \
		pl_nvme_transport_register(&pl_nvme_transport_entry_);                             \
	}

#endif
