"""A real exim in a root directory of its own: STARTTLS, SMTPS, AUTH, a Maildir, and what a real server refuses.

It insists on a user, on being started by root, and on its configuration's place: hence the root, whose /usr is the machine's own.
"""

import email
import email.policy
import os
import shutil
import signal
import socket
import subprocess

import namespaces
from cache import cached
from mail import PASSWORD, USER
from prometheus import free_port
from waiting import until

CONFIG = """
primary_hostname = localhost
exim_path = /opt/usr/sbin/exim4
keep_environment =
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = 127.0.0.1
daemon_smtp_ports = {starttls} : {tls}
tls_on_connect_ports = {tls}
tls_advertise_hosts = *
tls_certificate = /etc/exim4/chain.pem
tls_privatekey = /etc/exim4/chain.pem
log_file_path = /var/log/exim4/%slog
acl_smtp_rcpt = recipient
begin acl
recipient:
  deny !authenticated = *
       message = authentication required
  deny local_parts = gone
       message = 5.1.1 no such user
  defer local_parts = grey
       condition = ${{if exists{{/var/spool/exim4/seen}}{{no}}{{yes}}}}
       condition = ${{run{{/usr/bin/touch /var/spool/exim4/seen}}{{yes}}{{yes}}}}
       message = 4.7.1 greylisted, try again later
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = /var/mail/all
  create_directory
  envelope_to_add
  user = Debian-exim
  group = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""

START = """
set -e
mount --bind /usr "$ROOT/usr"
mount --bind /dev "$ROOT/dev"
mount --bind "$EXIM" "$ROOT/opt"
exec chroot "$ROOT" /opt/usr/sbin/exim4 -bdf
"""


def why_not():
    """Why it cannot run here; empty if it can."""
    if not cached("exim/usr/sbin/exim4"):
        return "exim is not there (tests/install-needs)"
    return namespaces.why_not()


class Exim:
    """Takes mail for everybody but `gone@…`, from `grey@…` only when it comes again."""

    def __init__(self, folder, authority):
        self.root = folder / "root"
        for place in ("usr", "dev", "opt", "etc/exim4", "var/spool/exim4", "var/log/exim4", "var/mail/all", "lib", "tmp", "run"):
            (self.root / place).mkdir(parents=True)
        # Its own libraries stand beside the machine's.
        libraries = [*cached("exim").glob("usr/lib/*-linux-gnu/*.so*")]
        for library in libraries:
            shutil.copy(library, self.root / "lib", follow_symlinks=True)
        for place in (*("bin", "sbin", "lib64"), *(f"lib/{path.name}" for path in sorted(os.scandir("/usr/lib"), key=lambda p: p.name) if "-linux-" in path.name)):
            link = self.root / place
            link.symlink_to(os.path.relpath(self.root / "usr" / place, link.parent))
        (self.root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nDebian-exim:x:65100:65100::/var/spool/exim4:/bin/false\n")
        (self.root / "etc/group").write_text("root:x:0:\nDebian-exim:x:65100:\nmail:x:8:\n")
        for place in ("var/spool/exim4", "var/log/exim4", "var/mail/all"):
            os.chown(self.root / place, 65100, 65100)
        authority.chain("localhost", "127.0.0.1").write_to_path(str(self.root / "etc/exim4/chain.pem"))
        os.chown(self.root / "etc/exim4/chain.pem", 65100, 65100)
        self.ports = {"starttls": free_port(), "tls": free_port()}
        (self.root / "etc/exim4/exim4.conf").write_text(CONFIG.format(user=USER, password=PASSWORD, **self.ports))
        (self.root / "etc/exim4/exim4.conf").chmod(0o644)
        self._log = open(folder / "exim.out", "w+b")
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", START], stdout=self._log, stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ROOT": str(self.root), "EXIM": str(cached("exim"))}, start_new_session=True,
        )
        until(self._greets, 20, lambda: f"exim is ready: {self.log()}")

    def _greets(self):
        assert self._process.poll() is None, self.log()
        with socket.create_connection(("127.0.0.1", self.ports["starttls"]), 5) as probe:
            return probe.recv(200).startswith(b"220 ")

    def log(self):
        files = [self.root.parent / "exim.out", *self.root.glob("var/log/exim4/*")]
        return "\n".join(path.read_text("utf-8", "replace") for path in files)

    def url(self, security):
        return {"starttls": "smtp+starttls", "tls": "smtps"}[security] + f"://127.0.0.1:{self.ports[security]}"

    def mails(self):
        """What lies in the Maildir, parsed, oldest first."""
        paths = sorted(self.root.glob("var/mail/all/new/*"), key=lambda path: path.stat().st_mtime_ns)
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]

    def close(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(10)
        self._log.close()
