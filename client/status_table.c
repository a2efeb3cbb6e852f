/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All cells are made before the first line is put, because the longest decides where the next column begins. That is
 * possible for an answer, which is short and complete; for a stream there is layout.h.
 */
#include "client/status_table.h"

#include "client/color.h"
#include "client/escape.h"
#include "client/row.h"

enum { GAP_CELLS = 1 };

void status_table_begin(struct status_table *ret, const struct status_column *columns, size_t n_columns, uint32_t limit,
                        bool ascii, bool color)
{
        *ret = (struct status_table){.columns = columns,
                                     .n_columns = n_columns,
                                     .limit = limit > 0 ? limit : ROW_ENDLESS,
                                     .color = color,
                                     .cells = {.ascii = ascii}};
}

void status_table_free(struct status_table *table)
{
        text_free(&table->cells);
        free(table->all);
}

static void add_cell(struct status_table *table, size_t offset, uint32_t n_cells, const char *color)
{
        size_t n = table->n_cells;

        if ((n & (n - 1)) == 0) {
                struct status_cell *all = reallocarray(table->all, n > 0 ? n * 2 : 1, sizeof(*all));

                if (!all) {
                        table->cells.failed = true;
                        return;
                }
                table->all = all;
        }
        table->all[table->n_cells++] = (struct status_cell){.offset = offset,
                                                            .n_bytes = (uint32_t)(table->cells.n_bytes - offset),
                                                            .n_cells = n_cells,
                                                            .color = color};
}

void status_table_add(struct status_table *table, const char *word, const char *color)
{
        size_t offset = table->cells.n_bytes;

        text_put_string(&table->cells, word);
        add_cell(table, offset, (uint32_t)strlen(word), color);
}

void status_table_add_name(struct status_table *table, const char *bytes, size_t n_bytes, const char *color)
{
        size_t offset = table->cells.n_bytes;
        uint32_t n_cells = escape_terminal(&table->cells, bytes, n_bytes);

        add_cell(table, offset, n_cells, color);
}

/* --- which columns --- */

static uint32_t width_of(const struct status_table *table, size_t column)
{
        uint32_t width = 0, max = table->columns[column].max_cells;

        for (size_t i = column; i < table->n_cells; i += table->n_columns)
                width = MAX_OF(width, table->all[i].n_cells);
        if (max > 0 && table->limit != ROW_ENDLESS)
                width = MIN_OF(width, max);
        return MAX_OF(width, (uint32_t)strlen(table->columns[column].title));
}

static uint32_t width_of_line(const struct status_table *table)
{
        uint32_t width = 0;

        for (size_t i = 0; i < table->n_columns; i++)
                if (table->shown[i])
                        width += (width > 0 ? GAP_CELLS : 0) + table->widths[i];
        return width;
}

/* n_columns: all that are left have to stay. */
static size_t lightest(const struct status_table *table)
{
        size_t found = table->n_columns;

        for (size_t i = 0; i < table->n_columns; i++)
                if (table->shown[i] && table->columns[i].weight > 0 &&
                    (found == table->n_columns || table->columns[i].weight < table->columns[found].weight))
                        found = i;
        return found;
}

void status_table_fit(struct status_table *table)
{
        for (size_t i = 0; i < table->n_columns; i++) {
                table->shown[i] = true;
                table->widths[i] = width_of(table, i);
        }
        while (width_of_line(table) > table->limit) {
                size_t column = lightest(table);

                if (column == table->n_columns)
                        break;
                table->shown[column] = false;
        }
}

/* --- lines --- */

/* Of the column that begins at start. Nothing is put for an empty one: no line ends in blanks. */
static void put_cell(const struct status_table *table, struct row *row, size_t column, uint32_t start,
                     const struct status_cell *cell, const char *bytes)
{
        uint32_t width = table->widths[column], n_cells = MIN_OF(cell->n_cells, width);
        bool color = table->color && cell->color;

        if (n_cells == 0)
                return;
        row_tab(row, start + (table->columns[column].is_number ? width - n_cells : 0));
        if (color)
                text_put_string(row->out, cell->color);
        row_put_shortened(row, bytes, cell->n_bytes, cell->n_cells, width);
        if (color)
                text_put_string(row->out, COLOR_RESET);
}

void status_table_put_titles(const struct status_table *table, struct text *out)
{
        struct row row = {.out = out, .limit = table->limit};
        uint32_t start = 0;

        for (size_t i = 0; i < table->n_columns; i++) {
                const char *title = table->columns[i].title;
                const struct status_cell cell = {
                        .n_bytes = (uint32_t)strlen(title), .n_cells = (uint32_t)strlen(title), .color = COLOR_BOLD};

                if (!table->shown[i])
                        continue;
                put_cell(table, &row, i, start, &cell, title);
                start += table->widths[i] + GAP_CELLS;
        }
        text_put_char(out, '\n');
}

void status_table_put_row(const struct status_table *table, size_t index, struct text *out)
{
        struct row row = {.out = out, .limit = table->limit};
        uint32_t start = 0;

        out->failed |= table->cells.failed;
        for (size_t i = 0; i < table->n_columns && !out->failed; i++) {
                const struct status_cell *cell = &table->all[index * table->n_columns + i];

                if (!table->shown[i])
                        continue;
                put_cell(table, &row, i, start, cell, table->cells.data + cell->offset);
                start += table->widths[i] + GAP_CELLS;
        }
        text_put_char(out, '\n');
}

/* --- words --- */

void status_put_wrapped(struct text *out, const char *bytes, size_t n_bytes, uint32_t indent, uint32_t used,
                        uint32_t limit)
{
        const char *end = bytes + n_bytes;
        struct row row = {.out = out, .used = used, .limit = limit};
        bool is_first = true;

        for (const char *word = bytes, *stop; word < end; word = stop + 1) {
                uint32_t n_cells;

                stop = memchr(word, ' ', (size_t)(end - word));
                stop = stop ? stop : end;
                if (stop == word)
                        continue;
                n_cells = utf8_text_cells(word, (size_t)(stop - word));
                if (!is_first && row.used + 1 + (uint64_t)n_cells > limit) {
                        text_put_char(out, '\n');
                        text_fill(out, ' ', indent);
                        row = (struct row){.out = out, .used = indent, .limit = limit};
                } else if (!is_first) {
                        row_put_blanks(&row, 1);
                }
                row_put_shortened(&row, word, (size_t)(stop - word), n_cells, limit - MIN_OF(row.used, limit));
                is_first = false;
        }
        text_put_char(out, '\n');
}
