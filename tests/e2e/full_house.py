"""A house with something in every part of the page: answers of providers and their age, quotas, a balance that shrinks, copies,
findings of the doctor, receivers that work, that cannot be reached and that refuse, pushes, a silence, a past."""

import json
import pathlib
import shutil
import sqlite3
import tempfile
import time

import credentials as c
import everything as e
from hook import HookServer, new_secret
from machine import CLAUDE, CODEX, STORE, Machine, webhook_receiver
from prometheus import free_port
from test_secrets import Canaries
from vendors import Server
from waiting import until

WORST = "opensoul:main/anthropic:work"
REFUSED = "opensoul:main/groq:refused"
COPIED = "opensoul:main/google:soon"
COPY = "opensoul:other/google:soon"
QUOTA = "opensoul:main/tavily:work"


class FullHouse(Machine):
    """`secrets` are all that were planted."""

    def __init__(self, program):
        super().__init__(tempfile.mkdtemp(prefix="opensoul-e2e-"), program)
        self.provider, self.hook, self.vendors = e.Provider(), HookServer(), Server(["discord"])
        self.secrets = Canaries()
        self.hook.secret = self.env["HOOK_SECRET"] = new_secret()
        self.env |= self.vendors.env
        self.vendors.vendors["discord"].good = False

    def open(self):
        closed = f"http://127.0.0.1:{free_port()}"
        plant = self.secrets.plant
        e.furnish(self, free_port())
        # Anybody may read it, and the doctor says so; another one is broken.
        (self.home / STORE).chmod(0o644)
        self.write(".opensoul/agents/broken/agent/auth-profiles.json", '{"version":1,"profiles":{"openai:x":{"key":"%s"' % plant("broken store"))
        self.write(".opensoul/.env", f"GROQ_API_KEY={plant('.env')}\n")
        e.configure(
            self, webhook_receiver(self.hook), webhook_receiver(self.hook, "night-shift", url=f"{closed}/hook?token={plant('address')}"),
            *self.vendors.receivers, provider=self.provider, alertmanagers=[f"http://127.0.0.1:{self.hook.port}"],
            outlets=[f'[export.pushgateway]\nurl = "{closed}"'],
        )
        self.once()
        e.with_a_history(self)
        self.with_a_past()
        self.once()
        self.monitor = self.daemon()
        self.command("alerts", "silence", f"credential={QUOTA}", "--for", "2h", "--comment", "the plan is being changed")
        # Whether a target of pushes takes what it gets is known after the first cycle of the monitor.
        until(lambda: 'class="said"' in self.monitor.get("/").split('id="pushes"')[-1], 40, "a push has failed")
        for place, secret in self.planted():
            self.secrets.planted[place] = secret

    def command(self, *args):
        ended = self.run(*args)
        assert ended.code == 0, ended

    def planted(self):
        """What `everything` and the monitor keep secret."""
        for place in (STORE, CLAUDE, CODEX):
            for name, value in walk(json.loads((self.home / place).read_text())):
                # That one is made of words that others use, too.
                if value != e.SHARED and name in ("token", "key", "accessToken", "refreshToken", "access_token", "refresh_token", "id_token"):
                    yield f"{place}: {name}", value
        for name in ("token", "calendar-token", "badge-token"):
            yield name, (self.state / name).read_text().strip()
        yield "hook", self.env["HOOK_SECRET"].removeprefix("whsec_")
        yield "discord", self.vendors.vendors["discord"].key("url").rsplit("/", 1)[1]

    def with_a_past(self):
        """As if the monitor had been here for a month: a login that was renewed once, in the last moment."""
        now = int(time.time() * 1000)
        rows = [(30, "ok", "none", "before"), (16, "expiring", "warning", "before"), (13, "expired", "critical", "before"), (12, "ok", "none", "after")]
        with sqlite3.connect(self.state / "state.db") as database:
            database.executemany(
                "INSERT INTO change (credential, at, state, severity, expires, generation) VALUES (?, ?, ?, ?, ?, ?)",
                [(WORST, now - days * c.DAY * 1000, state, severity, now - 13 * c.DAY * 1000, generation) for days, state, severity, generation in rows],
            )
        database.close()

    def close(self):
        super().close()
        for server in (self.provider, self.hook, self.vendors):
            server.close()
        shutil.rmtree(self.root, ignore_errors=True)


def walk(value, name=None):
    """(key, text) of every text in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, name)
    elif isinstance(value, str):
        yield name, value
