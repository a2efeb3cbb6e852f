/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "-- COMMAND": the client's exit status is the command's, as a shell would have it, and signals reach it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/harness.h"

static void expect_status(const char *const *args, int expected)
{
        struct client client;
        int status;

        client_start(&client, args);
        status = client_finish(&client);
        CHECK(status == expected, "%s %s: exit status %d instead of %d", args[1], args[2] ? args[2] : "", status,
              expected);
        if (status < 126 || status > 127)
                check_nothing_missing(&client);
        client_free(&client);
}

static void test_not_executable(void)
{
        char name[] = "./faultline-plain-XXXXXX";
        CLEANUP_CLOSE int fd = mkstemp(name);
        const char *args[] = {"--", name, NULL};

        CHECK(fd >= 0 && fchmod(fd, 0600) == 0, "making a file: %s", strerror(errno));
        expect_status(args, 126);
        (void)unlink(name);
}

/* The trace ends first; the command runs on, and a signal to the client reaches it. */
static void test_outlives_trace(void)
{
        struct client client;
        const char *args[] = {"--duration=50ms", "--", TARGETS_DIR "/pause", NULL};
        int status;

        client_start(&client, args);
        (void)client_wait_for(&client, "end");
        CHECK(kill(client.child.pid, SIGTERM) == 0, "the client did not wait for its command");
        status = client_finish(&client);
        CHECK(status == 128 + SIGTERM, "exit status %d instead of that of the command", status);
        client_free(&client);
}

int main(void)
{
        static const struct {
                const char *args[5];
                int status;
        } commands[] = {
                {{"--", "sh", "-c", "exit 0", NULL}, 0},
                {{"--", "sh", "-c", "exit 7", NULL}, 7},
                {{"--", "sh", "-c", "kill -TERM $$", NULL}, 128 + SIGTERM},
                {{"--", "sh", "-c", "kill -SEGV $$", NULL}, 128 + SIGSEGV},
                {{"--", "./no-such-program", NULL, NULL, NULL}, 127},
        };

        harness_begin(50);
        harness_need_full();
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                expect_status(commands[i].args, commands[i].status);
        test_not_executable();
        test_outlives_trace();
        return 0;
}
