#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds Xen's own test of a xenstore, tools/tests/xenstore/test-xenstore.c of
# Debian's source package, and prints the path of the program.  Beside it is
# xenstore-control, which Debian installs only on a machine that runs Xen.
# What is cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/apt.sh"

if (($#)); then
    cat >&2 <<'HELP'
usage: tests/xenstore/fetch-test-xenstore.sh

Prints the path of test-xenstore.  To build it again, remove the folder it is in.
HELP
    [[ $1 == --help || $1 == -h ]] && exit 0
    exit 2
fi

suite=bookworm

build() { # PROGRAM SOURCE LIBRARY...
    local program=$1 source=$2 error
    shift 2
    error=$(gcc -w -O2 -I tools/include -o "$program" "$source" "$@" 2>&1) ||
        die "cannot build $program: $(grep -m 1 error <<<"$error" || tail -n 1 <<<"$error")"
}

fetch() {
    local error
    apt_open deb-src "$suite" || die "cannot get Xen's source ($suite: $apt_error)"
    echo "fetching Xen's source ($suite)" >&2
    error=$(apt-get -c "$apt_conf" -qq source --download-only --tar-only xen 2>&1) ||
        die "cannot download Xen's source: $(sed -n 's/^E: *//p' <<<"$error" | head -n 1)"
    tar -xf xen_*.orig.tar.* --strip-components=1 --wildcards '*/tools/tests/xenstore/test-xenstore.c' \
        '*/tools/xenstore/xenstore_control.c' '*/tools/include/xen-tools/libs.h' ||
        die "Xen's source has no test-xenstore"
    rm xen_*
    build test-xenstore tools/tests/xenstore/test-xenstore.c -lxenstore
    build xenstore-control tools/xenstore/xenstore_control.c -lxenstore -lxenguest -lxenctrl
}

# The programs are linked to this distribution's libraries.
cached test-xenstore "$suite-on-$(os_release ID)-$(os_release VERSION_ID)" fetch test -x test-xenstore
echo "$cache/test-xenstore"
