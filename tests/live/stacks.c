/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stacks CASE ...: the call stack of a fault, frame by frame against what the target announced: every address, symbol,
 * offset, image, and how the frame was found. No frame may be missing, none may be more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/harness.h"

#define STACK_BYTES 8192
#define STACK_OPTION "--stack=8192"
#define LITTLE_MEMORY_BYTES (2 << 20)
#define N_STORM "1500" /* with 8 KiB of stack each they fit into one ring, whoever has the processors */
#define EPOCH_BYTES (UINT64_C(16) << 20) /* definitions of a trace: ARCHITECTURE.md, Bounds */
#define DEF_STACK_FRAME_BYTES 20

static json_t *fault_at(const struct client *client, uint64_t addr)
{
        json_t *fault, *found = NULL;
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                if (address_of(fault, "addr") != addr)
                        continue;
                CHECK(!found, "two faults at 0x%" PRIx64 ": %s", addr, json_dumps(fault, 0));
                found = fault;
        }
        CHECK(found, "no fault at 0x%" PRIx64 " of %" PRIu64, addr, client->n_faults);
        return found;
}

/* text is one of "one|other". */
static bool is_one_of(const char *text, const char *names)
{
        size_t n = strlen(text);

        for (; *names; names += *names == '|') {
                size_t n_name = strcspn(names, "|");

                if (n_name == n && memcmp(names, text, n) == 0)
                        return true;
                names += n_name;
        }
        return false;
}

static bool same_image(const json_t *frame, const json_t *e)
{
        const char *image = text_of(frame, "image"), *slash = strrchr(image, '/');

        return !json_object_get(e, "image") || strcmp(slash ? slash + 1 : image, text_of(e, "image")) == 0;
}

/* A key that the expectation does not have is not compared. */
static bool same_value(const json_t *frame, const json_t *e, const char *key)
{
        return !json_object_get(e, key) || json_equal(json_object_get(frame, key), json_object_get(e, key));
}

static void check_frame(const json_t *fault, const json_t *frame, const json_t *e, size_t i)
{
        bool same = same_value(frame, e, "addr") && same_value(frame, e, "by") && same_value(frame, e, "offset") &&
                    same_image(frame, e) &&
                    (!json_object_get(e, "symbol") || is_one_of(text_of(frame, "symbol"), text_of(e, "symbol")));

        CHECK(same, "frame %zu is %s instead of %s: %s", i, json_dumps(frame, 0), json_dumps(e, 0),
              json_dumps(fault, 0));
}

/* The kernel's own frames, from the instruction that faulted down to its entry. Their number. */
static size_t check_kernel_frames(const json_t *fault, bool wanted)
{
        const json_t *stack = json_object_get(fault, "stack");
        size_t n = 0;

        while (strcmp(text_of(json_array_get(stack, n), "by"), "kernel") == 0)
                n++;
        CHECK((n > 0) == wanted, "%zu frames of the kernel: %s", n, json_dumps(fault, 0));
        if (n == 0)
                return 0;
        CHECK(strcmp(text_of(json_array_get(stack, 0), "addr"), text_of(fault, "ip")) == 0,
              "the kernel's frames do not begin where it faulted: %s", json_dumps(fault, 0));
        CHECK(strncmp(text_of(json_array_get(stack, n - 1), "symbol"), "entry_SYSCALL_64", 16) == 0,
              "the kernel's frames do not end at its entry: %s", json_dumps(fault, 0));
        return n;
}

/* Of the announced frames so many are within the bytes that are copied: those whose return address is. */
static size_t n_frames_within(const json_t *e, uint64_t n_bytes)
{
        const json_t *frames = json_object_get(e, "stack");
        size_t n = 0;

        while (n < json_array_size(frames)) {
                const json_t *frame = json_array_get(frames, n);

                if (json_object_get(frame, "slot") &&
                    address_of(frame, "slot") + sizeof(uint64_t) > address_of(e, "sp") + n_bytes)
                        break;
                n++;
        }
        return n;
}

/* n_bytes: copied of each stack. */
static void check_stack(const json_t *fault, const json_t *e, uint64_t n_bytes, bool kernel_wanted)
{
        const json_t *frames = json_object_get(e, "stack"), *stack = json_object_get(fault, "stack");
        size_t n = n_frames_within(e, n_bytes), n_kernel;
        bool is_cut = json_is_true(json_object_get(e, "cut")) || n < json_array_size(frames);

        CHECK(json_array_size(stack) > 0, "no stack: %s", json_dumps(fault, 0));
        n_kernel = check_kernel_frames(fault, kernel_wanted && json_is_true(json_object_get(e, "kernel")));
        for (size_t i = 0; i < n && n_kernel + i < json_array_size(stack); i++)
                check_frame(fault, json_array_get(stack, n_kernel + i), json_array_get(frames, i), i);
        CHECK(json_array_size(stack) == n_kernel + n, "%zu frames instead of %zu: %s",
              json_array_size(stack) - n_kernel, n, json_dumps(fault, 0));
        CHECK(json_is_true(json_object_get(fault, "stack_cut")) == is_cut, "the stack is %scut: %s",
              is_cut ? "" : "not ", json_dumps(fault, 0));
}

static void check_announced(const struct client *client, const json_t *expected, bool kernel_wanted)
{
        json_t *e;
        size_t i;

        CHECK(json_array_size(expected) > 0, "nothing was announced");
        json_array_foreach((json_t *)(uintptr_t)expected, i, e)
                check_stack(fault_at(client, address_of(e, "addr")), e, STACK_BYTES, kernel_wanted);
}

static void attach(struct client *client, uid_t uid, pid_t pid, const char *option)
{
        char number[16];
        const char *args[] = {STACK_OPTION, "-p", number, option, NULL};

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start_as(client, uid, args);
        (void)client_wait_for(client, "attached");
}

static void run_chain(uid_t uid, const char *program, const char *chain, const char *option, bool kernel_wanted)
{
        struct target target;
        struct client client;

        target_start_as(&target, uid, program, chain, NULL);
        attach(&client, uid, target.pid, option);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        check_announced(&client, target.expected, kernel_wanted);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Without tracepoints the completions carry the stacks, and the kernel's part of them is not to be had. */
static void test_each(uid_t uid, const char *option, bool with_kernel)
{
        static const char *const chains[] = {"frameless", "too_deep", "expression", "handler",
                                             "thread",    "vdso",     "generated",  "kernel"};

        for (size_t i = 0; i < ARRAY_SIZE(chains) - !with_kernel; i++) {
                printf("%s\n", chains[i]);
                run_chain(uid, "chains", chains[i], option, false);
        }
}

/* What the target, which has no other way, wrote into a file. */
static json_t *read_announcement(const char *path)
{
        json_t *expected = json_array();
        char *line = NULL;
        size_t n_room = 0;
        FILE *f = fopen(path, "re");

        CHECK(f, "the target did not write %s", path);
        while (getline(&line, &n_room, f) > 0 && line[0] == '{')
                json_array_append_new(expected, json_loads(line, 0, NULL));
        free(line);
        (void)fclose(f);
        (void)remove(path);
        return expected;
}

/* A shell forks, the child executes the target: none of its images are those that were there at the attach. */
static void test_follow(void)
{
        char command[4096], path[64];
        const char *args[] = {STACK_OPTION, "--follow", "--", "sh", "-c", command, NULL};
        struct client client;
        json_t *expected;

        (void)snprintf(path, sizeof(path), "faultline-stacks-%d", (int)getpid());
        (void)snprintf(command, sizeof(command),
                       "for chain in handler libraries; do echo xx | '%s' $chain; done > %s; :",
                       TARGETS_DIR "/target_chains", path);
        client_start(&client, args);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        expected = read_announcement(path);
        check_announced(&client, expected, true);
        json_decref(expected);
        client_free(&client);
}

static bool is_degraded(const struct client *client, const char *what)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "degraded") == 0 &&
                                                        strcmp(text_of(line, "what"), what) == 0) return true;
        return false;
}

/* Less memory may be locked than the rings would take: less is copied of each stack, and it is said. */
static void test_little_memory(void)
{
        const struct rlimit little = {LITTLE_MEMORY_BYTES, LITTLE_MEMORY_BYTES};
        char number[16];
        const char *args[] = {"--stack", "-p", number, NULL};
        struct target target;
        struct client client;
        const json_t *e;
        uint64_t granted;

        CHECK(setrlimit(RLIMIT_MEMLOCK, &little) == 0, "setrlimit: %s", strerror(errno));
        target_start_as(&target, NOBODY, "chains", "too_deep", NULL);
        e = json_array_get(target.expected, 0);
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        client_start_as(&client, NOBODY, args);
        granted = number_of(client_wait_for(&client, "attached"), "stack_bytes");
        CHECK(granted > 0 && granted < STACK_BYTES, "%" PRIu64 " bytes of each stack", granted);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(is_degraded(&client, "stack-size"), "nobody said that less is copied");
        check_nothing_missing(&client);
        check_stack(fault_at(&client, address_of(e, "addr")), e, granted, false);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void check_storm_fault(const json_t *fault)
{
        const json_t *stack = json_object_get(fault, "stack");
        size_t n = json_array_size(stack);

        CHECK(n >= 4 && strcmp(text_of(json_array_get(stack, 0), "symbol"), "touch_write") == 0 &&
                      strcmp(text_of(json_array_get(stack, 1), "symbol"), "touch_write_each") == 0 &&
                      strcmp(text_of(json_array_get(stack, n - 1), "symbol"), "_start") == 0 &&
                      !json_object_get(fault, "stack_cut"),
              "not the stack of all the others: %s", json_dumps(fault, 0));
}

/* Each fault has its stack, and none is lost. */
static void test_storm(void)
{
        struct target target;
        struct client client;
        json_t *fault;
        size_t i;

        target_start(&target, "anon", "flood", N_STORM);
        attach(&client, 0, target.pid, NULL);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        CHECK(client.n_faults == target_n_expected(&target), "%" PRIu64 " faults of %zu", client.n_faults,
              target_n_expected(&target));
        json_array_foreach(client.faults, i, fault) check_storm_fault(fault);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* Innermost first; the outermost level has bit 0 of the path. */
static void check_path(const json_t *fault, const json_t *e, uint64_t path)
{
        const json_t *stack = json_object_get(fault, "stack");
        size_t n_levels = number_of(e, "levels");

        CHECK(json_array_size(stack) > n_levels + 2 && !json_object_get(fault, "stack_cut"), "%zu frames: %s",
              json_array_size(stack), json_dumps(fault, 0));
        CHECK(json_equal(json_object_get(json_array_get(stack, 0), "addr"), json_object_get(e, "touch")),
              "not where it faulted: %s", json_dumps(fault, 0));
        for (size_t i = 0; i < n_levels; i++) {
                const char *side = i < 64 && (path >> i & 1) ? "right" : "left";
                const json_t *frame = json_array_get(stack, n_levels - i);

                CHECK(strcmp(text_of(frame, "addr"), text_of(e, side)) == 0 &&
                              strcmp(text_of(frame, "symbol"), "choose") == 0,
                      "level %zu of path %" PRIx64 " is %s", i, path, json_dumps(frame, 0));
        }
        CHECK(strcmp(text_of(json_array_get(stack, n_levels + 1), "symbol"), "run_paths") == 0, "who called: %s",
              json_dumps(fault, 0));
}

/* Reads until `n` of the announced faults have been seen; checks and forgets them. */
static void take_paths(struct client *client, const json_t *e, uint64_t n, uint64_t *n_seen)
{
        uint64_t base = address_of(e, "addr");

        while (*n_seen < n) {
                json_t *fault;
                size_t i;

                CHECK(client_read(client), "the client ended after %" PRIu64 " of the paths", *n_seen);
                json_array_foreach(client->faults, i, fault)
                {
                        if (address_of(fault, "addr") == base + *n_seen * 4096)
                                check_path(fault, e, (*n_seen)++);
                }
                json_array_clear(client->faults);
        }
}

/* More definitions than an epoch holds: what was defined before the reset is defined again, and right. */
static void test_epochs(void)
{
        struct target target;
        struct client client;
        const json_t *e;
        uint64_t n_seen = 0, n, batch;

        target_start(&target, "chains", "paths", NULL);
        e = json_array_get(target.expected, 0);
        n = number_of(e, "n");
        batch = number_of(e, "batch");
        CHECK(n * number_of(e, "levels") * DEF_STACK_FRAME_BYTES > EPOCH_BYTES, "an epoch holds them all");
        attach(&client, 0, target.pid, NULL);
        target_open_gate(&target);
        harness_doing("reading the paths");
        for (uint64_t i = batch; i <= n; i += batch) {
                take_paths(&client, e, i, &n_seen);
                child_release(&target.child);
        }
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(int argc, char **argv)
{
        const char *which = argc > 1 ? argv[1] : "";

        harness_begin(50);
        harness_need_full();
        if (argc == 4 && strcmp(which, "chain") == 0) {
                run_chain(0, argv[2], argv[3], NULL, true);
        } else if (strcmp(which, "nobody") == 0) {
                harness_need_reachable(NOBODY);
                test_each(NOBODY, NULL, false);
        } else if (strcmp(which, "basic") == 0) {
                test_each(0, "--detail=basic", true);
        } else if (strcmp(which, "little-memory") == 0) {
                harness_need_reachable(NOBODY);
                test_little_memory();
        } else if (strcmp(which, "follow") == 0) {
                test_follow();
        } else if (strcmp(which, "epochs") == 0) {
                test_epochs();
        } else if (strcmp(which, "storm") == 0) {
                test_storm();
        } else {
                fail("usage: stacks chain PROGRAM CHAIN | nobody | little-memory | basic | follow | epochs | storm");
        }
        return 0;
}
