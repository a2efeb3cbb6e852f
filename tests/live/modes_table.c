/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table from the source of a man page and not from the formatted page, where lines are broken as the width has it.
 * Only what scdoc(5) writes for these tables is understood; anything else in a row fails.
 */
#include "tests/live/modes_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define MAX_MODES 6
#define MAX_ROWS 32
#define MAX_CELL_BYTES 128

/* The first row has the names of the modes, in bold type. */
static struct row {
        char cells[1 + MAX_MODES][MAX_CELL_BYTES];
        size_t n_cells;
} table[MAX_ROWS];
static size_t n_rows;

/* As in scdoc(5): "[[" or "|" begins a row, ":" another cell of it; then how it is aligned, and the text. */
static void parse_line(const char *line)
{
        bool is_row = strncmp(line, "[[ ", 3) == 0 || strncmp(line, "|  ", 3) == 0;
        struct row *row;
        int n;

        if (!is_row && strncmp(line, ":- ", 3) != 0)
                return;
        if (is_row) {
                CHECK(n_rows < MAX_ROWS, "too many rows");
                n_rows++;
        }
        CHECK(n_rows > 0, "a cell without a row: %s", line);
        row = &table[n_rows - 1];
        CHECK(row->n_cells < ARRAY_SIZE(row->cells), "a cell too many: %s", line);
        n = snprintf(row->cells[row->n_cells], MAX_CELL_BYTES, "%s", line + 3);
        CHECK(n > 0 && n < MAX_CELL_BYTES, "an empty or very long cell: %s", line);
        row->n_cells++;
}

void table_read(const char *path, const char *section)
{
        CLEANUP_FREE char *line = NULL;
        bool is_inside = false;
        size_t n_bytes = 0;
        FILE *f = fopen(path, "re");

        CHECK(f, "%s: %s", path, strerror(errno));
        while (getline(&line, &n_bytes, f) >= 0) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "# ", 2) == 0 || strncmp(line, "## ", 3) == 0)
                        is_inside = strcmp(line, section) == 0;
                else if (is_inside)
                        parse_line(line);
        }
        (void)fclose(f);
        CHECK(n_rows > 0, "%s: no table in the section \"%s\"", path, section);
        for (size_t i = 0; i < n_rows; i++)
                CHECK(table[i].n_cells == table[0].n_cells, "the row \"%s\" has %zu cells", table[i].cells[0],
                      table[i].n_cells);
}

static const struct row *find_row(const char *feature)
{
        const struct row *found = NULL;

        for (size_t i = 1; i < n_rows; i++)
                if (strcmp(table[i].cells[0], feature) == 0) {
                        CHECK(!found, "two rows \"%s\"", feature);
                        found = &table[i];
                }
        CHECK(found, "no row \"%s\"", feature);
        return found;
}

const char *table_cell(const char *feature, const char *mode)
{
        const struct row *row = find_row(feature);
        char title[64];

        (void)snprintf(title, sizeof(title), "*%s*", mode);
        for (size_t i = 1; i < table[0].n_cells; i++)
                if (strcmp(table[0].cells[i], title) == 0)
                        return row->cells[i];
        fail("no column %s", title);
}

size_t table_n_features(void)
{
        return n_rows - 1;
}
