/* SPDX-License-Identifier: BSD-3-Clause */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree.h"

static char root[PATH_MAX / 2];

const char *tree_new(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(root, sizeof(root), "%s/peerlane-tree.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void tree_remove(void)
{
	remove_all(root);
}

/* @path below the root, whose parent directories are made. */
static void below(const char *path, char full[PATH_MAX])
{
	assert_true(snprintf(full, PATH_MAX, "%s%s", root, path) < PATH_MAX);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
}

void tree_file(const char *path, const char *content)
{
	char full[PATH_MAX];
	FILE *f;

	below(path, full);
	f = fopen(full, "we");
	assert_non_null(f);
	assert_true(fputs(content, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(full, 0644), 0);
}

void tree_dir(const char *path)
{
	char full[PATH_MAX];

	below(path, full);
	assert_int_equal(mkdir(full, 0755), 0);
}

void tree_link(const char *path, const char *target)
{
	char full[PATH_MAX];

	below(path, full);
	assert_int_equal(symlink(target, full), 0);
}

void tree_mode(const char *path, unsigned int mode)
{
	char full[PATH_MAX];

	below(path, full);
	assert_int_equal(chmod(full, mode), 0);
}

void tree_gone(const char *path)
{
	char full[PATH_MAX];

	below(path, full);
	remove_all(full);
}

void tree_pci(const char *bdf, const char *class, const char *driver, const char *group)
{
	static const char dir[] = "/sys/bus/pci/devices";
	static const struct {
		const char *name, *value;
	} attrs[] = {
		{ "vendor", "0x1b36\n" },
		{ "device", "0x0010\n" },
		{ "numa_node", "1\n" },
		{ "resource", "0x00000000fe800000 0x00000000fe803fff 0x0000000000140204\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x0000000800000000 0x0000000803ffffff 0x000000000014220c\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"
			      "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
			      "0x00000000fd000000 0x00000000fd00ffff 0x0000000000046200\n" },
	};
	char path[256], text[256];

	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", dir, bdf, attrs[i].name);
		tree_file(path, attrs[i].value);
	}
	snprintf(path, sizeof(path), "%s/%s/class", dir, bdf);
	snprintf(text, sizeof(text), "0x%s\n", class);
	tree_file(path, text);
	if (driver) {
		snprintf(path, sizeof(path), "%s/%s/driver", dir, bdf);
		snprintf(text, sizeof(text), "../../../bus/pci/drivers/%s", driver);
		tree_link(path, text);
	}
	if (group) {
		snprintf(path, sizeof(path), "%s/%s/iommu_group", dir, bdf);
		snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%s", group);
		tree_link(path, text);
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices/%s", group, bdf);
		tree_file(path, "");
	}
}

void tree_cdev(const char *bdf, const char *name, int with_node)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/uevent", bdf, name);
	tree_file(path, "");
	if (!with_node)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/dev", bdf, name);
	tree_file(path, "511:0\n");
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	tree_file(path, "");
}
