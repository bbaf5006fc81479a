"""The long outage: nobody can be reached for 30 hours, and we are restarted and killed all the while. What is still true then
is told once, what is over is not told as if it were true, in order, and each message says how late it is."""

import email.utils
import random
import signal
import subprocess

import pytest

import credentials as c
from hook import HookServer
from machine import STORE, email_receiver, end_group, webhook_receiver
from mail import MailServer
from outbox import book
from prometheus import free_port
from shifted import LIBRARY, Shifted
from vendors import Server

OUTAGE = 30  # hours
RESTARTS = ["before-commit", "after-commit", "before-send", "after-send", "before-mark", "after-mark"]

pytestmark = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not there (tests/install-needs)")


class Logins(Shifted):
    """Logins as of the moved clock."""

    def ended(self, name):
        """A login that ended an hour ago, as of now."""
        return c.token(self.hours * 3600 - c.HOUR, secret=f"sk-ant-oat01-of-{name}")

    def fresh(self, name):
        return c.token(self.hours * 3600 + 300 * c.DAY, secret=f"sk-ant-oat01-fresh-of-{name}")


def ours(alerts, name):
    return [a for a in alerts if any(f"anthropic:{name}" in text for text in a["labels"].values())]


def test_thirty_hours_without_anybody(machine, authority, mail_server):
    ports = [free_port() for _ in range(3)]
    context = authority.server()
    down = mail_server("starttls", context, port=ports[0])
    down.close()
    chats = Server(["telegram", "slack-bot"], ports[1])
    hook = HookServer(ports[2])
    machine.env |= chats.env
    # A good key beside them: each login is a warning of its own, which nothing else changes.
    logins = {"anthropic:good": c.api_key("sk-sample-good")} | {f"anthropic:{n}": c.token(300 * c.DAY) for n in ("first", "passing", "second")}
    machine.configure(
        email_receiver(down), webhook_receiver(hook, secret=None), *chats.receivers, web=False,
        extra='[thresholds]\nremind_critical = "30d"\nremind_daily = "30d"\n',
    )
    clock, dice = Logins(machine), random.Random(30)

    def keep(**changed):
        logins.update({f"anthropic:{name}": profile for name, profile in changed.items()})
        machine.write(STORE, {"version": 1, "profiles": logins})

    keep()
    machine.once()
    for server in (hook, chats):
        server.close()
    assert not hook.calls and not any(one.calls for one in chats)
    events = {
        1: lambda: keep(first=clock.ended("first")),
        5: lambda: keep(passing=clock.ended("passing")),
        9: lambda: keep(passing=clock.fresh("passing")),
        20: lambda: keep(second=clock.ended("second")),
    }
    for hour in range(1, OUTAGE):
        clock.to(hour)
        events.get(hour, lambda: None)()
        if hour % 3 == 1:
            # Dies at every point in turn; what is not passed (nobody takes a message) ends by itself.
            point = RESTARTS[hour // 3 % len(RESTARTS)]
            assert machine.run("monitor", "once", env={"OPENSOUL_FAULT": point}).code in (0, -signal.SIGABRT)
        elif hour % 3 == 2:
            process = subprocess.Popen(
                [str(machine.program), "monitor", "run"], env=machine.env, cwd=machine.cwd, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )
            try:
                process.wait(dice.uniform(0, 0.5))
            except subprocess.TimeoutExpired:
                pass
            end_group(process)
        else:
            machine.once()

    mail, hook, chats = MailServer("starttls", context, port=ports[0]), HookServer(ports[2]), Server(["telegram", "slack-bot"], ports[1])
    try:
        # The last waits of the retries are long; what waits is sent within a day.
        for hour in range(OUTAGE, OUTAGE + 26):
            clock.to(hour)
            machine.once()
            states, quarantined = book(machine)
            if not [row for rows in states.values() for row in rows if row[0] == "queued"]:
                break
        assert not quarantined and not [rows for rows in states.values() if any(row[0] == "queued" for row in rows)], states
        told(hook, mail, chats.vendors)
        calls = len(hook.calls), len(mail.mails), [len(one.calls) for one in chats]
        clock.to(hour + 1)
        machine.once()
        assert calls == (len(hook.calls), len(mail.mails), [len(one.calls) for one in chats]), "and then there is silence"
    finally:
        for server in (mail, hook, chats):
            server.close()


def told(hook, mail, chats):
    firing = hook.alerts("firing")
    assert len(ours(firing, "first")) == len(ours(firing, "second")) == 1, firing
    assert not ours(firing, "passing"), "what is over is not told as if it were true"
    past = ours(hook.alerts("resolved"), "passing")
    assert len(past) <= 1 and all(a["endsAt"] > a["startsAt"] for a in past)
    assert not ours(hook.alerts("resolved"), "first") and not ours(hook.alerts("resolved"), "second")
    starts = [ours(firing, name)[0]["startsAt"] for name in ("first", "second")]
    assert starts == sorted(starts) and [ours([a], "first") != [] for a in firing if ours([a], "first") or ours([a], "second")] == [True, False], "in order"
    texts = {
        "mail": [m.part("plain") for m in mail.accepted()],
        "telegram": [body["text"] for body in chats["telegram"].taken],
        "slack": chats["slack-bot"].shown(),
    }
    for name, sent in texts.items():
        assert sent and not [one.wrong for one in chats.values() if one.wrong]
        for login in ("first", "second"):
            about = [text for text in sent if f"anthropic:{login}" in text]
            assert len(about) == 1, f"{name}, {login}: {sent}"
        late = [text for text in sent if "delayed by" in text]
        assert late and "anthropic:first" in "".join(late), f"{name} does not say how late it is: {sent}"
        whole = "".join(sent)
        assert whole.index("anthropic:first") < whole.index("anthropic:second"), f"{name}: {sent}"
    for one in mail.accepted():
        assert email.utils.parsedate_to_datetime(one["Date"])
    assert len({one["Message-ID"] for one in mail.accepted()}) == len(mail.accepted())
