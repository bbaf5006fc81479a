"""A machine that boots: Debian with systemd as process 1, in a container of `systemd-nspawn`.

Its disk is the root that `tests/install-needs` made, under a layer of its own; its network is this machine's, so that it reaches
the servers of a test on loopback. Everything that is run in it enters its namespaces.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import uuid

from cache import cached
from waiting import until

ROOT = cached("debian-root")


def why_not():
    """Why no machine can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    if not ROOT:
        return "no debian-root in the cache (tests/install-needs)"
    missing = [name for name in ("systemd-nspawn", "nsenter", "mount") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else None


class Ended:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n-- stdout\n{self.out[-4000:]}\n-- stderr\n{self.err[-4000:]}"


class Booted:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "root"
        self.nspawn = self.leader = None
        # An overlay cannot have its upper layer on another one, as the disk of a container is: a tmpfs can.
        layers = self.folder / "layers"
        for made in (self.root, layers):
            made.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", layers], check=True)
        self.layers = layers
        for made in ("upper", "work"):
            (layers / made).mkdir(mode=0o755)
        options = f"lowerdir={ROOT},upperdir={layers}/upper,workdir={layers}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        (self.root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")

    # Files, before and after it is up

    def write(self, path, content, mode=0o644, owner="root"):
        """Writes a file of `owner`; missing directories are the owner's too."""
        place = self.root / path.lstrip("/")
        ids = self.ids(owner)
        for folder in reversed(list(place.relative_to(self.root).parents)[:-1]):
            folder = self.root / folder
            if not folder.exists():
                folder.mkdir(mode=0o755)
                os.chown(folder, *ids)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)
        os.chown(place, *ids)
        return place

    def ids(self, user):
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == user:
                return int(uid), int(gid)
        raise KeyError(user)

    def copy(self, source, path):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        return place

    def chroot(self, *argv, env=None):
        """Runs something in it while it is off."""
        if not (self.root / "proc/self").exists():
            subprocess.run(["mount", "-t", "proc", "proc", self.root / "proc"], check=True)
        return self._run(["chroot", str(self.root), *map(str, argv)], env, 120)

    # Running

    def boot(self):
        console = open(self.folder / "console.log", "wb")
        self.nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "-D", self.root, "-b", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off",
                "--timezone=off", "--link-journal=no", "--kill-signal=SIGRTMIN+3", f"--machine=t{uuid.uuid4().hex[:12]}",
            ],
            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )

        def leader():
            assert self.nspawn.poll() is None, self.console
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            # nspawn has a helper of its own besides; process 1 of the machine sees itself as 1.
            for child in children:
                rows = pathlib.Path(f"/proc/{child}/status").read_text().splitlines()
                numbers = next(row for row in rows if row.startswith("NSpid:")).split()
                if len(numbers) > 2 and numbers[-1] == "1":
                    return child
            return None

        self.leader = until(leader, 30, lambda: f"a process 1:\n{self.console}")
        up = ("running", "degraded")
        until(lambda: self.run("systemctl", "is-system-running").out.strip() in up, 60, lambda: f"it is up:\n{self.console}")
        return self

    @property
    def console(self):
        return (self.folder / "console.log").read_text("utf-8", "replace")[-4000:]

    def run(self, *argv, user=None, env=None, timeout=60):
        """Runs something in it, as root, or as a user with that user's own service manager."""
        argv = [str(one) for one in argv]
        inside = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "NO_COLOR": "1", "HOME": "/root"} | (env or {})
        if user:
            uid, gid = self.ids(user)
            home = f"/home/{user}"
            inside |= {"HOME": home, "USER": user, "XDG_RUNTIME_DIR": f"/run/user/{uid}"}
            argv = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *argv]
        enter = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i"]
        return self._run([*enter, *(f"{name}={value}" for name, value in inside.items()), *argv], None, timeout)

    def do(self, *argv, **more):
        """The same, and it must succeed."""
        ended = self.run(*argv, **more)
        assert ended.code == 0, f"{argv}: {ended}"
        return ended.out

    def _run(self, argv, env, timeout):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"} | (env or {})
        ended = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
        return Ended(ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace"))

    def show(self, unit, *names, user=None):
        """Properties of a unit."""
        manager = ["--user"] if user else []
        text = self.do("systemctl", *manager, "show", unit, *(f"--property={name}" for name in names), user=user)
        rows = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return rows[names[0]] if len(names) == 1 else [rows[name] for name in names]

    def journal(self, *options):
        return self.run("journalctl", "--no-pager", "--quiet", *options).out

    def said(self, wanted, *options):
        """The journal once this is in it: a service may have ended before journald has read what it said."""
        entries = ""

        def there():
            nonlocal entries
            entries = self.journal(*options)
            return wanted in entries

        until(there, 20, lambda: f"{wanted!r} in the journal:\n{entries}\n{self.journal()}")
        return entries

    def inside(self, path):
        """A path of it, also under what only it has mounted (/run)."""
        return pathlib.Path(f"/proc/{self.leader}/root") / path.lstrip("/")

    def user(self, name):
        self.do("useradd", "--create-home", "--shell", "/bin/sh", name)
        return f"/home/{name}"

    def close(self):
        if self.nspawn:
            for number in (signal.SIGTERM, signal.SIGKILL):
                self.nspawn.send_signal(number)
                try:
                    self.nspawn.wait(20)
                    break
                except subprocess.TimeoutExpired:
                    continue
        for place in (self.root / "proc", self.root, self.layers):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
