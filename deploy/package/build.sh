#!/usr/bin/env bash
# Builds opensoul_VERSION_ARCH.deb, and the .rpm where rpmbuild is there, from a built program and this tree.
#
#   deploy/package/build.sh [--program FILE] [--with FILE] [--arch ARCH] [--version V] [--out DIR] [--fast] [deb] [rpm]
#
# --program  what is packed (target/release/opensoul)
# --with     the same version, able to run here, where --program is for another machine: writes the manual and completions
# --arch     Debian's name of the architecture (that of this machine)
# --version  for a package of another version than the program's own, and
# --fast     hardly compressed: tests only
# Nothing but files is looked at: no root, no network. SOURCE_DATE_EPOCH makes it reproducible.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)

program=$tree/target/release/opensoul with='' arch='' version='' out=$tree/target/package kinds=() fast=''
while [ $# -gt 0 ]; do
    case $1 in
    --program | --with | --arch | --version | --out)
        [ $# -ge 2 ] || { echo "build.sh: $1 needs a value" >&2; exit 64; }
        printf -v "${1#--}" '%s' "$2"
        shift 2
        ;;
    --fast) fast=1 && shift ;;
    deb | rpm) kinds+=("$1") && shift ;;
    *) echo "build.sh: unknown: $1 (see the head of this file)" >&2; exit 64 ;;
    esac
done
if [ ${#kinds[@]} -eq 0 ]; then
    command -v dpkg-deb >/dev/null && kinds+=(deb)
    command -v rpmbuild >/dev/null && kinds+=(rpm)
fi
[ ${#kinds[@]} -gt 0 ] || { echo "build.sh: neither dpkg-deb nor rpmbuild is here" >&2; exit 69; }
[ -x "$program" ] || { echo "build.sh: $program is not there: cargo build --locked --release" >&2; exit 66; }
with=${with:-$program}
version=${version:-$("$with" --version | awk '{ print $NF }')}
arch=${arch:-$(dpkg --print-architecture 2>/dev/null || uname -m)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || date +%s)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$out"

put() { # mode, from, to
    install -D -m "$1" "$2" "$root/$3"
}

# /usr/bin/opensoul is not in the package: that may be the gateway's own program. A script makes it where nothing is.
put 755 "$program" usr/bin/opensoul-monitor
! command -v strip >/dev/null || strip "$root/usr/bin/opensoul-monitor" 2>/dev/null || true # a foreign one is left as it is
for kind in system user; do
    for unit in "$tree/systemd/$kind"/*; do put 644 "$unit" "usr/lib/systemd/$kind/${unit##*/}"; done
done
put 644 "$tree/systemd/sysusers.d/opensoul.conf" usr/lib/sysusers.d/opensoul.conf
put 644 "$tree/systemd/tmpfiles.d/opensoul.conf" usr/lib/tmpfiles.d/opensoul.conf

mkdir -p "$root/usr/share/man/man1"
"$with" man "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*.1
complete() { # shell, where
    mkdir -p "$root/${2%/*}"
    "$with" completions "$1" >"$root/$2"
}
complete bash usr/share/bash-completion/completions/opensoul
complete zsh usr/share/zsh/site-functions/_opensoul
complete fish usr/share/fish/vendor_completions.d/opensoul.fish
complete nu usr/share/nushell/vendor/autoload/opensoul.nu

# The commented template of `monitor init`; the keys that the unit is given are looked at.
mkdir -p "$root/etc/opensoul"
sed 's/^# env = false .*/env = true                    # also watch the keys that LoadCredential= gives/' \
    "$tree/src/config/template.toml" >"$root/etc/opensoul/monitor.toml"
chmod 644 "$root/etc/opensoul/monitor.toml"

doc=usr/share/doc/opensoul
for file in README.md LICENSE LICENSE-MIT LICENSE-APACHE; do put 644 "$tree/$file" "$doc/$file"; done
put 644 "$tree/systemd/README.md" "$doc/systemd.md"
for example in "$tree"/systemd/examples/*; do put 644 "$example" "$doc/examples/${example##*/}"; done
gzip -9nc "$tree/CHANGELOG.md" >"$root/$doc/changelog.gz"
cp "$root/$doc/LICENSE" "$root/$doc/copyright"
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

deb() {
    # The newest symbol that the program asks its C library for; a static program asks for none.
    local libc depends=''
    # Packed relocations ask by a name of their own, which came with 2.36.
    libc=$(grep -aoE 'GLIBC_(2\.[0-9]+|ABI_DT_RELR)' "$root/usr/bin/opensoul-monitor" | sed 's/ABI_DT_RELR/2.36/' | sort -uV | tail -n 1 || true)
    [ -z "$libc" ] || depends="libc6 (>= ${libc#GLIBC_}), libgcc-s1, "
    # Debian's zsh looks elsewhere than the others.
    mkdir -p "$root/DEBIAN" "$root/usr/share/zsh/vendor-completions"
    mv "$root/usr/share/zsh/site-functions/_opensoul" "$root/usr/share/zsh/vendor-completions/"
    rmdir "$root/usr/share/zsh/site-functions"
    sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/$depends/" \
        -e "s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" "$here/deb/control" >"$root/DEBIAN/control"
    for script in preinst postinst prerm postrm; do
        sed "s/@VERSION@/$version/" "$here/deb/$script" >"$root/DEBIAN/$script"
        chmod 755 "$root/DEBIAN/$script"
    done
    echo /etc/opensoul/monitor.toml >"$root/DEBIAN/conffiles"
    (cd "$root" && find usr etc -type f -exec md5sum {} + | LC_ALL=C sort -k2 >DEBIAN/md5sums)
    dpkg-deb --root-owner-group ${fast:+-Zgzip -z1} --build "$root" "$out/opensoul_${version}_$arch.deb" >/dev/null
    rm -rf "$root/DEBIAN"
    mv "$root/usr/share/zsh/vendor-completions" "$root/usr/share/zsh/site-functions"
    echo "$out/opensoul_${version}_$arch.deb"
}

rpm() {
    local cpu
    case $arch in amd64) cpu=x86_64 ;; arm64) cpu=aarch64 ;; armhf) cpu=armv7hl ;; *) cpu=$arch ;; esac
    # A - would begin the release.
    rpmbuild -bb --quiet --target "$cpu" --define "_topdir $work/rpm" --define "_rpmdir $out" --define "tree $root" \
        --define "version ${version//-/\~}" \
        ${fast:+--define '_binary_payload w1.gzdio'} \
        --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        "$here/rpm/opensoul.spec"
    echo "$out/opensoul-${version//-/\~}-1.$cpu.rpm"
}

for kind in "${kinds[@]}"; do "$kind"; done
