/* SPDX-License-Identifier: BSD-3-Clause */
/* Which backend serves the process, the address space that all its devices share, and the checks
 * that every backend may rely on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "both.h"
#include "iommu_backend.h"
#include "pci_sysfs.h"
#include "pl_log.h"
#include "pl_subsystem.h"

/* What a user may write. A name without a backend is one that this build was made without. */
static const char *const known_names[] = { "iommufd", "type1", "soft" };
#define ACCEPTED "auto, iommufd, type1, soft"

/* More than any IOMMU reports: holes are an MSI window and a few firmware reservations. */
#define RANGES_MAX 64

static struct pl_ioas_backend *backends; /* by descending priority */
static struct pl_ioas *spaces[2];	 /* for emulated devices, for PCI devices */
static struct pl_ioas *default_ioas;	 /* the one of them, or a stand-in for both */

void pl_ioas_backend_register(struct pl_ioas_backend *backend)
{
	struct pl_ioas_backend **at = &backends;

	while (*at != NULL && (*at)->ops->priority >= backend->ops->priority)
		at = &(*at)->next;
	backend->next = *at;
	*at = backend;
}

static int not_in_this_build(const char *name)
{
	char have[128] = "none";
	size_t used = 0;

	for (const struct pl_ioas_backend *b = backends; b != NULL && used < sizeof(have);
	     b = b->next)
		used += (size_t)snprintf(have + used, sizeof(have) - used, "%s%s",
					 used > 0 ? ", " : "", b->ops->name);
	return pl_fail(-ENOTSUP,
		       "--iommu=%s: this build of Peerlane has no such backend; it has: %s", name,
		       have);
}

static int find_backend(const char *name, const struct pl_ioas_ops **ops)
{
	for (const struct pl_ioas_backend *b = backends; b != NULL; b = b->next) {
		if (strcmp(b->ops->name, name) == 0) {
			*ops = b->ops;
			return 0;
		}
	}
	for (unsigned int i = 0; i < RTE_DIM(known_names); i++)
		if (strcmp(known_names[i], name) == 0)
			return not_in_this_build(name);
	return pl_fail(-EINVAL, "--iommu=%s: no such backend; accepted are %s", name, ACCEPTED);
}

static int check_auto(const char *args)
{
	if (args[0] == '\0')
		return 0;
	return pl_fail(-EINVAL,
		       "--iommu=auto,%s: \"auto\" takes no arguments; name the backend that they "
		       "are for, one of %s",
		       args, ACCEPTED);
}

static int create_auto(bool pci, struct pl_ioas **ioas)
{
	for (const struct pl_ioas_backend *b = backends; b != NULL; b = b->next) {
		if (b->ops->pci != pci)
			continue;
		if (b->ops->available() != 0) {
			PL_LOG(INFO, "IOMMU backend %s cannot be used: %s", b->ops->name,
			       pl_errmsg());
			continue;
		}
		PL_LOG(INFO, "IOMMU backend %s: the first choice of those usable here",
		       b->ops->name);
		return b->ops->create("", ioas);
	}
	return pl_fail(-ENOTSUP, "no IOMMU backend can be used here: %s", pl_errmsg());
}

int pl_ioas_create(const char *backend, const char *args, struct pl_ioas **ioas)
{
	const struct pl_ioas_ops *ops;
	int ret;

	if (strcmp(backend, "auto") == 0) {
		ret = check_auto(args);
		return ret != 0 ? ret : create_auto(false, ioas);
	}
	ret = find_backend(backend, &ops);
	if (ret == 0)
		ret = ops->check(args);
	if (ret != 0)
		return ret;
	/* The backend's own message tells why; the kind of failure is the same for all of them. */
	if (ops->available() != 0)
		return -ENOTSUP;
	PL_LOG(INFO, "IOMMU backend %s: asked for", ops->name);
	return ops->create(args, ioas);
}

void pl_ioas_destroy(struct pl_ioas *ioas)
{
	if (ioas != NULL)
		ioas->ops->destroy(ioas);
}

struct pl_ioas *pl_ioas_default(void)
{
	return default_ioas;
}

struct pl_ioas *pl_ioas_of(bool pci)
{
	return spaces[pci];
}

const char *pl_ioas_backend(const struct pl_ioas *ioas)
{
	return ioas->ops->name;
}

int pl_ioas_aperture(const struct pl_ioas *ioas, struct pl_iova_range *ranges, int n)
{
	return ioas->ops->aperture(ioas, ranges, n);
}

bool pl_ioas_covers(const struct pl_ioas *ioas, uint64_t iova, size_t len)
{
	struct pl_iova_range r[RANGES_MAX];
	int n = RTE_MIN(ioas->ops->aperture(ioas, r, RANGES_MAX), RANGES_MAX);
	uint64_t last;

	if (len == 0 || __builtin_add_overflow(iova, len - 1, &last))
		return false;
	for (int i = 0; i < n; i++)
		if (iova >= r[i].start && last <= r[i].last)
			return true;
	return false;
}

int pl_ioas_map(struct pl_ioas *ioas, void *va, size_t len, uint32_t prot, enum pl_mem_kind kind)
{
	uint64_t iova = (uintptr_t)va;

	if (len == 0 || ((iova | len) & 0xfff) != 0)
		return pl_fail(-EINVAL,
			       "cannot map %zu bytes at %p for devices: address and length must be "
			       "multiples of 4096, and not 0",
			       len, va);
	if (prot == 0 || (prot & ~(PL_IOMMU_READ | PL_IOMMU_WRITE)) != 0)
		return pl_fail(-EINVAL,
			       "cannot map %p for devices: permission 0x%x is neither "
			       "PL_IOMMU_READ, PL_IOMMU_WRITE nor both",
			       va, prot);
	if ((unsigned int)kind >= PL_MEM_KINDS)
		return pl_fail(-EINVAL, "cannot map %p for devices: %d is no kind of memory", va,
			       (int)kind);
	if (!pl_ioas_covers(ioas, iova, len))
		return pl_fail(-EINVAL,
			       "cannot map %zu bytes at %p for devices: outside what the %s IOMMU "
			       "can address; take memory from pl_mem_zalloc()",
			       len, va, ioas->ops->name);
	return ioas->ops->map(ioas, iova, va, len, prot, kind);
}

int pl_ioas_unmap(struct pl_ioas *ioas, void *va, size_t len)
{
	return ioas->ops->unmap(ioas, (uintptr_t)va, len);
}

int pl_ioas_fault_next(struct pl_ioas *ioas, struct pl_iommu_fault *fault)
{
	return ioas->ops->fault_next(ioas, fault);
}

void pl_ioas_stats(const struct pl_ioas *ioas, struct pl_ioas_stats *stats)
{
	ioas->ops->stats(ioas, stats);
}

/* Whether the command line's choice is one for PCI devices; `auto` is for either. */
static int check_choice(const struct pl_eal_conf *conf, const struct pl_ioas_ops *ops)
{
	if (conf->nb_pcis > 0 && !ops->pci)
		return pl_fail(-EINVAL,
			       "--iommu=%s serves emulated devices only, and -a %s is a PCI device; "
			       "accepted with it are auto, iommufd, type1",
			       ops->name, conf->pcis[0].name);
	if (conf->nb_pcis == 0 && ops->pci)
		return pl_fail(-EINVAL,
			       "--iommu=%s serves PCI devices only, and there is no -a BDF; accepted "
			       "without are auto, soft",
			       ops->name);
	return 0;
}

static int iommu_check(const struct pl_eal_conf *conf)
{
	const struct pl_ioas_ops *ops;
	int ret = 0;

	/* What the user named comes first: a missing device is a better answer than a missing IOMMU. */
	for (unsigned int i = 0; i < conf->nb_pcis && ret == 0; i++)
		ret = pci_sysfs_check_vfio(conf->pcis[i].name);
	if (ret != 0)
		return ret;
	if (strcmp(conf->iommu.name, "auto") == 0)
		return check_auto(conf->iommu.args);
	ret = find_backend(conf->iommu.name, &ops);
	if (ret == 0)
		ret = check_choice(conf, ops);
	return ret != 0 ? ret : ops->check(conf->iommu.args);
}

static int attach_all(struct pl_ioas *ioas, const struct pl_eal_conf *conf)
{
	int ret = 0;

	for (unsigned int i = 0; i < conf->nb_pcis && ret == 0; i++)
		ret = ioas->ops->attach(ioas, conf->pcis[i].name);
	return ret;
}

/* The space with every device in it, or nothing. */
static int open_space(const char *backend, const char *args, const struct pl_eal_conf *conf,
		      struct pl_ioas **ioas)
{
	int ret = pl_ioas_create(backend, args, ioas);

	if (ret != 0) {
		*ioas = NULL;
		return ret;
	}
	ret = attach_all(*ioas, conf);
	if (ret != 0) {
		pl_ioas_destroy(*ioas);
		*ioas = NULL;
	}
	return ret;
}

/* iommufd would do, but for peer-to-peer, which is what this is for: type1 if that works here. */
static int prefer_type1(const struct pl_eal_conf *conf, struct pl_ioas **ioas)
{
	pl_ioas_destroy(*ioas);
	if (open_space("type1", "", conf, ioas) == 0) {
		PL_LOG(NOTICE, "IOMMU backend type1 instead of iommufd: this kernel cannot map a "
		       "device's memory for peers through iommufd (it needs Linux 6.19 with "
		       "CONFIG_VFIO_PCI_DMABUF)");
		return 0;
	}
	PL_LOG(NOTICE, "no peer-to-peer between PCI devices: this kernel cannot map a device's memory "
	       "for peers through iommufd, and type1 cannot be used: %s", pl_errmsg());
	return open_space("iommufd", "", conf, ioas);
}

static int open_auto(const struct pl_eal_conf *conf, struct pl_ioas **ioas)
{
	char why[512];
	int ret, first = open_space("iommufd", "", conf, ioas);

	if (first == 0)
		return (*ioas)->ops->can_import(*ioas) ? 0 : prefer_type1(conf, ioas);
	snprintf(why, sizeof(why), "%s", pl_errmsg());
	ret = open_space("type1", "", conf, ioas);
	if (first == -EBUSY && ret == -EBUSY) /* the same story twice */
		return pl_fail(-EBUSY, "%s", why);
	if (ret != 0)
		return pl_fail(ret == -ENOTSUP ? first : ret, "no IOMMU backend can be used here: iommufd: %s; type1: %s", why,
			       pl_errmsg());
	PL_LOG(NOTICE, "IOMMU backend type1, because iommufd cannot be used: %s", why);
	return 0;
}

static int pci_init(const struct pl_eal_conf *conf)
{
	if (strcmp(conf->iommu.name, "auto") == 0)
		return open_auto(conf, &spaces[true]);
	return open_space(conf->iommu.name, conf->iommu.args, conf, &spaces[true]);
}

static void iommu_fini(void)
{
	if (default_ioas != spaces[false] && default_ioas != spaces[true])
		pl_ioas_destroy(default_ioas);
	pl_ioas_destroy(spaces[true]);
	pl_ioas_destroy(spaces[false]);
	default_ioas = spaces[false] = spaces[true] = NULL;
}

static int soft_init(const struct pl_eal_conf *conf)
{
	bool chosen = strcmp(conf->iommu.name, "soft") == 0;

	return chosen ? pl_ioas_create("soft", conf->iommu.args, &spaces[false]) :
			create_auto(false, &spaces[false]);
}

static int iommu_init(const struct pl_eal_conf *conf)
{
	int ret = 0;

	if (conf->nb_pcis > 0)
		ret = pci_init(conf);
	/* A process without any device still registers memory somewhere. */
	if (ret == 0 && (conf->nb_vdevs > 0 || conf->nb_pcis == 0))
		ret = soft_init(conf);
	if (ret == 0 && spaces[false] != NULL && spaces[true] != NULL)
		ret = pl_ioas_both_create(spaces[true], spaces[false], &default_ioas);
	else if (ret == 0)
		default_ioas = spaces[true] != NULL ? spaces[true] : spaces[false];
	if (ret != 0)
		iommu_fini();
	return ret;
}

static struct pl_subsystem iommu_subsystem = {
	.name = "iommu",
	.order = PL_ORDER_IOMMU,
	.check = iommu_check,
	.init = iommu_init,
	.fini = iommu_fini,
};

PL_SUBSYSTEM(iommu_subsystem)
