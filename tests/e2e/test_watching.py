"""Changed files are seen at once: the schedule here has a cycle each hour, so whatever is new came by watching."""

import json
import math
import os
import sqlite3
import threading
import time

import credentials as c
import pytest
from machine import CLAUDE, STORE
from waiting import until

# Two seconds, and a margin for a busy machine; one that is held up may miss it, and then sees it LATE and not after an hour.
SOON, LATE = 4, 30
ENDS = "opensoul_credential_expiration_timestamp_seconds"


def watching(machine):
    machine.configure()
    text = machine.config.read_text()
    machine.write(machine.config.relative_to(machine.home), text.replace('status = "* * * * *"', 'status = "1h"'))
    daemon = machine.daemon()
    until(daemon.status, what="the first cycle")
    return daemon


def cycles(daemon):
    return daemon.metrics().value("opensoul_cycles_total")


def test_a_login_that_is_replaced_is_seen_within_two_seconds(machine):
    machine.write(CLAUDE, c.claude_code(login_ends_in=20 * c.DAY))
    daemon = watching(machine)
    before = daemon.metrics().value(ENDS, credential="claude-code:default")
    time_of = {}

    for days in (22, 25, 28):
        machine.write(CLAUDE, c.claude_code(login_ends_in=days * c.DAY, access=f"sk-ant-oat01-{days}"))
        began = time.monotonic()
        ends = json.loads((machine.home / CLAUDE).read_text())["claudeAiOauth"]["refreshTokenExpiresAt"] / 1000

        def renewed():
            found = daemon.metrics().value(ENDS, credential="claude-code:default")
            return found is not None and abs(found - ends) < 1

        until(renewed, LATE, lambda: f"the new end is in /metrics:\n{daemon.log}")
        time_of[days] = time.monotonic() - began
    assert ends > before and min(time_of.values()) < SOON, time_of


def test_logins_that_appear_and_vanish(machine):
    daemon = watching(machine)
    names = lambda: {x["id"] for x in daemon.status()["credentials"]}
    assert "claude-code:default" not in names()
    machine.write(CLAUDE, c.claude_code())
    until(lambda: "claude-code:default" in names(), LATE, lambda: f"a login in a new directory:\n{daemon.log}")
    machine.write(STORE, c.store(anthropic__work=c.token(40 * c.DAY)))
    until(lambda: "opensoul:main/anthropic:work" in names(), LATE, lambda: f"a store in new directories:\n{daemon.log}")
    (machine.home / CLAUDE).unlink()
    until(lambda: "claude-code:default" not in names(), LATE, lambda: f"a logout:\n{daemon.log}")


def test_a_file_that_is_written_all_the_time_costs_a_few_cycles(machine):
    machine.write(CLAUDE, c.claude_code())
    daemon = watching(machine)
    settled = until(lambda: cycles(daemon) or 0)
    stop = threading.Event()

    def write():
        content = json.dumps(c.claude_code())
        while not stop.wait(0.01):
            path = machine.home / CLAUDE
            path.with_name("new").write_text(content)
            os.replace(path.with_name("new"), path)

    writer = threading.Thread(target=write)
    first = time.monotonic()
    writer.start()
    try:
        until(lambda: cycles(daemon) > settled, LATE, "the storm is noticed")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 5, 10)
        spent, took = cycles(daemon) - settled, time.monotonic() - first
    finally:
        stop.set()
        writer.join()
    # Each rest is twice as long as the one before: five in five seconds, and hardly more where it took longer.
    assert spent <= 2 + math.log2(2 * took + 1), f"{spent} cycles in {took} seconds"
    # What is written last is what counts in the end.
    machine.write(STORE, c.store(anthropic__work=c.token(40 * c.DAY)))
    seen = lambda: "opensoul:main/anthropic:work" in {x["id"] for x in daemon.status()["credentials"]}
    until(seen, LATE, lambda: f"another store beside it:\n{daemon.log}")


def test_a_database_that_its_gateway_keeps_open(machine):
    """Its log is never closed, and whoever reads it opens it: writes are seen, our own looks are not."""
    path = machine.home / ".openclaw/agents/main/agent/openclaw-agent.sqlite"
    path.parent.mkdir(parents=True, mode=0o700)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=wal")
    database.execute("CREATE TABLE auth_profile_store(store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER)")
    database.execute("CREATE TABLE auth_profile_state(store_key TEXT PRIMARY KEY, state_json TEXT, updated_at INTEGER)")

    def store(name):
        profiles = json.dumps(c.store(**{f"anthropic__{name}": c.token(40 * c.DAY)}))
        database.execute("INSERT OR REPLACE INTO auth_profile_store VALUES('default', ?, 0)", (profiles,))
        database.commit()

    store("one")
    path.chmod(0o600)
    daemon = watching(machine)
    names = lambda: {x["id"] for x in daemon.status()["credentials"]}
    assert "openclaw:main/anthropic:one" in names()
    quiet = cycles(daemon)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 4, 10)
    assert cycles(daemon) - quiet <= 1, "looking is no change"
    store("two")
    until(lambda: "openclaw:main/anthropic:two" in names(), LATE, lambda: f"a write to an open database:\n{daemon.log}")
    database.close()


def test_a_mounted_secret_is_switched(machine):
    """A folder as Kubernetes mounts it: the file is a link through `..data`, which is renamed."""
    folder = machine.home / "mounted"
    for version, key in (("..1", "sk-one"), ("..2", None)):
        (folder / version).mkdir(parents=True)
        (folder / version / "env").write_text(f"OPENAI_API_KEY={key}\n" if key else "GROQ_API_KEY=gsk-two\n")
    (folder / "..data").symlink_to("..1")
    (folder / "env").symlink_to("..data/env")
    machine.configure(extra=f'[sources]\ndotenv = ["{folder}/env"]\n')
    text = machine.config.read_text()
    machine.write(machine.config.relative_to(machine.home), text.replace('status = "* * * * *"', 'status = "1h"'))
    daemon = machine.daemon()
    names = lambda: {x["id"] for x in daemon.status()["credentials"]}
    until(lambda: f"dotenv:{folder}/env#OPENAI_API_KEY" in names(), what="the first version")
    (folder / "..data_tmp").symlink_to("..2")
    os.replace(folder / "..data_tmp", folder / "..data")
    until(lambda: f"dotenv:{folder}/env#GROQ_API_KEY" in names(), LATE, lambda: f"the second version:\n{daemon.log}")


AGENT = ".openclaw/agents/main/agent"
LATER = 1_900_000_000_000


def ids(status):
    return {x["id"] for x in status["credentials"]}


def findings(status):
    return {x["id"] for x in status["findings"]}


# What is written while the daemon runs, and how it shows.
CHANGES = {
    "auth-state.json": (
        f"{AGENT}/auth-state.json",
        json.dumps({"version": 1, "usageStats": {"anthropic:b": {"disabledUntil": LATER, "disabledReason": "billing"}}}),
        lambda s, home: "profile.disabled" in findings(s),
    ),
    "the file of a tokenRef": (
        "tokenfile",
        "sk-ant-api03-two",
        lambda s, home: any(x["id"].endswith("anthropic:a") and x["state"] != "missing" for x in s["credentials"]),
    ),
    "a $included config": (
        ".openclaw/more.json5",
        '{agents:{defaults:{model:{primary:"groq/x"}}}}',
        lambda s, home: any(x["provider"] == "groq" for x in s["providers"]),
    ),
    "a new agent": (
        ".openclaw/agents/second/agent/auth-profiles.json",
        json.dumps(c.store(anthropic__c=c.token(40 * c.DAY))),
        lambda s, home: "openclaw:second/anthropic:c" in ids(s),
    ),
    "a first .zshrc": (
        ".zshrc",
        "export XAI_API_KEY=xai-1\n",
        lambda s, home: f"dotenv:{home}/.zshrc#XAI_API_KEY" in ids(s),
    ),
    "a first fish file": (
        ".config/fish/conf.d/keys.fish",
        "set -gx GROQ_API_KEY gsk_1\n",
        lambda s, home: f"dotenv:{home}/.config/fish/conf.d/keys.fish#GROQ_API_KEY" in ids(s),
    ),
    "Codex's first MCP server": (
        ".codex/.credentials.json",
        json.dumps({"s|x": {"server_name": "s", "server_url": "https://x", "access_token": "a", "expires_at": LATER}}),
        lambda s, home: any(x.startswith("codex:") for x in ids(s)),
    ),
    "Claude Code's file of long ago": (
        ".config/claude-code/auth.json",
        json.dumps({"accessToken": "a", "refreshToken": "b"}),
        lambda s, home: "claude-code:legacy" in ids(s),
    ),
    "a console key": (
        ".claude.json",
        json.dumps({"primaryApiKey": "sk-ant-api03-k"}),
        lambda s, home: "claude-code:api-key" in ids(s),
    ),
    "a configured folder of secrets": (
        "secrets/openai-api-key",
        "sk-x",
        lambda s, home: any(x.startswith("secret-file:") for x in ids(s)),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_read_is_watched(machine, what):
    reference = {"source": "file", "provider": "f", "id": "value"}
    profiles = c.store(anthropic__b=c.token(40 * c.DAY))
    profiles["profiles"]["anthropic:a"] = {"type": "token", "provider": "anthropic", "tokenRef": reference}
    machine.write(f"{AGENT}/auth-profiles.json", profiles)
    where = f"{machine.home}/tokenfile"
    config = {"$include": "./more.json5", "secrets": {"providers": {"f": {"source": "file", "path": where, "mode": "singleValue"}}}}
    machine.write(".openclaw/openclaw.json", json.dumps(config))
    machine.write(".openclaw/more.json5", '{agents:{defaults:{model:{primary:"anthropic/claude-opus-4-6"}}}}')
    machine.configure(extra='[sources]\nsecrets = ["~/secrets"]\n')
    text = machine.config.read_text()
    machine.write(machine.config.relative_to(machine.home), text.replace('status = "* * * * *"', 'status = "1h"'))
    daemon = machine.daemon()
    until(daemon.status, what="the first cycle")
    path, content, shows = CHANGES[what]
    assert not shows(daemon.status(), machine.home)
    machine.write(path, content)
    until(lambda: shows(daemon.status(), machine.home), LATE, lambda: f"{what}:\n{daemon.log}")
