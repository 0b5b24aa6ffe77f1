/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between Linux 6.12 and 7.2. Kbuild looks into the kernel's headers and defines
 * PLV_HAVE_*: distributions move such things between versions.
 */
#ifndef PEERLANE_COMPAT_H
#define PEERLANE_COMPAT_H

#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/vfio_pci_core.h>

/* Operations of the core that a newer vfio has and an older one has not. */
#ifdef PLV_HAVE_REGION_INFO_CAPS
#define PLV_REGION_INFO_OPS .get_region_info_caps = vfio_pci_ioctl_get_region_info,
#else
#define PLV_REGION_INFO_OPS
#endif

#ifdef PLV_HAVE_MATCH_TOKEN
#define PLV_MATCH_TOKEN_OPS .match_token_uuid = vfio_pci_core_match_token_uuid,
#else
#define PLV_MATCH_TOKEN_OPS
#endif

#ifdef PLV_HAVE_PASID
#define PLV_PASID_OPS                                                    \
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas,    \
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,
#else
#define PLV_PASID_OPS
#endif

/* Without it VFIO_DEVICE_FEATURE_DMA_BUF answers EOPNOTSUPP. */
static inline void plv_enable_dmabuf(struct vfio_pci_core_device *core)
{
#ifdef PLV_HAVE_DMABUF
	static const struct vfio_pci_device_ops ops = {
		.get_dmabuf_phys = vfio_pci_core_get_dmabuf_phys,
	};

	core->pci_ops = &ops;
#endif
}

/*
 * A page that was just taken out of p2pdma's pool gets the one reference which is the chunk's.
 * Where page_pgmap() exists, free pages have none. Before, they have one; but the last put gives
 * the page back to the pool first and sets the one afterwards, maybe while we hold the page.
 */
static inline void plv_init_page(struct page *page)
{
#ifdef PLV_HAVE_PAGE_PGMAP
	set_page_count(page, 1);
#else
	while (!page_ref_count(page))
		cond_resched();
#endif
}

static inline struct dev_pagemap *plv_page_pgmap(struct page *page)
{
#ifdef PLV_HAVE_PAGE_PGMAP
	return page_pgmap(page);
#else
	return page->pgmap;
#endif
}

#endif
