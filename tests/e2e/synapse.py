"""A real Matrix home server with its data in SQLite, whoever asks gets an account."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from cache import cached
from prometheus import free_port
from waiting import until

CONFIG = """
server_name: localhost
pid_file: {folder}/pid
listeners: [{{port: {port}, bind_addresses: [127.0.0.1], type: http, resources: [{{names: [client]}}]}}]
database: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
log_config: {folder}/log.yaml
enable_registration: true
enable_registration_without_verification: true
report_stats: false
trusted_key_servers: []
bcrypt_rounds: 4
rc_message: {{per_second: 1000, burst_count: 1000}}
rc_registration: {{per_second: 1000, burst_count: 1000}}
"""
LOG = "{version: 1, root: {level: WARNING, handlers: [console]}, handlers: {console: {class: logging.StreamHandler}}, disable_existing_loggers: false}"


def python():
    """The interpreter of its environment; None if it is not there."""
    return cached("servers/bin/synapse_homeserver") and cached("servers/bin/python")


class Synapse:
    def __init__(self, folder):
        self.port = free_port()
        (folder / "homeserver.yaml").write_text(CONFIG.format(folder=folder, port=self.port))
        (folder / "log.yaml").write_text(LOG)
        command = [python(), "-m", "synapse.app.homeserver", "-c", folder / "homeserver.yaml"]
        self._log = open(folder / "synapse.out", "w+b")
        subprocess.run([*command, "--generate-keys"], stdout=self._log, stderr=self._log, check=True, cwd=folder)
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, start_new_session=True, cwd=folder)
        until(self._ready, 90, lambda: f"synapse is ready: {self.log(folder)}", every=0.2)

    def log(self, folder):
        return (folder / "synapse.out").read_text("utf-8", "replace")[-3000:]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _ready(self):
        assert self._process.poll() is None, "synapse has ended"
        return "versions" in self.ask("GET", "/_matrix/client/versions")

    def ask(self, method, path, body=None, token=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def register(self, name):
        """A user's access token."""
        body = {"username": name, "password": "password-of-" + name, "auth": {"type": "m.login.dummy"}}
        return self.ask("POST", "/_matrix/client/v3/register", body)["access_token"]

    def room(self, token):
        return self.ask("POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"}, token)["room_id"]

    def messages(self, token, room):
        """The messages of a room, oldest first."""
        path = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room)}/messages?dir=f&limit=100"
        return [one for one in self.ask("GET", path, token=token)["chunk"] if one["type"] == "m.room.message"]

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._log.close()
