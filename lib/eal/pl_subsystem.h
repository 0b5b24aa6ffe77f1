/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between pl_eal_init() and the layers above it. Each layer registers one pl_subsystem
 * from a constructor, as DPDK's buses do; the EAL calls check() of all of them, starts librte_eal,
 * calls init() in ascending order and fini() in descending order. So the EAL names no layer.
 */
#ifndef PL_SUBSYSTEM_H
#define PL_SUBSYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <sched.h>

struct pl_subsystem;

/* "NAME,key=val,..." as given to --vdev, -a and --iommu. */
struct pl_devarg {
	char *name;
	char *args; /* what follows the first comma, or "" */
	const struct pl_subsystem *owner; /* of a PCI function: that claimed it */
};

struct pl_eal_conf {
	struct pl_devarg iommu; /* name "auto" unless given */
	struct pl_devarg *vdevs;
	unsigned int nb_vdevs;
	struct pl_devarg *pcis; /* names are full BDFs */
	unsigned int nb_pcis;
	bool no_huge;	       /* 4 KiB pages: asked for, or fallen back to */
	cpu_set_t process_cpus; /* affinity before librte_eal pinned the main lcore */
};

enum pl_subsystem_order {
	PL_ORDER_IOMMU = 10,
	PL_ORDER_MEM = 20,
	PL_ORDER_P2P = 25,
	PL_ORDER_NVME = 30,
};

struct pl_subsystem {
	const char *name;
	enum pl_subsystem_order order;
	/* Whether it is the one to drive this PCI function, which no subsystem before it drives. Called
	 * before any check(). 0 or an errno with pl_fail(). NULL: it drives none. */
	int (*claim)(const struct pl_devarg *pci, bool *mine);
	/* The lines of pl_eal_usage() on options that this layer gives their values. May be NULL. */
	void (*usage)(char *buf, size_t len);
	/* Looks at the arguments only; touches nothing. 0 or an errno with pl_fail(). May be NULL. */
	int (*check)(const struct pl_eal_conf *conf);
	int (*init)(const struct pl_eal_conf *conf);
	void (*fini)(void);
	struct pl_subsystem *next; /* the EAL's */
};

void pl_subsystem_register(struct pl_subsystem *subsystem);

#define PL_SUBSYSTEM(subsystem)                                                                    \
	static void __attribute__((constructor)) pl_subsystem_ctor(void)                           \
	{                                                                                          \
		pl_subsystem_register(&(subsystem));                                               \
	}

/* The configuration in force, between init and cleanup; NULL outside. */
const struct pl_eal_conf *pl_eal_conf(void);

#endif
