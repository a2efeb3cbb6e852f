/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verdicts CASE: what faultline says of a SIGSEGV or SIGBUS while it holds the target, and that the target's own end is
 * the same whether it is held, only attached to, or left alone: what its handler saw, how often, its exit status, its
 * core dump. Nothing is told of signals where nobody holds the target.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/harness.h"

static char folder[] = "faultline-verdicts-XXXXXX";

#define TIMES_TEXT "3"
#define BARRIER_TIMES_TEXT "2000"

struct outcome {
        int status; /* of waitpid() */
        char saw[128];
};

static const struct {
        const char *name;
        const char *value;
} struck[] = {{"r12", "0x1201"}, {"r13", "0x1302"}, {"r14", "0x1403"}, {"r15", "0x1504"}};

static bool is_struck(const char *symbol)
{
        return strcmp(symbol, "struck_read") == 0 || strcmp(symbol, "struck_write") == 0 ||
               strcmp(symbol, "struck_call") == 0;
}

/* What the expectation says of this object is what it says. */
static void check_object(const json_t *signal, const char *key, const json_t *expected)
{
        const json_t *actual = json_object_get(signal, key);
        const char *name;
        json_t *value;

        CHECK(actual, "no %s: %s", key, json_dumps(signal, 0));
        json_object_foreach((json_t *)(uintptr_t)expected, name, value)
                CHECK(json_equal(json_object_get(actual, name), value), "%s.%s is not %s: %s", key, name,
                      json_dumps(value, JSON_ENCODE_ANY), json_dumps(signal, 0));
}

static void check_registers(const json_t *signal, const json_t *expected)
{
        const json_t *registers = json_object_get(signal, "registers");
        const json_t *rdi = json_object_get(expected, "rdi");

        CHECK(registers && strcmp(text_of(registers, "rip"), text_of(signal, "ip")) == 0, "rip is not ip: %s",
              json_dumps(signal, 0));
        if (!rdi)
                return;
        CHECK(json_equal(json_object_get(registers, "rdi"), rdi), "rdi is not %s: %s", json_string_value(rdi),
              json_dumps(signal, 0));
        for (size_t i = 0; i < ARRAY_SIZE(struck); i++)
                CHECK(strcmp(text_of(registers, struck[i].name), struck[i].value) == 0, "%s is not %s: %s",
                      struck[i].name, struck[i].value, json_dumps(signal, 0));
}

static void check_frame(const json_t *signal, const json_t *frame, const json_t *symbol, size_t i)
{
        if (json_is_null(symbol))
                CHECK(frame && !json_object_get(frame, "symbol"), "frame %zu has a symbol: %s", i,
                      json_dumps(signal, 0));
        else
                CHECK(strcmp(text_of(frame, "symbol"), json_string_value(symbol)) == 0, "frame %zu is not %s: %s", i,
                      json_string_value(symbol), json_dumps(signal, 0));
        CHECK((i == 0) == (strcmp(text_of(frame, "by"), "registers") == 0), "frame %zu: how it was found: %s", i,
              json_dumps(signal, 0));
}

/* The innermost frames; those of functions that call something end in main(). */
static void check_stack(const json_t *signal, const json_t *expected)
{
        const json_t *stack = json_object_get(signal, "stack"), *frame;
        bool to_main = false, from_struck = false;
        json_t *symbol;
        size_t i;

        json_array_foreach(expected, i, symbol)
        {
                check_frame(signal, json_array_get(stack, i), symbol, i);
                from_struck |= json_is_string(symbol) && is_struck(json_string_value(symbol));
        }
        json_array_foreach((json_t *)(uintptr_t)stack, i, frame) to_main |=
                strcmp(text_of(frame, "symbol"), "main") == 0;
        CHECK(!from_struck || to_main, "the stack does not go down to main: %s", json_dumps(signal, 0));
}

/* Fields that say something about one kind of signal are there for it, exactly as announced, and for no other. */
static void check_particular(const json_t *signal, const json_t *expected)
{
        static const char *const keys[] = {"signal",  "si_code",     "verdict",   "access",  "missing",
                                           "pointer", "field_bytes", "eof_bytes", "n_missed"};

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                const json_t *value = json_object_get(expected, keys[i]);

                CHECK(value ? json_equal(json_object_get(signal, keys[i]), value) : !json_object_get(signal, keys[i]),
                      "%s is not %s: %s", keys[i], value ? json_dumps(value, JSON_ENCODE_ANY) : "absent",
                      json_dumps(signal, 0));
        }
        CHECK(!json_object_get(expected, "earlier") == !json_object_get(signal, "earlier"), "earlier: %s",
              json_dumps(signal, 0));
        CHECK(!json_object_get(expected, "sender") == !json_object_get(signal, "sender"), "sender: %s",
              json_dumps(signal, 0));
        CHECK(!json_object_get(expected, "top") == !json_object_get(signal, "depth_bytes"), "depth_bytes: %s",
              json_dumps(signal, 0));
        CHECK(*text_of(signal, "text"), "no sentence: %s", json_dumps(signal, 0));
}

/* Down to the stack pointer, or to what was written below it. */
static void check_depth(const json_t *signal, uint64_t top)
{
        uint64_t sp = address_of(json_object_get(signal, "registers"), "rsp"), addr = address_of(signal, "addr");

        CHECK(number_of(signal, "depth_bytes") == top - MIN_OF(sp, addr), "the depth of the stack: %s",
              json_dumps(signal, 0));
}

static void check_address(const json_t *signal, const json_t *expected, const struct outcome *outcome)
{
        const char *addr = text_of(expected, "addr");
        char seen[32] = "";

        if (json_object_get(expected, "as_seen") && sscanf(outcome->saw, "saw %*d %*d %*d %31s", seen) == 1)
                addr = seen;
        if (*addr || json_object_get(expected, "no_addr"))
                CHECK(strcmp(text_of(signal, "addr"), addr) == 0, "the address is not %s: %s", *addr ? addr : "absent",
                      json_dumps(signal, 0));
        if (json_object_get(expected, "top"))
                check_depth(signal, address_of(expected, "top"));
}

static void check_signal(const json_t *signal, const json_t *expected, const struct target *target,
                         const struct outcome *outcome)
{
        static const char *const objects[] = {"nearest", "map", "place", "earlier", "sender"};
        bool from_fault = !json_object_get(expected, "no_addr");

        CHECK(number_of(signal, "pid") == (uint64_t)target->pid && *text_of(signal, "comm"), "not of the target: %s",
              json_dumps(signal, 0));
        check_particular(signal, expected);
        check_address(signal, expected, outcome);
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
                if (json_object_get(expected, objects[i]))
                        check_object(signal, objects[i], json_object_get(expected, objects[i]));
        if (json_object_get(expected, "stack")) {
                check_registers(signal, expected);
                check_stack(signal, json_object_get(expected, "stack"));
        }
        CHECK(json_is_true(json_object_get(signal, "fault_seen")) == from_fault, "the fault that led to it: %s",
              json_dumps(signal, 0));
}

static void check_signals(const struct client *client, const struct target *target, const struct outcome *outcome)
{
        const json_t *expected = json_array_get(target->expected, 0);
        json_t *line;
        size_t i;

        CHECK(client_n(client, "signal") == number_of(expected, "n"), "%zu signals instead of %" PRIu64,
              client_n(client, "signal"), number_of(expected, "n"));
        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "signal") == 0)
                check_signal(line, expected, target, outcome);
}

/* The line of its exit says how, if somebody was there to see it. */
static void check_exit(const struct client *client, bool held, int status)
{
        json_t *line, *found = NULL;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "life") == 0 &&
                                                        strcmp(text_of(line, "kind"), "exit") == 0) found = line;
        if (!held)
                CHECK(!found || (!json_object_get(found, "signal") && !json_object_get(found, "status")),
                      "nobody saw how it ended: %s", json_dumps(found, 0));
        else
                CHECK(found && strcmp(text_of(found, "signal"), WTERMSIG(status) == SIGBUS ? "SIGBUS" : "SIGSEGV") == 0,
                      "the line of its exit: %s", found ? json_dumps(found, 0) : "none");
}

static void attach(struct client *client, pid_t pid, const char *mode)
{
        char option[32], number[16];
        const char *args[] = {option, "-p", number, NULL};
        json_t *attached;

        (void)snprintf(option, sizeof(option), "--ptrace=%s", mode);
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(client, args);
        attached = client_wait_for(client, "attached");
        CHECK(strcmp(text_of(attached, "ptrace"), mode) == 0, "not as asked for: %s",
              json_dumps(client_wait_for(client, "degraded"), 0));
}

/* mode NULL: without faultline. */
static void run(const char *which, const char *times, const char *mode, struct outcome *ret)
{
        struct target target;
        struct client client;
        bool held = mode && strcmp(mode, "hold") == 0, dies = strcmp(times, "0") == 0;

        memset(ret, 0, sizeof(*ret));
        target_start(&target, "verdicts", which, times);
        if (mode)
                attach(&client, target.pid, mode);
        target_open_gate(&target);
        if (!dies) {
                if (mode)
                        client_read_until_done(&client, &target);
                else
                        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target is not done");
                child_release(&target.child);
                (void)snprintf(ret->saw, sizeof(ret->saw), "%s", lines_next(&target.child.out));
        }
        json_incref(target.expected);
        (void)close(target.child.in_fd);
        target.child.in_fd = -1;
        if (mode)
                CHECK(client_finish(&client) == 0, "the client failed");
        (void)child_wait(&target.child);
        ret->status = target.child.status;
        if (!mode)
                return;
        if (held)
                check_signals(&client, &target, ret);
        else
                CHECK(client_n(&client, "signal") == 0, "a signal is told of that nobody held: %s",
                      json_dumps(client_find(&client, "signal"), 0));
        check_nothing_missing(&client);
        if (dies)
                check_exit(&client, held, ret->status);
        client_free(&client);
}

static void compare(const char *which, const char *times)
{
        static const char *const modes[] = {"hold", "light", "off"};
        struct outcome alone, traced;

        run(which, times, NULL, &alone);
        printf("%s %s: status 0x%x, %s\n", which, times, alone.status, alone.saw);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                run(which, times, modes[i], &traced);
                CHECK(traced.status == alone.status, "%s: status 0x%x instead of 0x%x", modes[i], traced.status,
                      alone.status);
                CHECK(strcmp(traced.saw, alone.saw) == 0, "%s: the handler %s instead of %s", modes[i], traced.saw,
                      alone.saw);
        }
}

/* Where cores may be left, and which is removed with them. */
static void enter_private_folder(void)
{
        struct rlimit cores;

        CHECK(mkdtemp(folder) && chdir(folder) == 0, "%s: %s", folder, strerror(errno));
        CHECK(getrlimit(RLIMIT_CORE, &cores) == 0, "getrlimit: %s", strerror(errno));
        cores.rlim_cur = cores.rlim_max;
        CHECK(setrlimit(RLIMIT_CORE, &cores) == 0, "setrlimit: %s", strerror(errno));
}

static void remove_folder(void)
{
        const char *argv[] = {"rm", "-rf", folder, NULL};
        struct child rm;

        if (chdir("..") < 0)
                return;
        child_start(&rm, argv, NULL);
        (void)child_wait(&rm);
        child_close(&rm);
}

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: verdicts CASE");
        harness_begin(80);
        harness_need_full();
        /* The same addresses in every run, so that they can be compared. */
        if (personality(ADDR_NO_RANDOMIZE) < 0)
                skip("personality: %s", strerror(errno));
        enter_private_folder();
        (void)atexit(remove_folder);
        compare(argv[1], strcmp(argv[1], "barrier") == 0 ? BARRIER_TIMES_TEXT : TIMES_TEXT);
        compare(argv[1], "0");
        return 0;
}
