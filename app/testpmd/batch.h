/* SPDX-License-Identifier: BSD-3-Clause */
/* One session from its start to its report, with a line of progress, that Ctrl-C ends. */
#ifndef TESTPMD_BATCH_H
#define TESTPMD_BATCH_H

#include "engine.h"

/* Prints what is done and found, and fills @report. Returns the exit status; the message of a
 * failure has been printed. */
int batch_run(const struct engine_env *env, struct engine_report *report);

#endif
