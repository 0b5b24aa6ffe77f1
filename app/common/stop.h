/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ctrl-C and SIGTERM end a program in steps, so that it can still say what it did: the first asks
 * the work to stop, the second a verification that follows it, the third kills. Each also ends a wait
 * for a device that comes up or goes, so app_stop_init() comes before pl_eal_init().
 */
#ifndef APP_STOP_H
#define APP_STOP_H

#include <signal.h>

extern volatile sig_atomic_t app_stop_requests;

void app_stop_init(void);

/* How often the user asked to stop. Cheap enough for a polling loop. */
static inline int app_stop_count(void)
{
	return (int)app_stop_requests;
}

#endif
