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
	# The name of the gateway is not ours to take: postinst makes the link where nothing is. The widgets are put into a home by
	# `opensoul-phone widgets`.
	local from to mode
	for from in opensoul-phone libexec/job libexec/fix reauth.tsv widgets/opensoul-status widgets/opensoul-fix boot/opensoul; do
		mode=755
		case $from in
		opensoul-phone) to=bin/opensoul-phone ;;
		libexec/*) to=libexec/opensoul/${from#libexec/} ;;
		*.tsv) to=share/opensoul/$from mode=644 ;;
		*) to=share/opensoul/$from ;;
		esac
		sed "s#/data/data/com.termux/files/usr#$TERMUX_PREFIX#g" "termux/$from" | install -Dm"$mode" /dev/stdin "$TERMUX_PREFIX/$to"
	done
	local program=$TERMUX_PREFIX/bin/opensoul-monitor
	if [ "${TERMUX_ON_DEVICE_BUILD:-false}" = false ]; then
		# That one is for another machine, and so are the compiler and the flags of the environment: what is made by running it is made
		# by one of this machine.
		env -u CC -u CXX -u AR -u CFLAGS -u CXXFLAGS -u CPPFLAGS -u LDFLAGS -u RUSTFLAGS \
			cargo build --locked --target x86_64-unknown-linux-gnu --profile quick --target-dir "$TERMUX_PKG_TMPDIR/host" --bin opensoul
		program=$TERMUX_PKG_TMPDIR/host/x86_64-unknown-linux-gnu/quick/opensoul
	fi
	"$program" man "$TERMUX_PREFIX/share/man/man1"
	"$program" completions bash | install -Dm644 /dev/stdin "$TERMUX_PREFIX/share/bash-completion/completions/opensoul"
	"$program" completions zsh | install -Dm644 /dev/stdin "$TERMUX_PREFIX/share/zsh/site-functions/_opensoul"
	"$program" completions fish | install -Dm644 /dev/stdin "$TERMUX_PREFIX/share/fish/vendor_completions.d/opensoul.fish"
}

termux_step_create_debscripts() {
	cat >./postinst <<-EOF
	#!$TERMUX_PREFIX/bin/sh
	[ -e $TERMUX_PREFIX/bin/opensoul ] || [ -L $TERMUX_PREFIX/bin/opensoul ] || ln -s opensoul-monitor $TERMUX_PREFIX/bin/opensoul
	EOF
	cat >./prerm <<-EOF
	#!$TERMUX_PREFIX/bin/sh
	[ "\$(readlink $TERMUX_PREFIX/bin/opensoul)" != opensoul-monitor ] || rm -f $TERMUX_PREFIX/bin/opensoul
	[ "\${1:-}" != upgrade ] || exit 0
	# What runs it by the clock, or all the time, would look for it in vain.
	$TERMUX_PREFIX/bin/opensoul-phone schedule --off || true
	touch $TERMUX_PREFIX/var/service/opensoul-monitor/down
	[ ! -p $TERMUX_PREFIX/var/service/opensoul-monitor/supervise/ok ] ||
		sv -w 20 force-stop $TERMUX_PREFIX/var/service/opensoul-monitor || true
	EOF
}
