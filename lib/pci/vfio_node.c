/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>

#include "pl_inject.h"
#include "pl_log.h"
#include "vfio_node.h"

int vfio_node_open(const char *path)
{
	int fd;

	if (pl_inject_hit())
		return -EMFILE;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != EACCES && errno != EPERM)
		return -errno;
	return pl_fail(-EACCES,
		       "%s: permission denied; install Peerlane's udev rule (meson install) and "
		       "join its group, or: sudo setfacl -m u:$USER:rw %s",
		       path, path);
}
