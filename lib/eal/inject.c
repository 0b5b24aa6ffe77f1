/* SPDX-License-Identifier: BSD-3-Clause */
#include "pl_inject.h"

static __thread unsigned int steps_left;
static __thread bool fired;

bool pl_inject_hit(void)
{
	if (steps_left == 0 || --steps_left > 0)
		return false;
	fired = true;
	return true;
}

void pl_inject_arm(unsigned int nth)
{
	steps_left = nth;
	fired = false;
}

bool pl_inject_fired(void)
{
	return fired;
}
