# SPDX-License-Identifier: LGPL-2.1-or-later
# What the service tells about itself, to whom.
# shellcheck shell=bash disable=SC2154

# status USER: sets told.
status()
{
        local -n prefix=as_$1

        told=$("${prefix[@]}" "$faultline" status --format=json 2>"$folder/status-errors") ||
                fail "no status for $1: $(cat "$folder/status-errors")"
}

tells()
{
        grep -q -- "$1" <<<"$told" || fail "not $1 in $told"
}

status_text_is()
{
        [ "$(property StatusText)" = "$1" ]
}

step "status: root sees all, others see their own"
start_stepper nobody
start_client nobody -p "$target_pid"
steps 5
until_true "not 5 faults" n_said 5 '"type":"fault"'
trace_of_nobody="\"uid\":$nobody,\"user\":\"nobody\",\"client_pid\":$client_job,\"pid\":$target_pid,"
trace_of_nobody+='"comm":"target_step","unit":"faultline-test.service","detail":"full"'
engine=$(pgrep -u "$nobody" -P "$(property MainPID)" faultlined-eng)
status root
tells "\"pid\":$(property MainPID),\"sees_all\":true"
tells '"n_users":2,"n_clients":2,"n_traces":1'
tells "$trace_of_nobody"
tells '"n_faults":5,'
tells "\"engines\":\[.*\"uid\":$nobody,\"user\":\"nobody\",\"pid\":$engine,"
status nobody
tells "\"sees_all\":false"
tells "$trace_of_nobody"
! grep -q '"uid":0,' <<<"$told" || fail "nobody sees what is root's: $told"
status stranger
tells '"sees_all":false'
tells '"traces":\[\]'
status member
tells "\"sees_all\":true"
tells "$trace_of_nobody"
until_true "the status of the unit is not $(property StatusText)" status_text_is "1 trace of 1 user, 1 client"

step "metrics, by hand and by the timer"
"$faultline" metrics -o "$folder/metrics" || fail "no metrics"
grep -qx 'faultline_sees_all_users 1' "$folder/metrics" || fail "not the metrics of all: $(cat "$folder/metrics")"
grep -qx 'faultline_faults_total{unit="faultline-test.service",cause="zero-fill"} [1-9][0-9]*' "$folder/metrics" ||
        fail "no faults of the unit: $(cat "$folder/metrics")"
"${as_stranger[@]}" "$faultline" metrics >"$folder/metrics" || fail "no metrics for a stranger"
grep -qx 'faultline_sees_all_users 0' "$folder/metrics" || fail "the metrics of all: $(cat "$folder/metrics")"
! grep -q 'sliced' "$folder/metrics" || fail "a stranger sees what is root's: $(cat "$folder/metrics")"
[ "$(tail -n 1 "$folder/metrics")" = "# EOF" ] || fail "the metrics have no end"
systemctl start faultline-metrics.timer
until_true "the timer has not written" test -e "$metrics"
[ "$(stat -c '%U %A' "$metrics")" = "root -rw-r--r--" ] || fail "not everyone may read the metrics"
[ "$(ls -A "${metrics%/*}")" = faultline.prom ] || fail "something else is left: $(ls -A "${metrics%/*}")"
grep -qx 'faultline_unit_traces{unit="faultline-test.service"} 1' "$metrics" || fail "the trace: $(cat "$metrics")"
systemctl stop faultline-metrics.timer
end_client INT
expect_balance
end_target
