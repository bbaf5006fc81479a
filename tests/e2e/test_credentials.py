"""`credentials list | explain | declare`, and what the monitor's ledger adds to a file."""

import datetime

import pytest

import credentials as c
from machine import CLAUDE, STORE

CANARY = "sk-canary-7Hq2"
SETUP = "sk-ant-oat01-setup-token"
KEY = "opensoul:main/openai:default"
TOKEN = "opensoul:main/anthropic:default"


def furnish(machine):
    machine.write(CLAUDE, c.claude_code(access="sk-ant-oat01-same", refresh="sk-ant-ort01-same"))
    same = {
        "type": "oauth", "provider": "anthropic", "access": "sk-ant-oat01-same", "refresh": "sk-ant-ort01-same",
        "expires": c.ms(c.HOUR),
    }
    machine.write(STORE, c.store(anthropic__work=same, openai__default=c.api_key(CANARY, provider="openai")))


def explain(machine, credential):
    ended = machine.run("credentials", "explain", credential, "--json")
    assert ended.code == 0, ended
    return ended.json()


def clock(document, key):
    found = [x for x in document["facts"] if x["name"] == key]
    return found[0] if found else None


def test_list_shows_which_is_a_copy_of_which(machine):
    furnish(machine)
    ended = machine.run("credentials", "list", "--json")
    assert ended.code == 0
    listed = {x["id"]: x for x in ended.json()["credentials"]}
    assert listed["claude-code:default"]["canonical"]
    assert listed["claude-code:default"]["copies"] == ["opensoul:main/anthropic:work"]
    assert listed["opensoul:main/anthropic:work"]["copyOf"] == "claude-code:default"
    text = machine.run("credentials", "list", env={"COLUMNS": "40"})
    assert all(len(line) <= 40 for line in text.out.splitlines()), text
    for wanted in listed:
        assert wanted in text.out
    assert CANARY not in ended.out + text.out


@pytest.mark.parametrize("columns", ["40", "80"])
def test_explain_says_why_and_what_to_run(machine, columns):
    furnish(machine)
    ended = machine.run("credentials", "explain", "claude-code:default", env={"COLUMNS": columns})
    assert ended.code == 0, ended
    for part in ("Why", "Rule: its owner renews it", "Facts", "login or key ends", "What would change it", "claude auth login"):
        assert part in " ".join(ended.out.split()), f"{part}: {ended}"
    # A path or a command is never broken.
    assert all(len(line) <= int(columns) or " " not in line.strip() for line in ended.out.splitlines()), ended
    document = explain(machine, "claude-code:default")
    assert document["rule"]["id"] == "renewal.auto" and document["fix"] == "claude auth login"
    assert clock(document, "login or key ends")["knownSince"]


def test_an_unknown_id_suggests_the_nearest(machine):
    furnish(machine)
    for wrong, meant in (("claude", "claude-code:default"), ("cluade-code:default", "claude-code:default"), ("openai", KEY)):
        ended = machine.run("credentials", "explain", wrong)
        assert ended.code == 64 and meant in ended.err and not ended.out, ended
    assert "credentials list" in machine.run("credentials", "explain", "zzzzzz").err


def test_declare_keeps_a_persons_file_and_is_judged_at_once(machine):
    furnish(machine)
    mine = '# my notes\n[web] # no page\nenabled = false\n[schedule]\nzone = "Asia/Shanghai"\n# the end'
    machine.write(machine.config.relative_to(machine.home), mine)
    ended = machine.run("credentials", "declare", "ci", "--provider", "anthropic", "--expires", "2099-01-31", "--issued", "2098-01-31")
    assert ended.code == 0 and "declared:ci" in ended.out and "2099-01-31 00:00 CST" in ended.out, ended
    text = machine.config.read_text()
    assert text.startswith(mine) and machine.config.stat().st_mode & 0o777 == 0o600
    assert machine.run("monitor", "check-config").code == 0
    assert clock(explain(machine, "declared:ci"), "login or key ends")["value"] == "2099-01-30T16:00:00Z"

    again = machine.run("credentials", "declare", "ci", "--expires", "2099-06-30", "--not-in-use")
    assert again.code == 0, again
    assert machine.config.read_text().count("[[declared]]") == 1
    assert not explain(machine, "declared:ci")["inUse"]
    assert list(machine.config.parent.iterdir()) == [machine.config], "no temporary file stays"

    before = machine.config.read_text()
    for wrong in (
        ["x", "--provider", "a", "--expires", "soon"], ["x", "--expires", "2099-01-01"], ["x", "--provider", "a"],
        ["--for", "claude", "--expires", "2099-01-01"], ["--expires", "2099-01-01"],
        ["--for", KEY, "--provider", "google", "--expires", "2099-01-01"],
    ):
        ended = machine.run("credentials", "declare", *wrong)
        assert ended.code == 64, ended
    ended = machine.run("credentials", "declare", "x", "--provider", "a", "--expires", "2099-01-01", "--issued", "2099-02-01")
    assert ended.code == 78 and "nothing was written" in ended.err, ended
    assert machine.config.read_text() == before


def test_assumed_ends_come_from_the_ledger_and_a_person_corrects_them(machine):
    """A setup-token shows no end: a year from its first sight is assumed, until somebody knows better; a new token begins anew."""
    def setup(secret):
        machine.write(STORE, c.store(anthropic__default=c.token(None, secret), openai__default=c.api_key(CANARY, provider="openai")))

    def grant(credential):
        found = clock(explain(machine, credential), "login or key ends")
        return found and (found["value"][:10], found["from"].split(";")[0])

    today = datetime.datetime.now(datetime.timezone.utc)
    day = lambda days: (today + datetime.timedelta(days=days)).strftime("%Y-%m-%d")
    setup(SETUP)
    machine.configure(extra='[providers.openai]\nmax_age = "90d"\n')
    assert grant(TOKEN) is None, "nothing was ever seen"
    machine.once()
    assert grant(TOKEN) == (day(365), "assumed") and grant(KEY) == (day(90), "assumed")
    assert "expires" not in (machine.home / STORE).read_text(), "an assumption is never written to a store"

    # The key of the fingerprints is lost: first sight goes on, and nothing is said.
    (machine.state / "key").unlink()
    assert grant(TOKEN) == (day(365), "assumed"), "already before the next cycle"
    machine.once()
    machine.once()
    assert grant(TOKEN) == (day(365), "assumed")

    ended = machine.run("credentials", "declare", "--for", TOKEN, "--expires", "2099-01-31")
    assert ended.code == 0, ended
    assert grant(TOKEN) == ("2099-01-31", "declared in monitor.toml")
    assert grant(KEY) == (day(90), "assumed")
    machine.once()
    assert explain(machine, TOKEN)["state"] == "ok"
    # A minute later there is another token: what was declared was said about the one before it.
    setup(SETUP + "-new")
    assert grant(TOKEN) is None, "nothing has seen it yet"
    machine.once()
    assert grant(TOKEN) == (day(365), "assumed")
    because = explain(machine, TOKEN)["because"]
    assert any("was that of an earlier secret" in line for line in because), because
    # The new one is declared in its turn, where the old one was, and holds over the next cycles.
    assert machine.run("credentials", "declare", "--for", TOKEN, "--expires", "2098-01-31").code == 0
    assert machine.config.read_text().count("generation = ") == 1
    machine.once()
    assert grant(TOKEN) == ("2098-01-31", "declared in monitor.toml")
    # With the key of the hashes gone nothing can be recognised: better the declared end than none.
    (machine.state / "key").unlink()
    machine.once()
    assert grant(TOKEN) == ("2098-01-31", "declared in monitor.toml")


def test_an_agent_left_behind_is_named_with_its_file(machine):
    fresh, old = c.token(40 * c.DAY), c.token(-c.DAY)
    for agent, profile in (("main", fresh), ("mail", old), ("stocks", old)):
        machine.write(f".opensoul/agents/{agent}/agent/auth-profiles.json", c.store(anthropic__default=profile))
    ended = machine.run("doctor", "--json", "--only", "credential.stale-copy")
    [finding] = ended.json()["findings"]
    assert "works in main and is still the old one in mail and stocks" in finding["message"]
    assert "agents/mail/agent/auth-profiles.json" in finding["message"]
    assert finding["fix"]


def test_a_refresh_token_that_comes_back_is_noticed(machine):
    machine.configure()
    for refresh in ("one", "two"):
        machine.write(CLAUDE, c.claude_code(access=f"access-{refresh}", refresh=f"sk-ant-ort01-{refresh}"))
        machine.once()
    ids = lambda: [x["id"] for x in machine.run("doctor", "--json").json()["findings"]]
    assert "login.went-backwards" not in ids()
    machine.write(CLAUDE, c.claude_code(access="access-one", refresh="sk-ant-ort01-one"))
    assert "login.went-backwards" in ids(), "seen by whoever looks, from what the monitor remembers"
    machine.write(CLAUDE, c.claude_code(access="access-three", refresh="sk-ant-ort01-three"))
    machine.once()
    assert "login.went-backwards" not in ids()
