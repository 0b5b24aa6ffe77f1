/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The error contract of every Peerlane function.
 *
 * Control functions return 0 (or a count) on success and a negative errno on failure; data-path
 * functions (`pl_nvme_submit`, `pl_nvme_poll`) return counts and put the result in each op. One
 * value has one meaning, whichever function returns it:
 *
 * | value        | meaning                                                                        |
 * |--------------|--------------------------------------------------------------------------------|
 * | -EINVAL      | the caller's mistake: bad value, bad range, wrong state; retrying cannot help  |
 * | -ENOMEM      | out of memory, of queue slots or of a pool; may succeed later                  |
 * | -ENOENT      | nothing of that name, address or identifier exists                             |
 * | -EEXIST      | the name, address or range is already taken                                    |
 * | -EBUSY       | somebody still uses the object; release it first                               |
 * | -ENOTSUP     | this device, backend or build cannot do it, and says so before traffic         |
 * | -EACCES      | the operating system denies access; the message names the remedy               |
 * | -EREMOTEIO   | no DMA path between device and memory, or data did not land: never retry       |
 * | -EIO         | the device or file reported an error; its NVMe status or text is attached      |
 * | -ENOSPC      | the file system or file that is written has no room                            |
 * | -EILSEQ      | the data compared unequal: what arrived is not what was sent                   |
 * | -ENODEV      | the device is gone or failed; a reset or a new probe may bring it back         |
 * | -ETIMEDOUT   | the device did not answer in the time its specification allows                 |
 * | -ECANCELED   | the caller asked to stop                                                       |
 * | -ERANGE      | a text is a number that its type cannot hold (pl_parse.h)                      |
 *
 * Functions that destroy or free return void: destroying never fails.
 *
 * Structures grow at their end, so a program and a library of different versions tell each other how
 * much they know:
 *
 * - One that the caller fills in begins with its size (`opts_size`). Shorter than the library's, the
 *   rest is taken as zeros, which are the defaults. Longer, what the library does not know must be
 *   zeros: anything else asks for what it cannot do, and is -EINVAL.
 * - One that the library fills in for the caller comes with a parameter `size`, sizeof the caller's
 *   structure, in the call: no more is written, and what the library does not know reads as zeros.
 * - One that the library owns and the caller reads in place has no size, but for struct pl_error.
 *   struct pl_nvme_op, which both share on the data path, never grows.
 */
#ifndef PEERLANE_PL_ERR_H
#define PEERLANE_PL_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks the symbols that libpeerlane exports. */
#define PL_API __attribute__((visibility("default")))

/**
 * The message of the calling thread's last failed call: one line without a newline that says what
 * failed, on which device, why, and what the user can do. Never NULL; empty before any failure.
 * The library owns the text; it is valid until the same thread's next failing call.
 */
PL_API const char *pl_errmsg(void);

/** What `where` of a struct pl_error is. */
enum pl_error_at {
	PL_ERROR_AT_NOTHING, /**< nothing: it is 0 */
	PL_ERROR_AT_LBA,     /**< the first LBA of the command that failed */
	PL_ERROR_AT_ADDRESS, /**< an address, of the CPU and of devices alike */
	PL_ERROR_AT_OFFSET,  /**< a byte of a file */
};

/** A failure, for programs that act on it: what pl_errmsg() says, in fields. */
struct pl_error {
	size_t size;	      /**< bytes of this structure that the library filled in: a field that
				   ends beyond them is of a newer version than the library */
	int err;	      /**< the negative errno that the call returned; 0: no failure yet */
	uint16_t nvme_status; /**< 15-bit status field, if has_status */
	bool has_status;      /**< an NVMe controller refused a command, and said why */
	enum pl_error_at at;
	uint64_t where;
	char device[32];      /**< name of the device that is concerned; "" if none is, or none is
				   known */
	char text[512];	      /**< what pl_errmsg() returns */
};

/**
 * The calling thread's last failure. Calls that succeed leave it alone. Never NULL. The library owns
 * it; it is valid until the same thread's next failing call, so copy what is to outlive that.
 */
PL_API const struct pl_error *pl_error_get(void);

/** The symbolic name of an errno of the table above, of either sign ("EREMOTEIO"). Never NULL. */
PL_API const char *pl_errname(int err);

#ifdef __cplusplus
}
#endif
#endif
