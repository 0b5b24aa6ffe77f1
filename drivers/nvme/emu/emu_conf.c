/* SPDX-License-Identifier: BSD-3-Clause */
/* The --vdev arguments of an emulated controller: parsed and judged without touching anything. */
#include <stdlib.h>
#include <string.h>

#include <peerlane/pl_parse.h>

#include "emu.h"
#include "pl_log.h"
#include "pl_pairs.h"

const char emu_usage[] =
	"nvme_emuN,size=SIZE|path=FILE[,KEY=VALUE...], KEY one of bs, cmb, cmboff, "
	"cmbflags, cmbs, pmr, mdts, queues, ns, mqes, dstrd, cqr, drop, err, "
	"fault, populate, slow, subsys, zoned; SIZE "
	"in bytes or with K, M, G or T";

#define EMU_BS_MIN   512u
#define EMU_BS_MAX   65536u
#define EMU_MDTS_MIN 8192u /* an MDTS of one page would be encoded as 0: no limit */
#define EMU_MDTS_MAX (128ull * 1024 * 1024)
#define EMU_ALL_RIGHTS \
	(NVME_CMBSZ_SQS | NVME_CMBSZ_CQS | NVME_CMBSZ_LISTS | NVME_CMBSZ_RDS | NVME_CMBSZ_WDS)

struct arg {
	const char *dev;
	const char *key;
	const char *val;
};

static int reject(const struct arg *a, const char *accepted)
{
	return pl_fail(-EINVAL, "%s: %s=%s is not valid; accepted: %s", a->dev, a->key, a->val,
		       accepted);
}

static int parse_size(const struct arg *a, uint64_t unit, uint64_t *out)
{
	if (pl_size_parse(a->val, out) || *out == 0 || *out > INT64_MAX)
		return reject(a, "a positive number of bytes with an optional K, M, G or T");
	if (*out % unit != 0)
		return reject(a, "a multiple of 4096 bytes");
	return 0;
}

static int parse_range(const struct arg *a, uint64_t min, uint64_t max, uint64_t *out)
{
	char accepted[64];

	if (pl_u64_parse(a->val, out) == 0 && *out >= min && *out <= max)
		return 0;
	snprintf(accepted, sizeof(accepted), "a number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	return reject(a, accepted);
}

static int parse_u32(const struct arg *a, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t n;
	int err = parse_range(a, min, max, &n);

	if (err == 0)
		*out = (uint32_t)n;
	return err;
}

static int parse_bool(const struct arg *a, bool *out)
{
	if (strcmp(a->val, "0") != 0 && strcmp(a->val, "1") != 0)
		return reject(a, "0 or 1");
	*out = a->val[0] == '1';
	return 0;
}

static int key_size(const struct arg *a, struct emu_conf *conf)
{
	return parse_size(a, 1, &conf->size);
}

static int key_path(const struct arg *a, struct emu_conf *conf)
{
	if (a->val[0] == '\0' || strlen(a->val) >= sizeof(conf->path))
		return reject(a, "the name of an existing file");
	strcpy(conf->path, a->val);
	return 0;
}

static int key_subsys(const struct arg *a, struct emu_conf *conf)
{
	if (a->val[0] == '\0' || strlen(a->val) >= sizeof(conf->subsys))
		return reject(a, "a name of 1 to 63 characters");
	strcpy(conf->subsys, a->val);
	return 0;
}

static int key_bs(const struct arg *a, struct emu_conf *conf)
{
	uint64_t n;

	if (pl_size_parse(a->val, &n) || n < EMU_BS_MIN || n > EMU_BS_MAX || (n & (n - 1)) != 0)
		return reject(a, "a power of two from 512 to 65536");
	conf->bs = (uint32_t)n;
	return 0;
}

static int key_cmb(const struct arg *a, struct emu_conf *conf)
{
	return parse_size(a, EMU_PAGE, &conf->cmb);
}

static int key_cmboff(const struct arg *a, struct emu_conf *conf)
{
	if (strcmp(a->val, "0") == 0)
		return 0;
	return parse_size(a, EMU_PAGE, &conf->cmb_off);
}

static int key_cmbflags(const struct arg *a, struct emu_conf *conf)
{
	static const char *const names[] = { "sqs", "cqs", "lists", "rds", "wds" };
	const char *s = a->val;

	conf->cmb_rights = 0;
	for (;;) {
		size_t len = strcspn(s, ":"), i;

		for (i = 0; i < 5; i++)
			if (strlen(names[i]) == len && strncmp(names[i], s, len) == 0)
				break;
		if (i == 5 || (conf->cmb_rights & (1u << i)) != 0)
			return reject(a, "some of sqs, cqs, lists, rds, wds, joined by ':'");
		conf->cmb_rights |= 1u << i;
		if (s[len] == '\0')
			return 0;
		s += len + 1;
	}
}

static int key_cmbs(const struct arg *a, struct emu_conf *conf)
{
	return parse_bool(a, &conf->cmbs);
}

static int key_pmr(const struct arg *a, struct emu_conf *conf)
{
	return parse_size(a, EMU_PAGE, &conf->pmr);
}

static int key_zoned(const struct arg *a, struct emu_conf *conf)
{
	return parse_size(a, EMU_PAGE, &conf->zone);
}

static int key_mdts(const struct arg *a, struct emu_conf *conf)
{
	uint64_t n;

	if (pl_size_parse(a->val, &n) ||
	    (n != 0 && (n < EMU_MDTS_MIN || n > EMU_MDTS_MAX || (n & (n - 1)) != 0)))
		return reject(a, "0 (no limit) or a power of two from 8K to 128M");
	conf->mdts = n;
	return 0;
}

static int key_queues(const struct arg *a, struct emu_conf *conf)
{
	return parse_u32(a, 1, EMU_MAX_IO_QUEUES, &conf->queues);
}

static int key_ns(const struct arg *a, struct emu_conf *conf)
{
	return parse_u32(a, 1, EMU_NN, &conf->nb_ns);
}

static int key_mqes(const struct arg *a, struct emu_conf *conf)
{
	return parse_u32(a, 2, 65536, &conf->entries);
}

static int key_dstrd(const struct arg *a, struct emu_conf *conf)
{
	return parse_u32(a, 0, 4, &conf->dstrd);
}

static int key_cqr(const struct arg *a, struct emu_conf *conf)
{
	return parse_bool(a, &conf->cqr);
}

static int key_populate(const struct arg *a, struct emu_conf *conf)
{
	return parse_bool(a, &conf->populate);
}

static int add_fault(const struct arg *a, struct emu_fault_rule *rule, struct emu_conf *conf)
{
	if (conf->nb_faults == EMU_FAULT_RULES)
		return pl_fail(-EINVAL, "%s: %s=%s is one fault too many; accepted: %u of them",
			       a->dev, a->key, a->val, EMU_FAULT_RULES);
	rule->lasting = true;
	conf->faults[conf->nb_faults++] = *rule;
	return 0;
}

static int key_drop(const struct arg *a, struct emu_conf *conf)
{
	struct emu_fault_rule rule = emu_fault_rule(EMU_FAULT_AT_PEER, EMU_FAULT_DROP);
	int rc = parse_range(a, 1, INT64_MAX, &rule.every);

	return rc ? rc : add_fault(a, &rule, conf);
}

/* The medium fails every Nth I/O command, whatever it is. */
static int key_err(const struct arg *a, struct emu_conf *conf)
{
	struct emu_fault_rule rule = emu_fault_rule(EMU_FAULT_AT_COMMAND, EMU_FAULT_MEDIUM);
	int rc = parse_range(a, 1, INT64_MAX, &rule.every);

	rule.qid_first = 1;
	return rc ? rc : add_fault(a, &rule, conf);
}

/* Each admin command waits. */
static int key_slow(const struct arg *a, struct emu_conf *conf)
{
	struct emu_fault_rule rule = emu_fault_rule(EMU_FAULT_AT_FETCH, EMU_FAULT_DELAY);
	int rc = parse_range(a, 1, 3600000, &rule.arg);

	rule.qid_last = 0;
	return rc ? rc : add_fault(a, &rule, conf);
}

static int key_fault(const struct arg *a, struct emu_conf *conf)
{
	struct emu_fault_rule rule;
	int rc = emu_fault_parse(a->dev, a->val, &rule);

	return rc ? rc : add_fault(a, &rule, conf);
}

static const struct {
	const char *name;
	int (*parse)(const struct arg *a, struct emu_conf *conf);
	bool again; /* may be given more than once */
} keys[] = {
	{ "size", key_size, false },     { "path", key_path, false },
	{ "bs", key_bs, false },         { "cmb", key_cmb, false },
	{ "cmboff", key_cmboff, false }, { "cmbflags", key_cmbflags, false },
	{ "cmbs", key_cmbs, false },     { "pmr", key_pmr, false },
	{ "mdts", key_mdts, false },     { "queues", key_queues, false },
	{ "ns", key_ns, false },         { "mqes", key_mqes, false },
	{ "dstrd", key_dstrd, false },   { "cqr", key_cqr, false },
	{ "drop", key_drop, false },     { "err", key_err, false },
	{ "fault", key_fault, true },    { "populate", key_populate, false },
	{ "slow", key_slow, false },     { "subsys", key_subsys, false },
	{ "zoned", key_zoned, false },
};
#define NB_KEYS (sizeof(keys) / sizeof(keys[0]))

struct parse {
	const char *dev;
	struct emu_conf *conf;
	uint32_t seen; /* bits of keys[] */
};

static int parse_pair(const struct eal_pair *pair, void *arg)
{
	struct parse *p = arg;
	const struct arg a = { p->dev, pair->key, pair->val };

	for (uint32_t i = 0; i < NB_KEYS; i++) {
		if (strcmp(keys[i].name, a.key) != 0)
			continue;
		if ((p->seen & (1u << i)) != 0 && !keys[i].again)
			return pl_fail(-EINVAL, "%s: %s= is given twice; accepted: %s", a.dev,
				       a.key, emu_usage);
		p->seen |= 1u << i;
		if (!a.val)
			return pl_fail(-EINVAL, "%s: %s has no value; accepted: %s", a.dev, a.key,
				       emu_usage);
		return keys[i].parse(&a, p->conf);
	}
	return pl_fail(-EINVAL, "%s: there is no key '%s'; accepted: %s", a.dev, a.key, emu_usage);
}

static int given(uint32_t seen, const char *name)
{
	for (uint32_t i = 0; i < NB_KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return (int)((seen >> i) & 1);
	return 0;
}

/* What no single key can tell. */
static int check_whole(const char *dev, uint32_t seen, const struct emu_conf *conf)
{
	if (conf->size == 0 && conf->path[0] == '\0')
		return pl_fail(-EINVAL, "%s: neither size= nor path= is given; accepted: %s", dev,
			       emu_usage);
	if (conf->size % conf->bs != 0)
		return pl_fail(-EINVAL, "%s: size=%llu is not a multiple of bs=%u", dev,
			       (unsigned long long)conf->size, conf->bs);
	if (conf->zone % conf->bs != 0)
		return pl_fail(-EINVAL, "%s: zoned=%llu is not a multiple of bs=%u", dev,
			       (unsigned long long)conf->zone, conf->bs);
	if (conf->path[0] != '\0' && conf->nb_ns > 1)
		return pl_fail(-EINVAL,
			       "%s: ns=%u does not go with path=; a file backs one namespace", dev,
			       conf->nb_ns);
	if (conf->subsys[0] != '\0' && conf->path[0] == '\0')
		return pl_fail(-EINVAL,
			       "%s: subsys=%s needs path=: what controllers share is a file", dev,
			       conf->subsys);
	if (conf->cmb == 0 &&
	    (given(seen, "cmboff") || given(seen, "cmbflags") || given(seen, "cmbs")))
		return pl_fail(-EINVAL, "%s: cmboff=, cmbflags= and cmbs= need cmb=SIZE", dev);
	if (conf->cmb != 0 && emu_cmbsz(conf) == 0)
		return pl_fail(-EINVAL,
			       "%s: cmb=%llu at cmboff=%llu cannot be told in CMBSZ; accepted: "
			       "multiples of 4K below 4G, of 64K below 64G, of 1M below 1T",
			       dev, (unsigned long long)conf->cmb,
			       (unsigned long long)conf->cmb_off);
	return 0;
}

int emu_conf_parse(const char *dev, const char *args, struct emu_conf *conf)
{
	struct parse p = { .dev = dev, .conf = conf };
	int rc;

	*conf = (struct emu_conf){
		.bs = EMU_BS_MIN,
		.cmb_rights = EMU_ALL_RIGHTS,
		.cmbs = true,
		.mdts = 512ul * 1024,
		.queues = 8,
		.nb_ns = 1,
		.entries = 1024,
		.cqr = true,
	};
	rc = eal_pairs_walk(args, parse_pair, &p);
	return rc ? rc : check_whole(dev, p.seen, conf);
}
