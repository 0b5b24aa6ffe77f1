/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_POLLER_H
#define PL_POLLER_H

/* Takes every poller off its lcore and joins the worker lcores. Main lcore only. */
void pollers_stop_all(void);

#endif
