/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define GAP 2 /* blanks between columns */

void app_table_init(struct app_table *t, unsigned int columns)
{
	memset(t, 0, sizeof(*t));
	t->columns = columns;
}

/* Takes @cell, which may be NULL. */
static void append(struct app_table *t, char *cell)
{
	if (t->nb_cells == t->capacity) {
		size_t capacity = t->capacity ? 2 * t->capacity : 64;
		char **cells = realloc(t->cells, capacity * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			free(cell);
			return;
		}
		t->cells = cells;
		t->capacity = capacity;
	}
	t->cells[t->nb_cells++] = cell;
}

void app_table_cell(struct app_table *t, const char *fmt, ...)
{
	char text[160];
	char *cell;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cell = strdup(text);
	if (!cell)
		t->failed = true;
	if (!t->failed)
		append(t, cell);
	else
		free(cell);
}

void app_table_texts(struct app_table *t, const char *const *texts)
{
	for (unsigned int i = 0; i < t->columns; i++)
		app_table_cell(t, "%s", texts[i]);
}

void app_table_rule(struct app_table *t)
{
	for (unsigned int i = 0; i < t->columns && !t->failed; i++)
		append(t, NULL);
}

static void print_row(const struct app_table *t, FILE *out, char *const *row, const size_t *width)
{
	size_t blanks = 0; /* held back, so that no line ends in them */

	for (unsigned int c = 0; c < t->columns; c++) {
		size_t len = strlen(row[c]), pad = width[c] - len;

		if (c)
			blanks += GAP + pad;
		if (len) {
			fprintf(out, "%*s%s", (int)blanks, "", row[c]);
			blanks = 0;
		}
		if (!c)
			blanks = pad;
	}
	fputc('\n', out);
}

void app_table_print(struct app_table *t, FILE *out)
{
	size_t width[APP_TABLE_COLUMNS] = { 0 }, total = 0;
	size_t rows = t->nb_cells / t->columns;

	for (size_t i = 0; i < rows * t->columns; i++)
		if (t->cells[i] && strlen(t->cells[i]) > width[i % t->columns])
			width[i % t->columns] = strlen(t->cells[i]);
	for (unsigned int c = 0; c < t->columns; c++)
		total += width[c] + (c ? GAP : 0);
	for (size_t r = 0; r < rows; r++) {
		if (t->cells[r * t->columns]) {
			print_row(t, out, t->cells + r * t->columns, width);
			continue;
		}
		for (size_t i = 0; i < total; i++)
			fputc('=', out);
		fputc('\n', out);
	}
	if (t->failed)
		fputs("(out of memory: the table is cut short)\n", out);
	for (size_t i = 0; i < t->nb_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	app_table_init(t, t->columns);
}
