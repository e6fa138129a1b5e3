# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Debian's archive through an apt state of our own, so that no list or setting
# of the machine is touched.  Mirror, keys and proxy are the machine's.
# Sourced; also has the project's cache.

xenbed_cache="${XDG_CACHE_HOME:-$HOME/.cache}/xenbed"

# die REASON...: ends the script with one line.
die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# cached KIND NAME FILL LOOK...: sets cache to the folder NAME among those of its
# KIND.  If the command LOOK, run in it, does not find there what it should, FILL
# makes that in a new folder beside it, which takes its place when all is done.
# The rest of the script has KIND to itself.
cached() {
    local parent="$xenbed_cache/$1" fill=$3
    cache="$parent/$2"
    shift 3
    mkdir -p "$parent"
    exec 9>"$parent/lock"
    flock 9
    ! (cd "$cache" && "$@") &>/dev/null || return 0
    new=$(mktemp -d "$parent/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    cd "$new" || return
    "$fill"
    chmod 755 .
    rm -rf "$cache"
    mv "$new" "$cache"
}

# os_release FIELD: one field of /etc/os-release, empty when unknown.
os_release() {
    # shellcheck source=/dev/null
    (. /etc/os-release && printf '%s' "${!1-}") 2>/dev/null || true
}

# apt_mirror: "URI KEYRING" of the machine's main Debian mirror, read from its
# deb822 (*.sources) or one-line (*.list) files; nothing when there is none.
apt_mirror() {
    local etc
    etc=$(apt-config shell etc Dir::Etc/d)
    eval "$etc"
    { cat "${etc:?}"/sources.list.d/*.sources || true
      echo
      sed 's/^/list: /' "$etc"/sources.list "$etc"/sources.list.d/*.list || true; } 2>/dev/null | awk -v codename="$(os_release VERSION_CODENAME)" '
        function offer(uri, suites, components, key,    n, i, s) {
            n = split(suites, s, " ")
            for (i = 1; i <= n; i++)
                if ((s[i] == codename || s[i] ~ /^(old)?stable$|^testing$|^unstable$|^sid$/) &&
                    (" " components " ") ~ / main / && (best == "" || uri ~ /\/debian\/?$/)) {
                    if (best ~ /\/debian\/? /) return
                    best = uri " " (key ~ /^\// ? key : "")
                }
        }
        function stanza() {
            if (f["types"] ~ /(^| )deb( |$)/ && tolower(f["enabled"]) != "no") {
                split(f["uris"], u, " ")
                offer(u[1], f["suites"], f["components"], f["signed-by"])
            }
            split("", f)
        }
        $1 == "list:" {
            if ($2 != "deb") next
            sub(/^list: deb +/, ""); key = ""
            if (match($0, /^\[[^]]*\] */)) {
                options = substr($0, 2, RLENGTH - 1); $0 = substr($0, RLENGTH + 1)
                if (match(options, /signed-by=[^] ]*/))
                    key = substr(options, RSTART + 10, RLENGTH - 10)
            }
            uri = $1; suite = $2; $1 = $2 = ""
            offer(uri, suite, $0, key)
            next
        }
        /^#/ { next }
        /^[ \t]*$/ { stanza(); next }
        /^[^ \t]/ { name = tolower($1); sub(/:$/, "", name); $1 = ""; sub(/^ /, ""); f[name] = $0; next }
        { sub(/^[ \t]+/, ""); f[name] = f[name] " " $0 }
        END { if (best != "") print best }'
}

# apt_open TYPE SUITE...: prepare a private state that knows these suites (TYPE
# is deb or deb-src) and fetch their indexes.  Sets apt_conf: use it as
# `apt-get -c "$apt_conf"`.  On failure returns 1 with the reason in apt_error.
# With apt_architecture set, packages are that architecture's, not the machine's.
apt_open() {
    local type=$1 mirror keyring dir
    shift
    if [[ "$(os_release ID)" != debian ]] || ! command -v apt-get >/dev/null; then
        apt_error="this is no Debian machine"
        return 1
    fi
    read -r mirror keyring < <(apt_mirror) || {
        apt_error="no Debian mirror in the machine's apt sources"
        return 1
    }
    keyring=${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}
    dir="$type $*${apt_architecture:+ $apt_architecture}"
    dir="$xenbed_cache/apt/${dir// /-}"
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$type" "$mirror" "$*" "$keyring" >"$dir/xenbed.sources"
    # The machine's hooks are for the machine's lists; and _apt cannot write below our home.
    cat >"$dir/apt.conf" <<CONF
#clear APT::Update;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist "$dir/xenbed.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "archives";
APT::Sandbox::User "";
APT::Get::List-Cleanup "false";
Acquire::Languages { "none"; };
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
    # What is installed here is of no concern to another architecture.
    [[ -z ${apt_architecture-} ]] || cat >>"$dir/apt.conf" <<CONF
APT::Architecture "$apt_architecture";
#clear APT::Architectures;
APT::Architectures { "$apt_architecture"; };
Dir::State::status "/dev/null";
CONF
    apt_conf="$dir/apt.conf"
    if ! apt_error=$(apt-get -c "$apt_conf" -qq --error-on=any update 2>&1); then
        apt_error=$(sed -n 's/^[EW]: *//p' <<<"$apt_error" | head -n 1)
        apt_error=${apt_error:-apt-get update failed}
        return 1
    fi
}

# apt_depends PACKAGE: the packages it depends on, one a line.
apt_depends() { apt-cache -c "$apt_conf" depends --important "$1" 2>/dev/null | sed -n 's/^ *Depends: *//p'; }
