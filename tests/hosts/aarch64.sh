#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds hcall/, xenstore-lite/, tools/ and their tests as on an aarch64 host.
# The same code there is another one: char is unsigned, the public headers of Xen
# are those of Arm although our guests are x86, and pages may have 64 KiB.  `meson
# test` in the folder then runs them here, in QEMU's user mode; that shows nothing of
# the order in which a real one's memory changes.  emu/ is not in it: that is a whole
# QEMU.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)

if [[ $# != 1 || $1 == -* ]]; then
    cat >&2 <<'HELP'
usage: tests/hosts/aarch64.sh BUILD_DIR

Exit status 77 when there is no compiler for aarch64 to be had; the reason is
the last line.
HELP
    [[ ${1-} == --help || ${1-} == -h ]] && exit 0
    exit 2
fi
build_dir=$1 log=$1/setup.log
root=$("$here/fetch-aarch64.sh") || exit 77

mkdir -p "$build_dir"
echo "[constants]
root = '$root'" >"$build_dir/root.ini"
if [[ ! -e $build_dir/build.ninja ]]; then
    meson setup --cross-file "$build_dir/root.ini" --cross-file "$here/aarch64.ini" "$build_dir" "$top" >"$log" 2>&1 || {
        echo "aarch64.sh: meson setup failed: $(tail -n 1 "$log") (all of it: $log)" >&2
        exit 1
    }
fi
meson compile -C "$build_dir" >"$log" 2>&1 || {
    sed -n '/^FAILED/,$p' "$log" | head -n 30 >&2
    echo "aarch64.sh: the build failed (all of it: $log)" >&2
    exit 1
}
