"""A webhook receiver that checks signatures with an independent library and does what a test tells it to."""

import base64
import json
import os
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def new_secret():
    """A signing secret in the form of the standard."""
    return "whsec_" + base64.b64encode(os.urandom(24)).decode()


@dataclass
class Call:
    """One request."""

    path: str
    headers: dict
    raw: bytes
    at: float
    status: int

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def id(self):
        return self.headers.get("webhook-id")

    def signed_with(self, secret):
        try:
            Webhook(secret).verify(self.raw, self.headers)
            return True
        except WebhookVerificationError:
            return False

    def alerts(self, status=None):
        return [a for a in self.body["alerts"] if status in (None, a["status"])]


class HookServer:
    """`say` holds answers, `(status, headers, body)`, for the coming requests, used up one by one; then 200."""

    def __init__(self, port=0):
        self.calls, self.say = [], []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                call = Call(self.path, {k.lower(): v for k, v in self.headers.items()}, raw, time.time(), 0)
                call.status, headers, body = owner.answer(call)
                status = call.status
                # Recorded before the answer: a client that dies while reading it has delivered all the same.
                owner.calls.append(call)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            do_POST = do_PUT = serve

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a client that was killed in the middle of a request

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def answer(self, call):
        return self.say.pop(0) if self.say else (200, {}, b"{}")

    def accepted(self):
        return [c for c in list(self.calls) if c.status < 300]

    def alerts(self, status=None):
        """Every alert of every accepted request."""
        return [a for c in self.accepted() for a in c.alerts(status)]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
