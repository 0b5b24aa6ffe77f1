/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "size.h"
#include "target.h"

/* Reads @min to @max hexadecimal digits; returns how many, or 0. */
static int hex(const char *p, int min, int max, unsigned long *value)
{
	unsigned long v = 0;
	int n = 0;

	while (n < max && isxdigit((unsigned char)p[n])) {
		int c = tolower((unsigned char)p[n++]);

		v = v * 16 + (unsigned long)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*value = v;
	return n >= min ? n : 0;
}

/* [DOMAIN:]BUS:DEV.FN. Virtual domains (VMD) have more than four digits. */
static int parse_bdf(const char *text, char device[APP_DEVICE_MAX])
{
	unsigned long domain = 0, bus, dev, fn;
	const char *p = text;
	int n = hex(p, 4, 8, &domain);

	if (n && p[n] == ':')
		p += n + 1;
	else
		domain = 0;
	n = hex(p, 2, 2, &bus);
	if (!n || p[n] != ':')
		return 0;
	p += n + 1;
	n = hex(p, 2, 2, &dev);
	if (!n || p[n] != '.' || dev > 0x1f)
		return 0;
	p += n + 1;
	n = hex(p, 1, 1, &fn);
	if (!n || fn > 7)
		return 0;
	snprintf(device, APP_DEVICE_MAX, "%04lx:%02lx:%02lx.%lx", domain, bus, dev, fn);
	return (int)(p + n - text);
}

int app_device_parse(const char *text, char device[APP_DEVICE_MAX])
{
	int n = parse_bdf(text, device);

	if (n)
		return n;
	if (!isalpha((unsigned char)text[0]) && text[0] != '_')
		return 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '_')
		n++;
	if (n >= APP_DEVICE_MAX)
		return 0;
	memcpy(device, text, (size_t)n);
	device[n] = '\0';
	return n;
}

static int malformed(const char *what, const char *text, const char *why)
{
	return app_fail(-EINVAL, "%s %s: %s; accepted is " APP_TARGET_FORM, what, text, why);
}

/* Cuts @field at the first character of @stop; returns what follows it, or NULL. */
static char *cut(char *field, char stop)
{
	char *p = strchr(field, stop);

	if (p)
		*p++ = '\0';
	return p;
}

int app_target_parse(const char *what, const char *text, struct app_target *t)
{
	char fields[sizeof(t->text)], *nsid, *slba = NULL, *nlb = NULL;
	uint64_t v;
	int n;

	memset(t, 0, sizeof(*t));
	t->nsid = 1;
	if (strlen(text) >= sizeof(t->text))
		return malformed(what, text, "too long");
	memcpy(t->text, text, strlen(text) + 1);
	n = app_device_parse(text, t->device);
	if (!n || (text[n] && text[n] != ':'))
		return malformed(what, text, "no such form of device");
	if (!text[n])
		return 0;

	memcpy(fields, text, strlen(text) + 1);
	nsid = fields + n + 1;
	slba = cut(nsid, ':');
	if (slba)
		nlb = cut(slba, '+');
	if (app_u64_parse(nsid, &v) || v < 1 || v > 0xfffffffe)
		return malformed(what, text, "NSID is not a number from 1 to 4294967294");
	t->nsid = (uint32_t)v;
	t->nsid_given = true;
	if (slba && app_u64_parse(slba, &t->slba))
		return malformed(what, text, "SLBA is not a number");
	if (nlb && (app_u64_parse(nlb, &t->nlb) || t->nlb == 0))
		return malformed(what, text, "NLB is not a number from 1");
	t->nlb_given = nlb != NULL;
	return 0;
}

int app_target_resolve(const char *what, struct app_target *t)
{
	struct pl_nvme_ctrlr *ctrlr = pl_nvme_ctrlr_get(t->device);
	uint64_t end;

	if (!ctrlr)
		return app_fail(-ENOENT, "%s %s: %s", what, t->text, pl_errmsg());
	t->ns = pl_nvme_ns_get(ctrlr, t->nsid);
	if (!t->ns)
		return app_fail(-ENOENT, "%s %s: %s", what, t->text, pl_errmsg());
	if (t->slba >= t->ns->nlb)
		return app_fail(-EINVAL,
				"%s %s: SLBA %" PRIu64 " is past the end of the namespace, which "
				"has %" PRIu64 " LBAs; accepted is " APP_TARGET_FORM,
				what, t->text, t->slba, t->ns->nlb);
	if (!t->nlb_given)
		t->nlb = t->ns->nlb - t->slba;
	if (__builtin_add_overflow(t->slba, t->nlb, &end) || end > t->ns->nlb)
		return app_fail(-EINVAL,
				"%s %s: LBAs %" PRIu64 "+%" PRIu64 " reach past the end of the "
				"namespace, which has %" PRIu64
				" LBAs; accepted is " APP_TARGET_FORM,
				what, t->text, t->slba, t->nlb, t->ns->nlb);
	return 0;
}

void app_target_whole(struct pl_nvme_ns *ns, struct app_target *t)
{
	struct pl_nvme_ctrlr_info info;

	memset(t, 0, sizeof(*t));
	pl_nvme_ctrlr_info(ns->ctrlr, &info);
	snprintf(t->device, sizeof(t->device), "%s", info.name);
	snprintf(t->text, sizeof(t->text), "%s:%u", info.name, ns->nsid);
	t->nsid = ns->nsid;
	t->nlb = ns->nlb;
	t->ns = ns;
}
