/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the setup paths take from the C library and the kernel, as a step that fault injection can make
 * fail (pl_inject.h). Each is the function of that name in all else; errno is ENOMEM after a failure
 * that was injected into memory, EMFILE into a descriptor.
 */
#ifndef PL_ALLOC_H
#define PL_ALLOC_H

#include <stddef.h>
#include <sys/types.h>

void *eal_malloc(size_t size);
void *eal_calloc(size_t n, size_t size);
void *eal_realloc(void *p, size_t size);
void *eal_aligned_alloc(size_t align, size_t size);
char *eal_strdup(const char *text);
int eal_open(const char *path, int flags);
void *eal_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

#endif
