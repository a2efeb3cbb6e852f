#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check_layers.sh [ROOT]: who may include whom, and which file may use what. Layers that nobody checks leak; the tables
# below are the architecture's include rules in a form that fails the test suite. Code under tests/ may use anything.
# Prints one line for each violation, as file:line: what; exit 1 if there is any.
set -u
export LC_ALL=C

cd "${1:-$(dirname "$0")/../..}" || exit 1
n_violations=0

# Folder of the including file -> folders that it may include (itself always). The longest matching folder counts.
declare -A may_include=(
        [proto]=""
        [elf]="proto"
        [client]="proto client/proc client/screen client/top"
        [client/proc]="proto elf client"
        [client/screen]="proto client"
        [client/top]="proto client client/screen client/proc"
        [daemon]="proto daemon/link daemon/monitor daemon/tracer daemon/engine"
        [daemon/link]="proto"
        [daemon/monitor]="proto daemon/link"
        [daemon/tracer]="proto daemon/link"
        [daemon/engine]="proto elf daemon/link daemon/engine/decode daemon/engine/model daemon/engine/serve"
        [daemon/engine/decode]="proto daemon/link"
        [daemon/engine/model]="proto elf daemon/link daemon/engine/decode"
        [daemon/engine/serve]="proto elf daemon/engine/decode daemon/engine/model"
)

# Pattern in code (comments and strings removed), where it is allowed, what it is.
restricted=(
        '\bptrace *\(|\b(SYS|__NR)_ptrace\b' '^daemon/tracer/' 'ptrace(2)'
        '\bperf_event_open *\(|\b(SYS|__NR)_perf_event_open\b' '^daemon/monitor/' 'perf_event_open(2)'
)

# System header, where it is allowed, how many files may have it (0 = any number).
headers=(
        '<sys/ptrace\.h>|<linux/ptrace\.h>' '^daemon/tracer/' 0
        '<(ncurses|ncursesw|curses|panel|term)(/[a-z]+)?\.h>' '^client/screen/term[a-z_]*\.c$' 0
        '<(libelf|gelf)\.h>' '\.c$' 1
        '<elfutils/[a-z]+\.h>|<dwarf\.h>' '^daemon/engine/model/lines\.c$' 1
        '<systemd/sd-journal\.h>' '^daemon/monitor/journal\.c$' 1
        '<libunwind[a-z0-9_-]*\.h>' '^daemon/engine/model/unwind\.c$' 1
)

violation()
{
        echo "$1: $2"
        n_violations=$((n_violations + 1))
}

# The code alone: the compiler's own lexer removes the comments and leaves directives as they are, line by line.
code_of()
{
        gcc -fpreprocessed -dD -E -x c "$1" 2>/dev/null | sed '/^# [0-9]/d'
}

without_strings()
{
        sed -E '/^ *# *include/! s/"([^"\\]|\\.)*"/""/g'
}

# The file that an include means, from the root: beside the including file if there, else from the root.
included_file()
{
        local beside

        beside=$(realpath -m --relative-to=. -- "$(dirname "$1")/$2")
        if [ -e "$beside" ]; then
                echo "$beside"
        else
                realpath -m --relative-to=. -- "$2"
        fi
}

is_allowed_folder()
{
        local folder

        for folder in $2; do
                [ "$1" = "$folder" ] && return 0
        done
        return 1
}

layer_of()
{
        local folder

        folder=$(dirname "$1")
        while [ "$folder" != . ] && [ -z "${may_include[$folder]+set}" ]; do
                folder=$(dirname "$folder")
        done
        echo "$folder"
}

check_includes()
{
        local file=$1 layer=$2 included folder

        while read -r included; do
                included=$(included_file "$file" "$included")
                folder=$(layer_of "$included")
                if [ ! -e "$included" ]; then
                        violation "$file" "includes \"$included\", which does not exist (write paths from the root)"
                elif [ "$folder" != "$layer" ] && ! is_allowed_folder "$folder" "${may_include[$layer]}"; then
                        violation "$file" "includes \"$included\", but $layer may include only: $layer ${may_include[$layer]}"
                fi
        done < <(sed -nE '/^ *# *include/!d; s/^ *# *include *("|<(proto|elf|daemon|client)\/)/\1/; s/^[<"]([^">]*)[>"].*/\1/p')
}

check_restricted()
{
        local file=$1 code=$2 i

        for ((i = 0; i < ${#restricted[@]}; i += 3)); do
                [[ $file =~ ${restricted[i + 1]} ]] && continue
                grep -qE "${restricted[i]}" <<<"$code" &&
                        violation "$file" "uses ${restricted[i + 2]}, which belongs to ${restricted[i + 1]} only"
        done
}

# The first line that is neither empty nor within a comment (gcc swallows #pragma once, so not from code_of).
first_line_of_code()
{
        awk '/^\/\*/ && !/\*\// { within = 1 } !within && !/^\/\*/ && NF { print; exit } /\*\// { within = 0 }' "$1"
}

check_head()
{
        local file=$1

        [ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: LGPL-2.1-or-later */' ] ||
                violation "$file" "does not begin with the line /* SPDX-License-Identifier: LGPL-2.1-or-later */"
        if [[ $file == *.h ]]; then
                [ "$(first_line_of_code "$file")" = '#pragma once' ] ||
                        violation "$file" "does not have #pragma once first after its comment"
        fi
}

check_system_headers()
{
        local i users n file

        for ((i = 0; i < ${#headers[@]}; i += 3)); do
                users=$(grep -lE "^ *# *include *(${headers[i]})" "${product_files[@]}")
                for file in $users; do
                        [[ $file =~ ${headers[i + 1]} ]] ||
                                violation "$file" "includes ${headers[i]}, which belongs to ${headers[i + 1]} only"
                done
                n=$(wc -w <<<"$users")
                [ "${headers[i + 2]}" -eq 0 ] || [ "$n" -le "${headers[i + 2]}" ] ||
                        violation "$(echo $users)" "all include ${headers[i]}; at most ${headers[i + 2]} may"
        done
}

mapfile -t product_files < <(find proto elf daemon client -name '*.[ch]' -type f | sort)
mapfile -t other_files < <({ find proto elf daemon client -name '*.def' -type f; find tests -name '*.[ch]' -type f; } | sort)
if [ ${#product_files[@]} -eq 0 ]; then
        echo "no source files under $PWD"
        exit 1
fi

for file in "${product_files[@]}"; do
        code=$(code_of "$file")
        check_head "$file"
        check_includes "$file" "$(layer_of "$file")" <<<"$code"
        check_restricted "$file" "$(without_strings <<<"$code")"
done
for file in "${other_files[@]}"; do
        check_head "$file"
done
check_system_headers

[ "$n_violations" -eq 0 ] || echo "$n_violations violations of the layers (design: include rules)"
[ "$n_violations" -eq 0 ]
