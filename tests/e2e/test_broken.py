"""Broken files of every shape through the real program: an exit code that means something, a clear line with the place, the
rest still judged, and bounds on time and memory."""

import json
import os
import re
import resource
import subprocess
import threading
import time

import pytest

import credentials as c
from machine import CLAUDE, CODEX, STORE
from test_reading import SOMEBODY
from waiting import until

CONFIG = ".opensoul/opensoul.json"
DOTENV = ".opensoul/.env"
GOOD = '{"version":1,"profiles":{"anthropic:a":{"type":"api_key","provider":"anthropic","key":"sk-good"}}}'
UNPARSABLE, UNREADABLE = 78, 66


def text(content):
    return lambda machine, place: machine.write(place, content)


def directory(machine, place):
    (machine.write(place, "")).unlink()
    (machine.home / place).mkdir()


def loop(machine, place):
    path = machine.write(place, "")
    path.unlink()
    path.symlink_to(path.name)


def fifo(machine, place):
    path = machine.write(place, "")
    path.unlink()
    os.mkfifo(path)


# How to make it, the exit code of `--check` when nothing else is usable, and the line:column that must be named.
SHAPES = {
    "truncated": (text('{"version":1,\n "profiles":{"anthropic:a":{"type":"api_key",'), UNPARSABLE, r":2:\d+"),
    "a comma too much": (text('{"version":1,\n\n  "profiles":{},,}'), UNPARSABLE, r":3:\d+"),
    "not json": (text("hello, world"), UNPARSABLE, r":1:\d+"),
    "empty": (text(""), UNPARSABLE, None),
    "nul bytes": (text(b"\0" * 4096), UNPARSABLE, None),
    "binary": (text(bytes(range(256)) * 16), UNPARSABLE, None),
    "not utf-8": (text(b'{"version":1,"profiles":{"a":"\xff\xfe"}}'), UNPARSABLE, None),
    "an array": (text("[1,2,3]"), UNPARSABLE, None),
    "a number": (text("42"), UNPARSABLE, None),
    "profiles are a string": (text('{"version":1,"profiles":"none"}'), UNPARSABLE, None),
    "nested too deeply": (text("[" * 100_000), UNPARSABLE, None),
    "nested too deeply inside": (text('{"version":1,"profiles":' + '{"a":' * 50_000), UNPARSABLE, None),
    "a directory": (directory, UNREADABLE, None),
    "a symlink loop": (loop, UNREADABLE, None),
    "a pipe": (fifo, UNREADABLE, None),
}


def use_anthropic(machine):
    machine.write(CONFIG, c.gateway_config())


def shown(machine, path):
    """The ways in which a path may be written."""
    return rf"(?:~|{re.escape(str(machine.home))})/{re.escape(str(path))}"


def check(machine, **more):
    return machine.run("models", "status", "--check", timeout=20, **more)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_broken_store(machine, shape):
    make, code, place = SHAPES[shape]
    use_anthropic(machine)
    machine.write(CODEX, c.codex())
    make(machine, STORE)

    alone = check(machine)
    assert alone.code == code, alone
    line = shown(machine, STORE) + (place or "")
    assert re.search(line, alone.out + alone.err), f"{line} is not named: {alone}"
    assert "No credentials found" not in alone.out, "damage is not absence"

    helped = check(machine, env={"ANTHROPIC_API_KEY": "sk-from-the-environment"})
    assert helped.code == 0, f"another credential of the provider is usable: {helped}"

    status = machine.run("status", "--json", timeout=20)
    report = status.json()
    assert "codex:default" in [x["id"] for x in report["credentials"]], "the rest is judged"
    found = [f for f in report["findings"] if f.get("path") and "auth-profiles.json" in f["path"]]
    assert found and all(f["fix"] and f["message"] for f in found), report["findings"]

    listed = machine.run("models", "status", "--json", timeout=20)
    assert listed.json()["auth"]["storePath"]


def test_an_unreadable_store(machine):
    use_anthropic(machine)
    path = machine.write(STORE, GOOD)
    as_whom = ordinary(machine)
    path.chmod(0)
    ended = check(machine, **as_whom)
    assert ended.code == UNREADABLE, ended
    assert re.search(shown(machine, STORE), ended.out + ended.err) and "denied" in (ended.out + ended.err).lower(), ended


def ordinary(machine):
    """Everything is a user's for whom permissions mean something: how to run as that user."""
    if os.geteuid() != 0:
        return {}
    for folder, folders, files in os.walk(machine.root):
        for name in [*folders, *files, "."]:
            os.chown(os.path.join(folder, name), SOMEBODY, SOMEBODY, follow_symlinks=False)
    return {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}


@pytest.mark.parametrize("place, severity", [
    (".local/share", "info"), (".cache", "info"), (".aws", "warning"), (".aws/sso/cache", "warning"),
    (".kimi/credentials", "warning"), (".config/fish/conf.d", "warning"),
])
def test_a_directory_that_nobody_can_look_into(machine, place, severity):
    """It is said once, invents no login, and breaks no healthy one."""
    machine.write(CLAUDE, c.claude_code())
    closed = machine.home / place
    closed.mkdir(parents=True, exist_ok=True)
    as_whom = ordinary(machine)
    before = json.loads(machine.run("status", "--json", **as_whom).out)
    closed.chmod(0)
    try:
        after = json.loads(machine.run("status", "--json", **as_whom).out)
        checked = machine.run("status", "--check", **as_whom)
    finally:
        closed.chmod(0o700)
    names = lambda status: [x["id"] for x in status["credentials"]]
    assert names(after) == names(before) == ["claude-code:default"]
    found = [x for x in after["findings"] if "looked into" in x["message"]]
    assert [(x["id"], x["severity"]) for x in found] == [("store.unreadable", severity)], after["findings"]
    assert str(place) in found[0]["path"] and found[0]["fix"]
    assert checked.code == 0, checked
    assert after["summary"]["state"] == ("ok" if severity == "info" else "unknown")


# As their owners write them: emptied, and then filled.
IN_PLACE = {
    STORE: GOOD,
    ".config/gh/hosts.yml": "github.com:\n    user: o\n    oauth_token: gho_x\n",
    ".aws/credentials": "[default]\naws_access_key_id = AKIAX\naws_secret_access_key = s\n",
    ".cache/huggingface/token": "hf_x",
    ".codeium/windsurf/credentials.toml": 'windsurf_api_key = "k"\n',
    ".netrc": "machine api.wandb.ai\n login user\n password k\n",
    ".opensoul/.env": "GROQ_API_KEY=gsk_x\n",
}


def test_files_that_are_rewritten_all_the_time_are_whole(machine):
    for place, content in IN_PLACE.items():
        machine.write(place, content)
    see = lambda: sorted(
        (x["id"], x["state"]) for x in json.loads(machine.run("status", "--json").out)["credentials"]
    )
    whole, stop, empty = see(), threading.Event(), []
    assert len(whole) == len(IN_PLACE) and all(state not in ("missing", "unreadable") for _, state in whole), whole

    def write():
        while not stop.wait(0.05):
            for place, content in IN_PLACE.items():
                began = time.monotonic()
                with open(machine.home / place, "r+") as file:
                    file.truncate(0)
                    file.flush()
                    stop.wait(0.001)
                    file.write(content)
                empty.append(time.monotonic() - began)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        rounds = []
        while len(rounds) < 20:
            empty.clear()
            seen = see()
            until(lambda: len(empty) > len(IN_PLACE), 20, "each was filled again")
            # What lies empty for a tenth of a second was emptied: where the writer is held up for so long, the round shows nothing.
            if max(empty) < 0.1:
                rounds.append(seen)
        assert rounds == [whole] * 20
    finally:
        stop.set()
        writer.join()


PROFILES = {
    "no token": ({"type": "token", "provider": "anthropic"}, 1),
    "an empty key": ({"type": "api_key", "provider": "anthropic", "key": ""}, 1),
    "a key of blanks": ({"type": "api_key", "provider": "anthropic", "key": "   "}, 1),
    "a numeric key": ({"type": "api_key", "provider": "anthropic", "key": 12345678901234567890}, 1),
    "a numeric provider": ({"type": "api_key", "provider": 7, "key": "sk-x"}, 1),
    "an unknown type": ({"type": "apikey", "provider": "anthropic", "key": "sk-x"}, 1),
    "no type": ({"provider": "anthropic", "key": "sk-x"}, 1),
    "not an object": ("sk-x", 1),
    "null": (None, 1),
    "expires is a word": (c.token(None) | {"expires": "tomorrow"}, None),
    "expires is a past text": (c.token(None) | {"expires": "2020-01-01T00:00:00Z"}, None),
    "expires is 0": (c.token(None) | {"expires": 0}, None),
    "expires is negative": (c.token(None) | {"expires": -1}, None),
    "expires is past, in seconds": (c.token(None) | {"expires": c.ms(-c.DAY) // 1000}, 1),
    "expires is past, as a float": (c.token(None) | {"expires": c.ms(-c.DAY) + 0.5}, 1),
    "expires is far beyond dates": (c.token(None) | {"expires": 1e300}, None),
    "expires is a list": (c.token(None) | {"expires": [1]}, None),
    "expires is true": (c.token(None) | {"expires": True}, None),
}


@pytest.mark.parametrize("name", PROFILES)
def test_one_damaged_profile(machine, name):
    profile, code = PROFILES[name]
    use_anthropic(machine)
    machine.write(STORE, {"version": 1, "profiles": {"anthropic:odd": profile}})
    alone = check(machine)
    assert alone.code in ((code,) if code is not None else (0, 1)), alone
    assert "panicked" not in alone.err and "1970" not in alone.out

    # Beside a good one it is a finding, and the code comes from the good one.
    machine.write(STORE, {"version": 1, "profiles": {"anthropic:odd": profile, "anthropic:good": c.api_key()}})
    both = check(machine)
    assert both.code == 0, both
    report = machine.run("status", "--json").json()
    assert "opensoul:main/anthropic:good" in [x["id"] for x in report["credentials"]]
    told = [f for f in report["findings"] if "anthropic:odd" in f["message"]]
    judged = [x for x in report["credentials"] if x["id"] == "opensoul:main/anthropic:odd" and x["because"]]
    assert told or judged, f"nothing is said of it: {report['findings']}"
    if judged and code == 1:
        assert judged[0]["state"] not in ("ok", "static", "expiring"), judged


# Where else a broken file may lie; `status` goes on, names it, and judges the rest.
ELSEWHERE = [CLAUDE, CODEX, CONFIG, ".openclaw/openclaw.json", ".opensoul/credentials/oauth.json"]
FEW = ["truncated", "not json", "binary", "an array", "nested too deeply", "a directory", "a symlink loop", "a pipe"]


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("shape", FEW)
def test_a_broken_file_elsewhere(machine, place, shape):
    make, _, position = SHAPES[shape]
    if place != ".opensoul/credentials/oauth.json":
        # An existing store, even an empty one, stops a gateway from reading the legacy file.
        machine.write(STORE, GOOD)
    machine.write("work/.env", "GROQ_API_KEY=gsk_good\n")
    make(machine, place)
    ended = machine.run("status", "--json", timeout=20)
    assert ended.code == 0, ended
    report = ended.json()
    ids = [x["id"] for x in report["credentials"]]
    assert any("GROQ_API_KEY" in i for i in ids), ids
    name = os.path.basename(place)
    told = [f for f in report["findings"] if name in (f.get("path") or "") + f["message"]]
    unreadable = [x for x in report["credentials"] if name in str(x["source"]["path"]) and x["state"] == "unreadable"]
    assert told or unreadable, report["findings"]
    text_form = machine.run("status", timeout=20)
    assert name in text_form.out + text_form.err
    if position and told and name != "openclaw.json":
        assert re.search(re.escape(name) + position, text_form.out + text_form.err), text_form


def test_a_broken_dotenv_names_the_line(machine):
    use_anthropic(machine)
    machine.write(DOTENV, b"ANTHROPIC_API_KEY=sk-good\nno equals sign here\n\xff\xfe=binary\n'unclosed=\"\n")
    ended = check(machine)
    assert ended.code == 0, ended


def test_a_broken_gateway_config_is_78(machine):
    machine.write(STORE, GOOD)
    machine.write(CONFIG, "{ agents: {\n  defaults: ,\n } }")
    ended = check(machine)
    assert ended.code == UNPARSABLE and re.search(shown(machine, CONFIG) + r":2:\d+", ended.out + ended.err), ended
    as_json = machine.run("models", "status", "--json")
    assert not as_json.out.strip() or as_json.json()


def bounded(machine, *command):
    """With little memory and little CPU; a program that reads on would be killed."""
    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))

    return machine.run(*command, timeout=30, preexec_fn=limits)


HUGE = 100 << 20


@pytest.mark.parametrize("place", [STORE, CLAUDE, CODEX, CONFIG, DOTENV])
@pytest.mark.parametrize("content", ["blanks", "brackets", "one string"])
def test_a_file_of_a_hundred_megabytes(machine, place, content):
    path = machine.write(place, "")
    with open(path, "wb") as out:
        if content == "one string":
            out.write(b'{"version":1,"profiles":{"a":"')
        block = {"blanks": b" ", "brackets": b"[", "one string": b"x"}[content] * (1 << 20)
        for _ in range(HUGE >> 20):
            out.write(block)
        if content == "one string":
            out.write(b'"}}')
    machine.write("work/.env", "GROQ_API_KEY=gsk_good\n")
    ended = bounded(machine, "status", "--json")
    assert ended.code == 0 and ended.seconds < 10, ended
    report = ended.json()
    assert any("GROQ_API_KEY" in x["id"] for x in report["credentials"]), "the rest is judged"
    name = os.path.basename(place)
    assert [f for f in report["findings"] if name in (f.get("path") or "") + f["message"]] or [
        x for x in report["credentials"] if name in str(x["source"]["path"]) and x["state"] == "unreadable"
    ], f"it is said: {report['findings']}"
    assert check(machine).code < 128


def test_an_endless_file(machine):
    """A link to a device that never ends."""
    path = machine.write(CLAUDE, "")
    path.unlink()
    path.symlink_to("/dev/zero")
    ended = bounded(machine, "status", "--json")
    assert ended.code == 0 and ended.seconds < 10, ended


def test_json_goes_whole_through_a_pipe(machine):
    """The original cut it at 64 KiB."""
    profiles = {f"anthropic:k{n:04}": c.token(c.DAY * 300, secret=f"sk-ant-oat01-{n}") for n in range(1000)}
    machine.write(STORE, {"version": 1, "profiles": profiles})
    for command in (["models", "status", "--json", "--check"], ["status", "--json"]):
        ended = machine.run(*command)
        assert len(ended.out) > 100_000 and ended.json()


def test_a_closed_pipe_is_no_crash(machine):
    machine.write(STORE, GOOD)
    for command in ("status", "models status", "models status --json", "doctor --lint"):
        ended = subprocess.run(
            ["bash", "-c", f'set -o pipefail; "{machine.program}" {command} | true; echo "${{PIPESTATUS[0]}}"'],
            env=machine.env, cwd=machine.cwd, capture_output=True, text=True, timeout=30,
        )
        assert "panicked" not in ended.stderr, ended.stderr


def test_no_home_at_all(machine):
    env = {k: v for k, v in machine.env.items() if k != "HOME"}
    ended = subprocess.run([str(machine.program), "status"], env=env, cwd="/", capture_output=True, text=True, timeout=20)
    assert ended.returncode < 64 or ended.returncode in (66, 78), ended
    assert "panicked" not in ended.stderr


def test_nothing_at_all_says_where_it_looked(machine):
    ended = machine.run("models", "status")
    assert "No credentials found" in ended.out + ended.err and "setup-token" in ended.out + ended.err, ended
    assert machine.run("models", "status", "--check").code == 1
    ended = machine.run("status")
    for place in (".claude", ".codex", ".opensoul"):
        assert place in ended.out + ended.err, ended
    places = [line.strip() for line in ended.out.splitlines() if line.strip().startswith(("~/", "/"))]
    assert len(places) > 50 and len(places) == len(set(places)), "each place once"


@pytest.mark.parametrize("command, code", [
    (["statuss"], None), (["status", "--nonsense"], 64), (["models", "status", "--json", "--plain"], 64), ([], 64),
    (["models", "status", "--exit-codes", "nagios", "--nonsense"], 3), (["status", "--format", "nagios", "extra"], 3),
])
def test_errors_of_use(machine, command, code):
    ended = machine.run(*command)
    assert ended.code == (69 if code is None else code), ended
    if code == 3:
        assert ended.out.startswith("OPENSOUL UNKNOWN - ") and ended.out.count("\n") == 1, "a plugin's line"
    else:
        assert not ended.out.strip() or command == [], "nothing on stdout"


def test_a_foreign_first_word_goes_to_the_gateways_own_program(machine):
    folder = machine.root / "bin"
    folder.mkdir()
    other = folder / "opensoul"
    other.write_text('#!/bin/sh\necho "the other one: $*"\nexit 7\n')
    other.chmod(0o755)
    path = f"{machine.program.parent}:{folder}:/usr/bin:/bin"
    ended = machine.run("gateway", "--port", "1", env={"PATH": path})
    assert ended.code == 7 and ended.out == "the other one: gateway --port 1\n", ended
    alone = machine.run("gateway", "start")
    assert alone.code == 69 and "Install" in alone.err, alone
