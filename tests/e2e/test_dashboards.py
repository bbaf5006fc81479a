"""Dashboards and rules in front of a real Prometheus that scrapes real monitors: every query of a panel has an answer, every
alert comes. Grafana itself is not to be had here: its part is checked by its own types, and by what is known of its files."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

import everything as e
from beats import BeatServer
from cache import CACHE
from grafana import BOARDS, DASHBOARDS, IMPORTS, ROOT, RULES, filled, load, panels, queries
from hook import HookServer, new_secret
from machine import Machine, webhook_receiver
from prometheus import Prometheus, free_port
from waiting import until

needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")
TYPES = CACHE / "grafana/node_modules"


class Fleet:
    """Two monitors (one on which everything is, one that reaches nobody) and machines that were rendered once, some long ago."""

    def __init__(self, program):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="opensoul-e2e-"))
        self.began = time.time()
        self.ending = [lambda: shutil.rmtree(self.root, ignore_errors=True)]
        self.hook, self.beats = self.started(HookServer()), self.started(BeatServer())
        self.provider, self.snapshots = self.started(e.Provider()), self.started(e.Snapshots())
        everything, lonely, twin = (self.machine(name, program) for name in ("everything", "lonely", "twin"))

        closed = lambda: f"http://127.0.0.1:{free_port()}"  # noqa: E731
        e.furnish(everything, free_port())
        dead = webhook_receiver(self.hook, name="dead", url=closed())
        e.configure(
            everything, webhook_receiver(self.hook), dead, provider=self.provider, digest="hook",
            alertmanagers=[f"http://127.0.0.1:{self.hook.port}", closed()],
            outlets=[f'[export.otlp]\nurl = "http://127.0.0.1:{self.hook.port}/v1/metrics"', f'[export.pushgateway]\nurl = "{closed()}"'],
            heartbeats=[self.beats.url("healthchecks"), closed() + "/4b3a3b7e-0f0e-4c57-9c3c-0d5b3a0d9f11"],
        )
        everything.once()
        e.with_a_history(everything)
        self.everything = everything.daemon()

        e.furnish(lonely, free_port())
        (lonely.home / e.STORE).write_text("{")
        e.configure(lonely, dead)
        lonely.run("monitor", "once")
        e.with_a_history(lonely)
        self.lonely = lonely.daemon()
        lonely.config.write_text("[nonsense]\n")
        assert self.lonely.reload()[0] != 200

        e.furnish(twin, free_port())
        e.configure(twin)
        twin.once()
        said = twin.run("status", "--format", "prom").out
        self.snapshots.texts = {"twin": said, "closed-laptop": said, "stuck": e.aged(said, 7200), "phone": e.aged(said, 2 * 86400)}

        target = lambda machine, **labels: {  # noqa: E731
            "targets": [f"127.0.0.1:{machine.port}"], "labels": {"instance": machine.root.name} | labels,
        }
        self.prometheus = Prometheus(self.root, rule_files=RULES, jobs=[{"job_name": "opensoul", "static_configs": [
            target(everything), target(lonely), *map(self.snapshots.target, ("twin", "closed-laptop", "stuck", "never-there")),
            self.snapshots.target("phone", sleeps="yes"),
        ]}])
        self.ending.append(self.prometheus.close)
        until(lambda: len(self.prometheus.query('up{job="opensoul"} == 1')) == 6, 40, lambda: f"six are up:\n{self.prometheus.log}")
        # Also about the one that goes now, in both groups, of which each has its own time: what it said is carried on.
        for series in ("credential_alone", "cycle_last_completed_timestamp_seconds:last"):
            going = f'opensoul:{series}{{instance="closed-laptop"}}'
            until(lambda: self.prometheus.query(going), 20, f"{going} was evaluated")  # noqa: B023
        del self.snapshots.texts["closed-laptop"]

    def started(self, server):
        self.ending.append(server.close)
        return server

    def machine(self, name, program):
        (self.root / name).mkdir()
        made = Machine(self.root / name, program)
        made.env["HOOK_SECRET"] = self.hook.secret = getattr(self.hook, "secret", None) or new_secret()
        self.ending.append(made.close)
        return made

    def close(self):
        for end in reversed(self.ending):
            end()


@pytest.fixture(scope="module")
def fleet(program):
    made = Fleet(program)
    yield made
    made.close()


# What it takes for a counter of failures to grow while somebody watches is not waited for: without `> 0` it must be there.
RARE = re.compile(r"^(sum by .*(missed|failed|withheld)_total.*) > 0$")
CREDENTIALS = "opensoul:main/anthropic:work", "opensoul:main/openrouter:work", "opensoul:main/tavily:work", "codex:default", "claude-code:default"


@needs_prometheus
@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_has_an_answer(fleet, path):
    common = {"job": "opensoul", "provider": ".*", "__rate_interval": "30s", "__range": "5m"}
    for where, expression in queries(load(path)):
        expression = RARE.sub(r"\1", expression)
        if 'instance="$instance"' in expression:
            asked = [filled(expression, **common, instance="everything", credential=one) for one in CREDENTIALS]
        else:
            asked = [filled(expression, **common, instance=".*")]
        # Renewals are marked when they come; until then a mark has no answer.
        asked = [re.sub(r"^(changes\(.*\)) > 0$", r"\1", one) for one in asked]
        until(lambda: any(fleet.prometheus.query(one) for one in asked), 20, f"{path.name}: {where}: {asked[0]}")  # noqa: B023


@needs_prometheus
def test_what_can_be_chosen(fleet):
    """The variables offer what there is."""
    for path in BOARDS:
        for variable in load(path)["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
                asked = filled(series, job=".*", instance="everything" if '="$instance' in series else ".*")
                found = until(lambda: fleet.prometheus.query(asked), 20, f"{path.name}: {variable['name']}")  # noqa: B023
                assert all(label in one["metric"] for one in found), f"{path.name}: {variable['name']}"


@needs_prometheus
def test_every_rule_is_evaluated_and_every_alert_comes(fleet):
    missing = {}

    def all_came():
        missing.clear()
        for rule in fleet.prometheus.rules():
            # Before it was evaluated it is neither.
            assert rule["health"] in ("ok", "unknown"), f"{rule['name']}: {rule.get('lastError')}"
            if rule["health"] != "ok":
                missing[rule["name"]] = rule["health"]
            if rule["type"] == "recording" and not fleet.prometheus.query(rule["name"]):
                missing[rule["name"]] = "no series"
            # Pending is enough: how long each waits is in dashboards/rules/tests.
            if rule["type"] == "alerting" and not rule["alerts"] and rule["name"] != "OpensoulMonitorAbsent":
                missing[rule["name"], rule["labels"]["severity"]] = rule["query"]
        return not missing

    until(all_came, 60, lambda: f"these did not come: {json.dumps(list(map(str, missing)), indent=1)}", every=0.5)
    (absent,) = [rule for rule in fleet.prometheus.rules() if rule["name"] == "OpensoulMonitorAbsent"]
    assert not absent["alerts"] and fleet.prometheus.query(absent["query"], at=fleet.began - 60)

    # And for the right ones.
    store = "opensoul:main/"
    wanted = {
        ("OpensoulCredentialExpiring", "critical", "everything", store + "anthropic:work"),
        ("OpensoulCredentialExpiring", "warning", "everything", store + "google:soon"),
        ("OpensoulCredentialBroken", "critical", "everything", store + "groq:refused"),
        ("OpensoulCredentialBroken", "warning", "everything", store + "mistral:refused"),
        ("OpensoulCredentialLimited", "warning", "everything", store + "cerebras:full"),
        ("OpensoulBalanceEnding", "warning", "everything", e.BALANCE),
        ("OpensoulConfigReloadFailed", "warning", "lonely", None),
        ("OpensoulNobodyHears", "critical", "lonely", None),
        ("OpensoulMonitorStale", "critical", "stuck", None),
        ("OpensoulSleeperSilent", "warning", "phone", None),
        ("OpensoulMonitorDown", "critical", "closed-laptop", None),
        ("OpensoulMonitorDown", "critical", "never-there", None),
        ("OpensoulCredentialExpiring", "critical", "closed-laptop", store + "anthropic:work"),
    }

    def came():
        names = ("alertname", "severity", "instance", "credential")
        return {tuple(alert["labels"].get(name) for name in names) for alert in fleet.prometheus.alerts()}

    until(lambda: wanted <= came(), 60, lambda: f"these did not come: {sorted(map(str, wanted - came()))}", every=0.5)
    alerts = came()
    for unwanted in [
        ("OpensoulNobodyHears", "critical", "everything", None), ("OpensoulMonitorDown", "critical", "phone", None),
        ("OpensoulMonitorStale", "critical", "phone", None),
        ("OpensoulCredentialExpiring", "warning", "everything", store + "google:spare"),
    ]:
        assert unwanted not in alerts, f"a false alarm: {unwanted}"
    # A scrape that takes longer than its second makes this one pending, rightly, until the next.
    until(lambda: ("OpensoulMonitorDown", "critical", "everything", None) not in came(), 20, "a false alarm: everything is down")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("path", sorted((DASHBOARDS / "rules/tests").glob("*.yml")), ids=lambda path: path.stem)
def test_rules_over_time(path):
    ended = subprocess.run(["promtool", "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_the_examples_are_taken():
    example = lambda name: str(ROOT / "deploy/prometheus" / name)  # noqa: E731
    commands = [
        ["promtool", "check", "rules", example("watchdog.yml"), *map(str, RULES)],
        ["promtool", "check", "config", example("prometheus.yml")], ["promtool", "check", "config", example("federation.yml")],
        ["promtool", "check", "config", "--agent", example("remote-write.yml")],
    ]
    if shutil.which("amtool"):
        commands.append(["amtool", "check-config", example("alertmanager.yml")])
    for command in commands:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


# From here on nothing runs.

def test_every_alert_has_a_page():
    text = "".join(path.read_text() for path in RULES)
    alerts = set(re.findall(r"- alert: (\w+)", text))
    assert len(alerts) >= 15
    assert set(re.findall(r"runbook_url: https://example.org/opensoul/docs/runbooks/(\w+)\.md\n", text)) == alerts
    assert text.count("- alert: ") == text.count("runbook_url: ") == text.count(" summary: ") == text.count(" description: ")
    assert {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} == alerts | {"README"}
    index = (ROOT / "docs/runbooks/README.md").read_text()
    for alert in alerts:
        page = (ROOT / f"docs/runbooks/{alert}.md").read_text()
        assert page.startswith(f"# {alert}\n") and all(part in page for part in ("## What it means", "## What to run", "## What not to do")), alert
        assert f"({alert}.md)" in index


def test_every_metric_is_one_of_ours():
    registered = set(re.findall(r"^\| `(opensoul_\w+|process_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M))
    recorded = set(re.findall(r"- record: (\S+)", "".join(path.read_text() for path in RULES)))
    assert len(registered) > 40 and len(recorded) > 8
    places = [*BOARDS, *RULES, *(ROOT / "deploy/prometheus").rglob("*"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    for path in filter(pathlib.Path.is_file, places):
        text = path.read_text()
        for name in set(re.findall(r"\b(?:opensoul|process)_[a-z_]+[a-z]\b(?!\.)", text)):
            assert name in registered, f"{path.relative_to(ROOT)}: there is no metric {name}"
        for name in set(re.findall(r"\bopensoul:[a-z_]+(?::last)?(?=[\s{)]|$)", text)):
            if path in RULES or path in BOARDS:
                assert name in recorded, f"{path.relative_to(ROOT)}: nothing records {name}"


def test_the_form_for_imports_is_in_step():
    ended = subprocess.run(["python3", str(DASHBOARDS / "import.py"), "--check"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in IMPORTS] == [path.name for path in BOARDS]


UNITS = {"none", "short", "s", "bytes", "percentunit", "dateTimeFromNow", "dateTimeAsIso"}


@pytest.mark.parametrize("path", [*BOARDS, *IMPORTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_grafana_finds_its_way(path):
    """What its types do not say."""
    board, imported = load(path), path in IMPORTS
    assert board["uid"] == f"opensoul-{path.stem}" and board["id"] is None and board["title"].startswith("opensoul / ")
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert ("datasource" in variables) != imported and ("__inputs" in board) == imported
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}" if imported else "${datasource}"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["w"] > 0 and at["x"] + at["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells
    for panel in panels(board):
        assert panel["description"] and panel["datasource"] == source, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == source, panel["title"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval", "__range", "1"}
            assert used <= set(variables), f"{panel['title']}: {used}"
        shown = json.dumps(panel.get("transformations", []))
        for column in re.findall(r'"Value #([A-Z])"', shown):
            assert column in references, f"{panel['title']}: a column of a query that is not there"
        names = set(re.findall(r'"renameByName": (\{[^}]*\})', shown))
        renamed = set(json.loads(names.pop()).values()) if names else None
        for override in panel["fieldConfig"]["overrides"]:
            assert renamed and override["matcher"]["options"] in renamed | {"state"} | {"State"}, f"{panel['title']}: {override['matcher']}"
    boards = {f"opensoul-{one.stem}" for one in BOARDS}
    assert set(re.findall(r"/d/([\w-]+)", json.dumps(board))) <= boards, "links lead to our own"


# What Grafana reads in such files (its page "Provision Grafana"); it passes over all else without a word.
PROVIDER = {"name", "orgId", "folder", "folderUid", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds", "options"}
DATASOURCE = {"name", "type", "access", "orgId", "uid", "url", "isDefault", "editable", "jsonData", "secureJsonData", "version"}


def test_grafana_is_given_its_datasource_and_its_dashboards(folder):
    compose = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    mounts = {}
    for one in compose["grafana"]["volumes"]:
        source, target, *_ = one.split(":")
        mounts[target] = (ROOT / "deploy/compose" / source).resolve()
    # The commands of README.md, on a disk that is not there.
    text = (DASHBOARDS / "README.md").read_text()
    lines = re.findall(r"^install .*", text, re.M)
    for line in lines:
        line = re.sub(r" (/(?:var|etc)/)", rf" {folder}\1", line.partition(" #")[0])
        subprocess.run(["sh", "-ec", line], cwd=ROOT, check=True, capture_output=True, text=True)
    assert {p.name for p in (folder / "etc/prometheus/rules").iterdir()} == {p.name for p in RULES} and len(lines) == 3

    etc = "/etc/grafana/provisioning"
    for at in (lambda place: folder / place.lstrip("/"), mounts.__getitem__):
        settings = yaml.safe_load(at(f"{etc}/dashboards/opensoul.yml").read_text())
        (provider,) = settings["providers"]
        assert settings.keys() == {"apiVersion", "providers"} and settings["apiVersion"] == 1
        assert provider.keys() <= PROVIDER and (provider["type"], provider["folder"]) == ("file", "opensoul")
        # It takes every JSON file below.
        found = sorted(at(provider["options"]["path"]).rglob("*.json"))
        assert [load(path)["uid"] for path in found] == [load(path)["uid"] for path in BOARDS] != []
    given = mounts[f"{etc}/datasources/opensoul.yml"], DASHBOARDS / "provisioning/datasources/prometheus.yml"
    for path in given:
        settings = yaml.safe_load(path.read_text())
        (source,) = settings["datasources"]
        assert settings.keys() == {"apiVersion", "datasources"} and settings["apiVersion"] == 1 and source.keys() <= DATASOURCE
        assert (source["type"], source["access"], source["isDefault"]) == ("prometheus", "proxy", True)
        if path in mounts.values():
            # By the name that it has in the network of the two.
            host, port = source["url"].removeprefix("http://").split(":")
            assert host in compose["network"]["networks"]["default"]["aliases"]
            assert compose["prometheus"]["network_mode"] == "service:network" and compose["network"]["ports"] == [f"127.0.0.1:{port}:9090"]


@pytest.mark.skipif(not (TYPES / ".bin/tsc").exists(), reason="@grafana/schema and typescript are not there (npm)")
def test_grafanas_own_types_take_them(folder):
    os.symlink(TYPES, folder / "node_modules")
    head = (pathlib.Path(__file__).parent / "dashboard.ts").read_text()
    literals = [f"export const b{n}: {'Import' if path in IMPORTS else 'Board'} = {path.read_text().strip()};" for n, path in enumerate([*BOARDS, *IMPORTS])]

    def judged(text):
        (folder / "all.ts").write_text(head + text)
        options = "--noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler".split()
        return subprocess.run([str(TYPES / ".bin/tsc"), *options, "all.ts"], cwd=folder, capture_output=True, text=True, timeout=200)

    ended = judged("\n".join(literals))
    assert ended.returncode == 0, ended.stdout[:4000]
    # And what is wrong is seen.
    wrong = [
        ('"graphMode": "none"', '"graphMode": "nothing"', '"nothing"'), ('"displayMode": "basic"', '"displayMode": "plain"', '"plain"'),
        ('"unit": "none"', '"units": "none"', '"units"'), ('"refresh": 2', '"refresh": 9', "'9'"),
        ('"mode": "thresholds"', '"mode": "threshold"', '"threshold"'),
    ]
    overview = next(text for text in literals if '"opensoul-overview"' in text and ": Board" in text)
    complaints = judged("\n".join(overview.replace("const b", f"const w{n}", 1).replace(*pair, 1) for n, (*pair, _) in enumerate(wrong))).stdout
    assert not [word for _, _, word in wrong if word not in complaints], complaints[:4000]
