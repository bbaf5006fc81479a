"""The units under systemd/: what systemd says of them, and how they live in a machine that boots."""

import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

import credentials as c
from booted import Booted, why_not
from hook import HookServer
from packages import build, needs_dpkg, released
from prometheus import free_port
from waiting import until

TREE = pathlib.Path(__file__).resolve().parents[2]
UNITS = TREE / "systemd"
MONITOR, CHECK = "opensoul-monitor.service", "opensoul-check.service"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
needs_boot = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))


# What systemd says of the files


def analyze(*argv, folder):
    env = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(["systemd-analyze", *map(str, argv)], env=env, cwd=folder, capture_output=True, text=True)


def unfolded(kind, folder, program):
    """The units, with the built program where the packaged one would be, and templates for somebody."""
    for unit in (UNITS / kind).iterdir():
        text = unit.read_text()
        assert "ExecStart" not in text or "ExecStart=/usr/bin/opensoul-monitor monitor " in text or "ExecStart=/usr/bin/printf" in text, unit
        (folder / unit.name.replace("@.", "@ann.")).write_text(text.replace("/usr/bin/opensoul-monitor", str(program)))
    return sorted(folder.glob("opensoul*"))


EXAMPLES = {
    "system": [("credentials.conf", MONITOR), ("credentials.conf", CHECK), ("failed-tell.conf", "opensoul-failed@.service")],
    "user": [("credentials.conf", MONITOR), ("user-hardened.conf", MONITOR)],
}


@needs_systemd
@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_understands_every_line(kind, folder, program):
    units = unfolded(kind, folder, program)
    for example, unit in EXAMPLES[kind]:
        (folder / f"{unit}.d").mkdir(exist_ok=True)
        text = (UNITS / "examples" / example).read_text()
        # What is named there may not be here.
        (folder / f"{unit}.d" / example).write_text(text.replace("/usr/bin/curl", "/usr/bin/printf"))
    assert {MONITOR, CHECK, "opensoul-check.timer", "opensoul-failed@ann.service"} <= {unit.name for unit in units}
    ended = analyze(f"--{kind}", "verify", "--man=no", *units, folder=folder)
    said = [line for line in ended.stderr.splitlines() if "opensoul" in line]
    assert (ended.returncode, said) == (0, []), ended.stderr


@needs_systemd
@pytest.mark.parametrize("unit", [MONITOR, CHECK, "opensoul@.service"])
def test_the_exposure_is_two_at_most(unit, folder):
    ended = analyze("security", "--offline=true", "--threshold=20", UNITS / "system" / unit, folder=folder)
    assert ended.returncode == 0, ended.stdout[-300:]
    # The threshold is what it says it is.
    assert analyze("security", "--offline=true", "--threshold=1", UNITS / "system" / unit, folder=folder).returncode == 1


@needs_systemd
def test_the_timer_catches_up_and_keeps_its_moment(folder):
    text = (UNITS / "system/opensoul-check.timer").read_text()
    assert text == (UNITS / "user/opensoul-check.timer").read_text()
    for line in ("Persistent=true", "FixedRandomDelay=true", "RandomizedDelaySec=2min"):
        assert line in text.splitlines()
    when = re.search(r"OnCalendar=(.*)", text)[1]
    assert "*-*-* *:00/15:00" in analyze("calendar", when, folder=folder).stdout


def test_a_core_of_a_monitor_is_never_kept():
    """It would hold secrets, and the watchdog ends a stuck monitor by SIGABRT."""
    for unit in UNITS.rglob("*.service"):
        if "/usr/bin/opensoul-monitor" in unit.read_text():
            assert "LimitCORE=0" in unit.read_text().splitlines(), unit


# In a machine that boots


@pytest.fixture
def hook():
    server = HookServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def package(program, tmp_path_factory):
    return build(program, tmp_path_factory.mktemp("packages"))


@pytest.fixture
def booted(folder, package):
    """With the package installed, and a webhook that needs no secret."""
    machine = Booted(folder)
    try:
        machine.copy(package, "/srv/opensoul.deb")
        machine.boot()
        machine.do("dpkg", "-i", "/srv/opensoul.deb")
        yield machine
    finally:
        machine.close()


def settings(hook, *more, secret=""):
    """No port of its own: the network is that of this machine."""
    return "\n".join([
        '[identity]\nhost = "booted"', '[schedule]\nstatus = "* * * * *"\nprobe = "off"', "[web]\nenabled = false",
        f'[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = {json.dumps(hook.url)}\n{secret}', *more, "",
    ])


SOON = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms\n"


def names(hook):
    return {alert["labels"]["alertname"] for alert in hook.alerts("firing")}


@needs_boot
@needs_dpkg
def test_the_timer_fires_and_an_alert_arrives_signed_with_a_credential_of_systemd(booted, hook):
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    booted.write("/etc/opensoul/credentials/hook", secret + "\n", 0o600)
    # One in the clear, one that only this machine can decrypt.
    booted.write("/srv/key", "sk-ant-api03-of-the-credential", 0o600)
    encrypt = ("systemd-creds", "encrypt", "--with-key=host", "--name=ANTHROPIC_API_KEY")
    booted.do(*encrypt, "/srv/key", "/etc/opensoul/credentials/key")
    load = "LoadCredential=hook:/etc/opensoul/credentials/hook\n"
    load += "LoadCredentialEncrypted=ANTHROPIC_API_KEY:/etc/opensoul/credentials/key"
    booted.write(f"/etc/systemd/system/{CHECK}.d/credentials.conf", f"[Service]\n{load}\n")
    declared = f'[[declared]]\nname = "ci"\nprovider = "openai"\nexpires = {json.dumps(in_hours(2))}'
    signed = 'secret = { credential = "hook" }'
    booted.write("/etc/opensoul/monitor.toml", settings(hook, "[sources]\nenv = true", declared, secret=signed))
    # The same timer, sooner.
    booted.write("/etc/systemd/system/opensoul-check.timer.d/soon.conf", SOON)
    booted.do("systemctl", "daemon-reload")
    booted.do("systemctl", "enable", "--now", "opensoul-check.timer")

    until(lambda: hook.alerts("firing"), 30, lambda: f"an alert:\n{booted.journal('-u', CHECK)}")
    call = hook.accepted()[0]
    assert call.signed_with(secret) and {alert["labels"]["credential"] for alert in call.alerts()} == {"declared:ci"}
    until(lambda: booted.show(CHECK, "ActiveState", "Result") == ["inactive", "success"], 20)
    assert booted.show("opensoul-check.timer", "ActiveState") == "active"
    # The key that systemd gave was seen, and is nowhere.
    booted.do("systemctl", "stop", "opensoul-check.timer")
    said = booted.said("3 credentials: 1 critical", "-u", CHECK)  # the signing key of the webhook is one, too
    assert "of-the-credential" not in said and secret[6:] not in said
    # It ran as its own user, whose state nobody else sees.
    uid, _ = booted.ids("opensoul")
    state = booted.root / "var/lib/opensoul"
    assert (state.stat().st_uid, state.stat().st_mode & 0o777) == (uid, 0o700)
    assert (state / "state.db").stat().st_uid == uid


@needs_boot
@needs_dpkg
def test_what_was_missed_is_made_up_for_once_and_the_journal_has_it(booted, hook):
    declared = [
        f'[[declared]]\nname = "{name}"\nprovider = "{provider}"\nexpires = {json.dumps(in_hours(hours))}'
        for name, provider, hours in (("ci", "openai", 2), ("deploy", "mistral", 100))
    ]
    journal = '[[receivers]]\nname = "log"\ntype = "journal"'
    booted.write("/etc/opensoul/monitor.toml", settings(hook, journal, *declared))
    booted.write("/etc/systemd/system/opensoul-check.timer.d/soon.conf", "[Timer]\nRandomizedDelaySec=0\n")
    # As if it had last run yesterday, and was off since.
    stamp = booted.write("/var/lib/systemd/timers/stamp-opensoul-check.timer", "")
    yesterday = time.time() - c.DAY
    os.utime(stamp, (yesterday, yesterday))
    booted.do("systemctl", "daemon-reload")
    booted.do("systemctl", "enable", "--now", "opensoul-check.timer")
    until(lambda: hook.alerts("firing"), 20, lambda: f"an alert:\n{booted.journal('-u', CHECK)}")
    booted.do("systemctl", "stop", "opensoul-check.timer")
    assert stamp.stat().st_mtime > yesterday + c.HOUR
    # Once, or twice where a quarter of an hour began just now.
    assert booted.journal("-u", CHECK).count("Starting") <= 2

    # The receiver of `type = "journal"`, as journald has kept it.
    uid, _ = booted.ids("opensoul")

    def entries(*matches):
        lines = booted.journal("-o", "json", "SYSLOG_IDENTIFIER=opensoul", f"_UID={uid}", "OPENSOUL_STATUS=firing", *matches)
        return {one["OPENSOUL_SUBJECT"]: one for one in map(json.loads, lines.splitlines())}

    told = until(lambda: len(entries()) == 2 and entries(), 10, lambda: f"two entries:\n{booted.journal('-u', CHECK)}")
    alert = {one["labels"]["credential"]: one for one in hook.alerts("firing")}
    for subject, *wanted in (("declared:ci", "critical", "2", "openai"), ("declared:deploy", "warning", "4", "mistral")):
        one = told[subject]
        assert [one["OPENSOUL_SEVERITY"], one["PRIORITY"], one["OPENSOUL_PROVIDER"]] == wanted, one
        assert one["OPENSOUL_NAME"] == alert[subject]["labels"]["alertname"] and one["MESSAGE"].endswith(" (firing)"), one
        assert one["OPENSOUL_INCIDENT"] and one["OPENSOUL_NOTIFICATION"] and one["OPENSOUL_FIX"], one
    # By priority, and as README.md has it.
    assert entries("-p", "crit").keys() == {"declared:ci"}
    command = re.search(r"`journalctl (OPENSOUL_SEVERITY=\S+ OPENSOUL_STATUS=\S+ -o verbose)`", (UNITS / "README.md").read_text())
    shown = booted.journal(*command[1].split())
    assert "OPENSOUL_SUBJECT=declared:ci" in shown and "declared:deploy" not in shown, shown


@needs_boot
@needs_dpkg
def test_an_upgrade_restarts_what_runs_and_a_removal_ends_it(booted, hook, program, folder):
    declared = f'[[declared]]\nname = "ci"\nprovider = "openai"\nexpires = {json.dumps(in_hours(2))}'
    booted.write("/etc/opensoul/monitor.toml", settings(hook, declared))
    home = booted.user("ann")
    booted.write(f"{home}/.config/opensoul/monitor.toml", settings(hook), 0o600, "ann")
    units = MONITOR, "opensoul@ann.service"
    booted.do("systemctl", "enable", "--now", *units)
    until(lambda: hook.alerts("firing"), 20)
    before = [booted.show(unit, "MainPID") for unit in units]
    booted.copy(build(program, folder / "newer", "deb", "--version", "99.0.0"), "/srv/newer.deb")
    booted.do("dpkg", "-i", "--force-confold", "/srv/newer.deb")
    for unit, process in zip(units, before):
        state, now = booted.show(unit, "ActiveState", "MainPID")
        assert state == "active" and now not in ("0", process), unit
    until(lambda: "credential" in booted.show(MONITOR, "StatusText"), 10)
    assert len(hook.alerts("firing")) == 1, "what was told is not told again"
    booted.do("dpkg", "-P", "opensoul")
    for unit in units:
        assert booted.show(unit, "ActiveState", "MainPID") == ["inactive", "0"], unit
    assert not (booted.root / "etc/systemd/system/multi-user.target.wants" / MONITOR).is_symlink()


@needs_boot
@needs_dpkg
def test_a_monitor_that_hangs_is_restarted_and_goes_on(booted, hook):
    declared = f'[[declared]]\nname = "ci"\nprovider = "openai"\nexpires = {json.dumps(in_hours(2))}'
    booted.write("/etc/opensoul/monitor.toml", settings(hook, declared))
    booted.write(f"/etc/systemd/system/{MONITOR}.d/soon.conf", "[Service]\nWatchdogSec=8s\nRestartSec=100ms\n")
    booted.do("systemctl", "daemon-reload")
    booted.do("systemctl", "start", MONITOR)
    first = booted.show(MONITOR, "MainPID")
    until(lambda: hook.alerts("firing"), 20, lambda: f"an alert:\n{booted.journal('-u', MONITOR)}")
    until(lambda: "credential" in booted.show(MONITOR, "StatusText"), 10)

    booted.do("systemctl", "kill", "--kill-whom=main", "--signal=STOP", MONITOR)

    def another_one_runs():
        process, state = booted.show(MONITOR, "MainPID", "ActiveState")
        return state == "active" and process not in ("0", first)

    until(another_one_runs, 40, lambda: f"a restart:\n{booted.journal('-u', MONITOR)}")
    assert booted.show(MONITOR, "NRestarts") != "0"
    booted.said("Watchdog timeout", "-u", MONITOR)
    assert booted.show(MONITOR, "MainPID") != first
    # What was told before is not told again; what gets on is fed.
    booted.do("systemctl", "reload", MONITOR)
    until(lambda: booted.show(MONITOR, "ActiveState") == "active", 10)
    assert len(hook.alerts("firing")) == 1
    # The end is asked for, and no failure.
    booted.do("systemctl", "stop", MONITOR)
    assert booted.show(MONITOR, "Result") == "success"


@needs_boot
@needs_dpkg
def test_a_wrong_configuration_is_said_as_an_error_and_not_tried_again(booted, hook):
    tell, said = re.subn(r"https://\S+", hook.url, (UNITS / "examples/failed-tell.conf").read_text())
    assert said == 1
    booted.write("/etc/systemd/system/opensoul-failed@.service.d/tell.conf", tell)
    booted.write("/usr/bin/curl", CURL, 0o755)
    booted.do("systemctl", "daemon-reload")
    booted.write("/etc/opensoul/monitor.toml", "[schedule]\nstatsu = '5m'\n")
    ended = booted.run("systemctl", "start", MONITOR)
    assert ended.code != 0
    until(lambda: booted.show(MONITOR, "ActiveState") == "failed", 10)
    assert booted.show(MONITOR, "ExecMainStatus", "NRestarts") == ["78", "0"]
    errors = booted.said("statsu", "-u", MONITOR, "-p", "err", "-o", "cat")
    assert "<3>" not in errors, errors
    # And OnFailure= says that nobody watches.
    booted.said("opensoul-monitor has failed (exit-code, 78)", "-t", "opensoul", "-p", "crit", "-o", "cat")
    # And by the way of examples/failed-tell.conf.
    host = booted.do("uname", "-n").strip()
    until(lambda: hook.accepted(), 10, lambda: booted.journal("-u", "opensoul-failed@*"))
    assert [call.raw.decode() for call in hook.accepted()] == [f"opensoul-monitor has failed (exit-code) on {host}"]
    teller = "opensoul-failed@opensoul-monitor.service"
    until(lambda: booted.show(teller, "ActiveState", "Result") == ["inactive", "success"], 10)
    assert booted.show(teller, "PrivateNetwork") == "no", "of which a container has no say"


# That machine has no curl: what of it the example asks for.
CURL = """#!/usr/bin/perl
use Getopt::Long; use IO::Socket::INET;
my $data; GetOptions(silent => \\my $s, "show-error" => \\my $e, fail => \\my $f, "max-time=i" => \\my $m, "data=s" => \\$data) or exit 2;
my ($at, $path) = $ARGV[0] =~ m{^http://([^/]+)(/.*)} or exit 3;
my $door = IO::Socket::INET->new(PeerAddr => $at) or exit 7;
print $door "POST $path HTTP/1.0\\r\\nContent-Length: ", length $data, "\\r\\n\\r\\n$data";
<$door> =~ / 200 / or exit 22;
"""


# A gateway, as far as it can be seen from outside: it holds its port, and a key in its environment.
GATEWAY = """use IO::Socket::INET; my $door = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], ReuseAddr => 1)
or die; while (my $one = $door->accept) { close $one }"""


def with_gateway(booted, home):
    """ann's gateway on a port of its own, as a service of the machine that runs as ann."""
    port = free_port()
    booted.write(f"{home}/.opensoul/opensoul.json", json.dumps({"gateway": {"port": port}}), 0o600, "ann")
    booted.write("/usr/local/bin/gateway", GATEWAY)
    booted.do(
        "systemd-run", "--unit=opensoul-gateway", "--uid=ann", "--setenv=OPENAI_API_KEY=sk-sample-of-the-gateway",
        "perl", "/usr/local/bin/gateway", str(port),
    )
    # Its network is that of this machine.
    until(lambda: socket.create_connection(("127.0.0.1", port), 5).close() or True, 20, "the gateway's port")


def seen(door):
    """What the monitor behind this door sees: ids, and the state of the gateway."""
    status = json.loads(over_socket(door, "/api/v1/status").split("\r\n\r\n", 1)[1])
    return {one["id"] for one in status["credentials"]}, status["gateway"]["state"], {f["id"] for f in status["findings"]}


@needs_boot
@needs_dpkg
def test_the_unit_of_a_person_sees_that_persons_credentials_and_gateway(booted, hook):
    home = booted.user("ann")
    booted.write(f"{home}/.claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)), 0o600, "ann")
    booted.write(f"{home}/.config/opensoul/monitor.toml", door_of_its_own(settings(hook)), 0o600, "ann")
    with_gateway(booted, home)
    before = files(booted, home)
    booted.do("systemctl", "start", "opensoul@ann.service")
    until(lambda: hook.alerts("firing"), 20, lambda: f"an alert:\n{booted.journal('-u', 'opensoul@ann')}")
    assert {alert["labels"]["credential"] for alert in hook.alerts("firing")} >= {"claude-code:default"}
    # Page and metrics are on a socket of ann's alone: several of these units share a machine.
    door = booted.inside("/run/opensoul-users/ann/http.sock")
    until(lambda: "opensoul_credential_info" in over_socket(door, "/metrics"), 10)
    uid, _ = booted.ids("ann")
    assert [(p.stat().st_uid, p.stat().st_mode & 0o077) for p in (door, door.parent)] == [(uid, 0)] * 2
    # The hardening does not hide the gateway of the same user, nor what is in its environment.
    ids, gateway, _ = seen(door)
    assert gateway == "up" and {"gateway-env:OPENAI_API_KEY", "claude-code:default"} <= ids
    # Reading never writes: the home is as it was.
    assert files(booted, home) == before
    # The command line finds the state where the unit keeps it.
    state = {"OPENSOUL_MONITOR_STATE": "/var/lib/opensoul-users/ann"}
    assert "claude-code:default" in booted.do("opensoul", "alerts", "list", user="ann", env=state)


@needs_boot
@needs_dpkg
@pytest.mark.parametrize("hardened", [False, True], ids=["as it is", "hardened"])
def test_the_user_units_live_in_a_users_own_manager(booted, hook, hardened, program, folder):
    home = with_a_manager(booted, "ann")
    booted.write(f"{home}/.claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)), 0o600, "ann")
    text = settings(hook) if not hardened else door_of_its_own(settings(hook), f"unix:{home}/.local/state/opensoul/http.sock")
    booted.write(f"{home}/.config/opensoul/monitor.toml", text, 0o600, "ann")
    with_gateway(booted, home)
    uid, _ = booted.ids("ann")
    if hardened:
        drop_in = (UNITS / "examples/user-hardened.conf").read_text()
        booted.write(f"{home}/.config/systemd/user/{MONITOR}.d/hardened.conf", drop_in, 0o644, "ann")
        booted.write(f"{home}/.local/state/opensoul/.keep", "", 0o600, "ann")
        (booted.root / f"{home[1:]}/.local/state/opensoul").chmod(0o700)
    booted.do("systemctl", "--user", "daemon-reload", user="ann")
    booted.do("systemctl", "--user", "enable", "--now", "opensoul-check.timer", user="ann")
    assert booted.show("opensoul-check.timer", "ActiveState", user="ann") == "active"
    booted.do("systemctl", "--user", "enable", "--now", MONITOR, user="ann")
    assert booted.show(MONITOR, "ActiveState", user="ann") == "active"
    until(lambda: hook.alerts("firing"), 20, lambda: booted.journal())
    # One of both does the work, and the other says so.
    booted.do("systemctl", "--user", "start", CHECK, user="ann")
    booted.said("The monitor runs already", f"_UID={uid}")
    assert len(hook.alerts("firing")) == 1
    if hardened:
        ids, gateway, _ = seen(booted.inside(f"{home}/.local/state/opensoul/http.sock"))
        # What README.md says: the gateway answers, and its environment is out of sight.
        assert (gateway, "claude-code:default" in ids, "gateway-env:OPENAI_API_KEY" in ids) == ("up", True, False)
        return
    # In the same machine, those that came by other ways than a package.
    a_timer_of_onboard(booted, hook)
    the_units_of_install_sh(booted, hook, released(program, folder / "releases")[0].parent)


def with_a_manager(booted, user):
    """A user whose own service manager runs; the home."""
    home = booted.user(user)
    booted.do("loginctl", "enable-linger", user)
    uid, _ = booted.ids(user)
    until(lambda: booted.run("systemctl", "is-active", f"user@{uid}.service").out.strip() == "active", 20)
    return home


def declared_of(user):
    return f'[[declared]]\nname = "{user}"\nprovider = "openai"\nexpires = {json.dumps(in_hours(2))}'


def told_of(hook, user):
    return [one for one in hook.alerts("firing") if one["labels"]["credential"] == f"declared:{user}"]


def a_timer_of_onboard(booted, hook):
    home = with_a_manager(booted, "bob")
    booted.write(f"{home}/.config/opensoul/monitor.toml", settings(hook, declared_of("bob")), 0o600, "bob")
    booted.write(f"{home}/.config/systemd/user/opensoul-check.timer.d/soon.conf", SOON, 0o644, "bob")
    # A place of his own, which the packaged unit does not know: it writes one that does.
    place = {"XDG_STATE_HOME": f"{home}/kept"}
    booted.do("opensoul", "onboard", "--non-interactive", "--undocumented", "no", "--service", "timer", user="bob", env=place)
    until(lambda: told_of(hook, "bob"), 30, lambda: f"an alert of bob's:\n{booted.journal()}")
    until(lambda: booted.show(CHECK, "ActiveState", "Result", user="bob") == ["inactive", "success"], 20)
    assert booted.show(CHECK, "FragmentPath", user="bob") == f"{home}/.config/systemd/user/{CHECK}"
    assert booted.show("opensoul-check.timer", "ActiveState", "UnitFileState", user="bob") == ["active", "enabled"]
    assert (booted.root / f"{home[1:]}/kept/opensoul/state.db").exists()
    booted.do("systemctl", "--user", "stop", "opensoul-check.timer", user="bob")


def the_units_of_install_sh(booted, hook, releases):
    home = with_a_manager(booted, "carol")
    booted.write(f"{home}/.config/opensoul/monitor.toml", settings(hook, declared_of("carol")), 0o600, "carol")
    shutil.copytree(releases, booted.root / "srv/releases")
    booted.copy(TREE / "deploy/install.sh", "/srv/install.sh")
    said = booted.do("sh", "/srv/install.sh", "--from", "/srv/releases", "--units", user="carol")
    # What it says is to be done next; without polkit, root has enabled lingering.
    todo = re.search(r"^next: +(.*) && loginctl enable-linger$", said, re.M)
    booted.do("sh", "-c", todo[1], user="carol")
    until(lambda: told_of(hook, "carol"), 30, lambda: f"an alert of carol's:\n{booted.journal()}")
    state, process = booted.show(MONITOR, "ActiveState", "MainPID", user="carol")
    assert (state, booted.do("readlink", f"/proc/{process}/exe")) == ("active", f"{home}/.local/bin/opensoul-monitor\n")


def door_of_its_own(text, listen=None):
    return text.replace("enabled = false", f'listen = "{listen}"' if listen else "")


def files(booted, home):
    top = booted.root / home[1:]
    return {str(p.relative_to(top)): p.stat().st_mtime_ns for p in top.rglob("*")}


def over_socket(path, asked):
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        door.connect(str(path))
        door.sendall(f"GET {asked} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: door.recv(65536), b"")).decode()


def in_hours(hours):
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
