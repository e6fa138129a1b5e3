# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Set-up for demo, check and bench: packages, build, QEMU, kernels, initramfs.
# Sourced, with the project's root as working directory; each step does only what
# is missing, asks nothing, and ends the script with one line when it cannot.

# shellcheck source=tools/apt.sh
. tools/apt.sh

python=/usr/bin/python3 # never one of a version manager that comes first in PATH
build_dir=build
initramfs=$build_dir/images/initramfs.cpio.gz

say() { printf '%s\n' "-- $*"; }

# What has to be there: Debian's package, and how to see that it (or another distribution's) is.
packages() {
    cat <<'LIST'
gcc               command gcc
libc6-dev         header  stdlib.h
pkg-config        command pkg-config
ninja-build       command ninja
python3           python  json
python3-venv      python  ensurepip
meson             meson   1.5
python3-pycotap   python  pycotap
libglib2.0-dev    module  glib-2.0
libjson-glib-dev  module  json-glib-1.0
libpixman-1-dev   module  pixman-1
zlib1g-dev        module  zlib
libcmocka-dev     module  cmocka
libfdt-dev        header  libfdt.h
libxen-dev        header  xen/xen.h
libsystemd-dev    module  libsystemd
xenstore-utils    command xenstore-ls
flex              command flex
bison             command bison
git               command git
cpio              command cpio
xz-utils          command xz
lz4               command lz4
zstd              command zstd
dpkg-dev          command dpkg-source
e2fsprogs         file    /usr/sbin/mke2fs
busybox-static    command busybox
seabios           file    /usr/share/seabios/bios-256k.bin
qemu-system-data  file    /usr/share/qemu/linuxboot_dma.bin
LIST
}

present() { # KIND WHAT
    case $1 in
    command) command -v "$2" ;;
    header) echo "#include <$2>" | gcc -E -x c - ;;
    module) pkg-config --exists "$2" ;;
    python) $python -c "import $2" ;;
    file) [[ -e $2 ]] ;;
    meson) printf '%s\n' "$2" "$($python -c 'import mesonbuild.coredata as c; print(c.version)')" | sort -CV ;;
    esac >/dev/null 2>&1
}

missing_packages() {
    local package kind what
    while read -r package kind what; do
        present "$kind" "$what" || echo "$package"
    done < <(packages)
}

setup_packages() {
    local missing wanted=() backports=() package sudo=()
    missing=$(missing_packages)
    [[ -n $missing ]] || return 0

    if [[ "$(os_release ID)" != debian ]]; then
        die "missing packages (Debian's names), please install: ${missing//$'\n'/ }"
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "missing packages, please install as root: ${missing//$'\n'/ }"
        sudo=(sudo)
        [[ -t 2 ]] || sudo=(sudo -n)
    fi
    for package in $missing; do
        case $(os_release VERSION_CODENAME)-$package in
        bookworm-meson | bookworm-python3-pycotap) backports+=("$package") ;;
        *) wanted+=("$package") ;;
        esac
    done

    say "installing packages: ${missing//$'\n'/ }"
    ((${#wanted[@]} == 0)) || {
        install_packages update
        install_packages install "${wanted[@]}"
    }
    ((${#backports[@]} == 0)) || {
        apt_open deb bookworm bookworm-backports ||
            die "cannot install ${backports[*]} from bookworm-backports: $apt_error"
        install_packages -c "$apt_conf" -t bookworm-backports install "${backports[@]}"
    }
    missing=$(missing_packages)
    [[ -z $missing ]] || die "installed, and still not usable: ${missing//$'\n'/ }"
}

# apt-get, quiet unless it fails; uses setup_packages's sudo.
install_packages() {
    local log
    log=$("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" </dev/null 2>&1) ||
        die "apt-get cannot ${*: -1:1}: $(sed -n 's/^E: *//p' <<<"$log" | head -n 1); to install by hand: ${missing//$'\n'/ }"
}

setup_build() {
    local log=$build_dir/setup.log
    mkdir -p "$build_dir/images"
    say "building xenbed"
    if [[ ! -e $build_dir/build.ninja ]]; then
        meson setup "$build_dir" >"$log" 2>&1 || die "meson setup failed: $(tail -n 1 "$log") (all of it: $log)"
    fi
    meson compile -C "$build_dir" >"$log" 2>&1 || {
        sed -n '/^FAILED/,$p' "$log" | head -n 30 >&2
        die "the build failed (all of it: $log)"
    }
}

setup_qemu() {
    say "building QEMU with xenbed (minutes the first time, then seconds)"
    emu/build.sh ${qemu_src:+--qemu-src "$qemu_src"} "$build_dir" || exit 1
}

setup_initramfs() {
    local input
    for input in images/mkinitramfs.sh images/guest/*; do
        [[ $input -nt $initramfs ]] || continue
        say "making the guest's initramfs"
        images/mkinitramfs.sh "$initramfs" || exit 1
        return
    done
}

# The kernel of the demo; tests that want others skip if these cannot be had.
setup_kernel() {
    [[ -n ${XENBED_KERNEL-} ]] || images/fetch-kernel.sh bookworm >/dev/null || exit 1
}

# The options demo, check and bench share; others are left in rest.
setup_options() {
    rest=()
    while (($#)); do
        case $1 in
        --qemu-src | --kernel) (($# > 1)) || die "$1 needs a file" ;;&
        --qemu-src) qemu_src=$2; shift ;;
        --qemu-src=*) qemu_src=${1#*=} ;;
        --kernel) kernel=$2; shift ;;
        --kernel=*) kernel=${1#*=} ;;
        *) rest+=("$1") ;;
        esac
        shift
    done
    qemu_src=${qemu_src-}
    if [[ -n ${kernel-} ]]; then
        [[ -r $kernel && -f $kernel ]] || die "$kernel: no readable kernel"
        # The tests use this one instead of Debian's.
        XENBED_KERNEL=$(realpath -- "$kernel")
        export XENBED_KERNEL
    fi
}

setup_all() {
    [[ "$(uname -m)" == x86_64 ]] || die "$(uname -m): not supported yet, needs an x86-64 host"
    setup_packages
    setup_build
    setup_qemu
    setup_initramfs
}
