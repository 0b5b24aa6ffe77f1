/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory tree in the place of /sys, /proc and /dev. Whatever cannot be made fails the test. */
#ifndef TEST_TREE_H
#define TEST_TREE_H

#include <limits.h>

/* A new, empty tree; its path. Anybody may look into it. */
const char *tree_new(void);
void tree_remove(void);

/* A file of this content (and mode 0644), with the directories above it. */
void tree_file(const char *path, const char *content);
void tree_dir(const char *path);
void tree_link(const char *path, const char *target);
void tree_mode(const char *path, unsigned int mode);

/* Removes @path and all below it, which must be there. */
void tree_gone(const char *path);

/* A PCI function of class @class (hexadecimal digits); @driver and @group may be NULL. */
void tree_pci(const char *bdf, const char *class, const char *driver, const char *group);

/* The entry in class vfio-dev, and the device node unless the kernel is too old for it. */
void tree_cdev(const char *bdf, const char *name, int with_node);

#endif
