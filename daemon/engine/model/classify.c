/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why did the page table entry not do? The rules below read, in this order: what the processor said (error code), what
 * the kernel saw at entry and at completion (frame and page size), and what kind of memory the map is. Each rule says
 * whether its answer is measured (nothing else can have happened) or inferred. ARCHITECTURE.md lists them; a rule
 * changes there and in tests/unit/test_classify.c first.
 */
#include "daemon/engine/model/classify.h"

#include "daemon/link/events.h"

#define PAGE_BYTES UINT64_C(4096)
#define VSYSCALL_PAGE UINT64_C(0xffffffffff600000)
#define INSTRUCTION_MAX_BYTES 15
#define GROWTH_REACH_BYTES UINT64_C(0x10000)

/* arch/x86/include/asm/trap_pf.h */
enum error_code_bits {
        ERROR_CODE_PROTECTION = 1,
        ERROR_CODE_WRITE = 2,
        ERROR_CODE_INSTRUCTION = 16,
};

enum answer { NO, YES, NOT_KNOWN };

/* What the rules look at, worked out once. */
struct view {
        const struct fault *fault;
        const struct classify_context *context;
        const struct map *map;
        enum answer write;   /* the access writes */
        enum answer present; /* something was mapped when the processor looked */
        bool shmem;
        bool exact; /* error code and both page states are this fault's own, and no other thread was at this page */
};

static uint64_t page_of(uint64_t addr)
{
        return addr & ~(PAGE_BYTES - 1);
}

enum access classify_access(const struct fault *fault)
{
        if (fault->has_error_code) {
                if (fault->error_code & ERROR_CODE_INSTRUCTION)
                        return ACCESS_EXEC;
                return fault->error_code & ERROR_CODE_WRITE ? ACCESS_WRITE : ACCESS_READ;
        }
        /* An instruction fetch faults on its own bytes: the first, or the first on the next page. */
        if (fault->mode == MODE_USER && fault->addr - fault->ip < INSTRUCTION_MAX_BYTES)
                return ACCESS_EXEC;
        return ACCESS_UNKNOWN;
}

static enum answer write_of(const struct fault *fault, const struct map *map)
{
        if (fault->access != ACCESS_UNKNOWN)
                return fault->access == ACCESS_WRITE ? YES : NO;
        return map && !map->writable ? NO : NOT_KNOWN;
}

static enum answer present_of(const struct fault *fault)
{
        if (fault->has_error_code)
                return fault->error_code & ERROR_CODE_PROTECTION ? YES : NO;
        if (fault->before.known)
                return fault->before.page_bytes ? YES : NO;
        return NOT_KNOWN;
}

static void answer(struct fault *fault, enum cause cause, bool measured)
{
        fault->cause = cause;
        fault->evidence = measured ? EVIDENCE_MEASURED : EVIDENCE_INFERRED;
}

/* The write is permitted now, and nothing was copied. */
static void classify_same_frame(struct fault *fault, const struct view *view)
{
        /* Private file maps cannot be write-protected by userfaultfd (mm/userfaultfd.c, vma_can_userfault). */
        bool no_userfault = view->map->kind == MAP_KIND_FILE || view->context->userfault_known;
        /* Another thread's write may have lifted the protection already, and only our translation was stale. */
        bool exact = view->exact && !view->context->is_threaded;

        if (fault->lost_race)
                answer(fault, CAUSE_RACED, false);
        else if (view->context->userfault_known && view->context->userfault)
                answer(fault, CAUSE_USERFAULT, false);
        else if (!view->map->shared)
                answer(fault, CAUSE_COW_REUSE, exact && no_userfault);
        else
                answer(fault, view->shmem ? CAUSE_SPURIOUS : CAUSE_MKWRITE, exact && !view->shmem);
}

/* Present, and the write was not permitted: copy-on-write and its kin. */
static void classify_write_protected(struct fault *fault, const struct view *view)
{
        const struct map *map = view->map;
        bool frames = fault->before.known && fault->after.known && fault->before.page_bytes && fault->after.page_bytes;

        if (!frames) {
                if (map->shared)
                        answer(fault, view->shmem ? CAUSE_SHMEM : CAUSE_MKWRITE, false);
                else
                        answer(fault, CAUSE_UNKNOWN, false);
                return;
        }
        if (page_of(fault->before.physical) == page_of(fault->after.physical)) {
                classify_same_frame(fault, view);
        } else if (map->kind == MAP_KIND_FILE || map->kind == MAP_KIND_SHMEM) {
                /* The page may have been a private copy already, shared by a fork. */
                answer(fault, CAUSE_FILE_COW, false);
        } else if (!fault->before.physical) {
                answer(fault, CAUSE_ZERO_FILL, view->exact);
        } else {
                answer(fault, CAUSE_COW_COPY, view->exact);
        }
}

/* The processor found nothing, yet something was mapped when the kernel looked. */
static void classify_appeared(struct fault *fault, const struct view *view)
{
        /* The kernel samples the frame before the page size: a page that appears in between looks just the same. */
        if (view->context->numa_balancing && !fault->before.physical && fault->after.known && fault->after.physical)
                answer(fault, CAUSE_NUMA_HINT, false);
        else
                answer(fault, CAUSE_RACED, fault->before.physical != 0);
}

static void classify_absent_anon(struct fault *fault, const struct view *view)
{
        const struct classify_context *context = view->context;

        if (context->userfault_known && context->userfault) {
                answer(fault, CAUSE_USERFAULT, false);
        } else if (fault->major) {
                answer(fault, context->swap_in_use ? CAUSE_SWAP_IN : CAUSE_UNKNOWN, false);
        } else if (fault->after.known && fault->after.page_bytes && !fault->after.physical) {
                answer(fault, CAUSE_ZERO_PAGE, view->exact);
        } else if (view->write == NO && fault->after.known) {
                /* A read was given a page of its own: it was somewhere before. */
                answer(fault, context->swap_in_use ? CAUSE_SWAP_IN : CAUSE_UNKNOWN, false);
        } else if (view->write == NO) {
                answer(fault, CAUSE_ZERO_PAGE, false);
        } else {
                answer(fault, CAUSE_ZERO_FILL,
                       view->exact && !context->swap_in_use && context->userfault_known && !context->userfault);
        }
}

static void classify_absent_shmem(struct fault *fault, const struct view *view)
{
        if (!view->map->shared && view->write == YES)
                answer(fault, CAUSE_FILE_COW, view->exact && !view->context->swap_in_use);
        else if (view->context->userfault_known && view->context->userfault)
                answer(fault, CAUSE_USERFAULT, false);
        else if (fault->major && view->context->swap_in_use)
                answer(fault, CAUSE_SWAP_IN, false);
        else
                answer(fault, CAUSE_SHMEM, view->exact && !fault->major && !view->context->swap_in_use);
}

static void classify_absent_file(struct fault *fault, const struct view *view)
{
        bool exact = view->exact && (view->map->shared || !view->context->swap_in_use);

        if (fault->major)
                answer(fault, CAUSE_FILE_MAJOR, false);
        else if (view->write != YES)
                answer(fault, CAUSE_FILE_MINOR, exact && view->write == NO);
        else
                answer(fault, view->map->shared ? CAUSE_MKWRITE : CAUSE_FILE_COW, exact);
}

static void classify_absent(struct fault *fault, const struct view *view)
{
        if (fault->lost_race) {
                answer(fault, CAUSE_RACED, false);
                return;
        }
        switch (view->map->kind) {
        case MAP_KIND_ANON:
        case MAP_KIND_STACK:
                classify_absent_anon(fault, view);
                break;
        case MAP_KIND_SHMEM:
                classify_absent_shmem(fault, view);
                break;
        case MAP_KIND_SPECIAL: /* [vdso], [vvar]: the kernel's own pages, there from the start */
                answer(fault, CAUSE_FILE_MINOR, false);
                break;
        default:
                if (view->shmem)
                        classify_absent_shmem(fault, view);
                else
                        classify_absent_file(fault, view);
                break;
        }
}

static void classify_completed(struct fault *fault, const struct view *view)
{
        fault->outcome = fault->major ? OUTCOME_MAJOR : OUTCOME_MINOR;
        if (!view->map) {
                answer(fault, CAUSE_UNKNOWN, false);
        } else if (view->map->kind == MAP_KIND_HUGETLB) {
                answer(fault, CAUSE_HUGETLB, true);
        } else if (fault->stack_grew) {
                answer(fault, CAUSE_STACK_GROW, true);
        } else if (view->present == YES && view->write != NO) {
                classify_write_protected(fault, view);
        } else if (view->present == YES) {
                answer(fault, CAUSE_SPURIOUS, fault->has_error_code);
        } else if (view->present == NO && fault->before.known && fault->before.page_bytes) {
                classify_appeared(fault, view);
        } else {
                classify_absent(fault, view);
        }
}

bool classify_is_guard(const struct map *map, const struct map *above)
{
        return !map->readable && !map->writable && !map->executable && above && above->start == map->end &&
               above->writable && (above->kind == MAP_KIND_ANON || above->kind == MAP_KIND_STACK);
}

/* Nothing is mapped there, or the map does not permit the access: it can only have failed. */
static void classify_failed(struct fault *fault, const struct view *view)
{
        const struct map *above = fault->above;

        fault->outcome = OUTCOME_FAILED;
        if (view->map)
                answer(fault, classify_is_guard(view->map, above) ? CAUSE_GUARD_PAGE : CAUSE_ACCESS_DENIED, false);
        else if (above && above->kind == MAP_KIND_STACK && above->start - fault->addr <= GROWTH_REACH_BYTES)
                answer(fault, CAUSE_STACK_OVERFLOW, false);
        else
                answer(fault, CAUSE_UNMAPPED, false);
}

static bool beyond_eof(const struct fault *fault, const struct view *view)
{
        uint64_t offset;

        if (!view->map || !view->map->inode || !view->context->file_size_known)
                return false;
        offset = page_of(fault->addr) - view->map->start + view->map->offset;
        return offset >= view->context->file_bytes;
}

/* An access that is not known was one that the map permits, if that can explain the failure as well. */
static bool denied(const struct fault *fault, const struct view *view)
{
        if (fault->access != ACCESS_UNKNOWN)
                return !map_permits(view->map, fault->access);
        return !view->map->writable && !(view->map->readable && beyond_eof(fault, view));
}

/*
 * Waiting for a file's page ends early only for a signal that kills (mm/filemap.c, __folio_lock_killable): a thread
 * that goes on was sent SIGBUS. Waiting for user space or for memory can be interrupted.
 */
static bool may_be_interrupted(const struct view *view)
{
        bool is_file = view->map->kind == MAP_KIND_FILE || view->map->kind == MAP_KIND_SHMEM;

        return !is_file || view->context->userfault;
}

/*
 * The kernel refused, that is certain, and on what grounds where only one fits; that a map was meant to guard, and how
 * long a file was, is concluded as it is without a signal.
 */
static void classify_signalled(struct fault *fault, const struct view *view)
{
        bool is_denied = view->map && fault->access != ACCESS_UNKNOWN && !map_permits(view->map, fault->access);
        bool may_be_short = view->map && !may_be_interrupted(view) && !view->context->file_size_known;

        fault->outcome = OUTCOME_FAILED;
        if (!view->map || denied(fault, view)) {
                classify_failed(fault, view);
                if (fault->cause == CAUSE_UNMAPPED || (fault->cause == CAUSE_ACCESS_DENIED && is_denied))
                        fault->evidence = EVIDENCE_MEASURED;
        } else {
                answer(fault, beyond_eof(fault, view) || may_be_short ? CAUSE_BEYOND_EOF : CAUSE_UNKNOWN, false);
        }
}

static void classify_uncompleted(struct fault *fault, const struct view *view)
{
        /* Only calls are emulated; who reads the page is sent SIGSEGV (vsyscall_64.c, emulate_vsyscall). */
        if (page_of(fault->addr) == VSYSCALL_PAGE && fault->access == ACCESS_EXEC) {
                fault->outcome = OUTCOME_EMULATED;
                answer(fault, CAUSE_UNKNOWN, true);
        } else if (fault->addr >= EVENT_USER_END) {
                fault->outcome = OUTCOME_FAILED;
                answer(fault, CAUSE_KERNEL_ADDRESS, true);
        } else if (fault->signalled) {
                classify_signalled(fault, view);
        } else if (!view->map || denied(fault, view)) {
                classify_failed(fault, view);
        } else if (beyond_eof(fault, view)) {
                fault->outcome = OUTCOME_FAILED;
                answer(fault, CAUSE_BEYOND_EOF, false);
        } else if (fault->ended) {
                fault->outcome = OUTCOME_OPEN;
                answer(fault, CAUSE_UNKNOWN, false);
        } else if (!may_be_interrupted(view)) {
                fault->outcome = OUTCOME_FAILED;
                answer(fault, view->context->file_size_known ? CAUSE_UNKNOWN : CAUSE_BEYOND_EOF, false);
        } else {
                fault->outcome = OUTCOME_INTERRUPTED;
                answer(fault, CAUSE_UNKNOWN, false);
        }
}

void classify(struct fault *fault, const struct classify_context *context)
{
        struct view view = {.fault = fault, .context = context, .map = fault->map};

        fault->access = classify_access(fault);
        view.write = write_of(fault, fault->map);
        view.present = present_of(fault);
        view.shmem = fault->map && (fault->map->kind == MAP_KIND_SHMEM || context->file_is_shmem);
        view.exact = fault->has_error_code && fault->before.known && fault->after.known && !fault->overlapped &&
                     !fault->loss_seen;

        if (fault->completed) {
                classify_completed(fault, &view);
        } else if (fault->incomplete && !fault->signalled) {
                fault->outcome = OUTCOME_NONE;
                answer(fault, CAUSE_UNKNOWN, false);
        } else {
                classify_uncompleted(fault, &view);
        }
}
