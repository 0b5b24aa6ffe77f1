/* SPDX-License-Identifier: BSD-3-Clause */
/* The properties of a controller (3.1), with or without registers that they lie in. */
#include "nvme_internal.h"
#include "pl_log.h"

/* None of those that are asked for is ever all ones; what reads so is no answer. */
int nvme_check_there(const struct pl_nvme_ctrlr *c, uint32_t val)
{
	if (val == UINT32_MAX)
		return pl_fail(-ENODEV, "%s: the controller is gone: its registers read all ones",
			       c->info.name);
	return 0;
}

int nvme_get32(const struct pl_nvme_ctrlr *c, uint32_t off, uint32_t *val)
{
	int rc = c->t->ops->get32(c->t, off, val);

	return rc ? rc : nvme_check_there(c, *val);
}

int nvme_get64(const struct pl_nvme_ctrlr *c, uint32_t off, uint64_t *val)
{
	int rc = c->t->ops->get64(c->t, off, val);

	return rc ? rc : nvme_check_there(c, (uint32_t)*val & (uint32_t)(*val >> 32));
}

int nvme_set32(struct pl_nvme_ctrlr *c, uint32_t off, uint32_t val)
{
	return c->t->ops->set32(c->t, off, val);
}
