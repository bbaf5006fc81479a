#!/bin/sh
# Prints what makes rustc link a release build smaller and sooner to start, or nothing where nothing of it can be had:
# `cargo rustc --release --bin opensoul -- $(deploy/link.sh [TARGET])`. Each is tried on the smallest program there is: functions in
# the order of order.ld (not by the linkers of macOS, nor by mold), and relocations packed, which a C library must know (glibc 2.36,
# musl 1.2.4): a program for another machine cannot be tried here and goes without.
set -u
cd "$(dirname "$0")/.." || exit
made=$(mktemp -d) || exit
trap 'rm -rf "$made"' EXIT
links() {
    printf 'fn main() {}' | "${RUSTC:-rustc}" ${target:+--target "$target"} -C "link-arg=$1" -o "$made/program" - 2>/dev/null
}
target=${1-}
order=-Wl,-T,deploy/order.ld packed=-Wl,-z,pack-relative-relocs
if links "$order"; then printf '%s\n' "-C link-arg=$order"; fi
if links "$packed" && "$made/program" 2>/dev/null; then printf '%s\n' "-C link-arg=$packed"; fi
