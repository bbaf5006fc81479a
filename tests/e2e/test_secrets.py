"""Canaries: a random text stands in every place that holds a secret, everything runs as talkatively as it can, and no
eight characters of any canary come out anywhere, plain or in base64."""

import base64
import json
import random
import shutil
import string
import sqlite3
import subprocess

import pytest

import credentials as c
from hook import HookServer
from machine import CLAUDE, CODEX, STORE, email_receiver, webhook_receiver
from mail import MailServer, USER  # noqa: F401
from outbox import book, let_time_pass
from terminal import ENTER, Terminal
from test_auth import modern, stand_in  # noqa: F401  (a fixture)
from test_reading import READING
from vendors import Server
from waiting import until

LETTERS = string.ascii_letters + string.digits


class Canaries:
    def __init__(self):
        self._dice = random.Random(20261122)
        self.planted = {}

    def plant(self, where, prefix="", length=40):
        """A secret for this place; the prefix may be shown, no part of the rest."""
        text = "".join(self._dice.choice(LETTERS) for _ in range(length))
        self.planted[where] = text
        return prefix + text

    def parts(self):
        """Every forbidden run of bytes, by its length → where the canary stands."""
        found = {8: {}, 16: {}}
        for where, text in self.planted.items():
            raw = text.encode()
            self._add(found, 8, raw, where)
            for form in (raw.hex().encode(), raw.hex().upper().encode()):
                self._add(found, 16, form, where)
            for shift in range(3):
                # In base64 the neighbours decide the edge characters; what is left in the middle is the canary's own.
                for code in (base64.b64encode, base64.urlsafe_b64encode):
                    self._add(found, 8, code(b"\0" * shift + raw).rstrip(b"=")[4:-2], where)
        return found

    @staticmethod
    def _add(found, length, form, where):
        for at in range(len(form) - length + 1):
            found[length][form[at:at + length]] = where

    def escaped(self, places):
        """(canary, place, surrounding text) of everything that came out."""
        bad = []
        for length, parts in self.parts().items():
            for place, content in places.items():
                data = content if isinstance(content, bytes) else content.encode()
                for at in range(len(data) - length + 1):
                    where = parts.get(data[at:at + length])
                    if where:
                        bad.append((where, place, data[max(0, at - 60):at + 12].decode("utf-8", "replace")))
                        break
        return bad


@pytest.fixture
def canaries():
    return Canaries()


def test_the_detector_detects(canaries):
    secret = canaries.plant("here", "sk-")
    for leak in (secret, secret[10:19], base64.b64encode(b"x:" + secret.encode()).decode(), secret.encode().hex()):
        assert canaries.escaped({"log": f"some text {leak} more"}), leak
    assert not canaries.escaped({"log": "sk-… and nothing else"})


def plant_everywhere(machine, canaries):
    """Every source and every broken form of it; returns the environment with more canaries."""
    plant = canaries.plant
    machine.write(CLAUDE, c.claude_code(access=plant("claude access", "sk-ant-oat01-"), refresh=plant("claude refresh", "sk-ant-ort01-")))
    codex_access = c.jwt(10 * c.DAY, {"jti": plant("codex claim")}, signature=plant("codex signature").encode())
    canaries.planted["codex signature in base64"] = codex_access.rsplit(".", 1)[1]
    machine.write(CODEX, c.codex(access=codex_access, refresh=plant("codex refresh", "rt_")))
    machine.write(STORE, c.store(
        anthropic__work=c.token(2 * c.DAY, secret=plant("store token", "sk-ant-oat01-")),
        openai__default=c.api_key(plant("store key", "sk-"), provider="openai"),
        google__login={"type": "oauth", "provider": "google", "access": plant("store access"), "refresh": plant("store refresh"),
                       "expires": c.ms(-c.DAY), "email": "person@example.org"},
        # Wrong types: a reader that quotes what it could not read would tell.
        anthropic__array={"type": "token", "provider": "anthropic", "token": [plant("token in an array")]},
        anthropic__type={"type": plant("type"), "provider": "anthropic", "token": plant("token of unknown type")},
        anthropic__expires={"type": "token", "provider": "anthropic", "token": plant("token with bad expires"), "expires": plant("expires")},
    ))
    broken = '{"version":1,"profiles":{"openai:x":{"type":"api_key","provider":"openai","key":"%s"' % plant("truncated store")
    machine.write(".opensoul/agents/broken/agent/auth-profiles.json", broken)
    machine.write(".opensoul/agents/binary/agent/auth-profiles.json", b"\xff\xfe\0" + plant("binary store").encode())
    machine.write(".opensoul/agents/unquoted/agent/auth-profiles.json", '{"version":1,"profiles":{"a":%s}}' % plant("unquoted in a store"))
    machine.write(".opensoul/agents/legacy/agent/auth.json", {"openai": {"type": "api_key", "key": plant("legacy key", "sk-")}})
    machine.write(".opensoul/credentials/oauth.json", {"anthropic": {"access": plant("oauth access"), "refresh": plant("oauth refresh"), "expires": c.ms(c.DAY)}})
    machine.write(".opensoul/opensoul.json", (
        "{ agents: {defaults: {model: {primary: 'anthropic/claude-opus-4-6'}}},\n"
        f"  env: {{ vars: {{ GROQ_API_KEY: '{plant('config env')}' }} }},\n"
        f"  models: {{ providers: {{ mine: {{ baseUrl: 'https://user:{plant('base url')}@proxy.example.org/v1', apiKey: '{plant('config key')}', models: [] }} }} }} }}\n"
    ))
    machine.write(".opensoul/.env", f"XAI_API_KEY={plant('state .env')}\nbroken line {plant('broken line of a .env')}\nA-B={plant('bad name')}\n")
    machine.write(".clawdbot/clawdbot.json", "{ gateway: { auth: { token: '%s' } }, oops: [" % plant("truncated config"))
    path = machine.home / ".openclaw/state/openclaw.sqlite"
    path.parent.mkdir(parents=True, mode=0o700)
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE config_machine_state(state_key TEXT PRIMARY KEY, value_json TEXT, updated_at_ms INT) STRICT")
    sql = {"version": 1, "profiles": {"anthropic:sql": c.api_key(plant("sqlite key", "sk-")), "anthropic:bad": {"type": "token", "provider": 3, "token": plant("sqlite bad")}}}
    database.execute("INSERT INTO config_machine_state VALUES('authProfiles.store', ?, 0)", (json.dumps(sql),))
    database.commit()
    database.close()
    machine.write("work/.env", f"MISTRAL_API_KEY={plant('cwd .env')}\n")
    machine.write("extra.env", f"CEREBRAS_API_KEY={plant('extra .env')}\n")
    machine.env |= {
        "OPENAI_API_KEY": plant("environment", "sk-"), "ANTHROPIC_OAUTH_TOKEN": plant("environment token", "sk-ant-oat01-"),
        "OPENROUTER_API_KEY": c.jwt(c.DAY, {"jti": plant("jwt in the environment")}),
    }


def test_nothing_comes_out(machine, canaries, authority):
    plant_everywhere(machine, canaries)
    password = canaries.plant("smtp password")
    machine.write(".secrets/smtp", password + "\n")
    machine.env |= {
        "SSL_CERT_FILE": str(authority.bundle), "RUST_LOG": "trace", "RUST_BACKTRACE": "full",
        "HOOK_SECRET": "whsec_" + base64.b64encode(canaries.plant("webhook secret").encode()).decode(),
        "HEADER": canaries.plant("webhook header", "Bearer "),
    }
    mail, hook, down = MailServer("starttls", authority.server(), password=password), HookServer(), HookServer()
    refusing = MailServer("tls", authority.server(), password="another")
    machine.env["HOOK_URL"] = f"{hook.url}/{canaries.plant('webhook url')}"
    machine.env["DOWN_URL"] = f"{down.url}/{canaries.plant('webhook url that is down')}?token={canaries.plant('token in a query')}"
    down.close()
    hook.say.append((500, {}, b"no"))
    machine.configure(
        email_receiver(mail), email_receiver(refusing, name="refusing"),
        webhook_receiver(hook).replace(json.dumps(hook.url), '{ env = "HOOK_URL" }') + '[receivers.headers]\nauthorization = { env = "HEADER" }\n',
        webhook_receiver(down, name="down").replace(json.dumps(down.url), '{ env = "DOWN_URL" }'),
        extra='[sources]\nenv = true\ndotenv = ["~/extra.env"]\n[[declared]]\nname = "card"\nprovider = "openai"\nexpires = "2030-01-01"\n',
    )
    out = {}
    try:
        daemon = machine.daemon("-vv")
        until(lambda: hook.accepted() and mail.accepted(), 90, lambda: f"mail and webhook:\n{daemon.log[-3000:]}")
        until(lambda: daemon.metrics().total("opensoul_notifications_failed_total") >= 3, 30, "the failures are counted")
        for place in ("/", "/metrics", "/api/v1/status", "/-/healthy", "/-/ready", "/nowhere"):
            out[place] = daemon.request(place)[1]
        machine.write(machine.config.relative_to(machine.home), machine.config.read_text() + f'password = "{canaries.plant("literal in the configuration")}"\n[[[\n')
        out["reload"] = daemon.reload()[1]
        machine.run("monitor", "check-config")
        out["SIGTERM"] = str(daemon.stop())
        out["daemon"] = daemon.log
        machine.write(machine.config.relative_to(machine.home), machine.config.read_text().replace("[[[\n", "").rsplit("password =", 1)[0])
        for command in [*READING, ["monitor", "once"], ["models", "status", "--agent", "broken"], ["models", "status", "--agent", "legacy"]]:
            machine.run(*command, "-vv")
            machine.run(*command, env={"RUST_LOG": ""})
        for point in ("before-commit", "after-send"):
            machine.run("monitor", "once", env={"OPENSOUL_FAULT": point})
        for number, ended in enumerate(machine.runs):
            out[f"stdout of run {number}"], out[f"stderr of run {number}"] = ended.out, ended.err
        for number, sent in enumerate(mail.mails):
            out[f"mail {number}"] = sent.raw
            out[f"decoded mail {number}"] = sent["Subject"] + sent.part("plain") + sent.part("html")
        for number, call in enumerate(hook.calls):
            shown = {k: v for k, v in call.headers.items() if k not in ("webhook-signature", "authorization")}
            out[f"call {number}"] = json.dumps(shown).encode() + call.raw
        for path in machine.state.rglob("*"):
            if path.is_file() and path.name not in ("key", "token"):
                out[f"file {path.name}"] = path.read_bytes()
    finally:
        for server in (mail, refusing, hook):
            server.close()
    assert "file state.db" in out and len(out["daemon"]) > 1000
    bad = canaries.escaped(out)
    assert not bad, "\n".join(f"{where} came out in {place}: {around!r}" for where, place, around in bad[:20])
    assert "person@example.org" not in "".join(str(v) for k, v in out.items() if k.startswith(("call", "/metrics", "decoded"))), (
        "an e-mail address in an id becomes user-<n> outside"
    )


class Parrot(HookServer):
    """Says no, and repeats everything that it was told: the most talkative vendor there can be."""

    def answer(self, call):
        heard = f"{call.path} {json.dumps(call.headers)} {call.raw.decode()}"
        status = 400 if len(self.calls) % 2 else 200
        return status, {"content-type": "application/json"}, json.dumps({"ok": False, "code": 1, "message": heard, "error": heard}).encode()


LOCAL = {
    "ntfy": 'token = { env = "NTFY_TOKEN" }\ntopic = "ours"',
    "ntfy-password": 'username = "monitor"\npassword = { env = "NTFY_PASSWORD" }\ntopic = "ours"',
    "matrix": 'token = { env = "MATRIX_TOKEN" }\nroom = "!ours:example.org"',
}


def test_no_channel_gives_its_secret_away(machine, canaries):
    """Whatever a vendor repeats of it. The fields and addresses are those of the strict servers of the other tests."""
    parrot, strict = Parrot(), Server()
    strict.close()
    base = f"http://127.0.0.1:{parrot.port}"
    receivers = [text.replace(strict.base, base) for text in strict.receivers]
    for name, value in strict.env.items():
        secret = canaries.plant(name)
        if value.startswith("http"):
            # The token is the last part of the path or of the query.
            value = value.replace(strict.base, base)
            secret = value[: max(value.rfind("/"), value.rfind("=")) + 1] + secret
        machine.env[name] = secret
    for name, lines in LOCAL.items():
        receivers.append(f'[[receivers]]\nname = "{name}"\ntype = "{name.split("-")[0]}"\nurl = "{base}/{name}"\n{lines}\n')
    for name in ("NTFY_TOKEN", "NTFY_PASSWORD", "MATRIX_TOKEN"):
        machine.env[name] = canaries.plant(name)
    # A program is given its environment, not our secrets.
    receivers.append(f'[[receivers]]\nname = "program"\ntype = "exec"\nargv = ["/usr/bin/tee", "{machine.home}/given"]\n')
    receivers.append(f'[[receivers]]\nname = "file"\ntype = "file"\npath = "{machine.home}/alerts.jsonl"\n')
    machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
    machine.configure(*receivers)
    out = {}
    try:
        machine.run("monitor", "check-config", "-vv")
        for _ in range(3):
            ended = machine.run("monitor", "once", "-vv", env={"RUST_LOG": "trace"})
            assert ended.code == 0, ended
            let_time_pass(machine)
        daemon = machine.daemon("-vv", env={"RUST_LOG": "trace"})
        until(lambda: daemon.metrics().total("opensoul_notifications_failed_total") >= len(receivers), 30, "they are tried again")
        for place in ("/", "/metrics", "/api/v1/status"):
            out[place] = daemon.request(place)[1]
        daemon.stop()
        details = [row for rows in book(machine)[0].values() for row in rows]
        out["daemon"] = daemon.log
        for number, ended in enumerate(machine.runs):
            out[f"run {number}"] = ended.out + ended.err
        names = {place.split("/")[1] for place in (call.path for call in parrot.calls)}
        assert names == {one.name for one in strict} | set(LOCAL), f"not all were tried: {names}"
        for number, call in enumerate(parrot.calls):
            # To whom a secret belongs it may be shown, to nobody else.
            raw = call.raw
            for secret in (machine.env[key] for one in strict for key in one.keys if call.path.startswith(f"/{one.name}/")):
                raw = raw.replace(secret.encode(), b"")
            out[f"call {number} to {call.path.split('/')[1]}"] = raw
        for path in (*machine.state.rglob("*"), machine.home / "given", machine.home / "alerts.jsonl"):
            if path.is_file() and path.name not in ("key", "token"):
                out[f"file {path.name}"] = path.read_bytes()
    finally:
        parrot.close()
    assert {"file state.db", "file given", "file alerts.jsonl"} <= set(out)
    # It is no accident: what they repeated was heard, and is kept without the secrets.
    repeated = [row for row in details if row[3] and "content-type" in row[3]]
    assert len(repeated) >= 10, details
    bad = canaries.escaped(out)
    assert not bad, "\n".join(f"{where} came out in {place}: {around!r}" for where, place, around in bad[:20])


@pytest.fixture
def traced(machine):
    """The machine, whose program runs under strace: every command line and environment of whatever it starts is in the log."""
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace is not there or may not trace")
    log, program = machine.root / "strace.log", machine.root / "bin/opensoul"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {strace} -f -v -s 65536 -A -o {log} -e trace=execve,execveat {machine.program} "$@"\n')
    program.chmod(0o755)
    machine.program, machine.strace = program, log
    machine.env |= {"RUST_LOG": "trace"}
    return machine


def typed(machine, *command, answers, env=None):
    with Terminal(machine, "-vv", *command, env=env) as terminal:
        for question, answer in answers:
            terminal.expect(question).type(answer + ENTER)
        assert terminal.ended() == 0, terminal.text
    return terminal.text


def piped(machine, secret, *command, env=None):
    process = subprocess.run(
        [str(machine.program), "-vv", *command], input=secret.encode() + b"\n", capture_output=True, env=machine.env | (env or {}), cwd=machine.cwd,
        timeout=60,
    )
    assert process.returncode == 0, process
    return process.stdout + process.stderr


def test_no_secret_is_in_any_command_line_or_log(traced, canaries):
    plant, auth = canaries.plant, ["models", "auth"]
    tools = stand_in(traced, "claude")
    file = traced.write("secret", plant("token in a file") + "\n")
    out = {
        "--stdin": piped(traced, plant("token on stdin"), *auth, "paste-token", "--provider", "zai", "--stdin"),
        "--token-file": repr(traced.run("-vv", *auth, "paste-token", "--provider", "xai", "--token-file", file)),
        "paste-token": typed(traced, *auth, "paste-token", "--provider", "groq", answers=[("Paste token", plant("pasted token"))]),
        "setup-token": typed(traced, *auth, "setup-token", env=tools, answers=[
            ("Have you run", "n"), ("Run `claude", "y"), ("Paste Anthropic setup-token", plant("setup-token", "sk-ant-oat01-", 80))]),
        "add": typed(traced, *auth, "add", answers=[
            ("Provider", "openai"), ("What is it?", "1"), ("Profile id", ""), ("Paste API key", plant("added key")), ("accepts it?", "n")]),
        "onboard": typed(traced, "onboard", answers=[
            ("Add the API key", "y"), ("Provider", "openrouter"), ("Where shall", "env"), ("API key for openrouter", plant("key of onboard")),
            ("Add the API key", "n"), ("Ask the providers", "n"), ("Who is told", "telegram"), ("token (", plant("bot")), ("chat (", "-100"),
            ("Send a test", "n"), ("Who runs", "3"), ("Do it?", "y")]),
        "onboard --key-stdin": piped(traced, plant("key on stdin"), "onboard", "--non-interactive", "--key-stdin", "mistral", "--keys-in", "profiles"),
        "once": repr(traced.run("-vv", "monitor", "once")), "status": repr(traced.run("-vv", "models", "status")),
        "doctor": repr(traced.run("-vv", "doctor", "--fix", "--yes")), "removed": repr(traced.run("-vv", *auth, "remove", "zai:manual", "--yes")),
    }
    out["command lines"] = traced.strace.read_bytes()
    assert out["command lines"].count(b"execve(") > len(out), "they were seen"
    stored = b"".join(path.read_bytes() for path in traced.home.rglob("*") if path.is_file())
    missing = [where for where, secret in canaries.planted.items() if secret.encode() not in stored and where != "token on stdin"]
    assert not missing, "each was taken"
    bad = canaries.escaped(out)
    assert not bad, "\n".join(f"{where} came out in {place}: {around!r}" for where, place, around in bad[:20])


def test_a_secret_reaches_the_gateways_own_program_by_no_command_line(modern, traced, canaries):
    tools = stand_in(modern, "openclaw")
    out = {
        "paste-token": piped(modern, canaries.plant("token"), "models", "auth", "paste-token", "--provider", "zai", "--stdin", env=tools),
        "onboard": piped(modern, canaries.plant("key"), "onboard", "--non-interactive", "--key-stdin", "zai", "--keys-in", "profiles", env=tools),
    }
    assert canaries.planted["key"] in (modern.root / "tools/openclaw.stdin").read_text()
    out["command lines"] = traced.strace.read_bytes()
    assert b"paste-api-key" in out["command lines"]
    assert not canaries.escaped(out)
