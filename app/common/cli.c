/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <peerlane/pl_eal.h>
#include <peerlane/pl_parse.h>

#include "cli.h"
#include "size.h"

static __thread char errmsg[512];

int app_fail(int err, const char *fmt, ...)
{
	char text[sizeof(errmsg)]; /* the arguments may point into errmsg */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(errmsg, text, sizeof(errmsg));
	return err;
}

int app_fail_lib(int err)
{
	const char *text = pl_errmsg();

	return app_fail(err, "%s", text[0] ? text : pl_errname(err));
}

const char *app_errmsg(void)
{
	return errmsg;
}

void app_cli_error(const struct app_cli *cli)
{
	fprintf(stderr, "%s: %s\n", cli->program, errmsg);
}

int app_setup_status(int err)
{
	switch (err) {
	case -EINVAL:
	case -ENOENT:
	case -EEXIST:
	case -ENOTSUP:
	case -EACCES:
	case -EBUSY:
	case -EREMOTEIO:
		return APP_EXIT_USAGE;
	default:
		return APP_EXIT_FAIL;
	}
}

void app_cli_init(struct app_cli *cli, int argc, char **argv)
{
	static char *no_args[] = { NULL, NULL };
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	int split = 1;

	memset(cli, 0, sizeof(*cli));
	cli->program = slash ? slash + 1 : argc > 0 ? argv[0] : "peerlane";
	cli->argc = argc;
	cli->argv = argv;
	while (split < argc && strcmp(argv[split], "--"))
		split++;
	if (split < argc) {
		cli->app_argc = argc - split;
		cli->app_argv = argv + split;
	} else {
		no_args[0] = argc > 0 ? argv[0] : NULL;
		cli->app_argc = 1;
		cli->app_argv = no_args;
	}
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))
			cli->help = true;
}

void app_cli_help(const struct app_cli *cli, const char *usage)
{
	const char *eal = pl_eal_usage();

	printf("Usage: %s [EAL options] -- %s", cli->program, usage);
	printf("\n%s%s", eal, eal[0] && eal[strlen(eal) - 1] == '\n' ? "" : "\n");
}

int app_cli_getopt(const struct app_cli *cli, const char *shortopts, const struct option *longopts,
		   bool reset)
{
	int c;

	if (reset)
		optind = 0; /* glibc: forget everything, librte_eal uses getopt too */
	opterr = 0;
	c = getopt_long(cli->app_argc, cli->app_argv, shortopts, longopts, NULL);
	/* A leading ':' in @shortopts makes getopt tell a missing value from an unknown option. */
	if (c == ':') {
		app_fail(-EINVAL, "option %s needs a value; see --help", cli->app_argv[optind - 1]);
		return '?';
	}
	if (c != '?')
		return c;
	/* For a long option optopt is 0, or its value (above 255) if it was given an argument. */
	if (optopt > 0 && optopt <= 255)
		app_fail(-EINVAL, "unknown option -%c; see --help", optopt);
	else if (optopt)
		app_fail(-EINVAL, "option %s takes no value; see --help",
			 cli->app_argv[optind - 1]);
	else
		app_fail(-EINVAL, "unknown or ambiguous option %s; see --help",
			 cli->app_argv[optind - 1]);
	return '?';
}

int app_cli_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v;

	if (pl_u64_parse(text, &v) || v < min || v > max)
		return app_fail(-EINVAL, "%s %s: accepted is a number from %" PRIu64 " to %" PRIu64,
				option, text, min, max);
	*value = v;
	return 0;
}

int app_cli_size(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char lo[APP_SIZE_TEXT], hi[APP_SIZE_TEXT];
	int rc = pl_size_parse(text, value);

	if (rc)
		return app_fail(-EINVAL, "%s %s: not a size; accepted is " APP_SIZE_FORM, option,
				text);
	if (*value < min || *value > max)
		return app_fail(-EINVAL, "%s %s: accepted is a size from %s to %s", option, text,
				app_size_format(min, lo), app_size_format(max, hi));
	return 0;
}
