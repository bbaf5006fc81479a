"""A real Matrix home server: what is in the room, once, and who is not let in."""

import pytest

import credentials as c
import synapse
from machine import STORE
from outbox import book, let_time_pass

pytestmark = pytest.mark.skipif(not synapse.python(), reason="synapse is not there (tests/install-needs)")


@pytest.fixture
def server(tmp_path):
    made = synapse.Synapse(tmp_path)
    yield made
    made.close()


def receiver(server, name, room, token="MATRIX_TOKEN"):
    return f'[[receivers]]\nname = "{name}"\ntype = "matrix"\nurl = "{server.url}"\nroom = "{room}"\ntoken = {{ env = "{token}" }}\n'


def put(machine, ends_in):
    machine.write(STORE, c.store(anthropic__工作=c.token(ends_in, secret=f"sk-ant-oat01-of-{ends_in}")))


def test_a_room_hears_of_it_once_and_of_its_end_and_strangers_are_refused(machine, server):
    ours, theirs = server.register("monitor"), server.register("somebody")
    machine.env |= {"MATRIX_TOKEN": ours, "OLD_TOKEN": "syt_token_of_nobody"}
    room, foreign = server.room(ours), server.room(theirs)
    put(machine, 300 * c.DAY)
    machine.configure(receiver(server, "matrix", room), web=False)
    machine.once()
    put(machine, -c.HOUR)
    # It arrives, and we die before we know; the same transaction again is the same event.
    machine.run("monitor", "once", env={"OPENSOUL_FAULT": "after-send"})
    assert len(server.messages(ours, room)) == 1
    let_time_pass(machine)
    machine.once()
    assert book(machine)[0]["matrix"][0][:2] == ("sent", 1), "it was sent a second time"
    (begun,) = server.messages(ours, room)
    content = begun["content"]
    assert content["msgtype"] == "m.text" and "工作" in content["body"]
    assert content["format"] == "org.matrix.custom.html" and "工作" in content["formatted_body"]

    put(machine, 300 * c.DAY)
    machine.once()
    _, over = server.messages(ours, room)
    assert over["content"]["msgtype"] == "m.notice"
    assert over["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == begun["event_id"]

    put(machine, -2 * c.HOUR)
    machine.configure(receiver(server, "stranger", foreign), receiver(server, "old", room, token="OLD_TOKEN"), web=False)
    machine.once()
    states, quarantined = book(machine)
    assert quarantined == {"stranger", "old"}
    assert states["stranger"][0][2] == "refused" and "M_FORBIDDEN" in states["stranger"][0][3]
    assert states["old"][0][2] == "auth_rejected" and "M_UNKNOWN_TOKEN" in states["old"][0][3]
    assert len(server.messages(theirs, foreign)) == 0 and machine.env["OLD_TOKEN"] not in str(states)
