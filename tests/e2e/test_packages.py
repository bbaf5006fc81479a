"""The packages under deploy/package/: installed, upgraded, refused and purged on a disk of their own, which is not running."""

import gzip
import re
import shutil
import subprocess

import pytest

from booted import Booted, why_not
from packages import build, needs_dpkg, tree

pytestmark = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
needs_rpm = pytest.mark.skipif(not shutil.which("rpmbuild"), reason="rpmbuild is not installed")


@pytest.fixture
def disk(folder):
    made = Booted(folder)
    (made.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    yield made
    made.close()


def version(disk):
    return disk.chroot("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "opensoul").out


def whole(disk, zsh):
    """What both kinds of package bring besides the program is there, and is of this program."""
    root = disk.root
    for place in (
        "usr/lib/systemd/system/opensoul@.service", "usr/lib/systemd/user/opensoul-check.timer", "usr/share/doc/opensoul/copyright",
        "usr/share/doc/opensoul/examples/credentials.conf", "usr/share/doc/opensoul/systemd.md",
    ):
        assert (root / place).stat().st_size > 0, place
    for shell, place in (
        ("bash", "usr/share/bash-completion/completions/opensoul"), ("zsh", zsh),
        ("fish", "usr/share/fish/vendor_completions.d/opensoul.fish"), ("nu", "usr/share/nushell/vendor/autoload/opensoul.nu"),
    ):
        assert (root / place).read_text() == disk.chroot("opensoul", "completions", shell).out != "", place
    # That shell is called by both of its names.
    assert disk.chroot("opensoul", "completions", "nushell").out == disk.chroot("opensoul", "completions", "nu").out
    (root / "srv/man").mkdir()
    assert disk.chroot("opensoul", "man", "/srv/man").code == 0
    pages = {page.name + ".gz": page.read_bytes() for page in (root / "srv/man").iterdir()}
    packed = {page.name: gzip.decompress(page.read_bytes()) for page in (root / "usr/share/man/man1").glob("opensoul*")}
    assert packed == pages and "opensoul-monitor-once.1.gz" in pages


@needs_dpkg
def test_a_deb_from_installation_to_purge(disk, program, folder):
    old, new = "/srv/old.deb", "/srv/new.deb"
    for number, place in (("1.2.0", old), ("1.10.0", new)):
        disk.copy(build(program, folder, "deb", "--version", number), place)
    root = disk.root
    ended = disk.chroot("dpkg", "-i", old)
    assert ended.code == 0, ended
    # Two names, one program; it runs there.
    assert (root / "usr/bin/opensoul").readlink().name == "opensoul-monitor"
    for name in ("opensoul", "opensoul-monitor"):
        assert disk.chroot(name, "--version").out.startswith("opensoul ")
    whole(disk, "usr/share/zsh/vendor-completions/_opensoul")
    # Nothing runs by itself, and the settings are the service's alone; the program takes them.
    assert not list((root / "etc/systemd/system").glob("*.wants/opensoul*"))
    _, group = disk.ids("opensoul")
    settings = root / "etc/opensoul/monitor.toml"
    assert (settings.stat().st_mode & 0o777, settings.stat().st_gid) == (0o640, group)
    assert (root / "etc/opensoul/credentials").stat().st_mode & 0o777 == 0o700
    checked = disk.chroot("opensoul", "--config", "/etc/opensoul/monitor.toml", "monitor", "check-config")
    assert checked.code == 0 and "env = true" in settings.read_text(), checked

    # An upgrade keeps what a person wrote.
    settings.write_text(settings.read_text() + "# ours\n")
    ended = disk.chroot("dpkg", "-i", new)
    assert ended.code == 0 and settings.read_text().endswith("# ours\n"), ended
    # 1.2 is older than 1.10: refused, and what is there stays whole.
    ended = disk.chroot("dpkg", "-i", old)
    assert ended.code != 0 and "OPENSOUL_ALLOW_DOWNGRADE" in ended.err, ended
    assert version(disk) == "installed 1.10.0" and disk.chroot("dpkg", "--audit").out == ""
    assert disk.chroot("dpkg", "-i", old, env={"OPENSOUL_ALLOW_DOWNGRADE": "1"}).code == 0
    assert version(disk) == "installed 1.2.0"

    disk.write("/var/lib/opensoul/state.db", "state")
    disk.write("/etc/opensoul/credentials/smtp", "secret")
    disk.write("/etc/systemd/system/timers.target.wants/opensoul-check.timer", "")
    assert disk.chroot("dpkg", "-r", "opensoul").code == 0
    assert settings.exists() and (root / "var/lib/opensoul/state.db").exists()
    assert not (root / "usr/bin/opensoul").is_symlink() and not (root / "usr/bin/opensoul-monitor").exists()
    ended = disk.chroot("dpkg", "-P", "opensoul")
    assert ended.code == 0 and "credentials is not empty and stays" in ended.err, ended
    left = {str(p.relative_to(root)) for base in ("etc", "usr", "var/lib") for p in (root / base).rglob("*opensoul*")}
    assert {p for p in left if "dpkg" not in p} == {"etc/opensoul"}
    assert [p.name for p in (root / "etc/opensoul").iterdir()] == ["credentials"]


@needs_dpkg
def test_the_program_of_a_gateway_keeps_its_name(disk, program, folder):
    package = build(program, folder)
    disk.copy(package, "/srv/opensoul.deb")
    theirs = disk.write("/usr/bin/opensoul", "#!/bin/sh\necho the gateway\n", 0o755)
    assert disk.chroot("dpkg", "-i", "/srv/opensoul.deb").code == 0
    assert disk.chroot("opensoul").out == "the gateway\n"
    assert disk.chroot("opensoul-monitor", "--version").out.startswith("opensoul ")
    assert disk.chroot("dpkg", "-P", "opensoul").code == 0
    assert theirs.read_text().endswith("the gateway\n")


@needs_dpkg
def test_the_same_tree_makes_the_same_package(program, folder):
    first, second = (build(program, folder / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@needs_dpkg
@pytest.mark.skipif(not shutil.which("cc"), reason="cc is not installed")
def test_a_deb_asks_for_the_c_library_that_its_program_needs(program, folder):
    def depends(name, *linked):
        made = folder / name
        subprocess.run(["cc", "-pie", "-o", made, folder / "main.c", *linked], check=True)
        package = build(made, folder, "deb", "--with", program)
        return subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True).stdout

    (folder / "main.c").write_text("const char *words[] = {0, \"a\", \"b\"};\nint main(int n, char **_) { return words[n] == 0; }\n")
    plain, packed = depends("plain"), depends("packed", "-Wl,-z,pack-relative-relocs")
    # Packed relocations came with 2.36, and no symbol says so.
    if b"GLIBC_ABI_DT_RELR" not in (folder / "packed").read_bytes():
        pytest.skip("the linker packs no relocations")
    assert packed.startswith("libc6 (>= 2.36), libgcc-s1, systemd | "), packed
    lower = re.match(r"libc6 \(>= 2\.(\d+)\), libgcc-s1, systemd \| ", plain)
    assert lower and f"GLIBC_2.{lower[1]}\0".encode() in (folder / "plain").read_bytes() and int(lower[1]) < 36, plain
    # A static program asks for none.
    (folder / "main.c").write_text("void _start(void) { for (;;); }\n")
    assert depends("static", "-static", "-nostdlib", "-no-pie").startswith("systemd | ")


@needs_rpm
def test_an_rpm_from_installation_to_erasure(disk, program, folder):
    """On Debian, so without the dependencies that only an rpm system could fulfil."""
    root = disk.root
    disk.copy(build(program, folder, "rpm", "--version", "1.2.0"), "/srv/old.rpm")
    # The settings that come with the newer one are others.
    newer = tree(folder / "newer")
    with open(newer / "src/config/template.toml", "a") as template:
        template.write("# newer\n")
    disk.copy(build(program, folder, "rpm", "--version", "1.10.0", of=newer), "/srv/new.rpm")

    def rpm(*argv, **more):
        return disk.chroot("rpm", *argv, **more)

    def version():
        return rpm("-q", "--queryformat", "%{VERSION} ", "opensoul").out

    ended = rpm("-i", "--nodeps", "/srv/old.rpm")
    assert ended.code == 0, ended
    assert (root / "usr/bin/opensoul").readlink().name == "opensoul-monitor"
    for name in ("opensoul", "opensoul-monitor"):
        assert disk.chroot(name, "--version").out.startswith("opensoul ")
    whole(disk, "usr/share/zsh/site-functions/_opensoul")
    assert rpm("-qc", "opensoul").out == "/etc/opensoul/monitor.toml\n"
    _, group = disk.ids("opensoul")
    settings = root / "etc/opensoul/monitor.toml"
    assert (settings.stat().st_mode & 0o777, settings.stat().st_gid) == (0o640, group)
    assert not list((root / "etc/systemd/system").glob("*.wants/opensoul*"))
    # All of it is as it was packed, but for whose the settings are.
    changed = rpm("-V", "--nodeps", "opensoul").out.splitlines()
    assert [line.split()[-1] for line in changed] == ["/etc/opensoul/monitor.toml"] and "5" not in changed[0].split()[0], changed

    # An upgrade keeps what a person wrote, and lays the new settings beside it.
    settings.write_text(settings.read_text() + "# ours\n")
    ended = rpm("-U", "--nodeps", "/srv/new.rpm")
    assert ended.code == 0 and settings.read_text().endswith("# ours\n"), ended
    assert settings.with_name("monitor.toml.rpmnew").read_text().endswith("# newer\n")
    assert disk.chroot("opensoul-monitor", "--version").code == 0 and (root / "usr/bin/opensoul").is_symlink()

    # 1.2 is older than 1.10: refused by rpm, and by the package where rpm is told to let it pass; what is there stays whole.
    ended = rpm("-U", "--nodeps", "/srv/old.rpm")
    assert ended.code != 0 and "newer" in ended.err and "OPENSOUL_ALLOW_DOWNGRADE" not in ended.err, ended
    ended = rpm("-U", "--nodeps", "--oldpackage", "/srv/old.rpm")
    assert ended.code != 0 and "1.10.0 is installed, and this is 1.2.0" in ended.err, ended
    assert "OPENSOUL_ALLOW_DOWNGRADE" in ended.err and version() == "1.10.0 ", ended
    assert "credentials.conf" in rpm("-ql", "opensoul").out and disk.chroot("opensoul", "--version").code == 0
    # The same once more is no way back.
    assert rpm("-U", "--nodeps", "--replacepkgs", "/srv/new.rpm").code == 0
    ended = rpm("-U", "--nodeps", "--oldpackage", "/srv/old.rpm", env={"OPENSOUL_ALLOW_DOWNGRADE": "1"})
    assert ended.code == 0 and version() == "1.2.0 ", ended

    # What docs/uninstall.md says of it.
    disk.write("/var/lib/opensoul/state.db", "state")
    disk.write("/etc/opensoul/credentials/smtp", "secret")
    for unit in ("multi-user.target.wants/opensoul@ann.service", "timers.target.wants/opensoul-check.timer"):
        disk.write(f"/etc/systemd/system/{unit}", "")
    assert rpm("-e", "opensoul").code == 0
    left = {str(p.relative_to(root)) for base in ("etc", "usr", "var/lib") for p in (root / base).rglob("*opensoul*")}
    assert left == {"etc/opensoul", "var/lib/opensoul"}
    kept = {p.name for p in (root / "etc/opensoul").iterdir()}
    assert kept == {"credentials", "monitor.toml.rpmnew", "monitor.toml.rpmsave"} and (root / "var/lib/opensoul/state.db").exists()
    assert (root / "etc/opensoul/monitor.toml.rpmsave").read_text().endswith("# ours\n")
