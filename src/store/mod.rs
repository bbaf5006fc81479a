//! Our own SQLite file: history, incidents, outbox, ledger. Nothing else writes it.
