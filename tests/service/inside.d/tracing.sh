# SPDX-License-Identifier: LGPL-2.1-or-later
# What the service shows of whose processes, and with which rights it does.
# shellcheck shell=bash disable=SC2154

step "root traces through the service"
trace root
grep -q '"frame":[1-9]' <<<"$traced" || fail "root sees no frames: $traced"
is_active || fail "the client did not use the service"
main_pid=$(property MainPID)
[ "$(stat -c %U "/proc/$main_pid")" = faultline ] || fail "the service does not run as its user"

# has PROCESS NAME VALUE...: fields of /proc/PROCESS/status.
has()
{
        local process=$1 found

        shift
        while [ $# -gt 0 ]; do
                found=$(sed -n "s/^$1:\t//p" "/proc/$process/status")
                [ "$found" = "$2" ] || fail "$(ps -o args= -p "$process") has $1 $found instead of $2"
                shift 2
        done
}

# are_confined: the monitor holds nothing that it can go without, whatever it starts holds nothing at all.
are_confined()
{
        local process

        has "$main_pid" CapInh "$none" CapPrm "$held" CapEff "$held" CapBnd "$none" CapAmb "$none" \
                NoNewPrivs 1 Seccomp 2
        for process in $(process_of eng); do
                has "$process" CapInh "$none" CapPrm "$none" CapEff "$none" CapBnd "$none" CapAmb "$none" \
                        NoNewPrivs 1 Seccomp 2 Uid "$(printf '%s\t' $nobody $nobody $nobody)$nobody"
        done
        for process in $(process_of trc); do
                has "$process" CapInh "$none" CapPrm "$ptrace" CapEff "$ptrace" CapBnd "$none" CapAmb "$none" \
                        NoNewPrivs 1 Seccomp 2
        done
}

step "the service holds the capabilities that this kernel needs, its engines and tracers none and one"
none=0000000000000000
ptrace=0000000000080000
# CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_PTRACE, CAP_PERFMON, CAP_CHECKPOINT_RESTORE; and, as Debian's kernels ask for
# it from 3 on, CAP_SYS_ADMIN.
held=00000140000800e0
# And CAP_IPC_LOCK, where systemd is in a container that may not lift the limit of locked memory.
grep -q '^Max locked memory  *unlimited  *unlimited' "/proc/$main_pid/limits" || held=00000140000840e0
start_stepper nobody
start_client nobody -p "$target_pid"
until_true "an engine of root is still there" eval '[ "$(process_of eng | wc -l)" = 1 ]'
[ "$(process_of trc | wc -l)" = 1 ] || fail "there is not one tracer"
are_confined
end_client INT
end_target
until_true "it is not said" has_lines 1 "^capabilities held: CAP_KILL, "

step "programs are read that the service itself could not see"
for directory in /home /root /tmp; do
        mkdir -p "$directory/faultline-test"
        cp "$target" "$directory/faultline-test/"
        for who in root nobody; do
                [ "$directory" != /root ] || [ "$who" = root ] || continue
                trace "$who" "$who" "$directory/faultline-test/${target##*/}"
                [ "$(grep -c '"symbol":"touch_write"' <<<"$traced")" -ge "$n_faults" ] ||
                        fail "no names of a program in $directory: $traced"
        done
        rm -r "$directory/faultline-test"
done

step "nobody traces his own process through the service"
trace nobody
! grep -q '"frame"' <<<"$traced" || fail "nobody sees page frames: $traced"
[ "$(property MainPID)" = "$main_pid" ] || fail "the service was restarted"
expect_records 1 ATTACH_GRANTED FAULTLINE_UID="$nobody" FAULTLINE_PID="$target_pid" FAULTLINE_COMM=target_anon \
        FAULTLINE_CLIENT_PID="$client_job"
number=$(records ATTACH_GRANTED FAULTLINE_PID="$target_pid" | sed 's/.*"FAULTLINE_TRACE":"\([0-9]*\)".*/\1/')
expect_records 1 TRACE_ENDED FAULTLINE_UID="$nobody" FAULTLINE_PID="$target_pid" FAULTLINE_TRACE="$number" \
        FAULTLINE_REASON=stopped FAULTLINE_FAULTS="$n_faults" FAULTLINE_LOST=0

step "root traces a unit that lies in a slice of a slice"
rm -f "$folder/to-unit" "$folder/from-unit"
mkfifo "$folder/to-unit" "$folder/from-unit"
systemd-run --quiet --unit=sliced --slice=outer-inner.slice \
        sh -c "exec $target zero-fill <$folder/to-unit >$folder/from-unit"
exec 8>"$folder/to-unit" 9<"$folder/from-unit"
while read -r line <&9; do
        [ "${line%% *}" != ready ] || break
done
start_client root --count="$n_faults" -u sliced
echo >&8
end_client
[ "$(grep -c '^{"type":"fault",.*"cause":"zero-fill"' <<<"$traced")" = "$n_faults" ] || fail "not all faults: $traced"
! grep -q '"what":"unit"' <<<"$traced" || fail "the events are not the cgroup's: $traced"
exec 8>&- 9<&-
expect_records 1 ATTACH_GRANTED FAULTLINE_UID=0 FAULTLINE_UNIT=sliced
