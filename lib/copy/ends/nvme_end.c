/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace as an end of a copy: one queue pair. */
#include <inttypes.h>
#include <stdio.h>

#include <rte_common.h>

#include "copy_internal.h"
#include "nvme_end.h"
#include "nvme_internal.h"
#include "pl_log.h"

#define NVME_END "nvme"

struct nvme_end {
	struct pl_nvme_ns *ns;
	struct pl_nvme_qpair *qp;
	uint64_t host_bytes; /* as in its stats */
};
_Static_assert(sizeof(struct nvme_end) <= COPY_END_OWN, "an end has room for it");
_Static_assert(sizeof(struct pl_nvme_op) <= COPY_IO_OWN, "an I/O has room for its op");

static struct nvme_end *of(const struct copy_end *end)
{
	return (struct nvme_end *)(uintptr_t)end->own_state;
}

static struct pl_nvme_op *op_of(const struct copy_io *io)
{
	return (struct pl_nvme_op *)(uintptr_t)io->own;
}

struct pl_nvme_qpair *nvme_end_qpair(const struct copy_end *end)
{
	return of(end)->qp;
}

static int nvme_check_range(const struct copy_end *end, uint64_t n, const char *what)
{
	const struct pl_nvme_ns *ns = of(end)->ns;

	if (nvme_ns_retired(ns))
		return pl_fail(-ENODEV,
			       "%s is no more, or another one since the last reset; open it anew",
			       end->place);
	if (end->writes && ns->zone_nlb)
		return pl_fail(
			-ENOTSUP,
			"%s is zoned: it is written in order, zone by zone, by commands that "
			"a copy does not use; copy to a conventional namespace or a file",
			end->place);
	if (end->first >= ns->nlb || n > ns->nlb - end->first)
		return pl_fail(-EINVAL,
			       "the %s range %" PRIu64 "+%" PRIu64 " goes past the end of %s, "
			       "which has %" PRIu64 " blocks of %u bytes",
			       what, end->first, n, end->place, ns->nlb, end->unit);
	return 0;
}

static int nvme_medium(const struct copy_end *end, uint64_t len, struct copy_medium *medium)
{
	const struct pl_nvme_ns *ns = of(end)->ns;
	struct copy_span span = { end->first << ns->lba_shift, len, true };

	return copy_medium_add_ns(medium, ns, span);
}

static bool nvme_reaches(const struct copy_end *end, const struct pl_p2p *provider,
			 struct pl_p2p_path *path)
{
	return p2p_reaches(provider, end->own, path);
}

static int nvme_open(struct copy_end *end, struct pl_copy *job)
{
	struct pl_nvme_ctrlr_info info;
	struct pl_nvme_qpair_opts opts = { .opts_size = sizeof(opts) };

	pl_nvme_ctrlr_info(of(end)->ns->ctrlr, &info, sizeof(info));
	opts.depth = RTE_MAX(RTE_MIN(job->plan.depth + 1, info.max_entries), 2u);
	opts.max_xfer = (uint32_t)RTE_MIN(job->buf_stride, (size_t)info.max_xfer);
	return pl_nvme_qpair_create(of(end)->ns->ctrlr, &opts, &of(end)->qp);
}

/* Queue pairs move whole blocks: see the split of large ops in lib/nvme. */
static size_t nvme_piece(const struct copy_end *end)
{
	return RTE_ALIGN_FLOOR(pl_nvme_qpair_max_xfer(of(end)->qp), end->unit);
}

static void nvme_prepare(struct copy_end *end, struct copy_io *io)
{
	struct pl_nvme_ns *ns = of(end)->ns;

	pl_nvme_op_set(op_of(io), io->write ? NVME_CMD_WRITE : NVME_CMD_READ, ns, io->buf,
		       end->first + (io->at >> ns->lba_shift), io->len >> ns->lba_shift);
	op_of(io)->ctx = io;
}

static uint32_t nvme_submit(struct copy_end *end, struct copy_io *const *ios, uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		struct pl_nvme_op *ops[COPY_BURST];
		uint16_t burst = (uint16_t)RTE_MIN(n - done, COPY_BURST), taken;

		for (uint16_t i = 0; i < burst; i++)
			ops[i] = op_of(ios[done + i]);
		taken = pl_nvme_submit(of(end)->qp, ops, burst);
		done += taken;
		if (taken < burst)
			break;
	}
	return done;
}

static uint32_t nvme_poll(struct copy_end *end, struct copy_io **done, uint32_t n)
{
	struct pl_nvme_op *ops[COPY_BURST];
	uint16_t got = pl_nvme_poll(of(end)->qp, ops, (uint16_t)RTE_MIN(n, COPY_BURST));

	for (uint16_t i = 0; i < got; i++) {
		done[i] = ops[i]->ctx;
		done[i]->error = ops[i]->status ? -EIO : 0;
		if (!ops[i]->status && !copy_end_at_peer(end, done[i]->buf))
			of(end)->host_bytes += done[i]->len;
	}
	return got;
}

static int nvme_sync(struct copy_end *end, struct copy_io *io)
{
	struct pl_nvme_op *op = op_of(io);

	if (!end->sync_by[0])
		return 0;
	pl_nvme_op_set(op, NVME_CMD_FLUSH, of(end)->ns, NULL, 0, 0);
	op->ctx = io;
	if (pl_nvme_submit(of(end)->qp, &op, 1) == 1)
		return 1;
	return pl_nvme_qpair_error(of(end)->qp)
		       ? pl_nvme_qpair_error(of(end)->qp)
		       : pl_fail(-EIO, "%s: no room for a Flush", end->name);
}

static int nvme_failed(const struct copy_end *end, const struct copy_io *io, const char *when)
{
	if (io->sync)
		return pl_fail_nvme(
			-EIO, end->name, op_of(io)->status, PL_NO_LBA,
			"Flush failed on %s: %s: what was copied may not survive a loss of power",
			end->place, pl_nvme_status_str(op_of(io)->status));
	return pl_fail_nvme(-EIO, end->name, op_of(io)->status, op_of(io)->slba,
			    "%s of %u blocks at LBA %" PRIu64 " failed on %s%s: %s",
			    io->write ? "write" : "read", op_of(io)->nlb, op_of(io)->slba,
			    end->place, when, pl_nvme_status_str(op_of(io)->status));
}

static int nvme_error(const struct copy_end *end)
{
	return pl_nvme_qpair_error(of(end)->qp);
}

static int nvme_check(struct copy_end *end)
{
	int rc = pl_nvme_ctrlr_poll_events(of(end)->ns->ctrlr);

	return rc < 0 ? rc : 0;
}

static void nvme_stats(const struct copy_end *end, struct copy_end_stats *stats)
{
	struct pl_nvme_qpair_stats qs;

	pl_nvme_qpair_stats(of(end)->qp, &qs, sizeof(qs));
	*stats = (struct copy_end_stats){
		.commands = qs.commands,
		.sq_doorbells = qs.sq_doorbells,
		.cq_doorbells = qs.cq_doorbells,
		.host_bytes = of(end)->host_bytes,
	};
}

static int nvme_traffic(const struct copy_end *end, struct pl_nvme_traffic *traffic)
{
	return pl_nvme_ctrlr_traffic(of(end)->ns->ctrlr, traffic, sizeof(*traffic));
}

static bool nvme_close(struct copy_end *end)
{
	return nvme_qpair_quiesce(of(end)->qp);
}

static void nvme_init(struct copy_end *end, const struct pl_copy_target *target)
{
	struct pl_nvme_ns *ns = target->handle;
	struct pl_nvme_ctrlr_info info;

	pl_nvme_ctrlr_info(ns->ctrlr, &info, sizeof(info));
	end->name = info.name;
	snprintf(end->place, sizeof(end->place), "%s namespace %u", info.name, ns->nsid);
	end->own = pl_nvme_ctrlr_p2p(ns->ctrlr);
	end->unit = 1u << ns->lba_shift;
	end->block = end->unit;
	end->sync_by = info.vwc ? "Flush" : "";
	end->max_depth = info.max_entries - 1;
	of(end)->ns = ns;
}

static bool nvme_unordered(const struct copy_end *end)
{
	return nvme_ctrlr_unordered(of(end)->ns->ctrlr);
}

static void nvme_warn(const struct copy_end *end, char *text, size_t len)
{
	const struct pl_nvme_ns *ns = of(end)->ns;

	if (ns->shared)
		snprintf(
			text, len,
			"namespace %u of %s is shared (NMIC): other controllers may write it while "
			"the copy runs",
			ns->nsid, end->name);
}

static const struct copy_end_ops nvme_end_ops = {
	.name = NVME_END,
	.counts = "LBA",
	.unordered = nvme_unordered,
	.warn = nvme_warn,
	.init = nvme_init,
	.check_range = nvme_check_range,
	.medium = nvme_medium,
	.reaches = nvme_reaches,
	.open = nvme_open,
	.piece = nvme_piece,
	.prepare = nvme_prepare,
	.submit = nvme_submit,
	.poll = nvme_poll,
	.sync = nvme_sync,
	.failed = nvme_failed,
	.error = nvme_error,
	.check = nvme_check,
	.stats = nvme_stats,
	.traffic = nvme_traffic,
	.close = nvme_close,
};

COPY_END_REGISTER(nvme_end_ops)

struct pl_copy_target pl_copy_ns_target(struct pl_nvme_ns *ns, uint64_t slba, uint64_t nlb)
{
	struct pl_copy_target target = { .kind = NVME_END, .handle = ns };

	if (!ns)
		return target;
	if (__builtin_mul_overflow(slba, (uint64_t)1 << ns->lba_shift, &target.offset))
		target.offset = UINT64_MAX;
	if (__builtin_mul_overflow(nlb, (uint64_t)1 << ns->lba_shift, &target.bytes))
		target.bytes = UINT64_MAX;
	return target;
}
