/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text tables whose columns are as wide as their widest cell: the first is left-aligned, the others
 * right-aligned. Cells are added row by row, then the whole is printed.
 *
 *     struct app_table t;
 *     app_table_init(&t, 3);
 *     app_table_row(&t, "leg", "IOPS", "MiB/s");
 *     app_table_rule(&t);
 *     app_table_cell(&t, "read"), app_table_cell(&t, "%.0f", iops), app_table_cell(&t, "%.1f",
 * mib); app_table_print(&t, stdout);
 */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define APP_TABLE_COLUMNS 16

struct app_table {
	unsigned int columns;
	char **cells; /* row by row; the first of a row is NULL for a rule */
	size_t nb_cells;
	size_t capacity;
	bool failed; /* out of memory: what could be kept is printed */
};

/* @columns: 1 to APP_TABLE_COLUMNS. */
void app_table_init(struct app_table *t, unsigned int columns);

/* The next cell; a row ends when it is full. */
void app_table_cell(struct app_table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A whole row of @t->columns plain texts. */
void app_table_texts(struct app_table *t, const char *const *texts);
#define app_table_row(t, ...) app_table_texts((t), (const char *const[]){ __VA_ARGS__ })

/* A horizontal line over the table's width. Only between rows. */
void app_table_rule(struct app_table *t);

/* Prints and frees. */
void app_table_print(struct app_table *t, FILE *out);

#endif
