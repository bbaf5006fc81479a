"""A server that means harm: whatever it is asked, it answers in one manner. Loopback, port 0."""

import functools
import gzip
import socket
import struct
import threading

#: Of a body of 100 MB, as much at once.
CHUNK = b"x" * (1 << 16)
MEGABYTES = 100


def good(send):
    answer(send, b'{"object":"list","data":[{"id":"m","object":"model"}]}')


def trouble(send):
    send(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")


def huge(send):
    """100 MB of one JSON text, announced."""
    size = MEGABYTES << 20
    send(head(f"content-length: {size + 11}") + b'{"data":"')
    for _ in range(size // len(CHUNK)):
        send(CHUNK)
    send(b'"}')


def huge_chunks(send):
    """The same, in chunks that nobody announced."""
    send(head("transfer-encoding: chunked") + b'9\r\n{"data":"\r\n')
    for _ in range((MEGABYTES << 20) // len(CHUNK)):
        send(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


def endless_headers(send):
    send(b"HTTP/1.1 200 OK\r\n")
    line = b"x-more: " + b"y" * 1000 + b"\r\n"
    for _ in range(MEGABYTES << 10):
        send(line)


def one_long_header(send):
    send(b"HTTP/1.1 200 OK\r\nx-more: ")
    for _ in range((MEGABYTES << 20) // len(CHUNK)):
        send(CHUNK)


def drip(send):
    """A byte now and then, for as long as somebody waits."""
    send(head("content-length: 1000000"))
    while True:
        send(b"[")
        threading.Event().wait(0.02)


@functools.cache
def bomb():
    return gzip.compress(b'{"data":"' + b"x" * (MEGABYTES << 20) + b'"}')


def gzip_bomb(send):
    """Half a megabyte that would become 100."""
    answer(send, bomb(), "content-encoding: gzip")


def not_utf8(send):
    answer(send, b'{"data":"' + bytes(range(128, 256)) * 8000 + b'"}')


def deep(send):
    answer(send, b'{"data":' + b"[" * 500_000 + b"]" * 500_000 + b"}")


def many_values(send):
    """What is small as text and large as a tree."""
    answer(send, b'{"data":[' + b"[]," * 8_000_000 + b"[]]}")


def objects_that_fit(send):
    """As much as is read of a provider, and a hundred times that as a tree."""
    answer(send, b'{"data":[' + b'{"":0},' * 37_000 + b"0]}")


def objects_of_a_page(send):
    """The same for a status page."""
    answer(send, b'{"status":{"indicator":"none"},"components":[' + b'{"id":0},' * 450_000 + b"0]}")


MANNERS = [huge, huge_chunks, endless_headers, one_long_header, drip, gzip_bomb, not_utf8, deep, many_values, objects_that_fit, objects_of_a_page]


def head(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", "content-type: application/json", *lines, "", ""]).encode()


def answer(send, body, *lines):
    send(head(*lines, f"content-length: {len(body)}") + body)


class RudeServer:
    """Answers every connection in a thread of its own; `asked` counts them."""

    def __init__(self, manner):
        self.manner, self.asked = manner, 0
        if manner is gzip_bomb:
            bomb()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                stream, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(stream,), daemon=True).start()

    def _answer(self, stream):
        with stream:
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    more = stream.recv(65536)
                    if not more:
                        return
                    request += more
                self.asked += 1
                self.manner(stream.sendall)
                # What is closed with something unread is reset, and what was sent may be lost.
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass
            except OSError:
                # Who has enough closes the connection.
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        # Closing alone does not wake who accepts.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
