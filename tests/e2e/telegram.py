"""Telegram's Bot API (https://core.telegram.org/bots/api) as far as a bot that listens needs it, as strict as its description:
an unknown field, a text that is too long, a button that says too much, a second listener are refused in its own words.

`say` and `press` are what people do; `messages` is what they see.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shape import Wrong, fields, flag, items, number, only, text, utf16, utf8

TOKEN = "110002:token-of-a-bot-that-listens"
GROUP, ANN, BOB, STRANGER = -1001234567890, 4711, 4712, 666
ANONYMOUS = 1087968824

ID = number(-2**53, 2**53)
BUTTON = fields({"text": text(64), "callback_data": text(64, utf8)})
KEYBOARD = fields({"inline_keyboard": items(items(BUTTON, 8, 1), 100, 1)})
PREVIEW = fields({"is_disabled": flag})
TEXT = text(4096, utf16)


class No(Exception):
    def __init__(self, code, description, **parameters):
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


class Telegram:
    """One bot on a loopback port."""

    def __init__(self, port=0):
        self.lock = threading.Condition()
        self.updates, self.next_update, self.polls = [], 700_000_001, 0
        self.messages, self.calls, self.wrong, self.answered, self.queries = {}, [], [], [], {}
        self.next_message = 10
        # What is wrong with it: None, "token", "webhook", "away"; and how often it is still too busy.
        self.trouble, self.busy = None, 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                code, body = owner.answer(self.path, self.headers.get("content-type"), raw)
                data = json.dumps(body).encode() if isinstance(body, dict) else body
                try:
                    self.send_response(code)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        with self.lock:
            self.polls += 1
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # What people do

    def update(self, **what):
        with self.lock:
            self.updates.append({"update_id": self.next_update} | what)
            self.next_update += 1
            self.lock.notify_all()
        return self.next_update - 1

    def message(self, said, user=ANN, chat=GROUP, age=0, **more):
        """A message as Telegram describes it."""
        with self.lock:
            self.next_message += 1
            number = self.next_message
        return {
            "message_id": number, "from": person(user), "chat": chat_of(chat, user), "date": int(time.time()) - age, "text": said,
            "entities": [{"offset": 0, "length": len(said), "type": "bot_command"}],
        } | more

    def say(self, said, kind="message", **more):
        return self.update(**{kind: self.message(said, **more)})

    def press(self, message, which=0, user=ANN):
        """Somebody presses a button below a message of the bot."""
        button = message["reply_markup"]["inline_keyboard"][0][which]
        query = str(900_000 + self.next_update)
        self.queries[query] = time.monotonic()
        shown = {"message_id": message["message_id"], "from": person(110002, bot=True), "chat": chat_of(message["chat_id"], user), "date": int(time.time()), "text": message["text"]}
        return self.update(callback_query={
            "id": query, "from": person(user), "message": shown, "chat_instance": "1", "data": button["callback_data"],
        })

    def shown(self):
        """The texts of the bot's messages as they are now, in order."""
        return [one["text"] for _, one in sorted(self.messages.items())]

    def last(self):
        return self.messages[max(self.messages)]

    def waiting(self):
        """Updates that nobody has confirmed."""
        with self.lock:
            return [one["update_id"] for one in self.updates]

    # What the bot does

    def answer(self, path, kind, raw):
        if self.trouble == "away":
            return 502, b"<html><body>502 Bad Gateway</body></html>"
        try:
            prefix, _, method = path.rpartition("/")
            if prefix != f"/bot{TOKEN}" or self.trouble == "token":
                raise No(401, "Unauthorized")
            if kind != "application/json":
                raise Wrong(f"content-type {kind!r}")
            body = json.loads(raw)
            self.calls.append((method, body))
            if method != "getUpdates" and method != "getMe" and self.busy:
                self.busy -= 1
                raise No(429, "Too Many Requests: retry after 1", retry_after=1)
            does = {
                "getMe": self.get_me, "getUpdates": self.get_updates, "sendMessage": self.send_message,
                "editMessageText": self.edit_message, "answerCallbackQuery": self.answer_query,
            }.get(method)
            if does is None:
                raise No(404, "Not Found")
            return 200, {"ok": True, "result": does(body)}
        except Wrong as wrong:
            self.wrong.append(str(wrong))
            return 400, {"ok": False, "error_code": 400, "description": f"Bad Request: {wrong}"}
        except No as no:
            body = {"ok": False, "error_code": no.code, "description": no.description}
            return no.code, body | ({"parameters": no.parameters} if no.parameters else {})

    def get_me(self, body):
        fields({})(body, "getMe")
        return person(110002, bot=True) | {"username": "OpenSoulWatchBot", "can_join_groups": True}

    def get_updates(self, body):
        fields({}, {
            "offset": ID, "limit": number(1, 100), "timeout": number(0, 50),
            "allowed_updates": items(only("message", "callback_query"), 20),
        })(body, "getUpdates")
        if self.trouble == "webhook":
            raise No(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
        wanted = body.get("allowed_updates") or ["message", "edited_message", "callback_query"]
        with self.lock:
            self.polls += 1
            mine = self.polls
            self.lock.notify_all()
            if "offset" in body:
                self.updates = [one for one in self.updates if one["update_id"] >= body["offset"]]
            self.updates = [one for one in self.updates if any(kind in one for kind in wanted)]
            end = time.monotonic() + body.get("timeout", 0)
            while not self.updates and self.polls == mine and time.monotonic() < end and not self.trouble:
                self.lock.wait(0.1)
                self.updates = [one for one in self.updates if any(kind in one for kind in wanted)]
            if self.polls != mine:
                raise No(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
            if self.trouble == "token":
                raise No(401, "Unauthorized")
            return self.updates[: body.get("limit", 100)]

    def send_message(self, body):
        fields({"chat_id": ID, "text": TEXT}, {
            "message_thread_id": ID, "link_preview_options": PREVIEW, "reply_markup": KEYBOARD,
            "reply_parameters": fields({"message_id": ID}, {"allow_sending_without_reply": flag}),
        })(body, "sendMessage")
        if body["chat_id"] not in (GROUP, ANN, BOB):
            raise No(400, "Bad Request: chat not found")
        with self.lock:
            self.next_message += 1
            made = {"message_id": self.next_message, "edits": 0} | body
            self.messages[self.next_message] = made
        return {"message_id": made["message_id"], "chat": {"id": body["chat_id"]}, "date": int(time.time()), "text": body["text"]}

    def edit_message(self, body):
        fields({"chat_id": ID, "message_id": ID, "text": TEXT}, {"link_preview_options": PREVIEW, "reply_markup": KEYBOARD})(body, "edit")
        message = self.messages.get(body["message_id"])
        if message is None or message["chat_id"] != body["chat_id"]:
            raise No(400, "Bad Request: message to edit not found")
        if (message["text"], message.get("reply_markup")) == (body["text"], body.get("reply_markup")):
            raise No(400, "Bad Request: message is not modified")
        message.pop("reply_markup", None)
        message.update(body, edits=message["edits"] + 1)
        return {"message_id": body["message_id"], "text": body["text"]}

    def answer_query(self, body):
        fields({"callback_query_id": text(64)}, {"text": text(200), "show_alert": flag})(body, "answerCallbackQuery")
        asked = self.queries.pop(body["callback_query_id"], None)
        if asked is None or time.monotonic() - asked > 15:
            raise No(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered.append(body.get("text", ""))
        return True


def person(id, bot=False):
    names = {ANN: "ann", BOB: "bob", ANONYMOUS: "GroupAnonymousBot"}
    return {"id": id, "is_bot": bot or id == ANONYMOUS, "first_name": names.get(id, "Somebody"), "username": names.get(id, f"user{id}")}


def chat_of(id, user):
    return {"id": id, "type": "private", "first_name": "X"} if id > 0 else {"id": id, "type": "supergroup", "title": "Ops"}


def chat_section(bot, writes=True, lang="en", chats=(GROUP, ANN), users=(ANN, BOB), more=""):
    return (
        f'[chat]\ntoken = {{ env = "CHAT_TOKEN" }}\nurl = "{bot.url}"\nchats = {list(chats)}\nusers = {list(users)}\n'
        f'writes = {str(writes).lower()}\nlang = "{lang}"\n{more}\n'
    )
