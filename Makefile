# `make help` says what there is.
PREFIX ?= $(HOME)/.local
CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

# Functions that run together stand together (benches/order.py), where the linker can: half the memory, and starts in two thirds of
# the time. Without: `make install LINK=`.
LINK ?= $(shell deploy/link.sh)
RELEASE = $(CARGO) rustc --locked --release --bin opensoul -- $(LINK)

.PHONY: help run test check bench order fuzz install package clean

help: ## what you are reading
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# The quick profile: the release's behaviour without minutes of link-time optimisation.
run: ## build (quick profile) and watch this machine: metrics, page, alerts; Ctrl-C stops
	$(CARGO) build --locked --profile quick
	$(TARGET)/quick/opensoul monitor run

test: ## everything that CI runs; installs what it needs
	@tests/run

check: ## the inner loop: format, lints, unit tests
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked --lib

bench: ## speed, memory and size of the release build, against their limits
	$(RELEASE)
	@# Apart: what examples need would change how the program is built.
	CARGO_TARGET_DIR=$(TARGET)/marks $(CARGO) build --locked --release --example marks
	@tests/install-needs
	python3 benches/run.py --program $(TARGET)/release/opensoul --marks $(TARGET)/marks/release/examples/marks

order: ## trace a release build and write anew which functions stand together (needs valgrind)
	$(CARGO) rustc --locked --release --bin opensoul -- -C strip=none
	python3 benches/order.py --program $(TARGET)/release/opensoul --out deploy/order.ld

fuzz: ## a minute of coverage-guided fuzzing for each parser of foreign data (needs cargo-fuzz and a nightly toolchain)
	for target in $$($(CARGO) fuzz list); do $(CARGO) +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

install: ## the release build into $(PREFIX)/bin, also as opensoul-monitor
	$(RELEASE)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(TARGET)/release/opensoul "$(DESTDIR)$(PREFIX)/bin/opensoul"
	ln -sf opensoul "$(DESTDIR)$(PREFIX)/bin/opensoul-monitor"
	@echo "installed in $(DESTDIR)$(PREFIX)/bin"

package: ## .deb, and .rpm where rpmbuild is there, in target/package
	$(RELEASE)
	deploy/package/build.sh --program $(TARGET)/release/opensoul

clean: ## remove what was built
	$(CARGO) clean
