/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controllers that say of themselves what cannot be, or what nobody could wait for or count. Each is
 * reset, which makes the library ask again.
 */
#include "fixture.h"

#include <rte_malloc.h>

#include "nvme_internal.h"

#define DEV "nvme_emu0"

#define CNS_NS	 0x00
#define CNS_CTRL 0x01

static struct pl_nvme_ctrlr *ctrlr;

/* Identify data of @cns has the @len bytes at @bytes at @offset. */
static void lie(uint8_t cns, size_t offset, const void *bytes, size_t len)
{
	struct nvme_emu_inject in = {
		.fault = NVME_EMU_FAULT_IDENTIFY,
		.cns = cns,
		.offset = (uint16_t)offset,
		.len = (uint8_t)len,
	};

	assert_true(len <= sizeof(in.data));
	memcpy(in.data, bytes, len);
	inject(DEV, &in);
}

#define LIE_CTRL(field, ...)                                                                       \
	lie(CNS_CTRL, offsetof(struct pl_nvme_id_ctrl, field),                                     \
	    &(const __typeof__(((struct pl_nvme_id_ctrl *)0)->field)){ __VA_ARGS__ },              \
	    sizeof(((struct pl_nvme_id_ctrl *)0)->field))
#define LIE_NS(field, ...)                                                                         \
	lie(CNS_NS, offsetof(struct pl_nvme_id_ns, field),                                         \
	    &(const __typeof__(((struct pl_nvme_id_ns *)0)->field)){ __VA_ARGS__ },                \
	    sizeof(((struct pl_nvme_id_ns *)0)->field))

/* And back to the truth. */
static int truth(void **state)
{
	(void)state;
	inject(DEV, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	assert_works(DEV);
	return 0;
}

/* What a terminal or a JSON parser would take for more than text is not passed on. */
static void test_names(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	LIE_CTRL(sn, "\033[2J%n\"\\\x80\xff\0A\t       ");
	LIE_CTRL(fr, "\n1.0\x7f   ");
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	pl_nvme_ctrlr_info(ctrlr, &info);
	assert_string_equal(info.serial, "?[2J%n\"\\???A?");
	assert_string_equal(info.firmware, "?1.0?");
	assert_string_equal(info.model, "Peerlane Emulated NVMe Controller");
}

static void test_no_write_cache(void **state)
{
	struct pl_nvme_ctrlr_info info;

	(void)state;
	LIE_CTRL(vwc, 0x06); /* the behaviour of Flush is not the presence of a cache */
	assert_int_equal(pl_nvme_ctrlr_reset(ctrlr), 0);
	pl_nvme_ctrlr_info(ctrlr, &info);
	assert_false(info.vwc);
}

static int setup(void **state)
{
	static const char *const vdevs[] = { DEV ",size=1M" };
	int rc;

	(void)state;
	random_start();
	rc = fixture_start(vdevs, RTE_DIM(vdevs), 1);
	if (rc == 0)
		ctrlr = ctrlr_of(DEV);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_names, truth),
		cmocka_unit_test_teardown(test_no_write_cache, truth),
	};

	return cmocka_run_group_tests_name("nvme_lies", tests, setup, fixture_stop);
}
