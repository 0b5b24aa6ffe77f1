/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_cap.h"
#include "vfio_uapi.h"

const void *vfio_cap_find(const struct vfio_answer *answer, uint16_t id, size_t size, size_t *room)
{
	uint32_t at = answer->first;

	while (at >= answer->head && at <= answer->argsz &&
	       answer->argsz - at >= sizeof(struct vfio_info_cap_header)) {
		const struct vfio_info_cap_header *cap =
			(const void *)((const char *)answer->info + at);

		*room = answer->argsz - at;
		if (cap->id == id)
			return *room >= size ? cap : NULL;
		if (cap->next <= at) /* the chain only goes forward */
			break;
		at = cap->next;
	}
	return NULL;
}
