#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches what it takes to build for aarch64 Linux and to run that here: Debian's
# cross compiler and QEMU's user mode, and the libraries xenbed needs of the arm64
# architecture, all of the machine's own release.  Nothing is installed.  Prints
# the path of the folder they are in:
#
#   bin/      cc, ar, strip and run: what aarch64.ini calls
#   sysroot/  headers and libraries
#   tools/    what bin/ is made of
set -euo pipefail

# shellcheck source=tools/apt.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/apt.sh"

if (($#)); then
    cat >&2 <<'HELP'
usage: tests/hosts/fetch-aarch64.sh

Prints the path of a folder with a cross compiler and libraries for aarch64.
To get newer ones, remove that folder.
HELP
    [[ $1 == --help || $1 == -h ]] && exit 0
    exit 2
fi

suite=$(os_release VERSION_CODENAME)
target=aarch64-linux-gnu

# The development packages that tools/setup.sh asks for, less those of QEMU alone.
libraries=(libc6-dev libglib2.0-dev libjson-glib-dev libcmocka-dev libxen-dev libsystemd-dev)
tools=("gcc-$target" qemu-user-static)

# In the current folder: these packages and all they depend on that match PATTERN, unpacked.
# What is installed must not matter: apt would leave that out.
get() { # PATTERN PACKAGE...
    local pattern=$1 apt needed names package
    apt=(apt-get -c "$apt_conf" -o Dir::State::status=/dev/null)
    shift
    needed=$("${apt[@]}" -s --no-install-recommends install "$@" 2>&1) ||
        die "cannot get $1 of $suite: $(sed -n 's/^E: *//p' <<<"$needed" | head -n 1)"
    mapfile -t names < <(sed -n 's/^Inst \([^ ]*\) .*/\1/p' <<<"$needed" | grep -xE -- "$pattern")
    "${apt[@]}" -qq download "${names[@]}" >&2 || die "cannot download ${names[*]}"
    # libc6 has /lib, others /usr/lib.
    mkdir -p usr/lib
    ln -s usr/lib lib
    for package in ./*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -x --keep-directory-symlink --exclude='./usr/share/*' --exclude='./usr/libexec/*' \
                --exclude='./usr/bin/qemu-[!a]*' --exclude='./usr/bin/qemu-a[!a]*'
    done
    rm ./*.deb
}

# A link to /lib/... is meant in here.
relative_links() {
    local link to
    find . -lname '/*' -printf '%p\n' | while IFS= read -r link; do
        to=$(readlink "$link")
        [[ ! -e .$to ]] || ln -sfr ".$to" "$link"
    done
}

# bin/NAME, which calls a program of tools/.
wrapper() { # NAME COMMAND
    cat >"bin/$1" <<WRAPPER
#!/bin/sh
root=\$(dirname "\$(dirname "\$0")")
libraries="\$root/tools/usr/lib/$(uname -m)-linux-gnu"
$2 "\$@"
WRAPPER
    chmod +x "bin/$1"
}

fetch() {
    # shellcheck disable=SC2016 # $root and $libraries are the wrapper's
    local with='LD_LIBRARY_PATH="$libraries" exec "$root/tools/usr/bin/'"$target-"
    apt_open deb "$suite" || die "cannot get a compiler for aarch64 ($apt_error)"
    echo "fetching a compiler and libraries for aarch64 ($suite)" >&2
    mkdir bin tools sysroot
    # All but libc6 and what gcc itself has brought to this machine.
    (
        cd tools
        get "lib(binutils|jansson|gmp|isl|mpfr|mpc|zstd).*|libgcc-.*-dev-.*|(binutils|cpp|gcc)-.*$target|qemu-user.*" "${tools[@]}"
    )
    apt_architecture=arm64
    apt_open deb "$suite" || die "cannot get libraries for aarch64 ($apt_error)"
    (
        cd sysroot
        get '(lib|linux-libc|uuid|zlib).*' "${libraries[@]}"
        relative_links
    )

    # Debian 12 has both names, and the static one for the static program.
    [[ ! -e tools/usr/bin/qemu-aarch64-static ]] || mv -f tools/usr/bin/qemu-aarch64{-static,}
    # shellcheck disable=SC2016 # so they are here
    {
        wrapper cc "$with"'gcc" --sysroot="$root/sysroot"'
        wrapper ar "$with"'ar"'
        wrapper strip "$with"'strip"'
        wrapper run 'QEMU_LD_PREFIX="$root/sysroot" exec "$root/tools/usr/bin/qemu-aarch64"'
    }
    printf '#include <stdio.h>\n#include <errno.h>\nint main(void) { return puts("") == EOF; }\n' >works.c
    if ! bin/cc works.c -o works || ! bin/run works >works.out; then
        die "what $suite has for aarch64 does not work here"
    fi
    rm works*
}

cached hosts "aarch64-on-$(os_release ID)-$(os_release VERSION_ID)" fetch test -x bin/run
echo "$cache"
