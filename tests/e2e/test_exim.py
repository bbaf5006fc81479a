"""Mail through a real server: what arrives is in a Maildir, whole, once, and under the same Message-ID if it comes twice."""

import types

import pytest

import credentials as c
import exim
from machine import STORE, email_receiver
from mail import PASSWORD
from outbox import book, let_time_pass
from waiting import until

pytestmark = pytest.mark.skipif(bool(exim.why_not()), reason=exim.why_not() or "-")


@pytest.fixture
def server(tmp_path, authority, machine):
    machine.env["SSL_CERT_FILE"] = str(authority.bundle)
    machine.write(".secrets/smtp", PASSWORD + "\n")
    machine.write(".secrets/wrong", "another-password\n")
    made = exim.Exim(tmp_path, authority)
    yield made
    made.close()


def receiver(server, security, name, to, **more):
    return email_receiver(types.SimpleNamespace(url=server.url(security)), name=name, to=to, **more)


def arrived(server, count):
    until(lambda: len(server.mails()) >= count, 20, lambda: f"{count} mails:\n{server.log()}")
    return server.mails()


def test_mail_on_each_way_in_and_who_is_refused(machine, server):
    machine.write(STORE, c.store(anthropic__工作=c.token(-c.HOUR, secret="sk-ant-oat01-first")))
    machine.configure(
        receiver(server, "starttls", "first", ["ops@example.org", "gone@example.org"]),
        receiver(server, "tls", "second", ["chef@example.org"]),
        receiver(server, "starttls", "grey", ["grey@example.org", "nobody@example.org"]),
        receiver(server, "tls", "wrong", ["never@example.org"], password='{ file = "~/.secrets/wrong" }'),
        web=False,
    )
    machine.once()
    mails = arrived(server, 3)
    to = {mail["Envelope-To"]: mail for mail in mails}
    assert sorted(to) == ["chef@example.org", "nobody@example.org", "ops@example.org"], server.log()
    for mail in mails:
        plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert "工作" in plain and "工作" in html and mail["Message-ID"] and not mail.defects
        assert "esmtpsa" in mail["Received"], "encrypted and logged in"
    states, quarantined = book(machine)
    assert [row[2] for row in states["wrong"]] == ["auth_rejected"] and PASSWORD not in str(states)
    assert [row[:2] for row in states["grey"]] == [("queued", 1)], states["grey"]
    assert "550" in str(states["first"]) or states["first"][0][0] == "sent", states["first"]

    let_time_pass(machine)
    machine.once()
    # Who is well hears of the refused login of another too: what is looked for is the mail about the credential.
    about = lambda address: [m for m in server.mails() if m["Envelope-To"] == address and "工作" in str(m["Subject"]) + m.get_body(("plain",)).get_content()]  # noqa: E731
    again = until(lambda: about("grey@example.org"), 20, server.log)
    assert len(again) == 1 and again[0]["Message-ID"] == to["nobody@example.org"]["Message-ID"], "one message, greylisted for one of two"
    assert len(about("ops@example.org")) == len(about("nobody@example.org")) == 1, "who has it does not get it again"


def test_a_crash_after_the_mail_was_taken(machine, server):
    machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
    machine.configure(receiver(server, "starttls", "mail", ["ops@example.org"]), web=False)
    machine.run("monitor", "once", env={"OPENSOUL_FAULT": "after-send"})
    arrived(server, 1)
    let_time_pass(machine)
    machine.once()
    first, second = arrived(server, 2)
    assert first["Message-ID"] == second["Message-ID"] and first["Subject"] == second["Subject"]
