"""Apprise, which others wrote, and we, into the same recording sink: the same method, path, login and keys, except where a row
says why not."""

import json
import subprocess
import threading
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import credentials as c
from cache import cached
from machine import STORE

PYTHON = cached("servers/bin/apprise") and cached("servers/bin/python")
SEND = "import apprise, sys\nfor url in sys.argv[1:]:\n    a = apprise.Apprise()\n    assert a.add(url) and a.notify(title='标题', body='内容'), url"

pytestmark = pytest.mark.skipif(not PYTHON, reason="apprise is not there (tests/install-needs)")


@dataclass
class Row:
    """`url` is Apprise's, `lines` are ours; `H` stands for the sink. `login` is the header that lets us in."""

    url: str
    lines: str
    answer: object
    login: str = ""
    # Keys that it sends and we do not, and why.
    not_ours: tuple = ()


# Apprise signs with a name and a picture of its own; ours are those that the hook has.
PICTURE = ("username", "icon_url", "avatar")
ROWS = {
    "ntfy": Row(
        "ntfy://tk_token000@H/topic?auth=token", 'url = "http://H"\ntopic = "topic"\ntoken = { env = "NTFY" }',
        {"id": "x"}, "authorization",
    ),
    "gotify": Row("gotify://H/Atokengotify00", 'url = "http://H"\ntoken = { env = "GOTIFY" }', {"id": 1}, "x-gotify-key"),
    "mattermost": Row("mmost://H/tokenofmattermost00000", 'url = "http://H/hooks/tokenofmattermost00000"', "ok", not_ours=PICTURE),
    "rocket-chat": Row(
        "rocket://tokena000/tokenb0000@H/#ops", 'url = "http://H/hooks/tokena000/tokenb0000"\nchannel = "#ops"', {"success": True},
        not_ours=PICTURE,
    ),
    # It joins the room first; our user is in it, or the message is refused. Both send to the room that the server names.
    "matrix": Row(
        "matrix://syt_token@H/!abc:localhost", 'url = "http://H"\nroom = "!abc:localhost"\ntoken = { env = "MATRIX" }',
        {"event_id": "$1", "room_id": "!abc:localhost", "user_id": "@monitor:localhost"}, "authorization",
    ),
    # Our body is Alertmanager's, which more programs understand than Apprise's own.
    "webhook": Row("json://H/hook", 'url = "http://H/hook"', {}, not_ours=("title", "message", "attachments", "type")),
}


class Sink:
    def __init__(self):
        self.calls = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {k.lower(): v for k, v in self.headers.items()}
                host = headers["host"].split(":")[0]
                by, name = ("apprise" if "Apprise" in headers["user-agent"] else "us"), owner.names[host]
                owner.calls.append((by, name, self.command, self.path, headers, raw))
                answer = ROWS[name].answer
                out = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_PUT = serve

            def log_message(self, *_):
                pass

        # Each row is told by its address, all of them on loopback.
        self.names = {f"127.0.1.{n}": name for n, name in enumerate(ROWS, 1)}
        first, *others = self.names
        self._servers = [ThreadingHTTPServer((first, 0), Handler)]
        self.port = self._servers[0].server_address[1]
        self._servers += [ThreadingHTTPServer((host, self.port), Handler) for host in others]
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def host(self, name):
        return next(f"{host}:{self.port}" for host, known in self.names.items() if known == name)

    def message(self, by, name):
        """(method, path, headers, body) of the one request that carries the message."""
        found = [call[2:] for call in self.calls if call[:2] == (by, name) and not call[3].endswith("/whoami") and "/join/" not in call[3]]
        assert len(found) == 1, f"{by}, {name}: {found}"
        method, path, headers, raw = found[0]
        return method, path, headers, json.loads(raw)

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()


def test_we_send_what_apprise_sends(machine, folder):
    sink = Sink()
    try:
        # It gives up after 4 s, unless it is told otherwise.
        patient = {name: ("&" if "?" in row.url else "?") + "cto=20&rto=20" for name, row in ROWS.items()}
        urls = [row.url.replace("H/", sink.host(name) + "/") + patient[name] for name, row in ROWS.items()]
        subprocess.run([PYTHON, "-c", SEND, *urls], check=True, timeout=60, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})
        machine.env |= {"NTFY": "tk_token000", "GOTIFY": "Atokengotify00", "MATRIX": "syt_token"}
        machine.write(STORE, c.store(anthropic__work=c.token(-c.HOUR)))
        machine.configure(*(
            f'[[receivers]]\nname = "{name}"\ntype = "{name}"\n' + row.lines.replace("//H", f"//{sink.host(name)}") + "\n"
            for name, row in ROWS.items()
        ), web=False)
        machine.once()
        for name, row in ROWS.items():
            theirs, ours = sink.message("apprise", name), sink.message("us", name)
            assert theirs[0] == ours[0], name
            # The last part of Matrix' path is the transaction, which each makes for itself.
            same = -1 if name == "matrix" else None
            parts = [urllib.parse.unquote(call[1]).split("/")[:same] for call in (theirs, ours)]
            assert parts[0] == parts[1], name
            assert theirs[2]["content-type"] == ours[2]["content-type"] == "application/json", name
            logins = ("authorization", "x-gotify-key")
            assert {k: theirs[2].get(k) for k in logins} == {k: ours[2].get(k) for k in logins}, name
            assert not row.login or row.login in ours[2], name
            missing = set(theirs[3]) - set(ours[3]) - set(row.not_ours)
            assert not missing, f"{name}: Apprise sends {missing}, we do not"
    finally:
        sink.close()
