#!/bin/sh
# Installs a release of opensoul for one user, without root: install.sh [--prefix DIR] [--version V] [--from PLACE] [--units]
#
# --prefix DIR   where bin/ and share/ are (~/.local)
# --version V    which release (the newest, where PLACE has a file VERSION, or is …/releases/download of a forge)
# --from PLACE   where the releases are, in directories vX.Y.Z: an https address, or a directory
# --units        also the units of systemd's user manager, off until you enable them
# --uninstall    removes what it installed; settings and state stay
# What was loaded must have the checksum that SHA256SUMS names; before that nothing is changed.
set -eu

main() {
    prefix=$HOME/.local version='' from=${OPENSOUL_RELEASES:-} units='' uninstall=''
    while [ $# -gt 0 ]; do
        case $1 in
        --prefix) prefix=${2:?} && shift 2 ;;
        --version) version=${2:?} && shift 2 ;;
        --from) from=${2:?} && shift 2 ;;
        --units) units=1 && shift ;;
        --uninstall) uninstall=1 && shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0" && exit 0 ;;
        *) die 64 "unknown: $1" ;;
        esac
    done
    case ${PREFIX:-} in */com.termux/*) die 69 "on Termux: sh termux/install.sh" ;; esac
    user_units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    if [ -n "$uninstall" ]; then
        uninstall
        return
    fi
    [ -n "$from" ] || die 64 "where are the releases? --from https://… (or OPENSOUL_RELEASES)"
    case $from in https://* | /* | ./* | ../*) ;; *) die 64 "--from takes an https address or a directory: $from" ;; esac
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    [ -n "$version" ] || newest
    version=${version#v}
    case $version in '' | *[!0-9A-Za-z.+-]*) die 65 "not a version: $version" ;; esac
    name=opensoul-$version-$(target)
    fetch "v$version/SHA256SUMS"
    fetch "v$version/$name.tar.gz"
    check
    tar -xzf "$work/$name.tar.gz" -C "$work"
    "$work/$name/bin/opensoul" --version >/dev/null || die 65 "the program does not run here"
    place
}

die() {
    code=$1
    shift
    printf 'install.sh: %s\n' "$*" >&2
    exit "$code"
}

target() {
    cpu=$(uname -m)
    case $(uname -s)/$cpu in
    Linux/x86_64 | Linux/amd64) echo x86_64-unknown-linux-musl ;;
    Linux/aarch64 | Linux/arm64) echo aarch64-unknown-linux-musl ;;
    Linux/armv7*) echo armv7-unknown-linux-musleabihf ;;
    Darwin/arm64) echo aarch64-apple-darwin ;;
    Darwin/x86_64) echo x86_64-apple-darwin ;;
    *) die 69 "no release for $(uname -s) on $cpu: cargo build --locked --release builds it" ;;
    esac
}

fetch() {
    out=$work/${1##*/}
    case $from in
    https://*)
        if command -v curl >/dev/null; then
            curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --max-time 300 --output "$out" "$from/$1"
        else
            wget --https-only --quiet --output-document "$out" "$from/$1"
        fi || die 69 "$from/$1 could not be loaded"
        ;;
    *) cp "$from/$1" "$out" 2>/dev/null || die 66 "$from/$1 is not there" ;;
    esac
}

newest() {
    case $from in
    https://*/releases/download)
        download=$from from=${from%/download}
        fetch latest/download/VERSION
        from=$download
        ;;
    *) fetch VERSION ;;
    esac
    version=$(cat "$work/VERSION")
}

check() {
    wanted=$(awk -v name="$name.tar.gz" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
    [ -n "$wanted" ] || die 65 "SHA256SUMS does not name $name.tar.gz"
    if command -v sha256sum >/dev/null; then
        found=$(sha256sum <"$work/$name.tar.gz")
    else
        found=$(shasum -a 256 <"$work/$name.tar.gz")
    fi
    [ "${found%% *}" = "$wanted" ] || die 65 "$name.tar.gz is not the file that SHA256SUMS names: nothing was installed"
}

place() {
    mkdir -p "$prefix/bin" "$prefix/share/man/man1" "$prefix/share/bash-completion/completions" \
        "$prefix/share/zsh/site-functions" "$prefix/share/fish/vendor_completions.d"
    cp "$work/$name/bin/opensoul" "$prefix/bin/.opensoul-monitor.new"
    chmod 755 "$prefix/bin/.opensoul-monitor.new"
    mv -f "$prefix/bin/.opensoul-monitor.new" "$prefix/bin/opensoul-monitor"
    # The short name, where nobody else has it: the gateway may have a program of that name.
    if [ ! -e "$prefix/bin/opensoul" ] && [ ! -L "$prefix/bin/opensoul" ]; then
        ln -s opensoul-monitor "$prefix/bin/opensoul"
    fi
    program=$prefix/bin/opensoul-monitor
    "$program" man "$prefix/share/man/man1" >/dev/null
    "$program" completions bash >"$prefix/share/bash-completion/completions/opensoul"
    "$program" completions zsh >"$prefix/share/zsh/site-functions/_opensoul"
    "$program" completions fish >"$prefix/share/fish/vendor_completions.d/opensoul.fish"
    if [ -n "$units" ]; then
        mkdir -p "$user_units"
        for unit in "$work/$name"/systemd/user/*; do
            sed "s#/usr/bin/opensoul-monitor#$program#" "$unit" >"$user_units/${unit##*/}"
        done
    fi
    say_next
}

say_next() {
    echo "installed: $("$program" --version) in $prefix/bin"
    case :$PATH: in *":$prefix/bin:"*) ;; *) echo "not in PATH: export PATH=\"$prefix/bin:\$PATH\"" ;; esac
    if [ -n "$units" ]; then
        echo "next:      systemctl --user daemon-reload && systemctl --user enable --now opensoul-monitor && loginctl enable-linger"
    else
        echo "next:      opensoul-monitor status; opensoul-monitor monitor run"
    fi
}

uninstall() {
    if [ "$(readlink "$prefix/bin/opensoul")" = opensoul-monitor ]; then rm -f "$prefix/bin/opensoul"; fi
    rm -f "$prefix/bin/opensoul-monitor" "$prefix"/share/man/man1/opensoul.1 "$prefix"/share/man/man1/opensoul-*.1 \
        "$prefix/share/bash-completion/completions/opensoul" "$prefix/share/zsh/site-functions/_opensoul" \
        "$prefix/share/fish/vendor_completions.d/opensoul.fish"
    for unit in opensoul-monitor.service opensoul-check.service opensoul-check.timer opensoul-failed@.service; do
        rm -f "$user_units/$unit"
    done
    echo "removed; ~/.config/opensoul and ~/.local/state/opensoul are yours and stay"
}

main "$@"
