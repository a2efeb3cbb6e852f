/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor's list of threads, of this process, whose threads stay what they are. What happens to a directory while
 * threads end is put between: a pass that ends early, one that shows who is gone by the next.
 */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/monitor/target.h"

#define N_THREADS 4
#define GHOST 1 /* a tid that none of our threads has */
#define ALWAYS 1000

/* What is done to the passes up to this one: shown are so many threads only, and behind them the ghost. */
static int last_disturbed;
static int n_shown_at_most;
static bool with_ghost;

static int pass, n_shown;

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

static bool is_disturbed(void)
{
        return pass <= last_disturbed;
}

/* The last one of a disturbed pass: nobody, or the ghost instead of who would have been next. */
static struct dirent *end_early(struct dirent *next)
{
        if (!with_ghost || n_shown != n_shown_at_most || next == NULL)
                return NULL;
        n_shown++;
        (void)snprintf(next->d_name, sizeof(next->d_name), "%d", GHOST);
        return next;
}

struct dirent *__wrap_readdir(DIR *dir)
{
        struct dirent *entry = __real_readdir(dir);

        if (entry != NULL && strcmp(entry->d_name, ".") == 0) {
                pass++;
                n_shown = 0;
        }
        if (entry != NULL && entry->d_name[0] == '.')
                return entry;
        if (is_disturbed() && n_shown >= n_shown_at_most)
                return end_early(entry);
        n_shown++;
        return entry;
}

static pthread_barrier_t all_born, all_done;

static void *live(void *data)
{
        (void)pthread_barrier_wait(&all_born);
        (void)pthread_barrier_wait(&all_done);
        return data;
}

static void list(int last, int at_most, bool ghost, struct target_threads *ret)
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;

        last_disturbed = last;
        n_shown_at_most = at_most;
        with_ghost = ghost;
        pass = 0;
        assert_int_equal(target_pin_process(getpid(), &target), 0);
        assert_int_equal(target_list_threads(&target, ret), 0);
}

static void check(int last, int at_most, bool ghost, size_t n_expected, bool is_complete)
{
        struct target_threads threads;

        list(last, at_most, ghost, &threads);
        assert_int_equal(threads.n, n_expected);
        assert_int_equal(threads.is_complete, is_complete);
        assert_true(target_threads_have(&threads, getpid()));
        assert_int_equal(target_threads_have(&threads, GHOST), ghost);
        free(threads.threads);
}

static void test_undisturbed(void **state)
{
        check(0, 0, false, N_THREADS, true);
        assert_int_equal(pass, 2);
}

/* Where the thread that was shown last has ended the list does, again and again: nothing new is not nobody else. */
static void test_ends_early(void **state)
{
        for (int at_most = 1; at_most < N_THREADS; at_most++) {
                check(1, at_most, false, N_THREADS, true);
                check(5, at_most, false, N_THREADS, true);
                check(ALWAYS, at_most, false, (size_t)at_most, false);
        }
}

/* As many as there are, but one of them has ended, and who was born meanwhile is not among them. */
static void test_shows_who_is_gone(void **state)
{
        check(1, N_THREADS - 1, true, N_THREADS + 1, true);
        assert_int_equal(pass, 3);
}

static void test_empty_at_first(void **state)
{
        check(3, 0, false, N_THREADS, true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_undisturbed),
                cmocka_unit_test(test_ends_early),
                cmocka_unit_test(test_shows_who_is_gone),
                cmocka_unit_test(test_empty_at_first),
        };
        pthread_t threads[N_THREADS - 1];
        int r;

        (void)pthread_barrier_init(&all_born, NULL, N_THREADS);
        (void)pthread_barrier_init(&all_done, NULL, N_THREADS);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                if (pthread_create(&threads[i], NULL, live, NULL) != 0)
                        return EXIT_FAILURE;
        (void)pthread_barrier_wait(&all_born);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void)pthread_barrier_wait(&all_done);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                (void)pthread_join(threads[i], NULL);
        return r;
}
