/* SPDX-License-Identifier: BSD-3-Clause */
/* The request to end a wait for a device. */
#include <peerlane/pl_eal.h>

#include "pl_stop.h"

static bool requested; /* atomic: a signal handler sets it */

void pl_eal_request_stop(void)
{
	__atomic_store_n(&requested, true, __ATOMIC_RELAXED);
}

bool pl_eal_stop_requested(void)
{
	return __atomic_load_n(&requested, __ATOMIC_RELAXED);
}

void pl_stop_clear(void)
{
	__atomic_store_n(&requested, false, __ATOMIC_RELAXED);
}
