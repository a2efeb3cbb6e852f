#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check_docs.sh FAULTLINE [ROOT]: what users are promised is documented. Every option and subcommand of --help is in
# faultline.1, every message is in PROTOCOL.md, every word of the vocabulary is in faultline.1 or faultline-json.5.
set -u
export LC_ALL=C

faultline=$(realpath "${1:?usage: check_docs.sh FAULTLINE [ROOT]}") || exit 1
cd "${2:-$(dirname "$0")/../..}" || exit 1
manual=client/faultline.1.scd
json_manual=client/faultline-json.5.scd
n_missing=0

missing()
{
        echo "$1 is not in $2"
        n_missing=$((n_missing + 1))
}

# scdoc(5) escapes some characters and marks words with * and _; neither is part of a word.
text_of()
{
        cat "$@" | sed -E 's/\\(.)/\1/g'
}

has_word()
{
        grep -qE -- "(^|[^A-Za-z0-9-])$1([^A-Za-z0-9-]|$)" <<<"$2"
}

for file in "$manual" "$json_manual" proto/PROTOCOL.md; do
        [ -e "$file" ] || { echo "$file does not exist"; exit 1; }
done

help=$("$faultline" --help) || { echo "$faultline --help failed"; exit 1; }
options=$(grep -oE -- '(^|[ ,|[])--?[a-zA-Z][a-z-]*' <<<"$help" | grep -oE -- '--?[a-zA-Z][a-z-]*' | sort -u)
commands=$(grep -oE '^ *faultline ([a-z]+)' <<<"$help" | awk '{ print $2 }' | sort -u)
messages=$(sed -nE 's/^X_MESSAGE\(([A-Z_]+),.*/\1/p' proto/messages.def)
words=$(sed -nE 's/^X_[A-Z]+\([A-Z_]+, [0-9]+, "([a-z-]+)"\).*/\1/p' proto/vocabulary.def | sort -u)
if [ -z "$options" ] || [ -z "$messages" ] || [ -z "$words" ]; then
        echo "found no options, messages or words: this lint no longer understands its input"
        exit 1
fi

page=$(text_of "$manual")
for option in $options; do
        has_word "$option" "$page" || missing "option $option of --help" "$manual"
done
for command in $commands; do
        has_word "$command" "$page" || missing "subcommand $command of --help" "$manual"
done
both=$(text_of "$manual" "$json_manual")
for word in $words; do
        has_word "$word" "$both" || missing "the word $word of vocabulary.def" "$manual or $json_manual"
done
protocol=$(cat proto/PROTOCOL.md)
for message in $messages; do
        has_word "$message" "$protocol" || missing "message $message" proto/PROTOCOL.md
done
[ "$n_missing" -eq 0 ]
