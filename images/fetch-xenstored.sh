#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches Debian's xenstored 4.17 and the libraries it is linked to without
# installing them, and prints the path of the folder they are in.  What is
# cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/apt.sh"

if (($#)); then
    cat >&2 <<'HELP'
usage: images/fetch-xenstored.sh

Prints the path of a folder with xenstored and its libraries, for
LD_LIBRARY_PATH.  To get newer ones, remove that folder.
HELP
    [[ $1 == --help || $1 == -h ]] && exit 0
    exit 2
fi

# The only Debian with 4.17; its packages run on newer ones too.
suite=bookworm
packages=(
    xen-utils-4.17 libxenmisc4.17 libxenevtchn1 libxengnttab1 libxencall1 libxendevicemodel1
    libxenforeignmemory1 libxentoolcore1 libxentoollog1
)

fetch() {
    local package
    apt_open deb "$suite" || die "cannot get xenstored of $suite ($apt_error)"
    echo "fetching xenstored ($suite)" >&2
    # What is installed here must not matter: apt would want that very version of it.
    apt-get -c "$apt_conf" -o Dir::State::status=/dev/null -qq download "${packages[@]}" >&2 ||
        die "cannot download xenstored of $suite"
    for package in ./*.deb; do
        dpkg-deb -x "$package" tree
    done
    mv tree/usr/lib/xen-4.17/bin/xenstored tree/usr/lib/*-linux-gnu/libxen*.so.* . ||
        die "the packages of $suite have no xenstored"
    rm -r tree ./*.deb
}

cached xenstored "$suite" fetch test -x xenstored
echo "$cache"
