/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's NVM commands and its walk of PRPs, compared with a model in memory. */
#include "emu_host.h"

#define NS_SIZE   MIB(4)
#define BUF_PAGES 600u
#define CHUNK     65536u

static struct host h;
static struct hqueue q;
static uint32_t bs;
static uint8_t *model;  /* what the namespace must hold */
static uint8_t *buf;    /* BUF_PAGES pages */
static uint64_t *lists; /* 4 pages */
static uint32_t seed = 12345;

static uint32_t rnd(void)
{
	seed = seed * 1103515245u + 12345u;
	return seed >> 8;
}

static void open_with(const char *args, uint32_t block)
{
	char all[256];

	snprintf(all, sizeof(all), "bs=%u,%s", block, args);
	host_open(&h, all);
	host_enable(&h);
	host_create_io(&h, &q, 1, 16);
	buf = host_pages(&h, BUF_PAGES);
	lists = host_pages(&h, 4);
	bs = block;
	model = calloc(1, NS_SIZE);
	assert_non_null(model);
}

static void close_all(void)
{
	assert_no_fault(&h);
	host_close(&h);
	free(model);
}

static uint16_t exec(const struct pl_nvme_sqe *sqe)
{
	return host_exec(&h, &q, sqe);
}

/* One contiguous buffer, at most two pages or by a list over adjacent pages. */
static void point(struct pl_nvme_sqe *sqe, uint8_t *p, size_t len)
{
	size_t first = PAGE - iova(p) % PAGE;

	sqe->prp1 = iova(p);
	sqe->prp2 = len > first ? iova(p) + first : 0;
	if (len <= first + PAGE)
		return;
	for (size_t i = 0; first + i * PAGE < len; i++)
		lists[i] = iova(p) + first + i * PAGE;
	sqe->prp2 = iova(lists);
}

static uint16_t io(uint8_t opc, uint64_t slba, uint32_t nlb, uint8_t *p)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, slba, nlb);

	point(&sqe, p, (size_t)nlb * bs);
	return exec(&sqe);
}

/* Reads all of the namespace into the first 64 KiB of the buffer. */
static void check_model(void)
{
	for (size_t off = 0; off < NS_SIZE; off += CHUNK) {
		memset(buf, 0xee, CHUNK);
		assert_int_equal(io(NVME_CMD_READ, off / bs, CHUNK / bs, buf), NVME_SC_SUCCESS);
		assert_memory_equal(buf, model + off, CHUNK);
	}
}

/* Pages in random order, the list starting anywhere in its page and chained through others. */
static void scatter(struct pl_nvme_sqe *sqe, uint32_t *pages, size_t len, uint32_t off)
{
	uint64_t n = (off + len + PAGE - 1) / PAGE;
	uint64_t *entry = lists + rnd() % 512;
	uint32_t list_page = 0;

	for (uint32_t i = 0; i < BUF_PAGES; i++)
		pages[i] = i;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = i + rnd() % (BUF_PAGES - i), t = pages[i];

		pages[i] = pages[j];
		pages[j] = t;
	}
	sqe->prp1 = iova(buf + pages[0] * PAGE) + off;
	sqe->prp2 = n > 1 ? iova(buf + pages[1] * PAGE) : 0x7; /* reserved: anything */
	if (n <= 2)
		return;
	sqe->prp2 = iova(entry);
	for (uint64_t i = 1; i < n; i++) {
		if (iova(entry) % PAGE == PAGE - 8 && n - i > 1) {
			*entry = iova(lists + 512u * ++list_page);
			entry = lists + 512u * list_page;
		}
		*entry++ = iova(buf + pages[i] * PAGE);
	}
}

static uint8_t *at(const uint32_t *pages, uint64_t off)
{
	return buf + pages[off / PAGE] * PAGE + off % PAGE;
}

static void random_transfers(uint32_t block, uint32_t cases)
{
	uint32_t *pages = calloc(BUF_PAGES, sizeof(*pages));

	open_with("size=4M,mdts=2M,cqr=0", block);
	assert_non_null(pages);
	for (uint32_t i = 0; i < cases; i++) {
		uint32_t max = (uint32_t)(MIB(2) / bs), nlb, off = rnd() % PAGE & ~3u;
		bool write = rnd() % 2;
		struct pl_nvme_sqe sqe;
		uint64_t slba;
		size_t len;

		nlb = rnd() % 3 == 0 ? 1 + rnd() % max : 1 + rnd() % (1 + max / 64);
		slba = rnd() % (NS_SIZE / bs - nlb + 1);
		len = (size_t)nlb * bs;
		sqe = sqe_rw(write ? NVME_CMD_WRITE : NVME_CMD_READ, slba, nlb);
		scatter(&sqe, pages, len, off);
		for (size_t b = 0; b < len; b += 4) {
			uint32_t v = rnd();

			memcpy(at(pages, off + b), &v, 4);
			if (write)
				memcpy(model + slba * bs + b, &v, 4);
		}
		assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
		for (size_t b = 0; b < len; b += 4)
			assert_memory_equal(at(pages, off + b), model + slba * bs + b, 4);
	}
	check_model();
	close_all();
	free(pages);
}

static void transfers_512(void **state)
{
	(void)state;
	random_transfers(512, 150);
}

static void transfers_4096(void **state)
{
	(void)state;
	random_transfers(4096, 150);
}

static void transfers_65536(void **state)
{
	(void)state;
	random_transfers(65536, 60);
}

/* The medium must be untouched by, and the status exact for, each malformed data pointer. */
static void prp_violations(void **state)
{
	struct pl_nvme_sqe sqe;

	(void)state;
	open_with("size=4M,mdts=4M", 4096);
	for (int write = 0; write < 2; write++) {
		uint8_t opc = write ? NVME_CMD_WRITE : NVME_CMD_READ;

		memset(buf, 0x5a, MIB(1));
		sqe = sqe_rw(opc, 0, 1);
		sqe.prp1 = iova(buf) + 2; /* not a dword */
		assert_int_equal(exec(&sqe), NVME_SC_PRP_OFFSET_INVALID);
		sqe = sqe_rw(opc, 0, 2);
		sqe.prp1 = iova(buf);
		sqe.prp2 = iova(buf) + PAGE + 512; /* a data page with an offset */
		assert_int_equal(exec(&sqe), NVME_SC_PRP_OFFSET_INVALID);
		sqe = sqe_rw(opc, 0, 4);
		point(&sqe, buf, 4 * PAGE);
		sqe.prp2 += 4; /* a list at half an entry */
		assert_int_equal(exec(&sqe), NVME_SC_PRP_OFFSET_INVALID);
		sqe.prp2 -= 4;
		lists[2] += 4; /* an entry with an offset */
		assert_int_equal(exec(&sqe), NVME_SC_PRP_OFFSET_INVALID);
		lists[2] -= 4;
		/* Entry 511 chains because a 513th page is needed. */
		sqe = sqe_rw(opc, 0, 514);
		point(&sqe, buf, 514 * PAGE);
		lists[511] = iova(lists + 512) + 8;
		assert_int_equal(exec(&sqe), NVME_SC_PRP_OFFSET_INVALID);
		check_model();
	}
	/* The same with every rule kept. */
	memset(buf, 0x5a, 514 * PAGE);
	lists[512] = iova(buf) + 512 * PAGE;
	lists[513] = iova(buf) + 513 * PAGE;
	lists[511] = iova(lists + 512);
	assert_int_equal(io(NVME_CMD_WRITE, 0, 1, buf), NVME_SC_SUCCESS);
	sqe = sqe_rw(NVME_CMD_WRITE, 0, 514);
	sqe.prp1 = iova(buf);
	sqe.prp2 = iova(lists);
	for (uint32_t i = 0; i < 511; i++)
		lists[i] = iova(buf) + (i + 1) * PAGE;
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	memset(model, 0x5a, 514 * PAGE);
	check_model();
	close_all();
}

static void ranges_and_limits(void **state)
{
	const uint64_t last = NS_SIZE / 512;
	struct pl_nvme_sqe sqe;

	(void)state;
	open_with("size=4M,mdts=64K", 512);
	assert_int_equal(io(NVME_CMD_READ, last - 1, 1, buf), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, last - 1, 2, buf), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(io(NVME_CMD_WRITE, last, 1, buf), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(io(NVME_CMD_WRITE, UINT64_MAX, 1, buf), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(io(NVME_CMD_COMPARE, UINT64_MAX, 2, buf), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(io(NVME_CMD_READ, 0, 128, buf), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, 0, 129, buf), NVME_SC_INVALID_FIELD); /* > MDTS */
	assert_int_equal(io(NVME_CMD_WRITE, 0, 129, buf), NVME_SC_INVALID_FIELD);
	sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, last - 8, 9);
	assert_int_equal(exec(&sqe), NVME_SC_LBA_OUT_OF_RANGE);

	for (uint32_t opc = 0; opc < 256; opc++) {
		bool known = opc <= 2 || opc == 5 || opc == 8 || opc == 9 || opc == 0x19;

		sqe = (struct pl_nvme_sqe){ .opc = (uint8_t)opc, .prp1 = iova(buf) };
		if (opc == NVME_CMD_FLUSH || opc == NVME_CMD_WRITE_ZEROES)
			sqe.prp1 = 0;
		assert_int_equal(exec(&sqe),
				 known ? NVME_SC_INVALID_NAMESPACE : NVME_SC_INVALID_OPCODE);
		if (!known)
			continue;
		sqe.nsid = EMU_NN + 1;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_NAMESPACE);
		sqe.nsid = 2; /* inactive */
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		if (opc != NVME_CMD_FLUSH) {
			sqe.nsid = UINT32_MAX;
			assert_int_equal(exec(&sqe), NVME_SC_INVALID_NAMESPACE);
		}
		sqe.nsid = 1;
		sqe.flags = 1;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		sqe.flags = 0x40;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		sqe.flags = 0;
		sqe.cdw2 = 1;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		sqe.cdw2 = 0;
		sqe.cdw3 = 1;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		sqe.cdw3 = 0;
		sqe.cdw13 = 1u << 31;
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		sqe.cdw13 = 0;
		sqe.cdw12 = 1u << 16; /* reserved in all that have a cdw12 */
		assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
		assert_int_equal(h.cqe.status >> 1 & NVME_STATUS_DNR, NVME_STATUS_DNR);
	}
	check_model();
	close_all();
}

static void flush_compare_zeroes(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_CMD_FLUSH, .nsid = 1 };

	(void)state;
	open_with("size=4M,mdts=2M", 512);
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	sqe.nsid = UINT32_MAX;
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	sqe.cdw10 = 1;
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);

	for (size_t i = 0; i < MIB(2); i++)
		buf[i] = model[MIB(1) + i] = (uint8_t)rnd();
	assert_int_equal(io(NVME_CMD_WRITE, 2048, 4096, buf), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_COMPARE, 2048, 4096, buf), NVME_SC_SUCCESS);
	buf[MIB(2) - 1] ^= 1;
	assert_int_equal(io(NVME_CMD_COMPARE, 2048, 4096, buf), NVME_SC_COMPARE_FAILURE);
	assert_int_equal(io(NVME_CMD_COMPARE, 2048, 4095, buf), NVME_SC_SUCCESS);

	/* Odd blocks, so that pages are zeroed in part; with and without deallocation. */
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t slba = 2049 + 900 * i;
		uint32_t nlb = i < 2 ? 3 : 777;

		sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, slba, nlb);
		sqe.cdw12 |= i % 2 ? 1u << 25 : NVME_CDW12_FUA;
		assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
		memset(model + slba * 512, 0, nlb * 512);
		check_model();
	}
	sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, 0, 1);
	sqe.prp1 = iova(buf);
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
	sqe = sqe_rw(NVME_CMD_WRITE_ZEROES, 1, NS_SIZE / 512 - 2);
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS); /* not limited by MDTS */
	memset(model + 512, 0, NS_SIZE - 1024);
	check_model();
	close_all();
}

static void dataset_management(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_CMD_DSM, .nsid = 1, .cdw11 = NVME_DSM_DEALLOCATE };
	struct pl_nvme_dsm_range *r;

	(void)state;
	open_with("size=4M,mdts=4M", 512);
	memset(buf, 0x77, MIB(1));
	memset(model, 0x77, MIB(1));
	assert_int_equal(io(NVME_CMD_WRITE, 0, 2048, buf), NVME_SC_SUCCESS);
	r = (struct pl_nvme_dsm_range *)(void *)(buf + MIB(2));
	for (uint32_t i = 0; i < 256; i++) {
		r[i].nlb = i % 5;
		r[i].slba = 8 * i + 1;
	}
	sqe.cdw10 = 255;
	sqe.prp1 = iova(r);
	r[255].nlb = 2; /* one bad range: none is deallocated */
	r[255].slba = NS_SIZE / 512 - 1;
	assert_int_equal(exec(&sqe), NVME_SC_LBA_OUT_OF_RANGE);
	check_model();
	memset(buf, 0, MIB(1));
	r[255].nlb = 1;
	sqe.cdw11 = 3; /* hints only */
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	check_model();
	sqe.cdw11 = 7;
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	for (uint32_t i = 0; i < 256; i++)
		memset(model + r[i].slba * 512, 0, r[i].nlb * 512ul);
	check_model();
	sqe.cdw11 = 8;
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
	sqe.cdw11 = 4;
	sqe.cdw10 = 0x100;
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
	close_all();
}

static struct pl_nvme_sqe sqe_copy(const void *ranges, uint64_t sdlba, uint32_t nr)
{
	struct pl_nvme_sqe sqe = sqe_rw(NVME_CMD_COPY, sdlba, nr);

	sqe.prp1 = iova(ranges);
	return sqe;
}

static void copy_command(void **state)
{
	struct pl_nvme_copy_range *r;
	struct pl_nvme_sqe sqe;

	(void)state;
	open_with("size=4M,mdts=4M", 512);
	for (size_t i = 0; i < MIB(2); i++)
		buf[i] = model[i] = (uint8_t)rnd();
	assert_int_equal(io(NVME_CMD_WRITE, 0, 4096, buf), NVME_SC_SUCCESS);
	r = (struct pl_nvme_copy_range *)(void *)(buf + MIB(2));
	memset(r, 0, 256 * sizeof(*r));

	/* Three ranges, the second and third overlapping each other. */
	r[0].slba = 10;
	r[0].nlb = 99;
	r[1].slba = 1000;
	r[1].nlb = 199;
	r[2].slba = 1100;
	r[2].nlb = 0;
	sqe = sqe_copy(r, 5000, 3);
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	memcpy(model + 5000 * 512, model + 10 * 512, 100 * 512);
	memcpy(model + 5100 * 512, model + 1000 * 512, 200 * 512);
	memcpy(model + 5300 * 512, model + 1100 * 512, 512);
	check_model();

	/* Source and target overlap, either way. */
	r[0].slba = 100;
	r[0].nlb = 499;
	sqe = sqe_copy(r, 150, 1);
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	memmove(model + 150 * 512, model + 100 * 512, 500 * 512);
	check_model();
	sqe = sqe_copy(r, 50, 1);
	assert_int_equal(exec(&sqe), NVME_SC_SUCCESS);
	memmove(model + 50 * 512, model + 100 * 512, 500 * 512);
	check_model();

	/* Limits and bounds */
	sqe = sqe_copy(r, 0, EMU_COPY_MSRC + 2);
	assert_int_equal(exec(&sqe), NVME_SC_COPY_SIZE_LIMIT);
	r[0].nlb = EMU_COPY_MSSRL; /* 0's based: one more than allowed */
	sqe = sqe_copy(r, 0, 1);
	assert_int_equal(exec(&sqe), NVME_SC_COPY_SIZE_LIMIT);
	for (int i = 0; i < 17; i++)
		r[i] = (struct pl_nvme_copy_range){ .slba = 0, .nlb = EMU_COPY_MSSRL - 1 };
	sqe = sqe_copy(r, 0, 17); /* more than MCL */
	assert_int_equal(exec(&sqe), NVME_SC_COPY_SIZE_LIMIT);
	r[0].nlb = 1;
	r[0].slba = NS_SIZE / 512 - 1;
	sqe = sqe_copy(r, 0, 1);
	assert_int_equal(exec(&sqe), NVME_SC_LBA_OUT_OF_RANGE);
	r[0].slba = 0;
	sqe = sqe_copy(r, NS_SIZE / 512 - 1, 1);
	assert_int_equal(exec(&sqe), NVME_SC_LBA_OUT_OF_RANGE);
	r[0].rsvd18 = 1;
	sqe = sqe_copy(r, 0, 1);
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
	r[0].rsvd18 = 0;
	sqe.cdw12 |= 1u << 8; /* descriptor format 1 */
	assert_int_equal(exec(&sqe), NVME_SC_INVALID_FIELD);
	check_model();
	close_all();
}

/* A refused read of host memory fails the command and leaves the medium alone; a refused write
 * vanishes, byte for byte, page by page. */
static void refused_data(void **state)
{
	struct nvme_emu_counters counters;
	struct pl_nvme_sqe sqe;
	uint8_t *ro;

	(void)state;
	open_with("size=4M", 4096);
	ro = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ro, MAP_FAILED);
	memset(ro, 0x33, 4 * PAGE);
	/* Page 0 unmapped, 1 readable, 2 writable, 3 unmapped */
	assert_int_equal(pl_ioas_map(h.ioas, ro + PAGE, PAGE, PL_IOMMU_READ, PL_MEM_HOST), 0);
	assert_int_equal(pl_ioas_map(h.ioas, ro + 2 * PAGE, PAGE, PL_IOMMU_WRITE, PL_MEM_HOST), 0);

	assert_int_equal(io(NVME_CMD_WRITE, 0, 1, ro + PAGE), NVME_SC_SUCCESS);
	memset(model, 0x33, PAGE);
	sqe = sqe_rw(NVME_CMD_WRITE, 1, 2);
	sqe.prp1 = iova(ro + PAGE);
	sqe.prp2 = iova(ro);
	assert_int_equal(exec(&sqe), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(h.cqe.status >> 1 & NVME_STATUS_DNR, 0);
	assert_fault(&h, ro, PL_IOMMU_READ);
	assert_int_equal(io(NVME_CMD_WRITE, 1, 1, ro + 2 * PAGE), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&h, ro + 2 * PAGE, PL_IOMMU_READ);
	check_model();

	assert_int_equal(io(NVME_CMD_READ, 0, 4, ro), NVME_SC_SUCCESS);
	assert_fault(&h, ro, PL_IOMMU_WRITE);
	assert_fault(&h, ro + PAGE, PL_IOMMU_WRITE);
	assert_fault(&h, ro + 3 * PAGE, PL_IOMMU_WRITE);
	nvme_emu_counters(h.t, &counters);
	assert_int_equal(counters.refused_bytes, 3 * PAGE);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(ro[i], i / PAGE == 2 ? 0 : 0x33); /* block 2 was zeros */

	/* A list that cannot be fetched */
	sqe = sqe_rw(NVME_CMD_READ, 0, 4);
	sqe.prp1 = iova(buf);
	sqe.prp2 = iova(ro + 3 * PAGE + 8);
	assert_int_equal(exec(&sqe), NVME_SC_DATA_TRANSFER_ERROR);
	assert_fault(&h, ro + 3 * PAGE + 8, PL_IOMMU_READ);
	assert_int_equal(pl_ioas_unmap(h.ioas, ro + PAGE, PAGE), 0);
	assert_int_equal(pl_ioas_unmap(h.ioas, ro + 2 * PAGE, PAGE), 0);
	munmap(ro, 4 * PAGE);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers_512),      cmocka_unit_test(transfers_4096),
		cmocka_unit_test(transfers_65536),    cmocka_unit_test(prp_violations),
		cmocka_unit_test(ranges_and_limits),  cmocka_unit_test(flush_compare_zeroes),
		cmocka_unit_test(dataset_management), cmocka_unit_test(copy_command),
		cmocka_unit_test(refused_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
