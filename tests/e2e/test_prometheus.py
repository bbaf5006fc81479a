"""A real Prometheus scrapes the monitor and evaluates a rule about expiry."""

import shutil
import subprocess

import pytest

import credentials as c
from machine import CLAUDE, CODEX, STORE
from prometheus import Prometheus, promtool
from waiting import until

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")

RULES = """
groups:
  - name: opensoul
    rules:
      - alert: CredentialExpiring
        expr: time() > opensoul_credential_warn_at_timestamp_seconds
        labels: {severity: warning}
        annotations: {summary: "{{ $labels.credential }} ends soon"}
      - alert: CredentialEnded
        expr: time() > opensoul_credential_expiration_timestamp_seconds
        labels: {severity: critical}
"""


def test_the_expiry_rule_fires_for_the_right_credential(machine, folder):
    machine.write(CLAUDE, c.claude_code(login_ends_in=25 * c.DAY))
    machine.write(CODEX, c.codex())
    machine.write(STORE, c.store(anthropic__soon=c.token(2 * c.DAY), anthropic__over=c.token(-c.DAY), anthropic__key=c.api_key()))
    machine.configure()
    machine.daemon()
    prometheus = Prometheus(folder, f"127.0.0.1:{machine.port}", RULES)
    try:
        until(lambda: prometheus.query('up{job="opensoul"} == 1'), 30, "the target is up")
        wanted = {
            ("CredentialExpiring", "opensoul:main/anthropic:soon"),
            ("CredentialExpiring", "opensoul:main/anthropic:over"),
            ("CredentialEnded", "opensoul:main/anthropic:over"),
        }
        # A scrape that takes longer than its second takes everything away until the next.
        firing = lambda: {(a["labels"]["alertname"], a["labels"]["credential"]) for a in prometheus.alerts()}  # noqa: E731
        until(lambda: firing() == wanted, 30, lambda: f"alerts: {firing()}")
        count = lambda: [row["value"][1] for row in prometheus.query("count(opensoul_credential_info)")]  # noqa: E731
        until(lambda: count() == ["5"], 30, lambda: f"five: {count()}")
    finally:
        prometheus.close()


def test_promtool_finds_nothing_to_say(machine):
    machine.write(CLAUDE, c.claude_code())
    machine.write(STORE, c.store(anthropic__soon=c.token(2 * c.DAY)))
    nobody = "http://127.0.0.1:9"
    machine.configure(
        extra=f'[export]\nalertmanager = "{nobody}"\n[heartbeat]\ntype = "healthchecks"\nurl = "{nobody}/x"\n'
    )
    text = machine.daemon().get("/metrics")
    assert "opensoul_export_alertmanager_pushes_total" in text and "opensoul_heartbeat_withheld_total" in text
    checked = subprocess.run([promtool(), "check", "metrics"], input=text, text=True, capture_output=True, timeout=30)
    assert checked.returncode == 0 and not checked.stderr.strip(), checked.stderr + checked.stdout
    for line in text.splitlines():
        if line.startswith("opensoul_") and "_timestamp_seconds" in line:
            assert float(line.rsplit(" ", 1)[1]) > 1e9, f"an unknown date is left out, never 0 or 1970: {line}"


def test_status_prom_is_clean_too(machine):
    machine.write(STORE, c.store(anthropic__soon=c.token(2 * c.DAY)))
    ended = machine.run("status", "--format", "prom")
    checked = subprocess.run([promtool(), "check", "metrics"], input=ended.out, text=True, capture_output=True, timeout=30)
    assert checked.returncode == 0 and not checked.stderr.strip(), checked.stderr + ended.out
    assert "opensoul_credential_expiration_timestamp_seconds" in ended.out
