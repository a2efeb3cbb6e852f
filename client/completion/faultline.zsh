#compdef faultline
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of faultline(1) for zsh. The tables are made from the program's own.

@TABLES@

# Several of the words, separated by commas, each once.
_faultline_list()
{
        local -a expl chosen left

        [[ $PREFIX == *,* ]] && chosen=(${(s:,:)PREFIX%,*})
        compset -P '*,'
        left=(${@:|chosen})
        _wanted words expl word compadd -S '' -a left
}

_faultline_pids()
{
        local -a pids
        local directory name started

        compset -P '*,'
        for directory in /proc/<->(N); do
                # What has no command line is a thread of the kernel, or has ended.
                IFS= read -r -d '' started <$directory/cmdline || continue
                IFS= read -r name <$directory/comm || continue
                pids+=("${directory:t}:${(V)name}")
        done 2>/dev/null
        _describe -t processes process pids
}

_faultline_units()
{
        local -a expl units

        if [[ $PREFIX == /* ]]; then
                _files -/
                return
        fi
        units=(${${(f)"$(systemctl list-units --type=service,scope,slice --plain --no-legend --no-pager 2>/dev/null)"}%% *})
        _wanted units expl unit compadd -a units
}

# What stands behind -- is a command line of its own.
local -i separator=${words[(i)--]}
if ((separator < CURRENT)); then
        shift $separator words
        ((CURRENT -= separator))
        _normal
        return
fi

local command=trace
if ((CURRENT > 2)) && [[ -n ${subcommands[(r)$words[2]:*]} ]]; then
        command=$words[2]
        shift words
        ((CURRENT--))
elif ((CURRENT == 2)) && [[ $PREFIX != -* ]]; then
        _describe -t commands command subcommands
        return
fi
_faultline_specs $command
_arguments -S : $specs
