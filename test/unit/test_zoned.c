/* SPDX-License-Identifier: BSD-3-Clause */
/* Zoned namespaces: read and copied from across zones, never a copy's target. */
#include "fixture.h"

#include <peerlane/pl_copy.h>

#include "nvme_internal.h"

#define ZONED "nvme_emu0"
#define PLAIN "nvme_emu1"
#define BS    512u
#define LEN   MIB(1)
#define NLB   (LEN / BS)
#define ZONE  (20u << 10) /* no power of two, and less than a command moves */

static struct pl_nvme_qpair *zoned_qp, *plain_qp;
static uint8_t *data, *scratch;

static struct pl_copy_opts copy_opts(const char *src, const char *dst)
{
	return (struct pl_copy_opts){
		.opts_size = sizeof(struct pl_copy_opts),
		.src = pl_copy_ns_target(ns_of(src, 1), 0, NLB),
		.dst = pl_copy_ns_target(ns_of(dst, 1), 0, 0),
		.chunk = 48u << 10,
		.via = PL_COPY_VIA_DST,
		.verify = true,
	};
}

static void test_identified(void **state)
{
	(void)state;
	assert_int_equal(ns_of(ZONED, 1)->zone_nlb, ZONE / BS);
	assert_int_equal(ns_of(PLAIN, 1)->zone_nlb, 0);
	assert_string_equal(pl_nvme_status_str(NVME_SC_ZONE_BOUNDARY_ERROR),
			    "Zone Boundary Error (sct 1 sc b8h)");
}

/* One block before a zone's end and one behind it; many zones; and within one. */
static void test_reads(void **state)
{
	static const struct {
		uint64_t slba;
		uint32_t nlb;
	} reads[] = {
		{ ZONE / BS - 1, 2 },     { 0, NLB }, { 7, 3 * ZONE / BS },
		{ ZONE / BS, ZONE / BS }, { 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(reads); i++) {
		memset(scratch, 0, LEN);
		read_blocks(zoned_qp, ns_of(ZONED, 1), scratch, reads[i].slba, reads[i].nlb);
		assert_memory_equal(scratch, data + reads[i].slba * BS, reads[i].nlb * BS);
	}
}

/* As a library does that knows nothing of zones: the device says so. */
static void test_boundary(void **state)
{
	struct pl_nvme_ns plain = *ns_of(ZONED, 1);
	struct pl_nvme_op op, *ops[] = { &op }, *done[1];

	(void)state;
	plain.zone_nlb = 0;
	plain.sqe0 |= plain.ctrlr->ns_tag;
	pl_nvme_op_read(&op, &plain, scratch, ZONE / BS - 1, 2);
	assert_int_equal(pl_nvme_submit(zoned_qp, ops, 1), 1);
	while (pl_nvme_poll(zoned_qp, done, 1) == 0)
		relax();
	assert_int_equal(NVME_STATUS_CODE(op.status), NVME_SC_ZONE_BOUNDARY_ERROR);
}

static void test_source(void **state)
{
	struct pl_copy_opts opts = copy_opts(ZONED, PLAIN);
	struct pl_copy *job;
	int rc;

	(void)state;
	if (pl_copy_create(&opts, &job))
		fail_msg("%s", pl_errmsg());
	while ((rc = pl_copy_poll(job)) > 0)
		relax();
	if (rc)
		fail_msg("%s", pl_errmsg());
	pl_copy_destroy(job);
	read_blocks(plain_qp, ns_of(PLAIN, 1), scratch, 0, NLB);
	assert_memory_equal(scratch, data, LEN);
}

static void test_target(void **state)
{
	struct pl_copy_opts opts = copy_opts(PLAIN, ZONED);
	struct nvme_emu_counters before, after;
	struct pl_copy *job = NULL;

	(void)state;
	nvme_emu_counters(func_of(ZONED), &before);
	assert_int_equal(pl_copy_create(&opts, &job), -ENOTSUP);
	assert_errmsg(ZONED " namespace 1 is zoned");
	assert_null(job);
	nvme_emu_counters(func_of(ZONED), &after);
	assert_int_equal(after.io_commands, before.io_commands);
}

/* Sizes that are none. */
static void test_lies(void **state)
{
	const uint64_t sizes[] = { 0, NLB + 1, UINT64_MAX };

	(void)state;
	pl_nvme_qpair_destroy(zoned_qp);
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		struct nvme_emu_inject lie = { .fault = NVME_EMU_FAULT_IDENTIFY,
					       .cns = NVME_CNS_CSI_NS,
					       .offset = 2816,
					       .len = 8 };

		memcpy(lie.data, &sizes[i], 8);
		inject(ZONED, &lie);
		assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(ZONED)), 0);
		assert_null(pl_nvme_ns_get(ctrlr_of(ZONED), 1));
		inject(ZONED, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	}
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr_of(ZONED)), 0);
	assert_int_equal(ns_of(ZONED, 1)->zone_nlb, ZONE / BS);
	zoned_qp = qpair_of(ZONED, 64, 0);
}

static int setup(void **state)
{
	static const char *const vdevs[] = { ZONED ",size=1M,zoned=20K",
					     PLAIN ",size=1M,cmb=512K" };

	(void)state;
	random_start();
	if (fixture_start(vdevs, RTE_DIM(vdevs), 1))
		return -1;
	zoned_qp = qpair_of(ZONED, 64, 0);
	plain_qp = qpair_of(PLAIN, 64, 0);
	data = dma_alloc(LEN);
	scratch = dma_alloc(LEN);
	random_fill(data, LEN);
	write_blocks(zoned_qp, ns_of(ZONED, 1), data, 0, NLB);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pl_mem_free(scratch);
	pl_mem_free(data);
	pl_nvme_qpair_destroy(plain_qp);
	pl_nvme_qpair_destroy(zoned_qp);
	pl_eal_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identified), cmocka_unit_test(test_reads),
		cmocka_unit_test(test_boundary),   cmocka_unit_test(test_source),
		cmocka_unit_test(test_target),     cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests_name("zoned", tests, setup, teardown);
}
