"""Mail that arrives, and each way in which a mail server fails: nothing is lost, and it is tried again."""

import pytest

import credentials as c
from machine import STORE, email_receiver
from mail import MailServer
from outbox import book, let_time_pass
from prometheus import free_port
from waiting import until


def expiring(machine):
    machine.write(STORE, c.store(anthropic__work=c.token(2 * c.DAY, secret="sk-ant-oat01-of-all-of-them")))


def failed(daemon, *reasons):
    """How many deliveries failed for one of these reasons."""
    metrics = daemon.metrics()
    return sum(metrics.total("opensoul_notifications_failed_total", reason=reason) for reason in reasons)


@pytest.mark.parametrize("security", ["starttls", "tls", "plain"])
def test_each_way_to_speak_to_a_server(machine, mail_server, security):
    mail = mail_server(security)
    expiring(machine)
    machine.configure(email_receiver(mail, to=("ops@example.org", "Chef <chef@example.org>")))
    machine.once()
    (sent,) = mail.accepted()
    assert sent.recipients == ["ops@example.org", "chef@example.org"]
    assert sent.encrypted == (security != "plain")
    assert sent["From"] == "opensoul <monitor@example.org>"
    assert sent.message.get_content_type() == "multipart/alternative"
    assert "anthropic" in sent["Subject"] + sent.part("plain")


# What goes wrong first, and the reasons under which it may be counted.
ONCE = {
    "greylisted": (("RCPT", "450 4.2.0 greylisted, try again"), ("server_error", "rate_limited")),
    "no memory": (("DATA", "452 4.3.1 insufficient storage"), ("server_error", "rate_limited")),
    "421 after DATA": (("DATA", "421 4.3.2 shutting down"), ("server_error", "offline")),
    "refuses the sender for now": (("MAIL", "451 4.3.0 try later"), ("server_error",)),
}


@pytest.mark.parametrize("failure", ONCE)
def test_a_passing_failure_is_tried_again(machine, mail_server, failure):
    mail = mail_server("starttls")
    answer, reasons = ONCE[failure]
    mail.say.append(answer)
    expiring(machine)
    machine.configure(email_receiver(mail))
    daemon = machine.daemon()
    until(lambda: failed(daemon, *reasons) >= 1, 20, lambda: f"the failure is counted:\n{daemon.get('/metrics')}")
    until(mail.accepted, 90, "the mail arrives all the same")
    until(lambda: daemon.metrics().total("opensoul_notification_queue_length") == 0, 20, "and that is written down")
    assert daemon.stop()[0] == 0
    machine.once()
    assert len(mail.accepted()) == 1, "and only once"


def test_a_server_that_refuses_connections_and_comes_back(machine, mail_server):
    mail = mail_server("starttls", port=free_port())
    receiver, port, context = email_receiver(mail), mail.port, mail.context
    mail.close()
    expiring(machine)
    machine.configure(receiver)
    daemon = machine.daemon()
    until(lambda: failed(daemon, "offline") >= 1, 20, "the failure is counted")
    assert daemon.metrics().total("opensoul_notification_queue_length") == 1
    back = MailServer("starttls", context, port=port)
    try:
        until(back.accepted, 90, "the mail arrives when the server is back")
        until(lambda: daemon.metrics().total("opensoul_notification_queue_length") == 0)
    finally:
        back.close()


def test_a_silent_server_is_a_timeout_and_holds_up_nothing(machine, mail_server, hook):
    from machine import webhook_receiver

    silent = mail_server("starttls", silent=True)
    expiring(machine)
    machine.configure(email_receiver(silent), webhook_receiver(hook))
    daemon = machine.daemon()
    until(hook.accepted, 20, "the other receiver is not held up")
    assert daemon.get("/metrics"), "the page answers meanwhile"
    until(lambda: failed(daemon, "timeout") >= 1, 90, "the timeout is counted")
    assert daemon.metrics().value("opensoul_notification_queue_length", receiver="mail") == 1


@pytest.mark.parametrize("certificate", ["another name", "another authority"])
def test_a_wrong_certificate_gets_no_password(machine, mail_server, authority, tmp_path, certificate):
    from certificates import Authority

    signer = authority if certificate == "another name" else Authority(tmp_path)
    names = ("wrong.example.org",) if certificate == "another name" else ()
    for security in ("starttls", "tls"):
        mail = mail_server(security, context=signer.server(*names))
        expiring(machine)
        machine.configure(email_receiver(mail))
        daemon = machine.daemon()
        until(lambda: failed(daemon, "tls") >= 1, 20, lambda: f"{security}:\n{daemon.log}\n{daemon.get('/metrics')}")
        assert not mail.mails and not [s for s in mail.seen if s.startswith("AUTH")]
        assert daemon.metrics().total("opensoul_notification_queue_length") == 1
        daemon.kill()
        # The next one does not wait for what this one has tried.
        let_time_pass(machine)


def test_a_server_without_starttls_gets_no_password(machine, mail_server):
    mail = mail_server("plain")
    expiring(machine)
    machine.configure(email_receiver(mail).replace("smtp://", "smtp+starttls://"))
    daemon = machine.daemon()
    until(lambda: failed(daemon, "tls") >= 1, 20, lambda: f"counted:\n{daemon.get('/metrics')}")
    assert not mail.mails and not [s for s in mail.seen if s.startswith("AUTH")]


def test_a_refused_password(machine, mail_server):
    mail = mail_server("starttls", password="changed yesterday")
    expiring(machine)
    machine.configure(email_receiver(mail))
    daemon = machine.daemon()
    until(lambda: failed(daemon, "auth_rejected") >= 1, 20, lambda: f"counted:\n{daemon.get('/metrics')}")
    assert not mail.mails
    assert daemon.metrics().total("opensoul_notification_queue_length") == 1, "the message is kept"


def test_one_bad_recipient_does_not_cost_the_others_their_mail(machine, mail_server):
    mail = mail_server("starttls")
    mail.refuse["gone@example.org"] = "550 5.1.1 no such user"
    expiring(machine)
    machine.configure(email_receiver(mail, to=("gone@example.org", "ops@example.org")))
    daemon = machine.daemon()
    until(mail.accepted, 20, lambda: f"the good recipient gets it:\n{daemon.log}")
    assert [m.recipients for m in mail.accepted()] == [["ops@example.org"]]
    until(lambda: failed(daemon, "refused") >= 1, 20, lambda: f"counted:\n{daemon.get('/metrics')}")
    until(lambda: book(machine)[0]["mail"][0][1] >= 1, 20, "who has it is written down")
    daemon.stop()
    machine.once()
    assert [m.recipients for m in mail.accepted()] == [["ops@example.org"]], "and once only"


def test_an_accepted_mail_whose_answer_is_lost_is_the_same_mail_again(machine, mail_server):
    """421 after the data was taken: it may come twice, but with one Message-ID."""
    mail = mail_server("starttls")
    expiring(machine)
    machine.configure(email_receiver(mail))
    aborted = machine.run("monitor", "once", env={"OPENSOUL_FAULT": "after-send"})
    assert aborted.code != 0 and len(mail.accepted()) == 1, aborted
    until(lambda: machine.once() and len(mail.accepted()) >= 2, 60, "sent again, as nobody knows whether it arrived", every=1)
    assert len({m["Message-ID"] for m in mail.accepted()}) == 1
