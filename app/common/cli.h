/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of a Peerlane program: `PROGRAM [EAL args] -- [program args]`.
 *
 * The program's own arguments are parsed before pl_eal_init(), so that a mistake in them starts
 * nothing. Every failure is one line, "PROGRAM: message", on stderr, and the exit status says
 * which kind it was:
 *
 *   0  everything asked for was done
 *   1  it was tried and failed: an I/O error, data that compares unequal, no memory, no device
 *   2  it cannot be done as asked: a mistake in the arguments; nothing was written
 */
#ifndef APP_CLI_H
#define APP_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#define APP_EXIT_OK    0
#define APP_EXIT_FAIL  1
#define APP_EXIT_USAGE 2

struct app_cli {
	const char *program; /* the last component of argv[0] */
	int argc;            /* as main() got them: for pl_eal_init() */
	char **argv;
	int app_argc; /* what follows "--"; app_argv[0] stands for the program */
	char **app_argv;
	bool help; /* -h or --help was given, on either side of "--" */
};

void app_cli_init(struct app_cli *cli, int argc, char **argv);

/* Prints @usage and the EAL's options to stdout. */
void app_cli_help(const struct app_cli *cli, const char *usage);

/* getopt_long() over the program's arguments that words its own errors. Returns the option's value,
 * -1 after the last, or '?' with app_fail() called. @shortopts begins with ':'; long options that
 * take no value have val > 255. @reset starts over. */
int app_cli_getopt(const struct app_cli *cli, const char *shortopts, const struct option *longopts,
		   bool reset);

/* The value of an option as a number or size in [min, max]; else -EINVAL with app_fail() naming the
 * option, the value and what is accepted. */
int app_cli_u64(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value);
int app_cli_size(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Records the line that app_cli_error() prints and returns @err. Per thread, like pl_errmsg(). */
int app_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records the library's message of a call that returned @err, and returns @err. */
int app_fail_lib(int err);

const char *app_errmsg(void);

/* Prints "PROGRAM: message" for what app_fail() recorded. */
void app_cli_error(const struct app_cli *cli);

/* The exit status for a failure before the first I/O: 2 if the request cannot be met whoever
 * retries it, 1 if it might have been. */
int app_setup_status(int err);

#endif
