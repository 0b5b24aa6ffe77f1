/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the copying: what was acknowledged is made to survive a loss of power, by a Flush of a
 * namespace whose controller has a volatile write cache, or fdatasync() of a file.
 */
#include <rte_cycles.h>

#include "copy_internal.h"

int sync_start(struct pl_copy *job)
{
	struct copy_end *dst = &job->dst;
	int rc;

	job->sync_io = (struct copy_io){ .sync = true };
	rc = dst->ops->sync(dst, &job->sync_io);
	if (rc == 0)
		job->stats.sync = dst->sync_by[0] ? PL_COPY_SYNCED : PL_COPY_SYNC_NEEDLESS;
	return rc;
}

bool sync_round(struct pl_copy *job)
{
	struct copy_end *dst = &job->dst;
	struct copy_io *done;

	/* A write of a copy that could not be drained is nobody's to acknowledge any more. */
	do
		if (!dst->ops->poll(dst, &done, 1))
			return true;
	while (done != &job->sync_io);
	job->last_progress = rte_rdtsc();
	if (done->error)
		copy_fail(job, dst->ops->failed(dst, done, ""));
	else
		job->stats.sync = PL_COPY_SYNCED;
	return false;
}
