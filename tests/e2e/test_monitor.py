"""The daemon: what it shows, whom it tells, and how it takes bad news."""

import fcntl
import html
import json
import os
import signal
import socket

import pytest

import credentials as c
from machine import CLAUDE, CODEX, STORE, email_receiver, webhook_receiver
from mail import PASSWORD
from waiting import until

CONFIG = ".opensoul/opensoul.json"
# Five seconds, and five for a machine that is held up.
STOPPED = 10


def three_logins(machine, opensoul_in=2 * c.DAY):
    """Claude Code, Codex and a gateway; only the gateway's token ends soon, and it is the only one of its provider."""
    machine.write(CLAUDE, c.claude_code())
    machine.write(CODEX, c.codex())
    machine.write(STORE, c.store(google__work=c.token(opensoul_in, provider="google")))
    machine.write(CONFIG, c.gateway_config("google/gemini-3-pro-preview"))


IDS = ["claude-code:default", "codex:default", "opensoul:main/google:work"]


def test_shows_every_login_and_warns_before_the_end(machine, mail_server, hook):
    mail = mail_server("starttls")
    three_logins(machine)
    machine.configure(email_receiver(mail), webhook_receiver(hook))
    daemon = machine.daemon()

    status = until(daemon.status, what="the first cycle")
    page = html.unescape(daemon.get("/"))
    metrics = daemon.metrics()
    for wanted in IDS:
        assert wanted in page, f"{wanted} is not on the page"
        assert metrics.all("opensoul_credential_info", credential=wanted), f"{wanted} is not in the metrics"
        assert wanted in [x["id"] for x in status["credentials"]]

    ends = json.loads((machine.home / STORE).read_text())["profiles"]["google:work"]["expires"] / 1000
    series = dict(credential="opensoul:main/google:work", provider="google", kind="token")
    assert metrics.value("opensoul_credential_expiration_timestamp_seconds", **series) == pytest.approx(ends, abs=1)
    assert metrics.value("opensoul_credential_state", state="expiring", **series) == 1
    assert metrics.value("opensoul_credential_state", state="ok", credential="codex:default") == 1

    until(lambda: mail.accepted() and hook.accepted(), 30, lambda: f"mail and webhook:\n{daemon.log}")
    told = mail.accepted()[0]
    assert told.recipients == ["ops@example.org"] and told.encrypted and told.user == "monitor"
    assert "google" in told.part("plain") and "google" in told.part("html")
    assert told["Auto-Submitted"] == "auto-generated" and told["Message-ID"]
    call = hook.accepted()[0]
    assert call.signed_with(hook.secret)
    assert call.body["version"] == "4" and call.body["status"] == "firing"
    assert "google" in json.dumps(call.alerts("firing"))
    assert "codex" not in json.dumps(call.alerts()), "a login that renews itself is not an incident"

    assert machine.home.joinpath(".opensoul").stat().st_mode & 0o777 == 0o700
    code, seconds = daemon.stop()
    assert code == 0 and seconds < STOPPED


def test_state_files_are_private(machine):
    three_logins(machine)
    machine.configure()
    machine.once()
    assert machine.state.stat().st_mode & 0o777 == 0o700
    for path in machine.state.iterdir():
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} is {oct(path.stat().st_mode)}"


def test_a_deleted_credential_leaves_the_metrics(machine):
    three_logins(machine)
    machine.configure()
    daemon = machine.daemon()
    until(lambda: daemon.metrics().all("opensoul_credential_info", credential="codex:default"))
    (machine.home / CODEX).unlink()
    until(
        lambda: not daemon.metrics().all("opensoul_credential_info", credential="codex:default"), 75,
        "the deleted login is gone from /metrics",
    )


def test_a_bad_configuration_keeps_the_old_one_and_says_so(machine, hook):
    three_logins(machine, opensoul_in=90 * c.DAY)
    machine.configure(webhook_receiver(hook))
    daemon = machine.daemon()
    until(lambda: daemon.metrics().value("opensoul_config_last_reload_successful") == 1)

    machine.write(machine.config.relative_to(machine.home), 'speling = 1\n[web]\nlisten = "nonsense"\n')
    status, text = daemon.reload()
    assert status >= 400, text
    assert "speling" in text + daemon.log, "the unknown key is named"
    until(lambda: daemon.metrics().value("opensoul_config_last_reload_successful") == 0)
    assert daemon.get("/")

    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.log.count("speling") >= 2 or daemon.log.count("monitor.toml") >= 2, what="SIGHUP says so too")
    assert daemon.process.poll() is None

    machine.configure(webhook_receiver(hook))
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.metrics().value("opensoul_config_last_reload_successful") == 1, what="a good configuration is taken")


def test_a_reload_brings_a_new_receiver(machine, hook):
    three_logins(machine)
    machine.configure()
    daemon = machine.daemon()
    until(lambda: daemon.status()["incidents"], what="the incident")
    assert not hook.calls
    machine.configure(webhook_receiver(hook))
    status, text = daemon.reload()
    assert status < 300, text
    assert daemon.get("/-/healthy")


def test_a_bad_configuration_at_the_start_is_78(machine):
    machine.write(
        machine.config.relative_to(machine.home),
        '[web]\nlisten = "nonsense"\n[[receivers]]\nname = "a"\ntype = "pigeon"\n[sources]\nenv = "yes"\n',
    )
    for command in (["monitor", "check-config"], ["monitor", "run"], ["monitor", "once"]):
        ended = machine.run(*command, timeout=20)
        assert ended.code == 78, ended
        for word in ("nonsense", "pigeon"):
            assert word in ended.out + ended.err, f"all problems at once: {word}: {ended}"


def test_others_may_not_write_the_configuration(machine):
    machine.configure()
    machine.config.chmod(0o666)
    ended = machine.run("monitor", "once")
    assert ended.code == 78 and "chmod" in ended.err, ended


def test_a_taken_port_is_a_warning(machine, hook):
    three_logins(machine)
    machine.configure(webhook_receiver(hook))
    with socket.create_server(("127.0.0.1", machine.port)):
        daemon = machine.daemon(ready=False)
        until(hook.accepted, 30, lambda: f"the alert:\n{daemon.log}")
        assert daemon.process.poll() is None
        assert str(machine.port) in daemon.log, daemon.log
    until(lambda: daemon.get("/-/healthy"), 75, "the port is tried again")


def test_writes_need_the_token_and_our_host(machine):
    three_logins(machine)
    machine.configure()
    daemon = machine.daemon()
    json_type = {"content-type": "application/json"}
    assert daemon.request("/-/reload", "POST", json_type, b"{}")[0] in (401, 403)
    wrong = json_type | {"authorization": "Bearer wrong"}
    assert daemon.request("/-/reload", "POST", wrong, b"{}")[0] in (401, 403)
    token = (machine.state / "token").read_text().strip()
    right = json_type | {"authorization": f"Bearer {token}"}
    assert daemon.request("/-/reload", "POST", right | {"origin": "http://evil.example"}, b"{}")[0] in (400, 401, 403)
    assert daemon.request("/-/reload", "POST", right | {"content-type": "text/plain"}, b"{}")[0] in (400, 403, 415)
    assert daemon.request("/", headers={"host": "evil.example"})[0] in (400, 403, 421)
    assert daemon.request("/-/reload", "POST", right, b"{}")[0] < 300


def test_sigterm_while_a_mail_server_is_silent(machine, mail_server):
    mail = mail_server("starttls", silent=True)
    three_logins(machine)
    machine.configure(email_receiver(mail))
    daemon = machine.daemon()
    until(lambda: mail.seen, 30, "the monitor has connected")
    code, seconds = daemon.stop()
    # A mail server that says nothing has 30 s.
    assert code == 0 and seconds < STOPPED, (code, seconds, daemon.log)


def test_once_twice_says_it_once(machine, hook):
    three_logins(machine)
    machine.configure(webhook_receiver(hook))
    machine.once()
    first = len(hook.accepted())
    assert first == 1
    machine.once()
    machine.once()
    assert len(hook.accepted()) == first, "the same problem was told again"


def test_once_beside_the_daemon_is_a_note(machine, hook):
    three_logins(machine)
    machine.configure(webhook_receiver(hook))
    daemon = machine.daemon()
    until(hook.accepted, 30, "the daemon's alert")
    ended = machine.once()
    assert "monitor runs already" in ended.out + ended.err, "a note says that the daemon does it"
    assert len(hook.accepted()) == 1
    until(lambda: daemon.metrics().total("opensoul_notification_queue_length") == 0, 20, "and that is written down")
    assert daemon.stop()[0] == 0
    machine.once()
    assert len(hook.accepted()) == 1, "the same state after the daemon"


def test_a_second_daemon_is_refused(machine):
    three_logins(machine)
    machine.configure()
    machine.daemon()
    ended = machine.run("monitor", "run", timeout=20)
    assert ended.code == 75, ended


def test_once_waits_for_nobody_for_ever(machine):
    """Another `monitor once` that hangs holds the lock: 75, not a pile of processes."""
    three_logins(machine)
    machine.configure()
    machine.once()
    with open(machine.state / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = machine.run("monitor", "once", timeout=120)
    assert ended.code == 75, ended


def test_a_corrupt_database_is_set_aside(machine, hook):
    three_logins(machine)
    machine.configure(webhook_receiver(hook))
    machine.once()
    for path in machine.state.glob("state.db*"):
        path.unlink()
    (machine.state / "state.db").write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    ended = machine.once()
    assert "state.db" in ended.err, ended
    aside = [p.name for p in machine.state.iterdir() if p.name.startswith("state.db.damaged")]
    assert aside, sorted(p.name for p in machine.state.iterdir())
    assert len(hook.accepted()) == 2, "it goes on, and says again what it no longer knows that it has said"
    machine.once()
    assert len(hook.accepted()) == 2


def test_password_from_systemd_credentials(machine, mail_server):
    mail = mail_server("tls")
    three_logins(machine)
    folder = machine.root / "credentials"
    folder.mkdir()
    (folder / "smtp").write_text(PASSWORD)
    machine.env["CREDENTIALS_DIRECTORY"] = str(folder)
    machine.configure(email_receiver(mail, password='{ credential = "smtp" }'))
    machine.once()
    assert len(mail.accepted()) == 1


def test_ready_is_told_to_systemd(machine):
    three_logins(machine)
    machine.configure()
    place = machine.root / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(place))
        notify.settimeout(20)
        daemon = machine.daemon(env={"NOTIFY_SOCKET": str(place)})
        said = notify.recv(4096).decode()
        while "READY=1" not in said:
            said += notify.recv(4096).decode()
        daemon.signal(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said += notify.recv(4096).decode()
    daemon.process.wait(20)
