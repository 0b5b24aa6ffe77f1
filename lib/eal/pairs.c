/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "pl_alloc.h"
#include "pl_log.h"
#include "pl_pairs.h"

static int take_one(char *text, char *key, int (*take)(const struct eal_pair *pair, void *arg),
		    void *arg)
{
	struct eal_pair pair = { .text = text, .key = key };
	char *equals = strchr(key, '=');

	if (equals) {
		*equals = '\0';
		pair.val = equals + 1;
	}
	return take(&pair, arg);
}

int eal_pairs_walk(const char *text, int (*take)(const struct eal_pair *pair, void *arg), void *arg)
{
	size_t len = strlen(text) + 1;
	char *copy, *keys;
	int rc = 0;

	if (!text[0])
		return 0;
	copy = eal_malloc(2 * len);
	if (!copy)
		return pl_fail(-ENOMEM, "no memory for the arguments '%s'", text);
	keys = copy + len; /* the same again, to be cut at '=' as well */
	memcpy(copy, text, len);
	memcpy(keys, text, len);
	for (size_t at = 0, n; at < len && rc == 0; at += n + 1) {
		n = strcspn(copy + at, ",");
		copy[at + n] = keys[at + n] = '\0';
		if (n)
			rc = take_one(copy + at, keys + at, take, arg);
	}
	free(copy);
	return rc;
}
