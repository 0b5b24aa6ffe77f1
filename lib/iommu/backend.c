/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends there are, and which of them opens an address space. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu_backend.h"
#include "pl_log.h"
#include "pl_subsystem.h"

static struct pl_ioas_backend *backends; /* by descending rank */

void pl_ioas_backend_register(struct pl_ioas_backend *backend)
{
	struct pl_ioas_backend **at = &backends;

	while (*at && (*at)->ops->rank >= backend->ops->rank)
		at = &(*at)->next;
	backend->next = *at;
	*at = backend;
}

void pl_ioas_backend_unregister(struct pl_ioas_backend *backend)
{
	struct pl_ioas_backend **at = &backends;

	while (*at && *at != backend)
		at = &(*at)->next;
	if (*at)
		*at = backend->next;
}

const char *ioas_backend_names(unsigned int families, char *buf, size_t len)
{
	size_t used = (size_t)snprintf(buf, len, "auto");

	for (const struct pl_ioas_backend *b = backends; b && used < len; b = b->next)
		if (families & 1u << b->ops->family)
			used += (size_t)snprintf(buf + used, len - used, ", %s", b->ops->name);
	return buf;
}

const struct pl_ioas_ops *ioas_backend_find(const char *name)
{
	char names[IOAS_NAMES_LEN];

	for (const struct pl_ioas_backend *b = backends; b; b = b->next)
		if (strcmp(b->ops->name, name) == 0)
			return b->ops;
	pl_fail(-EINVAL, "--iommu=%s: no such backend; accepted are %s", name,
		ioas_backend_names(IOAS_ANY_FAMILY, names, sizeof(names)));
	return NULL;
}

int ioas_check_auto(const char *args)
{
	char names[IOAS_NAMES_LEN];

	if (!args[0])
		return 0;
	return pl_fail(-EINVAL,
		       "--iommu=auto,%s: \"auto\" takes no arguments; name the backend that they "
		       "are for, one of %s",
		       args, ioas_backend_names(IOAS_ANY_FAMILY, names, sizeof(names)));
}

static int attach_all(struct pl_ioas *ioas, const struct pl_eal_conf *conf)
{
	int rc = 0;

	for (unsigned int i = 0; conf && i < conf->nb_pcis && rc == 0; i++)
		rc = ioas_attach(ioas, conf->pcis[i].name);
	return rc;
}

int ioas_open(const struct pl_ioas_ops *ops, const char *args, const struct pl_eal_conf *conf,
	      struct pl_ioas **ioas)
{
	int rc;

	/* The backend's own message tells why; the kind of failure is the same for all of them. */
	if (ops->available())
		return -ENOTSUP;
	rc = ops->create(args, ioas);
	if (rc)
		return rc;
	rc = ops->attach ? attach_all(*ioas, conf) : ioas_read_aperture(*ioas);
	if (rc) {
		pl_ioas_destroy(*ioas);
		*ioas = NULL;
	}
	return rc;
}

/* What became of the backends that were tried before. */
struct trials {
	const struct pl_ioas_ops *lacking; /* the first that opens, without what is wanted */
	unsigned int failed;
	int rc; /* of those that failed */
	bool all_busy;
	char first[512];    /* what the first one that was passed over said */
	char failures[768]; /* "NAME: why; NAME: why" */
	char lacks[512];    /* why `lacking` cannot do what is wanted */
};

static void append(char *buf, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *buf, size_t len, const char *format, ...)
{
	size_t used = strlen(buf);
	va_list ap;

	va_start(ap, format);
	vsnprintf(buf + used, len - used, format, ap);
	va_end(ap);
}

static void note_failure(struct trials *t, const struct pl_ioas_ops *ops, int rc)
{
	append(t->failures, sizeof(t->failures), "%s%s: %s", t->failed ? "; " : "", ops->name,
	       pl_errmsg());
	if (t->failed == 0) {
		snprintf(t->first, sizeof(t->first), "%s", pl_errmsg());
		t->rc = rc;
		t->all_busy = true;
	}
	if (rc != -ENOTSUP)
		t->rc = rc;
	t->all_busy = t->all_busy && rc == -EBUSY;
	t->failed++;
}

/* Whether the space can what is wanted; else it is closed: a device is in one space at a time. */
static bool suits(struct trials *t, struct pl_ioas **ioas, uint32_t wanted)
{
	const struct pl_ioas_ops *ops = (*ioas)->ops;

	if (!wanted || (ops->caps && (ops->caps(*ioas) & wanted) == wanted))
		return true;
	if (!t->lacking) {
		t->lacking = ops;
		snprintf(t->lacks, sizeof(t->lacks), "%s",
			 ops->caps ? pl_errmsg() : "the backend has no way");
	}
	pl_ioas_destroy(*ioas);
	*ioas = NULL;
	return false;
}

static void log_choice(const struct trials *t, const struct pl_ioas_ops *ops)
{
	if (t->lacking)
		PL_LOG(NOTICE, "IOMMU backend %s instead of %s: %s", ops->name, t->lacking->name,
		       t->lacks);
	else if (t->failed)
		PL_LOG(NOTICE, "IOMMU backend %s, because another cannot be used: %s", ops->name,
		       t->failures);
	else
		PL_LOG(INFO, "IOMMU backend %s: the first choice of those usable here", ops->name);
}

/* None has all that is wanted: the best of those that open will do without. */
static int make_do(const struct trials *t, const struct pl_eal_conf *conf, struct pl_ioas **ioas)
{
	if (t->lacking) {
		PL_LOG(NOTICE, "no peer-to-peer between devices of this family: %s%s%s", t->lacks,
		       t->failed ? "; and no other backend can be used: " : "", t->failures);
		return ioas_open(t->lacking, "", conf, ioas);
	}
	if (t->failed == 0)
		return pl_fail(-ENOTSUP, "no IOMMU backend of this build serves these devices");
	if (t->all_busy) /* the same story of each */
		return pl_fail(-EBUSY, "%s", t->first);
	return pl_fail(t->rc, "no IOMMU backend can be used here: %s", t->failures);
}

int ioas_open_auto(enum pl_ioas_family family, uint32_t wanted, const struct pl_eal_conf *conf,
		   struct pl_ioas **ioas)
{
	struct trials t = { 0 };

	for (const struct pl_ioas_backend *b = backends; b; b = b->next) {
		int rc;

		if (b->ops->family != family)
			continue;
		rc = ioas_open(b->ops, "", conf, ioas);
		if (rc) {
			PL_LOG(INFO, "IOMMU backend %s cannot be used: %s", b->ops->name,
			       pl_errmsg());
			note_failure(&t, b->ops, rc);
			continue;
		}
		if (suits(&t, ioas, wanted)) {
			log_choice(&t, b->ops);
			return 0;
		}
	}
	return make_do(&t, conf, ioas);
}

int pl_ioas_create(const char *backend, const char *args, struct pl_ioas **ioas)
{
	const struct pl_ioas_ops *ops;
	int rc;

	if (strcmp(backend, "auto") == 0) {
		rc = ioas_check_auto(args);
		return rc ? rc : ioas_open_auto(PL_IOAS_EMULATED, 0, NULL, ioas);
	}
	ops = ioas_backend_find(backend);
	rc = ops ? ops->check(args) : -EINVAL;
	if (rc)
		return rc;
	PL_LOG(INFO, "IOMMU backend %s: asked for", ops->name);
	return ioas_open(ops, args, NULL, ioas);
}

void pl_ioas_destroy(struct pl_ioas *ioas)
{
	if (!ioas)
		return;
	ioas_withdraw(ioas);
	ioas_drop_devices(ioas);
	free(ioas->ranges);
	ioas->ranges = NULL;
	ioas->nb_ranges = 0;
	ioas->ops->destroy(ioas);
}
