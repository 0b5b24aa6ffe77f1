/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam under lib/iommu: an address space is of a backend, and a backend is one const table of
 * operations that registers itself. Nothing outside a backend's folder names it: it is found by the
 * family of devices it serves, its rank and what its spaces can. Adding one is adding a folder, and
 * its files to meson.build.
 */
#ifndef PL_IOMMU_BACKEND_H
#define PL_IOMMU_BACKEND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <peerlane/pl_iommu.h>

struct pl_eal_conf;
struct vfio_dev;

/* Devices of one family can be in one address space: the IOMMU that they sit behind is of one make. */
enum pl_ioas_family {
	PL_IOAS_EMULATED, /* --vdev */
	PL_IOAS_PCI,	  /* -a BDF */
	PL_IOAS_FAMILIES,
};

/* What an address space may be able to do. */
#define IOAS_CAP_PEER 0x1u /* its devices reach each other's memory */

struct pl_ioas_ops {
	const char *name;
	enum pl_ioas_family family; /* whose devices its address spaces hold */
	int rank; /* `auto` takes the highest of those that can be used and can what is wanted */
	/* 0 if an address space could be created here and now; else negative errno with pl_fail()
	 * saying why not and what would change that. */
	int (*available)(void);
	/* Checks the key=val list of --iommu=NAME,... without creating anything. */
	int (*check)(const char *args);
	int (*create)(const char *args, struct pl_ioas **ioas);
	void (*destroy)(struct pl_ioas *ioas);
	/* PCI backends: opens @dev, which was just created, and puts it in the address space, which it
	 * leaves when it is closed. */
	int (*attach)(struct pl_ioas *ioas, struct vfio_dev *dev);
	/* The usable ranges in ascending order, in an array for the caller to free. Returns how many, or
	 * a negative errno. Asked after create(), or after each attach() where there is one. */
	int (*aperture)(const struct pl_ioas *ioas, struct pl_iova_range **ranges);
	/* Arguments were validated against alignment and aperture by the caller. */
	int (*map)(struct pl_ioas *ioas, uint64_t iova, void *va, size_t len, uint32_t prot,
		   enum pl_mem_kind kind);
	int (*unmap)(struct pl_ioas *ioas, uint64_t iova, size_t len);
	/* What this space can (IOAS_CAP_*), asked once its devices are in it. For what it cannot,
	 * pl_fail() says why not. NULL: nothing. */
	uint32_t (*caps)(struct pl_ioas *ioas);
	/* PCI backends: ioas_import(). NULL: no way. */
	int (*import)(struct pl_ioas *ioas, struct vfio_dev *dev, unsigned int bar, uint64_t offset,
		      size_t len, void *va);
	/* NULL: faults are told nowhere but in the kernel's log. */
	int (*fault_next)(struct pl_ioas *ioas, struct pl_iommu_fault *fault);
	void (*stats)(const struct pl_ioas *ioas, struct pl_ioas_stats *stats);
};

/* First member of every backend's own structure. */
struct pl_ioas {
	const struct pl_ioas_ops *ops;
	char name[32];	      /* "": not published */
	struct pl_ioas *next; /* published after this one */
	/* The aperture as of the last attach. Nobody maps before all devices are in. */
	struct pl_iova_range *ranges;
	int nb_ranges;
	struct vfio_dev *devices; /* of a PCI space */
};

struct pl_ioas_backend {
	const struct pl_ioas_ops *ops;
	struct pl_ioas_backend *next;
};

void pl_ioas_backend_register(struct pl_ioas_backend *backend);
void pl_ioas_backend_unregister(struct pl_ioas_backend *backend);

#define PL_IOAS_BACKEND(ops_table)                                                     \
	static struct pl_ioas_backend pl_ioas_backend_entry = { .ops = &(ops_table) }; \
	static void __attribute__((constructor)) pl_ioas_backend_ctor(void)            \
	{                                                                              \
		pl_ioas_backend_register(&pl_ioas_backend_entry);                      \
	}

/* Creates an address space of the named backend, without devices ("auto": for emulated ones).
 * -ENOTSUP if it cannot be had, -EINVAL if there is no such backend or its arguments are wrong. */
int pl_ioas_create(const char *backend, const char *args, struct pl_ioas **ioas);
void pl_ioas_destroy(struct pl_ioas *ioas);

/* An address space of the backend @ops with the devices of @conf (NULL: none) that it can hold. */
int ioas_open(const struct pl_ioas_ops *ops, const char *args, const struct pl_eal_conf *conf,
	      struct pl_ioas **ioas);

/* The same of the highest ranked backend of @family that can be used and has the @wanted
 * capabilities. If none has them, the highest ranked that can be used does; which it is and why
 * is logged. -EBUSY, -EACCES, -ENOTSUP... if none can be used, as the last but -ENOTSUP said. */
int ioas_open_auto(enum pl_ioas_family family, uint32_t wanted, const struct pl_eal_conf *conf,
		   struct pl_ioas **ioas);

/* NULL if there is none, with -EINVAL's message that lists those there are. */
const struct pl_ioas_ops *ioas_backend_find(const char *name);
/* -EINVAL if there are arguments to --iommu=auto. */
int ioas_check_auto(const char *args);

/* "auto, NAME, NAME" of the families in the mask, for messages. Returns @buf. */
#define IOAS_NAMES_LEN	128
#define IOAS_ANY_FAMILY UINT_MAX
const char *ioas_backend_names(unsigned int families, char *buf, size_t len);

/* The process's address space for devices of @family; NULL if it has none of those.
 * pl_ioas_default() is the one there is, or a stand-in for all. */
struct pl_ioas *pl_ioas_of_family(enum pl_ioas_family family);

/* Opens the device @bdf, which a vfio driver owns, and puts it in the space, until that is destroyed. */
int ioas_attach(struct pl_ioas *ioas, const char *bdf);
void ioas_drop_devices(struct pl_ioas *ioas);
/* NULL: it is not in the space. */
struct vfio_dev *ioas_device(const struct pl_ioas *ioas, const char *bdf);
/* Lets every device of the space reach [offset, offset + len) of BAR @bar of @dev, which the CPU has
 * mapped at @va, at IOVA @va, until pl_ioas_unmap(). -EREMOTEIO if there is no way. */
int ioas_import(struct pl_ioas *ioas, struct vfio_dev *dev, unsigned int bar, uint64_t offset,
		size_t len, void *va);

/* Gives the space a name and lists it for pl_ioas_next() and pl_ioas_get(), until it is withdrawn or
 * destroyed. -EEXIST, -EINVAL if the name is empty or too long. Not while others look. */
int ioas_publish(struct pl_ioas *ioas, const char *name);
void ioas_withdraw(struct pl_ioas *ioas);

/* Asks the backend for the aperture, which every later check uses. */
int ioas_read_aperture(struct pl_ioas *ioas);

/* True if all of [iova, iova + len) lies in one range of the aperture. */
bool pl_ioas_covers(const struct pl_ioas *ioas, uint64_t iova, size_t len);

#endif
