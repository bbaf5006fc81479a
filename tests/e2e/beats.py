"""Somebody who waits for pings, as strict as healthchecks, Uptime Kuma and Gatus are; all three on one port."""

import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CHECK = "4b3a3b7e-0f0e-4c57-9c3c-0d5b3a0d9f11"
PING_KEY = "fqOOd6-F4MMNuCEnzTU01w"
PUSH_TOKEN = "aB3dE6gH9k"
GATUS_KEY, GATUS_TOKEN = "agents_testhost", "gatus-token-of-the-test"


@dataclass
class Beat:
    """A ping that was counted."""

    vendor: str
    well: bool
    body: str = ""
    query: dict = field(default_factory=dict)


class BeatServer:
    """`body_limit` bytes of a body are kept; `page`, if set, is what everybody gets instead (a portal between us)."""

    def __init__(self, body_limit=10_000):
        self.beats, self.asked, self.body_limit, self.page = [], [], body_limit, None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
                owner.asked.append((self.command, parts.path))
                if owner.page is not None:
                    return 200, owner.page, {"content-type": "text/html"}
                if parts.path.startswith("/api/push/"):
                    return self.uptime_kuma(parts.path.removeprefix("/api/push/"), query)
                if parts.path.startswith("/api/v1/endpoints/"):
                    return self.gatus(parts.path, query)
                return self.healthchecks(parts.path, query, raw)

            def healthchecks(self, path, query, raw):
                if "rid" in query:
                    try:
                        assert str(uuid.UUID(query["rid"])) == query["rid"]
                    except (ValueError, AssertionError):
                        return 400, "invalid uuid format", {}
                found = re.fullmatch(r"/(?:([0-9a-f-]{36})|([\w-]{22})/([a-z0-9-]+))(?:/(start|fail|log|\d+))?", path)
                if not found:
                    return 404, "<h1>Not Found</h1>", {"content-type": "text/html"}
                check, key, slug, action = found.groups()
                if key == PING_KEY and slug == "twice":
                    return 409, "ambiguous slug", {}
                if check != CHECK and (key, slug) != (PING_KEY, "agent"):
                    return 404, "not found", {}
                body = raw[: owner.body_limit].decode()
                owner.beats.append(Beat("healthchecks", action is None, body, query))
                return 200, "OK", {"ping-body-limit": str(owner.body_limit)}

            def uptime_kuma(self, token, query):
                json_type = {"content-type": "application/json"}
                if token != PUSH_TOKEN:
                    return 404, json.dumps({"ok": False, "msg": "Monitor not found or not active."}), json_type
                if not query.get("ping", "0").isdigit():
                    return 400, json.dumps({"ok": False, "msg": "Invalid ping value"}), json_type
                owner.beats.append(Beat("uptime-kuma", query.get("status", "up") == "up", query.get("msg", "OK"), query))
                return 200, json.dumps({"ok": True}), json_type

            def gatus(self, path, query):
                if self.command != "POST":
                    return 405, "Method Not Allowed", {}
                if query.get("success") not in ("true", "false"):
                    return 400, "missing or invalid success query parameter", {}
                login = self.headers.get("authorization", "")
                if not login.startswith("Bearer "):
                    return 401, "invalid Authorization header", {}
                if path != f"/api/v1/endpoints/{GATUS_KEY}/external":
                    return 404, "not found", {}
                if login != f"Bearer {GATUS_TOKEN}":
                    return 401, "invalid token", {}
                if not re.fullmatch(r"[\d.]+(ms|s|m)", query.get("duration", "1s")):
                    return 400, "invalid duration", {}
                owner.beats.append(Beat("gatus", query["success"] == "true", query.get("error", ""), query))
                return 200, "", {}

            def respond(self):
                status, text, headers = self.answer()
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    pass

            do_GET = do_POST = respond

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that was killed in the middle of a request

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, vendor):
        return self.base + {
            "healthchecks": f"/{CHECK}",
            "uptime-kuma": f"/api/push/{PUSH_TOKEN}?status=up&msg=OK&ping=",
            "gatus": f"/api/v1/endpoints/{GATUS_KEY}/external",
        }[vendor]

    def take(self):
        """The pings since the last question."""
        # Out of the list that it is in: one that comes meanwhile is in there too.
        return [self.beats.pop(0) for _ in range(len(self.beats))]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
