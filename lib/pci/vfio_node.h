/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PL_VFIO_NODE_H
#define PL_VFIO_NODE_H

/* Opens one of the kernel's nodes below /dev for reading and writing. The descriptor; -EACCES with a
 * message that says what gives the right; any other negative errno, the kernel's, without one. */
int vfio_node_open(const char *path);

#endif
