/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read rather than watched, a page at a time: the help, made of the table of keys, and the notes. */
#include "client/cause_family.h"
#include "client/top/families.h"
#include "client/top/view_top_private.h"

enum { KEYS_CELLS = 22, KEYS_CELLS_NARROW = 12, NARROW_WIDTH = 60, TITLE_INDENT = 2 };

/* --- help --- */

static void put_labels(struct text *out, enum top_action action)
{
        const char *label;

        for (size_t i = 0; (label = keys_label(action, i)); i++) {
                if (i > 0)
                        text_put_char(out, ' ');
                text_put_string(out, label);
        }
}

static void put_action(struct sheet *sheet, enum top_action action)
{
        uint32_t cells = sheet->area.width < NARROW_WIDTH ? KEYS_CELLS_NARROW : KEYS_CELLS;
        const struct key_help *help = keys_help(action);
        CLEANUP_TEXT struct text line = {0};
        size_t n_labels;

        put_labels(&line, action);
        n_labels = line.n_bytes;
        text_fill(&line, ' ', n_labels + 1 < cells ? cells - n_labels : 1);
        text_put_string(&line, help->help);
        sheet_put_wrapped(sheet, STYLE_PLAIN, cells, line.data, line.n_bytes);
}

static void put_heading(struct sheet *sheet, const char *heading)
{
        struct pen pen;

        if (sheet->n_lines > 0)
                (void)sheet_line(sheet, STYLE_PLAIN);
        pen = sheet_line(sheet, STYLE_TITLE);
        pen_put_string(&pen, heading);
}

/* Those of the first screen that they exist on; each once. */
static void put_actions(struct sheet *sheet, const char *heading, bool (*belongs)(unsigned int screens))
{
        put_heading(sheet, heading);
        for (enum top_action action = TOP_ACTION_NONE + 1; action < N_TOP_ACTIONS; action++)
                if (belongs(keys_help(action)->screens))
                        put_action(sheet, action);
}

static bool is_of_search(unsigned int screens)
{
        return screens == 1U << SCREEN_SEARCH;
}

static bool is_of_space(unsigned int screens)
{
        return screens == 1U << SCREEN_SPACE;
}

static bool is_of_fault(unsigned int screens)
{
        return screens == 1U << SCREEN_FAULT;
}

static bool is_general(unsigned int screens)
{
        return !is_of_search(screens) && !is_of_space(screens) && !is_of_fault(screens);
}

static void put_family(struct sheet *sheet, enum cause_family family)
{
        struct pen pen = sheet_line(sheet, family_style(family));
        const char *separator = "";

        pen_put_glyph(&pen, "█", '#');
        pen.style = STYLE_PLAIN;
        pen_printf(&pen, " %-9s", family_text(family));
        for (unsigned int cause = 0; cause < N_CAUSES; cause++) {
                if (cause_family_of(cause) != family)
                        continue;
                pen_printf(&pen, "%s%s", separator, cause_text(cause));
                separator = ", ";
        }
}

void draw_help(struct view_top *v, struct grid *grid)
{
        struct sheet sheet = {.grid = grid, .area = v->shown.body, .first = v->choice.scroll[SCREEN_HELP]};

        put_actions(&sheet, "Keys", is_general);
        put_actions(&sheet, "While you type what to search", is_of_search);
        put_actions(&sheet, "On the picture of the address space", is_of_space);
        put_actions(&sheet, "On a single fault", is_of_fault);
        put_heading(&sheet, "Colours");
        for (size_t i = 0; i < N_FAMILIES; i++)
                put_family(&sheet, families[i]);
        v->shown.last_first[SCREEN_HELP] = sheet_last_first(&sheet);
}

/* --- notes --- */

void draw_notes(struct view_top *v, struct grid *grid)
{
        struct sheet sheet = {.grid = grid, .area = v->shown.body, .first = v->choice.scroll[SCREEN_NOTES]};
        const char *line = v->notes.text.data, *end = line ? line + v->notes.text.n_bytes : line;
        struct pen pen;

        if (v->notes.n_gone > 0) {
                pen = sheet_line(&sheet, STYLE_DIM);
                pen_printf(&pen, "%zu lines before these are not kept", v->notes.n_gone);
        }
        while (line < end) {
                const char *newline = memchr(line, '\n', (size_t)(end - line));

                sheet_put_wrapped(&sheet, STYLE_PLAIN, TITLE_INDENT, line, (size_t)(newline - line));
                line = newline + 1;
        }
        if (sheet.n_lines == 0) {
                pen = sheet_line(&sheet, STYLE_DIM);
                pen_put_string(&pen, "nothing was told yet");
        }
        v->shown.last_first[SCREEN_NOTES] = sheet_last_first(&sheet);
}
