"""`doctor`: what it mends and what it leaves, whom it asks, its exit codes, and the schema of its JSON."""

import json
import os
import pathlib
import stat
import time

import jsonschema
import pytest

import credentials as c
from machine import STORE
from terminal import CTRL_C, ENTER, Terminal

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/doctor.schema.json").read_text())
LOCK = STORE + ".lock"


def valid(ended):
    """Its document, which is as the schema says."""
    document = ended.json()
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    return document


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def broken(machine):
    """A store that others can read, in a directory that others can enter, and a lock whose holder is gone."""
    key = {"type": "api_key", "provider": "openai", "key": "sk-canary-1234567890"}
    machine.write(STORE, {"version": 1, "profiles": {"openai:default": key}}, mode=0o644)
    (machine.home / ".opensoul").chmod(0o755)
    machine.home.chmod(0o755)
    lock = machine.home / LOCK
    lock.mkdir()
    old = time.time() - 3600
    os.utime(lock, (old, old))
    return machine


def is_as_it_was(machine):
    return mode(machine.home / STORE) == 0o644 and (machine.home / LOCK).is_dir()


def is_mended(machine):
    closed = mode(machine.home / STORE) == 0o600 and mode(machine.home / ".opensoul") == 0o700
    return closed and not (machine.home / LOCK).exists()


def ids(document):
    return {finding["id"] for finding in document["findings"]}


def test_it_mends_says_what_it_did_and_looks_again(broken):
    before = valid(broken.run("doctor", "--json"))
    mendable = {finding["id"] for finding in before["findings"] if finding["fixable"]}
    assert {"store.permissions", "state.permissions", "store.stale-lock"} <= mendable, before
    ended = broken.run("doctor", "--fix", "--yes", "--json")
    document = valid(ended)
    assert is_mended(broken), ended
    assert not mendable & ids(document)
    assert {one["outcome"] for one in document["repairs"]} == {"done"}
    assert ended.code == (1 if document["findings"] else 0)
    again = broken.run("doctor", "--repair", "--non-interactive", "--json")
    assert valid(again)["repairs"] == [] and again.code == ended.code
    assert "canary" not in ended.out + ended.err


def test_only_what_was_chosen_is_mended(broken):
    broken.run("doctor", "--fix", "--yes", "--only", "store.stale-lock")
    assert not (broken.home / LOCK).exists() and mode(broken.home / STORE) == 0o644


@pytest.mark.parametrize("beside, linked", [
    (STORE, True), (STORE, False), (".opensoul/agents/main/sessions/sessions.json", False), (".opensoul/agents/main/sessions/sessions.json", True),
], ids=["store-behind-a-link", "store", "sessions", "sessions-behind-a-link"])
def test_a_lock_is_where_its_file_really_is(machine, beside, linked):
    """The gateway follows links before it locks."""
    machine.write(STORE, c.store())
    real = machine.home / beside
    if linked:
        elsewhere = machine.home / "disk" / real.name
        elsewhere.parent.mkdir()
        if real.exists():
            real.rename(elsewhere)
        else:
            elsewhere.write_text("{}")
            real.parent.mkdir(parents=True)
        real.symlink_to(elsewhere)
        real = elsewhere
    lock = real.with_name(real.name + ".lock")
    lock.mkdir(parents=True)
    ended = machine.run("doctor", "--json", "--only", "store.stale-lock")
    assert valid(ended)["findings"] == [], "somebody holds it"
    old = time.time() - 3600
    os.utime(lock, (old, old))
    (finding,) = valid(machine.run("doctor", "--json", "--only", "store.stale-lock"))["findings"]
    assert finding["path"] == str(lock), finding
    machine.run("doctor", "--fix", "--yes", "--only", "store.stale-lock")
    assert not lock.exists() and real.exists() == (linked or beside == STORE)


@pytest.mark.parametrize("args", [["--fix"], ["--fix", "--json"]])
def test_without_a_terminal_somebody_must_have_said_yes(broken, args):
    ended = broken.run("doctor", *args)
    assert ended.code == 64 and "--yes" in ended.err and is_as_it_was(broken), ended


@pytest.mark.parametrize("args", [["--lint", "--fix"], ["--yes"]])
def test_what_does_not_go_together(broken, args):
    ended = broken.run("doctor", *args)
    assert ended.code == 64 and is_as_it_was(broken), ended


def test_exit_codes_at_and_below_the_threshold(broken):
    for args, code in [
        (["--lint"], 1),
        (["--lint", "--only", "clock"], 0),
        (["--non-interactive", "--only", "store.stale-lock", "--severity-min", "warning"], 0),
        (["--non-interactive", "--only", "store.stale-lock"], 1),
        (["--only", "store.stale-lock"], 0),
        (["--only", "stroe"], 64),
    ]:
        assert broken.run("doctor", *args).code == code, args
    assert is_as_it_was(broken)


def test_a_person_is_shown_what_will_happen_and_asked(broken):
    person = Terminal(broken, "doctor", "--fix")
    person.expect("store.permissions").expect("Do it?").type("n").type(ENTER)
    person.expect("nothing was changed").expect("store.permissions")
    assert person.ended() == 0 and is_as_it_was(broken), person.text
    person = Terminal(broken, "doctor", "--fix")
    person.expect("Do it?").type("y").type(ENTER)
    assert person.ended() == 0 and is_mended(broken), person.text
    assert "store.stale-lock" not in person.text.split("done")[-1]


def test_a_cancelled_question_changes_nothing(broken):
    person = Terminal(broken, "doctor", "--fix")
    person.expect("Do it?").type(CTRL_C)
    assert person.ended() == 130 and is_as_it_was(broken), person.text


@pytest.mark.skipif(os.getuid() != 0, reason="somebody else's file can be made only by root")
def test_what_cannot_be_mended_is_a_failure_and_the_rest_is_done(broken):
    os.chown(broken.home / STORE, 65534, 65534)
    ended = broken.run("doctor", "--fix", "--yes", "--json")
    outcomes = {one["id"]: one["outcome"] for one in valid(ended)["repairs"]}
    assert outcomes["store.permissions"] == "failed" and outcomes["store.stale-lock"] == "done", ended
    assert ended.code == 1


def test_wishes_of_the_configuration(broken):
    wishes = '[doctor]\nskip = ["store.stale-lock"]\nseverity = { "state.permissions" = "critical" }\n'
    broken.configure(extra=wishes, web=False)
    found = {finding["id"]: finding["severity"] for finding in valid(broken.run("doctor", "--json"))["findings"]}
    assert "store.stale-lock" not in found and found["state.permissions"] == "critical", found
    assert "store.stale-lock" in ids(valid(broken.run("doctor", "--json", "--only", "store.stale-lock")))
    broken.configure(extra='[doctor]\nskip = ["store.stale-lok"]\n', web=False)
    ended = broken.run("monitor", "check-config")
    assert ended.code == 78 and 'did you mean "store.stale-lock"?' in ended.err, ended


def test_where_each_key_comes_from(machine):
    machine.write(STORE, c.store())
    machine.write(".opensoul/.env", "ANTHROPIC_API_KEY=sk-ant-api03-canary-one\n")
    machine.write(".opensoul/opensoul.json", {"env": {"OPENROUTER_API_KEY": "sk-or-canary-two"}})
    ended = machine.run("doctor", "--json", env={"GROQ_API_KEY": "gsk_canary-three"})
    keys = {key["name"]: key for key in valid(ended)["environment"]["keys"]}
    assert keys["ANTHROPIC_API_KEY"]["from"] == "dotenv" and keys["ANTHROPIC_API_KEY"]["place"].endswith("/.env")
    assert keys["OPENROUTER_API_KEY"]["from"] == "config"
    assert keys["GROQ_API_KEY"]["from"] is None and keys["GROQ_API_KEY"]["inShell"] is True
    text = machine.run("doctor").out
    assert "Keys of the gateway" in text and "canary" not in text + ended.out


def test_deep_checks_are_made_only_when_asked_for(machine):
    machine.write(STORE, c.store())
    deep = {"network.dns", "network.tls", "network.connection", "network.proxy", "clock.skew"}
    assert not deep & set(valid(machine.run("doctor", "--json"))["checks"])


def test_deep_says_what_is_wrong_with_the_way_to_a_provider(machine):
    key = {"type": "api_key", "provider": "openai", "key": "sk-canary-1234567890"}
    machine.write(STORE, {"version": 1, "profiles": {"openai:default": key}})
    # A name that no resolver knows (RFC 6761).
    machine.configure(extra='[providers.openai]\nbase_url = "https://llm.invalid/v1"\n', web=False)
    ended = machine.run("doctor", "--json", "--deep", env={"HTTPS_PROXY": "", "https_proxy": ""})
    document = valid(ended)
    assert "network.dns" in ids(document) and "canary" not in ended.out + ended.err, ended


def test_a_subscriptions_token_where_a_key_belongs_and_keys_of_earlier_versions(machine):
    token = "sk-ant-oat01-canary-canary"
    machine.write(STORE, c.store(
        anthropic__here=c.token(c.DAY, secret=token + "1"), anthropic__key=c.api_key(token + "2"), openrouter__x=c.token(c.DAY, secret=token + "3", provider="openrouter"),
    ))
    machine.write(".opensoul/opensoul.json", {"gateway": {"token": "canary"}})
    ended = machine.run("doctor", "--json")
    found = [(finding["id"], finding["key"]) for finding in valid(ended)["findings"]]
    misplaced = {key for id, key in found if id == "credential.subscription-only"}
    assert misplaced == {"anthropic:key", "openrouter:x"}, found
    assert ("config.legacy-key", "gateway.token") in found and "gateway.auth.token" in ended.out, ended
    assert "canary" not in ended.out + ended.err
