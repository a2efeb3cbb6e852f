/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ncurses knows terminals: which bytes change one screen into another, and which bytes a key sends. It is kept away
 * from the terminal itself, though, because it waits for one that does not read (its own output loop goes on when a
 * write would block), and a program that waits there is deaf to signals and to the daemon. So what it writes goes into
 * a file in memory, and from there out without waiting: a slow terminal gets fewer screens, each of them whole.
 *
 * The descriptor that ncurses writes to is therefore the terminal's for a moment only, while ncurses asks for modes and
 * notes that keys come one by one; the modes themselves are ours (term_tty.c), in and out.
 *
 * What gives the terminal back after a crash is what ncurses itself would send: it is asked for it once, at the start.
 */
#include "client/screen/term.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "client/escape.h"
#include "client/screen/look.h"
#include "client/screen/term_tty.h"

enum {
        ESCAPE_DELAY_MS = 25, /* what a key sends comes faster than that, also over a network */
        GIVE_BACK_MS = 1000,
        WIDTH_DEFAULT = 80,
        HEIGHT_DEFAULT = 24,
        SIDE_MAX = 4096, /* cells; ncurses counts them in 16 bits */
};

struct term {
        SCREEN *screen;
        WINDOW *keys; /* never shown: reading a key from a window that is would paint it */
        FILE *in, *out;
        int in_fd, out_fd; /* in_fd belongs to `in`, out_fd is borrowed */
        int memory_fd;     /* what ncurses writes to, also as the descriptor of `out` */
        struct termios shell, program;
        struct text pending; /* for the terminal, from `offset` on */
        size_t offset;
        bool is_ascii, is_suspended;
        cchar_t *row; /* width cells */
        uint32_t width, height;
        attr_t attributes[N_STYLES];
        short pairs[N_STYLES];
};

bool term_is_ascii(const struct term *term)
{
        return term->is_ascii;
}

int term_in_fd(const struct term *term)
{
        return term->in_fd;
}

int term_out_fd(const struct term *term)
{
        return term->out_fd;
}

bool term_is_busy(const struct term *term)
{
        return term->offset < term->pending.n_bytes;
}

void term_size(const struct term *term, uint32_t *ret_width, uint32_t *ret_height)
{
        struct winsize size;
        bool known = ioctl(term->out_fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

        *ret_width = known ? MIN_OF((uint32_t)size.ws_col, (uint32_t)SIDE_MAX) : WIDTH_DEFAULT;
        *ret_height = known ? MIN_OF((uint32_t)size.ws_row, (uint32_t)SIDE_MAX) : HEIGHT_DEFAULT;
}

/* --- out --- */

/* What ncurses has written so far goes behind what is pending, or with `discard` nowhere. 0; -ENOMEM. */
static int collect(struct term *term, bool discard)
{
        struct stat status;
        size_t n_bytes;
        ssize_t n = 0;

        (void)fflush(term->out);
        if (fstat(term->memory_fd, &status) < 0)
                return -EIO;
        n_bytes = (size_t)status.st_size;
        if (!discard && n_bytes > 0) {
                if (!text_grow(&term->pending, n_bytes))
                        return -ENOMEM;
                n = pread(term->memory_fd, term->pending.data + term->pending.n_bytes, n_bytes, 0);
                if (n < 0)
                        return -EIO;
                term->pending.n_bytes += (size_t)n;
        }
        if (ftruncate(term->memory_fd, 0) < 0 || lseek(term->memory_fd, 0, SEEK_SET) < 0)
                return -EIO;
        return 0;
}

int term_flush(struct term *term)
{
        while (term_is_busy(term)) {
                ssize_t n =
                        write(term->out_fd, term->pending.data + term->offset, term->pending.n_bytes - term->offset);

                if (n >= 0)
                        term->offset += (size_t)n;
                else if (errno == EAGAIN)
                        return -EAGAIN;
                else if (errno != EINTR)
                        return -EIO;
        }
        term->pending.n_bytes = 0;
        term->offset = 0;
        return 0;
}

/* The same for a terminal that is to be given back: it may need a while. */
static void flush_all(struct term *term)
{
        struct pollfd room = {.fd = term->out_fd, .events = POLLOUT};

        while (term_flush(term) == -EAGAIN)
                if (poll(&room, 1, GIVE_BACK_MS) <= 0 || (room.revents & POLLHUP))
                        return;
}

/* The character of a cell and its marks. Columns are ncurses's business as long as it counts as the grid does: of
 * others it gets none that could move what is beside them. */
static void put_cell(const struct term *term, const struct cell *cell, uint32_t n_cells, cchar_t *ret)
{
        wchar_t wide[CCHARW_MAX + 1] = {L'?'};
        size_t n = 0;
        uint32_t point = 0;

        for (size_t i = 0, length; i < cell->n_bytes && n < CCHARW_MAX; i += length) {
                int width;

                length = utf8_decode(cell->bytes + i, cell->n_bytes - i, &point);
                if (length == 0)
                        break;
                width = wcwidth((wchar_t)point);
                if (n == 0 ? width > 0 && (uint32_t)width <= n_cells : width == 0)
                        wide[n++] = (wchar_t)point;
                else if (n == 0)
                        break;
        }
        (void)setcchar(ret, wide, term->attributes[cell->style] | (cell->reversed ? WA_REVERSE : 0),
                       term->pairs[cell->style], NULL);
}

static void put_row(struct term *term, const struct grid *grid, uint32_t y)
{
        static const struct cell space = {.bytes = " ", .n_bytes = 1};
        int n = 0;

        for (uint32_t x = 0; x < grid->width; x++) {
                const struct cell *cell = grid_cell(grid, x, y), *right = grid_cell(grid, x + 1, y);
                bool is_wide = cell->n_bytes > 0 && right && right->n_bytes == 0;

                if (cell->n_bytes == 0)
                        cell = &space; /* its left half is missing, which no grid has */
                put_cell(term, cell, is_wide ? 2 : 1, &term->row[n]);
                if (is_wide) {
                        wchar_t wide[CCHARW_MAX + 1];
                        attr_t attributes;
                        short pair;

                        x++;
                        (void)getcchar(&term->row[n], wide, &attributes, &pair, NULL);
                        if (wcwidth(wide[0]) == 1)
                                (void)setcchar(&term->row[++n], L" ", attributes, pair, NULL);
                }
                n++;
        }
        (void)mvadd_wchnstr((int)y, 0, term->row, n);
}

/* 0; -ENOMEM. */
static int fit(struct term *term, uint32_t width, uint32_t height)
{
        cchar_t *row;

        if (width == term->width && height == term->height)
                return 0;
        row = calloc(width, sizeof(*row));
        if (!row)
                return -ENOMEM;
        free(term->row);
        term->row = row;
        if (resize_term((int)height, (int)width) == ERR)
                return -ENOMEM;
        term->width = width;
        term->height = height;
        (void)clearok(curscr, TRUE);
        return 0;
}

int term_show(struct term *term, const struct grid *grid)
{
        int r = term_flush(term);

        if (r < 0)
                return r;
        r = fit(term, grid->width, grid->height);
        if (r < 0)
                return r;
        for (uint32_t y = 0; y < grid->height; y++)
                put_row(term, grid, y);
        (void)wnoutrefresh(stdscr);
        (void)doupdate();
        (void)keypad(term->keys, TRUE); /* coming back from endwin() it is off */
        r = collect(term, false);
        if (r < 0)
                return r;
        r = term_flush(term);
        return r == -EAGAIN ? 0 : r; /* it is on its way */
}

void term_repaint(struct term *term)
{
        (void)clearok(curscr, TRUE);
}

/* --- in --- */

static bool key_of_mouse(struct key *ret)
{
        MEVENT event;

        if (getmouse(&event) == ERR || event.x < 0 || event.y < 0)
                return false;
        *ret = (struct key){.x = (uint32_t)event.x, .y = (uint32_t)event.y};
        if (event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED))
                ret->code = KEY_CODE_CLICK;
        else if (event.bstate & BUTTON4_PRESSED)
                ret->code = KEY_CODE_WHEEL_UP;
        else if (event.bstate & BUTTON5_PRESSED)
                ret->code = KEY_CODE_WHEEL_DOWN;
        else
                return false;
        return true;
}

static bool key_of_function(wint_t code, struct key *ret)
{
        static const struct {
                wint_t theirs;
                enum key_code ours;
        } keys[] = {
                {KEY_UP, KEY_CODE_UP},        {KEY_DOWN, KEY_CODE_DOWN},     {KEY_LEFT, KEY_CODE_LEFT},
                {KEY_RIGHT, KEY_CODE_RIGHT},  {KEY_PPAGE, KEY_CODE_PAGE_UP}, {KEY_NPAGE, KEY_CODE_PAGE_DOWN},
                {KEY_HOME, KEY_CODE_HOME},    {KEY_END, KEY_CODE_END},       {KEY_FIND, KEY_CODE_HOME},
                {KEY_SELECT, KEY_CODE_END},   {KEY_ENTER, KEY_CODE_ENTER},   {KEY_BACKSPACE, KEY_CODE_BACKSPACE},
                {KEY_DC, KEY_CODE_BACKSPACE},
        };

        if (code == KEY_MOUSE)
                return key_of_mouse(ret);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].theirs == code) {
                        *ret = (struct key){.code = keys[i].ours};
                        return true;
                }
        return false;
}

static struct key key_of_character(wint_t c)
{
        switch (c) {
        case '\r':
        case '\n':
                return (struct key){.code = KEY_CODE_ENTER};
        case '\t':
                return (struct key){.code = KEY_CODE_TAB};
        case '\033':
                return (struct key){.code = KEY_CODE_ESCAPE};
        case '\b':
        case 0x7f:
                return (struct key){.code = KEY_CODE_BACKSPACE};
        default:
                return (struct key){.code = KEY_CODE_CHAR, .point = (uint32_t)c};
        }
}

int term_read_key(struct term *term, struct key *ret)
{
        for (;;) {
                wint_t c = 0;
                int r;

                errno = 0;
                r = wget_wch(term->keys, &c);
                if (r == ERR) {
                        struct pollfd in = {.fd = term->in_fd, .events = POLLIN};

                        /* A terminal that has gone is always readable, and never with anything. */
                        return poll(&in, 1, 0) > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL)) ? -EIO : 0;
                }
                if (r == OK) {
                        *ret = key_of_character(c);
                        return 1;
                }
                if (key_of_function(c, ret))
                        return 1;
        }
}

/* --- taking and giving back --- */

static void give_back(struct term *term)
{
        term_crash_disarm();
        (void)endwin();
        if (collect(term, false) == 0)
                flush_all(term);
        term_tty_set(term->in_fd, &term->shell);
}

static void arm(struct term *term)
{
        term_crash_arm(term->out_fd, &term->shell, term->pending.data, term->pending.n_bytes);
}

void term_suspend(struct term *term)
{
        if (term->is_suspended)
                return;
        term->is_suspended = true;
        give_back(term);
}

/* The next doupdate() comes back from endwin(); who stopped us without asking (SIGSTOP) has left us no time for it. */
static int take(struct term *term)
{
        int r;

        term->is_suspended = false;
        term_crash_disarm();
        term_tty_set(term->in_fd, &term->program);
        (void)refresh();
        (void)keypad(term->keys, TRUE);
        r = collect(term, true);
        (void)endwin();
        if (r == 0)
                r = collect(term, false);
        if (r < 0)
                return r;
        arm(term);
        term->pending.n_bytes = 0;
        (void)clearok(curscr, TRUE);
        return 0;
}

void term_resume(struct term *term)
{
        term->pending.n_bytes = 0; /* the terminal is painted from scratch, whatever it still lacked */
        term->offset = 0;
        (void)!take(term);
}

/* The colours and attributes of each style; its pair is its own, so none needs to be looked for. */
static void choose_looks(struct term *term, const struct term_options *options)
{
        unsigned int n_colors = 0;

        if (!options->monochrome && has_colors() && start_color() == OK && use_default_colors() == OK)
                n_colors = COLORS > 256 ? 8 : (unsigned int)MAX_OF(COLORS, 0); /* more: numbers are no palette's */
        for (unsigned int i = 0; i < N_STYLES; i++) {
                struct look look = look_of(i, n_colors);
                short pair = (short)(i + 1);

                term->attributes[i] = (look.bold ? WA_BOLD : 0) | (look.dim ? WA_DIM : 0) |
                                      (look.underlined ? WA_UNDERLINE : 0) | (look.reversed ? WA_REVERSE : 0);
                term->pairs[i] = 0;
                if (look.color != LOOK_COLOR_OWN && init_pair(pair, (short)look.color, -1) == OK)
                        term->pairs[i] = pair;
        }
}

/*
 * Keys one by one and at once. Ctrl-C and Ctrl-Z stay signals, so that they reach the command as well; Ctrl-S is a key
 * like others: a terminal that was stopped by it would look like one that hangs. Enter stays a newline: after SIGSTOP,
 * which leaves these modes behind, a shell can still be told to continue us.
 */
static struct termios program_modes(const struct termios *shell)
{
        struct termios modes = *shell;

        modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN);
        modes.c_lflag |= ISIG;
        modes.c_iflag &= ~(tcflag_t)(IXON | INLCR | IGNCR | ISTRIP);
        modes.c_oflag &= ~(tcflag_t)TABDLY;
        modes.c_cc[VMIN] = 1;
        modes.c_cc[VTIME] = 0;
        return modes;
}

/* ncurses sets handlers for these: they are the caller's business. */
static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};

static SCREEN *start_screen(struct term *term)
{
        struct sigaction before[ARRAY_SIZE(signals)];
        SCREEN *screen;

        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                (void)sigaction(signals[i], NULL, &before[i]);
        screen = newterm(NULL, term->out, term->in);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                (void)sigaction(signals[i], &before[i], NULL);
        return screen;
}

/* ncurses is told that keys come one by one: it asks the terminal, which is shown to it for that. */
static int start_keys(struct term *term)
{
        int fd = fileno(term->out);

        if (dup3(term->in_fd, fd, O_CLOEXEC) < 0)
                return -errno;
        (void)def_prog_mode();
        (void)cbreak();
        (void)noecho();
        if (dup3(term->memory_fd, fd, O_CLOEXEC) < 0)
                return -errno;
        (void)set_escdelay(ESCAPE_DELAY_MS);
        (void)typeahead(-1);
        (void)curs_set(0);
        (void)mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
        (void)mouseinterval(0);
        term->keys = newpad(1, 1);
        if (!term->keys)
                return -ENOMEM;
        (void)nodelay(term->keys, TRUE);
        return 0;
}

static int start(struct term *term, const struct term_options *options)
{
        int fd, r;

        term->in_fd = term_tty_open_input();
        if (term->in_fd < 0)
                return term->in_fd;
        term->in = fdopen(term->in_fd, "r");
        term->memory_fd = memfd_create("screen", MFD_CLOEXEC);
        fd = term->memory_fd >= 0 ? fcntl(term->memory_fd, F_DUPFD_CLOEXEC, 0) : -1;
        term->out = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (!term->in || !term->out || tcgetattr(term->in_fd, &term->shell) < 0)
                return -errno;
        term->program = program_modes(&term->shell);
        (void)setlocale(LC_CTYPE, "");
        term->is_ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
        term->screen = start_screen(term);
        if (!term->screen)
                return -ENOTTY;
        r = start_keys(term);
        if (r < 0)
                return r;
        choose_looks(term, options);
        return take(term);
}

static struct term *term_free(struct term *term)
{
        if (term->keys)
                (void)delwin(term->keys);
        if (term->screen)
                delscreen(term->screen);
        if (term->in)
                (void)fclose(term->in);
        else if (term->in_fd >= 0)
                (void)close(term->in_fd);
        if (term->out)
                (void)fclose(term->out);
        if (term->memory_fd >= 0)
                (void)close(term->memory_fd);
        text_free(&term->pending);
        free(term->row);
        free(term);
        return NULL;
}

int term_open(const struct term_options *options, struct term **ret, struct text *complaint)
{
        struct term *term = calloc(1, sizeof(*term));
        int r = -ENOMEM;

        if (term) {
                *term = (struct term){.in_fd = -1, .memory_fd = -1, .out_fd = options->out_fd};
                r = start(term, options);
        }
        if (r == 0) {
                *ret = term;
                return 0;
        }
        text_printf(complaint,
                    "cannot use the terminal for a full screen: %s; use \"faultline stat\" or \"faultline trace\"",
                    strerror(-r));
        if (term && term->screen)
                term_tty_set(term->in_fd, &term->shell);
        if (term)
                (void)term_free(term);
        return r;
}

struct term *term_close(struct term *term)
{
        if (!term)
                return NULL;
        if (!term->is_suspended)
                give_back(term);
        return term_free(term);
}
