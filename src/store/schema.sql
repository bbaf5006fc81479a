-- Version 1 of state.db. Instants are milliseconds since 1970 (UTC). No secret is ever in here, only keyed hashes.

-- Single values: last_time (the last `now` that was committed), cycles (how many were).
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- When each job last ran.
CREATE TABLE run (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Open incidents, and those over that somebody has still to be told of. `body` is domain::Incident as JSON.
CREATE TABLE incident (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  severity TEXT NOT NULL,
  since INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One message for one receiver. Sent and withdrawn ones stay some days. `body` is domain::Notification as JSON.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  receiver TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'withdrawn')),
  urgency INTEGER NOT NULL,           -- 3 critical, 2 warning, 1 info
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,           -- not to be tried before
  last_at INTEGER,                    -- end of the last attempt
  begun_at INTEGER,                   -- start of the attempt that is under way
  ended_at INTEGER,                   -- when it was sent or withdrawn
  uncertain INTEGER NOT NULL DEFAULT 0, -- a failed attempt may have got through
  reason TEXT,                        -- of the last failure
  detail TEXT,                        -- the receiver's last words, redacted
  progress TEXT,                      -- domain::Progress as JSON
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_state ON outbox (state, next_at);

-- What is known of each receiver's health.
CREATE TABLE receiver (
  name TEXT PRIMARY KEY,
  delivered INTEGER NOT NULL DEFAULT 0,
  last_success INTEGER,
  quarantined_at INTEGER,
  try_at INTEGER,                     -- the next try while in quarantine
  reason TEXT,
  detail TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE failure (
  receiver TEXT NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (receiver, reason)
) STRICT, WITHOUT ROWID;

-- The credentials of earlier cycles, with the state last seen.
CREATE TABLE credential (
  id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  source TEXT NOT NULL,
  in_use INTEGER NOT NULL,
  absent_since INTEGER,
  absent_cycles INTEGER NOT NULL,
  state TEXT,
  severity TEXT,
  expires INTEGER,
  generation TEXT
) STRICT, WITHOUT ROWID;

-- History: one row for a cycle, one for each change of a credential. What held at an instant is the last change before it,
-- if cycles ran.
CREATE TABLE cycle (
  at INTEGER PRIMARY KEY,
  credentials INTEGER NOT NULL,
  problems INTEGER NOT NULL
) STRICT;
CREATE TABLE change (
  credential TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  severity TEXT NOT NULL,
  expires INTEGER,
  generation TEXT NOT NULL,
  PRIMARY KEY (credential, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_by_time ON change (at);

-- Answers of probes: the last conclusive one and the last one at all.
CREATE TABLE verdict (
  credential TEXT NOT NULL,
  conclusive INTEGER NOT NULL,
  generation TEXT NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  detail TEXT NOT NULL,
  not_before INTEGER,                 -- the provider does not want to be asked earlier
  PRIMARY KEY (credential, conclusive)
) STRICT, WITHOUT ROWID;

-- Ledger: when each secret was first seen (by keyed hash), and the numbers of e-mail addresses.
CREATE TABLE first_seen (fingerprint TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE pseudonym (address TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;
