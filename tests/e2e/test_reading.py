"""Reading leaves no trace: every byte, mode and date stays, and nothing new appears anywhere."""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

import credentials as c
import home
from machine import CLAUDE, CODEX, STORE

READING = [
    ["models", "status"],
    ["models", "status", "--json"],
    ["models", "status", "--plain"],
    ["models", "status", "--check"],
    ["models", "status", "--check", "--scope", "store"],
    ["models", "status", "--check", "--exit-codes", "nagios"],
    ["models", "status", "--agent", "second"],
    ["models", "--status-json"],
    ["models", "auth", "list"],
    ["models", "auth", "list", "--json", "--agent", "second"],
    ["models", "auth", "order", "get", "--provider", "anthropic"],
    ["models", "list"],
    ["models", "aliases", "list"],
    ["models", "fallbacks", "list"],
    ["status"],
    ["status", "--json"],
    ["status", "--format", "nagios"],
    ["status", "--format", "prom"],
    ["status", "--format", "checkmk"],
    ["status", "--check"],
    ["credentials", "list"],
    ["credentials", "list", "--json"],
    ["credentials", "explain", "claude-code:default"],
    ["credentials", "explain", "claude-code:default", "--json"],
    ["credentials", "explain", "opensoul:main/anthropic:work"],
    ["doctor", "--lint"],
    ["doctor", "--json"],
    ["doctor", "--non-interactive"],
    ["monitor", "check-config"],
    ["completions", "bash"],
]
SOMEBODY = 65534


def everything(root):
    """Path → what it is, with mode, owner, size, dates and content."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files, "."]:
            path = os.path.join(folder, name)
            at = os.lstat(path)
            content = ""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as opened:
                    content = hashlib.sha256(opened.read()).hexdigest()
            found[os.path.relpath(path, root)] = (oct(at.st_mode), at.st_uid, at.st_size, at.st_mtime_ns, content)
    return found


def furnish(machine):
    """Everything there is to read: a file for each source, several families and both kinds of SQLite store."""
    home.furnish(machine.home)
    machine.write(CLAUDE, c.claude_code())
    machine.write(CODEX, c.codex())
    machine.write(STORE, c.store(anthropic__work=c.token(2 * c.DAY), openai__default=c.api_key(provider="openai")))
    machine.write(".opensoul/agents/second/agent/auth.json", {"openai": {"type": "api_key", "key": "sk-legacy"}})
    machine.write(".opensoul/credentials/oauth.json", {"anthropic": {"access": "a" * 20, "refresh": "b" * 20, "expires": c.ms(c.DAY)}})
    machine.write(".opensoul/opensoul.json", "{ // a comment\n agents: {list: [{id: 'main'}, {id: 'second'}], defaults: {model: {primary: 'anthropic/claude-opus-4-6'}}},\n}\n")
    machine.write(".opensoul/.env", "GROQ_API_KEY=gsk_sample\n")
    machine.write(".clawdbot/agents/main/agent/auth-profiles.json", c.store(groq__x=c.api_key(provider="groq")))
    machine.write("work/.env", "MISTRAL_API_KEY=sample\n")
    machine.write(".qwen/oauth_creds.json", {"access_token": "q", "refresh_token": "r", "expiry_date": c.ms(c.DAY)})
    for mode, place in (("wal", "state/openclaw.sqlite"), ("delete", "agents/main/agent/openclaw-agent.sqlite")):
        path = machine.home / ".openclaw" / place
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA journal_mode={mode}")
        profiles = '{"version":1,"profiles":{"anthropic:sql":{"type":"api_key","provider":"anthropic","key":"sk-in-sqlite"}}}'
        if "state" in place:
            database.execute("CREATE TABLE config_machine_state(state_key TEXT PRIMARY KEY, value_json TEXT, updated_at_ms INT) STRICT")
            database.execute("INSERT INTO config_machine_state VALUES('authProfiles.store', ?, 0)", (profiles,))
        else:
            database.execute("CREATE TABLE auth_profile_store(store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER)")
            database.execute("CREATE TABLE auth_profile_state(store_key TEXT PRIMARY KEY, state_json TEXT, updated_at INTEGER)")
            database.execute("INSERT INTO auth_profile_store VALUES('default', ?, 0)", (profiles,))
        database.commit()
        database.close()
        path.chmod(0o600)
    places = '[sources]\ndotenv = ["~/service/.env"]\nlitellm = ["~/proxy/config.yaml"]\nsecrets = ["~/secrets"]\n'
    machine.configure(web=False, extra=places + '[[declared]]\nname = "elsewhere"\nprovider = "anthropic"\nexpires = 2040-01-01\n')


@pytest.fixture
def furnished(machine):
    furnish(machine)
    return machine


def answers(machine, **more):
    """Runs every reading command; none may fail as a program."""
    for command in READING:
        for verbose in ([], ["-vv"]):
            ended = machine.run(*command, *verbose, **more)
            assert 0 <= ended.code < 64, f"{command}: {ended}"
            assert "anthropic" in ended.out or command[0] in ("doctor", "monitor") or ended.code == 0 or "--check" in command


@pytest.mark.parametrize("with_state", [False, True], ids=["before any monitor", "after a monitor"])
def test_nothing_changes(furnished, with_state):
    if with_state:
        furnished.once()
    before = everything(furnished.root)
    answers(furnished)
    assert everything(furnished.root) == before
    assert with_state or not furnished.state.exists(), "a reading command makes no state directory"


def test_nothing_changes_on_a_read_only_copy_of_somebody_else(furnished):
    """The same as an ordinary user for whom permissions mean something, on a tree that nobody may write."""
    as_whom = {}
    if os.geteuid() == 0:
        as_whom = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
    for folder, folders, files in os.walk(furnished.root, topdown=False):
        for name in [*files, *folders, "."]:
            path = os.path.join(folder, name)
            if as_whom:
                os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
            os.chmod(path, os.stat(path).st_mode & 0o7555)
    before = everything(furnished.root)
    try:
        answers(furnished, **as_whom)
        assert everything(furnished.root) == before
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(furnished.root)], check=True)


def test_no_file_is_opened_for_writing_anywhere(furnished):
    """Not only under the home: strace shows every call that could make or change a file."""
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace is not there or may not trace")
    calls = "open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,chmod,fchmodat,chown,truncate,mknod,utimensat"
    bad = []
    for command in READING:
        trace = furnished.root / "trace"
        subprocess.run(
            [strace, "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}", str(furnished.program), *command],
            env=furnished.env, cwd=furnished.cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )
        for line in trace.read_text("utf-8", "replace").splitlines():
            if re.search(r"\bopen(at2?)?\(", line) and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", line):
                continue
            if re.search(r"\"/dev/(null|tty)\"|ENOENT|---|\+\+\+", line) and "O_CREAT" not in line:
                continue
            bad.append(f"{' '.join(command)}: {line}")
    assert not bad, "\n".join(bad[:20])
