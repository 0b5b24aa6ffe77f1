/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scenarios/module-rebind.sh runs: binds and unbinds a controller again and again while a
 * process has a descriptor and a mapping of a chunk of the first binding, and of the last one. What
 * is dead stays dead; it never meets the pool of another binding.
 *
 *     p2pmem_rebind BDF TIMES     driver_override of BDF is peerlane_vfio_pci
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2pmem.h"

#define SIZE (4 * PAGE)

struct stale {
	int chunk;
	char *mem;
};

static void drop(struct stale *stale)
{
	munmap(stale->mem, SIZE);
	close(stale->chunk);
}

static void check_stale(const struct stale *stale, const char *which, int i)
{
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, stale->chunk, 0) != MAP_FAILED ||
	    errno != ENODEV)
		die("%d: the descriptor of the %s binding can be mapped", i, which);
	if (!raises_sigbus(stale->mem, 0) || !raises_sigbus(stale->mem + PAGE, 1))
		die("%d: the mapping of the %s binding can be accessed", i, which);
}

int main(int argc, char **argv)
{
	int times = argc == 3 ? atoi(argv[2]) : 0, err;
	struct stale first = { .chunk = -1 }, last = first;
	double start = now(), longest = 0;
	uint64_t offset, first_offset = 0;
	struct p2pmem_dev dev;
	char path[300];

	if (times < 1)
		die("usage: p2pmem_rebind BDF TIMES");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", argv[1]);
	for (int i = 0; i < times; i++) {
		struct stale fresh;
		double began;

		err = write_file("/sys/bus/pci/drivers_probe", argv[1]);
		if (err)
			die("%d: bind: %s", i, strerror(-err));
		if (p2pmem_sysfs(argv[1], "available") != p2pmem_sysfs(argv[1], "size"))
			die("%d: the pool is not whole", i);
		err = p2pmem_open(&dev, argv[1]);
		if (err)
			die("%d: open: %s", i, strerror(-err));
		fresh.chunk = p2pmem_alloc(dev.fd, SIZE, &offset);
		if (fresh.chunk < 0)
			die("%d: alloc: %s", i, strerror(-fresh.chunk));
		/* The same place as the dead ones have: whoever mixed them up would be seen. */
		if (i && offset != first_offset)
			die("%d: the chunk is at %#llx, the first was at %#llx", i,
			    (unsigned long long)offset, (unsigned long long)first_offset);
		first_offset = offset;
		fresh.mem = p2pmem_map(fresh.chunk, SIZE);
		if (devmem_check_zero(fresh.mem, SIZE) != -1)
			die("%d: a chunk that is not zero", i);
		devmem_fill(fresh.mem, SIZE, (uint64_t)i);
		if (i) {
			check_stale(&first, "first", i);
			check_stale(&last, "last", i);
			if (i > 1)
				drop(&last);
		}
		if (devmem_check(fresh.mem, SIZE, (uint64_t)i) != -1)
			die("%d: a chunk that changed", i);
		p2pmem_close(&dev);
		began = now();
		err = write_file(path, argv[1]);
		if (err)
			die("%d: unbind: %s", i, strerror(-err));
		if (now() - began > longest)
			longest = now() - began;
		check_stale(&fresh, "same", i);
		if (!i)
			first = fresh;
		last = fresh;
	}
	if (times > 1)
		drop(&last);
	drop(&first);
	printf("%d times in %.0f s, longest unbind %.0f ms\n", times, now() - start, longest * 1e3);
	return 0;
}
