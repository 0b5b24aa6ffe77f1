/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem_private.h"
#include "pl_inject.h"
#include "pl_log.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE 4096u

static int not_writable(const void *va, size_t len)
{
	return pl_fail(-EINVAL,
		       "the %zu bytes at %p are not all mapped readable and writable memory", len,
		       va);
}

/*
 * Adds 0 to the first word of @page: atomic, so nobody's concurrent store is lost, and done by the
 * kernel, so a page that cannot be written is an error and not a signal. Nobody is woken whose
 * wait does not allow for it: futex waits may end without a cause.
 */
static int add_zero(void *page)
{
	const int op = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, 0);

	return syscall(SYS_futex, page, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, NULL, page, op) < 0
		       ? -errno
		       : 0;
}

int pl_prefault_each(void *va, size_t len)
{
	for (size_t off = 0; off < len; off += PAGE) {
		int ret = add_zero((char *)va + off);

		if (ret == -ENOMEM)
			return pl_fail(-ENOMEM, "no memory behind %zu bytes at %p", len, va);
		if (ret != 0)
			return not_writable(va, len);
	}
	return 0;
}

int pl_prefault(void *va, size_t len)
{
	if (pl_inject_hit())
		return pl_fail(-ENOMEM, "no memory behind %zu bytes at %p", len, va);
	/* Linux before 5.14 does not know the advice, whatever the range. */
	if (madvise(va, 0, MADV_POPULATE_WRITE) != 0)
		return pl_prefault_each(va, len);
	if (madvise(va, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	/* ENOMEM is either no memory or a hole in the range; MS_ASYNC does nothing but look. */
	if (errno == ENOMEM && msync(va, len, MS_ASYNC) == 0)
		return pl_fail(-ENOMEM, "no memory behind %zu bytes at %p", len, va);
	return not_writable(va, len);
}
