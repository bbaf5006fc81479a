"""The real `secret-tool` against a real GNOME keyring: unlocked, locked, without the item, and without a session."""

import os
import shutil
import signal
import subprocess

import pytest

from waiting import until

NEEDED = ("dbus-daemon", "dbus-send", "gnome-keyring-daemon", "secret-tool")
pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in NEEDED), reason=f"needs {', '.join(NEEDED)}: tests/install-needs"
)

CANARY = "gho_canary_9Wm4_of_the_keyring"
HOSTS = "github.com:\n    git_protocol: https\n    users:\n        octo:\n    user: octo\n"
ITEM = ("service", "gh:github.com", "username", "octo")


class Keyring:
    """A session bus and the daemon of a keyring on it, for this home only."""

    def __init__(self, machine):
        self.machine = machine
        runtime = machine.root / "run"
        runtime.mkdir(mode=0o700)
        # The bus starts services in the environment that it was started in.
        self.env = machine.env | {"XDG_RUNTIME_DIR": str(runtime)}
        self.running = []
        bus = self.start("dbus-daemon", "--session", "--nofork", "--print-address=1", stdout=subprocess.PIPE)
        address = bus.stdout.readline().decode().strip()
        assert address, "the bus does not start"
        self.session = {"DBUS_SESSION_BUS_ADDRESS": address, "XDG_RUNTIME_DIR": str(runtime)}
        self.env |= self.session
        self.daemon = None

    def start(self, *command, **more):
        process = subprocess.Popen(command, env=self.env, stderr=subprocess.DEVNULL, start_new_session=True, **more)
        self.running.append(process)
        return process

    def open(self, *options, password=None):
        """The daemon, started anew: what was unlocked is locked again unless a password is given."""
        if self.daemon:
            end(self.daemon)
        self.daemon = self.start(
            "gnome-keyring-daemon", "--components=secrets", "--foreground", *options,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )
        self.daemon.stdin.write((password or "").encode())
        self.daemon.stdin.close()
        # Whoever asks before it is there has the bus start another, which is never unlocked.
        until(lambda: self.keeper() == self.daemon.pid, what="the keyring is on the bus")

    def keeper(self):
        """Which process the bus knows as the keyring; this starts none."""
        bus = "org.freedesktop.DBus"
        asked = f"dbus-send --session --print-reply=literal --dest={bus} / {bus}.GetConnectionUnixProcessID string:org.freedesktop.secrets"
        said = subprocess.run(asked.split(), env=self.env, capture_output=True, timeout=10)
        return said.returncode == 0 and int(said.stdout.split()[-1])

    def tool(self, *arguments, text=None):
        return subprocess.run(
            ["secret-tool", *arguments], env=self.env, input=text and text.encode(), capture_output=True, timeout=10
        )

    def close(self):
        for process in reversed(self.running):
            end(process)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def keyring(machine):
    machine.write(".config/gh/hosts.yml", HOSTS)
    made = Keyring(machine)
    yield made
    made.close()


def shown(machine, words, env=None):
    """The login, once this is said of it. What answers within milliseconds is given two seconds; a busy machine may take more."""
    said = []

    def look():
        ended = machine.run("status", "--json", env=env)
        assert CANARY not in ended.out + ended.err
        assert ended.seconds < 20, "nobody waits for a person"
        said[:] = [one for one in ended.json()["credentials"] if one["id"] == "gh:github.com/octo"]
        (one,) = said
        return words in " ".join([one["state"], *one["because"]]) and one

    return until(look, what=lambda: f"{words}: {said}")


def test_what_the_keyring_says(machine, keyring):
    keyring.open("--unlock", password="a password of nobody")
    until(lambda: keyring.tool("store", "--label=gh", *ITEM, text=CANARY).returncode == 0, what="an item is stored")
    unlocked = shown(machine, "static", keyring.session)
    assert unlocked["state"] == "static", unlocked
    # Locked, as after a start without a login: the item is there, without its secret, and nobody is asked to unlock it.
    keyring.open()
    until(lambda: keyring.tool("search", *ITEM).stdout.startswith(b"["), what="the locked item is found")
    locked = shown(machine, "which is locked", keyring.session)
    assert (locked["state"], locked["inUse"]) == ("unreadable", False), locked
    # Without a session nothing is started, and that is said.
    alone = shown(machine, "no session")
    assert alone["state"] == "unreadable", alone


def test_an_item_that_is_not_there(machine, keyring):
    keyring.open("--unlock", password="a password of nobody")
    until(lambda: keyring.tool("search", *ITEM).returncode == 0, what="the keyring answers")
    absent = shown(machine, "no service gh:github.com", keyring.session)
    assert absent["state"] == "unreadable", absent
