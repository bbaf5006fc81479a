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
    command -v cargo >/dev/null || pkg install -y rust binutils
    host=$(rustc -vV | sed -n 's/^host: //p')
    case $host in
    *-linux-android*) ;;
    *) die 69 "this Rust builds for $host; Termux needs that of \`pkg install rust\`" ;;
    esac
    # The quick profile: the release's link-time optimisation wants more memory than phones give.
    (cd "$tree" && cargo build --locked --profile quick --bin opensoul)
    program=$tree/target/quick/opensoul
}

put() { # mode, from, to: scripts begin with the shell that is here
    mkdir -p "$(dirname "$3")"
    sed "s#/data/data/com.termux/files/usr#$PREFIX#g" "$tree/termux/$2" >"$3.new"
    chmod "$1" "$3.new"
    mv -f "$3.new" "$3"
}

install_all() {
    mkdir -p "$PREFIX/bin"
    cp "$program" "$PREFIX/bin/opensoul-monitor.new"
    chmod 755 "$PREFIX/bin/opensoul-monitor.new"
    mv -f "$PREFIX/bin/opensoul-monitor.new" "$PREFIX/bin/opensoul-monitor"
    # The short name, where nobody else has it: the gateway may have a program of that name.
    if [ ! -e "$PREFIX/bin/opensoul" ] && [ ! -L "$PREFIX/bin/opensoul" ]; then
        ln -s opensoul-monitor "$PREFIX/bin/opensoul"
    fi
    put 755 opensoul-phone "$PREFIX/bin/opensoul-phone"
    put 644 reauth.tsv "$PREFIX/share/opensoul/reauth.tsv"
    put 755 libexec/job "$PREFIX/libexec/opensoul/job"
    put 755 libexec/fix "$PREFIX/libexec/opensoul/fix"
    if [ -x "$PREFIX/bin/sv" ]; then
        put 755 service/run "$PREFIX/var/service/opensoul-monitor/run"
        mkdir -p "$PREFIX/var/service/opensoul-monitor/log"
        ln -sf "$PREFIX/share/termux-services/svlogger" "$PREFIX/var/service/opensoul-monitor/log/run"
        # Off until `sv-enable opensoul-monitor`.
        touch "$PREFIX/var/service/opensoul-monitor/down"
    fi
    for shell in bash:bash-completion/completions/opensoul zsh:zsh/site-functions/_opensoul \
        fish:fish/vendor_completions.d/opensoul.fish; do
        mkdir -p "$(dirname "$PREFIX/share/${shell#*:}")"
        "$PREFIX/bin/opensoul-monitor" completions "${shell%%:*}" >"$PREFIX/share/${shell#*:}"
    done
    "$PREFIX/bin/opensoul-monitor" man "$PREFIX/share/man/man1" >/dev/null
    if [ -n "$widgets" ]; then
        # Termux:Widget wants real files here, and directories that nobody else can open.
        mkdir -p "$HOME/.shortcuts/tasks" "$HOME/.termux/boot"
        chmod 700 "$HOME/.shortcuts" "$HOME/.shortcuts/tasks" "$HOME/.termux" "$HOME/.termux/boot"
        put 700 widgets/opensoul-status "$HOME/.shortcuts/tasks/opensoul-status"
        put 700 widgets/opensoul-fix "$HOME/.shortcuts/opensoul-fix"
        put 700 boot/opensoul "$HOME/.termux/boot/opensoul"
    fi
    cat <<END
installed: $("$PREFIX/bin/opensoul-monitor" --version)
next:      opensoul status                this phone's own credentials
           echo ann@server >>~/.config/opensoul/hosts    machines to watch from here (ssh must work without a password)
           opensoul-phone schedule        every 15 minutes (pkg install termux-api, and the app Termux:API)
END
}

uninstall() {
    [ ! -x "$PREFIX/bin/opensoul-phone" ] || "$PREFIX/bin/opensoul-phone" schedule --off || true
    if [ "$(readlink "$PREFIX/bin/opensoul")" = opensoul-monitor ]; then rm -f "$PREFIX/bin/opensoul"; fi
    rm -rf "$PREFIX/bin/opensoul-monitor" "$PREFIX/bin/opensoul-phone" "$PREFIX/share/opensoul" "$PREFIX/libexec/opensoul" \
        "$PREFIX/var/service/opensoul-monitor" "$PREFIX/share/bash-completion/completions/opensoul" \
        "$PREFIX/share/zsh/site-functions/_opensoul" "$PREFIX/share/fish/vendor_completions.d/opensoul.fish" \
        "$HOME/.shortcuts/tasks/opensoul-status" "$HOME/.shortcuts/opensoul-fix" "$HOME/.termux/boot/opensoul"
    rm -f "$PREFIX"/share/man/man1/opensoul.1 "$PREFIX"/share/man/man1/opensoul-*.1
    echo "removed; ~/.config/opensoul and ~/.local/state/opensoul are yours and stay"
}

main "$@"
