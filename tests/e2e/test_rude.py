"""A provider, its status page, or whoever takes messages may mean harm: what that costs in memory and time has a limit, and it is
never taken for an answer. Measured is the peak of the whole program's memory, against the same run with a good server."""

import json
import subprocess
import sys

import credentials as c
import pytest
from hook import HookServer, new_secret
from machine import STORE, webhook_receiver
from rude import MANNERS, RudeServer, good, trouble

#: More than the good run takes, in KiB: eight answers of 512 KiB as bytes and as trees, and what the allocator keeps.
MORE = 16 << 10
#: A timeout of 8 s, as a machine may be held up for 5, a second look, a status page; a message has 20 s. The rest is for a machine
#: that is busy with other things.
SECONDS = 60
#: As many as are asked at the same time.
KEYS = 8

# Runs a program and says how it ended and what it took. A process of its own, small: a peak counts from before `exec`.
MEASURE = (
    "import json,os,sys\n"
    "pid=os.posix_spawn(sys.argv[1],sys.argv[1:],os.environ)\n"
    "_,status,used=os.wait4(pid,0)\n"
    "json.dump([os.waitstatus_to_exitcode(status),used.ru_maxrss],open(os.environ['MEASURED'],'w'))\n"
)


def measured(machine, *args):
    """The ended run, and its peak in KiB."""
    report = machine.tmp / "measured"
    command = [sys.executable, "-I", "-S", "-c", MEASURE, str(machine.program), *args]
    done = subprocess.run(
        command, env=machine.env | {"MEASURED": str(report)}, cwd=machine.cwd, capture_output=True, timeout=SECONDS, check=True
    )
    code, peak = json.loads(report.read_text())
    return code, done.stdout.decode(), done.stderr.decode(), peak


def configure(machine, provider, page=None):
    page = f'status_page = "{page.url}/page"\n' if page else ""
    machine.configure(
        extra='[probe]\ntimeout = "8s"\nconcurrency = 8\nper_host = 8\n'
        f'[providers.mine]\nbase_url = "{provider.url}"\ncompatible = "openai"\n{page}',
        web=False,
    )
    keys = {f"mine:k{n}": c.api_key(f"key-{n}-of-mine-0123456789", provider="mine") for n in range(KEYS)}
    machine.write(STORE, {"version": 1, "profiles": keys})


def probe(machine):
    code, out, err, peak = measured(machine, "status", "--probe", "--json")
    document = json.loads(out)
    kinds = {one["verdict"]["kind"] for one in document["credentials"] if one["provider"] == "mine" and one["verdict"]}
    return kinds, peak, out + err


@pytest.fixture
def servers():
    made = []

    def make(manner):
        made.append(RudeServer(manner))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def usual(machine, servers):
    """What a run takes whose provider is as it should be."""
    configure(machine, servers(good))
    _, peak, _ = probe(machine)
    return peak


@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.__name__)
def test_a_provider_that_means_harm_costs_little_and_proves_nothing(machine, servers, usual, manner):
    provider = servers(manner)
    configure(machine, provider)
    kinds, peak, said = probe(machine)
    assert provider.asked >= KEYS
    assert kinds <= {"unverifiable", "provider_down", "network"} and kinds, said
    assert peak < usual + MORE, f"{peak} KiB, usually {usual}"
    assert "of-mine" not in said


@pytest.mark.parametrize("manner", [m for m in MANNERS if m.__name__ != "gzip_bomb"], ids=lambda manner: manner.__name__)
def test_a_status_page_that_means_harm_costs_little(machine, servers, usual, manner):
    # A page is looked at when its provider is in trouble.
    page = servers(manner)
    configure(machine, servers(trouble), page)
    kinds, peak, said = probe(machine)
    assert page.asked and kinds == {"provider_down"}, said
    assert peak < usual + MORE, f"{peak} KiB, usually {usual}"


@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.__name__)
def test_who_takes_messages_may_mean_harm(machine, servers, manner):
    hook, harm = HookServer(), servers(manner)
    machine.env["HOOK_SECRET"] = new_secret()
    peaks = []
    try:
        for n, url in enumerate((hook.url, f"{harm.url}/hook")):
            machine.state = machine.home / f"state{n}"
            machine.env["OPENSOUL_MONITOR_STATE"] = str(machine.state)
            machine.configure(webhook_receiver(None, url=url), web=False)
            machine.write(STORE, {"version": 1, "profiles": {"anthropic:a": c.token(-c.HOUR)}})
            code, out, err, peak = measured(machine, "monitor", "once")
            assert code == 0, out + err
            peaks.append(peak)
    finally:
        hook.close()
    assert hook.accepted() and harm.asked
    assert peaks[1] < peaks[0] + MORE, peaks
