/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arbitrary bytes as unwind tables: it comes back, with memory in proportion to them, and whatever is asked of the rows
 * is answered with what a row may be.
 *
 * Input: two bytes, how many of the rest are .eh_frame (little-endian); what is behind them is .debug_frame.
 */
#include <errno.h>
#include <string.h>

#include "daemon/engine/model/rows.h"
#include "tests/fuzz/fuzz.h"

#define EH_FRAME_VADDR UINT64_C(0x100000)

static void check_row(const struct row *row)
{
        fuzz_promise(row->kind <= ROW_COMPLEX);
        fuzz_promise(row->cfa_offset % 8 == 0 && row->cfa_offset >= -262144 && row->cfa_offset < 262144);
        fuzz_promise(row->bp_saved ? row->bp_offset < 0 && row->bp_offset >= -65528 : row->bp_offset == 0);
        fuzz_promise(row->bp_offset % 8 == 0);
        fuzz_promise(!row->bp_saved || row->kind == ROW_SP || row->kind == ROW_BP || row->kind == ROW_PLT);
}

static void ask(const struct rows *rows, const uint8_t *bytes, size_t n_bytes)
{
        struct row row;

        for (uint64_t addr = 0; addr < 0x4000; addr += 3) {
                rows_find(rows, addr, &row);
                check_row(&row);
        }
        for (size_t i = 0; i + sizeof(uint64_t) <= n_bytes; i++) { /* addresses that the tables may be about */
                uint64_t addr;

                memcpy(&addr, bytes + i, sizeof(addr));
                rows_find(rows, addr, &row);
                check_row(&row);
                rows_find(rows, EH_FRAME_VADDR + i + (uint64_t)(int32_t)addr, &row);
                check_row(&row);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        struct rows_source source = {.text_vaddr = 0x1000, .got_vaddr = 0x2000};
        struct rows *rows = NULL;
        size_t n_eh_frame;
        int r;

        if (n_bytes < 2)
                return 0;
        n_eh_frame = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        n_bytes -= 2;
        n_eh_frame = n_eh_frame < n_bytes ? n_eh_frame : n_bytes;
        source.eh_frame = (struct rows_table){.bytes = data, .n_bytes = n_eh_frame, .vaddr = EH_FRAME_VADDR};
        source.debug_frame = (struct rows_table){.bytes = data + n_eh_frame, .n_bytes = n_bytes - n_eh_frame};
        r = rows_compile(&source, &rows);
        fuzz_promise(r == 0 || r == -ENODATA);
        fuzz_promise((r == 0) == (rows != NULL));
        if (r < 0)
                return 0;
        fuzz_promise(rows_count(rows) > 0 && rows_count(rows) <= n_bytes);
        fuzz_promise(rows_bytes(rows) <= 128 + 9 * n_bytes);
        ask(rows, data, n_bytes);
        fuzz_promise(!rows_unref(rows));
        return 0;
}
