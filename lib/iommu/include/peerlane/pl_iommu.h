/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * IO address spaces: what devices may reach, at which address.
 *
 * Peerlane has one address for every DMA-able byte: its CPU virtual address is its IOVA. So map
 * calls take no IOVA apart from the address itself, and the data path never translates. A space is
 * of one backend (an interface of the kernel's, or the software IOMMU of emulated devices), which is
 * chosen at start; this interface does not tell them apart. A process has a space for each family of
 * its devices, and host memory has its one address in all of them.
 *
 * A mapping exists only when the map call returned 0; a failure leaves nothing mapped. Unmap is
 * strict: when it returns, no device can reach the range any more and no access that had begun is
 * still under way.
 */
#ifndef PEERLANE_PL_IOMMU_H
#define PEERLANE_PL_IOMMU_H

#include <stddef.h>
#include <stdint.h>

#include <peerlane/pl_err.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pl_ioas;

/** What lies behind an address. Decides how bytes that cross it are counted and how the CPU may
 * touch it. */
enum pl_mem_kind {
	PL_MEM_HOST, /**< host DRAM: hugepages, ordinary pages */
	PL_MEM_CMB,  /**< an NVMe Controller Memory Buffer */
	PL_MEM_PMR,  /**< an NVMe Persistent Memory Region */
	PL_MEM_BAR,  /**< a device's memory that is neither */
	PL_MEM_KINDS,
};

/** Permissions of a mapping, as seen from the device. */
#define PL_IOMMU_READ  0x1u
#define PL_IOMMU_WRITE 0x2u

/** An inclusive range of IOVAs that may be mapped ("last" is the last usable byte). */
struct pl_iova_range {
	uint64_t start;
	uint64_t last;
};

/** One access that the IOMMU refused. */
struct pl_iommu_fault {
	char device[32];      /**< which device, by its name ("nvme_emu0", "0000:01:00.0") */
	uint64_t iova;	      /**< first byte that was refused */
	uint32_t access;      /**< PL_IOMMU_READ or PL_IOMMU_WRITE */
	const char *reason;   /**< static text: "not mapped", "no write permission", ... */
};

/** Counters of an IO address space; they only grow, except `mapped_bytes` and `mappings`. */
struct pl_ioas_stats {
	uint64_t maps;		/**< successful map calls */
	uint64_t unmaps;	/**< successful unmap calls */
	uint64_t mappings;	/**< mappings that exist now */
	uint64_t mapped_bytes;	/**< bytes they cover */
	uint64_t invalidations; /**< IOTLB invalidations waited for */
	uint64_t faults;	/**< refused accesses, recorded or lost to a full log */
};

/**
 * The address space that every device of the process shares: the one there is, or what stands for
 * all of them ("several" is its backend): a map is in each or in none, faults are those of any. Valid
 * between pl_eal_init() and pl_eal_cleanup(); NULL outside. Any thread.
 */
PL_API struct pl_ioas *pl_ioas_default(void);

/** The process's address spaces one after another: the first one after NULL, NULL after the last.
 * Valid between pl_eal_init() and pl_eal_cleanup(). Any thread. */
PL_API struct pl_ioas *pl_ioas_next(const struct pl_ioas *prev);

/** The address space of that name, or NULL: "pci" has the devices of `-a`, "emulated" those of
 * `--vdev`. Any thread. */
PL_API struct pl_ioas *pl_ioas_get(const char *name);

/** Its name; "" if it has none, as what stands for several spaces has. */
PL_API const char *pl_ioas_name(const struct pl_ioas *ioas);

/** The backend's name, as `--iommu=` takes it. */
PL_API const char *pl_ioas_backend(const struct pl_ioas *ioas);

/**
 * Copies up to @p n usable ranges in ascending order.
 * @return how many there are (may exceed @p n).
 */
PL_API int pl_ioas_aperture(const struct pl_ioas *ioas, struct pl_iova_range *ranges, int n);

/**
 * Lets devices reach [va, va + len) at IOVA = va. The memory stays the caller's and must stay
 * mapped by the CPU until pl_ioas_unmap() returned. Any thread; may block.
 *
 * @param va, len multiples of 4096 bytes; len > 0.
 * @param prot PL_IOMMU_READ, PL_IOMMU_WRITE or both, from the device's side.
 * @return 0; -EINVAL if not aligned, empty, without permission or outside the aperture; -EEXIST if
 *   any byte is already mapped; -ENOMEM.
 */
PL_API int pl_ioas_map(struct pl_ioas *ioas, void *va, size_t len, uint32_t prot,
		       enum pl_mem_kind kind);

/**
 * Ends a mapping made by one pl_ioas_map() call, with exactly its address and length. Any thread
 * that is not a device's; blocks until no access is under way.
 *
 * @return 0; -ENOENT if no mapping starts there; -EINVAL if the length is not the mapping's. Only
 *   the software IOMMU has then left it alone: to the kernel a longer range ends every mapping within.
 */
PL_API int pl_ioas_unmap(struct pl_ioas *ioas, void *va, size_t len);

/**
 * Takes the oldest recorded fault. The log holds the first 64 not yet taken; later ones are only
 * counted. Any thread.
 * @return 0; -ENOENT if there is none.
 */
PL_API int pl_ioas_fault_next(struct pl_ioas *ioas, struct pl_iommu_fault *fault);

/** Copies the counters. Any thread. */
PL_API void pl_ioas_stats(const struct pl_ioas *ioas, struct pl_ioas_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
