/* SPDX-License-Identifier: BSD-3-Clause */
/* Get Log Page (5.14): error information, SMART, firmware slots. */
#include <string.h>

#include "emu.h"

#define LID_ERROR    0x01u
#define LID_SMART    0x02u
#define LID_FIRMWARE 0x03u
#define LOG_RAE      (1u << 15)
#define LOG_RSVD     0x7f00u /* cdw10: LSP, which no page here uses, and 14:12 */

/* SMART / Health Information (5.14.1.2). */
struct __attribute__((packed)) smart_log {
	uint8_t warning;
	uint16_t temperature; /* kelvin */
	uint8_t spare;        /* per cent */
	uint8_t spare_threshold;
	uint8_t used;
	uint8_t rsvd6[26];
	uint64_t units_read[2]; /* thousands of 512 bytes, rounded up */
	uint64_t units_written[2];
	uint64_t reads[2];
	uint64_t writes[2];
	uint64_t busy[2];
	uint64_t power_cycles[2];
	uint64_t power_on_hours[2];
	uint64_t unsafe_shutdowns[2];
	uint64_t media_errors[2];
	uint64_t error_entries[2];
	uint8_t rsvd192[320];
};
PL_STATIC_ASSERT(sizeof(struct smart_log) == 512, "the SMART log is 512 bytes");

/* Firmware Slot Information (5.14.1.3). */
struct firmware_log {
	uint8_t afi;
	uint8_t rsvd1[7];
	char revision[7][8];
	uint8_t rsvd64[448];
};
PL_STATIC_ASSERT(sizeof(struct firmware_log) == 512, "the firmware log is 512 bytes");

union log_page {
	struct emu_error errors[EMU_ERRLOG];
	struct smart_log smart;
	struct firmware_log firmware;
	uint8_t bytes[EMU_ERRLOG * sizeof(struct emu_error)];
};

static size_t fill_errors(const struct emu_ctrlr *c, union log_page *page)
{
	/* The newest first */
	for (uint64_t i = 0; i < EMU_ERRLOG && i < c->nb_errors; i++)
		page->errors[i] = c->errlog[(c->nb_errors - 1 - i) % EMU_ERRLOG];
	return sizeof(page->errors);
}

static size_t fill_smart(const struct emu_ctrlr *c, union log_page *page)
{
	struct smart_log *s = &page->smart;

	s->temperature = 313;
	s->spare = 100;
	s->spare_threshold = 10;
	s->units_read[0] = (c->bytes_read / 512 + 999) / 1000;
	s->units_written[0] = (c->bytes_written / 512 + 999) / 1000;
	s->reads[0] = c->reads;
	s->writes[0] = c->writes;
	s->power_cycles[0] = 1;
	s->media_errors[0] = c->media_errors;
	s->error_entries[0] = c->nb_errors;
	return sizeof(*s);
}

static size_t fill_firmware(union log_page *page)
{
	page->firmware.afi = 1;
	memcpy(page->firmware.revision[0], EMU_FIRMWARE, 8);
	return sizeof(page->firmware);
}

uint16_t emu_admin_get_log_page(struct emu_ctrlr *c, struct emu_cmd *cmd)
{
	const struct pl_nvme_sqe *sqe = &cmd->sqe;
	uint64_t numd = (sqe->cdw10 >> 16 | (uint64_t)(sqe->cdw11 & 0xffff) << 16) + 1;
	uint64_t offset = sqe->cdw12 | (uint64_t)sqe->cdw13 << 32;
	uint32_t lid = sqe->cdw10 & 0xff;
	union log_page page = { 0 };
	uint16_t status;
	size_t len;

	/* No page is per namespace (LPA bit 0) or has a log specific identifier (LSI). */
	if ((sqe->cdw10 & LOG_RSVD) != 0 || sqe->cdw11 >> 16 != 0 || sqe->cdw14 != 0 ||
	    sqe->cdw15 != 0 || (sqe->nsid != 0 && sqe->nsid != UINT32_MAX))
		return NVME_SC_INVALID_FIELD;
	if (lid == LID_ERROR)
		len = fill_errors(c, &page);
	else if (lid == LID_SMART)
		len = fill_smart(c, &page);
	else if (lid == LID_FIRMWARE)
		len = fill_firmware(&page);
	else
		return NVME_SC_INVALID_LOG_PAGE;
	if (offset % 4 != 0 || offset > len)
		return NVME_SC_INVALID_FIELD;
	status = emu_mdts_check(c, numd * 4);
	if (status != NVME_SC_SUCCESS)
		return status;
	status = emu_data_out(c, cmd, page.bytes + offset, len - offset, numd * 4);
	if (status == NVME_SC_SUCCESS && lid == LID_ERROR && (sqe->cdw10 & LOG_RAE) == 0)
		c->events_masked = false;
	return status;
}
