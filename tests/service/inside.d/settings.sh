# SPDX-License-Identifier: LGPL-2.1-or-later
# The configuration is read again: limits, a file that is wrong, and the end of a service that nobody needs.
# shellcheck shell=bash disable=SC2154

step "a limit is lowered: who has a trace keeps it, the next one is refused"
start_stepper nobody
start_client nobody -p "$target_pid"
drop_in "$settings" <<<$'[Limits]\nTracesPerUser=1'
reload
expect_refused nobody "$target_pid"
grep -q 'TracesPerUser=' <<<"$refusal" || fail "the limit is not named"
expect_records 1 LIMIT_REACHED FAULTLINE_UID="$nobody" FAULTLINE_CLIENT_PID="$client_pid" FAULTLINE_LIMIT=traces
expect_warning "attach for uid $nobody refused: "
steps 4

step "a wrong file changes nothing"
drop_in "$settings" <<<$'[Limits]\nTracesPerUser=many'
reload
faultlined --check-config >"$folder/settings" 2>"$folder/complaints" && fail "a wrong file is accepted"
grep -q "^$settings:2: " "$folder/complaints" || fail "not where it is wrong: $(cat "$folder/complaints")"
expect_warning "^$settings:2: "
expect_warning "^the configuration was read again and has errors: all settings stay as they were$"
until_true "the status tells nothing" eval 'property StatusText | grep -q "degraded: errors in the configuration"'
expect_refused nobody "$target_pid"
expect_records 2 LIMIT_REACHED FAULTLINE_UID="$nobody" FAULTLINE_LIMIT=traces
expect_warning "attach for uid $nobody refused: "
take_out "$settings"
reload
steps 3
end_client INT
expect_balance
end_target
trace nobody

step "a service that nobody needs ends, and the next client has another one"
main_pid=$(property MainPID)
drop_in "$settings" <<<$'[Daemon]\nIdleExitSec=1s'
reload
until_true "the service stays" eval '[ "$(property ActiveState)" = inactive ]'
[ "$(property Result) $(property NRestarts)" = "success 0" ] || fail "the service failed"
until_true "it does not say why" has_lines 1 "^nobody has needed the service for 1s: "
[ ! -e "/proc/$main_pid" ] || fail "a process of it stays"
take_out "$settings"
systemctl is-active --quiet faultlined.socket || fail "the socket does not listen any more"
trace nobody
is_other_service "$main_pid" || fail "no other service"
