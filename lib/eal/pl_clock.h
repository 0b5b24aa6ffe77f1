/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting outside the data path: when it is, and a pause that lets other threads run. */
#ifndef PL_CLOCK_H
#define PL_CLOCK_H

#include <sched.h>
#include <stdint.h>
#include <time.h>

#include <rte_pause.h>

/* Milliseconds on the monotonic clock. */
static inline uint64_t pl_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Between two looks at what a device or another thread is to change. */
static inline void pl_relax(void)
{
	for (int i = 0; i < 64; i++)
		rte_pause();
	sched_yield(); /* it may be a thread of this very CPU */
}

#endif
