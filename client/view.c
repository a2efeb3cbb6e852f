/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all views share: the words of the messages that have no table in proto/vocabulary.def, and error lines. */
#include "client/view.h"

#include <string.h>

#include "client/escape.h"

void view_put_error(struct view *view, int32_t pid, const struct proto_error *error)
{
        text_put_string(&view->err, "faultline: ");
        if (error->text.n_bytes > 0)
                (void)escape_terminal(&view->err, error->text.data, error->text.n_bytes);
        else if (pid != 0)
                text_printf(&view->err, "process %d cannot be traced: %s", pid, strerror(error->error));
        else
                text_printf(&view->err, "faultlined reports an error: %s", strerror(error->error));
        text_put_char(&view->err, '\n');
}

const char *end_reason_text(unsigned int reason)
{
        switch (reason) {
        case END_STOPPED:
                return "stopped";
        case END_EXITED:
                return "exited";
        case END_COUNT:
                return "count";
        case END_STRIPPED:
                return "stripped";
        case END_ERROR:
                return "error";
        case END_RESTART:
                return "restart";
        }
        return NULL;
}

const char *frame_method_text(unsigned int by)
{
        switch (by) {
        case FRAME_BY_REGISTERS:
                return "registers";
        case FRAME_BY_CFI:
                return "cfi";
        case FRAME_BY_POINTER:
                return "pointer";
        case FRAME_BY_KERNEL:
                return "kernel";
        }
        return NULL;
}

const char *life_kind_text(unsigned int kind)
{
        switch (kind) {
        case LIFE_FORK:
                return "fork";
        case LIFE_EXEC:
                return "exec";
        case LIFE_EXIT:
                return "exit";
        }
        return NULL;
}
