"""Asking another machine over ssh: a real OpenSSH server with a machine of its own behind it, and a stand-in for `ssh` that
records how it is called and answers what no honest machine would."""

import json
import os
import random
import shlex
import string
import subprocess
import time

import pytest

import credentials as c
import sshd
from machine import STORE, Machine, webhook_receiver
from shifted import LIBRARY, Shifted
from waiting import until

COMMAND = 'env "PATH=$HOME/.local/bin:$HOME/.cargo/bin:$PATH" {} status --json{}'
OPTIONS = ["-a", "-x", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ClearAllForwardings=yes"]


def called(*where, program="opensoul-monitor", more="", port=()):
    return [*OPTIONS, *port, "--", *where, COMMAND.format(program, more)]


def canary(start="sk-ant-oat01-"):
    return start + "".join(random.choices(string.ascii_letters + string.digits, k=32))


class Ssh:
    """A program named `ssh` in front of the others; notes its arguments, then does what `does` says (a line of sh)."""

    def __init__(self, machine):
        self.machine, self.folder = machine, machine.root / "bin"
        self.folder.mkdir(exist_ok=True)
        self._calls = machine.root / "ssh-calls"
        machine.env["PATH"] = f"{self.folder}:{machine.env['PATH']}"

    def does(self, script):
        path = self.folder / "ssh"
        path.write_text(
            f"#!/bin/sh\nfor word in \"$@\"; do printf '%s\\036' \"$word\"; done >>{self._calls}\nprintf '\\035' >>{self._calls}\n{script}\n"
        )
        path.chmod(0o755)
        self._calls.write_bytes(b"")

    def answers(self, document, before="", after="", code=0):
        """Prints a document, or bytes."""
        raw = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        (self.machine.root / "answer").write_bytes(before.encode() + raw + after.encode())
        self.does(f"cat {self.machine.root}/answer\nexit {code}")

    def asks(self, other):
        """Runs the command that came for another machine, in its home, as sshd would; the clock is that of the caller."""
        self.does(f'for word; do :; done\ncd {other.home}\nexec env HOME={other.home} PATH=/usr/bin:/bin sh -c "$word"')

    @property
    def calls(self):
        return [call.split("\036")[:-1] for call in self._calls.read_text().split("\035")[:-1]]


@pytest.fixture
def ssh(machine):
    return Ssh(machine)


@pytest.fixture
def box(folder, program):
    """The other machine: named box, with its program where a person puts it."""
    (folder / "other").mkdir(mode=0o755)
    made = Machine(folder / "other", program)
    made.write(".config/opensoul/monitor.toml", '[identity]\nhost = "box"\n[web]\nenabled = false\n[schedule]\nprobe = "off"\n')
    installed = made.home / ".local/bin/opensoul-monitor"
    installed.parent.mkdir(parents=True, mode=0o755)
    installed.symlink_to(program)
    yield made
    made.close()


@pytest.fixture
def server(folder, box, machine):
    if why := sshd.why_not():
        pytest.skip(why)
    made = sshd.Sshd(folder / "sshd", box.home)
    Ssh(machine).does(f'exec /usr/bin/ssh -F {made.client} "$@"')
    yield made
    made.stop()


def keeps(box, **profiles):
    box.write(STORE, {"version": 1, "profiles": {f"anthropic:{name}": profile for name, profile in profiles.items()}})


def same(document):
    """What depends neither on the second of the look nor on the variables of a shell."""
    document = json.loads(json.dumps(document))
    del document["takenAt"], document["sources"]
    for one in document["credentials"]:
        if one["verdict"]:
            del one["verdict"]["ageSeconds"]
    return document


def sample(box):
    keeps(box, work=c.token(5 * c.DAY), old=c.token(-c.DAY, secret="sk-ant-oat01-old"))
    return box.run("status", "--json").json()


# A real server.


def test_a_machine_behind_a_real_sshd(machine, box, server):
    there = sample(box)
    asked = machine.run("status", "--host", "box", "--json")
    assert asked.code == 0 and same(asked.json()) == same(there), asked
    text = machine.run("status", "--host", f"root@127.0.0.1:{server.port}")
    assert text.code == 0 and "  box  " in text.out and "opensoul:main/anthropic:work" in text.out, text
    assert text.out.split("\n", 1)[1] == box.run("status").out.split("\n", 1)[1], "every line but the one with the minute"
    for output in ("nagios", "checkmk", "prom"):
        far, near = machine.run("status", "--host", "box", "--format", output), box.run("status", "--format", output)
        assert far.code == near.code and far.out.split(" ")[:3] == near.out.split(" ")[:3], (far, near)
    for profile, code in ((c.token(5 * c.DAY), 0), (c.token(c.HOUR), 2), (c.token(-c.HOUR), 1)):
        keeps(box, only=profile)
        asked = machine.run("status", "--host", "box", "--check")
        assert asked.code == code == box.run("status", "--check").code, asked
    # Nothing was made on either side.
    assert not box.state.exists() and not machine.state.exists()


def test_a_real_sshd_refuses_and_goes_away(machine, box, server, hook):
    sample(box)
    machine.configure(webhook_receiver(hook), web=False)
    assert machine.run("monitor", "once", "--host", "box").out.startswith("box: 2 credentials")
    told = len(hook.alerts("firing"))
    assert told >= 1
    (server.folder / "key.pub").write_text("")
    refused = machine.run("status", "--host", "box")
    assert refused.code == 69 and "Permission denied" in refused.err and "Authorised" not in refused.err, refused
    server.stop()
    away = machine.run("status", "--host", "box", "--format", "nagios")
    assert away.code == 3 and away.out.startswith("OPENSOUL UNKNOWN - box was not reached: ") and "refused" in away.out, away
    unseen = machine.run("monitor", "once", "--host", "box")
    assert unseen.code == 0 and unseen.out.startswith("box: not seen: box was not reached: "), unseen
    assert not hook.alerts("resolved") and len(hook.alerts("firing")) == told


def test_what_is_not_installed_there(machine, box, server):
    (box.home / ".local/bin/opensoul-monitor").unlink()
    away = machine.run("status", "--host", "box")
    assert away.code == 69 and "box has no opensoul: install it there" in away.err, away
    # The gateway's own program is none.
    own = box.write(".local/bin/opensoul", '#!/bin/sh\necho \'{"gateway": {"mode": "local"}}\'\n', mode=0o755)
    foreign = machine.run("status", "--host", "box")
    assert foreign.code == 65 and "the gateway's own program?" in foreign.err, foreign
    own.unlink()
    own.symlink_to(machine.program)
    assert machine.run("status", "--host", "box").code == 0


# How ssh is called.


def test_the_exact_call(machine, box, ssh):
    document = sample(box)
    ssh.answers(document)
    for host, *rest in (
        ["box"], ["ann@box.example.org"], ["ann@box:2222", "2222"], ["ann@[::1]:22", "22"], ["192.0.2.7"], ["[2001:db8::1]"],
    ):
        ssh.answers(document)
        assert machine.run("status", "--host", host).code == 0
        where = host.removesuffix(f":{rest[0]}") if rest else host
        assert ssh.calls == [called(where.replace("[", "").replace("]", ""), port=["-p", *rest] if rest else ())]
    for option in ("--probe", "--probe-paid"):
        ssh.answers(document)
        assert machine.run("status", "--host", "box", option).code == 0
        assert ssh.calls == [called("box", more=f" {option}")]
    ssh.does("exit 127")
    assert machine.run("status", "--host", "box").code == 69
    assert ssh.calls == [called("box"), called("box", program="opensoul")]


@pytest.mark.parametrize("host", [
    "", "-oProxyCommand=touch x", "ann@-oProxyCommand=x", "box;rm", "box rm", "box\nrm", "$(id)", "`id`", "../box", "box:0", "box:99999",
    "::1", "[::1", "fe80::1%eth0", "a@b@c", "box'", "bücher",
])
def test_no_other_word_gets_to_ssh(machine, ssh, host):
    ssh.does("exit 0")
    for command in (["status"], ["monitor", "once"]):
        refused = machine.run(*command, f"--host={host}")
        assert refused.code == 64 and "[USER@]SERVER[:PORT]" in refused.err, refused
    assert not ssh.calls and not machine.state.exists()


# Answers that no honest machine gives.


def test_noise_of_a_login_is_passed_over(machine, box, ssh):
    ssh.answers(sample(box), before="Welcome to \x1b[1mbox\x1b[0m\n{ a notice }\n\n", after="\nlogout\n")
    assert machine.run("status", "--host", "box").code == 0


@pytest.mark.parametrize("answer, said", [
    (b"", "no status of opensoul"), (b"hello\n", "no status of opensoul"), (b'{"schema":"x"}', "no status of opensoul"),
    (b'{"schema":"opensoul.status/v2","new":1}', "update the older"), (b'{"schema":"opensoul.status/v1"}', "damaged"),
    (b'{"schema":"opensoul.status/v1","credentials":[', "ends too early"), (b"\x00\xff\xfe" * 100, "no status"),
])
def test_an_answer_that_is_none(machine, ssh, answer, said):
    ssh.answers(answer)
    for more in ([], ["--json"], ["--check"], ["--format", "prom"]):
        ended = machine.run("status", "--host", "box", *more)
        assert ended.code == 65 and said in ended.err and not ended.out, ended


def test_a_flood_is_cut_off(machine, ssh):
    ssh.does("head -c 100000000 /dev/zero | tr '\\0' ' '")
    ended = machine.run("status", "--host", "box")
    assert ended.code == 65 and "more than 16 MiB" in ended.err and ended.seconds < 15, ended


def test_a_drip_and_everything_it_started_is_ended(machine, ssh):
    pids = machine.root / "pids"
    ssh.does(f"sleep 600 & echo $! >{pids}; echo $$ >>{pids}; while :; do printf ' '; sleep 0.2; done")
    ended = machine.run("status", "--host", "box")
    assert ended.code == 69 and "did not answer within 20 s" in ended.err and 19 < ended.seconds < 45, ended

    def state(pid):
        return subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout.strip()

    # Who was killed is there until it has run once more.
    for pid in pids.read_text().split():
        until(lambda: state(pid)[:1] in ("", "Z"), 10, lambda: f"{pid} is ended: {state(pid)}")  # noqa: B023


def test_what_ssh_says_is_one_clean_line(machine, ssh):
    secret = canary()
    ssh.does(f"printf 'Warning: a remark\\nAuthorised use only.\\n\\033[31mssh: \\342\\200\\256no {secret} route\\n\\n' >&2; exit 255")
    ended = machine.run("status", "--host", "box")
    assert ended.code == 69 and "box was not reached: [31mssh: no … route (ssh ended with 255)" in ended.err, ended
    ssh.does("echo Authorised >&2; echo 'opensoul: monitor.toml is wrong' >&2; echo 'line 3' >&2; exit 78")
    ended = machine.run("status", "--host", "box")
    assert ended.code == 69 and "opensoul on box failed with 78: monitor.toml is wrong" in ended.err, ended
    (machine.root / "bin/ssh").unlink()
    machine.env["PATH"] = str(machine.root / "bin")
    ended = machine.run("status", "--host", "box")
    assert ended.code == 69 and "ssh cannot be run here" in ended.err, ended


def test_it_is_said_in_the_readers_language(machine, ssh, hook):
    machine.configure(webhook_receiver(hook), web=False)
    machine.env["LANG"] = "zh_CN.UTF-8"
    # What ssh says is its own, also where it ends in words that we say too.
    for said in ("connect to host box port 22: No route to host", "Could not resolve hostname box: Name or service not known"):
        ssh.does(f"echo 'ssh: {said}' >&2; exit 255")
        ended = machine.run("status", "--host", "box")
        assert ended.code == 69 and f"未能连上 box：ssh: {said}（ssh" in ended.err, ended
    assert "box：未能查看：未能连上 box" in machine.run("monitor", "once", "--host", "box").out
    ssh.answers(b"{}")
    assert "无法使用 box 的应答：这不是 opensoul 的状态" in machine.run("status", "--host", "box").err


def texts(value, path=()):
    """Every text of a document with the way to it."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in texts(inner, (*path, key))]
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in texts(inner, (*path, at))]
    return [path] if isinstance(value, str) else []


def test_foreign_text_is_clean_wherever_it_is_shown(machine, box, ssh, hook):
    """Controls, directions and keys in every text, one after the other: refused, or shown without them."""
    document = sample(box)
    machine.configure(webhook_receiver(hook), web=False)
    shown, secrets = 0, []
    places = texts(document)
    for number, place in enumerate(places):
        changed = json.loads(json.dumps(document))
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        secrets.append(canary())
        inner[place[-1]] += f" \x1b[2J\x07\u202e\u2066 {secrets[-1]}"
        ssh.answers(changed)
        output = (["--json"], [], ["--format=nagios"], ["--format=checkmk"], ["--format=prom"])[number % 5]
        ended = machine.run("status", "--host", "box", *output)
        said = ended.out + ended.err
        assert ended.code in (0, 1, 2, 3, 65), (place, ended)
        assert not any(mark in said for mark in "\x1b\x07\u202e\u2066") and secrets[-1][:20] not in said, (place, ended)
        shown += ended.code != 65
        if number % 7 == 0:
            machine.run("monitor", "once", "--host", "box")
    assert shown > len(places) / 3, "most of it is text that may say anything"
    kept = b"".join(path.read_bytes() for path in machine.state.rglob("*") if path.is_file()) + b"".join(call.raw for call in hook.calls)
    assert not any(secret.encode()[:20] in kept for secret in secrets)


def test_a_fix_is_shown_and_never_run(machine, box, ssh):
    document = sample(box)
    proof = machine.root / "run"
    for one in document["credentials"]:
        one["fix"] = f"touch {proof}; $(touch {proof})"
    ssh.answers(document)
    assert f"touch {proof}" in machine.run("status", "--host", "box").out
    machine.run("monitor", "once", "--host", "box")
    assert not proof.exists()


def test_a_clock_far_from_ours_judges_nothing(machine, box, ssh):
    document = sample(box)
    document["takenAt"] = "2030-01-01T00:00:00Z"
    ssh.answers(document)
    shown = " ".join(machine.run("status", "--host", "box").out.split())
    assert "minutes ahead of that of the machine that asked" in shown


# The life of an alert.


@pytest.mark.skipif(not LIBRARY, reason="libfaketime is not there (tests/install-needs)")
def test_one_alert_and_one_end_whatever_the_road_is_like(machine, box, ssh, hook):
    machine.configure(webhook_receiver(hook), web=False)
    # A problem of this machine itself: none of the other's business.
    machine.write(STORE, {"version": 1, "profiles": {"anthropic:mine": c.token(300 * c.DAY)}})
    keeps(box, work=c.token(-c.HOUR))
    clock, minutes = Shifted(machine), 0

    def once():
        nonlocal minutes
        minutes += 1
        clock.to(minutes / 60)
        return machine.once_elsewhere("box")

    machine.once_elsewhere = lambda host: machine.run("monitor", "once", "--host", host)
    ssh.asks(box)
    for _ in range(3):
        ended = once()
        assert ended.code == 0 and ended.out.startswith("box: 1 credential: 1 critical"), ended
    problem = [a for a in hook.alerts("firing") if "anthropic:work" in json.dumps(a)]
    assert len(problem) == 1 and problem[0]["labels"]["host"] == "box", hook.alerts()

    ssh.does("echo 'ssh: connect to host box port 22: No route to host' >&2; exit 255")
    for _ in range(4):
        ended = once()
        assert ended.code == 0 and ended.out.startswith("box: not seen: "), ended
    assert not hook.alerts("resolved"), hook.alerts()
    unreached = [a for a in hook.alerts("firing") if "No route to host" in json.dumps(a)]
    assert len(unreached) == 1 and unreached[0]["labels"]["host"] == "box", hook.alerts()
    # Not even after weeks.
    minutes += 15 * 24 * 60
    assert once().code == 0 and not hook.alerts("resolved")

    # Its clock is that of the caller, so its login has to outlast it.
    keeps(box, work=c.token(200 * c.DAY, secret="sk-ant-oat01-new"))
    ssh.asks(box)
    for _ in range(3):
        assert once().code == 0
    ended = hook.alerts("resolved")
    assert len([a for a in ended if "anthropic:work" in json.dumps(a)]) == 1, ended
    assert len([a for a in ended if "machine.unreached" in json.dumps(a)]) == 1, ended
    assert not [a for a in hook.alerts() if "anthropic:mine" in json.dumps(a)]
    # What is known of it lies apart, for us alone.
    assert sorted(path.name for path in machine.state.iterdir()) == ["hosts"]
    state = machine.state / "hosts/box"
    assert (state / "state.db").exists() and (state / "host").read_text() == "box\n" and state.stat().st_mode & 0o077 == 0
    assert not (box.home / ".local/state/opensoul").exists()


def test_several_machines_in_one_call(machine, box, ssh, hook):
    machine.configure(webhook_receiver(hook), web=False)
    document = sample(box)
    (machine.root / "good").write_text(json.dumps(document))
    ssh.does(f'case "$*" in *" gone "*) echo "no route" >&2; exit 255 ;; *) cat {machine.root}/good ;; esac')
    ended = machine.run("monitor", "once", "--host", "box", "--host", "gone", "--host", "ann@box:2200")
    assert ended.code == 0 and sorted(line.split(": ")[0] for line in ended.out.splitlines()) == ["ann@box:2200", "box", "gone"], ended
    assert sorted(path.name for path in (machine.state / "hosts").iterdir()) == ["ann@box:2200", "box", "gone"]


def test_a_cycle_about_a_machine_that_hangs_fits_its_time(machine, box, ssh, hook):
    machine.configure(webhook_receiver(hook), web=False)
    ssh.does("exec sleep 600")
    ended = machine.run("monitor", "once", "--host", "box", "--host", "other")
    assert ended.code == 0 and ended.seconds < 45 and ended.out.count("did not answer within 20 s") == 2, ended


def test_a_cycle_here_and_one_there_do_not_meet(machine, box, ssh, hook):
    """Each has a lock, a store and incidents of its own; heartbeats speak of this machine alone."""
    machine.configure(
        webhook_receiver(hook), web=False, extra=f'[[heartbeat]]\ntype = "healthchecks"\nurl = "{hook.url.replace("/hook", "/alive")}"\n'
    )
    ssh.answers(sample(box))
    assert machine.run("monitor", "once", "--host", "box").code == 0
    assert not [call for call in hook.calls if call.path == "/alive"]
    machine.once()
    alerts = machine.run("alerts", "list", "--json").json()
    assert "box" not in json.dumps(alerts), alerts
    there = machine.run("alerts", "--host", "box", "list", "--json").json()
    assert "anthropic:old" in json.dumps(there) and there["host"] == "box", there


def test_what_is_said_about_a_machine_is_acknowledged_here(machine, box, ssh, hook):
    machine.configure(webhook_receiver(hook), web=False)
    unknown = machine.run("alerts", "list", "--host", "box")
    assert unknown.code == 66 and "`opensoul monitor once --host box` has not run here" in unknown.err, unknown
    assert not machine.state.exists(), "and nothing is made of a name that was mistyped"
    ssh.answers(sample(box))
    machine.run("monitor", "once", "--host", "ann@box:2200")
    where = "--host", "ann@box:2200"
    (old,) = [one["id"] for one in machine.run("alerts", "list", *where, "--json").json()["incidents"] if "anthropic:old" in json.dumps(one)]
    assert "anthropic:old" in machine.run("alerts", "show", old, *where).out
    acked = machine.run("alerts", "ack", old, "--comment", "mine", *where)
    assert acked.code == 0 and "acked" in machine.run("alerts", "list", *where).out, acked
    assert machine.run("alerts", "silence", "provider=anthropic", "--for", "2h", "--comment", "move", *where).code == 0
    assert "anthropic" in machine.run("alerts", "silence", "list", *where).out
    assert "anthropic" not in machine.run("alerts", "silence", "list").out, "of another machine"
    assert machine.run("alerts", "test", *where).code == 64
