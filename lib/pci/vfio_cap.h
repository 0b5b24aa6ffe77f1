/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_VFIO_CAP_H
#define PL_VFIO_CAP_H

#include <stddef.h>
#include <stdint.h>

/* What an info call of vfio's answered: a structure, and capabilities behind it. */
struct vfio_answer {
	const void *info;
	size_t head;    /* bytes of the structure */
	uint32_t argsz; /* bytes of all of it */
	uint32_t first; /* where the first capability is; 0: there are none */
};

/* The capability @id, of at least @size bytes; *@room is how many there are up to the answer's end.
 * NULL: there is none, or the chain leaves the answer before it. */
const void *vfio_cap_find(const struct vfio_answer *answer, uint16_t id, size_t size, size_t *room);

#endif
