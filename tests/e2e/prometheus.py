"""A real Prometheus that scrapes one target each second."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request

from waiting import until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def promtool():
    return shutil.which("promtool")


class Prometheus:
    """Started with the rules given (a YAML text of groups)."""

    def __init__(self, folder, target, rules):
        self.port = free_port()
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{folder}/rules.yml]\n"
            f"scrape_configs: [{{job_name: opensoul, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self._log = open(folder / "prometheus.log", "wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self._log, stderr=self._log, start_new_session=True, cwd=folder,
        )
        until(lambda: self._get("/-/ready") is not None, 30, "Prometheus is ready")

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.read()

    def query(self, expression):
        found = json.loads(self._get("/api/v1/query?query=" + urllib.request.quote(expression)))
        return found["data"]["result"]

    def alerts(self):
        return json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()
