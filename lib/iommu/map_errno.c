/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "map_errno.h"
#include "pl_log.h"

int map_errno(const char *call, const void *va, size_t len, int err)
{
	struct rlimit limit;

	switch (err) {
	case EEXIST:
	case EADDRINUSE:
		return pl_fail(-EEXIST, "%s of %zu bytes at %p: part of it is mapped already", call,
			       len, va);
	case ENOMEM:
		if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
			return pl_fail(
				-ENOMEM,
				"%s of %zu KiB at %p: cannot pin it within RLIMIT_MEMLOCK, "
				"which is %llu KiB; raise it beyond what is mapped: ulimit -l "
				"%llu (and memlock in /etc/security/limits.conf)",
				call, len >> 10, va, (unsigned long long)limit.rlim_cur >> 10,
				((unsigned long long)limit.rlim_cur + len) >> 10);
		return pl_fail(-ENOMEM, "%s of %zu KiB at %p: out of memory", call, len >> 10, va);
	default:
		return pl_fail(-EINVAL, "%s of %zu bytes at %p: %s", call, len, va, strerror(err));
	}
}
