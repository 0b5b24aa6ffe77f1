/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault injection for unwind paths, in the manner of the kernel's fail-nth: a test runs a sequence
 * that succeeds, then again with the 1st, 2nd, ... fallible step made to fail, until the sweep runs
 * past the last step. Every setup step that can fail for lack of resources asks pl_inject_hit()
 * first. Never called on the data path.
 */
#ifndef PL_INJECT_H
#define PL_INJECT_H

#include <stdbool.h>

/* True if this step must fail. Counts the calling thread's steps only. */
bool pl_inject_hit(void);

/* Makes the nth step from now (1 = the next) fail once; 0 disarms. Thread-local. */
void pl_inject_arm(unsigned int nth);

/* True if the armed failure has fired since pl_inject_arm(). */
bool pl_inject_fired(void);

#endif
