/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine that is looked at. Everything that is read lies below a root, "" for the machine
 * itself; tests give the root of a tree of their own, and answers in the place of the kernel's.
 */
#ifndef TOPO_HOST_H
#define TOPO_HOST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What no file tells. */
struct topo_kernel {
	/* @fd: /dev/vfio/vfio. 0 if it has a type1 IOMMU, else a negative errno. */
	int (*type1)(int fd);
	/* Binds the device @cdev to @iommufd, until both are closed. 1 if its BARs can be exported
	 * as dma-bufs, 0 if not, a negative errno if it cannot be bound. */
	int (*dma_buf)(int iommufd, int cdev);
};
extern const struct topo_kernel topo_kernel;

struct topo_host {
	const char *root;
	const struct topo_kernel *kernel;
};

/* Also points lib/pci and lib/eal at this machine: @root stays the caller's. -EINVAL with app_fail() if @root is too long. */
int host_init(struct topo_host *host, const char *root, const struct topo_kernel *kernel);

/* @path, made as by printf(), below the root. */
void host_path(const struct topo_host *host, char path[PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool host_exists(const struct topo_host *host, const char *path);

/* The first line of a file, without its end; false if there is none. */
bool host_line(const struct topo_host *host, const char *path, char *buf, size_t len);
unsigned long long host_number(const struct topo_host *host, const char *path);

/* The @nth entry (from 0, in alphabetical order) of a directory that begins with @prefix. */
bool host_entry(const struct topo_host *host, const char *path, const char *prefix,
		unsigned int nth, char *buf, size_t len);
unsigned int host_entries(const struct topo_host *host, const char *path, const char *prefix);

/* Opens a device node for reading and writing: a descriptor, or a negative errno. */
int host_open(const struct topo_host *host, const char *path);

/* Whether the caller could open it so, without doing it: 0, or a negative errno. */
int host_access(const struct topo_host *host, const char *path);

/* 1 if the running kernel has the module, built in or to be loaded; 0 if not; -1 if nothing tells.
 */
int host_has_module(const struct topo_host *host, const char *module);

#endif
