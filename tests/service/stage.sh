# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the tests here, whose arguments are the build directory and the path of cmake.

build=$1
cmake=$2

skip()
{
        echo "SKIP: $*"
        exit 77
}

need()
{
        for program; do
                command -v "$program" >/dev/null || skip "$program is not installed"
        done
}

# install_below DIRECTORY: what was built, as a package would hold it.
install_below()
{
        DESTDIR=$1 "$cmake" --install "$build" >"$1/install.log" || {
                cat "$1/install.log"
                exit 1
        }
        rm "$1/install.log"
}

# installed DIRECTORY NAME: where that file is, seen from the directory as root.
installed()
{
        find "$1" -name "$2" -type f -printf '/%P\n'
}
