# SPDX-License-Identifier: LGPL-2.1-or-later
# Who is refused what, who is not, and where that is told.
# shellcheck shell=bash disable=SC2154

step "nobody is refused a process of root, and the journal knows"
expect_refused nobody 1
grep -q "user $nobody may not trace it" <<<"$refusal" || fail "the reason is missing"
expect_records 1 ATTACH_DENIED FAULTLINE_UID="$nobody" FAULTLINE_CLIENT_PID="$client_pid" FAULTLINE_PID=1 \
        FAULTLINE_ERRNO=1 PRIORITY=5
[ "$(records ATTACH_GRANTED FAULTLINE_PID=1 | wc -l)" = 0 ] || fail "it was granted as well"

step "a stranger is refused a process of nobody, a member of the admin group may trace it, with page frames"
start_target nobody zero-fill
expect_refused stranger "$target_pid"
expect_records 1 ATTACH_DENIED FAULTLINE_UID="$stranger" FAULTLINE_CLIENT_PID="$client_pid" FAULTLINE_PID="$target_pid"
echo >&8
end_target
trace member nobody
grep -q '"frame":[1-9]' <<<"$traced" || fail "an administrator sees no frames: $traced"
expect_records 1 ATTACH_GRANTED FAULTLINE_UID="$stranger" FAULTLINE_PID="$target_pid"
trace member root

step "who is no member any more is refused after a reload, and let in again after another"
settings=/etc/faultline/faultlined.conf.d/50-test.conf

# reload: returns when the service has read its configuration.
reload()
{
        local before

        before=$(n_lines "^the configuration was read again")
        systemctl reload faultlined.service
        until_true "no reload" has_lines $((before + 1)) "^the configuration was read again"
}

start_stepper nobody
drop_in "$settings" <<<$'[Daemon]\nAdminGroup='
reload
expect_refused member "$target_pid"
take_out "$settings"
reload
start_client member -p "$target_pid"
steps 3
end_client INT
expect_balance
end_target
