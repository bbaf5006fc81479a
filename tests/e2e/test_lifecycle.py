"""One problem over time: told, not told twice, over; and to those only who were told."""

import sqlite3

import credentials as c
from machine import STORE, email_receiver, webhook_receiver
from waiting import until


def put(machine, ends_in, name=None):
    """A token and when it ends; one for each end, unless `name` says which. A new one that was seen to take another's place has
    a known lifetime, and is near its end only in the last third of that."""
    machine.write(STORE, c.store(anthropic__work=c.token(ends_in, secret=f"sk-ant-oat01-of-{name or ends_in}")))


def thread(mail):
    """Every id that ties this mail to others."""
    return set((mail["References"] or "").split()) | {mail["Message-ID"]}


def test_renewal_resolves_it_for_those_who_were_told(machine, mail_server, hook):
    mail = mail_server("starttls")
    put(machine, 300 * c.DAY, "the first")
    criticals_only = '[[routes]]\nseverity = ["critical"]\nreceivers = ["mail"]\ncontinue = true\n'
    everything = '[[routes]]\nreceivers = ["hook"]\n'
    machine.configure(email_receiver(mail), webhook_receiver(hook), criticals_only, everything)
    machine.once()
    assert not hook.calls and not mail.mails, "nothing is wrong yet"

    put(machine, c.HOUR // 2, "the first")
    machine.once()
    assert len(hook.alerts("firing")) == 1 and len(mail.accepted()) == 1

    put(machine, -c.HOUR)
    machine.once()
    said = len(hook.accepted())

    put(machine, 300 * c.DAY)
    machine.once()
    assert len(hook.accepted()) == said + 1
    assert hook.accepted()[-1].body["status"] == "resolved"
    ended = hook.alerts("resolved")
    assert ended and all(a["endsAt"] > a["startsAt"] for a in ended)

    over = mail.accepted()[-1]
    first = mail.accepted()[0]
    assert over["Message-ID"] != first["Message-ID"]
    assert thread(over) & thread(first), "the good news is in the thread of the bad"
    assert over["In-Reply-To"] is None or over["In-Reply-To"].strip() in thread(over)

    machine.once()
    assert len(hook.accepted()) == said + 1, "and that is the end of it"


def test_who_was_not_told_of_the_problem_is_not_told_of_its_end(machine, mail_server, hook):
    mail = mail_server("starttls")
    put(machine, 300 * c.DAY, "the first")
    machine.configure(
        email_receiver(mail), webhook_receiver(hook),
        '[[routes]]\nseverity = ["info"]\nproviders = ["openai"]\nreceivers = ["mail"]\ncontinue = true\n',
        '[[routes]]\nseverity = ["critical"]\nreceivers = ["hook"]\n',
    )
    machine.once()
    put(machine, c.HOUR // 2, "the first")
    machine.once()
    put(machine, 300 * c.DAY)
    machine.once()
    assert len(hook.alerts("resolved")) == 1 and not mail.mails


def test_who_may_have_been_told_hears_of_the_end(machine, hook):
    """The message arrived, and we died before we knew."""
    put(machine, 300 * c.DAY, "the first")
    machine.configure(webhook_receiver(hook))
    machine.once()
    put(machine, c.HOUR // 2, "the first")
    machine.run("monitor", "once", env={"OPENSOUL_FAULT": "after-send"})
    assert len(hook.alerts("firing")) == 1
    put(machine, 300 * c.DAY)

    def arrived():
        machine.once()
        return hook.alerts("resolved")

    until(arrived, 90, "that it is over", every=1)
    assert len(hook.alerts("resolved")) == 1 and len(hook.alerts("firing")) == 1


def test_a_short_problem_that_nobody_heard_of_is_withdrawn(machine, hook):
    put(machine, 300 * c.DAY, "the first")
    machine.configure(webhook_receiver(hook))
    machine.once()
    hook.say.append((503, {}, b""))
    put(machine, c.HOUR // 2, "the first")
    machine.run("monitor", "once")
    assert len(hook.calls) == 1 and not hook.accepted()
    put(machine, 300 * c.DAY)
    machine.once()
    database = sqlite3.connect(f"file:{machine.state}/state.db?mode=ro", uri=True)
    assert database.execute("SELECT DISTINCT state FROM outbox").fetchall() == [("withdrawn",)]
    database.close()
    machine.once()
    assert not hook.accepted()


def test_an_existing_but_unrenewed_file_is_not_good_news(machine, hook):
    put(machine, -c.HOUR)
    machine.configure(webhook_receiver(hook))
    machine.once()
    assert hook.alerts("firing")
    (machine.home / STORE).touch()
    machine.once()
    put(machine, -c.HOUR // 2)
    machine.once()
    assert not hook.alerts("resolved")


def test_the_first_cycle_of_many_is_one_digest(machine, hook):
    profiles = {f"anthropic:k{n:02}": c.token(-c.HOUR, secret=f"sk-ant-oat01-{n}") for n in range(40)}
    machine.write(STORE, {"version": 1, "profiles": profiles})
    machine.configure(webhook_receiver(hook))
    machine.once()
    (call,) = hook.accepted()
    assert len(call.body["alerts"]) + call.body["truncatedAlerts"] == 40


def test_a_backup_of_a_running_monitor_brings_everything_back(machine, hook):
    put(machine, c.HOUR // 2)
    machine.configure(webhook_receiver(hook))
    assert machine.run("monitor", "backup", machine.home / "early").code == 66, "nothing is there yet"
    machine.daemon()
    # All but the moment of the question.
    listed = lambda: machine.run("alerts", "list", "--json").json() | {"takenAt": None}  # noqa: E731
    until(lambda: any(one["told"] for one in listed()["incidents"]), 20, "an alert, and a note of it")
    ended = machine.run("monitor", "backup", machine.home / "saved")
    assert ended.code == 0 and (machine.home / "saved").stat().st_mode & 0o777 == 0o600, ended
    again = machine.run("monitor", "backup", machine.home / "saved")
    assert again.code == 73 and "saved" in again.err, again
    machine.close()
    known = listed()
    for file in machine.state.glob("state.db*"):
        file.unlink()
    assert not listed()["incidents"]
    (machine.home / "saved").rename(machine.state / "state.db")
    assert listed() == known
    machine.once()
    assert len(hook.accepted()) == 1, "whoever was told is not told again"
