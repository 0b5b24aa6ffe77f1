/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a fault= argument, KEY:VALUE joined by '/', as a rule of the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <peerlane/pl_parse.h>

#include "fault.h"
#include "pl_log.h"

#define MAX_TEXT   200u
#define STATUS_MAX 0x7fffu
#define DELAY_MAX  3600000u

static const char *const point_names[EMU_FAULT_POINTS] = {
	[EMU_FAULT_AT_POLL] = "poll",         [EMU_FAULT_AT_FETCH] = "fetch",
	[EMU_FAULT_AT_COMMAND] = "command",   [EMU_FAULT_AT_PEER] = "peer",
	[EMU_FAULT_AT_IDENTIFY] = "identify", [EMU_FAULT_AT_COMPLETE] = "complete",
	[EMU_FAULT_AT_EVENT] = "event",
};

/* What arg: may be; none if max is 0. */
static const struct action {
	const char *name;
	uint64_t min, max;
} actions[EMU_FAULT_ACTIONS] = {
	[EMU_FAULT_STATUS] = { "status", 0, STATUS_MAX },
	[EMU_FAULT_MEDIUM] = { "medium", 0, 0 },
	[EMU_FAULT_REPEAT] = { "repeat", 0, 0 },
	[EMU_FAULT_PART] = { "part", 1, EMU_FAULT_PAGE },
	[EMU_FAULT_PART_LATE] = { "part-late", 1, EMU_FAULT_PAGE },
	[EMU_FAULT_DROP] = { "drop", 0, 0 },
	[EMU_FAULT_PATCH] = { "patch", 0, 0 },
	[EMU_FAULT_NS_LIST] = { "ns-list", 0, 0 },
	[EMU_FAULT_DELAY] = { "delay", 1, DELAY_MAX },
	[EMU_FAULT_CID] = { "cid", 0, UINT16_MAX },
	[EMU_FAULT_SCRIBBLE] = { "scribble", 0, 0 },
	[EMU_FAULT_FLOOD] = { "flood", 0, 0 },
	[EMU_FAULT_HANG] = { "hang", 0, 0 },
	[EMU_FAULT_STUCK] = { "stuck", 0, 0 },
	[EMU_FAULT_CFS] = { "cfs", 0, 0 },
	[EMU_FAULT_GONE] = { "gone", 0, 0 },
	[EMU_FAULT_FLR] = { "flr", 0, 0 },
	[EMU_FAULT_MEM] = { "mem", 0, 0 },
};

/* A name says which of the two command sets it means. */
static const struct {
	const char *name;
	uint8_t opc;
	bool admin;
} opcodes[] = {
	{ "flush", NVME_CMD_FLUSH, false },
	{ "write", NVME_CMD_WRITE, false },
	{ "read", NVME_CMD_READ, false },
	{ "compare", NVME_CMD_COMPARE, false },
	{ "write-zeroes", NVME_CMD_WRITE_ZEROES, false },
	{ "dsm", NVME_CMD_DSM, false },
	{ "copy", NVME_CMD_COPY, false },
	{ "delete-sq", NVME_ADM_DELETE_SQ, true },
	{ "create-sq", NVME_ADM_CREATE_SQ, true },
	{ "get-log-page", NVME_ADM_GET_LOG_PAGE, true },
	{ "delete-cq", NVME_ADM_DELETE_CQ, true },
	{ "create-cq", NVME_ADM_CREATE_CQ, true },
	{ "identify", NVME_ADM_IDENTIFY, true },
	{ "abort", NVME_ADM_ABORT, true },
	{ "set-features", NVME_ADM_SET_FEATURES, true },
	{ "get-features", NVME_ADM_GET_FEATURES, true },
	{ "aer", NVME_ADM_AER, true },
};
#define NB_OPCODES (sizeof(opcodes) / sizeof(opcodes[0]))

struct words {
	const char *dev;
	const char *text;
	struct emu_fault_rule *rule;
	uint32_t given;  /* bits of keys[] */
	bool admin, nvm; /* whose the opcode is, if it has a name */
};

static int reject(const struct words *w, const char *key, const char *val, const char *accepted)
{
	return pl_fail(-EINVAL, "%s: fault=%s: %s:%s is not valid; accepted: %s", w->dev, w->text,
		       key, val, accepted);
}

static int complain(const struct words *w, const char *what)
{
	return pl_fail(-EINVAL, "%s: fault=%s: %s", w->dev, w->text, what);
}

/* Adds a word to a list of those accepted. */
static void list(char *words, size_t size, const char *word)
{
	size_t len = strlen(words);

	snprintf(words + len, size - len, "%s%s", len ? ", " : "", word);
}

static bool number(const char *s, uint64_t max, uint64_t *out)
{
	return pl_u64_parse(s, out) == 0 && *out <= max;
}

static int parse_point(struct words *w, const char *val)
{
	char names[128] = "";

	for (uint32_t i = 0; i < EMU_FAULT_POINTS; i++) {
		if (strcmp(point_names[i], val) == 0) {
			w->rule->point = (enum emu_fault_point)i;
			return 0;
		}
		list(names, sizeof(names), point_names[i]);
	}
	return reject(w, "point", val, names);
}

static int parse_action(struct words *w, const char *val)
{
	char names[256] = "";

	for (uint32_t i = 0; i < EMU_FAULT_ACTIONS; i++) {
		if (strcmp(actions[i].name, val) == 0) {
			w->rule->action = (enum emu_fault_action)i;
			return 0;
		}
		list(names, sizeof(names), actions[i].name);
	}
	return reject(w, "action", val, names);
}

static int parse_opcode(struct words *w, const char *val)
{
	char names[256] = "a number up to 0xff";
	uint64_t n;

	for (uint32_t i = 0; i < NB_OPCODES; i++) {
		if (strcmp(opcodes[i].name, val) == 0) {
			w->rule->opc_first = w->rule->opc_last = opcodes[i].opc;
			w->admin = opcodes[i].admin;
			w->nvm = !opcodes[i].admin;
			return 0;
		}
		list(names, sizeof(names), opcodes[i].name);
	}
	if (!number(val, UINT8_MAX, &n))
		return reject(w, "opcode", val, names);
	w->rule->opc_first = w->rule->opc_last = (uint8_t)n;
	return 0;
}

static int parse_queue(struct words *w, const char *val)
{
	uint64_t n;

	if (strcmp(val, "admin") == 0) {
		w->rule->qid_last = 0;
	} else if (strcmp(val, "io") == 0) {
		w->rule->qid_first = 1;
	} else {
		if (!number(val, UINT16_MAX, &n))
			return reject(w, "queue", val, "admin, io or a queue identifier");
		w->rule->qid_first = w->rule->qid_last = (uint16_t)n;
	}
	return 0;
}

static int parse_lba(struct words *w, const char *val)
{
	const char *dash = strchr(val, '-');
	char first[32];
	int n = snprintf(first, sizeof(first), "%.*s", dash ? (int)(dash - val) : (int)strlen(val),
			 val);

	if (n >= (int)sizeof(first) || !number(first, UINT64_MAX, &w->rule->lba_first) ||
	    !number(dash ? dash + 1 : first, UINT64_MAX, &w->rule->lba_last) ||
	    w->rule->lba_first > w->rule->lba_last)
		return reject(w, "lba", val, "an LBA, or FIRST-LAST");
	w->rule->by_lba = true;
	return 0;
}

static int parse_cdw10(struct words *w, const char *val)
{
	uint64_t n;

	if (!number(val, UINT32_MAX, &n))
		return reject(w, "cdw10", val, "a number up to 0xffffffff");
	w->rule->cdw10 = (uint32_t)n;
	w->rule->by_cdw10 = true;
	return 0;
}

static int parse_after(struct words *w, const char *val)
{
	return number(val, UINT64_MAX, &w->rule->after) ? 0 : reject(w, "after", val, "a number");
}

static int parse_every(struct words *w, const char *val)
{
	if (number(val, UINT64_MAX, &w->rule->every) && w->rule->every > 0)
		return 0;
	return reject(w, "every", val, "a number from 1 on");
}

static int parse_count(struct words *w, const char *val)
{
	if (number(val, UINT64_MAX, &w->rule->count) && w->rule->count > 0)
		return 0;
	return reject(w, "count", val, "a number from 1 on");
}

static int parse_arg(struct words *w, const char *val)
{
	return number(val, UINT64_MAX, &w->rule->arg) ? 0 : reject(w, "arg", val, "a number");
}

static int parse_offset(struct words *w, const char *val)
{
	uint64_t n;

	if (!number(val, UINT32_MAX, &n))
		return reject(w, "offset", val, "a number up to 0xffffffff");
	w->rule->offset = (uint32_t)n;
	return 0;
}

static int parse_data(struct words *w, const char *val)
{
	size_t len = strlen(val);

	if (len == 0 || len % 2 || len / 2 > EMU_FAULT_DATA ||
	    strspn(val, "0123456789abcdefABCDEF") != len)
		return reject(w, "data", val, "1 to 32 bytes of two hexadecimal digits each");
	for (size_t i = 0; i < len / 2; i++) {
		const char digits[3] = { val[2 * i], val[2 * i + 1], '\0' };

		w->rule->data[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	w->rule->len = (uint32_t)(len / 2);
	return 0;
}

enum key { POINT, ACTION, OPCODE, QUEUE, LBA, CDW10, AFTER, EVERY, COUNT, ARG, OFFSET, DATA, KEYS };

static const struct {
	const char *name;
	int (*parse)(struct words *w, const char *val);
} keys[KEYS] = {
	[POINT] = { "point", parse_point },    [ACTION] = { "action", parse_action },
	[OPCODE] = { "opcode", parse_opcode }, [QUEUE] = { "queue", parse_queue },
	[LBA] = { "lba", parse_lba },          [CDW10] = { "cdw10", parse_cdw10 },
	[AFTER] = { "after", parse_after },    [EVERY] = { "every", parse_every },
	[COUNT] = { "count", parse_count },    [ARG] = { "arg", parse_arg },
	[OFFSET] = { "offset", parse_offset }, [DATA] = { "data", parse_data },
};

#define OF_COMMAND    (1u << OPCODE | 1u << LBA | 1u << CDW10 | 1u << QUEUE)
#define GIVEN(w, key) (((w)->given >> (key)&1) != 0)

static int parse_word(struct words *w, char *word)
{
	char names[128] = "", *colon = strchr(word, ':');

	if (colon)
		*colon = '\0';
	for (uint32_t i = 0; i < KEYS; i++) {
		list(names, sizeof(names), keys[i].name);
		if (strcmp(keys[i].name, word) != 0)
			continue;
		if (!colon)
			return pl_fail(-EINVAL, "%s: fault=%s: %s has no value; accepted: %s:VALUE",
				       w->dev, w->text, word, word);
		if (GIVEN(w, i))
			return pl_fail(-EINVAL, "%s: fault=%s: %s: is given twice", w->dev, w->text,
				       word);
		w->given |= 1u << i;
		return keys[i].parse(w, colon + 1);
	}
	return pl_fail(-EINVAL, "%s: fault=%s: there is no key '%s'; accepted: %s", w->dev, w->text,
		       word, names);
}

/* Which commands a rule can be about is the point's. */
static int check_command(struct words *w)
{
	static const uint32_t known[EMU_FAULT_POINTS] = {
		[EMU_FAULT_AT_POLL] = 1u << QUEUE,     [EMU_FAULT_AT_FETCH] = 1u << QUEUE,
		[EMU_FAULT_AT_COMMAND] = OF_COMMAND,   [EMU_FAULT_AT_PEER] = OF_COMMAND,
		[EMU_FAULT_AT_IDENTIFY] = 1u << CDW10, [EMU_FAULT_AT_COMPLETE] = OF_COMMAND,
	};
	struct emu_fault_rule *r = w->rule;
	uint32_t unknown = w->given & OF_COMMAND & ~known[r->point];

	if (unknown)
		return pl_fail(-EINVAL, "%s: fault=%s: %s: says nothing at point:%s", w->dev,
			       w->text, keys[__builtin_ctz(unknown)].name, point_names[r->point]);
	if (w->admin && r->qid_first > 0)
		return complain(w, "the opcode is an admin command's, the queue is for I/O");
	if (w->nvm && r->qid_last == 0)
		return complain(w, "the opcode is an I/O command's, the queue is the admin queue");
	if (w->admin)
		r->qid_last = 0;
	else if ((w->nvm || r->by_lba) && r->qid_first == 0)
		r->qid_first = 1;
	return r->by_lba && r->qid_last == 0 ? complain(w, "admin commands name no LBAs") : 0;
}

static int check_action(const struct words *w)
{
	const struct emu_fault_rule *r = w->rule;
	const struct action *a = &actions[r->action];
	bool part = r->action == EMU_FAULT_PART || r->action == EMU_FAULT_PART_LATE;
	bool patch = r->action == EMU_FAULT_PATCH;
	char names[256] = "";

	if (!emu_fault_possible(r->point, r->action)) {
		for (uint32_t i = 0; i < EMU_FAULT_ACTIONS; i++)
			if (emu_fault_possible(r->point, (enum emu_fault_action)i))
				list(names, sizeof(names), actions[i].name);
		return pl_fail(-EINVAL,
			       "%s: fault=%s: action:%s is not possible at point:%s; accepted "
			       "there: %s",
			       w->dev, w->text, a->name, point_names[r->point], names);
	}
	if (GIVEN(w, ARG) != (a->max > 0) || r->arg < a->min || r->arg > a->max) {
		if (a->max == 0)
			return pl_fail(-EINVAL, "%s: fault=%s: action:%s takes no arg:", w->dev,
				       w->text, a->name);
		return pl_fail(-EINVAL, "%s: fault=%s: action:%s needs arg: from %llu to %llu",
			       w->dev, w->text, a->name, (unsigned long long)a->min,
			       (unsigned long long)a->max);
	}
	if (GIVEN(w, OFFSET) && !part && !patch)
		return complain(w, "offset: goes with the actions part, part-late and patch");
	if (GIVEN(w, DATA) != patch)
		return complain(w, "data: goes with the action patch, which needs it");
	if (part && r->offset % EMU_FAULT_PAGE + r->arg > EMU_FAULT_PAGE)
		return complain(w, "a part does not cross a multiple of 4096 bytes");
	if (patch && (uint64_t)r->offset + r->len > EMU_FAULT_PAGE)
		return complain(w, "Identify data have 4096 bytes");
	return 0;
}

int emu_fault_parse(const char *dev, const char *text, struct emu_fault_rule *rule)
{
	struct words w = { .dev = dev, .text = text, .rule = rule };
	char copy[MAX_TEXT], *rest = copy, *word;
	int rc = 0;

	*rule = emu_fault_rule(EMU_FAULT_AT_COMMAND, EMU_FAULT_STATUS);
	if (strlen(text) >= sizeof(copy))
		return pl_fail(-EINVAL, "%s: a fault= is longer than %u characters", dev,
			       MAX_TEXT - 1);
	strcpy(copy, text);
	while (!rc && (word = strsep(&rest, "/")) != NULL)
		rc = parse_word(&w, word);
	if (rc)
		return rc;
	if (!GIVEN(&w, POINT) || !GIVEN(&w, ACTION))
		return complain(&w, "it needs point: and action:");
	rc = check_action(&w);
	return rc ? rc : check_command(&w);
}
