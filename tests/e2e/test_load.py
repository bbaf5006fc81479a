"""10,000 problems at once are one message to each receiver. How much memory and time that takes is measured in `benches/run.py`."""

import credentials as c
from machine import STORE, email_receiver, webhook_receiver
from outbox import book
from vendors import Server


def test_ten_thousand_problems_are_one_message_each(machine, mail_server, hook):
    mail, chats = mail_server("starttls"), Server(["telegram"])
    machine.env |= chats.env
    try:
        machine.configure(email_receiver(mail), webhook_receiver(hook), *chats.receivers, web=False)
        for count in (0, 10_000):
            profiles = {f"anthropic:k{n:05}": c.token(-c.HOUR, secret=f"sk-ant-oat01-{n}") for n in range(count)}
            machine.write(STORE, {"version": 1, "profiles": profiles | {"openai:good": c.api_key(provider="openai")}})
            machine.once()
        (call,) = hook.accepted()
        assert len(call.body["alerts"]) + call.body["truncatedAlerts"] == 10_000
        (letter,) = mail.accepted()
        assert "and 9900 more" in letter.part("plain"), "a hundred are shown, the others counted"
        assert len(letter.raw) < 1 << 20, "a mail that every server takes"
        for one in chats:
            assert len(one.taken) == 1 and not one.wrong, f"{one.name}: {one.wrong}"
        states, quarantined = book(machine)
        assert not quarantined and {row[0] for rows in states.values() for row in rows} == {"sent"}
    finally:
        chats.close()
