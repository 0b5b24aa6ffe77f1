/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies below files and block devices, as sysfs tells it: a file lies on the device of its file
 * system, a partition on its disk, a loop device on its file, dm and md devices on their slaves,
 * and a disk may be a namespace that another controller has as well.
 */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <rte_common.h>

#include "medium.h"
#include "pl_log.h"

#define DEEPEST 16u /* devices on top of each other; the kernel's own stacks end before */

const char *copy_sysfs_root = "/sys";

static int add_block(struct copy_medium *m, dev_t dev, struct copy_span span, unsigned int depth);

/* ---- reading sysfs ---- */

static void path_of(dev_t dev, const char *attr, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/dev/block/%u:%u/%s", copy_sysfs_root, major(dev), minor(dev),
		 attr);
}

/* The first line of an attribute. False: the device has none. */
static bool text(dev_t dev, const char *attr, char *buf, size_t len)
{
	char path[PATH_MAX];
	FILE *in;
	bool ok;

	path_of(dev, attr, path);
	in = fopen(path, "re");
	if (!in)
		return false;
	ok = fgets(buf, (int)len, in) != NULL;
	fclose(in);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

static bool number(dev_t dev, const char *attr, uint64_t *value)
{
	char line[32], *end;

	if (!text(dev, attr, line, sizeof(line)))
		return false;
	*value = strtoull(line, &end, 10);
	return end != line;
}

/* Sectors of sysfs are of 512 bytes, whatever the device's blocks are. */
static uint64_t sectors(dev_t dev, const char *attr, uint64_t otherwise)
{
	uint64_t n;

	return number(dev, attr, &n) && n <= UINT64_MAX >> 9 ? n << 9 : otherwise;
}

/* A device number, "8:1". */
static bool devno(dev_t dev, const char *attr, dev_t *to)
{
	unsigned int maj, min;
	char line[32];

	if (!text(dev, attr, line, sizeof(line)) || sscanf(line, "%u:%u", &maj, &min) != 2)
		return false;
	*to = makedev(maj, min);
	return true;
}

static struct copy_span somewhere(dev_t dev)
{
	return (struct copy_span){ .len = sectors(dev, "size", UINT64_MAX) };
}

/* ---- what is below ---- */

static struct copy_span shifted(struct copy_span span, uint64_t by)
{
	if (__builtin_add_overflow(span.at, by, &span.at))
		return (struct copy_span){ .len = UINT64_MAX };
	return span;
}

static int add_file(struct copy_medium *m, dev_t dev, ino_t ino, struct copy_span span,
		    unsigned int depth)
{
	struct copy_face face = {
		.kind = COPY_FACE_FILE,
		.span = span,
		.dev = dev,
		.ino = ino,
	};
	int rc = copy_medium_add_face(m, &face);

	/* A file system without a device has a number that sysfs does not know. */
	return rc ? rc : add_block(m, dev, somewhere(dev), depth + 1);
}

static int add_partition(struct copy_medium *m, dev_t dev, struct copy_span span,
			 unsigned int depth)
{
	dev_t disk;

	if (!devno(dev, "../dev", &disk))
		return 0;
	return add_block(m, disk, shifted(span, sectors(dev, "start", 0)), depth + 1);
}

static int add_loop(struct copy_medium *m, dev_t dev, const char *file, struct copy_span span,
		    unsigned int depth)
{
	uint64_t offset = 0;
	struct stat st;

	number(dev, "loop/offset", &offset);
	span = shifted(span, offset);
	if (stat(file, &st)) {
		PL_LOG(INFO, "the file %s of loop device %u:%u is not to be seen: %s", file,
		       major(dev), minor(dev), strerror(errno));
		return 0;
	}
	if (S_ISBLK(st.st_mode))
		return add_block(m, st.st_rdev, span, depth + 1);
	return add_file(m, st.st_dev, st.st_ino, span, depth);
}

/* Where on a slave the range lies only the mapper knows. */
static int add_slaves(struct copy_medium *m, dev_t dev, unsigned int depth)
{
	char path[PATH_MAX], attr[300];
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	path_of(dev, "slaves", path);
	dir = opendir(path);
	while (dir && rc == 0 && (e = readdir(dir))) {
		dev_t slave;

		snprintf(attr, sizeof(attr), "slaves/%s/dev", e->d_name);
		if (e->d_name[0] != '.' && devno(dev, attr, &slave))
			rc = add_block(m, slave, somewhere(slave), depth + 1);
	}
	if (dir)
		closedir(dir);
	return rc;
}

/* ---- a namespace that the kernel drives ---- */

/* "6e3c..", "6e3c-..", "6e 3c ..": exactly @len bytes. */
static bool hex(const char *s, uint8_t *id, size_t len)
{
	uint8_t bytes[16];
	size_t n = 0;
	int used;

	while (*s && n < len) {
		if (*s == '-' || *s == ' ') {
			s++;
			continue;
		}
		if (sscanf(s, "%2hhx%n", &bytes[n], &used) != 1 || used != 2)
			return false;
		s += 2;
		n++;
	}
	if (n != len || *s)
		return false;
	memcpy(id, bytes, len);
	return true;
}

/* The one name that udev goes by is one of the three. */
static bool wwid(const char *s, struct copy_ns_names *names)
{
	if (strncmp(s, "uuid.", 5) == 0)
		return hex(s + 5, names->uuid, sizeof(names->uuid));
	if (strncmp(s, "eui.", 4) == 0)
		return hex(s + 4, names->nguid, sizeof(names->nguid)) ||
		       hex(s + 4, names->eui64, sizeof(names->eui64));
	return false;
}

static int add_namespace(struct copy_medium *m, dev_t dev, struct copy_span span)
{
	struct copy_face face = { .kind = COPY_FACE_NAMESPACE, .span = span };
	struct copy_ns_names *names = &face.names;
	char line[256];
	uint64_t nsid;

	if (!number(dev, "nsid", &nsid))
		return 0;
	names->nsid = (uint32_t)nsid;
	if (text(dev, "wwid", line, sizeof(line)))
		wwid(line, names);
	if (text(dev, "nguid", line, sizeof(line)))
		hex(line, names->nguid, sizeof(names->nguid));
	if (text(dev, "eui", line, sizeof(line)))
		hex(line, names->eui64, sizeof(names->eui64));
	/* Without a UUID the kernel tells the NGUID in its place. */
	if (text(dev, "uuid", line, sizeof(line)))
		hex(line, names->uuid, sizeof(names->uuid));
	if (memcmp(names->uuid, names->nguid, sizeof(names->uuid)) == 0)
		memset(names->uuid, 0, sizeof(names->uuid));
	if (text(dev, "device/subsysnqn", line, sizeof(line)))
		snprintf(names->subnqn, sizeof(names->subnqn), "%.223s", line);
	return copy_medium_add_face(m, &face);
}

/* ---- */

static int add_block(struct copy_medium *m, dev_t dev, struct copy_span span, unsigned int depth)
{
	struct copy_face face = { .kind = COPY_FACE_BLOCK, .span = span, .dev = dev };
	char line[PATH_MAX];
	int rc;

	if (!text(dev, "dev", line, sizeof(line)) && !span.exact)
		return 0;
	if (depth > DEEPEST)
		return pl_fail(-ENOTSUP,
			       "what lies below block device %u:%u is not known: more than %u "
			       "devices on top of each other",
			       major(dev), minor(dev), DEEPEST);
	rc = copy_medium_add_face(m, &face);
	if (rc == 0)
		rc = add_namespace(m, dev, span);
	if (rc == 0 && text(dev, "partition", line, sizeof(line)))
		rc = add_partition(m, dev, span, depth);
	if (rc == 0 && text(dev, "loop/backing_file", line, sizeof(line)))
		rc = add_loop(m, dev, line, span, depth);
	return rc ? rc : add_slaves(m, dev, depth);
}

int copy_medium_add_file(struct copy_medium *m, dev_t dev, ino_t ino, struct copy_span span)
{
	return add_file(m, dev, ino, span, 0);
}

int copy_medium_add_block(struct copy_medium *m, dev_t dev, struct copy_span span)
{
	return add_block(m, dev, span, 0);
}
