# SPDX-License-Identifier: LGPL-2.1-or-later
# The service and each of its processes ends in every way there is, under a client that goes on with its trace. The
# target faults before, meanwhile and after; in the end every one of its faults is accounted for.
# shellcheck shell=bash disable=SC2154

# begin_watched: a client of nobody, and some faults that it has shown.
begin_watched()
{
        start_stepper nobody
        start_client nobody -p "$target_pid"
        n_gaps=0
        steps 5
        until_true "not 5 faults" n_said 5 '"type":"fault"'
}

end_watched()
{
        end_client INT
        expect_balance
        end_target
}

# goes_on: the client has told of one more gap, with figures, and then of a fault behind it.
goes_on()
{
        local gap

        n_gaps=$((n_gaps + 1))
        until_true "no gap: $(cat "$folder/client-errors")" n_said "$n_gaps" '"type":"gap"'
        gap=$(grep '"type":"gap"' "$folder/client" | tail -n 1)
        echo "$gap"
        [[ $gap =~ \"pid\":$target_pid,.*\"min_flt\":[0-9]+,\"maj_flt\":[0-9]+,\"since_ns\":[0-9]+ ]] ||
                fail "no figures"
        steps 3
        until_true "no faults behind the gap" \
                eval "[ \$(sed '1,/\"type\":\"gap\"/d' $folder/client | grep -c '\"type\":\"fault\"') -ge 3 ]"
}

step "systemd restarts it"
begin_watched
main_pid=$(property MainPID)
systemctl restart faultlined.service
is_other_service "$main_pid" || fail "it is not another one"
goes_on
end_watched

step "its monitor is killed"
begin_watched
main_pid=$(property MainPID)
kill -KILL "$main_pid"
steps 2
until_true "no other service" is_other_service "$main_pid"
[ "$(property NRestarts)" = 1 ] || fail "it was restarted $(property NRestarts) times"
goes_on
end_watched

step "its monitor hangs: the watchdog ends it"
drop_in /run/systemd/system/faultlined.service.d/50-test.conf <<<$'[Service]\nWatchdogSec=1s'
systemctl daemon-reload
systemctl restart faultlined.service
begin_watched
main_pid=$(property MainPID)
kill -STOP "$main_pid"
steps 2
until_true "no other service" is_other_service "$main_pid"
until_true "systemd does not say that it was the watchdog" eval \
        'systemd_says "Watchdog timeout (limit 1s)" >"$folder/said"'
goes_on
end_watched
take_out /run/systemd/system/faultlined.service.d/50-test.conf
systemctl daemon-reload
systemctl restart faultlined.service

step "its tracer is killed: the trace goes on"
begin_watched
tracer=$(process_of trc)
kill -KILL "$tracer"
until_true "the tracer stays" eval "[ ! -e /proc/$tracer ]"
steps 4
until_true "not 9 faults" n_said 9 '"type":"fault"'
end_watched

step "its engine is killed: the trace goes on"
begin_watched
main_pid=$(property MainPID)
engine=$(process_of eng)
kill -KILL "$engine"
steps 2
until_true "no gap: $(cat "$folder/client-errors")" n_said 1 '"type":"gap"'
grep '"type":"gap"' "$folder/client"
steps 3
end_watched
expect_records 1 ENGINE_RESTARTED FAULTLINE_UID="$nobody" FAULTLINE_PID="$engine" FAULTLINE_REASON=killed
expect_warning "^the engine of uid $nobody (process $engine) was killed by signal 9; "
[ "$(property MainPID)" = "$main_pid" ] || fail "the service was restarted"

step "it is stopped, and stays so"
begin_watched
systemctl stop faultlined.service 2>"$folder/warning"
end_client
grep -q '^{"type":"end",.*"reason":"stopped"' "$folder/client" || fail "no end: $(cat "$folder/client-errors")"
expect_balance
is_active && fail "its client has started the service again"
steps 2
end_target
[ "$(property Result)" = success ] || fail "the service failed"

step "the next one serves"
trace nobody
