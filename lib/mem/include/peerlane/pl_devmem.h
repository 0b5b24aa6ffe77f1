/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The only way the CPU touches device memory (a CMB, a PMR).
 *
 * Device memory is not memory: a store is a posted write on the fabric, a load a round trip of
 * about a microsecond, a vector access may fault, and memcpy() or memset() may use any of them. So
 * every access is one aligned load or store of 8 bytes. PCI Express orders a load behind the same
 * CPU's earlier stores to the same device: pl_devmem_read64() is also the flush.
 */
#ifndef PEERLANE_PL_DEVMEM_H
#define PEERLANE_PL_DEVMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Loads 8 bytes; @p p is 8-byte aligned. Orders this CPU's earlier stores to the device. */
static inline uint64_t pl_devmem_read64(const void *p)
{
	return *(const volatile uint64_t *)p;
}

/** Stores 8 bytes; @p p is 8-byte aligned. Posted: it may land later. */
static inline void pl_devmem_write64(void *p, uint64_t value)
{
	*(volatile uint64_t *)p = value;
}

/** Stores zero to @p len bytes; both arguments are multiples of 8. */
static inline void pl_devmem_zero(void *p, size_t len)
{
	volatile uint64_t *q = (volatile uint64_t *)p;

	for (size_t i = 0; i < len / 8; i++)
		q[i] = 0;
}

/** Copies device memory to host memory; all arguments are multiples of 8. */
static inline void pl_devmem_read(void *host, const void *dev, size_t len)
{
	const volatile uint64_t *s = (const volatile uint64_t *)dev;
	uint64_t *d = (uint64_t *)host;

	for (size_t i = 0; i < len / 8; i++)
		d[i] = s[i];
}

/** Copies host memory to device memory; all arguments are multiples of 8. */
static inline void pl_devmem_write(void *dev, const void *host, size_t len)
{
	volatile uint64_t *d = (volatile uint64_t *)dev;
	const uint64_t *s = (const uint64_t *)host;

	for (size_t i = 0; i < len / 8; i++)
		d[i] = s[i];
}

#ifdef __cplusplus
}
#endif
#endif
