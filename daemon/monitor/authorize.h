/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May this peer trace that process? Asked of the kernel with the peer's own credentials. */
#pragma once

#include "daemon/monitor/peer.h"

struct authorize_question {
        const struct peer *peer;
        int pidfd;
};

/*
 * Work for a helper (helper.h): becomes the peer. 0 = may; -EPERM = may not; -ESRCH = the process is gone; another
 * -errno: the question could not be asked, which means no.
 */
int authorize_work(void *question, int *ret_fd);
/* The question alone, for a process that has become the peer already; results as above. pidfd < 0: it is gone. */
int authorize_ask(int pidfd) MUST_CHECK;
