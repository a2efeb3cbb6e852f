/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In a pipe all columns are there, at stops that never move. On a terminal the columns before PLACE alone take 107
 * cells, and what touched what would be behind the edge of most windows. So columns are given up one after the other,
 * what helps least on screen first, until PLACE and CODE have 24 cells each; a later step writes in brief what
 * is left, and the next one, for names that would have less than 12 cells, lets the place stand for the address. Where
 * even that leaves no room for two names, the place alone stays. PLACE and CODE share the rest evenly. Where faults of
 * several processes are shown, their ids always stay.
 */
#include "client/layout.h"

#include <string.h>

#include "client/color.h"

enum {
        NAME_GOOD_CELLS = 24, /* worth giving up another column for */
        NAME_FAIR_CELLS = 12, /* worth giving up the address for */
        NAME_LEAST_CELLS = 8,
        NAME_MOST_CELLS = 64, /* more is only a longer way for the eye */
};

static const struct {
        const char *title, *brief_title;
        uint32_t width, brief_width;
        bool right;
} cells[N_COLUMNS] = {
        [COLUMN_TIME] = {"TIME", "TIME", 12, 9, true},     [COLUMN_THREAD] = {"PID/TID", "PID/TID", 9, 9, false},
        [COLUMN_COMM] = {"COMM", "COMM", 16, 16, false},   [COLUMN_LATENCY] = {"LATENCY-US", "LAT-US", 10, 7, true},
        [COLUMN_OUTCOME] = {"OUTCOME", "O", 11, 1, false}, [COLUMN_CAUSE] = {"CAUSE", "CAUSE", 15, 11, false},
        [COLUMN_ACCESS] = {"ACCESS", "ACC", 7, 3, false},  [COLUMN_ADDRESS] = {"ADDRESS", "ADDRESS", 14, 14, false},
        [COLUMN_SIZE] = {"SIZE", "SIZE", 4, 4, false},     [COLUMN_PLACE] = {"PLACE", "PLACE", 42, 42, false},
        [COLUMN_CODE] = {"CODE", "CODE", 42, 42, false},   [COLUMN_FRAME] = {"FRAME", "FRAME", 17, 17, false},
};

#define BIT(column) (1U << (column))

/* Each step gives up what the one before it does, and one thing more. */
static const struct step {
        unsigned int hidden, brief;
} steps[] = {
        {0, 0},
        {BIT(COLUMN_FRAME), 0},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE), 0},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM), 0},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM), BIT(COLUMN_OUTCOME)},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM) | BIT(COLUMN_THREAD), BIT(COLUMN_OUTCOME)},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM) | BIT(COLUMN_THREAD), ~0U},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM) | BIT(COLUMN_THREAD) | BIT(COLUMN_ADDRESS), ~0U},
        {BIT(COLUMN_FRAME) | BIT(COLUMN_SIZE) | BIT(COLUMN_COMM) | BIT(COLUMN_THREAD) | BIT(COLUMN_ADDRESS) |
                 BIT(COLUMN_TIME) | BIT(COLUMN_CODE),
         ~0U},
};

static bool is_name(enum column column)
{
        return column == COLUMN_PLACE || column == COLUMN_CODE;
}

static uint32_t width_of(const struct step *step, enum column column)
{
        return step->brief & BIT(column) ? cells[column].brief_width : cells[column].width;
}

/* Everything but the names, and a space behind each column. */
static uint32_t fixed_cells(const struct step *step)
{
        uint32_t sum = step->hidden & BIT(COLUMN_CODE) ? 0 : 1; /* between the names */

        for (enum column i = 0; i < N_COLUMNS; i++)
                if (!is_name(i) && !(step->hidden & BIT(i)))
                        sum += width_of(step, i) + 1;
        return sum;
}

/* For each name, or it is worth another step. */
static uint32_t cells_wanted(size_t step)
{
        if (step + 2 == ARRAY_SIZE(steps))
                return NAME_LEAST_CELLS;
        return step + 3 == ARRAY_SIZE(steps) ? NAME_FAIR_CELLS : NAME_GOOD_CELLS;
}

/* kept: columns that are never given up. */
static struct step choose_step(uint32_t n_cells, unsigned int kept)
{
        for (size_t i = 0;; i++) {
                const struct step step = {.hidden = steps[i].hidden & ~kept, .brief = steps[i].brief};
                const uint32_t wanted = cells_wanted(i);

                if (i + 1 == ARRAY_SIZE(steps) || fixed_cells(&step) + 2 * wanted <= n_cells)
                        return step;
        }
}

static uint32_t name_width(uint32_t n_cells)
{
        return MIN_OF(MAX_OF(n_cells, (uint32_t)NAME_LEAST_CELLS), (uint32_t)NAME_MOST_CELLS);
}

void layout_fit(struct layout *ret, uint32_t n_cells, bool several)
{
        const struct step step = n_cells > 0 ? choose_step(n_cells, several ? BIT(COLUMN_THREAD) : 0) : steps[0];
        uint32_t fixed = fixed_cells(&step);
        uint32_t rest = n_cells > fixed ? n_cells - fixed : 0;
        uint32_t for_code = step.hidden & BIT(COLUMN_CODE) ? 0 : rest / 2, at = 0;

        *ret = (struct layout){.limit = n_cells > 0 ? n_cells : ROW_ENDLESS};
        for (enum column i = 0; i < N_COLUMNS; i++) {
                uint32_t width = width_of(&step, i);

                if (step.hidden & BIT(i))
                        continue;
                if (n_cells > 0 && is_name(i))
                        width = name_width(i == COLUMN_PLACE ? rest - for_code : for_code);
                ret->columns[i].shown = true;
                ret->columns[i].brief = step.brief & BIT(i);
                ret->columns[i].start = at;
                ret->columns[i].end = at + width;
                at += width + 1;
        }
}

void layout_put_header(const struct layout *layout, bool bold, struct text *out)
{
        struct row row = {.out = out, .limit = layout->limit};

        if (bold)
                text_put_string(out, COLOR_BOLD);
        for (enum column i = 0; i < N_COLUMNS; i++) {
                const char *title = layout->columns[i].brief ? cells[i].brief_title : cells[i].title;

                if (!layout->columns[i].shown)
                        continue;
                if (cells[i].right) {
                        row_put_right(&row, layout->columns[i].end, title, strlen(title));
                } else {
                        row_tab(&row, layout->columns[i].start);
                        row_put_ascii(&row, title, strlen(title));
                }
        }
        if (bold)
                text_put_string(out, COLOR_RESET);
        text_put_char(out, '\n');
}

uint32_t layout_room_for_names(const struct layout *layout, uint32_t used)
{
        uint32_t end = layout->columns[COLUMN_FRAME].shown ? layout->columns[COLUMN_CODE].end : layout->limit;

        if (layout->limit == ROW_ENDLESS)
                return ROW_ENDLESS;
        return end > used ? end - used : 0;
}

uint32_t layout_room(const struct layout *layout, enum column column, uint32_t used)
{
        uint32_t end = layout->columns[column].end;

        if (layout->limit == ROW_ENDLESS)
                return ROW_ENDLESS;
        if (column == COLUMN_CODE && !layout->columns[COLUMN_FRAME].shown)
                end = layout->limit;
        return used + NAME_LEAST_CELLS < end ? end - used : NAME_LEAST_CELLS;
}
