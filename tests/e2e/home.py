"""The home of `tests/fixtures/home`: one file in the documented shape for each place that some source reads."""

import os
import pathlib
import sqlite3

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures/home"


def furnish(home):
    """Makes it below `home`; `*.sql` becomes the database that it describes."""
    for folder, _, files in os.walk(FIXTURES):
        for name in files:
            source = pathlib.Path(folder) / name
            path = home / source.relative_to(FIXTURES)
            for parent in reversed(path.relative_to(home).parents):
                (home / parent).mkdir(mode=0o700, exist_ok=True)
            if path.suffix == ".sql":
                path = path.with_suffix("")
                database = sqlite3.connect(path)
                database.executescript(source.read_text())
                database.close()
            else:
                path.write_bytes(source.read_bytes())
            path.chmod(0o600)
