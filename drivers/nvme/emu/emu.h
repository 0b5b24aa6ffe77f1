/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An NVMe 1.4 controller in software, behind the seam of lib/nvme. It runs on a thread of its own
 * and knows the host only as hardware does: registers, doorbells, and DMA through the software
 * IOMMU. Section numbers are those of the NVM Express Base Specification 1.4.
 *
 * Locking: `lock` guards the registers, the table of faults has a lock of its own. Everything else
 * belongs to the device thread, except the fields marked atomic.
 */
#ifndef NVME_EMU_H
#define NVME_EMU_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "nvme_func.h"
#include "soft/soft_dma.h"
#include "fault.h"
#include "media.h"

#define EMU_PAGE          4096u
#define EMU_MAX_IO_QUEUES 64u
#define EMU_NN            32u /* Identify Controller NN: namespace identifiers 1 to 32 are valid */
#define EMU_IOV           1024u  /* IOV_MAX: a transfer of 4 MiB in single pages */
#define EMU_AERS          4u     /* AERL + 1 */
#define EMU_EVENTS        8u     /* events that wait for a request */
#define EMU_ERRLOG        16u    /* ELPE + 1 */
#define EMU_COPY_MSRC     127u   /* 0's based: 128 ranges are one page of descriptors */
#define EMU_COPY_MSSRL    4096u  /* LBAs of a source range */
#define EMU_COPY_MCL      65536u /* LBAs of a Copy command */
#define EMU_CMB_BIR       4u
#define EMU_PMR_BIR       2u
#define EMU_FEATURES      0x0cu /* identifiers 01h to 0bh */
#define EMU_NO_WINDOW     UINT64_MAX

#define EMU_SC_FEATURE_NOT_PER_NS 0x10fu /* Feature Not Namespace Specific */
/* A status no command can have: the completion comes later (Asynchronous Event Request). */
#define EMU_PENDING 0xffffu

/* What the --vdev arguments say. */
struct emu_conf {
	uint64_t size; /* of each namespace; 0: not given */
	char path[PATH_MAX];
	char subsys[64]; /* NVM subsystem that it shares with others; "": one of its own */
	uint32_t bs;
	uint64_t cmb;
	uint64_t cmb_off;
	uint32_t cmb_rights; /* NVME_CMBSZ_* */
	bool cmbs;
	uint64_t pmr;
	uint64_t mdts; /* bytes; 0: no limit */
	uint32_t queues;
	uint32_t nb_ns;
	uint32_t entries; /* CAP.MQES + 1 */
	uint32_t dstrd;
	bool cqr;
	bool populate; /* a namespace in memory has all its pages from the start */
	uint64_t zone; /* bytes of a zone; 0: conventional */
	struct emu_fault_rule faults[EMU_FAULT_RULES];
	uint32_t nb_faults;
};

struct emu_ns {
	uint64_t nlb;
	struct emu_media *media;
	uint32_t error_recovery; /* feature 05h is the namespace's */
};

/* The controller's own memory: the CMB or the PMR. */
struct emu_devmem {
	int fd;
	size_t len;
	uint8_t *va;     /* the device's mapping */
	uint32_t rights; /* NVME_CMBSZ_*: what may lie in it */
	uint64_t bar_off;
	uint64_t window;  /* atomic: the address the controller answers at, or EMU_NO_WINDOW */
	uint64_t bus;     /* atomic: where mem_attach() put it, or EMU_NO_WINDOW */
	size_t bus_len;   /* atomic: bytes attached */
	uint64_t dev_off; /* first byte attached, from the start of the memory */
};

struct emu_queue {
	bool exists;
	uint16_t id;
	uint32_t size;   /* entries */
	uint32_t shift;  /* log2 of an entry's bytes */
	uint64_t base;   /* first byte, if contiguous */
	uint64_t *pages; /* else the address of every page */
	uint32_t bad;    /* the doorbell value that was refused last */
};

struct emu_cq {
	struct emu_queue q;
	uint32_t head;
	uint32_t tail;
	uint16_t phase;
	uint32_t nb_sqs;
};

struct emu_sq {
	struct emu_queue q;
	uint32_t head;
	uint32_t tail;
	struct emu_cq *cq;
	uint16_t last_cid; /* of the completion posted last */
	uint64_t due;      /* when its commands are fetched, ms; 0: at once */
	uint32_t due_cleared; /* emu_fault_cleared() then */
};

struct emu_cmd {
	struct pl_nvme_sqe sqe;
	struct emu_sq *sq;
	uint32_t dw0; /* the completion's */
	bool medium_fails;
};

/* Error Information log entry (5.14.1.1). */
struct emu_error {
	uint64_t count;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status;
	uint16_t location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t rsvd28[36];
};
PL_STATIC_ASSERT(sizeof(struct emu_error) == 64, "an error log entry is 64 bytes");

/* The data pointer of one command while it is walked (4.3). */
struct emu_prp {
	uint64_t prp1;
	uint64_t prp2;
	size_t left;        /* bytes not walked yet */
	uint64_t list_addr; /* next list entry to fetch */
	uint64_t run_addr;  /* the page that did not continue the last run */
	size_t run_len;
	uint32_t pos, n; /* in list[] */
	bool first, in_list;
	uint64_t list[EMU_PAGE / 8];
};

struct emu_ctrlr {
	struct nvme_func t; /* first: the function handle is the controller */
	struct emu_conf conf;
	struct pl_ioas *ioas;
	struct pl_soft_dev *dma;
	pthread_t thread;
	bool thread_started;
	bool shares_core;       /* the thread may run where the main lcore polls */
	struct emu_ctrlr *next; /* emu_thread.c's list */
	uint32_t nslots;        /* doorbells in the array: SQ and CQ of each queue */
	uint32_t *stray;        /* values of doorbells without a queue that were reported */

	pthread_mutex_t lock;
	uint64_t cap;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	uint64_t cmbmsc;
	uint32_t cmbloc, cmbsz; /* as CMBMSC.CRE shows them */
	uint32_t cmbsts;
	uint32_t pmrcap, pmrctl, pmrsts;
	uint64_t pmrmsc;
	bool reset_wanted; /* CC.EN went from 1 to 0 */

	struct emu_faults faults;

	/* atomic */
	bool stop;
	bool attention; /* CC or CSTS changed: the thread takes the lock and looks */
	bool hang, stuck, gone; /* as EMU_FAULT_* say */
	bool mem_off, master_off; /* bits of the PCI command register, the other way round */
	uint64_t rounds;	  /* of the device thread; written by it alone */

	/* the device thread's */
	bool enabled;
	bool failed;   /* CSTS.CFS */
	bool shutdown; /* CC.SHN was obeyed */
	struct emu_sq sqs[EMU_MAX_IO_QUEUES + 1];
	struct emu_cq cqs[EMU_MAX_IO_QUEUES + 1];
	struct emu_ns ns[EMU_NN];
	uint32_t granted; /* I/O queues, by Number of Queues */
	uint32_t features[EMU_FEATURES];
	uint32_t temp_under; /* feature 04h has two values */
	uint32_t irq_cd[EMU_MAX_IO_QUEUES + 1];
	uint16_t aers[EMU_AERS]; /* cids */
	uint32_t nb_aers;
	uint8_t events[EMU_EVENTS]; /* Asynchronous Event Information of error events */
	uint32_t nb_events;
	bool events_masked; /* until the host read the log page (5.2) */
	struct emu_error errlog[EMU_ERRLOG];
	uint64_t nb_errors;
	uint64_t bytes_read, bytes_written, reads, writes, media_errors; /* SMART */
	struct emu_part {
		bool armed; /* of the data of the command that executes a part does not move */
		bool late;  /* ...but after its completion */
		uint32_t offset, len;
		uint64_t addr;  /* where they belong, and as many of them as lie together there */
		uint32_t moves;
		uint8_t data[EMU_PAGE];
	} part;
	struct emu_prp prp;
	struct iovec iov[EMU_IOV];
	struct emu_devmem cmb, pmr;
	struct pl_nvme_traffic traffic; /* written by the thread only; atomic for readers */
	struct {
		uint64_t refused_bytes; /* posted writes that the IOMMU refused */
		uint64_t dropped_bytes; /* posted writes lost to EMU_FAULT_DROP */
		uint64_t peer_writes;   /* data transfers that had some into a peer's memory */
		uint64_t io_commands;   /* fetched */
	} counters;
};

static inline struct emu_ctrlr *emu_ctrlr(struct nvme_func *t)
{
	return (struct emu_ctrlr *)t;
}

/* One writer, so no locked instruction is needed; readers see whole values. */
static inline void emu_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint32_t emu_dstride(const struct emu_ctrlr *c)
{
	return 1u << c->conf.dstrd; /* in 4-byte units */
}

/* Slot 2y is the tail of SQ y, slot 2y + 1 the head of CQ y (3.1.24). */
static inline volatile uint32_t *emu_doorbell(const struct emu_ctrlr *c, uint32_t slot)
{
	return c->t.doorbells + slot * emu_dstride(c);
}

/* emu_conf.c */
extern const char emu_usage[];
int emu_conf_parse(const char *dev, const char *args, struct emu_conf *conf);

/* emu_registers.c */
void emu_regs_init(struct emu_ctrlr *c);
uint32_t emu_read32(struct nvme_func *t, uint32_t off);
uint64_t emu_read64(struct nvme_func *t, uint32_t off);
void emu_write32(struct nvme_func *t, uint32_t off, uint32_t val);
void emu_write64(struct nvme_func *t, uint32_t off, uint64_t val);

/* emu_state.c: what the device thread does about CC */
void emu_attend(struct emu_ctrlr *c);
void emu_fail(struct emu_ctrlr *c); /* CSTS.CFS */
/* Makes true what EMU_FAULT_HANG and those after it say; any thread, in no DMA section. */
void emu_break(struct emu_ctrlr *c, enum emu_fault_action action);
void emu_mend(struct emu_ctrlr *c); /* ends HANG, STUCK and GONE */
int emu_decode(struct nvme_func *t);
int emu_master(struct nvme_func *t, bool on);
bool emu_running(const struct emu_ctrlr *c);

/* emu_thread.c */
int emu_thread_start(struct emu_ctrlr *c);
void emu_thread_stop(struct emu_ctrlr *c);

/* emu_queue.c */
int emu_doorbells_init(struct emu_ctrlr *c);
void emu_doorbells_fini(struct emu_ctrlr *c);
void emu_doorbells_clear(struct emu_ctrlr *c);
void emu_doorbells_scan(struct emu_ctrlr *c);
void emu_sq_open(struct emu_ctrlr *c, uint16_t id, uint64_t base, uint32_t size, uint16_t cqid);
void emu_cq_open(struct emu_ctrlr *c, uint16_t id, uint64_t base, uint32_t size);
void emu_sq_close(struct emu_ctrlr *c, struct emu_sq *sq);
void emu_cq_close(struct emu_ctrlr *c, struct emu_cq *cq);
bool emu_pending(const struct emu_ctrlr *c); /* any thread: whether commands wait */
/* The next commands: up to *@n, as many as lie in one run. *@n becomes how many. */
uint16_t emu_sq_fetch(struct emu_ctrlr *c, struct emu_sq *sq, struct pl_nvme_sqe *sqes,
		      uint32_t *n);
uint32_t emu_sq_waiting(struct emu_ctrlr *c, struct emu_sq *sq); /* commands, by the doorbell */
uint32_t emu_cq_room(struct emu_ctrlr *c, struct emu_cq *cq);
bool emu_cq_at(const struct emu_ctrlr *c, uint64_t page);
void emu_cq_post(struct emu_ctrlr *c, const struct emu_sq *sq, uint16_t cid, uint32_t dw0,
		 uint16_t status);

/* emu_command.c: some commands of one queue. Returns whether there were any. */
bool emu_sq_poll(struct emu_ctrlr *c, struct emu_sq *sq);

/* emu_admin_queue.c */
uint16_t emu_admin_create_sq(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_create_cq(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_delete_sq(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_delete_cq(struct emu_ctrlr *c, struct emu_cmd *cmd);

/* emu_dma.c */
struct emu_piece {
	void *host; /* NULL: refused */
	size_t len;
	enum pl_traffic_mem mem;
};
uint16_t emu_dma_piece(struct emu_ctrlr *c, uint64_t addr, size_t len, uint32_t access,
		       uint32_t right, struct emu_piece *piece);
uint16_t emu_dma_own_check(const struct emu_ctrlr *c, uint64_t addr, size_t len, uint32_t right);
void emu_count(struct emu_ctrlr *c, enum pl_traffic_class cls, enum pl_traffic_mem mem, bool write,
	       size_t len);
uint16_t emu_dma_read(struct emu_ctrlr *c, uint64_t addr, void *buf, size_t len, uint32_t right,
		      enum pl_traffic_class cls);

/* emu_prp.c */
void emu_prp_init(struct emu_prp *p, uint64_t prp1, uint64_t prp2, size_t len);
void emu_prp_init_list(struct emu_prp *p, uint64_t list, size_t len);
uint16_t emu_prp_next(struct emu_ctrlr *c, struct emu_prp *p, uint64_t *addr, size_t *len);

/* emu_data.c: moves @len bytes between what the data pointer names and @fn, in order. @fn gets
 * each part with its offset, and returns a status. */
typedef uint16_t (*emu_data_fn)(void *arg, uint64_t off, const struct iovec *iov, uint32_t n);
uint16_t emu_data(struct emu_ctrlr *c, const struct emu_cmd *cmd, size_t len, bool to_host,
		  enum pl_traffic_class cls, emu_data_fn fn, void *arg);
uint16_t emu_data_out(struct emu_ctrlr *c, const struct emu_cmd *cmd, const void *buf,
		      size_t buf_len, size_t len);
uint16_t emu_data_in(struct emu_ctrlr *c, const struct emu_cmd *cmd, void *buf, size_t len);
/* The part of the last command that did not move, after its completion. */
void emu_data_part(struct emu_ctrlr *c);

/* emu_admin.c */
uint16_t emu_admin(struct emu_ctrlr *c, struct emu_cmd *cmd);

/* emu_check.c */
uint16_t emu_no_data(const struct pl_nvme_sqe *sqe);
uint16_t emu_ns_check(const struct emu_ctrlr *c, uint32_t nsid);
uint16_t emu_lba_check(const struct emu_ns *ns, uint64_t slba, uint64_t nlb);
uint16_t emu_mdts_check(const struct emu_ctrlr *c, uint64_t len);
uint16_t emu_status(uint16_t code); /* adds DNR where a retry cannot help */

/* emu_error.c: the error log, and the events that wait */
#define EMU_EVENT_DOORBELL_REGISTER 0x00u
#define EMU_EVENT_DOORBELL_VALUE    0x01u
void emu_event(struct emu_ctrlr *c, uint8_t info);
void emu_log_error(struct emu_ctrlr *c, const struct emu_cmd *cmd, uint16_t status);

/* emu_event.c: asynchronous event requests */
void emu_events_post(struct emu_ctrlr *c);
void emu_events_reset(struct emu_ctrlr *c);
uint16_t emu_admin_aer(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_abort(struct emu_ctrlr *c, struct emu_cmd *cmd);

/* emu_log_page.c, emu_identify.c, emu_feature.c */
uint16_t emu_admin_get_log_page(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_identify(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_get_features(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_admin_set_features(struct emu_ctrlr *c, struct emu_cmd *cmd);
void emu_features_reset(struct emu_ctrlr *c);
#define EMU_FIRMWARE "0.1.0   "

/* emu_nvm.c, emu_nvm_range.c */
uint16_t emu_nvm(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_nvm_flush(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_nvm_dsm(struct emu_ctrlr *c, struct emu_cmd *cmd);
uint16_t emu_nvm_copy(struct emu_ctrlr *c, struct emu_cmd *cmd);
/* What a write owes the host after its data are with the medium: FUA, or a disabled cache. */
uint16_t emu_write_through(struct emu_ctrlr *c, const struct emu_ns *ns, bool fua);

/* emu_devmem.c: the controller's own memory */
int emu_devmem_init(struct emu_ctrlr *c);
void emu_devmem_fini(struct emu_ctrlr *c);
uint32_t emu_cmbloc(const struct emu_conf *conf);
uint32_t emu_cmbsz(const struct emu_conf *conf);
/* Moves the windows to where CMBMSC and PMRMSC put them; the lock is held. */
void emu_devmem_update(struct emu_ctrlr *c);
uint64_t emu_bar_size(struct nvme_func *t, unsigned int bir);
int emu_mem_attach(struct nvme_func *t, unsigned int bir, uint64_t offset, size_t len,
		   void *va, enum pl_mem_kind kind);
void emu_mem_detach(struct nvme_func *t, void *va, size_t len);
int emu_bar_addr(struct nvme_func *t, unsigned int bir, uint64_t *addr);
void emu_devmem_revoke(struct emu_ctrlr *c); /* for everybody; in no DMA section */

#endif
