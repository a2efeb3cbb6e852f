/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One message is one SOCK_SEQPACKET datagram of exactly the length that its type has, so there is nothing to
 * resynchronise and nothing to parse. Invariant: a message that is not perfect (length, type, control data) leaves no
 * trace: every descriptor that came with it is closed before the error is returned. A monitor that lost one descriptor
 * a message to a hostile engine would soon have none left.
 */
#include "daemon/link/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_BYTES(member) (offsetof(struct link_message, member) + sizeof(((struct link_message *)NULL)->member))

/* Length of a message of this type in bytes, 0 for a type that does not exist. */
static size_t message_bytes(uint32_t type)
{
        switch (type) {
        case LINK_CONN:
                return BODY_BYTES(conn);
        case LINK_TRACE:
                return BODY_BYTES(trace);
        case LINK_RINGS:
                return BODY_BYTES(rings);
        case LINK_STARTED:
                return BODY_BYTES(started);
        case LINK_OPENED:
                return BODY_BYTES(opened);
        case LINK_COUNTS:
                return BODY_BYTES(counts);
        case LINK_ATTACH:
                return BODY_BYTES(attach);
        case LINK_OPEN:
                return BODY_BYTES(open);
        case LINK_READY:
        case LINK_STOP:
        case LINK_CLOSE:
        case LINK_CONN_CLOSED:
        case LINK_EMPTY:
                return BODY_BYTES(id);
        case LINK_FOLLOW:
        case LINK_FOLLOWED:
        case LINK_REVOKED:
                return BODY_BYTES(follow);
        case LINK_IDS:
                return BODY_BYTES(ids);
        case LINK_DEGRADED:
                return BODY_BYTES(degraded);
        case LINK_REPORT:
                return BODY_BYTES(report);
        case LINK_STATUS:
        case LINK_STATUS_REPLY:
                return BODY_BYTES(status);
        case LINK_TRACER_BARRIER:
        case LINK_TRACER_STOPPED:
        case LINK_TRACER_FAILED:
        case LINK_TRACER_WATCH:
        case LINK_TRACER_UNWATCH:
        case LINK_TRACER_EXECED:
        case LINK_TRACER_GO:
        case LINK_TRACER_BUSY:
                return BODY_BYTES(tracer);
        default:
                return 0;
        }
}

const char *link_detail_name(enum link_detail detail)
{
        static const char *const names[N_LINK_LACKS] = {
                [LINK_LACKS_TRACEPOINTS] = "tracepoints",
                [LINK_LACKS_PHYSICAL] = "frames",
                [LINK_LACKS_KERNEL_MODE] = "kernel-mode",
                [LINK_LACKS_BARRIER] = "barrier",
                [LINK_LACKS_KALLSYMS] = "kernel-symbols",
                [LINK_LACKS_LOST_COUNT] = "lost-count",
                [LINK_LACKS_RING_SIZE] = "ring-size",
                [LINK_LACKS_THREADS] = "threads",
                [LINK_LACKS_HOLD] = "hold",
                [LINK_LACKS_DESCRIPTORS] = "descriptors",
                [LINK_LACKS_UNMAPS] = "unmaps",
                [LINK_LACKS_UNIT] = "unit",
                [LINK_LACKS_STACKS] = "stacks",
                [LINK_LACKS_CPUS] = "cpus",
                [LINK_LACKS_STACK_SIZE] = "stack-size",
                [LINK_LACKS_CHILDREN] = "children",
        };

        return names[detail];
}

union control {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LINK_MAX_FDS * sizeof(int))];
};

int link_send(int socket, const struct link_message *message, const int *fds, size_t n_fds)
{
        struct link_message copy = *message; /* iovec wants writable memory */
        size_t n_bytes = message_bytes(message->type);
        struct iovec iov = {.iov_base = &copy, .iov_len = n_bytes};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
        union control control = {0};
        ssize_t n;

        if (n_bytes == 0 || n_fds > LINK_MAX_FDS)
                return -EINVAL;
        if (n_fds > 0) {
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                struct cmsghdr *c = CMSG_FIRSTHDR(&header);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        do
                n = sendmsg(socket, &header, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* Take the descriptors out of the control data, all of them, before anything is judged. */
static void collect_fds(struct msghdr *header, struct link_received *received)
{
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
                        if (received->n_fds < LINK_MAX_FDS)
                                received->fds[received->n_fds++] = fd;
                        else
                                (void)close(fd);
                }
        }
}

int link_receive(int socket, struct link_received *ret)
{
        struct link_received received = {0};
        struct iovec iov = {.iov_base = &received.message, .iov_len = sizeof(received.message)};
        union control control;
        struct msghdr header = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        ssize_t n;

        do
                n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        collect_fds(&header, &received);
        if (n == 0 && received.n_fds == 0)
                return 0;
        if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (size_t)n < BODY_BYTES(type) ||
            (size_t)n != message_bytes(received.message.type)) {
                link_close_fds(&received);
                return -EBADMSG;
        }
        *ret = received;
        return 1;
}

void link_close_fds(struct link_received *received)
{
        for (size_t i = 0; i < received->n_fds; i++) {
                if (received->fds[i] >= 0)
                        (void)close(received->fds[i]);
                received->fds[i] = -1;
        }
        received->n_fds = 0;
}
