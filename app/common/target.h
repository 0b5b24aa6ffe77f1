/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where to read or write: DEVICE[:NSID[:SLBA[+NLB]]], or of a copy file:PATH[:OFFSET[+BYTES]].
 *
 * A PATH may have colons: only what follows the last one counts as OFFSET, and only if it begins
 * like a size. A file whose name ends that way is given as file:PATH:0.
 *
 * Syntax is checked before anything is started; whether the device, the namespace and the range
 * exist can only be known after pl_eal_init().
 */
#ifndef APP_TARGET_H
#define APP_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include <peerlane/pl_copy.h>

#define APP_DEVICE_FORM "a BDF such as 0000:01:00.0 or 01:00.0, or a --vdev name such as nvme_emu0"
#define APP_TARGET_FORM "DEVICE[:NSID[:SLBA[+NLB]]] with DEVICE " APP_DEVICE_FORM

#define APP_FILE_FORM "file:PATH[:OFFSET[+BYTES]]"
#define APP_END_FORM  APP_FILE_FORM " or " APP_TARGET_FORM

#define APP_DEVICE_MAX 32
#define APP_TARGET_MAX 1024

struct app_target {
	char text[APP_TARGET_MAX];   /* as given, for messages */
	char device[APP_DEVICE_MAX]; /* the controller's name; a BDF is full and in lower case */
	uint32_t nsid;               /* 1 unless given */
	bool nsid_given;
	uint64_t slba;
	uint64_t nlb;          /* after app_target_resolve(): never 0 */
	bool nlb_given;        /* else it extends to the namespace's end */
	struct pl_nvme_ns *ns; /* after app_target_resolve() */

	bool is_file; /* then none of the above but `text` counts */
	char path[APP_TARGET_MAX];
	uint64_t offset;
	uint64_t bytes; /* after app_target_open(): of a source never 0 */
	bool bytes_given;
	struct pl_copy_file *file; /* after app_target_open() */
};

/* Reads a device name at @text into @device, a BDF in full and lower case. Returns its length in
 * @text, or 0 if there is none. */
int app_device_parse(const char *text, char device[APP_DEVICE_MAX]);

/* Syntax. @what names the argument in messages ("SRC"). 0, or -EINVAL with app_fail(). A file is
 * accepted by app_end_parse() only. */
int app_target_parse(const char *what, const char *text, struct app_target *t);
int app_end_parse(const char *what, const char *text, struct app_target *t);

/* Finds namespace and range. 0; -ENOENT or -EINVAL with app_fail(). */
int app_target_resolve(const char *what, struct app_target *t);

/* The same for an end of a copy: a file is opened, and created if it is to be written and does not
 * exist. 0, or what pl_copy_file_open() returns, with app_fail(). */
int app_end_open(const char *what, struct app_target *t, bool writes);

/* After the last copy. A file that was created and not written is removed. */
void app_end_close(struct app_target *t);

/* The target that is all of a namespace. */
void app_target_whole(struct pl_nvme_ns *ns, struct app_target *t);

#endif
