#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Unpacks the ELF kernel inside a bzImage, which is what starts as PVH: the boot
# protocol's header says where the compressed payload is.
set -euo pipefail

die() {
    echo "extract-vmlinux.sh: $*" >&2
    exit 1
}

if [[ $# != 2 || $1 == -* ]]; then
    echo "usage: images/extract-vmlinux.sh VMLINUZ OUTPUT" >&2
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi
kernel=$1
out=$2

number() { od -An -v -t "u$2" -j "$1" -N "$2" -- "$kernel" | tr -d ' '; } # OFFSET SIZE

[[ -r $kernel ]] || die "$kernel: cannot be read"
[[ "$(dd if="$kernel" bs=1 skip=514 count=4 status=none)" == HdrS ]] || die "$kernel: no bzImage"
setup=$((($(number 497 1) + 1) * 512))
offset=$((setup + $(number 584 4)))
# The last four bytes are the size once unpacked.
length=$(($(number 588 4) - 4))

payload() { tail -c "+$((offset + 1))" -- "$kernel" | head -c "$length"; }

case "$(payload 2>/dev/null | head -c 4 | od -An -v -t x1 | tr -d ' ')" in
fd377a58) unpack=(xz -dc --single-stream) ;;
28b52ffd) unpack=(zstd -dc) ;;
02214c18) unpack=(lz4 -dc) ;;
1f8b08*) unpack=(gzip -dc) ;;
*) die "$kernel: packed in a way that is not known here" ;;
esac
command -v "${unpack[0]}" >/dev/null || die "$kernel: needs ${unpack[0]} to be unpacked"
{ payload 2>/dev/null || true; } | "${unpack[@]}" >"$out.new" || die "$kernel: cannot be unpacked"
mv "$out.new" "$out"
