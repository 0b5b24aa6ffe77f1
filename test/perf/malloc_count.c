/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LD_PRELOAD shim: counts what each thread allocates and frees, from libc and from librte_eal, and
 * writes a line for each thread to $MALLOC_COUNT when the process ends: thread id, "main" or its
 * name, calls.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MAX_THREADS 256

/* glibc's own names, so that no lookup can recurse into what is counted. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

struct count {
	pid_t tid;
	char name[16];
	uint64_t calls;
};

static struct count counts[MAX_THREADS];
static int nb_counts;
static __thread struct count *mine __attribute__((tls_model("initial-exec")));

static void hit(void)
{
	if (!mine) {
		int i = __atomic_fetch_add(&nb_counts, 1, __ATOMIC_RELAXED);

		/* More threads than slots share the last: their sum is still right. */
		mine = &counts[i < MAX_THREADS ? i : MAX_THREADS - 1];
		mine->tid = gettid();
	}
	__atomic_fetch_add(&mine->calls, 1, __ATOMIC_RELAXED);
	/* A thread gets its name after it was born. */
	if (mine->calls % 64 == 1)
		(void)prctl(PR_GET_NAME, mine->name);
}

void *malloc(size_t size)
{
	hit();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	hit();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	hit();
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	hit();
	return __libc_memalign(align, size);
}

void *memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size)
{
	hit();
	return __libc_memalign(align, size);
}

int posix_memalign(void **p, size_t align, size_t size)
{
	hit();
	*p = __libc_memalign(align, size);
	return *p ? 0 : 12; /* ENOMEM: errno is not to be touched */
}

void free(void *p)
{
	hit();
	__libc_free(p);
}

/* Declared here and not by rte_malloc.h, which has attributes that a counting wrapper breaks. */
typedef void *rte_alloc_fn(const char *type, size_t size, unsigned int align);
typedef void *rte_alloc_socket_fn(const char *type, size_t size, unsigned int align, int socket);
typedef void rte_free_fn(void *p);
rte_alloc_fn rte_malloc, rte_zmalloc;
rte_alloc_socket_fn rte_malloc_socket, rte_zmalloc_socket;
rte_free_fn rte_free;

/* dlsym() yields a void pointer, which ISO C does not convert to one to a function. */
static void find(void *fn, const char *name)
{
	void *sym = dlsym(RTLD_NEXT, name);

	memcpy(fn, &sym, sizeof(sym));
	hit();
}

void *rte_malloc(const char *type, size_t size, unsigned int align)
{
	rte_alloc_fn *real;

	find(&real, "rte_malloc");
	return real(type, size, align);
}

void *rte_zmalloc(const char *type, size_t size, unsigned int align)
{
	rte_alloc_fn *real;

	find(&real, "rte_zmalloc");
	return real(type, size, align);
}

void *rte_malloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	rte_alloc_socket_fn *real;

	find(&real, "rte_malloc_socket");
	return real(type, size, align, socket);
}

void *rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	rte_alloc_socket_fn *real;

	find(&real, "rte_zmalloc_socket");
	return real(type, size, align, socket);
}

void rte_free(void *p)
{
	rte_free_fn *real;

	find(&real, "rte_free");
	real(p);
}

static void __attribute__((destructor)) report(void)
{
	const char *path = getenv("MALLOC_COUNT");
	FILE *out = path ? fopen(path, "we") : NULL;
	int n = nb_counts < MAX_THREADS ? nb_counts : MAX_THREADS;

	if (!out)
		return;
	for (int i = 0; i < n; i++)
		fprintf(out, "%d %s %llu\n", (int)counts[i].tid,
			counts[i].tid == getpid() ? "main" : counts[i].name,
			(unsigned long long)counts[i].calls);
	fclose(out);
}
