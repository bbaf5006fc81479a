"""The packages under deploy/package/: installed, upgraded, refused and purged on a disk of their own, which is not running."""

import shutil

import pytest

from booted import Booted, why_not
from packages import build, needs_dpkg

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
    for place in (
        "usr/lib/systemd/system/opensoul@.service", "usr/lib/systemd/user/opensoul-check.timer",
        "usr/share/man/man1/opensoul-monitor-once.1.gz", "usr/share/bash-completion/completions/opensoul",
        "usr/share/zsh/vendor-completions/_opensoul", "usr/share/fish/vendor_completions.d/opensoul.fish",
        "usr/share/nushell/vendor/autoload/opensoul.nu", "usr/share/doc/opensoul/copyright",
        "usr/share/doc/opensoul/examples/credentials.conf", "usr/share/doc/opensoul/systemd.md",
    ):
        assert (root / place).stat().st_size > 0, place
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


@needs_rpm
def test_an_rpm_from_installation_to_erasure(disk, program, folder):
    """On Debian, so without the dependencies that only an rpm system could fulfil."""
    for v in ("1.2.0", "1.10.0"):
        disk.copy(build(program, folder, "rpm", "--version", v), f"/srv/{v}.rpm")
    ended = disk.chroot("rpm", "-i", "--nodeps", "/srv/1.2.0.rpm")
    assert ended.code == 0, ended
    assert disk.chroot("opensoul", "--version").out.startswith("opensoul ")
    assert disk.ids("opensoul")
    settings = disk.root / "etc/opensoul/monitor.toml"
    settings.write_text(settings.read_text() + "# ours\n")
    assert disk.chroot("rpm", "-U", "--nodeps", "/srv/1.10.0.rpm").code == 0
    assert settings.read_text().endswith("# ours\n")
    assert disk.chroot("opensoul-monitor", "--version").code == 0 and (disk.root / "usr/bin/opensoul").is_symlink()
    ended = disk.chroot("rpm", "-U", "--nodeps", "/srv/1.2.0.rpm")
    assert ended.code != 0 and "newer" in ended.err, ended
    assert disk.chroot("rpm", "-e", "opensoul").code == 0
    assert not (disk.root / "usr/bin/opensoul").is_symlink() and not (disk.root / "usr/bin/opensoul-monitor").exists()
