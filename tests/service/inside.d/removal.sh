# SPDX-License-Identifier: LGPL-2.1-or-later
# The package goes to its next version under a client, and then away.
# shellcheck shell=bash disable=SC2154

step "the package is upgraded under a client, which goes on with its trace"
begin_watched
main_pid=$(property MainPID)
run_dpkg -i "$package.next"
[ "$(dpkg-query -W -f '${Version}' faultline)" = "$(dpkg-deb -f "$package" Version)+1" ] || fail "not the next version"
is_other_service "$main_pid" || fail "the old service still runs"
goes_on
end_watched

step "the package is purged under a client: nothing of it is left but its user"
begin_watched
echo old >"$metrics"
run_dpkg -P faultline
end_client
expect_balance
steps 2
end_target
! pgrep -u faultline >"$folder/processes" || fail "processes are left: $(cat "$folder/processes")"
other='$1 != "faultline-test.service" { print $1 }'
units=$(systemctl list-units --all --plain --no-legend --full 'faultline*' | awk "$other")
[ -z "$units" ] || fail "units are left: $units"
units=$(systemctl list-unit-files --plain --no-legend 'faultline*' | awk "$other")
[ -z "$units" ] || fail "unit files are left: $units"
failed=$(systemctl --failed --plain --no-legend)
[ -z "$failed" ] || fail "units have failed: $failed"
! dpkg-query -W faultline >"$folder/query" 2>&1 || fail "dpkg knows it: $(cat "$folder/query")"
! journalctl --dump-catalog "$(id_of ATTACH_DENIED)" >"$folder/entry" 2>&1 || fail "the catalog still explains"
hash -r
for program in faultline faultlined; do
        ! command -v "$program" >"$folder/where" || fail "$(cat "$folder/where") is left"
done
list_files | diff "$folder/before" - >"$folder/difference" || true
[ ! -s "$folder/difference" ] || fail "files are left: $(cat "$folder/difference")"
id -u faultline >"$folder/user" || fail "the user is gone: its number may become somebody else's"
