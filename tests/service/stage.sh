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

# build_deb DIRECTORY: sets deb to the Debian package of what was built, which is made there.
build_deb()
{
        need dpkg-deb dpkg-shlibdeps gzip
        [ -e "$build/CPackConfig.cmake" ] || skip "the build is for another prefix than /usr, which no package can be"
        "$(dirname "$cmake")/cpack" -G DEB -B "$1" --config "$build/CPackConfig.cmake" >"$1/cpack.log" 2>&1 || {
                cat "$1/cpack.log"
                exit 1
        }
        deb=$(echo "$1"/*.deb)
}

# next_deb DEB FILE: the same with a higher version.
next_deb()
{
        local unpacked

        unpacked=$(mktemp -d)
        dpkg-deb -R "$1" "$unpacked/package"
        sed -i "s/^Version: .*/&+1/" "$unpacked/package/DEBIAN/control"
        dpkg-deb --root-owner-group -Zgzip -z1 -b "$unpacked/package" "$2" >/dev/null
        rm -r "$unpacked"
}
