/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * churn [--cycles N] [--kills N] [--seed S]: attach to targets that check themselves and let go of them again, in every
 * mode and several at a time, while clients, tracers, engines and the monitor are killed at random moments. What counts
 * is what the targets say in the end: none killed, stopped or changed, no signal lost or doubled.
 *
 * A cycle is one client. It ends by an interrupt, or by a kill of one of the four kinds at some moment of its life;
 * with the monitor all clients of the moment end. Whatever the killed left behind is ours (PR_SET_CHILD_SUBREAPER), and
 * has to end by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define N_SLOTS 4
#define MAX_AFTER_ATTACH_NS (30 * NSEC_PER_MSEC)
#define MAX_AFTER_START_NS (120 * NSEC_PER_MSEC)
#define RETRY_NS NSEC_PER_MSEC
#define MAX_TRIES 500
#define N_ENGINES_SPARED 5
#define ENGINES_WITHIN_NS (11 * NSEC_PER_SEC) /* the daemon says 10, from the moments when it noticed */

static const char *const variants[] = {"running",  "sleeping", "stopped", "threads",  "forking",
                                       "vforking", "execing",  "signals", "repairing"};
#define N_TARGETS ARRAY_SIZE(variants)
static const char *const modes[] = {"hold", "light", "off", NULL /* the automatic choice */};
#define N_MODES ARRAY_SIZE(modes)

enum ending { END_INTERRUPT, END_KILL_CLIENT, END_KILL_TRACER, END_KILL_ENGINE, END_KILL_MONITOR, N_ENDINGS };
static const char *const endings[] = {"interrupted", "client", "tracer", "engine", "monitor"};

struct slot {
        struct child child;
        bool busy, attached, interrupted, was_killed;
        size_t n_tries;
        enum ending ending;
        size_t target;
        uint64_t due_ns;      /* of the ending; 0 = once attached */
        uint64_t disturbance; /* n_disturbances when it started */
};

static struct daemon daemon_process;
static struct target targets[N_TARGETS];
static struct slot slots[N_SLOTS];
static size_t n_cycles, n_kills, n_started, n_done, n_excused;
static size_t n_of_mode[N_MODES], n_ended[N_ENDINGS];
static uint64_t n_disturbances; /* a client that lived through one may have failed for it: see disturbs() */
static uint64_t random_state;
static bool restart_due;

static uint64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t random_below(uint64_t n)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (random_state >> 11) % n;
}

/* --- a client's life --- */

static size_t n_killed(void)
{
        size_t n = 0;

        for (size_t i = END_KILL_CLIENT; i < N_ENDINGS; i++)
                n += n_ended[i];
        return n;
}

/* Kills done and to come. One whose client ends before it does not count. */
static size_t n_kills_planned(void)
{
        size_t n = n_killed();

        for (size_t i = 0; i < N_SLOTS; i++)
                n += slots[i].busy && !slots[i].interrupted && !slots[i].was_killed && slots[i].ending != END_INTERRUPT;
        return n;
}

static bool is_more_to_do(void)
{
        return n_started < n_cycles || n_kills_planned() < n_kills;
}

static enum ending choose_ending(void)
{
        static const enum ending kinds[] = {END_KILL_CLIENT, END_KILL_CLIENT, END_KILL_CLIENT, END_KILL_TRACER,
                                            END_KILL_TRACER, END_KILL_TRACER, END_KILL_ENGINE, END_KILL_ENGINE,
                                            END_KILL_ENGINE, END_KILL_MONITOR};

        /* As many as were asked for, spread over all cycles. */
        if (n_kills_planned() * n_cycles >= n_kills * (n_started + 1))
                return END_INTERRUPT;
        return kinds[random_below(ARRAY_SIZE(kinds))];
}

static void slot_start(struct slot *slot)
{
        CLEANUP_FREE char *socket_option = daemon_option(&daemon_process);
        char mode_option[32], pid[16];
        const char *argv[12] = {FAULTLINE_PATH, "--format=json", "--outcome=failed", socket_option, "-p", pid};
        size_t n = 6, mode = random_below(N_MODES);
        bool early;

        memset(slot, 0, sizeof(*slot));
        slot->busy = true;
        slot->ending = choose_ending();
        slot->target = random_below(N_TARGETS);
        slot->disturbance = n_disturbances;
        early = slot->ending != END_INTERRUPT && random_below(2) == 0;
        if (early)
                slot->due_ns = now_ns() + random_below(MAX_AFTER_START_NS);
        (void)snprintf(pid, sizeof(pid), "%d", (int)targets[slot->target].pid);
        (void)snprintf(mode_option, sizeof(mode_option), "--ptrace=%s", modes[mode] ? modes[mode] : "");
        if (modes[mode])
                argv[n++] = mode_option;
        if (random_below(4) == 0)
                argv[n++] = "--follow";
        n_of_mode[mode]++;
        n_started++;
        child_start(&slot->child, argv, &(struct child_options){.dies_with_us = true});
}

/* The client is gone. It has to have left well, unless we or what we did to its daemon ended it. */
static void slot_reap(struct slot *slot)
{
        int status = child_wait(&slot->child);

        child_check_sanitizers(&slot->child);
        if (status != 0 && !slot->was_killed) {
                CLEANUP_FREE char *errors = child_errors(&slot->child);

                CHECK(slot->disturbance != n_disturbances, "the client of %s left with %d: %s", variants[slot->target],
                      status, errors);
                n_excused++;
        }
        child_close(&slot->child);
        slot->busy = false;
        n_done++;
}

static void slot_interrupt(struct slot *slot)
{
        (void)kill(slot->child.pid, SIGINT);
        slot->interrupted = true;
}

/* What costs clients their trace: the monitor's death, and that of the sixth engine within a few seconds. */
static bool disturbs(enum ending ending)
{
        static uint64_t engines_ns[N_ENGINES_SPARED];
        static size_t n_engines;
        uint64_t *slot = &engines_ns[n_engines % N_ENGINES_SPARED], before_ns = *slot;

        if (ending != END_KILL_ENGINE)
                return ending == END_KILL_MONITOR;
        *slot = now_ns();
        n_engines++;
        return before_ns != 0 && *slot - before_ns < ENGINES_WITHIN_NS;
}

static bool kill_one(pid_t pid, enum ending ending)
{
        if (pid <= 0 || kill(pid, SIGKILL) < 0)
                return false;
        n_ended[ending]++;
        n_disturbances += disturbs(ending);
        return true;
}

/* Whoever is not there at this moment is waited for; who never comes is spared at the client's expense. */
static void slot_end(struct slot *slot)
{
        pid_t victim = 0;

        switch (slot->ending) {
        case END_INTERRUPT:
                n_ended[END_INTERRUPT]++;
                slot_interrupt(slot);
                return;
        case END_KILL_CLIENT:
                victim = slot->child.pid;
                slot->was_killed = true;
                break;
        case END_KILL_TRACER:
                victim = process_tracer(targets[slot->target].pid);
                if (victim == 0)
                        victim = process_child_named(daemon_process.child.pid, "faultlined-trc");
                break;
        case END_KILL_ENGINE:
                victim = process_child_named(daemon_process.child.pid, "faultlined-eng");
                break;
        default:
                victim = daemon_process.child.pid;
                restart_due = true;
        }
        if (!kill_one(victim, slot->ending)) {
                slot->due_ns = now_ns() + RETRY_NS;
                if (++slot->n_tries > MAX_TRIES)
                        slot->ending = END_KILL_CLIENT;
        } else if (slot->ending == END_KILL_TRACER || slot->ending == END_KILL_ENGINE) {
                slot->ending = END_INTERRUPT;
                slot->due_ns = now_ns() + random_below(MAX_AFTER_ATTACH_NS);
        } else
                slot->due_ns = UINT64_MAX;
}

static void slot_read(struct slot *slot)
{
        char *line;

        lines_fill(&slot->child.out);
        while ((line = lines_take(&slot->child.out)))
                if (!slot->attached && strstr(line, "\"type\":\"attached\"")) {
                        slot->attached = true;
                        if (slot->due_ns == 0)
                                slot->due_ns = now_ns() + random_below(MAX_AFTER_ATTACH_NS);
                }
        if (slot->child.out.eof)
                slot_reap(slot);
}

/* An interrupt is meant for a client that is attached; a kill comes when it comes. */
static bool is_due(const struct slot *slot, uint64_t now)
{
        if (!slot->busy || slot->interrupted || slot->due_ns == 0 || (slot->ending == END_INTERRUPT && !slot->attached))
                return false;
        return now >= slot->due_ns;
}

static void turn(void)
{
        struct pollfd fds[N_SLOTS];
        uint64_t now;

        for (size_t i = 0; i < N_SLOTS; i++) {
                if (!slots[i].busy && !restart_due && is_more_to_do())
                        slot_start(&slots[i]);
                fds[i] = (struct pollfd){.fd = slots[i].busy ? slots[i].child.out.fd : -1, .events = POLLIN};
        }
        (void)poll(fds, N_SLOTS, 1);
        for (size_t i = 0; i < N_SLOTS; i++)
                if (fds[i].revents)
                        slot_read(&slots[i]);
        now = now_ns();
        for (size_t i = 0; i < N_SLOTS; i++)
                if (is_due(&slots[i], now))
                        slot_end(&slots[i]);
}

static bool any_busy(void)
{
        for (size_t i = 0; i < N_SLOTS; i++)
                if (slots[i].busy)
                        return true;
        return false;
}

/* --- the daemon's --- */

/* What a killed monitor left behind ends by itself, and then nobody traces any target. */
static void await_orphans(void)
{
        pid_t pid;

        harness_doing("waiting for what the daemon left behind to end");
        while ((pid = process_child_named(getpid(), "faultlined")) > 0)
                CHECK(waitpid(pid, NULL, 0) == pid, "waitpid: %s", strerror(errno));
        for (size_t i = 0; i < N_TARGETS; i++)
                CHECK(process_tracer(targets[i].pid) == 0, "%s is traced by %d, though the daemon is gone", variants[i],
                      (int)process_tracer(targets[i].pid));
}

static void restart_daemon(void)
{
        harness_doing("waiting for the clients of a killed monitor to end");
        while (any_busy())
                turn();
        CHECK(child_wait(&daemon_process.child) == 128 + SIGKILL, "the monitor ended otherwise: %s",
              child_errors(&daemon_process.child));
        child_check_sanitizers(&daemon_process.child);
        child_close(&daemon_process.child);
        await_orphans();
        daemon_start(&daemon_process, NULL);
        restart_due = false;
        harness_doing("attaching and detaching");
}

/* --- the verdict --- */

struct figures {
        size_t n_killed, n_stopped, n_changed;
        uint64_t n_sent, n_lost, n_doubled, n_eintr, n_eintr_allowed;
};

/* Until it stops nobody: stopped by job control is one of the targets, and it alone. */
static bool is_stopped(size_t i)
{
        char state = process_state(targets[i].pid);

        return strcmp(variants[i], "stopped") != 0 && (state == 'T' || state == 't');
}

static void ask_target(size_t i, struct figures *figures)
{
        json_t *said;
        char *line;

        harness_doing(variants[i]);
        figures->n_stopped += is_stopped(i);
        child_release(&targets[i].child);
        line = lines_next(&targets[i].child.out);
        said = line ? json_loads(line, 0, NULL) : NULL;
        CHECK(said, "%s says: %s", variants[i], line ? line : "nothing");
        if (strcmp(text_of(said, "verdict"), "unchanged") != 0) {
                figures->n_changed++;
                (void)fprintf(stderr, "%s\n", line);
        }
        figures->n_killed += (number_of(said, "status") & 0x7f) != 0;
        figures->n_sent += number_of(said, "signals_sent");
        figures->n_lost += number_of(said, "signals_lost");
        figures->n_doubled += number_of(said, "signals_doubled");
        figures->n_eintr += number_of(said, "eintr");
        figures->n_eintr_allowed += number_of(said, "eintr_allowed");
        json_decref(said);
        (void)target_finish(&targets[i]);
}

static void print_figures(const struct figures *figures)
{
        printf("%zu cycles:", n_done);
        for (size_t i = 0; i < N_MODES; i++)
                printf(" %s %zu", modes[i] ? modes[i] : "auto", n_of_mode[i]);
        printf("\nkills:");
        for (size_t i = END_KILL_CLIENT; i < N_ENDINGS; i++)
                printf(" %s %zu", endings[i], n_ended[i]);
        printf("; clients that failed for one: %zu\n", n_excused);
        printf("%zu targets: killed %zu, stopped %zu, changed %zu\n", N_TARGETS, figures->n_killed, figures->n_stopped,
               figures->n_changed);
        printf("%" PRIu64 " signals: lost %" PRIu64 ", doubled %" PRIu64 "\n", figures->n_sent, figures->n_lost,
               figures->n_doubled);
        printf("EINTR: %" PRIu64 " where calls are restarted, %" PRIu64 " of epoll_wait\n", figures->n_eintr,
               figures->n_eintr_allowed);
}

static void parse(int argc, char **argv)
{
        static const struct option options[] = {{"cycles", required_argument, NULL, 'c'},
                                                {"kills", required_argument, NULL, 'k'},
                                                {"seed", required_argument, NULL, 's'},
                                                {"limit", required_argument, NULL, 'l'},
                                                {0}};
        unsigned int limit_seconds = 100;
        int c;

        n_cycles = 300;
        n_kills = 40;
        random_state = 1;
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        n_cycles = strtoul(optarg, NULL, 10);
                        break;
                case 'k':
                        n_kills = strtoul(optarg, NULL, 10);
                        break;
                case 's':
                        random_state = strtoull(optarg, NULL, 10) | 1;
                        break;
                case 'l':
                        limit_seconds = (unsigned int)strtoul(optarg, NULL, 10);
                        break;
                default:
                        fail("usage: churn [--cycles N] [--kills N] [--seed S] [--limit SECONDS]");
                }
        harness_begin(limit_seconds);
}

int main(int argc, char **argv)
{
        struct figures figures = {0};

        parse(argc, argv);
        harness_need_full();
        CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl: %s", strerror(errno));
        for (size_t i = 0; i < N_TARGETS; i++)
                target_start(&targets[i], "steadfast", variants[i], NULL);
        daemon_start(&daemon_process, NULL);
        harness_doing("attaching and detaching");
        while (is_more_to_do() || any_busy()) {
                turn();
                if (restart_due)
                        restart_daemon();
        }
        daemon_stop(&daemon_process);
        await_orphans();
        for (size_t i = 0; i < N_TARGETS; i++)
                ask_target(i, &figures);
        print_figures(&figures);
        CHECK(figures.n_killed + figures.n_stopped + figures.n_changed == 0 &&
                      figures.n_lost + figures.n_doubled + figures.n_eintr == 0,
              "a target was harmed");
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a process of ours is left");
        return 0;
}
