#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches a stock Debian kernel of a suite without installing it, and prints the
# path of its vmlinuz.  What is cached is used without asking Debian.
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tools/apt.sh"

if [[ $# != [12] || $1 == -* || ${2-} == -* ]]; then
    cat >&2 <<'HELP'
usage: images/fetch-kernel.sh SUITE [FLAVOUR]

SUITE: bullseye (Linux 5.10), bookworm (6.1), bookworm-backports or trixie (6.12),
sid (the newest), or another one.
FLAVOUR: cloud-amd64 (default), amd64, or 686-pae (32-bit: bullseye and bookworm).
Prints the path of the kernel; beside it are its config and, in virtio/ and kvm/,
those modules.  To get a newer one, remove the folder it is in.
HELP
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi

suite=$1
flavour=${2-cloud-amd64}
case $flavour in
*amd64) ;;
686*) apt_architecture=i386 ;;
*) die "$flavour: no flavour of an x86 kernel" ;;
esac

fetch() {
    local image version package
    apt_open deb "$suite" || die "cannot get the kernel of $suite ($apt_error): give one with --kernel FILE"
    image=$(apt_depends "linux-image-$flavour" | grep '^linux-image-[0-9]') || die "$suite has no linux-image-$flavour"
    version=${image#linux-image-}
    # Since Linux 7 the image is a package without files, and what was in it is in these.
    mapfile -t packages < <(apt_depends "$image" | grep -xE "linux-(base|binary|modules)-${version//+/\\+}")
    echo "fetching $image ($suite)" >&2
    apt-get -c "$apt_conf" -qq download "$image" "${packages[@]}" >&2 || die "cannot download $image"
    for package in ./*.deb; do
        dpkg-deb -x "$package" tree
    done
    take vmlinuz "$version" || die "$image has no kernel"
    take config "$version" || die "$image has no config"
    mkdir virtio kvm
    find tree \( -path '*/drivers/virtio/*.ko*' -o -name 'virtio_blk.ko*' \) -exec mv -t virtio {} +
    find tree \( -path '*/kvm/*.ko*' -o -name 'irqbypass.ko*' \) -exec mv -t kvm {} +
    find virtio kvm -name '*.xz' -exec unxz {} +
    rm -r tree ./*.deb
}

# The file of that NAME, which is in either of two places.
take() { # NAME VERSION
    local file
    for file in "tree/boot/$1-$2" "tree/usr/lib/modules/$2/$1"; do
        [[ ! -e $file ]] || { mv "$file" "$1-$2"; return; }
    done
    return 1
}

name=$suite
[[ $flavour == cloud-amd64 ]] || name=$suite-$flavour
cached kernels "$name" fetch test -d kvm
compgen -G "$cache/vmlinuz-*"
