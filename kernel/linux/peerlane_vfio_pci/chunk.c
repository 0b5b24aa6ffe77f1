// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks: pieces of the p2pdma pool, each a file that can be mapped.
 *
 * Every page of a chunk that is alive has one reference of the chunk's and one for each mapping and
 * pin; with the last one p2pdma takes the page back. So a chunk only has to drop its references:
 * when its file goes (nobody can map it any more, no mapping is left, I/O may go on), or when the
 * device leaves the driver (mappings are taken away first, I/O may go on, p2pdma waits for that).
 *
 * Mappings belong to the address space of the vfio device, at the place of the chunk in the BAR.
 * When memory decoding goes off or the device is reset, the core takes them away with those of the
 * BARs; the fault handler puts pages back when the memory is there again.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/percpu-refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/peerlane_vfio.h>

#include "compat.h"
#include "peerlane_vfio_pci.h"

struct plv_chunk {
	struct plv_device *dev;	/* by a reference that keeps its memory, not the hardware */
	struct list_head node;	/* in dev->chunks while alive */
	void *kaddr;
	u64 offset;		/* in the BAR */
	u64 size;
	bool alive;		/* under core.memory_lock */
};

/* How much is cleared before others get at core.memory_lock. */
#define PLV_CLEAR_STEP SZ_1M

static u64 bar_to_mapping(struct plv_device *dev, u64 offset)
{
	return VFIO_PCI_INDEX_TO_OFFSET(dev->cmb.bar) + offset;
}

static void zap(struct plv_device *dev)
{
	unmap_mapping_range(dev->core.vdev.inode->i_mapping, bar_to_mapping(dev, dev->cmb.offset),
			    dev->cmb.size, true);
}

static void put_pages(struct plv_chunk *chunk)
{
	u64 done;

	for (done = 0; done < chunk->size; done += PAGE_SIZE) {
		put_page(virt_to_page(chunk->kaddr + done));
		cond_resched();
	}
}

/* Takes away all mappings; a later fault puts pages back unless something is in the way. */
void plv_chunks_zap(struct plv_device *dev)
{
	if (dev->cmb.regs)
		zap(dev);
}

/* Around a reset, whoever asked for it; with any lock held but fault_lock. */
void plv_chunks_reset(struct plv_device *dev, bool resetting)
{
	mutex_lock(&dev->fault_lock);
	dev->resetting = resetting;
	mutex_unlock(&dev->fault_lock);
	if (resetting)
		plv_chunks_zap(dev);
}

/* The device is about to leave, and no user of vfio is left. */
void plv_chunks_revoke(struct plv_device *dev)
{
	struct plv_chunk *chunk, *next;

	if (!dev->cmb.regs)
		return;
	down_write(&dev->core.memory_lock);
	list_for_each_entry(chunk, &dev->chunks, node)
		chunk->alive = false;
	zap(dev);
	list_for_each_entry_safe(chunk, next, &dev->chunks, node) {
		list_del(&chunk->node);
		put_pages(chunk);
	}
	dev->allocated = 0;
	up_write(&dev->core.memory_lock);
}

static int plv_chunk_release(struct inode *inode, struct file *file)
{
	struct plv_chunk *chunk = file->private_data;
	struct plv_device *dev = chunk->dev;

	down_write(&dev->core.memory_lock);
	if (chunk->alive) {
		list_del(&chunk->node);
		dev->allocated -= chunk->size;
		put_pages(chunk);
	}
	up_write(&dev->core.memory_lock);
	put_device(&dev->core.vdev.device);
	kfree(chunk);
	return 0;
}

static vm_fault_t put_page_in(struct vm_fault *vmf, struct plv_chunk *chunk, u64 offset)
{
	struct plv_device *dev = chunk->dev;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	bool wait;
	int err;

	mutex_lock(&dev->fault_lock);
	wait = dev->resetting;
	if (!wait && plv_memory_enabled(dev->core.pdev)) {
		err = vm_insert_page(vmf->vma, vmf->address, virt_to_page(chunk->kaddr + offset));
		/* EBUSY: another thread was faster. */
		ret = err && err != -EBUSY ? vmf_error(err) : VM_FAULT_NOPAGE;
	}
	mutex_unlock(&dev->fault_lock);
	if (!wait)
		return ret;
	fsleep(1000);
	return VM_FAULT_NOPAGE; /* and the access is made again */
}

static vm_fault_t plv_chunk_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct plv_chunk *chunk = vma->vm_file->private_data;
	struct plv_device *dev = chunk->dev;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	u64 offset;

	/* Below the chunk this wraps around, and is behind its end as well. */
	offset = ((u64)vmf->pgoff << PAGE_SHIFT) - bar_to_mapping(dev, chunk->offset);
	if (offset >= chunk->size)
		return VM_FAULT_SIGBUS;

	down_read(&dev->reset_lock);
	down_read(&dev->core.memory_lock);
	if (chunk->alive)
		ret = put_page_in(vmf, chunk, offset);
	up_read(&dev->core.memory_lock);
	up_read(&dev->reset_lock);
	return ret;
}

static const struct vm_operations_struct plv_chunk_vm_ops = {
	.fault = plv_chunk_fault,
};

static int plv_chunk_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct plv_chunk *chunk = file->private_data;
	struct plv_device *dev = chunk->dev;
	u64 chunk_pages = chunk->size >> PAGE_SHIFT;

	/* The fault handler looks again, under the lock. */
	if (READ_ONCE(dev->dying))
		return -ENODEV;
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	if (vma->vm_pgoff >= chunk_pages || vma_pages(vma) > chunk_pages - vma->vm_pgoff)
		return -EINVAL;

	vma->vm_pgoff += bar_to_mapping(dev, chunk->offset) >> PAGE_SHIFT;
	/* Uncached, as p2pdma's own mapping of these pages is. */
	vma->vm_page_prot = pgprot_decrypted(pgprot_noncached(vma->vm_page_prot));
	vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_ops = &plv_chunk_vm_ops;
	return 0;
}

static const struct file_operations plv_chunk_fops = {
	.owner = THIS_MODULE,
	.release = plv_chunk_release,
	.mmap = plv_chunk_mmap,
};

/* What the last owner left must not be seen by the next one. */
static int clear(struct plv_device *dev, void *kaddr, u64 size)
{
	void __iomem *mem = (void __iomem *)kaddr;
	u64 done = 0;

	while (done < size) {
		u64 stop = min(size, done + PLV_CLEAR_STEP);
		bool cleared;

		if (fatal_signal_pending(current))
			return -EINTR;
		down_read(&dev->core.memory_lock);
		cleared = plv_memory_enabled(dev->core.pdev);
		if (cleared) {
			for (; done < stop; done += sizeof(u64))
				__raw_writeq(0, mem + done);
			/*
			 * A peer's writes come another way: they must find the zeros in place. And
			 * a CMB that its owner hides by CMBMSC.CRE does not answer.
			 */
			cleared = readq(mem + done - sizeof(u64)) == 0;
		}
		up_read(&dev->core.memory_lock);
		if (!cleared)
			return -EIO;
		cond_resched();
	}
	return 0;
}

/* Now each page has its own reference on the pool, which p2pdma drops when the page goes back. */
static void own_pages(struct plv_chunk *chunk)
{
	struct page *page = virt_to_page(chunk->kaddr);
	unsigned long pages = chunk->size >> PAGE_SHIFT;
	unsigned long i;

	percpu_ref_get_many(&plv_page_pgmap(page)->ref, pages - 1);
	for (i = 0; i < pages; i++)
		plv_init_page(page + i);
}

static struct file *chunk_file(struct plv_device *dev, u64 size)
{
	struct pci_dev *pdev = dev->core.pdev;
	struct plv_chunk *chunk;
	struct file *file;
	int err;

	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	chunk->dev = dev;
	chunk->size = size;
	chunk->kaddr = pci_alloc_p2pmem(pdev, size);
	if (!chunk->kaddr) {
		err = -ENOMEM;
		goto err_free;
	}
	err = clear(dev, chunk->kaddr, size);
	if (err)
		goto err_free_p2pmem;
	chunk->offset = pci_p2pmem_virt_to_bus(pdev, chunk->kaddr) -
			pci_bus_address(pdev, dev->cmb.bar);

	file = anon_inode_getfile("[peerlane-p2pmem]", &plv_chunk_fops, chunk, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_free_p2pmem;
	}
	/* The device's own address space: see the top of this file. */
	file->f_mapping = dev->core.vdev.inode->i_mapping;
	get_device(&dev->core.vdev.device);
	own_pages(chunk);
	down_write(&dev->core.memory_lock);
	chunk->alive = true;
	list_add_tail(&chunk->node, &dev->chunks);
	dev->allocated += size;
	up_write(&dev->core.memory_lock);
	return file;

err_free_p2pmem:
	pci_free_p2pmem(pdev, chunk->kaddr, size);
err_free:
	kfree(chunk);
	return ERR_PTR(err);
}

int plv_feature_alloc(struct plv_device *dev, u32 flags, void __user *arg, size_t argsz)
{
	struct peerlane_vfio_p2pmem_alloc req;
	struct plv_chunk *chunk;
	struct file *file;
	int fd, ret;

	if (!dev->cmb.regs)
		return -ENOTTY;
	if (READ_ONCE(dev->dying))
		return -ENODEV;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET, sizeof(req));
	if (ret != 1)
		return ret;
	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.flags || req.reserved || req.offset)
		return -EINVAL;
	if (!req.size || !PAGE_ALIGNED(req.size) || req.size > dev->cmb.size)
		return -EINVAL;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = chunk_file(dev, req.size);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_put_fd;
	}
	chunk = file->private_data;
	req.offset = chunk->offset;
	if (copy_to_user(arg, &req, sizeof(req))) {
		ret = -EFAULT;
		goto err_fput;
	}
	fd_install(fd, file);
	return fd;

err_fput:
	fput(file);
err_put_fd:
	put_unused_fd(fd);
	return ret;
}

int plv_feature_info(struct plv_device *dev, u32 flags, void __user *arg, size_t argsz)
{
	struct peerlane_vfio_p2pmem_info info = {
		.version = PEERLANE_VFIO_P2PMEM_VERSION,
		.flags = dev->cmb.published ? PEERLANE_VFIO_P2PMEM_PUBLISHED : 0,
		.bar = dev->cmb.bar,
		.offset = dev->cmb.offset,
		.size = dev->cmb.size,
		.cmb_offset = dev->cmb.cmb_offset,
		.granularity = PAGE_SIZE,
	};
	int ret;

	if (!dev->cmb.regs)
		return -ENOTTY;
	if (READ_ONCE(dev->dying))
		return -ENODEV;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET, sizeof(info));
	if (ret != 1)
		return ret;
	down_read(&dev->core.memory_lock);
	info.allocated = dev->allocated;
	up_read(&dev->core.memory_lock);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}
