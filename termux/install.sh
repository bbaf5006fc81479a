#!/data/data/com.termux/files/usr/bin/sh
# Builds opensoul on this phone and installs it into Termux: sh termux/install.sh [--program FILE] [--no-widgets] [--uninstall]
#
# --program FILE  a program that is built already, for Android (aarch64-linux-android). One made for Linux with musl does not find
#                 any server here: Android has no /etc/resolv.conf
# Nothing is written outside of $PREFIX and $HOME, and nothing is started: `opensoul-phone schedule` does that.
set -eu

main() {
    program='' widgets=1 uninstall=''
    while [ $# -gt 0 ]; do
        case $1 in
        --program) program=${2:?--program needs a file} && shift 2 ;;
        --no-widgets) widgets='' && shift ;;
        --uninstall) uninstall=1 && shift ;;
        *) die 64 "unknown: $1" ;;
        esac
    done
    case ${PREFIX:-} in
    */com.termux/files/usr) ;;
    *) die 69 "this is for Termux (PREFIX is ${PREFIX:-not set}); elsewhere: deploy/install.sh" ;;
    esac
    tree=$(cd "$(dirname "$0")/.." && pwd)
    service=$PREFIX/var/service/opensoul-monitor
    if [ -n "$uninstall" ]; then
        uninstall
        return
    fi
    [ -n "$program" ] || build
    [ -f "$program" ] || die 66 "$program is not there"
    # One without an interpreter is static, made for Linux with musl: it would start here, and find no server by its name.
    if ! grep -aq '/system/bin/linker\|/ld-linux' "$program"; then
        die 65 "$program is static or made with musl, and cannot look up names on Android: leave --program out to build it here"
    fi
    # One for another system, made with glibc for example, is there and cannot begin.
    "$program" --version >/dev/null 2>&1 || die 65 "$program does not run here: leave --program out to build it here"
    install_all
}

die() {
    code=$1
    shift
    printf 'install.sh: %s\n' "$*" >&2
    exit "$code"
}

build() {
    # ar, which the C parts need, is in binutils; clang comes with rust.
    command -v cargo >/dev/null || pkg install -y rust binutils || die 69 "no Rust is here, and \`pkg install rust binutils\` failed"
    host=$(rustc -vV | sed -n 's/^host: //p')
    case $host in
    *-linux-android*) ;;
    *) die 69 "this Rust builds for ${host:-nothing}; Termux needs that of \`pkg install rust\`" ;;
    esac
    # For this phone and into this tree, whatever cargo's own settings say.
    program=$tree/target/$host/quick/opensoul
    # The quick profile: the release's link-time optimisation wants more memory than phones give.
    (cd "$tree" && cargo build --locked --profile quick --target "$host" --target-dir target --bin opensoul) ||
        die 70 "the build failed (see above); nothing was installed"
}

put() { # mode, from, to: scripts begin with the shell that is here
    mkdir -p "$(dirname "$stage$3")"
    sed "s#/data/data/com.termux/files/usr#$PREFIX#g" "$tree/termux/$2" >"$stage$3"
    chmod "$1" "$stage$3"
}

# Everything is made apart, which may fail, before anything is put in its place.
install_all() {
    stage=$(mktemp -d "$PREFIX/tmp/opensoul.XXXXXX")
    trap 'rm -rf "$stage"' EXIT
    mkdir -p "$stage$PREFIX/bin"
    cp "$program" "$stage$PREFIX/bin/opensoul-monitor"
    chmod 755 "$stage$PREFIX/bin/opensoul-monitor"
    put 755 opensoul-phone "$PREFIX/bin/opensoul-phone"
    put 644 reauth.tsv "$PREFIX/share/opensoul/reauth.tsv"
    put 755 widgets/opensoul-status "$PREFIX/share/opensoul/widgets/opensoul-status"
    put 755 widgets/opensoul-fix "$PREFIX/share/opensoul/widgets/opensoul-fix"
    put 755 boot/opensoul "$PREFIX/share/opensoul/boot/opensoul"
    put 755 libexec/job "$PREFIX/libexec/opensoul/job"
    put 755 libexec/fix "$PREFIX/libexec/opensoul/fix"
    put 755 service/run "$service/run"
    for shell in bash:bash-completion/completions/opensoul zsh:zsh/site-functions/_opensoul \
        fish:fish/vendor_completions.d/opensoul.fish; do
        mkdir -p "$(dirname "$stage$PREFIX/share/${shell#*:}")"
        "$program" completions "${shell%%:*}" >"$stage$PREFIX/share/${shell#*:}"
    done
    "$program" man "$stage$PREFIX/share/man/man1" >/dev/null

    [ -d "$service" ] || fresh=1
    (cd "$stage" && find . -type f) | while read -r file; do
        mkdir -p "$(dirname "${file#.}")"
        mv -f "$stage/$file" "${file#.}"
    done
    # The short name, where nobody else has it: the gateway may have a program of that name.
    if [ ! -e "$PREFIX/bin/opensoul" ] && [ ! -L "$PREFIX/bin/opensoul" ]; then
        ln -s opensoul-monitor "$PREFIX/bin/opensoul"
    fi
    mkdir -p "$service/log"
    ln -sf "$PREFIX/share/termux-services/svlogger" "$service/log/run"
    # Off until `sv-enable opensoul-monitor`; and whoever has enabled it keeps it through an upgrade, with the new program.
    [ -z "${fresh:-}" ] || touch "$service/down"
    supervised sv -w 20 try-restart "$service"
    # For the list of machines.
    [ -d "$HOME/.config/opensoul" ] || (umask 077 && mkdir -p "$HOME/.config/opensoul")
    [ -z "$widgets" ] || "$PREFIX/bin/opensoul-phone" widgets
    cat <<END
installed: $("$PREFIX/bin/opensoul-monitor" --version)
next:      opensoul status                this phone's own credentials
           echo ann@server >>~/.config/opensoul/hosts    machines to watch from here (ssh must work without a password)
           opensoul-phone schedule        every 15 minutes (pkg install termux-api, and the app Termux:API)
END
}

supervised() { # a command about the service, where termux-services runs it
    [ ! -p "$service/supervise/ok" ] || "$@" >/dev/null || true
}

uninstall() {
    [ ! -x "$PREFIX/bin/opensoul-phone" ] || "$PREFIX/bin/opensoul-phone" schedule --off || true
    [ ! -d "$service" ] || touch "$service/down"
    # Stopped, and its runsv left alone, for which runsvdir would at once start another; it ends it once the directory is gone.
    supervised sv -w 20 force-stop "$service"
    if [ "$(readlink "$PREFIX/bin/opensoul")" = opensoul-monitor ]; then rm -f "$PREFIX/bin/opensoul"; fi
    rm -rf "$PREFIX/bin/opensoul-monitor" "$PREFIX/bin/opensoul-phone" "$PREFIX/share/opensoul" "$PREFIX/libexec/opensoul" \
        "$service" "$PREFIX/share/bash-completion/completions/opensoul" \
        "$PREFIX/share/zsh/site-functions/_opensoul" "$PREFIX/share/fish/vendor_completions.d/opensoul.fish" \
        "$HOME/.shortcuts/tasks/opensoul-status" "$HOME/.shortcuts/opensoul-fix" "$HOME/.termux/boot/opensoul"
    rm -f "$PREFIX"/share/man/man1/opensoul.1 "$PREFIX"/share/man/man1/opensoul-*.1
    echo "removed; ~/.config/opensoul and ~/.local/state/opensoul are yours and stay"
}

main "$@"
