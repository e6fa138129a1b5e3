#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds QEMU with xenbed in it: fetch the source, verify, unpack, patch,
# configure, compile.  The tree is kept in the cache, one for each (source,
# patches, options); our own sources are copied into it by content, so that
# ninja rebuilds what differs, whichever clone built last.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
# shellcheck source=tools/apt.sh
. "$top/tools/apt.sh"

python=/usr/bin/python3
configure_options=(
    "--python=$python" --target-list=x86_64-softmmu
    --without-default-features --enable-kvm --enable-tcg --enable-system
    --enable-fdt=system --disable-docs --disable-install-blobs --disable-download
)

usage() {
    cat <<'HELP'
usage: emu/build.sh [--qemu-src DIR|TARBALL] [--configure OPTION]... BUILD_DIR

Builds QEMU 10.0.x with xenbed in it; the program becomes
BUILD_DIR/qemu/qemu-system-x86_64.  The source comes from Debian or upstream
(emu/sources.conf), or is the one given, which is remembered in BUILD_DIR.
--configure adds an option to those QEMU is configured with; such a build has a
tree of its own, and should have a BUILD_DIR of its own.
HELP
}

die() {
    echo "emu/build.sh: $*" >&2
    exit 1
}

# ---- the source ----------------------------------------------------------------------------------

sources_conf() { grep -Ev '^(#|$)' "$here/sources.conf"; }

sha256() { sha256sum -- "$1" | cut -d ' ' -f 1; }

# A download is in the cache under its own name only when its checksum is right.
keep_verified() { # FILE SHA256 NAME
    [[ "$(sha256 "$1")" == "$2" ]] || return 1
    mv -f -- "$1" "$downloads/$3"
}

fetch_from_debian() { # SUITE FILE SHA256
    local dir name error
    apt_open deb-src "$1" || { fetch_error="apt, $1: $apt_error"; return 1; }
    dir=$(mktemp -d "$downloads/apt.XXXXXX")
    if ! error=$(cd "$dir" && apt-get -c "$apt_conf" -qq source --download-only --tar-only qemu 2>&1); then
        rm -rf "$dir"
        fetch_error="apt, $1: $(sed -n 's/^E: *//p' <<<"$error" | head -n 1)"
        return 1
    fi
    name=$(cd "$dir" && ls)
    # Debian may have a newer 10.0.x than the list; apt has checked its signature.
    case $name in
    "$2") keep_verified "$dir/$name" "$3" "$name" || name= ;;
    qemu_10.0.*.orig.tar.*)
        echo "emu/build.sh: warning: $name is not in emu/sources.conf" >&2
        mv -f "$dir/$name" "$downloads/$name"
        echo "$downloads/$name" >"$remembered" ;;
    *) name= ;;
    esac
    rm -rf "$dir"
    [[ -n $name ]] || { fetch_error="apt, $1: not the archive in emu/sources.conf"; return 1; }
    source_path="$downloads/$name"
}

fetch_from_upstream() { # URL FILE SHA256
    local error
    if ! command -v curl >/dev/null; then
        fetch_error="$1: curl is not installed"
        return 1
    fi
    if ! error=$(curl -fsSL --retry 2 --connect-timeout 20 -o "$downloads/$2.part" "$1" 2>&1); then
        rm -f "$downloads/$2.part"
        fetch_error="$1: ${error##*$'\n'}"
        return 1
    fi
    keep_verified "$downloads/$2.part" "$3" "$2" || { fetch_error="$1: wrong sha256"; return 1; }
    source_path="$downloads/$2"
}

# Sets source_path: the first archive of the list that is cached or can be fetched.
fetch() {
    local archives archive version file sum from errors=
    mapfile -t archives < <(sources_conf)
    for archive in "${archives[@]}"; do
        read -r version file sum from <<<"$archive"
        if [[ -f "$downloads/$file" && "$(sha256 "$downloads/$file")" == "$sum" ]]; then
            source_path="$downloads/$file"
            return
        fi
    done
    for archive in "${archives[@]}"; do
        read -r version file sum from <<<"$archive"
        echo "fetching QEMU $version ($from)"
        case $from in
        *://*) fetch_from_upstream "$from" "$file" "$sum" && return ;;
        *) fetch_from_debian "$from" "$file" "$sum" && return ;;
        esac
        errors+="${errors:+; }$fetch_error"
    done
    die "cannot get QEMU's source ($errors): give one with --qemu-src DIR|TARBALL"
}

# The user's own source: a listed archive is verified, anything else must at
# least be a 10.0.x.  An archive is kept in the cache as a download is.
given() { # DIR|TARBALL
    local path name sum version
    path=$(realpath -e -- "$1" 2>/dev/null) || die "$1: no such file or directory"
    if [[ -d $path ]]; then
        version=$(cat "$path/VERSION" 2>/dev/null) || die "$1: no QEMU source tree"
        source_path=$path
    else
        name=$(basename "$path")
        sum=$(sources_conf | awk -v name="$name" '$2 == name { print $3 }')
        if [[ -n $sum && "$(sha256 "$path")" != "$sum" ]]; then
            die "$1: its sha256 is not the one in emu/sources.conf"
        fi
        version=$(tar -xOf "$path" --wildcards --no-wildcards-match-slash --occurrence=1 '*/VERSION' 2>/dev/null) ||
            die "$1: no QEMU source archive"
        [[ -n $sum ]] || echo "emu/build.sh: warning: $name is not in emu/sources.conf" >&2
        source_path="$downloads/$name"
    fi
    [[ $version == 10.0.* ]] || die "$1: QEMU $version, but xenbed needs 10.0.x"
    if [[ -f $path ]] && ! cmp -s "$path" "$source_path"; then
        cp "$path" "$source_path.part"
        mv "$source_path.part" "$source_path"
    fi
}

# ---- the tree ------------------------------------------------------------------------------------

# What the tree is made of.  The distribution is in it because configure is bound to its Python and libraries.
tree_key() {
    {
        if [[ -d $source_path ]]; then
            (cd "$source_path" && find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
        else
            sha256 "$source_path"
        fi
        cat "$here"/patches/*.patch 2>/dev/null || true
        echo "${configure_options[@]}" "$(os_release ID)" "$(os_release VERSION_ID)" "$(uname -m)"
    } | sha256sum | cut -c 1-16
}

# git apply, because it knows no fuzz.  Kept from any repository around the
# cache: inside one it would skip files silently, so what it says is counted too.
apply_patch() { # PATCH, in the tree
    local out
    out=$(env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE GIT_CEILING_DIRECTORIES="$(dirname "$PWD")" \
        GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C \
        git apply --verbose --whitespace=nowarn "$1" 2>&1) ||
        die "$(basename "$1") does not apply to $(basename "$source_path"): $(grep -m 1 -E '^error: (patch failed|.*: )' <<<"$out" | cut -d ' ' -f 2-)"
    [[ "$(grep -c '^Applied patch ' <<<"$out")" == "$(grep -c '^diff --git ' "$1")" ]] ||
        die "$(basename "$1"): git apply left out a file: $out"
}

unpack() {
    local new="$tree/src.new" p
    trap 'rm -rf "$tree/src.new"' EXIT
    rm -rf "$new"
    mkdir -p "$new"
    if [[ -d $source_path ]]; then
        tar -C "$source_path" --exclude-vcs -cf - . | tar -C "$new" -xf -
    else
        tar -C "$new" --strip-components=1 --no-same-owner -xf "$source_path"
    fi
    (
        cd "$new"
        # Debian leaves the UEFI images out; configure wants to see them, nothing here uses them.
        grep -o 'edk2-[a-z0-9_-]*\.fd' pc-bios/meson.build | while read -r p; do
            [[ -e pc-bios/$p.bz2 ]] || : >"pc-bios/$p.bz2"
        done
        for p in "$here"/patches/*.patch; do
            [[ -e $p ]] && apply_patch "$p"
        done
        true
    )
    mv "$new" "$tree/src"
}

configure() {
    rm -rf "$tree/build"
    mkdir "$tree/build"
    (cd "$tree/build" && ../src/configure "${configure_options[@]}") >"$log" 2>&1 ||
        die "configure failed: $(grep -m 1 -i 'error' "$log" || tail -n 1 "$log") (all of it: $log)"
    touch "$tree/configured"
}

# Bring our sources into the tree; only files that differ are written.
sync_sources() {
    local to="$tree/src/xenbed" f
    mkdir -p "$to"
    while IFS= read -r f; do
        if ! cmp -s "$top/$f" "$to/$f"; then
            mkdir -p "$(dirname "$to/$f")"
            cp "$top/$f" "$to/$f"
        fi
    done < <(own_sources)
    while IFS= read -r f; do
        rm -f "${to:?}/$f"
    done < <(comm -13 <(own_sources | sort) <(cd "$to" && find . -type f -printf '%P\n' | sort))
}

own_sources() {
    local folder
    for folder in emu hcall xenstore-lite; do
        [[ ! -d $top/$folder ]] || (cd "$top" && find "$folder" -path emu/patches -prune -o -type f \
            ! -name '*.md' ! -name '*.sh' ! -name '*.conf' -print)
    done
}

# ---- the build -----------------------------------------------------------------------------------

check_tools() {
    local version
    command -v ninja >/dev/null || die "ninja is missing: install the package ninja-build"
    $python -c 'import pycotap' 2>/dev/null ||
        die "Python's pycotap is missing: install the package python3-pycotap (Debian 12: from bookworm-backports)"
    version=$($python -c 'import mesonbuild.coredata as c; print(c.version)' 2>/dev/null || true)
    printf '1.5\n%s\n' "$version" | sort -CV ||
        die "meson ${version:-(none)} is older than 1.5: install the package meson (Debian 12: from bookworm-backports)"
}

# One line that is rewritten on a terminal, else one about every 30 s.
progress() {
    local line last=$SECONDS shown=
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        [[ $line =~ ^\[[0-9]+/[0-9]+\] ]] || continue
        if [[ -t 1 ]]; then
            printf '\r%s building QEMU ' "${BASH_REMATCH[0]}"
            shown=1
        elif ((SECONDS - last >= 30)); then
            echo "${BASH_REMATCH[0]} building QEMU"
            last=$SECONDS
        fi
    done
    [[ -z $shown ]] || printf '\r\033[K'
}

compile() {
    : >"$log"
    NINJA_STATUS='[%f/%t] ' ninja -C "$tree/build" qemu-system-x86_64 2>&1 | progress ||
        { sed -n '/^FAILED/,$p' "$log" | head -n 30 >&2; die "the build failed (all of it: $log)"; }
}

main() {
    local qemu_src='' build_dir='' kind=qemu keep=3
    while (($#)); do
        case $1 in
        --qemu-src) qemu_src=${2:?--qemu-src needs a directory or an archive}; shift ;;
        --qemu-src=*) qemu_src=${1#*=} ;;
        --configure) configure_options+=("${2:?--configure needs an option}") kind=other-qemu keep=1; shift ;;
        -h | --help) usage; exit ;;
        -*) die "$1: no such option (see --help)" ;;
        *) [[ -z $build_dir ]] || die "one BUILD_DIR, please"; build_dir=$1 ;;
        esac
        shift
    done
    [[ -n $build_dir ]] || { usage >&2; exit 2; }
    mkdir -p "$build_dir/qemu"
    build_dir=$(cd "$build_dir" && pwd)

    check_tools
    downloads="$xenbed_cache/src"
    mkdir -p "$downloads"
    exec 9>"$xenbed_cache/lock"
    flock -n 9 || { echo "waiting for another build to end"; flock 9; }

    remembered="$build_dir/qemu/source"
    if [[ -n $qemu_src ]]; then
        given "$qemu_src"
        echo "$source_path" >"$remembered"
    elif [[ -e $remembered && -e "$(<"$remembered")" ]]; then
        source_path=$(<"$remembered")
    else
        fetch
    fi

    tree="$xenbed_cache/$kind-$(tree_key)"
    log="$tree/build.log"
    mkdir -p "$tree"
    if [[ ! -d $tree/src ]]; then
        echo "unpacking $(basename "$source_path")"
        unpack
    fi
    sync_sources
    if [[ ! -e $tree/configured ]]; then
        echo "configuring QEMU $(<"$tree/src/VERSION")"
        configure
    fi
    compile
    # Trees of other patches or sources: keep the three used last; of other options, one.
    touch "$tree"
    find "$xenbed_cache" -maxdepth 1 -name "$kind-*" -printf '%T@ %p\n' | sort -rn | tail -n +$((keep + 1)) |
        cut -d ' ' -f 2- | xargs -r -d '\n' rm -rf

    cmp -s "$tree/build/qemu-system-x86_64" "$build_dir/qemu/qemu-system-x86_64" || {
        cp "$tree/build/qemu-system-x86_64" "$build_dir/qemu/.new"
        mv "$build_dir/qemu/.new" "$build_dir/qemu/qemu-system-x86_64"
    }
}

main "$@"
