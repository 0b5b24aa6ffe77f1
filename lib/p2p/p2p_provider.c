/* SPDX-License-Identifier: BSD-3-Clause */
/* The providers there are, and who reaches whom. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mem_internal.h"
#include "p2p_provider.h"
#include "pl_log.h"

static struct pl_p2p *providers; /* in the order of registration */

void p2p_register(struct pl_p2p *p)
{
	struct pl_p2p **at = &providers;

	while (*at)
		at = &(*at)->next;
	p->next = NULL;
	*at = p;
}

void p2p_unregister(struct pl_p2p *p)
{
	struct pl_p2p **at = &providers;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
}

struct pl_p2p *pl_p2p_next(const struct pl_p2p *prev)
{
	return prev ? prev->next : providers;
}

static void all_names(char *names, size_t len)
{
	size_t at = 0;

	snprintf(names, len, "none");
	for (const struct pl_p2p *p = providers; p && at < len; p = p->next)
		at += (size_t)snprintf(names + at, len - at, "%s%s", at ? ", " : "", p->name);
}

struct pl_p2p *pl_p2p_get(const char *name)
{
	char names[256];

	for (struct pl_p2p *p = providers; p; p = p->next)
		if (strcmp(p->name, name) == 0)
			return p;
	all_names(names, sizeof(names));
	pl_fail(-ENOENT, "no device '%s'; there is: %s", name, names);
	return NULL;
}

const char *pl_p2p_name(const struct pl_p2p *provider)
{
	return provider->name;
}

int pl_p2p_memory(const struct pl_p2p *provider, unsigned int i, struct pl_p2p_memory *memory)
{
	const struct p2p_memory *m = &provider->memory[i];

	if (i >= provider->nb_memories)
		return pl_fail(-ENOENT, "%s has %u memories for peers", provider->name,
			       provider->nb_memories);
	*memory = (struct pl_p2p_memory){ .label = m->label, .kind = m->kind, .heap = m->heap };
	return 0;
}

bool p2p_lost_memory(const struct pl_p2p *p)
{
	for (unsigned int i = 0; i < p->nb_memories; i++)
		if (p->memory[i].heap && !pl_p2p_heap_there(p->memory[i].heap))
			return true;
	return false;
}

bool p2p_reaches(const struct pl_p2p *p, const struct pl_p2p *client, struct pl_p2p_path *path)
{
	if (client == p) {
		path->way = PL_P2P_OWN;
		snprintf(path->reason, sizeof(path->reason), "%s uses its own memory", p->name);
	} else if (client->ioas != p->ioas) {
		path->way = PL_P2P_NO_WAY;
		snprintf(path->reason, sizeof(path->reason),
			 "%s and %s share no IO address space: neither reaches the other's memory",
			 client->name, p->name);
	} else if (p->no_peers) {
		path->way = PL_P2P_NO_WAY;
		snprintf(path->reason, sizeof(path->reason),
			 "the memory of %s could not be mapped for peers: the log says why",
			 p->name);
	} else {
		path->way = PL_P2P_PEER;
		snprintf(path->reason, sizeof(path->reason),
			 "the IOMMU maps the memory of %s for %s; what lies between them is not "
			 "known",
			 p->name, client->name);
	}
	return path->way != PL_P2P_NO_WAY;
}

static bool has_memory(const struct pl_p2p *p)
{
	for (unsigned int i = 0; i < p->nb_memories; i++)
		if (p->memory[i].heap && pl_p2p_heap_there(p->memory[i].heap))
			return true;
	return false;
}

void pl_p2p_path(const struct pl_p2p *provider, const struct pl_p2p *client,
		 struct pl_p2p_path *path)
{
	const char *why = provider->ops->why_none(provider);

	if (has_memory(provider)) {
		p2p_reaches(provider, client, path);
		return;
	}
	path->way = PL_P2P_NO_WAY;
	if (why[0])
		snprintf(path->reason, sizeof(path->reason), "%s", why);
	else
		snprintf(path->reason, sizeof(path->reason), "%s has no memory to lend now",
			 provider->name);
}
