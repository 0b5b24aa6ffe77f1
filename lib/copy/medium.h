/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a range of an end is really made of, so that two names of one medium are found out. A range
 * lies on one or more faces of media, from the name that the user gave down to the disk: a file, the
 * partition of its file system, the disk, the namespace that the disk is. Two ends that have a face in
 * common are one medium there, and their ranges are compared as they lie on that face.
 *
 * Through a file system or a device mapper a range lies somewhere: its face is then not `exact`, and
 * `at` and `len` are those of all that it may lie in. Two such ranges were allocated by one that gives
 * no block twice; one such range and an exact one may be the same blocks.
 */
#ifndef COPY_MEDIUM_H
#define COPY_MEDIUM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <peerlane/pl_nvme.h>

enum copy_face_kind { COPY_FACE_NAMESPACE, COPY_FACE_FILE, COPY_FACE_BLOCK };

/* A namespace as its controller or, of one that the kernel drives, sysfs names it. */
struct copy_ns_names {
	const struct pl_nvme_ns *ns; /* NULL: the kernel's */
	uint32_t nsid;
	bool shared;
	uint8_t eui64[8];
	uint8_t nguid[16];
	uint8_t uuid[16];
	char subnqn[224];
};

struct copy_span {
	uint64_t at; /* bytes */
	uint64_t len;
	bool exact;
};

struct copy_face {
	enum copy_face_kind kind;
	struct copy_span span;
	dev_t dev; /* FILE: st_dev; BLOCK: the device's number */
	ino_t ino; /* FILE */
	struct copy_ns_names names; /* NAMESPACE */
};

struct copy_medium {
	struct copy_face *faces;
	size_t nb_faces;
};

/* Each of these adds a face and those below it. -ENOMEM; -ENOTSUP for block devices that are stacked
 * too deep to be looked through. */
int copy_medium_add_ns(struct copy_medium *m, const struct pl_nvme_ns *ns, struct copy_span span);
int copy_medium_add_file(struct copy_medium *m, dev_t dev, ino_t ino, struct copy_span span);
int copy_medium_add_block(struct copy_medium *m, dev_t dev, struct copy_span span);
void copy_medium_free(struct copy_medium *m);

/* One face, and nothing below it. -ENOMEM. */
int copy_medium_add_face(struct copy_medium *m, const struct copy_face *face);

enum copy_medium_verdict {
	COPY_MEDIUM_APART,   /* no byte of one is a byte of the other, as far as can be told */
	COPY_MEDIUM_OVERLAP, /* at least one is */
	COPY_MEDIUM_UNKNOWN, /* on one medium, and nobody can tell where */
};

/* @why: what both are, "the file with inode 12 of device 8:1". */
enum copy_medium_verdict copy_medium_compare(const struct copy_medium *a,
					     const struct copy_medium *b, char *why, size_t len);

/* Where sysfs is; tests point it at a tree of their own. */
extern const char *copy_sysfs_root;

#endif
