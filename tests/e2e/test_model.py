"""`/model` on the command line: what it answers, what is in the gateway's `sessions.json` afterwards, and that nobody's change to
that file is lost."""

import json
import os
import pty
import sqlite3
import threading
import time

import credentials as c
from machine import STORE
from waiting import until

SESSIONS = ".opensoul/agents/main/sessions/sessions.json"
KEY = "agent:main:main"
CONFIG = {"agents": {"defaults": {
    "model": {"primary": "anthropic/claude-opus-4-5"},
    "models": {"anthropic/claude-opus-4-5": {"alias": "Opus"}, "openai/gpt-5.2": {"alias": "GPT"}},
}}}


def furnish(machine, entry=None):
    machine.write(STORE, {"version": 1, "profiles": {
        "anthropic:default": c.api_key(), "anthropic:work": c.token(3 * c.DAY), "anthropic:old": c.token(-c.DAY),
    }})
    machine.write(".opensoul/opensoul.json", CONFIG)
    machine.write(SESSIONS, {KEY: {"sessionId": "s1", "updatedAt": 1, "more": {"kept": [1.5, "ü"]}} | (entry or {}), "agent:main:group:x": {"sessionId": "s2"}})


def chat(machine, *words, **more):
    return machine.run("chat", *words, **more)


def session(machine, key=KEY):
    return json.loads((machine.home / SESSIONS).read_text())[key]


def test_a_pin_and_its_end(machine):
    furnish(machine)
    before = (machine.home / SESSIONS).read_text()
    pinned = chat(machine, "/model opus@anthropic:work")
    assert pinned.code == 0, pinned
    assert pinned.out.startswith("Model reset to default (Opus (anthropic/claude-opus-4-5)). Auth profile set to anthropic:work.\n")
    assert "a new session begins with anthropic:default" in pinned.out
    entry = session(machine)
    assert entry.pop("updatedAt") > 1_700_000_000_000
    assert entry == {
        "sessionId": "s1", "more": {"kept": [1.5, "ü"]}, "authProfileOverride": "anthropic:work", "authProfileOverrideSource": "user",
    }
    assert session(machine, "agent:main:group:x") == {"sessionId": "s2"}
    assert (machine.home / SESSIONS).stat().st_mode & 0o777 == 0o600
    assert not (machine.home / (SESSIONS + ".lock")).exists()
    assert "Credential: anthropic:work (pinned for this session" in chat(machine, "/model").out
    assert "pinned for this session" in chat(machine, "/model", "status").out
    assert chat(machine, "/model opus").out == "Model reset to default (Opus (anthropic/claude-opus-4-5)).\n"
    after = session(machine)
    after["updatedAt"] = 1
    assert after == json.loads(before)[KEY]


def test_what_is_refused_changes_nothing(machine):
    furnish(machine)
    before = (machine.home / SESSIONS).read_bytes()
    for line, said in [
        ("/model opus@nope", 'Auth profile "nope" not found.'),
        ("/model gpt@anthropic:work", 'Auth profile "anthropic:work" is for anthropic, not openai.'),
        ("/model deepseek/x", 'Model "deepseek/x" is not allowed.'),
        ("/model 2", "Numeric model selection is not supported in chat."),
        ("/model status@x", "Auth profile override requires a model selection."),
    ]:
        refused = chat(machine, line)
        assert refused.code == 65 and refused.out.startswith(said), refused
    assert chat(machine, "--session", "nobody", "/model gpt").code == 66
    assert (machine.home / SESSIONS).read_bytes() == before
    (machine.home / SESSIONS).unlink()
    absent = chat(machine, "/model gpt")
    assert absent.code == 66 and "no session agent:main:main" in absent.err, absent
    assert not (machine.home / SESSIONS).exists()


def test_a_pin_that_will_not_do_is_said(machine):
    furnish(machine)
    expired = chat(machine, "/model opus@anthropic:old")
    assert expired.code == 0 and "anthropic:old does not work now (expired)" in expired.out, expired
    assert "drops this pin at once" in expired.out
    assert session(machine)["authProfileOverride"] == "anthropic:old"
    store = json.loads((machine.home / STORE).read_text())
    machine.write(STORE, store | {"usageStats": {"anthropic:work": {"disabledUntil": c.ms(5 * c.HOUR), "disabledReason": "billing"}}})
    disabled = chat(machine, "/model opus@anthropic:work")
    assert disabled.code == 0 and "anthropic:work does not work now (disabled:billing" in disabled.out, disabled
    assert session(machine)["authProfileOverride"] == "anthropic:work"


def test_who_pinned_is_told_apart(machine):
    """The gateway pins by itself what it uses; that is no choice of a person, and is not called one."""
    for source, said in [("auto", "the gateway keeps it for this session"), ("user", "pinned for this session")]:
        furnish(machine, {"authProfileOverride": "anthropic:work", "authProfileOverrideSource": source})
        assert said in chat(machine, "/model").out, source


def test_what_there_is(machine):
    furnish(machine)
    listed = chat(machine, "/model list").out
    assert "- anthropic (1)" in listed and "1. anthropic/claude-opus-4-5 (Opus) ← current" in listed and "2. openai/gpt-5.2 (GPT)" in listed
    assert "- openai/gpt-5.2 (GPT)" in chat(machine, "/models openai").out
    status = chat(machine, "/model status").out
    assert "Auth file: ~/.opensoul/agents/main/agent/auth-profiles.json" in status
    assert "anthropic:work=token:… (next, exp 3d)" in status, status
    assert "[openai] endpoint: default auth: missing" in status
    assert "✓ anthropic" in chat(machine, "/status").out
    assert "What I understand" in chat(machine, "/help").out
    assert "I do not understand" in chat(machine, "hello").out


def test_a_gateway_with_a_database_is_left_alone(machine):
    furnish(machine)
    machine.write(".opensoul/opensoul.json", CONFIG | {"meta": {"lastTouchedVersion": "2026.9.6"}})
    before = (machine.home / SESSIONS).read_bytes()
    told = chat(machine, "/model gpt")
    assert told.code == 69 and "keeps its sessions in a database" in told.err and "/model gpt" in told.err, told
    assert (machine.home / SESSIONS).read_bytes() == before


def gateways_own(path, key, field):
    """A writer that follows the gateway's protocol: a file made exclusively, stale after 30 s, then a new file moved over the old."""
    lock = f"{path}.lock"
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            time.sleep(0.005)
    try:
        sessions = json.loads(path.read_text())
        sessions[key][field] = sessions[key].get(field, 0) + 1
        new = path.with_name(f"sessions.{threading.get_ident()}.tmp")
        new.write_text(json.dumps(sessions, indent=2))
        new.replace(path)
    finally:
        os.unlink(lock)


def test_nobodys_change_is_lost(machine):
    furnish(machine)
    path = machine.home / SESSIONS
    ended = threading.Event()

    def write(field):
        # Two who never rest leave the lock to nobody else for seconds.
        while not ended.wait(0.005):
            gateways_own(path, "agent:main:group:x", field)
            counts[field] += 1

    counts = {"a": 0, "b": 0}
    writers = [threading.Thread(target=write, args=(field,)) for field in counts]
    for writer in writers:
        writer.start()
    try:
        for turn in range(10):
            profile = ("work", "default")[turn % 2]
            assert chat(machine, f"/model opus@anthropic:{profile}").code == 0
            assert session(machine)["authProfileOverride"] == f"anthropic:{profile}"
        until(lambda: min(counts.values()) > 0, 20, lambda: f"each has had its turn: {counts}")
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    assert session(machine, "agent:main:group:x") == {"sessionId": "s2"} | counts
    assert min(counts.values()) > 0


def test_a_lock_that_nobody_holds_is_taken_over(machine):
    furnish(machine)
    lock = machine.home / (SESSIONS + ".lock")
    lock.write_text("{}")
    os.utime(lock, (time.time() - 31, time.time() - 31))
    assert chat(machine, "/model gpt").code == 0
    assert session(machine)["modelOverride"] == "gpt-5.2" and not lock.exists()


def test_over_the_api(machine):
    furnish(machine)
    machine.configure()
    daemon = machine.daemon()
    token = (machine.state / "token").read_text().strip()

    def say(text, headers=None, **more):
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"} if headers is None else headers
        status, answer = daemon.request("/api/v1/chat", "POST", headers, json.dumps({"text": text} | more).encode())
        return status, json.loads(answer) if status == 200 else answer

    status, said = say("/model opus@anthropic:work")
    assert status == 200 and said["changed"] and "Auth profile set to anthropic:work." in said["text"], said
    assert session(machine)["authProfileOverride"] == "anthropic:work"
    status, said = say("/model status")
    assert status == 200 and not said["changed"] and said["text"] + "\n" == chat(machine, "/model status").out
    assert say("/model gpt", session="agent:main:group:x")[0] == 200 and session(machine, "agent:main:group:x")["modelOverride"] == "gpt-5.2"
    held = (machine.home / SESSIONS).read_bytes()
    for text, more, code, why in [
        ("/model opus@nope", {}, 422, "not found."), ("/model 2", {}, 422, "Numeric"), ("hello", {}, 422, "/model"),
        ("/model gpt", {"session": "nobody"}, 404, "no session"), ("/model gpt", {"sessions": "x"}, 400, "unknown field"),
    ]:
        status, said = say(text, **more)
        assert status == code and why in said, (text, status, said)
    for headers in ({"content-type": "application/json"}, {"authorization": f"Bearer {token}x", "content-type": "application/json"}):
        assert say("/model gpt", headers)[0] == 401, "a question too"
    machine.write(".opensoul/opensoul.json", CONFIG | {"meta": {"lastTouchedVersion": "2026.9.6"}})
    status, said = say("/model gpt")
    assert status == 409 and "database" in said, said
    assert (machine.home / SESSIONS).read_bytes() == held


def test_a_conversation_on_a_terminal(machine):
    furnish(machine)
    master, slave = pty.openpty()
    import subprocess

    process = subprocess.Popen(
        [str(machine.program), "chat"], env=machine.env, cwd=machine.cwd, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )
    os.close(slave)
    seen = []

    def read():
        try:
            while data := os.read(master, 65536):
                seen.append(data)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()

    def shown():
        return b"".join(seen).decode("utf-8", "replace")

    until(lambda: "> " in shown(), 20, "a prompt")
    os.write(master, "/model gpt\n".encode())
    until(lambda: "Model set to GPT (openai/gpt-5.2)." in shown(), 20, shown)
    os.write(master, b"/model opus@nope\n")
    until(lambda: "not found." in shown(), 20, shown)
    os.write(master, b"/quit\n")
    assert process.wait(20) == 0
    reader.join(5)
    os.close(master)
    assert session(machine)["modelOverride"] == "gpt-5.2"


def test_other_commands_act_on_alerts(machine, hook):
    machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
    machine.configure(web=False)
    machine.once()
    (incident,) = machine.run("alerts", "list", "--json").json()["incidents"]
    done = chat(machine, f"/ack {incident['id'][:6]} 2h")
    assert done.code == 0 and done.out.startswith("Done until"), done
    with sqlite3.connect(machine.state / "state.db") as database:
        assert json.loads(database.execute("SELECT body FROM incident").fetchone()[0])["ack"]
    database.close()
