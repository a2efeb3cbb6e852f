# SPDX-License-Identifier: LGPL-2.1-or-later
# What the journal has in the end: explanations, and nothing that was not meant.
# shellcheck shell=bash disable=SC2154

step "the catalog explains each kind of record"
while read -r name id; do
        journalctl --dump-catalog "$id" >"$folder/entry" 2>&1 || fail "no entry for $name: $(cat "$folder/entry")"
        grep -q '^Subject: ' "$folder/entry" || fail "the entry for $name has no subject: $(cat "$folder/entry")"
done < <(sed -n 's/^X_RECORD(\([A-Z_]*\), "\([0-9a-f]*\)".*/\1 \2/p' "$at/journal.def")
journalctl --quiet --catalog -u faultlined.service "MESSAGE_ID=$(id_of ATTACH_DENIED)" >"$folder/explained"
grep -q 'Subject: A user may not trace a process or a unit' "$folder/explained" || fail "nothing is explained"
grep -q "The user with the id $nobody asked" "$folder/explained" || fail "not who: $(cat "$folder/explained")"

step "the journal has no warnings but those that were provoked"
journalctl --sync
journalctl --quiet -o cat -p warning _SYSTEMD_UNIT=faultlined.service >"$folder/warnings"
for pattern in "${expected_warnings[@]}"; do
        line=$(grep -n -m 1 -- "$pattern" "$folder/warnings" | cut -d: -f1)
        [ -n "$line" ] || fail "it does not warn: $pattern"
        sed -i "${line}d" "$folder/warnings"
done
[ ! -s "$folder/warnings" ] || fail "warnings: $(cat "$folder/warnings")"
