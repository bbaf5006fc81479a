"""What runs opensoul on a phone by itself: Android's jobs (recorded), a real runit as termux-services has it, a real cronie as Termux
ships it, and what a restart makes of each."""

import json
import os
import re
import shutil
import signal

import pytest

import credentials as c
from cache import cached
from phone import HOME, PREFIX, RUNIT, Session, option, root, why_not
from waiting import until

DEBIAN = cached("debian-root")
needs_phone = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
needs_runit = pytest.mark.skipif(not RUNIT, reason="no runit in the cache (tests/install-needs)")
BOOT = f"{HOME}/.termux/boot/opensoul"
JOB = f"*/15 * * * * {PREFIX}/bin/opensoul-phone job\n"


def has_a_problem(phone):
    """And tells the phone itself."""
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)))
    phone.write(".config/opensoul/monitor.toml", '[schedule]\nprobe = "off"\n[[receivers]]\nname = "me"\ntype = "termux"\n')


def called(phone, name):
    """Whether a stand-in was; forgets nothing."""
    calls = phone.files / "calls"
    return calls.exists() and f"{name}\x1e" in calls.read_text()


def told(phone, **sandbox):
    """Whether it is written down that the phone was told: what is killed before that tells it again."""
    incidents = phone.run("opensoul", "alerts", "list", "--json", **sandbox).json()["incidents"]
    return incidents and all(one["told"] for one in incidents)


# Android's jobs


@needs_phone
def test_android_is_asked_for_a_job_every_quarter_that_outlives_a_restart(phone):
    assert phone.run("opensoul-phone", "schedule").code == 0
    (call,) = phone.calls("termux-job-scheduler")
    script = option(call, "--script")
    assert {n: option(call, n) for n in ("--period-ms", "--persisted", "--network", "--battery-not-low")} == {
        "--period-ms": "900000", "--persisted": "true", "--network": "any", "--battery-not-low": "false"
    }
    assert os.access(phone.root / script[1:], os.X_OK)
    assert phone.run(script, bare=True).code == 0
    assert phone.run(BOOT, bare=True).code == 0
    assert phone.calls("termux-job-scheduler") == [call]
    # Whoever has ended it is not given it back by a restart.
    assert phone.run("opensoul-phone", "schedule", "--off").code == 0
    phone.calls()
    assert phone.run(BOOT, bare=True).code == 0
    assert phone.calls() == []


@needs_phone
def test_what_was_missed_is_made_up_for_after_a_restart_also_where_android_takes_no_job(phone):
    has_a_problem(phone)
    assert phone.run("opensoul-phone", "schedule").code == 0
    phone.stand_in("termux-job-scheduler", "exit 1\n")
    ended = phone.run(BOOT, bare=True)
    assert ended.code == 0 and "is the app Termux:API installed" in ended.err, ended
    assert len(phone.calls("termux-notification")) == 1


# All the time, by termux-services


@needs_phone
@needs_runit
def test_the_service_is_kept_running_until_it_is_told_to_stop(phone):
    phone.services()
    has_a_problem(phone)
    log = phone.prefix / "var/log/sv/opensoul-monitor/current"

    def starts():
        """How often it has begun: the daemon says so of itself."""
        return log.read_text().count("this keeps the processor of a phone awake") if log.exists() else 0

    # It is off until it is asked for, after a restart too.
    assert phone.run(BOOT, bare=True).code == 0
    assert phone.calls() == [] and not (phone.prefix / "var/log/sv").exists()
    phone.run("sh", "-c", f"SVDIR={PREFIX}/var/service sv-enable opensoul-monitor")

    with Session(phone, bare=True) as shell:
        assert shell.type(BOOT)[0] == 0
        assert called(phone, "termux-wake-lock")
        until(starts, 30, "it runs after a restart")
        until(lambda: called(phone, "termux-notification") and told(phone), 30, "it has told of the problem")
        # Any app reaches loopback: there is no page.
        assert "listening" not in log.read_text() and "http" not in log.read_text(), log.read_text()

        sv = f"export SVDIR={PREFIX}/var/service; {PREFIX}/bin/sv"

        def pid():
            found = re.match(r"run: opensoul-monitor: \(pid (\d+)\)", shell.type(f"{sv} status opensoul-monitor")[1])
            return found and int(found[1])

        def runs(times):
            """It has begun so often, and ends in order from now on: it begins before it listens to SIGTERM."""
            caught = re.search(r"^SigCgt:\s*(\w+)", shell.type(f"{PREFIX}/bin/cat /proc/{pid()}/status")[1], re.M)
            return starts() == times and caught and int(caught[1], 16) & 1 << signal.SIGTERM - 1

        # Android kills what it likes.
        first = pid()
        assert shell.type(f"kill -9 {first}")[0] == 0
        until(lambda: runs(2) and pid() not in (None, first), 30, "it runs again")
        # A newer one takes over, and stays enabled.
        ended = phone.install()
        assert "installed:" in ended.out and not (phone.prefix / "var/service/opensoul-monitor/down").exists()
        until(lambda: runs(3), 30, "the new one runs")
        assert log.read_text().count("stopped") == 1, "the older one had ended in order"

        code, said = shell.type(f"{sv} -w 20 down opensoul-monitor")
        assert code == 0 and said.startswith("ok: down: opensoul-monitor"), said
        # The log is written by a process of its own.
        until(lambda: log.read_text().count("stopped") == 2, 30, "that one had ended in order")
        code, said = shell.type(f"{sv} -w 20 up opensoul-monitor")
        until(lambda: runs(4), 30, "it is up again")

        # What is taken away does not go on running.
        assert phone.run("sh", "opensoul/termux/install.sh", "--uninstall").code == 0
        until(lambda: log.read_text().count("stopped") == 3, 30, "that one had ended in order, too")
        assert shell.type(f"{PREFIX}/bin/busybox pidof opensoul-monitor")[0] == 1
        # In all this the phone was told once.
        assert len(phone.calls("termux-notification")) == 1


# cron


@needs_phone
@needs_runit
@pytest.mark.skipif(not root() or not DEBIAN, reason="cronie is in the Debian of the cache, and needs root")
def test_the_cron_that_termux_ships_runs_it_and_a_restart_starts_it_again(phone):
    """Debian's cronie in the file system of a phone. It was built for another one, so that it is shown where its table, its shell and
    its user are: Termux' own has them in its prefix, and takes the same line."""
    inside = {"user": False, "libraries": DEBIAN / "usr"}
    ended = phone.run("opensoul-phone", "schedule", "--cron", **inside)
    assert ended.code == 69 and "pkg install cronie termux-services" in ended.err, ended

    for name in ("sbin/crond", "bin/crontab"):
        shutil.copy(DEBIAN / "usr" / name, phone.prefix / "bin")
    (phone.root / "var/spool/cron/crontabs").mkdir(parents=True)
    for folder in ("etc/pam.d", "run", "tmp"):
        (phone.root / folder).mkdir(parents=True)
    (phone.root / "etc/passwd").write_text(f"root:x:0:0::{HOME}:{PREFIX}/bin/sh\n")
    (phone.root / "etc/pam.d/cronie").write_text("".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session")))
    # Its shell; and a line of the person's own, which is left alone.
    own = f"SHELL={PREFIX}/bin/sh\n0 4 * * * true\n"
    assert phone.run("crontab", "-", stdin=own, **inside).code == 0
    (phone.prefix / "bin/sv-enable").unlink()
    ended = phone.run("opensoul-phone", "schedule", "--cron", **inside)
    assert ended.code == 0 and "nothing starts crond here: pkg install termux-services" in ended.out, ended

    phone.services()
    # As Termux' package of it has it.
    service = phone.prefix / "var/service/crond"
    service.mkdir()
    (service / "run").write_text(f"#!{PREFIX}/bin/sh\nexec crond -n -s\n")
    (service / "run").chmod(0o755)
    (service / "down").touch()
    phone.calls()
    with Session(phone, **inside) as shell:
        for _ in range(2):
            code, said = shell.type("opensoul-phone schedule --cron")
            assert code == 0 and "cron runs" in said, said
        assert ["termux-wake-lock"] in phone.calls() and not (service / "down").exists()
        assert shell.type("crontab -l")[1] == own + JOB, "once, whatever how often it is asked for"
        # It makes this file after it has begun to watch its table: a change before that would pass it by.
        until((phone.root / "run/cron.reboot").exists, 30, "cron runs")
        assert shell.type("busybox pidof crond")[0] == 0
        # The same, each minute.
        assert shell.type("crontab -l | sed 's#\\*/15#*#' | crontab -")[0] == 0
        has_a_problem(phone)
        until(lambda: called(phone, "termux-notification") and told(phone, **inside), 100, "the job")
        # What the next start makes up for is not cron's to tell; and nothing of this one goes on writing.
        assert shell.type("opensoul-phone schedule --cron")[0] == 0
        until(lambda: shell.type("busybox pidof opensoul-monitor")[0] == 1, 30, "the job is over")
    assert "Ack 24 h" in phone.calls("termux-notification")[0]

    # The battery was empty. Termux:Boot starts cron again and does not wait for it.
    shutil.rmtree(phone.home / ".local")
    with Session(phone, **inside) as shell:
        assert shell.type(BOOT)[0] == 0
        calls = phone.calls()
        assert ["termux-wake-lock"] in calls and [call for call in calls if call[0] == "termux-notification"]
        until(lambda: shell.type("busybox pidof crond")[0] == 0, 30, "cron runs again")
        assert shell.type("opensoul-phone schedule --off")[0] == 0 and shell.type("crontab -l")[1] == own
        # And without a job a restart starts nothing.
        phone.calls()
        assert shell.type(BOOT)[0] == 0 and phone.calls() == []
