/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "progress.h"

#define UPDATES_PER_SECOND 5

void app_progress_init(struct app_progress *p, FILE *out, const char *what)
{
	memset(p, 0, sizeof(*p));
	p->out = out;
	p->live = isatty(fileno(out)) == 1;
	p->hz = rte_get_tsc_hz();
	app_progress_restart(p, what);
}

void app_progress_restart(struct app_progress *p, const char *what)
{
	p->what = what;
	p->start = rte_rdtsc();
	p->next = p->live ? p->start + p->hz / UPDATES_PER_SECOND : UINT64_MAX;
}

const char *app_progress_text(const char *what, double share, uint64_t bytes, double seconds,
			      char *buf, size_t len)
{
	char rate[APP_SIZE_TEXT], left[40] = "";

	if (share > 1)
		share = 1;
	/* Before a hundredth is done an estimate says nothing. */
	if (share >= 0.01) {
		double eta = seconds * (1 - share) / share;

		if (eta < 100)
			snprintf(left, sizeof(left), ", %.0f s left", eta);
		else if (eta < 6000)
			snprintf(left, sizeof(left), ", %.0f min left", eta / 60);
		else
			snprintf(left, sizeof(left), ", %.1f h left", eta / 3600);
	}
	snprintf(buf, len, "%s: %3.0f%%, %s%s", what, share * 100,
		 app_rate_format(bytes, seconds, rate), left);
	return buf;
}

void app_progress_show(struct app_progress *p, uint64_t done, uint64_t total, uint64_t bytes)
{
	uint64_t now = rte_rdtsc();
	char text[160];

	p->next = now + p->hz / UPDATES_PER_SECOND;
	app_progress_text(p->what, total ? (double)done / (double)total : 0, bytes,
			  (double)(now - p->start) / (double)p->hz, text, sizeof(text));
	fprintf(p->out, "\r%s\033[K", text);
	fflush(p->out);
	p->shown = true;
}

void app_progress_end(struct app_progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", p->out);
	fflush(p->out);
	p->shown = false;
}
