/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pl_alloc.h"
#include "pl_inject.h"

static bool fails(int err)
{
	if (!pl_inject_hit())
		return false;
	errno = err;
	return true;
}

void *eal_malloc(size_t size)
{
	return fails(ENOMEM) ? NULL : malloc(size);
}

void *eal_calloc(size_t n, size_t size)
{
	return fails(ENOMEM) ? NULL : calloc(n, size);
}

void *eal_realloc(void *p, size_t size)
{
	return fails(ENOMEM) ? NULL : realloc(p, size);
}

void *eal_aligned_alloc(size_t align, size_t size)
{
	return fails(ENOMEM) ? NULL : aligned_alloc(align, size);
}

char *eal_strdup(const char *text)
{
	return fails(ENOMEM) ? NULL : strdup(text);
}

int eal_open(const char *path, int flags)
{
	return fails(EMFILE) ? -1 : open(path, flags);
}

void *eal_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return fails(ENOMEM) ? MAP_FAILED : mmap(addr, len, prot, flags, fd, offset);
}
