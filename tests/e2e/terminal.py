"""A person at a terminal: the program runs on a pty, its questions are waited for, its answers typed."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Person:
    """`with Person(machine, "models", "auth", "add") as person: person.asked("Provider"); person.types("openai\\r")`"""

    def __init__(self, machine, *args, env=None):
        self.raw, self.read_to, self.code = b"", 0, None
        argv = [str(machine.program), *map(str, args)]
        environment = machine.env | {"TERM": "xterm"} | (env or {})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            os.chdir(machine.cwd)
            os.execvpe(argv[0], argv, environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.code is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    @property
    def screen(self):
        """Everything that was ever shown."""
        return ANSI.sub("", self.raw.decode("utf-8", "replace"))

    def _more(self, wait):
        if not select.select([self.fd], [], [], wait)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        return bool(data)

    def asked(self, text, within=20):
        """Waits until this is shown after what was waited for before."""
        end = time.monotonic() + within
        while True:
            shown = self.screen
            at = shown.find(text, self.read_to)
            if at >= 0:
                self.read_to = at + len(text)
                return
            if time.monotonic() > end or not self._more(0.1):
                raise AssertionError(f"not asked: {text!r}; shown:\n{shown}")

    def types(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def ends(self, within=30):
        """The exit code."""
        end = time.monotonic() + within
        while self._more(0.1):
            if time.monotonic() > end:
                raise AssertionError(f"does not end; shown:\n{self.screen}")
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                while self._more(0):
                    if not select.select([self.fd], [], [], 0)[0]:
                        break
                self.code = os.waitstatus_to_exitcode(status)
                return self.code
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code
