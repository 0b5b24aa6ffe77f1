/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Numbers, sizes and PCI addresses as people write them: one form for the library's options and for
 * those of programs. Parsing is strict: the whole text must be the thing, without a sign or a blank.
 * All calls are for any thread, before pl_eal_init() as well.
 */
#ifndef PEERLANE_PL_PARSE_H
#define PEERLANE_PL_PARSE_H

#include <stdint.h>

#include <peerlane/pl_err.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A number, decimal or with 0x: "123", "0x7b".
 * @return 0; -EINVAL if @p text is no such number; -ERANGE if 64 bits do not hold it. After a failure
 *   @p value is as it was.
 */
PL_API int pl_u64_parse(const char *text, uint64_t *value);

/**
 * A size in bytes: "4096", "64K", "64m", "1MiB", "2TB". The suffixes K, M, G and T, of either case,
 * are powers of 1024, and "iB" or "B" may follow one.
 * @return 0; -EINVAL if @p text is no size; -ERANGE if 64 bits do not hold it. After a failure
 *   @p bytes is as it was.
 */
PL_API int pl_size_parse(const char *text, uint64_t *bytes);

/** The address of a PCI function. */
struct pl_pci_addr {
	uint32_t domain; /**< 16 bits of firmware's, or more: Intel VMD's begin at 0x10000 */
	uint8_t bus;
	uint8_t dev; /**< 0 to 31 */
	uint8_t fn;  /**< 0 to 7 */
};

/**
 * DOMAIN:BUS:DEV.FN or, of domain 0, BUS:DEV.FN, hexadecimal in either case: "0000:01:00.0",
 * "01:00.0", "10000:e1:00.0". The domain has 4 to 8 digits, bus and device have 2.
 *
 * @param end where the address ends in @p text, which may go on with anything but a hexadecimal
 *   digit; NULL: nothing may follow.
 * @return 0; -EINVAL if there is no such address: @p addr and @p end are then as they were.
 */
PL_API int pl_pci_addr_parse(const char *text, const char **end, struct pl_pci_addr *addr);

/** Bytes of any text that pl_pci_addr_format() makes, with its end. */
#define PL_PCI_ADDR_LEN 17

/** The full form, in lower case, as the kernel writes it: "0000:01:00.0". Returns @p buf. */
PL_API char *pl_pci_addr_format(const struct pl_pci_addr *addr, char buf[PL_PCI_ADDR_LEN]);

#ifdef __cplusplus
}
#endif
#endif
