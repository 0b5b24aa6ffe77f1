/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the kernel uses a controller's namespaces. Taking a mounted device away from the kernel
 * loses data, so no command that does it is proposed without the one that unmounts first.
 */
#include <stdio.h>
#include <string.h>

#include "ctrlr.h"

/* A mount point of @block, which has number @dev ("259:1"). A file system may have a number of its
 * own (btrfs) and then names its source. */
static bool mounted_on(const struct topo_host *host, const char *block, const char *dev,
		       char *point, size_t len)
{
	char path[PATH_MAX], line[2 * PATH_MAX], source[80], number[32], where[PATH_MAX], what[256];
	bool found = false;
	FILE *f;

	snprintf(source, sizeof(source), "/dev/%s", block);
	host_path(host, path, "/proc/self/mountinfo");
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *tail = strstr(line, " - ");

		if (sscanf(line, "%*s %*s %31s %*s %4095s", number, where) != 2)
			continue;
		found = strcmp(number, dev) == 0 ||
			(tail && sscanf(tail, " - %*s %255s", what) == 1 &&
			 strcmp(what, source) == 0);
	}
	fclose(f);
	if (found)
		snprintf(point, len, "%.*s", (int)len - 1, where);
	return found;
}

/* A btrfs of several devices names one of them when it is mounted; all are its devices. */
static bool in_btrfs(const struct topo_host *host, const char *block, char *uuid, size_t len)
{
	char dir[PATH_MAX], name[64];

	for (unsigned int i = 0; host_entry(host, "/sys/fs/btrfs", "", i, uuid, len); i++) {
		snprintf(dir, sizeof(dir), "/sys/fs/btrfs/%s/devices", uuid);
		if (host_entry(host, dir, block, 0, name, sizeof(name)) && !strcmp(name, block))
			return true;
	}
	return false;
}

static bool swapped_on(const struct topo_host *host, const char *block)
{
	char path[PATH_MAX], line[512], name[256], source[80];
	bool found = false;
	FILE *f;

	snprintf(source, sizeof(source), "/dev/%s", block);
	host_path(host, path, "/proc/swaps");
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%255s", name) == 1 && strcmp(name, source) == 0;
	fclose(f);
	return found;
}

static void append(char *to, size_t size, const char *separator, const char *text)
{
	size_t len = strlen(to);

	snprintf(to + len, size - len, "%s%s", len ? separator : "", text);
}

/* Whether @command is one of those in @all, which are joined by " && ". */
static bool among(const char *all, const char *command)
{
	size_t len = strlen(command);

	for (const char *at = all; (at = strstr(at, command)) != NULL; at += len)
		if (at[len] == '\0' || at[len] == ' ')
			return true;
	return false;
}

/* One more use, and what ends it: a command that is not whole is none. Two partitions may be held by
 * one, which ends once. */
static void add(struct topo_use *use, const char *block, const char *text, const char *release)
{
	if (!use->block[0])
		snprintf(use->block, sizeof(use->block), "%s", block);
	append(use->text, sizeof(use->text), "; ", text);
	if (among(use->release, release))
		return;
	if (strlen(use->release) + strlen(" && ") + strlen(release) < sizeof(use->release))
		append(use->release, sizeof(use->release), " && ", release);
	else
		use->more = true;
}

/* @dir: of the disk or partition @block in /sys/block. Mounts are ended by the device, wherever and
 * however often it is mounted: their paths may have blanks and quotes. */
static void look(const struct topo_host *host, const char *dir, const char *block,
		 struct topo_use *use)
{
	char path[PATH_MAX], dev[32] = "", who[128], text[256], release[160];

	snprintf(path, sizeof(path), "%s/dev", dir);
	host_line(host, path, dev, sizeof(dev));
	if (in_btrfs(host, block, who, sizeof(who))) {
		snprintf(text, sizeof(text), "%s belongs to the btrfs %s", block, who);
		snprintf(release, sizeof(release), "sudo umount -A UUID=%s", who);
		add(use, block, text, release);
	} else if (mounted_on(host, block, dev, who, sizeof(who))) {
		snprintf(text, sizeof(text), "%s is mounted on %s", block, who);
		snprintf(release, sizeof(release), "sudo umount -A /dev/%s", block);
		add(use, block, text, release);
	}
	if (swapped_on(host, block)) {
		snprintf(text, sizeof(text), "%s is swapped on", block);
		snprintf(release, sizeof(release), "sudo swapoff /dev/%s", block);
		add(use, block, text, release);
	}
	snprintf(path, sizeof(path), "%s/holders", dir);
	for (unsigned int i = 0; host_entry(host, path, "", i, who, sizeof(who)); i++) {
		snprintf(text, sizeof(text), "%s is held by %s", block, who);
		if (strncmp(who, "md", 2) == 0)
			snprintf(release, sizeof(release), "sudo mdadm --stop /dev/%s", who);
		else
			snprintf(release, sizeof(release), "sudo dmsetup remove %s", who);
		add(use, block, text, release);
	}
}

/* A namespace with several paths has a disk of the subsystem's name, "nvme0n1", whose path through
 * this controller is the hidden "nvme0c1n1". */
static void disk_name(const char *ns, char *disk, size_t len)
{
	unsigned int subsystem, path, nsid;

	if (sscanf(ns, "nvme%uc%un%u", &subsystem, &path, &nsid) == 3)
		snprintf(disk, len, "nvme%un%u", subsystem, nsid);
	else
		snprintf(disk, len, "%s", ns);
}

void topo_use_read(const struct topo_host *host, const char *bdf, struct topo_use *use)
{
	char ctrlr_dir[PATH_MAX], dir[PATH_MAX], part_dir[PATH_MAX], name[32], ns[64], disk[64],
		part[64];

	memset(use, 0, sizeof(*use));
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/nvme", bdf);
	if (!host_entry(host, dir, "nvme", 0, name, sizeof(name)))
		return;
	snprintf(ctrlr_dir, sizeof(ctrlr_dir), "/sys/bus/pci/devices/%s/nvme/%s", bdf, name);
	for (unsigned int i = 0; host_entry(host, ctrlr_dir, "nvme", i, ns, sizeof(ns)); i++) {
		disk_name(ns, disk, sizeof(disk));
		snprintf(dir, sizeof(dir), "/sys/block/%s", disk);
		look(host, dir, disk, use);
		for (unsigned int p = 0; host_entry(host, dir, disk, p, part, sizeof(part)); p++) {
			snprintf(part_dir, sizeof(part_dir), "/sys/block/%s/%s", disk, part);
			look(host, part_dir, part, use);
		}
	}
}
