"""Real Alertmanagers on loopback, alone or as a cluster."""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.request

from prometheus import free_port
from waiting import until

# Debian's program reads its templates from below /usr/share and nowhere else.
DEBIAN = pathlib.Path("/usr/share/prometheus/alertmanager")


def program():
    return shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")


def command():
    """How it is started; one that was only unpacked is shown its templates where it looks for them, and nobody else is."""
    found = program()
    share = pathlib.Path(found).resolve().parents[1] / "share"
    if DEBIAN.exists() or not (share / "prometheus/alertmanager").exists():
        return [found]
    inside = 'mount -t tmpfs none /usr/share && ln -s "$0/prometheus" /usr/share/prometheus && exec "$@"'
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-c", inside, str(share), found]


class Alertmanager:
    """Sends pages to `hook` a second after something changed. `peers` are those it forms a cluster with; `config` stands in place
    of its own. It waits for the others at most `settle` before it tells anybody, and for each of those before it in the cluster
    one `turn` to have told it already."""

    def __init__(self, folder, hook, peers=(), config=None, settle="1s", turn="2s"):
        self.folder, self.peers, self.settle, self.turn = pathlib.Path(folder), peers, settle, turn
        self.port, self.gossip = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "alertmanager.yml").write_text(
            config or "route: {receiver: hook, group_by: [alertname, host, credential, check],"
            " group_wait: 1s, group_interval: 1s, repeat_interval: 12h}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{hook.url}', send_resolved: true}}]}}]\n"
        )
        self.start()

    def start(self):
        """Also anew: it then knows nothing."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self._log = open(self.folder / "log", "wb")
        self._process = subprocess.Popen(
            [*command(), f"--config.file={self.folder}/alertmanager.yml", f"--storage.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", f"--cluster.listen-address=127.0.0.1:{self.gossip}",
             f"--cluster.advertise-address=127.0.0.1:{self.gossip}", f"--cluster.peer-timeout={self.turn}",
             f"--cluster.settle-timeout={self.settle}", "--cluster.pushpull-interval=1s", "--cluster.reconnect-interval=1s",
             "--cluster.gossip-interval=50ms", "--log.level=debug",
             *(f"--cluster.peer=127.0.0.1:{peer.gossip}" for peer in self.peers)],
            stdout=self._log, stderr=self._log, start_new_session=True, cwd=self.folder,
        )
        until(lambda: self._ask("/-/ready") is not None, 30, lambda: f"Alertmanager is ready:\n{self.log}")

    def _ask(self, path, body=None):
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(self.url + path, data=body and json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.read()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self):
        """What the monitor calls it."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return (self.folder / "log").read_text("utf-8", "replace")

    def alerts(self):
        """What it holds to be true; what is over is not among it."""
        return json.loads(self._ask("/api/v2/alerts"))

    def names(self):
        return sorted(alert["labels"]["alertname"] for alert in self.alerts())

    def members(self):
        return len(json.loads(self._ask("/api/v2/status"))["cluster"].get("peers", []))

    def silence(self, start, end, **labels):
        matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()]
        self._ask("/api/v2/silences", {
            "matchers": matchers, "startsAt": start, "endsAt": end, "createdBy": "test", "comment": "test",
        })

    def silences(self):
        return json.loads(self._ask("/api/v2/silences"))

    def groups(self):
        """How many groups of alerts it holds."""
        return len(json.loads(self._ask("/api/v2/alerts/groups")))

    def rounds(self):
        """How often it has begun to tell somebody of each group; the time before has then ended."""
        return collections.Counter(re.findall(r'aggrGroup=("(?:\\.|[^"\\])*"|\S+) msg=flushing', self.log))

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()


def cluster(folder, hook, **more):
    """Two that know each other."""
    one = Alertmanager(pathlib.Path(folder) / "am1", hook, **more)
    two = Alertmanager(pathlib.Path(folder) / "am2", hook, peers=[one], **more)
    until(lambda: one.members() == two.members() == 2, 30, "they form a cluster")
    return one, two
