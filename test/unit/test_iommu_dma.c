/* SPDX-License-Identifier: BSD-3-Clause */
/* IO address spaces, device's side: permissions, faults, the IOTLB, and unmap's promise that no
 * device touches the memory any more when it returned. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "iommu_backend.h"
#include "soft/soft_internal.h"

#define MIB(n)    ((size_t)(n) << 20)
#define GIB(n)    ((size_t)(n) << 30)
#define RW        (PL_IOMMU_READ | PL_IOMMU_WRITE)
#define IOVA_BASE GIB(8)
#define HOST      ((char *)GIB(64)) /* never touched where this is used */

static struct pl_ioas *ioas;
static struct pl_soft_dev *dev;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	assert_int_equal(pl_soft_attach(ioas, "nvme_emu7", &dev), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_soft_detach(dev);
	pl_ioas_destroy(ioas);
	return 0;
}

static int map(uint64_t iova, void *host, size_t len, uint32_t prot, enum pl_mem_kind kind)
{
	return ioas->ops->map(ioas, iova, host, len, prot, kind);
}

static size_t xlate_in_section(uint64_t iova, size_t len, uint32_t access, void **host)
{
	enum pl_mem_kind kind;

	return pl_soft_xlate(dev, iova, len, access, host, &kind);
}

static size_t xlate(uint64_t iova, size_t len, uint32_t access)
{
	void *host;
	size_t run;

	pl_soft_begin(dev);
	run = xlate_in_section(iova, len, access, &host);
	pl_soft_end(dev);
	return run;
}

static void assert_fault(uint64_t iova, uint32_t access, const char *reason)
{
	struct pl_iommu_fault fault;

	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
	assert_string_equal(fault.device, "nvme_emu7");
	assert_int_equal(fault.iova, iova);
	assert_int_equal(fault.access, access);
	assert_string_equal(fault.reason, reason);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), -ENOENT);
}

static void test_permissions(void **state)
{
	const uint64_t ro = IOVA_BASE, wo = IOVA_BASE + MIB(4), rw = IOVA_BASE + MIB(8);

	(void)state;
	assert_int_equal(map(ro, HOST, MIB(2), PL_IOMMU_READ, PL_MEM_HOST), 0);
	assert_int_equal(map(wo, HOST, 4096, PL_IOMMU_WRITE, PL_MEM_HOST), 0);
	assert_int_equal(map(rw, HOST, 4096, RW, PL_MEM_HOST), 0);
	/* Twice each: the answer is the same from the tables and from the IOTLB. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(xlate(ro + 100, 8, PL_IOMMU_READ), 8);
		assert_int_equal(xlate(ro + 100, 8, PL_IOMMU_WRITE), 0);
		assert_fault(ro + 100, PL_IOMMU_WRITE, "no write permission");
		assert_int_equal(xlate(wo, 8, PL_IOMMU_WRITE), 8);
		assert_int_equal(xlate(wo, 8, PL_IOMMU_READ), 0);
		assert_fault(wo, PL_IOMMU_READ, "no read permission");
		assert_int_equal(xlate(rw, 8, PL_IOMMU_READ), 8);
		assert_int_equal(xlate(rw, 8, PL_IOMMU_WRITE), 8);
	}
}

static void test_fault_reasons(void **state)
{
	(void)state;
	assert_int_equal(xlate(IOVA_BASE + 0x123, 1, PL_IOMMU_READ), 0);
	assert_fault(IOVA_BASE + 0x123, PL_IOMMU_READ, "not mapped");
	assert_int_equal(xlate(0, 1, PL_IOMMU_READ), 0);
	assert_fault(0, PL_IOMMU_READ, "outside the aperture");
	assert_int_equal(xlate(0xfee00010, 4, PL_IOMMU_WRITE), 0);
	assert_fault(0xfee00010, PL_IOMMU_WRITE, "outside the aperture");
	assert_int_equal(xlate(1ull << 48, 4, PL_IOMMU_WRITE), 0);
	assert_fault(1ull << 48, PL_IOMMU_WRITE, "outside the aperture");
	assert_int_equal(xlate(UINT64_MAX, SIZE_MAX, PL_IOMMU_WRITE), 0);
	assert_fault(UINT64_MAX, PL_IOMMU_WRITE, "outside the aperture");
}

/* A run ends where the next page is absent, of another kind or permission, or elsewhere. */
static void test_runs(void **state)
{
	const uint64_t top = (1ull << 48) - 4096;
	void *host;

	(void)state;
	for (unsigned int i = 0; i < 32; i++)
		assert_int_equal(map(IOVA_BASE + i * 4096, HOST + i * 4096, 4096, RW, PL_MEM_HOST),
				 0);
	assert_int_equal(xlate(IOVA_BASE + 8, MIB(1), PL_IOMMU_READ), 32 * 4096 - 8);
	assert_int_equal(xlate(IOVA_BASE + 8, 128 * 1024 - 8, PL_IOMMU_WRITE), 128 * 1024 - 8);
	assert_int_equal(xlate(IOVA_BASE + 8, 5000, PL_IOMMU_READ), 5000);

	assert_int_equal(map(IOVA_BASE + 32 * 4096, HOST + 32 * 4096, 4096, RW, PL_MEM_CMB), 0);
	assert_int_equal(xlate(IOVA_BASE, MIB(1), PL_IOMMU_READ), 32 * 4096);
	assert_int_equal(
		map(IOVA_BASE + 33 * 4096, HOST + 33 * 4096, 4096, PL_IOMMU_READ, PL_MEM_CMB), 0);
	assert_int_equal(xlate(IOVA_BASE + 32 * 4096, MIB(1), PL_IOMMU_WRITE), 4096);
	assert_int_equal(xlate(IOVA_BASE + 32 * 4096, MIB(1), PL_IOMMU_READ), 8192);
	assert_int_equal(map(IOVA_BASE + 34 * 4096, HOST, 4096, PL_IOMMU_READ, PL_MEM_CMB), 0);
	assert_int_equal(xlate(IOVA_BASE + 32 * 4096, MIB(1), PL_IOMMU_READ), 8192);
	assert_int_equal(pl_ioas_fault_next(ioas, &(struct pl_iommu_fault){ 0 }), -ENOENT);

	/* The last page of the address space, with a length beyond it. */
	assert_int_equal(map(top, HOST, 4096, RW, PL_MEM_HOST), 0);
	pl_soft_begin(dev);
	assert_int_equal(xlate_in_section(top + 4000, SIZE_MAX, PL_IOMMU_READ, &host), 96);
	assert_ptr_equal(host, HOST + 4000);
	pl_soft_end(dev);
}

static void test_fault_log(void **state)
{
	struct pl_iommu_fault fault;
	struct pl_ioas_stats stats;

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 100; i++)
			assert_int_equal(xlate(IOVA_BASE + i * 8, 8, PL_IOMMU_READ), 0);
		pl_ioas_stats(ioas, &stats);
		assert_int_equal(stats.faults, 100 * (round + 1));
		/* The first ones are kept, the later ones only counted. */
		for (unsigned int i = 0; i < 64; i++) {
			assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
			assert_int_equal(fault.iova, IOVA_BASE + i * 8);
		}
		assert_int_equal(pl_ioas_fault_next(ioas, &fault), -ENOENT);
	}
}

static void test_device_slots(void **state)
{
	struct pl_soft_dev *more[PL_SOFT_DEVS];
	struct pl_iommu_fault fault;
	char name[64];

	(void)state;
	for (unsigned int i = 1; i < PL_SOFT_DEVS; i++) {
		snprintf(name, sizeof(name), "dev%u_with_a_name_that_is_too_long_to_keep", i);
		assert_int_equal(pl_soft_attach(ioas, name, &more[i]), 0);
	}
	assert_int_equal(pl_soft_attach(ioas, "one_more", &more[0]), -ENOMEM);
	pl_soft_detach(more[17]);
	assert_int_equal(pl_soft_attach(ioas, "one_more", &more[17]), 0);
	pl_soft_begin(more[17]);
	assert_int_equal(pl_soft_xlate(more[17], 0x2000, 1, PL_IOMMU_READ, &(void *){ NULL },
				       &(enum pl_mem_kind){ 0 }),
			 0);
	pl_soft_end(more[17]);
	assert_int_equal(pl_ioas_fault_next(ioas, &fault), 0);
	assert_string_equal(fault.device, "one_more");
	pl_soft_detach(NULL);
	for (unsigned int i = 1; i < PL_SOFT_DEVS; i++)
		pl_soft_detach(more[i]);
}

struct unmapper {
	uint64_t iova;
	size_t len;
	int ret;
	int returned;
};

static void *unmap_thread(void *arg)
{
	struct unmapper *u = arg;

	u->ret = ioas->ops->unmap(ioas, u->iova, u->len);
	__atomic_store_n(&u->returned, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * The whole protocol, step by step, for each size of leaf: inside a section the IOTLB still serves
 * what unmap took out of the tables, so it does cache; unmap waits for that section; the next one
 * faults, and at the address that was used.
 */
static void stale_iotlb(size_t leaf)
{
	struct pl_soft_ioas *soft = (struct pl_soft_ioas *)ioas;
	struct unmapper u = { .iova = IOVA_BASE, .len = 2 * leaf };
	uint64_t generation = soft->generation;
	pthread_t thread;
	void *host;

	assert_int_equal(map(IOVA_BASE, HOST, 2 * leaf, RW, PL_MEM_HOST), 0);
	pl_soft_begin(dev);
	assert_int_equal(xlate_in_section(IOVA_BASE + 64, 8, PL_IOMMU_READ, &host), 8);
	assert_int_equal(pthread_create(&thread, NULL, unmap_thread, &u), 0);
	while (__atomic_load_n(&soft->generation, __ATOMIC_ACQUIRE) == generation)
		sched_yield();
	/* The tables are empty: the second leaf, never used, is gone; the first one is cached. */
	assert_int_equal(xlate_in_section(IOVA_BASE + leaf, 8, PL_IOMMU_READ, &host), 0);
	assert_fault(IOVA_BASE + leaf, PL_IOMMU_READ, "not mapped");
	assert_int_equal(xlate_in_section(IOVA_BASE + 128, 8, PL_IOMMU_WRITE, &host), 8);
	assert_ptr_equal(host, HOST + 128);
	assert_int_equal(__atomic_load_n(&u.returned, __ATOMIC_ACQUIRE), 0);
	pl_soft_end(dev);
	pthread_join(thread, NULL);
	assert_int_equal(u.ret, 0);

	assert_int_equal(xlate(IOVA_BASE + 128, 8, PL_IOMMU_WRITE), 0);
	assert_fault(IOVA_BASE + 128, PL_IOMMU_WRITE, "not mapped");

	/* Mapped anew, elsewhere: nothing of the old place is left. */
	assert_int_equal(map(IOVA_BASE, HOST + GIB(16), 2 * leaf, RW, PL_MEM_HOST), 0);
	pl_soft_begin(dev);
	assert_int_equal(xlate_in_section(IOVA_BASE + 128, 8, PL_IOMMU_WRITE, &host), 8);
	assert_ptr_equal(host, HOST + GIB(16) + 128);
	pl_soft_end(dev);
	assert_int_equal(ioas->ops->unmap(ioas, IOVA_BASE, 2 * leaf), 0);
}

static void test_stale_iotlb(void **state)
{
	(void)state;
	stale_iotlb(4096);
	stale_iotlb(MIB(2));
	stale_iotlb(GIB(1));
}

/* Unmap must not wait for devices that are outside of any section, however long. */
static void test_idle_devices_do_not_block(void **state)
{
	struct pl_soft_dev *idle;
	struct pl_ioas_stats stats;

	(void)state;
	assert_int_equal(pl_soft_attach(ioas, "idle", &idle), 0);
	pl_soft_begin(idle);
	pl_soft_end(idle);
	assert_int_equal(map(IOVA_BASE, HOST, 4096, RW, PL_MEM_HOST), 0);
	assert_int_equal(ioas->ops->unmap(ioas, IOVA_BASE, 4096), 0);
	pl_ioas_stats(ioas, &stats);
	assert_int_equal(stats.invalidations, 1);
	pl_soft_detach(idle);
}

/* ---- devices that translate and touch, while the host maps and unmaps ---- */

#define SLOTS     8u
#define SLOT_LEN  MIB(2) /* one leaf, or many where the host's address is not aligned to it */
#define DEVICES   2u
#define MIN_TOUCH 20000u
#define MIN_FAULT 2000u

static uint64_t slot_iova(unsigned int slot)
{
	return IOVA_BASE + slot * 2 * SLOT_LEN;
}

struct device {
	pthread_t thread;
	struct pl_soft_dev *dev;
	unsigned int index;
	uint64_t touched;
	uint64_t refused;
	uint64_t wrong;
};

static int stop;

/* Every page starts with its slot's number; behind it there is one word for each device. */
static void *device_thread(void *arg)
{
	struct device *d = arg;
	unsigned int seed = d->index + 1;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned int slot = (seed = seed * 1664525u + 1013904223u) >> 29;
		size_t page = (seed >> 12) % (SLOT_LEN / 4096);
		enum pl_mem_kind kind;
		void *host;

		pl_soft_begin(d->dev);
		for (unsigned int i = 0; i < 4; i++) {
			uint64_t iova = slot_iova(slot) + page * 4096;

			if (pl_soft_xlate(d->dev, iova, 64, RW, &host, &kind) == 64) {
				volatile uint64_t *word = host;

				d->wrong += word[0] != slot;
				word[1 + d->index] = seed;
				__atomic_fetch_add(&d->touched, 1, __ATOMIC_RELAXED);
			} else {
				__atomic_fetch_add(&d->refused, 1, __ATOMIC_RELAXED);
			}
			page = (page + 1) % (SLOT_LEN / 4096);
		}
		pl_soft_end(d->dev);
	}
	return NULL;
}

struct memory {
	char *map;
	size_t map_len;
	size_t len;
};

static void slot_map(unsigned int slot, unsigned int round, struct memory *m)
{
	char *host;

	m->map_len = 2 * SLOT_LEN;
	m->map = mmap(NULL, m->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->map, MAP_FAILED);
	host = (char *)(((uintptr_t)m->map + SLOT_LEN - 1) & ~(SLOT_LEN - 1));
	m->len = SLOT_LEN;
	if (round % 2 == 1) { /* small leaves, and a hole at the end */
		host = m->map + 4096 * (((uintptr_t)m->map & (SLOT_LEN - 1)) == 0);
		m->len = SLOT_LEN / 8;
	}
	for (size_t off = 0; off < m->len; off += 4096)
		*(uint64_t *)(void *)(host + off) = slot;
	assert_int_equal(map(slot_iova(slot), host, m->len, RW, PL_MEM_HOST), 0);
}

static void test_unmap_is_strict(void **state)
{
	struct device devices[DEVICES];
	struct memory memory[SLOTS] = { 0 };
	struct pl_ioas_stats stats;
	uint64_t touched = 0, refused = 0;
	unsigned int round = 0;

	(void)state;
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < DEVICES; i++) {
		devices[i] = (struct device){ .index = i };
		assert_int_equal(pl_soft_attach(ioas, "stress", &devices[i].dev), 0);
		assert_int_equal(
			pthread_create(&devices[i].thread, NULL, device_thread, &devices[i]), 0);
	}
	/* Long enough for every device to have met both mapped and unmapped memory, often. */
	for (bool enough = false; !enough || round < 50 * SLOTS; round++) {
		struct memory *m = &memory[round % SLOTS];

		if (m->map != NULL) {
			assert_int_equal(ioas->ops->unmap(ioas, slot_iova(round % SLOTS), m->len),
					 0);
			/* A device that still touches it crashes here, or reads another's number
			 * from what takes its place. */
			munmap(m->map, m->map_len);
		}
		slot_map(round % SLOTS, round / SLOTS, m);
		enough = true;
		for (unsigned int i = 0; i < DEVICES; i++)
			enough &=
				__atomic_load_n(&devices[i].touched, __ATOMIC_RELAXED) >=
					MIN_TOUCH &&
				__atomic_load_n(&devices[i].refused, __ATOMIC_RELAXED) >= MIN_FAULT;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < DEVICES; i++) {
		pthread_join(devices[i].thread, NULL);
		pl_soft_detach(devices[i].dev);
		assert_int_equal(devices[i].wrong, 0);
		touched += devices[i].touched;
		refused += devices[i].refused;
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		assert_int_equal(ioas->ops->unmap(ioas, slot_iova(i), memory[i].len), 0);
		munmap(memory[i].map, memory[i].map_len);
	}
	pl_ioas_stats(ioas, &stats);
	assert_int_equal(stats.faults, refused);
	assert_int_equal(stats.mappings, 0);
	assert_int_equal(((struct pl_soft_ioas *)ioas)->pt.root->used, 0);
	print_message("%u maps, %llu accesses, %llu refused\n", round, (unsigned long long)touched,
		      (unsigned long long)refused);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_permissions),
		TEST(test_fault_reasons),
		TEST(test_runs),
		TEST(test_fault_log),
		TEST(test_device_slots),
		TEST(test_stale_iotlb),
		TEST(test_idle_devices_do_not_block),
		TEST(test_unmap_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
