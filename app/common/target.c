/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <peerlane/pl_parse.h>

#include "cli.h"
#include "target.h"

#define FILE_PREFIX "file:"

int app_device_parse(const char *text, char device[APP_DEVICE_MAX])
{
	struct pl_pci_addr addr;
	const char *end;
	int n = 0;

	if (pl_pci_addr_parse(text, &end, &addr) == 0) {
		pl_pci_addr_format(&addr, device);
		return (int)(end - text);
	}
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

static int malformed(const char *what, const char *text, const char *why, const char *form)
{
	return app_fail(-EINVAL, "%s %s: %s; accepted is %s", what, text, why, form);
}

static int malformed_file(const char *what, const char *text, const char *why)
{
	return app_fail(-EINVAL,
			"%s %s: %s; accepted is " APP_FILE_FORM
			", with sizes such as 4096, 128K or 1G",
			what, text, why);
}

/* Cuts @field at the first character of @stop; returns what follows it, or NULL. */
static char *cut(char *field, char stop)
{
	char *p = strchr(field, stop);

	if (p)
		*p++ = '\0';
	return p;
}

static int parse(const char *what, const char *text, const char *form, struct app_target *t)
{
	char fields[sizeof(t->text)], *nsid, *slba = NULL, *nlb = NULL;
	uint64_t v;
	int n;

	memset(t, 0, sizeof(*t));
	t->nsid = 1;
	if (strlen(text) >= sizeof(t->text))
		return malformed(what, text, "too long", form);
	memcpy(t->text, text, strlen(text) + 1);
	n = app_device_parse(text, t->device);
	if (!n || (text[n] && text[n] != ':'))
		return malformed(what, text, "no such form of device", form);
	if (!text[n])
		return 0;

	memcpy(fields, text, strlen(text) + 1);
	nsid = fields + n + 1;
	slba = cut(nsid, ':');
	if (slba)
		nlb = cut(slba, '+');
	if (pl_u64_parse(nsid, &v) || v < 1 || v > 0xfffffffe)
		return malformed(what, text, "NSID is not a number from 1 to 4294967294", form);
	t->nsid = (uint32_t)v;
	t->nsid_given = true;
	if (slba && pl_u64_parse(slba, &t->slba))
		return malformed(what, text, "SLBA is not a number", form);
	if (nlb && (pl_u64_parse(nlb, &t->nlb) || t->nlb == 0))
		return malformed(what, text, "NLB is not a number from 1", form);
	t->nlb_given = nlb != NULL;
	return 0;
}

int app_target_parse(const char *what, const char *text, struct app_target *t)
{
	if (!strncmp(text, FILE_PREFIX, strlen(FILE_PREFIX)))
		return malformed(what, text, "a file can be an end of a copy only",
				 APP_TARGET_FORM);
	return parse(what, text, APP_TARGET_FORM, t);
}

/* "4K" or "4K+1M" of "PATH:4K+1M"; anything else belongs to the path. */
static int parse_file_range(const char *what, struct app_target *t)
{
	char *range = strrchr(t->path, ':'), *bytes, *first;

	if (!range || range[1] < '0' || range[1] > '9')
		return 0;
	first = range + 1;
	bytes = strchr(first, '+');
	if (bytes)
		*bytes = '\0';
	if (pl_size_parse(first, &t->offset) == -EINVAL) {
		if (bytes)
			*bytes = '+';
		return 0;
	}
	if (pl_size_parse(first, &t->offset))
		return malformed_file(what, t->text, "OFFSET is past 64 bits");
	*range = '\0';
	t->bytes_given = bytes != NULL;
	if (bytes && (pl_size_parse(bytes + 1, &t->bytes) || t->bytes == 0))
		return malformed_file(what, t->text, "BYTES is not a size from 1");
	return 0;
}

int app_end_parse(const char *what, const char *text, struct app_target *t)
{
	size_t len = strlen(text);
	int rc;

	if (strncmp(text, FILE_PREFIX, strlen(FILE_PREFIX)))
		return parse(what, text, APP_END_FORM, t);
	memset(t, 0, sizeof(*t));
	t->is_file = true;
	if (len >= sizeof(t->text))
		return malformed_file(what, text, "too long");
	memcpy(t->text, text, len + 1);
	memcpy(t->path, text + strlen(FILE_PREFIX), len + 1 - strlen(FILE_PREFIX));
	rc = parse_file_range(what, t);
	if (rc == 0 && !t->path[0])
		return malformed_file(what, text, "there is no PATH");
	return rc;
}

/* A source is read to its end unless BYTES are given. */
static int settle_source(const char *what, struct app_target *t,
			 const struct pl_copy_file_info *info)
{
	uint64_t end;

	if (t->offset >= info->size)
		return app_fail(-EINVAL,
				"%s %s: byte %" PRIu64 " is past the end of the file, which has "
				"%" PRIu64 " bytes; accepted is " APP_FILE_FORM,
				what, t->text, t->offset, info->size);
	if (!t->bytes_given)
		t->bytes = info->size - t->offset;
	if (__builtin_add_overflow(t->offset, t->bytes, &end) || end > info->size)
		return app_fail(-EINVAL,
				"%s %s: bytes %" PRIu64 "+%" PRIu64 " reach past the end of the "
				"file, which has %" PRIu64 " bytes; accepted is " APP_FILE_FORM,
				what, t->text, t->offset, t->bytes, info->size);
	return 0;
}

int app_end_open(const char *what, struct app_target *t, bool writes)
{
	struct pl_copy_file_info info;
	int rc;

	if (!t->is_file)
		return app_target_resolve(what, t);
	rc = pl_copy_file_open(t->path, writes ? PL_COPY_FILE_WRITE : 0, &t->file);
	if (rc)
		return app_fail(rc, "%s %s; accepted is " APP_FILE_FORM, what, pl_errmsg());
	pl_copy_file_info(t->file, &info);
	if ((t->offset | (t->bytes_given ? t->bytes : 0)) & (info.align - 1) &&
	    (writes || t->offset & (info.align - 1) || t->offset + t->bytes != info.size))
		return app_fail(
			-EINVAL,
			"%s %s: OFFSET and BYTES must be multiples of %u, as O_DIRECT wants "
			"them; accepted is " APP_FILE_FORM,
			what, t->text, info.align);
	return writes ? 0 : settle_source(what, t, &info);
}

void app_end_close(struct app_target *t)
{
	pl_copy_file_close(t->file);
	t->file = NULL;
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
	pl_nvme_ctrlr_info(ns->ctrlr, &info, sizeof(info));
	snprintf(t->device, sizeof(t->device), "%s", info.name);
	snprintf(t->text, sizeof(t->text), "%s:%u", info.name, ns->nsid);
	t->nsid = ns->nsid;
	t->nlb = ns->nlb;
	t->ns = ns;
}
