/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What faultline walk says of an address, against what then happens there. "known CASE": a target that knows its pages;
 * each address is walked, then touched under a trace, and the fault in the trace or the signal in the target must be
 * the one that was foreseen. "announced TARGET CASE": the same for the targets of the other tests. Nothing is brought
 * in by looking: every page that was untouched still is when it is touched.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/live/walk_ask.h"

#define WALKS_PER_EXPECTATION 20

/* --- what was foreseen against what came --- */

struct reality {
        int signo, si_code;
        const json_t *faults[4]; /* at this address, in order; borrowed */
        size_t n_faults;
};

static void find_faults(const struct client *client, uint64_t address, const char *access, struct reality *ret)
{
        json_t *fault;
        size_t i;

        ret->n_faults = 0;
        json_array_foreach(client->faults, i, fault)
        {
                if (address_of(fault, "addr") != address || strcmp(text_of(fault, "access"), access) != 0)
                        continue;
                CHECK(ret->n_faults < ARRAY_SIZE(ret->faults), "too many faults at 0x%" PRIx64, address);
                ret->faults[ret->n_faults++] = fault;
        }
}

static int code_of(const char *word)
{
        static const struct {
                const char *word;
                int code;
        } codes[] = {{"SEGV_MAPERR", SEGV_MAPERR},
                     {"SEGV_ACCERR", SEGV_ACCERR},
                     {"SEGV_PKUERR", SEGV_PKUERR},
                     {"BUS_ADRERR", BUS_ADRERR},
                     {"SI_KERNEL", SI_KERNEL}};

        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
                if (strcmp(codes[i].word, word) == 0)
                        return codes[i].code;
        fail("no such code: %s", word);
}

static bool is_cause(const json_t *fault, const char *cause)
{
        return strcmp(text_of(fault, "cause"), cause) == 0;
}

static bool is_failed(const json_t *fault)
{
        return strcmp(text_of(fault, "outcome"), "failed") == 0;
}

/*
 * A trace sees maps, and explains what failed by them. A guard region does not show in the map, so that the trace only
 * knows that the access failed; and an execution that the map would have refused in any case is called denied, even
 * when something else refused it first.
 */
static bool trace_agrees(const json_t *fault, const char *cause)
{
        if (is_cause(fault, cause))
                return true;
        if (strcmp(text_of(fault, "access"), "exec") == 0)
                return is_failed(fault) && is_cause(fault, "access-denied");
        return strcmp(cause, "guard-page") == 0 && is_cause(fault, "unknown");
}

static bool came_as(const json_t *way, const char *first, const struct reality *reality)
{
        const char *result = text_of(way, "result"), *cause = text_of(way, "cause");
        size_t n_before = *first ? 1 : 0;

        if (strcmp(result, "works") == 0)
                return reality->signo == 0 && reality->n_faults == 0;
        if (strcmp(result, "fault") == 0)
                return reality->signo == 0 && reality->n_faults == 1 && is_cause(reality->faults[0], cause) &&
                       !is_failed(reality->faults[0]);
        if (strcmp(result, "signal") != 0 ||
            reality->signo != (strcmp(text_of(way, "signal"), "SIGBUS") == 0 ? SIGBUS : SIGSEGV) ||
            reality->si_code != code_of(text_of(way, "si_code")))
                return false;
        if (!*cause) /* no page fault at all */
                return reality->n_faults == 0;
        if (n_before && (reality->n_faults != 2 || !is_cause(reality->faults[0], first)))
                return false;
        return reality->n_faults == n_before + 1 && trace_agrees(reality->faults[n_before], cause);
}

static void put_reality(const struct reality *reality)
{
        printf("signal %d, code %d, %zu faults:", reality->signo, reality->si_code, reality->n_faults);
        for (size_t i = 0; i < reality->n_faults; i++)
                printf(" %s (%s)", text_of(reality->faults[i], "cause"), text_of(reality->faults[i], "outcome"));
        printf("\n");
}

/* The answer's way with this number is what came, and the other is not. */
static void check_answer(const json_t *answer, const struct reality *reality, json_int_t way, const char *name)
{
        const json_t *other = json_object_get(answer, "or"), *right = way ? other : answer;

        if (!right || !came_as(right, text_of(answer, "first"), reality)) {
                put_reality(reality);
                fail("%s: foreseen was %s", name, json_dumps(answer, 0));
        }
        CHECK(!other || !came_as(way ? answer : other, "", reality), "%s: both came: %s", name, json_dumps(answer, 0));
}

/* --- a target that knows its pages --- */

static void check_page(const json_t *expected, const json_t *object)
{
        const json_t *page = json_object_get(object, "page");
        const char *key;
        json_t *value;

        if (!json_object_get(expected, "page")) {
                CHECK(!page && !json_object_get(object, "map"), "%s: there is a map: %s", text_of(expected, "name"),
                      json_dumps(object, 0));
                return;
        }
        json_object_foreach(json_object_get(expected, "page"), key, value)
                CHECK(json_equal(json_object_get(page, key), value), "%s: %s is not %s: %s", text_of(expected, "name"),
                      key, json_dumps(value, JSON_ENCODE_ANY), json_dumps(page, 0));
}

static void read_signal(struct target *target, uint64_t address, struct reality *ret)
{
        char *line = lines_next(&target->child.out);
        json_t *object = line ? json_loads(line, 0, NULL) : NULL;

        CHECK(object, "the target did not say what came");
        ret->signo = (int)number_of(object, "signo");
        ret->si_code = (int)number_of(object, "si_code");
        CHECK(ret->signo == 0 || ret->si_code == SI_KERNEL || address_of(object, "si_addr") == address,
              "a signal at another address: %s", line);
        json_decref(object);
}

static void check_known(struct target *target, const struct client *client, json_t *walks)
{
        json_t *expected;
        size_t i;

        child_release(&target->child);
        json_array_foreach(target->expected, i, expected)
        {
                uint64_t address = address_of(expected, "addr");
                const json_t *answer = json_object_get(json_array_get(walks, i), text_of(expected, "access"));
                struct reality reality = {0};

                find_faults(client, address, text_of(expected, "access"), &reality);
                read_signal(target, address, &reality);
                check_answer(answer, &reality, json_integer_value(json_object_get(expected, "way")),
                             text_of(expected, "name"));
        }
}

static void known(const char *which)
{
        json_t *walks = json_array(), *expected;
        struct target target;
        struct client client;
        size_t i;

        target_start(&target, "walk", which, NULL);
        json_array_foreach(target.expected, i, expected)
        {
                json_t *object = walk_address(target.pid, address_of(expected, "addr"));

                check_page(expected, object);
                (void)json_array_append_new(walks, object);
        }
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        check_known(&target, &client, walks);
        printf("%zu touches came as foreseen\n", json_array_size(walks));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        json_decref(walks);
}

/* --- the other targets --- */

static size_t n_walks(const json_t *expected)
{
        return MIN_OF((size_t)number_of(expected, "n"), (size_t)WALKS_PER_EXPECTATION);
}

static uint64_t address_at(const json_t *expected, size_t i)
{
        return address_of(expected, "addr") + i * (uint64_t)json_integer_value(json_object_get(expected, "stride"));
}

/* Which of the answer's ways has the announced cause; -1: none. */
static int way_of(const json_t *answer, const char *cause)
{
        if (strcmp(text_of(answer, "cause"), cause) == 0)
                return 0;
        return strcmp(text_of(json_object_get(answer, "or"), "cause"), cause) == 0 ? 1 : -1;
}

static void check_announced(const json_t *expected, const json_t *object)
{
        const json_t *answer = json_object_get(object, text_of(expected, "access"));
        const char *cause = text_of(expected, "cause");
        int way;

        CHECK(answer, "no access of this kind: %s", json_dumps(expected, 0));
        way = way_of(answer, cause);
        /* Where both are possible the page is this process's alone, or huge pages may have run out: documented. */
        CHECK(way == 0 || (way == 1 && strcmp(cause, "cow-reuse") == 0), "announced was %s, foreseen %s", cause,
              json_dumps(answer, 0));
        CHECK((strcmp(text_of(way ? json_object_get(answer, "or") : answer, "result"), "signal") == 0) ==
                      (strcmp(text_of(expected, "outcome"), "failed") == 0),
              "outcome %s, foreseen %s", text_of(expected, "outcome"), json_dumps(answer, 0));
}

/* What the target announces is what it does: the tests of causes see to that, and this one as well. */
static void announced(const char *name, const char *which)
{
        struct target target;
        struct client client;
        json_t *expected;
        size_t i, n = 0;

        target_start(&target, name, which, NULL);
        json_array_foreach(target.expected, i, expected)
        {
                for (size_t k = 0; k < n_walks(expected); k++, n++) {
                        json_t *object = walk_address(target.pid, address_at(expected, k));

                        check_announced(expected, object);
                        json_decref(object);
                }
        }
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        compare_faults(&client, &target, COMPARE_CAUSE | COMPARE_ACCESS | COMPARE_OUTCOME);
        printf("%zu faults came as foreseen\n", n);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- names --- */

static void expect_symbol(pid_t pid, const char *where, const char *symbol, uint64_t offset, uint64_t *address)
{
        json_t *object = walk(0, pid, where, NULL);
        const json_t *place = json_object_get(object, "place");

        CHECK(strcmp(text_of(place, "symbol"), symbol) == 0 && number_of(place, "offset") == offset, "%s is not %s: %s",
              where, symbol, json_dumps(object, 0));
        CHECK(strstr(text_of(place, "image"), "target_walk") && strcmp(text_of(place, "section"), ".text") == 0,
              "not in the program's code: %s", json_dumps(object, 0));
        *address = address_of(object, "addr");
        json_decref(object);
}

static void expect_complaint(pid_t pid, const char *where, const char *text)
{
        CLEANUP_FREE char *complaint = NULL;
        json_t *object = walk(0, pid, where, &complaint);

        CHECK(!object && strstr(complaint, text), "%s: not \"%s\" but: %s", where, text, complaint);
}

/* The lines behind the first name the addresses; each of them leads to the symbol. */
static void check_several(pid_t pid, const char *name)
{
        CLEANUP_FREE char *complaint = NULL;
        json_t *object = walk(0, pid, name, &complaint);
        size_t n = 0;

        CHECK(!object && strstr(complaint, "choose one"), "%s: %s", name, complaint);
        for (char *line = strchr(complaint, '\n'); line && line[1]; line = strchr(line + 1, '\n'), n++) {
                uint64_t address = strtoull(line + 1, NULL, 16);

                object = walk_address(pid, address);
                CHECK(strcmp(text_of(json_object_get(object, "place"), "symbol"), name) == 0, "not at %s: %s", name,
                      json_dumps(object, 0));
                json_decref(object);
        }
        CHECK(n == 2, "%zu addresses: %s", n, complaint);
}

static void test_symbols(void)
{
        struct target target;
        uint64_t plain, again, behind;
        char hex[32];

        target_start(&target, "walk", "anon", NULL);
        expect_symbol(target.pid, "touch_read", "touch_read", 0, &plain);
        expect_symbol(target.pid, "target_walk:touch_read", "touch_read", 0, &again);
        CHECK(plain == again, "not the same address");
        expect_symbol(target.pid, "touch_read+1", "touch_read", 1, &behind);
        expect_symbol(target.pid, "target_walk:touch_read+0x1", "touch_read", 1, &again);
        CHECK(behind == plain + 1 && again == plain + 1, "not one behind");
        (void)snprintf(hex, sizeof(hex), "%" PRIx64, plain);
        expect_symbol(target.pid, hex, "touch_read", 0, &again);
        CHECK(plain == again, "not the same address without 0x");
        check_several(target.pid, "output_buffer");
        expect_complaint(target.pid, "no_such_symbol", "no symbol no_such_symbol");
        expect_complaint(target.pid, "libc:touch_read", "no symbol libc:touch_read");
        expect_complaint(target.pid, "10000000000000000", "at most 16");
        expect_complaint(target.pid, "", "empty");
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- who may not --- */

static const char *lack_of(const json_t *object, const char *what)
{
        json_t *lack;
        size_t i;

        json_array_foreach(json_object_get(object, "missing"), i,
                           lack) if (strcmp(text_of(lack, "what"), what) == 0) return text_of(lack, "text");
        return NULL;
}

/* Everything but what takes more rights, and that is named. */
static void check_own(pid_t pid, uint64_t address)
{
        char where[32];
        json_t *object, *page;

        (void)snprintf(where, sizeof(where), "%" PRIx64, address);
        object = walk(NOBODY, pid, where, NULL);
        page = json_object_get(object, "page");
        CHECK(is_true(page, "present") && is_true(page, "exclusive"), "the page: %s", json_dumps(object, 0));
        CHECK(!json_object_get(page, "frame") && !json_object_get(page, "frame_flags"), "a frame: %s",
              json_dumps(object, 0));
        CHECK(lack_of(object, "frame") && strstr(lack_of(object, "frame"), "CAP_SYS_ADMIN"), "missing: %s",
              json_dumps(object, 0));
        CHECK(lack_of(object, "frame-flags") && strstr(lack_of(object, "frame-flags"), "root"), "missing: %s",
              json_dumps(object, 0));
        json_decref(object);
}

static void expect_refused(uid_t uid, pid_t pid, const char *text)
{
        CLEANUP_FREE char *complaint = NULL;
        json_t *object = walk(uid, pid, "400000", &complaint);

        CHECK(!object && strstr(complaint, text) && strchr(complaint, '\n') == complaint + strlen(complaint) - 1,
              "not one line with \"%s\": %s", text, complaint);
}

static void test_errors(void)
{
        struct target target;
        json_t *own = NULL, *expected;
        pid_t zombie = fork();
        size_t i;

        harness_need_root();
        harness_need_reachable(NOBODY);
        if (zombie == 0)
                _exit(0);
        process_wait_state(zombie, 'Z');
        expect_refused(0, zombie, "has ended");
        (void)waitpid(zombie, NULL, 0);
        expect_refused(0, zombie, "there is no process");
        expect_refused(NOBODY, getpid(), "it belongs to user 0");
        if (process_state(2))
                expect_refused(0, 2, "thread of the kernel");
        target_start_as(&target, NOBODY, "walk", "anon", NULL);
        json_array_foreach(target.expected, i, expected) if (strcmp(text_of(expected, "name"), "own, written") == 0)
                own = expected;
        check_own(target.pid, address_of(own, "addr"));
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(int argc, char **argv)
{
        static const struct test_case cases[] = {{"symbols", test_symbols}, {"errors", test_errors}};

        CHECK(argc == 2 || (argc == 3 && strcmp(argv[1], "known") == 0) || argc == 4,
              "usage: walk CASE | known CASE | announced TARGET CASE");
        harness_begin(110);
        if (argc == 2) {
                harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
                return 0;
        }
        harness_need_full();
        if (argc == 3)
                known(argv[2]);
        else
                announced(argv[2], argv[3]);
        return 0;
}
