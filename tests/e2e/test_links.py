"""Signed links through a real monitor: shown by a GET, done by a POST, once, and told to those who know of the problem."""

import json
import re
import urllib.parse

import credentials as c
from machine import STORE, webhook_receiver
from test_alerts import alerts, only
from waiting import until

LINK = re.compile(r"http://127\.0\.0\.1:\d+/link/[A-Za-z0-9_-]+")
PLAIN = 'body = "json"\n'


def put(machine, ends_in):
    machine.write(STORE, c.store(anthropic__work=c.token(ends_in, secret=f"sk-ant-oat01-of-{ends_in}")))


def configure(machine, *receivers):
    """Links lead to the port that the monitor listens on."""
    machine.configure(*receivers)
    text = machine.config.read_text() + f'[remote]\nurl = "http://127.0.0.1:{machine.port}"\n'
    machine.write(machine.config.relative_to(machine.home), text)


def links(call):
    """The paths of the links of a message: acknowledge, put off."""
    return [urllib.parse.urlsplit(url).path for url in LINK.findall(call.body["text"])]


def notices(hook, name, path="/hook"):
    calls = [call for call in hook.accepted() if call.path == path]
    return [item for call in calls for item in call.body["items"] if item["name"] == name]


def test_a_link_is_shown_by_get_and_done_once_by_post(machine, hook):
    put(machine, -c.HOUR)
    configure(
        machine, webhook_receiver(hook, more=PLAIN),
        webhook_receiver(hook, name="boss", url=hook.url + "/boss", more=PLAIN),
    )
    daemon = machine.daemon()
    until(lambda: len(hook.accepted()) == 2 and len(only(machine)["told"]) == 2, 20, "both are told")
    mine = next(call for call in hook.accepted() if call.path == "/hook")
    ack, snooze = links(mine)

    for _ in range(3):
        status, page = daemon.request(ack)
        assert status == 200 and "Acknowledge this?" in page and '<form method="post">' in page, page
        assert "<script" not in page and "anthropic:work" in page
    assert daemon.request(ack, "HEAD")[0] == 200
    assert only(machine)["ack"] is None, "scanners of mail follow every link"

    form = {"content-type": "application/x-www-form-urlencoded"}
    status, page = daemon.request(ack, "POST", form, b"name=Ann+B")
    assert status == 200 and "Acknowledged" in page, page
    one = only(machine)
    assert one["status"] == "acked" and one["ack"]["by"] == "Ann B (a link sent to hook)", one
    for path in ("/hook", "/hook/boss"):
        (told,) = until(lambda: notices(hook, "AlertAcknowledged", path), 20, "who acknowledged it")
        assert told["title"].startswith("acknowledged by Ann B (a link sent to hook) until "), told
    said = [call.body["text"] for call in hook.accepted() if "acknowledged by" in call.body["subject"]]
    assert len(said) == 2 and all(f"opensoul alerts unack {one['id']}" in text for text in said), said

    assert alerts(machine, "unack", one["id"]).code == 0
    status, page = daemon.request(ack, "POST")
    assert status == 410 and "used already" in page and only(machine)["ack"] is None, page
    daemon.stop()
    daemon = machine.daemon()
    status, page = daemon.request(ack, "POST")
    assert status == 410 and only(machine)["ack"] is None, "also after a restart"
    assert daemon.request(ack)[0] == 410

    key = machine.state / "link-key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    spoken = daemon.log + (machine.root / "daemon-0.log").read_text()
    for path in (ack, snooze):
        token = path.removeprefix("/link/")
        assert token not in spoken, "nothing that acts is logged"
        for file in machine.state.glob("state.db*"):
            assert token.encode() not in file.read_bytes(), "nor kept"

    put(machine, 300 * c.DAY)
    ended = lambda: [item for item in notices(hook, "CredentialExpiring") if item["status"] == "resolved"]  # noqa: E731
    until(ended, 75, "the end")
    for method in ("GET", "POST"):
        status, page = daemon.request(snooze, method)
        assert status == 200 and "This is over" in page and "<form" not in page, page


def test_what_is_put_off_by_a_link(machine, hook):
    put(machine, -c.HOUR)
    configure(machine, webhook_receiver(hook, more=PLAIN))
    daemon = machine.daemon()
    until(lambda: hook.accepted() and only(machine)["told"], 20, "told")
    ack, snooze = links(hook.accepted()[0])
    status, page = daemon.request(snooze, "POST")
    assert status == 200 and "Put off" in page, page
    one = only(machine)["ack"]
    assert one["by"] == "a link sent to hook" and one["snoozed"], one
    (told,) = until(lambda: notices(hook, "AlertAcknowledged"), 20, "who put it off")
    assert told["title"].startswith("put off by a link sent to hook until "), told
    # The other link is another one, and lasts longer.
    assert daemon.request(ack, "POST")[0] == 200
    assert not only(machine)["ack"]["snoozed"]


def test_forged_and_foreign_links_and_foreign_names(machine, hook):
    put(machine, -c.HOUR)
    configure(machine, webhook_receiver(hook, more=PLAIN))
    text = machine.config.read_text().replace("http://127.0.0.1", "https://monitor.example.org")
    text = re.sub(r'url = "https://monitor.example.org:\d+"', 'url = "https://monitor.example.org/os"', text)
    machine.write(machine.config.relative_to(machine.home), text.replace(f'url = "https://monitor.example.org:{hook.port}',
                                                                         f'url = "http://127.0.0.1:{hook.port}'))
    configured = machine.config.read_text()
    assert f"http://127.0.0.1:{hook.port}/hook" in configured, configured
    daemon = machine.daemon()
    until(lambda: hook.accepted() and only(machine)["told"], 20, "told")
    url = re.search(r"https://monitor\.example\.org/os(/link/[A-Za-z0-9_-]+)", hook.accepted()[0].body["text"])
    path = url.group(1)
    for bad in (path + "A", path[:-1], "/link/" + "A" * 90, "/link/x", path.replace("/link/", "/link/A")):
        for method in ("GET", "POST"):
            status, page = daemon.request(bad, method)
            assert status == 404 and "no link of this monitor" in page, (bad, page)
    assert only(machine)["ack"] is None

    far = {"host": "monitor.example.org"}
    for shown, status in ((path, 200), ("/style.css", 200), ("/", 404), ("/metrics", 404), ("/api/v1/incidents", 404)):
        assert daemon.request(shown, headers=far)[0] == status, shown
    assert daemon.request(path, headers={"host": "other.example.org"})[0] == 403
    daemon.stop()
    (machine.state / "link-key").unlink()
    daemon = machine.daemon()
    assert daemon.request(path, "POST")[0] == 404, "another key"


def test_a_topic_that_strangers_read_hushes_up_no_critical_for_long(machine, hook):
    put(machine, -c.HOUR)
    answer = (200, {}, b'{"id":"x0","time":1,"event":"message","topic":"t"}')
    hook.say.extend([answer] * 20)
    server = f"http://127.0.0.1:{hook.port}"
    configure(machine, f'[[receivers]]\nname = "phone"\ntype = "ntfy"\nurl = "{server}"\ntopic = "t"\n')
    daemon = machine.daemon()
    until(lambda: hook.accepted() and only(machine)["told"], 20, "told")
    ack, snooze = hook.accepted()[0].body["actions"]
    assert (ack["action"], ack["method"], ack["label"], snooze["label"]) == ("http", "POST", "Ack 4 h", "Snooze 2 h")
    status, _ = daemon.request(urllib.parse.urlsplit(ack["url"]).path, "POST")
    assert status == 200
    one = only(machine)["ack"]
    hours = (parse(one["until"]) - parse(one["at"])).total_seconds() / 3600
    assert one["by"] == "a link sent to phone" and hours == 4, one


def test_without_an_address_and_without_a_daemon_there_are_no_links(machine, hook):
    put(machine, -c.HOUR)
    configure(machine, webhook_receiver(hook, more=PLAIN))
    machine.once()
    assert hook.accepted() and "/link/" not in json.dumps(hook.accepted()[0].body), "nobody would answer them"
    machine.configure(webhook_receiver(hook, more=PLAIN))
    daemon = machine.daemon()
    assert daemon.request("/link/x")[0] == 404
    assert not (machine.state / "link-key").exists()


def parse(text):
    import datetime

    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
