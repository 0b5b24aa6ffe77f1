/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ends have in common. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_end.h"

/* Filled by constructors, never changed after. */
static struct copy_end_kind *kinds;

void copy_end_register(struct copy_end_kind *kind)
{
	kind->next = kinds;
	kinds = kind;
}

const struct copy_end_ops *copy_end_find(const char *name)
{
	for (const struct copy_end_kind *k = kinds; k; k = k->next)
		if (!strcmp(k->ops->name, name))
			return k->ops;
	return NULL;
}

/* What the end does not take stays in order. */
void copy_end_flush(struct copy_end *end)
{
	uint32_t n;

	if (!end->nb_waiting)
		return;
	n = end->ops->submit(end, end->waiting, end->nb_waiting);
	end->nb_waiting -= n;
	if (n && end->nb_waiting)
		memmove(end->waiting, end->waiting + n, end->nb_waiting * sizeof(*end->waiting));
}

struct copy_pos copy_end_pos(const struct copy_end *end, uint64_t at)
{
	struct copy_pos pos;

	snprintf(pos.text, sizeof(pos.text), "%s %" PRIu64, end->ops->counts,
		 end->first + at / end->unit);
	return pos;
}

struct copy_pos copy_end_byte(const struct copy_end *end, uint64_t at)
{
	struct copy_pos pos;

	if (end->unit > 1)
		snprintf(pos.text, sizeof(pos.text), "byte %" PRIu64 " of %s %" PRIu64,
			 at % end->unit, end->ops->counts, end->first + at / end->unit);
	else
		snprintf(pos.text, sizeof(pos.text), "byte %" PRIu64, end->first + at);
	return pos;
}
