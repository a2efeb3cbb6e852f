#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check_pure.sh BUILD_DIR [ROOT]: the modules that decide something make no system calls, read no clock, log nothing and
# keep no globals. What an object needs from outside (nm -u) must be defined by another pure object or be on the list
# below; pure_exceptions.txt names the few further symbols, each with its reason. Writable data is a global.
set -u
export LC_ALL=C

build=$(realpath "${1:?usage: check_pure.sh BUILD_DIR [ROOT]}") || exit 1
here=$(realpath "$(dirname "$0")")
cd "${2:-$here/../..}" || exit 1
exceptions=tests/lint/pure_exceptions.txt
n_violations=0

# libc without effects beyond memory: all that a pure module may call.
libc='mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp|memccpy|mempcpy|rawmemchr
str(len|nlen|cmp|ncmp|chr|chrnul|rchr|str|spn|cspn|cpy|ncpy|cat|dup|ndup|sep|tok_r|casecmp|ncasecmp|pbrk)|stp(n)?cpy
malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign
qsort(_r)?|bsearch|fnmatch|sn?printf|vsnprintf|(__isoc99_)?sscanf
strto(l|ul|ll|ull|d|imax|umax)|abs|labs|llabs|__ctype_(b|tolower|toupper)_loc|tolower|toupper
log|log2|exp|exp2|pow|sqrt|floor|ceil|round|fmod|ldexp|frexp|llround|lround|l?lrint|fmin|fmax
abort|__assert_fail|__stack_chk_fail|__errno_location|_GLOBAL_OFFSET_TABLE_'
# What the compiler puts in: fortified variants of the above, sanitizers, coverage.
compiler='__[a-z_]+_chk|__(asan|ubsan|sanitizer|lsan|tsan|sancov|gcov|start___sancov|stop___sancov)_[A-Za-z0-9_]*'
allowed="^($(tr '\n' '|' <<<"$libc" | sed 's/|$//')|$compiler)$"

# Of the client: what decides what is shown. Who reads the terminal, the socket and the clock is not among these.
client_modules='state view view_* text escape ledger options option_values usage session fault_line layout names row
session_send session_restart option_table latency slowest story_text stack_text signal_names json_put intern tally flame flame_svg group_key recall
fold summary words cause_family figures status status_talk status_table metrics'

pure_sources()
{
        local module

        find proto elf daemon/engine/decode daemon/engine/model daemon/engine/serve -maxdepth 1 -name '*.c' 2>/dev/null
        find daemon/monitor -maxdepth 1 -name sessions.c 2>/dev/null
        set -f
        for module in $client_modules; do
                find client -maxdepth 1 -name "$module.c" 2>/dev/null
        done
        find client/top client/screen client/proc -name '*.c' ! -name 'term*.c' ! -name 'process*.c' \
                ! -name 'image_cache.c' ! -name 'pages_read.c' 2>/dev/null
        set +f
}

violation()
{
        echo "$1: $2"
        n_violations=$((n_violations + 1))
}

# Whole-object exceptions ("*") are not pure at all and lend their symbols to nobody.
is_excepted()
{
        local source=$1 symbol=$2 path pattern reason

        while read -r path pattern reason; do
                [ "$path" = "$source" ] || continue
                [ "$pattern" = '*' ] && return 0
                [[ $symbol =~ ^($pattern)$ ]] && return 0
        done < <(grep -v '^#' "$exceptions" | grep .)
        return 1
}

check_exceptions_file()
{
        local path pattern reason

        while read -r path pattern reason; do
                [ -e "$path" ] || violation "$exceptions" "$path does not exist: remove its line"
                [ -n "$reason" ] || violation "$exceptions" "$path $pattern has no reason"
        done < <(grep -v '^#' "$exceptions" | grep .)
}

# Variables in writable sections; constant tables of pointers (.data.rel.ro) are relocated once and then read-only.
writable_data()
{
        objdump -t "$1" | awk '$0 ~ / O / && $0 ~ /[ \t]\.(data|bss|tdata|tbss)/ && $0 !~ /[ \t]\.data\.rel\.ro/ { print $NF }' |
                grep -vE '^(_+(asan|ubsan|odr_asan|lsan|tsan|sancov|llvm|gcov|unnamed)_|\.L)'
}

object_of()
{
        find "$build" -path "*.dir/$1.o" -type f | head -n 1
}

declare -A objects
while read -r source; do
        is_excepted "$source" '' && continue
        objects[$source]=$(object_of "$source")
        [ -n "${objects[$source]}" ] || violation "$source" "has no object under $build: build first"
done < <(pure_sources | sort)
if [ ${#objects[@]} -eq 0 ]; then
        echo "no pure modules under $PWD"
        exit 1
fi
for source in "${!objects[@]}"; do
        [ -n "${objects[$source]}" ] || unset "objects[$source]"
done

defined=$(nm --defined-only -g "${objects[@]}" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)

for source in $(printf '%s\n' "${!objects[@]}" | sort); do
        object=${objects[$source]}
        while read -r symbol; do
                is_excepted "$source" "$symbol" ||
                        violation "$source" "uses $symbol, which is not on the list of what pure modules may call"
        done < <(nm -u "$object" | awk '{ print $2 }' | grep -vxF "$defined" | grep -vE "$allowed")
        while read -r symbol; do
                is_excepted "$source" "$symbol" || violation "$source" "has a writable variable: $symbol"
        done < <(writable_data "$object")
done
check_exceptions_file

[ "$n_violations" -eq 0 ] || echo "$n_violations violations of purity (see the head of check_pure.sh)"
[ "$n_violations" -eq 0 ]
