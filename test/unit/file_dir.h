/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory for files that are copied: on a file system with O_DIRECT and a device behind it. */
#ifndef TEST_FILE_DIR_H
#define TEST_FILE_DIR_H

#include "fixture.h"

#include <peerlane/pl_copy.h>

/* Below TMPDIR, /tmp or the working directory. If none of them will do: false, or exit with 77. */
bool file_dir_try(void);
void file_dir_make(void);
void file_dir_remove(void);

/* The path of a file in it; valid for the next few calls. */
const char *file_path(const char *name);

/* Past O_DIRECT, as any program would: the file has these bytes and no others; or this length. */
void file_put(const char *name, const void *data, size_t len);
void file_cut(const char *name, size_t len);
/* Its bytes and those only, or the test fails. */
void file_is(const char *name, const void *data, size_t len);
size_t file_len(const char *name); /* SIZE_MAX: there is none */

/* Opens it for a copy, or the test fails. */
struct pl_copy_file *file_open(const char *name, unsigned int flags);

/* Open descriptors of this process; and of the io_urings among them, the registered buffers. */
unsigned int fds_open(void);
int uring_buffers(void); /* -1: no io_uring, or the kernel does not tell */

#endif
