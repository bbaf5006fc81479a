"""`onboard`: what it writes, what it leaves alone, whom it asks, and that a cancelled question changes nothing."""

import os
import stat

import pytest

import credentials as c
from machine import STORE
from terminal import CTRL_C, ENTER, Terminal
from test_reading import everything

KEY = "sk-ant-api03-canary-0123456789"
SYSTEMCTL = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$HOME/systemctl.log\"\nexit ${SYSTEMCTL_EXIT:-0}\n"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def fresh(machine):
    """A machine with a stand-in for systemctl."""
    machine.write("bin/systemctl", SYSTEMCTL, mode=0o755)
    machine.env["PATH"] = f"{machine.home}/bin:/usr/bin:/bin"
    return machine


def key_file(machine, text=KEY):
    return machine.write("key.txt", text + "\n")


def test_everything_by_flags_and_again(fresh):
    fresh.write(".opensoul/.env", "# mine\nOTHER=1\nANTHROPIC_API_KEY=old # console\n", mode=0o644)
    args = ["onboard", "--non-interactive", "--key-file", f"anthropic={key_file(fresh)}", "--receiver", "ntfy:topic-of-mine-4711",
            "--undocumented", "no", "--service", "timer", "--completions", "bash"]
    ended = fresh.run(*args)
    assert ended.code == 0 and "canary" not in ended.out + ended.err, ended
    dotenv = fresh.home / ".opensoul/.env"
    assert dotenv.read_text() == f"# mine\nOTHER=1\nANTHROPIC_API_KEY={KEY} # console\n" and mode(dotenv) == 0o600
    assert 'topic = "topic-of-mine-4711"' in fresh.config.read_text() and mode(fresh.config) == 0o600
    assert fresh.run("monitor", "check-config").code == 0
    unit = (fresh.home / ".config/systemd/user/opensoul-check.service").read_text()
    assert f"ExecStart={fresh.program} monitor once" in unit
    assert (fresh.home / "systemctl.log").read_text().splitlines()[-1] == "--user enable --now opensoul-check.timer"
    assert (fresh.home / ".local/share/bash-completion/completions/opensoul").exists()
    before = everything(fresh.home)
    again = fresh.run(*args)
    assert again.code == 0, again
    after = everything(fresh.home)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    # Temporary files came and went, so directories have new dates; no file has.
    assert not {path for path in changed if (fresh.home / path).is_file()} - {"systemctl.log"}, changed


def test_a_key_on_standard_input_makes_a_private_file(fresh):
    read, write = os.pipe()
    os.write(write, KEY.encode())
    os.close(write)
    ended = fresh.run("onboard", "--non-interactive", "--key-stdin", "anthropic", stdin=read)
    os.close(read)
    dotenv = fresh.home / ".opensoul/.env"
    assert ended.code == 0 and dotenv.read_text() == f"ANTHROPIC_API_KEY={KEY}\n" and mode(dotenv) == 0o600, ended
    assert mode(fresh.home / ".opensoul") == 0o700 and not fresh.config.exists()


@pytest.mark.parametrize("args, says", [
    (["--key-file", "anthropic=/nonexistent"], "does not exist"),
    (["--key-file", "anthropic"], "PROVIDER=FILE"),
    (["--key-file", "nobody=FILE"], "no key of nobody"),
    (["--receiver", "slack:x"], "docs/channels.md"),
    (["--key-file", "anthropic=TOKEN"], "only authorized for use with Claude Code"),
])
def test_what_makes_no_sense_is_said_and_nothing_is_written(fresh, args, says):
    names = {"FILE": key_file(fresh), "TOKEN": fresh.write("token.txt", "sk-ant-oat01-canary")}
    args = [arg if "=" not in arg else arg.replace("=FILE", f"={names['FILE']}").replace("=TOKEN", f"={names['TOKEN']}") for arg in args]
    before = everything(fresh.home)
    ended = fresh.run("onboard", "--non-interactive", *args)
    assert ended.code in (64, 66) and says in ended.err and "canary" not in ended.err, ended
    assert everything(fresh.home) == before


def test_without_a_terminal_it_needs_flags(fresh):
    ended = fresh.run("onboard")
    assert ended.code == 64 and "--non-interactive" in ended.err, ended


def test_a_manager_that_refuses_is_a_failure(fresh):
    ended = fresh.run("onboard", "--non-interactive", "--service", "timer", env={"SYSTEMCTL_EXIT": "1"})
    assert ended.code == 69 and "opensoul monitor once" in ended.err, ended


def test_a_file_of_somebody_elses_is_not_replaced(fresh):
    unit = fresh.write(".config/systemd/user/opensoul-check.timer", "[Timer]\nOnCalendar=weekly\n")
    ended = fresh.run("onboard", "--non-interactive", "--service", "timer")
    assert ended.code == 78 and "OnCalendar=weekly" in unit.read_text(), ended


def asked(fresh):
    """A person who gives a key for the provider that a model needs."""
    fresh.write(STORE, c.store())
    fresh.write(".opensoul/opensoul.json", c.gateway_config())
    return Terminal(fresh, "onboard")


def test_a_person_answers(fresh):
    person = asked(fresh)
    person.expect("API key for anthropic").type("sk-ant-oat01-canary").type(ENTER)
    person.expect("only authorized").expect("API key for anthropic").type(KEY).type(ENTER)
    person.expect("another provider").type("n").type(ENTER)
    person.expect("Ask the providers").type("n").type(ENTER)
    person.expect("Who is told").expect("1-4").type("4").type(ENTER)
    person.expect("Who runs the monitor?").type(ENTER)
    person.expect("This will be done").expect("ANTHROPIC_API_KEY=…").expect("Do it?").type("y").type(ENTER)
    assert person.ended() == 0, person.text
    assert (fresh.home / ".opensoul/.env").read_text() == f"ANTHROPIC_API_KEY={KEY}\n"
    assert (fresh.home / ".config/systemd/user/opensoul-check.timer").exists()
    assert "canary" not in person.text


@pytest.mark.parametrize("last", ["API key for anthropic", "another provider", "Ask the providers", "Who is told", "Who runs", "Do it?"])
def test_a_cancelled_question_leaves_everything_as_it_was(fresh, last):
    person = asked(fresh)
    before = everything(fresh.home)
    steps = [("API key for anthropic", KEY), ("another provider", "n"), ("Ask the providers", "n"), ("Who is told", "4"), ("Who runs", ""), ("Do it?", "n")]
    for words, keys in steps:
        person.expect(words)
        if words == last:
            person.type(CTRL_C)
            break
        person.type(keys).type(ENTER)
    assert person.ended() == 130, person.text
    assert everything(fresh.home) == before
