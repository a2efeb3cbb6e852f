# SPDX-License-Identifier: LGPL-2.1-or-later
# Targets, clients and what they say. The target's input is descriptor 8, its output 9. A client writes into a file, so
# that nobody has to read while systemd is waited for.
# shellcheck shell=bash disable=SC2034,SC2154 # the parts share their variables

n_faults=64 # of target_anon zero-fill
nobody=65534
stranger=65533
# Users, by the names that clients and targets are started with.
as_root=(env)
as_nobody=(setpriv --reuid="$nobody" --regid="$nobody" --clear-groups)
as_stranger=(setpriv --reuid="$stranger" --regid="$stranger" --clear-groups)
as_member=(setpriv --reuid="$stranger" --regid="$stranger" --groups=faultline)
folder=/run/faultline-test
mkdir -p "$folder"
chmod 755 "$folder"

step()
{
        echo "--- $*"
}

fail()
{
        echo "FAIL: $*"
        journalctl --no-pager -u faultlined.service -u faultlined.socket || true
        exit 1
}

# until_true WHAT COMMAND...: what the command looks for must come to be; fails when it does not within half a minute.
until_true()
{
        local what=$1 deadline=$((SECONDS + 30))

        shift
        until "$@"; do
                [ "$SECONDS" -lt "$deadline" ] || fail "$what: ${*: -1}"
                read -rt 0.02 <>"$folder/pause" || true
        done
}
[ -p "$folder/pause" ] || mkfifo "$folder/pause"

# --- targets ---

# start_target USER CASE [PROGRAM]: sets target_pid.
start_target()
{
        local -n prefix=as_$1
        local to=$folder/to-target from=$folder/from-target line

        rm -f "$to" "$from"
        mkfifo "$to" "$from"
        "${prefix[@]}" "${3:-$target}" "$2" <"$to" >"$from" &
        target_job=$!
        exec 8>"$to" 9<"$from"
        while read -r line <&9; do
                if [ "${line%% *}" = ready ]; then
                        target_pid=${line#ready }
                        return
                fi
        done
        fail "the target did not start"
}

end_target()
{
        exec 8>&-
        wait "$target_job" || fail "the target's exit status is $?"
        exec 9<&-
}

# start_stepper USER: a target that faults when it is told to and not otherwise.
start_stepper()
{
        start_target "$1" step "${target%/*}/target_step"
        printf x >&8
        hear_done
}

hear_done()
{
        local line

        IFS= read -r line <&9 && [ "$line" = "done" ] || fail "the target says $line instead of done"
}

# steps N: so many faults, each over before the next. The target works, whatever was done to the service.
steps()
{
        local i

        for ((i = 0; i < $1; i++)); do
                printf x >&8
                hear_done
        done
        n_steps=$((n_steps + $1))
}

# --- clients ---

says()
{
        grep -q -- "$1" "$folder/client"
}

n_said()
{
        [ "$(grep -c -- "$2" "$folder/client")" -ge "$1" ]
}

# start_client USER OPTION...: attaches to the target. Its steps count from now on.
start_client()
{
        local -n prefix=as_$1

        shift
        : >"$folder/client"
        "${prefix[@]}" "$faultline" --format=json "$@" >"$folder/client" 2>"$folder/client-errors" &
        client_job=$!
        until_true "not attached: $(cat "$folder/client-errors")" says '"type":"\(attached\|error\)"'
        case $(head -n 1 "$folder/client") in
        '{"type":"attached",'*'"detail":"full"'*) ;;
        *) fail "not attached at full detail: $(cat "$folder/client" "$folder/client-errors")" ;;
        esac
        n_steps=0
}

# end_client [SIGNAL]: sets traced, all that it said.
end_client()
{
        [ $# = 0 ] || kill -"$1" "$client_job"
        wait "$client_job" || fail "the client's exit status is $?: $(cat "$folder/client-errors")"
        traced=$(cat "$folder/client")
}

# ledger NAME: from what the client said in the end.
ledger()
{
        sed -n "s/^{\"type\":\"end\",.*\"ledger\":{.*\"$1\":\([0-9]*\)[,}].*/\1/p" "$folder/client"
}

# expect_balance: each step since the client was attached was shown or counted, nothing else was, and nothing is missing.
expect_balance()
{
        local shown

        shown=$(grep -c '"type":"fault"' "$folder/client" || true)
        [ "$(ledger kernel)" = "$n_steps" ] && [ "$(ledger delivered)" = "$shown" ] &&
                [ "$(($(ledger delivered) + $(ledger counted)))" = "$n_steps" ] ||
                fail "$n_steps faults, $shown shown, and the ledger: $(tail -n 1 "$folder/client")"
}

# trace CLIENT [OWNER [PROGRAM]]: every fault of a process, which is the client's own if nothing else is said.
trace()
{
        start_target "${2:-$1}" zero-fill "${3:-$target}"
        start_client "$1" --count="$n_faults" -p "$target_pid"
        echo >&8
        end_client
        [ "$(grep -c '^{"type":"fault",.*"cause":"zero-fill"' <<<"$traced")" = "$n_faults" ] ||
                fail "not all faults: $traced"
        grep -q "\"kernel\":$n_faults,\"delivered\":$n_faults," <<<"$traced" || fail "the ledger: $traced"
        ! grep -q '"type":"degraded"' <<<"$traced" || fail "something is lacking: $traced"
        end_target
}

# expect_refused USER PID: exit status 1, one line that says why, which is in refusal, and no trace. Sets client_pid.
expect_refused()
{
        local -n prefix=as_$1
        local status=0

        "${prefix[@]}" "$faultline" --format=json -p "$2" >"$folder/refused" 2>"$folder/refusal" &
        client_pid=$!
        wait "$client_pid" || status=$?
        [ "$status" = 1 ] || fail "the exit status is $status instead of 1"
        [ "$(wc -l <"$folder/refusal")" = 1 ] || fail "not one line: $(cat "$folder/refusal")"
        ! grep -q '"type":"\(attached\|fault\)"' "$folder/refused" || fail "a trace began"
        refusal=$(cat "$folder/refusal")
        echo "$refusal"
}

# --- the service ---

property()
{
        systemctl show --property="$1" --value faultlined.service
}

is_active()
{
        systemctl is-active --quiet faultlined.service
}

is_other_service()
{
        local shown

        # Both at once: it may be ending just now.
        shown=$(systemctl show --property=ActiveState,MainPID faultlined.service)
        grep -qx 'ActiveState=active' <<<"$shown" && ! grep -qx "MainPID=\($1\|0\)" <<<"$shown"
}

# process_of KIND: of the service, eng or trc.
process_of()
{
        pgrep -P "$(property MainPID)" "faultlined-$1"
}

# --- its journal ---

# id_of NAME: of a record.
id_of()
{
        sed -n "s/^X_RECORD($1, \"\([0-9a-f]*\)\".*/\1/p" "$at/journal.def"
}

# records NAME FIELD=VALUE...
records()
{
        local id

        id=$(id_of "$1")
        [ -n "$id" ] || fail "there is no record $1"
        shift
        journalctl --sync
        journalctl --quiet --output=json _SYSTEMD_UNIT=faultlined.service "MESSAGE_ID=$id" "$@"
}

has_records()
{
        [ "$(records "${@:2}" | wc -l)" -ge "$1" ]
}

# expect_records N NAME FIELD=VALUE...: so many of them, no more. What the client is told and what the journal is told
# come on different ways.
expect_records()
{
        until_true "not $1 records $2" has_records "$@"
        [ "$(records "${@:2}" | wc -l)" = "$1" ] || fail "more than $1 records ${*:2}"
}

# systemd_says TEXT: the lines of systemd about the service that have it.
systemd_says()
{
        journalctl --sync
        journalctl --quiet -o cat _PID=1 UNIT=faultlined.service | grep -- "$1"
}

# n_lines TEXT: of the service that have it.
n_lines()
{
        journalctl --sync
        journalctl --quiet -o cat _SYSTEMD_UNIT=faultlined.service | grep -c -- "$1" || true
}

has_lines()
{
        [ "$(n_lines "$2")" -ge "$1" ]
}

# expect_warning PATTERN: one such line, which journal.sh looks for in the end.
expected_warnings=()
expect_warning()
{
        expected_warnings+=("$1")
}

# --- what lies below /etc ---

# drop_in FILE: its content is standard input. The directory goes with the last of them.
drop_in()
{
        mkdir -p "${1%/*}"
        cat >"$1"
}

take_out()
{
        rm "$1"
        rmdir --ignore-fail-on-non-empty "${1%/*}"
}
