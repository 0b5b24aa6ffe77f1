/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated controller's faults: the table of rules, the words of fault=, and what comes of
 * them. */
#include "emu_host.h"
#include "fault.h"
#include "pl_log.h"

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

/* ---- words ---- */

#define DEV "nvme_emu7"

static void parse(const char *text, struct emu_fault_rule *r)
{
	if (emu_fault_parse(DEV, text, r))
		fail_msg("'%s': %s", text, pl_errmsg());
}

static void good_words(void **state)
{
	struct emu_fault_rule r;

	(void)state;
	parse("point:complete/opcode:write/lba:100-199/after:4/every:3/count:1/action:status/"
	      "arg:0x281",
	      &r);
	assert_int_equal(r.point, EMU_FAULT_AT_COMPLETE);
	assert_int_equal(r.action, EMU_FAULT_STATUS);
	assert_int_equal(r.opc_first, NVME_CMD_WRITE);
	assert_int_equal(r.opc_last, NVME_CMD_WRITE);
	assert_int_equal(r.qid_first, 1); /* an I/O command's name is no admin command's number */
	assert_int_equal(r.qid_last, UINT16_MAX);
	assert_true(r.by_lba);
	assert_int_equal(r.lba_first, 100);
	assert_int_equal(r.lba_last, 199);
	assert_int_equal(r.after, 4);
	assert_int_equal(r.every, 3);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.arg, 0x281);

	parse("action:hang/point:command/opcode:create-sq", &r);
	assert_int_equal(r.opc_first, NVME_ADM_CREATE_SQ);
	assert_int_equal(r.qid_last, 0);
	assert_int_equal(r.count, 0);
	parse("point:command/opcode:0xfF/queue:3/lba:7/action:repeat", &r);
	assert_int_equal(r.opc_last, 0xff);
	assert_int_equal(r.qid_first, 3);
	assert_int_equal(r.qid_last, 3);
	assert_int_equal(r.lba_first, 7);
	assert_int_equal(r.lba_last, 7);
	parse("point:identify/cdw10:1/action:patch/offset:4094/data:a0Ff", &r);
	assert_true(r.by_cdw10);
	assert_int_equal(r.cdw10, 1);
	assert_int_equal(r.offset, 4094);
	assert_int_equal(r.len, 2);
	assert_int_equal(r.data[0], 0xa0);
	assert_int_equal(r.data[1], 0xff);
	parse("point:fetch/queue:admin/action:delay/arg:3600000", &r);
	assert_int_equal(r.qid_last, 0);
	parse("point:fetch/queue:io/action:delay/arg:1", &r);
	assert_int_equal(r.qid_first, 1);
}

static const struct {
	const char *text;
	const char *part; /* of the message */
} bad[] = {
	{ "", "there is no key ''" },
	{ "point:command", "needs point: and action:" },
	{ "action:hang", "needs point: and action:" },
	{ "point:commands/action:hang",
	  "accepted: poll, fetch, command, peer, identify, complete" },
	{ "point:command/action:Hang", "accepted: status, medium, repeat" },
	{ "point:command/action:hang/", "there is no key ''" },
	{ "point:command/action:hang/when:now", "accepted: point, action, opcode, queue, lba" },
	{ "point:command/action", "action has no value" },
	{ "point:command/action:hang/point:command", "point: is given twice" },
	{ "point:command/opcode:format/action:hang",
	  "accepted: a number up to 0xff, flush, write" },
	{ "point:command/opcode:256/action:hang", "opcode:256" },
	{ "point:command/opcode:0x/action:hang", "opcode:0x" },
	{ "point:command/opcode:2x/action:hang", "opcode:2x" },
	{ "point:command/queue:all/action:hang", "accepted: admin, io or a queue identifier" },
	{ "point:command/queue:65536/action:hang", "queue:65536" },
	{ "point:command/lba:9-8/action:hang", "accepted: an LBA, or FIRST-LAST" },
	{ "point:command/lba:-8/action:hang", "lba:-8" },
	{ "point:command/lba:8-/action:hang", "lba:8-" },
	{ "point:command/lba:99999999999999999999/action:hang", "lba:" },
	{ "point:command/cdw10:0x100000000/action:hang", "cdw10:" },
	{ "point:command/every:0/action:hang", "every:0" },
	{ "point:command/count:0/action:hang", "count:0" },
	{ "point:command/after:-1/action:hang", "after:-1" },
	{ "point:command/action:hang/arg:1", "takes no arg:" },
	{ "point:command/action:status", "needs arg: from 0 to 32767" },
	{ "point:command/action:status/arg:0x8000", "needs arg: from 0 to 32767" },
	{ "point:fetch/action:delay/arg:0", "needs arg: from 1 to 3600000" },
	{ "point:peer/action:status/arg:1", "accepted there: drop" },
	{ "point:command/action:drop", "accepted there: status, medium, repeat, part" },
	{ "point:poll/opcode:read/action:cid/arg:1", "opcode: says nothing at point:poll" },
	{ "point:event/queue:admin/action:flood", "queue: says nothing at point:event" },
	{ "point:identify/lba:1/action:ns-list", "lba: says nothing at point:identify" },
	{ "point:command/opcode:read/queue:admin/action:hang", "the queue is the admin queue" },
	{ "point:command/opcode:identify/queue:1/action:hang", "the queue is for I/O" },
	{ "point:command/queue:admin/lba:1/action:hang", "admin commands name no LBAs" },
	{ "point:command/action:part/arg:4096/offset:512", "does not cross" },
	{ "point:command/action:hang/offset:1", "offset: goes with" },
	{ "point:identify/action:patch", "data: goes with" },
	{ "point:identify/action:ns-list/data:00", "data: goes with" },
	{ "point:identify/action:patch/data:0", "two hexadecimal digits" },
	{ "point:identify/action:patch/data:0g", "two hexadecimal digits" },
	{ "point:identify/action:patch/offset:4095/data:0000", "4096 bytes" },
};

static void bad_words(void **state)
{
	const struct nvme_func_ops *ops = nvme_func_find(DEV);
	char args[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(args, sizeof(args), "size=1M,fault=%s", bad[i].text);
		if (ops->check(DEV, args) != -EINVAL)
			fail_msg("check took '%s'", args);
		if (!strstr(pl_errmsg(), bad[i].part) || !strstr(pl_errmsg(), DEV) ||
		    !strstr(pl_errmsg(), "fault=") || strchr(pl_errmsg(), '\n'))
			fail_msg("'%s': %s", args, pl_errmsg());
	}
	snprintf(args, sizeof(args), "size=1M,fault=%0600d", 1);
	assert_int_equal(ops->check(DEV, args), -EINVAL);
	assert_non_null(strstr(pl_errmsg(), "longer than"));
}

/* ---- devices that have some ---- */

static struct host h;
static struct hqueue q;
static uint8_t *buf;

static void open_with(const char *args)
{
	host_open(&h, args);
	host_enable(&h);
	host_create_io(&h, &q, 1, 16);
	buf = host_pages(&h, 1);
}

static uint16_t io(uint8_t opc, uint64_t slba)
{
	struct pl_nvme_sqe sqe = sqe_rw(opc, slba, 8);

	sqe.prp1 = iova(buf);
	return host_exec_raw(&h, &q, &sqe);
}

static void read_fails(void **state)
{
	(void)state;
	open_with("size=1M,fault=point:command/opcode:read/lba:16-19/action:status/arg:0x281");
	assert_int_equal(io(NVME_CMD_READ, 8), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_WRITE, 16), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, 16), 0x281);
	assert_int_equal(io(NVME_CMD_READ, 12), 0x281);
	assert_int_equal(io(NVME_CMD_READ, 20), NVME_SC_SUCCESS);
	nvme_emu_inject(h.t, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_int_equal(io(NVME_CMD_READ, 16), 0x281); /* for as long as the device lives */
	host_close(&h);
}

/* Beside err=, which the other two do not disturb. */
static void several(void **state)
{
	(void)state;
	open_with("size=1M,fault=point:command/opcode:read/every:2/action:status/arg:0x81,err=5,"
		  "fault=point:command/opcode:write/after:1/count:1/action:status/arg:0x82");
	assert_int_equal(io(NVME_CMD_READ, 0), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, 0), 0x81);
	assert_int_equal(io(NVME_CMD_WRITE, 0), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_WRITE, 0), 0x82);
	assert_int_equal(io(NVME_CMD_WRITE, 0), NVME_SC_WRITE_FAULT);
	assert_int_equal(io(NVME_CMD_READ, 0), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, 0), 0x81);
	host_close(&h);
}

/* What fails at its completion was done all the same, and what fails before was not. */
static void done_or_not(void **state)
{
	(void)state;
	open_with("size=1M,fault=point:complete/opcode:write/lba:0/action:status/arg:0x280,"
		  "fault=point:command/opcode:write/lba:8/action:status/arg:0x0");
	memset(buf, 0x5a, PAGE);
	assert_int_equal(io(NVME_CMD_WRITE, 0), 0x280);
	assert_int_equal(io(NVME_CMD_WRITE, 8), NVME_SC_SUCCESS);
	assert_int_equal(io(NVME_CMD_READ, 0), NVME_SC_SUCCESS);
	assert_int_equal(buf[0], 0x5a);
	assert_int_equal(io(NVME_CMD_READ, 8), NVME_SC_SUCCESS);
	assert_int_equal(buf[0], 0);
	host_close(&h);
}

/* Lets the device thread go round, so that it saw what was armed and rung before. */
static void rounds_pass(void)
{
	struct emu_ctrlr *c = emu_ctrlr(h.t);
	uint64_t round = __atomic_load_n(&c->rounds, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&c->rounds, __ATOMIC_ACQUIRE) < round + 3)
		sched_yield();
}

static void put_writes(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct pl_nvme_sqe sqe = sqe_rw(NVME_CMD_WRITE, 8ull * i, 8);

		sqe.prp1 = iova(buf);
		host_put(&q, &sqe);
	}
	host_ring(&h, 2, q.tail);
}

/* One queue waits for an hour, the admin queue does not, and clearing the rules ends it. */
static void delay(void **state)
{
	struct emu_fault_rule r;
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_GET_FEATURES, .cdw10 = NVME_FEAT_VWC };

	(void)state;
	open_with("size=1M");
	parse("point:fetch/queue:1/count:1/action:delay/arg:3600000", &r);
	assert_int_equal(emu_fault_add(&emu_ctrlr(h.t)->faults, &r), 0);
	put_writes(1);
	rounds_pass();
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_false(host_peek(&q));
	nvme_emu_inject(h.t, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_true(host_reap(&h, &q, true));
	assert_int_equal(io(NVME_CMD_READ, 0), NVME_SC_SUCCESS);
	host_close(&h);
}

/* In the middle of a burst: what came before is done, nothing is after. */
static void breaks_at(const char *action)
{
	char args[160];
	uint8_t *cmb;

	snprintf(args, sizeof(args),
		 "size=1M,cmb=1M,fault=point:command/opcode:write/after:2/count:1/action:%s",
		 action);
	open_with(args);
	cmb = host_attach(&h, 4, 0, MIB(1), PL_MEM_CMB);
	memset(buf, 0x77, PAGE);
	put_writes(4);
	assert_true(host_reap(&h, &q, false));
	assert_true(host_reap(&h, &q, false));
	while (emu_fault_any(&emu_ctrlr(h.t)->faults))
		sched_yield();
	rounds_pass();
	assert_false(host_peek(&q));
	if (strcmp(action, "cfs") == 0)
		assert_int_equal(rd(&h, NVME_REG_CSTS) & NVME_CSTS_CFS, NVME_CSTS_CFS);
	else if (strcmp(action, "gone") == 0 || strcmp(action, "mem") == 0)
		assert_int_equal(rd(&h, NVME_REG_CSTS), UINT32_MAX);
	else if (strcmp(action, "flr") == 0)
		assert_int_equal(rd(&h, NVME_REG_CC), 0);
	nvme_emu_inject(h.t, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_NONE });
	assert_int_equal(h.ops->decode(h.t), 0);
	host_disable(&h);
	host_enable(&h);
	hqueue_reset(&q);
	host_create_pair(&h, &q);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(io(NVME_CMD_READ, 8 * i), NVME_SC_SUCCESS);
		/* The others end before the reset, and what waited may have been executed since. */
		if (strcmp(action, "cfs") == 0 || strcmp(action, "flr") == 0)
			assert_int_equal(buf[0], i < 2 ? 0x77 : 0);
	}
	host_detach(&h, cmb, MIB(1));
	host_close(&h);
}

static void breaks(void **state)
{
	static const char *const actions[] = { "hang", "cfs", "gone", "flr", "mem" };

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		breaks_at(actions[i]);
}

/* A controller that failed fatally does nothing more, whoever had it fail. */
static void fatal(void **state)
{
	(void)state;
	open_with("size=1M");
	nvme_emu_inject(h.t, &(struct nvme_emu_inject){ .fault = NVME_EMU_FAULT_CFS });
	rounds_pass();
	put_writes(1);
	rounds_pass();
	assert_false(host_peek(&q));
	host_close(&h);
}

/* Identify data that lie, from the command line: MDTS. */
static void patch(void **state)
{
	struct pl_nvme_sqe sqe = { .opc = NVME_ADM_IDENTIFY, .cdw10 = NVME_CNS_CTRL };

	(void)state;
	open_with("size=1M,fault=point:identify/cdw10:1/action:patch/offset:77/data:e7,"
		  "fault=point:identify/cdw10:0/action:patch/offset:77/data:e8");
	sqe.prp1 = iova(buf);
	assert_int_equal(host_admin(&h, &sqe), NVME_SC_SUCCESS);
	assert_int_equal(buf[76], 0);
	assert_int_equal(buf[77], 0xe7);
	assert_int_not_equal(buf[78], 0xe8);
	host_close(&h);
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
		cmocka_unit_test(good_words),
		cmocka_unit_test(bad_words),
		cmocka_unit_test(read_fails),
		cmocka_unit_test(several),
		cmocka_unit_test(done_or_not),
		cmocka_unit_test(delay),
		cmocka_unit_test(breaks),
		cmocka_unit_test(fatal),
		cmocka_unit_test(patch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
