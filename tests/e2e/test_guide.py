"""The OpenSoul authentication guide from top to bottom: every command of it, in its order, on a fresh machine with this program
alone, until its token ends; and our page about the guide, which leaves none of them out."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from machine import STORE
from shifted import LIBRARY, Shifted
from terminal import ENTER, Terminal
from test_auth import SETUP, paste, profiles, stand_in
from test_model import KEY as SESSION
from test_model import SESSIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The text itself is its authors'; where it lies beside this repository, the list below is held to it.
SHARED = pathlib.Path(os.environ.get("SHARED", ROOT.parent / "shared"))
TEXTS = sorted(SHARED.glob("guide/*.txt"))

# Every command that it names, in its order, in blocks and in sentences.
COMMANDS = [
    "claude setup-token",
    "opensoul gateway",
    'export ANTHROPIC_API_KEY="..."',
    "opensoul models status",
    "cat >> ~/.opensoul/.env <<'EOF'",
    "opensoul models status",
    "opensoul doctor",
    "opensoul onboard",
    "claude setup-token",
    "opensoul models auth setup-token --provider anthropic",
    "opensoul models auth paste-token --provider anthropic",
    "opensoul models auth paste-token --provider anthropic",
    "opensoul models auth paste-token --provider openrouter",
    "opensoul models status --check",
    "claude setup-token",
    "opensoul models status",
    "opensoul doctor",
    "/model <alias-or-id>@<profileId>",
    "/model",
    "/model list",
    "/model status",
    "opensoul models auth order get --provider anthropic",
    "opensoul models auth order set --provider anthropic anthropic:default",
    "opensoul models auth order clear --provider anthropic",
    "claude setup-token",
    "opensoul models status",
    "opensoul models status",
    "claude setup-token",
    "claude setup-token",
]
# What it says beside its commands, and has to be on our page too.
WORDS = ["env.shellEnv", "~/.opensoul/.env", "systemd", "launchd", "--agent", "auth-profiles.json", "No credentials found", "Max",
         "Pro", "only authorized for use with Claude Code", "Termux", "alias-or-id", "profileId"]


def commands(text):
    """What stands in a text as a command: up to the end of its line, the Chinese around it, or a heading."""
    found = re.findall(r"(?<![\w/.~-])(?:opensoul |claude setup-token|/model\b|export |cat >> )[\x20-\x7e]*", text)
    return [re.sub(r"[\s(),#-]+$", "", command) for command in found]


@pytest.mark.skipif(not TEXTS, reason="the guide is not beside this repository")
def test_the_list_is_the_guides():
    assert [command for text in TEXTS for command in commands(text.read_text())] == COMMANDS
    assert not [word for word in WORDS if not any(word in text.read_text() for text in TEXTS)]


def test_our_page_maps_every_command():
    page = (ROOT / "docs/guide.md").read_text()
    assert "docs/guide.md" in (ROOT / "README.md").read_text()
    table = [line.split("|")[1].replace("\\", "") for line in page.replace("\\|", "\0").splitlines() if line.startswith("| `")]
    named = {command for row in table for command in re.findall(r"`([^`]+)`", row)}
    assert not [command for command in COMMANDS if command not in named], "in the left column, word for word"
    assert not [word for word in WORDS if word not in page]


class Walk:
    """Takes the commands one by one, so that none is left out and none comes too early."""

    def __init__(self, machine):
        self.machine, self.left = machine, list(COMMANDS)

    def comes(self, command):
        assert self.left and self.left[0] == command, f"{command!r}, but {self.left[:1]} is next"
        self.left.pop(0)
        return command

    def run(self, command, *more, **options):
        return self.machine.run(*shlex.split(self.comes(command))[1:], *more, **options)

    def chat(self, command, *words):
        """A line for the chat; the guide's placeholders are filled in."""
        self.comes(command)
        return self.machine.run("chat", *words or [command])

    def shell(self, command, more=""):
        ended = subprocess.run(["/bin/sh", "-ec", self.comes(command) + more], env=self.machine.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert ended.returncode == 0, ended
        return ended.stdout

    def asks(self, command, *answers, env=None):
        """At a terminal: pairs of what is asked and what is typed."""
        with Terminal(self.machine, *shlex.split(self.comes(command))[1:], env=env) as terminal:
            for question, answer in answers:
                terminal.expect(question).type(answer + ENTER)
            assert terminal.ended() == 0, terminal.text
        return terminal.text


KEY = "sk-ant-api03-of-the-guide"


@pytest.mark.skipif(not LIBRARY, reason="libfaketime is not there (tests/install-needs)")
def test_the_guide_from_top_to_bottom(machine):
    clock, walk = Shifted(machine), Walk(machine)
    tools = stand_in(machine, "claude", f"echo {SETUP}")
    machine.env |= tools

    def check():
        return machine.run("models", "status", "--check").code

    first = machine.run("models", "status", "--check")
    assert first.code == 1 and "No credentials found" in first.out and "claude setup-token" in first.out, first

    # An API key.
    walk.comes("claude setup-token")
    gateway = walk.run("opensoul gateway")
    assert gateway.code == 69 and "Install the gateway" in gateway.err, "its own program is not ours"
    walk.comes('export ANTHROPIC_API_KEY="..."')
    exported = walk.run("opensoul models status", "--check", env={"ANTHROPIC_API_KEY": KEY})
    assert exported.code == 0 and "ANTHROPIC_API_KEY" in exported.out and KEY not in exported.out, exported
    assert check() == 1, "it was a key of one shell"
    # Where no gateway has made its directory.
    (machine.home / ".opensoul").mkdir(mode=0o700)
    walk.shell("cat >> ~/.opensoul/.env <<'EOF'", f"\nANTHROPIC_API_KEY={KEY}\nEOF\n")
    assert "ANTHROPIC_API_KEY" in walk.run("opensoul models status").out and check() == 0
    doctor = walk.run("opensoul doctor")
    assert doctor.code == 0 and "ANTHROPIC_API_KEY" in doctor.out and "dotenv.permissions" in doctor.out, doctor

    # Without variables of one's own.
    (machine.home / ".opensoul/.env").unlink()
    walk.asks(
        "opensoul onboard", ("Add the API key", "y"), ("Provider", "anthropic"), ("Where shall the gateway", "profiles"),
        ("API key for anthropic", KEY), ("Add the API key", "n"), ("Ask the providers", "n"), ("Who is told", "7"),
        ("Who runs", "3"), ("Do it?", "y"),
    )
    assert profiles(machine)["anthropic:default"] == {"type": "api_key", "provider": "anthropic", "key": KEY}
    assert check() == 0
    # As its timer would: from now on it is known when a token was first seen.
    machine.configure(web=False)
    machine.once()

    # A subscription.
    assert walk.shell("claude setup-token").strip() == SETUP
    text = walk.asks(
        "opensoul models auth setup-token --provider anthropic", ("Have you run", "y"), ("Paste Anthropic setup-token", SETUP)
    )
    assert "only authorized for use with Claude Code" in " ".join(text.split())
    for _ in range(2):
        walk.asks("opensoul models auth paste-token --provider anthropic", ("Paste token for anthropic", SETUP))
    walk.asks("opensoul models auth paste-token --provider openrouter", ("Paste token for openrouter", "sk-or-of-the-guide"))
    stored = {id: profile["type"] for id, profile in profiles(machine).items()}
    assert stored == {"anthropic:default": "api_key", "anthropic:manual": "token", "openrouter:manual": "token"}
    assert walk.run("opensoul models status --check").code == 0
    walk.comes("claude setup-token")
    nobody = machine.run("models", "auth", "setup-token", "--provider", "anthropic")
    assert nobody.code == 64 and "needs a terminal" in nobody.err, nobody
    assert "anthropic:manual" in walk.run("opensoul models status").out
    assert walk.run("opensoul doctor").code == 0

    # Which one is used: in one session, for one agent.
    assert machine.run("models", "set", "anthropic/claude-opus-4-6").code == 0
    assert machine.run("models", "aliases", "add", "opus", "anthropic/claude-opus-4-6").code == 0
    paste(machine, "of-work", "--provider", "anthropic", "--profile-id", "anthropic:work")
    machine.write(SESSIONS, {SESSION: {"sessionId": "s1", "updatedAt": 1}})
    pinned = walk.chat("/model <alias-or-id>@<profileId>", "/model opus@anthropic:default")
    assert pinned.code == 0 and "Auth profile set to anthropic:default." in pinned.out, pinned
    work = machine.run("chat", "/model anthropic/claude-opus-4-6@anthropic:work")
    assert work.code == 0 and '"authProfileOverride": "anthropic:work"' in (machine.home / SESSIONS).read_text(), work
    assert "anthropic:work (pinned for this session" in walk.chat("/model").out
    assert "1. anthropic/claude-opus-4-6" in walk.chat("/model list").out
    status = walk.chat("/model status").out
    assert all(word in status for word in ("anthropic:default=", "anthropic:work=", "endpoint:")), status
    order = walk.run("opensoul models auth order get --provider anthropic", "--json").json()
    assert order["agentId"] == "main" and order["order"] is None, order
    assert walk.run("opensoul models auth order set --provider anthropic anthropic:default").code == 0
    said = machine.run("models", "auth", "order", "get", "--provider", "anthropic", "--agent", "main")
    assert "anthropic:default" in said.out and '"order"' in (machine.home / STORE).read_text(), said
    assert check() == 0
    assert walk.run("opensoul models auth order clear --provider anthropic").code == 0
    assert '"order"' not in (machine.home / STORE).read_text()

    # Trouble: it is gone.
    for id in ("anthropic:default", "anthropic:work", "anthropic:manual"):
        assert machine.run("models", "auth", "remove", id, "--yes").code == 0
    gone = machine.run("models", "status", "--check")
    assert gone.code == 1 and "anthropic" in gone.out and "claude setup-token" in gone.out, gone
    # By the command of ours that runs `claude setup-token` itself.
    walk.comes("claude setup-token")
    with Terminal(machine, "models", "auth", "setup-token") as terminal:
        terminal.expect("Have you run").type("n" + ENTER)
        terminal.expect("Run `claude setup-token` now?").type("y" + ENTER)
        terminal.expect("Paste Anthropic setup-token").type(SETUP + ENTER)
        assert terminal.ended() == 0, terminal.text
    assert walk.run("opensoul models status", "--check").code == 0

    # Trouble: it ends. When, only a person can say; a year that is merely assumed is a warning and fails nobody's check.
    clock.to(364.5 * 24)
    assert check() == 0 and "expiring" in machine.run("status").out
    paste(machine, SETUP, "--provider", "anthropic", "--expires-in", "12h")
    ending = walk.run("opensoul models status", "--check")
    assert ending.code == 2 and "anthropic:manual" in ending.out, ending
    walk.comes("claude setup-token")
    renewed = paste(machine, SETUP[:-1] + "2", "--provider", "anthropic", "--expires-in", "365d")
    assert renewed[0] == 0 and check() == 0, renewed

    # What it needs.
    walk.comes("claude setup-token")
    without = {"PATH": "/usr/bin:/bin"}
    with Terminal(machine, "models", "auth", "setup-token", env=without) as terminal:
        terminal.expect("Have you run").type("n" + ENTER)
        assert terminal.ended() == 0 and "Max or Pro" in " ".join(terminal.text.split()), terminal.text
    assert walk.left == []

    # And as time goes on.
    assert check() == 0
    clock.to(clock.hours + 364.5 * 24)
    assert check() == 2
    clock.to(clock.hours + 24)
    ended = machine.run("models", "status", "--check")
    assert ended.code == 1 and "anthropic:manual" in ended.out, ended
    shown = "".join(run.out + run.err for run in machine.runs)
    assert not [secret for secret in (KEY, SETUP[:40], "sk-or-of-the-guide", "of-work") if secret in shown]
