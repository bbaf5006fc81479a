"""What people do about alerts, through the built program: acknowledge, put off, silence, escalate, report; with a running
monitor and without one."""

import json
import sqlite3

import pytest

import credentials as c
from machine import STORE, webhook_receiver
from waiting import until

MINUTE = 60


def put(machine, ends_in):
    machine.write(STORE, c.store(anthropic__work=c.token(ends_in, secret=f"sk-ant-oat01-of-{ends_in}")))


def alerts(machine, *args, **more):
    return machine.run("alerts", *args, **more)


def listed(machine):
    ended = alerts(machine, "list", "--json")
    assert ended.code == 0, ended
    return ended.json()


def only(machine):
    (one,) = listed(machine)["incidents"]
    return one


def age(machine, seconds):
    """Makes everything in `state.db` older: the machine has only one clock."""
    database = sqlite3.connect(machine.state / "state.db")
    older = seconds * 1000
    for (id, body) in database.execute("SELECT id, body FROM incident").fetchall():
        body = json.loads(body)
        move(body, seconds)
        database.execute("UPDATE incident SET body = ?, since = since - ? WHERE id = ?", (json.dumps(body), older, id))
    for (id, body) in database.execute("SELECT id, body FROM silence").fetchall():
        body = json.loads(body)
        move(body, seconds)
        database.execute("UPDATE silence SET body = ?, ends_at = ends_at - ? WHERE id = ?", (json.dumps(body), older, id))
    database.execute("UPDATE run SET at = at - ?", (older,))
    database.execute("UPDATE meta SET value = value - ? WHERE name = 'last_time'", (older,))
    database.commit()
    database.close()


DATES = {"since", "last_seen", "resolved_at", "announced_at", "unacked_since", "returned_at", "at", "until", "starts_at",
         "ends_at", "created_at"}


def move(body, seconds):
    import datetime

    for key, value in list(body.items()):
        if isinstance(value, dict):
            move(value, seconds)
        elif key in DATES and isinstance(value, str):
            at = datetime.datetime.fromisoformat(value.replace("Z", "+00:00")) - datetime.timedelta(seconds=seconds)
            body[key] = at.isoformat().replace("+00:00", "Z")


@pytest.fixture(params=["once", "daemon"])
def at_work(request, machine):
    """Runs cycles: by `monitor once` each time, or by a daemon that commands go through."""

    class Work:
        daemon = None

        def start(self):
            if request.param == "daemon":
                self.daemon = machine.daemon()
            else:
                machine.once()

        def cycle(self):
            if self.daemon:
                assert self.daemon.reload()[0] == 200
            else:
                machine.once()

    return Work()


def test_an_ack_is_shown_and_its_end_is_told(machine, hook, at_work):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    at_work.start()
    until(lambda: hook.alerts("firing"), 20, "the alert")
    one = only(machine)
    assert one["status"] == "firing" and one["ack"] is None
    until(lambda: only(machine)["told"], 20, "told")

    acked = alerts(machine, "ack", one["id"][:6], "--comment", "on it", "--author", "ann")
    assert acked.code == 0 and "Acknowledged" in acked.out, acked
    one = only(machine)
    assert one["status"] == "acked" and one["ack"]["by"] == "ann" and one["ack"]["comment"] == "on it"
    status = machine.run("status", "--json").json()["incidents"][0]
    assert status["status"] == "acked" and status["withheld"]["by"] == "ann"
    for width in ("80", "40"):
        text = alerts(machine, "list", env={"COLUMNS": width}).out
        assert "acknowledged by ann" in " ".join(text.split())
        assert all(len(line) <= int(width) for line in text.splitlines()), text
    if at_work.daemon:
        page = until(lambda: (p := at_work.daemon.get("/")) and "acknowledged by ann" in p and p, 20, "the page")
        assert "acknowledged by ann" in page
        counted = lambda: at_work.daemon.metrics().value("opensoul_alerts", severity="critical", status="acked")  # noqa: E731
        until(lambda: counted() == 1, 20, "the metric")

    shown = alerts(machine, "show", one["id"])
    assert shown.code == 0 and "nothing is said" in shown.out, shown
    said = len(hook.accepted())
    at_work.cycle()
    assert len(hook.accepted()) == said
    put(machine, 300 * c.DAY)
    at_work.cycle()
    until(lambda: hook.alerts("resolved"), 20, "the end")
    assert len(hook.alerts("firing")) == 1


def test_unack_and_errors(machine, hook, at_work):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    at_work.start()
    until(lambda: hook.alerts("firing"), 20, "the alert")
    id = only(machine)["id"]
    assert alerts(machine, "ack", id, "--for", "2h").code == 0
    assert alerts(machine, "unack", id).code == 0
    assert only(machine)["status"] == "firing"
    for args, part in [
        (("ack", "zzzz"), "there is no open incident"),
        (("ack", "../x"), "x"),
        (("unack", id), "is not acknowledged"),
        (("snooze", id), "a snooze ends"),
        (("ack", id, "--for", "soon"), "not a span of time"),
        (("silence", "provider=anthropic", "--for", "2h"), "say why"),
        (("silence", "provider=anthropic", "--comment", "c"), "a silence ends"),
        (("silence", "--for", "2h", "--comment", "c"), "say what is silenced"),
        (("silence", "credential=codex:*", "--for", "2h", "--comment", "c"), "credential=~codex:*"),
        (("unsilence", "zzzz"), "there is no silence"),
        (("outbox", "drop", "zzzz"), "there is no waiting message"),
    ]:
        ended = alerts(machine, *args)
        assert ended.code == 64 and part in ended.err, (args, ended)


def test_a_silence_holds_and_lets_go(machine, hook, at_work):
    put(machine, 300 * c.DAY)
    machine.configure(webhook_receiver(hook))
    at_work.start()
    made = alerts(machine, "silence", "provider=anthropic", "--for", "2h", "--comment", "rotation", "--json")
    assert made.code == 0, made
    id = made.json()["silence"]["id"]
    put(machine, -c.HOUR)
    at_work.cycle()
    one = until(lambda: listed(machine)["incidents"], 20, "the incident")[0]
    assert one["status"] == "silenced" and one["withheld"]["comment"] == "rotation"
    assert not hook.calls
    text = alerts(machine, "silence", "list").out
    assert "rotation" in text and "active" in text
    if at_work.daemon:
        shown = json.loads(at_work.daemon.get("/api/v1/silences"))["silences"]
        assert [s["id"] for s in shown] == [id]
        until(lambda: at_work.daemon.metrics().value("opensoul_silences", state="active") == 1, 20, "the metric")

    assert alerts(machine, "unsilence", id[:5]).code == 0
    at_work.cycle()
    until(lambda: hook.alerts("firing"), 20, "what was silenced and goes on")
    assert len(hook.alerts("firing")) == 1


def test_silenced_and_over_is_nothing(machine, hook):
    machine.configure(webhook_receiver(hook))
    put(machine, 300 * c.DAY)
    assert alerts(machine, "silence", "alertname=~*", "--for", "2h", "--comment", "moving").code == 0, "before the first run"
    machine.once()
    put(machine, -c.HOUR)
    machine.once()
    put(machine, 300 * c.DAY)
    machine.once()
    machine.once()
    assert not hook.calls and not listed(machine)["incidents"]


def test_writes_need_the_token(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    daemon = machine.daemon()
    id = until(lambda: listed(machine)["incidents"], 20, "the incident")[0]["id"]
    kind = {"content-type": "application/json"}
    assert daemon.request(f"/api/v1/incidents/{id}/ack", "POST", kind, b"{}")[0] == 401
    token = (machine.state / "token").read_text().strip()
    good = kind | {"authorization": f"Bearer {token}"}
    assert daemon.request(f"/api/v1/incidents/{id}/ack", "POST", good | {"origin": "http://evil"}, b"{}")[0] == 403
    assert daemon.request(f"/api/v1/incidents/{id}/ack", "POST", {"authorization": good["authorization"]}, b"{}")[0] in (401, 415)
    assert only(machine)["ack"] is None
    assert daemon.request(f"/api/v1/incidents/{id}/ack", "POST", good, b"{}")[0] == 200
    assert only(machine)["ack"]["by"] == "api"


def test_over_a_socket(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook), web=False)
    text = machine.config.read_text().replace("enabled = false", f'listen = "unix:{machine.root}/o.sock"')
    machine.write(machine.config.relative_to(machine.home), text)
    machine.daemon(ready=False)
    until(lambda: hook.alerts("firing") and (machine.root / "o.sock").exists(), 30, "the alert")
    acked = alerts(machine, "ack", only(machine)["id"])
    assert acked.code == 0, acked
    assert only(machine)["status"] == "acked"


def test_a_monitor_without_a_door_is_said(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook), web=False)
    machine.daemon(ready=False)
    until(lambda: hook.alerts("firing"), 30, "the alert")
    ended = alerts(machine, "ack", only(machine)["id"])
    assert ended.code == 69 and "cannot be reached" in ended.err and "[web]" in ended.err, ended


def test_nobody_acts_so_another_is_told_and_hears_the_end(machine, hook):
    put(machine, 300 * c.DAY)
    escalation = '[[escalation]]\nafter = "30m"\nreceivers = ["pager"]\n'
    machine.configure(webhook_receiver(hook), webhook_receiver(hook, name="pager", url=hook.url + "/pager"), escalation)
    machine.once()
    put(machine, -c.HOUR)
    machine.once()
    paths = lambda: [call.path for call in hook.accepted()]  # noqa: E731
    assert paths() == ["/hook"]
    age(machine, 20 * MINUTE)
    machine.once()
    assert paths() == ["/hook"]
    age(machine, 15 * MINUTE)
    machine.once()
    assert paths() == ["/hook", "/hook/pager"]
    put(machine, 300 * c.DAY)
    machine.once()
    assert sorted(paths()[2:]) == ["/hook", "/hook/pager"]
    assert {call.body["status"] for call in hook.accepted()[2:]} == {"resolved"}


def test_an_ack_in_time_keeps_the_pager_quiet(machine, hook):
    put(machine, -c.HOUR)
    escalation = '[[escalation]]\nafter = "30m"\nreceivers = ["pager"]\n'
    machine.configure(webhook_receiver(hook), webhook_receiver(hook, name="pager", url=hook.url + "/pager"), escalation)
    machine.once()
    assert alerts(machine, "ack", only(machine)["id"]).code == 0
    age(machine, 90 * MINUTE)
    machine.once()
    assert [call.path for call in hook.accepted()] == ["/hook"]


def test_what_is_put_off_comes_again(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    machine.once()
    assert alerts(machine, "snooze", only(machine)["id"], "--for", "10m").code == 0
    machine.once()
    assert len(hook.accepted()) == 1
    age(machine, 11 * MINUTE)
    machine.once()
    assert len(hook.accepted()) == 2
    machine.once()
    assert len(hook.accepted()) == 2


def test_the_report_comes_by_the_calendar(machine, hook):
    put(machine, 20 * c.DAY)
    machine.configure(webhook_receiver(hook), '[digest]\nschedule = "0 0 1 * *"\n')
    machine.once()
    said = len(hook.accepted())
    machine.once()
    age(machine, 32 * c.DAY)
    machine.once()
    new = hook.accepted()[said:]
    assert len(new) == 1, [call.body for call in new]
    names = {alert["labels"]["alertname"] for alert in new[0].alerts()}
    assert names == {"ReportExpiring"}, new[0].body
    machine.once()
    assert len(hook.accepted()) == said + 1


def test_a_rotation_is_a_notice_for_those_who_ask(machine, hook):
    routes = '[[routes]]\nseverity = ["info"]\nreceivers = ["hook"]\n'
    put(machine, 300 * c.DAY)
    machine.configure(webhook_receiver(hook), routes)
    machine.once()
    assert not hook.calls
    put(machine, 301 * c.DAY)
    machine.once()
    (call,) = hook.accepted()
    (alert,) = call.alerts()
    assert alert["labels"]["alertname"] == "CredentialRotated" and alert["status"] == "resolved"
    machine.once()
    assert len(hook.accepted()) == 1


def test_the_outbox_is_shown_retried_and_emptied(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    hook.say.extend([(503, {}, b"")] * 2)
    machine.run("monitor", "once")
    (message,) = alerts(machine, "outbox", "--json").json()["messages"]
    assert message["state"] == "queued" and message["attempts"] == 1 and message["reason"] == "server_error"
    assert "1 waiting" in alerts(machine, "outbox").out
    retried = alerts(machine, "outbox", "retry")
    assert retried.code == 0 and "1 message" in retried.out, retried
    dropped = alerts(machine, "outbox", "drop", message["id"][:8])
    assert dropped.code == 0, dropped
    machine.once()
    machine.once()
    assert not hook.accepted()
    (message,) = alerts(machine, "outbox", "--json").json()["messages"]
    assert message["state"] == "withdrawn" and "given up by" in message["detail"]


def test_before_the_first_run_nothing_is_made(machine):
    machine.configure()
    ended = alerts(machine, "list", "--json")
    assert ended.code == 0 and ended.json()["incidents"] == []
    assert alerts(machine, "ack", "ab").code == 66
    assert alerts(machine, "outbox").code == 0
    assert not machine.state.exists()
