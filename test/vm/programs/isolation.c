/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/isolation.sh runs: a read whose data is aimed at an IOVA that nothing is mapped
 * at. Whatever status the controller gives, no registered memory may change, and the controller
 * must go on working.
 *
 *     isolation BDF IOVA [EAL options]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <peerlane/pl_eal.h>
#include <peerlane/pl_nvme.h>

#define BLOCK  4096u
#define CANARY (8u << 20)

static int run_op(struct pl_nvme_qpair *qp, struct pl_nvme_op *op)
{
	struct pl_nvme_op *done;

	if (pl_nvme_submit(qp, &op, 1) != 1)
		return -1;
	while (pl_nvme_poll(qp, &done, 1) == 0)
		;
	return 0;
}

static int isolate(struct pl_nvme_ns *ns, struct pl_nvme_qpair *qp, void *iova, uint8_t *canary)
{
	uint32_t nlb = BLOCK >> ns->lba_shift;
	struct pl_nvme_op op;

	memset(canary, 0x5a, CANARY);
	pl_nvme_op_read(&op, ns, iova, 0, nlb);
	if (run_op(qp, &op))
		return -1;
	printf("read into the unmapped IOVA %p: %s\n", iova, pl_nvme_status_str(op.status));
	for (size_t i = 0; i < CANARY; i++)
		if (canary[i] != 0x5a) {
			fprintf(stderr, "isolation: registered memory changed at %p\n",
				(void *)(canary + i));
			return -1;
		}
	/* The controller still works: what is written is what is read. */
	memset(canary, 0xc3, BLOCK);
	pl_nvme_op_write(&op, ns, canary, 0, nlb);
	if (run_op(qp, &op) || op.status)
		return -1;
	pl_nvme_op_read(&op, ns, canary + BLOCK, 0, nlb);
	if (run_op(qp, &op) || op.status)
		return -1;
	return memcmp(canary, canary + BLOCK, BLOCK) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct pl_nvme_qpair *qp = NULL;
	struct pl_nvme_ctrlr *ctrlr;
	struct pl_nvme_ns *ns;
	uint8_t *canary;
	const char *bdf = argc > 1 ? argv[1] : "";
	void *iova = (void *)(argc > 2 ? strtoul(argv[2], NULL, 0) : 0);
	int rc = -1;

	if (argc < 3) {
		fprintf(stderr, "usage: isolation BDF IOVA [EAL options]\n");
		return 2;
	}
	argv[2] = argv[0];
	if (pl_eal_init(argc - 2, argv + 2) < 0) {
		fprintf(stderr, "isolation: %s\n", pl_errmsg());
		return 2;
	}
	canary = pl_mem_zalloc(CANARY, -1);
	ctrlr = pl_nvme_ctrlr_get(bdf);
	ns = ctrlr ? pl_nvme_ns_get(ctrlr, 1) : NULL;
	if (canary && ns && pl_nvme_qpair_create(ctrlr, NULL, &qp) == 0)
		rc = isolate(ns, qp, iova, canary);
	if (rc)
		fprintf(stderr, "isolation: failed: %s\n", pl_errmsg());
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(canary);
	pl_eal_cleanup();
	return rc ? 1 : 0;
}
