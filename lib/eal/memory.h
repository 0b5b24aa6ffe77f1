/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory the process may still take. Nothing is allocated: the kernel grants any mapping,
 * and ends the process when its pages are touched and are not there.
 */
#ifndef PL_MEMORY_H
#define PL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* What stands before /proc and /sys: "", but in tests. */
extern const char *pl_memory_root;

struct pl_memory_want {
	size_t bytes;
	const char *option; /* that asked for them, such as "-m"; NULL: nobody did */
	bool huge;	    /* hugepages, which were counted already */
};

/*
 * 0 if @want is there: by the machine's MemAvailable, by what the NUMA nodes have that the process's
 * cpuset allows, by the limits of its memory cgroup and those above it (either version), and by
 * RLIMIT_AS. What cannot be read is no limit. RLIMIT_MEMLOCK bounds what is mapped for devices, which
 * is less and comes later. Else, with a message that says which of them is the least, how much is left and what helps:
 * -EINVAL if an option asked for that much, or -ENOMEM.
 */
int pl_memory_check(const struct pl_memory_want *want);

#endif
