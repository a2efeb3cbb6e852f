/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace may have followed thousands of processes, so only one that can be the first of a tracer has a descriptor. */
#include "daemon/monitor/seizure.h"

#include <errno.h>
#include <fcntl.h>

static void seizure_free(struct seizure *seizure)
{
        cleanup_close(&seizure->process);
        free(seizure);
}

int seizure_add(struct seizure **first, struct attachment *trace, const struct target *target)
{
        struct seizure *seizure = calloc(1, sizeof(*seizure)), **last = first;

        if (seizure == NULL)
                return -ENOMEM;
        *seizure = (struct seizure){.trace = trace, .is_return = trace == NULL, .pid = target->pid, .process = -1};
        if (trace != NULL || *first == NULL) {
                seizure->process = fcntl(target->process, F_DUPFD_CLOEXEC, 0);
                if (seizure->process < 0) {
                        int error = errno;

                        seizure_free(seizure);
                        return -error;
                }
        }
        while (*last != NULL)
                last = &(*last)->next;
        *last = seizure;
        return 0;
}

void seizure_remove_first(struct seizure **first)
{
        struct seizure *seizure = *first;

        *first = seizure->next;
        seizure_free(seizure);
}

void seizures_remove(struct seizure **first, const struct attachment *trace)
{
        for (struct seizure **p = first; *p != NULL;)
                if ((*p)->trace == trace)
                        seizure_remove_first(p);
                else
                        p = &(*p)->next;
}

bool seizures_have(const struct seizure *first, const struct attachment *trace)
{
        for (const struct seizure *s = first; s != NULL; s = s->next)
                if (s->trace == trace)
                        return true;
        return false;
}

bool seizures_have_return(const struct seizure *first, pid_t pid)
{
        for (const struct seizure *s = first; s != NULL; s = s->next)
                if (s->is_return && s->pid == pid)
                        return true;
        return false;
}
