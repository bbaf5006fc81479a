"""A person at a terminal: the program on a pseudo-terminal of its own, what it shows, and keys pressed."""

import os
import pty
import re
import select
import signal
import time

import fcntl
import struct
import termios

CTRL_C, ENTER = "\x03", "\r"
# What moves the cursor and colours, and is no text.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]")


class Terminal:
    """`expect` waits for words, `type` presses keys, `ended` gives the exit code."""

    def __init__(self, machine, *args, env=None, columns=120, rows=50):
        self.raw, self.seen, self.code, self.echoes = b"", 0, None, None
        words = [str(machine.program), *map(str, args)]
        variables = machine.env | {"TERM": "xterm"} | (env or {})
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # Here, as the program asks for it at once.
                fcntl.ioctl(0, termios.TIOCSWINSZ, size)
                os.chdir(machine.cwd)
                os.execve(words[0], words, variables)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)

    @property
    def text(self):
        return ESCAPES.sub("", self.raw.decode("utf-8", "replace"))

    def _read(self, patience):
        """False when there is nothing more to come."""
        if not select.select([self.fd], [], [], patience)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        # crossterm asks where the cursor is, and waits for the answer.
        if b"\x1b[6n" in data:
            os.write(self.fd, b"\x1b[1;1R")
        return bool(data)

    def expect(self, words, patience=20):
        """Waits until these words are shown, after those that were waited for before."""
        end = time.monotonic() + patience
        while True:
            text = self.text
            at = text.find(words, self.seen)
            if at >= 0:
                self.seen = at + len(words)
                return self
            if time.monotonic() > end or not self._read(0.2):
                raise AssertionError(f"{words!r} was not shown:\n{text}")

    def type(self, keys):
        os.write(self.fd, keys.encode())
        return self

    def ended(self, patience=30):
        """The exit code; minus the signal if one ended it."""
        end = time.monotonic() + patience
        while self.code is None:
            more = self._read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                while self._read(0) and select.select([self.fd], [], [], 0)[0]:
                    pass
            elif time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"it did not end:\n{self.text}")
            elif not more:
                time.sleep(0.02)
        # Whether it left the terminal as it was: one that shows what is typed.
        self.echoes = bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)
        os.close(self.fd)
        return self.code
