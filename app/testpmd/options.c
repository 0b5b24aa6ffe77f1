/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "options.h"
#include "size.h"

#define MAX_BS (64u << 20)
/* A queue has at most 65536 entries (CAP.MQES is 16 bits, 0's based) and one stays empty. */
#define MAX_QD 65535

/* Of all engines together; as many as a set of them has bits. */
#define MAX_ENGINE_OPTIONS 64

enum { OPT_COUNT = 256, OPT_VERIFY, OPT_JSON, OPT_SEED, OPT_ENGINES = 512 };

enum word { WORD_NONE, WORD_WORKLOADS, WORD_BS, WORD_QD, WORD_COUNT };

/* The options that every workload has. What the engines have to say of one stands between `help`
 * and `rest`. */
static const struct common {
	const char *name;
	int val; /* its letter, or OPT_* */
	int has_arg;
	const char *help;
	enum word word;
	const char *rest;
} common[] = {
	{ "workload", 'w', required_argument, "  -w, --workload NAME     ", WORD_WORKLOADS, "\n" },
	{ "bs", 'o', required_argument, "  -o, --bs SIZE           bytes of ", WORD_BS, "\n" },
	{ "qd", 'q', required_argument, "  -q, --qd N              ", WORD_QD, "\n" },
	{ "time", 't', required_argument, "  -t, --time SEC          how long to measure (1)\n",
	  WORD_NONE, "" },
	{ "count", OPT_COUNT, required_argument, "      --count N           ", WORD_COUNT,
	  " (no time limit unless -t)\n" },
	{ "warmup-time", 'a', required_argument,
	  "  -a, --warmup-time SEC   run this long before measuring (0)\n", WORD_NONE, "" },
	{ "verify", OPT_VERIFY, no_argument,
	  "      --verify            compare what was read and written with what the device "
	  "holds\n",
	  WORD_NONE, "" },
	{ "seed", OPT_SEED, required_argument, "      --seed N            of offsets and mix (1)\n",
	  WORD_NONE, "" },
	{ "json", OPT_JSON, required_argument,
	  "      --json FILE         write the results as JSON; - is stdout\n", WORD_NONE, "" },
};

#define NB_COMMON (sizeof(common) / sizeof(common[0]))

/* Which options were given, where leaving one out differs from giving its default. */
struct given {
	bool bs, qd, time;
	uint64_t engines; /* bit i: the i-th option of the engines */
};

/* The @i-th option of the engines together, and whose it is; NULL after the last. */
static const struct engine_option *engine_option(unsigned int i, const struct engine **owner)
{
	for (unsigned int e = 0; (*owner = engine_get(e)) != NULL; e++)
		for (const struct engine_option *opt = (*owner)->options; opt && opt->longopt;
		     opt++)
			if (!i--)
				return opt;
	return NULL;
}

/* ---- the usage text ---- */

struct text {
	char *buf;
	size_t len;
	size_t used;
};

static void add(struct text *t, const char *s)
{
	if (t->used < t->len)
		t->used += (size_t)snprintf(t->buf + t->used, t->len - t->used, "%s", s);
}

static const char *word_of(const struct engine *engine, enum word word)
{
	return word == WORD_BS   ? engine->bs_help
	       : word == WORD_QD ? engine->qd_help
				 : engine->count_help;
}

/* What each engine has to say. */
static void add_words(struct text *t, enum word word)
{
	static const char *const between[] = {
		[WORD_BS] = ", of ", [WORD_QD] = ", ", [WORD_COUNT] = ", or "
	};
	const struct engine *engine;
	const char *sep = "";
	char names[160];

	if (word == WORD_WORKLOADS)
		add(t, workload_names(NULL, names, sizeof(names)));
	if (word == WORD_WORKLOADS || word == WORD_NONE)
		return;
	for (unsigned int e = 0; (engine = engine_get(e)) != NULL; e++) {
		const char *s = word_of(engine, word);

		if (!s)
			continue;
		add(t, sep);
		add(t, s);
		sep = between[word];
	}
}

const char *options_usage(char *buf, size_t len)
{
	struct text t = { .buf = buf, .len = len };
	const struct engine_option *opt;
	const struct engine *engine;

	add(&t, "-w WORKLOAD [options]\n");
	for (size_t c = 0; c < NB_COMMON; c++) {
		for (unsigned int i = 0; (opt = engine_option(i, &engine)) != NULL; i++)
			if (opt->help && !strcmp(opt->before, common[c].name))
				add(&t, opt->help);
		add(&t, common[c].help);
		add_words(&t, common[c].word);
		add(&t, common[c].rest);
	}
	add(&t, "  -h, --help\n");
	for (unsigned int e = 0; (engine = engine_get(e)) != NULL; e++)
		if (engine->help)
			add(&t, engine->help);
	return buf;
}

/* ---- parsing ---- */

struct syntax {
	char letters[2 * (NB_COMMON + MAX_ENGINE_OPTIONS) + 2];
	struct option names[NB_COMMON + MAX_ENGINE_OPTIONS + 1];
};

static void add_option(struct syntax *s, unsigned int i, const char *name, int has_arg, int val)
{
	size_t used = strlen(s->letters);

	s->names[i] = (struct option){ name, has_arg, NULL, val };
	if (val < OPT_COUNT)
		snprintf(s->letters + used, sizeof(s->letters) - used, "%c%s", val,
			 has_arg == required_argument ? ":" : "");
}

static void make_syntax(struct syntax *s)
{
	const struct engine_option *opt;
	const struct engine *engine;
	unsigned int n = 0;

	memset(s, 0, sizeof(*s));
	s->letters[0] = ':';
	for (; n < NB_COMMON; n++)
		add_option(s, n, common[n].name, common[n].has_arg, common[n].val);
	for (unsigned int i = 0;
	     i < MAX_ENGINE_OPTIONS && (opt = engine_option(i, &engine)) != NULL; i++)
		add_option(s, n++, opt->longopt, required_argument,
			   opt->letter ? opt->letter : OPT_ENGINES + (int)i);
}

static int parse_workload(const char *name, struct testpmd_opts *o)
{
	char names[160];

	o->workload = workload_find(name);
	if (!o->workload)
		return app_fail(-EINVAL, "-w %s: no such workload; accepted is %s", name,
				workload_names(NULL, names, sizeof(names)));
	return 0;
}

static int parse_of_engine(int option, const char *arg, struct testpmd_opts *o, struct given *given)
{
	const struct engine_option *opt;
	const struct engine *engine;
	unsigned int i = 0;

	while ((opt = engine_option(i, &engine)) != NULL && option != opt->letter &&
	       option != OPT_ENGINES + (int)i)
		i++;
	if (!opt)
		return app_fail(-EINVAL, "unknown option; see --help");
	given->engines |= 1ull << i;
	return opt->parse(arg, o);
}

static int parse_one(int option, const char *arg, struct testpmd_opts *o, struct given *given)
{
	uint64_t v = 0;
	int rc;

	switch (option) {
	case 'w':
		return parse_workload(arg, o);
	case 'o':
		given->bs = true;
		o->bs_text = arg;
		rc = app_cli_size("-o", arg, 1, MAX_BS, &v);
		o->bs = (uint32_t)v;
		return rc;
	case 'q':
		given->qd = true;
		rc = app_cli_u64("-q", arg, 1, MAX_QD, &v);
		o->qd = (uint32_t)v;
		return rc;
	case 't':
		given->time = true;
		return app_cli_u64("-t", arg, 1, 31536000, &o->seconds);
	case 'a':
		return app_cli_u64("-a", arg, 0, 31536000, &o->warmup);
	case OPT_COUNT:
		return app_cli_u64("--count", arg, 1, INT64_MAX, &o->count);
	case OPT_SEED:
		return app_cli_u64("--seed", arg, 0, INT64_MAX, &o->seed);
	case OPT_VERIFY:
		o->verify = true;
		return 0;
	case OPT_JSON:
		o->json = arg;
		return 0;
	default:
		return parse_of_engine(option, arg, o, given);
	}
}

/* Whether the engines' options that were given go with the workload. */
static int check_engine_options(const struct testpmd_opts *o, uint64_t given)
{
	const struct engine_option *opt;
	const struct engine *owner;
	char names[160];
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && given >> i; i++) {
		if (!(given >> i & 1))
			continue;
		opt = engine_option(i, &owner);
		if (opt->goes)
			rc = opt->goes(o);
		else if (owner != o->workload->engine)
			rc = app_fail(-EINVAL, "--%s: only for -w %s, not for -w %s", opt->longopt,
				      workload_names(owner, names, sizeof(names)),
				      o->workload->name);
	}
	return rc;
}

/* What fits together, and the defaults that depend on the workload. */
static int settle(struct testpmd_opts *o, const struct given *given)
{
	const struct engine *engine;
	char names[160];
	int rc;

	if (!o->workload)
		return app_fail(-EINVAL, "-w is missing; accepted is %s",
				workload_names(NULL, names, sizeof(names)));
	engine = o->workload->engine;
	rc = check_engine_options(o, given->engines);
	if (rc == 0 && engine->check)
		rc = engine->check(o);
	if (rc)
		return rc;
	if (!given->bs) {
		o->bs = engine->bs;
		o->bs_text = engine->bs_text;
	}
	if (!given->qd)
		o->qd = engine->qd;
	if (!given->time)
		o->seconds = o->count ? 0 : 1;
	if (o->warmup && !o->seconds)
		return app_fail(-EINVAL, "-a %" PRIu64 ": a warm-up with --count needs -t as well",
				o->warmup);
	return 0;
}

int options_parse(const struct app_cli *cli, struct testpmd_opts *o)
{
	struct given given = { .engines = 0 };
	const struct engine *engine;
	struct syntax syntax;
	int option, rc;

	memset(o, 0, sizeof(*o));
	o->seed = 1;
	for (unsigned int e = 0; (engine = engine_get(e)) != NULL; e++)
		if (engine->defaults)
			engine->defaults(o);
	make_syntax(&syntax);
	for (bool first = true;; first = false) {
		option = app_cli_getopt(cli, syntax.letters, syntax.names, first);
		if (option == -1)
			break;
		if (option == '?')
			return -EINVAL;
		rc = parse_one(option, optarg, o, &given);
		if (rc)
			return rc;
	}
	if (optind < cli->app_argc)
		return app_fail(-EINVAL, "unexpected argument %s; see --help",
				cli->app_argv[optind]);
	return settle(o, &given);
}

json_t *options_json(const struct testpmd_opts *o)
{
	json_t *options = json_pack("{s:s, s:I, s:I, s:I, s:b}", "rw", o->workload->name, "bs",
				    (json_int_t)o->bs, "iodepth", (json_int_t)o->qd, "randseed",
				    (json_int_t)o->seed, "verify", (int)o->verify);

	if (o->workload->mixed)
		json_object_set_new(options, "rwmixread", json_integer(o->rwmixread));
	if (o->seconds)
		json_object_set_new(options, "runtime", json_integer((json_int_t)o->seconds));
	if (o->warmup)
		json_object_set_new(options, "ramp_time", json_integer((json_int_t)o->warmup));
	if (o->count)
		json_object_set_new(options, "number_ios", json_integer((json_int_t)o->count));
	return options;
}
