"""A real OpenSSH server for one throw-away machine: root there lives in that machine's home.

It insists on a user and a directory of its own: hence a mount namespace with another /etc/passwd and an empty /run.
"""

import os
import pathlib
import shutil
import socket
import subprocess

import namespaces
from cache import cached
from prometheus import free_port
from waiting import until

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
PidFile none
Banner {folder}/banner
"""

CLIENT = """
Host box
  HostName 127.0.0.1
  Port {port}
Host *
  User root
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking accept-new
"""

START = """
set -e
mount --bind "$FOLDER/passwd" /etc/passwd
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
# From version 9.8 on, each session is a program of its own.
[ ! -e "$SESSIONS/sshd-session" ] || mount --bind "$SESSIONS" /usr/lib/openssh
exec "$SSHD" -D -e -f "$FOLDER/config"
"""


def program():
    unpacked = cached("sshd/usr/sbin/sshd")
    return str(unpacked) if unpacked else shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/bin")


def why_not():
    """Why it cannot run here; empty if it can."""
    if not program() or not shutil.which("ssh"):
        return "OpenSSH is not there (tests/install-needs)"
    return namespaces.why_not()


class Sshd:
    """`client` is a configuration with which `ssh box` gets there."""

    def __init__(self, folder, home):
        self.folder, self.port = pathlib.Path(folder), free_port()
        self.folder.mkdir(mode=0o755)
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        others = [line for line in open("/etc/passwd") if not line.startswith(("root:", "sshd:"))]
        own = f"root:x:0:0:root:{home}:/bin/sh\nsshd:x:65101:65534::/run/sshd:/usr/sbin/nologin\n"
        (self.folder / "passwd").write_text(own + "".join(others))
        (self.folder / "banner").write_text("Authorised use only.\n")
        (self.folder / "config").write_text(CONFIG.format(port=self.port, folder=self.folder))
        self.client = self.folder / "client"
        self.client.write_text(CLIENT.format(port=self.port, folder=self.folder))
        self._process = None
        self.start()

    def start(self):
        libraries = ":".join({str(path.parent) for path in (cached("sshd") or pathlib.Path("/none")).glob("usr/lib/*-linux-gnu/*.so*")})
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "FOLDER": str(self.folder), "SSHD": program(), "LD_LIBRARY_PATH": libraries,
            "SESSIONS": str(cached("sshd/usr/lib/openssh") or "/none"),
        }
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(["unshare", "--mount", "sh", "-c", START], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def answers():
            assert self._process.poll() is None, self.log
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(answers, 20, lambda: f"sshd listens:\n{self.log}")

    @property
    def log(self):
        return (self.folder / "log").read_text("utf-8", "replace")

    def stop(self):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
