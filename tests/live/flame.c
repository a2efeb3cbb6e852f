/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flame CASE: faultline flame and stat --by=stack on a target whose faults have one stack, and a flame graph with known
 * frames in a browser that points, clicks and types (flame_probe.html).
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/flame_svg.h"
#include "tests/support/harness.h"

#define N_FAULTS 1000 /* with their stacks they fit into a ring, however slowly it is read */
#define PAGE_BYTES 4096
#define STACK_END ";main;flood;touch_write_each;touch_write "

/* A name in the working directory that no other test has. */
static void make_name(char *name, size_t size, const char *end)
{
        (void)snprintf(name, size, "./faultline-flame-%d%s", (int)getpid(), end);
}

static char *read_file(const char *name)
{
        CLEANUP_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
        struct stat status;
        char *text;

        CHECK(fd >= 0 && fstat(fd, &status) == 0, "%s: %s", name, strerror(errno));
        text = calloc(1, (size_t)status.st_size + 1);
        CHECK(text && read(fd, text, (size_t)status.st_size) == status.st_size, "reading %s", name);
        return text;
}

/* Traces the faults of a flood and stops with SIGINT. args: a command and its options, with room for three more. */
static void trace_flood(struct client *client, const char **args)
{
        struct target target;
        char number[16], argument[16];
        size_t n = 0;

        (void)snprintf(argument, sizeof(argument), "%d", N_FAULTS);
        target_start(&target, "anon", "flood", argument);
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        while (args[n])
                n++;
        args[n] = "-p";
        args[n + 1] = number;
        args[n + 2] = NULL;
        client_start(client, args);
        (void)client_wait_for(client, "attached");
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        CHECK(client_stop(client) == 0, "the client failed");
        CHECK(target_finish(&target) == 0, "the target failed");
        CHECK(client->n_faults == 0, "fault lines");
}

static void check_delivered(const struct client *client)
{
        const json_t *ledger = json_object_get(client_find(client, "end"), "ledger");

        CHECK(number_of(ledger, "kernel") == N_FAULTS && number_of(ledger, "delivered") == N_FAULTS, "the ledger: %s",
              json_dumps(ledger, 0));
}

/* --- faultline flame --- */

static char *flame_of_flood(const char *name, const char *option)
{
        const char *args[8] = {"flame", "-o", name, option};
        char pattern[128];
        struct client client;
        struct stat status;
        glob_t found;

        trace_flood(&client, args);
        check_delivered(&client);
        client_free(&client);
        CHECK(stat(name, &status) == 0 && (status.st_mode & 0777) == 0640, "mode %o", status.st_mode & 0777);
        (void)snprintf(pattern, sizeof(pattern), "%s.*", name);
        CHECK(glob(pattern, 0, NULL, &found) == GLOB_NOMATCH, "something was left behind: %s", found.gl_pathv[0]);
        return read_file(name);
}

static void check_line(const char *text, uint64_t weight)
{
        static const char begin[] = "target_anon;";
        char end[128];
        size_t n = strlen(text), n_end;

        (void)snprintf(end, sizeof(end), STACK_END "%" PRIu64 "\n", weight);
        n_end = strlen(end);
        CHECK(strncmp(text, begin, strlen(begin)) == 0, "not the target's: %s", text);
        CHECK(n > n_end && strcmp(text + n - n_end, end) == 0, "it does not end in %s: %s", end, text);
        CHECK(strchr(text, '\n') == text + n - 1, "more than one line: %s", text);
}

static void test_folded(void)
{
        char name[64];
        char *text;

        (void)umask(027);
        make_name(name, sizeof(name), ".folded");
        text = flame_of_flood(name, NULL);
        check_line(text, N_FAULTS);
        free(text);
        text = flame_of_flood(name, "--weight=bytes"); /* replaces the file */
        check_line(text, (uint64_t)N_FAULTS * PAGE_BYTES);
        free(text);
        (void)unlink(name);
}

/* Runs faultline to its end; what it wrote to standard output is returned. */
static char *run(const char *const *args, int expected_status, char **ret_errors)
{
        const char *argv[MAX_ARGS] = {FAULTLINE_PATH};
        CLEANUP_FREE char *out = NULL;
        struct child child;
        size_t n_out;
        FILE *to;
        int status;

        for (size_t i = 0; args[i]; i++)
                argv[i + 1] = args[i];
        child_start(&child, argv, &(struct child_options){.dies_with_us = true});
        to = open_memstream(&out, &n_out);
        CHECK(to, "no memory");
        for (const char *line; (line = lines_next(&child.out));)
                (void)fprintf(to, "%s\n", line);
        (void)fclose(to);
        status = child_wait(&child);
        *ret_errors = child_errors(&child);
        CHECK(status == expected_status, "exit status %d instead of %d: %s", status, expected_status, *ret_errors);
        child_close(&child);
        return TAKE_PTR(out);
}

static void refuse_file(const char *name, const char *reason)
{
        const char *args[] = {"flame", "--private", "-o", name, "--", "echo", "ran", NULL};
        CLEANUP_FREE char *errors = NULL;
        CLEANUP_FREE char *out = run(args, 1, &errors);
        char expected[256];

        (void)snprintf(expected, sizeof(expected), "faultline: cannot write '%s': %s\n", name, reason);
        CHECK(*out == '\0', "the command was run: %s", out);
        CHECK(strcmp(errors, expected) == 0, "said: %s", errors);
}

/* Nothing is run when it is clear that the result could not be kept. */
static void test_errors(void)
{
        char name[64];

        refuse_file("./no-such-folder/f.svg", "No such file or directory");
        make_name(name, sizeof(name), ".svg");
        CHECK(mkdir(name, 0700) == 0, "mkdir: %s", strerror(errno));
        refuse_file(name, "Is a directory");
        (void)rmdir(name);
}

/* --- faultline stat --- */

static json_t *only_group(const struct client *client)
{
        json_t *group = client_find(client, "group");

        CHECK(group && client_n(client, "group") == 1, "%zu groups", client_n(client, "group"));
        CHECK(number_of(group, "count") == N_FAULTS, "%s", json_dumps(group, 0));
        CHECK(number_of(group, "bytes") == (uint64_t)N_FAULTS * PAGE_BYTES, "%s", json_dumps(group, 0));
        CHECK(number_of(group, "time_ns") >= number_of(group, "max_ns"), "%s", json_dumps(group, 0));
        return group;
}

static void test_stat_stack(void)
{
        const char *args[8] = {"stat", "--by=stack"};
        struct client client;
        const json_t *stack;

        trace_flood(&client, args);
        check_delivered(&client);
        stack = json_object_get(only_group(&client), "stack");
        CHECK(strcmp(text_of(json_array_get(stack, 0), "symbol"), "touch_write") == 0, "%s", json_dumps(stack, 0));
        CHECK(strcmp(text_of(json_array_get(stack, 2), "symbol"), "flood") == 0, "%s", json_dumps(stack, 0));
        CHECK(!json_object_get(json_array_get(stack, 0), "addr"), "%s", json_dumps(stack, 0));
        client_free(&client);
}

static void test_stat_key(const char *option, const char *key)
{
        const char *args[8] = {"stat", option};
        struct client client;

        trace_flood(&client, args);
        check_delivered(&client);
        CHECK(strcmp(text_of(only_group(&client), "key"), key) == 0, "%s: %s", option,
              json_dumps(only_group(&client), 0));
        client_free(&client);
}

/* For people: every fault is in a row, or in that of the groups left out, and the last one is their sum. */
static void test_stat_text(void)
{
        static const char *const args[] = {"stat", "--private", "--by=cause", "--top=1", "--", "true", NULL};
        CLEANUP_FREE char *errors = NULL;
        CLEANUP_FREE char *out = run(args, 0, &errors);
        char title[256], more[256], all[256];
        uint64_t n_first, n_more, n_all, n_groups, n_others;
        const char *delivered = strstr(errors, "= delivered");

        CHECK(sscanf(out, " %255[^\n] %" SCNu64 "%*[^\n] %" SCNu64 "%255[^\n] %" SCNu64 "%255[^\n]", title, &n_first,
                     &n_more, more, &n_all, all) == 6,
              "the table: %s", out);
        CHECK(strcmp(title, "COUNT       %          BYTES       TIME-US      P50-US      P99-US      MAX-US  CAUSE") ==
                      0,
              "title %s", title);
        CHECK(delivered && strtoull(delivered + strlen("= delivered"), NULL, 10) == n_all, "%s%s", out, errors);
        CHECK(n_first > 0 && n_more > 0 && n_first + n_more == n_all, "%s", out);
        CHECK(sscanf(strstr(all, "all, in ") ? strstr(all, "all, in ") : "", "all, in %" SCNu64 " groups", &n_groups) ==
                      1,
              "the last row: %s", all);
        CHECK(strstr(more, " more"), "the row before: %s", more);
        n_others = strtoull(strstr(more, " more") - 1, NULL, 10);
        CHECK(n_others + 1 == n_groups, "%" PRIu64 " others: %s", n_others, more);
}

static void test_stat(void)
{
        test_stat_stack();
        test_stat_key("--by=cause", "zero-fill");
        test_stat_key("--by=code", "target_anon/touch_write");
        test_stat_text();
}

/* --- in a browser --- */

static void add_path(struct flame *flame, const char *const *names, uint64_t weight)
{
        uint32_t node = FLAME_ROOT;

        for (size_t i = 0; names[i]; i++)
                CHECK(flame_child(flame, node, i ? FRAME_USER : FRAME_OTHER, names[i], strlen(names[i]), &node) == 0,
                      "no memory");
        flame_add(flame, node, weight);
}

static void write_svg(const char *name, struct flame *flame)
{
        const struct flame_svg_options options = {.title = "</title><script>window.harm = 1</script>", .n_title = 40};
        CLEANUP_TEXT struct text text = {0};
        FILE *file = fopen(name, "we");

        CHECK(flame_finish(flame) == 0, "no memory");
        flame_put_svg(flame, &options, &text);
        CHECK(file && !text.failed && fwrite(text.data, 1, text.n_bytes, file) == text.n_bytes && fclose(file) == 0,
              "writing %s: %s", name, strerror(errno));
        flame_free(flame);
}

/* What stands in the report of the probe; freed by the caller. */
static char *probe(const char *html, const char *name)
{
        static const char begin[] = "<pre id=\"report\">";
        char profile[64], profile_option[128], address[8192], folder[4096];
        const char *argv[] = {"chromium",
                              "--headless",
                              "--no-sandbox",
                              "--disable-gpu",
                              "--disable-dev-shm-usage",
                              profile_option,
                              "--allow-file-access-from-files",
                              "--dump-dom",
                              address,
                              NULL};
        const char *removal[] = {"rm", "-r", profile, NULL};
        CLEANUP_FREE char *dom = NULL;
        struct child browser, rm;
        char *at, *end;
        size_t n_dom;
        FILE *to;

        harness_doing("waiting for the browser");
        make_name(profile, sizeof(profile), "-profile");
        CHECK(getcwd(folder, sizeof(folder)), "getcwd: %s", strerror(errno));
        (void)snprintf(profile_option, sizeof(profile_option), "--user-data-dir=%s", profile);
        (void)snprintf(address, sizeof(address), "file://%s#file://%s/%s", html, folder, name);
        child_start(&browser, argv, &(struct child_options){.dies_with_us = true});
        to = open_memstream(&dom, &n_dom);
        CHECK(to, "no memory");
        for (const char *line; (line = lines_next(&browser.out));)
                (void)fprintf(to, "%s\n", line);
        (void)fclose(to);
        CHECK(child_wait(&browser) == 0, "the browser failed: %s", child_errors(&browser));
        child_close(&browser);
        child_start(&rm, removal, NULL);
        (void)child_wait(&rm);
        child_close(&rm);
        at = strstr(dom, begin);
        end = at ? strstr(at, "</pre>") : NULL;
        CHECK(end, "no report: %s", dom);
        return strndup(at + strlen(begin), (size_t)(end - at) - strlen(begin));
}

static void expect_report(const char *html, const char *name, const char *expected)
{
        CLEANUP_FREE char *report = probe(html, name);

        CHECK(strcmp(report, expected) == 0, "the browser saw:\n%s\ninstead of:\n%s", report, expected);
        (void)unlink(name);
}

/* 100 faults: main has 80, of which wide 60 and narrow 2, one of them in leaf. */
static void test_clicks(const char *html)
{
        static const char *const wide[] = {"app", "main", "wide", NULL}, *const main_[] = {"app", "main", NULL},
                                 *const narrow[] = {"app", "main", "narrow_with_a_long_name", NULL},
                                 *const leaf[] = {"app", "main", "narrow_with_a_long_name", "leaf", NULL},
                                 *const other[] = {"other", "start", NULL};
        struct flame flame = {0};
        char name[64];

        add_path(&flame, wide, 60);
        add_path(&flame, main_, 18);
        add_path(&flame, narrow, 1);
        add_path(&flame, leaf, 1);
        add_path(&flame, other, 20);
        make_name(name, sizeof(name), ".svg");
        write_svg(name, &flame);
        expect_report(
                html, name,
                "frames=8\n"
                "names=[\"all\",\"app\",\"main\",\"narrow_with_a_long_name\",\"leaf\",\"wide\",\"other\",\"start\"]\n"
                "scripts=1\n"
                "foreign=0\n"
                "handlers=0\n"
                "harm=none\n"
                "search shown=true\n"
                "reset shown=false\n"
                "hover=wide: 60 faults, 60.00 %\n"
                "cut=\"\"\n"
                "zoomed=all,app,main,narrow_with_a_long_name,leaf\n"
                "zoomed box=10.00+1180.00\n"
                "zoomed text=narrow_with_a_long_name\n"
                "zoomed child=10.00+590.00\n"
                "outer box=10.00+1180.00\n"
                "outer=all,app,main\n"
                "reset shown=true\n"
                "restored=true\n"
                "reset shown=false\n"
                "main box=10.00+1180.00\n"
                "main left=39.50+885.00\n"
                "main right=10.00+29.50\n"
                "restored=true\n"
                "matches=wide\n"
                "matched=1 frame matches, 60.00 % of all\n"
                "matches=app,main,narrow_with_a_long_name,leaf,start\n"
                "matched=5 frames match, 100.00 % of all\n"
                "matched=0 frames match, 0.00 % of all\n"
                "focus=word\n"
                "matched=\n"
                "restored=true\n"
                "ArrowDown=app\n"
                "ArrowRight=other\n"
                "ArrowLeft=app\n"
                "ArrowDown=main\n"
                "ArrowDown=narrow_with_a_long_name\n"
                "ArrowRight=wide\n"
                "ArrowUp=main\n"
                "zoomed=all,app,main,narrow_with_a_long_name,leaf,wide\n"
                "done=true\n");
}

/* Names that would like to be more than names. */
static void test_hostile_names(const char *html)
{
        static const char *const names[][2] = {
                {"]]>", NULL},
                {"</title></g><script>parent.harm = window.harm = 1</script>", NULL},
                {"\" onload=\"window.harm=1", NULL},
                {"' onclick='window.harm=1", NULL},
                {"<image href=\"x\" onerror=\"window.harm=1\"/>", NULL},
                {"&lt;b&gt;\x1b\n\xff", NULL},
                {"\xef\xbf\xbf", NULL},
        };
        struct flame flame = {0};
        char name[64];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                add_path(&flame, names[i], 1);
        make_name(name, sizeof(name), ".svg");
        write_svg(name, &flame);
        expect_report(html, name,
                      "frames=8\n"
                      "names=[\"all\",\"\\\" onload=\\\"window.harm=1\",\"&amp;lt;b&amp;gt;\\\\x1b\\\\x0a\\\\xff\","
                      "\"' onclick='window.harm=1\","
                      "\"&lt;/title&gt;&lt;/g&gt;&lt;script&gt;parent.harm = window.harm = 1&lt;/script&gt;\","
                      "\"&lt;image href=\\\"x\\\" onerror=\\\"window.harm=1\\\"/&gt;\",\"]]&gt;\",\"\xef\xbf\xbd\"]\n"
                      "scripts=1\n"
                      "foreign=0\n"
                      "handlers=0\n"
                      "harm=none\n"
                      "search shown=true\n"
                      "done=true\n");
}

/* From the kernel to the picture. */
static void test_real(const char *html)
{
        CLEANUP_FREE char *text = NULL, *report = NULL;
        char name[64];

        harness_need_full();
        (void)umask(027);
        make_name(name, sizeof(name), ".svg");
        text = flame_of_flood(name, NULL);
        report = probe(html, name);
        CHECK(strstr(report, "\"target_anon\"") && strstr(report, "\"touch_write\"]\n") &&
                      strstr(report, "harm=none\n"),
              "the browser saw:\n%s", report);
        (void)unlink(name);
}

static void test_browser(const char *html)
{
        CHECK(html, "usage: flame browser PROBE.html");
        harness_need_program("chromium");
        test_clicks(html);
        test_hostile_names(html);
        test_real(html);
}

int main(int argc, char **argv)
{
        CHECK(argc >= 2, "usage: flame folded|stat|errors|browser [PROBE.html]");
        harness_begin(80);
        if (strcmp(argv[1], "browser") == 0) {
                test_browser(argv[2]);
                return 0;
        }
        harness_need_full();
        if (strcmp(argv[1], "folded") == 0)
                test_folded();
        else if (strcmp(argv[1], "stat") == 0)
                test_stat();
        else if (strcmp(argv[1], "errors") == 0)
                test_errors();
        else
                fail("unknown case %s", argv[1]);
        return 0;
}
