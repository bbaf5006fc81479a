"""Where `tests/install-needs` puts what it does not install."""

import os
import pathlib

CACHE = pathlib.Path(
    os.environ.get("OPENSOUL_TESTS_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "opensoul-tests"
)


def cached(place):
    """The path of something in the cache; None if it is not there."""
    path = CACHE / place
    return path if path.exists() else None
