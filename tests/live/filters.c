/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each filter lets through what it names and counts the rest: delivered + filtered = kernel. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/support/harness.h"

/* The target reads 16 pages of a private file, then writes them: 16 file-minor reads, 16 file-cow writes. */
#define N_EACH 16

static const struct {
        const char *option;
        uint64_t n_delivered;
} filters[] = {
        {"--cause=file-cow", N_EACH}, {"--cause=file-cow,file-minor", 2 * N_EACH},
        {"--cause=swap-in", 0},       {"--access=read", N_EACH},
        {"--access=write", N_EACH},   {"--outcome=minor", 2 * N_EACH},
        {"--outcome=failed", 0},      {"--map=*/faultline-file-*", 2 * N_EACH},
        {"--map=/nowhere/*", 0},      {"--min-latency=1ns", 2 * N_EACH},
        {"--min-latency=1000s", 0},
};

static void test_filter(const char *option, uint64_t n_delivered)
{
        struct target target;
        struct client client;
        char pid[16];
        const char *args[] = {"-p", pid, option, NULL};
        json_t *ledger;

        target_start(&target, "file", "file-cow-after-read", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        client_start(&client, args);
        (void)client_wait_for(&client, "attached");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "%s: the client failed", option);
        ledger = check_ledger(&client);
        CHECK(client.n_faults == n_delivered, "%s: %" PRIu64 " faults instead of %" PRIu64, option, client.n_faults,
              n_delivered);
        CHECK(number_of(ledger, "kernel") == 2 * N_EACH && number_of(ledger, "filtered") == 2 * N_EACH - n_delivered,
              "%s: %s", option, json_dumps(ledger, 0));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(void)
{
        harness_begin(100);
        harness_need_full();
        for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
                test_filter(filters[i].option, filters[i].n_delivered);
        return 0;
}
