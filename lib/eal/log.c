/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>

#include "pl_log.h"

RTE_LOG_REGISTER(pl_logtype, peerlane, NOTICE)

void eal_log(uint32_t level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!rte_log_can_log(pl_logtype, level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rte_log(level, pl_logtype, "PEERLANE: %s\n", text);
}
