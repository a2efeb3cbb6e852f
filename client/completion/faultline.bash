# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of faultline(1) for bash. The tables are made from the program's own.
#
# Candidates are whole words here, as faultline will get them. readline(3) has its own idea of a word, which ends at each
# = and : (COMP_WORDBREAKS): the part that it does not want to hear again is cut off at the end.

@TABLES@

# Candidates for the value of an option, behind what of the word stands before it: "--cause=zero-fill,".
__faultline_pids()
{
        local directory name started before=$1 with_names

        # Only in a list: what is inserted has to be the id alone.
        [[ $COMP_TYPE == 63 ]] && with_names=yes
        for directory in /proc/[0-9]*; do
                # What has no command line is a thread of the kernel, or has ended.
                IFS= read -r -d '' started 2>/dev/null <"$directory/cmdline" || continue
                IFS= read -r name 2>/dev/null <"$directory/comm" || continue
                candidates+=("$before${directory#/proc/}${with_names:+  (${name//[^[:print:]]/?})}")
        done 2>/dev/null
}

__faultline_units()
{
        local name rest

        while read -r name rest; do
                candidates+=("$1$name")
        done < <(systemctl list-units --type=service,scope,slice --plain --no-legend --no-pager 2>/dev/null)
}

__faultline_files()
{
        local name

        compopt -o filenames 2>/dev/null
        while IFS= read -r name; do
                candidates+=("$1$name")
        done < <(compgen "$3" -- "$2")
}

# BEFORE VALUE: those of the words that are not there yet.
__faultline_list()
{
        local word done=

        [[ $2 == *,* ]] && done=${2%,*},
        for word in $words; do
                [[ ,$done == *",$word,"* ]] || candidates+=("$1$done$word")
        done
        compopt -o nospace 2>/dev/null
}

# KIND BEFORE VALUE
__faultline_value()
{
        local word done=

        case $1 in
        one)
                for word in $words; do
                        candidates+=("$2$word")
                done
                ;;
        list) __faultline_list "$2" "$3" ;;
        pids)
                [[ $3 == *,* ]] && done=${3%,*},
                __faultline_pids "$2$done"
                ;;
        unit)
                if [[ $3 == /* ]]; then
                        __faultline_files "$2" "$3" -d
                else
                        __faultline_units "$2"
                fi
                ;;
        file) __faultline_files "$2" "$3" -f ;;
        esac
}

# What stands behind -- is a command line of its own, from this word of COMP_WORDS on.
__faultline_other_command()
{
        if declare -F _comp_command_offset >/dev/null; then
                _comp_command_offset "$1"
        elif declare -F _command_offset >/dev/null; then
                _command_offset "$1"
        elif ((COMP_CWORD == $1)); then
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
        else
                compopt -o bashdefault -o default 2>/dev/null
        fi
}

# Keeps those candidates that go on from the word typed so far, and of these what readline waits for.
__faultline_reply()
{
        local typed=$1 last=${COMP_WORDS[COMP_CWORD]} candidate cut

        [[ $last == [=:]* ]] && last=
        cut=$((${#typed} - ${#last}))
        for candidate in "${candidates[@]}"; do
                [[ $candidate == "$typed"* ]] && COMPREPLY+=("${candidate:cut}")
        done
        [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}

_faultline()
{
        local line=() begins=() candidates=() command=trace first options values words
        local i n=0 n_words=0 typed option='' word

        COMPREPLY=()
        for ((i = 0; i <= COMP_CWORD; i++)); do
                if ((n > 1)) && [[ ${COMP_WORDS[i]} == [=:]* || ${COMP_WORDS[i - 1]} == [=:]* ]]; then
                        line[n - 1]+=${COMP_WORDS[i]}
                else
                        begins[n]=$i
                        line[n++]=${COMP_WORDS[i]}
                fi
        done
        typed=${line[n - 1]}

        for ((i = 1; i < n - 1; i++)); do
                word=${line[i]}
                if [[ -n $option ]]; then
                        option=
                elif [[ $word == -- ]]; then
                        __faultline_other_command $((begins[i] + 1))
                        return
                elif [[ $word == -* ]]; then
                        __faultline_values "$command:$word"
                        [[ -n $values ]] && option=$word
                elif ((i == 1)) && [[ " $__faultline_commands " == *" $word "* ]]; then
                        command=$word
                else
                        n_words=$((n_words + 1))
                fi
        done

        __faultline_command "$command"
        if [[ -n $option ]]; then
                __faultline_values "$command:$option"
                __faultline_value "$values" "" "$typed"
        elif [[ $typed == --*=* ]]; then
                __faultline_values "$command:${typed%%=*}"
                __faultline_value "$values" "${typed%%=*}=" "${typed#*=}"
        elif [[ $typed == -[!-]?* ]]; then
                __faultline_values "$command:${typed:0:2}"
                __faultline_value "$values" "${typed:0:2}" "${typed:2}"
        elif [[ $typed == -* ]]; then
                candidates=($options)
        elif ((n == 2)); then
                candidates=($__faultline_commands)
        elif [[ $first == pids ]]; then
                ((n_words > 0)) || __faultline_pids ""
        else
                candidates=($options)
        fi
        __faultline_reply "$typed"
}

complete -F _faultline faultline
