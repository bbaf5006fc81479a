"""Quiet hours, maintenance windows and the self-test of receivers, through the built program. The machine has only one clock: windows
are laid around now, and moved by the configuration."""

import json
import sqlite3
import time

import pytest

import credentials as c
from machine import STORE, webhook_receiver
from test_alerts import age, alerts, listed, only
from waiting import until

MINUTE = 60


def put(machine, **profiles):
    """The same secret each time: one that replaces another has a known lifetime, and is near its end only in the last third of it."""
    made = {name: c.token(end, secret=f"sk-ant-oat01-{name}") for name, end in profiles.items()}
    machine.write(STORE, c.store(**made))


def clock(seconds_from_now):
    return time.strftime("%H:%M", time.gmtime(time.time() + seconds_from_now))


def quiet(begins, ends):
    return f'[quiet_hours]\nfrom = "{clock(begins)}"\nto = "{clock(ends)}"\n'


def maintenance(began, duration, more=""):
    at = time.gmtime(time.time() + began)
    return f'[[maintenance]]\nname = "move"\nschedule = "{at.tm_min} {at.tm_hour} * * *"\nduration = "{duration}"\n{more}'


def names(hook, status="firing"):
    return [alert["labels"]["alertname"] for alert in hook.alerts(status)]


def providers(hook):
    return [alert["labels"]["provider"] for alert in hook.alerts("firing")]


def warned(machine, hook):
    """A warning that quiet hours hold back."""
    put(machine, anthropic__work=300 * c.DAY)
    machine.configure(webhook_receiver(hook), quiet(-c.HOUR, 2 * c.HOUR))
    machine.once()
    put(machine, anthropic__work=5 * c.DAY)
    machine.once()
    one = only(machine)
    assert one["severity"] == "warning", one
    return one


def test_a_warning_waits_for_the_morning_and_a_critical_does_not(machine, hook):
    one = warned(machine, hook)
    assert one["withheld"]["reason"] == "quiet", one
    machine.once()
    assert not hook.calls
    assert "quiet hours" in " ".join(alerts(machine, "list").out.split())

    machine.write(STORE, c.store(
        anthropic__work=c.token(5 * c.DAY, secret="sk-ant-oat01-anthropic__work"),
        openai__main=c.token(-c.HOUR, provider="openai"),
    ))
    machine.once()
    assert len(hook.accepted()) == 1 and providers(hook) == ["openai"], hook.alerts()
    machine.once()
    assert len(hook.accepted()) == 1

    machine.configure(webhook_receiver(hook), quiet(2 * c.HOUR, 3 * c.HOUR))
    machine.once()
    assert providers(hook) == ["openai", "anthropic"]
    machine.once()
    assert len(hook.accepted()) == 2, "said once"


def test_what_was_fixed_in_the_night_is_not_said_in_the_morning(machine, hook):
    warned(machine, hook)
    put(machine, anthropic__work=301 * c.DAY)
    machine.once()
    machine.configure(webhook_receiver(hook), quiet(2 * c.HOUR, 3 * c.HOUR))
    machine.once()
    machine.once()
    assert not hook.calls


def test_the_end_of_quiet_hours_lets_a_running_monitor_speak(machine, hook):
    put(machine, anthropic__work=300 * c.DAY)
    machine.configure(webhook_receiver(hook), quiet(-c.HOUR, 110))
    daemon = machine.daemon()
    put(machine, anthropic__work=5 * c.DAY)
    held = until(lambda: listed(machine)["incidents"], 20, "the incident")[0]["withheld"]
    assert held["reason"] == "quiet" and not hook.calls, held
    until(lambda: names(hook), 200, lambda: f"the warning:\n{daemon.log}", every=0.5)
    assert names(hook) == ["CredentialExpiring"]


def test_maintenance_silences_what_it_concerns_and_nothing_else(machine, hook):
    put(machine, anthropic__work=300 * c.DAY)
    only_it = 'providers = ["anthropic"]\n'
    machine.configure(webhook_receiver(hook), maintenance(-10 * MINUTE, "2h", only_it))
    machine.once()
    machine.write(STORE, c.store(
        anthropic__work=c.token(-c.HOUR, secret="sk-ant-oat01-a"), openai__main=c.token(-c.HOUR, provider="openai"),
    ))
    machine.once()
    machine.once()
    assert providers(hook) == ["openai"], hook.alerts()
    held = next(one for one in listed(machine)["incidents"] if one["provider"] == "anthropic")
    assert held["status"] == "silenced" and held["withheld"]["reason"] == "maintenance", held
    assert held["withheld"]["name"] == "move"

    machine.configure(webhook_receiver(hook), maintenance(-10 * MINUTE, "5m", only_it))
    machine.once()
    assert providers(hook) == ["openai", "anthropic"]
    machine.once()
    assert len(hook.accepted()) == 2


def test_what_came_and_went_in_a_window_is_nothing(machine, hook):
    put(machine, anthropic__work=300 * c.DAY)
    machine.configure(webhook_receiver(hook), maintenance(-10 * MINUTE, "2h"))
    machine.once()
    put(machine, anthropic__work=-c.HOUR)
    machine.once()
    put(machine, anthropic__work=301 * c.DAY)
    machine.once()
    machine.configure(webhook_receiver(hook))
    machine.once()
    assert not hook.calls and not listed(machine)["incidents"]


def test_the_end_of_a_window_lets_a_running_monitor_speak(machine, hook):
    put(machine, anthropic__work=-c.HOUR)
    lasts = MINUTE + int(time.time() % MINUTE) + 40
    machine.configure(webhook_receiver(hook), maintenance(-MINUTE, f"{lasts}s"))
    daemon = machine.daemon()
    until(lambda: listed(machine)["incidents"], 20, "the incident")
    assert not hook.calls
    until(lambda: names(hook), 200, lambda: f"the alert:\n{daemon.log}", every=0.5)
    assert names(hook) == ["CredentialExpiring"]


def test_receivers_without_news_are_tested(machine, hook):
    put(machine, anthropic__work=300 * c.DAY)
    machine.configure(webhook_receiver(hook), webhook_receiver(hook, name="boss", url=hook.url + "/boss"))
    text = machine.config.read_text().replace("[schedule]\n", '[schedule]\nself_test = "7d"\n')
    machine.write(machine.config.relative_to(machine.home), text)
    machine.once()
    assert sorted(call.path for call in hook.accepted()) == ["/hook", "/hook/boss"], "never heard of"
    assert names(hook, None) == ["ReceiverTest", "ReceiverTest"]
    machine.once()
    assert len(hook.accepted()) == 2

    database = sqlite3.connect(machine.state / "state.db")
    database.execute("UPDATE receiver SET last_success = last_success - ? WHERE name = 'boss'", (8 * c.DAY * 1000,))
    database.commit()
    database.close()
    hook.say.append((410, {}, b"gone"))
    machine.run("monitor", "once")
    assert [call.path for call in hook.calls[2:]] == ["/hook/boss"], "who heard something lately is not tested"
    machine.run("monitor", "once")
    age(machine, MINUTE)
    machine.run("monitor", "once")
    failing = [call for call in hook.accepted()[2:] if call.path == "/hook"]
    assert failing and "receiver boss refuses our messages" in json.dumps(failing[0].body), hook.calls[3:]


@pytest.mark.parametrize("running", [False, True])
def test_a_test_that_arrives_ends_a_quarantine_at_once(machine, hook, running):
    put(machine, anthropic__work=-c.HOUR)
    machine.configure(webhook_receiver(hook))
    hook.say.append((410, {}, b"gone"))
    daemon = machine.daemon() if running else None
    if not running:
        machine.run("monitor", "once")
    until(lambda: len(hook.calls) == 1, 20, "the refusal")
    states = lambda: alerts(machine, "outbox", "--json").json()["messages"]  # noqa: E731
    until(lambda: states() and states()[0]["attempts"] == 1, 20, "it is recorded")
    if not running:
        machine.run("monitor", "once")
        assert len(hook.calls) == 1, "tried once an hour"
    ended = alerts(machine, "test", "hook")
    assert ended.code == 0 and not ended.err, ended
    if not running:
        machine.once()
    until(lambda: "CredentialExpiring" in names(hook), 20, lambda: f"what waited\n{daemon and daemon.log}")


def test_the_age_of_what_is_held_does_not_count_as_told(machine, hook):
    """Held back for a whole night: said in the morning as something that still is."""
    warned(machine, hook)
    age(machine, 8 * c.HOUR)
    machine.once()
    assert not hook.calls
    machine.configure(webhook_receiver(hook), quiet(2 * c.HOUR, 3 * c.HOUR))
    machine.once()
    assert names(hook) == ["CredentialExpiring"]


def test_open_windows_are_seen_everywhere(machine, hook):
    """Before anything is wrong: who looks must see that not everything would be said now."""
    put(machine, anthropic__work=300 * c.DAY)
    matched = 'name = "later"\nschedule = "0 0 29 2 *"\nduration = "1h"\nmatchers = ["severity!=critical"]\n'
    machine.configure(
        webhook_receiver(hook), quiet(-c.HOUR, 2 * c.HOUR), maintenance(-10 * MINUTE, "2h"), f"[[maintenance]]\n{matched}",
    )
    daemon = machine.daemon()
    open_now = [("maintenance", "move"), ("quiet_hours", "quiet hours")]
    shown = json.loads(daemon.get("/api/v1/incidents"))["windows"]
    assert [(one["kind"], one["name"]) for one in shown] == open_now, shown
    assert listed(machine)["windows"] == shown
    metrics = daemon.metrics()
    for kind, name in open_now:
        assert metrics.value("opensoul_window_open", kind=kind, window=name) == 1
    assert metrics.value("opensoul_window_open", kind="maintenance", window="later") == 0
    page = daemon.get("/")
    assert "maintenance window &quot;move&quot;" in page and "quiet hours: only criticals are sent" in page, page
    text = " ".join(alerts(machine, "list").out.split())
    assert 'maintenance window "move" until ' in text and "quiet hours until " in text and "later" not in text, text
