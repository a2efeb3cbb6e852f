/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's way through a page fault (arch/x86/mm/fault.c, do_user_addr_fault(); mm/memory.c, handle_pte_fault()),
 * followed on paper. It has these steps, and the functions below are in the same order: is the address one of user
 * space; is there a map, or one that can grow; does the map permit the access (access_error()); and then, by whether
 * something is mapped: nothing there (do_fault(), do_anonymous_page(), do_swap_page()), or a page that may not be
 * written (do_wp_page()), or all is well.
 *
 * The words are those of faultline's faults, by the rules that the daemon classifies with (daemon/engine/model,
 * classify.c), so that what is foreseen here is what a trace would print.
 *
 * Two things are not shown to anybody. Whether a page table entry has its write bit: a private page that nobody shares
 * may be write-protected still, after a fork whose other side has gone. And what is to come: memory may run out, a file
 * may be cut. An answer therefore says how certain it is.
 *
 * An instruction fetch from memory without the right to execute goes two steps: access_error() lets it pass as long as
 * no page is there, the page is brought in as for a read, and only the second attempt is refused.
 */
#include "client/proc/access.h"

#include <string.h>

#include "client/proc/pagetable.h"
#include "proto/base.h"

#define GROWTH_REACH_BYTES UINT64_C(0x10000) /* as classify.c: nearer to a stack it is called an overflow */

static const struct access_way works = {.what = FORESEEN_WORKS};

static struct access_way fault_of(enum cause cause)
{
        return (struct access_way){.what = FORESEEN_FAULT, .cause = cause};
}

static struct access_way signal_of(const char *name, const char *code, enum cause cause)
{
        return (struct access_way){.what = FORESEEN_SIGNAL, .cause = cause, .signal = name, .code = code};
}

static void answer(struct access_answer *ret, struct access_way way, enum evidence evidence, const char *why)
{
        *ret = (struct access_answer){.ways = {way}, .n_ways = 1, .evidence = evidence, .why = why};
}

static void answer_either(struct access_answer *ret, struct access_way likelier, struct access_way other,
                          const char *why)
{
        *ret = (struct access_answer){
                .ways = {likelier, other}, .n_ways = 2, .evidence = EVIDENCE_INFERRED, .why = why};
}

static void answer_unknown(struct access_answer *ret, const char *why)
{
        answer(ret, (struct access_way){.what = FORESEEN_UNKNOWN}, EVIDENCE_INFERRED, why);
}

/* --- what the map is --- */

static bool has_prefix(const char *path, const char *prefix)
{
        return strncmp(path, prefix, strlen(prefix)) == 0;
}

static bool is_shared(const struct smaps_map *map)
{
        return map->perms[3] == 's';
}

static enum memory_kind kind_of_bracketed(const char *path)
{
        if (strcmp(path, "[heap]") == 0 || strcmp(path, "[stack]") == 0 || has_prefix(path, "[anon:"))
                return MEMORY_ANON;
        return has_prefix(path, "[anon_shmem:") ? MEMORY_SHMEM : MEMORY_SPECIAL;
}

enum memory_kind memory_kind_of(const struct smaps_map *map, bool file_is_shmem)
{
        if (smaps_has_flag(map, "ht") || has_prefix(map->path, "/anon_hugepage"))
                return MEMORY_HUGETLB;
        if (smaps_has_flag(map, "pf") || smaps_has_flag(map, "io"))
                return MEMORY_DEVICE;
        if (map->path[0] == '\0')
                return MEMORY_ANON;
        if (map->path[0] == '[')
                return kind_of_bracketed(map->path);
        if (map->path[0] != '/')
                return MEMORY_SPECIAL; /* "anon_inode:[io_uring]", "socket:[4711]": a ring, of no file system */
        if (strcmp(map->path, "/dev/zero") == 0)
                return is_shared(map) ? MEMORY_SHMEM : MEMORY_ANON;
        if (file_is_shmem || has_prefix(map->path, "/memfd:") || has_prefix(map->path, "/SYSV"))
                return MEMORY_SHMEM;
        return MEMORY_FILE;
}

static bool grows_down(const struct access_facts *facts, const struct smaps_map *map)
{
        return facts->has_flags ? smaps_has_flag(map, "gd") : strcmp(map->path, "[stack]") == 0;
}

/* mm/mmap.c, expand_downwards() and acct_stack_growth(). */
bool access_grows(const struct access_facts *facts)
{
        const struct smaps_map *above = facts->above, *below = facts->below;
        uint64_t page = facts->address - facts->address % PAGEMAP_PAGE_BYTES;

        if (facts->map || !above || !grows_down(facts, above))
                return false;
        if (above->end - page > facts->stack_limit_bytes)
                return false;
        return !below || grows_down(facts, below) || strncmp(below->perms, "---", 3) == 0 ||
               page - below->end >= facts->guard_gap_bytes;
}

bool access_beyond_end(const struct access_facts *facts)
{
        const struct smaps_map *map = facts->map;
        uint64_t page = facts->address - facts->address % PAGEMAP_PAGE_BYTES;

        return map && facts->has_file && page - map->start + map->offset >= facts->file_bytes;
}

/* --- refused: no map, or not by this one --- */

static void foresee_kernel_address(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        const struct smaps_map *map = facts->map;

        if (!pagetable_is_canonical(facts->address, facts->n_levels))
                answer(ret, signal_of("SIGSEGV", "SI_KERNEL", CAUSE_UNKNOWN), EVIDENCE_MEASURED,
                       "the address is not canonical: a general protection fault, not a page fault");
        else if (map && access == ACCESS_EXEC)
                answer_either(ret, (struct access_way){.what = FORESEEN_FAULT, .cause = CAUSE_UNKNOWN},
                              signal_of("SIGSEGV", "SEGV_MAPERR", CAUSE_KERNEL_ADDRESS),
                              "the kernel emulates the calls at their entry points, and nothing else");
        else
                answer(ret, signal_of("SIGSEGV", "SEGV_MAPERR", CAUSE_KERNEL_ADDRESS), EVIDENCE_MEASURED,
                       "the address is the kernel's");
}

static void foresee_unmapped(const struct access_facts *facts, struct access_answer *ret)
{
        const struct smaps_map *above = facts->above;
        bool near = above && grows_down(facts, above) && above->start - facts->address <= GROWTH_REACH_BYTES;

        if (near)
                answer(ret, signal_of("SIGSEGV", "SEGV_MAPERR", CAUSE_STACK_OVERFLOW), EVIDENCE_INFERRED,
                       "the stack above may not grow so far");
        else
                answer(ret, signal_of("SIGSEGV", "SEGV_MAPERR", CAUSE_UNMAPPED), EVIDENCE_MEASURED,
                       "nothing is mapped here");
}

static bool is_guard_map(const struct access_facts *facts)
{
        const struct smaps_map *map = facts->map, *above = facts->above;

        return strncmp(map->perms, "---", 3) == 0 && above && above->start == map->end && above->perms[1] == 'w' &&
               memory_kind_of(above, false) == MEMORY_ANON;
}

/* access_error(), as far as it looks at the map alone. false: it permits the access. */
static bool foresee_denied(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        const char *perms = facts->map->perms;
        bool accessible = strncmp(perms, "---", 3) != 0;

        if (access == ACCESS_WRITE && perms[1] != 'w')
                answer(ret,
                       signal_of("SIGSEGV", "SEGV_ACCERR",
                                 is_guard_map(facts) ? CAUSE_GUARD_PAGE : CAUSE_ACCESS_DENIED),
                       is_guard_map(facts) ? EVIDENCE_INFERRED : EVIDENCE_MEASURED, "the map is not writable");
        else if (!accessible)
                answer(ret,
                       signal_of("SIGSEGV", "SEGV_ACCERR",
                                 is_guard_map(facts) ? CAUSE_GUARD_PAGE : CAUSE_ACCESS_DENIED),
                       is_guard_map(facts) ? EVIDENCE_INFERRED : EVIDENCE_MEASURED, "the map permits nothing");
        else if (access == ACCESS_READ && strncmp(perms, "--x", 3) == 0 && facts->has_protection_keys)
                answer(ret, signal_of("SIGSEGV", "SEGV_PKUERR", CAUSE_ACCESS_DENIED), EVIDENCE_INFERRED,
                       "the map may only be executed, which a protection key sees to");
        else
                return false;
        return true;
}

/* --- nothing is mapped at the address --- */

static void foresee_absent_file(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        bool write = access == ACCESS_WRITE;
        enum cause minor = !write ? CAUSE_FILE_MINOR : is_shared(facts->map) ? CAUSE_MKWRITE : CAUSE_FILE_COW;

        if (facts->is_cached == KNOWN_YES)
                answer(ret, fault_of(minor), EVIDENCE_MEASURED, "the page is in the page cache");
        else if (facts->is_cached == KNOWN_NO)
                answer(ret, fault_of(CAUSE_FILE_MAJOR), EVIDENCE_INFERRED,
                       "the page is not in the page cache and has to be read from storage");
        else
                answer_either(ret, fault_of(minor), fault_of(CAUSE_FILE_MAJOR),
                              "whether the page is in the page cache is not shown");
}

static void foresee_absent_shmem(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        const struct smaps_map *map = facts->map;
        enum cause cause = access == ACCESS_WRITE && !is_shared(map) ? CAUSE_FILE_COW : CAUSE_SHMEM;
        bool maybe_out = facts->has_swap && !(map->has_amounts && map->amounts[SMAPS_SWAP] == 0) &&
                         facts->is_cached != KNOWN_YES;

        if (maybe_out)
                answer_either(ret, fault_of(cause), fault_of(CAUSE_SWAP_IN),
                              "whether a page of shared memory is in swap space is not shown");
        else
                answer(ret, fault_of(cause), EVIDENCE_MEASURED,
                       "this process has not mapped the page of shared memory");
}

static void foresee_absent_anon(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        if (access == ACCESS_WRITE)
                answer(ret, fault_of(CAUSE_ZERO_FILL), EVIDENCE_MEASURED, "never touched: a fresh page of zeros");
        else
                answer(ret, fault_of(CAUSE_ZERO_PAGE), EVIDENCE_MEASURED, "never written: the shared page of zeros");
}

/* Userfaultfd answers for what is missing ("um"), or for what is in the page cache and not mapped ("ui"). */
static bool foresee_userfault(const struct access_facts *facts, struct access_answer *ret)
{
        if (!smaps_has_flag(facts->map, "um") && !smaps_has_flag(facts->map, "ui"))
                return false;
        answer(ret, fault_of(CAUSE_USERFAULT), EVIDENCE_INFERRED,
               "the map is registered with userfaultfd: the thread waits for whoever serves it");
        return true;
}

static void foresee_absent(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        enum memory_kind kind = memory_kind_of(facts->map, facts->file_is_shmem);

        if (access_beyond_end(facts) && (kind == MEMORY_FILE || kind == MEMORY_SHMEM || kind == MEMORY_HUGETLB)) {
                answer(ret, signal_of("SIGBUS", "BUS_ADRERR", CAUSE_BEYOND_EOF), EVIDENCE_INFERRED,
                       "the page is behind the end of the file");
                return;
        }
        if (foresee_userfault(facts, ret))
                return;
        switch (kind) {
        case MEMORY_ANON:
                foresee_absent_anon(facts, access, ret);
                break;
        case MEMORY_SHMEM:
                foresee_absent_shmem(facts, access, ret);
                break;
        case MEMORY_HUGETLB:
                answer_either(ret, fault_of(CAUSE_HUGETLB), signal_of("SIGBUS", "BUS_ADRERR", CAUSE_UNKNOWN),
                              "a huge page of the pool, if one is free");
                break;
        case MEMORY_SPECIAL:
                answer(ret, fault_of(CAUSE_FILE_MINOR), EVIDENCE_INFERRED, "a page of the kernel's own");
                break;
        case MEMORY_DEVICE:
                answer_unknown(ret, "the kernel keeps no account of the pages of such a map");
                break;
        default:
                foresee_absent_file(facts, access, ret);
                break;
        }
}

/* --- something is there that is not present: swap, or a marker --- */

static void foresee_elsewhere(const struct access_facts *facts, struct access_answer *ret)
{
        if (facts->page.guard)
                answer(ret, signal_of("SIGSEGV", "SEGV_MAPERR", CAUSE_GUARD_PAGE), EVIDENCE_MEASURED,
                       "a guard region (MADV_GUARD_INSTALL)");
        else if (facts->page.marked)
                answer_unknown(ret, "the kernel keeps a marker here: of userfaultfd, or for a page that is broken");
        else if (!facts->has_swap)
                answer_unknown(ret, "there is no swap space: a page on its way to another place, or a marker");
        else
                answer(ret, fault_of(CAUSE_SWAP_IN), EVIDENCE_INFERRED, "the page is in swap space");
}

/* --- present --- */

/* What a write does to a private page that is there: do_wp_page(). */
static void foresee_private_write(const struct access_facts *facts, enum memory_kind kind, struct access_answer *ret)
{
        const struct pagemap_page *page = &facts->page;

        if (facts->is_zero == KNOWN_YES)
                answer(ret, fault_of(CAUSE_ZERO_FILL), EVIDENCE_MEASURED,
                       "the shared page of zeros gives way to a fresh one");
        else if (page->file_or_shared)
                answer(ret, fault_of(CAUSE_FILE_COW), EVIDENCE_MEASURED,
                       "the page is the file's: the process gets its own copy");
        else if (page->exclusive)
                answer_either(ret, works, fault_of(CAUSE_COW_REUSE),
                              "the page is this process's alone; after a fork it may be write-protected still");
        else if (facts->is_zero == KNOWN_NO)
                answer(ret, fault_of(CAUSE_COW_COPY), EVIDENCE_MEASURED,
                       "the page is shared with another process, after a fork: it is copied");
        else
                answer_either(ret, fault_of(kind == MEMORY_ANON ? CAUSE_ZERO_FILL : CAUSE_COW_COPY),
                              fault_of(kind == MEMORY_ANON ? CAUSE_COW_COPY : CAUSE_ZERO_FILL),
                              "the page is not this process's alone; whether it is the page of zeros is not shown");
}

/* Clean pages of file systems are write-protected, so that the first write is noticed (vma_wants_writenotify()). */
static void foresee_shared_write(const struct access_facts *facts, enum memory_kind kind, struct access_answer *ret)
{
        if (kind != MEMORY_FILE)
                answer(ret, works, EVIDENCE_MEASURED, "the page is present");
        else if (facts->is_dirty == KNOWN_NO)
                answer(ret, fault_of(CAUSE_MKWRITE), EVIDENCE_INFERRED,
                       "the page is clean, and the file system wants to know of the first write");
        else if (facts->is_dirty == KNOWN_YES)
                answer_either(ret, works, fault_of(CAUSE_MKWRITE),
                              "the page is dirty, by this process or by another writer of the file");
        else
                answer_either(ret, works, fault_of(CAUSE_MKWRITE), "whether the page is dirty is not shown");
}

static void foresee_present(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        enum memory_kind kind = memory_kind_of(facts->map, facts->file_is_shmem);

        if (access != ACCESS_WRITE)
                answer(ret, works, EVIDENCE_MEASURED, "the page is present");
        else if (facts->page.write_protected)
                answer(ret, fault_of(CAUSE_USERFAULT), EVIDENCE_MEASURED,
                       "the page is write-protected by userfaultfd: the thread waits for whoever serves it");
        else if (is_shared(facts->map))
                foresee_shared_write(facts, kind, ret);
        else if (kind != MEMORY_HUGETLB)
                foresee_private_write(facts, kind, ret);
        else if (facts->page.exclusive && !facts->page.file_or_shared)
                answer_either(ret, works, fault_of(CAUSE_HUGETLB),
                              "the page is this process's alone; after a fork it may be write-protected still");
        else
                answer(ret, fault_of(CAUSE_HUGETLB), EVIDENCE_MEASURED, "the page is shared: it is copied");
}

/* --- all together --- */

static void foresee_permitted(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        const struct pagemap_page *page = &facts->page;

        if (!facts->has_page)
                answer_unknown(ret, "the map permits it; whether the page is present may not be read");
        else if (page->present)
                foresee_present(facts, access, ret);
        else if (page->swapped || page->guard || page->marked)
                foresee_elsewhere(facts, ret);
        else
                foresee_absent(facts, access, ret);
}

/* The page comes in, and then its NX bit refuses the fetch. */
static void foresee_not_executable(const struct access_facts *facts, bool grows, struct access_answer *ret)
{
        struct access_answer in = {0};
        bool is_device = !grows && memory_kind_of(facts->map, facts->file_is_shmem) == MEMORY_DEVICE;
        bool comes_in = grows || (facts->has_page && !facts->page.present && !is_device);

        if (grows)
                answer(&in, fault_of(CAUSE_STACK_GROW), EVIDENCE_INFERRED, "");
        else if (comes_in)
                foresee_permitted(facts, ACCESS_READ, &in);
        if (comes_in && in.ways[0].what != FORESEEN_FAULT) {
                *ret = in; /* it does not even come in */
                return;
        }
        answer(ret, signal_of("SIGSEGV", "SEGV_ACCERR", CAUSE_ACCESS_DENIED), EVIDENCE_MEASURED,
               "the map is not executable");
        if (comes_in)
                ret->first = in.ways[0].cause;
}

void access_foresee(const struct access_facts *facts, enum access access, struct access_answer *ret)
{
        bool grows = access_grows(facts);

        if (facts->address >= pagetable_task_end(facts->n_levels))
                foresee_kernel_address(facts, access, ret);
        else if (!facts->map && !grows)
                foresee_unmapped(facts, ret);
        else if (grows && access == ACCESS_EXEC && facts->above->perms[2] != 'x')
                foresee_not_executable(facts, true, ret);
        else if (grows)
                answer(ret, fault_of(CAUSE_STACK_GROW), EVIDENCE_INFERRED,
                       "the stack above grows down to here, within its limit");
        else if (foresee_denied(facts, access, ret))
                return;
        else if (access == ACCESS_EXEC && facts->map->perms[2] != 'x')
                foresee_not_executable(facts, false, ret);
        else
                foresee_permitted(facts, access, ret);
}

const char *foreseen_text(enum foreseen what)
{
        static const char *const words[] = {
                [FORESEEN_UNKNOWN] = "unknown",
                [FORESEEN_WORKS] = "works",
                [FORESEEN_FAULT] = "fault",
                [FORESEEN_SIGNAL] = "signal",
        };

        return words[what];
}
