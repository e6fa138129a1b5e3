#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches a stock Debian kernel and what modules for it are built with, its headers,
# without installing them, and prints the path of the folder they are in.  What is
# cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/apt.sh"

if [[ $# != 1 || $1 == -* ]]; then
    cat >&2 <<'HELP'
usage: images/fetch-headers.sh SUITE

SUITE: bookworm (Linux 6.1) or bookworm-backports (6.12); newer ones need a newer host.
Prints the path of a folder with vmlinuz, a kernel, and build, its headers:
    make -C FOLDER/build M=MODULE'S-FOLDER
Both are of one version, which need not be that of fetch-kernel.sh.  To get newer ones,
remove that folder.
HELP
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi

suite=$1

fetch() {
    local headers version package packages
    apt_open deb "$suite" || die "cannot get the headers of $suite ($apt_error)"
    headers=$(apt_depends linux-headers-cloud-amd64 | grep '^linux-headers-[0-9]') ||
        die "$suite has no linux-headers-cloud-amd64"
    version=${headers#linux-headers-}
    mapfile -t packages < <(apt_depends "$headers" | grep -E '^linux-(headers-.*-common|kbuild)')
    echo "fetching $headers and its kernel ($suite)" >&2
    # What is installed here must not matter: apt would want that very version of it.
    apt-get -c "$apt_conf" -o Dir::State::status=/dev/null -qq download \
        "linux-image-$version" "$headers" "${packages[@]}" >&2 ||
        die "cannot download $headers and its kernel"
    for package in ./*.deb; do
        dpkg-deb -x "$package" .
    done
    mv "boot/vmlinuz-$version" vmlinuz || die "linux-image-$version has no kernel"
    ln -s "usr/src/$headers" build
    # They are at home in /usr/src, and want the gcc that Debian's kernel was built with.
    sed -i 's|/usr/src/|../|' build/Makefile
    sed -i 's|)gcc-[0-9]*$|)gcc|' build/.kernelvariables
    # What type information is made from, by a program that is not here and not needed.
    rm -f build/vmlinux
    rm -rf boot lib usr/lib/modules usr/share ./*.deb
    # Their programs want libraries that may not be here, their settings a gcc that is as new.
    mkdir try
    echo 'obj-m := try.o' >try/Makefile
    printf '%s\n' '#include <linux/module.h>' 'MODULE_LICENSE("GPL");' >try/try.c
    make -C build M="$PWD/try" >try/log 2>&1 ||
        die "$headers cannot be used here: $(grep -m 1 -E 'not found|error|Error' try/log)"
    rm -r try
}

cached headers "$suite" fetch test -e vmlinuz
echo "$cache"
