/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Queries for lines, by a worker and without one: what comes back, who owns it, what stays open. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/line_query.h"
#include "daemon/engine/worker.h"

#define FILE_NAME "gcc-5" /* tests/fixtures/lines */

static int open_fixture(const char *name)
{
        char path[4096];
        int fd;

        assert_true(snprintf(path, sizeof(path), BUILD_DIR "/fixtures/lines/%s", name) < (int)sizeof(path));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                print_message("not tried: %s was not built, its compiler is not installed\n", name);
                skip();
        }
        return fd;
}

static struct line_cache *new_cache(size_t n_max_bytes)
{
        struct line_cache *cache;

        assert_int_equal(line_cache_new(n_max_bytes, &cache), 0);
        return cache;
}

static struct line_source *new_source(struct line_cache *cache, const char *name)
{
        struct line_source *source;

        assert_int_equal(line_source_new(cache, open_fixture(name), &source), 0);
        return source;
}

static struct line_query *new_query(struct line_source *source, const uint64_t *vaddrs, size_t n)
{
        struct line_query *query;

        assert_int_equal(line_query_new(source, vaddrs, n, &query), 0);
        return query;
}

static void same_string(const char *a, const char *b)
{
        assert_true(!a == !b);
        if (a)
                assert_string_equal(a, b);
}

/* All of what the file says about its code, one address after the other. Number of addresses something is known of. */
static size_t expect_as_lines(const struct line_query *query, const char *name)
{
        struct lines *lines;
        size_t n_known = 0;

        assert_int_equal(lines_open(open_fixture(name), &lines), 0);
        for (size_t i = 0; i < line_query_count(query); i++) {
                struct source_line expected[LINES_MAX_INLINED], found[LINES_MAX_INLINED];
                size_t n = lines_find(lines, line_query_vaddr(query, i), expected);

                assert_int_equal(line_query_answer(query, i, found), n);
                for (size_t j = 0; j < n; j++) {
                        same_string(found[j].function, expected[j].function);
                        same_string(found[j].file, expected[j].file);
                        assert_int_equal(found[j].line, expected[j].line);
                }
                n_known += n > 0;
        }
        (void)lines_close(lines);
        return n_known;
}

static void fill(uint64_t vaddrs[static LINE_QUERY_MAX])
{
        for (size_t i = 0; i < LINE_QUERY_MAX; i++)
                vaddrs[i] = 0x1000 - 64 + i;
}

static void test_answers(void **state)
{
        struct line_cache *cache = new_cache(SIZE_MAX);
        struct line_source *source = new_source(cache, FILE_NAME);
        uint64_t vaddrs[LINE_QUERY_MAX];
        struct line_query *query;

        fill(vaddrs);
        for (int round = 0; round < 2; round++) {
                query = new_query(source, vaddrs, LINE_QUERY_MAX);
                assert_int_equal(line_query_count(query), LINE_QUERY_MAX);
                assert_int_equal(line_query_run(query), 0);
                assert_in_range(expect_as_lines(query, FILE_NAME), 100, 1000);
                assert_null(line_query_free(query));
        }
        query = new_query(source, NULL, 0);
        assert_int_equal(line_query_run(query), 0);
        (void)line_query_free(query);
        assert_null(line_source_free(source));
        assert_null(line_cache_free(cache));
}

/* Answers outlive what they were made from. */
static void test_answers_are_copies(void **state)
{
        struct line_cache *cache = new_cache(SIZE_MAX);
        struct line_source *source = new_source(cache, FILE_NAME);
        uint64_t vaddrs[LINE_QUERY_MAX];
        struct line_query *query;

        fill(vaddrs);
        query = new_query(source, vaddrs, LINE_QUERY_MAX);
        memset(vaddrs, 0, sizeof(vaddrs));
        assert_int_equal(line_query_run(query), 0);
        (void)line_source_free(source);
        (void)line_cache_free(cache);
        assert_in_range(expect_as_lines(query, FILE_NAME), 100, 1000);
        (void)line_query_free(query);
}

/* A cache that holds nothing still serves: each file is open for its own query. */
static void test_small_cache(void **state)
{
        static const char *const names[] = {FILE_NAME, "gcc-4", "gcc-5.debug"};
        struct line_cache *cache = new_cache(0);
        struct line_source *sources[ARRAY_SIZE(names)];
        uint64_t vaddrs[LINE_QUERY_MAX];

        fill(vaddrs);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                sources[i] = new_source(cache, names[i]);
        for (size_t round = 0; round < 6; round++) {
                size_t at = round * 2 % ARRAY_SIZE(names);
                struct line_query *query = new_query(sources[at], vaddrs, LINE_QUERY_MAX);

                assert_int_equal(line_query_run(query), 0);
                assert_in_range(expect_as_lines(query, names[at]), 100, 1000);
                (void)line_query_free(query);
        }
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                (void)line_source_free(sources[i]);
        (void)line_cache_free(cache);
}

static void test_no_lines(void **state)
{
        static const uint64_t vaddr = 0x1000;
        struct line_cache *cache = new_cache(SIZE_MAX);
        struct line_source *source = new_source(cache, "gcc-5-stripped");
        struct source_line found[LINES_MAX_INLINED];

        for (int round = 0; round < 2; round++) {
                struct line_query *query = new_query(source, &vaddr, 1);

                assert_int_equal(line_query_run(query), -ENODATA);
                assert_int_equal(line_query_answer(query, 0, found), 0);
                (void)line_query_free(query);
        }
        (void)line_source_free(source);
        (void)line_cache_free(cache);
}

static struct line_query *new_closing(struct line_source *source)
{
        struct line_query *query;

        assert_int_equal(line_query_new_closing(source, &query), 0);
        return query;
}

/* Run or not, a closing query takes its source along: the leak checker sees it if not, and the descriptor is closed. */
static void test_closing(void **state)
{
        for (int is_run = 0; is_run < 2; is_run++) {
                struct line_cache *cache = new_cache(SIZE_MAX);
                struct line_source *source;
                struct line_query *query;
                int fd = open_fixture(FILE_NAME);

                assert_int_equal(line_source_new(cache, fd, &source), 0);
                query = new_query(source, (const uint64_t[]){0x1030}, 1);
                assert_int_equal(line_query_run(query), 0);
                (void)line_query_free(query);
                query = new_closing(source);
                if (is_run)
                        assert_int_equal(line_query_run(query), 0);
                assert_null(line_query_free(query));
                assert_int_equal(fcntl(fd, F_GETFD), -1);
                (void)line_cache_free(cache);
        }
        assert_null(line_query_free(NULL));
        assert_null(line_source_free(NULL));
        assert_null(line_cache_free(NULL));
}

static void submit(struct worker *worker, struct line_query *query)
{
        struct job *job = calloc(1, sizeof(*job));

        assert_non_null(job);
        job->kind = JOB_LINES;
        job->fd = -1;
        job->lines = query;
        worker_submit(worker, job);
}

static struct job *wait_for(struct worker *worker)
{
        struct pollfd ready = {.fd = worker_fd(worker), .events = POLLIN};
        struct job *job;

        while (!(job = worker_done(worker)))
                assert_int_equal(poll(&ready, 1, -1), 1);
        return job;
}

static void test_worker(void **state)
{
        struct line_cache *cache = new_cache(SIZE_MAX);
        struct line_source *source = new_source(cache, FILE_NAME), *other = new_source(cache, "gcc-4");
        uint64_t vaddrs[LINE_QUERY_MAX];
        struct worker *worker;
        struct job *job;

        fill(vaddrs);
        assert_int_equal(worker_new(&worker), 0);
        submit(worker, new_query(source, vaddrs, LINE_QUERY_MAX));
        submit(worker, new_closing(source));
        job = wait_for(worker);
        assert_int_equal(job->error, 0);
        assert_in_range(expect_as_lines(job->lines, FILE_NAME), 100, 1000);
        (void)job_free(job);
        job = wait_for(worker);
        assert_int_equal(job->error, 0);
        (void)job_free(job);
        submit(worker, new_query(other, vaddrs, 10));
        submit(worker, new_closing(other)); /* whether the end of the worker overtakes it or not */
        (void)worker_free(worker);
        (void)line_cache_free(cache);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),     cmocka_unit_test(test_answers_are_copies),
                cmocka_unit_test(test_small_cache), cmocka_unit_test(test_no_lines),
                cmocka_unit_test(test_closing),     cmocka_unit_test(test_worker),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
