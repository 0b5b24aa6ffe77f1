/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A BAR of any function that vfio owns, lent as peer memory: an FPGA's, an accelerator's, or
 * QEMU's ivshmem-plain. Nothing is known of the function but that what is written to the BAR is
 * read back from there, which the user says by naming it and a copy's canary checks. No register of
 * it is touched, and its bus mastering stays off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include <peerlane/pl_parse.h>

#include "iommu_backend.h"
#include "mem_internal.h"
#include "p2p_driver.h"
#include "pci_sysfs.h"
#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_pairs.h"
#include "vfio_dev.h"

#define USAGE "BDF,p2p=barN[,offset=OFFSET][,size=SIZE]"

enum { KEY_P2P = 1, KEY_OFFSET = 2, KEY_SIZE = 4 };

struct bar_args {
	const char *bdf;
	unsigned int keys; /* KEY_* that were given */
	unsigned int bar;
	uint64_t offset;
	uint64_t size; /* 0: all of it from `offset` on */
};

struct bar_lender {
	struct pl_p2p p2p;
	struct vfio_dev *dev; /* the IO address space's */
	struct pl_guard guard;
	struct bar_args at;
	void *va;
};

static struct bar_lender *of(const struct pl_p2p *p)
{
	return (struct bar_lender *)(uintptr_t)container_of(p, const struct bar_lender, p2p);
}

static bool bar_claims(const char *args)
{
	return strncmp(args, "p2p=", 4) == 0 || strstr(args, ",p2p=");
}

/* False if it was given before. */
static bool first(struct bar_args *args, unsigned int key)
{
	bool before = args->keys & key;

	args->keys |= key;
	return !before;
}

static bool takes(const struct eal_pair *pair, struct bar_args *args)
{
	if (!pair->val)
		return false;
	if (strcmp(pair->key, "p2p") == 0 && strncmp(pair->val, "bar", 3) == 0) {
		args->bar = (unsigned int)(pair->val[3] - '0');
		return args->bar < PCI_NUM_BARS && !pair->val[4] && first(args, KEY_P2P);
	}
	if (strcmp(pair->key, "offset") == 0)
		return pl_size_parse(pair->val, &args->offset) == 0 &&
		       args->offset % PL_P2P_PAGE == 0 && first(args, KEY_OFFSET);
	return strcmp(pair->key, "size") == 0 && pl_size_parse(pair->val, &args->size) == 0 &&
	       args->size && args->size % PL_P2P_PAGE == 0 && first(args, KEY_SIZE);
}

static int parse_pair(const struct eal_pair *pair, void *arg)
{
	struct bar_args *args = arg;

	if (takes(pair, args))
		return 0;
	return pl_fail(-EINVAL,
		       "-a %s: '%s' is not understood; the form is " USAGE
		       ", each once, N from 0 to 5, OFFSET and SIZE multiples of 4096",
		       args->bdf, pair->text);
}

static int parse_args(const char *bdf, const char *text, struct bar_args *args)
{
	*args = (struct bar_args){ .bdf = bdf };
	return eal_pairs_walk(text, parse_pair, args);
}

static int bar_check(const char *bdf, const char *text)
{
	struct bar_args args;
	long long class;
	int rc = parse_args(bdf, text, &args);

	/* Its registers are in a BAR, and so is its CMB: lib/nvme lends that, and knows which is
	 * which. */
	if (rc == 0 && pci_sysfs_number(bdf, "class", &class) == 0 && class == PCI_CLASS_NVME)
		rc = pl_fail(
			-EINVAL,
			"-a %s: an NVMe controller lends its CMB and PMR without p2p=, and nothing "
			"else",
			bdf);
	return rc;
}

/* What the kernel reports of the BAR bounds what is lent of it. */
static int fit(struct bar_lender *l)
{
	uint64_t bar = vfio_dev_bar_size(l->dev, l->at.bar);

	if (!bar)
		return pl_fail(-EINVAL, "-a %s: it has no BAR %u of memory; see: lspci -v -s %s",
			       l->p2p.name, l->at.bar, l->p2p.name);
	if (!l->at.size && l->at.offset < bar)
		l->at.size = RTE_ALIGN_FLOOR(bar - l->at.offset, (uint64_t)PL_P2P_PAGE);
	if (!l->at.size || l->at.offset > bar || l->at.size > bar - l->at.offset)
		return pl_fail(
			-EINVAL,
			"-a %s: %llu bytes at offset %llu are not in whole pages inside BAR %u, "
			"which has %llu bytes",
			l->p2p.name, (unsigned long long)l->at.size,
			(unsigned long long)l->at.offset, l->at.bar, (unsigned long long)bar);
	return 0;
}

/* From the devices, then from the CPU. */
static void take_back(struct bar_lender *l)
{
	if (pl_ioas_unmap(l->p2p.ioas, l->va, l->at.size))
		PL_LOG(ERR, "%s: %s", l->p2p.name, pl_errmsg());
	(void)pl_window_clear(l->va, l->at.size);
}

/* One address for the CPU and for every device of the space. */
static int map(struct bar_lender *l)
{
	struct pl_ioas *ioas = l->p2p.ioas;
	void *mapped;
	int rc = vfio_dev_map_bar(l->dev, l->at.bar, l->at.offset, l->at.size, l->va, &mapped);

	if (rc)
		return rc;
	rc = ioas_import(ioas, l->dev, l->at.bar, l->at.offset, l->at.size, l->va);
	if (rc)
		goto clear;
	rc = pl_guard_add(&l->guard, l->va, l->at.size, 0);
	if (rc)
		take_back(l);
	return rc;
clear:
	(void)pl_window_clear(l->va, l->at.size);
	return rc;
}

static void unmap(struct bar_lender *l)
{
	pl_guard_remove(l->va);
	take_back(l);
}

static int lend(struct bar_lender *l)
{
	struct p2p_memory *m = &l->p2p.memory[0];
	int rc = fit(l);

	if (rc == 0)
		rc = pl_window_reserve(l->at.size, &l->va);
	if (rc)
		return rc;
	rc = map(l);
	if (rc)
		goto release;
	m->kind = PL_MEM_BAR;
	snprintf(m->label, sizeof(m->label), "BAR %u", l->at.bar);
	rc = pl_p2p_heap_create(l->p2p.name, m->kind, l->va, l->at.size, &m->heap);
	if (rc)
		goto unmap;
	pl_p2p_heap_set_guard(m->heap, &l->guard);
	l->p2p.nb_memories = 1;
	return 0;
unmap:
	unmap(l);
release:
	pl_window_release(l->va, l->at.size);
	return rc;
}

static void bar_use(struct pl_p2p *p)
{
	(void)p; /* nobody but us resets it, and we do not */
}

static int bar_lost(const struct pl_p2p *p)
{
	if (!pl_guard_lost(&of(p)->guard))
		return 0;
	return pl_fail(-ENODEV,
		       "%s: its memory was taken away from this process (SIGBUS): it was unbound, "
		       "decodes no memory or sleeps; after that, start anew",
		       p->name);
}

static int bar_asked_back(struct pl_p2p *p)
{
	if (!vfio_dev_asked_back(of(p)->dev))
		return 0;
	return pl_fail(
		-ENODEV,
		"%s: the kernel wants the device back, which is being unbound or removed, and "
		"waits until this process ends its use",
		p->name);
}

static const char *bar_why_none(const struct pl_p2p *p)
{
	(void)p;
	return "";
}

static uint32_t bar_generation(const struct pl_p2p *p)
{
	(void)p;
	return 0;
}

static uint32_t bar_alive_reads(const struct pl_p2p *p, unsigned int memory)
{
	(void)p;
	(void)memory;
	return 0; /* the canary is all there is to look at */
}

static int bar_alive(const struct pl_p2p *p, unsigned int memory, uint32_t generation)
{
	(void)memory;
	(void)generation;
	return bar_lost(p);
}

static const struct pl_p2p_ops bar_ops = {
	.use = bar_use,
	.unuse = bar_use,
	.lost = bar_lost,
	.asked_back = bar_asked_back,
	.why_none = bar_why_none,
	.generation = bar_generation,
	.alive_reads = bar_alive_reads,
	.alive = bar_alive,
};

static int bar_probe(const char *bdf, const char *text, struct pl_ioas *ioas, struct pl_p2p **out)
{
	struct bar_lender *l = eal_calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return pl_fail(-ENOMEM, "%s: no memory for the device", bdf);
	l->p2p.ops = &bar_ops;
	l->p2p.ioas = ioas;
	l->p2p.canary_only = true;
	snprintf(l->p2p.name, sizeof(l->p2p.name), "%s", bdf);
	rc = parse_args(bdf, text, &l->at);
	if (rc == 0) {
		l->dev = ioas_device(ioas, bdf);
		rc = l->dev ? lend(l) : pl_fail(-ENODEV, "%s is not in the IO address space", bdf);
	}
	if (rc) {
		free(l);
		return rc;
	}
	PL_LOG(INFO, "%s lends %llu KiB of its BAR %u", bdf, (unsigned long long)l->at.size >> 10,
	       l->at.bar);
	*out = &l->p2p;
	return 0;
}

static void bar_remove(struct pl_p2p *p)
{
	struct bar_lender *l = of(p);

	pl_p2p_heap_destroy(p->memory[0].heap);
	unmap(l);
	pl_window_release(l->va, l->at.size);
	free(l);
}

static const struct p2p_driver_ops vfio_bar_ops = {
	.name = "vfio_bar",
	.claims = bar_claims,
	.check = bar_check,
	.probe = bar_probe,
	.remove = bar_remove,
};
P2P_DRIVER(vfio_bar_ops)
