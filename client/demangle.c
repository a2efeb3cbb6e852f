/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libiberty knows the schemes; what is added here is that a name cannot do harm. A mangled name refers back to its own
 * parts, so that one of 280 bytes can stand for gigabytes ("a pair of pairs of pairs ..."): libiberty limits its
 * recursion but neither its output nor its time. Its pieces are therefore taken one by one, and when they are too many
 * the only way out of it is a jump. What a jump would leave behind is known: the demangler of C++ has everything on its
 * stack, and that of Rust allocates only while it prints a decoded identifier, in which no punctuation occurs.
 *
 * That of C++ can also be busy for ever without a piece (it searches the pattern of a pack expansion by walking through
 * all that it stands for), so it gets CPU time by a timer, whose signal jumps out in the same way. Who has met several
 * such names is being attacked, and demangles no C++ any more.
 *
 * cplus_demangle(), which tries one scheme after the other, is not used because it has no form that gives out pieces.
 */
#include "client/demangle.h"

#include <demangle.h> /* defines ARRAY_SIZE, as proto/base.h does */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum {
        TIME_LIMIT_US = 20 * 1000, /* of the processor; the longest real names take a hundredth of it */
        PATIENCE = 10,             /* names that took so long */
};

struct sink {
        sigjmp_buf too_much;
        bool is_rust;
        size_t n_bytes;
        char data[DEMANGLE_OUTPUT_MAX_BYTES];
};

/* For the handler, which gets no argument. The client has one thread. */
static struct sink *volatile timed;
static unsigned int n_timeouts;

static bool looks_mangled(const char *name, size_t n_bytes)
{
        return n_bytes > 2 && n_bytes <= DEMANGLE_NAME_MAX_BYTES && name[0] == '_' &&
               (name[1] == 'Z' || name[1] == 'R') && !memchr(name, '\0', n_bytes);
}

static bool is_punctuation(char c)
{
        return strchr("()[]{}<>,:&*'# ", c) != NULL; /* also for '\0', which no piece begins with */
}

static void take_piece(const char *piece, size_t n_bytes, void *arg)
{
        struct sink *sink = arg;
        size_t room = sizeof(sink->data) - sink->n_bytes;
        size_t n_taken = n_bytes < room ? n_bytes : room;

        if (n_taken > 0) /* an empty piece need not be anywhere */
                memcpy(sink->data + sink->n_bytes, piece, n_taken);
        sink->n_bytes += n_taken;
        if (n_taken < n_bytes && (!sink->is_rust || is_punctuation(piece[0])))
                siglongjmp(sink->too_much, 1);
}

static bool is_whole(const struct sink *sink)
{
        return sink->n_bytes > 0 && sink->n_bytes < sizeof(sink->data);
}

/* Into the sink; false: it is no such name, or too much. */
static bool fill_rust(struct sink *sink, const char *name)
{
        sink->is_rust = true;
        sink->n_bytes = 0;
        if (sigsetjmp(sink->too_much, 0))
                return false;
        return rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, take_piece, sink) && is_whole(sink);
}

static void give_up(int signal)
{
        (void)signal;
        if (timed) {
                n_timeouts++;
                siglongjmp(timed->too_much, 1);
        }
}

static void set_timer(suseconds_t us)
{
        const struct itimerval timer = {.it_value.tv_usec = us};

        (void)setitimer(ITIMER_VIRTUAL, &timer, NULL);
}

static bool fill_cxx_in_time(struct sink *sink, const char *name)
{
        volatile bool done = false; /* a jump keeps it */

        if (sigsetjmp(sink->too_much, 1) == 0) {
                timed = sink;
                set_timer(TIME_LIMIT_US);
                done = cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, take_piece, sink) && is_whole(sink);
        }
        timed = NULL;
        set_timer(0);
        return done;
}

static bool fill_cxx(struct sink *sink, const char *name)
{
        const struct sigaction action = {.sa_handler = give_up};
        struct sigaction before;
        bool done;

        sink->is_rust = false;
        sink->n_bytes = 0;
        if (n_timeouts >= PATIENCE || sigaction(SIGVTALRM, &action, &before) < 0)
                return false;
        done = fill_cxx_in_time(sink, name);
        (void)sigaction(SIGVTALRM, &before, NULL);
        return done;
}

static void keep(const char *bytes, size_t n_bytes, char **ret_data, uint32_t *ret_n_bytes)
{
        char *data = malloc(n_bytes + 1);

        if (!data)
                return;
        memcpy(data, bytes, n_bytes);
        *ret_data = data;
        *ret_n_bytes = (uint32_t)n_bytes;
}

void demangle(const char *name, size_t n_bytes, char **ret_data, uint32_t *ret_n_bytes)
{
        char terminated[DEMANGLE_NAME_MAX_BYTES + 1];
        struct sink sink;

        if (!looks_mangled(name, n_bytes))
                return;
        memcpy(terminated, name, n_bytes);
        terminated[n_bytes] = '\0';
        if (fill_rust(&sink, terminated) || fill_cxx(&sink, terminated))
                keep(sink.data, sink.n_bytes, ret_data, ret_n_bytes);
        else
                keep(name, n_bytes, ret_data, ret_n_bytes);
}
