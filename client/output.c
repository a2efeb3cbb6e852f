/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reader that stops reading (a pager, a stopped terminal) must not make faultline deaf: Ctrl-C and --duration have
 * to end the trace even then. So pipes and terminals are written without blocking. O_NONBLOCK belongs to the open
 * file and would hit everybody who shares our standard output, hence it is opened anew; where that is refused, writes
 * block.
 */
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

void output_open(struct output *ret)
{
        struct stat status;
        int fd = -1;

        ret->is_terminal = isatty(STDOUT_FILENO);
        if (ret->is_terminal || (fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode)))
                fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        ret->fd = fd >= 0 ? fd : STDOUT_FILENO;
}

void output_close(struct output *output)
{
        if (output->fd != STDOUT_FILENO)
                (void)close(output->fd);
        output->fd = STDOUT_FILENO;
}

static bool is_set(const char *variable)
{
        const char *value = getenv(variable);

        return value && value[0] != '\0';
}

bool output_wants_color(const struct output *output, enum color_choice choice)
{
        if (choice != COLOR_AUTO)
                return choice == COLOR_ALWAYS;
        return output->is_terminal && !is_set("NO_COLOR") && is_set("TERM") && strcmp(getenv("TERM"), "dumb") != 0;
}

bool output_locale_is_utf8(void)
{
        locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
        bool is_utf8;

        if (locale == (locale_t)0) /* one that is not installed: what its programs fall back to */
                return false;
        is_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
        freelocale(locale);
        return is_utf8;
}

unsigned int output_columns(const struct output *output)
{
        struct winsize size;

        if (!output->is_terminal || ioctl(output->fd, TIOCGWINSZ, &size) < 0)
                return 0;
        return size.ws_col;
}

int output_write(const struct output *output, const struct text *text, size_t *offset)
{
        while (*offset < text->n_bytes) {
                ssize_t n = write(output->fd, text->data + *offset, text->n_bytes - *offset);

                if (n >= 0)
                        *offset += (size_t)n;
                else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}
