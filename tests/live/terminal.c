/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "faultline top" on a real terminal: a shell in tmux(1), whose keys are typed and whose screen is read. What is waited
 * for is a text on the screen or a flag of the terminal; what never comes ends the test by its alarm.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/live/terminal_keys.h"
#include "tests/support/harness.h"
#include "tests/support/tmux.h"

#define SHOWN "? help" /* stands on the last line of the screen */

/* --- faultline in it --- */

/* A command of the whole screen, until it shows itself. environment: assignments before it. */
static void start_screen(const char *environment, const char *command, const char *arguments)
{
        char line[1024];

        terminal_run_line(":"); /* nothing of another run is left */
        (void)snprintf(line, sizeof(line), "clear; %s " FAULTLINE_PATH " %s --private %s; echo over''=$?", environment,
                       command, arguments);
        terminal_type_line(line);
        terminal_await(SHOWN);
}

static void start_top(const char *environment, const char *arguments)
{
        start_screen(environment, "top", arguments);
}

static void start_top_on(const char *environment, pid_t pid, const char *options)
{
        char arguments[128];

        (void)snprintf(arguments, sizeof(arguments), "-p %d %s", (int)pid, options);
        start_top(environment, arguments);
}

static pid_t top_pid(void)
{
        CLEANUP_FREE char *shell = tmux("display-message", "-p", "#{pane_pid}", NULL);
        pid_t pid = process_child((pid_t)strtol(shell, NULL, 10));

        CHECK(pid > 0, "the shell has no child");
        return pid;
}

static char *terminal_modes(const char *file)
{
        char line[128], *text = NULL;
        size_t size = 0;
        FILE *f;

        (void)snprintf(line, sizeof(line), "stty -g > %s", file);
        terminal_run_line(line);
        f = fopen(file, "re");
        CHECK(f && getline(&text, &size, f) > 0, "stty wrote nothing: %s", strerror(errno));
        (void)fclose(f);
        (void)unlink(file);
        return text;
}

static char *modes_before, modes_file[64];

static void note_modes(void)
{
        (void)snprintf(modes_file, sizeof(modes_file), "modes-%d", (int)getpid());
        modes_before = terminal_modes(modes_file);
}

/* The terminal is what it was before faultline took it. */
static void check_given_back(void)
{
        CLEANUP_FREE char *modes = NULL;

        terminal_await_flag("#{alternate_on}", 0);
        CHECK(terminal_flag("#{cursor_flag}") == 1, "the cursor is hidden");
        CHECK(terminal_flag("#{mouse_any_flag}") == 0, "the mouse is still reported");
        CHECK(terminal_flag("#{keypad_cursor_flag}") == 0 && terminal_flag("#{keypad_flag}") == 0,
              "the keypad still sends other bytes");
        modes = terminal_modes(modes_file);
        CHECK(strcmp(modes, modes_before) == 0, "its modes are %snot %s", modes, modes_before);
}

static struct target target;

/* A target that has done its faults under our eyes, and waits. */
static void start_watching(const char *environment, const char *options)
{
        target_start(&target, "anon", "zero-fill", NULL);
        start_top_on(environment, target.pid, options);
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        terminal_await("so far: 64");
}

/* --- cases --- */

static void test_quit(void)
{
        terminal_start("");
        note_modes();
        start_watching("", "");
        CHECK(terminal_flag("#{alternate_on}") == 1, "it does not use the alternate screen");
        CHECK(terminal_flag("#{cursor_flag}") == 0, "the cursor is shown");
        CHECK(terminal_flag("#{mouse_any_flag}") == 1, "the mouse is not asked for");
        terminal_press("q");
        terminal_await("over=0");
        terminal_await("complete: every fault was shown");
        check_given_back();
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* maps --live begins with the picture of the address space; from there on it is top. */
static void test_maps_live(void)
{
        char pid[16];

        terminal_start("");
        note_modes();
        target_start(&target, "anon", "zero-fill", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        start_screen("", "maps --live", pid);
        terminal_await("PERM");
        terminal_press("+");
        terminal_await("page 0 of");
        terminal_press("BSpace");
        terminal_await("PERM");
        terminal_press("a");
        terminal_await("rate/s");
        terminal_press("q");
        terminal_await("over=0");
        check_given_back();
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* The trace ends before the user leaves. */
static void test_end_of_target(void)
{
        terminal_start("");
        note_modes();
        start_watching("", "");
        CHECK(target_finish(&target) == 0, "the target failed");
        terminal_await("exited");
        terminal_press("?");
        terminal_await("group by map");
        terminal_press("Q");
        terminal_await("over=0");
        check_given_back();
}

static void test_interrupt(void)
{
        terminal_start("");
        note_modes();
        start_watching("", "");
        terminal_press("C-s"); /* stops no output */
        terminal_press("C-c");
        terminal_await("over=0");
        terminal_await("complete: every fault was shown");
        check_given_back();
}

static void test_signals(void)
{
        static const struct {
                int signal;
                const char *status;
        } signals[] = {
                {SIGTERM, "over=0"},   {SIGHUP, "over=0"},   {SIGINT, "over=0"},    {SIGSEGV, "over=139"},
                {SIGABRT, "over=134"}, {SIGBUS, "over=135"}, {SIGQUIT, "over=131"},
        };

        terminal_start("");
        terminal_run_line("ulimit -c 0");
        note_modes();
        start_watching("", "");
        terminal_press("q");
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
                start_top_on("", target.pid, "");
                CHECK(kill(top_pid(), signals[i].signal) == 0, "faultline has gone");
                terminal_await(signals[i].status);
                check_given_back();
        }
}

static void test_stopped_and_continued(void)
{
        terminal_start("");
        note_modes();
        start_watching("", "");
        terminal_press("C-z");
        terminal_await("Stopped");
        check_given_back();
        terminal_type_line("fg");
        terminal_await(SHOWN);
        CHECK(terminal_flag("#{alternate_on}") == 1 && terminal_flag("#{cursor_flag}") == 0,
              "the terminal was not taken again");
        terminal_press("?");
        terminal_await("group by map");
        terminal_press("?");
        terminal_await_no("group by map");
        CHECK(kill(top_pid(), SIGSTOP) == 0, "faultline has gone"); /* leaves the terminal as it is */
        terminal_await("Stopped");
        terminal_type_line("clear; fg; echo over''=$?");
        terminal_await("so far: 64");
        terminal_press("q");
        terminal_await("over=0");
        check_given_back();
}

static void await_last_line(unsigned int width, unsigned int height)
{
        terminal_doing("waiting for the screen to fill %u x %u", width, height);
        for (;; terminal_look_again()) {
                CLEANUP_FREE char *shown = terminal_screen();
                const char *line = shown;
                size_t n_lines = 0;

                for (const char *p = shown; *p; p++)
                        if (*p == '\n' && ++n_lines < height)
                                line = p + 1;
                if (n_lines == height && strncmp(line, SHOWN, strlen(SHOWN)) == 0)
                        return;
        }
}

static void test_resize(void)
{
        static const struct {
                const char *width, *height;
        } sizes[] = {{"132", "43"}, {"60", "12"}, {"200", "24"}, {"40", "9"}, {"80", "24"}};

        terminal_start("");
        note_modes();
        start_watching("", "");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                free(tmux("resize-window", "-x", sizes[i].width, "-y", sizes[i].height, NULL));
                await_last_line((unsigned int)strtoul(sizes[i].width, NULL, 10),
                                (unsigned int)strtoul(sizes[i].height, NULL, 10));
        }
        free(tmux("resize-window", "-x", "2", "-y", "1", NULL));
        free(tmux("resize-window", "-x", "100", "-y", "30", NULL));
        await_last_line(100, 30);
        terminal_press("q");
        terminal_await("over=0");
        check_given_back();
}

static void test_refused(void)
{
        static const struct {
                const char *line, *text;
        } cases[] = {
                {"TERM=dumb " FAULTLINE_PATH " top -p 1", "TERM is dumb"},
                {"env -u TERM " FAULTLINE_PATH " top -p 1", "TERM is not set"},
                {"TERM=no-such-type " FAULTLINE_PATH " top -p 1", "TERM=no-such-type"},
                {"(" FAULTLINE_PATH " top -p 1; echo status=$?) | cat", "standard output is not a terminal"},
                {FAULTLINE_PATH " maps --live 1 > /dev/null", "standard output is not a terminal"},
                {FAULTLINE_PATH " top --private -p 999999999", "there is no such process"},
        };

        terminal_start("");
        free(tmux("resize-window", "-x", "200", "-y", "30", NULL)); /* lines do not wrap */
        note_modes();
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_FREE char *shown = NULL;

                terminal_run_line(cases[i].line);
                shown = terminal_screen();
                CHECK(strstr(shown, cases[i].text), "%s says: %s", cases[i].line, shown);
                CHECK(strstr(shown, strstr(cases[i].line, "| cat") ? "status=1" : "over=1"), "%s: %s", cases[i].line,
                      shown);
                CHECK(i + 1 == ARRAY_SIZE(cases) || strstr(shown, "faultline stat"), "no way out is named: %s", shown);
                check_given_back();
        }
}

/* Some colour of the foreground is set: ECMA-48, SGR 30 to 37 and 38. */
static bool has_colors(const char *shown)
{
        for (const char *p = shown; (p = strstr(p, "\033[")); p++)
                for (const char *q = p + 2; *q == ';' || (*q >= '0' && *q <= '9'); q++)
                        if ((q[-1] == '[' || q[-1] == ';') && q[0] == '3' && q[1] >= '0' && q[1] <= '8')
                                return true;
        return false;
}

static void test_colors(void)
{
        static const struct {
                const char *environment, *options;
                bool colors, many;
        } cases[] = {
                {"", "", true, false}, /* tmux says TERM=screen: eight */
                {"TERM=screen-256color", "", true, true},
                {"TERM=xterm", "", true, false},
                {"TERM=vt100", "", false, false},
                {"NO_COLOR=1", "", false, false},
                {"NO_COLOR=", "", true, false},
                {"NO_COLOR=1", "--color=always", true, false},
                {"", "--color=never", false, false},
        };

        terminal_start("TERM=screen");
        start_watching("", "");
        terminal_press("q");
        terminal_await("over=0");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CLEANUP_FREE char *shown = NULL;

                start_top_on(cases[i].environment, target.pid, cases[i].options);
                terminal_press("?"); /* titles, whatever the faults are */
                terminal_press("?");
                terminal_press("h");
                terminal_press("a");
                terminal_await("free");
                terminal_press("a");
                terminal_await_no("free");
                shown = terminal_styles();
                CHECK(has_colors(shown) == cases[i].colors, "%s %s: %s", cases[i].environment, cases[i].options, shown);
                CHECK((strstr(shown, "38;5;") != NULL) == cases[i].many, "%s: %s", cases[i].environment, shown);
                terminal_press("q");
                terminal_await("over=0");
        }
}

static void check_ascii(const char *shown)
{
        for (const char *p = shown; *p; p++)
                CHECK(*p == '\n' || (*p >= ' ' && *p <= '~'), "byte 0x%02x on the screen: %s", (unsigned char)*p,
                      shown);
}

static void test_ascii(void)
{
        static const char *const keys[] = {"?", "?", "a", "a", "d", "Escape", "n", "n", "h", "h"};

        terminal_start("");
        start_watching("LC_ALL=C", "");
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                CLEANUP_FREE char *shown = NULL;

                terminal_press(keys[i]);
                terminal_await(SHOWN);
                shown = terminal_screen();
                check_ascii(shown);
        }
        terminal_press("q");
        terminal_await("over=0");
}

/* A command whose name would colour the terminal, end a line and close a string. */
static void test_hostile_names(void)
{
        CLEANUP_FREE char *shown = NULL, *plain = NULL;

        terminal_start("");
        note_modes();
        target_start(&target, "anon", "hostile-name", NULL);
        start_top_on("NO_COLOR=1", target.pid, "");
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        terminal_await("so far: 64");
        terminal_press("7");
        terminal_await("\\x1b[31m");
        shown = terminal_styles();
        CHECK(!has_colors(shown), "a name has coloured the terminal: %s", shown);
        terminal_press("q");
        terminal_await("over=0");
        plain = terminal_styles();
        CHECK(!has_colors(plain), "a name has coloured the terminal: %s", plain);
        check_given_back();
}

/* What a command writes is kept from the screen and comes when that has gone; it does not get the keys. */
static void test_command(void)
{
        CLEANUP_FREE char *shown = NULL;

        terminal_start("");
        note_modes();
        start_top("", "-- sh -c 'echo spoken; echo complained >&2; cat; exit 7'");
        terminal_await("exited");
        shown = terminal_screen();
        CHECK(!strstr(shown, "spoken") && !strstr(shown, "complained"), "the command wrote on the screen: %s", shown);
        terminal_press("q");
        terminal_await("over=7");
        terminal_await("spoken");
        terminal_await("complained");
        terminal_await("complete: every fault was shown");
        check_given_back();
}

/* More than is kept, in lines: the last ones come, and how much is missing is said. */
static void test_talkative_command(void)
{
        terminal_start("");
        start_top("", "-- sh -c 'yes 0123456789abcde | head -n 1000000; echo last' 2>&1");
        terminal_await("exited");
        terminal_press("q");
        terminal_await("over=0");
        terminal_await("last");
        terminal_await("bytes of output of the command are left out");
}

static void test_command_runs_on(void)
{
        terminal_start("");
        note_modes();
        start_top("", "-- sh -c 'trap \"echo interrupted; exit 3\" INT; while :; do sleep 0.1; done'");
        terminal_press("q");
        terminal_await("the command runs on");
        terminal_press("C-c");
        terminal_await("over=3");
        terminal_await("interrupted");
        check_given_back();
}

/* The terminal goes away: nobody is left who could quit. */
static void test_terminal_vanishes(void)
{
        pid_t pid;

        terminal_start("");
        start_watching("", "");
        pid = top_pid();
        free(tmux("respawn-pane", "-k", "sh", NULL));
        harness_doing("waiting for faultline to notice that its terminal has gone");
        while (process_state(pid))
                terminal_look_again();
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_keys(void)
{
        static const char arguments[] = "-f -- sh -c 'sleep 1000 | sleep 1000'";

        terminal_start("TERM=screen");
        free(tmux("resize-window", "-x", "100", "-y", "50", NULL));
        start_top("NO_COLOR=1", arguments);
        for (size_t i = 0; i < n_key_steps; i++) {
                if (key_steps[i].keys[0] && strcmp(key_steps[i].keys[0], KEY_AGAIN) == 0)
                        start_top("NO_COLOR=1", arguments);
                else
                        key_step_do(&key_steps[i]);
        }
        key_steps_check_complete();
}

int main(int argc, char **argv)
{
        static const struct test_case cases[] = {
                {"keys", test_keys},
                {"quit", test_quit},
                {"maps-live", test_maps_live},
                {"end-of-target", test_end_of_target},
                {"interrupt", test_interrupt},
                {"signals", test_signals},
                {"stopped", test_stopped_and_continued},
                {"resize", test_resize},
                {"refused", test_refused},
                {"colors", test_colors},
                {"ascii", test_ascii},
                {"hostile-names", test_hostile_names},
                {"command", test_command},
                {"talkative-command", test_talkative_command},
                {"command-runs-on", test_command_runs_on},
                {"vanishes", test_terminal_vanishes},
        };

        CHECK(argc == 2, "usage: live_terminal CASE");
        harness_begin(50);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
