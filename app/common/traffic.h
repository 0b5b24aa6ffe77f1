/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes by the kind of memory they crossed, as the devices counted them where they read or wrote.
 * "Own" is the memory of the device that counted, "peer" another device's.
 */
#ifndef APP_TRAFFIC_H
#define APP_TRAFFIC_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <peerlane/pl_nvme.h>

void app_traffic_add(struct pl_nvme_traffic *to, const struct pl_nvme_traffic *from);

/* @to -= @from, for counters read later and earlier. */
void app_traffic_sub(struct pl_nvme_traffic *to, const struct pl_nvme_traffic *from);

/* User data that crossed host DRAM, in either direction. */
uint64_t app_traffic_host_data(const struct pl_nvme_traffic *t);

/* One part of a run, as a block of rows. */
struct app_traffic_phase {
	const char *name; /* "copy" */
	const struct pl_nvme_traffic *traffic;
};

/* A row per kind of memory and phase; data in both directions, then queues, lists and admin. */
void app_traffic_print(FILE *out, const struct app_traffic_phase *phases, unsigned int n);

/* {"data": {"host_dram": {"read": N, "write": N}, "own_cmb": ...}, "queue": ..., "list": ...,
 *  "admin": ...}; NULL if out of memory. */
json_t *app_traffic_json(const struct pl_nvme_traffic *t);

#endif
