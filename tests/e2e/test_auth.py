"""`models auth` and its kin: every prompt at a real terminal, many writers at once beside the gateway's own lock protocol, death and
trouble of the disk at every step, and the gateway's own program where only that may write."""

import http.server
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import credentials as c
from machine import STORE, end_group
from terminal import Terminal
from waiting import until

CONFIG = ".opensoul/opensoul.json"
COMMENTED = """// our gateway
{
  // the dear one
  agents: { defaults: { model: { primary: 'anthropic/claude-opus-4-5' } } },
  env: { vars: { OTHER: '${HOME}' } }, // stays a reference
}
"""
SETUP = "sk-ant-oat01-" + "T" * 95
POINTS = ["write-locked", "write-made", "write-synced", "write-renaming", "write-renamed"]


@pytest.fixture
def gateway(machine):
    machine.write(CONFIG, COMMENTED)
    return machine


def read(machine, place=STORE):
    return json.loads((machine.home / place).read_text())


def profiles(machine):
    return read(machine)["profiles"]


def everything(folder):
    """Path below it → content."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def paste(machine, token="pasted-1", *args, **more):
    """`paste-token` from a pipe."""
    piped = subprocess.PIPE
    process = subprocess.Popen(
        [str(machine.program), "models", "auth", "paste-token", "--stdin", *(args or ("--provider", "anthropic"))],
        env=machine.env | more.pop("env", {}), cwd=machine.cwd, stdin=piped, stdout=piped, stderr=piped, start_new_session=True,
    )
    try:
        out, err = process.communicate(token.encode() + b"\n", timeout=60)
    finally:
        end_group(process)
    return process.returncode, out.decode(), err.decode()


# Prompts


def test_a_pasted_token_is_not_shown_and_everything_else_stays(gateway):
    gateway.write(STORE, {"version": 1, "profiles": {"junk": {"type": "zzz"}}, "custom": {"kept": [1.50]}})
    with Terminal(gateway, "models", "auth", "paste-token", "--provider", "anthropic", "--expires-in", "30d") as terminal:
        terminal.expect("Paste token for anthropic")
        terminal.type("pasted-token-1\r")
        assert terminal.ended() == 0, terminal.text
        assert "pasted-token-1" not in terminal.text
    store = read(gateway)
    manual = store["profiles"]["anthropic:manual"]
    assert manual.pop("expires") == pytest.approx(c.ms(30 * c.DAY), abs=60_000)
    assert manual == {"type": "token", "provider": "anthropic", "token": "pasted-token-1"}
    assert store["profiles"]["junk"] == {"type": "zzz"} and store["custom"] == {"kept": [1.50]}
    config = (gateway.home / CONFIG).read_text()
    for part in ["// our gateway", "// the dear one", "'${HOME}'", "// stays a reference", '"anthropic:manual"']:
        assert part in config, config
    assert (gateway.home / (CONFIG + ".bak")).read_text() == COMMENTED
    for place in [STORE, CONFIG, CONFIG + ".bak"]:
        assert (gateway.home / place).stat().st_mode & 0o777 == 0o600, place
    ended = gateway.run("models", "status", "--check")
    assert ended.code == 0, ended


AUTH = ("models", "auth")
# Every question of every command, with the answers that lead to it.
ADD = [("Provider", ""), ("What is it?", "2"), ("Profile id", "anthropic:work"), ("Ends in", ""), ("Replace it?", "y"), ("Paste token", "x"), ("accepts it?", "n")]
SETTING_UP = [("Have you run", "n"), ("Run `claude setup-token` now?", "y"), ("Paste Anthropic setup-token", "x")]
QUESTIONS = [
    *[(command, answers[:n], question) for command, answers in [
        ((*AUTH, "paste-token", "--provider", "anthropic"), [("Paste token", "x")]),
        ((*AUTH, "setup-token"), SETTING_UP),
        ((*AUTH, "setup-token", "--yes"), [("Paste Anthropic setup-token", "x")]),
        ((*AUTH, "add"), ADD),
        ((*AUTH, "add"), [("Provider", ""), ("What is it?", "3"), ("Have you run", "y")]),
        ((*AUTH, "remove", "anthropic:work"), [("Remove anthropic:work", "y")]),
        (("status", "--probe-paid"), [("Send them?", "y")]),
    ] for n, (question, _) in enumerate(answers)],
]


@pytest.mark.parametrize("keys", ["half-a-secret\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
@pytest.mark.parametrize("command, before, question", QUESTIONS, ids=[f"{' '.join(q[0])}: {q[2]}" for q in QUESTIONS])
def test_a_cancelled_prompt_changes_nothing(gateway, command, before, question, keys):
    gateway.write(STORE, c.store(anthropic__work=c.token(c.DAY), openai__x=c.api_key(provider="openai")))
    gateway.write(CONFIG, COMMENTED.replace("anthropic/claude-opus-4-5", "openai/gpt-5.2"))
    tools = stand_in(gateway, "claude", "echo 'made one'")
    held = everything(gateway.home)
    with Terminal(gateway, *command, env=tools) as terminal:
        for asked, answer in before:
            terminal.expect(asked).type(answer + "\r")
        terminal.expect(question).type(keys)
        assert terminal.ended() == 130, terminal.text
        assert terminal.echoes, "the terminal is as it was"
        assert "half-a-secret" not in terminal.text or not question.startswith("Paste"), terminal.text
    assert everything(gateway.home) == held


def test_who_says_no_changes_nothing(gateway):
    gateway.write(STORE, c.store(anthropic__work=c.token(c.DAY), openai__x=c.api_key(provider="openai")))
    gateway.write(CONFIG, COMMENTED.replace("anthropic/claude-opus-4-5", "openai/gpt-5.2"))
    tools = stand_in(gateway, "claude")
    held = everything(gateway.home)
    for command, answers, code in [
        ((*AUTH, "remove", "anthropic:work"), [("Remove anthropic:work", "what?"), ("y or n", "n")], 0),
        ((*AUTH, "setup-token"), [("Have you run", "n"), ("Run `claude setup-token` now?", "n")], 0),
        ((*AUTH, "add"), [*ADD[:4], ("Replace it?", "n")], 0),
        (("status", "--probe-paid"), [("Send them?", "n")], 130),
    ]:
        with Terminal(gateway, *command, env=tools) as terminal:
            for asked, answer in answers:
                terminal.expect(asked).type(answer + "\r")
            assert terminal.ended() == code, terminal.text
    assert everything(gateway.home) == held
    assert not (gateway.root / "tools/claude.log").exists()


def test_wrong_setup_tokens_are_asked_for_again(gateway):
    with Terminal(gateway, "models", "auth", "setup-token", "--yes") as terminal:
        for wrong, said in [("", "Required"), ("sk-ant-api03-xxx", "Expected token starting with"), (SETUP[:60], "too short")]:
            terminal.expect("Paste Anthropic setup-token")
            terminal.type(wrong + "\r")
            terminal.expect(said)
        terminal.expect("Paste Anthropic setup-token")
        # A terminal wraps it; a bracketed paste keeps it together, and the shell never sees its rest.
        terminal.type("\x1b[200~" + SETUP[:80] + "\r\n" + SETUP[80:] + "\n\x1b[201~\r")
        assert terminal.ended() == 0, terminal.text
        assert "only authorized for use with Claude Code" in " ".join(terminal.text.split())
        assert "365 days is assumed" in " ".join(terminal.text.split())
        assert "T" * 8 not in terminal.text
    assert profiles(gateway)["anthropic:manual"] == {"type": "token", "provider": "anthropic", "token": SETUP}


def test_claude_is_run_for_who_has_no_token_yet(gateway):
    with Terminal(gateway, "models", "auth", "setup-token") as terminal:
        terminal.expect("Have you run")
        terminal.type("n\r")
        assert terminal.ended() == 0
        said = " ".join(terminal.text.split())
        assert "Max or Pro" in said and "not in PATH" in said
    assert not (gateway.home / STORE).exists()
    tools = stand_in(gateway, "claude", "echo 'made one'")
    with Terminal(gateway, "models", "auth", "setup-token", env=tools) as terminal:
        terminal.expect("Have you run")
        terminal.type("no\r")
        terminal.expect("Run `claude setup-token` now?")
        terminal.type("y\r")
        terminal.expect("made one")
        terminal.expect("Paste Anthropic setup-token")
        terminal.type(SETUP + "\r")
        assert terminal.ended() == 0, terminal.text
    assert (gateway.root / "tools/claude.log").read_text().splitlines()[0] == "setup-token"


def test_add_asks_for_everything(gateway):
    with Terminal(gateway, "models", "auth", "add") as terminal:
        terminal.expect("Provider [anthropic]")
        terminal.type("Open\x7f\x7f\x7f\x7fopenrouter\r")
        terminal.expect("What is it?")
        terminal.type("7\r")
        terminal.expect("a number from 1 to 2")
        terminal.type("1\r")
        terminal.expect("Profile id [openrouter:default]")
        terminal.type("\r")
        terminal.expect("Paste API key for openrouter")
        terminal.type("sk-or-1\r")
        terminal.expect("whether it accepts it?")
        terminal.type("\r")
        assert terminal.ended() == 0, terminal.text
        assert "sk-or-1" not in terminal.text
    assert profiles(gateway) == {"openrouter:default": {"type": "api_key", "provider": "openrouter", "key": "sk-or-1"}}
    with Terminal(gateway, "models", "auth", "add") as terminal:
        terminal.expect("Provider")
        terminal.type("openrouter\r")
        terminal.expect("What is it?")
        terminal.type("\r")
        terminal.expect("Profile id")
        terminal.type("\r")
        terminal.expect("exists. Replace it?")
        terminal.type("\r")
        assert terminal.ended() == 0
    assert profiles(gateway)["openrouter:default"]["key"] == "sk-or-1"
    with Terminal(gateway, "models", "auth", "add") as terminal:
        for asked, answer in [("Provider", "zai"), ("What is it?", "2"), ("Profile id", "zai:work"), ("Ends in", "1w"), ("invalid duration", "12h"), ("Paste token", "t"), ("accepts it?", "n")]:
            terminal.expect(asked)
            terminal.type(answer + "\r")
        assert terminal.ended() == 0, terminal.text
    assert profiles(gateway)["zai:work"]["expires"] == pytest.approx(c.ms(12 * c.HOUR), abs=60_000)


def test_remove_asks_and_takes_everything_along(gateway):
    paste(gateway)
    gateway.run("models", "auth", "order", "set", "--provider", "anthropic", "anthropic:manual")
    with Terminal(gateway, "models", "auth", "remove", "anthropic:manual") as terminal:
        terminal.expect("Remove anthropic:manual")
        terminal.type("\r")
        assert terminal.ended() == 0
    assert "anthropic:manual" in profiles(gateway)
    assert gateway.run("models", "auth", "remove", "anthropic:manual").code == 64, "nobody can be asked"
    ended = gateway.run("models", "auth", "remove", "anthropic:manual", "--yes")
    assert ended.code == 0 and "No usable profile of anthropic is left" in ended.out, ended
    assert read(gateway) == {"version": 1, "profiles": {}}
    assert "anthropic:manual" not in (gateway.home / CONFIG).read_text()
    assert gateway.run("models", "auth", "remove", "anthropic:manual", "--yes").code == 64


# Without a terminal


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_what_belongs_to_somebody_stays_theirs(gateway):
    """Whoever helps out with sudo does not take the gateway's files away from it."""
    assert paste(gateway, "tok-1")[0] == 0
    files = [gateway.home / STORE, gateway.home / CONFIG]
    for file in files:
        os.chown(file, 4242, 4343)
    assert paste(gateway, "tok-2", "--provider", "zai")[0] == 0
    assert profiles(gateway)["zai:manual"]["token"] == "tok-2" and "zai:manual" in files[1].read_text()
    for file in files:
        facts = file.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (4242, 4343, 0o600), file


def test_a_token_comes_by_pipe_or_private_file_and_never_as_an_argument(gateway):
    code, out, err = paste(gateway, "tok-\nen-1")
    assert code == 0 and "tok-" not in out + err, out + err
    assert profiles(gateway)["anthropic:manual"]["token"] == "tok-en-1"
    place = gateway.write("secret", "from-file\n", mode=0o644)
    named = ["models", "auth", "paste-token", "--provider", "zai", "--profile-id", "zai:f", "--token-file", place]
    refused = gateway.run(*named)
    assert refused.code == 77 and "chmod 600" in refused.err, refused
    place.chmod(0o600)
    assert gateway.run(*named).code == 0
    assert profiles(gateway)["zai:f"] == {"type": "token", "provider": "zai", "token": "from-file"}
    assert gateway.run(*named, "hunter2").code == 64, "no secret is taken from the command line"
    for bad in ["", "  \n"]:
        assert paste(gateway, bad)[0] == 65
    nobody = gateway.run("models", "auth", "paste-token", "--provider", "anthropic")
    assert nobody.code == 64 and "--stdin" in nobody.err
    assert gateway.run("models", "auth", "setup-token").code == 64
    assert paste(gateway, "x", "--provider", "anthropic", "--expires-in", "1w")[0] == 64
    assert paste(gateway, "x", "--provider", " ")[0] == 64
    assert paste(gateway, "x", "--provider", "x", "--profile-id", "__proto__")[0] == 64
    assert paste(gateway, "x", "--provider", "x", "--agent", "nobody")[0] == 64


def test_an_agent_of_its_own_and_what_there_is(gateway):
    gateway.write(CONFIG, "{agents: {list: [{id: 'main', default: true}, {id: 'office'}]}}")
    assert paste(gateway, "of-main", "--provider", "anthropic", "--expires-in", "12h")[0] == 0
    assert paste(gateway, "of-office", "--provider", "anthropic", "--agent", "office", "--profile-id", "anthropic:o")[0] == 0
    own = read(gateway, ".opensoul/agents/office/agent/auth-profiles.json")
    assert own == {"version": 1, "profiles": {"anthropic:o": {"type": "token", "provider": "anthropic", "token": "of-office"}}}
    assert list(profiles(gateway)) == ["anthropic:manual"]
    listed = gateway.run("models", "auth", "list", "--json")
    (row,) = listed.json()["profiles"]
    assert (row["id"], row["type"], row["provider"]) == ("anthropic:manual", "token", "anthropic"), row
    office = gateway.run("models", "auth", "--agent", "office", "list")
    assert office.code == 0 and "anthropic:o" in office.out, office
    assert not [secret for secret in ("of-main", "of-office") if secret in listed.out + office.out]


def test_what_the_gateway_would_not_use_is_said(gateway):
    gateway.write(STORE, {**c.store(anthropic__a=c.api_key()), "usageStats": {"anthropic:manual": {"disabledUntil": c.ms(c.HOUR), "disabledReason": "billing"}}})
    code, out, _ = paste(gateway)
    said = " ".join(out.split())
    assert code == 0 and "leaves out those of anthropic that it does not name: anthropic:a" in said, out
    assert "set this profile aside for another" in said and "billing" in said
    gateway.run("models", "auth", "order", "set", "--provider", "anthropic", "anthropic:a")
    said = " ".join(paste(gateway, "pasted-2")[1].split())
    assert "will not use it" in said and "models auth order set --provider anthropic anthropic:manual" in said


def test_orders_of_agents(gateway):
    gateway.write(CONFIG, "{agents: {list: [{id: 'main'}, {id: 'office', default: true}]}}")
    gateway.write(STORE, c.store(anthropic__a=c.api_key(), anthropic__b=c.token(c.DAY), openai__x=c.api_key(provider="openai")))
    order = ["models", "auth", "order"]
    for wrong, said in [("anthropic:nobody", "not found"), ("openai:x", "is for openai, not anthropic")]:
        refused = gateway.run(*order, "set", "--provider", "anthropic", wrong)
        assert refused.code == 64 and said in refused.err, refused
    own = gateway.home / ".opensoul/agents/office/agent/auth-profiles.json"
    assert not own.exists()
    ended = gateway.run(*order, "set", "--provider", "anthropic", "--json", "anthropic:b", "anthropic:a")
    assert ended.json()["order"] == ["anthropic:b", "anthropic:a"] and ended.json()["agentId"] == "office", ended
    assert json.loads(own.read_text()) == {"version": 1, "profiles": {}, "order": {"anthropic": ["anthropic:b", "anthropic:a"]}}, "no secret of main's"
    assert "order" not in read(gateway)
    assert gateway.run(*order, "get", "--provider", "anthropic", "--agent", "main", "--json").json()["order"] is None
    cleared = gateway.run(*order, "clear", "--provider", "anthropic")
    assert cleared.code == 0 and "(none)" in cleared.out
    assert json.loads(own.read_text()) == {"version": 1, "profiles": {}}


def test_models_in_the_config(gateway):
    models = ["models"]
    assert gateway.run(*models, "set", "openai/gpt-5.2").code == 0
    assert gateway.run(*models, "aliases", "add", "fast", "groq/llama").code == 0
    assert gateway.run(*models, "fallbacks", "add", "fast").code == 0
    assert gateway.run(*models, "fallbacks", "list", "--plain").out == "groq/llama\n"
    listed = gateway.run(*models, "list", "--json").json()
    assert {row["key"]: row["tags"] for row in listed["models"]} == {
        "openai/gpt-5.2": ["default"], "groq/llama": ["fallback#1", "configured", "alias:fast"],
    }
    assert gateway.run(*models, "status", "--plain").out == "openai/gpt-5.2\n"
    assert gateway.run(*models, "fallbacks", "remove", "groq/llama").code == 0
    assert gateway.run(*models, "aliases", "remove", "fast").code == 0
    assert gateway.run(*models, "aliases", "list", "--json").json()["aliases"] == {}
    assert gateway.run(*models, "set", "nonsense").code == 64
    config = (gateway.home / CONFIG).read_text()
    assert "// the dear one" in config and "'${HOME}'" in config


# Many at once


class Original(threading.Thread):
    """The gateway's own way with its store: a lock directory that is stale after 30 s, the file rewritten in place."""

    def __init__(self, store, turns):
        super().__init__()
        self.store, self.turns, self.done, self.wrong = store, turns, 0, None

    def run(self):
        try:
            for turn in range(self.turns):
                self.locked(turn)
        except Exception as error:  # noqa: BLE001  (told by the test)
            self.wrong = error

    def locked(self, turn):
        lock = str(self.store.resolve()) + ".lock"
        end = time.monotonic() + 60
        while True:
            try:
                os.mkdir(lock)
                break
            except FileExistsError:
                assert time.monotonic() < end, "the lock was never free"
                try:
                    assert os.path.isdir(lock) or not os.path.exists(lock), "a lock of another kind"
                    if os.stat(lock).st_mtime < time.time() - 30:
                        os.rmdir(lock)
                        continue
                except FileNotFoundError:
                    continue
                time.sleep(random.uniform(0.001, 0.01))
        # Its probe of the precision of dates: up to a second ahead.
        ahead = int(time.time()) + 1.005
        os.utime(lock, (ahead, ahead))
        store = json.loads(self.store.read_text())
        stats = store.setdefault("usageStats", {}).setdefault("anthropic:theirs", {"errorCount": 0})
        stats["errorCount"] += 1
        self.store.write_text(json.dumps(store, indent=2) + "\n")
        os.rmdir(lock)
        self.done += 1


def test_fifty_writers_beside_the_gateway(gateway):
    store = gateway.write(STORE, c.store(anthropic__theirs=c.api_key()))
    theirs = Original(store, 100)
    codes, guard = {}, threading.Lock()

    def ours(n):
        code, out, err = paste(gateway, f"token-{n}", "--provider", "anthropic", "--profile-id", f"anthropic:{n:02}")
        with guard:
            codes[n] = (code, err)

    writers = [threading.Thread(target=ours, args=(n,)) for n in range(50)]
    for thread in [theirs, *writers]:
        thread.start()
    for thread in [theirs, *writers]:
        thread.join()
    assert theirs.wrong is None and theirs.done == 100, theirs.wrong
    assert {n: e for n, e in codes.items() if e[0] != 0} == {}
    found = read(gateway)
    assert {k: p.get("token") for k, p in found["profiles"].items() if k != "anthropic:theirs"} == {f"anthropic:{n:02}": f"token-{n}" for n in range(50)}
    assert found["usageStats"]["anthropic:theirs"]["errorCount"] == 100, "nobody's change is lost"
    config = (gateway.home / CONFIG).read_text()
    assert all(f'"anthropic:{n:02}"' in config for n in range(50)) and "// the dear one" in config
    agent = store.parent
    assert [p.name for p in agent.iterdir()] == ["auth-profiles.json"], "neither locks nor temporary files stay"


def test_a_reader_always_sees_a_whole_file(gateway):
    store = gateway.write(STORE, c.store(anthropic__theirs=c.api_key()))
    stop, seen = threading.Event(), []

    def reading():
        while not stop.is_set():
            seen.append(len(json.loads(store.read_text())["profiles"]))

    reader = threading.Thread(target=reading)
    reader.start()
    for n in range(10):
        assert paste(gateway, "t", "--provider", "x", "--profile-id", f"x:{n}")[0] == 0
    until(lambda: seen and seen[-1] == 11 or not reader.is_alive(), 20, lambda: f"the last one is read: {seen[-10:]}")
    stop.set()
    reader.join()
    assert seen == sorted(seen) and seen[-1] == 11


def test_a_lock_that_a_dead_gateway_left_is_taken_over(gateway):
    store = gateway.write(STORE, c.store(anthropic__theirs=c.api_key()))
    lock = store.with_name(store.name + ".lock")
    lock.mkdir()
    old = time.time() - 31
    os.utime(lock, (old, old))
    assert paste(gateway)[0] == 0
    assert not lock.exists()
    lock.write_text("not a directory")
    code, _, err = paste(gateway)
    assert code == 73 and "auth-profiles.json.lock" in err, err


# Death and trouble


def age_locks(machine):
    """As if 31 seconds had passed since the death."""
    old = time.time() - 31
    for lock in (machine.home / ".opensoul").rglob("*.lock"):
        os.utime(lock, (old, old))


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("passing", [1, 2], ids=["store", "config"])
def test_killed_at(gateway, point, passing):
    # In the config's turn a backup is made as well, by the same steps.
    turn = {1: 1, 2: 2}[passing]
    gateway.write(STORE, c.store(anthropic__work=c.token(c.DAY, secret="sk-ant-oat01-old")))
    ended = paste(gateway, "sk-new-secret", env={"OPENSOUL_FAULT": f"{point}:{turn}"})
    assert ended[0] == -signal.SIGABRT, ended
    assert set(profiles(gateway)) in ({"anthropic:work"}, {"anthropic:work", "anthropic:manual"})
    assert gateway.run("models", "status", "--json").code == 0, "the config is whole"
    age_locks(gateway)
    assert paste(gateway, "sk-newer-secret")[0] == 0
    assert profiles(gateway)["anthropic:manual"]["token"] == "sk-newer-secret"
    assert profiles(gateway)["anthropic:work"]["token"] == "sk-ant-oat01-old"
    left = [place for place, text in everything(gateway.home / ".opensoul").items() if text and b"sk-new-secret" in text]
    assert left == [], "what the dead one left behind is gone"
    assert "// the dear one" in (gateway.home / CONFIG).read_text()


def test_random_kills(gateway):
    dice = random.Random(int(os.environ.get("E2E_SEED", time.time_ns() % 1_000_000)))
    gateway.write(STORE, c.store(anthropic__work=c.api_key()))
    usual = 60
    for _ in range(3):
        began = time.monotonic()
        assert paste(gateway)[0] == 0
        # The quickest: one that was held up is not usual, and hardly any other would be killed before its end.
        usual = min(usual, time.monotonic() - began)
    killed = 0
    for turn in range(40):
        process = subprocess.Popen(
            [str(gateway.program), "models", "auth", "paste-token", "--provider", "x", "--profile-id", f"x:{turn}", "--stdin"],
            env=gateway.env, cwd=gateway.cwd, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        process.stdin.write(b"secret\n")
        process.stdin.close()
        try:
            process.wait(dice.uniform(0, usual * 1.2))
        except subprocess.TimeoutExpired:
            killed += 1
        end_group(process)
        assert {"anthropic:work", "anthropic:manual"} <= set(profiles(gateway))
        age_locks(gateway)
    assert killed >= 5, "most were to be killed"
    assert paste(gateway, "last", "--provider", "x", "--profile-id", "x:last")[0] == 0
    agent = (gateway.home / STORE).parent
    assert [p.name for p in agent.iterdir()] == ["auth-profiles.json"]


@pytest.fixture
def small_disk(gateway):
    """The agent's directory on a file system of its own."""
    agent = (gateway.home / STORE).parent
    gateway.write(STORE, c.store(anthropic__work=c.api_key()))
    content = (gateway.home / STORE).read_bytes()
    options = "size=256k,mode=0700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "opensoul-e2e", str(agent)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    gateway.write(STORE, content)
    yield agent
    subprocess.run(["umount", "-l", str(agent)], check=True)


def test_a_full_disk(gateway, small_disk):
    with open(small_disk / "ballast", "wb", buffering=0) as ballast:
        for size in (4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass
    before = everything(gateway.home)
    code, out, err = paste(gateway)
    assert code == 74 and "the disk is full" in err, (code, out, err)
    assert everything(gateway.home) == before
    (small_disk / "ballast").unlink()
    assert paste(gateway)[0] == 0


def test_a_read_only_disk(gateway, small_disk):
    before = everything(gateway.home)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, out, err = paste(gateway)
    assert code == 77 and "read-only" in err, (code, out, err)
    assert everything(gateway.home) == before


def test_a_damaged_store_is_not_written_over(gateway):
    gateway.write(STORE, '{"profiles": {"a": ')
    before = everything(gateway.home)
    code, _, err = paste(gateway)
    assert code == 78 and "auth-profiles.json:1:" in err, (code, err)
    assert everything(gateway.home) == before


# The gateway's own program


def stand_in(machine, name, body="", code=0):
    """A program that writes down its arguments and what it gets; returns the environment that finds it."""
    tools = machine.root / "tools"
    tools.mkdir(exist_ok=True)
    script = tools / name
    script.write_text(
        f'#!/bin/sh\nfor a in "$@"; do echo "$a"; done > {tools}/{name}.log\n'
        f'[ -t 0 ] || cat > {tools}/{name}.stdin\ntr "\\0" " " < /proc/$$/cmdline > {tools}/{name}.cmdline\n{body}\nexit {code}\n'
    )
    script.chmod(0o755)
    return {"PATH": f"{tools}:{machine.env['PATH']}"}


@pytest.fixture
def modern(machine):
    """A gateway that keeps its credentials in SQLite."""
    path = machine.home / ".openclaw/state/openclaw.sqlite"
    path.parent.mkdir(parents=True, mode=0o700)
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE config_machine_state(state_key TEXT PRIMARY KEY, value_json TEXT, updated_at_ms INT) STRICT")
    stored = '{"version":1,"profiles":{"anthropic:sql":{"type":"api_key","provider":"anthropic","key":"sk-in-sqlite"}}}'
    database.execute("INSERT INTO config_machine_state VALUES('authProfiles.store', ?, 0)", (stored,))
    database.commit()
    database.close()
    return machine


def test_where_sqlite_keeps_them_the_owners_program_gets_the_secret_on_stdin(modern):
    tools = stand_in(modern, "openclaw")
    code, out, err = paste(modern, "piped-secret", "--provider", "anthropic", "--expires-in", "12h", env=tools)
    assert code == 0, (out, err)
    logged = modern.root / "tools"
    assert (logged / "openclaw.stdin").read_text() == "piped-secret\n"
    words = ["models", "auth", "paste-token", "--provider", "anthropic", "--profile-id", "anthropic:manual", "--expires-in", "43200000ms"]
    assert (logged / "openclaw.log").read_text().splitlines() == words
    assert "piped-secret" not in (logged / "openclaw.cmdline").read_text() + out + err
    assert not list(modern.home.rglob("auth-profiles.json")) and not list(modern.home.rglob("openclaw.json"))
    order = modern.run("models", "auth", "order", "set", "--provider", "anthropic", "anthropic:sql", env=tools)
    assert order.code == 0, order
    assert (logged / "openclaw.log").read_text().splitlines() == ["models", "auth", "order", "set", "--provider", "anthropic", "anthropic:sql"]
    assert modern.run("models", "auth", "remove", "anthropic:sql", "--yes", env=tools).code == 0
    assert (logged / "openclaw.log").read_text().splitlines() == ["models", "auth", "logout", "anthropic:sql", "--yes"]
    failing = paste(modern, "x", env=stand_in(modern, "openclaw", code=3))
    assert failing[0] == 69 and "did not succeed" in failing[2]


def test_without_the_owners_program_the_command_is_said_and_nothing_done(modern):
    before = everything(modern.home)
    code, out, err = paste(modern, "piped-secret")
    assert code == 69 and "openclaw models auth paste-token --provider anthropic" in err and "piped-secret" not in out + err, err
    for command in (["order", "clear", "--provider", "anthropic"], ["remove", "anthropic:sql", "--yes"]):
        ended = modern.run("models", "auth", *command)
        assert ended.code == 69 and "openclaw models auth" in ended.err, ended
    assert modern.run("models", "set", "openai/gpt-5.2").code == 69
    assert everything(modern.home) == before
    listed = modern.run("models", "auth", "list", "--json")
    assert [row["id"] for row in listed.json()["profiles"]] == ["anthropic:sql"] and "sk-in-sqlite" not in listed.out


def test_a_login_is_its_owners(gateway):
    login = ["models", "auth", "login", "--provider"]
    nobody = gateway.run(*login, "anthropic")
    assert nobody.code == 69 and "claude auth login" in nobody.err and "opensoul models auth login --provider anthropic" in nobody.err
    tools = stand_in(gateway, "claude")
    assert gateway.run(*login, "anthropic", env=tools).code == 0
    assert (gateway.root / "tools/claude.log").read_text().splitlines() == ["auth", "login"]
    # A login in the gateway's own store is renewed by the gateway only.
    gateway.write(STORE, c.store(openai_codex__x={"type": "oauth", "provider": "openai-codex", "access": "a", "refresh": "r", "expires": 1}))
    stand_in(gateway, "codex")
    assert gateway.run(*login, "openai-codex", env=tools).code == 69
    stand_in(gateway, "opensoul")
    assert gateway.run(*login, "openai-codex", env=tools).code == 0
    assert (gateway.root / "tools/opensoul.log").read_text().splitlines() == [*login, "openai-codex"]
    assert not (gateway.root / "tools/codex.log").exists()


# After the paste


@pytest.fixture
def vendor(gateway):
    """OpenAI's list of models: 200 for one key, 401 for all others."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("authorization"))
            good = asked[-1] == "Bearer sk-good"
            wrong = {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}}
            body = json.dumps({"object": "list", "data": [{"id": "gpt-5.2", "object": "model"}]} if good else wrong).encode()
            self.send_response(200 if good else 401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gateway.configure(web=False, extra=f'[providers.openai]\nbase_url = "http://127.0.0.1:{server.server_port}/v1"\n')
    yield asked
    server.shutdown()
    server.server_close()


def test_only_verify_asks_the_provider(gateway, vendor):
    openai = ("--provider", "openai", "--profile-id", "openai:p")
    assert paste(gateway, "sk-good", *openai)[0] == 0
    assert vendor == [], "pasting calls nobody"
    code, out, err = paste(gateway, "sk-good", *openai, "--verify")
    assert code == 0 and "openai accepts it" in out and vendor == ["Bearer sk-good"], (out, err)
    code, out, err = paste(gateway, "sk-bad", *openai, "--verify")
    assert code == 65 and "it was written, but openai does not accept it" in err and "sk-bad" not in out + err, (out, err)
    assert vendor[1:] == ["Bearer sk-bad"] * 2, "a refusal is heard twice"
    assert profiles(gateway)["openai:p"]["token"] == "sk-bad"


def test_the_ledger_notes_when_a_setup_token_was_issued(gateway):
    gateway.configure(web=False)
    paste(gateway, SETUP)
    assert not gateway.state.exists(), "no monitor, no ledger"
    gateway.once()
    paste(gateway, SETUP[:-1] + "U")
    with sqlite3.connect(f"file:{gateway.state}/state.db?mode=ro", uri=True) as database:
        seen = database.execute("SELECT count(*) FROM first_seen").fetchone()[0]
    database.close()
    assert seen >= 2, "the new one is noted before any monitor has seen it"
    assert "expires" not in profiles(gateway)["anthropic:manual"]
    explained = gateway.run("credentials", "explain", "opensoul:main/anthropic:manual", "--json").out
    assert "assumed" in explained
