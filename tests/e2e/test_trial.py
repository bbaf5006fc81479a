"""`alerts test`, in front of every real server and every vendor: what it says is what the other side has."""

import datetime
import types

import pytest

import alertmanager
import exim
import ntfy
import synapse
from hook import HookServer
from machine import email_receiver, webhook_receiver
from mail import PASSWORD
from test_exim import server as exim_server  # noqa: F401 (a fixture)
from test_vendors import nothing_wrong, vendors  # noqa: F401 (a fixture)
from waiting import until

TITLE = "[TEST] opensoul on testhost"


def tried(machine, *args, code=0):
    ended = machine.run("alerts", "test", *args)
    assert ended.code == code, ended
    assert not machine.state.exists(), "a test is no business of the monitor, and makes no file of its"
    return ended.out


def both_delivered(out, *names):
    for name in names:
        for what in ("test delivered in ", "end of the test delivered in "):
            assert f"): {what}" in out and any(line.startswith(f"{name} (") and what in line for line in out.splitlines()), out


@pytest.mark.skipif(bool(exim.why_not()), reason=exim.why_not() or "-")
def test_exim(machine, exim_server):  # noqa: F811
    receiver = lambda security: email_receiver(types.SimpleNamespace(url=exim_server.url(security)), name=security)  # noqa: E731
    machine.configure(receiver("starttls"), receiver("tls"), web=False)
    both_delivered(tried(machine, "--resolve"), "starttls", "tls")
    mails = until(lambda: len(exim_server.mails()) == 4 and exim_server.mails(), 20, exim_server.log)
    for mail in mails:
        assert TITLE in mail["Subject"] and "nothing has to be done" in mail.get_body(("plain",)).get_content()
    assert len({mail["Message-ID"] for mail in mails}) == 4
    machine.write(".secrets/smtp", "another-password\n")
    out = tried(machine, "tls", code=69)
    assert "tls (email): test refused in " in out and "535" in out and PASSWORD not in out, out


def test_aiosmtpd(machine, mail_server):
    mail = mail_server("starttls")
    machine.configure(email_receiver(mail), web=False)
    both_delivered(tried(machine, "mail", "--resolve"), "mail")
    begin, end = mail.accepted()
    assert TITLE in begin["Subject"] and begin["Subject"] == end["Subject"]
    assert set(begin["References"].split()) & set(end["References"].split()), "one thread"
    mail.say.append(("DATA", "421 4.3.2 shutting down"))
    out = tried(machine, code=69)
    assert "not delivered" in out and "421" in out and len(mail.accepted()) == 2, "tried once"


@pytest.mark.skipif(not ntfy.program(), reason="the ntfy server is not there (tests/install-needs)")
def test_ntfy(machine, tmp_path):
    server = ntfy.Ntfy(tmp_path)
    try:
        machine.env |= {"GOOD": server.token, "BAD": "tk_00000000000000000000000000000"}
        receiver = lambda name: f'[[receivers]]\nname = "{name.lower()}"\ntype = "ntfy"\nurl = "{server.url}"\ntopic = "{ntfy.TOPIC}"\ntoken = {{ env = "{name}" }}\n'  # noqa: E731
        machine.configure(receiver("GOOD"), receiver("BAD"), web=False)
        out = tried(machine, "good", "--resolve")
        both_delivered(out, "good")
        begin, end = server.messages()
        assert TITLE in begin["title"] and begin["id"] in out and end["tags"] == ["white_check_mark"]
        out = tried(machine, code=69)
        assert "good (ntfy): test delivered" in out and "bad (ntfy): test refused" in out and "unauthorized" in out, out
        assert machine.env["BAD"] not in out and len(server.messages()) == 3
    finally:
        server.close()


@pytest.mark.skipif(not synapse.python(), reason="synapse is not there (tests/install-needs)")
def test_synapse(machine, tmp_path):
    server = synapse.Synapse(tmp_path)
    try:
        token = machine.env["MATRIX_TOKEN"] = server.register("monitor")
        room = server.room(token)
        machine.configure(
            f'[[receivers]]\nname = "room"\ntype = "matrix"\nurl = "{server.url}"\nroom = "{room}"\ntoken = {{ env = "MATRIX_TOKEN" }}\n', web=False,
        )
        out = tried(machine, "--resolve")
        both_delivered(out, "room")
        begin, end = server.messages(token, room)
        assert TITLE in begin["content"]["body"] and '"event_id"' in out and token not in out
        # It was info, which begins no thread that anybody has to follow; both are there.
        assert "OVER" in end["content"]["body"]
    finally:
        server.close()


@pytest.mark.skipif(not alertmanager.program(), reason="Alertmanager is not installed")
def test_alertmanagers(machine, folder):
    pages = HookServer()
    # Rounds are further apart than a turn is long, or the second would tell what was true before the first said that it is over;
    # a turn is longer than a busy machine holds up the first.
    config = (
        "route: {receiver: hook, group_by: [alertname, host, credential, check], group_wait: 1s, group_interval: 15s}\n"
        f"receivers: [{{name: hook, webhook_configs: [{{url: '{pages.url}', send_resolved: true}}]}}]\n"
    )
    pair = alertmanager.cluster(folder, pages, config=config, turn="10s")
    try:
        one, two = pair
        machine.configure(extra=f'[export]\nalertmanager = ["{one.url}", "{two.url}"]\n', web=False)
        out = tried(machine)
        for manager in pair:
            assert f"{manager.name} (alertmanager): test delivered in " in out, out
            (alert,) = manager.alerts()
            assert alert["labels"] == {"alertname": "OpensoulTest", "severity": "info", "host": "testhost"}
            assert alert["annotations"]["title"] == TITLE
            left = datetime.datetime.fromisoformat(alert["endsAt"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
            assert left <= datetime.timedelta(minutes=5), "it ends by itself"
        until(lambda: pages.alerts("firing"), 30, "whoever it tells hears of the test")
        both_delivered(tried(machine, "--resolve"), one.name, two.name)
        assert not one.alerts() and not two.alerts()
        # By then both had their turn to tell of the test.
        until(lambda: pages.alerts("resolved"), 60, "and of its end")
        assert len(pages.alerts("firing")) == 1
        two.kill()
        out = tried(machine, code=69)
        assert f"{one.name} (alertmanager): test delivered" in out and f"{two.name} (alertmanager): test not delivered" in out, out
    finally:
        for manager in pair:
            manager.kill()
        pages.close()


def test_a_signed_webhook(machine, hook):
    machine.configure(webhook_receiver(hook), web=False)
    both_delivered(tried(machine, "hook", "--resolve"), "hook")
    begin, end = hook.accepted()
    assert begin.signed_with(hook.secret) and end.signed_with(hook.secret) and begin.id != end.id
    assert [call.body["status"] for call in (begin, end)] == ["firing", "resolved"]
    assert begin.body["alerts"][0]["fingerprint"] == end.body["alerts"][0]["fingerprint"]
    ended = machine.run("alerts", "test", "nobody")
    assert ended.code == 64 and "there are: hook" in ended.err, ended


def test_every_vendor(machine, vendors):  # noqa: F811
    machine.configure(*vendors.receivers, web=False)
    out = tried(machine, "--resolve")
    both_delivered(out, *(one.name for one in vendors))
    nothing_wrong(vendors)
    for one in vendors:
        assert len(one.taken) >= 2 and "TEST" in one.shown()[0], f"{one.name}: {one.taken}"


def test_where_a_test_would_stay_open_it_is_ended(machine, vendors):  # noqa: F811
    machine.configure(*vendors.receivers, web=False)
    out = tried(machine)
    ends = {one.name for one in vendors if f"{one.name} ({one.channel}): end of the test" in out}
    assert ends == {"pagerduty", "opsgenie", "jsm"}, out
    nothing_wrong(vendors)


def test_a_refusal_is_shown_in_the_vendors_words_and_nothing_secret_with_it(machine, vendors):  # noqa: F811
    machine.configure(*vendors.receivers, web=False)
    for one in vendors:
        one.good = False
    out = tried(machine, "--resolve", code=69)
    for one in vendors:
        assert len(one.calls) == 1, f"{one.name} is tried once"
        (line,) = [line for line in out.splitlines() if line.startswith(f"{one.name} (")]
        assert "delivered in" not in line or "not delivered in" in line, line
        for secret in one.keys.values():
            assert secret not in out and secret.rsplit("/", 1)[-1] not in out, line
