"""What the program's own database says about its messages."""

import sqlite3


def book(machine):
    """Receiver → its messages as (state, attempts, reason, detail), and who is in quarantine."""
    database = sqlite3.connect(f"file:{machine.state}/state.db?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT receiver, state, attempts, reason, detail FROM outbox ORDER BY created_at, id").fetchall()
        out = {row[0] for row in database.execute("SELECT name FROM receiver WHERE quarantined_at IS NOT NULL")}
    finally:
        database.close()
    found = {}
    for receiver, *row in rows:
        found.setdefault(receiver, []).append(tuple(row))
    return found, out


def put_off(machine):
    """Whatever waits, waits an hour longer, for which no machine is held up; how many seconds the shortest wait was until then."""
    with sqlite3.connect(machine.state / "state.db") as database:
        shortest = database.execute("SELECT min(next_at - last_at) FROM outbox WHERE state = 'queued'").fetchone()[0]
        database.execute("UPDATE outbox SET next_at = next_at + 3600000 WHERE state = 'queued'")
    database.close()
    return shortest / 1000


def let_time_pass(machine):
    """Whatever waits may be tried now."""
    with sqlite3.connect(machine.state / "state.db") as database:
        database.execute("UPDATE outbox SET next_at = 0, last_at = NULL WHERE state = 'queued'")
        database.execute("UPDATE receiver SET try_at = 0 WHERE quarantined_at IS NOT NULL")
    database.close()
