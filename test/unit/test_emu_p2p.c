/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's own memory, its peers', and what it counts: CMB, PMR, traffic. */
#include <fcntl.h>
#include <unistd.h>

#include "emu_host.h"

#define CMB_LEN MIB(1)
#define RANDOM_BYTES(p, n)                          \
	do {                                        \
		for (size_t i_ = 0; i_ < (n); i_++) \
			(p)[i_] = (uint8_t)rand();  \
	} while (0)

static struct pl_ioas *ioas;
static struct host a, b;
static struct hqueue qa, qb;
static uint8_t *cmb_b; /* B's CMB, for everyone */

static void start(const char *args_a, const char *args_b)
{
	assert_int_equal(pl_ioas_create("soft", "", &ioas), 0);
	host_open_in(&a, ioas, "nvme_emu0", args_a);
	host_open_in(&b, ioas, "nvme_emu1", args_b);
	host_enable(&a);
	host_enable(&b);
	host_create_io(&a, &qa, 1, 16);
	host_create_io(&b, &qb, 1, 16);
}

static void stop(void)
{
	host_close_in(&b);
	host_close_in(&a);
	pl_ioas_destroy(ioas);
}

static uint16_t io(struct host *h, struct hqueue *q, uint8_t opc, uint64_t slba, uint8_t *p,
		   uint32_t nlb)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, slba, nlb);

	sqe.prp1 = iova(p);
	sqe.prp2 = nlb > 1 ? iova(p) + PAGE : 0;
	return host_exec(h, q, &sqe);
}

/* What changed between two looks, as one figure that must be the only one. */
static void assert_only(const struct pl_nvme_traffic *before, const struct pl_nvme_traffic *after,
			enum pl_traffic_class cls, enum pl_traffic_mem mem, int dir, uint64_t bytes)
{
	for (int m = 0; m < PL_TRAFFIC_MEMS; m++)
		for (int d = 0; d < 2; d++) {
			uint64_t want = m == (int)mem && d == dir ? bytes : 0;

			assert_int_equal(after->bytes[cls][m][d] - before->bytes[cls][m][d], want);
		}
}

static void cmb_registers(void **state)
{
	uint8_t *va;
	struct host h;

	(void)state;
	host_open(&h, "size=1M,cmb=192K,cmboff=64K,cmbflags=sqs:rds");
	assert_int_equal(rd(&h, NVME_REG_CMBLOC), 0); /* a cold controller */
	assert_int_equal(rd(&h, NVME_REG_CMBSZ), 0);
	wr(&h, NVME_REG_CMBMSC, NVME_CMBMSC_CRE);
	assert_int_equal(NVME_CMBLOC_BIR(rd(&h, NVME_REG_CMBLOC)), 4);
	assert_int_equal(NVME_CMBLOC_OFST(rd(&h, NVME_REG_CMBLOC)), 16);
	assert_int_equal(NVME_CMBSZ_SZU(rd(&h, NVME_REG_CMBSZ)), 0);
	assert_int_equal(NVME_CMBSZ_SZ(rd(&h, NVME_REG_CMBSZ)), 48);
	assert_int_equal(rd(&h, NVME_REG_CMBSZ) & 0x1f, NVME_CMBSZ_SQS | NVME_CMBSZ_RDS);
	assert_int_equal(h.ops->bar_size(h.t, 4), 256 * 1024);
	wr(&h, NVME_REG_CMBMSC, 0);
	assert_int_equal(rd(&h, NVME_REG_CMBSZ), 0);

	/* A base that would wrap is refused, and said so. */
	h.ops->write64(h.t, NVME_REG_CMBMSC, 0xffffffffffff0000ull | 3);
	assert_int_equal(rd(&h, NVME_REG_CMBSTS), NVME_CMBSTS_CBAI);
	h.ops->write64(h.t, NVME_REG_CMBMSC, 0x100000000000ull | 3);
	assert_int_equal(rd(&h, NVME_REG_CMBSTS), 0);
	/* It survives a controller reset, as the contents do. */
	va = host_attach(&h, 4, 64 * 1024, 192 * 1024, PL_MEM_CMB);
	va[5] = 0x42;
	host_enable(&h);
	host_disable(&h);
	assert_int_equal(h.ops->read64(h.t, NVME_REG_CMBMSC), 0x100000000000ull | 3);
	assert_int_equal(va[5], 0x42);
	/* What is not CMB cannot be attached, nor the same twice. */
	assert_int_equal(h.ops->mem_attach(h.t, 4, 64 * 1024, PAGE, va, PL_MEM_CMB), -EBUSY);
	host_detach(&h, va, 192 * 1024);
	assert_int_equal(h.ops->mem_attach(h.t, 4, 60 * 1024, PAGE, va, PL_MEM_CMB), -EINVAL);
	assert_int_equal(h.ops->mem_attach(h.t, 4, 64 * 1024, 196 * 1024, va, PL_MEM_CMB), -EINVAL);
	assert_int_equal(h.ops->mem_attach(h.t, 4, 64 * 1024, 100, va, PL_MEM_CMB), -EINVAL);
	assert_int_equal(h.ops->mem_attach(h.t, 2, 0, PAGE, va, PL_MEM_PMR), -EINVAL);
	host_close(&h);
}

static void cmb_units(void **state)
{
	static const struct {
		const char *args;
		uint32_t szu, sz;
	} cases[] = {
		{ "size=1M,cmb=4K", 0, 1 },
		{ "size=1M,cmb=2G", 0, 524288 },
		{ "size=1M,cmb=4G", 1, 65536 },
		{ "size=1M,cmb=8G,cmboff=64K", 1, 131072 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host h;

		host_open(&h, cases[i].args);
		wr(&h, NVME_REG_CMBMSC, NVME_CMBMSC_CRE);
		assert_int_equal(NVME_CMBSZ_SZU(rd(&h, NVME_REG_CMBSZ)), cases[i].szu);
		assert_int_equal(NVME_CMBSZ_SZ(rd(&h, NVME_REG_CMBSZ)), cases[i].sz);
		host_close(&h);
	}
}

/* Detaching leaves a reservation that faults, and no way for a device to get there. */
static void detach_revokes(void **state)
{
	uint8_t *host_buf;
	int fd[2];

	(void)state;
	start("size=1M", "size=1M,cmb=1M");
	cmb_b = host_attach(&b, 4, 0, CMB_LEN, PL_MEM_CMB);
	host_buf = host_pages(&a, 1);
	memset(host_buf, 0x11, PAGE);
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 0, host_buf, 1), NVME_SC_SUCCESS);
	assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b, 1), NVME_SC_SUCCESS);
	assert_int_equal(cmb_b[511], 0x11);
	b.ops->mem_detach(b.t, cmb_b, CMB_LEN);
	assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b, 1), NVME_SC_SUCCESS);
	assert_fault(&a, cmb_b, PL_IOMMU_WRITE);
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 0, cmb_b, 1), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&a, cmb_b, PL_IOMMU_READ);
	/* The kernel cannot read the addresses either. */
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], cmb_b, 1), -1);
	assert_int_equal(errno, EFAULT);
	close(fd[0]);
	close(fd[1]);
	munmap(cmb_b, CMB_LEN);
	stop();
}

/* A reads into B's CMB, B writes it to its medium from its own address: nothing through the host.
 */
static void peer_to_peer(void **state)
{
	struct pl_nvme_traffic a0, a1, b0, b1;
	uint8_t *buf;

	(void)state;
	start("size=1M", "size=1M,cmb=1M");
	cmb_b = host_attach(&b, 4, 0, CMB_LEN, PL_MEM_CMB);
	host_cmb_on(&b, cmb_b);
	buf = host_pages(&a, 4);
	RANDOM_BYTES(buf, 2 * PAGE);
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 0, buf, 16), NVME_SC_SUCCESS);

	host_traffic(&a, &a0);
	host_traffic(&b, &b0);
	assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b + PAGE, 16), NVME_SC_SUCCESS);
	host_traffic(&a, &a1);
	assert_only(&a0, &a1, PL_TRAFFIC_DATA, PL_TRAFFIC_PEER_CMB, 1, 2 * PAGE);
	assert_memory_equal(cmb_b + PAGE, buf, 2 * PAGE);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 100, cmb_b + PAGE, 16), NVME_SC_SUCCESS);
	host_traffic(&b, &b1);
	assert_only(&b0, &b1, PL_TRAFFIC_DATA, PL_TRAFFIC_OWN_CMB, 0, 2 * PAGE);
	/* One SQE and one CQE each, in host memory */
	assert_int_equal(b1.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][0] -
				 b0.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][0],
			 64);
	assert_int_equal(b1.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][1] -
				 b0.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][1],
			 16);
	assert_only(&a0, &a1, PL_TRAFFIC_LIST, PL_TRAFFIC_HOST, 0, 0);
	assert_only(&a0, &a1, PL_TRAFFIC_ADMIN, PL_TRAFFIC_HOST, 0, 0);

	memset(buf + 2 * PAGE, 0, 2 * PAGE);
	assert_int_equal(io(&b, &qb, NVME_CMD_READ, 100, buf + 2 * PAGE, 16), NVME_SC_SUCCESS);
	assert_memory_equal(buf + 2 * PAGE, buf, 2 * PAGE);
	/* A writes its medium from B's CMB. */
	host_traffic(&a, &a0);
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 64, cmb_b + PAGE, 8), NVME_SC_SUCCESS);
	host_traffic(&a, &a1);
	assert_only(&a0, &a1, PL_TRAFFIC_DATA, PL_TRAFFIC_PEER_CMB, 0, PAGE);
	assert_no_fault(&a);
	host_detach(&b, cmb_b, CMB_LEN);
	stop();
}

static void posted_writes_dropped(void **state)
{
	struct nvme_emu_inject in = { .fault = NVME_EMU_FAULT_DROP, .count = 2 };
	struct nvme_emu_counters counters;
	struct pl_nvme_traffic a0, a1;
	uint8_t *buf;
	int landed = 0;

	(void)state;
	start("size=1M,drop=3", "size=1M,cmb=1M");
	cmb_b = host_attach(&b, 4, 0, CMB_LEN, PL_MEM_CMB);
	buf = host_pages(&a, 2);
	memset(buf, 0x99, PAGE);
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 0, buf, 8), NVME_SC_SUCCESS);
	host_traffic(&a, &a0);
	for (int i = 1; i <= 9; i++) {
		memset(cmb_b, 0, PAGE);
		memset(buf + PAGE, 0, PAGE);
		/* Host memory is never hit, and does not count. */
		assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, buf + PAGE, 8), NVME_SC_SUCCESS);
		assert_memory_equal(buf + PAGE, buf, PAGE);
		assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b, 8), NVME_SC_SUCCESS);
		assert_int_equal(cmb_b[0], i % 3 == 0 ? 0 : 0x99);
		assert_int_equal(cmb_b[PAGE - 1], i % 3 == 0 ? 0 : 0x99);
		landed += i % 3 != 0;
	}
	host_traffic(&a, &a1);
	assert_int_equal(a1.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_PEER_CMB][1] -
				 a0.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_PEER_CMB][1],
			 landed * PAGE);
	nvme_emu_counters(a.t, &counters);
	assert_int_equal(counters.dropped_bytes, 3 * PAGE);
	assert_int_equal(counters.peer_writes, 9);
	nvme_emu_inject(a.t, &in);
	for (int i = 0; i < 3; i++) {
		memset(cmb_b, 0, PAGE);
		assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b, 8), NVME_SC_SUCCESS);
		assert_int_equal(cmb_b[7], 0); /* two armed, the third by drop=3 */
	}
	assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, cmb_b, 8), NVME_SC_SUCCESS);
	assert_int_equal(cmb_b[7], 0x99);
	assert_no_fault(&a);
	host_detach(&b, cmb_b, CMB_LEN);
	stop();
}

/* Queues, lists and data in the own CMB: with all rights it works, without the one it is refused.
 */
static void own_cmb(const char *flags, uint32_t rights)
{
	struct pl_nvme_traffic t0, t1;
	struct pl_nvme_sqe sqe;
	struct host h;
	struct hqueue q;
	uint64_t *list;
	char args[128];
	uint8_t *cmb, *buf;
	uint16_t want;

	snprintf(args, sizeof(args), "size=1M,cmb=1M%s%s", flags[0] ? ",cmbflags=" : "", flags);
	host_open(&h, args);
	cmb = host_attach(&h, 4, 0, CMB_LEN, PL_MEM_CMB);
	host_cmb_on(&h, cmb);
	host_enable(&h);
	hqueue_init(&h, &q, 1, 16);
	buf = host_pages(&h, 8);
	list = (uint64_t *)(void *)(cmb + 4 * PAGE);
	for (uint64_t i = 0; i < 3; i++)
		list[i] = iova(buf) + (i + 1) * PAGE;

	if (rights & NVME_CMBSZ_CQS)
		q.cq = (struct pl_nvme_cqe *)(void *)cmb;
	sqe = sqe_create_cq(&q);
	sqe.prp1 = iova(cmb);
	want = rights & NVME_CMBSZ_CQS ? NVME_SC_SUCCESS : NVME_SC_INVALID_CMB_USE;
	assert_int_equal(host_admin(&h, &sqe), want);
	if (want != NVME_SC_SUCCESS) {
		sqe = sqe_create_cq(&q);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	}
	if (rights & NVME_CMBSZ_SQS)
		q.sq = (struct pl_nvme_sqe *)(void *)(cmb + PAGE);
	sqe = sqe_create_sq(&q);
	sqe.prp1 = iova(cmb + PAGE);
	want = rights & NVME_CMBSZ_SQS ? NVME_SC_SUCCESS : NVME_SC_INVALID_CMB_USE;
	assert_int_equal(host_admin(&h, &sqe), want);
	if (want != NVME_SC_SUCCESS) {
		sqe = sqe_create_sq(&q);
		assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	}

	host_traffic(&h, &t0);
	want = rights & NVME_CMBSZ_WDS ? NVME_SC_SUCCESS : NVME_SC_INVALID_CMB_USE;
	assert_int_equal(io(&h, &q, NVME_CMD_WRITE, 0, cmb + 8 * PAGE, 1), want);
	want = rights & NVME_CMBSZ_RDS ? NVME_SC_SUCCESS : NVME_SC_INVALID_CMB_USE;
	assert_int_equal(io(&h, &q, NVME_CMD_READ, 0, cmb + 8 * PAGE, 2), want);
	sqe = sqe_rw(NVME_CMD_READ, 0, 32);
	sqe.prp1 = iova(buf);
	sqe.prp2 = iova(list);
	want = rights & NVME_CMBSZ_LISTS ? NVME_SC_SUCCESS : NVME_SC_INVALID_CMB_USE;
	assert_int_equal(host_exec(&h, &q, &sqe), want);
	host_traffic(&h, &t1);
	assert_int_equal(t1.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_CMB][0],
			 rights & NVME_CMBSZ_WDS ? 512 : 0);
	assert_int_equal(t1.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_CMB][1],
			 rights & NVME_CMBSZ_RDS ? 1024 : 0);
	assert_int_equal(t1.bytes[PL_TRAFFIC_LIST][PL_TRAFFIC_OWN_CMB][0],
			 rights & NVME_CMBSZ_LISTS ? 24 : 0);
	assert_int_equal(t1.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_OWN_CMB][0],
			 rights & NVME_CMBSZ_SQS ? 3 * 64 : 0);
	assert_int_equal(t1.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_OWN_CMB][1],
			 rights & NVME_CMBSZ_CQS ? 3 * 16 : 0);
	assert_no_fault(&h);
	host_close(&h); /* detaches by itself */
	munmap(cmb, CMB_LEN);
}

static void cmb_rights(void **state)
{
	(void)state;
	own_cmb("", 0x1f);
	own_cmb("sqs", NVME_CMBSZ_SQS);
	own_cmb("cqs", NVME_CMBSZ_CQS);
	own_cmb("lists", NVME_CMBSZ_LISTS);
	own_cmb("rds", NVME_CMBSZ_RDS);
	own_cmb("wds", NVME_CMBSZ_WDS);
	own_cmb("lists:wds:rds", NVME_CMBSZ_LISTS | NVME_CMBSZ_WDS | NVME_CMBSZ_RDS);
}

/* A CBA that is not the attached address: the controller follows its register, the peers theirs. */
static void cba_elsewhere(void **state)
{
	uint64_t cba = 0x7000000000ull;
	struct pl_nvme_traffic t;

	(void)state;
	start("size=1M", "size=1M,cmb=1M");
	cmb_b = host_attach(&b, 4, 0, CMB_LEN, PL_MEM_CMB);
	b.ops->write64(b.t, NVME_REG_CMBMSC, cba | 3);
	memset(cmb_b + PAGE, 0x3c, 512);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, (uint8_t *)(uintptr_t)(cba + PAGE), 1),
			 NVME_SC_SUCCESS);
	assert_int_equal(io(&b, &qb, NVME_CMD_READ, 0, cmb_b, 1), NVME_SC_SUCCESS);
	assert_int_equal(cmb_b[511], 0x3c);
	host_traffic(&b, &t);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_CMB][0], 512);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_CMB][1], 512);
	/* For A nothing is there. */
	assert_int_equal(io(&a, &qa, NVME_CMD_WRITE, 0, (uint8_t *)(uintptr_t)cba, 1),
			 NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&a, (void *)(uintptr_t)cba, PL_IOMMU_READ);
	/* CMSE off: B's own address is gone as well. */
	b.ops->write64(b.t, NVME_REG_CMBMSC, cba | 1);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, (uint8_t *)(uintptr_t)cba, 1),
			 NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&b, (void *)(uintptr_t)cba, PL_IOMMU_READ);
	host_detach(&b, cmb_b, CMB_LEN);
	stop();
}

static void pmr(void **state)
{
	struct pl_nvme_traffic t;
	struct pl_nvme_sqe sqe;
	uint8_t *va;
	uint32_t cap;

	(void)state;
	start("size=1M", "size=1M,pmr=2M,cmb=1M");
	cap = rd(&b, NVME_REG_PMRCAP);
	assert_int_equal(NVME_PMRCAP_BIR(cap), 2);
	assert_int_equal(cap & (NVME_PMRCAP_RDS | NVME_PMRCAP_WDS | NVME_PMRCAP_CMSS),
			 NVME_PMRCAP_RDS | NVME_PMRCAP_WDS | NVME_PMRCAP_CMSS);
	assert_int_equal(rd(&b, NVME_REG_PMRSTS), NVME_PMRSTS_NRDY);
	va = host_attach(&b, 2, 0, MIB(2), PL_MEM_PMR);
	wr(&b, NVME_REG_PMRMSCU, (uint32_t)(iova(va) >> 32));
	wr(&b, NVME_REG_PMRMSCL, (uint32_t)iova(va) | NVME_PMRMSC_CMSE);
	wr(&b, NVME_REG_PMRCTL, NVME_PMRCTL_EN);
	assert_int_equal(rd(&b, NVME_REG_PMRSTS), 0);
	memset(va, 0x66, PAGE);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, va, 8), NVME_SC_SUCCESS);
	assert_int_equal(io(&b, &qb, NVME_CMD_READ, 0, va + PAGE, 8), NVME_SC_SUCCESS);
	assert_memory_equal(va, va + PAGE, PAGE);
	host_traffic(&b, &t);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_PMR][0], PAGE);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_PMR][1], PAGE);
	assert_int_equal(io(&a, &qa, NVME_CMD_READ, 0, va + PAGE, 8), NVME_SC_SUCCESS);
	assert_int_equal(va[PAGE], 0);
	host_traffic(&a, &t);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_PEER_PMR][1], PAGE);
	/* Not for lists or queues */
	sqe = sqe_rw(NVME_CMD_READ, 0, 32);
	sqe.prp1 = iova(va);
	sqe.prp2 = iova(va + PAGE);
	assert_int_equal(host_exec(&b, &qb, &sqe), NVME_SC_INVALID_CMB_USE);
	/* A CMB and a PMR at one address cannot be. */
	b.ops->write64(b.t, NVME_REG_CMBMSC, (iova(va) + MIB(1)) | 3);
	assert_int_equal(rd(&b, NVME_REG_PMRSTS), NVME_PMRSTS_CBAI);
	b.ops->write64(b.t, NVME_REG_CMBMSC, 0);
	assert_int_equal(rd(&b, NVME_REG_PMRSTS), 0);
	wr(&b, NVME_REG_PMRCTL, 0);
	assert_int_equal(rd(&b, NVME_REG_PMRSTS), NVME_PMRSTS_NRDY);
	host_detach(&b, va, MIB(2));
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, va, 8), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&b, va, PL_IOMMU_READ);
	stop();
}

/* Before 1.4: no CMBMSC; the registers are always there and the BAR's address is the CMB's. */
static void legacy_cmb(void **state)
{
	struct pl_nvme_traffic t;

	(void)state;
	start("size=1M", "size=1M,cmb=1M,cmbs=0");
	assert_int_equal(NVME_CAP_CMBS(b.ops->read64(b.t, NVME_REG_CAP)), 0);
	assert_int_equal(NVME_CMBSZ_SZ(rd(&b, NVME_REG_CMBSZ)), 256);
	b.ops->write64(b.t, NVME_REG_CMBMSC, 0x1000 | 3);
	assert_int_equal(b.ops->read64(b.t, NVME_REG_CMBMSC), 0);
	cmb_b = host_attach(&b, 4, 0, CMB_LEN, PL_MEM_CMB);
	memset(cmb_b, 0x21, 512);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, cmb_b, 1), NVME_SC_SUCCESS);
	host_traffic(&b, &t);
	assert_int_equal(t.bytes[PL_TRAFFIC_DATA][PL_TRAFFIC_OWN_CMB][0], 512);
	host_detach(&b, cmb_b, CMB_LEN);
	assert_int_equal(io(&b, &qb, NVME_CMD_WRITE, 0, cmb_b, 1), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&b, cmb_b, PL_IOMMU_READ);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmb_registers),
		cmocka_unit_test(cmb_units),
		cmocka_unit_test(detach_revokes),
		cmocka_unit_test(peer_to_peer),
		cmocka_unit_test(posted_writes_dropped),
		cmocka_unit_test(cmb_rights),
		cmocka_unit_test(cba_elsewhere),
		cmocka_unit_test(pmr),
		cmocka_unit_test(legacy_cmb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
