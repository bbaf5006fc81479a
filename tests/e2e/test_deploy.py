"""deploy/ and .github/: what can be parsed, checked against a schema or run here is; deploy/README.md says what is not."""

import base64
import errno
import json
import os
import pathlib
import plistlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request

import pytest
import yaml

import credentials as c
from cache import CACHE, cached
from machine import STORE
from packages import released
from prometheus import free_port
from waiting import until

TREE = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = TREE / "deploy"
CARGO = tomllib.loads((TREE / "Cargo.toml").read_text())["package"]
VERSION = CARGO["version"]
YAML = sorted([*DEPLOY.rglob("*.y*ml"), *(TREE / ".github").rglob("*.y*ml")])


def tool(name):
    unpacked = ("prometheus", "prometheus-alertmanager", "kubectl")
    return shutil.which(name) or shutil.which(name, path=":".join(f"{CACHE}/{one}/usr/bin" for one in unpacked))


# Schemas


@pytest.mark.skipif(not (cached("schemas/wanted") and shutil.which("node")), reason="no npm packages in the cache (tests/install-needs)")
def test_manifests_compose_and_workflows_fit_their_schemas(folder):
    def check(*files):
        ended = subprocess.run(
            ["node", pathlib.Path(__file__).with_name("schemas.mjs"), *files], cwd=cached("schemas"), capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]

    rows = check(*YAML)
    assert [row for row in rows if row["problems"]] == []
    kinds = {kind for row in rows for kind in row["kinds"]}
    assert kinds >= {"StatefulSet", "Service", "NetworkPolicy", "ServiceMonitor", "compose", "workflow"}
    # A schema that lets everything pass would be none.
    for name, old, new in (
        ("kubernetes/statefulset.yaml", "replicas: 1", "replicas: one"), ("kubernetes/servicemonitor.yaml", "interval: 1m", "interval: 5"),
        ("compose/compose.yaml", "read_only: true", "read_only: [1]"), ("ci/preflight.yml", "runs-on", "run-on"),
    ):
        text = (DEPLOY / name).read_text()
        assert old in text
        broken = folder / pathlib.Path(name).name
        broken.write_text(text.replace(old, new, 1))
        assert check(broken)[0]["problems"], name


def test_nothing_runs_as_root_or_can_write_where_it_need_not():
    text = (DEPLOY / "kubernetes/statefulset.yaml").read_text()
    containers = text.count(" image: ")
    assert containers == 3 and text.count("readOnlyRootFilesystem: true") == containers
    assert text.count("drop: [ALL]") == text.count("allowPrivilegeEscalation: false") == containers
    assert "runAsNonRoot: true" in text and "automountServiceAccountToken: false" in text
    assert "USER 65532:65532" in (DEPLOY / "container/Containerfile").read_text()
    # Doors of the compose stack are on loopback.
    ports = re.findall(r"ports: \[(.*)\]", (DEPLOY / "compose/compose.yaml").read_text())
    assert ports and all(port.startswith('"127.0.0.1:') for port in ports)


def test_the_rules_of_kubernetes_are_those_of_the_dashboards():
    if not (TREE / "dashboards/rules").is_dir():
        pytest.skip("dashboards/rules is not there")
    ended = subprocess.run([DEPLOY / "kubernetes/rules.py", "--check"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for name in re.findall(r"=(\.\./\.\./dashboards/\S+)", (DEPLOY / "kubernetes/kustomization.yaml").read_text()):
        assert (DEPLOY / "kubernetes" / name).exists(), name


@pytest.mark.skipif(not tool("kubectl"), reason="kubectl is not installed")
def test_kustomize_brings_dashboards_rules_and_settings_as_they_are():
    line = re.search(r"^(kubectl kustomize .*) \| kubectl apply -f -$", (DEPLOY / "kubernetes/README.md").read_text(), re.M)[1]
    ended = subprocess.run([tool("kubectl"), *line.split()[1:]], cwd=TREE, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    objects = list(yaml.safe_load_all(ended.stdout))
    assert {one["metadata"].get("namespace") for one in objects if one["kind"] != "Namespace"} == {"opensoul"}
    # The name of a ConfigMap ends in a hash of what is in it.
    maps = {one["metadata"]["name"].rpartition("-")[0]: one for one in objects if one["kind"] == "ConfigMap"}
    boards = maps["opensoul-dashboards"]
    assert boards["metadata"]["labels"] == {"grafana_dashboard": "1"}, "what the sidecar of Grafana looks for"
    assert boards["data"] == {p.name: p.read_text() for p in (TREE / "dashboards").glob("*.json")} != {}
    for name, file in (("opensoul", "monitor.toml"), ("opensoul-door", "default.conf")):
        assert maps[name]["data"] == {file: (DEPLOY / "kubernetes" / file).read_text()}
    (rules,) = (one for one in objects if one["kind"] == "PrometheusRule")
    files = sorted((TREE / "dashboards/rules").glob("*.yml"))
    assert rules["spec"]["groups"] == [group for file in files for group in yaml.safe_load(file.read_text())["groups"]] != []
    (pod,) = (one["spec"]["template"]["spec"] for one in objects if one["kind"] == "StatefulSet")
    mounted = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
    assert mounted == {maps[name]["metadata"]["name"] for name in ("opensoul", "opensoul-door")}
    assert f"registry.example.org/opensoul:{VERSION}" in {one["image"] for one in pod["containers"]}


@pytest.mark.skipif(not tool("promtool") or not tool("amtool"), reason="promtool or amtool is not installed")
def test_prometheus_and_alertmanager_take_their_settings():
    for argv in (
        [tool("promtool"), "check", "config", "--syntax-only", DEPLOY / "compose/prometheus/prometheus.yml"],
        [tool("amtool"), "check-config", DEPLOY / "compose/alertmanager.yml"],
    ):
        ended = subprocess.run(argv, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_agent_of_macos_is_a_property_list():
    agent = plistlib.loads((DEPLOY / "launchd/org.opensoul.monitor.plist").read_bytes())
    assert agent["ProgramArguments"][1:] == ["monitor", "run"] and agent["SoftResourceLimits"] == {"Core": 0}
    assert agent["Umask"] == 0o077


@pytest.mark.skipif(not shutil.which("ruby"), reason="ruby is not installed")
def test_the_formula_of_homebrew_installs_and_passes_its_own_test(machine):
    formula, prefix = DEPLOY / "homebrew/opensoul.rb", machine.root / "brew"
    said = subprocess.run(["ruby", "-wc", formula], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("Syntax OK\n", "")
    stand_in = pathlib.Path(__file__).with_name("formula.rb")
    ended = subprocess.run(["ruby", stand_in, formula, machine.program, prefix], env=machine.env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["url"][0].endswith(f"/v{VERSION}.tar.gz") and said["license"] == [["any_of", ["MIT", "Apache-2.0"]]]
    assert said["service.run"] == [[f"{prefix}/bin/opensoul-monitor", "monitor", "run"]]
    assert subprocess.run([prefix / "bin/opensoul-monitor", "--version"], env=machine.env).returncode == 0
    for shell in ("bash", "zsh", "fish"):
        assert (prefix / shell).read_text() == machine.run("completions", shell).out
    assert (prefix / "man1/opensoul-monitor-once.1").exists()


# A release


RELEASE = yaml.safe_load((TREE / ".github/workflows/release.yml").read_text())


def steps(job):
    return {step["name"]: step["run"] for step in RELEASE["jobs"][job]["steps"] if "run" in step and "name" in step}


def test_a_release_is_for_every_machine_that_the_installers_name():
    built = {row["target"]: row for row in RELEASE["jobs"]["program"]["strategy"]["matrix"]["include"]}
    named = set(re.findall(r"echo (\S+-(?:linux|apple)-\S+) ;;", (DEPLOY / "install.sh").read_text()))
    assert named and built.keys() == named | {"aarch64-linux-android"}
    debs = {target.partition("-")[0]: row["deb"] for target, row in built.items() if "deb" in row}
    assert debs == {"x86_64": "amd64", "aarch64": "arm64", "armv7": "armhf"}
    # Those of the image are among them.
    image = re.search(r"for cpu in (.*); do\n\s*name=(\S+)", steps("release")["Image"])
    _, _, system = image[2].partition("${cpu%%:*}")
    assert {cpu.partition(":")[0] + system for cpu in image[1].split()} < built.keys()


def test_the_parts_of_a_release_are_there_and_in_their_order():
    text = (TREE / ".github/workflows/release.yml").read_text()
    scripts = set(re.findall(r"\bdeploy/[\w./-]+\.sh\b", text))
    assert {"deploy/tarball.sh", "deploy/package/build.sh", "deploy/container/build.sh", "deploy/install.sh"} <= scripts
    assert [one for one in scripts if not os.access(TREE / one, os.X_OK)] == []
    job = RELEASE["jobs"]["release"]["steps"]
    order = [step.get("name") or step["uses"].partition("@")[0] for step in job]
    assert order[2:] == ["SBOM", "Checksums", "actions/attest-build-provenance", "Image", "Publish"]
    install, made, moved = steps("release")["SBOM"].splitlines()
    assert re.fullmatch(r"cargo install --locked cargo-cyclonedx@\d+\.\d+\.\d+", install) and made.startswith("cargo cyclonedx --format json ")
    # It is called as the package is.
    assert moved == f'mv {CARGO["name"]}.cdx.json "out/{CARGO["name"]}-${{GITHUB_REF_NAME#v}}.cdx.json"'
    assert 'subject-path: out/*\n' in text and steps("release")["Publish"].endswith(" out/*")


def test_what_a_release_packs_is_what_install_sh_installs(machine, folder, program):
    """The shell of the workflow, from the tag to the checksums."""
    checkout, target = folder / "checkout", f"{os.uname().machine}-unknown-linux-musl"
    checkout.mkdir()
    for entry in TREE.iterdir():
        if entry.name not in ("target", "out"):
            (checkout / entry.name).symlink_to(entry)
    (checkout / f"target/{target}/release").mkdir(parents=True)
    (checkout / f"target/{target}/release/opensoul").symlink_to(program)

    def run(step, tag=f"v{VERSION}"):
        env = machine.env | {"GITHUB_REF_NAME": tag, "TARGET": target, "DEB": "", "ZIG": ""}
        return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step], cwd=checkout, env=env, capture_output=True, text=True)

    program_steps = steps("program")
    refused = run(program_steps["The tag is the version"], "v99.0.0")
    assert refused.returncode == 1 and refused.stdout.startswith("::error::"), refused
    for step in (program_steps["The tag is the version"], program_steps["Pack"], steps("release")["Checksums"]):
        ended = run(step)
        assert ended.returncode == 0, ended
    place = folder / "releases"
    place.mkdir()
    (checkout / "out").rename(place / f"v{VERSION}")
    shutil.copy(place / f"v{VERSION}/VERSION", place)
    ended = subprocess.run(["sh", place / f"v{VERSION}/install.sh", "--from", place], env=machine.env, capture_output=True, text=True)
    assert ended.returncode == 0 and (machine.home / ".local/bin/opensoul-monitor").exists(), ended.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say():
    scripts = [p for p in DEPLOY.rglob("*") if p.is_file() and re.match(rb"#!.*\b(ba)?sh\b", p.read_bytes())]
    assert len(scripts) >= 8
    ended = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout


# opensoul's own settings and answers


@pytest.mark.parametrize("place", ["compose/monitor.toml", "kubernetes/monitor.toml", "checks/uptime-kuma.toml", "checks/healthchecks.toml"])
def test_opensoul_takes_its_settings(machine, place):
    machine.write(".secrets/uptime-kuma", "https://kuma.example.org/api/push/abc")
    machine.write(".secrets/healthchecks", "https://hc-ping.com/11111111-2222-3333-4444-555555555555")
    config = machine.write("monitor.toml", (DEPLOY / place).read_text())
    ended = machine.run("--config", config, "monitor", "check-config")
    assert ended.code == 0, ended


def example(name, pattern):
    """A command that stands in an example, with the built program where the packaged one would be."""
    return re.search(pattern, (DEPLOY / "checks" / name).read_text(), re.M)[1]


def test_plugins_answer_as_their_servers_want_it(machine):
    machine.write(STORE, c.store(anthropic__a=c.token(-c.HOUR)))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    nagios = example("nagios.cfg", r"command_line +/usr/bin/opensoul-monitor (.*)").split()
    assert nagios == re.findall(r'"([^"]+)"', example("icinga2.conf", r"command = \[(.*)\]"))[1:]
    ended = machine.run(*nagios)
    assert ended.code == 2 and re.match(r"OPENSOUL CRITICAL - [^|]+\| '", ended.out), ended
    ended = machine.run(*example("checkmk-local", r"^exec /usr/bin/opensoul-monitor (.*)").split())
    assert ended.code == 0 and all(re.match(r'[0123P] "[^"]+" \S+ ', line) for line in ended.out.splitlines()), ended
    # Trouble of their own is UNKNOWN, never CRITICAL.
    assert machine.run(*nagios, "--nonsense").code == 3


def test_the_line_for_cron_tells_healthchecks_the_exit_code(machine, hook):
    machine.write(STORE, c.store(anthropic__a=c.token(-c.HOUR)))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    machine.write(".secrets/healthchecks", hook.url)
    line = example("cron-healthchecks", r"^\*/15 \* \* \* \*  (.*)").replace("curl ", "curl -X POST -H 'content-type: text/plain' ", 1)
    (machine.home / "opensoul-monitor").symlink_to(machine.program)
    ended = subprocess.run(["sh", "-c", line], env=machine.env | {"PATH": f"{machine.home}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert [call.path for call in hook.calls] == ["/hook/1"]


@pytest.mark.parametrize(("ends_in", "code", "says"), [(300 * c.DAY, 0, ""), (5 * c.HOUR, 0, "::warning "), (-c.HOUR, 1, "::error ")])
def test_the_preflight_fails_a_job_with_an_annotation(machine, ends_in, code, says):
    text = (DEPLOY / "ci/preflight.yml").read_text()
    step = re.search(r"- name: Does every key work\?.*?run: \|\n(.*?)\n  agent:", text, re.S)[1]
    # Without asking the provider: nobody may be asked here. (`--probe` is tested where vendors are faked.)
    assert "--check --probe ||" in step
    machine.write(STORE, c.store(anthropic__a=c.token(ends_in)))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    (machine.home / "opensoul-monitor").symlink_to(machine.program)
    ended = subprocess.run(
        ["bash", "-e", "-c", step.replace("--check --probe", "--check")],
        env=machine.env | {"PATH": f"{machine.home}:/usr/bin:/bin"}, capture_output=True, text=True,
    )
    said = [line for line in ended.stdout.splitlines() if line.startswith("::")]
    assert (ended.returncode, bool(said)) == (code, bool(says)), ended.stdout
    assert not says or said[0].startswith(says + "title=AI credentials::")


@pytest.mark.skipif(not shutil.which("rustc"), reason="rustc is not installed")
def test_a_release_is_linked_as_the_linker_can(folder):
    def words(path):
        ran = [DEPLOY / "link.sh"]
        return subprocess.run(ran, env=os.environ | {"PATH": path}, cwd=folder, capture_output=True, text=True, check=True).stdout

    order, packed = "-C link-arg=-Wl,-T,deploy/order.ld\n", "-C link-arg=-Wl,-z,pack-relative-relocs\n"
    assert words(os.environ["PATH"]) in (order + packed, order), "without the second only where the C library is old"
    for refused, rest in [("-Wl,-T,*", packed), ("-Wl,-z,pack*", order), ("-Wl,-T,* | -Wl,-z,pack*", "")]:
        (folder / "cc").write_text(
            f"#!/bin/sh\nfor word; do case $word in {refused}) exit 1 ;; esac; done\nexec /usr/bin/cc \"$@\"\n"
        )
        (folder / "cc").chmod(0o755)
        assert words(f"{folder}:{os.environ['PATH']}") in (rest, rest.replace(packed, ""))
    # What does not start is not to be had.
    (folder / "cc").write_text(
        '#!/bin/sh\n/usr/bin/cc "$@" || exit\ncase "$*" in *pack-relative*) : ;; *) exit 0 ;; esac\n'
        'while [ "$1" != -o ]; do shift; done\nprintf "#!/bin/sh\\nexit 127\\n" >"$2"\n'
    )
    assert words(f"{folder}:{os.environ['PATH']}") == order


# install.sh


@pytest.fixture
def releases(folder, program):
    """A directory of releases with one of them, of the program under test."""
    place = folder / "releases"
    return place, *released(program, place)


def install(machine, *options, **env):
    return subprocess.run(
        ["sh", DEPLOY / "install.sh", *map(str, options)], env=machine.env | env, cwd=machine.cwd, capture_output=True, text=True
    )


def all_files(machine):
    return {str(p.relative_to(machine.home)) for p in machine.home.rglob("*") if not p.is_dir()}


def test_install_and_uninstall_without_root(machine, releases):
    before = all_files(machine)
    ended = install(machine, "--from", releases[0], "--units")
    assert ended.returncode == 0, ended.stderr
    local = machine.home / ".local"
    assert (local / "bin/opensoul").readlink() == pathlib.Path("opensoul-monitor") and "not in PATH" in ended.stdout
    assert (local / "share/man/man1/opensoul.1").exists() and (local / "share/zsh/site-functions/_opensoul").exists()
    unit = (machine.home / ".config/systemd/user/opensoul-monitor.service").read_text()
    assert f"ExecStart={local}/bin/opensoul-monitor monitor run" in unit and "/usr/bin/opensoul" not in unit
    # Again, over what runs; and away.
    assert install(machine, "--from", releases[0]).returncode == 0
    assert install(machine, "--uninstall").returncode == 0
    assert all_files(machine) == before


def test_what_is_not_what_the_checksums_say_is_not_installed(machine, releases):
    place, there, tarball = releases
    before = all_files(machine)
    good = tarball.read_bytes()
    tarball.write_bytes(good[:-1] + b"x")
    ended = install(machine, "--from", place)
    assert ended.returncode == 65 and "nothing was installed" in ended.stderr
    tarball.write_bytes(good)
    (there / "SHA256SUMS").write_text("0" * 64 + "  other.tar.gz\n")
    assert install(machine, "--from", place).returncode == 65
    for options, code in (
        (["--from", "http://example.org"], 64), ([], 64), (["--from", place, "--version", "../x"], 65),
        (["--from", place, "--version", "9.9.9"], 66), (["--nonsense"], 64),
    ):
        assert install(machine, *options).returncode == code, options
    assert install(machine, "--from", place, PREFIX="/data/data/com.termux/files/usr").returncode == 69
    assert all_files(machine) == before


def test_the_name_of_a_gateways_program_is_left_alone(machine, releases):
    theirs = machine.write(".local/bin/opensoul", "#!/bin/sh\necho theirs\n", 0o755)
    assert install(machine, "--from", releases[0]).returncode == 0
    assert install(machine, "--uninstall").returncode == 0
    assert theirs.read_text().endswith("theirs\n") and not (machine.home / ".local/bin/opensoul-monitor").exists()


# Containers


NGINX = shutil.which("nginx") or cached("nginx/usr/sbin/nginx")


@pytest.mark.skipif(not NGINX, reason="no nginx in the cache (tests/install-needs)")
def test_the_door_of_kubernetes_asks_for_a_password_and_lets_nobody_write(machine, authority, folder):
    machine.configure()
    machine.daemon()
    port = free_port()
    pair = authority.chain("localhost", "127.0.0.1").bytes()
    for name in ("tls.crt", "tls.key"):  # each takes its own out of both
        (folder / name).write_bytes(pair)
    (folder / "htpasswd").write_text("prometheus:{PLAIN}open sesame\n")
    text = (DEPLOY / "kubernetes/default.conf").read_text()
    for old, new in (
        ("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"), ("http://127.0.0.1:10177", f"http://127.0.0.1:{machine.port}"),
        ("/etc/nginx/tls", folder), ("/etc/nginx/password", folder),
    ):
        assert old in text
        text = text.replace(old, str(new))
    (folder / "default.conf").write_text(text)
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ {places} include {folder}/default.conf; }}\n"
    )
    nginx = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    context = ssl.create_default_context(cafile=authority.bundle)

    def ask(path, password=None, method="GET", host="opensoul.opensoul.svc"):
        headers = {"host": host}
        if password:
            headers["authorization"] = "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()
        asked = urllib.request.Request(f"https://localhost:{port}{path}", headers=headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, ""

    try:
        until(lambda: ask("/-/healthy")[0] == 200, 30, lambda: (folder / "error.log").read_text())
        status, text = ask("/metrics", "open sesame")
        assert status == 200 and "opensoul_build_info" in text
        assert [ask("/metrics")[0], ask("/metrics", "wrong")[0], ask("/")[0]] == [401] * 3
        assert ask("/-/reload", "open sesame", "POST")[0] == 403
    finally:
        nginx.terminate()
        nginx.wait(10)


@pytest.mark.skipif(not shutil.which("bwrap") or os.geteuid() != 0, reason="bubblewrap is not installed, or not root")
def test_it_runs_on_nothing_as_nobody_with_a_disk_that_cannot_be_written(machine, folder):
    """The terms of the image around the real program: no /etc, no /tmp, no user of that number, one place to write."""
    machine.write(".claude/.credentials.json", c.claude_code(login_ends_in=5 * c.HOUR))
    for path in (machine.home, *machine.home.rglob("*")):
        os.chown(path, 65532, 65532)
    state, empty = folder / "state", folder / "empty"
    for made in (state, empty):
        made.mkdir()
    os.chown(state, 65532, 65532)
    settings = folder / "monitor.toml"
    settings.write_text((TREE / "src/config/template.toml").read_text())
    settings.chmod(0o600)
    os.chown(settings, 65532, 65532)  # root's would be as good, but in here only one user is known
    image = [
        "bwrap", "--ro-bind", empty, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-net", "--unshare-pid", "--clearenv",
        "--setenv", "HOME", "/home/watched", "--setenv", "OPENSOUL_MONITOR_STATE", "/var/lib/opensoul",
        "--setenv", "OPENSOUL_MONITOR_CONFIG", "/etc/opensoul/monitor.toml",
    ]
    # Mount points must exist on a disk that cannot be written; a static program would not need the libraries.
    for place in ("home/watched", "var/lib/opensoul", "etc/opensoul", "usr/lib", "usr/lib64", "proc", "dev", "program"):
        (empty / place).mkdir(parents=True, exist_ok=True)
    (empty / "etc/opensoul/monitor.toml").touch()
    for name in ("lib", "lib64"):
        (empty / name).symlink_to(f"usr/{name}")
    image += [
        "--ro-bind", machine.home, "/home/watched", "--bind", state, "/var/lib/opensoul", "--ro-bind", settings,
        "/etc/opensoul/monitor.toml", "--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind-try", "/usr/lib64", "/usr/lib64",
        "--ro-bind", machine.program.parent, "/program", "--unshare-user", "--uid", "65532", "--gid", "65532",
    ]
    nobody = ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups"]
    for words in (["monitor", "once"], ["status"]):
        ended = subprocess.run([*nobody, *image, "/program/opensoul", *words], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
    assert "claude-code" in ended.stdout
    assert (state / "state.db").stat().st_uid == 65532


needs_buildah = pytest.mark.skipif(not shutil.which("buildah") or os.geteuid() != 0, reason="buildah is not installed, or not root")


@pytest.fixture(scope="module")
def image(program):
    """The image `opensoul` in a store of its own; what is returned runs something that finds it there."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="opensoul-e2e-"))
    storage, conf = folder / "storage.conf", folder / "containers.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
    # A static program would not need the libraries. The rest is what a machine without systemd, in a container itself, can do.
    libraries = [f"{place}:{place}:ro" for place in ("/lib", "/lib64") if pathlib.Path(place).exists()]
    conf.write_text(
        f'[containers]\nvolumes = {json.dumps(libraries)}\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        'netns = "none"\nlog_driver = "k8s-file"\n'
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\ntmp_dir = "{folder}/tmp"\n'
        + 'runtime = "runc"\n' * bool(shutil.which("runc"))
    )
    env = os.environ | {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(conf), "BUILDAH_ISOLATION": "chroot"}

    def run(*argv, check=True, **more):
        ended = subprocess.run([*map(str, argv)], env=env | more, capture_output=True, text=True, timeout=120)
        assert not check or ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout if check else ended

    try:
        run(DEPLOY / "container/build.sh", program, "localhost/opensoul")
        yield run
    finally:
        if shutil.which("podman"):
            run("podman", "rm", "--all", "--force", check=False)
        run("buildah", "rm", "--all", check=False)
        shutil.rmtree(folder, ignore_errors=True)


@needs_buildah
def test_an_image_of_the_program_and_nothing_else(image, program, folder):
    # The Containerfile without its first stage, which needs a registry: what cargo would make is there.
    text = (DEPLOY / "container/Containerfile").read_text()
    stage = re.compile(r"^FROM rust:.* AS build\n.*(?=^FROM )", re.M | re.S)
    built = dict(re.findall(r"install -D -m \d+ (\S+) (/out/\S+)", stage.search(text)[0]))
    assert built == {"target/release/opensoul": "/out/opensoul", "src/config/template.toml": "/out/etc/opensoul/monitor.toml"}
    (folder / "out/etc/opensoul").mkdir(parents=True)
    shutil.copy(program, folder / "out/opensoul")
    shutil.copy(TREE / "src/config/template.toml", folder / "out/etc/opensoul/monitor.toml")
    (folder / "Containerfile").write_text(stage.sub("FROM scratch AS build\nCOPY out/ /out/\n\n", text))
    image("buildah", "build", "--quiet", "--tag=localhost/theirs", f"--file={folder}/Containerfile", folder)

    configs = []
    for name in ("localhost/opensoul", "localhost/theirs"):
        made = image("buildah", "from", "--pull-never", name).strip()
        configs.append(json.loads(image("buildah", "inspect", made))["OCIv1"]["config"])
        root = pathlib.Path(image("buildah", "mount", made).strip())
        files = {str(p.relative_to(root)): p.stat().st_mode & 0o777 for p in root.rglob("*") if p.is_file()}
        assert files == {"opensoul": 0o755, "etc/opensoul/monitor.toml": 0o644}
    config, theirs = configs
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("65532:65532", ["/opensoul"], ["monitor", "run"])
    assert config["Volumes"] == {"/var/lib/opensoul": {}} and config["ExposedPorts"] == {"10177/tcp": {}}
    # Both ways to make it say the same.
    for one in configs:
        one.pop("Labels", None)
        one["Env"] = sorted(word for word in one["Env"] if not word.startswith("PATH="))
    assert config == theirs


@pytest.fixture
def container(image, folder):
    """The same, where containers can be run at all."""
    busybox = cached("busybox/bin/busybox")
    if not busybox or not shutil.which("podman"):
        pytest.skip("no podman, or no busybox in the cache (tests/install-needs)")
    (folder / "probe/bin").mkdir(parents=True)
    shutil.copy(busybox, folder / "probe/bin/true")
    ended = image("podman", "run", "--rm", "--rootfs", folder / "probe", "/bin/true", check=False)
    if ended.returncode != 0:
        pytest.skip(f"podman runs nothing here: {ended.stderr.strip()}")
    return image


@needs_buildah
def test_a_container_runs_as_nobody_on_a_disk_that_cannot_be_written_and_answers(container, machine, folder):
    machine.write(".claude/.credentials.json", c.claude_code(login_ends_in=5 * c.HOUR))
    state = folder / "state"
    state.mkdir(mode=0o700)
    for path in (state, machine.home, *machine.home.rglob("*")):
        os.chown(path, 65532, 65532)
    locked = "--read-only --read-only-tmpfs=false --cap-drop=all --security-opt=no-new-privileges".split()
    volumes = f"--volume={machine.home}:/home/watched:ro", f"--volume={state}:/var/lib/opensoul"
    container("podman", "run", "--detach", "--name=monitor", *locked, *volumes, "opensoul")
    process = container("podman", "inspect", "--format={{.State.Pid}}", "monitor").strip()

    def ask(path):
        # From its own network, as Prometheus would that shares it.
        script = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:10177{path}', timeout=20).read().decode())"
        said = container("nsenter", "-t", process, "-n", sys.executable, "-c", script, check=False)
        return said.stdout if said.returncode == 0 else ""

    until(lambda: ask("/-/ready"), 60, lambda: container("podman", "logs", "monitor"))
    assert "claude-code:default" in {one["id"] for one in json.loads(ask("/api/v1/status"))["credentials"]}
    assert "opensoul_build_info" in ask("/metrics")
    terms = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if ":\t" in line)
    assert (terms["Uid"], terms["Gid"], int(terms["CapEff"], 16), terms["NoNewPrivs"]) == ("\t".join(["65532"] * 4),) * 2 + (0, "1")
    for place in ("here", "etc/opensoul/here", "home/watched/here"):
        with pytest.raises(OSError) as refused:
            (pathlib.Path(f"/proc/{process}/root") / place).write_text("")  # not even root
        assert refused.value.errno == errno.EROFS, place
    assert (state / "state.db").stat().st_uid == 65532
    # What kubernetes/README.md does to it.
    assert "claude-code:default" in container("podman", "exec", "monitor", "/opensoul", "alerts", "list")
    container("podman", "stop", "--time=20", "monitor")
    assert container("podman", "inspect", "--format={{.State.ExitCode}}", "monitor") == "0\n"


@needs_buildah
def test_the_command_of_the_readme_runs_the_image(container, machine):
    machine.write(".claude/.credentials.json", c.claude_code(login_ends_in=5 * c.HOUR))
    _, line = re.search(r"(podman build .*)\n((?:.*\\\n)*.*)\n```", (DEPLOY / "README.md").read_text()).groups()
    assert line.startswith("podman run --rm ") and line.endswith(" opensoul status")
    # Root's are not mapped.
    assert " --userns keep-id" in line
    ended = container("sh", "-c", line.replace(" --userns keep-id", ""), check=False, HOME=str(machine.home))
    assert ended.returncode == 0 and "claude-code:default" in ended.stdout, ended
