/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under lib/nvme/pcie: an NVMe function, which is how registers, doorbells and BARs of a
 * controller are reached. Queue pairs, admin commands and memory rules are the same for all of them.
 * A driver registers its functions from a constructor; adding one is adding a folder under
 * drivers/nvme.
 */
#ifndef NVME_FUNC_H
#define NVME_FUNC_H

#include <stdbool.h>
#include <sys/types.h>

#include <peerlane/pl_nvme.h>

#include "iommu_backend.h"
#include "mem_internal.h"
#include "nvme_transport.h"

struct nvme_func;

struct nvme_func_ops {
	const char *name;  /* "nvme_emu": --vdev names are this and a number */
	const char *usage; /* the accepted form, for error messages */
	bool by_address;   /* it takes -a BDF devices; else --vdev names */
	bool (*takes)(const char *bdf); /* see nvme_transport_ops */
	enum pl_ioas_family family; /* of the address space that its devices live in */

	/* Validates "key=val,..." without side effects: 0 or -EINVAL with pl_fail(). */
	int (*check)(const char *dev, const char *args);
	/* Opens or creates the device; its registers work when this returned 0. */
	int (*probe)(const char *dev, const char *args, struct pl_ioas *ioas,
		     struct nvme_func **func);
	/* The controller was shut down or is gone; nothing of it is touched afterwards. */
	void (*remove)(struct nvme_func *f);

	/* Memory decoding on, whoever turned it off; changes nothing where it is. */
	int (*decode)(struct nvme_func *f);
	/* Bus mastering on or off: when off returned 0 the device reads and writes no memory but its
	 * own until it is on again. */
	int (*master)(struct nvme_func *f, bool on);

	/* Whether somebody waits for the device to be given back by remove(). Any thread, at any time.
	 * NULL: nobody ever does. */
	bool (*asked_back)(struct nvme_func *f);

	/* Registers below NVME_REG_DOORBELLS, naturally aligned. All ones: the device is gone. */
	uint32_t (*read32)(struct nvme_func *f, uint32_t off);
	uint64_t (*read64)(struct nvme_func *f, uint32_t off);
	void (*write32)(struct nvme_func *f, uint32_t off, uint32_t val);
	void (*write64)(struct nvme_func *f, uint32_t off, uint64_t val);

	/* Bytes of BAR @bir; 0 if there is none. The PMR is the whole of its BAR (3.1.13). */
	uint64_t (*bar_size)(struct nvme_func *f, unsigned int bir);

	/* The address of BAR @bir on the bus, which a controller from before NVMe 1.4 knows its CMB by.
	 * 0: wherever mem_attach() puts it. */
	int (*bar_addr)(struct nvme_func *f, unsigned int bir, uint64_t *addr);

	/* Makes [offset, offset + len) of BAR @bir one address: CPU mapping at @va (inside the
	 * window, which the caller reserved), and IOVA @va for every device of the address space.
	 * Decoding is enabled, the range exported, imported and verified here. */
	int (*mem_attach)(struct nvme_func *f, unsigned int bir, uint64_t offset,
			  size_t len, void *va, enum pl_mem_kind kind);
	/* What of it may be used, if not all: bytes [first, first + len) from @va on. Can be NULL. */
	void (*mem_extent)(struct nvme_func *f, void *va, size_t *first, size_t *len);
	void (*mem_detach)(struct nvme_func *f, void *va, size_t len);

	/* Bytes that the device itself read and wrote, by kind; NULL: the device cannot tell. */
	void (*traffic)(struct nvme_func *f, struct pl_nvme_traffic *traffic);

	/* The file of this machine whose bytes, from the first on, are the namespace's: st_dev and
	 * st_ino. False: there is none. NULL: there never is. Any thread. */
	bool (*backing)(struct nvme_func *f, uint32_t nsid, dev_t *dev, ino_t *ino);
};

struct nvme_func {
	const struct nvme_func_ops *ops;
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

/* Each is a transport to the rooms above, with the properties and names of the function. */
struct nvme_func_entry {
	const struct nvme_func_ops *ops;
	struct nvme_transport_ops transport;
	struct nvme_transport_entry link;
};

void nvme_func_register(struct nvme_func_entry *entry);

/* Those whose --vdev names look like @dev, its name and a number; NULL: there is none. */
const struct nvme_func_ops *nvme_func_find(const char *dev);

#define NVME_FUNC(ops_table)                                                               \
	static struct nvme_func_entry nvme_func_entry_ = { .ops = &(ops_table) };  \
	static void __attribute__((constructor)) nvme_func_ctor(void)                      \
	{                                                                                          \
		nvme_func_register(&nvme_func_entry_);                             \
	}

#endif
