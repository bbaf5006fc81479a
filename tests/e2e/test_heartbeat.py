"""Dead-man's pings: sent only while they are deserved, believed only when the vendor's own words say so."""

import json
import pathlib
import sqlite3

import pytest

import credentials as c
from beats import CHECK, GATUS_TOKEN, PING_KEY, PUSH_TOKEN, BeatServer
from machine import STORE, webhook_receiver
from waiting import until

VENDORS = "healthchecks", "uptime-kuma", "gatus"
WORK = "opensoul:main/anthropic:work"


@pytest.fixture
def beats():
    made = BeatServer()
    yield made
    made.close()


def put(machine, ends_in):
    machine.write(STORE, c.store(anthropic__work=c.token(ends_in, secret=f"sk-ant-oat01-of-{ends_in}")))


def section(beats, vendor="healthchecks", url=None, more=""):
    text = f'[[heartbeat]]\ntype = "{vendor}"\nurl = {json.dumps(url or beats.url(vendor))}\n{more}'
    return text + ('token = { env = "GATUS_TOKEN" }\n' if vendor == "gatus" else "")


def configure(machine, *sections, receivers=()):
    machine.env["GATUS_TOKEN"] = machine.env.get("GATUS_TOKEN", GATUS_TOKEN)
    machine.configure(*receivers, extra="".join(sections))


def database(machine):
    return sqlite3.connect(machine.state / "state.db")


def make_older(machine, minutes):
    """As if every incident had begun so much earlier."""
    import datetime

    opened = database(machine)
    with opened:
        for key, text in opened.execute("SELECT id, body FROM incident").fetchall():
            body = json.loads(text)
            for name in ("since", "announced_at"):
                at = datetime.datetime.fromisoformat(body[name].replace("Z", "+00:00"))
                body[name] = (at - datetime.timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
            opened.execute("UPDATE incident SET body = ? WHERE id = ?", (json.dumps(body), key))
    opened.close()


def test_all_three_hear_that_we_live_after_two_cycles(machine, beats):
    put(machine, 300 * c.DAY)
    configure(machine, *(section(beats, vendor) for vendor in VENDORS))
    machine.once()
    assert not beats.asked, "one cycle is not two"
    for _ in range(2):
        machine.once()
        taken = {beat.vendor: beat for beat in beats.take()}
        assert sorted(taken) == sorted(VENDORS) and all(beat.well for beat in taken.values()), taken
    assert taken["healthchecks"].body.startswith("testhost: 1 credentials, 0 critical, 0 warning")
    assert "rid" in taken["healthchecks"].query
    assert taken["uptime-kuma"].body == taken["healthchecks"].body and taken["uptime-kuma"].query["ping"].isdigit()
    assert taken["gatus"].query["duration"].endswith("ms")


def test_a_critical_that_reaches_nobody_silences_us(machine, beats, hook):
    put(machine, 300 * c.DAY)
    configure(machine, section(beats), receivers=[webhook_receiver(hook)])
    machine.once(), machine.once()
    assert beats.take()

    hook.say.extend([(503, {}, b"")] * 3)
    put(machine, -c.HOUR)
    machine.run("monitor", "once")
    assert len(hook.calls) == 1 and beats.take(), "it is on its way"
    make_older(machine, 16)
    ended = machine.run("monitor", "once")
    assert not beats.take() and "nobody has been told that" in ended.err and WORK in ended.err, ended

    hook.say.clear()
    opened = database(machine)
    with opened:
        opened.execute("UPDATE outbox SET next_at = 0")
    opened.close()
    machine.once()
    assert hook.alerts("firing")
    beats.take()
    machine.once()
    assert [beat.well for beat in beats.take()] == [True], "somebody knows"


def test_without_any_receiver_a_critical_silences_us(machine, beats):
    put(machine, -c.HOUR)
    configure(machine, section(beats))
    machine.once(), machine.once()
    assert beats.take()
    make_older(machine, 16)
    machine.once()
    assert not beats.take()
    put(machine, 300 * c.DAY)
    machine.once()
    assert beats.take()


def test_an_alertmanager_is_somebody(machine, beats, hook):
    put(machine, -c.HOUR)
    export = f'[export]\nalertmanager = "http://127.0.0.1:{hook.port}"\n'
    configure(machine, section(beats), export)
    machine.once()
    make_older(machine, 16)
    machine.once()
    assert hook.accepted()[-1].path == "/api/v2/alerts" and beats.take()
    hook.say.append((503, {}, b""))
    machine.once()
    assert not beats.take(), "it has not taken it"


def test_a_critical_may_be_a_failure(machine, beats):
    put(machine, -c.HOUR)
    configure(machine, *(section(beats, vendor, more='on_critical = "fail"\n') for vendor in VENDORS))
    machine.once()
    taken = {beat.vendor: beat for beat in beats.take()}
    assert sorted(taken) == sorted(VENDORS) and not any(beat.well for beat in taken.values()), taken
    assert WORK in taken["healthchecks"].body
    assert "1 critical" in taken["uptime-kuma"].body and "1 critical" in taken["gatus"].body
    make_older(machine, 60)
    machine.once()
    assert [beat.well for beat in beats.take()] == [False] * 3, "a failure is said however long it lasts"
    put(machine, 300 * c.DAY)
    machine.once()
    assert [beat.well for beat in beats.take()] == [True] * 3


def test_a_cycle_that_came_to_nothing_costs_a_ping(machine, beats):
    put(machine, 300 * c.DAY)
    configure(machine, section(beats))
    machine.once(), machine.once()
    assert beats.take()
    died = machine.run("monitor", "once", env={"OPENSOUL_FAULT": "before-commit"})
    assert died.code != 0 and not beats.take()
    machine.once()
    assert not beats.take(), "only one of the last two was committed"
    machine.once()
    assert beats.take()


def test_a_body_is_cut_to_what_is_kept(machine, beats):
    beats.body_limit = 40
    many = {f"anthropic__k{n:02}": c.token(-c.HOUR, secret=f"sk-ant-oat01-{n}") for n in range(60)}
    machine.write(STORE, c.store(**many))
    configure(machine, section(beats, more='on_critical = "fail"\n'))
    daemon = machine.daemon()
    until(lambda: beats.beats, 20, lambda: f"a ping:\n{daemon.log}")
    assert len(beats.take()[0].body) == 40


@pytest.mark.parametrize("vendor, path, says", [
    ("healthchecks", "/00000000-0f0e-4c57-9c3c-0d5b3a0d9f11", "404 not found"),
    ("healthchecks", f"/{PING_KEY}/twice", "409 ambiguous slug"),
    ("uptime-kuma", "/api/push/unknown123", "404 Monitor not found or not active."),
    ("gatus", "/api/v1/endpoints/agents_other/external", "404 not found"),
])
def test_a_refusal_is_shown_and_nothing_secret_with_it(machine, beats, vendor, path, says):
    put(machine, 300 * c.DAY)
    configure(machine, section(beats, vendor, url=beats.base + path))
    daemon = machine.daemon()
    assert daemon.reload()[0] == 200
    failed = "opensoul_heartbeat_pings_failed_total"
    until(lambda: daemon.metrics().value(failed, receiver=vendor, reason="refused"), 20, "it is counted")
    until(lambda: says in daemon.get("/"), 20, lambda: f"the page shows it:\n{daemon.get('/')}")
    assert says in daemon.log
    withheld = lambda: daemon.metrics().value("opensoul_heartbeat_withheld_total", receiver=vendor)  # noqa: E731
    until(lambda: (withheld() or 0) >= 1, 20, "the first cycle's")
    metrics = daemon.metrics()
    assert metrics.value("opensoul_heartbeat_last_success_timestamp_seconds", receiver=vendor) is None
    shown = daemon.get("/") + metrics.text + daemon.log + machine.run("monitor", "check-config").out
    for secret in (path.split("/")[-1] if vendor == "uptime-kuma" else PING_KEY, "00000000-0f0e"):
        assert secret not in shown
    assert not beats.beats


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_page_in_between_is_no_yes(machine, beats, vendor):
    beats.page = "<!DOCTYPE html><html><body>Welcome to the airport</body></html>"
    put(machine, 300 * c.DAY)
    configure(machine, section(beats, vendor))
    machine.once()
    ended = machine.once()
    assert beats.asked and "an HTML page" in ended.err, ended
    shown = ended.err + ended.out
    assert PUSH_TOKEN not in shown and CHECK not in shown and GATUS_TOKEN not in shown


def test_a_url_with_a_token_is_a_secret_and_stays_one(machine, beats):
    machine.write(".secrets/heartbeat", beats.url("healthchecks") + "\n")
    put(machine, 300 * c.DAY)
    configure(machine, '[heartbeat]\ntype = "healthchecks"\nurl = { file = "~/.secrets/heartbeat" }\n')
    daemon = machine.daemon("-v")
    assert daemon.reload()[0] == 200
    until(lambda: beats.beats, 20, lambda: f"a ping:\n{daemon.log}")
    last = "opensoul_heartbeat_last_success_timestamp_seconds"
    until(lambda: daemon.metrics().value(last, receiver="healthchecks"), 20, "it is shown")
    kept = b"".join(path.read_bytes() for path in pathlib.Path(machine.state).iterdir() if path.is_file())
    shown = daemon.get("/") + daemon.metrics().text + daemon.log
    assert CHECK not in shown and CHECK.encode() not in kept


def test_a_receiver_hears_of_a_heartbeat_that_is_not_reached(machine, beats, hook):
    put(machine, 300 * c.DAY)
    configure(machine, section(beats, url=f"{beats.base}/00000000-0f0e-4c57-9c3c-0d5b3a0d9f11"), receivers=[webhook_receiver(hook)])
    machine.once(), machine.once()
    opened = database(machine)
    with opened:
        assert opened.execute("UPDATE run SET at = at - 660000 WHERE name LIKE 'heartbeat % failing'").rowcount == 1
    opened.close()
    machine.once(), machine.once()
    (alert,) = hook.alerts("firing")
    assert alert["labels"]["check"].startswith("heartbeat.failing") and alert["labels"]["severity"] == "warning", alert
    configure(machine, section(beats), receivers=[webhook_receiver(hook)])
    machine.once(), machine.once()
    assert len(hook.alerts("resolved")) == 1 and beats.beats
