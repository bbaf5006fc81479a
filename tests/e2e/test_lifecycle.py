"""One problem over time: told, not told twice, over; and to those only who were told."""

import json

import credentials as c
from machine import STORE, email_receiver, webhook_receiver
from waiting import until


def put(machine, ends_in):
    machine.write(STORE, c.store(anthropic__work=c.token(ends_in, secret=f"sk-ant-oat01-of-{ends_in}")))


def thread(mail):
    """Every id that ties this mail to others."""
    return set((mail["References"] or "").split()) | {mail["Message-ID"]}


def test_renewal_resolves_it_for_those_who_were_told(machine, mail_server, hook):
    mail = mail_server("starttls")
    put(machine, 300 * c.DAY)
    criticals_only = '[[routes]]\nseverity = ["critical"]\nreceivers = ["mail"]\ncontinue = true\n'
    everything = '[[routes]]\nreceivers = ["hook"]\n'
    machine.configure(email_receiver(mail), webhook_receiver(hook), criticals_only, everything)
    machine.once()
    assert not hook.calls and not mail.mails, "nothing is wrong yet"

    put(machine, c.HOUR // 2)
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
    put(machine, 300 * c.DAY)
    machine.configure(
        email_receiver(mail), webhook_receiver(hook), '[[routes]]\nseverity = ["info"]\nreceivers = ["mail"]\ncontinue = true\n',
        '[[routes]]\nseverity = ["critical"]\nreceivers = ["hook"]\n',
    )
    machine.once()
    put(machine, c.HOUR // 2)
    machine.once()
    put(machine, 300 * c.DAY)
    machine.once()
    assert len(hook.alerts("resolved")) == 1 and not mail.mails


def test_a_problem_whose_message_never_got_out_is_told_as_past(machine, hook):
    put(machine, 300 * c.DAY)
    machine.configure(webhook_receiver(hook))
    machine.once()
    hook.say.append((503, {}, b""))
    put(machine, c.HOUR // 2)
    machine.run("monitor", "once")
    assert not hook.accepted() and hook.calls
    put(machine, 300 * c.DAY)

    def arrived():
        machine.run("monitor", "once")
        return hook.accepted()

    until(arrived, 90, "the combined message", every=1)
    states = [a["status"] for a in hook.alerts()]
    assert states == ["resolved"], f"one message that it was and is over, not {states}: {json.dumps(hook.accepted()[0].body)}"


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
