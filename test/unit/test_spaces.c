/* SPDX-License-Identifier: BSD-3-Clause */
/* Two address spaces in one process, each with a controller: they work at the same time, and a
 * device reaches nothing that is mapped for the other only. */
#include <pthread.h>

#include "emu_host.h"
#include "ioas_set.h"

enum { A, B, N };
enum { ROUNDS = 500, BLOCKS = 64 };

static struct pl_ioas *space[N];
static struct host host[N];
static struct hqueue queue[N];
static struct ioas_set both;

static int start(void **state)
{
	static const char *const names[N] = { "nvme_emu0", "nvme_emu1" };

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(pl_ioas_create("soft", "", &space[i]), 0);
		host_open_in(&host[i], space[i], names[i], "size=1M,bs=4096,cmb=64K");
		host_enable(&host[i]);
		host_create_io(&host[i], &queue[i], 1, 16);
		assert_int_equal(ioas_set_add(&both, space[i]), 0);
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	ioas_set_fini(&both);
	for (unsigned int i = 0; i < N; i++) {
		host_close_in(&host[i]);
		pl_ioas_destroy(space[i]);
	}
	return 0;
}

static uint16_t io(unsigned int i, uint8_t opc, uint64_t block, const void *page)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, block, 1);

	sqe.prp1 = iova(page);
	return host_exec(&host[i], &queue[i], &sqe);
}

static void fill(uint64_t *page, uint64_t seed)
{
	for (unsigned int w = 0; w < PAGE / 8; w++)
		page[w] = seed << 32 | w;
}

static bool holds(const uint64_t *page, uint64_t seed)
{
	for (unsigned int w = 0; w < PAGE / 8; w++)
		if (page[w] != (seed << 32 | w))
			return false;
	return true;
}

/* ---- at the same time ---- */

struct worker {
	unsigned int i;
	pthread_barrier_t *barrier;
	uint64_t *out, *in;
	unsigned int wrong;
};

/* One command whose doorbell rings when the other's does. No assertion: those are the main
 * thread's. */
static bool exec_together(struct worker *w, uint8_t opc, uint64_t block, const void *page)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, block, 1);
	struct host *h = &host[w->i];
	struct hqueue *q = &queue[w->i];
	uint16_t cid;

	sqe.prp1 = iova(page);
	cid = host_put(q, &sqe);
	pthread_barrier_wait(w->barrier);
	host_ring(h, 2u * q->id, q->tail);
	return host_reap(h, q, true) && h->cqe.cid == cid && h->cqe.status >> 1 == 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t seed = (uint64_t)round * N + w->i;

		fill(w->out, seed);
		w->wrong += !exec_together(w, NVME_CMD_WRITE, round % BLOCKS, w->out);
		w->wrong += !exec_together(w, NVME_CMD_READ, round % BLOCKS, w->in);
		w->wrong += !holds(w->in, seed);
	}
	return NULL;
}

static void test_at_the_same_time(void **state)
{
	struct worker worker[N];
	pthread_barrier_t barrier;
	pthread_t thread[N];

	(void)state;
	assert_int_equal(pthread_barrier_init(&barrier, NULL, N), 0);
	for (unsigned int i = 0; i < N; i++) {
		worker[i] = (struct worker){ .i = i, .barrier = &barrier };
		worker[i].out = host_pages(&host[i], 1);
		worker[i].in = host_pages(&host[i], 1);
		assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
	}
	for (unsigned int i = 0; i < N; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(worker[i].wrong, 0);
		assert_no_fault(&host[i]);
		/* Each on its own disk. */
		for (unsigned int round = ROUNDS - BLOCKS; round < ROUNDS; round++) {
			assert_int_equal(io(i, NVME_CMD_READ, round % BLOCKS, worker[i].in), 0);
			assert_true(holds(worker[i].in, (uint64_t)round * N + i));
		}
	}
}

/* ---- apart ---- */

/* A device of space @i is sent to @page, which is memory of the other space's. */
static void assert_out_of_reach(unsigned int i, const void *page)
{
	/* A posted write: its sender never knows. */
	assert_int_equal(io(i, NVME_CMD_READ, 0, page), NVME_SC_SUCCESS);
	assert_fault(&host[i], page, PL_IOMMU_WRITE);
	assert_int_equal(io(i, NVME_CMD_WRITE, 0, page), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&host[i], page, PL_IOMMU_READ);
	assert_no_fault(&host[i]);
	assert_no_fault(&host[!i]); /* nor does the other space know of it */
}

static void test_apart(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		uint64_t *own = host_pages(&host[i], 1), *others = host_pages(&host[!i], 1);

		fill(own, 1);
		fill(others, 2);
		assert_int_equal(io(i, NVME_CMD_WRITE, 0, own), NVME_SC_SUCCESS);
		assert_out_of_reach(i, others);
		assert_true(holds(others, 2));
		assert_int_equal(io(i, NVME_CMD_READ, 0, own), NVME_SC_SUCCESS);
		assert_true(holds(own, 1));
		assert_int_equal(io(!i, NVME_CMD_WRITE, 1, others), NVME_SC_SUCCESS);
	}
}

/* A controller's memory is in its own space: nobody else reaches it by way of the IOMMU. */
static void test_device_memory_apart(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		uint8_t *cmb = host_attach(&host[i], 4, 0, 16 * PAGE, PL_MEM_CMB);

		host_cmb_on(&host[i], cmb);
		assert_int_equal(io(i, NVME_CMD_READ, 0, cmb), NVME_SC_SUCCESS);
		assert_out_of_reach(!i, cmb);
		/* The other's may have the same address next. */
		host[i].ops->write64(host[i].t, NVME_REG_CMBMSC, 0);
		host_detach(&host[i], cmb, 16 * PAGE);
	}
}

/* ---- and together where they are meant to be ---- */

static void test_shared_memory(void **state)
{
	uint64_t *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *check = host_pages(&host[B], 1);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(
		ioas_set_map(&both, page, PAGE, PL_IOMMU_READ | PL_IOMMU_WRITE, PL_MEM_HOST), 0);
	fill(page, 7);
	assert_int_equal(io(A, NVME_CMD_WRITE, 3, page), NVME_SC_SUCCESS);
	memset(page, 0, PAGE);
	assert_int_equal(io(A, NVME_CMD_READ, 3, page), NVME_SC_SUCCESS);
	assert_int_equal(io(B, NVME_CMD_WRITE, 5, page), NVME_SC_SUCCESS);
	assert_int_equal(ioas_set_unmap(&both, page, PAGE), 0);
	assert_out_of_reach(A, page);
	assert_out_of_reach(B, page);
	assert_int_equal(io(B, NVME_CMD_READ, 5, check), NVME_SC_SUCCESS);
	assert_true(holds(check, 7));
	munmap(page, PAGE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(test_at_the_same_time),
		TEST(test_apart),
		TEST(test_device_memory_apart),
		TEST(test_shared_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
