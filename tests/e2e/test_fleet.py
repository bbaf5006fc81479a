"""Two hundred machines, one Prometheus, two Alertmanagers in a cluster, with the rules and the configuration that are shipped: one
page for one problem, whatever of the three dies. Five machines run; the others were rendered by the program and are served."""

import re
import shutil

import pytest

import credentials as c
from alertmanager import cluster, program as alertmanager_program
from everything import Snapshots
from grafana import ROOT, RULES
from hook import HookServer
from machine import STORE, Machine
from prometheus import Prometheus
from waiting import until

pytestmark = [
    pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed"),
    pytest.mark.skipif(not alertmanager_program(), reason="Alertmanager is not installed"),
    pytest.mark.timeout(420),
]
RUNNING, RENDERED = 5, 195
# Far longer than anything takes, also beside others on a small machine: what is waited for comes within seconds.
LONG = 120


def put(machine, **ends_in):
    machine.write(STORE, {"version": 1, "profiles": {
        f"{provider}:work": c.token(end, provider=provider) for provider, end in ends_in.items()
    }})


def quick_rules(folder):
    """The shipped ones, without the minutes that a problem must last, or have been over."""
    for path in RULES:
        quick = path.read_text().replace(" for: 5m", " for: 2s").replace("keep_firing_for: 3m", "keep_firing_for: 6s")
        (folder / path.name).write_text(quick)
    return [folder / path.name for path in RULES]


def shipped_config(pages):
    text = (ROOT / "deploy/prometheus/alertmanager.yml").read_text()
    text = re.sub(r"group_wait: \w+", "group_wait: 5s", re.sub(r"group_interval: \w+", "group_interval: 2s", text))
    return re.sub(r"url: \S+", f"url: {pages.url}", text)


def told(pages):
    """Each page: its status and (alert, machine) of what is in it."""
    return [
        (call.body["status"], sorted({(alert["labels"]["alertname"], alert["labels"]["instance"]) for alert in call.body["alerts"]}))
        for call in pages.accepted()
    ]


def test_one_page_for_one_problem_of_two_hundred_machines(folder, program):
    pages, snapshots = HookServer(), Snapshots()
    ending = [pages.close, snapshots.close]
    try:
        machines = []
        for number in range(RUNNING + 1):
            (folder / f"m{number}").mkdir()
            machines.append(Machine(folder / f"m{number}", program))
            ending.append(machines[-1].close)
            put(machines[-1], anthropic=300 * c.DAY, google=300 * c.DAY)
            machines[-1].configure()
        *running, painter = machines
        for machine in running:
            machine.daemon()
        say = lambda: (painter.once(), painter.run("status", "--format", "prom").out)[1]  # noqa: E731
        fine = say()
        snapshots.texts = {f"r{number}": fine for number in range(RENDERED)}

        # A turn is longer than the one before can be held up by a busy machine: it must have told by then.
        one, two = cluster(folder, pages, config=shipped_config(pages), settle="30s", turn="10s")
        ending += [one.kill, two.kill]
        own = [{"targets": [f"127.0.0.1:{machine.port}"], "labels": {"instance": machine.root.name}} for machine in running]
        prometheus = Prometheus(
            folder, rule_files=quick_rules(folder), managers=[one.name, two.name], every="5s",
            jobs=[{"job_name": "opensoul", "static_configs": own + [snapshots.target(name) for name in snapshots.texts]}],
            # It finds its Alertmanagers seconds after it began, and says again so often what it said to nobody.
            flags=["--rules.alert.for-grace-period=1s", "--rules.alert.resend-delay=20s"],
        )
        ending.append(prometheus.close)
        up = lambda: prometheus.query('count(up{job="opensoul"} == 1)')  # noqa: E731
        until(lambda: up() and up()[0]["value"][1] == "200", LONG, lambda: f"200 are up: {up()}")
        until(lambda: len(prometheus.query("opensoul:credential_in_use:last")) == 400, LONG, "all are judged")
        assert not told(pages), "nothing is wrong"

        # A machine that runs: its provider has nothing left, which says more than the end of the one credential.
        put(running[0], anthropic=-c.HOUR, google=300 * c.DAY)
        first = ("firing", [("OpensoulProviderUnusable", "m0")])
        until(lambda: told(pages), LONG, "a page")
        settled(prometheus, one, two)
        assert told(pages) == [first]

        # An Alertmanager dies; then something happens on another machine.
        one.kill()
        put(painter, anthropic=300 * c.DAY, google=-c.HOUR)
        snapshots.texts["r77"] = say()
        second = ("firing", [("OpensoulProviderUnusable", "r77")])
        until(lambda: len(told(pages)) > 1, LONG, "a page of the one that lives")
        settled(prometheus, two)
        assert told(pages) == [first, second]

        # Prometheus is started anew, the Alertmanager comes back and knows nothing.
        since = firing(prometheus)
        prometheus.close()
        one.peers = [two]
        one.start()
        until(lambda: one.members() == two.members() == 2, LONG, "the cluster is whole again")
        prometheus.start()
        until(lambda: firing(prometheus) == since, LONG, lambda: f"alerts go on where they stood: {firing(prometheus)}, not {since}")
        until(lambda: {a["labels"]["instance"] for a in one.alerts()} >= {"m0", "r77"}, LONG, lambda: f"it is told again: {one.alerts()}")
        settled(prometheus, one, two)
        assert told(pages) == [first, second], "nobody is told twice"

        # The one that came back says that it is over, alone: with groups that are looked at each two seconds, the other could still
        # be waiting for its turn with what was true before.
        two.kill()
        put(running[0], anthropic=300 * c.DAY, google=300 * c.DAY)
        until(lambda: len(told(pages)) > 2, LONG, "it is over")
        settled(prometheus, one)
        assert told(pages) == [first, second, ("resolved", first[1])]
    finally:
        for end in reversed(ending):
            end()


def shipped(name, *replaced):
    """A file of deploy/prometheus whose minutes are seconds, with these texts in place of those of the example."""
    text = re.sub(r"(scrape_interval|evaluation_interval|refresh_interval|scrape_timeout): (1m|10s)", r"\1: 2s", (ROOT / "deploy/prometheus" / name).read_text())
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_machines_are_found_by_files_and_one_prometheus_above_sees_them(folder, program, authority):
    """The configuration that is shipped, with its passwords, certificates and labels, for one site and for all."""
    site, above, ending = folder / "site", folder / "above", []
    try:
        machines = []
        for number, name in enumerate(("localhost", "127.0.0.1")):
            (folder / f"m{number}").mkdir()
            machine = Machine(folder / f"m{number}", program)
            ending.append(machine.close)
            put(machine, anthropic=300 * c.DAY)
            machine.configure()
            settings = machine.config.read_text()
            machine.write(machine.config.relative_to(machine.home), settings.replace("[web]\n", '[web]\nconfig = "web.yml"\n'))
            machine.write(machine.config.parent.relative_to(machine.home) / "server.pem", authority.chain(name).bytes())
            # The password is fakepassword.
            machine.write(machine.config.parent.relative_to(machine.home) / "web.yml", (
                "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
                "basic_auth_users:\n  prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n"
            ))
            machine.daemon(ready=False)
            machines.append(machine)
        targets = shipped(
            "targets/servers.yml", ("build1.example.org:10443", f"localhost:{machines[0].port}"), ("    - build2.example.org:10443\n", ""),
            ("ann-laptop.example.org:10443", f"127.0.0.1:{machines[1].port}"), ("    - bob-phone.example.org:10443\n", ""),
        )
        for place, text in {
            "targets/servers.yml": targets.split("# Switched off")[0], "secrets/opensoul-scrape": "fakepassword",
            "secrets/ca.pem": authority.bundle.read_text(), **{f"rules/{path.name}": path.read_text() for path in RULES},
        }.items():
            (site / place).parent.mkdir(parents=True, exist_ok=True)
            (site / place).write_text(text)
        above.mkdir()
        # Nobody is told here.
        nobody = ('["am1.example.org:9093", "am2.example.org:9093"]', "[]")
        one = Prometheus(site, config=shipped("prometheus.yml", nobody))
        ending.append(one.close)
        up = lambda of: {tuple(sorted(row["metric"].items())) for row in of.query('up{job="opensoul"} == 1')}  # noqa: E731
        ((*labels,),) = until(lambda: up(one), LONG, lambda: f"the first machine:\n{one.log}\n{machines[0].daemons[0].log}")
        assert {("instance", "localhost"), ("team", "platform")} <= set(labels)
        # A machine more is a line more, and no restart.
        (site / "targets/servers.yml").write_text(targets)
        until(lambda: len(up(one)) == 2, LONG, lambda: f"the second machine: {up(one)}")
        assert one.query('up{instance="127.0.0.1", team="people", sleeps="yes"}')
        addresses = '["prometheus.berlin.example.org:9090", "prometheus.shanghai.example.org:9090"]'
        all_ = Prometheus(above, config=shipped("federation.yml", (addresses, f'["127.0.0.1:{one.port}"]')))
        ending.append(all_.close)
        # Whose each is, and the site, came with it; what the dashboards ask for is there.
        seen = lambda: {(row["metric"]["instance"], row["metric"]["site"]) for row in all_.query("opensoul_credential_expiration_timestamp_seconds")}  # noqa: E731
        until(lambda: seen() == {("localhost", "main"), ("127.0.0.1", "main")}, LONG, lambda: f"both, above: {seen()}\n{all_.log}")
        until(lambda: all_.query("opensoul:credential_in_use:last"), LONG, "what the rules of the site recorded")
        until(lambda: len(up(all_)) == 2, LONG, lambda: f"both are up, above: {up(all_)}")
    finally:
        for end in reversed(ending):
            end()


def firing(prometheus):
    """Since which second which alert of which machine."""
    return {
        (alert["labels"]["alertname"], alert["labels"]["instance"]): alert["activeAt"][:19]
        for alert in prometheus.alerts() if alert["state"] == "firing"
    }


def settled(prometheus, *managers):
    """Each group was looked at once more from beginning to end: what is known was told, or was found to have been told by the other."""
    begun = [manager.rounds() for manager in managers]

    def looked(manager, before):
        return sum(count >= before[group] + 2 for group, count in manager.rounds().items()) >= manager.groups()

    until(lambda: all(map(looked, managers, begun)), LONG, lambda: f"two rounds of each group: {begun}", every=0.5)
    assert len({machine for _, machine in firing(prometheus)}) <= 2, f"only what was done: {firing(prometheus)}"
