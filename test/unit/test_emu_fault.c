/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's faults: the table of rules. */
#include "emu_host.h"
#include "fault.h"

static struct emu_faults table;
static struct emu_fault_hits hits;

static int setup(void **state)
{
	(void)state;
	emu_fault_init(&table);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	emu_fault_fini(&table);
	return 0;
}

static void add(const struct emu_fault_rule *rule)
{
	assert_int_equal(emu_fault_add(&table, rule), 0);
}

/* Rules that are due for a command at the point where it was fetched. */
static uint32_t at_command(uint16_t qid, uint8_t opc, uint64_t slba, uint32_t nlb)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, slba, nlb);

	return emu_fault_at(&table, EMU_FAULT_AT_COMMAND, qid, &sqe, &hits) ? hits.nb : 0;
}

static struct emu_fault_rule status_rule(uint64_t status)
{
	struct emu_fault_rule r = emu_fault_rule(EMU_FAULT_AT_COMMAND, EMU_FAULT_STATUS);

	r.arg = status;
	return r;
}

static void opcode(void **state)
{
	struct emu_fault_rule r = status_rule(0x281);

	(void)state;
	r.opc_first = r.opc_last = NVME_CMD_READ;
	add(&r);
	assert_int_equal(at_command(1, NVME_CMD_WRITE, 0, 1), 0);
	assert_int_equal(at_command(1, NVME_CMD_COMPARE, 0, 1), 0);
	assert_int_equal(at_command(1, NVME_CMD_READ, 0, 1), 1);
	assert_int_equal(hits.rules[0].action, EMU_FAULT_STATUS);
	assert_int_equal(hits.rules[0].arg, 0x281);
}

static void queue(void **state)
{
	struct emu_fault_rule r = status_rule(1);

	(void)state;
	r.qid_first = 2;
	r.qid_last = 3;
	add(&r);
	for (uint16_t qid = 0; qid < 6; qid++)
		assert_int_equal(at_command(qid, NVME_CMD_READ, 0, 1), qid == 2 || qid == 3);
}

/* A command is hit by any of its blocks, and one without blocks never. */
static void lba(void **state)
{
	struct emu_fault_rule r = status_rule(1);

	(void)state;
	r.by_lba = true;
	r.lba_first = 100;
	r.lba_last = 199;
	add(&r);
	assert_int_equal(at_command(1, NVME_CMD_READ, 92, 8), 0);
	assert_int_equal(at_command(1, NVME_CMD_READ, 93, 8), 1);
	assert_int_equal(at_command(1, NVME_CMD_READ, 199, 8), 1);
	assert_int_equal(at_command(1, NVME_CMD_READ, 200, 8), 0);
	assert_int_equal(at_command(1, NVME_CMD_WRITE_ZEROES, 0, 65536), 1);
	assert_int_equal(at_command(1, NVME_CMD_READ, UINT64_MAX, 2), 0);
	assert_int_equal(at_command(1, NVME_CMD_FLUSH, 150, 1), 0);
	assert_int_equal(at_command(0, NVME_CMD_READ, 150, 1), 0);
}

static void cdw10(void **state)
{
	struct emu_fault_rule r = status_rule(1);

	(void)state;
	r.by_cdw10 = true;
	r.cdw10 = 7;
	add(&r);
	assert_int_equal(at_command(0, NVME_ADM_GET_FEATURES, 6, 1), 0);
	assert_int_equal(at_command(0, NVME_ADM_GET_FEATURES, 7, 1), 1);
}

/* Matches are counted, not commands; the point is asked no more when the rule is over. */
static void every_and_count(void **state)
{
	struct emu_fault_rule r = status_rule(1);

	(void)state;
	r.opc_first = r.opc_last = NVME_CMD_WRITE;
	r.after = 2;
	r.every = 3;
	r.count = 2;
	add(&r);
	for (uint32_t i = 1; i <= 20; i++) {
		assert_int_equal(at_command(1, NVME_CMD_READ, 0, 1), 0);
		assert_int_equal(emu_fault_armed(&table, EMU_FAULT_AT_COMMAND), i <= 8);
		assert_int_equal(at_command(1, NVME_CMD_WRITE, 0, 1), i == 5 || i == 8);
	}
	assert_int_equal(table.nb_rules, 0);
}

/* Each counts for itself; both are told where both are due, in order. */
static void two_at_once(void **state)
{
	struct emu_fault_rule r = status_rule(0xa);

	(void)state;
	r.every = 2;
	add(&r);
	r.arg = 0xb;
	r.every = 3;
	r.lasting = true;
	add(&r);
	for (uint32_t i = 1; i <= 12; i++) {
		uint32_t n = at_command(1, NVME_CMD_READ, 0, 1);

		assert_int_equal(n, (i % 2 == 0) + (i % 3 == 0));
		if (n > 0)
			assert_int_equal(hits.rules[0].arg, i % 2 == 0 ? 0xa : 0xb);
		if (n > 1)
			assert_int_equal(hits.rules[1].arg, 0xb);
	}
	emu_fault_clear(&table);
	assert_int_equal(table.nb_rules, 1);
	assert_int_equal(table.rules[0].arg, 0xb);
}

/* A rule is for one point, and the others stay without a look at the table. */
static void points_apart(void **state)
{
	struct emu_fault_rule r = emu_fault_rule(EMU_FAULT_AT_PEER, EMU_FAULT_DROP);

	(void)state;
	add(&r);
	for (uint32_t p = 0; p < EMU_FAULT_POINTS; p++) {
		assert_int_equal(emu_fault_armed(&table, p), p == EMU_FAULT_AT_PEER);
		assert_int_equal(emu_fault_look(&table, p, 1, NULL, &hits), p == EMU_FAULT_AT_PEER);
	}
}

static void impossible(void **state)
{
	struct emu_fault_rule r = emu_fault_rule(EMU_FAULT_AT_FETCH, EMU_FAULT_STATUS);

	(void)state;
	assert_int_equal(emu_fault_add(&table, &r), -EINVAL);
	r = status_rule(1);
	r.every = 0;
	assert_int_equal(emu_fault_add(&table, &r), -EINVAL);
	r = status_rule(1);
	r.lba_first = 2;
	r.lba_last = 1;
	assert_int_equal(emu_fault_add(&table, &r), -EINVAL);
	r = status_rule(1);
	for (uint32_t i = 0; i < EMU_FAULT_RULES; i++)
		add(&r);
	assert_int_equal(emu_fault_add(&table, &r), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opcode, setup, teardown),
		cmocka_unit_test_setup_teardown(queue, setup, teardown),
		cmocka_unit_test_setup_teardown(lba, setup, teardown),
		cmocka_unit_test_setup_teardown(cdw10, setup, teardown),
		cmocka_unit_test_setup_teardown(every_and_count, setup, teardown),
		cmocka_unit_test_setup_teardown(two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(points_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(impossible, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
