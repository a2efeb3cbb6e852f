/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of stacks as the kernel makes them for the events that the monitor opens, read with the engine's decoder. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/engine/decode/ring.h"
#include "daemon/engine/decode/sample.h"
#include "tests/live/monitor_support.h"

#define MAGIC UINT64_C(0x57ac6b07e5facade)
#define BURST ((size_t)1600) /* with 8 KiB each, all in one ring, they are some 13 MiB */
#define N_BURSTS 64
#define KERNEL_HALF UINT64_C(0xffff800000000000)

/*
 * fault_known(page, told): all registers and the last word of the stack have known values at the instruction
 * fault_here, which writes to page. The stack pointer is told.
 */
void fault_known(char *page, uint64_t *told);
extern const char fault_here[];
__asm__(".text\n.globl fault_known\n.type fault_known, @function\nfault_known:\n"
        "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "movabs $0x57ac6b07e5facade, %rax\n push %rax\n"
        "mov %rsp, (%rsi)\n"
        "mov $0xa, %eax\n mov $0xb, %ebx\n mov $0xc, %ecx\n mov $0xd, %edx\n mov $0x51, %esi\n mov $0xb9, %ebp\n"
        "mov $0x80, %r8d\n mov $0x81, %r9d\n mov $0x82, %r10d\n mov $0x83, %r11d\n"
        "mov $0x84, %r12d\n mov $0x85, %r13d\n mov $0x86, %r14d\n mov $0x87, %r15d\n"
        ".globl fault_here\nfault_here:\n movb $1, (%rdi)\n"
        "pop %rax\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        ".size fault_known, .-fault_known\n");

/* What target and test share. */
struct told {
        uint64_t sp;
        uint64_t page, buffer;
};

static volatile struct told *told;

static void *shared_page(void)
{
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(page, MAP_FAILED);
        return page;
}

/* 'g': one fault by its own instruction, then one by the kernel, which reads into a fresh page. */
static void run_known(int command, int answer)
{
        char *pages = fresh_pages(4);
        int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        uint64_t sp;

        fault_known(pages, &sp); /* everything was done once before */
        if (zero < 0 || read(zero, pages + PAGE, 16) != 16)
                _exit(78);
        told->page = (uint64_t)(uintptr_t)(pages + 2 * PAGE);
        told->buffer = (uint64_t)(uintptr_t)(pages + 3 * PAGE);
        target_say(answer, 'r');
        target_hear(command);
        fault_known(pages + 2 * PAGE, &sp);
        if (read(zero, pages + 3 * PAGE, 16) != 16)
                _exit(79);
        told->sp = sp;
        target_say(answer, 'd');
        target_hear(command);
}

static void run_known_as_nobody(int command, int answer)
{
        become_nobody();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_known(command, answer);
}

/* The child is born after the attach. */
static void run_known_in_child(int command, int answer)
{
        pid_t child;
        int status;

        target_say(answer, 'r');
        target_hear(command);
        child = fork();
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                run_known(command, answer);
                _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
                _exit(80);
}

/* --- reading the rings --- */

struct reader {
        struct sample_layout layout;
        struct event_ids *ids;
        uint8_t *scratch;
};

static struct reader reader_new(const struct attached *attached)
{
        struct reader reader = {.layout = {.detail = (enum detail)attached->trace.detail,
                                           .physical = attached->trace.physical,
                                           .stacks = attached->trace.stacks},
                                .scratch = aligned_alloc(8, RING_SCRATCH_BYTES)};

        assert_non_null(reader.scratch);
        assert_int_equal(event_ids_new(attached->ids, attached->trace.n_ids, &reader.ids), 0);
        reader.layout.ids = reader.ids;
        return reader;
}

static void reader_free(struct reader *reader)
{
        event_ids_free(reader->ids);
        free(reader->scratch);
}

/* All records that there are: none is bad. */
static void read_rings(const struct reader *reader, const struct attached *attached,
                       void (*got)(const struct record *record, void *user), void *user)
{
        for (size_t i = 0; i < attached->n_rings; i++) {
                struct perf_event_mmap_page *page = attached->rings[i].page;
                struct ring ring = {.data = (const uint8_t *)page + page->data_offset,
                                    .size_bytes = page->data_size,
                                    .tail = page->data_tail,
                                    .head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE),
                                    .scratch = reader->scratch};
                const struct perf_event_header *header;
                struct sample_look look;
                int r;

                while ((r = ring_peek(&ring, &header)) == RING_RECORD) {
                        struct record record;

                        assert_int_equal(sample_look(&reader->layout, header, &look), 0);
                        assert_int_equal(sample_decode(&reader->layout, header, &record), 0);
                        got(&record, user);
                        ring_advance(&ring, header);
                }
                assert_int_equal(r, RING_EMPTY);
                __atomic_store_n(&page->data_tail, ring.tail, __ATOMIC_RELEASE);
        }
}

/* --- the two faults of run_known() --- */

struct seen {
        uint32_t stack_bytes;
        enum event_kind by_user, by_kernel; /* that carry the stacks; by_kernel N_EVENT_KINDS: not seen at all */
        bool has_chain;
        size_t n_by_user, n_by_kernel, n_without; /* n_without: records of other kinds */
};

static void check_known_registers(const uint64_t *raw)
{
        static const uint64_t expected[N_STORY_REGISTERS] = {
                [STORY_RAX] = 0xa,  [STORY_RBX] = 0xb,  [STORY_RCX] = 0xc,  [STORY_RDX] = 0xd,  [STORY_RSI] = 0x51,
                [STORY_RBP] = 0xb9, [STORY_R8] = 0x80,  [STORY_R9] = 0x81,  [STORY_R10] = 0x82, [STORY_R11] = 0x83,
                [STORY_R12] = 0x84, [STORY_R13] = 0x85, [STORY_R14] = 0x86, [STORY_R15] = 0x87};
        uint64_t got[N_STORY_REGISTERS];

        sample_story_registers(raw, got);
        assert_int_equal(got[STORY_RDI], told->page);
        assert_int_equal(got[STORY_RSP], told->sp);
        assert_int_equal(got[STORY_RIP], (uint64_t)(uintptr_t)fault_here);
        got[STORY_RDI] = got[STORY_RSP] = got[STORY_RIP] = got[STORY_EFLAGS] = 0;
        assert_memory_equal(got, expected, sizeof(got));
}

static void check_kernel_chain(const struct record_fault *fault, bool has_chain)
{
        bool has_fault = false;

        if (!has_chain) {
                assert_null(fault->chain);
                return;
        }
        assert_true(fault->n_chain > 2);
        assert_int_equal(fault->chain[0], (uint64_t)PERF_CONTEXT_KERNEL);
        for (uint32_t i = 1; i < fault->n_chain; i++) {
                assert_true(fault->chain[i] >= KERNEL_HALF);
                has_fault |= fault->chain[i] == fault->ip;
        }
        assert_true(has_fault);
}

static void got_known(const struct record *record, void *user)
{
        const struct record_fault *fault = &record->fault;
        struct seen *seen = user;
        uint64_t word;

        if (record->kind != RECORD_FAULT || (fault->addr != told->page && fault->addr != told->buffer))
                return;
        if (fault->event != (fault->addr == told->page ? seen->by_user : seen->by_kernel)) {
                assert_null(fault->user_registers);
                assert_null(fault->stack);
                seen->n_without++;
                return;
        }
        assert_int_equal(fault->registers_abi, PERF_SAMPLE_REGS_ABI_64);
        assert_non_null(fault->user_registers);
        assert_non_null(fault->stack);
        assert_true(fault->n_stack_bytes >= 8 && fault->n_stack_bytes <= seen->stack_bytes);
        if (fault->addr == told->buffer) {
                check_kernel_chain(fault, seen->has_chain);
                assert_true(fault->user_registers[EVENT_STACK_REG_IP] < KERNEL_HALF);
                seen->n_by_kernel++;
                return;
        }
        assert_null(fault->chain);
        check_known_registers(fault->user_registers);
        memcpy(&word, fault->stack, sizeof(word));
        assert_int_equal(word, MAGIC);
        seen->n_by_user++;
}

static struct link_attach wish(pid_t pid, enum detail detail, uint32_t stack_bytes)
{
        return (struct link_attach){.pid = pid, .detail = detail, .stack_bytes = stack_bytes};
}

static void check_known(struct session *session, struct link_attach attach, void (*run)(int command, int answer),
                        struct seen seen)
{
        struct target target = target_start(run);
        struct attached attached;
        struct reader reader;

        assert_int_equal(hear(target.answer), 'r');
        attach.pid = target.pid;
        attached = attach_with(session, attach);
        assert_int_equal(attached.trace.stack_bytes, seen.stack_bytes);
        say(target.command, 'g');
        if (run == run_known_in_child) {
                assert_int_equal(hear(target.answer), 'r');
                say(target.command, 'g');
        }
        assert_int_equal(hear(target.answer), 'd');
        (void)stop(session, &attached);
        reader = reader_new(&attached);
        read_rings(&reader, &attached, got_known, &seen);
        assert_int_equal(seen.n_by_user, 1);
        assert_int_equal(seen.n_by_kernel, seen.by_kernel == N_EVENT_KINDS ? 0 : 1);
        assert_true(seen.n_without > 0 || attach.detail == DETAIL_BASIC);
        reader_free(&reader);
        detach(session, &attached);
        target_end(&target);
}

static void test_registers_and_stack(void **state)
{
        struct session session = session_start();

        check_known(&session, wish(0, DETAIL_FULL, LINK_STACK_AUTO), run_known,
                    (struct seen){.stack_bytes = 8192,
                                  .by_user = EVENT_TP_USER,
                                  .by_kernel = EVENT_TP_KERNEL,
                                  .has_chain = true});
        check_known(
                &session, wish(0, DETAIL_FULL, 8), run_known,
                (struct seen){
                        .stack_bytes = 8, .by_user = EVENT_TP_USER, .by_kernel = EVENT_TP_KERNEL, .has_chain = true});
        check_known(&session, wish(0, DETAIL_FULL, 1001), run_known,
                    (struct seen){.stack_bytes = 1008,
                                  .by_user = EVENT_TP_USER,
                                  .by_kernel = EVENT_TP_KERNEL,
                                  .has_chain = true});
        check_known(&session, wish(0, DETAIL_FULL, LINK_STACK_MAX_BYTES), run_known,
                    (struct seen){.stack_bytes = LINK_STACK_MAX_BYTES,
                                  .by_user = EVENT_TP_USER,
                                  .by_kernel = EVENT_TP_KERNEL,
                                  .has_chain = true});
        check_known(&session, wish(0, DETAIL_BASIC, LINK_STACK_AUTO), run_known,
                    (struct seen){.stack_bytes = 8192, .by_user = EVENT_MIN, .by_kernel = EVENT_MIN});
        session_end(&session);
}

static void test_of_a_child(void **state)
{
        struct session session = session_start();
        struct link_attach attach = wish(0, DETAIL_FULL, LINK_STACK_AUTO);

        attach.flags = LINK_ATTACH_FOLLOW;
        check_known(&session, attach, run_known_in_child,
                    (struct seen){.stack_bytes = 8192,
                                  .by_user = EVENT_TP_USER,
                                  .by_kernel = EVENT_TP_KERNEL,
                                  .has_chain = true});
        session_end(&session);
}

/* The frames of the kernel are not for another user's eyes. */
static void test_of_another_user(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);

        check_known(&session, wish(0, DETAIL_FULL, LINK_STACK_AUTO), run_known_as_nobody,
                    (struct seen){.stack_bytes = 8192, .by_user = EVENT_TP_USER, .by_kernel = EVENT_TP_KERNEL});
        close(session.client);
        close(session.link_fd);
        service_end(&service);
}

static void test_no_stacks(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_known);
        struct attached attached;
        struct link_received received;

        assert_int_equal(hear(target.answer), 'r');
        attached = prepare_with(&session, wish(target.pid, DETAIL_FULL, 0));
        assert_int_equal(attached.trace.stack_bytes, 0);
        assert_int_equal(attached.trace.stacks, 0);
        detach(&session, &attached);
        assert_int_equal(ask_with(&session, wish(target.pid, DETAIL_FULL, LINK_STACK_MAX_BYTES + 1), &received).error,
                         EINVAL);
        link_close_fds(&received);
        target_end(&target);
        session_end(&session);
}

/* --- little locked memory --- */

static uint32_t expected_stack_bytes(uint32_t ring_bytes)
{
        return ring_bytes >= 8u << 20 ? 8192 : ring_bytes >= 4u << 20 ? 4096 : ring_bytes >= 2u << 20 ? 2048 : 1024;
}

static void test_little_locked_memory(void **state)
{
        static const rlim_t limits[] = {0, (rlim_t)3 << 20, (rlim_t)9 << 20, (rlim_t)20 << 20, RLIM_INFINITY};
        struct rlimit before;

        assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
                struct rlimit limit = {.rlim_cur = MIN_OF(limits[i], before.rlim_max), .rlim_max = before.rlim_max};

                assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
                struct session session = session_start_as_nobody();
                struct target target = target_start(run_known_as_nobody);
                assert_int_equal(hear(target.answer), 'r');
                struct attached attached = attach_with(&session, wish(target.pid, DETAIL_AUTO, LINK_STACK_AUTO));
                uint32_t bytes = expected_stack_bytes(attached.trace.ring_bytes);

                assert_int_equal(attached.trace.stack_bytes, bytes);
                assert_int_equal((attached.trace.degraded >> LINK_LACKS_STACK_SIZE) & 1, bytes < 8192);
                if (bytes < 8192)
                        assert_int_equal(attached.trace.degraded_errno[LINK_LACKS_STACK_SIZE], EPERM);
                if (limits[i] == 0)
                        assert_true(attached.trace.ring_bytes < 8u << 20);
                detach(&session, &attached);
                /* What is asked for is obeyed while four records fit. */
                attached = attach_with(&session, wish(target.pid, DETAIL_AUTO, LINK_STACK_MAX_BYTES));
                bytes = MIN_OF(LINK_STACK_MAX_BYTES, attached.trace.ring_bytes / 4);
                assert_int_equal(attached.trace.stack_bytes, bytes);
                assert_int_equal((attached.trace.degraded >> LINK_LACKS_STACK_SIZE) & 1, bytes < LINK_STACK_MAX_BYTES);
                detach(&session, &attached);
                target_end(&target);
                session_end(&session);
        }
        assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

/* Without privilege they ride on completions; faults in the kernel are not seen. */
static void test_unprivileged(void **state)
{
        struct session session = session_start_as_nobody();

        check_known(&session, wish(0, DETAIL_AUTO, 512), run_known_as_nobody,
                    (struct seen){.stack_bytes = 512, .by_user = EVENT_MIN, .by_kernel = N_EVENT_KINDS});
        session_end(&session);
}

/* --- as fast as it can, and as much as the rings hold --- */

static void run_bursts(int command, int answer)
{
        cpu_set_t cpu;

        CPU_ZERO(&cpu);
        CPU_SET((size_t)sched_getcpu(), &cpu); /* one ring gets them all */
        if (sched_setaffinity(0, sizeof(cpu), &cpu) < 0)
                _exit(78);
        char *pages = fresh_pages(BURST);
        target_say(answer, 'r');
        for (;;) {
                target_hear(command);
                if (madvise(pages, BURST * PAGE, MADV_DONTNEED) < 0)
                        _exit(79);
                touch_pages(pages, BURST);
                target_say(answer, 'd');
        }
}

static void got_burst(const struct record *record, void *user)
{
        size_t *n = user;

        assert_int_not_equal(record->kind, RECORD_LOST);
        if (record->kind == RECORD_FAULT && record->fault.event == EVENT_TP_USER) {
                assert_int_equal(record->fault.registers_abi, PERF_SAMPLE_REGS_ABI_64);
                assert_non_null(record->fault.stack);
                ++*n;
        }
}

static void test_a_flood_loses_nothing(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_bursts);
        size_t n = 0;

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach_with(&session, wish(target.pid, DETAIL_FULL, LINK_STACK_AUTO));
        struct reader reader = reader_new(&attached);
        if (attached.trace.ring_bytes < 16u << 20) {
                print_message("rings of %u bytes only\n", attached.trace.ring_bytes);
                skip();
        }
        assert_int_equal(attached.trace.stack_bytes, 8192);
        for (size_t i = 0; i < N_BURSTS; i++) {
                say(target.command, 'g');
                assert_int_equal(hear(target.answer), 'd');
                read_rings(&reader, &attached, got_burst, &n);
        }
        struct link_counts counts = stop(&session, &attached);
        read_rings(&reader, &attached, got_burst, &n);
        assert_true(n >= BURST * N_BURSTS);
        assert_int_equal(counts.count[EVENT_TP_USER], n);
        for (size_t kind = 0; kind < N_EVENT_KINDS; kind++)
                assert_int_equal(counts.lost[kind], 0);
        reader_free(&reader);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* --- somebody else has the same event on the same task --- */

static void open_other(pid_t pid, const struct perf_event_attr *wanted, struct ring_view *ret)
{
        struct perf_event_attr attr = *wanted;
        int fd;

        attr.size = sizeof(attr);
        attr.type = PERF_TYPE_SOFTWARE;
        attr.config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
        attr.sample_period = 1;
        attr.sample_type |= PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
        fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        assert_true(fd >= 0);
        ret->n_bytes = 33 * PAGE;
        ret->page = mmap(NULL, ret->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(ret->page, MAP_FAILED);
        close(fd);
}

struct completions {
        pid_t pid;
        size_t n, n_with_stack;
};

static void got_completion(const struct record *record, void *user)
{
        struct completions *completions = user;

        assert_int_equal(record->kind, RECORD_FAULT);
        assert_int_equal(record->pid, completions->pid);
        assert_int_equal(record->fault.event, EVENT_MIN);
        completions->n++;
        completions->n_with_stack += record->fault.stack != NULL;
}

/* spoils: the records are cut, and their stacks are gone (what is left is the fault). */
static void check_beside(const struct perf_event_attr *other, bool spoils)
{
        struct session session = session_start();
        struct target target = target_start(run_known);
        struct ring_view theirs;

        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach_with(&session, wish(target.pid, DETAIL_BASIC, 512));
        struct reader reader = reader_new(&attached);
        struct completions got = {.pid = target.pid};
        open_other(target.pid, other, &theirs);
        say(target.command, 'g');
        assert_int_equal(hear(target.answer), 'd');
        struct link_counts counts = stop(&session, &attached);
        read_rings(&reader, &attached, got_completion, &got);
        assert_true(got.n >= 2);
        assert_int_equal(got.n, counts.count[EVENT_MIN]);
        assert_int_equal(counts.count[EVENT_MAJ], 0);
        assert_int_equal(counts.lost[EVENT_MIN], 0);
        if (!spoils)
                assert_int_equal(got.n_with_stack, got.n);
        munmap(theirs.page, theirs.n_bytes);
        reader_free(&reader);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void test_beside_others(void **state)
{
        const uint64_t stack = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;

        check_beside(&(struct perf_event_attr){.sample_type = 0}, false);
        check_beside(&(struct perf_event_attr){.sample_type = PERF_SAMPLE_CALLCHAIN}, false);
        check_beside(&(struct perf_event_attr){.sample_type = PERF_SAMPLE_CALLCHAIN | stack,
                                               .sample_regs_user = 0xff0fff,
                                               .sample_stack_user = 4096},
                     false);
        check_beside(&(struct perf_event_attr){.sample_type = stack, .sample_regs_user = 3, .sample_stack_user = 128},
                     true);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_registers_and_stack),   cmocka_unit_test(test_of_a_child),
                cmocka_unit_test(test_of_another_user),       cmocka_unit_test(test_no_stacks),
                cmocka_unit_test(test_little_locked_memory),  cmocka_unit_test(test_unprivileged),
                cmocka_unit_test(test_a_flood_loses_nothing), cmocka_unit_test(test_beside_others),
        };
        int r = monitor_tests_cannot_run();

        if (r == 0)
                told = shared_page();
        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
