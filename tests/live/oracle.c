/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stacks of programs that no one here wrote, as the real monitor has them copied at each fault: walked by rows and,
 * over the same bytes, by libunwind. Frames, how each was found, and whether the stack is cut must be the same.
 * Differences that are right are in a table, each with its reason.
 *
 *     oracle             all programs: at least STACKS_WANTED stacks, of at least PROGRAMS_WANTED of them
 *     oracle NAME        one of them, without these two demands
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/engine/decode/order.h"
#include "daemon/engine/model/aspace.h"
#include "tests/live/monitor_support.h"
#include "tests/live/oracle_images.h"
#include "tests/live/oracle_programs.h"

#define STACKS_WANTED 10000
#define PROGRAMS_WANTED 5
#define STACKS_OF_PROGRAM 3000 /* it is run until it has given these, */
#define RUNS_MAX 30            /* or so many times */
#define STACK_BYTES 16384
#define FRAMES_MAX 1024
#define RINGS_MAX 128
#define DISTINCT_BUCKETS (1u << 16)

/* ---------------------------------------------------------------- two ways to walk one stack */

struct frames {
        struct unwind_frame of[FRAMES_MAX];
        int n;
        bool is_cut;
};

struct tally {
        uint64_t n_stacks; /* walked by rows */
        uint64_t n_hard;   /* left to libunwind */
        uint64_t n_frames, n_cut, n_distinct, n_different, n_runs, n_lost;
        uint64_t n_by[FRAME_BY_POINTER + 1];
        uint64_t distinct[DISTINCT_BUCKETS]; /* hashes, 0 = none */
};

static struct unwind *unwind;

static bool are_equal(const struct frames *a, const struct frames *b)
{
        if (a->n != b->n || a->is_cut != b->is_cut)
                return false;
        for (int i = 0; i < a->n; i++)
                if (a->of[i].addr != b->of[i].addr || a->of[i].by != b->of[i].by)
                        return false;
        return true;
}

/* What runs at other addresses the next time has the same hash. */
static uint64_t hash_of(struct codemap *code, const struct frames *frames)
{
        uint64_t hash = 1;

        for (int i = 0; i < frames->n; i++) {
                const struct map *map;
                const struct oracle_file *file = NULL;
                uint64_t vaddr = frames->of[i].addr;

                (void)oracle_look_up(code, vaddr, &map, &file, &vaddr);
                hash = (hash ^ vaddr ^ (file ? file->inode << 40 : 0)) * UINT64_C(0x9e3779b97f4a7c15);
                hash ^= hash >> 31;
        }
        return hash ? hash : 1;
}

static void count_distinct(struct tally *tally, uint64_t hash)
{
        size_t i = hash % DISTINCT_BUCKETS;

        while (tally->distinct[i] != 0 && tally->distinct[i] != hash)
                i = (i + 1) % DISTINCT_BUCKETS;
        if (tally->distinct[i] == 0)
                tally->n_distinct++;
        assert_true(tally->n_distinct < DISTINCT_BUCKETS / 2);
        tally->distinct[i] = hash;
}

static void print_frames(struct codemap *code, const char *title, const struct frames *frames)
{
        static const char *const methods[] = {"?", "registers", "cfi", "pointer", "kernel"};

        print_message("  %s%s\n", title, frames->is_cut ? ", cut" : "");
        for (int i = 0; i < frames->n; i++) {
                uint64_t addr = frames->of[i].addr, vaddr = 0;
                const struct map *map = codemap_lookup(code, addr - (i > 0 && addr > 0));
                const struct oracle_file *file;

                (void)oracle_look_up(code, addr - (i > 0 && addr > 0), &map, &file, &vaddr);
                print_message("    %016" PRIx64 " %-9s %s+0x%" PRIx64 "\n", addr, methods[frames->of[i].by],
                              map ? map->path : "-", vaddr);
        }
}

static void compare(struct tally *tally, struct codemap *code, const struct record_fault *fault)
{
        static struct frames rows, reference;
        uint64_t registers[N_STORY_REGISTERS];
        struct walk_request walk = {.stack = fault->stack,
                                    .n_stack_bytes = fault->n_stack_bytes,
                                    .find_image = oracle_find_rows,
                                    .user = code};
        struct unwind_request request = {.registers = registers,
                                         .stack = fault->stack,
                                         .n_stack_bytes = fault->n_stack_bytes,
                                         .find_image = oracle_find_file,
                                         .user = code};

        sample_story_registers(fault->user_registers, registers);
        walk.rip = registers[STORY_RIP];
        walk.rsp = walk.stack_start = request.stack_start = registers[STORY_RSP];
        walk.rbp = registers[STORY_RBP];
        rows.n = walk_stack(&walk, rows.of, FRAMES_MAX, &rows.is_cut);
        if (rows.n == -ENODATA) {
                tally->n_hard++;
                return;
        }
        reference.n = unwind_stack(unwind, &request, reference.of, FRAMES_MAX, &reference.is_cut);
        assert_true(rows.n > 0 && reference.n > 0);
        tally->n_stacks++;
        tally->n_frames += (uint64_t)rows.n;
        tally->n_cut += rows.is_cut;
        for (int i = 0; i < rows.n; i++)
                tally->n_by[rows.of[i].by]++;
        count_distinct(tally, hash_of(code, &rows));
        if (are_equal(&rows, &reference))
                return;
        tally->n_different++;
        print_frames(code, "by rows", &rows);
        print_frames(code, "by libunwind", &reference);
}

/* ---------------------------------------------------------------- a trace */

struct trace {
        struct attached attached;
        struct sample_layout layout;
        struct event_ids *ids;
        struct perf_event_mmap_page *pages[RINGS_MAX];
        struct ring rings[RINGS_MAX]; /* of faults and of maps, in turn */
        size_t n_rings;
        struct order *order;
        struct aspace *aspace;
        struct tally *tally;
};

static void take_ring(struct trace *trace, int fd, size_t n_bytes)
{
        static _Alignas(8) uint8_t scratch[RING_SCRATCH_BYTES];
        struct perf_event_mmap_page *page = mmap(NULL, PAGE + n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        assert_ptr_not_equal(page, MAP_FAILED);
        assert_true(trace->n_rings < RINGS_MAX);
        trace->pages[trace->n_rings] = page;
        trace->rings[trace->n_rings++] = (struct ring){
                .data = (const uint8_t *)page + page->data_offset, .size_bytes = page->data_size, .scratch = scratch};
}

static void take_all_rings(struct session *session, struct trace *trace)
{
        const struct link_trace *info = &trace->attached.trace;

        while (trace->n_rings < 2 * info->n_cpus) {
                struct link_received received = expect(session, LINK_RINGS);

                for (size_t i = 0; i < received.n_fds; i++)
                        take_ring(trace, received.fds[i], i % 2 ? info->side_bytes : info->ring_bytes);
                link_close_fds(&received);
        }
}

static void load_ids(struct trace *trace, int fd)
{
        size_t n = trace->attached.trace.n_ids, n_bytes = n * sizeof(struct link_event_id);
        struct link_event_id *pairs CLEANUP_FREE = malloc(n_bytes);

        assert_non_null(pairs);
        assert_int_equal(pread(fd, pairs, n_bytes, 0), n_bytes);
        assert_int_equal(event_ids_new(pairs, n, &trace->ids), 0);
}

static void begin_trace(struct session *session, struct trace *trace, pid_t pid)
{
        struct link_attach wish = {.pid = pid,
                                   .detail = DETAIL_AUTO,
                                   .flags = LINK_ATTACH_FROM_EXEC,
                                   .ptrace = PTRACE_MODE_OFF,
                                   .stack_bytes = STACK_BYTES};
        struct link_received received;
        struct link_trace *info = &trace->attached.trace;

        *info = ask_with(session, wish, &received);
        if (info->error != 0)
                fail_msg("refused: %s", info->text);
        assert_int_equal(info->stack_bytes, STACK_BYTES);
        load_ids(trace, received.fds[LINK_FD_IDS]);
        trace->attached.stories = TAKE_FD(received.fds[LINK_FD_STORIES]);
        link_close_fds(&received);
        take_all_rings(session, trace);
        trace->layout = (struct sample_layout){
                .detail = info->detail, .physical = info->physical, .stacks = info->stacks, .ids = trace->ids};
        assert_int_equal(order_new(trace->rings, trace->n_rings, &trace->layout, &trace->order), 0);
        assert_int_equal(aspace_new(&trace->aspace), 0);
        send_id(session, LINK_READY, info->trace);
        (void)expect(session, LINK_STARTED);
}

static void end_trace(struct session *session, struct trace *trace)
{
        detach(session, &trace->attached);
        for (size_t i = 0; i < trace->n_rings; i++)
                munmap(trace->pages[i], PAGE + trace->rings[i].size_bytes);
        order_free(trace->order);
        event_ids_free(trace->ids);
        aspace_free(trace->aspace);
}

static void overlay(struct aspace *aspace, const struct record_map *map)
{
        const struct map_spec spec = {.start = map->start,
                                      .end = map->start + map->len_bytes,
                                      .offset = map->offset,
                                      .readable = map->prot & PROT_READ,
                                      .writable = map->prot & PROT_WRITE,
                                      .executable = map->prot & PROT_EXEC,
                                      .shared = map->flags & MAP_SHARED,
                                      .hugetlb = map->flags & MAP_HUGETLB,
                                      .major = map->major,
                                      .minor = map->minor,
                                      .inode = map->inode,
                                      .path = map->path,
                                      .n_path = map->n_path};

        assert_int_equal(aspace_overlay(aspace, &spec), 0);
}

static void take_record(struct trace *trace, const struct record *record)
{
        if (record->pid != trace->attached.trace.pid) /* a child */
                return;
        if (record->kind == RECORD_MAP)
                overlay(trace->aspace, &record->map);
        else if (record->kind == RECORD_COMM && record->comm.exec)
                aspace_clear(trace->aspace);
        else if (record->kind == RECORD_LOST)
                trace->tally->n_lost += record->lost.n;
        else if (record->kind == RECORD_FAULT && record->fault.user_registers && record->fault.n_stack_bytes > 0)
                compare(trace->tally, aspace_code(trace->aspace), &record->fault);
}

static uint64_t now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void drain(struct trace *trace, uint64_t until_ns)
{
        struct record record;
        size_t index;
        int r;

        for (size_t i = 0; i < trace->n_rings; i++)
                trace->rings[i].head = __atomic_load_n(&trace->pages[i]->data_head, __ATOMIC_ACQUIRE);
        order_begin(trace->order, until_ns);
        while ((r = order_next(trace->order, &record, &index)) != ORDER_END) {
                assert_int_equal(r, ORDER_RECORD);
                take_record(trace, &record);
        }
        for (size_t i = 0; i < trace->n_rings; i++)
                __atomic_store_n(&trace->pages[i]->data_tail, trace->rings[i].tail, __ATOMIC_RELEASE);
}

static void await_end(const struct target *target, const struct oracle_program *program)
{
        int status;

        close(target->command);
        close(target->answer);
        assert_int_equal(waitpid(target->pid, &status, 0), target->pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), program->status);
}

static void trace_run(struct session *session, const struct oracle_program *program, struct tally *tally)
{
        struct trace trace = {.tally = tally};
        struct pollfd link = {.fd = session->link_fd, .events = POLLIN};
        struct target target;

        oracle_to_execute = program;
        target = target_start(oracle_run_program);
        begin_trace(session, &trace, target.pid);
        say(target.command, 'g');
        while (poll(&link, 1, 1) == 0)
                drain(&trace, now_ns());
        (void)expect_counts(session, &trace.attached, LINK_EXITED);
        drain(&trace, UINT64_MAX);
        end_trace(session, &trace);
        await_end(&target, program);
        tally->n_runs++;
}

/* ---------------------------------------------------------------- */

static uint64_t n_stacks, n_distinct;
static unsigned int n_programs;
static const char *only; /* the name of one, NULL = all */

static void print_tally(const char *name, const struct tally *tally)
{
        print_message("%s: %" PRIu64 " stacks in %" PRIu64 " runs, %" PRIu64 " distinct, %.1f frames (%" PRIu64
                      " by cfi, %" PRIu64 " by pointer), %" PRIu64 " cut; %" PRIu64 " left to libunwind; %" PRIu64
                      " records lost; %" PRIu64 " different\n",
                      name, tally->n_stacks, tally->n_runs, tally->n_distinct,
                      (double)tally->n_frames / (double)MAX_OF(tally->n_stacks, UINT64_C(1)), tally->n_by[FRAME_BY_CFI],
                      tally->n_by[FRAME_BY_POINTER], tally->n_cut, tally->n_hard, tally->n_lost, tally->n_different);
}

static void check_program(const struct oracle_program *program)
{
        struct tally *tally CLEANUP_FREE = calloc(1, sizeof(*tally));
        struct session session = session_start();

        assert_non_null(tally);
        while (tally->n_stacks < STACKS_OF_PROGRAM && tally->n_runs < RUNS_MAX)
                trace_run(&session, program, tally);
        session_end(&session);
        print_tally(program->name, tally);
        assert_int_equal(tally->n_different, 0);
        assert_true(tally->n_stacks > 0);
        n_programs++;
        n_stacks += tally->n_stacks;
        n_distinct += tally->n_distinct;
}

static bool is_wanted(const struct oracle_program *program)
{
        return !only || strcmp(program->name, only) == 0;
}

static void test_programs(void **state)
{
        assert_int_equal(unwind_new(&unwind), 0);
        for (size_t i = 0; i < N_ORACLE_PROGRAMS; i++) {
                const struct oracle_program *program = &oracle_programs[i];

                if (!is_wanted(program))
                        continue;
                if (oracle_is_installed(program))
                        check_program(program);
                else
                        print_message("%s: skipped, it is not installed (package %s)\n", program->name,
                                      program->package);
        }
        unwind = unwind_free(unwind);
        oracle_forget_files();
        print_message("%" PRIu64 " stacks of %u programs, %" PRIu64 " distinct\n", n_stacks, n_programs, n_distinct);
        if (!only)
                assert_true(n_stacks >= STACKS_WANTED);
}

static int programs_are_missing(void)
{
        unsigned int n = 0, n_wanted = only ? 1 : PROGRAMS_WANTED;

        for (size_t i = 0; i < N_ORACLE_PROGRAMS; i++)
                n += is_wanted(&oracle_programs[i]) && oracle_is_installed(&oracle_programs[i]);
        if (n < n_wanted)
                printf("skipped: %u of these programs are installed, %u are needed (packages python3, perl-base, gcc, "
                       "nodejs, openssl, git, cmake)\n",
                       n, n_wanted);
        return n < n_wanted ? 77 : 0;
}

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_programs, oracle_write_source, oracle_remove_source),
        };
        int r = monitor_tests_cannot_run();

        only = argc > 1 ? argv[1] : NULL;
        oracle_find_compiler();
        if (r == 0)
                r = programs_are_missing();
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
