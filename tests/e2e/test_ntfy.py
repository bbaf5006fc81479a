"""The real ntfy server: it lets nobody in without a login, and what it gives to subscribers is what was meant."""

import pytest

import credentials as c
import ntfy
from machine import STORE
from outbox import book

pytestmark = pytest.mark.skipif(not ntfy.program(), reason="the ntfy server is not there (tests/install-needs)")


@pytest.fixture
def server(tmp_path):
    made = ntfy.Ntfy(tmp_path)
    yield made
    made.close()


def receiver(server, name, login, topic=ntfy.TOPIC):
    return f'[[receivers]]\nname = "{name}"\ntype = "ntfy"\nurl = "{server.url}"\ntopic = "{topic}"\n{login}\n'


def test_what_subscribers_get_and_who_is_refused(machine, server):
    machine.env |= {"GOOD": server.token, "BAD": "tk_00000000000000000000000000000"}
    machine.write(".secrets/ntfy", ntfy.PASSWORD + "\n")
    by_token, by_password = 'token = { env = "GOOD" }', f'username = "{ntfy.USER}"\npassword = {{ file = "~/.secrets/ntfy" }}'
    machine.write(STORE, c.store(anthropic__工作=c.token(300 * c.DAY, secret="sk-ant-oat01-zeroth")))
    machine.configure(
        receiver(server, "by-token", by_token), receiver(server, "by-password", by_password),
        receiver(server, "wrong-token", 'token = { env = "BAD" }'), receiver(server, "nobody", ""),
        receiver(server, "another-topic", by_token, topic="somebody-elses"), web=False,
    )
    machine.once()
    machine.write(STORE, c.store(anthropic__工作=c.token(-c.HOUR, secret="sk-ant-oat01-first")))
    machine.once()
    # That others are in quarantine is told too; this is about what was said of the credential.
    messages = [m for m in server.messages() if "工作" in m["message"]]
    assert len(messages) == 2, messages
    for message in messages:
        assert "工作" in message["title"] and "工作" in message["message"], message
        assert message["priority"] == 5 and message["tags"] == ["rotating_light"]
        assert "attachment" not in message
    states, quarantined = book(machine)
    assert quarantined == {"wrong-token", "nobody", "another-topic"}
    for name in quarantined:
        ((state, attempts, reason, detail),) = states[name]
        assert (state, attempts, reason) == ("queued", 1, "auth_rejected"), f"{name}: {detail}"
        assert machine.env["BAD"] not in detail and server.token not in detail

    machine.write(STORE, c.store(anthropic__工作=c.token(300 * c.DAY, secret="sk-ant-oat01-second")))
    machine.once()
    over = [m for m in server.messages() if "工作" in m["message"]][2:]
    assert [(m["priority"], m["tags"]) for m in over] == [(3, ["white_check_mark"])] * 2, over
    states, _ = book(machine)
    assert "withdrawn" in {row[0] for row in states["wrong-token"]}, "who was never told is not told of the end"


def test_a_long_digest_is_no_attachment(machine, server):
    machine.env["GOOD"] = server.token
    names = {f"anthropic__一个名字很长的工作区凭证{n}": c.token(-c.HOUR, secret=f"sk-ant-oat01-{n}") for n in range(25)}
    machine.write(STORE, c.store(**names))
    machine.configure(receiver(server, "ntfy", 'token = { env = "GOOD" }'), web=False)
    machine.once()
    (message,) = server.messages()
    assert "attachment" not in message and len(message["message"].encode()) <= 4096
