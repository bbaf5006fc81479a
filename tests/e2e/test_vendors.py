"""Every vendor's channel, through the program, in front of servers as strict as the vendors' documentation (see `vendors.py`)."""

import json

import pytest

import credentials as c
from machine import STORE
from outbox import book, let_time_pass, put_off
from test_links import configure as links
from vendors import Server
from waiting import until


@pytest.fixture
def vendors(machine):
    server = Server()
    machine.env |= server.env
    yield server
    server.close()


def put(machine, *ends_in, name="工作"):
    """Logins that a person must renew, of which nothing else does the work."""
    machine.write(STORE, c.store(**{
        f"anthropic__{name}{at or ''}": c.token(end, secret=f"sk-ant-oat01-of-{at}-{end}") for at, end in enumerate(ends_in)
    }))


def configure(machine, vendors, extra=""):
    machine.configure(*(text.replace('type = "', 'lang = "zh"\ntype = "', 1) for text in vendors.receivers), extra=extra, web=False)


def nothing_wrong(vendors):
    wrong = {one.name: one.wrong for one in vendors if one.wrong}
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_a_problem_and_its_end(machine, vendors):
    put(machine, 300 * c.DAY)
    configure(machine, vendors)
    machine.once()
    assert not any(one.calls for one in vendors), "nothing is wrong yet"

    put(machine, -c.HOUR)
    machine.once()
    nothing_wrong(vendors)
    for one in vendors:
        assert len(one.taken) == 1, f"{one.name}: {one.taken}"
        assert "工作" in one.shown()[0], f"{one.name}: {one.shown()}"

    put(machine, 300 * c.DAY)
    machine.once()
    nothing_wrong(vendors)
    parts = {"pushover": 3}  # The emergency is cancelled beside the message.
    for one in vendors:
        assert len(one.taken) == parts.get(one.name, 2), f"{one.name}: {one.taken}"
    ends(vendors.vendors)
    calls = sum(len(one.calls) for one in vendors)
    machine.once()
    assert sum(len(one.calls) for one in vendors) == calls, "and that is the end of it"


def ends(v):
    """The end meets the message that began it, where the vendor has a way to do so."""
    assert v["slack-bot"].taken[1]["thread_ts"] == "1700000000.000100" and v["slack-bot"].taken[1]["reply_broadcast"] is True
    assert "thread_ts" not in v["slack-bot"].taken[0]
    first, last = v["discord"].taken
    assert first["embeds"][0]["color"] != last["embeds"][0]["color"] == first["edited"]["embeds"][0]["color"], "the card turns green"
    assert v["telegram"].taken[1]["reply_parameters"]["message_id"] == 1 and "reply_parameters" not in v["telegram"].taken[0]
    assert len({body["thread"]["threadKey"] for body in v["google-chat"].taken}) == 1
    begun, over = v["pagerduty"].taken
    assert (begun["event_action"], over["event_action"]) == ("trigger", "resolve") and begun["dedup_key"] == over["dedup_key"]
    assert begun["payload"]["severity"] == "critical"
    for name in ("opsgenie", "jsm"):
        begun, over = v[name].taken
        assert begun["alias"] == over["close"] and begun["priority"] == "P1"
    begun, over, cancelled = v["pushover"].taken
    assert begun["priority"] == "2" and over["priority"] < "0" and cancelled["cancel"] in begun["tags"].split(",")
    assert [body["card"]["header"]["template"] for body in v["feishu"].taken] == ["red", "green"]
    assert v["gotify"].taken[0]["priority"] > v["gotify"].taken[1]["priority"]
    assert [body["level"] for body in v["bark"].taken] == ["timeSensitive", "passive"]
    assert len({body["id"] for body in v["bark"].taken}) == 1, "the push that it is over takes the place of the alarm"


def test_a_long_digest_stays_within_every_limit(machine, vendors):
    """25 problems with long names in characters of three bytes each, a brace of each markup, and a call for everybody."""
    name = "一个名字很长的工作区凭证_*<b>&`[x](y)@all@everyone<!channel>"
    put(machine, *[-c.HOUR] * 25, name=name)
    configure(machine, vendors)
    machine.once()
    nothing_wrong(vendors)
    singly = {"pagerduty": 25, "opsgenie": 25, "jsm": 25}  # One alert for each incident is what they are for.
    for one in vendors:
        assert len(one.taken) == singly.get(one.name, 1), f"{one.name}: {len(one.taken)} of {len(one.calls)}"
        if one.name in singly:
            assert len({body.get("dedup_key") or body["alias"] for body in one.taken}) == 25
    states, quarantined = book(machine)
    assert not quarantined and {row[0] for rows in states.values() for row in rows} == {"sent"}


# A mood of the vendor → (whether it may be for good, reasons it may be counted as).
MOODS = {
    "broken": (False, {"server_error"}),
    "page": (False, {"parse", "refused"}),
    "busy": (False, {"rate_limited"}),
    "error": (None, {"refused", "auth_rejected", "server_error", "parse"}),
}


@pytest.mark.parametrize("mood", MOODS)
def test_no_is_not_yes_and_it_arrives_once_when_the_vendor_is_well_again(machine, vendors, mood):
    put(machine, -c.HOUR)
    configure(machine, vendors)
    for one in vendors:
        one.say.append(mood)
    machine.once()
    states, quarantined = book(machine)
    for_good, reasons = MOODS[mood]
    for one in vendors:
        said = one.words[0].decode()
        ((state, attempts, reason, detail),) = states[one.name]
        assert state == "queued" and attempts == 1, f"{one.name} believes {said!r}"
        assert reason in reasons, f"{one.name}: {reason} after {said!r}"
        if for_good is not None:
            assert (one.name in quarantined) == for_good, f"{one.name} after {said!r}"
        for secret in one.keys.values():
            assert secret not in detail and secret.rsplit("/", 1)[-1] not in detail, f"{one.name}: {detail}"
        assert not one.taken
    before = {one.name: len(one.calls) for one in vendors}
    if not quarantined:
        assert put_off(machine) >= 5
        machine.once()
        assert before == {one.name: len(one.calls) for one in vendors}, "nobody is tried again at once"
    let_time_pass(machine)
    machine.once()
    nothing_wrong(vendors)
    assert not book(machine)[1]
    told_once(vendors)


def told_once(vendors):
    """Of the credential, that is: who hears of others' quarantine hears of that too."""
    for one in vendors:
        about = [text for text in one.shown() if "工作" in text]
        assert len(about) == 1, f"{one.name}: {one.shown()}"


def test_a_key_that_is_not_theirs_any_more(machine, vendors):
    put(machine, -c.HOUR)
    configure(machine, vendors)
    for one in vendors:
        one.good = False
    machine.once()
    states, quarantined = book(machine)
    # PushDeer does not tell a wrong key from one without devices.
    other = {"pushdeer": "refused"}
    for one in vendors:
        assert one.name in quarantined, f"{one.name}: {one.words[0].decode()}"
        assert states[one.name][0][2] == other.get(one.name, "auth_rejected"), f"{one.name}: {states[one.name]}"
        for secret in one.keys.values():
            assert secret not in states[one.name][0][3]
    let_time_pass(machine)
    for one in vendors:
        one.good, one.wrong = True, []
    machine.once()
    nothing_wrong(vendors)
    assert not book(machine)[1], "a key that is good again ends the quarantine"
    told_once(vendors)


def test_the_fakes_are_strict(vendors):
    """What each would not take if it were wrong: the checks that the other tests lean on are there."""
    import urllib.error
    import urllib.request

    def post(url, body, **headers):
        headers = {"content-type": "application/json"} | headers
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    v = vendors.vendors
    card = {"elements": [{"tag": "div", "text": {"tag": "lark_md", "content": "凭证"}}]}
    feishu = v["feishu"].key("url")
    assert "19021" in post(feishu, {"msg_type": "interactive", "card": card, "timestamp": "1700000000", "sign": "x"})[1]
    assert "9499" in post(feishu, {"msg_type": "interactive", "card": card})[1], "no signature at all"
    assert "310000" in post(v["dingtalk"].key("url") + "&timestamp=1700000000&sign=x", {"msgtype": "markdown"})[1]
    long = {"msgtype": "markdown", "markdown": {"content": "字" * 1366}}
    assert "40058" in post(v["wecom"].key("url"), long)[1]
    assert post(v["slack"].key("url"), {"text": "<!channel>", "attachments": [{"text": "x"}]})[0] == 400
    assert post(v["slack"].key("url"), {"text": "x", "attachments": [{"text": "x"}], "colour": "red"})[0] == 400
    telegram = f"{v['telegram'].base}/bot{v['telegram'].key('token')}/sendMessage"
    for text in ("<b>open", "a < b", "a & b", "字" * 4097):
        assert post(telegram, {"chat_id": -1001234567890, "text": text, "parse_mode": "HTML"})[0] == 400, text
    assert post(v["discord"].key("url"), {"embeds": [{"title": "😀" * 129}], "allowed_mentions": {"parse": []}})[0] == 400
    assert all(one.wrong for one in (v["feishu"], v["dingtalk"], v["wecom"], v["slack"], v["telegram"], v["discord"]))
    assert not any(one.taken for one in vendors)


def test_buttons_are_what_each_vendor_takes_and_what_acts(machine, vendors):
    """With an address for links: every vendor takes them, and those that people press are there as buttons."""
    put(machine, -c.HOUR)
    links(machine, *vendors.receivers)
    daemon = machine.daemon()
    until(lambda: all(one.taken for one in vendors), 30, lambda: f"everybody is told:\n{daemon.log}")
    nothing_wrong(vendors)
    v = vendors.vendors
    link = f"http://127.0.0.1:{machine.port}/link/"
    slack = [element["url"] for block in v["slack"].taken[0]["attachments"][0]["blocks"] if block["type"] == "actions" for element in block["elements"]]
    bot = [element["url"] for block in v["slack-bot"].taken[0]["attachments"][0]["blocks"] if block["type"] == "actions" for element in block["elements"]]
    telegram = [button["url"] for row in v["telegram"].taken[0]["reply_markup"]["inline_keyboard"] for button in row]
    for name, urls in {"slack": slack, "slack-bot": bot, "telegram": telegram}.items():
        assert len([url for url in urls if url.startswith(link)]) == 2, f"{name}: ack and snooze in {urls}"
    (one,) = json.loads(daemon.get("/api/v1/incidents"))["incidents"]
    assert one["ack"] is None
    # A longer acknowledgement is never shortened by a snooze: that comes first.
    for name, urls in {"telegram": telegram, "slack-bot": bot}.items():
        path = urls[1 if name == "telegram" else 0].removeprefix(f"http://127.0.0.1:{machine.port}")
        assert daemon.request(path)[0] == 200 and daemon.request(path, "POST")[0] == 200
        (one,) = json.loads(daemon.get("/api/v1/incidents"))["incidents"]
        assert one["ack"]["by"] == f"a link sent to {name}" and one["ack"]["snoozed"] == (name == "telegram"), one
