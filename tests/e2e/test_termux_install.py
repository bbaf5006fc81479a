"""termux/: how it gets onto a phone, by install.sh and by the recipe of a package. Rust and termux-packages are stand-ins; what is
installed is the program."""

import pathlib
import shutil
import subprocess
import tomllib

import pytest

from phone import BUSYBOX, FILES, HOME, PREFIX, TREE, Phone, why_not

TERMUX = TREE / "termux"
needs_phone = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
SERVICE = "var/service/opensoul-monitor"


def everything(folder):
    """{path: what it is} of the files and links below."""

    def is_(path):
        return str(path.readlink()) if path.is_symlink() else (path.stat().st_mode & 0o777, path.read_bytes())

    return {str(path.relative_to(folder)): is_(path) for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


# install.sh


@needs_phone
def test_it_is_installed_under_the_prefix_and_nowhere_else(phone):
    bin = phone.prefix / "bin"
    assert (bin / "opensoul").readlink() == pathlib.Path("opensoul-monitor")
    assert phone.run("opensoul", "--version").out.startswith("opensoul ")
    for place in ("share/man/man1/opensoul-status.1", "share/bash-completion/completions/opensoul"):
        assert (phone.prefix / place).stat().st_size > 0
    # Termux:Widget takes no links, and directories of nobody else's.
    for place in (".shortcuts/opensoul-fix", ".shortcuts/tasks/opensoul-status", ".termux/boot/opensoul"):
        script = phone.home / place
        assert not script.is_symlink() and script.stat().st_mode & 0o777 == 0o700
        assert script.parent.stat().st_mode & 0o777 == 0o700
    assert not (phone.root / "bin").exists() and not (phone.root / "etc").exists() and not (phone.root / "tmp").exists()
    assert {p.name for p in phone.root.iterdir()} <= {"data", "proc", "dev", "usr", "lib", "lib64"}
    assert not list((phone.prefix / "tmp").iterdir())
    # The list of machines has a place.
    assert phone.run("sh", "-c", "echo ann@server >>~/.config/opensoul/hosts").code == 0
    ended = phone.run("sh", "opensoul/termux/install.sh", "--uninstall")
    assert ended.code == 0, ended
    left = [str(p.relative_to(phone.files)) for p in phone.files.rglob("*opensoul*")]
    assert {p for p in left if not p.startswith("home/opensoul")} == {"home/.config/opensoul"}


@needs_phone
def test_a_gateways_own_program_stays_and_a_static_program_is_refused(folder, program):
    phone = Phone(folder, program)
    theirs = phone.prefix / "bin/opensoul"
    theirs.write_text(f"#!{PREFIX}/bin/sh\necho theirs\n")
    theirs.chmod(0o755)
    phone.install("--no-widgets")
    assert phone.run("opensoul").out == "theirs\n" and not (phone.home / ".shortcuts").exists()
    ended = phone.run("sh", "opensoul/termux/install.sh", "--program", f"{PREFIX}/bin/busybox")
    assert ended.code == 65 and "names on Android" in ended.err
    ended = phone.run("sh", "opensoul/termux/install.sh", env={"PREFIX": "/usr"})
    assert ended.code == 69


# A phone's own Rust: `rustc` says for what it builds; `cargo` puts what was built where the real one would, by its arguments and its
# environment.
PKG = f"""[ ! -e {FILES}/no-pkg ] || exit 1
for tool in rustc cargo; do cp {FILES}/tools/$tool {PREFIX}/bin/$tool; done
"""
RUSTC = f"[ ! -e {FILES}/host ] || printf 'rustc 1.90.0\\nhost: %s\\n' \"$(cat {FILES}/host)\"\n"
CARGO = f"""[ "$PWD" = {HOME}/opensoul ] || exit 101
[ ! -e {FILES}/no-build ] || exit 101
for word; do
    case $was in --target) triple=$word ;; --target-dir) target=$word ;; --profile) profile=$word ;; esac
    was=$word
done
triple=${{triple:-${{CARGO_BUILD_TARGET:-}}}}
made=${{target:-${{CARGO_TARGET_DIR:-target}}}}/${{triple:+$triple/}}${{profile:-debug}}
mkdir -p "$made" && cp {FILES}/built "$made/opensoul"
"""
ANDROID = "aarch64-linux-android"
BUILD = ["cargo", "build", "--locked", "--profile", "quick", "--target", ANDROID, "--target-dir", "target", "--bin", "opensoul"]


@pytest.fixture
def unbuilt(folder, program):
    """A phone with the tree, and nothing built or installed; `pkg` has a Rust."""
    made = Phone(folder, program)
    (made.home / "opensoul/program").rename(made.files / "built")
    made.stand_in("pkg", PKG)
    (made.files / "tools").mkdir()
    for name, text in (("rustc", RUSTC), ("cargo", CARGO)):
        made.stand_in(name, text)
        (made.prefix / "bin" / name).rename(made.files / "tools" / name)
    (made.files / "host").write_text(ANDROID + "\n")
    return made


def lying_there(phone):
    """What may not change where it was not installed."""
    homes = {place: what for place, what in everything(phone.home).items() if not place.startswith("opensoul/target/")}
    return homes, {place: what for place, what in everything(phone.prefix).items() if place not in ("bin/rustc", "bin/cargo")}


@needs_phone
def test_it_is_built_on_the_phone_by_the_phones_own_rust(unbuilt):
    ended = unbuilt.run("sh", "opensoul/termux/install.sh")
    assert ended.code == 0 and "installed: opensoul " in ended.out, ended
    assert [call for call in unbuilt.calls() if call[0] != "rustc"] == [["pkg", "install", "-y", "rust", "binutils"], BUILD]
    assert unbuilt.run("opensoul", "--version").code == 0
    # With Rust there, nothing is installed beside; and cargo's own settings make nothing else of it.
    settings = {"CARGO_BUILD_TARGET": "aarch64-unknown-linux-musl", "CARGO_TARGET_DIR": f"{HOME}/elsewhere"}
    ended = unbuilt.run("sh", "opensoul/termux/install.sh", env=settings)
    assert ended.code == 0 and unbuilt.calls("pkg") == [] and not (unbuilt.home / "elsewhere").exists(), ended


# A program that cannot write its man pages; it looks like one for Android.
HALF = f"#!{PREFIX}/bin/sh\n# /system/bin/linker64\n[ \"$1\" != man ] || exit 74\necho opensoul 9.9.9\n"


@needs_phone
@pytest.mark.parametrize("before", ["nothing", "an older one"])
@pytest.mark.parametrize("trouble, code, said", [
    ("no-pkg", 69, "no Rust is here, and `pkg install rust binutils` failed"),
    ("no-rustc", 69, "this Rust builds for nothing"),
    ("musl", 69, "this Rust builds for aarch64-unknown-linux-musl; Termux needs that of `pkg install rust`"),
    ("no-build", 70, "the build failed (see above); nothing was installed"),
    ("static", 65, "is static or made with musl, and cannot look up names on Android"),
    ("foreign", 65, "does not run here"),
    ("half", 74, ""),
], ids=lambda value: value if isinstance(value, str) and " " not in value else "")
def test_what_cannot_be_built_or_installed_leaves_everything_as_it_was(unbuilt, trouble, code, said, before):
    if before == "an older one":
        assert unbuilt.run("sh", "opensoul/termux/install.sh").code == 0
        for name in ("rustc", "cargo"):
            (unbuilt.prefix / "bin" / name).unlink()
    built = unbuilt.files / "built"
    if trouble == "no-rustc":
        (unbuilt.files / "host").unlink()
    elif trouble == "musl":
        (unbuilt.files / "host").write_text("aarch64-unknown-linux-musl\n")
    elif trouble == "static":
        shutil.copy(BUSYBOX, built)
    elif trouble == "foreign":
        built.write_bytes(b"\x7fELF/system/bin/linker64")
    elif trouble == "half":
        built.write_text(HALF)
    else:
        (unbuilt.files / trouble).touch()
    was = lying_there(unbuilt)
    ended = unbuilt.run("sh", "opensoul/termux/install.sh")
    assert ended.code == code and said in ended.err, ended
    assert "installed:" not in ended.out and lying_there(unbuilt) == was


# build.sh

# As `build-package.sh` runs it, on a computer for a phone; `cargo` is a stand-in, and fails as the real one would with another
# machine's compiler.
PACKAGE_CARGO = """#!/bin/bash
printf '%s\\n' "$*" >>"$CALLS"
profile=release target=none dir=target
while [ $# -gt 0 ]; do
    case $1 in --profile) profile=$2 ;; --target) target=$2 ;; --target-dir) dir=$2 ;; esac
    shift
done
case $target in *android*) [ -n "${CC:-}" ] ;; *) [ -z "${CC:-}${CFLAGS:-}${AR:-}" ] ;; esac || exit 101
mkdir -p "$dir/$target/$profile" && cp "$PROGRAM" "$dir/$target/$profile/opensoul"
"""
STEPS = """set -euo pipefail
termux_setup_rust() { CARGO_TARGET_NAME=aarch64-linux-android; }
. "$0"
termux_step_make
termux_step_make_install
# What it does about services.
for ((i = 0; i < ${#TERMUX_PKG_SERVICE_SCRIPT[@]}; i += 2)); do
    folder=$TERMUX_PREFIX/var/service/${TERMUX_PKG_SERVICE_SCRIPT[i]}
    mkdir -p "$folder/log"
    printf '#!%s/bin/sh\\n%s\\n' "$TERMUX_PREFIX" "${TERMUX_PKG_SERVICE_SCRIPT[i + 1]}" >"$folder/run"
    chmod 755 "$folder/run"
    touch "$folder/down"
    ln -s "$TERMUX_PREFIX/share/termux-services/svlogger" "$folder/log/run"
done
termux_step_create_debscripts
"""


class Package:
    def __init__(self, folder, program, on_device="false"):
        self.source, self.prefix, self.calls = folder / "source", folder / "data/data/com.termux/files/usr", folder / "cargo-calls"
        shutil.copytree(TERMUX, self.source / "termux")
        tools = folder / "tools"
        tools.mkdir()
        (tools / "cargo").write_text(PACKAGE_CARGO)
        (tools / "cargo").chmod(0o755)
        self.ended = subprocess.run(
            ["bash", "-c", STEPS, self.source / "termux/build.sh"], cwd=self.source, capture_output=True, text=True, timeout=100,
            env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "TERMUX_PREFIX": str(self.prefix),
                 "TERMUX_PKG_TMPDIR": str(folder / "tmp"), "TERMUX_PKG_MAKE_PROCESSES": "2", "TERMUX_ON_DEVICE_BUILD": on_device,
                 "CC": "aarch64-linux-android-clang", "CFLAGS": "-Oz", "AR": "llvm-ar", "CALLS": str(self.calls), "PROGRAM": str(program)},
        )
        assert self.ended.returncode == 0, self.ended.stderr

    def script(self, name, *words):
        """One of the package's own, with a Termux that has nothing but this."""
        text = (self.source / name).read_text()
        assert text.startswith(f"#!{self.prefix}/bin/sh\n")
        env = {"PATH": f"{self.prefix}/bin:/usr/bin:/bin", "PREFIX": str(self.prefix), "HOME": str(self.source)}
        return subprocess.run(["sh", "-e", self.source / name, *words], env=env, capture_output=True, text=True, check=True)


@needs_phone
def test_the_recipe_installs_what_the_script_installs(phone, program, tmp_path):
    package = Package(tmp_path, program)
    make, host = package.calls.read_text().splitlines()
    assert make == f"build --jobs 2 --target {ANDROID} --release --locked --bin opensoul" and "x86_64-unknown-linux-gnu" in host
    package.script("postinst")

    def shape(prefix, place):
        """What stands in each file, but for where it is and what is said to readers."""
        found = {}
        for name, what in everything(prefix).items():
            if "opensoul" not in name:
                continue
            if isinstance(what, str):
                found[name] = what.replace(str(place), "PREFIX")
                continue
            mode, text = what
            lines = text.replace(str(place).encode(), b"PREFIX").splitlines()
            found[name] = mode, [line for line in lines if not (name.endswith("/run") and line.startswith(b"# "))]
        return found

    by_recipe, by_script = shape(package.prefix, package.prefix), shape(phone.prefix, PREFIX)
    assert by_recipe.keys() == by_script.keys() and f"{SERVICE}/down" in by_script
    assert not [name for name in by_script if by_recipe[name] != by_script[name]]


@needs_phone
def test_the_package_gives_way_to_the_gateways_program_and_takes_its_jobs_away(program, tmp_path):
    package = Package(tmp_path, program)
    link, asked = package.prefix / "bin/opensoul", tmp_path / "asked"
    phone = package.prefix / "bin/opensoul-phone"
    phone.write_text(f"#!/bin/sh\necho \"$*\" >>{asked}\n")
    package.script("postinst")
    assert link.readlink() == pathlib.Path("opensoul-monitor")
    package.script("prerm", "upgrade", "0.2.0")
    assert not link.is_symlink() and not asked.exists(), "an upgrade ends nothing"
    link.write_text("the gateway")
    package.script("postinst")
    package.script("prerm", "remove")
    assert link.read_text() == "the gateway" and asked.read_text() == "schedule --off\n"


def test_a_package_that_is_built_on_a_phone_needs_no_second_program(program, tmp_path):
    package = Package(tmp_path, program, on_device="true")
    assert len(package.calls.read_text().splitlines()) == 1
    assert (package.prefix / "share/man/man1/opensoul-status.1").stat().st_size > 0


def test_the_recipe_has_what_a_recipe_needs():
    """As termux-packages reads it: a script that sets variables and defines steps."""
    ask = 'set -eu; TERMUX_PREFIX=/p; . "$0"; printf "%s\\n" "$TERMUX_PKG_VERSION" "${TERMUX_PKG_SERVICE_SCRIPT[1]}"; declare -F'
    ended = subprocess.run(["bash", "-c", ask, TERMUX / "build.sh"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    version = tomllib.loads((TREE / "Cargo.toml").read_text())["package"]["version"]
    assert ended.stdout.splitlines()[:2] == [version, "exec /p/bin/opensoul-monitor monitor run 2>&1"]
    assert "termux_step_make_install" in ended.stdout and FILES not in ended.stdout
