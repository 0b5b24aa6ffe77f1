/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <peerlane/pl_nvme.h>

#include "engine.h"

#define MAX_ENGINES 8

/* By rank. Written by constructors alone. */
static const struct engine *engines[MAX_ENGINES];
static unsigned int nb_engines;

void engine_register(const struct engine *engine)
{
	unsigned int i = nb_engines;

	if (nb_engines == MAX_ENGINES)
		return;
	for (; i > 0 && engines[i - 1]->rank > engine->rank; i--)
		engines[i] = engines[i - 1];
	engines[i] = engine;
	nb_engines++;
}

const struct engine *engine_get(unsigned int i)
{
	return i < nb_engines ? engines[i] : NULL;
}

/* The @i-th workload of @engine, or of all engines. */
static const struct workload *workload_get(const struct engine *engine, unsigned int i)
{
	const struct workload *w = NULL;

	if (engine)
		return engine->workload(i);
	for (unsigned int e = 0; e < nb_engines && !w; e++)
		for (unsigned int j = 0; (w = engines[e]->workload(j)) != NULL && i > 0; j++)
			i--;
	return w;
}

const struct workload *workload_find(const char *name)
{
	const struct workload *w;

	for (unsigned int i = 0; (w = workload_get(NULL, i)) != NULL; i++)
		if (!strcmp(w->name, name))
			return w;
	return NULL;
}

const char *workload_names(const struct engine *engine, char *buf, size_t len)
{
	const struct workload *w, *next = workload_get(engine, 0);
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; (w = next) != NULL && used < len; i++) {
		next = workload_get(engine, i + 1);
		used += (size_t)snprintf(buf + used, len - used, "%s%s",
					 !i     ? ""
					 : next ? ", "
						: " or ",
					 w->name);
	}
	return buf;
}

int engine_any_device(void)
{
	if (pl_nvme_ctrlr_next(NULL))
		return 0;
	return app_fail(-EINVAL, "no device: give one before the --, for example "
				 "--vdev nvme_emu0,size=1G or -a 0000:01:00.0");
}
