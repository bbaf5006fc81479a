#!/bin/sh
# What install.sh loads: deploy/tarball.sh PROGRAM TARGET VERSION OUT makes opensoul-VERSION-TARGET.tar.gz
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
program=$1 name=opensoul-$3-$2 out=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/bin" "$out"
cp "$program" "$work/$name/bin/opensoul"
chmod 755 "$work/$name/bin/opensoul"
for part in systemd termux README.md CHANGELOG.md LICENSE LICENSE-MIT LICENSE-APACHE; do cp -R "$tree/$part" "$work/$name/"; done
tar -C "$work" -czf "$out/$name.tar.gz" "$name"
echo "$out/$name.tar.gz"
