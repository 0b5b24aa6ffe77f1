// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the controller memory buffer of an NVMe controller and adds it to the device's p2pdma pool.
 * What the registers say is taken for hostile until it was checked.
 */
#include <linux/bitfield.h>
#include <linux/io-64-nonatomic-hi-lo.h>
#include <linux/memremap.h>
#include <linux/pci-p2pdma.h>

#include "peerlane_vfio_pci.h"

/* NVM Express Base Specification 2.0, section 3.1.3. */
#define NVME_REG_CAP		0x00
#define NVME_REG_CMBLOC		0x38
#define NVME_REG_CMBSZ		0x3c
#define NVME_REG_CMBMSC		0x50
#define NVME_REG_DOORBELLS	0x1000
#define NVME_CAP_DSTRD		GENMASK_ULL(35, 32)
#define NVME_CAP_CMBS		BIT_ULL(57)
#define NVME_CMBMSC_CRE		BIT_ULL(0)
#define NVME_CMBLOC_BIR		GENMASK(2, 0)
#define NVME_CMBLOC_OFST	GENMASK(31, 12)
#define NVME_CMBSZ_RDS		BIT(3)
#define NVME_CMBSZ_WDS		BIT(4)
#define NVME_CMBSZ_SZU		GENMASK(11, 8)
#define NVME_CMBSZ_SZU_MAX	6
#define NVME_CMBSZ_SZ		GENMASK(31, 12)

/*
 * Whether an access reaches the function's memory. It is the real register that counts: the core
 * has its virtual one only while the device is open.
 */
bool plv_memory_enabled(struct pci_dev *pdev)
{
	u16 cmd;

	if (pdev->current_state != PCI_D0)
		return false;
	/* The memory of an SR-IOV VF is decoded as its PF says. */
	if (pdev->no_command_memory)
		return true;
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	return !PCI_POSSIBLE_ERROR(cmd) && (cmd & PCI_COMMAND_MEMORY);
}

/*
 * Without CMBMSC.CRE a controller of NVMe 1.4 or later hides its CMB; a reset clears it. Where the
 * controller itself sees the CMB (CMSE, CBA) is the business of whoever drives it.
 */
void plv_cmb_reenable(struct plv_device *dev)
{
	void __iomem *reg = dev->cmb.regs + NVME_REG_CMBMSC;
	u64 cmbmsc;

	if (!dev->cmb.regs || !dev->cmb.has_cmbmsc || !plv_memory_enabled(dev->core.pdev))
		return;
	cmbmsc = hi_lo_readq(reg);
	if (!(cmbmsc & NVME_CMBMSC_CRE))
		/* The high half first: the write of the low one makes both valid. */
		hi_lo_writeq(cmbmsc | NVME_CMBMSC_CRE, reg);
}

static bool overlap(u64 start, u64 end, u64 other_start, u64 other_end)
{
	return start < other_end && other_start < end;
}

/* A CMB that lay over registers or MSI-X vectors would hand these to whoever allocates p2pmem. */
static bool covers_registers(struct pci_dev *pdev, u64 cap, unsigned int bar, u64 start, u64 end)
{
	/* Doorbells of the admin queues and one I/O queue pair: what every controller has. */
	u64 registers = NVME_REG_DOORBELLS + 4 * (4ULL << FIELD_GET(NVME_CAP_DSTRD, cap));
	u32 table, pba;
	u64 vectors;
	u16 flags;

	if (bar == 0 && overlap(start, end, 0, PAGE_ALIGN(registers)))
		return true;
	if (!pdev->msix_cap)
		return false;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	if (bar == (table & PCI_MSIX_TABLE_BIR) &&
	    overlap(start, end, table & PCI_MSIX_TABLE_OFFSET,
		    (u64)(table & PCI_MSIX_TABLE_OFFSET) + vectors * PCI_MSIX_ENTRY_SIZE))
		return true;
	return bar == (pba & PCI_MSIX_PBA_BIR) &&
	       overlap(start, end, pba & PCI_MSIX_PBA_OFFSET,
		       (u64)(pba & PCI_MSIX_PBA_OFFSET) + DIV_ROUND_UP(vectors, 64) * 8);
}

/* Sets dev->cmb but for regs, or says what is wrong. */
static const char *locate(struct plv_device *dev, void __iomem *regs)
{
	struct pci_dev *pdev = dev->core.pdev;
	u64 cap, unit, offset, size, bar_start, bar_len, start, end;
	struct plv_cmb *cmb = &dev->cmb;
	u32 cmbloc, cmbsz;

	cap = hi_lo_readq(regs + NVME_REG_CAP);
	if (PCI_POSSIBLE_ERROR(cap))
		return "the controller does not answer";
	cmb->has_cmbmsc = cap & NVME_CAP_CMBS;
	if (cmb->has_cmbmsc)
		/* Whatever was set before belonged to another driver. */
		hi_lo_writeq(NVME_CMBMSC_CRE, regs + NVME_REG_CMBMSC);
	cmbsz = readl(regs + NVME_REG_CMBSZ);
	cmbloc = readl(regs + NVME_REG_CMBLOC);
	if (PCI_POSSIBLE_ERROR(cmbsz))
		return "the controller does not answer";
	if (!FIELD_GET(NVME_CMBSZ_SZ, cmbsz))
		return "the controller has no CMB";
	if (FIELD_GET(NVME_CMBSZ_SZU, cmbsz) > NVME_CMBSZ_SZU_MAX)
		return "CMBSZ has a reserved unit of size";

	/* At most 2^20 - 1 units of 2^36 bytes: no overflow. */
	unit = 1ULL << (12 + 4 * FIELD_GET(NVME_CMBSZ_SZU, cmbsz));
	size = unit * FIELD_GET(NVME_CMBSZ_SZ, cmbsz);
	offset = unit * FIELD_GET(NVME_CMBLOC_OFST, cmbloc);
	cmb->bar = FIELD_GET(NVME_CMBLOC_BIR, cmbloc);
	if (cmb->bar >= PCI_STD_NUM_BARS ||
	    !(pci_resource_flags(pdev, cmb->bar) & IORESOURCE_MEM) ||
	    !pci_resource_len(pdev, cmb->bar))
		return "CMBLOC names a BAR that is not there";
	bar_start = pci_resource_start(pdev, cmb->bar);
	bar_len = pci_resource_len(pdev, cmb->bar);
	if (offset >= bar_len)
		return "CMBLOC points behind the end of its BAR";
	/* Behind a bridge with a small window a BAR may be smaller than what is behind it. */
	size = min(size, bar_len - offset);
	if (covers_registers(pdev, cap, cmb->bar, offset, offset + size))
		return "CMBLOC lays the CMB over registers";

	/* Memory with struct pages comes in pieces of this alignment, 2 MiB. */
	start = ALIGN(bar_start + offset, memremap_compat_align());
	end = ALIGN_DOWN(bar_start + offset + size, memremap_compat_align());
	if (start >= end)
		return "the CMB has no aligned piece of 2 MiB, which p2pdma wants";
	cmb->cmb_offset = offset;
	cmb->offset = start - bar_start;
	cmb->size = end - start;
	cmb->published = (cmbsz & NVME_CMBSZ_RDS) && (cmbsz & NVME_CMBSZ_WDS);
	return NULL;
}

static void disable_device(void *pdev)
{
	pci_disable_device(pdev);
}

static const char *add(struct plv_device *dev)
{
	struct pci_dev *pdev = dev->core.pdev;
	const char *problem;
	void __iomem *regs;

	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		return "this kernel has no CONFIG_PCI_P2PDMA";
	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS)
		return "not an NVMe controller";
	if (!(pci_resource_flags(pdev, 0) & IORESOURCE_MEM) ||
	    pci_resource_len(pdev, 0) < NVME_REG_DOORBELLS)
		return "no registers in BAR 0";

	/* On top of the core's, which ends when the last user closes the device. */
	if (pci_enable_device_mem(pdev))
		return "the device cannot be enabled";
	if (devm_add_action_or_reset(&pdev->dev, disable_device, pdev))
		return "out of memory";
	regs = devm_ioremap(&pdev->dev, pci_resource_start(pdev, 0), NVME_REG_DOORBELLS);
	if (!regs)
		return "the registers cannot be mapped";
	problem = locate(dev, regs);
	if (problem)
		return problem;
	if (pci_p2pdma_add_resource(pdev, dev->cmb.bar, dev->cmb.size, dev->cmb.offset))
		return "p2pdma refuses the CMB";
	dev->cmb.regs = regs;
	return NULL;
}

/* 0 also when there is no CMB to add: then this is a plain vfio driver, and says so. */
int plv_cmb_add(struct plv_device *dev)
{
	struct device *device = &dev->core.pdev->dev;
	const char *problem;
	void *group;

	group = devres_open_group(device, NULL, GFP_KERNEL);
	if (!group)
		return -ENOMEM;
	problem = add(dev);
	if (problem) {
		devres_release_group(device, group);
		dev_info(device, "no p2pmem: %s\n", problem);
		return 0;
	}
	devres_remove_group(device, group);
	return 0;
}
