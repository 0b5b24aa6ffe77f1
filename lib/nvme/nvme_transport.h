/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under lib/nvme: how properties are asked for and commands travel. Bring-up, admin
 * commands, namespaces and the life of a controller are the same for every transport. A transport
 * registers itself from a constructor; adding one is adding a folder under drivers/nvme. The one
 * for functions with registers in a BAR is lib/nvme/pcie, and has a seam of its own below.
 */
#ifndef NVME_TRANSPORT_H
#define NVME_TRANSPORT_H

#include <stdbool.h>
#include <sys/types.h>

#include <peerlane/pl_nvme.h>

#include "iommu_backend.h"

struct nvme_transport;

/* Whether a controller's memory is what was handed out. */
enum nvme_memory_state {
	NVME_MEMORY_ALIVE,
	NVME_MEMORY_DEAD,      /* the controller is gone, failed, or does not run */
	NVME_MEMORY_ELSEWHERE, /* it runs, but not with that memory at that address */
};

/* Functions that may be NULL say what that means. An errno comes with pl_fail(). */
struct nvme_transport_ops {
	const char *name;  /* "nvme_emu": --vdev names are this and a number */
	const char *usage; /* the accepted form, for error messages */
	bool by_address;   /* it takes -a BDF devices; else --vdev names */
	/* Whether it, rather than others, drives the device at this address. NULL: any that nobody
	 * takes so. */
	bool (*takes)(const char *bdf);
	enum pl_ioas_family family; /* of the address space that its devices live in */

	/* Validates "key=val,..." without side effects: 0 or -EINVAL. */
	int (*check)(const struct nvme_transport_ops *self, const char *dev, const char *args);
	/* Opens, creates or connects to the device; its properties work when this returned 0. */
	int (*probe)(const struct nvme_transport_ops *self, const char *dev, const char *args,
		     struct pl_ioas *ioas, struct nvme_transport **transport);
	/* The controller was shut down or is gone; nothing of it is touched afterwards. Queue pairs
	 * may be freed later. */
	void (*remove)(struct nvme_transport *t);

	/* Properties (3.1), naturally aligned. Never -EAGAIN. */
	int (*get32)(struct nvme_transport *t, uint32_t off, uint32_t *val);
	int (*get64)(struct nvme_transport *t, uint32_t off, uint64_t *val);
	int (*set32)(struct nvme_transport *t, uint32_t off, uint32_t val);

	/* CAP is known: refuses the controller, or lowers max_qpairs. NULL: it has no limits. */
	int (*limits)(struct pl_nvme_ctrlr *ctrlr);

	/* Whether the device may read and write memory that is not its own: when off returned 0 it
	 * does not until it is on again. It is off when a controller is brought up. */
	int (*let_dma)(struct nvme_transport *t, bool on);
	/* Before a reset: makes properties work again, whoever ended that. NULL: they always do. */
	int (*revive)(struct nvme_transport *t);

	/* Whether somebody waits for the device to be given back by remove(). Any thread, at any
	 * time. NULL: nobody ever does. */
	bool (*asked_back)(struct nvme_transport *t);
	/* Whether the CPU has met SIGBUS in what is mapped of it. NULL: nothing is. */
	bool (*lost)(const struct nvme_transport *t);
	/* Whether its writes may overtake each other on the way. NULL: they do not. */
	bool (*unordered)(const struct nvme_transport *t);
	/* Whether no other controller can be let reach its memory. NULL: they can. */
	bool (*no_peers)(const struct nvme_transport *t);

	/* Memory of the controller that it lends. NULL, all six: it has none. The last step of a
	 * bring-up; that of a reset; a reset failed; before remove(). */
	int (*memory_attach)(struct pl_nvme_ctrlr *ctrlr);
	int (*memory_reattach)(struct pl_nvme_ctrlr *ctrlr);
	void (*memory_gone)(struct pl_nvme_ctrlr *ctrlr);
	void (*memory_detach)(struct pl_nvme_ctrlr *ctrlr);
	/* Of memory NVME_PROVIDER_* that was attached: what the controller's registers say of it, and how
	 * many loads from the device that takes. While others read and write there; never waits. */
	enum nvme_memory_state (*memory_alive)(const struct pl_nvme_ctrlr *ctrlr,
					       unsigned int memory);
	uint32_t (*memory_alive_reads)(const struct pl_nvme_ctrlr *ctrlr, unsigned int memory);

	/*
	 * Queue pairs; admin_lock is held. Number 0 is the admin queue, which is connected with
	 * every bring-up and before CC.EN is set: its commands are then as after its creation.
	 */
	/* Completes and judges options, which lib/nvme judged already but for where memory lies.
	 * NULL: that is in no CMB. */
	int (*qpair_check)(struct pl_nvme_ctrlr *ctrlr, struct pl_nvme_qpair_opts *opts);
	/* By nvme_qpair_alloc(); and what belongs to it, without telling the controller. */
	int (*qpair_alloc)(struct pl_nvme_ctrlr *ctrlr, uint16_t qid, uint32_t entries,
			   uint32_t max_xfer, const struct pl_nvme_qpair_opts *opts,
			   struct pl_nvme_qpair **qp);
	int (*qpair_connect)(struct pl_nvme_qpair *qp);
	/* True if the controller touches nothing more of the queues and of what was in flight. Also
	 * called after connect() failed. */
	bool (*qpair_disconnect)(struct pl_nvme_qpair *qp);
	void (*qpair_free)(struct pl_nvme_qpair *qp); /* by nvme_qpair_free() */

	/* As pl_nvme_submit() and pl_nvme_poll(), for queue pairs of nvme_qpair_divert(). NULL:
	 * there are none of those, so their rings and doorbells are served without a call. */
	uint16_t (*submit)(struct pl_nvme_qpair *qp, struct pl_nvme_op *const *ops, uint16_t n);
	uint16_t (*poll)(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t n);
	/* Sends one admin or fabrics command with @len bytes of data at @va; @op comes back from
	 * poll. The caller saw to it that the queue is not full. */
	void (*submit_sqe)(struct pl_nvme_qpair *qp, struct pl_nvme_op *op,
			   const struct pl_nvme_sqe *sqe, uint64_t va, uint64_t len);

	/* Bytes that the device itself read and wrote, by kind. False, NULL: it cannot tell. */
	bool (*traffic)(struct nvme_transport *t, struct pl_nvme_traffic *traffic);
	/* The file of this machine whose bytes, from the first on, are the namespace's: st_dev and
	 * st_ino. False: there is none. NULL: there never is. Any thread. */
	bool (*backing)(struct nvme_transport *t, uint32_t nsid, dev_t *dev, ino_t *ino);
};

/* First member of every transport's own structure. */
struct nvme_transport {
	const struct nvme_transport_ops *ops;
	const char *name;     /* of the device */
	struct pl_ioas *ioas; /* whose devices reach each other's memory */
	int numa_node;
	uint32_t max_qpairs; /* besides the admin queue, however many the controller grants */
};

struct nvme_transport_entry {
	const struct nvme_transport_ops *ops;
	struct nvme_transport_entry *next;
};

void nvme_transport_register(struct nvme_transport_entry *entry);

/* The one whose --vdev names look like @dev, its name and a number; NULL: there is none. */
const struct nvme_transport_ops *nvme_transport_find(const char *dev);
/* The one that drives the device at this address; NULL: there is none. */
const struct nvme_transport_ops *nvme_transport_of_address(const char *bdf);

#define NVME_TRANSPORT(ops_table)                                                           \
	static struct nvme_transport_entry nvme_transport_entry_ = { .ops = &(ops_table) }; \
	static void __attribute__((constructor)) nvme_transport_ctor(void)                  \
	{                                                                                   \
		nvme_transport_register(&nvme_transport_entry_);                            \
	}

#endif
