/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process table of the engine: whose a pid is, which memory is whose, what may be shown, when it is over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "daemon/engine/processes.h"

#define TARGET 100
#define CHILD 101
#define OTHER 102
#define NOW UINT64_C(1000000)
#define LATER (NOW + PROCESSES_WAIT_NS)
#define ADDR UINT64_C(0x10000)

static void setup(struct processes *processes, bool follows, bool is_trusted)
{
        processes_init(processes, follows, is_trusted);
        assert_int_equal(processes_add_target(processes, TARGET), 0);
        process_thread_born(processes->target);
}

static struct process *fork_child(struct processes *processes, pid_t pid, pid_t parent)
{
        struct process *process;

        assert_int_equal(processes_fork(processes, pid, parent, NOW, &process), 0);
        process_thread_born(process);
        return process;
}

static void map_range(struct process *process, uint64_t start, uint64_t end, int prot, uint64_t time_ns)
{
        struct record record = {.kind = RECORD_MAP,
                                .time_ns = time_ns,
                                .pid = process->pid,
                                .tid = process->pid,
                                .map = {.start = start,
                                        .len_bytes = end - start,
                                        .prot = (uint32_t)prot,
                                        .flags = MAP_PRIVATE,
                                        .path = "//anon",
                                        .n_path = strlen("//anon")}};

        process->has_mapped = true;
        assert_int_equal(addresses_record(process->addresses, &record), 0);
}

static void map_page(struct process *process, uint64_t time_ns)
{
        map_range(process, ADDR, ADDR + 4096, PROT_READ, time_ns);
}

static bool has_page(const struct process *process)
{
        return aspace_lookup(process->addresses->aspace, ADDR) != NULL;
}

static void answer(struct processes *processes, pid_t pid, int error)
{
        (void)processes_answer(processes, pid, error, -1, -1);
}

/* ---- without follow ---- */

static void test_one_process_is_everybody(void **state)
{
        struct processes processes;
        struct process *process;

        setup(&processes, false, false);
        assert_ptr_equal(processes_of(&processes, OTHER), processes.target);
        assert_int_equal(processes_get(&processes, OTHER, NOW, &process), 0);
        assert_ptr_equal(process, processes.target);
        assert_int_equal(process_shows(process, NOW, NOW), PROCESS_SHOWN);
        assert_false(processes_are_asked(&processes));
        processes_deinit(&processes);
}

static void test_target_is_never_swept_without_follow(void **state)
{
        struct processes processes;

        setup(&processes, false, false);
        process_thread_ended(processes.target, TARGET, NOW);
        processes.target->is_told = true;
        processes_sweep(&processes);
        assert_ptr_equal(processes.first, processes.target);
        processes_deinit(&processes);
}

/* ---- memory ---- */

static void test_fork_copies_memory(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        map_page(processes.target, NOW);
        child = fork_child(&processes, CHILD, TARGET);
        assert_ptr_not_equal(child->addresses, processes.target->addresses);
        assert_true(has_page(child));
        assert_false(child->is_unmapped);
        assert_int_equal(
                addresses_unmap(child->addresses,
                                &(struct record){.kind = RECORD_UNMAP, .time_ns = NOW, .unmap = {ADDR, 4096, 0}}),
                0);
        assert_false(has_page(child));
        assert_true(has_page(processes.target));
        processes_deinit(&processes);
}

static void test_shared_memory_is_one(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        child = fork_child(&processes, CHILD, TARGET);
        assert_false(process_is_threaded(child));
        process_share(child, processes.target);
        assert_ptr_equal(child->addresses, processes.target->addresses);
        assert_true(process_is_threaded(child));
        assert_true(process_is_threaded(processes.target));
        map_page(child, NOW);
        assert_true(has_page(processes.target));
        processes_deinit(&processes);
}

/* The child was taken for one with a copy, and what it mapped for its own. */
static void test_sharing_known_late(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        child = fork_child(&processes, CHILD, TARGET);
        map_page(child, NOW);
        assert_false(has_page(processes.target));
        process_share(child, processes.target);
        assert_true(has_page(processes.target));
        assert_false(child->is_unmapped);
        processes_deinit(&processes);
}

/* Whatever either has mapped is in both; where they contradict each other, /proc is asked which is newer. */
static void test_sharing_known_late_by_both(void **state)
{
        static const struct {
                uint64_t start, end; /* what the child maps; the parent has [2, 4) and [6, 7) pages from ADDR on */
                bool is_unmapped;
        } cases[] = {{0, 2, false}, {4, 6, false}, {7, 9, false}, {2, 4, true}, {3, 5, true},
                     {1, 3, true},  {0, 9, true},  {5, 8, true},  {0, 1, false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct processes processes;
                struct process *child;

                setup(&processes, true, false);
                map_range(processes.target, ADDR - 8192, ADDR - 4096, PROT_READ, NOW);
                child = fork_child(&processes, CHILD, TARGET);
                child->is_being_read = true;
                map_range(processes.target, ADDR + 2 * 4096, ADDR + 4 * 4096, PROT_READ, NOW);
                map_range(processes.target, ADDR + 6 * 4096, ADDR + 7 * 4096, PROT_READ, NOW);
                map_range(child, ADDR + cases[i].start * 4096, ADDR + cases[i].end * 4096, PROT_WRITE, NOW);
                process_share(child, processes.target);
                assert_int_equal(child->is_unmapped, cases[i].is_unmapped);
                assert_false(child->is_being_read);
                for (uint64_t page = 0; page < 9; page++) {
                        const struct map *map = aspace_lookup(child->addresses->aspace, ADDR + page * 4096);
                        bool is_parents = (page >= 2 && page < 4) || page == 6;
                        bool is_childs = page >= cases[i].start && page < cases[i].end;

                        assert_int_equal(map != NULL, is_parents || is_childs);
                        assert_true(!map || map->readable == is_parents);
                }
                processes_deinit(&processes);
        }
}

static void test_exec_leaves_shared_memory(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        map_page(processes.target, NOW);
        child = fork_child(&processes, CHILD, TARGET);
        process_share(child, processes.target);
        assert_int_equal(process_exec(&processes, child, NOW), 0);
        assert_ptr_not_equal(child->addresses, processes.target->addresses);
        assert_false(has_page(child));
        assert_true(has_page(processes.target));
        assert_false(process_is_threaded(processes.target));
        assert_true(child->wants_files);
        /* What was asked before the exec says nothing of the memory now. */
        process_share(child, processes.target);
        assert_ptr_not_equal(child->addresses, processes.target->addresses);
        processes_deinit(&processes);
}

static void test_old_memory_stays_with_who_holds_it(void **state)
{
        struct processes processes;
        struct addresses *old;

        setup(&processes, true, false);
        map_page(processes.target, NOW);
        old = addresses_ref(processes.target->addresses);
        assert_int_equal(process_exec(&processes, processes.target, NOW), 0);
        assert_null(processes_addresses(&processes, old->id));
        assert_ptr_equal(processes_addresses(&processes, processes.target->addresses->id), processes.target->addresses);
        assert_non_null(aspace_lookup(old->aspace, ADDR));
        addresses_unref(old);
        processes_deinit(&processes);
}

/* ---- rights ---- */

static void test_nothing_shows_before_the_answer(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        child = fork_child(&processes, CHILD, TARGET);
        assert_int_equal(child->question, PROCESS_TO_ASK);
        assert_true(processes_are_asked(&processes));
        assert_int_equal(process_shows(child, NOW, NOW), PROCESS_WAITS);
        assert_int_equal(process_shows(child, NOW, LATER - 1), PROCESS_WAITS);
        assert_int_equal(process_shows(child, NOW, LATER), PROCESS_HIDDEN);
        answer(&processes, CHILD, 0);
        assert_int_equal(process_shows(child, NOW, LATER), PROCESS_SHOWN);
        assert_false(processes_are_asked(&processes));
        processes_deinit(&processes);
}

static void test_trusted_need_not_wait(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, true);
        child = fork_child(&processes, CHILD, TARGET);
        assert_int_equal(child->question, PROCESS_TO_ASK);
        assert_int_equal(process_shows(child, NOW, NOW), PROCESS_SHOWN);
        processes_deinit(&processes);
}

static void test_denied_and_gone(void **state)
{
        struct processes processes;
        struct process *denied, *gone;

        setup(&processes, true, false);
        denied = fork_child(&processes, CHILD, TARGET);
        gone = fork_child(&processes, OTHER, TARGET);
        answer(&processes, CHILD, EPERM);
        answer(&processes, OTHER, ESRCH);
        assert_int_equal(process_shows(denied, 0, NOW), PROCESS_HIDDEN);
        assert_int_equal(process_shows(denied, NOW, NOW), PROCESS_HIDDEN);
        assert_int_equal(process_shows(gone, NOW, NOW), PROCESS_SHOWN);
        processes_deinit(&processes);
}

static void test_lost_fork_is_learned(void **state)
{
        struct processes processes;
        struct process *process;

        setup(&processes, true, false);
        assert_null(processes_of(&processes, OTHER));
        assert_int_equal(processes_get(&processes, OTHER, NOW, &process), 0);
        assert_ptr_equal(processes_of(&processes, OTHER), process);
        assert_int_equal(process->question, PROCESS_TO_ASK);
        assert_true(process->is_unmapped);
        assert_true(process_is_threaded(process)); /* for all that is known */
        process_thread_ended(process, OTHER + 1, NOW);
        assert_false(process->is_over);
        process_thread_ended(process, OTHER, NOW);
        assert_true(process->is_over);
        processes_deinit(&processes);
}

static void test_child_of_unknown_parent_is_unmapped(void **state)
{
        struct processes processes;

        setup(&processes, true, false);
        assert_true(fork_child(&processes, CHILD, OTHER)->is_unmapped);
        processes_deinit(&processes);
}

/* ---- exec ---- */

static void test_revoked_hides_the_new_program_only(void **state)
{
        struct processes processes;
        struct process *target;

        setup(&processes, true, false);
        target = processes.target;
        process_revoke(target, EPERM, NOW + 20);
        assert_int_equal(process_shows(target, NOW, NOW), PROCESS_WAITS);
        assert_false(process_settle(target, NOW + 19));
        assert_int_equal(process_exec(&processes, target, NOW + 10), 0); /* told after the monitor's word */
        assert_true(process_settle(target, NOW + 20));
        assert_false(process_settle(target, NOW + 30));
        assert_int_equal(process_shows(target, NOW + 9, LATER), PROCESS_SHOWN);
        assert_int_equal(process_shows(target, NOW + 10, LATER), PROCESS_HIDDEN);
        assert_false(target->wants_files);
        processes_deinit(&processes);
}

/* Its events are gone for good, whatever becomes of it. */
static void test_revoked_and_stripped_is_over(void **state)
{
        struct processes processes;
        struct process *target;

        setup(&processes, true, false);
        target = processes.target;
        process_revoke(target, EPERM, NOW + 20);
        assert_int_equal(process_exec(&processes, target, NOW + 10), 0);
        process_thread_ended(target, TARGET, NOW + 11);
        assert_true(process_settle(target, NOW + 20));
        assert_false(processes_are_silent(&processes, UINT64_MAX));
        processes_sweep(&processes);
        assert_null(processes_of(&processes, TARGET));
        processes_deinit(&processes);
}

/* Until it is known to be an ordinary one, a program is not even named. */
static void test_doubtful_program_waits(void **state)
{
        const uint64_t until_ns = NOW + PROCESSES_EXEC_WAIT_NS;

        for (unsigned int is_trusted = 0; is_trusted < 2; is_trusted++) {
                struct processes processes;
                struct process *target;

                setup(&processes, false, is_trusted);
                target = processes.target;
                assert_int_equal(process_exec(&processes, target, NOW), 0);
                assert_int_equal(process_shows(target, NOW - 1, NOW), PROCESS_SHOWN);
                assert_int_equal(process_shows(target, NOW, until_ns - 1), is_trusted ? PROCESS_SHOWN : PROCESS_WAITS);
                assert_int_equal(process_shows(target, NOW, until_ns), is_trusted ? PROCESS_SHOWN : PROCESS_HIDDEN);
                map_page(target, NOW + 1);
                assert_int_equal(process_shows(target, NOW, NOW), PROCESS_SHOWN);
                processes_deinit(&processes);
        }
}

static void test_revoked_without_an_exec_seen(void **state)
{
        struct processes processes;

        setup(&processes, true, false);
        process_revoke(processes.target, EPERM, NOW);
        assert_true(process_settle(processes.target, NOW));
        assert_int_equal(process_shows(processes.target, NOW - 1, LATER), PROCESS_SHOWN);
        assert_int_equal(process_shows(processes.target, NOW, LATER), PROCESS_HIDDEN);
        processes_deinit(&processes);
}

static void test_stripped_is_silent_not_over(void **state)
{
        struct processes processes;
        struct process *target;

        setup(&processes, false, false);
        target = processes.target;
        assert_int_equal(process_exec(&processes, target, NOW), 0);
        assert_true(process_is_stripped_by(target, TARGET));
        process_thread_ended(target, TARGET, NOW + 1);
        assert_true(target->is_silent);
        assert_false(target->is_over);
        assert_false(processes_are_silent(&processes, NOW + 1));
        assert_true(processes_are_silent(&processes, NOW + 2));
        processes_deinit(&processes);
}

static void test_exit_after_maps_is_an_end(void **state)
{
        struct processes processes;
        struct process *target;

        setup(&processes, false, false);
        target = processes.target;
        assert_int_equal(process_exec(&processes, target, NOW), 0);
        map_page(target, NOW + 1);
        process_thread_ended(target, TARGET, NOW + 2);
        assert_true(target->is_over);
        assert_false(target->is_silent);
        assert_int_equal(target->over_ns, NOW + 2);
        assert_false(processes_are_silent(&processes, UINT64_MAX));
        processes_deinit(&processes);
}

static void check_reopened(const struct process *process)
{
        assert_false(process->is_silent);
        assert_false(process->is_over);
        assert_true(process->is_unmapped);
        assert_int_equal(process->n_threads, 1);
        assert_int_equal(process->reopened_ns, 0);
}

static void test_reopened_in_any_order(void **state)
{
        struct processes processes;
        struct process *target;

        for (unsigned int order = 0; order < 3; order++) {
                setup(&processes, false, false);
                target = processes.target;
                if (order == 0)
                        process_reopened(target, -1, -1, NULL, 0, NOW);
                assert_int_equal(process_exec(&processes, target, NOW - 2), 0);
                if (order < 2)
                        process_thread_ended(target, TARGET, NOW - 1);
                if (order > 0)
                        process_reopened(target, -1, -1, NULL, 0, NOW);
                if (order == 2) { /* the EXIT record was lost */
                        assert_false(process_settle(target, NOW - 1));
                        assert_false(target->is_unmapped);
                        assert_false(process_settle(target, NOW));
                }
                check_reopened(target);
                processes_deinit(&processes);
        }
}

/* What was read in the exec is what the new memory begins with, before the first record about it. */
static void test_reopened_with_maps(void **state)
{
        static const char text[] = "00010000-00011000 r-xp 00000000 00:00 0 \n";
        struct processes processes;
        struct process *target;

        setup(&processes, false, false);
        target = processes.target;
        process_reopened(target, -1, -1, strdup(text), strlen(text), NOW);
        assert_int_equal(process_exec(&processes, target, NOW - 2), 0);
        assert_false(has_page(target));
        process_thread_ended(target, TARGET, NOW - 1);
        assert_false(target->is_unmapped);
        assert_false(target->wants_files);
        assert_true(has_page(target));
        processes_deinit(&processes);
}

/* ---- ends ---- */

static void test_last_thread_ends_the_process(void **state)
{
        struct processes processes;
        struct process *child;

        setup(&processes, true, false);
        child = fork_child(&processes, CHILD, TARGET);
        process_thread_born(child);
        process_thread_ended(child, CHILD, NOW); /* the leader first: a zombie while the other runs */
        assert_false(child->is_over);
        process_thread_ended(child, CHILD + 5, NOW + 1);
        assert_true(child->is_over);
        assert_int_equal(child->over_ns, NOW + 1);
        processes_deinit(&processes);
}

static void test_sweep_waits_for_answer_and_word(void **state)
{
        struct processes processes;
        struct process *child, *held;

        setup(&processes, true, false);
        child = fork_child(&processes, CHILD, TARGET);
        held = process_ref(child);
        process_thread_ended(child, CHILD, NOW);
        processes_sweep(&processes);
        assert_ptr_equal(processes_of(&processes, CHILD), child);
        child->is_told = true;
        processes_sweep(&processes);
        assert_ptr_equal(processes_of(&processes, CHILD), child);
        answer(&processes, CHILD, ESRCH);
        processes_sweep(&processes);
        assert_null(processes_of(&processes, CHILD));
        assert_int_equal(process_shows(held, NOW, NOW), PROCESS_SHOWN);
        process_unref(held);
        processes_deinit(&processes);
}

static void test_number_used_again(void **state)
{
        struct processes processes;
        struct process *old, *held;

        setup(&processes, true, false);
        old = fork_child(&processes, CHILD, TARGET);
        held = process_ref(old);
        process_thread_ended(old, CHILD, NOW);
        assert_ptr_not_equal(fork_child(&processes, CHILD, TARGET), old);
        assert_ptr_not_equal(processes_of(&processes, CHILD), old);
        assert_true(held->is_over);
        process_unref(held);
        processes_deinit(&processes);
}

static void test_many_are_found(void **state)
{
        struct processes processes;

        setup(&processes, true, false);
        for (pid_t pid = 1000; pid < 3000; pid++)
                (void)fork_child(&processes, pid, TARGET);
        for (pid_t pid = 1000; pid < 3000; pid++)
                assert_int_equal(processes_of(&processes, pid)->pid, pid);
        assert_null(processes_of(&processes, 3000));
        processes_deinit(&processes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_process_is_everybody),
                cmocka_unit_test(test_target_is_never_swept_without_follow),
                cmocka_unit_test(test_fork_copies_memory),
                cmocka_unit_test(test_shared_memory_is_one),
                cmocka_unit_test(test_sharing_known_late),
                cmocka_unit_test(test_sharing_known_late_by_both),
                cmocka_unit_test(test_exec_leaves_shared_memory),
                cmocka_unit_test(test_old_memory_stays_with_who_holds_it),
                cmocka_unit_test(test_nothing_shows_before_the_answer),
                cmocka_unit_test(test_trusted_need_not_wait),
                cmocka_unit_test(test_denied_and_gone),
                cmocka_unit_test(test_lost_fork_is_learned),
                cmocka_unit_test(test_child_of_unknown_parent_is_unmapped),
                cmocka_unit_test(test_revoked_hides_the_new_program_only),
                cmocka_unit_test(test_revoked_and_stripped_is_over),
                cmocka_unit_test(test_doubtful_program_waits),
                cmocka_unit_test(test_revoked_without_an_exec_seen),
                cmocka_unit_test(test_stripped_is_silent_not_over),
                cmocka_unit_test(test_exit_after_maps_is_an_end),
                cmocka_unit_test(test_reopened_in_any_order),
                cmocka_unit_test(test_reopened_with_maps),
                cmocka_unit_test(test_last_thread_ends_the_process),
                cmocka_unit_test(test_sweep_waits_for_answer_and_word),
                cmocka_unit_test(test_number_used_again),
                cmocka_unit_test(test_many_are_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
