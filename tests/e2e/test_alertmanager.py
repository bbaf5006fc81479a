"""Real Alertmanagers: every peer hears of everything, each cycle; one page for one problem."""

import datetime
import json
import pathlib
import socket
import sqlite3

import pytest

import credentials as c
from alertmanager import Alertmanager, cluster, program
from hook import HookServer
from machine import STORE, Machine, webhook_receiver
from prometheus import free_port
from waiting import until

pytestmark = pytest.mark.skipif(not program(), reason="Alertmanager is not installed")


def put(machine, **ends_in):
    """The profiles `anthropic:NAME` and when each ends; one token that is old and one that is new, the same on every machine."""
    secret = lambda name, end: f"sk-ant-oat01-{name}-{'new' if end > 100 * c.DAY else 'old'}"  # noqa: E731
    profiles = {f"anthropic:{name}": c.token(end, secret=secret(name, end)) for name, end in ends_in.items()}
    machine.write(STORE, {"version": 1, "profiles": profiles})


def configure(machine, *managers, extra="", receivers=()):
    urls = json.dumps([manager if isinstance(manager, str) else manager.url for manager in managers])
    machine.configure(*receivers, extra=f"[export]\nalertmanager = {urls}\n{extra}")


@pytest.fixture
def pages():
    """Where the Alertmanagers send their pages."""
    sink = HookServer()
    yield sink
    sink.close()


@pytest.fixture
def single(folder, pages):
    made = Alertmanager(folder / "am", pages)
    yield made
    made.kill()


@pytest.fixture
def pair(folder, pages):
    # A turn is longer than a machine may hold up the one whose turn it is: the other would tell the same once more.
    both = cluster(folder, pages, turn="7s")
    yield both
    for one in both:
        one.kill()


@pytest.fixture
def second(folder, program):
    """A second monitor of the same name."""
    (folder / "second").mkdir()
    made = Machine(folder / "second", program)
    yield made
    made.close()


def paged(pages, status, credential=None):
    """(alert name, credential) of every alert that people were told of."""
    return [
        (alert["labels"]["alertname"], alert["labels"].get("credential"))
        for alert in pages.alerts(status) if credential in (None, alert["labels"].get("credential"))
    ]


def settled(manager, rounds=2):
    """Whatever it knows now it has told, or found that its peer has told it: so many rounds more for each group."""
    begun = manager.rounds()
    more = lambda: sum(count >= begun[group] + rounds for group, count in manager.rounds().items())  # noqa: E731
    until(lambda: more() >= manager.groups(), 60, lambda: f"{rounds} rounds:\n{manager.log}")


# Five seconds, and some for a machine that is held up; one that hangs is waited for for 10.
STOPPED = 8
WORK, SPARE = "opensoul:main/anthropic:work", "opensoul:main/anthropic:spare"


def test_two_monitors_and_two_alertmanagers_make_one_page(machine, second, pair, pages):
    one, two = pair
    monitors = machine, second
    for monitor in monitors:
        configure(monitor, one, two)
        put(monitor, work=-c.HOUR)
        monitor.once()
    for manager in pair:
        (alert,) = manager.alerts()
        assert alert["labels"] == {
            "alertname": "CredentialExpiringCritical", "severity": "critical", "host": "testhost", "provider": "anthropic",
            "credential": WORK,
        }
    until(lambda: paged(pages, "firing"), 30, "a page")
    settled(one), settled(two)
    for monitor in monitors:
        monitor.once()
    settled(one), settled(two)
    assert paged(pages, "firing") == [("CredentialExpiringCritical", WORK)], "one problem, one page"

    # Either may die: the other has everything.
    one.kill()
    for monitor in monitors:
        put(monitor, work=-c.HOUR, spare=-2 * c.HOUR)
        ended = monitor.run("monitor", "once")
        assert ended.code == 0 and one.name in ended.err, ended
    until(lambda: paged(pages, "firing", SPARE), 30, "a page of the one that lives")
    settled(two)
    assert len(paged(pages, "firing", SPARE)) == 1

    # And comes back knowing nothing.
    one.peers = [two]
    one.start()
    until(lambda: one.members() == 2, 30, "the cluster is whole again")
    for monitor in monitors:
        monitor.once()
    assert len(one.alerts()) == 2
    settled(one), settled(two)
    assert len(paged(pages, "firing")) == 2, "nobody is told twice"

    two.kill()
    for monitor in monitors:
        put(monitor, work=300 * c.DAY, spare=300 * c.DAY)
        monitor.run("monitor", "once")
    until(lambda: len(paged(pages, "resolved")) == 2, 60, lambda: f"that it is over: {paged(pages, 'resolved')}")
    settled_pages = paged(pages, "resolved")
    for monitor in monitors:
        monitor.run("monitor", "once")
    assert one.alerts() == []
    assert paged(pages, "resolved") == settled_pages


def test_a_silence_there_silences(machine, pair, pages):
    one, two = pair
    now = datetime.datetime.now(datetime.timezone.utc)
    one.silence(now.isoformat(), (now + datetime.timedelta(hours=1)).isoformat(), credential=WORK)
    until(lambda: two.silences(), 30, "both know of the silence")
    configure(machine, one, two)
    put(machine, work=-c.HOUR, spare=-c.HOUR)
    machine.once()
    until(lambda: paged(pages, "firing", SPARE), 30, "the other one is told of")
    settled(one), settled(two)
    assert not paged(pages, "firing", WORK) and len(one.alerts()) == 2


def test_a_severity_that_rises_ends_the_alert_of_the_warning(machine, single, pages):
    configure(machine, single)
    put(machine, work=5 * c.DAY, spare=300 * c.DAY)
    machine.once()
    assert single.names() == ["CredentialExpiringWarning"]
    until(lambda: paged(pages, "firing"), 30, "a warning")
    put(machine, work=c.HOUR // 2)
    machine.once()
    until(lambda: paged(pages, "resolved"), 30, "the warning is over")
    assert paged(pages, "resolved") == [("CredentialExpiringWarning", WORK)]
    assert "CredentialExpiringCritical" in single.names() and "CredentialExpiringWarning" not in single.names()


def test_an_alert_outlives_a_restart_and_not_us(machine, single):
    configure(machine, single)
    put(machine, work=-c.HOUR)
    machine.once(), machine.once()
    (alert,) = single.alerts()
    now = datetime.datetime.now(datetime.timezone.utc)
    left = datetime.datetime.fromisoformat(alert["endsAt"].replace("Z", "+00:00")) - now
    assert datetime.timedelta(minutes=14) < left <= datetime.timedelta(hours=1), alert
    begun = now - datetime.datetime.fromisoformat(alert["startsAt"].replace("Z", "+00:00"))
    assert datetime.timedelta(0) <= begun < datetime.timedelta(minutes=2), alert
    assert alert["annotations"]["fix"] and alert["annotations"]["summary"], alert
    assert alert["generatorURL"] == f"http://127.0.0.1:{machine.port}/", alert


def test_an_alertmanager_that_forgot_everything_knows_it_after_a_cycle(machine, single, pages):
    configure(machine, single)
    put(machine, work=-c.HOUR)
    daemon = machine.daemon()
    until(lambda: single.alerts(), 20, lambda: f"it is told:\n{daemon.log}")
    single.kill()
    assert daemon.reload()[0] == 200
    failed = "opensoul_export_alertmanager_pushes_failed_total"
    until(lambda: daemon.metrics().value(failed, peer=single.name, reason="offline"), 20, "the failure is counted")
    until(lambda: "nothing since" in daemon.get("/"), 20, "the page says so")
    assert "State pushes" in daemon.get("/")
    # It keeps silences over a restart, never alerts.
    single.start()
    assert daemon.reload()[0] == 200
    until(lambda: single.alerts(), 20, lambda: f"it is told again:\n{daemon.log}")
    until(lambda: "nothing since" not in daemon.get("/"), 20, "the page is well again")
    metrics = daemon.metrics()
    assert metrics.value("opensoul_export_alertmanager_last_success_timestamp_seconds", peer=single.name) > 1e9
    assert metrics.value("opensoul_export_alertmanager_pushes_total", peer=single.name) >= 3
    put(machine, work=300 * c.DAY)
    until(lambda: not single.alerts(), 20, "it is over, without anybody asking")
    code, seconds = daemon.stop()
    assert code == 0 and seconds < STOPPED


def test_the_other_receivers_hear_of_one_that_takes_nothing(machine, single, hook):
    dead = f"http://127.0.0.1:{free_port()}"
    configure(machine, single, dead, receivers=[webhook_receiver(hook)])
    put(machine, work=300 * c.DAY)
    machine.once()
    assert not hook.calls, "once is nothing"
    database = sqlite3.connect(machine.state / "state.db")
    with database:
        changed = database.execute("UPDATE run SET at = at - 660000 WHERE name LIKE 'alertmanager % failing'").rowcount
    database.close()
    assert changed == 1
    machine.once(), machine.once()
    (alert,) = hook.alerts("firing")
    assert alert["labels"]["check"].startswith("export.alertmanager-failing"), alert
    assert alert["labels"]["severity"] == "warning" and "through others" in alert["annotations"]["summary"], alert
    assert single.names() == ["DoctorFindingWarning"]
    configure(machine, single, receivers=[webhook_receiver(hook)])
    machine.once()
    assert len(hook.alerts("resolved")) == 1 and not single.alerts()


def test_one_that_hangs_holds_up_nobody(machine, single, hook):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configure(machine, url, single, receivers=[webhook_receiver(hook)])
        put(machine, work=-c.HOUR)
        daemon = machine.daemon()
        # It is waited for for 10 s.
        until(lambda: hook.alerts("firing") and single.alerts(), 9, lambda: f"everybody else knows:\n{daemon.log}")
        put(machine, work=300 * c.DAY)
        until(lambda: hook.alerts("resolved"), 9, lambda: f"the next cycle has run:\n{daemon.log}")
        code, seconds = daemon.stop()
        assert code == 0 and seconds < STOPPED
        ended = machine.once()
        # All of it has 45 s.
        assert ended.seconds < 40 and "no answer in time" in ended.err, ended


def test_logins_and_labels_are_sent_and_not_shown(machine, pages):
    secret = "push-token-of-the-test"
    machine.env["AM_TOKEN"] = secret
    machine.configure(
        extra=f'[[export.alertmanager]]\nurl = "http://127.0.0.1:{pages.port}/prefix"\ntoken = {{ env = "AM_TOKEN" }}\n'
        'labels = { team = "ops" }\nheaders = { x-scope-orgid = "ops" }\n'
    )
    put(machine, work=-c.HOUR)
    pages.say.append((403, {}, f"who is {secret}?".encode()))
    daemon = machine.daemon()
    until(lambda: pages.calls and "who is …" in daemon.log, 20, lambda: f"the refusal is said:\n{daemon.log}")
    assert daemon.reload()[0] == 200
    until(lambda: pages.accepted(), 20, "it is taken")
    call = pages.accepted()[0]
    assert call.path == "/prefix/api/v2/alerts" and call.headers["authorization"] == f"Bearer {secret}"
    assert call.headers["x-scope-orgid"] == "ops" and call.body[0]["labels"]["team"] == "ops"
    shown = daemon.get("/") + daemon.get("/metrics") + daemon.log
    assert secret not in shown
    assert secret.encode() not in b"".join(path.read_bytes() for path in pathlib.Path(machine.state).iterdir() if path.is_file())


def test_check_config_says_who_is_told(machine):
    configure(machine, "https://am1.example.org:9093", "https://am2.example.org:9093")
    ended = machine.run("monitor", "check-config")
    assert ended.code == 0 and "Alertmanager am1.example.org:9093" in ended.out, ended
    configure(machine, "http://am1.example.org:9093")
    ended = machine.run("monitor", "check-config")
    assert ended.code == 78 and "export.alertmanager[1]" in ended.err and "https" in ended.err, ended
