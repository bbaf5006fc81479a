"""A real Prometheus that scrapes one target each second."""

import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import urllib.request

from waiting import until


def ports(size=500):
    """Those of a block below what the system gives away, one after the other and again; no other process has the block meanwhile."""
    for first in random.sample(range(20_000, 32_000, size), 24):
        with socket.socket(socket.AF_UNIX) as held:
            try:
                held.bind(f"\0opensoul-e2e-ports-{first}")
            except OSError:
                continue
            yield from map(lambda n: first + n % size, itertools.count())
    raise AssertionError("every block of ports is somebody's")


PORTS = ports()


def free_port():
    """One that stays free until whoever asked for it uses it: nobody else gets it by chance."""
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def promtool():
    return shutil.which("promtool")


class Prometheus:
    """Started with the rules given (a YAML text of groups). `jobs`, of `scrape_configs`, stand in place of the one target;
    `rule_files` and `managers`, addresses of Alertmanagers, are added. It scrapes `every` so often. Or `config`, a whole text."""

    def __init__(self, folder, target=None, rules="groups: []", jobs=None, rule_files=(), managers=(), every="1s", flags=(),
                 config=None):
        self.folder, self.port, self.flags, text = folder, free_port(), flags, config
        (folder / "rules.yml").write_text(rules)
        jobs = jobs or [{"job_name": "opensoul", "static_configs": [{"targets": [target]}]}]
        config = {
            "global": {"scrape_interval": every, "evaluation_interval": "1s"},
            "rule_files": [f"{folder}/rules.yml", *map(str, rule_files)],
            "scrape_configs": jobs,
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(managers)}]}]},
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(text or json.dumps(config, indent=1))
        self.start()

    def start(self):
        """Also anew, with what it had stored."""
        self._log = open(self.folder / "prometheus.log", "ab")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}", *self.flags],
            stdout=self._log, stderr=self._log, start_new_session=True, cwd=self.folder,
        )
        until(lambda: self._get("/-/ready") is not None, 30, lambda: f"Prometheus is ready:\n{self.log}")

    @property
    def log(self):
        return (self.folder / "prometheus.log").read_text("utf-8", "replace")

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.read()

    def query(self, expression, at=None):
        time = "" if at is None else f"&time={at}"
        found = json.loads(self._get("/api/v1/query?query=" + urllib.request.quote(expression, safe="") + time))
        return found["data"]["result"]

    def alerts(self):
        return json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]

    def rules(self):
        """Every rule with its health and, for alerts, what it found."""
        return [rule for group in json.loads(self._get("/api/v1/rules"))["data"]["groups"] for rule in group["rules"]]

    def close(self):
        if self._process.poll() is not None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()
