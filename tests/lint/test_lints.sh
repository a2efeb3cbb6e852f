#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test_lints.sh ROOT: a lint that cannot fail is worth nothing. Seeds one violation of every rule into a small tree of
# its own, expects the lint to name it, and expects the same tree without it to pass.
set -u
export LC_ALL=C

lint=$(realpath "$1")/tests/lint
root=$(realpath "$1")
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
n_failed=0
n_seeded=0
first_id=57ec9aa5b65b4b4e8b1c0f4ac5f5d0a1
second_id=0b3f3f06d86d4f1c8a7d1e0e52f5c7b2
third_id=9e1fb4a93f4c4a03a7d0b8fbd1b6a2c3
spdx='/* SPDX-License-Identifier: LGPL-2.1-or-later */'

# put FILE CODE...: a source file with a proper head.
put()
{
        local file=$tree/$1

        shift
        mkdir -p "$(dirname "$file")"
        { echo "$spdx"; printf '%s\n' "$@"; } >"$file"
}

compile()
{
        local object=$tree/build/CMakeFiles/x.dir/$1.o

        mkdir -p "$(dirname "$object")"
        gcc -w -I"$tree" -O1 -fno-builtin -c "$tree/$1" -o "$object"
}

sound_tree()
{
        rm -rf "${tree:?}"/*
        mkdir -p "$tree/tests/lint"
        cp "$root/.clang-format" "$tree/"
        printf '%s\n' '# none' >"$tree/tests/lint/pure_exceptions.txt"
        put proto/base.h '#pragma once' 'int base(void);'
        put proto/messages.def 'X_MESSAGE(HELLO, 1, hello, "hi")'
        put proto/vocabulary.def 'X_CAUSE(FIRST, 1, "first-word")'
        echo 'HELLO' >"$tree/proto/PROTOCOL.md"
        put elf/image.h '#pragma once' '#include "proto/base.h"'
        put daemon/link/link.h '#pragma once' 'int link(void);'
        put daemon/engine/decode/ring.h '#pragma once' 'int ring(void);'
        put daemon/engine/decode/ring.c '#include "daemon/engine/decode/ring.h"' '' '#include <string.h>' '' \
                '/* A comment may speak of perf_event_open(2) and ptrace(2). */' 'int ring(void)' '{' \
                '        return (int)strlen("ptrace(1)");' '}'
        put daemon/engine/model/map.h '#pragma once' '#include "daemon/engine/decode/ring.h"'
        put daemon/engine/serve/queue.h '#pragma once' '#include "daemon/engine/model/map.h"'
        put daemon/engine/engine.h '#pragma once' '#include "daemon/engine/serve/queue.h"'
        put daemon/monitor/monitor.h '#pragma once' '#include "daemon/link/link.h"'
        put daemon/tracer/tracer.h '#pragma once' '#include "daemon/link/link.h"'
        put daemon/main.c '#include "daemon/engine/engine.h"' '#include "daemon/monitor/monitor.h"'
        put client/state.h '#pragma once' '#include "proto/base.h"'
        put daemon/monitor/journal.def "X_RECORD(FIRST, \"$first_id\", INFO, SERVICE, \"a\")" \
                "X_RECORD(SECOND, \"$second_id\", INFO, SERVICE, \"b\")"
        mkdir -p "$tree/systemd"
        printf -- '-- %s\nSubject: A subject\nDefined-By: faultline\n\nWords.\n\n' "$first_id" "$second_id" \
                >"$tree/systemd/faultline.catalog"
        printf '*--count* *-p* _first-word_ *trace*\n' >"$tree/client/faultline.1.scd"
        : >"$tree/client/faultline-json.5.scd"
        printf '%s\n' '#!/bin/sh' 'echo "usage:"' 'echo "  faultline trace [-p PID] [--count=N]"' >"$tree/faultline"
        chmod +x "$tree/faultline"
        compile daemon/engine/decode/ring.c
}

run_lint()
{
        case $1 in
        layers) "$lint/check_layers.sh" "$tree" ;;
        pure) "$lint/check_pure.sh" "$tree/build" "$tree" ;;
        format) "$lint/check_format.sh" "$tree" ;;
        docs) "$lint/check_docs.sh" "$tree/faultline" "$tree" ;;
        catalog) "$lint/check_catalog.sh" "$tree" ;;
        esac
}

# expect LINT TEXT: the lint fails on the tree and its output names the violation. Then the tree is sound again.
expect()
{
        local output status

        n_seeded=$((n_seeded + 1))
        output=$(run_lint "$1" 2>&1)
        status=$?
        if [ $status -ne 1 ] || ! grep -qF -- "$2" <<<"$output"; then
                echo "FAILED: check_$1.sh, status $status, does not report: $2"
                [ -z "$output" ] || sed 's/^/    /' <<<"$output"
                n_failed=$((n_failed + 1))
        fi
        sound_tree
}

expect_sound()
{
        local output

        if ! output=$(run_lint "$1" 2>&1); then
                echo "FAILED: check_$1.sh reports a violation in a sound tree"
                sed 's/^/    /' <<<"$output"
                n_failed=$((n_failed + 1))
        fi
}

# include FROM WHAT: FROM must not include WHAT.
forbid_include()
{
        put "$1" '#pragma once' "#include \"$2\""
        expect layers "$1: includes \"$2\""
}

test_layers()
{
        expect_sound layers
        forbid_include proto/a.h daemon/link/link.h
        forbid_include client/a.h daemon/link/link.h
        forbid_include client/a.h elf/image.h
        forbid_include elf/a.h client/state.h
        forbid_include elf/a.h daemon/link/link.h
        forbid_include daemon/link/a.h daemon/engine/engine.h
        forbid_include daemon/monitor/a.h daemon/engine/engine.h
        forbid_include daemon/monitor/a.h daemon/engine/decode/ring.h
        forbid_include daemon/monitor/a.h daemon/tracer/tracer.h
        forbid_include daemon/tracer/a.h daemon/monitor/monitor.h
        forbid_include daemon/engine/a.h daemon/monitor/monitor.h
        forbid_include daemon/engine/decode/a.h daemon/engine/model/map.h
        forbid_include daemon/engine/decode/a.h daemon/engine/serve/queue.h
        forbid_include daemon/engine/model/a.h daemon/engine/serve/queue.h
        forbid_include daemon/engine/serve/a.h daemon/engine/engine.h
        forbid_include client/a.h no/such.h
        put daemon/engine/decode/a.c '#include "../model/map.h"'
        expect layers 'includes "daemon/engine/model/map.h"'

        put client/a.c '#include <daemon/link/link.h>'
        expect layers 'includes "daemon/link/link.h"'

        put daemon/monitor/a.c 'int f(void) { return ptrace(0, 0, 0, 0); }'
        expect layers 'daemon/monitor/a.c: uses ptrace(2)'
        put client/a.c 'int f(void) { return syscall(SYS_perf_event_open, 0); }'
        expect layers 'client/a.c: uses perf_event_open(2)'
        put daemon/monitor/a.c '#include <sys/ptrace.h>'
        expect layers 'daemon/monitor/a.c: includes <sys/ptrace'
        put client/view_top.c '#include <ncurses.h>'
        expect layers 'client/view_top.c: includes <(ncurses'
        put daemon/engine/model/a.c '#include <libelf.h>'
        put daemon/engine/model/b.c '#include <gelf.h>'
        expect layers 'at most 1 may'
        put daemon/engine/model/a.c '#include <elfutils/libdwfl.h>'
        put daemon/engine/model/b.c '#include <dwarf.h>'
        expect layers 'at most 1 may'
        put daemon/engine/model/a.c '#include <libunwind.h>'
        put daemon/engine/model/b.c '#include <libunwind-x86_64.h>'
        expect layers 'at most 1 may'
        put daemon/engine/model/a.c '#include <systemd/sd-journal.h>'
        expect layers 'which belongs to ^daemon/monitor/journal\.c$ only'

        put proto/a.h '#include <stdint.h>' '#pragma once'
        expect layers 'proto/a.h: does not have #pragma once first'
        echo 'int x;' >"$tree/client/a.c"
        expect layers 'client/a.c: does not begin with the line'
        mkdir -p "$tree/tests/unit"
        echo 'int x;' >"$tree/tests/unit/test_a.c"
        expect layers 'tests/unit/test_a.c: does not begin with the line'
}

# forbid_call FILE SYMBOL: a pure file must not call it.
forbid_call()
{
        put "$1" "int $2();" "int f(void) { return $2(); }"
        compile "$1"
        expect pure "$1: uses $2"
}

test_pure()
{
        local symbol

        expect_sound pure
        for symbol in open read write time clock_gettime syslog getenv printf rand sd_event_new link_send; do
                forbid_call daemon/engine/decode/a.c "$symbol"
        done
        forbid_call proto/a.c mmap
        forbid_call daemon/engine/model/a.c pread
        forbid_call daemon/engine/serve/a.c sendmsg
        forbid_call client/state.c isatty
        forbid_call client/view_top.c write
        put daemon/engine/model/a.c 'static int calls; int f(void) { return ++calls; }'
        compile daemon/engine/model/a.c
        expect pure 'daemon/engine/model/a.c: has a writable variable: calls'
        put daemon/engine/model/a.c 'int shared = 3;'
        compile daemon/engine/model/a.c
        expect pure 'daemon/engine/model/a.c: has a writable variable: shared'
        put daemon/engine/model/a.c 'int f(void) { return 0; }'
        expect pure 'daemon/engine/model/a.c: has no object'
        echo 'daemon/engine/model/gone.c open a file that is gone' >>"$tree/tests/lint/pure_exceptions.txt"
        expect pure 'daemon/engine/model/gone.c does not exist'
        echo 'daemon/engine/decode/ring.c open' >>"$tree/tests/lint/pure_exceptions.txt"
        expect pure 'has no reason'
        put daemon/engine/decode/a.c 'int pread(); int f(void) { return pread(); }'
        compile daemon/engine/decode/a.c
        echo 'daemon/engine/decode/a.c pread it is given the descriptor' >>"$tree/tests/lint/pure_exceptions.txt"
        expect_sound pure
        sound_tree
}

test_format()
{
        if ! command -v clang-format >/dev/null; then
                echo "not tried: check_format.sh, clang-format is not installed"
                return
        fi
        expect_sound format
        put client/a.c 'int f(void) { return 0; }'
        expect format 'client/a.c'
}

test_docs()
{
        expect_sound docs
        echo 'echo "  --new-option"' >>"$tree/faultline"
        expect docs 'option --new-option of --help is not in'
        echo 'echo "  -x"' >>"$tree/faultline"
        expect docs 'option -x of --help is not in'
        echo 'echo "  faultline paint"' >>"$tree/faultline"
        expect docs 'subcommand paint of --help is not in'
        echo 'X_MESSAGE(NEWS, 2, news, "?")' >>"$tree/proto/messages.def"
        expect docs 'message NEWS is not in'
        echo 'X_CAUSE(SECOND, 2, "second-word")' >>"$tree/proto/vocabulary.def"
        expect docs 'the word second-word of vocabulary.def is not in'
}

test_catalog()
{
        local catalog=$tree/systemd/faultline.catalog entry='\nSubject: A subject\nDefined-By: faultline\n\nWords.\n'

        if ! command -v journalctl >/dev/null; then
                echo "not tried: what journalctl takes, it is not installed"
        else
                expect_sound catalog
                sed -i "1i no entry yet" "$catalog"
                expect catalog 'journalctl does not take it'
        fi
        sed -i '1d' "$catalog"
        expect catalog "$first_id, which is in daemon/monitor/journal.def, has no entry"
        printf -- "-- %s$entry" "$third_id" >>"$catalog"
        expect catalog "$third_id is not in daemon/monitor/journal.def"
        printf -- "-- %s$entry" "$first_id" >>"$catalog"
        expect catalog "$first_id has two entries"
        sed -i "0,/^Subject/{/^Subject/d}" "$catalog"
        expect catalog "$first_id lacks its subject"
        sed -i "0,/^Words/{/^Words/d}" "$catalog"
        expect catalog "$first_id lacks its subject"
        sed -i "s/$second_id/$first_id/" "$tree/daemon/monitor/journal.def"
        expect catalog "$first_id stands for two records"
        sed -i "s/$second_id/9E1F/" "$tree/daemon/monitor/journal.def"
        expect catalog '9E1F is no id'
        echo 'X_RECORD(THIRD,' >>"$tree/daemon/monitor/journal.def"
        expect catalog 'has a row whose id cannot be read'
}

sound_tree
test_catalog
test_layers
test_pure
test_format
test_docs
echo "$n_seeded violations seeded, $n_failed failures"
[ "$n_failed" -eq 0 ]
