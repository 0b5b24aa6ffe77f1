/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of devices share: Peerlane started on emulated controllers, and ops run to their
 * end. librte_eal starts once per process, so a program starts with all the devices it needs, or
 * forks a child for each start.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_common.h>

#include <peerlane/pl_eal.h>
#include <peerlane/pl_mem.h>
#include <peerlane/pl_nvme.h>

#include "emu.h"
#include "emu_test.h"

#define PAGE      4096u
#define KIB(n)    ((size_t)(n) << 10)
#define MIB(n)    ((size_t)(n) << 20)
#define TIMEOUT_S 60u /* nothing that works takes as long, on any machine */

/*
 * Starts Peerlane with these --vdev values on the first CPU that the process may use (@nb_cpus of
 * them). PL_TEST_NO_HUGE in the environment adds --no-huge. Returns what pl_eal_init() does, after
 * printing the message of a failure.
 */
int fixture_start(const char *const *vdevs, unsigned int nb_vdevs, unsigned int nb_cpus);

/* The group teardown of tests whose only state that is. */
int fixture_stop(void **state);

/* The CPUs of the process before fixture_start(), up to @max; returns how many it filled in. */
unsigned int fixture_cpus(unsigned int *cpus, unsigned int max);

/* In a child process: its exit code, or -1 if it did not exit by itself. */
int fixture_in_child(int (*fn)(void *arg), void *arg);

struct pl_nvme_ctrlr *ctrlr_of(const char *name);
struct pl_p2p *provider_of(const char *name);
struct nvme_func *func_of(const char *name);
struct pl_nvme_ns *ns_of(const char *name, uint32_t nsid);

/* A queue pair of these options (0: the default), or the test fails. */
struct pl_nvme_qpair *qpair_of(const char *name, uint32_t depth, uint32_t max_xfer);

/* DMA-able host memory, page aligned, zeroed; freed by pl_mem_free(). */
void *dma_alloc(size_t len);

/* A moment on the monotonic clock, seconds; and a pause that lets device threads run. */
uint64_t now_s(void);
void relax(void);

/* Submits @op alone and polls until it is back; returns its status. */
uint16_t run_op(struct pl_nvme_qpair *qp, struct pl_nvme_op *op);

/* Polls until one op is back. */
struct pl_nvme_op *poll_one(struct pl_nvme_qpair *qp);

/* Moves @nlb blocks whole, whatever the size, or the test fails. */
void write_blocks(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, void *buf, uint64_t slba,
		  uint32_t nlb);
void read_blocks(struct pl_nvme_qpair *qp, struct pl_nvme_ns *ns, void *buf, uint64_t slba,
		 uint32_t nlb);

/* The device does what it should: a pattern written is read back. */
void assert_works(const char *name);

/* Pseudo-random numbers from PL_TEST_SEED, or from the clock; the seed is printed. */
void random_start(void);
uint64_t random_u64(void);
uint64_t random_below(uint64_t n);
void random_fill(void *buf, size_t len);

/* Takes recorded IOMMU faults until there are none. */
void faults_clear(void);

/* Bytes of pl_mem_zalloc() that are in use. */
size_t heap_in_use(void);

/* The message of the last failure contains @part and is one line, not ended by a full stop. */
void assert_errmsg(const char *part);

void inject(const char *name, const struct nvme_emu_inject *what);

#endif
