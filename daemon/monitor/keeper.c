/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FDPOLL=0, because a pidfd is readable once its process has ended, and hangs up once that was reaped (pidfd_poll(),
 * kernel/fork.c): the service manager would throw it away, and what it tells of the process's end with it. Service
 * managers that do not know it (systemd before 246) do so; then the process counts as ended, which it has.
 *
 * The memory of the table cannot shrink (F_SEAL_SHRINK), so reading it never ends in SIGBUS, whoever else has it.
 */
#include "daemon/monitor/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define TABLE_NAME "sessions"
#define TRACE_NAME "trace-"
#define NAME_BYTES 32

bool keeper_parse_name(const char *name, uint64_t *ret_serial)
{
        unsigned long long serial;
        int n = 0;

        if (strcmp(name, TABLE_NAME) == 0) {
                *ret_serial = KEEPER_TABLE;
                return true;
        }
        if (sscanf(name, TRACE_NAME "%llu%n", &serial, &n) != 1 || name[n] != '\0' || serial == 0)
                return false;
        *ret_serial = serial;
        return true;
}

static void put_name(char name[static NAME_BYTES], uint64_t serial)
{
        if (serial == KEEPER_TABLE)
                (void)snprintf(name, NAME_BYTES, TABLE_NAME);
        else
                (void)snprintf(name, NAME_BYTES, TRACE_NAME "%" PRIu64, serial);
}

int keeper_keep(int fd, uint64_t serial)
{
        char text[96], name[NAME_BYTES];
        int r;

        put_name(name, serial);
        (void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        r = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
        return r > 0 ? 0 : r == 0 ? -ENOTCONN : r;
}

void keeper_give_up(uint64_t serial)
{
        char text[96], name[NAME_BYTES];

        put_name(name, serial);
        (void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        (void)sd_notify(0, text);
}

/* Not for what we fork: an engine that could write to it could end the monitor, and everybody's traces. */
static struct sessions *map_table(int fd)
{
        void *memory = mmap(NULL, sizeof(struct sessions), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (memory == MAP_FAILED)
                return NULL;
        if (madvise(memory, sizeof(struct sessions), MADV_DONTFORK) < 0) {
                (void)munmap(memory, sizeof(struct sessions));
                return NULL;
        }
        return memory;
}

int keeper_make_table(struct sessions **ret_table, int *ret_fd)
{
        CLEANUP_CLOSE int fd = memfd_create("faultline-sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct sessions *table;
        int r;

        if (fd < 0 || ftruncate(fd, sizeof(*table)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;
        table = map_table(fd);
        if (table == NULL)
                return -errno;
        sessions_init(table);
        r = keeper_keep(fd, KEEPER_TABLE);
        if (r < 0) {
                (void)munmap(table, sizeof(*table));
                return r;
        }
        *ret_table = table;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

struct sessions *keeper_take_table(int fd)
{
        int seals = fcntl(fd, F_GET_SEALS);
        struct sessions *table;
        struct stat st;

        if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) < 0 ||
            st.st_size != (off_t)sizeof(struct sessions))
                return NULL;
        table = map_table(fd);
        if (table != NULL && !sessions_are_known(table, (size_t)st.st_size)) {
                (void)munmap(table, sizeof(*table));
                return NULL;
        }
        return table;
}
