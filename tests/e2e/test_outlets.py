"""Metrics that are pushed, to real receivers: Prometheus by remote-write, Pushgateway, node_exporter's textfile collector; and OTLP,
read with the types of its specification."""

import http.server
import os
import shutil
import signal
import stat
import subprocess
import threading
import urllib.request

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import credentials as c
from cache import cached
from machine import STORE
from prometheus import Prometheus, free_port, promtool
from waiting import until

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

SOON, SPARE = "opensoul:main/anthropic:soon", "opensoul:main/anthropic:spare"


class Server:
    """A program of the Prometheus family; `None` as its program skips the test."""

    def __init__(self, folder, program, *options):
        if not program:
            pytest.skip("it is not installed")
        self.port, self._log = free_port(), open(folder / "server.log", "wb")
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [str(program), address, *options], stdout=self._log, stderr=self._log, start_new_session=True, cwd=folder
        )
        until(lambda: self.get("/metrics"), 30, lambda: (folder / "server.log").read_text("utf-8", "replace"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read().decode()

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()


class Receiver(Prometheus):
    """A Prometheus that scrapes nothing and takes what is pushed."""

    def __init__(self, folder, program, *options):
        self.program, self.options = program, options
        super().__init__(folder, jobs=[{"job_name": "nothing"}])

    def start(self):
        self._log = open(self.folder / "prometheus.log", "ab")
        self._process = subprocess.Popen(
            [str(self.program), f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{self.port}", *self.options],
            stdout=self._log, stderr=self._log, start_new_session=True, cwd=self.folder,
        )
        until(lambda: self._get("/-/ready") is not None, 30, lambda: f"Prometheus is ready:\n{self.log}")

    def ids(self):
        return {one["metric"]["credential"] for one in self.query("opensoul_credential_info")}


def put(machine, *names):
    machine.write(STORE, c.store(**{f"anthropic__{name}": c.token(2 * c.DAY) for name in names}))


def test_a_real_prometheus_takes_everything_and_lets_go_of_what_has_ended(machine, folder):
    prometheus = Receiver(folder, "prometheus", "--web.enable-remote-write-receiver")
    try:
        put(machine, "soon", "spare")
        url = f"http://127.0.0.1:{prometheus.port}/api/v1/write"
        machine.configure(extra=f'[export.remote_write]\nurl = "{url}"\nlabels = {{ team = "ops" }}\n')
        machine.once()
        [end] = prometheus.query(f'opensoul_credential_expiration_timestamp_seconds{{credential="{SOON}"}}')
        labels = end["metric"]
        assert (labels["job"], labels["instance"], labels["team"]) == ("opensoul", "testhost", "ops"), labels
        assert float(end["value"][1]) > 1.7e9 and prometheus.ids() == {SOON, SPARE}
        assert not prometheus.query("opensoul_cycles_total"), "a run that ends has counted nothing"

        daemon = machine.daemon()
        until(lambda: prometheus.query("opensoul_cycles_total"), 20, "its counters are there")
        assert prometheus.query("process_start_time_seconds")[0]["metric"]["instance"] == "testhost"
        put(machine, "soon")
        until(lambda: prometheus.ids() == {SOON}, 20, lambda: f"what is gone is gone: {prometheus.ids()}\n{daemon.log}")
        name = f"127.0.0.1:{prometheus.port}"
        pushes = [line for line in daemon.get("/metrics").splitlines() if "opensoul_export_metrics_" in line]
        assert any(f'channel="remote-write",outlet="{name}"' in line and "last_success" in line for line in pushes), pushes
        assert not [line for line in pushes if "failed_total{" in line and not line.endswith(" 0")], pushes
    finally:
        prometheus.close()


class Collector:
    """Takes OTLP as the specification's own types have it, and nothing else: an unknown field or a wrong type is a 400."""

    def __init__(self):
        self.taken, self.refused = [], []
        taken, refused = self.taken, self.refused

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                code = 200
                try:
                    assert (self.path, self.headers["content-type"]) == ("/v1/metrics", "application/json")
                    taken.append(json_format.Parse(body, ExportMetricsServiceRequest()))
                except (AssertionError, json_format.ParseError) as why:
                    refused.append(why)
                    code = 400
                self.send_response(code)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/metrics"

    def points(self, name):
        """(attributes, point, metric) of a metric, oldest first."""
        return [
            ({one.key: one.value.string_value for one in point.attributes}, point, metric)
            for request in list(self.taken) for resource in request.resource_metrics for scope in resource.scope_metrics
            for metric in scope.metrics if metric.name == name
            for point in (*metric.gauge.data_points, *metric.sum.data_points)
        ]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def test_otlp_is_what_its_own_types_say(machine):
    """Debian's Prometheus is built without its receiver of OTLP."""
    collector = Collector()
    try:
        put(machine, "soon", "spare")
        machine.configure(extra=f'[export.otlp]\nurl = "{collector.url}"\nlabels = {{ team = "ops" }}\n')
        machine.once()
        [request] = collector.taken
        resource = {one.key: one.value.string_value for one in request.resource_metrics[0].resource.attributes}
        assert (resource["service.name"], resource["service.instance.id"]) == ("opensoul", "testhost")
        info = collector.points("opensoul_credential_info")
        assert {one["credential"] for one, _, _ in info} == {SOON, SPARE} and info[0][0]["team"] == "ops"
        assert info[0][1].time_unix_nano > 1.7e18 and info[0][1].as_double == 1
        machine.daemon()
        until(lambda: collector.points("opensoul_cycles_total"), 20, "its counters are there")
        _, point, metric = collector.points("opensoul_cycles_total")[-1]
        assert metric.sum.is_monotonic and metric.sum.aggregation_temporality == 2
        assert 0 < point.start_time_unix_nano <= point.time_unix_nano
        put(machine, "soon")
        ended = lambda: [one for one, point, _ in collector.points("opensoul_credential_info") if point.flags == 1]  # noqa: E731
        until(ended, 20, "what is gone is said to be gone")
        assert {one["credential"] for one in ended()} == {SPARE} and collector.refused == []
    finally:
        collector.close()


def test_a_real_pushgateway_holds_one_group_until_it_is_told_to_forget(machine, folder):
    found = shutil.which("prometheus-pushgateway") or cached("prometheus-pushgateway/usr/bin/prometheus-pushgateway")
    gateway = Server(folder, found)
    try:
        put(machine, "soon", "spare")
        config = f'[export]\npushgateway = "{gateway.url}"\n'
        machine.configure(extra=config)
        machine.once()
        ours = lambda: [line for line in gateway.get("/metrics").splitlines() if line.startswith("opensoul_credential_info")]  # noqa: E731
        assert len(ours()) == 2 and all('instance="testhost",job="opensoul"' in line for line in ours()), ours()
        put(machine, "soon")
        machine.once()
        assert len(ours()) == 1, "the group is replaced as a whole"
        told = machine.run("monitor", "forget")
        assert told.code == 0 and "taken back" in told.out, told
        # It says yes before it does it.
        until(lambda: not ours(), 20, lambda: f"it is forgotten: {ours()}")

        daemon = machine.daemon()
        until(ours, 20, "the monitor pushes")
        machine.configure()
        daemon.reload()
        until(lambda: not ours(), 20, lambda: f"what is configured no longer is taken back:\n{daemon.log}")
    finally:
        gateway.close()


def test_a_textfile_is_whole_readable_by_all_and_read_by_node_exporter(machine, folder):
    put(machine, "soon")
    collected = folder / "textfile"
    collected.mkdir()
    place = collected / "opensoul.prom"
    machine.configure(extra=f'[export]\ntextfile = "{place}"\n')
    daemon = machine.daemon()
    until(place.exists, 20, "the file is there")
    until(lambda: os.listdir(collected) == ["opensoul.prom"], 20, lambda: f"nothing else is left: {os.listdir(collected)}")
    assert stat.S_IMODE(place.stat().st_mode) == 0o644
    text = place.read_text()
    checked = subprocess.run([promtool(), "check", "metrics"], input=text, text=True, capture_output=True, timeout=30)
    assert checked.returncode == 0 and not checked.stderr.strip(), checked.stderr + checked.stdout
    found = shutil.which("prometheus-node-exporter") or cached("prometheus-node-exporter/usr/bin/prometheus-node-exporter")
    exporter = Server(folder, found, "--collector.disable-defaults", "--collector.textfile",
                      f"--collector.textfile.directory={collected}")
    try:
        scraped = exporter.get("/metrics")
        assert f'opensoul_credential_info{{credential="{SOON}"' in scraped and "node_textfile_scrape_error 0" in scraped
    finally:
        exporter.close()
    # Or it would soon be there again.
    assert daemon.stop()[0] == 0 and place.exists()
    assert machine.run("monitor", "forget").code == 0 and not place.exists()


def test_what_cannot_be_pushed_fails_nothing_else_and_is_said(machine, folder):
    put(machine, "soon")
    machine.configure(extra='[export]\ntextfile = "/nonexistent/opensoul.prom"\npushgateway = "http://127.0.0.1:9"\n')
    ended = machine.once()
    assert "textfile opensoul.prom" in ended.err and "pushgateway 127.0.0.1:9" in ended.err, ended
    told = machine.run("monitor", "forget")
    assert told.code == 69 and "is still there" in told.err, told
