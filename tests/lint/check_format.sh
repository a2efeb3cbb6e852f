#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check_format.sh [ROOT]: every C file is as clang-format with the .clang-format of the checkout would write it.
# Tables (*.def) are laid out by hand.
set -u

cd "${1:-$(dirname "$0")/../..}" || exit 1
if ! command -v clang-format >/dev/null; then
        echo "skipped: clang-format is not installed"
        exit 77
fi
mapfile -t files < <(find proto daemon client tests -name '*.[ch]' -type f | sort)
if [ ${#files[@]} -eq 0 ]; then
        echo "no source files under $PWD"
        exit 1
fi
clang-format --dry-run -Werror "${files[@]}"
