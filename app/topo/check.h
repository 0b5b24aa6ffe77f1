/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The preflight: may this user run Peerlane on these devices, and if not, what mends it?
 *
 * Each check is an entry of one table, a name and a function, which records what it found: ok, a
 * warning (Peerlane runs, with less) or a failure (it does not), and for a failure the command that
 * mends it. Checks look only; the one thing done to a device is that an idle one is bound to
 * iommufd for a moment, which a device in use refuses.
 *
 * There are two ways to the IOMMU, iommufd and the type1 container. One that works is enough; so
 * what is missing on one is a failure only if the other does not work for every device either.
 */
#ifndef TOPO_CHECK_H
#define TOPO_CHECK_H

#include <jansson.h>

#include "ctrlr.h"

enum check_level { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check_result {
	const char *name;
	char bdf[PCI_BDF_LEN]; /* "" for the machine as a whole */
	enum check_level level;
	char text[256];
	char mend[320]; /* never "" if @level is CHECK_FAIL */
};

enum check_way { WAY_IOMMUFD, WAY_TYPE1, NB_WAYS };

struct check_run {
	const struct topo_host *host;
	const struct topo_list *list;
	const struct topo_ctrlr **devs; /* the controllers that are to be used */
	unsigned int nb_devs;
	size_t mem; /* bytes that the EAL will map */

	/* Known before the first check; see check_facts(). */
	char release[128];
	unsigned int version;  /* KERNEL(major, minor); 0: unknown */
	int opened[NB_WAYS];   /* 0, or why the way's own node cannot be used */
	bool usable[NB_WAYS];  /* for every device */
	enum check_way chosen; /* which one the EAL should take */

	struct check_result *results;
	unsigned int nb_results, capacity;
	bool failed;      /* out of memory */
	const char *name; /* of the check that runs */
	const char *bdf;
};

#define KERNEL(major, minor) ((unsigned int)((major) << 16 | (minor)))
#define KERNEL_CDEV          KERNEL(6, 6)
#define KERNEL_DMA_BUF       KERNEL(6, 19)

/*
 * Runs all checks for the controllers named by @bdfs, or, with none, for those that are bound to a
 * vfio driver. 0 whatever they find; -ENOMEM with app_fail(). Ends with check_free().
 */
int check_all(struct check_run *run, const struct topo_host *host, const struct topo_list *list,
	      char (*bdfs)[PCI_BDF_LEN], unsigned int nb_bdfs, size_t mem);
void check_free(struct check_run *run);

unsigned int check_count(const struct check_run *run, enum check_level level);
void check_print(const struct check_run *run, FILE *out);
json_t *check_json(const struct check_run *run);

/* For checks: the level; the text; the mend, or NULL. @fmt is the text's, check_mend() adds. */
void check_add(struct check_run *run, enum check_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void check_mend(struct check_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* How bad it is that @way does not work: see the top. */
enum check_level check_way_level(const struct check_run *run, enum check_way way);

/* The device node by which @way reaches @dev; false if there is none. */
bool check_node(const struct topo_ctrlr *dev, enum check_way way, char path[PATH_MAX]);

/* Text and mend for a node that cannot be opened, because of @err. */
void check_add_denied(struct check_run *run, enum check_level level, const char *path, int err);

void check_facts(struct check_run *run);

/* The checks, in the table's order. */
void check_kernel(struct check_run *run, const struct topo_ctrlr *dev);
void check_iommu(struct check_run *run, const struct topo_ctrlr *dev);
void check_vfio_pci(struct check_run *run, const struct topo_ctrlr *dev);
void check_iommufd(struct check_run *run, const struct topo_ctrlr *dev);
void check_type1(struct check_run *run, const struct topo_ctrlr *dev);
void check_memlock(struct check_run *run, const struct topo_ctrlr *dev);
void check_hugepages(struct check_run *run, const struct topo_ctrlr *dev);
void check_devices(struct check_run *run, const struct topo_ctrlr *dev);
void check_driver(struct check_run *run, const struct topo_ctrlr *dev);
void check_group(struct check_run *run, const struct topo_ctrlr *dev);
void check_in_use(struct check_run *run, const struct topo_ctrlr *dev);
void check_cdev_node(struct check_run *run, const struct topo_ctrlr *dev);
void check_group_node(struct check_run *run, const struct topo_ctrlr *dev);
void check_dma_buf(struct check_run *run, const struct topo_ctrlr *dev);

/* The mend of a machine whose IOMMU is off. */
void check_mend_iommu(struct check_run *run);

#endif
