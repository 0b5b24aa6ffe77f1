/* SPDX-License-Identifier: BSD-3-Clause */
/* Faces of media, and whether two ranges lie on one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "medium.h"
#include "nvme_internal.h"
#include "pl_inject.h"
#include "pl_log.h"

int copy_medium_add_face(struct copy_medium *m, const struct copy_face *face)
{
	struct copy_face *more = NULL;

	if (!pl_inject_hit())
		more = realloc(m->faces, (m->nb_faces + 1) * sizeof(*more));
	if (!more)
		return pl_fail(-ENOMEM, "no memory for what lies behind the ends of a copy");
	more[m->nb_faces++] = *face;
	m->faces = more;
	return 0;
}

int copy_medium_add_ns(struct copy_medium *m, const struct pl_nvme_ns *ns, struct copy_span span)
{
	struct nvme_transport *t = ns->ctrlr->t;
	struct copy_face face = { .kind = COPY_FACE_NAMESPACE, .span = span };
	struct copy_ns_names *names = &face.names;
	dev_t dev;
	ino_t ino;
	int rc;

	names->ns = ns;
	names->nsid = ns->nsid;
	names->shared = ns->shared;
	memcpy(names->eui64, ns->eui64, sizeof(names->eui64));
	memcpy(names->nguid, ns->nguid, sizeof(names->nguid));
	memcpy(names->uuid, ns->uuid, sizeof(names->uuid));
	snprintf(names->subnqn, sizeof(names->subnqn), "%s", ns->ctrlr->info.subnqn);
	rc = copy_medium_add_face(m, &face);
	if (rc || !t->ops->backing || !t->ops->backing(t, ns->nsid, &dev, &ino))
		return rc;
	return copy_medium_add_file(m, dev, ino, span);
}

void copy_medium_free(struct copy_medium *m)
{
	free(m->faces);
	*m = (struct copy_medium){ 0 };
}

/* ---- are two faces the same ---- */

enum likeness { NO_ID, SAME_ID, OTHER_ID };

static enum likeness compare_ids(const uint8_t *a, const uint8_t *b, size_t len)
{
	static const uint8_t none[16];

	if (memcmp(a, none, len) == 0 || memcmp(b, none, len) == 0)
		return NO_ID;
	return memcmp(a, b, len) ? OTHER_ID : SAME_ID;
}

static void say_id(const char *name, const uint8_t *id, size_t len, char *why, size_t why_len)
{
	size_t n = (size_t)snprintf(why, why_len, "the namespace with %s ", name);

	for (size_t i = 0; i < len && n + 2 < why_len; i++)
		n += (size_t)snprintf(why + n, why_len - n, "%02x", id[i]);
}

/* By the names that are to be unique in the world. Any that is equal tells; without one of these,
 * any that differs does. */
static enum likeness same_names(const struct copy_ns_names *a, const struct copy_ns_names *b,
				char *why, size_t len)
{
	const struct {
		const char *name;
		const uint8_t *a, *b;
		size_t len;
	} ids[] = {
		{ "NGUID", a->nguid, b->nguid, sizeof(a->nguid) },
		{ "EUI64", a->eui64, b->eui64, sizeof(a->eui64) },
		{ "UUID", a->uuid, b->uuid, sizeof(a->uuid) },
	};
	enum likeness sum = NO_ID;

	for (size_t i = 0; i < RTE_DIM(ids); i++) {
		enum likeness l = compare_ids(ids[i].a, ids[i].b, ids[i].len);

		if (l == SAME_ID) {
			say_id(ids[i].name, ids[i].a, ids[i].len, why, len);
			return l;
		}
		if (l == OTHER_ID)
			sum = l;
	}
	return sum;
}

static bool same_ns(const struct copy_ns_names *a, const struct copy_ns_names *b, char *why,
		    size_t len)
{
	enum likeness names;

	if (a->ns && a->ns == b->ns) {
		snprintf(why, len, "namespace %u of %s", a->nsid, a->ns->ctrlr->info.name);
		return true;
	}
	names = same_names(a, b, why, len);
	if (names != NO_ID)
		return names == SAME_ID;
	/* Namespaces that are not shared may have an NSID twice in a subsystem (6.1). */
	if (a->nsid != b->nsid || !(a->shared || b->shared) || !a->subnqn[0] ||
	    strcmp(a->subnqn, b->subnqn) != 0)
		return false;
	snprintf(why, len, "the shared namespace %u of subsystem %s", a->nsid, a->subnqn);
	return true;
}

static bool same_face(const struct copy_face *a, const struct copy_face *b, char *why, size_t len)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case COPY_FACE_NAMESPACE:
		return same_ns(&a->names, &b->names, why, len);
	case COPY_FACE_FILE:
		snprintf(why, len, "the file with inode %llu of device %u:%u",
			 (unsigned long long)a->ino, major(a->dev), minor(a->dev));
		return a->dev == b->dev && a->ino == b->ino;
	default:
		snprintf(why, len, "block device %u:%u", major(a->dev), minor(a->dev));
		return a->dev == b->dev;
	}
}

/* Both lengths are not 0, and no sum is needed that could wrap. */
static bool meet(const struct copy_span *a, const struct copy_span *b)
{
	return a->at >= b->at ? a->at - b->at < b->len : b->at - a->at < a->len;
}

enum copy_medium_verdict copy_medium_compare(const struct copy_medium *a,
					     const struct copy_medium *b, char *why, size_t len)
{
	for (size_t i = 0; i < a->nb_faces; i++) {
		for (size_t j = 0; j < b->nb_faces; j++) {
			const struct copy_span *x = &a->faces[i].span, *y = &b->faces[j].span;

			if (!(x->exact || y->exact) || !meet(x, y) ||
			    !same_face(&a->faces[i], &b->faces[j], why, len))
				continue;
			return x->exact && y->exact ? COPY_MEDIUM_OVERLAP : COPY_MEDIUM_UNKNOWN;
		}
	}
	return COPY_MEDIUM_APART;
}
