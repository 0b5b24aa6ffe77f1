/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <grp.h>
#include <pwd.h>

#include "check.h"
#include "cli.h"
#include "report_json.h"

static const struct {
	const char *name;
	bool per_device; /* run for each of run->devs, which @dev is; else once, with NULL */
	void (*run)(struct check_run *run, const struct topo_ctrlr *dev);
} checks[] = {
	{ "kernel", false, check_kernel },        { "iommu", false, check_iommu },
	{ "vfio-pci", false, check_vfio_pci },    { "iommufd", false, check_iommufd },
	{ "type1", false, check_type1 },          { "memlock", false, check_memlock },
	{ "hugepages", false, check_hugepages },  { "devices", false, check_devices },
	{ "driver", true, check_driver },         { "iommu group", true, check_group },
	{ "in use", true, check_in_use },         { "cdev node", true, check_cdev_node },
	{ "group node", true, check_group_node }, { "dma-buf", true, check_dma_buf },
};
#define NB_CHECKS (sizeof(checks) / sizeof(checks[0]))

void check_add(struct check_run *run, enum check_level level, const char *fmt, ...)
{
	struct check_result *r;
	va_list ap;

	if (run->nb_results == run->capacity) {
		unsigned int capacity = run->capacity ? 2 * run->capacity : 32;

		r = realloc(run->results, capacity * sizeof(*r));
		if (!r) {
			run->failed = true;
			return;
		}
		run->results = r;
		run->capacity = capacity;
	}
	r = &run->results[run->nb_results++];
	memset(r, 0, sizeof(*r));
	r->name = run->name;
	snprintf(r->bdf, sizeof(r->bdf), "%s", run->bdf);
	r->level = level;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void check_mend(struct check_run *run, const char *fmt, ...)
{
	va_list ap;

	if (run->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(run->results[run->nb_results - 1].mend, sizeof(run->results[0].mend), fmt, ap);
	va_end(ap);
}

/* A name for people and commands; the number where there is none. */
static const char *user_name(char buf[64])
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw)
		snprintf(buf, 64, "%s", pw->pw_name);
	else
		snprintf(buf, 64, "%u", geteuid());
	return buf;
}

void check_add_denied(struct check_run *run, enum check_level level, const char *path, int err)
{
	char full[PATH_MAX], user[64], group[64];
	const struct group *gr;
	struct stat st;

	host_path(run->host, full, "%s", path);
	if (err != -EACCES || stat(full, &st)) {
		check_add(run, level, "%s: %s", path, strerror(-err));
		/* What is absent or forbidden although the kernel has it is a container's doing. */
		check_mend(run, "start the container with --device %s", path);
		return;
	}
	gr = getgrgid(st.st_gid);
	snprintf(group, sizeof(group), "%u", st.st_gid);
	if (gr)
		snprintf(group, sizeof(group), "%s", gr->gr_name);
	user_name(user);
	check_add(run, level, "%s: permission denied to %s; it is group %s's, mode %04o", path,
		  user, group, st.st_mode & 07777u);
	if (st.st_gid != 0 && (st.st_mode & 060) == 060)
		check_mend(run, "sudo usermod -aG %s %s   (then log in again)", group, user);
	else
		check_mend(run, "sudo setfacl -m u:%s:rw %s", user, path);
}

enum check_level check_way_level(const struct check_run *run, enum check_way way)
{
	if (way == run->chosen)
		return run->usable[!way] ? CHECK_WARN : CHECK_FAIL;
	/* Without dma-bufs, peer-to-peer needs type1 even where iommufd does the rest. */
	return way == WAY_TYPE1 && run->version >= KERNEL_DMA_BUF ? CHECK_OK : CHECK_WARN;
}

static int select_devices(struct check_run *run, char (*bdfs)[PCI_BDF_LEN], unsigned int n)
{
	run->devs = calloc(run->list->n + 1, sizeof(*run->devs));
	if (!run->devs)
		return app_fail(-ENOMEM, "no memory for the checks");
	for (unsigned int i = 0; i < run->list->n; i++) {
		const struct topo_ctrlr *c = &run->list->ctrlrs[i];
		bool take = !n && c->binding == TOPO_VFIO;

		for (unsigned int k = 0; k < n; k++)
			take = take || strcmp(bdfs[k], c->bdf) == 0;
		if (take)
			run->devs[run->nb_devs++] = c;
	}
	return 0;
}

/* Devices that were named and are no NVMe controllers. */
static void check_named(struct check_run *run, char (*bdfs)[PCI_BDF_LEN], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (topo_list_find(run->list, bdfs[i]))
			continue;
		run->name = "driver";
		run->bdf = bdfs[i];
		check_add(run, CHECK_FAIL,
			  pci_sysfs_exists(bdfs[i]) ? "it is not an NVMe controller"
						    : "there is no such PCI device");
		check_mend(run, "lspci -D -d ::0108   (lists the NVMe controllers)");
	}
}

int check_all(struct check_run *run, const struct topo_host *host, const struct topo_list *list,
	      char (*bdfs)[PCI_BDF_LEN], unsigned int nb_bdfs, size_t mem)
{
	unsigned int i;
	int rc;

	memset(run, 0, sizeof(*run));
	run->host = host;
	run->list = list;
	run->mem = mem;
	rc = select_devices(run, bdfs, nb_bdfs);
	if (rc)
		return rc;
	check_facts(run);
	for (i = 0; i < NB_CHECKS && !checks[i].per_device; i++) {
		run->name = checks[i].name;
		run->bdf = "";
		if (checks[i].run != check_devices || !nb_bdfs)
			checks[i].run(run, NULL);
	}
	check_named(run, bdfs, nb_bdfs);
	for (unsigned int d = 0; d < run->nb_devs; d++)
		for (unsigned int k = i; k < NB_CHECKS; k++) {
			run->name = checks[k].name;
			run->bdf = run->devs[d]->bdf;
			checks[k].run(run, run->devs[d]);
		}
	if (run->failed) {
		check_free(run);
		return app_fail(-ENOMEM, "no memory for the checks");
	}
	return 0;
}

void check_free(struct check_run *run)
{
	free(run->results);
	free(run->devs);
	run->results = NULL;
	run->devs = NULL;
	run->nb_results = 0;
	run->nb_devs = 0;
}

unsigned int check_count(const struct check_run *run, enum check_level level)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < run->nb_results; i++)
		n += run->results[i].level == level;
	return n;
}

static const char *const levels[] = { "ok", "warn", "FAIL" };

void check_print(const struct check_run *run, FILE *out)
{
	unsigned int fails = check_count(run, CHECK_FAIL);

	for (unsigned int i = 0; i < run->nb_results; i++) {
		const struct check_result *r = &run->results[i];

		if (r->bdf[0] && (i == 0 || strcmp(r->bdf, run->results[i - 1].bdf)))
			fprintf(out, "%s\n", r->bdf);
		fprintf(out, "%-5s %-12s %s\n", levels[r->level], r->name, r->text);
		if (r->mend[0])
			fprintf(out, "%-5s %-12s %s\n", "", "  mend:", r->mend);
	}
	if (fails)
		fprintf(out,
			"\n%u of %u checks failed. Emulated controllers (--vdev nvme_emu0) need "
			"none of this.\n",
			fails, run->nb_results);
	else
		fprintf(out, "\nReady%s.\n", run->nb_devs ? "" : ", once there is a device");
}

json_t *check_json(const struct check_run *run)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < run->nb_results; i++) {
		const struct check_result *r = &run->results[i];
		json_t *o = json_pack("{s:s, s:o, s:s, s:o, s:o}", "name", r->name, "bdf",
				      r->bdf[0] ? json_string(r->bdf) : json_null(), "status",
				      r->level == CHECK_FAIL ? "fail" : levels[r->level], "text",
				      app_json_text(r->text), "mend",
				      r->mend[0] ? app_json_text(r->mend) : json_null());

		if (json_array_append_new(array, o)) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
