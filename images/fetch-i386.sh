#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches what a 32-bit initramfs is made of without installing it: Debian's
# busybox for i386, and what gcc needs to link a static program for it.  Prints
# the path of the folder.  What is cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/apt.sh"

if (($#)); then
    cat >&2 <<'HELP'
usage: images/fetch-i386.sh

Prints the path of a folder with busybox and a compiler's root for 32-bit programs:
    gcc -m32 --sysroot=FOLDER -BFOLDER/gcc/ -static ...
To get newer ones, remove that folder.
HELP
    [[ $1 == --help || $1 == -h ]] && exit 0
    exit 2
fi

# One suite for all hosts: the libraries are linked statically, and any gcc can.
suite=bookworm
packages=(busybox-static libc6-dev linux-libc-dev libgcc-12-dev)
# Read by apt_open.
# shellcheck disable=SC2034
apt_architecture=i386

fetch() {
    local package
    apt_open deb "$suite" || die "cannot get busybox for i386 ($apt_error)"
    echo "fetching busybox and libraries for i386 ($suite)" >&2
    apt-get -c "$apt_conf" -qq download "${packages[@]}" >&2 ||
        die "cannot download busybox and libraries for i386"
    for package in ./*.deb; do
        dpkg-deb -x "$package" .
    done
    mv bin/busybox .
    mv usr/lib/gcc/i686-linux-gnu/12 gcc
    rm -r bin usr/share ./*.deb
}

cached i386 "$suite" fetch test -x busybox
echo "$cache"
