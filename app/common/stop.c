/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <peerlane/pl_eal.h>

#include "stop.h"

volatile sig_atomic_t app_stop_requests;

static void on_signal(int sig)
{
	app_stop_requests = app_stop_requests + 1;
	pl_eal_request_stop();
	if (app_stop_requests >= 2)
		signal(sig, SIG_DFL);
}

void app_stop_init(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	app_stop_requests = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}
