"""A mail server that does what a test tells it to, wrong things included."""

import asyncio
import email
import email.policy
import threading
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "monitor", "smtp-password-of-the-tests"


@dataclass
class Mail:
    """One mail that the server accepted."""

    sender: str
    recipients: list
    raw: bytes
    user: str | None
    encrypted: bool
    message: email.message.EmailMessage = field(init=False)

    def __post_init__(self):
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)

    def __getitem__(self, header):
        return self.message[header]

    def part(self, kind):
        """The decoded text of the part `text/<kind>`."""
        body = self.message.get_body((kind,))
        return body.get_content() if body else None


class MailServer:
    """Listens on a loopback port of its own. `security`: plain, starttls or tls. `password` may be changed by a test.

    `say` holds answers for the coming commands, `("RCPT", "450 …")`, used up one by one; `refuse` maps a recipient to the
    answer it always gets. `silent` accepts a connection and says nothing.
    """

    def __init__(self, security, context=None, silent=False, port=0, password=PASSWORD):
        self.security, self.context, self.silent, self.password = security, context, silent, password
        self.mails, self.say, self.refuse, self.seen = [], [], {}, []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(port), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self):
        scheme = {"plain": "smtp", "starttls": "smtp+starttls", "tls": "smtps"}[self.security]
        return f"{scheme}://127.0.0.1:{self.port}"

    def accepted(self):
        return list(self.mails)

    def close(self):
        """Stops listening and drops every connection."""
        async def stop():
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    async def _listen(self, port):
        if self.silent:
            return await asyncio.start_server(self._say_nothing, "127.0.0.1", port)
        tls = self.context if self.security == "tls" else None
        return await self._loop.create_server(self._protocol, "127.0.0.1", port, ssl=tls)

    async def _say_nothing(self, reader, writer):
        self.seen.append("CONNECT")
        try:
            await reader.read(1)
        finally:
            writer.close()

    def _protocol(self):
        starttls = self.security == "starttls"
        return SMTP(
            _Handler(self),
            hostname="localhost",
            tls_context=self.context if starttls else None,
            require_starttls=starttls,
            auth_required=True,
            auth_require_tls=starttls,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), self.password.encode())
        self.seen.append(f"AUTH {mechanism} {'good' if good else 'bad'}")
        session.user = USER if good else None
        # handled=False makes the server answer 535 itself; without it a wrong password gets no answer at all.
        return AuthResult(success=good, handled=False)

    def _answer(self, command):
        self.seen.append(command)
        for at, (wanted, answer) in enumerate(self.say):
            if wanted == command:
                del self.say[at]
                return answer
        return None


class _Handler:
    def __init__(self, owner):
        self._owner = owner

    async def handle_MAIL(self, server, session, envelope, address, options):
        answer = self._owner._answer("MAIL")
        if answer:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self._owner._answer("RCPT") or self._owner.refuse.get(address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self._owner._answer("DATA")
        if answer:
            if answer.startswith("421"):
                self._owner._loop.call_later(0.05, server.transport.close)
            return answer
        encrypted = session.ssl is not None or self._owner.security == "tls"
        self._owner.mails.append(
            Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content, getattr(session, "user", None), encrypted)
        )
        return "250 stored"
