"""People ask and order over Telegram: who is heard, what is answered, what is done, and that it is done once."""

import json
import signal
import sqlite3
import threading
import time

import pytest

import credentials as c
import telegram as t
import test_model as model
from machine import STORE, webhook_receiver
from waiting import until


@pytest.fixture
def bot(machine):
    server = t.Telegram()
    machine.env["CHAT_TOKEN"] = t.TOKEN
    yield server
    server.close()
    assert not server.wrong, server.wrong


def put(machine, ends_in, name="work"):
    machine.write(STORE, c.store(**{f"anthropic__{name}": c.token(ends_in, secret="sk-ant-oat01-canary-of-the-chat")}))


def started(machine, bot, *receivers, env=None, **chat):
    machine.configure(*receivers, extra=t.chat_section(bot, **chat))
    daemon = machine.daemon(env=env)
    until(lambda: any(method == "getUpdates" for method, _ in bot.calls), 20, lambda: f"a poll:\n{daemon.log}")
    return daemon


def answer(bot, line, **more):
    """What is answered to a line."""
    before = len(bot.messages)
    bot.say(line, **more)
    # One that could not be given is given again after half a minute.
    until(lambda: len(bot.messages) > before, 60, f"an answer to {line}")
    return bot.last()


def incidents(daemon):
    return json.loads(daemon.get("/api/v1/incidents"))["incidents"]


def silences(daemon):
    return json.loads(daemon.get("/api/v1/silences"))["silences"]


def heard_all(bot):
    until(lambda: not bot.waiting(), 20, lambda: f"everything was dealt with: {bot.waiting()}")


@pytest.mark.parametrize("lang, words", [("en", ["something is broken", "Nothing ends", "I understand"]), ("zh", ["有东西坏了", "没有凭证", "我能听懂"])])
def test_questions(machine, bot, lang, words):
    put(machine, -c.HOUR)
    daemon = started(machine, bot, lang=lang, writes=False)
    (incident,) = until(lambda: incidents(daemon), 20, "the incident")
    status = answer(bot, "/status")
    assert words[0] in status["text"] and f"/ack_{incident['id']}" in status["text"], status
    assert "opensoul:main/anthropic:work" in status["text"]
    assert status["reply_parameters"]["message_id"]
    private = answer(bot, "/status@OpenSoulWatchBot", chat=t.ANN)
    assert private["chat_id"] == t.ANN
    put(machine, 300 * c.DAY)
    shown = lambda: {one["id"]: one["state"] for one in daemon.status()["credentials"]}  # noqa: E731
    until(lambda: not incidents(daemon) and shown()["opensoul:main/anthropic:work"] == "ok", 30, "it is over, and is shown to be")
    assert words[1] in answer(bot, "/expiring 7d")["text"]
    assert words[2] in answer(bot, "/help")["text"]
    assert answer(bot, "/doctor")["text"]
    assert answer(bot, "hello?", chat=t.ANN, user=t.ANN)["text"]
    assert all(t.TOKEN not in text and "canary-of-the-chat" not in text for text in bot.shown())


def test_who_is_not_heard(machine, bot):
    put(machine, -c.HOUR)
    daemon = started(machine, bot)
    (incident,) = until(lambda: incidents(daemon), 20, "the incident")
    line = f"/ack {incident['id']}"
    bot.say(line, user=t.STRANGER)
    bot.say(line, user=t.STRANGER, chat=t.STRANGER)
    bot.say(line, chat=-100999)
    bot.say(line, user=t.ANONYMOUS, sender_chat={"id": t.GROUP, "type": "supergroup", "title": "Ops"})
    bot.say(line, forward_origin={"type": "user", "date": 1, "sender_user": t.person(t.ANN)})
    bot.say(line, forward_date=1, forward_from=t.person(t.BOB))
    bot.say(line, via_bot=t.person(5, bot=True))
    bot.say(line, edit_date=int(time.time()))
    bot.say(line, kind="edited_message", edit_date=int(time.time()))
    bot.say(line, age=61)
    bot.update(message={k: v for k, v in bot.message(line).items() if k != "from"})
    heard_all(bot)
    assert not bot.messages, bot.shown()
    # One who is heard, so that the others were too.
    question = answer(bot, line)
    bot.press(question, user=t.STRANGER)
    bot.press(question, user=t.BOB)
    heard_all(bot)
    until(lambda: bot.answered == ["Only who asked can answer this."], 20, lambda: str(bot.answered))
    assert [method for method, _ in bot.calls].count("answerCallbackQuery") == 1, "a stranger learns nothing"
    assert incidents(daemon)[0]["ack"] is None
    assert f"user={t.STRANGER}" in daemon.log and f"chat={t.GROUP}" in daemon.log, daemon.log
    assert daemon.log.count("is not listed") == 3, "each once"


def test_an_ack_and_its_end(machine, bot, hook):
    put(machine, -c.HOUR)
    daemon = started(machine, bot, webhook_receiver(hook))
    until(lambda: hook.alerts("firing"), 30, "the alert")
    (incident,) = incidents(daemon)
    question = dict(answer(bot, f"/ack_{incident['id'][:6]} 2h on it"))
    assert question["text"].startswith("Acknowledge it until in 2 h"), question
    assert incidents(daemon)[0]["ack"] is None, "not before somebody says yes"
    bot.press(question)
    until(lambda: incidents(daemon)[0]["status"] == "acked", 20, "it is acknowledged")
    until(lambda: bot.last()["edits"] == 1, 20, "the question has become its answer")
    assert "Acknowledged until" in bot.last()["text"] and "reply_markup" not in bot.last()
    assert incidents(daemon)[0]["ack"]["by"] == f"ann (Telegram {t.ANN})"
    assert incidents(daemon)[0]["ack"]["comment"] == "on it"
    announced = lambda: [call for call in hook.accepted() if b"AlertAcknowledged" in call.raw]  # noqa: E731
    until(announced, 20, "who was told of the problem hears of it")
    assert f"ann (Telegram {t.ANN})".encode() in announced()[0].raw
    assert "ann" in answer(bot, "/status")["text"]
    bot.press(question)
    heard_all(bot)
    until(lambda: len(bot.answered) == 2, 20, "the button is answered")
    bot.press(answer(bot, f"/unack {incident['id']}"))
    until(lambda: incidents(daemon)[0]["ack"] is None, 20, "taken back")


def test_a_silence(machine, bot):
    put(machine, -c.HOUR)
    daemon = started(machine, bot)
    until(lambda: incidents(daemon), 20, "the incident")
    question = answer(bot, "/silence provider=anthropic 30m moving")
    assert "It fits 1 of 1" in question["text"]
    bot.press(question, 1)
    until(lambda: bot.last()["text"] == "Nothing was done.", 20, "no is no")
    assert not silences(daemon)
    bot.press(answer(bot, "/silence provider=anthropic 30m moving"))
    (one,) = until(lambda: silences(daemon), 20, "the silence")
    assert one["comment"] == "moving" and one["state"] == "active"
    bot.press(answer(bot, f"/unsilence_{one['id']}"))
    until(lambda: silences(daemon)[0]["state"] == "expired", 20, "it has ended")


def test_nothing_is_written_where_that_is_not_allowed(machine, bot):
    put(machine, -c.HOUR)
    daemon = started(machine, bot, writes=False)
    (incident,) = until(lambda: incidents(daemon), 20, "the incident")
    said = answer(bot, f"/ack {incident['id']}")
    assert "writes is not true" in said["text"] and "reply_markup" not in said
    assert incidents(daemon)[0]["ack"] is None


@pytest.mark.parametrize("point", ["before-chat-commit", "after-chat-commit"])
def test_killed_in_the_middle(machine, bot, point):
    """The second update is that of the button: it is dealt with once, whenever the process dies."""
    put(machine, -c.HOUR)
    daemon = started(machine, bot, env={"OPENSOUL_FAULT": f"{point}:2"})
    question = answer(bot, "/silence provider=anthropic 30m moving")
    bot.press(question)
    until(lambda: daemon.process.poll() == -signal.SIGABRT, 20, lambda: f"aborted:\n{daemon.log}")
    assert question["edits"] == 0 and bot.waiting(), "Telegram has not heard that it was dealt with"
    again = machine.daemon()
    until(lambda: bot.messages[question["message_id"]]["edits"], 20, lambda: f"the answer:\n{again.log}")
    assert bot.messages[question["message_id"]]["text"].startswith("Silenced until")
    heard_all(bot)
    assert len(silences(again)) == 1
    assert bot.messages[question["message_id"]]["edits"] == 1


def test_killed_at_any_moment(machine, bot):
    """`kill -9` while people talk: each question is answered, no order is carried out twice."""
    put(machine, -c.HOUR)
    daemon = started(machine, bot)
    until(lambda: incidents(daemon), 20, "the incident")
    for turn in range(6):
        bot.press(answer(bot, f"/silence alertname=x{turn} 30m turn"))
        threading.Event().wait(turn * 0.004)
        daemon.kill()
        daemon = machine.daemon()
        until(lambda: len(silences(daemon)) == turn + 1, 20, f"silence {turn}")
    heard_all(bot)
    assert sorted(one["matchers"][0] for one in silences(daemon)) == [f"alertname=x{turn}" for turn in range(6)]


def test_what_came_while_we_were_away_is_dropped(machine, bot):
    put(machine, -c.HOUR)
    bot.say("/status", age=300)
    bot.say("/help")
    started(machine, bot)
    until(lambda: bot.messages, 20, "the answer to what is fresh")
    heard_all(bot)
    (text,) = bot.shown()
    assert "I understand" in text


def test_a_refused_bot_is_told_to_the_receivers(machine, bot, hook):
    put(machine, 300 * c.DAY)
    bot.trouble = "token"
    machine.configure(webhook_receiver(hook), extra=t.chat_section(bot))
    daemon = machine.daemon()

    def alerts(status):
        return [one for one in hook.alerts(status) if "chat" in json.dumps(one["labels"])]

    until(lambda: alerts("firing"), 40, lambda: f"the alert:\n{daemon.log}")
    assert "has not been let in" in json.dumps(alerts("firing")[0])
    assert not any(t.TOKEN.encode() in call.raw for call in hook.calls) and t.TOKEN not in daemon.log
    bot.trouble = None
    daemon.reload()
    until(lambda: alerts("resolved"), 60, lambda: f"it is over:\n{daemon.log}")


def test_another_listener_is_noticed(machine, bot):
    put(machine, 300 * c.DAY)
    bot.trouble = "webhook"
    machine.configure(extra=t.chat_section(bot))
    daemon = machine.daemon()

    def found():
        return [one for one in daemon.status()["findings"] if one["id"] == "chat.failing"]

    (finding,) = until(found, 40, lambda: f"the finding:\n{daemon.log}")
    assert "somebody else has listened" in finding["message"]
    polls = len(bot.calls)
    assert polls <= 6, "others are not thrown out again and again"
    assert "deleteWebhook" not in [method for method, _ in bot.calls]


def test_a_network_that_comes_back_is_nobodys_business(machine, bot):
    put(machine, 300 * c.DAY)
    bot.trouble = "away"
    machine.configure(extra=t.chat_section(bot))
    daemon = machine.daemon()
    until(lambda: "Telegram is not heard" in daemon.log, 20, "it is noticed")
    bot.trouble = None
    assert "I understand" in answer(bot, "/help")["text"]
    assert not [one for one in daemon.status()["findings"] if one["id"] == "chat.failing"]


def test_busy_is_waited_for(machine, bot):
    put(machine, 300 * c.DAY)
    started(machine, bot)
    bot.busy = 2
    assert "I understand" in answer(bot, "/help")["text"]
    assert len(bot.messages) == 1


def test_long_answers_fit(machine, bot):
    many = {f"anthropic__{at:03}": c.token(-c.HOUR, secret=f"sk-ant-oat01-{at}") for at in range(300)}
    machine.write(STORE, c.store(**many))
    started(machine, bot)
    until(lambda: len(answer(bot, "/expiring")["text"]) > 3000, 30, "a long answer")
    assert "more lines" in bot.last()["text"]


def test_the_bot_of_a_gateway_is_refused(machine, bot, hook):
    machine.write(".opensoul/opensoul.json", {"channels": {"telegram": {"enabled": True, "botToken": t.TOKEN}}})
    machine.configure(extra=t.chat_section(bot))
    for command in (["monitor", "check-config"], ["monitor", "run"]):
        refused = machine.run(*command)
        assert refused.code == 78 and "chat.token: is the bot of the gateway" in refused.err, refused
        assert t.TOKEN not in refused.err
    machine.write(".opensoul/opensoul.json", {})
    machine.write(".opensoul/.env", f"TELEGRAM_BOT_TOKEN={t.TOKEN}\n")
    refused = machine.run("monitor", "check-config")
    assert refused.code == 78 and "TELEGRAM_BOT_TOKEN" in refused.err, refused
    machine.write(".opensoul/.env", "TELEGRAM_BOT_TOKEN=1:another\n")
    assert machine.run("monitor", "check-config").code == 0
    assert not bot.calls


def test_the_bot_of_a_receiver_will_do(machine, bot):
    receiver = f'[[receivers]]\nname = "tg"\ntype = "telegram"\nurl = "{bot.url}"\ntoken = {{ env = "CHAT_TOKEN" }}\nchat = "{t.GROUP}"\n'
    machine.configure(receiver, extra=t.chat_section(bot))
    assert machine.run("monitor", "check-config").code == 0


def test_the_token_is_nowhere(machine, bot):
    put(machine, -c.HOUR)
    daemon = started(machine, bot)
    answer(bot, "/status")
    answer(bot, "/doctor")
    page = daemon.get("/") + daemon.get("/metrics") + daemon.get("/api/v1/status")
    assert t.TOKEN not in page and t.TOKEN.split(":")[1] not in page
    assert t.TOKEN.split(":")[1] not in daemon.log
    credential = next(one for one in daemon.status()["credentials"] if one["id"] == "chat:telegram")
    assert credential["provider"] == "telegram"
    # The next poll: only then it is known that what was said last has arrived.
    until(lambda: bot.calls[-1][0] == "getUpdates", 20, lambda: str(bot.calls[-1]))
    assert daemon.stop()[0] == 0
    for path in machine.state.iterdir():
        assert t.TOKEN.split(":")[1].encode() not in path.read_bytes(), path
    with sqlite3.connect(machine.state / "state.db") as database:
        assert database.execute("SELECT body FROM saying").fetchall() == []
    database.close()


def test_a_snooze_over_telegram_is_said_again(machine, bot):
    put(machine, -c.HOUR)
    daemon = started(machine, bot)
    (incident,) = until(lambda: incidents(daemon), 20, "the incident")
    question = answer(bot, f"/snooze {incident['id']} 1h not now")
    bot.press(question)
    ack = until(lambda: incidents(daemon)[0]["ack"], 20, "it is put off")
    assert ack["snoozed"] and ack["until"] and ack["comment"] == "not now", ack


def test_a_model_and_a_credential_are_chosen_over_telegram(machine, bot):
    """The same functions as on the terminal, on the gateway's own sessions."""
    model.furnish(machine)
    daemon = started(machine, bot, more=f'session = "{model.KEY}"')
    assert answer(bot, "/model")["text"] == model.chat(machine, "/model").out.strip(), daemon.log
    question = answer(bot, "/model opus@anthropic:work")
    assert "authProfileOverride" not in model.session(machine), "not before somebody says yes"
    bot.press(question)
    until(lambda: model.session(machine).get("authProfileOverride") == "anthropic:work", 20, "it is pinned")
    until(lambda: "Auth profile set to anthropic:work" in bot.last()["text"], 20, "and said")
    assert "pinned for this session" in answer(bot, "/model")["text"]
