/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor serves every user, so it must not wait for one user's engine, and an engine that stopped reading must not
 * make it keep more than a bound. A kept message holds duplicates of its descriptors.
 */
#include "daemon/monitor/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

struct outbox_entry {
        struct outbox_entry *next;
        struct link_message message;
        size_t n_fds;
        int fds[];
};

static struct outbox_entry *entry_free(struct outbox_entry *entry)
{
        for (size_t i = 0; i < entry->n_fds; i++)
                (void)close(entry->fds[i]);
        free(entry);
        return NULL;
}

static struct outbox_entry *entry_new(const struct link_message *message, const int *fds, size_t n_fds)
{
        struct outbox_entry *entry = malloc(sizeof(*entry) + n_fds * sizeof(int));

        if (entry == NULL)
                return NULL;
        entry->next = NULL;
        entry->message = *message;
        entry->n_fds = 0;
        for (size_t i = 0; i < n_fds; i++) {
                entry->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
                if (entry->fds[i] < 0)
                        return entry_free(entry);
                entry->n_fds++;
        }
        return entry;
}

void outbox_init(struct outbox *outbox, int socket, sd_event_source *source)
{
        *outbox = (struct outbox){.socket = socket, .source = source};
        outbox->last = &outbox->first;
}

void outbox_deinit(struct outbox *outbox)
{
        while (outbox->first != NULL) {
                struct outbox_entry *entry = outbox->first;

                outbox->first = entry->next;
                entry_free(entry);
        }
        outbox_init(outbox, -1, NULL);
}

static void outbox_keep(struct outbox *outbox, const struct link_message *message, const int *fds, size_t n_fds)
{
        struct outbox_entry *entry = outbox->n < OUTBOX_MAX_MESSAGES ? entry_new(message, fds, n_fds) : NULL;

        if (entry == NULL || sd_event_source_set_io_events(outbox->source, EPOLLIN | EPOLLOUT) < 0) {
                if (entry != NULL)
                        entry_free(entry);
                outbox->is_failed = true;
                return;
        }
        *outbox->last = entry;
        outbox->last = &entry->next;
        outbox->n++;
}

void outbox_send(struct outbox *outbox, const struct link_message *message, const int *fds, size_t n_fds)
{
        int r = -EAGAIN;

        if (outbox->socket < 0 || outbox->is_failed)
                return;
        if (outbox->first == NULL)
                r = link_send(outbox->socket, message, fds, n_fds);
        if (r == -EAGAIN)
                outbox_keep(outbox, message, fds, n_fds);
        else if (r < 0 && r != -EPIPE && r != -ECONNRESET) /* a dead engine is noticed by its exit */
                outbox->is_failed = true;
}

void outbox_flush(struct outbox *outbox)
{
        while (outbox->first != NULL) {
                struct outbox_entry *entry = outbox->first;
                int r = link_send(outbox->socket, &entry->message, entry->fds, entry->n_fds);

                if (r == -EAGAIN)
                        return;
                if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                        outbox->is_failed = true;
                outbox->first = entry->next;
                outbox->n--;
                entry_free(entry);
        }
        outbox->last = &outbox->first;
        if (sd_event_source_set_io_events(outbox->source, EPOLLIN) < 0)
                outbox->is_failed = true;
}
