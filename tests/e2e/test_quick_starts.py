"""The quick starts of docs/README.md, line by line as they stand there, and every command that our documents name."""

import fnmatch
import json
import re
import shlex
import subprocess

import pytest

import credentials as c
from machine import STORE
from packages import TREE, build, needs_dpkg, released
from phone import API, FILES, HOME, PREFIX, Phone, why_not
from terminal import ENTER, Terminal
from test_auth import gateway, modern, vendor  # noqa: F401  (fixtures)

DOCUMENTS = [path for path in sorted(TREE.rglob("*.md")) if "target" not in path.relative_to(TREE).parts]


def blocks(text):
    """The lines of the blocks for a shell; one that goes on is one line."""
    found = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", text, re.M | re.S)
    return [line.strip() for block in found for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def without_comment(line):
    return re.split(r"(?:^|\s+)#\s", line)[0]


def commands(text):
    """Those of the blocks, and those that sentences name: what may be left out is left out."""
    for line in blocks(text):
        yield from re.split(r"\s*(?:&&|\|\|?|;)\s*", without_comment(line))
    for named in re.findall(r"`(opensoul(?:-monitor)? [^`]+)`", text):
        yield re.sub(r" (?:\[|…).*", "", named).replace(" SHELL", " bash")


def test_every_command_in_our_documents_is_one(program):
    targets = set(re.findall(r"^([a-z]+):", (TREE / "Makefile").read_text(), re.M))
    # The first is the gateway's own, the second names an option.
    others = {"opensoul gateway", "opensoul status --host"}
    wrong, looked_at = [], set()
    for path in DOCUMENTS:
        for command in set(commands(path.read_text())) - others:
            name, *words = command.removeprefix("sudo ").split() or [""]
            if name == "make":
                known = {word for word in words if "=" not in word} <= targets
            elif name in ("opensoul", "opensoul-monitor"):
                ended = subprocess.run([program, *words, "--help"], capture_output=True, text=True, timeout=30)
                known = ended.returncode == 0 and "Usage" in ended.stdout
            else:
                continue
            looked_at.add(command)
            if not known:
                wrong.append(f"{path.relative_to(TREE)}: {command}")
    assert wrong == [] and len(looked_at) > 60, len(looked_at)


def quick_start(name):
    """[(command, comment)] of one quick start."""
    section = re.search(rf"^## Quick start: {name}\n(.*?)(?=^## )", (TREE / "docs/README.md").read_text(), re.M | re.S)[1]
    return [(without_comment(line), line.partition(" # ")[2].strip()) for line in blocks(section)]


# What each package of Termux brings that is named in our documents; `rust` makes the program by putting it there.
BRINGS = {
    "git": ["git"], "openssh": ["ssh"], "jq": ["jq"], "rust": ["rustc", "cargo"], "binutils": ["ar"],
    "termux-api": [name for name in API if name not in ("am", "sv-enable", "termux-wake-lock")],
}
STAND_INS = {
    "pkg": f"""[ $1 = install ] || exit 64
shift
for name; do [ $name = -y ] || mv {FILES}/packages/$name/* {PREFIX}/bin/ || exit 1; done
""",
    "git": f"[ \"$1 $2\" = 'clone https://example.org/opensoul' ] && mv {FILES}/tree {HOME}/opensoul\n",
    "rustc": "echo host: aarch64-linux-android\n",
    "cargo": f"mkdir -p target/aarch64-linux-android/quick && cp {FILES}/program target/aarch64-linux-android/quick/opensoul\n",
    "ar": "",
}


@pytest.fixture
def new_phone(folder, program):
    """As Termux is when it was just installed."""
    made = Phone(folder, program)
    (made.home / "opensoul/program").rename(made.files / "program")
    (made.home / "opensoul").rename(made.files / "tree")
    for name, text in STAND_INS.items():
        made.stand_in(name, text)
    for package, programs in BRINGS.items():
        (made.files / "packages" / package).mkdir(parents=True)
        for name in programs:
            (made.prefix / "bin" / name).rename(made.files / "packages" / package / name)
    (made.prefix / "bin/sv-enable").unlink()
    return made


# What the documents say is done next, and what of it is seen.
NEXT = {
    "opensoul monitor init": "Wrote",
    "opensoul status --host ann@server": "the login ended",
    "opensoul monitor once --host ann@server": "ann@server: 1 credential: 1 critical",
    "opensoul-phone schedule": "about every 15 minutes",
    "echo ann@server >>~/.config/opensoul/hosts": "",
    "opensoul-phone widgets": "",
}


@pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
@pytest.mark.parametrize("document, some", [("docs/README.md", 3), ("termux/README.md", 5)])
def test_a_phone(new_phone, document, some, machine):
    phone, text = new_phone, (TREE / document).read_text()
    if document == "docs/README.md":
        text = re.search(r"^## Quick start: a phone\n(.*?)(?=^## )", text, re.M | re.S)[1]

    def typed(command):
        """By the person, as it stands there; the place of the repository is theirs to fill in."""
        return phone.run("sh", "-c", command.replace("…/opensoul", "…").replace("…", "https://example.org/opensoul"), timeout=100)

    phone.write(".claude/.credentials.json", json.dumps(c.claude_code(login_ends_in=5 * c.HOUR)))
    lines = [without_comment(line) for line in blocks(text)]
    assert [line.split()[0] for line in lines][:3] == ["pkg", "git", "opensoul"], lines
    for line in lines:
        ended = typed(line)
        assert ended.code == 0 and (line != "opensoul status" or "claude-code:default" in ended.out), (line, ended)
    # Nothing happens by itself before that is asked for.
    assert len(phone.calls("termux-job-scheduler")) == ("opensoul-phone schedule" in lines)

    machine.write(".claude/.credentials.json", c.claude_code(login_ends_in=-c.HOUR))
    phone.answer("status", machine.run("status", "--json").out)
    named = [command for command in re.findall(r"`([^`\n]+)`", text) if command in NEXT]
    assert len(set(named)) == some, named
    for command in named:
        ended = typed(command)
        assert ended.code == 0 and NEXT[command] in ended.out, (command, ended)
    phone.calls()
    tapped = phone.run(f"{HOME}/.shortcuts/tasks/opensoul-status", bare=True)
    assert tapped.code == 2 and tapped.out.startswith("ann@server: CRITICAL - "), tapped
    assert "Running on ann@server: claude auth login" in typed("echo | opensoul-phone fix").out


@needs_dpkg
def test_an_ops_team(machine, hook, program, folder):
    (get, other), *commands = quick_start("an ops team")
    # What is installed is what the first command makes: that of `make package`, under the name that `apt` is given.
    make, install = get.split(" && sudo apt install ./")
    planned = subprocess.run([*make.split(), "--dry-run", "LINK="], cwd=TREE, capture_output=True, text=True)
    assert planned.returncode == 0 and planned.stdout.splitlines()[-1].split()[0] == "deploy/package/build.sh", planned
    assert "out=$tree/target/package" in (TREE / "deploy/package/build.sh").read_text()
    assert fnmatch.fnmatch(f"target/package/{build(program, folder / 'package').name}", install)
    releases = released(program, folder / "releases")[0].parent
    script = other.removeprefix("or: ").replace("PLACE", str(releases)).split()
    ended = subprocess.run(script, cwd=TREE, env=machine.env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    machine.program = machine.home / ".local/bin/opensoul"

    machine.write(STORE, c.store(anthropic__work=c.token(5 * c.HOUR)))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    onboard, status, test = (shlex.split(command)[1:] for command, _ in commands)
    with Terminal(machine, *onboard) as person:
        for question, keys in (
            ("another provider", "n"), ("Ask the providers", "n"), ("Who is told", "4"), ("url (", hook.url), ("Send a test", "n"),
            ("Who runs", "3"), ("Do it?", "y"),
        ):
            person.expect(question).type(keys + ENTER)
        assert person.ended() == 0, person.text
    shown = machine.run(*status)
    # What is there, what ends next, and the command that fixes it.
    assert shown.code == 0 and "anthropic:work" in shown.out and "opensoul models auth" in shown.out, shown
    assert hook.calls == [] and machine.run(*test).code == 0 and len(hook.accepted()) == 1
    # Those are all that it has.
    assert (onboard, status, test) == (["onboard"], ["status"], ["alerts", "test"]) and len(commands) == 3


def test_a_ci_job(gateway, vendor):  # noqa: F811
    lines = quick_start("a CI job")
    check, probe, lint = (shlex.split(command)[1:] for command, _ in lines)
    assert lines[0][1] == "0 works, 1 expired or missing, 2 ends within 24 h"
    assert lines[1][1] == "the same, and the providers are asked (free requests)"
    assert lines[2][1] == "0 nothing wrong, 1 findings, 2 could not run"
    assert gateway.run(*check).code == 1, "missing"
    gateway.write(".opensoul/opensoul.json", c.gateway_config())
    for ends_in, code in ((300 * c.DAY, 0), (12 * c.HOUR, 2), (-c.HOUR, 1)):
        gateway.write(STORE, c.store(anthropic__work=c.token(ends_in)))
        assert gateway.run(*check).code == code, ends_in

    gateway.write(".opensoul/opensoul.json", c.gateway_config("openai/gpt-5.2"))
    for key, code in (("sk-good", 0), ("sk-bad", 1)):
        gateway.write(STORE, c.store(openai__work=c.api_key(key, "openai")))
        assert gateway.run(*check).code == 0 and vendor == [], "nobody is asked"
        ended = gateway.run(*probe)
        assert ended.code == code and set(vendor) == {f"Bearer {key}"}, ended
        vendor.clear()

    gateway.write(STORE, c.store(openai__work=c.api_key("sk-good", "openai")))
    # Nobody runs a monitor there.
    gateway.config.unlink()
    assert gateway.run(*lint).code == 0
    gateway.write(STORE, "{")
    assert gateway.run(*lint).code == 1
    assert len(lines) == 3
