/* SPDX-License-Identifier: BSD-3-Clause */
#include "pl_log.h"

RTE_LOG_REGISTER(pl_logtype, peerlane, NOTICE)
