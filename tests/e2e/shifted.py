"""The clock of a machine, moved on: what a test does not wait for."""

import time

from cache import CACHE

LIBRARY = next(iter(CACHE.glob("faketime/usr/lib/*/faketime/libfaketime.so.1")), None)


class Shifted:
    """The machine some hours later. The monotonic clock is left alone."""

    def __init__(self, machine):
        self.machine, self.hours, self.began = machine, 0.0, time.time()
        machine.env |= {"LD_PRELOAD": str(LIBRARY), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
        self.to(0)

    def to(self, hours):
        assert hours >= self.hours
        self.hours = hours
        self.machine.env["FAKETIME"] = f"+{hours * 3600:.0f}"

    @property
    def now(self):
        return time.time() + self.hours * 3600
