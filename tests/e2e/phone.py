"""The file system of a phone with Termux: no /bin/sh, no /etc, everything under its prefix, and stand-ins for `termux-*` and ssh
that write down how they were called."""

import os
import pathlib
import shutil
import subprocess
import time

from cache import cached
from machine import Ended
from waiting import until

TREE = pathlib.Path(__file__).resolve().parents[2]
FILES = "/data/data/com.termux/files"
PREFIX, HOME = f"{FILES}/usr", f"{FILES}/home"
BUSYBOX = cached("busybox/bin/busybox")
RUNIT = cached("runit/usr/bin")
API = (
    "termux-toast", "termux-vibrate", "termux-notification", "termux-notification-remove", "termux-open-url", "termux-wake-lock",
    "termux-job-scheduler", "termux-clipboard-get", "termux-clipboard-set", "am", "sv-enable",
)
APPLETS = """sh cat cut date dirname basename find grep head ln ls mkdir mktemp mv cp chmod printf readlink rm sed sleep sort stty
tail touch tr wc timeout env"""

# One call: its words between record separators, ended by a group separator. Written at once: two may be called at the same time.
RECORD = f"""#!{PREFIX}/bin/sh
printf '%s\\035' "$(printf '%s\\036' "${{0##*/}}" "$@")" >>{FILES}/calls
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

# What termux-services brings beside runit, as far as we meet it.
SERVICES = {
    "etc/profile.d/start-services.sh": f"""export SVDIR={PREFIX}/var/service LOGDIR={PREFIX}/var/log
mkdir -p $SVDIR
[ -e {PREFIX}/var/run/services ] || {{ mkdir -p {PREFIX}/var/run; runsvdir $SVDIR >/dev/null 2>&1 & touch {PREFIX}/var/run/services; }}
""",
    "bin/sv-enable": f"""#!{PREFIX}/bin/sh
[ -n "$SVDIR" ] || exit 1
rm -f "$SVDIR/$1/down"
sv up "$1"
""",
    "share/termux-services/svlogger": f"""#!{PREFIX}/bin/sh
folder=${{PWD%/log}}
mkdir -p "$LOGDIR/sv/${{folder##*/}}"
exec svlogd -tt "$LOGDIR/sv/${{folder##*/}}"
""",
}


def why_not():
    missing = [name for name in ("bwrap", "dash", "jq") if not shutil.which(name)]
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
        # The shell of Termux; that of busybox would take its own `crontab` for that of cronie.
        (self.prefix / "bin/sh").unlink()
        shutil.copy(shutil.which("dash"), self.prefix / "bin/sh")
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

    def services(self):
        """`pkg install termux-services`: a real runit, and the few scripts around it."""
        for name in ("runsv", "runsvdir", "sv", "svlogd"):
            shutil.copy(RUNIT / name, self.prefix / "bin" / name)
        for place, text in SERVICES.items():
            path = self.prefix / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def sandbox(self, user=True, net=False, libraries="/usr", env=None, bare=False):
        """Of this machine there are the libraries that a program of Linux needs, and nothing else. As root, `user` is an app's. `net`:
        this machine's. With the environment of Termux's shell, or (`bare`) as a button has it: none."""
        who = ["--unshare-user", "--uid", "10123", "--gid", "10123"] if user else []
        inside = {} if bare else {"PREFIX": PREFIX, "HOME": HOME, "PATH": f"{PREFIX}/bin", "TMPDIR": f"{PREFIX}/tmp",
                                  "TERMUX_VERSION": "0.118.3", "LANG": "en_US.UTF-8"}
        return [
            "bwrap", "--bind", self.root, "/", "--proc", "/proc", "--dev", "/dev", "--ro-bind", f"{libraries}/lib", "/usr/lib",
            "--ro-bind-try", f"{libraries}/lib64", "/usr/lib64", *who, *([] if net else ["--unshare-net"]),
            "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv", "--chdir", HOME,
            *(word for name, value in (inside | (env or {})).items() for word in ("--setenv", name, value)),
        ]

    def run(self, *argv, stdin="", timeout=60, **more):
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
        try:
            # Moved before it is read: what is called meanwhile is not forgotten.
            text = (self.files / "calls").replace(self.files / "calls.read").read_text()
        except FileNotFoundError:
            text = ""
        calls = [call.split("\x1e")[:-1] for call in text.split("\x1d")[:-1]]
        return [call for call in calls if name in (None, call[0])]


class Session:
    """The phone while it is switched on: a shell of Termux, and whatever was started in it. Closing it is the battery's end."""

    def __init__(self, phone, **sandbox):
        self.phone = phone
        # What says that the services run does not outlive them.
        (phone.prefix / "var/run/services").unlink(missing_ok=True)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._shell = subprocess.Popen([*phone.sandbox(**sandbox), f"{PREFIX}/bin/sh"], stdin=subprocess.PIPE, **quiet)

    def type(self, command, within=60):
        """Its exit code and what it prints."""
        out, code = self.phone.files / "out", self.phone.files / "code"
        code.unlink(missing_ok=True)
        line = f"{{ {command}\n}} </dev/null >{FILES}/out 2>&1; echo $? >{FILES}/code.new; {PREFIX}/bin/mv {FILES}/code.new {FILES}/code\n"
        self._shell.stdin.write(line.encode())
        self._shell.stdin.flush()
        until(code.exists, within, command)
        return int(code.read_text()), out.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shell.kill()
        self._shell.wait(10)


def option(call, name):
    """The word after an option."""
    return call[call.index(name) + 1]


def root():
    return os.geteuid() == 0
