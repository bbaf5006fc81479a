"""A state directory whose disk is full."""

import os
import subprocess

import pytest

import credentials as c
from machine import STORE, webhook_receiver
from waiting import until


@pytest.fixture
def small_disk(machine):
    """The state directory on a file system of one megabyte."""
    machine.state.mkdir(parents=True, mode=0o700)
    for folder in (machine.home / ".local", machine.home / ".local/state"):
        folder.chmod(0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "opensoul-e2e", str(machine.state)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield machine.state
    machine.close()
    subprocess.run(["umount", "-l", str(machine.state)], check=True)


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        for size in (65536, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass


def test_a_critical_goes_out_all_the_same(machine, small_disk, hook):
    machine.write(STORE, c.store(anthropic__work=c.token(300 * c.DAY)))
    machine.configure(webhook_receiver(hook))
    machine.once()
    fill(small_disk)
    machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
    daemon = machine.daemon()
    until(hook.accepted, 30, lambda: f"the critical:\n{daemon.log}")
    assert [a["labels"]["severity"] for a in hook.alerts("firing")].count("critical") >= 1
    assert "full" in daemon.log.lower() or "no space" in daemon.log.lower(), daemon.log
    assert daemon.process.poll() is None

    os.unlink(small_disk / "ballast")
    # Room again: it goes back to the disk by itself, and what was said is not said again.
    said = len(hook.alerts("firing"))
    until(lambda: daemon.get("/-/ready"), 75)
    daemon.stop()
    machine.once()
    machine.once()
    work = [a for a in hook.alerts("firing") if "anthropic:work" in str(a["labels"])]
    assert len(work) <= 2, f"{len(work)} times, {said} before"


def test_once_on_a_full_disk(machine, small_disk, hook):
    machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
    machine.configure(webhook_receiver(hook))
    fill(small_disk)
    ended = machine.run("monitor", "once")
    assert [a["labels"]["severity"] for a in hook.alerts("firing")].count("critical") >= 1, ended
    assert "full" in ended.err.lower() or "no space" in ended.err.lower(), ended
