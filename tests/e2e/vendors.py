"""Vendors whose servers cannot run here, as one server that is as strict as their documentation: what is missing, unknown, too
long in the vendor's own unit or wrongly signed is refused in the vendor's own words, and nothing else is taken.

Signatures are computed here anew, from the vendors' descriptions. A vendor's class says what a receiver of it is configured
with, what it takes, and how it says no.
"""

import base64
import hashlib
import hmac
import html.parser
import json
import re
import threading
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shape import RFC3339, URL, Wrong, anything, by, chars, fields, flag, items, number, only, text, texts_by_name, utf8, utf16

VENDORS = {}


def vendor(made):
    VENDORS[made.name] = made
    return made


@dataclass
class Call:
    """One request to one vendor; `path` is below the vendor's own."""

    method: str
    path: str
    query: dict
    headers: dict
    raw: bytes
    status: int = 0

    @property
    def json(self):
        try:
            return json.loads(self.raw)
        except ValueError as error:
            raise Wrong(f"not JSON: {error}") from None

    @property
    def form(self):
        try:
            pairs = urllib.parse.parse_qsl(self.raw.decode(), keep_blank_values=True, strict_parsing=True)
        except ValueError as error:
            raise Wrong(f"not a form: {error}") from None
        if len(dict(pairs)) != len(pairs):
            raise Wrong("a field of the form is there twice")
        return dict(pairs)

    def kind(self, wanted):
        if self.headers.get("content-type", "").split(";")[0] != wanted:
            raise Wrong(f"content-type {self.headers.get('content-type')!r} in place of {wanted}")


class Refused(Exception):
    """The vendor's own words for no: status, body (JSON or text), headers."""

    def __init__(self, status, body, headers=None):
        super().__init__(f"{status} {body}")
        self.answer = (status, body, headers or {})


class Vendor:
    """What one vendor takes. `taken` holds the bodies that it took, `wrong` what was wrong with others.

    `say` holds moods for the coming requests, used up one by one: `error` (no, in a body of a good status where the vendor does
    so), `busy` (too many requests, with the vendor's hint), `broken`, `page`.
    """

    name = channel = None
    # Whether a good status can come with a body that says no.
    says_no_with_200 = False

    def __init__(self, base):
        self.base = f"{base}/{self.name}"
        self.calls, self.taken, self.wrong, self.say, self.words = [], [], [], [], []
        self.keys = {}
        self.good = True

    # What a receiver is configured with: lines of TOML; `secret` names an environment variable.

    def lines(self):
        raise NotImplementedError

    def secret(self, what, value):
        name = f"{self.name}_{what}".upper().replace("-", "_")
        self.keys[name] = value
        return f'{{ env = "{name}" }}'

    def toml(self):
        self.channel = self.channel or self.name
        return "\n".join([f'[[receivers]]\nname = "{self.name}"\ntype = "{self.channel}"', *self.lines(), ""])

    def key(self, what):
        return self.keys[f"{self.name}_{what}".upper().replace("-", "_")]

    # What is taken

    def take(self, call):
        """Gives (status, body). Raises [`Wrong`] or [`Refused`]."""
        raise NotImplementedError

    def shown(self):
        """Every text that people see, of each body that was taken."""
        return [json.dumps(body, ensure_ascii=False) for body in self.taken]

    # How it says no

    def no(self, what):
        """The words for a body that is wrong."""
        return 400, {"error": what}, {}

    def error(self):
        return self.no("something is wrong with it")

    def busy(self):
        return 429, "rate limited", {"retry-after": "60"}

    def answer(self, call):
        mood = self.say.pop(0) if self.say else None
        if mood == "broken":
            return 503, "<html><body>503 Service Unavailable</body></html>", {"content-type": "text/html"}
        if mood == "page":
            return 200, "<!DOCTYPE html><html><body>Please log in to the network</body></html>", {"content-type": "text/html"}
        if mood in ("error", "busy"):
            return getattr(self, mood)()
        try:
            status, body = self.take(call)
            return status, body, {}
        except Refused as refused:
            self.wrong.append(str(refused))
            return refused.answer
        except Wrong as wrong:
            self.wrong.append(str(wrong))
            return self.no(str(wrong))
        except Exception as bug:
            self.wrong.append(f"a bug of this test: {bug!r}")
            raise


class Server:
    """All vendors (or some) on one loopback port."""

    def __init__(self, names=None, port=0):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                parts = urllib.parse.urlsplit(self.path)
                _, name, *rest = parts.path.split("/")
                query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
                headers = {k.lower(): v for k, v in self.headers.items()}
                call = Call(self.command, "/" + "/".join(rest), query, headers, raw)
                with owner.turn:
                    one = owner.vendors[name]
                    call.status, body, more = one.answer(call)
                    one.calls.append(call)
                out = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
                one.words.append(out)
                try:
                    self.send_response(call.status)
                    kind = "text/plain" if isinstance(body, (str, bytes)) else "application/json"
                    for key, value in ({"content-type": kind} | more | {"content-length": str(len(out))}).items():
                        self.send_header(key, value)
                    self.end_headers()
                    self.wfile.write(out)
                except OSError:
                    pass

            do_GET = do_POST = do_PUT = do_PATCH = serve

            def log_message(self, *_):
                pass

        class Listening(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a client that was killed in the middle of a request

        self.turn = threading.Lock()
        self._server = Listening(("127.0.0.1", port), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.vendors = {name: VENDORS[name](self.base) for name in (names or VENDORS)}
        self.receivers = [one.toml() for one in self.vendors.values()]
        self.env = {}
        for one in self.vendors.values():
            self.env |= one.keys
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __iter__(self):
        return iter(self.vendors.values())

    def close(self):
        self._server.shutdown()
        self._server.server_close()


COLOUR = text(7, like="#[0-9a-f]{6}")
# `<!channel>`, `<@U…>` and `<#C…>` call people; a bare `<` is not text.
MRKDWN = r"<[!@#]|&(?!amp;|lt;|gt;)"
SLACK_BLOCK = by(
    "type",
    section=fields({"type": only("section"), "text": fields({"type": only("mrkdwn"), "text": text(3000, never=MRKDWN)})}),
    actions=fields({"type": only("actions"), "elements": items(fields(
        {"type": only("button"), "text": fields({"type": only("plain_text"), "text": text(75)}), "url": URL}), 25, 1)}),
)
SLACK = {
    "text": text(40_000, never=MRKDWN),
    "attachments": items(fields({}, {
        "color": COLOUR, "blocks": items(SLACK_BLOCK, 50, 1), "fallback": text(4000), "title": text(1024), "text": text(8000),
    }), 20, 1),
}


@vendor
class Slack(Vendor):
    name = "slack"

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/services/T0001/B0001/token-of-slack-XXXXXXXX')}"]

    def take(self, call):
        if call.method != "POST" or call.path != urllib.parse.urlsplit(self.key("url")).path.removeprefix("/slack") or not self.good:
            raise Refused(403, "invalid_token")
        call.kind("application/json")
        fields(SLACK)(call.json, "body")
        self.taken.append(call.json)
        return 200, "ok"

    def no(self, what):
        return 400, "invalid_blocks", {}

    def error(self):
        return 410, "channel_is_archived", {}


@vendor
class SlackBot(Vendor):
    name, channel, says_no_with_200 = "slack-bot", "slack", True

    def lines(self):
        return [f'url = "{self.base}"', f"token = {self.secret('token', 'xoxb-token-of-a-bot-of-slack')}", 'channel = "#ops"']

    def take(self, call):
        if call.headers.get("authorization") != f"Bearer {self.key('token')}" or not self.good:
            raise Refused(200, {"ok": False, "error": "invalid_auth"})
        if (call.method, call.path) != ("POST", "/api/chat.postMessage"):
            raise Refused(404, {"ok": False, "error": "unknown_method"})
        call.kind("application/json")
        fields(
            SLACK | {"channel": text(like="#ops")},
            {"unfurl_links": flag, "thread_ts": only(*(f"17000000{n:02}.000100" for n in range(len(self.taken)))), "reply_broadcast": flag},
        )(call.json, "body")
        self.taken.append(call.json)
        return 200, {"ok": True, "channel": "C0001", "ts": f"17000000{len(self.taken) - 1:02}.000100", "message": {}}

    def no(self, what):
        return 200, {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": [what]}}, {}

    def error(self):
        return 200, {"ok": False, "error": "not_in_channel"}, {}

    def busy(self):
        return 429, {"ok": False, "error": "ratelimited"}, {"retry-after": "60"}


@vendor
class Discord(Vendor):
    name = "discord"
    EMBED = staticmethod(fields({}, {
        "title": text(256, utf16), "description": text(4096, utf16, never="@(everyone|here)", code=True), "url": URL, "color": number(0, 0xFFFFFF),
        "timestamp": RFC3339, "footer": fields({"text": text(2048)}),
        "fields": items(fields({"name": text(256), "value": text(1024)}, {"inline": flag}), 25),
    }))

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/api/webhooks/110001/token-of-a-hook-of-discord')}"]

    def take(self, call):
        mine = urllib.parse.urlsplit(self.key("url")).path.removeprefix("/discord")
        if not call.path.startswith(mine) or not self.good:
            raise Refused(404, {"message": "Unknown Webhook", "code": 10015})
        call.kind("application/json")
        body = call.json
        fields({"embeds": items(self.EMBED, 10, 1), "allowed_mentions": fields({"parse": only([])})}, {
            "content": text(2000), "username": text(80)})(body, "body")
        if sum(utf16(e.get("title", "") + e.get("description", "")) for e in body["embeds"]) > 6000:
            raise Wrong("embeds: more than 6000 in all")
        rest = call.path.removeprefix(mine)
        if call.method == "PATCH":
            known = [f"/messages/90000{n}" for n in range(len(self.taken))]
            if rest not in known:
                raise Refused(404, {"message": "Unknown Message", "code": 10008})
            self.taken[known.index(rest)]["edited"] = body
            return 200, {"id": rest.rsplit("/", 1)[1]}
        if call.method != "POST" or rest:
            raise Refused(405, {"message": "405: Method Not Allowed", "code": 0})
        self.taken.append(body)
        if call.query != {"wait": "true"}:
            return 204, ""
        return 200, {"id": f"90000{len(self.taken) - 1}", "type": 0, "channel_id": "1"}

    def no(self, what):
        return 400, {"message": "Invalid Form Body", "code": 50035, "errors": {"embeds": what}}, {}

    def error(self):
        return 400, {"message": "Cannot send an empty message", "code": 50006}, {}

    def busy(self):
        return 429, {"message": "You are being rate limited.", "retry_after": 60.5, "global": False}, {}


@vendor
class Teams(Vendor):
    name = "teams"
    BLOCK = staticmethod(by(
        "type",
        TextBlock=fields({"type": only("TextBlock"), "text": text()}, {
            "wrap": flag, "weight": only("default", "lighter", "bolder"), "size": only("small", "default", "medium", "large"),
            "color": only("default", "accent", "good", "warning", "attention"), "style": only("default", "heading"),
        }),
        FactSet=fields({"type": only("FactSet"), "facts": items(fields({"title": text(), "value": text()}), 50, 1)}),
    ))
    CARD = staticmethod(fields({
        "$schema": only("http://adaptivecards.io/schemas/adaptive-card.json"), "type": only("AdaptiveCard"),
        "version": only("1.2", "1.3", "1.4", "1.5"), "body": items(BLOCK, 100, 1),
    }, {
        "fallbackText": text(), "msteams": fields({"width": only("Full")}),
        "actions": items(fields({"type": only("Action.OpenUrl"), "title": text(), "url": URL}), 6),
    }))

    def lines(self):
        path = "/workflows/0001/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig="
        return [f"url = {self.secret('url', self.base + path + 'signature-of-a-flow-of-teams')}"]

    def take(self, call):
        wanted = {"api-version": "2016-06-01", "sp": "/triggers/manual/run", "sv": "1.0", "sig": "signature-of-a-flow-of-teams"}
        if call.query != wanted or not self.good:
            raise Refused(401, {"error": {"code": "DirectApiAuthorizationRequired", "message": "The request must be authenticated."}})
        if call.method != "POST" or call.path != "/workflows/0001/triggers/manual/paths/invoke":
            raise Refused(404, {"error": {"code": "WorkflowNotFound", "message": "The workflow could not be found."}})
        call.kind("application/json")
        if len(call.raw) > 28 * 1024:
            raise Refused(413, {"error": {"code": "RequestEntityTooLarge", "message": "too large"}})
        fields({"type": only("message"), "attachments": items(fields({
            "contentType": only("application/vnd.microsoft.card.adaptive"), "content": self.CARD}, {"contentUrl": only(None)}), 1, 1)})(call.json, "body")
        self.taken.append(call.json)
        return 202, ""

    def no(self, what):
        return 400, {"error": {"code": "TriggerInputSchemaMismatch", "message": what}}, {}

    def error(self):
        return 404, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "The trigger is not enabled."}}, {}


@vendor
class GoogleChat(Vendor):
    name = "google-chat"

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/v1/spaces/AAAA/messages?key=key-of-google-chat&token=token-of-google-chat')}"]

    def take(self, call):
        if call.query.get("token") != "token-of-google-chat" or call.query.get("key") != "key-of-google-chat" or not self.good:
            raise Refused(401, {"error": {"code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED"}})
        if call.method != "POST" or call.path != "/v1/spaces/AAAA/messages":
            raise Refused(404, {"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}})
        if call.query.get("messageReplyOption") != "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD":
            raise Wrong("messageReplyOption: without it a thread is ignored")
        call.kind("application/json")
        fields({"text": text(4096, utf8, never="<users/"), "thread": fields({"threadKey": text(4000)})})(call.json, "body")
        self.taken.append(call.json)
        return 200, {"name": f"spaces/AAAA/messages/{len(self.taken)}", "thread": {"name": "spaces/AAAA/threads/1"}}

    def no(self, what):
        return 400, {"error": {"code": 400, "message": what, "status": "INVALID_ARGUMENT"}}, {}

    def error(self):
        return 404, {"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}, {}

    def busy(self):
        return 429, {"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}}, {}


class TelegramHtml(html.parser.HTMLParser):
    """What is left when the tags that Telegram knows are taken out; others and unbalanced ones are wrong."""

    TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}

    def __init__(self, given):
        super().__init__(convert_charrefs=True)
        self.left, self.open = "", []
        # A `<` or `&` that begins nothing known is an error there; this parser would take it for text.
        if re.search(r"<(?!/?[a-z-]+[ >])|&(?!(lt|gt|amp|quot|#\d+|#x[0-9a-f]+);)", given):
            raise Wrong("text: can't parse entities: unescaped character")
        self.feed(given)
        self.close()
        if self.open:
            raise Wrong(f"text: can't parse entities: {self.open[-1]} has no end tag")

    def handle_starttag(self, tag, attrs):
        if tag not in self.TAGS:
            raise Wrong(f"text: can't parse entities: unsupported start tag {tag!r}")
        self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise Wrong(f"text: can't parse entities: unexpected end tag {tag!r}")

    def handle_data(self, data):
        self.left += data


@vendor
class Telegram(Vendor):
    name = "telegram"

    def lines(self):
        return [f'url = "{self.base}"', f"token = {self.secret('token', '110001:token-of-a-bot-of-telegram')}", 'chat = "-1001234567890"']

    def take(self, call):
        if not call.path.startswith(f"/bot{self.key('token')}/") or not self.good:
            raise Refused(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        if call.method != "POST" or not call.path.endswith("/sendMessage"):
            raise Refused(404, {"ok": False, "error_code": 404, "description": "Not Found"})
        call.kind("application/json")
        body = call.json
        if isinstance(body, dict) and body.get("chat_id") != -1001234567890:
            raise Refused(400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})
        button = fields({"text": text(), "url": URL})
        fields({"chat_id": number(-2**53, 2**53), "text": text()}, {
            "parse_mode": only("HTML"), "message_thread_id": number(1, 2**31), "disable_notification": flag,
            "link_preview_options": fields({"is_disabled": flag}),
            "reply_markup": fields({"inline_keyboard": items(items(button, 8, 1), 100, 1)}),
            "reply_parameters": fields({"message_id": number(1, len(self.taken))}, {"allow_sending_without_reply": flag}),
        })(body, "body")
        left = TelegramHtml(body["text"]).left if body.get("parse_mode") else body["text"]
        text(4096, utf16)(left, "message is too long")
        self.taken.append(body)
        return 200, {"ok": True, "result": {"message_id": len(self.taken), "chat": {"id": -1001234567890, "type": "supergroup"}, "date": 1}}

    def no(self, what):
        return 400, {"ok": False, "error_code": 400, "description": f"Bad Request: {what}"}, {}

    def error(self):
        return 403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was kicked from the supergroup chat"}, {}

    def busy(self):
        words = {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 60", "parameters": {"retry_after": 60}}
        return 429, words, {}


@vendor
class Gotify(Vendor):
    name = "gotify"

    def lines(self):
        return [f'url = "{self.base}"', f"token = {self.secret('token', 'A.token-of-gotify')}"]

    def take(self, call):
        if call.headers.get("x-gotify-key") != self.key("token") or not self.good:
            words = "you need to provide a valid access token or user credentials to access this api"
            raise Refused(401, {"error": "Unauthorized", "errorCode": 401, "errorDescription": words})
        if (call.method, call.path, call.query) != ("POST", "/message", {}):
            raise Refused(404, {"error": "Not Found", "errorCode": 404, "errorDescription": "page not found"})
        call.kind("application/json")
        fields({"message": text()}, {"title": text(), "priority": number(0, 10), "extras": fields({}, {
            "client::display": fields({"contentType": only("text/markdown", "text/plain")}),
            "client::notification": fields({"click": fields({"url": URL})}),
        })})(call.json, "body")
        self.taken.append(call.json)
        return 200, {"id": len(self.taken), "appid": 1, "message": call.json["message"], "date": "2026-01-01T00:00:00Z"}

    def no(self, what):
        return 400, {"error": "Bad Request", "errorCode": 400, "errorDescription": what}, {}


@vendor
class Pushover(Vendor):
    name = "pushover"
    KEY = staticmethod(text(30, least=30, like="[A-Za-z0-9]+"))
    PATHS = re.compile(r"/1/receipts/cancel_by_tag/([^/]+)\.json")

    def lines(self):
        return [
            f'url = "{self.base}"', f"token = {self.secret('token', 'tokenOfTheApplication000000000')}",
            f"user = {self.secret('user', 'keyOfTheUser000000000000000000')}", "emergency = true",
        ]

    def take(self, call):
        call.kind("application/x-www-form-urlencoded")
        form = call.form
        if form.get("token") != self.key("token") or not self.good:
            raise Refused(400, {"token": "invalid", "errors": ["application token is invalid"], "status": 0, "request": str(uuid.uuid4())})
        cancel = self.PATHS.fullmatch(call.path)
        if cancel:
            fields({"token": self.KEY})(form, "form")
            tags = [tag for body in self.taken for tag in body.get("tags", "").split(",")]
            self.taken.append({"cancel": cancel[1]})
            return 200, {"status": 1, "canceled": tags.count(cancel[1]), "request": str(uuid.uuid4())}
        if (call.method, call.path) != ("POST", "/1/messages.json"):
            raise Refused(404, {"status": 0, "errors": ["not found"], "request": str(uuid.uuid4())})
        fields({"token": self.KEY, "user": self.KEY, "message": text(1024)}, {
            "title": text(250), "url": text(512), "url_title": text(100), "priority": only("-2", "-1", "0", "1", "2"), "device": text(25),
            "retry": text(like="[0-9]+"), "expire": text(like="[0-9]+"), "tags": text(), "timestamp": text(like="[0-9]{10}"),
            "sound": text(), "html": only("1"), "ttl": text(like="[0-9]+"),
        })(form, "form")
        emergency = form.get("priority") == "2"
        if emergency and not (int(form.get("retry", 0)) >= 30 and 0 < int(form.get("expire", 0)) <= 10_800):
            raise Wrong("retry and expire are needed with priority 2")
        self.taken.append(form)
        return 200, {"status": 1, "request": str(uuid.uuid4())} | ({"receipt": "r" * 30} if emergency else {})

    def no(self, what):
        return 400, {"message": "invalid", "errors": [what], "status": 0, "request": str(uuid.uuid4())}, {}

    def error(self):
        return 400, {"user": "invalid", "errors": ["user identifier is not a valid user"], "status": 0, "request": str(uuid.uuid4())}, {}

    def busy(self):
        return 429, {"status": 0, "errors": ["application has exceeded its limit"], "request": str(uuid.uuid4())}, {"retry-after": "60"}


@vendor
class PagerDuty(Vendor):
    name = "pagerduty"
    KEY = staticmethod(text(32, least=32))
    DEDUP = staticmethod(text(255))

    def lines(self):
        return [f'url = "{self.base}"', f"routing_key = {self.secret('key', 'R' * 12 + '-key-of-pagerduty-00')}"]

    def take(self, call):
        if (call.method, call.path) != ("POST", "/v2/enqueue"):
            raise Refused(404, {"status": "not found"})
        call.kind("application/json")
        if len(call.raw) > 512 * 1024:
            raise Refused(413, {"status": "too large"})
        body = call.json
        key = {"routing_key": self.KEY}
        end = fields(key | {"event_action": only("resolve", "acknowledge"), "dedup_key": self.DEDUP})
        by("event_action", resolve=end, acknowledge=end, trigger=fields(
            key | {"event_action": only("trigger"), "payload": fields(
                {"summary": text(1024), "source": text(), "severity": only("critical", "error", "warning", "info")},
                {"timestamp": RFC3339, "component": text(), "group": text(), "class": text(), "custom_details": anything},
            )},
            {"dedup_key": self.DEDUP, "client": text(), "client_url": URL,
             "links": items(fields({"href": URL, "text": text()}), 50), "images": items(fields({"src": URL}), 50)},
        ))(body, "body")
        if body["routing_key"] != self.key("key") or not self.good:
            raise Refused(400, {"status": "invalid event", "message": "Invalid routing key", "errors": ["Invalid routing key"]})
        if body["event_action"] == "resolve" and not any(b["dedup_key"] == body["dedup_key"] for b in self.taken):
            raise Wrong("dedup_key: of no event")
        self.taken.append(body)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}

    def no(self, what):
        return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": [what]}, {}

    def busy(self):
        return 429, {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly."}, {}


class Alerts(Vendor):
    """Opsgenie, and Jira Service Management, which took over its form."""

    ALERT = staticmethod(fields({"message": text(130), "alias": text(512)}, {
        "description": text(15_000), "tags": items(text(50), 20), "details": texts_by_name(8000), "entity": text(512),
        "source": text(100), "priority": only("P1", "P2", "P3", "P4", "P5"),
    }))
    CLOSE = re.compile(r"/v2/alerts/([^/]+)/close")

    def lines(self):
        return [f'url = "{self.base}"', f"key = {self.secret('key', f'0000-key-of-{self.name}')}"]

    def words(self, message, **more):
        return {"message": message, "took": 0.001, "requestId": str(uuid.uuid4())} | more

    def take(self, call):
        if call.headers.get("authorization") != f"GenieKey {self.key('key')}" or not self.good:
            raise Refused(403, {"message": "You are not authorized.", "took": 0.001, "requestId": str(uuid.uuid4())})
        call.kind("application/json")
        done = {"result": "Request will be processed", "took": 0.1, "requestId": str(uuid.uuid4())}
        close = self.CLOSE.fullmatch(call.path)
        if close:
            if call.query != {"identifierType": "alias"}:
                raise Wrong("identifierType: an alias is taken for an id without it")
            fields({}, {"source": text(100), "note": text(25_000, least=0), "user": text(100)})(call.json, "body")
            if not any(b.get("alias") == close[1] for b in self.taken):
                raise Refused(404, {"message": "Alert does not exist", "took": 0.001, "requestId": str(uuid.uuid4())})
            self.taken.append({"close": close[1]} | call.json)
            return 202, done
        if (call.method, call.path) != ("POST", "/v2/alerts"):
            raise Refused(404, {"message": "not found", "took": 0.001, "requestId": str(uuid.uuid4())})
        self.ALERT(call.json, "body")
        self.taken.append(call.json)
        return 202, done

    def no(self, what):
        words = {"message": "Request body is not processable. Please check the errors.", "errors": {"body": what}}
        return 422, words | {"took": 0.001, "requestId": str(uuid.uuid4())}, {}

    def busy(self):
        return 429, {"message": "You are making too many requests!", "took": 0.001, "requestId": str(uuid.uuid4())}, {"retry-after": "60"}


@vendor
class Opsgenie(Alerts):
    name = "opsgenie"


@vendor
class Jsm(Alerts):
    name = "jsm"


@vendor
class Feishu(Vendor):
    name, says_no_with_200 = "feishu", True
    CARD = staticmethod(fields({"elements": items(by(
        "tag",
        div=fields({"tag": only("div"), "text": fields({"tag": only("lark_md", "plain_text"), "content": text(never=r"<at\b")})}),
        action=fields({"tag": only("action"), "actions": items(fields(
            {"tag": only("button"), "text": fields({"tag": only("plain_text"), "content": text()}), "url": URL},
            {"type": only("default", "primary", "danger")}), 10, 1)}),
    ), 50, 1)}, {
        "config": fields({"wide_screen_mode": flag}),
        "header": fields({"title": fields({"tag": only("plain_text"), "content": text()})}, {
            "template": only("blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "grey")}),
    }))

    def lines(self):
        return [
            f"url = {self.secret('url', f'{self.base}/open-apis/bot/v2/hook/token-of-a-bot-of-feishu')}",
            f"secret = {self.secret('secret', 'secret-of-a-bot-of-feishu')}", 'keyword = "凭证"',
        ]

    def take(self, call):
        if call.method != "POST" or call.path != "/open-apis/bot/v2/hook/token-of-a-bot-of-feishu":
            raise Refused(200, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid", "data": {}})
        call.kind("application/json")
        body = call.json
        fields({"msg_type": only("interactive"), "card": self.CARD, "timestamp": text(10, like="[0-9]{10}"), "sign": text(44)})(body, "body")
        if len(call.raw) > 20 * 1024:
            raise Wrong("more than 20 KB")
        # The key is the timestamp and the secret, and nothing is signed.
        key = f"{body['timestamp']}\n{self.key('secret')}".encode()
        sign = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
        if body["sign"] != sign or abs(int(body["timestamp"]) - time.time()) > 3600 or not self.good:
            words = "sign match fail or timestamp is not within one hour from current time"
            raise Refused(200, {"code": 19021, "msg": words, "data": {}})
        if "凭证" not in json.dumps(body["card"], ensure_ascii=False):
            raise Refused(200, {"code": 19024, "msg": "Key Words Not Found", "data": {}})
        self.taken.append(body)
        return 200, {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}

    def no(self, what):
        return 200, {"code": 9499, "msg": f"Bad Request: {what}", "data": {}}, {}

    def busy(self):
        return 200, {"code": 11232, "msg": "frequency limited", "data": {}}, {}


@vendor
class DingTalk(Vendor):
    name, says_no_with_200 = "dingtalk", True

    def lines(self):
        return [
            f"url = {self.secret('url', f'{self.base}/robot/send?access_token=token-of-a-robot-of-dingtalk')}",
            f"secret = {self.secret('secret', 'SEC-secret-of-a-robot-of-dingtalk')}", 'keyword = "凭证"', 'at = ["13800000000"]',
        ]

    def take(self, call):
        if call.method != "POST" or call.path != "/robot/send" or call.query.get("access_token") != "token-of-a-robot-of-dingtalk":
            raise Refused(200, {"errcode": 300005, "errmsg": "token is not exist"})
        # The key is the secret; the timestamp is in milliseconds.
        stamp = call.query.get("timestamp", "")
        message = f"{stamp}\n{self.key('secret')}".encode()
        sign = base64.b64encode(hmac.new(self.key("secret").encode(), message, hashlib.sha256).digest()).decode()
        if call.query.get("sign") != sign or abs(int(stamp or 0) / 1000 - time.time()) > 3600 or not self.good:
            raise Refused(200, {"errcode": 310000, "errmsg": "sign not match, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"})
        call.kind("application/json")
        if len(call.raw) > 20_000:
            raise Wrong("more than 20000 bytes")
        body = call.json
        fields({"msgtype": only("markdown"), "markdown": fields({"title": text(), "text": text()})}, {
            "at": fields({}, {"atMobiles": items(text(like="[0-9+-]+"), 100), "atUserIds": items(text(), 100), "isAtAll": flag})})(body, "body")
        if "凭证" not in body["markdown"]["text"]:
            raise Refused(200, {"errcode": 310000, "errmsg": "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"})
        for mobile in body.get("at", {}).get("atMobiles", []):
            if f"@{mobile}" not in body["markdown"]["text"]:
                raise Wrong(f"{mobile} is called and not named in the text")
        self.taken.append(body)
        return 200, {"errcode": 0, "errmsg": "ok"}

    def no(self, what):
        return 200, {"errcode": 40035, "errmsg": f"缺少参数 json or invalid: {what}"}, {}

    def busy(self):
        return 200, {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}, {}


@vendor
class WeCom(Vendor):
    name, says_no_with_200 = "wecom", True

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/cgi-bin/webhook/send?key=key-of-a-robot-of-wecom')}"]

    def take(self, call):
        if call.method != "POST" or call.path != "/cgi-bin/webhook/send" or call.query != {"key": "key-of-a-robot-of-wecom"} or not self.good:
            raise Refused(200, {"errcode": 93000, "errmsg": "invalid webhook url, hint: [1700000000], from ip: 127.0.0.1"})
        call.kind("application/json")
        by(
            "msgtype",
            markdown=fields({"msgtype": only("markdown"), "markdown": fields({"content": text(4096, utf8, never="<@")})}),
            text=fields({"msgtype": only("text"), "text": fields({"content": text(2048, utf8)}, {
                "mentioned_list": items(text(), 100), "mentioned_mobile_list": items(text(), 100)})}),
        )(call.json, "body")
        self.taken.append(call.json)
        return 200, {"errcode": 0, "errmsg": "ok"}

    def no(self, what):
        return 200, {"errcode": 40058, "errmsg": f"{what}. invalid Request Parameter, hint: [1700000000]"}, {}

    def busy(self):
        return 200, {"errcode": 45009, "errmsg": "api freq out of limit, hint: [1700000000]"}, {}


@vendor
class WeComText(WeCom):
    """A robot that calls people: plain text, with a limit of its own."""

    name, channel = "wecom-text", "wecom"

    def lines(self):
        return [*super().lines(), 'mention = ["@all"]']

    def take(self, call):
        answer = super().take(call)
        if self.taken[-1]["msgtype"] != "text":
            raise Wrong("only a text calls people")
        return answer


@vendor
class Bark(Vendor):
    name = "bark"

    def lines(self):
        return [f'url = "{self.base}"', f"key = {self.secret('key', 'keyOfADeviceOfBark0000')}"]

    def take(self, call):
        if (call.method, call.path) != ("POST", "/push"):
            raise Refused(404, {"code": 404, "message": "Cannot POST", "timestamp": int(time.time())})
        call.kind("application/json")
        body = call.json
        if not isinstance(body, dict) or body.get("device_key") != self.key("key") or not self.good:
            words = "failed to get device token: failed to get [x] device token from database"
            raise Refused(400, {"code": 400, "message": words, "timestamp": int(time.time())})
        fields({"device_key": text(), "body": text()}, {
            "id": text(64, utf8), "title": text(), "subtitle": text(), "level": only("active", "timeSensitive", "passive", "critical"), "group": text(),
            "url": URL, "sound": text(), "icon": URL, "call": only("1"), "isArchive": only("1"), "volume": number(0, 10),
        })(body, "body")
        # What Apple takes: the words, and about 200 bytes around them.
        if utf8(body.get("title", "") + body["body"] + body.get("url", "") + body.get("group", "")) + 200 > 4096:
            words = "push failed: APNs return code: 413 PayloadTooLarge"
            raise Refused(500, {"code": 500, "message": words, "timestamp": int(time.time())})
        self.taken.append(body)
        return 200, {"code": 200, "message": "success", "timestamp": int(time.time())}

    def no(self, what):
        return 400, {"code": 400, "message": f"request bind failed: {what}", "timestamp": int(time.time())}, {}


@vendor
class ServerChan(Vendor):
    name = "serverchan"

    def lines(self):
        return [f'url = "{self.base}"', f"key = {self.secret('key', 'SCT0001TkeyOfServerChan')}"]

    def take(self, call):
        if call.method != "POST" or call.path != f"/{self.key('key')}.send" or not self.good:
            raise Refused(400, {"message": "[AUTH]错误的Key", "code": 40001, "info": "错误的Key", "args": [None], "scode": 461})
        call.kind("application/x-www-form-urlencoded")
        fields({"title": text(32, chars)}, {
            "desp": text(32 * 1024, utf8), "short": text(64), "channel": text(), "noip": only("1")})(call.form, "form")
        self.taken.append(call.form)
        done = {"pushid": str(len(self.taken)), "readkey": "SCTx", "error": "SUCCESS", "errno": 0}
        return 200, {"code": 0, "message": "", "data": done}

    def no(self, what):
        return 400, {"message": f"[INPUT]{what}", "code": 20001, "info": what, "args": [None], "scode": 460}, {}

    def busy(self):
        words = "超过分钟的发送次数限制[5]，请稍后再试"
        return 400, {"message": f"[AUTH]{words}", "code": 40001, "info": words, "args": [None], "scode": 461}, {}


@vendor
class PushDeer(Vendor):
    name, says_no_with_200 = "pushdeer", True

    def lines(self):
        return [f'url = "{self.base}"', f"key = {self.secret('key', 'PDU1TkeyOfPushDeer00000')}"]

    def take(self, call):
        if (call.method, call.path) != ("POST", "/message/push"):
            raise Refused(404, "not found")
        call.kind("application/x-www-form-urlencoded")
        form = call.form
        fields({"pushkey": text(), "text": text()}, {"desp": text(), "type": only("text", "markdown", "image")})(form, "form")
        if form["pushkey"] != self.key("key") or not self.good:
            raise Refused(200, {"code": 0, "content": {"result": []}})
        self.taken.append(form)
        return 200, {"code": 0, "content": {"result": ['{"counts":1,"logs":[],"success":"ok"}']}}

    def no(self, what):
        return 200, {"code": 80501, "error": what}, {}

    def error(self):
        return 200, {"code": 0, "content": {"result": ['{"counts":0,"logs":[{"platform":"ios","error":"failed"}],"success":"error"}']}}, {}


@vendor
class Mattermost(Vendor):
    name = "mattermost"
    ATTACHMENT = staticmethod(fields({}, {"fallback": text(), "color": COLOUR, "title": text(), "text": text(never=r"@(all|channel|here)\b", code=True), "title_link": URL}))

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/hooks/token-of-mattermost')}", 'channel = "ops"']

    def take(self, call):
        if call.method != "POST" or call.path != "/hooks/token-of-mattermost" or not self.good:
            raise Refused(400, {"id": "web.incoming_webhook.invalid.app_error", "message": "Invalid webhook.", "status_code": 400})
        call.kind("application/json")
        body = call.json
        fields({}, {
            "text": text(16_383, least=0), "attachments": items(self.ATTACHMENT, 100, 1), "channel": text(), "username": text(), "icon_url": URL,
        })(body, "body")
        if not body.get("text") and not body.get("attachments"):
            raise Wrong("no text specified")
        if len(call.raw.decode()) > 16_383:
            raise Wrong("more than a post may have")
        self.taken.append(body)
        return 200, "ok"

    def no(self, what):
        return 400, {"id": "web.incoming_webhook.parse.app_error", "message": what, "status_code": 400}, {}


@vendor
class RocketChat(Vendor):
    name = "rocket-chat"

    def lines(self):
        return [f"url = {self.secret('url', f'{self.base}/hooks/id0001/token-of-rocket-chat')}"]

    def take(self, call):
        if call.method != "POST" or call.path != "/hooks/id0001/token-of-rocket-chat" or not self.good:
            raise Refused(404, {"success": False, "error": "Invalid integration id or token provided."})
        call.kind("application/json")
        fields({}, {"text": text(5000, least=0), "attachments": items(Mattermost.ATTACHMENT, 100, 1), "channel": text()})(call.json, "body")
        if any(len(one.get("text", "")) > 5000 for one in call.json.get("attachments", [])):
            raise Wrong("message size exceeds the limit")
        self.taken.append(call.json)
        return 200, {"success": True}

    def no(self, what):
        return 400, {"success": False, "error": what}, {}
