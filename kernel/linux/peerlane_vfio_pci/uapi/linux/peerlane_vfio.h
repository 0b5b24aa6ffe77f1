/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Peer memory of an NVMe controller that user space drives: what peerlane_vfio_pci adds to vfio.
 *
 * The module puts the controller's memory buffer (CMB) into the kernel's p2pdma pool of the device,
 * out of which sysfs' p2pmem/allocate and other drivers take memory as well. The two device
 * features below let the owner of the vfio device take memory out of the same pool and learn where
 * in the CMB it lies, which no other interface tells, so that a controller and a CPU mapping, or
 * the kernel's O_DIRECT and a controller, can be given the same bytes.
 *
 *	size_t size = sizeof(struct vfio_device_feature) + sizeof(struct peerlane_vfio_p2pmem_alloc);
 *	struct vfio_device_feature *feature = calloc(1, size);
 *	struct peerlane_vfio_p2pmem_alloc *chunk = (void *)feature->data;
 *
 *	feature->argsz = size;
 *	feature->flags = VFIO_DEVICE_FEATURE_GET | PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC;
 *	chunk->size = 1 << 20;
 *	fd = ioctl(device, VFIO_DEVICE_FEATURE, feature);
 *	buf = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 *	n = pread(file, buf, 1 << 20, 0);	(opened with O_DIRECT)
 *	...tell the controller to write out its CMB from chunk->offset on
 *
 * Both features are the same to 32-bit and 64-bit callers: every field has a fixed size and its
 * natural alignment. Fields that are "in" and unknown flags must be what is said here, or the
 * answer is EINVAL; so they can get a meaning later, which `version` will tell.
 *
 * Answers that both features give:
 *	ENOTTY	the device has no p2pmem: another driver, or this one without a usable CMB
 *	ENODEV	the device is being removed from its driver
 *	EINVAL	argsz too small for the structure, VFIO_DEVICE_FEATURE_SET, or neither GET nor PROBE
 *	EFAULT	the structure is not readable or not writable
 */
#ifndef _UAPI_LINUX_PEERLANE_VFIO_H
#define _UAPI_LINUX_PEERLANE_VFIO_H

#include <linux/types.h>

/*
 * The index of a vfio device feature has 16 bits, and the kernel counts up from 0. These are out of
 * its reach for as long as that lasts, and a driver that does not know them answers ENOTTY.
 */
#define PEERLANE_VFIO_FEATURE_P2PMEM_INFO 0xF100
#define PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC 0xF101

/* Value of peerlane_vfio_p2pmem_info.version that belongs to this header. */
#define PEERLANE_VFIO_P2PMEM_VERSION 1

/* Bits of peerlane_vfio_p2pmem_info.flags. */
/* Other drivers of the kernel may take memory out of the pool (the CMB has both RDS and WDS). */
#define PEERLANE_VFIO_P2PMEM_PUBLISHED (1U << 0)

/*
 * PEERLANE_VFIO_FEATURE_P2PMEM_INFO, GET and PROBE: the pool. Everything is "out".
 *
 * How much of the pool is free, whoever took the rest, is in sysfs: p2pmem/available of the device.
 */
struct peerlane_vfio_p2pmem_info {
	__u32 version;	   /* PEERLANE_VFIO_P2PMEM_VERSION of the module */
	__u32 flags;	   /* PEERLANE_VFIO_P2PMEM_* */
	__u32 bar;	   /* region (VFIO_PCI_BAR0_REGION_INDEX...) in which the pool lies */
	__u32 reserved;	   /* 0 */
	__u64 offset;	   /* of the pool's first byte in that region */
	__u64 size;	   /* of the pool in bytes; at most the CMB's */
	__u64 cmb_offset;  /* of the CMB in that region, at most `offset` (alignment) */
	__u64 granularity; /* sizes and offsets of chunks are multiples of it (the page size) */
	__u64 allocated;   /* bytes in chunks of P2PMEM_ALLOC that exist now */
};

/*
 * PEERLANE_VFIO_FEATURE_P2PMEM_ALLOC, GET and PROBE: takes a chunk out of the pool.
 *
 * Returns a new file descriptor, close-on-exec, which is the chunk. The memory is contiguous and
 * reads as zeros. It goes back to the pool when the last descriptor is closed, the last mapping is
 * gone and I/O that the kernel does to it has ended, whoever of these is last; the vfio device need
 * not stay open for it. When the device leaves its driver the chunk is dead, see below.
 *
 * mmap() of the descriptor with MAP_SHARED maps the chunk, or any pages of it, from the offset in
 * the chunk that is passed to mmap(). The pages are the kernel's to use in O_DIRECT and the like;
 * they refuse long-term pins (RDMA, io_uring's fixed buffers, IOMMU_IOAS_MAP, VFIO_IOMMU_MAP_DMA).
 * CPU accesses are uncached. A child of fork() shares the mapping.
 *	EINVAL	MAP_PRIVATE; a range that is not within the chunk
 *	EPERM	PROT_EXEC
 *	ENODEV	the chunk is dead, or its device is about to be removed
 * mremap() does not let a mapping grow (EFAULT). While memory decoding of the device is off, or it
 * is in D3, an access raises SIGBUS, as it does in a vfio mapping of a BAR; while vfio resets it,
 * an access waits. An access to a mapping of a dead chunk raises SIGBUS, a system call given it
 * answers EFAULT. The device does not wait for idle mappings and descriptors of chunks, only for
 * I/O.
 *
 * Answers of the allocation, besides those above; nothing is allocated then:
 *	EINVAL	size (also one above the pool's), offset, flags or reserved
 *	ENOMEM	no contiguous piece of this size is free now, or the kernel is out of memory
 *	EMFILE, ENFILE	no descriptor
 *	EIO	the memory could not be cleared: decoding is off, the device is in D3, or its owner
 *		hides the CMB (CMBMSC.CRE)
 *	EINTR	the caller is being killed
 */
struct peerlane_vfio_p2pmem_alloc {
	__u64 size;	/* in: of the chunk, a multiple of the granularity, not 0 */
	__u64 offset;	/* in: 0. out: of the chunk in the region `bar` */
	__u32 flags;	/* in: 0 */
	__u32 reserved; /* in: 0 */
};

#endif /* _UAPI_LINUX_PEERLANE_VFIO_H */
