"""`onboard`: what it writes, what it leaves alone, whom it asks, and that a cancelled question changes nothing."""

import json
import os
import stat

import pytest

import credentials as c
from machine import STORE
from mail import PASSWORD
from terminal import CTRL_C, ENTER, Terminal
from test_auth import gateway, modern, stand_in, vendor  # noqa: F401  (fixtures)
from test_reading import everything
from vendors import Server

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
    assert (fresh.home / "systemctl.log").read_text().splitlines()[-2:] == [
        "--user enable opensoul-check.timer", "--user restart opensoul-check.timer"
    ]
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
    (["--receiver", "pigeon:x"], "docs/channels.md"),
    (["--receiver", "email:server=mail.example.org,from=a@example.org,to=b@example.org"], "not the URL of a mail server"),
    (["--keys-in", "profiles", "--key-file", "anthropic=TOKEN"], "only authorized for use with Claude Code"),
    (["--key-file", "anthropic=TOKEN"], "only authorized for use with Claude Code"),
])
def test_what_makes_no_sense_is_said_and_nothing_is_written(fresh, args, says):
    names = {"FILE": key_file(fresh), "TOKEN": fresh.write("token.txt", "sk-ant-oat01-canary")}
    args = [arg if "=" not in arg else arg.replace("=FILE", f"={names['FILE']}").replace("=TOKEN", f"={names['TOKEN']}") for arg in args]
    before = everything(fresh.home)
    ended = fresh.run("onboard", "--non-interactive", *args)
    assert ended.code in (64, 66) and says in ended.err and "canary" not in ended.err, ended
    assert everything(fresh.home) == before


def test_several_receivers_of_a_type_and_one_that_is_there(fresh):
    urls = [fresh.write(f"url-{n}", f"http://127.0.0.1:9/{n}\n", mode=0o600) for n in "ab"]
    args = [word for url in urls for word in ("--receiver", f"webhook:{url}")]
    ended = fresh.run("onboard", "--non-interactive", *args)
    assert ended.code == 0 and "the receiver webhook-2" in ended.out, ended
    text = fresh.config.read_text()
    assert text.count("[[receivers]]\nname") == 2 and all(str(url) in text for url in urls)
    again = fresh.run("onboard", "--non-interactive", *args)
    assert again.code == 0 and "the receiver" not in again.out and fresh.config.read_text() == text, again
    assert fresh.run("monitor", "check-config").code == 0


def test_a_secret_that_is_not_there_is_refused_before_anything_is_written(fresh):
    before = everything(fresh.home)
    ended = fresh.run("onboard", "--non-interactive", "--receiver", f"webhook:{fresh.home}/gone", "--service", "timer")
    assert ended.code == 66 and "gone" in ended.err, ended
    assert everything(fresh.home) == before


def test_the_unit_watches_what_this_shell_watches_under_the_name_it_has_here(fresh):
    (fresh.home / "bin/opensoul").symlink_to(fresh.program)
    fresh.env["CLAUDE_CONFIG_DIR"] = '~/my "claude" 100%'
    ended = fresh.run("onboard", "--non-interactive", "--service", "daemon")
    assert ended.code == 0, ended
    unit = (fresh.home / ".config/systemd/user/opensoul-monitor.service").read_text()
    assert f"ExecStart={fresh.home}/bin/opensoul monitor run" in unit, unit
    assert '[Service]\n' in unit and 'Environment="CLAUDE_CONFIG_DIR=~/my \\"claude\\" 100%%"\n' in unit, unit


def test_a_running_monitor_is_told_of(fresh):
    fresh.configure()
    fresh.daemon()
    ended = fresh.run("onboard", "--non-interactive", "--receiver", "ntfy:topic-of-mine-4711")
    assert ended.code == 0 and "kill -HUP" in ended.out, ended


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


# Keys as auth profiles


def test_keys_as_auth_profiles_by_flags_and_again(fresh):
    fresh.write(".opensoul/opensoul.json", "// ours\n{}\n")
    login = {"type": "oauth", "provider": "google", "access": "a", "refresh": "r", "expires": c.ms(c.HOUR)}
    fresh.write(STORE, {"version": 1, "profiles": {"google:default": login}, "custom": 1})
    args = ["onboard", "--non-interactive", "--keys-in", "profiles", "--key-file", f"anthropic={key_file(fresh)}",
            "--key-file", f"google={key_file(fresh)}", "--key-file", f"nobodys-own={key_file(fresh)}"]
    ended = fresh.run(*args)
    assert ended.code == 0 and "canary" not in ended.out + ended.err, ended
    store = json.loads((fresh.home / STORE).read_text())
    key = {"type": "api_key", "key": KEY}
    assert store.pop("profiles") == {
        "google:default": login, "google:api-key": key | {"provider": "google"},
        "anthropic:default": key | {"provider": "anthropic"}, "nobodys-own:default": key | {"provider": "nobodys-own"},
    }, "a login is not lost to a key"
    assert store == {"version": 1, "custom": 1} and mode(fresh.home / STORE) == 0o600
    config = (fresh.home / ".opensoul/opensoul.json").read_text()
    assert "// ours" in config and '"anthropic:default"' in config and "canary" not in config
    assert not (fresh.home / ".opensoul/.env").exists()
    before = {path: content for path, content in everything(fresh.home).items() if (fresh.home / path).is_file()}
    again = fresh.run(*args)
    after = {path: content for path, content in everything(fresh.home).items() if (fresh.home / path).is_file()}
    assert again.code == 0 and before == after, again


def test_where_sqlite_keeps_them_a_key_goes_to_the_owners_program(modern):
    args = ["onboard", "--non-interactive", "--keys-in", "profiles", "--key-file", f"openrouter={key_file(modern)}"]
    before = everything(modern.home)
    nobody = modern.run(*args)
    assert nobody.code == 69 and "openclaw models auth paste-api-key --provider openrouter" in nobody.err, nobody
    assert everything(modern.home) == before
    ended = modern.run(*args, env=stand_in(modern, "openclaw"))
    assert ended.code == 0 and "canary" not in ended.out + ended.err, ended
    tools = modern.root / "tools"
    assert (tools / "openclaw.stdin").read_text() == KEY + "\n" and "canary" not in (tools / "openclaw.cmdline").read_text()
    words = ["models", "auth", "paste-api-key", "--provider", "openrouter", "--profile-id", "openrouter:default"]
    assert (tools / "openclaw.log").read_text().splitlines() == words


def test_keys_are_verified_wherever_they_went(gateway, vendor):
    for where, key, code in [("profiles", "sk-good", 0), ("env", "sk-good", 0), ("profiles", "sk-bad", 1), ("env", "sk-bad", 1)]:
        asked = len(vendor)
        ended = gateway.run("onboard", "--non-interactive", "--keys-in", where, "--key-file", f"openai={key_file(gateway, key)}", "--verify")
        assert ended.code == code and f"Bearer {key}" in vendor[asked:] and key not in ended.out + ended.err, ended
        assert f"Bearer {'sk-bad' if key == 'sk-good' else 'sk-good'}" not in vendor[asked:]
        for place in (STORE, ".opensoul/.env"):
            (gateway.home / place).unlink(missing_ok=True)


# Receivers


def test_mail_and_telegram_by_flags(fresh, mail_server):
    mail, chats = mail_server("starttls"), Server(["telegram"])
    token = fresh.write("bot", next(value for name, value in chats.env.items() if "TELEGRAM" in name.upper()) + "\n")
    try:
        email = f"email:server={mail.url},username=monitor,password=~/.secrets/smtp,from=Our Monitor <m@example.org>,to=a@example.org,b@example.org"
        telegram = f"telegram:chat=-1001234567890,token={token},url={chats.base}/telegram"
        ended = fresh.run("onboard", "--non-interactive", "--receiver", email, "--receiver", telegram, "--test")
    finally:
        chats.close()
    assert ended.code == 0, ended
    (sent,) = mail.accepted()
    assert sent.recipients == ["a@example.org", "b@example.org"] and sent.user == "monitor" and sent.encrypted
    assert [body["chat_id"] for body in chats.vendors["telegram"].taken]
    config = fresh.config.read_text()
    assert 'password = { file = "~/.secrets/smtp" }' in config and fresh.run("monitor", "check-config").code == 0
    refused = fresh.run("alerts", "test", "email")
    assert refused.code == 0, refused


def test_a_test_message_that_nobody_takes_is_a_failure(fresh, mail_server):
    mail = mail_server("starttls", password="another")
    email = f"email:server={mail.url},username=monitor,password=~/.secrets/smtp,from=m@example.org,to=a@example.org"
    ended = fresh.run("onboard", "--non-interactive", "--receiver", email, "--test")
    assert ended.code == 69 and "not every receiver has the message" in ended.err and fresh.config.exists(), ended


# A person


def asked(fresh):
    """A person who gives a key for the provider that a model needs."""
    fresh.write(STORE, c.store())
    fresh.write(".opensoul/opensoul.json", c.gateway_config())
    return Terminal(fresh, "onboard", env={"SHELL": "/bin/bash"})


def answer(person, *steps):
    for question, keys in steps:
        person.expect(question).type(keys + ENTER)


def test_a_person_answers(fresh, mail_server):
    mail = mail_server("starttls")
    with asked(fresh) as person:
        answer(
            person, ("API key for anthropic", "sk-ant-oat01-canary"), ("only authorized", KEY), ("Where shall", "3"), ("from 1 to 2", "env"),
            ("another provider", "perhaps"), ("y or n", "y"), ("Provider", ""), ("name a provider", "nobody"), ("no key of nobody", "y"),
            ("Provider", "openai"), ("API key for openai", "two words"), ("has blanks", ""), ("another provider", "n"),
            ("Ask the providers", "n"), ("Who is told", "8"), ("from 1 to 7", "email"),
            ("server (", "mail.example.org"), ("not the URL of a mail server", mail.url),
            ("from (", "nobody"), ("not a mail address", "monitor@example.org"), ("to (", "a@example.org, b"), ("not a mail address", ""),
            ("username (", "monitor"), ("password (", ""), ("Required", PASSWORD), ("Send a test", "y"),
            ("Who runs the monitor?", ""), ("completion for bash", ""),
        )
        person.expect("This will be done").expect("ANTHROPIC_API_KEY=…").expect("secrets/email-password").expect("the receiver email")
        answer(person, ("Do it?", "y"))
        assert person.ended() == 0, person.text
        assert "canary" not in person.text and PASSWORD not in person.text
    assert (fresh.home / ".opensoul/.env").read_text() == f"ANTHROPIC_API_KEY={KEY}\n"
    assert (fresh.home / ".config/systemd/user/opensoul-check.timer").exists()
    assert (fresh.home / ".local/share/bash-completion/completions/opensoul").exists()
    secret = fresh.config.parent / "secrets/email-password"
    assert secret.read_text() == PASSWORD + "\n" and (mode(secret), mode(secret.parent)) == (0o600, 0o700)
    assert PASSWORD not in fresh.config.read_text()
    (sent,) = mail.accepted()
    assert sent.recipients == ["monitor@example.org"], "who sends it gets it, if nobody else is named"


@pytest.mark.parametrize("way, steps, written", [
    ("1", [("topic (", "")], 'topic = "opensoul-'),
    ("telegram", [("token (", "110001:bot"), ("chat (", "-100")], 'chat = "-100"\n'),
    ("4", [("url (", "example.org/x"), ("It is not", "https://hooks.example.org/canary")], 'url = { file = "~/.config/opensoul/secrets/webhook-url" }'),
    ("5", [], 'type = "desktop"'),
    ("6", [("Which way", "pigeon"), ("one of: ", "slack"), ("url (", ""), ("token (", ""), ("channel (", "#ops"),
            ("channel needs a bot", "https://hooks.slack.com/services/canary"), ("token (", ""), ("channel (", "")], 'type = "slack"'),
    ("7", [], None),
], ids=["ntfy", "telegram", "webhook", "desktop", "another", "nobody"])
def test_who_is_told(fresh, way, steps, written):
    with Terminal(fresh, "onboard") as person:
        answer(person, ("another provider", "n"), ("Ask the providers", "n"), ("Who is told", way), *steps)
        if written:
            answer(person, ("Send a test", "n"))
        answer(person, ("Who runs", "3"))
        if written:
            answer(person, ("Do it?", "y"))
        else:
            person.expect("Nothing to do")
        assert person.ended() == 0, person.text
        assert "canary" not in person.text and "110001" not in person.text
    assert fresh.config.exists() == bool(written)
    if written:
        assert written in fresh.config.read_text() and fresh.run("monitor", "check-config").code == 0
        assert "canary" not in fresh.config.read_text()


def test_what_is_typed_before_a_secret_is_asked_for_is_not_shown(fresh):
    """Key by key and without a pause, so that some arrive between the two questions."""
    early = "Q" * 3000
    for _ in range(12):
        with Terminal(fresh, "onboard") as person:
            answer(person, ("another provider", "n"), ("Ask the providers", "n"), ("Who is told", "6"), ("Which way", "slack"))
            for key in early:
                person.type(key)
            person.type(ENTER).expect("url (").expect("It is not")
            assert "Q" not in person.text, person.text
        with Terminal(fresh, "onboard") as person:
            answer(person, ("another provider", "y"), ("Provider", "openai"), ("Where shall", "env"))
            for key in early:
                person.type(key)
            person.type(ENTER).expect("API key for openai").expect("received")
            assert "Q" not in person.text, person.text


def test_a_person_who_does_not_want_it(fresh):
    with asked(fresh) as person:
        before = everything(fresh.home)
        answer(person, ("API key for anthropic", KEY), ("Where shall", "2"), ("another provider", "n"), ("Ask the providers", "y"),
               ("Also ask where", "y"), ("Who is told", "7"), ("Who runs", "2"), ("completion for bash", "y"))
        person.expect("auth profile anthropic:default").expect("undocumented = true").expect("opensoul-monitor.service")
        answer(person, ("Do it?", "n"))
        assert person.ended() == 0 and "Nothing was changed." in person.text, person.text
    assert everything(fresh.home) == before


QUESTIONS = [
    ("API key for anthropic", KEY), ("Where shall", "2"), ("another provider", "y"), ("Provider", "openai"), ("API key for openai", "sk-2"),
    ("another provider", "n"), ("Ask the providers", "y"), ("Also ask where", "n"), ("Who is told", "6"), ("Which way", "email"),
    ("server (", "smtps://mail.example.org"), ("from (", "a@example.org"), ("to (", ""), ("username (", "me"), ("password (", "canary"),
    ("Send a test", "n"), ("Who runs", "1"), ("completion for bash", "y"), ("Do it?", "y"),
]


@pytest.mark.parametrize("at", range(len(QUESTIONS)), ids=[question for question, _ in QUESTIONS])
def test_a_cancelled_question_leaves_everything_as_it_was(fresh, at):
    with asked(fresh) as person:
        before = everything(fresh.home)
        answer(person, *QUESTIONS[:at])
        person.expect(QUESTIONS[at][0]).type("half" + CTRL_C)
        assert person.ended() == 130, person.text
        assert person.echoes, "the terminal is as it was"
    assert everything(fresh.home) == before
