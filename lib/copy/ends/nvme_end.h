/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_END_H
#define NVME_END_H

struct copy_end;

/* The queue pair of an end that is open; for tests. */
struct pl_nvme_qpair *nvme_end_qpair(const struct copy_end *end);

#endif
