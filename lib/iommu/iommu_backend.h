/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under lib/iommu: one const ops table per backend, registered by a constructor. Adding a
 * backend is adding a folder.
 */
#ifndef PL_IOMMU_BACKEND_H
#define PL_IOMMU_BACKEND_H

#include <stdbool.h>

#include <peerlane/pl_iommu.h>

struct vfio_dev;

/* Which devices an address space can hold. */
enum pl_ioas_family {
	PL_IOAS_FAMILY_EMU, /* emulated ones: threads of this process */
	PL_IOAS_FAMILY_PCI,
};

struct pl_ioas_ops {
	const char *name;
	int priority; /* `auto` takes the usable backend with the highest */
	bool pci;     /* its address spaces hold PCI devices; else emulated ones */
	/* 0 if an address space could be created here and now; else negative errno with pl_fail()
	 * saying why not and what would change that. */
	int (*available)(void);
	/* Checks the key=val list of --iommu=NAME,... without creating anything. */
	int (*check)(const char *args);
	int (*create)(const char *args, struct pl_ioas **ioas);
	void (*destroy)(struct pl_ioas *ioas);
	/* PCI backends: opens the device @bdf and puts it in the address space, until destroy(). */
	int (*attach)(struct pl_ioas *ioas, const char *bdf);
	struct vfio_dev *(*device)(struct pl_ioas *ioas, const char *bdf);
	int (*aperture)(const struct pl_ioas *ioas, struct pl_iova_range *ranges, int n);
	/* Arguments were validated against alignment and aperture by the caller. */
	int (*map)(struct pl_ioas *ioas, uint64_t iova, void *va, size_t len, uint32_t prot,
		   enum pl_mem_kind kind);
	int (*unmap)(struct pl_ioas *ioas, uint64_t iova, size_t len);
	/* PCI backends: whether, and then let every device reach [offset, offset + len) of BAR @bar of
	 * @dev, which the CPU has mapped at @va, at IOVA @va; unmap() ends it. -EREMOTEIO if this
	 * kernel has no way. */
	bool (*can_import)(struct pl_ioas *ioas);
	int (*import)(struct pl_ioas *ioas, struct vfio_dev *dev, unsigned int bar, uint64_t offset,
		      size_t len, void *va);
	int (*fault_next)(struct pl_ioas *ioas, struct pl_iommu_fault *fault);
	void (*stats)(const struct pl_ioas *ioas, struct pl_ioas_stats *stats);
};

/* First member of every backend's own structure. */
struct pl_ioas {
	const struct pl_ioas_ops *ops;
};

struct pl_ioas_backend {
	const struct pl_ioas_ops *ops;
	struct pl_ioas_backend *next;
};

void pl_ioas_backend_register(struct pl_ioas_backend *backend);

#define PL_IOAS_BACKEND(ops_table)                                                     \
	static struct pl_ioas_backend pl_ioas_backend_entry = { .ops = &(ops_table) }; \
	static void __attribute__((constructor)) pl_ioas_backend_ctor(void)            \
	{                                                                              \
		pl_ioas_backend_register(&pl_ioas_backend_entry);                      \
	}

/* Creates an address space of the named backend ("auto" picks by priority); -ENOTSUP if it cannot
 * be had, -EINVAL if there is no such backend or its arguments are wrong. */
int pl_ioas_create(const char *backend, const char *args, struct pl_ioas **ioas);
void pl_ioas_destroy(struct pl_ioas *ioas);

/* The process's address space for emulated devices or for PCI devices; NULL if it has none of
 * those. pl_ioas_default() is the one there is, or a stand-in for both. */
struct pl_ioas *pl_ioas_of(bool pci);

/* True if all of [iova, iova + len) lies in one range of the aperture. */
bool pl_ioas_covers(const struct pl_ioas *ioas, uint64_t iova, size_t len);

#endif
