/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's own memory, the CMB and the PMR: a memfd that the device maps for itself and
 * that mem_attach() maps once more where the host and the peers see it.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "emu.h"
#include "mem_internal.h"
#include "pl_alloc.h"
#include "pl_inject.h"
#include "pl_log.h"

/* Log2 of the smallest CMBSZ unit over 4 KiB that can tell size and offset, or -1 (3.1.12). */
static int cmb_szu(const struct emu_conf *conf)
{
	for (int szu = 0; szu <= 6; szu++) {
		uint64_t unit = 4096ull << (4 * szu);

		if (conf->cmb % unit == 0 && conf->cmb_off % unit == 0 &&
		    conf->cmb / unit < (1u << 20) && conf->cmb_off / unit < (1u << 20))
			return szu;
	}
	return -1;
}

uint32_t emu_cmbloc(const struct emu_conf *conf)
{
	int szu = cmb_szu(conf);

	if (conf->cmb == 0 || szu < 0)
		return 0;
	/* No restriction on mixing CMB and host memory is claimed that does not exist. */
	return EMU_CMB_BIR | NVME_CMBLOC_CQMMS | NVME_CMBLOC_CQPDS | NVME_CMBLOC_CDPMLS |
	       NVME_CMBLOC_CDPCILS | NVME_CMBLOC_CDMMMS |
	       (uint32_t)(conf->cmb_off / (4096ull << (4 * szu))) << 12;
}

uint32_t emu_cmbsz(const struct emu_conf *conf)
{
	int szu = cmb_szu(conf);

	if (conf->cmb == 0 || szu < 0)
		return 0;
	return conf->cmb_rights | (uint32_t)szu << 8 |
	       (uint32_t)(conf->cmb / (4096ull << (4 * szu))) << 12;
}

static void devmem_fini(struct emu_devmem *m)
{
	if (m->va != NULL)
		munmap(m->va, m->len);
	if (m->fd >= 0)
		close(m->fd);
	m->va = NULL;
	m->fd = -1;
}

static int devmem_init(struct emu_ctrlr *c, struct emu_devmem *m, const char *what, size_t len)
{
	struct sysinfo si;
	void *va;

	m->fd = -1;
	m->window = EMU_NO_WINDOW;
	m->bus = EMU_NO_WINDOW;
	m->len = len;
	if (len == 0)
		return 0;
	/* Pages come when they are touched, so a size that cannot be had must be refused now. */
	if (sysinfo(&si) == 0 && len / si.mem_unit > si.totalram)
		return pl_fail(-ENOMEM, "%s: %s=%zu is more than this machine's memory", c->t.name,
			       what, len);
	m->fd = pl_inject_hit() ? -1 : memfd_create(c->t.name, MFD_CLOEXEC);
	if (m->fd < 0 || pl_inject_hit() || ftruncate(m->fd, (off_t)len) < 0)
		goto fail;
	va = eal_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (va == MAP_FAILED)
		goto fail;
	/* Only advice */
	(void)madvise(va, len, MADV_HUGEPAGE);
	m->va = va;
	return 0;
fail:
	devmem_fini(m);
	return pl_fail(-ENOMEM, "%s: no memory for %s=%zu", c->t.name, what, len);
}

int emu_devmem_init(struct emu_ctrlr *c)
{
	int err;

	err = devmem_init(c, &c->cmb, "cmb", c->conf.cmb);
	if (err < 0)
		return err;
	err = devmem_init(c, &c->pmr, "pmr", c->conf.pmr);
	if (err < 0) {
		devmem_fini(&c->cmb);
		return err;
	}
	c->cmb.rights = c->conf.cmb_rights;
	c->cmb.bar_off = c->conf.cmb_off;
	c->pmr.rights = NVME_CMBSZ_RDS | NVME_CMBSZ_WDS;
	return 0;
}

void emu_devmem_fini(struct emu_ctrlr *c)
{
	devmem_fini(&c->cmb);
	devmem_fini(&c->pmr);
}

/* A window must not wrap, nor lie over the other (3.1.16, 3.1.21). */
static bool window_valid(uint64_t base, size_t len, uint64_t other, size_t other_len)
{
	if (base > UINT64_MAX - len)
		return false;
	return other == EMU_NO_WINDOW || base >= other + other_len || base + len <= other;
}

void emu_devmem_update(struct emu_ctrlr *c)
{
	uint64_t cmb = EMU_NO_WINDOW, pmr = EMU_NO_WINDOW;

	c->cmbsts = 0;
	c->pmrsts = 0;
	if (c->cmb.len != 0 && !c->conf.cmbs) {
		/* Before 1.4 a controller knows its CMB by the BAR's address alone. */
		uint64_t bus = __atomic_load_n(&c->cmb.bus, __ATOMIC_RELAXED);

		if (bus != EMU_NO_WINDOW && c->cmb.dev_off == 0)
			cmb = bus;
	} else if (c->cmb.len != 0 && (c->cmbmsc & NVME_CMBMSC_CMSE) != 0) {
		cmb = NVME_CMBMSC_CBA(c->cmbmsc);
		if (!window_valid(cmb, c->cmb.len, EMU_NO_WINDOW, 0)) {
			c->cmbsts = NVME_CMBSTS_CBAI;
			cmb = EMU_NO_WINDOW;
		}
	}
	if (c->pmr.len != 0 && (c->pmrctl & NVME_PMRCTL_EN) == 0)
		c->pmrsts |= NVME_PMRSTS_NRDY;
	if (c->pmr.len != 0 && (c->pmrmsc & NVME_PMRMSC_CMSE) != 0) {
		pmr = NVME_CMBMSC_CBA(c->pmrmsc);
		if (!window_valid(pmr, c->pmr.len, cmb, c->cmb.len)) {
			c->pmrsts |= NVME_PMRSTS_CBAI;
			pmr = EMU_NO_WINDOW;
		}
		if ((c->pmrctl & NVME_PMRCTL_EN) == 0)
			pmr = EMU_NO_WINDOW;
	}
	__atomic_store_n(&c->cmb.window, cmb, __ATOMIC_RELEASE);
	__atomic_store_n(&c->pmr.window, pmr, __ATOMIC_RELEASE);
}

static struct emu_devmem *devmem_of_bir(struct emu_ctrlr *c, unsigned int bir)
{
	if (bir == EMU_CMB_BIR && c->cmb.len != 0)
		return &c->cmb;
	if (bir == EMU_PMR_BIR && c->pmr.len != 0)
		return &c->pmr;
	return NULL;
}

uint64_t emu_bar_size(struct nvme_func *t, unsigned int bir)
{
	const struct emu_devmem *m = devmem_of_bir(emu_ctrlr(t), bir);

	if (bir == 0)
		return NVME_REG_DOORBELLS + t->doorbells_len;
	return m == NULL ? 0 : m->bar_off + m->len;
}

static void devmem_set_bus(struct emu_ctrlr *c, struct emu_devmem *m, uint64_t bus, size_t len)
{
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&m->bus_len, len, __ATOMIC_RELAXED);
	__atomic_store_n(&m->bus, bus, __ATOMIC_RELAXED);
	emu_devmem_update(c);
	pthread_mutex_unlock(&c->lock);
}

int emu_mem_attach(struct nvme_func *t, unsigned int bir, uint64_t offset, size_t len, void *va,
		   enum pl_mem_kind kind)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	struct emu_devmem *m = devmem_of_bir(c, bir);
	int err;

	if (m == NULL)
		return pl_fail(-EINVAL, "%s: BAR %u holds no memory", t->name, bir);
	if (offset % EMU_PAGE != 0 || len % EMU_PAGE != 0 || len == 0 ||
	    (uintptr_t)va % EMU_PAGE != 0 || offset < m->bar_off || offset - m->bar_off > m->len ||
	    len > m->len - (offset - m->bar_off))
		return pl_fail(
			-EINVAL,
			"%s: BAR %u has memory at 0x%llx+0x%zx; 0x%llx+0x%zx at %p is not in "
			"whole pages inside it",
			t->name, bir, (unsigned long long)m->bar_off, m->len,
			(unsigned long long)offset, len, va);
	if (__atomic_load_n(&m->bus, __ATOMIC_RELAXED) != EMU_NO_WINDOW)
		return pl_fail(-EBUSY, "%s: BAR %u is attached already; detach it first", t->name,
			       bir);
	if (eal_mmap(va, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m->fd,
		     (off_t)(offset - m->bar_off)) == MAP_FAILED)
		return pl_fail(-ENOMEM, "%s: BAR %u cannot be mapped at %p: %s", t->name, bir, va,
			       strerror(errno));
	err = pl_ioas_map(c->ioas, va, len, PL_IOMMU_READ | PL_IOMMU_WRITE, kind);
	if (err < 0) {
		(void)pl_window_clear(va, len);
		return err;
	}
	m->dev_off = offset - m->bar_off;
	devmem_set_bus(c, m, (uint64_t)(uintptr_t)va, len);
	return 0;
}

void emu_mem_detach(struct nvme_func *t, void *va, size_t len)
{
	struct emu_ctrlr *c = emu_ctrlr(t);
	struct emu_devmem *const mems[] = { &c->cmb, &c->pmr };

	for (unsigned int i = 0; i < 2; i++) {
		struct emu_devmem *m = mems[i];

		if (__atomic_load_n(&m->bus, __ATOMIC_RELAXED) != (uint64_t)(uintptr_t)va ||
		    __atomic_load_n(&m->bus_len, __ATOMIC_RELAXED) != len)
			continue;
		(void)pl_ioas_unmap(c->ioas, va, len);
		devmem_set_bus(c, m, EMU_NO_WINDOW, 0);
		(void)pl_window_clear(va, len);
	}
}

/* A legacy CMB answers where its BAR is, and the BAR is where it was attached. */
int emu_bar_addr(struct nvme_func *t, unsigned int bir, uint64_t *addr)
{
	(void)t;
	(void)bir;
	*addr = 0;
	return 0;
}

void emu_devmem_revoke(struct emu_ctrlr *c)
{
	const struct emu_devmem *const mems[] = { &c->cmb, &c->pmr };

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t bus = __atomic_load_n(&mems[i]->bus, __ATOMIC_RELAXED);

		if (bus != EMU_NO_WINDOW)
			(void)pl_soft_revoke(c->ioas, bus, mems[i]->bus_len);
	}
}
