/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of terminal_keys.h and how a step of it is done. What a key is to bring about is not there before it is
 * pressed, or the step would prove nothing.
 *
 * The screen has 100 x 50 cells and no colours: what is marked is in reverse video. The terminal's type is screen,
 * whose mouse sends ESC [ M and three bytes: button, column and line, each with 32 added, the latter two counted
 * from 1.
 */
#include "tests/live/terminal_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/harness.h"
#include "tests/support/tmux.h"

#define WHEEL_UP KEY_BYTES "1b 5b 4d 60 30 34"
#define WHEEL_DOWN KEY_BYTES "1b 5b 4d 61 30 34"

const struct key_step key_steps[] = {
        {"HELP", "?", {"?"}, SHOWS, "group by image"},
        {"CLOSE", "q", {"q"}, HIDES, "group by image"},
        {"HELP", "?", {"?", "?", "?"}, SHOWS, "group by image"},
        {"BACK", "Backspace", {"BSpace"}, HIDES, "group by image"},

        {"BY_IMAGE", "2", {"2"}, MARKS, "2image"},
        {"BY_SECTION", "3", {"3"}, MARKS, "3section"},
        {"BY_SYMBOL", "4", {"4"}, MARKS, "4symbol"},
        {"BY_CODE", "5", {"5"}, MARKS, "5code"},
        {"BY_STACK", "6", {"6"}, MARKS, "6stack"},
        {"BY_THREAD", "7", {"7"}, MARKS, "7thread"},
        {"BY_CAUSE", "8", {"8"}, MARKS, "8cause"},
        {"BY_PROCESS", "9", {"9"}, MARKS, "9process"},
        {"BY_MAP", "1", {"1"}, MARKS, "1map"},
        {"NEXT_GROUPING", "Tab", {"Tab"}, MARKS, "2image"},

        {"SORT_RATE", "r", {"1", "r"}, MARKS, "rate/s"},
        {"SORT_TIME", "t", {"t"}, MARKS, "time"},
        {"SORT_BYTES", "b", {"b"}, MARKS, "bytes"},
        {"SORT_MAJOR", "m", {"m"}, MARKS, "major"},
        {"SORT_COUNT", "c", {"c"}, MARKS, "count"},
        {"SORT_NEXT", "s", {"s"}, MARKS, "rate/s"},

        {NULL, NULL, {"c"}, MARKS, "count"},
        {NULL, NULL, {"Home"}, ROW, "0"},
        {"DOWN", "Down", {"Down"}, ROW, "1"},
        {"DOWN", "j", {"j"}, ROW, "2"},
        {"UP", "Up", {"Up"}, ROW, "1"},
        {"UP", "k", {"k"}, ROW, "0"},
        {"DOWN", "wheel", {WHEEL_DOWN}, ROW, "3"},
        {"UP", "wheel", {WHEEL_UP}, ROW, "0"},
        {"PAGE_DOWN", "PgDn", {"NPage"}, ROW, "last"},
        {"PAGE_UP", "PgUp", {"PPage"}, ROW, "0"},
        {"PAGE_DOWN", "f", {"f"}, ROW, "last"},
        {"PAGE_UP", "u", {"u"}, ROW, "0"},
        {"LAST", "End", {"End"}, ROW, "last"},
        {"FIRST", "Home", {"Home"}, ROW, "0"},
        {"LAST", "G", {"G"}, ROW, "last"},
        {"FIRST", "g", {"g"}, ROW, "0"},

        {"ENTER", "Enter", {"Enter"}, SHOWS, "by symbol"},
        {"BACK", "Backspace", {"BSpace"}, HIDES, "by symbol"},
        {"ENTER", "Right", {"Right"}, SHOWS, "by symbol"},
        {"BACK", "Left", {"Left"}, HIDES, "by symbol"},
        {NULL, NULL, {"Enter"}, SHOWS, "by symbol"},
        {"BACK", "Esc", {"Escape"}, HIDES, "by symbol"},

        {"SEARCH", "/", {"/"}, SHOWS, "search:"},
        {NULL, NULL, {"l", "i", "b", "c"}, SHOWS, "search: libc"},
        {"SEARCH_ERASE", "Backspace", {"BSpace"}, HIDES, "search: libc"},
        {"SEARCH_KEEP", "Enter", {"Enter"}, HIDES, "search:"},
        {NULL, NULL, {"/", "x"}, SHOWS, "search:"},
        {"SEARCH_DROP", "Esc", {"Escape"}, HIDES, "with "},

        {NULL, NULL, {NULL}, SHOWS, "minor 0/s"}, /* nothing happens any more */
        {"PAUSE", "p", {"p"}, SHOWS, "PAUSED"},
        /* All faults are at the beginning, and half a second is a key. */
        {"MUCH_EARLIER", "{", {"{", "{", "{", "{", "{", "{"}, HIDES, "minor 0/s"},
        {"LATER", "]", {"]", "]", "]", "]"}, SHOWS, "minor 0/s"},
        {"EARLIER", "[", {"[", "[", "[", "["}, HIDES, "minor 0/s"},
        {"LATER", ">", {">", ">", ">", ">"}, SHOWS, "minor 0/s"},
        {"EARLIER", "<", {"<", "<", "<", "<"}, HIDES, "minor 0/s"},
        {"MUCH_LATER", "}", {"}", "}", "}", "}", "}", "}"}, SHOWS, "minor 0/s"},
        {"PAUSE", "Space", {"Space"}, HIDES, "PAUSED"},
        {"SPAN", "w", {"w"}, SHOWS, "last minute"},
        {"RESET", "0", {"0"}, HIDES, "last minute"},
        {"HISTOGRAM", "h", {"h"}, HIDES, "faults/s up to"},
        {NULL, NULL, {"h", "h"}, SHOWS, "faults/s up to"},

        {"DETAILS", "d", {"Home", "d"}, SHOWS, "latest faults"},
        {"CLOSE", "q", {"q"}, HIDES, "latest faults"},
        {NULL, NULL, {"d"}, SHOWS, "latest faults"},
        {"ENTER", "Enter", {"Enter"}, SHOWS, "outcome"},
        {"OLDER", "[", {"["}, LINE, "since the trace began"},
        {"NEWER", "]", {"]"}, LINE, "since the trace began"},
        {"OLDER", "<", {"<"}, LINE, "since the trace began"},
        {"NEWER", ">", {">"}, LINE, "since the trace began"},
        {"CLOSE", "q", {"q"}, HIDES, "outcome"},
        {NULL, NULL, {"q"}, HIDES, "latest faults"},
        {"NOTES", "n", {"n"}, SHOWS, "-- tracing"},
        {NULL, NULL, {"n"}, HIDES, "-- tracing"},

        {"SPACE", "a", {"a"}, SHOWS, "PERM"},
        {"NEXT_PROCESS", "Tab", {"Tab"}, LINE, " mapped "},
        {"ZOOM_IN", "+", {"+"}, SHOWS, "page 0 of"},
        {NULL, NULL, {"BSpace"}, HIDES, "page 0 of"},
        {"ZOOM_IN", "=", {"="}, SHOWS, "page 0 of"},
        {NULL, NULL, {"BSpace"}, HIDES, "page 0 of"},
        {"TABLE", "a", {"a"}, HIDES, "PERM"},
        {NULL, NULL, {KEY_GARBAGE}, SHOWS, "garbage"},
        {"REPAINT", "Ctrl-L", {"C-l"}, HIDES, "garbage"},
        {"CLICK", "mouse", {KEY_CLICK_ON "2image"}, MARKS, "2image"},
        {NULL, NULL, {"?"}, SHOWS, "group by image"},
        {"QUIT_AT_ONCE", "Q", {"Q"}, SHOWS, "the command runs on"},
        {NULL, NULL, {"C-c"}, SHOWS, "over="},
        {NULL, NULL, {KEY_AGAIN}, SHOWS, "? help"},
        {"QUIT", "q", {"q"}, SHOWS, "the command runs on"},
        {NULL, NULL, {"C-c"}, SHOWS, "over="},
};
const size_t n_key_steps = ARRAY_SIZE(key_steps);

/* --- what is seen --- */

/* The same screen with only what is in reverse video, the rest blank. Freed by the caller. ECMA-48, SGR. */
static char *marked_only(const char *styles)
{
        char *marked = strdup(styles), *to = marked;
        bool reversed = false;

        CHECK(marked, "out of memory");
        while (*styles) {
                if (*styles == '\033' && styles[1] == '[') {
                        for (styles += 2; *styles && *styles != 'm';) {
                                char *end;
                                unsigned long attribute = strtoul(styles, &end, 10);

                                if (attribute == 7)
                                        reversed = true;
                                else if (attribute == 0 || attribute == 27)
                                        reversed = false;
                                styles = *end == ';' ? end + 1 : end;
                                if (*styles != 'm' && (*styles < '0' || *styles > '9'))
                                        break;
                        }
                        /* "ESC [ m" is "ESC [ 0 m" */
                        if (*styles == 'm')
                                styles++;
                        continue;
                }
                *to++ = reversed || *styles == '\n' ? *styles : ' ';
                styles++;
        }
        *to = '\0';
        return marked;
}

static size_t line_number(const char *text, const char *at)
{
        size_t n = 0;

        for (; text < at; text++)
                n += *text == '\n';
        return n;
}

/* Which row of the table is marked: a line with a lot in reverse video, counted from the line below the titles. */
static bool row_is(const char *shown, const char *marked, const char *wanted)
{
        const char *titles = strstr(shown, "rate/s"), *line = marked, *after;
        size_t first, row, n_rows = 0;

        while (titles && !strstr(titles, "major"))
                titles = strstr(titles + 1, "rate/s");
        if (!titles)
                return false;
        first = line_number(shown, titles) + 1;
        after = strchr(titles, '\n');
        while (after && after[1] != '\n' && after[1] != '\0' && strncmp(after + 1, "? help", 6) != 0) {
                n_rows++;
                after = strchr(after + 1, '\n');
        }
        for (size_t n = 0; line; n++, line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (n >= first && strspn(line, " ") < 15 && line[strspn(line, " ")] != '\n') {
                        row = n - first;
                        return strcmp(wanted, "last") == 0 ? row + 1 == n_rows : row == strtoul(wanted, NULL, 10);
                }
        return false;
}

/* The line that has this text; "" if there is none. Freed by the caller. */
static char *line_with(const char *shown, const char *text)
{
        const char *at = strstr(shown, text), *begin = at;

        while (begin && begin > shown && begin[-1] != '\n')
                begin--;
        return begin ? strndup(begin, strcspn(begin, "\n")) : strdup("");
}

static bool is_seen(const struct key_step *step, const char *line_before)
{
        CLEANUP_FREE char *shown = terminal_screen();
        CLEANUP_FREE char *styles = step->seen == MARKS || step->seen == ROW ? terminal_styles() : NULL;
        CLEANUP_FREE char *marked = styles ? marked_only(styles) : NULL;
        CLEANUP_FREE char *line = step->seen == LINE ? line_with(shown, step->text) : NULL;

        switch (step->seen) {
        case SHOWS:
                return strstr(shown, step->text);
        case HIDES:
                return !strstr(shown, step->text);
        case MARKS:
                return strstr(marked, step->text);
        case ROW:
                return row_is(shown, marked, step->text);
        case LINE:
                return *line && strcmp(line, line_before) != 0;
        }
        return false;
}

/* --- what is pressed --- */

static void write_garbage(void)
{
        CLEANUP_FREE char *tty = tmux("display-message", "-p", "#{pane_tty}", NULL);
        CLEANUP_CLOSE int fd = -1;

        tty[strcspn(tty, "\n")] = '\0';
        fd = open(tty, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        CHECK(fd >= 0 && write(fd, "\rgarbage", 8) == 8, "writing to %s: %s", tty, strerror(errno));
}

static void send_bytes(const char *hexadecimal)
{
        char bytes[6][3];
        int n = sscanf(hexadecimal, "%2s %2s %2s %2s %2s %2s", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                       bytes[5]);

        CHECK(n == 6, "not six bytes: %s", hexadecimal);
        free(tmux("send-keys", "-H", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], NULL));
}

static void click_on(const char *text)
{
        CLEANUP_FREE char *shown = terminal_screen();
        const char *at = strstr(shown, text), *begin = at;
        char bytes[32];

        CHECK(at, "\"%s\" is not on the screen: %s", text, shown);
        while (begin > shown && begin[-1] != '\n')
                begin--;
        (void)snprintf(bytes, sizeof(bytes), "1b 5b 4d 20 %02x %02x", (unsigned int)(at - begin) + 33,
                       (unsigned int)line_number(shown, at) + 33);
        send_bytes(bytes);
}

static void press(const char *key)
{
        if (strcmp(key, KEY_GARBAGE) == 0)
                write_garbage();
        else if (strncmp(key, KEY_BYTES, strlen(KEY_BYTES)) == 0)
                send_bytes(key + strlen(KEY_BYTES));
        else if (strncmp(key, KEY_CLICK_ON, strlen(KEY_CLICK_ON)) == 0)
                click_on(key + strlen(KEY_CLICK_ON));
        else
                terminal_press(key);
}

void key_step_do(const struct key_step *step)
{
        CLEANUP_FREE char *shown = terminal_screen();
        CLEANUP_FREE char *line = line_with(shown, step->text);

        CHECK(!step->action || !is_seen(step, line), "%s: \"%s\" is there already: %s", step->action, step->text,
              shown);
        for (size_t i = 0; i < ARRAY_SIZE(step->keys) && step->keys[i]; i++)
                press(step->keys[i]);
        terminal_doing("waiting for what %s (%s) does: %s", step->action ? step->action : "a key",
                       step->label ? step->label : "on the way", step->text);
        while (!is_seen(step, line))
                terminal_look_again();
}

void key_steps_check_complete(void)
{
        static const struct {
                const char *action, *label;
        } keys[] = {
#define KEY(name, code, point, label) {#name, label},
#include "client/top/keys.def"
        };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                /* Less close than all of a map does not exist, and no map here is larger than the screen: the unit
                 * tests of the picture have one. */
                bool found = strcmp(keys[i].action, "ZOOM_OUT") == 0;

                for (size_t j = 0; j < n_key_steps; j++)
                        found |= key_steps[j].action && strcmp(key_steps[j].action, keys[i].action) == 0 &&
                                 strcmp(key_steps[j].label, keys[i].label) == 0;
                CHECK(found, "no step for %s, %s", keys[i].action, keys[i].label);
        }
}
