"""Waiting for a condition instead of sleeping."""

import time


class Late(AssertionError):
    """The condition did not come true in time."""


def until(condition, within=20.0, what=None, every=0.05):
    """Polls `condition` until it is truthy and returns its value; exceptions of a server that is not up yet count as no."""
    end = time.monotonic() + within
    last = None
    while True:
        try:
            value = condition()
            last = None
        except (OSError, KeyError, ValueError) as error:
            value, last = None, error
        if value:
            return value
        if time.monotonic() > end:
            name = what() if callable(what) else what or getattr(condition, "__name__", "condition")
            raise Late(f"not within {within} s: {name}" + (f" ({last!r})" if last else ""))
        time.sleep(every)
