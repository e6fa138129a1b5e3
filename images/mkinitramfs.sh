#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the test guest's initramfs: busybox, our programs and images/guest/init,
# 64-bit or 32-bit.  The same input gives the same file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

bits=64
if [[ ${1-} == --32 ]]; then
    bits=32
    shift
fi
if [[ $# == 0 || $1 == -* ]]; then
    echo "usage: images/mkinitramfs.sh [--32] OUTPUT.cpio.gz [MODULE.ko...]" >&2
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi
out=$(realpath -m -- "$1")
shift

compiler=(gcc)
if ((bits == 32)); then
    i386=$("$here/fetch-i386.sh")
    busybox=$i386/busybox
    compiler+=(-m32 "--sysroot=$i386" "-B$i386/gcc/")
else
    busybox=$(command -v busybox) || busybox=
fi
if [[ -z $busybox ]] || ldd "$busybox" >/dev/null 2>&1; then
    echo "mkinitramfs.sh: no static busybox: install the package busybox-static" >&2
    exit 1
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,lib/modules}
cp "$busybox" "$root/bin/busybox"
# A machine that cannot run a 32-bit one has at least these applets in common with it.
{ "$busybox" --list 2>/dev/null || busybox --list; } | while read -r applet; do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
done
rm -f "$root"/bin/{poweroff,reboot,halt}
for program in memhold vcpus; do
    "${compiler[@]}" -O2 -Wall -Wextra -Werror -static -pthread -o "$root/bin/$program" "$here/guest/$program.c"
    strip "$root/bin/$program"
done
install -m 755 "$here/guest/init" "$root/init"
# Linux runs these two when the toolstack asks for it (control/shutdown).
for action in poweroff reboot; do
    printf '#!/bin/sh\nexec busybox %s -f\n' $action >"$root/sbin/$action"
    chmod 755 "$root/sbin/$action"
done
(($# == 0)) || cp -- "$@" "$root/lib/modules/"

mkdir -p "$(dirname "$out")"
cd "$root"
find . -exec touch -h -d @0 {} +
find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet --reproducible -R 0:0 | gzip -9n >"$out.new"
mv "$out.new" "$out"
