"""A machine on which everything that has a metric happens at once: fine and broken credentials, quotas and balances, receivers
that work and that do not, pushes, heartbeats, a report; and the provider behind them."""

import json
import re
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import credentials as c
from machine import CLAUDE, CODEX, STORE
from prometheus import free_port

FLEET_KEY = "the key that the machines of the test share"
GOOD, WINDOW, FULL = "sk-or-v1-good", "tvly-dev-window", "csk-full"
SHARED = "sk-ant-ort01-on-two-machines"
BALANCE = "opensoul:main/openrouter:work"


def invalid(status, message, code):
    return status, {"error": {"message": message, "type": "invalid_request_error", "code": code}}


ANSWERS = {
    GOOD: (200, {"data": {"limit_remaining": 6.0, "usage": 25.5}}),
    WINDOW: (200, {"key": {"usage": 1}, "account": {"plan_usage": 900, "plan_limit": 1000}}),
    FULL: invalid(429, "You have reached your weekly limit", "usage_limit_reached"),
}


class Provider:
    """OpenRouter with a balance, Tavily with a window, Cerebras with a full one, and everybody else refuses."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                key = self.headers.get("authorization", "").removeprefix("Bearer ")
                # Some quote what they refuse.
                status, body = ANSWERS.get(key) or invalid(401, f"Incorrect API key provided: {key}", "invalid_api_key")
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def furnish(machine, gateway_port):
    """Of each sort of credential one that makes the metrics and the alerts of that sort."""
    machine.write(CLAUDE, c.claude_code(access="sk-ant-oat01-shared", refresh=SHARED))
    machine.write(CODEX, c.codex())
    spare = c.token(2 * c.DAY, provider="google")
    machine.write(STORE, {"version": 1, "profiles": {
        "anthropic:work": c.token(c.HOUR), "google:soon": spare, "google:spare": c.token(300 * c.DAY, provider="google"),
        "openrouter:work": c.api_key(GOOD, "openrouter"), "tavily:work": c.api_key(WINDOW, "tavily"),
        "cerebras:full": c.api_key(FULL, "cerebras"), "groq:refused": c.api_key("gsk_refused", "groq"),
        "mistral:refused": c.api_key("mistral-refused", "mistral"), "mistral:works": c.token(300 * c.DAY, provider="mistral"),
    }})
    # The same secret in a second place: a copy.
    machine.write(".opensoul/agents/other/agent/auth-profiles.json", {"version": 1, "profiles": {"google:soon": spare}})
    machine.write(".opensoul/opensoul.json", {"gateway": {"port": gateway_port}})
    # A job of launchd: units of systemd prove nothing where it does not run, as in a container of the tests.
    machine.write("Library/LaunchAgents/ai.opensoul.gateway.plist", (
        '<?xml version="1.0"?><plist version="1.0"><dict><key>Label</key><string>ai.opensoul.gateway</string>'
        "<key>ProgramArguments</key><array><string>/usr/bin/opensoul</string><string>gateway</string></array></dict></plist>"
    ))
    machine.write(".secrets/fleet", FLEET_KEY)
    # A directory where a file should be cannot be read by anybody.
    (machine.home / ".gemini/oauth_creds.json").mkdir(parents=True)


def configure(machine, *receivers, provider=None, alertmanagers=(), outlets=(), heartbeats=(), digest=None):
    if machine.port is None:
        machine.port = free_port()
    probed = ("openrouter", "tavily", "cerebras", "groq", "mistral") if provider else ()
    machine.write(machine.config.relative_to(machine.home), "\n".join([
        f'[web]\nlisten = "127.0.0.1:{machine.port}"',
        f'[schedule]\nstatus = "* * * * *"\nprobe = "{"* * * * *" if provider else "off"}"\nzone = "UTC"',
        f'[identity]\nhost = "{machine.root.name}"\nkey = {{ file = "~/.secrets/fleet" }}',
        f"[export]\nalertmanager = {json.dumps(alertmanagers)}" if alertmanagers else "", *outlets,
        *(f'[[heartbeat]]\nname = "beat{n}"\ntype = "healthchecks"\nurl = "{url}"' for n, url in enumerate(heartbeats)),
        f'[digest]\nschedule = "0 9 * * *"\nreceivers = ["{digest}"]' if digest else "",
        *(f'[providers.{name}]\nbase_url = "{provider.url}"' for name in probed), *receivers,
    ]))


def with_a_history(machine):
    """As if the balance had been asked for, and had shrunk, for two days, and what waits had waited for an hour."""
    database = sqlite3.connect(machine.state / "state.db")
    now = int(time.time() * 1000)
    with database:
        for (currency,) in database.execute("SELECT currency FROM balance WHERE credential = ?", [BALANCE]).fetchall():
            database.executemany(
                "INSERT INTO balance (credential, at, amount, currency) VALUES (?, ?, ?, ?)",
                [(BALANCE, now - hours * 3_600_000, 6 + hours / 12, currency) for hours in range(2, 49, 2)],
            )
        database.execute("UPDATE outbox SET created_at = created_at - 3600000 WHERE state = 'queued'")
    database.close()


class Snapshots:
    """What machines said last, `status --format prom`, under `/<name>`; a machine without a text is not there."""

    def __init__(self):
        self.texts = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                text = owner.texts.get(self.path.removeprefix("/"))
                raw = (text or "").encode()
                self.send_response(200 if text else 503)
                self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass  # a scrape that was broken off

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def target(self, name, **labels):
        """As one entry of `static_configs`."""
        return {"targets": [f"127.0.0.1:{self.port}"], "labels": {"instance": name, "__metrics_path__": f"/{name}"} | labels}

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def aged(text, seconds):
    """As if it had been said so long ago: the times of the cycle, and nothing else."""
    earlier = lambda match: f"{match[1]} {float(match[2]) - seconds}"  # noqa: E731
    return re.sub(r"^(opensoul_cycle_\w+_timestamp_seconds) (\S+)$", earlier, text, flags=re.M)
