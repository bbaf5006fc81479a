"""The file system of a phone with Termux: no /bin/sh, no /etc, everything under its prefix, and stand-ins for `termux-*` and ssh
that write down how they were called."""

import os
import pathlib
import shutil
import subprocess
import time

from cache import cached
from machine import Ended

TREE = pathlib.Path(__file__).resolve().parents[2]
FILES = "/data/data/com.termux/files"
PREFIX, HOME = f"{FILES}/usr", f"{FILES}/home"
BUSYBOX = cached("busybox/bin/busybox")
API = (
    "termux-toast", "termux-vibrate", "termux-notification", "termux-notification-remove", "termux-open-url", "termux-wake-lock",
    "termux-job-scheduler", "termux-clipboard-get", "termux-clipboard-set", "am", "sv-enable",
)
APPLETS = "sh cat cut date dirname basename grep head ln ls mkdir mv cp chmod printf readlink rm sed sleep sort stty tail touch tr wc timeout env"

# One call: its words between record separators, ended by a group separator.
RECORD = f"""#!{PREFIX}/bin/sh
{{ printf '%s\\036' "${{0##*/}}" "$@"; printf '\\035'; }} >>{FILES}/calls
"""
ANSWER = f"""[ ! -e {FILES}/hang ] || exec sleep 1000
[ ! -e "{FILES}/answers/${{0##*/}}" ] || cat "{FILES}/answers/${{0##*/}}"
"""
# What the other machine says: answers/status, then status.2 and so on.
SSH = f"""[ ! -e {FILES}/unreachable ] || exit 255
for last; do :; done
case $last in
*'status --json'*) ;;
*paste-token*) cat >>{FILES}/handed; exit 0 ;;
*) exit 0 ;;
esac
n=$(($(cat {FILES}/asked 2>/dev/null || printf 0) + 1))
printf %s $n >{FILES}/asked
cat {FILES}/answers/status.$n 2>/dev/null || cat {FILES}/answers/status
"""


def why_not():
    missing = [name for name in ("bwrap", "jq") if not shutil.which(name)]
    if not BUSYBOX:
        missing.append("busybox in the cache")
    return f"not there: {', '.join(missing)} (tests/install-needs)" if missing else None


class Phone:
    def __init__(self, folder, program):
        self.root = pathlib.Path(folder) / "phone"
        self.files = self.root / FILES[1:]
        self.prefix, self.home = self.files / "usr", self.files / "home"
        for made in (self.prefix / "bin", self.prefix / "tmp", self.home, self.files / "answers"):
            made.mkdir(parents=True, mode=0o700)
        for name in ("lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        shutil.copy(BUSYBOX, self.prefix / "bin/busybox")
        for name in APPLETS.split():
            (self.prefix / "bin" / name).symlink_to("busybox")
        shutil.copy(shutil.which("jq"), self.prefix / "bin/jq")
        for name in API:
            self.stand_in(name, ANSWER)
        self.stand_in("ssh", SSH)
        # The tree and the program, as somebody has put them there.
        shutil.copytree(TREE / "termux", self.home / "opensoul/termux")
        shutil.copy(program, self.home / "opensoul/program")

    def stand_in(self, name, body):
        script = self.prefix / "bin" / name
        script.unlink(missing_ok=True)
        script.write_text(RECORD + body)
        script.chmod(0o755)

    def write(self, place, text, mode=0o600):
        """Under the home."""
        path = self.home / place
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
        path.chmod(mode)
        return path

    def answer(self, name, text):
        (self.files / "answers" / name).write_text(text)

    def sandbox(self, user=True, more=()):
        """Of this machine there are the libraries that a program of Linux needs, and nothing else. As root, `user` is an app's."""
        who = ["--unshare-user", "--uid", "10123", "--gid", "10123"] if user else []
        return [
            "bwrap", "--bind", self.root, "/", "--proc", "/proc", "--dev", "/dev", "--ro-bind", "/usr/lib", "/usr/lib",
            "--ro-bind-try", "/usr/lib64", "/usr/lib64", *who,
            "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent", "--clearenv", "--chdir", HOME, *more,
        ]

    def run(self, *argv, env=None, stdin="", timeout=60, bare=False, **more):
        """With the environment of Termux's shell, or (`bare`) as a button has it: none."""
        inside = {} if bare else {"PREFIX": PREFIX, "HOME": HOME, "PATH": f"{PREFIX}/bin", "TMPDIR": f"{PREFIX}/tmp",
                                  "TERMUX_VERSION": "0.118.3", "LANG": "en_US.UTF-8"}
        for name, value in (inside | (env or {})).items():
            more.setdefault("more", [])
            more["more"] += ["--setenv", name, value]
        began = time.monotonic()
        ended = subprocess.run(
            [*self.sandbox(**more), *map(str, argv)], input=stdin.encode(), capture_output=True, timeout=timeout
        )
        return Ended(
            ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace"),
            time.monotonic() - began,
        )

    def install(self, *options):
        ended = self.run("sh", "opensoul/termux/install.sh", "--program", f"{HOME}/opensoul/program", *options)
        assert ended.code == 0, ended
        return ended

    def calls(self, name=None):
        """How the stand-ins were called, as lists of words; forgets them."""
        place = self.files / "calls"
        text = place.read_text() if place.exists() else ""
        place.unlink(missing_ok=True)
        calls = [call.split("\x1e")[:-1] for call in text.split("\x1d")[:-1]]
        return [call for call in calls if name in (None, call[0])]


def option(call, name):
    """The word after an option."""
    return call[call.index(name) + 1]


def root():
    return os.geteuid() == 0
