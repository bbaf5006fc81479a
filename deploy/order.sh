#!/bin/sh
# Prints what makes rustc put the functions of a release build in the order of order.ld, or nothing where the linker takes no such
# script (macOS, mold): `cargo rustc --release --bin opensoul -- $(deploy/order.sh [TARGET])`. Tried on the smallest program there is.
set -u
cd "$(dirname "$0")/.." || exit
made=$(mktemp -d) || exit
trap 'rm -rf "$made"' EXIT
order='link-arg=-Wl,-T,deploy/order.ld'
if printf 'fn main() {}' | "${RUSTC:-rustc}" ${1:+--target "$1"} -C "$order" -o "$made/program" - 2>/dev/null; then
    printf '%s\n' "-C $order"
fi
