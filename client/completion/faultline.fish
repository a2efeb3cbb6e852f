# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of faultline(1) for fish. The tables are made from the program's own.

# The words before the one that is typed, without "faultline".
function __faultline_words
    set -l words (commandline -opc)
    set -e words[1]
    string join -- \n $words
end

function __faultline_has_separator
    contains -- -- (__faultline_words)
end

function __faultline_is_first
    test (count (__faultline_words)) = 0
end

# COMMAND...: the command line is of one of these.
function __faultline_is
    set -l words (__faultline_words)
    contains -- -- $words; and return 1
    if set -q words[1]; and contains -- $words[1] $__faultline_commands
        contains -- $words[1] $argv
    else
        contains -- trace $argv
    end
end

# COMMAND: this, with no word but options behind it.
function __faultline_wants_pid
    set -l words (__faultline_words)
    test "$words[1]" = $argv[1]; or return 1
    set -e words[1]
    not string match -q -v -- '-*' $words
end

# WORD...: behind what the comma-separated list that is typed has already; each word once. A description follows a tab.
function __faultline_list
    set -l typed (string replace -r -- '^--[a-z-]+=' '' (commandline -ct))
    string match -q -r -- '^-[a-z]' "$typed"; and set typed (string sub -s 3 -- $typed)
    set -l before (string match -r -- '^.*,' "$typed")
    set -l chosen (string split -- , "$before")
    for word in $argv
        contains -- (string split -m 1 -- \t $word)[1] $chosen; or echo "$before$word"
    end
end

# What has no memory is a thread of the kernel, or has ended.
function __faultline_pids
    ps -A -o vsz=,pid=,comm= 2>/dev/null | string replace -r -f -- '^ *[1-9][0-9]* +([0-9]+) +(.*)' '$1\t$2'
end

function __faultline_units
    if string match -q -r -- '(^|=|^-u)/' (commandline -ct)
        __fish_complete_directories (string replace -r -- '^(--unit=|-u)' '' (commandline -ct)) cgroup
    else
        systemctl list-units --type=service,scope,slice --plain --no-legend --no-pager 2>/dev/null | string match -r -- '^\S+'
    end
end

# What stands behind -- is a command line of its own.
function __faultline_other_command
    set -l words (__faultline_words)
    set -e words[1..(contains -i -- -- $words)]
    complete -C (string join -- ' ' (string escape -- $words) (commandline -ct))
end

complete -c faultline -f
complete -c faultline -n __faultline_has_separator -x -a '(__faultline_other_command)'
@TABLES@
