# shellcheck shell=bash disable=SC2034,SC2154
# Recipe for termux-packages: packages/opensoul/build.sh. The version, address and checksum are those of a release.
TERMUX_PKG_HOMEPAGE=https://opensoul.invalid
TERMUX_PKG_DESCRIPTION="Says whether every AI credential works, before one stops"
TERMUX_PKG_LICENSE="Apache-2.0, MIT"
TERMUX_PKG_LICENSE_FILE="LICENSE-APACHE, LICENSE-MIT"
TERMUX_PKG_MAINTAINER="@termux"
TERMUX_PKG_VERSION="0.1.0"
TERMUX_PKG_SRCURL="$TERMUX_PKG_HOMEPAGE/archive/v$TERMUX_PKG_VERSION.tar.gz"
TERMUX_PKG_SHA256=SKIP_CHECKSUM
TERMUX_PKG_RECOMMENDS="openssh, jq"
TERMUX_PKG_SUGGESTS="termux-api, cronie, termux-services"
TERMUX_PKG_AUTO_UPDATE=true
TERMUX_PKG_BUILD_IN_SRC=true
TERMUX_PKG_SERVICE_SCRIPT=("opensoul-monitor" "exec $TERMUX_PREFIX/bin/opensoul-monitor monitor run 2>&1")

termux_step_make() {
	termux_setup_rust
	cargo build --jobs "$TERMUX_PKG_MAKE_PROCESSES" --target "$CARGO_TARGET_NAME" --release --locked --bin opensoul
}

termux_step_make_install() {
	install -Dm755 "target/$CARGO_TARGET_NAME/release/opensoul" "$TERMUX_PREFIX/bin/opensoul-monitor"
	# The name of the gateway is not ours to take: postinst makes the link where nothing is.
	local from to
	for from in opensoul-phone libexec/job libexec/fix reauth.tsv; do
		case $from in
		opensoul-phone) to=bin/opensoul-phone ;;
		libexec/*) to=libexec/opensoul/${from#libexec/} ;;
		*) to=share/opensoul/$from ;;
		esac
		sed "s#/data/data/com.termux/files/usr#$TERMUX_PREFIX#g" "termux/$from" | install -Dm755 /dev/stdin "$TERMUX_PREFIX/$to"
	done
	# Made on the machine that builds: the program itself is for another one.
	termux_setup_rust
	CARGO_TARGET_DIR=$TERMUX_PKG_TMPDIR/host cargo run --locked --target x86_64-unknown-linux-gnu --profile quick --bin opensoul -- \
		man "$TERMUX_PREFIX/share/man/man1"
	local host=$TERMUX_PKG_TMPDIR/host/x86_64-unknown-linux-gnu/quick/opensoul
	install -Dm644 <("$host" completions bash) "$TERMUX_PREFIX/share/bash-completion/completions/opensoul"
	install -Dm644 <("$host" completions zsh) "$TERMUX_PREFIX/share/zsh/site-functions/_opensoul"
	install -Dm644 <("$host" completions fish) "$TERMUX_PREFIX/share/fish/vendor_completions.d/opensoul.fish"
}

termux_step_create_debscripts() {
	cat >./postinst <<-EOF
	#!$TERMUX_PREFIX/bin/sh
	[ -e $TERMUX_PREFIX/bin/opensoul ] || [ -L $TERMUX_PREFIX/bin/opensoul ] || ln -s opensoul-monitor $TERMUX_PREFIX/bin/opensoul
	EOF
	cat >./prerm <<-EOF
	#!$TERMUX_PREFIX/bin/sh
	[ "\$(readlink $TERMUX_PREFIX/bin/opensoul)" != opensoul-monitor ] || rm -f $TERMUX_PREFIX/bin/opensoul
	EOF
}
