/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program that insn_per_io.sh counts instructions of: ROUNDS rounds of submitting BURST 4 KiB
 * reads in one call, waiting until the device has posted every completion (without calling the
 * driver), and collecting them in one call. The counter collects only inside pl_nvme_submit() and
 * pl_nvme_poll(), so neither the wait nor the device is counted.
 *
 *     insn_per_io BURST ROUNDS [EAL options]
 */
#include <stdio.h>
#include <stdlib.h>

#include <peerlane/pl_eal.h>
#include <peerlane/pl_nvme.h>

#define BLOCK     4096u
#define MAX_BURST 128u

/* Bytes of completions that the device has posted to host memory. */
static uint64_t completions_posted(struct pl_nvme_ctrlr *ctrlr)
{
	struct pl_nvme_traffic t;

	if (pl_nvme_ctrlr_traffic(ctrlr, &t, sizeof(t)))
		return 0;
	return t.bytes[PL_TRAFFIC_QUEUE][PL_TRAFFIC_HOST][1] / sizeof(struct pl_nvme_cqe);
}

static int round_trip(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t burst)
{
	struct pl_nvme_ctrlr *ctrlr = ops[0]->ns->ctrlr;
	struct pl_nvme_op *done[MAX_BURST];
	uint64_t want = completions_posted(ctrlr) + burst;

	if (pl_nvme_submit(qp, ops, burst) != burst)
		return -1;
	while (completions_posted(ctrlr) < want)
		;
	if (pl_nvme_poll(qp, done, burst) != burst)
		return -1;
	for (uint16_t i = 0; i < burst; i++)
		if (done[i]->status)
			return -1;
	return 0;
}

/* What is measured begins and ends with this: the driver's admin commands poll as well. */
#ifdef __clang__
#define ONCE __attribute__((noinline))
#else
#define ONCE __attribute__((noinline, noclone))
#endif
static int ONCE measured_rounds(struct pl_nvme_qpair *qp, struct pl_nvme_op **ops, uint16_t burst,
				unsigned long rounds)
{
	int rc = 0;

	for (; rounds && rc == 0; rounds--)
		rc = round_trip(qp, ops, burst);
	return rc;
}

static int run(uint16_t burst, unsigned long rounds)
{
	static struct pl_nvme_op op[MAX_BURST];
	struct pl_nvme_op *ops[MAX_BURST];
	struct pl_nvme_ctrlr *ctrlr = pl_nvme_ctrlr_next(NULL);
	struct pl_nvme_ns *ns = ctrlr ? pl_nvme_ns_get(ctrlr, 1) : NULL;
	uint8_t *bufs = pl_mem_zalloc((size_t)burst * BLOCK, -1);
	struct pl_nvme_qpair *qp = NULL;
	int rc = -1;

	if (!ns || !bufs || pl_nvme_qpair_create(ctrlr, NULL, &qp))
		goto out;
	for (uint16_t i = 0; i < burst; i++) {
		pl_nvme_op_read(&op[i], ns, bufs + (size_t)i * BLOCK, i * (BLOCK >> ns->lba_shift),
				BLOCK >> ns->lba_shift);
		ops[i] = &op[i];
	}
	rc = measured_rounds(qp, ops, burst, rounds);
out:
	pl_nvme_qpair_destroy(qp);
	pl_mem_free(bufs);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned long burst = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	int rc;

	if (burst < 1 || burst > MAX_BURST || rounds < 1) {
		fprintf(stderr, "usage: insn_per_io BURST ROUNDS [EAL options]; BURST 1 to %u\n",
			MAX_BURST);
		return 2;
	}
	argv[2] = argv[0];
	if (pl_eal_init(argc - 2, argv + 2) < 0) {
		fprintf(stderr, "insn_per_io: %s\n", pl_errmsg());
		return 2;
	}
	rc = run((uint16_t)burst, rounds);
	if (rc)
		fprintf(stderr, "insn_per_io: a read failed: %s\n", pl_errmsg());
	pl_eal_cleanup();
	return rc ? 1 : 0;
}
