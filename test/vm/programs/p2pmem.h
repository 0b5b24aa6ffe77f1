/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the programs of scenarios/module-*.sh share: a controller that is bound to peerlane_vfio_pci,
 * and chunks of its CMB.
 */
#ifndef P2PMEM_H
#define P2PMEM_H

#include <stddef.h>
#include <stdint.h>

#include <linux/peerlane_vfio.h>

#define PAGE 4096UL

struct p2pmem_dev {
	const char *bdf;
	int iommufd;
	int fd; /* of the vfio device */
};

/* Prints and exits with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
double now(void);

/* These return 0 or -errno. */
int p2pmem_open(struct p2pmem_dev *dev, const char *bdf);
void p2pmem_close(struct p2pmem_dev *dev);
int p2pmem_ioas_alloc(const struct p2pmem_dev *dev, uint32_t *ioas);
int p2pmem_attach(const struct p2pmem_dev *dev, uint32_t ioas);
int p2pmem_info(int fd, struct peerlane_vfio_p2pmem_info *info);

/* A feature with its payload, all of it as given; the ioctl's result or -errno. */
int p2pmem_feature(int fd, uint32_t argsz, uint32_t flags, void *payload, size_t size);

/* The descriptor of a new chunk or -errno. */
int p2pmem_alloc(int fd, uint64_t size, uint64_t *offset);
/* A mapping of all of it; exits when there is none. */
void *p2pmem_map(int chunk, size_t size);

/* A dma-buf of a part of a BAR, or -errno. */
int p2pmem_dmabuf(int fd, uint32_t bar, uint64_t offset, uint64_t length);

/* p2pmem/NAME of the device in sysfs; exits when there is none. */
uint64_t p2pmem_sysfs(const char *bdf, const char *name);
int p2pmem_sysfs_allocate(const char *bdf);
/* Waits until all of the pool is free: what a dead process held goes back on the kernel's time. */
void p2pmem_wait_free(const char *bdf);

/* Writes TEXT into a file of sysfs or procfs: 0 or -errno. */
int write_file(const char *path, const char *text);

/* Device memory: 8 bytes an access, never memcpy(). */
void devmem_fill(void *mem, size_t size, uint64_t seed);
/* Offset of the first 8 bytes that devmem_fill() with this seed did not write, or -1. */
long devmem_check(const void *mem, size_t size, uint64_t seed);
long devmem_check_zero(const void *mem, size_t size);

/* Whether reading (or writing) a byte there raises SIGBUS. */
int raises_sigbus(void *at, int write);

#endif
