"""A throw-away machine: a home of its own, a cleared environment, and the built program in it."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

from metrics import Metrics
from prometheus import free_port
from waiting import until

STORE = ".opensoul/agents/main/agent/auth-profiles.json"
CLAUDE = ".claude/.credentials.json"
CODEX = ".codex/auth.json"


class Ended:
    """How one run of the program ended."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code} after {self.seconds:.2f} s\n-- stdout\n{self.out[-3000:]}\n-- stderr\n{self.err[-3000:]}"


class Machine:
    """Everything lies under `root`; `close` ends what was started."""

    def __init__(self, root, program):
        self.root, self.program = pathlib.Path(root), program
        self.home = self.root / "home"
        self.cwd = self.home / "work"
        self.state = self.home / ".local/state/opensoul"
        self.config = self.home / ".config/opensoul/monitor.toml"
        self.tmp = self.root / "tmp"
        for folder in (self.home, self.cwd, self.tmp):
            folder.mkdir(mode=0o700)
        self.env = {
            "HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1",
            "TMPDIR": str(self.tmp), "SHELL": "/bin/sh",
        }
        self.runs, self.daemons = [], []
        self.port = None

    # Files

    def write(self, place, content, mode=0o600):
        """Writes text, bytes or a JSON value under the home, as its owner would: a new file moved over the old."""
        path = self.home / place
        for folder in reversed(path.relative_to(self.home).parents):
            (self.home / folder).mkdir(mode=0o700, exist_ok=True)
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content, indent=2) + "\n"
        new = path.with_name(path.name + ".new")
        new.write_bytes(content.encode() if isinstance(content, str) else content)
        new.chmod(mode)
        new.replace(path)
        return path

    def configure(self, *receivers, extra="", web=True):
        """`monitor.toml` with these receivers (TOML texts), a cycle each minute and, unless told not to, a port of its own."""
        if web and self.port is None:
            self.port = free_port()
        listen = f'[web]\nlisten = "127.0.0.1:{self.port}"\n' if web else "[web]\nenabled = false\n"
        name = '[identity]\nhost = "testhost"\n[schedule]\nstatus = "* * * * *"\nprobe = "off"\nzone = "UTC"\n'
        self.write(self.config.relative_to(self.home), "\n".join([listen, name, extra, *receivers]))

    # Running

    def run(self, *args, env=None, timeout=60, stdin=subprocess.DEVNULL, **more):
        began = time.monotonic()
        process = subprocess.Popen(
            [str(self.program), *map(str, args)], env=self.env | (env or {}), cwd=more.pop("cwd", self.cwd), stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **more,
        )
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            end_group(process)
        ended = Ended(
            process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), time.monotonic() - began
        )
        self.runs.append(ended)
        return ended

    def once(self, **more):
        """`monitor once`, which must commit."""
        ended = self.run("monitor", "once", **more)
        assert ended.code == 0, ended
        return ended

    def daemon(self, *args, env=None, ready=True):
        """`monitor run` in the background; waits until it answers."""
        daemon = Daemon(self, args, env or {})
        self.daemons.append(daemon)
        if ready:
            daemon.wait_ready()
        return daemon

    def close(self):
        for daemon in self.daemons:
            daemon.kill()


class Daemon:
    """A running monitor."""

    def __init__(self, machine, args, env):
        self.machine = machine
        self.log_path = machine.root / f"daemon-{len(machine.daemons)}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(machine.program), *args, "monitor", "run"], env=machine.env | env, cwd=machine.cwd,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )

    @property
    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"the monitor ended with {self.process.returncode}:\n{self.log}"
            return self.get("/-/ready") is not None

        until(ready, 20, lambda: f"the monitor is ready:\n{self.log}")

    def request(self, path, method="GET", headers=None, body=None):
        """(status, body text); never raises for an HTTP status."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.machine.port}{path}", data=body, method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def get(self, path):
        status, text = self.request(path)
        if status != 200:
            raise ValueError(f"{path}: {status} {text[:200]}")
        return text

    def metrics(self):
        return Metrics(self.get("/metrics"))

    def status(self):
        return json.loads(self.get("/api/v1/status"))

    def reload(self):
        """`POST /-/reload` as the command line does it."""
        token = (self.machine.state / "token").read_text().strip()
        return self.request(
            "/-/reload", "POST", {"authorization": f"Bearer {token}", "content-type": "application/json"}, b"{}"
        )

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, within=20):
        """SIGTERM; returns (exit code, seconds)."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(within)
        return code, time.monotonic() - began

    def kill(self):
        end_group(self.process)


def end_group(process):
    """Ends the process and everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(10)


def email_receiver(mail, name="mail", to=("ops@example.org",), password='{ file = "~/.secrets/smtp" }', more=""):
    recipients = ", ".join(f'"{address}"' for address in to)
    return (
        f'[[receivers]]\nname = "{name}"\ntype = "email"\nserver = "{mail.url}"\nusername = "monitor"\n'
        f'password = {password}\nfrom = "opensoul <monitor@example.org>"\nto = [{recipients}]\n{more}'
    )


def webhook_receiver(hook, name="hook", secret='{ env = "HOOK_SECRET" }', url=None, more=""):
    signing = f"secret = {secret}\n" if secret else ""
    return f'[[receivers]]\nname = "{name}"\ntype = "webhook"\nurl = {json.dumps(url or hook.url)}\n{signing}{more}'
