"""A real ntfy server that lets nobody in but one user, with one topic and a token."""

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from cache import cached
from prometheus import free_port
from waiting import until

USER, PASSWORD, TOPIC = "monitor", "password-at-the-ntfy-server", "opensoul-tests"


def program():
    """The server's program. A client of that name cannot serve."""
    return cached("ntfy/usr/bin/ntfy") or shutil.which("ntfy")


class Ntfy:
    def __init__(self, folder):
        self.port = free_port()
        self._config = folder / "server.yml"
        self._config.write_text(
            f'listen-http: "127.0.0.1:{self.port}"\nbase-url: "{self.url}"\nauth-file: "{folder}/user.db"\n'
            f'auth-default-access: "deny-all"\ncache-file: "{folder}/cache.db"\n'
        )
        self._log = open(folder / "ntfy.log", "wb")
        self._process = subprocess.Popen(
            [program(), "serve", "-c", self._config], stdout=self._log, stderr=self._log, start_new_session=True, cwd=folder,
        )
        until(lambda: self._get("/v1/health"), 20, "ntfy is ready")
        self._manage("user", "add", USER)
        self._manage("access", USER, TOPIC, "rw")
        said = self._manage("token", "add", USER)
        self.token = next(word for word in said.replace(",", " ").split() if word.startswith("tk_"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _manage(self, what, *args):
        done = subprocess.run(
            [program(), what, "-c", self._config, *args], env=os.environ | {"NTFY_PASSWORD": PASSWORD},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, timeout=20,
        )
        return done.stdout

    def _get(self, path, **headers):
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=20) as answer:
            return answer.read().decode()

    def messages(self):
        """What a subscriber of the topic gets, oldest first."""
        lines = self._get(f"/{TOPIC}/json?poll=1", Authorization=f"Bearer {self.token}").splitlines()
        return [one for one in map(json.loads, lines) if one["event"] == "message"]

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()
