/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fault, all that is known of it: field by field what the JSON view would say, in words. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/figures.h"
#include "client/top/view_top_private.h"

static void put_words(struct sheet *sheet, const char *title, const char *words)
{
        sheet_put_field(sheet, title, words, strlen(words));
}

static void put_field(struct sheet *sheet, const char *title, const char *format, ...) PRINTF_LIKE(3, 4);

static void put_field(struct sheet *sheet, const char *title, const char *format, ...)
{
        char line[TOP_LINE_BYTES_MAX];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        if (n > 0)
                sheet_put_field(sheet, title, line, MIN_OF((size_t)n, sizeof(line) - 1));
}

static const char *known(const char *text)
{
        return text ? text : "unknown";
}

static void put_frame_number(struct text *out, uint64_t frame)
{
        if (frame == PROTO_UNKNOWN)
                text_put_string(out, "not known");
        else if (frame == 0)
                text_put_string(out, "none");
        else
                text_put_hex(out, frame);
}

static void put_frames(struct sheet *sheet, const struct proto_event *event)
{
        CLEANUP_TEXT struct text words = {0};

        put_frame_number(&words, event->frame);
        text_put_string(&words, ", before it ");
        put_frame_number(&words, event->frame_before);
        sheet_put_field(sheet, "frame", words.data, words.n_bytes);
}

static void put_what(struct sheet *sheet, const struct proto_event *event)
{
        bool is_inferred = event->flags & PROTO_EVENT_INFERRED, by_kernel = event->flags & PROTO_EVENT_KERNEL_MODE;

        put_field(sheet, "outcome", "%s%s", known(outcome_text(event->outcome)),
                  event->flags & PROTO_EVENT_INCOMPLETE ? ", some of its records were lost" : "");
        put_field(sheet, "cause", "%s, %s", known(cause_text(event->cause)),
                  evidence_text(is_inferred ? EVIDENCE_INFERRED : EVIDENCE_MEASURED));
        put_field(sheet, "access", "%s, by %s code", known(access_text(event->access)),
                  mode_text(by_kernel ? MODE_KERNEL : MODE_USER));
        if (event->latency_ns == PROTO_UNKNOWN)
                put_words(sheet, "latency", "not known");
        else if (event->latency_ns < NSEC_PER_USEC)
                put_field(sheet, "latency", "%s", figure_time(event->latency_ns).text);
        else
                put_field(sheet, "latency", "%s (%s ns)", figure_time(event->latency_ns).text,
                          figure_exact(event->latency_ns).text);
}

static void put_where(struct sheet *sheet, const struct top_fault *fault)
{
        const struct proto_event *event = fault->event;

        put_field(sheet, "address", "%#" PRIx64, event->addr);
        put_words(sheet, "map", fault->map[0] != '\0' ? fault->map : "none");
        if (fault->place[0] != '\0')
                put_words(sheet, "place", fault->place);
        if (event->page_shift > 0 && event->page_shift < 64)
                put_field(sheet, "page", "%s", figure_bytes(UINT64_C(1) << event->page_shift).text);
        put_frames(sheet, event);
}

static void put_who(struct sheet *sheet, const struct top_fault *fault)
{
        const struct proto_event *event = fault->event;

        put_field(sheet, "thread", "%d of process %d, %s, on cpu %u", fault->tid, fault->pid,
                  fault->comm[0] != '\0' ? fault->comm : "?", event->cpu);
        if (event->flags & PROTO_EVENT_IP_HIDDEN)
                put_field(sheet, "code", "%s (kernel addresses are not for you)",
                          fault->code[0] != '\0' ? fault->code : "kernel");
        else
                put_field(sheet, "code", "%#" PRIx64 "%s%s", event->ip, fault->code[0] != '\0' ? "  " : "",
                          fault->code);
        if (event->caller_ip != 0 || fault->caller[0] != '\0')
                put_field(sheet, "caller", "%#" PRIx64 "  %s", event->caller_ip, fault->caller);
        if (event->flags & PROTO_EVENT_UNRESOLVED)
                put_words(sheet, "names", "not all: an image was not loaded in time");
}

static void put_stack(struct sheet *sheet, const char *stack)
{
        const char *title = "stack";

        while (*stack) {
                size_t n = strcspn(stack, "\n"), blanks = MIN_OF(strspn(stack, " "), n);

                sheet_put_field(sheet, title, stack + blanks, n - blanks);
                title = "";
                stack += n + (stack[n] == '\n');
        }
}

void draw_fault(struct view_top *v, struct grid *grid)
{
        const struct top_fault *fault = &v->choice.held.fault;
        struct sheet sheet = {.grid = grid, .area = v->shown.body, .first = v->choice.scroll[SCREEN_FAULT]};

        if (!fault->event)
                return;
        put_field(&sheet, "time", "%" PRIu64 ".%09" PRIu64 " s since the trace began", fault->time_ns / NSEC_PER_SEC,
                  fault->time_ns % NSEC_PER_SEC);
        put_what(&sheet, fault->event);
        put_where(&sheet, fault);
        put_who(&sheet, fault);
        put_stack(&sheet, fault->stack);
        v->shown.last_first[SCREEN_FAULT] = sheet_last_first(&sheet);
}
