#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check_catalog.sh [ROOT]: the journal catalog explains exactly the records that the daemon writes, each once, and
# journalctl(1) takes it. Prints one line for each violation; exit 1 if there is any, 77 without journalctl.
set -u
export LC_ALL=C

cd "${1:-$(dirname "$0")/../..}" || exit 1
table=daemon/monitor/journal.def
catalog=systemd/faultline.catalog
n_violations=0

violation()
{
        echo "$1: $2"
        n_violations=$((n_violations + 1))
}

ids_of_table()
{
        sed -nE 's/^X_RECORD\([A-Z_]+, "([^"]*)".*/\1/p' "$table"
}

ids_of_catalog()
{
        sed -nE 's/^-- ([^ ]*).*/\1/p' "$catalog"
}

# Every entry: a subject, who defined it, and words behind the empty line.
incomplete_entries()
{
        awk '/^-- / { end(); id = $2; subject = definer = words = body = 0; next }
                id && /^Subject: ./ && !body { subject = 1 }
                id && /^Defined-By: faultline$/ && !body { definer = 1 }
                id && /^$/ { body = 1 }
                id && body && NF { words = 1 }
                END { end() }
                function end() { if (id && !(subject && definer && words)) print id }' "$catalog"
}

[ -s "$table" ] && [ -s "$catalog" ] || { echo "$table or $catalog is not there"; exit 1; }
n_rows=$(grep -c '^X_RECORD(' "$table")
[ "$n_rows" -eq "$(ids_of_table | wc -l)" ] || violation "$table" "has a row whose id cannot be read"
while read -r id; do
        [[ $id =~ ^[0-9a-f]{32}$ ]] || violation "$table" "$id is no id as systemd-id128 writes it"
done < <(ids_of_table)
while read -r id; do
        violation "$table" "$id stands for two records"
done < <(ids_of_table | sort | uniq -d)
while read -r id; do
        violation "$catalog" "$id has two entries"
done < <(ids_of_catalog | sort | uniq -d)
while read -r id; do
        violation "$catalog" "$id, which is in $table, has no entry"
done < <(comm -23 <(ids_of_table | sort -u) <(ids_of_catalog | sort -u))
while read -r id; do
        violation "$catalog" "$id is not in $table"
done < <(comm -13 <(ids_of_table | sort -u) <(ids_of_catalog | sort -u))
while read -r id; do
        violation "$catalog" "$id lacks its subject, its Defined-By: faultline, or its text"
done < <(incomplete_entries)

if [ "$n_violations" -eq 0 ]; then
        if ! command -v journalctl >/dev/null; then
                echo "skipped: needs journalctl (systemd)"
                exit 77
        fi
        root=$(mktemp -d) || exit 1
        trap 'rm -rf "$root"' EXIT
        mkdir -p "$root/usr/lib/systemd/catalog" "$root/var/lib/systemd/catalog"
        cp "$catalog" "$root/usr/lib/systemd/catalog/"
        # A broken entry is only complained about: the exit status stays 0.
        said=$(journalctl --root="$root" --update-catalog 2>&1) && [ -z "$said" ] ||
                violation "$catalog" "journalctl does not take it: $said"
        n_listed=$(journalctl --root="$root" --list-catalog 2>/dev/null | grep -c '^[0-9a-f]\{32\} faultline: ')
        [ "$n_listed" -eq "$n_rows" ] ||
                violation "$catalog" "journalctl lists $n_listed entries of $n_rows: $(journalctl --root="$root" --list-catalog 2>&1 | head -n 3)"
fi
[ "$n_violations" -eq 0 ] || echo "$n_violations violations (see the head of check_catalog.sh)"
[ "$n_violations" -eq 0 ]
