#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches Debian's stock cloud kernel of a suite without installing it, and
# prints the path of its vmlinuz.  What is cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/apt.sh"

die() {
    echo "fetch-kernel.sh: $*" >&2
    exit 1
}

if [[ $# != 1 || $1 == -* ]]; then
    cat >&2 <<'HELP'
usage: images/fetch-kernel.sh SUITE

SUITE: bookworm (Linux 6.1), bookworm-backports or trixie (6.12), or another one.
Prints the path of the kernel; beside it are its config and, in virtio/, the
virtio modules.  To get a newer one, remove the folder it is in.
HELP
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi

suite=$1

fetch() {
    local package
    apt_open deb "$suite" || die "cannot get the kernel of $suite ($apt_error): give one with --kernel FILE"
    package=$(apt-cache -c "$apt_conf" depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p')
    [[ -n $package ]] || die "$suite has no linux-image-cloud-amd64"
    echo "fetching $package ($suite)" >&2
    apt-get -c "$apt_conf" -qq download "$package" >&2 || die "cannot download $package"
    dpkg-deb --fsys-tarfile ./*.deb | tar -x --strip-components=2 --wildcards './boot/vmlinuz-*' './boot/config-*'
    dpkg-deb --fsys-tarfile ./*.deb | tar -x --transform 's,.*/virtio/,virtio/,' --wildcards '*/drivers/virtio/*.ko*'
    find virtio -name '*.xz' -exec unxz {} +
    rm ./*.deb
}

cached kernels "$suite" fetch compgen -G 'vmlinuz-*'
compgen -G "$cache/vmlinuz-*"
